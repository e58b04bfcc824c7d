/* link.h - main's connection to its agent: starts the agent with the first pool, ends it with the last. One per process;
 * any thread. */
#ifndef POOL_LINK_H
#define POOL_LINK_H

#include "base/err.h"
#include "wire/control.h"

/* Makes sure that there is an agent; to be called before ZeroMQ is touched. It starts the program's nursery at once,
 * for n_workers workers. 0; -1 with *err: ENOENT (mpworker is nowhere), EMFILE, ENOMEM. Each success needs a
 * mpl__link_close. */
int mpl__link_open (int n_workers, mpl_err_t *err);

/* Asks the agent for a pool. 0; -1 with errno: EPIPE, the agent is gone. */
int mpl__link_order (const mpl_control_t *order, const int fds[4]);

/* The name of the folder in which a pool may bind its socket for a moment; the agent removes it if main dies then. */
const char *mpl__link_folder (void);

/* The agent was found to be gone: the next mpl__link_open starts another. */
void mpl__link_lost (void);

void mpl__link_close (void);

#endif
