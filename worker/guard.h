/* guard.h - who stays on another host when the agent there is killed: its parent, which does nothing but wait. It is a
 * subreaper, so what the agent leaves behind becomes its own: it ends all of it, and removes what was staged. On the launcher's
 * own host the launcher itself is that. Killed together with the agent it can do nothing; killed alone it takes the agent
 * along. */
#ifndef WORKER_GUARD_H
#define WORKER_GUARD_H

#define MPL__GUARD_TOKEN 17             /* bytes of what staged folders are known by, the NUL included */

/* Starts the agent, `mpworker --guarded TOKEN`, with our standard descriptors, and waits for its end. TERM is passed on to it.
 * The exit code: the agent's, or 128 and the signal that ended it. */
int mpl__guard (const char *name);

/* In the agent: TERM comes when its guard has ended. */
void mpl__guard_is_wanted (void);

#endif
