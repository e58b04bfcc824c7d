/* place.h - where in a file or a list something is wrong, and how that is said: "lab.yaml:3:7: ..." or "host list
 * 'a,b[', column 4: ...". Pure; keeps nothing. A place borrows its source's name or text. */
#ifndef CONF_PLACE_H
#define CONF_PLACE_H

#include "base/err.h"

#include <stddef.h>

#define MPL__SHOWN 64           /* bytes of foreign text that an error quotes, the NUL included */

typedef struct {
    const char *source;         /* a file's name; with line 0 the list itself, which is shown as it is */
    size_t line, column;        /* from 1, as editors count; columns of YAML are characters, others bytes */
} mpl_place_t;

/* The place `bytes` further on the same line. */
mpl_place_t mpl__place_after (const mpl_place_t *self, size_t bytes);

/* As mpl__err, with the place before the sentence. A long file name is shown by its end, so that the sentence
 * always fits. */
int mpl__err_at (mpl_err_t *err, const mpl_place_t *place, int code, const char *fmt, ...)
    __attribute__ ((format (printf, 4, 5)));

/* Foreign text as an error may quote it: on one line, and cut with "..." when it is long. Writes into shown,
 * returns it. */
const char *mpl__shown (char shown[MPL__SHOWN], const char *text, size_t len);

#endif
