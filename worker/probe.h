/* probe.h - what an agent tries for mplaunch --check on its host: whether the program is there, and whether ports are
 * open from here and to here. It listens as main would, answers whoever comes with a token, and connects as workers
 * would. It owns its sockets. */
#ifndef WORKER_PROBE_H
#define WORKER_PROBE_H

#include "base/loop.h"
#include "worker/ranks.h"
#include "wire/control.h"
#include "wire/order.h"

typedef struct mpl_probe mpl_probe_t;

#define MPL__PROBE_LIMIT_NS 5000000000u         /* for a connection */

/* Looks for each program of the order, or for the folder to run in when it has none, listens, and says both: CHECKED
 * with n 0 and 1. NULL: ENOMEM. */
mpl_probe_t *mpl__probe_new (mpl_loop_t *loop, const mpl_order_t *order, mpl_ranks_t *ranks,
                             void (*say) (void *arg, const mpl_control_t *message), void *arg);

/* A CHECK: connects to another host's endpoints and says what came of it: CHECKED with n 2. */
void mpl__probe_heard (mpl_probe_t *self, const mpl_control_t *message);

/* Does what is due; the next instant at which something is. */
uint64_t mpl__probe_tick (mpl_probe_t *self, uint64_t now);
void mpl__probe_destroy (mpl_probe_t **self);

#endif
