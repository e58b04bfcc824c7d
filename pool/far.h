/* far.h - the part of a pool that is on other hosts: which hosts there are and which worker numbers each has, the
 * door they come in by, and what is said to the agents there. All with the pool's lock held. */
#ifndef POOL_FAR_H
#define POOL_FAR_H

#include "wire/control.h"

#include <stddef.h>
#include <stdint.h>

typedef struct mpl_pool mpl_pool_t;

/* A host that is not main's. */
typedef struct {
    uint64_t node;                      /* its number in the launch */
    char *name;                         /* owned; results point to it */
    int first, n;                       /* its workers' numbers; n 0: it has none yet */
    int n_slots;                        /* that it has to give */
    int is_gone;                        /* lost, or of no use: nothing is asked of it any more */
} mpl_pool_host_t;

/* How many of n workers fall to ranks first to first + len - 1 of `size`, when they are dealt over the ranks in turn.
 * Pure. */
int mpl__far_share (int n, int size, int first, int len);

/* What the agent says of other hosts on the channel. */
void mpl__far_take (mpl_pool_t *self, const mpl_control_t *message, uint64_t now);

/* So many workers are wanted in all, more than before: hosts that have come get their part, and the launcher is asked
 * for others. */
void mpl__far_grow (mpl_pool_t *self, int workers);

/* The host of a worker; NULL: main's. */
mpl_pool_host_t *mpl__far_host (const mpl_pool_t *self, int worker);

/* Says the same to the agent of each other host. */
void mpl__far_tell_all (mpl_pool_t *self, mpl_control_type_t type);

/* Has the agent of a worker's host take back a chunk; the answer comes as RECALLED. */
void mpl__far_recall (mpl_pool_t *self, int worker, uint64_t chunk, uint32_t word, uint32_t n);

/* Whether the message last received may come from that worker: from its host, by the key that its nursery has. */
int mpl__far_is_from (const mpl_pool_t *self, int worker);

void mpl__far_free (mpl_pool_t *self);

#endif
