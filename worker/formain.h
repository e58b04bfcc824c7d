/* formain.h - the agent of a program that was started by itself (./app): one nursery, the pools that main opens over its
 * link, and the end when main closes the link or is gone. */
#ifndef WORKER_FORMAIN_H
#define WORKER_FORMAIN_H

#include <sys/types.h>

typedef struct {
    int link;                       /* main's end is in its library */
    int main_pidfd;                 /* main itself: children of it may hold the link open after its death */
    dev_t device;                   /* of the executable, to be sure that path still is what main runs */
    ino_t inode;
    int n_workers;                  /* of the first pool: the nursery is started before it is opened */
    const char *folder;             /* in which main binds its sockets */
    const char *path;
    char *const *argv;              /* main's own */
} mpl_formain_t;

/* Serves main until it has closed its last pool or died. The exit code. */
int mpl__formain (const mpl_formain_t *spec);

#endif
