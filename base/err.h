/* err.h - one error: a code and one whole sentence saying what failed, where, and what would be right.
 * Whoever detects an error writes it; whoever passes it on adds nothing but the place. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

#define MPL__ERR_TEXT 1200      /* a path of PATH_MAX does not fit whole; every sentence of ours does */

typedef struct {
    int code;                   /* an errno value; 0: none */
    char text[MPL__ERR_TEXT];
} mpl_err_t;

/* Fills *err, sets errno to code, and returns -1, so that failing takes one line. err may be NULL. */
int mpl__err (mpl_err_t *err, int code, const char *fmt, ...) __attribute__ ((format (printf, 3, 4)));

/* "Segmentation fault" for 11 and so on, from a static table: safe in any thread. */
const char *mpl__signal_name (int signal);

/* How a process ended, from its wait status: "exit code 3", "signal 9 (Killed)". Writes into text, returns it. */
const char *mpl__status_text (int status, char *text, size_t size);

#endif
