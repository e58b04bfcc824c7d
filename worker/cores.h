/* cores.h - which processing units each rank of a host gets. Pure: a topology in, a set out; it binds nothing. */
#ifndef WORKER_CORES_H
#define WORKER_CORES_H

#include "wire/order.h"
#include "worker/cpuset.h"
#include "worker/topology.h"

/* What local rank `rank` of n_ranks is bound to.
 *
 * Ranks are dealt over cores: by slot or core, in the order of the cores, socket after socket; by socket, one to
 * each socket in turn for as long as it has a core left. When every core has a rank, they are dealt out once more
 * in the same order. A rank that is held to its core gets all processing units of it, one that is held to its
 * socket all of that.
 *
 * *set is the caller's to free. Returns how many ranks there are on the core that has the most: 1, or more when
 * there are more ranks than cores, which is worth a warning; 0 when nothing is bound (MPL__HOLD_NONE; *set is
 * empty then); -1: ENOMEM. */
int mpl__cores_assign (const mpl_topology_t *topology, mpl_deal_t deal, mpl_hold_t hold, int n_ranks, int rank,
                       mpl_cpuset_t *set);

#endif
