/* halt.h - when to stop running further jobs, as GNU parallel's --halt has it: never, or soon (those that run may
 * end) or now (they are ended) once so many, or so many in a hundred, have failed, succeeded or ended. Pure. */
#ifndef LAUNCHER_EACH_HALT_H
#define LAUNCHER_EACH_HALT_H

#include <stddef.h>

typedef enum { MPL__HALT_NEVER, MPL__HALT_SOON, MPL__HALT_NOW } mpl_halt_when_t;
typedef enum { MPL__HALT_FAIL, MPL__HALT_SUCCESS, MPL__HALT_DONE } mpl_halt_what_t;

typedef struct {
    mpl_halt_when_t when;
    mpl_halt_what_t what;
    int limit, is_percent;
} mpl_halt_t;

/* "never", "soon,fail=1", "now,success=20%", "now,done=3", or the older 0, 1 and 2. 0, or -1: it is none of these. */
int mpl__halt_parse (const char *text, mpl_halt_t *halt);

/* What to do when so many have failed and succeeded, of `total` (0: not known yet). A percentage counts from the
 * third such job on, so that one bad beginning does not decide. */
mpl_halt_when_t mpl__halt_decide (const mpl_halt_t *halt, size_t n_failed, size_t n_succeeded, size_t total);

/* The exit code when it was decided: that of the job for which, with fail=1; the percentage that failed, with a
 * percentage; 0 with success; -1: how many failed. */
int mpl__halt_code (const mpl_halt_t *halt, size_t n_failed, size_t total, int code);

#endif
