/* streams.h - what the agents of several hosts print and read, in one place: their lines are written whole to our
 * standard output and error, whichever host they come from, and our standard input goes to the hosts whose ranks read
 * it. With all ranks on this host nothing of this is needed: its agent has our descriptors. One thread, that of its
 * loop. */
#ifndef LAUNCHER_STREAMS_H
#define LAUNCHER_STREAMS_H

#include "base/err.h"
#include "launcher/plan.h"
#include "worker/post.h"

typedef struct mpl_streams mpl_streams_t;

/* standard_input: as in the options. NULL with *err. */
mpl_streams_t *mpl__streams_new (mpl_loop_t *loop, const mpl_plan_t *plan, int standard_input, mpl_err_t *err);

/* There may be more hosts than the plan had at first. 0; -1: ENOMEM. */
int mpl__streams_extend (mpl_streams_t *self);

/* Connects the agent of a host, again if it was connected before: by descriptors 0 to 2 for it, which the caller
 * closes (-1: ours); or through its post. 0, or -1 with *err. */
int mpl__streams_open (mpl_streams_t *self, size_t host, int fds[3], mpl_err_t *err);
int mpl__streams_open_post (mpl_streams_t *self, size_t host, mpl_post_t *post, mpl_err_t *err);

/* All agents are connected: input flows. */
void mpl__streams_begin (mpl_streams_t *self);

/* Does what is due at `now`; the next instant at which something is. */
uint64_t mpl__streams_tick (mpl_streams_t *self, uint64_t now);

/* Why nothing can be written any more, as an errno value; 0: it can. */
int mpl__streams_error (const mpl_streams_t *self);

/* 1 when all agents' output has come to its end and is written. */
int mpl__streams_is_done (const mpl_streams_t *self);
void mpl__streams_destroy (mpl_streams_t **self);

#endif
