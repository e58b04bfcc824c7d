/* agent.h - the launcher's hold on the agent of a host: started as a child with a socket, whose end is the job's end. */
#ifndef LAUNCHER_AGENT_H
#define LAUNCHER_AGENT_H

#include "base/err.h"
#include "launcher/options.h"

#include <sys/types.h>

typedef struct {
    pid_t pid;
    int link;                           /* control messages */
} mpl_host_agent_t;

/* Starts mpworker on this host, in a session of its own, so that the terminal's Ctrl-C comes to us alone. 0, or -1 with *err:
 * ENOENT (mpworker is not found), EMFILE, EAGAIN. */
int mpl__agent_start (mpl_host_agent_t *self, const mpl_options_t *options, mpl_err_t *err);

#endif
