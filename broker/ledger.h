/* ledger.h - who has lent which slots to whom: hosts with slots, launches that want some, leases, and who waits.
 * Pure: it is told what happens and the time, and fills a list of actions. Hosts and launches are known by their
 * owner's numbers, never 0.
 *
 * The policy. Slots are dealt out in rounds, MPL__LEDGER_GATHER_NS after something changed, so that those who come
 * together share. In a round those who are not served yet come first, and then those that asked for more later; among
 * them each free slot goes to whoever has the fewest, the first come of those. A launch is served, and starts, when
 * it has all it wants, or its fair share (what it would have if all slots were dealt out anew among all launches), or
 * when it has had something for MPL__LEDGER_PATIENCE_NS. From then on it wants no more than it has, unless it says
 * so. Of hosts, those with the most free slots are lent first.
 *
 * While somebody waits with less than its fair share, those who have more than theirs are asked for what is too much
 * (RECLAIM), most of where they have most, and of their earliest lease, where main is, last. A pool gives slots back as
 * its workers end what they are on; other programs keep theirs, so nobody is relied upon: it is free when it is returned.
 * Who is waiting for that has MPL__LEDGER_RECLAIM_NS of patience. What a launch has given back it gets again, when there is
 * something free that nobody waits for. */
#ifndef BROKER_LEDGER_H
#define BROKER_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#define MPL__LEDGER_HOSTS_MAX 8192u
#define MPL__LEDGER_LAUNCHES_MAX 4096u
#define MPL__LEDGER_SLOTS_MAX 65536u            /* of one host, and wanted by one launch */
#define MPL__LEDGER_GATHER_NS UINT64_C (100000000)
#define MPL__LEDGER_PATIENCE_NS UINT64_C (1000000000)
#define MPL__LEDGER_RECLAIM_NS UINT64_C (5000000000)

typedef struct mpl_ledger mpl_ledger_t;

typedef enum {
    MPL__LEDGER_NOTHING,
    MPL__LEDGER_LEND,                   /* to `launch`: `slots` of `host`, as `lease`; or so many in all under one it has */
    MPL__LEDGER_READY,                  /* `launch` is served, with `slots` in all */
    MPL__LEDGER_WAIT,                   /* `launch` got nothing in this round: `slots` there are in all, `launches` have some */
    MPL__LEDGER_LOST,                   /* the host of `lease` has gone */
    MPL__LEDGER_RECLAIM                 /* `launch` may use `slots` of `lease`, and is to give back what it has above that */
} mpl_ledger_kind_t;

typedef struct {
    mpl_ledger_kind_t kind;
    uint64_t launch, host, lease;
    uint64_t slots, launches;
} mpl_ledger_action_t;

typedef struct {
    uint64_t lease, launch, host, slots;
    int is_used;                        /* by an agent there: it is not free before that has ended */
} mpl_ledger_lease_t;

mpl_ledger_t *mpl__ledger_new (void);
void mpl__ledger_destroy (mpl_ledger_t **self);

/* All of these: 0, or -1 with errno ENOMEM, ENOSPC (too many), ENOENT (no such host, launch or lease). */
int mpl__ledger_add_host (mpl_ledger_t *self, uint64_t host, uint64_t slots, uint64_t now);
int mpl__ledger_add_launch (mpl_ledger_t *self, uint64_t launch, uint64_t want, uint64_t now);   /* want 0: all there is */

/* It has gone, with what was lent of it. */
int mpl__ledger_remove_host (mpl_ledger_t *self, uint64_t host, uint64_t now);

/* It wants so many in all from now on, and what it has above that it keeps. */
int mpl__ledger_want (mpl_ledger_t *self, uint64_t launch, uint64_t want, uint64_t now);

/* It is over: its leases are given back, those in use when they are not any more. */
int mpl__ledger_end_launch (mpl_ledger_t *self, uint64_t launch, uint64_t now);

/* All but `keeps` slots of a lease are given back: at once, or if none is kept, when it is not in use any more. */
int mpl__ledger_return (mpl_ledger_t *self, uint64_t launch, uint64_t lease, uint64_t keeps, uint64_t now);

/* An agent runs under the lease (EBUSY: there is one already; EPERM: it was given back), or has ended. */
int mpl__ledger_use (mpl_ledger_t *self, uint64_t lease);
int mpl__ledger_unuse (mpl_ledger_t *self, uint64_t lease, uint64_t now);

/* Copies what is known of a lease. */
int mpl__ledger_find (const mpl_ledger_t *self, uint64_t lease, mpl_ledger_lease_t *found);

/* The next action at `now`; 1, or 0: there is none. */
int mpl__ledger_next (mpl_ledger_t *self, uint64_t now, mpl_ledger_action_t *action);

/* When mpl__ledger_next may have one. */
uint64_t mpl__ledger_due (const mpl_ledger_t *self);

/* NULL when all is consistent, else what is not. For tests. */
const char *mpl__ledger_check (const mpl_ledger_t *self);

/* Slots in all, and those free; how many launches have or want some. */
uint64_t mpl__ledger_slots (const mpl_ledger_t *self, uint64_t *n_free);
size_t mpl__ledger_launches (const mpl_ledger_t *self);

#endif
