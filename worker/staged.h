/* staged.h - the files that a launcher gives to this host, in a folder of their own as long as the launch lasts. It
 * owns the folder and what is in it, and what an order says of it to the programs. */
#ifndef WORKER_STAGED_H
#define WORKER_STAGED_H

#include "base/err.h"
#include "wire/order.h"

#include <limits.h>

typedef struct {
    char folder[PATH_MAX];              /* empty: there are none */
    char *variable;                     /* MPL_STAGE */
    char **set, **paths;                /* in place of the order's: its variables, and what its programs are looked for in */
    size_t n_paths;
} mpl_staged_t;

/* Reads the order's files from a descriptor, or links to them, in a new folder of mode 0700 in `below`, or in /tmp
 * where that is NULL or of no use, whose name has the token (NULL: any) in it; then the order's programs have MPL_STAGE
 * and are looked for there first. Blocks until they are there; it is an error when nothing comes for a minute, or when
 * something can be read from `stop` (-1: nothing). 0, or -1 with *err, and nothing is left. Files are no more than a
 * block in memory. */
int mpl__staged_take (mpl_staged_t *self, mpl_order_t *order, int fd, int stop, const char *below, const char *token,
                      mpl_err_t *err);

/* Removes the folder of that token, which another process made and could not remove. */
void mpl__staged_remove_named (const char *token, const char *below);

/* Removes all of it, and whatever programs put there. The order is of no more use. */
void mpl__staged_remove (mpl_staged_t *self);

#endif
