/* held.h - a process the agent started: a nursery, or a rank of a launch. The agent is its parent and watches it
 * by pidfd, so it is never mistaken for another. */
#ifndef WORKER_HELD_H
#define WORKER_HELD_H

#include "base/err.h"
#include "base/loop.h"
#include "wire/control.h"

#include <sys/resource.h>
#include <sys/types.h>

typedef struct mpl_agent mpl_agent_t;

typedef struct mpl_held {
    mpl_agent_t *agent;
    pid_t pid;                  /* 0: reaped */
    int sock;                   /* control messages; the other end is its MPL_FD */
    mpl_source_t *source;
    mpl_role_t role;
    uint64_t number;            /* no other of this agent has had it */
    int rank;                   /* -1: a nursery beside the ranks */
    int has_greeted;            /* it is inside mpl_init */
    uint64_t started_at;
    int n_asked;                /* SPAWNs it has not answered */
    struct mpl_held *next;
} mpl_held_t;

/* What is started. All borrowed. */
typedef struct {
    const char *path;           /* of its file; what is relative counts from the folder below */
    char *const *argv;
    char **vars;                /* its environment; the first place is free, for MPL_FD */
    int wdir_fd;                /* the folder it runs in; AT_FDCWD: the agent's own */
    int fds[3];                 /* descriptors 0 to 2; -1: the agent's own */
} mpl_start_t;

/* Starts it in a process group of its own, with MPL_FD, and with the signals and limits that the agent was started
 * with. NULL with errno and *err: ENOENT, EACCES, ENOEXEC (the program cannot be run), E2BIG, EAGAIN, EMFILE,
 * ENOMEM. */
mpl_held_t *mpl__held_start (mpl_agent_t *agent, const mpl_start_t *start, mpl_role_t role, int rank, mpl_err_t *err);

/* Tells it its part. */
void mpl__held_welcome (mpl_held_t *self, const mpl_control_t *welcome);

/* Sends a signal to its process group; nothing when it was reaped. */
void mpl__held_kill (mpl_held_t *self, int signal);

/* Closes its socket and frees it. It must have been reaped, or be about to be killed by its socket's end. */
void mpl__held_destroy (mpl_held_t **self);

#endif
