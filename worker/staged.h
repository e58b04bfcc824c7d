/* staged.h - the files that a launcher has sent to this host, in a folder of their own as long as the launch lasts. It owns the
 * folder and what is in it. */
#ifndef WORKER_STAGED_H
#define WORKER_STAGED_H

#include "base/err.h"
#include "wire/stage.h"

#include <limits.h>

typedef struct {
    char folder[PATH_MAX];              /* empty: there are none */
    const mpl_stage_t *files;           /* the order's */
    size_t n;
    char **set;                         /* what the order's ranks are told of it, for mpl__staged_remove to free; NULL: nothing */
    char **paths;                       /* each program's, then NULL */
    char *variable;
} mpl_staged_t;

/* Reads n files from a descriptor into a new folder of mode 0700 below TMPDIR, or /tmp. Blocks until they are there; whoever sends
 * nothing for a minute ends this process (alarm (2)). 0, or -1 with *err, and nothing is left. */
int mpl__staged_read (mpl_staged_t *self, int fd, const mpl_stage_t *files, size_t n, mpl_err_t *err);

/* Removes all of it; an order that was told of it is of no more use. */
void mpl__staged_remove (mpl_staged_t *self);

#endif
