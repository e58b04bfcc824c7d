/* agent.h - the launcher's hold on the agent of a host: started as a child with a socket, whose end is the job's
 * end. */
#ifndef LAUNCHER_AGENT_H
#define LAUNCHER_AGENT_H

#include "base/err.h"
#include "base/loop.h"
#include "launcher/plan.h"

#include <sys/types.h>

typedef struct {
    size_t host;                        /* in the plan */
    pid_t pid;
    int link;                           /* control messages; -1: it is gone */
    mpl_source_t *source;               /* of whoever listens to it */
    void *owner;                        /* and who that is */
} mpl_host_agent_t;

/* Starts mpworker on this host, in a session of its own, so that the terminal's Ctrl-C comes to us alone, and
 * gives it its order. 0, or -1 with *err: ENOENT (mpworker is not found), EMFILE, EAGAIN. */
int mpl__agent_start (mpl_host_agent_t *self, const mpl_plan_t *plan, size_t host, int standard_input,
                      mpl_err_t *err);

#endif
