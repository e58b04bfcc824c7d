#include "broker/ledger.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t id, slots, n_free;
} host_t;

typedef enum { WAITS, SERVED, OVER } state_t;

typedef struct {
    uint64_t id;
    state_t state;
    uint64_t want, has;
    uint64_t first_at;                  /* WAITS: when it got its first slot; MPL__NEVER: it has none */
    uint64_t given;                     /* in the round that is being made */
} launch_t;

typedef struct {
    mpl_ledger_lease_t lease;
    uint64_t most;                      /* slots that its launch can use under it: what it began with */
    uint64_t wished;                    /* that it was last told to use */
    int is_returned;                    /* and still in use */
} entry_t;

struct mpl_ledger {
    host_t *hosts;                      /* in the order in which they came, as all of these */
    launch_t *launches;
    entry_t *leases;
    mpl_ledger_action_t *actions;       /* from next_action on */
    size_t n_hosts, n_launches, n_leases, n_actions, next_action;
    size_t room_hosts, room_launches, room_leases, room_actions;
    uint64_t last_lease;
    uint64_t round_at;                  /* MPL__NEVER: nothing has changed since the last one */
};

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* Room for one more of `size` bytes. */
static int make_room (void **table, size_t *room, size_t n, size_t size)
{
    if (n < *room)
        return 0;
    size_t more = *room ? 2 * *room : 16;
    void *larger = realloc (*table, more * size);
    if (!larger)
        return -1;
    *table = larger;
    *room = more;
    return 0;
}

#define MAKE_ROOM(self, what) make_room ((void **) &(self)->what, &(self)->room_##what, (self)->n_##what, sizeof *(self)->what)

static int fail (int code)
{
    errno = code;
    return -1;
}

static host_t *find_host (const mpl_ledger_t *self, uint64_t id)
{
    for (size_t i = 0; i < self->n_hosts; i++)
        if (self->hosts[i].id == id)
            return &self->hosts[i];
    errno = ENOENT;
    return NULL;
}

static launch_t *find_launch (const mpl_ledger_t *self, uint64_t id)
{
    for (size_t i = 0; i < self->n_launches; i++)
        if (self->launches[i].id == id)
            return &self->launches[i];
    errno = ENOENT;
    return NULL;
}

static entry_t *find_lease (const mpl_ledger_t *self, uint64_t id)
{
    for (size_t i = 0; i < self->n_leases; i++)
        if (self->leases[i].lease.lease == id)
            return &self->leases[i];
    errno = ENOENT;
    return NULL;
}

static void cut (void *table, size_t *n, size_t size, void *member)
{
    char *end = (char *) table + *n * size, *next = (char *) member + size;

    memmove (member, next, (size_t) (end - next));
    (*n)--;
}

#define CUT(self, what, member) cut ((self)->what, &(self)->n_##what, sizeof *(self)->what, member)

/* There is room for it: every change that may bring one has asked before. */
static void act (mpl_ledger_t *self, const mpl_ledger_action_t *action)
{
    self->actions[self->n_actions++] = *action;
}

static int has_room_for_action (mpl_ledger_t *self)
{
    if (self->next_action == self->n_actions)
        self->next_action = self->n_actions = 0;
    return MAKE_ROOM (self, actions) == 0;
}

static void has_changed (mpl_ledger_t *self, uint64_t now)
{
    if (self->round_at == MPL__NEVER)
        self->round_at = now + MPL__LEDGER_GATHER_NS;
}

/* ---- what happens ---------------------------------------------------------------------------------------------- */

int mpl__ledger_add_host (mpl_ledger_t *self, uint64_t host, uint64_t slots, uint64_t now)
{
    if (self->n_hosts == MPL__LEDGER_HOSTS_MAX)
        return fail (ENOSPC);
    if (MAKE_ROOM (self, hosts) < 0)
        return -1;
    slots = slots < MPL__LEDGER_SLOTS_MAX ? slots : MPL__LEDGER_SLOTS_MAX;
    self->hosts[self->n_hosts++] = (host_t) { .id = host, .slots = slots, .n_free = slots };
    has_changed (self, now);
    return 0;
}

static uint64_t bounded_want (uint64_t want)
{
    return want && want < MPL__LEDGER_SLOTS_MAX ? want : MPL__LEDGER_SLOTS_MAX;
}

int mpl__ledger_add_launch (mpl_ledger_t *self, uint64_t launch, uint64_t want, uint64_t now)
{
    if (self->n_launches == MPL__LEDGER_LAUNCHES_MAX)
        return fail (ENOSPC);
    if (MAKE_ROOM (self, launches) < 0)
        return -1;
    self->launches[self->n_launches++] = (launch_t) { .id = launch, .want = bounded_want (want), .first_at = MPL__NEVER };
    has_changed (self, now);
    return 0;
}

int mpl__ledger_want (mpl_ledger_t *self, uint64_t id, uint64_t want, uint64_t now)
{
    launch_t *launch = find_launch (self, id);

    if (!launch)
        return -1;
    launch->want = bounded_want (want);
    has_changed (self, now);
    return 0;
}

/* The lease is no more; what was lent of it is free, if its host is still there. */
static void end_lease (mpl_ledger_t *self, entry_t *entry, uint64_t now)
{
    host_t *host = find_host (self, entry->lease.host);
    launch_t *launch = find_launch (self, entry->lease.launch);

    if (host)
        host->n_free += entry->lease.slots;
    if (launch)
        launch->has -= entry->lease.slots;
    if (launch && launch->state == OVER && !launch->has)
        CUT (self, launches, launch);
    CUT (self, leases, entry);
    has_changed (self, now);
}

static void give_back (mpl_ledger_t *self, entry_t *entry, uint64_t now)
{
    entry->is_returned = 1;
    if (!entry->lease.is_used)
        end_lease (self, entry, now);
}

/* A served launch does not get others for those it loses or gives back, unless it says that it wants them, or was
 * asked to. */
static void wants_no_more (launch_t *launch, const entry_t *entry)
{
    if (launch && launch->state == SERVED && !entry->is_returned && entry->wished >= entry->lease.slots)
        launch->want -= entry->lease.slots < launch->want ? entry->lease.slots : launch->want;
}

int mpl__ledger_remove_host (mpl_ledger_t *self, uint64_t id, uint64_t now)
{
    host_t *host = find_host (self, id);

    if (!host)
        return -1;
    CUT (self, hosts, host);
    for (size_t i = self->n_leases; i-- > 0;) {
        entry_t *entry = &self->leases[i];
        if (entry->lease.host != id)
            continue;
        wants_no_more (find_launch (self, entry->lease.launch), entry);
        if (!entry->is_returned && has_room_for_action (self))
            act (self, &(mpl_ledger_action_t) { .kind = MPL__LEDGER_LOST, .launch = entry->lease.launch, .host = id,
                                                .lease = entry->lease.lease, .slots = entry->lease.slots });
        end_lease (self, entry, now);
    }
    has_changed (self, now);
    return 0;
}

int mpl__ledger_end_launch (mpl_ledger_t *self, uint64_t id, uint64_t now)
{
    launch_t *launch = find_launch (self, id);

    if (!launch)
        return -1;
    launch->state = OVER;
    if (!launch->has)
        CUT (self, launches, launch);
    for (size_t i = self->n_leases; i-- > 0;)
        if (self->leases[i].lease.launch == id)
            give_back (self, &self->leases[i], now);
    has_changed (self, now);
    return 0;
}

static void give_back_some (mpl_ledger_t *self, entry_t *entry, launch_t *launch, uint64_t keeps, uint64_t now)
{
    host_t *host = find_host (self, entry->lease.host);
    uint64_t n = entry->lease.slots - keeps;

    entry->lease.slots = keeps;
    host->n_free += n;
    launch->has -= n;
    has_changed (self, now);
}

int mpl__ledger_return (mpl_ledger_t *self, uint64_t id, uint64_t lease, uint64_t keeps, uint64_t now)
{
    entry_t *entry = find_lease (self, lease);
    launch_t *launch = find_launch (self, id);

    if (!entry || !launch || entry->lease.launch != id)
        return fail (ENOENT);
    if (entry->is_returned || keeps >= entry->lease.slots)
        return 0;
    if (keeps) {
        give_back_some (self, entry, launch, keeps, now);
        return 0;
    }
    wants_no_more (launch, entry);
    give_back (self, entry, now);
    return 0;
}

int mpl__ledger_use (mpl_ledger_t *self, uint64_t lease)
{
    entry_t *entry = find_lease (self, lease);

    if (!entry)
        return -1;
    if (entry->lease.is_used || entry->is_returned)
        return fail (entry->is_returned ? EPERM : EBUSY);
    entry->lease.is_used = 1;
    return 0;
}

int mpl__ledger_unuse (mpl_ledger_t *self, uint64_t lease, uint64_t now)
{
    entry_t *entry = find_lease (self, lease);

    if (!entry)
        return -1;
    entry->lease.is_used = 0;
    if (entry->is_returned)
        end_lease (self, entry, now);
    return 0;
}

int mpl__ledger_find (const mpl_ledger_t *self, uint64_t lease, mpl_ledger_lease_t *found)
{
    const entry_t *entry = find_lease (self, lease);

    if (!entry)
        return -1;
    *found = entry->lease;
    return 0;
}

/* ---- shares ---------------------------------------------------------------------------------------------------- */

static int takes_part (const launch_t *launch, state_t state)
{
    return launch->state == state && launch->want > launch->has + launch->given;
}

typedef uint64_t (*sum_fn) (const mpl_ledger_t *self, const void *of, uint64_t level);

/* The highest level at which the sum, which grows with it, is `all` at most. */
static uint64_t highest_level (const mpl_ledger_t *self, sum_fn sum_at, const void *of, uint64_t all)
{
    uint64_t low = 0, high = MPL__LEDGER_SLOTS_MAX;

    while (low < high) {
        uint64_t middle = (low + high + 1) / 2;
        if (sum_at (self, of, middle) <= all)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static uint64_t smaller (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What those of a state would take if each had at most `level`. */
static uint64_t taken_at (const mpl_ledger_t *self, const void *state, uint64_t level)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < self->n_launches; i++) {
        const launch_t *launch = &self->launches[i];
        uint64_t to = smaller (launch->want, level);
        if (takes_part (launch, *(const state_t *) state) && to > launch->has)
            sum += to - launch->has;
    }
    return sum;
}

/* What all would have if each had at most `level`. */
static uint64_t wanted_at (const mpl_ledger_t *self, const void *of, uint64_t level)
{
    uint64_t sum = 0;

    (void) of;
    for (size_t i = 0; i < self->n_launches; i++)
        if (self->launches[i].state != OVER)
            sum += smaller (self->launches[i].want, level);
    return sum;
}

/* What a launch would keep if it had at most `level` of each lease. */
static uint64_t kept_at (const mpl_ledger_t *self, const void *launch, uint64_t level)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < self->n_leases; i++) {
        const entry_t *entry = &self->leases[i];
        if (entry->lease.launch == ((const launch_t *) launch)->id && !entry->is_returned)
            sum += smaller (entry->lease.slots, level);
    }
    return sum;
}

/* Says of each launch of that state what it gets; those left over go to the first come. */
static uint64_t deal (mpl_ledger_t *self, state_t state, uint64_t n_free)
{
    uint64_t level = highest_level (self, taken_at, &state, n_free);

    for (size_t i = 0; i < self->n_launches; i++) {
        launch_t *launch = &self->launches[i];
        uint64_t to = smaller (launch->want, level);
        if (!takes_part (launch, state) || to <= launch->has)
            continue;
        launch->given = to - launch->has;
        n_free -= launch->given;
    }
    for (size_t i = 0; i < self->n_launches && n_free; i++) {
        launch_t *launch = &self->launches[i];
        if (takes_part (launch, state) && launch->has + launch->given <= level) {
            launch->given++;
            n_free--;
        }
    }
    return n_free;
}

/* What launches would have at most if all were dealt out anew; *rest is what cannot be divided. */
static uint64_t fair_level (const mpl_ledger_t *self, uint64_t *rest)
{
    uint64_t all = mpl__ledger_slots (self, NULL), level = highest_level (self, wanted_at, NULL, all);

    *rest = all - wanted_at (self, NULL, level);
    return level;
}

static uint64_t fair_share (const mpl_ledger_t *self, const launch_t *of)
{
    uint64_t rest, level = fair_level (self, &rest);

    return smaller (of->want, level);
}

/* ---- a round --------------------------------------------------------------------------------------------------- */

static entry_t *lease_of (const mpl_ledger_t *self, const launch_t *launch, const host_t *host)
{
    for (size_t i = 0; i < self->n_leases; i++) {
        entry_t *entry = &self->leases[i];
        if (entry->lease.launch == launch->id && entry->lease.host == host->id && !entry->is_returned)
            return entry;
    }
    return NULL;
}

/* How much a host can give a launch. One that runs has an agent on each of its hosts and cannot start a second one, nor
 * can the one there do with more than it began with. */
static uint64_t can_give (const mpl_ledger_t *self, const host_t *host, const launch_t *launch)
{
    const entry_t *entry = launch->state == SERVED && host->n_free ? lease_of (self, launch, host) : NULL;
    uint64_t room = entry ? entry->most - entry->lease.slots : UINT64_MAX;

    return room < host->n_free ? room : host->n_free;
}

static host_t *most_generous (const mpl_ledger_t *self, const launch_t *launch)
{
    host_t *best = NULL;
    uint64_t most = 0;

    for (size_t i = 0; i < self->n_hosts; i++) {
        uint64_t n = can_give (self, &self->hosts[i], launch);
        if (n > most) {
            most = n;
            best = &self->hosts[i];
        }
    }
    return best;
}

static entry_t *add_lease (mpl_ledger_t *self, const launch_t *launch, const host_t *host)
{
    if (MAKE_ROOM (self, leases) < 0)
        return NULL;
    entry_t *entry = &self->leases[self->n_leases++];
    *entry = (entry_t) { .lease = { ++self->last_lease, launch->id, host->id, 0, 0 } };
    return entry;
}

static int lend_of (mpl_ledger_t *self, launch_t *launch, host_t *host, uint64_t n)
{
    entry_t *entry = lease_of (self, launch, host);

    if (!has_room_for_action (self) || (!entry && !(entry = add_lease (self, launch, host))))
        return -1;
    entry->lease.slots += n;
    entry->most = entry->lease.slots > entry->most ? entry->lease.slots : entry->most;
    entry->wished = entry->lease.slots;
    host->n_free -= n;
    launch->has += n;
    act (self, &(mpl_ledger_action_t) { MPL__LEDGER_LEND, launch->id, host->id, entry->lease.lease, entry->lease.slots, 0 });
    return 0;
}

/* What there is no memory for stays free, for another round; so does what this launch can make no use of. */
static int lend (mpl_ledger_t *self, launch_t *launch, uint64_t now)
{
    int rc = 0;

    while (launch->given && !rc) {
        host_t *host = most_generous (self, launch);
        if (!host)
            break;
        uint64_t n = can_give (self, host, launch);
        n = launch->given < n ? launch->given : n;
        launch->first_at = launch->first_at < now ? launch->first_at : now;
        rc = lend_of (self, launch, host, n);
        launch->given -= n;
    }
    launch->given = 0;
    return rc;
}

static uint64_t count_having (const mpl_ledger_t *self)
{
    uint64_t n = 0;

    for (size_t i = 0; i < self->n_launches; i++)
        n += self->launches[i].has > 0;
    return n;
}

/* Until when a launch with less than its share waits for more. */
static uint64_t patience_of (const mpl_ledger_t *self, const launch_t *launch)
{
    uint64_t wait = MPL__LEDGER_PATIENCE_NS;

    if (!launch->has || launch->first_at == MPL__NEVER)
        return MPL__NEVER;
    for (size_t i = 0; i < self->n_leases; i++)
        if (self->leases[i].wished < self->leases[i].lease.slots)
            wait = MPL__LEDGER_RECLAIM_NS;
    return launch->first_at + wait;
}

static void serve (mpl_ledger_t *self, launch_t *launch, uint64_t now)
{
    int has_waited = now >= patience_of (self, launch);

    if (launch->state != WAITS || !has_room_for_action (self))
        return;
    if (!launch->has) {
        act (self, &(mpl_ledger_action_t) { .kind = MPL__LEDGER_WAIT, .launch = launch->id,
                                            .slots = mpl__ledger_slots (self, NULL), .launches = count_having (self) });
    } else if (launch->has >= fair_share (self, launch) || has_waited) {
        launch->state = SERVED;
        act (self, &(mpl_ledger_action_t) { .kind = MPL__LEDGER_READY, .launch = launch->id, .slots = launch->has });
    }
}

/* Says of each of its leases what it may go on using of it, if it may have `all`. */
static void wish (mpl_ledger_t *self, const launch_t *launch, uint64_t all)
{
    uint64_t level = highest_level (self, kept_at, launch, all), left = all - kept_at (self, launch, level);

    for (size_t i = 0; i < self->n_leases; i++) {
        entry_t *entry = &self->leases[i];
        if (entry->lease.launch != launch->id || entry->is_returned)
            continue;
        uint64_t slots = smaller (entry->lease.slots, level);
        if (entry->lease.slots > level && left) {
            slots++;
            left--;
        }
        if (slots == entry->wished || !has_room_for_action (self))
            continue;
        entry->wished = slots;
        act (self, &(mpl_ledger_action_t) { MPL__LEDGER_RECLAIM, launch->id, entry->lease.host, entry->lease.lease, slots, 0 });
    }
}

/* Nobody is left with nothing: there main would have no worker. What cannot be divided stays with who has it. */
static void reclaim (mpl_ledger_t *self)
{
    uint64_t rest = 0, level = fair_level (self, &rest);
    int is_needed = 0;

    level = level ? level : 1;
    for (size_t i = 0; i < self->n_launches; i++) {
        const launch_t *launch = &self->launches[i];
        is_needed |= launch->state == WAITS && launch->has < (launch->want < level ? launch->want : level);
    }
    for (size_t i = 0; i < self->n_launches; i++) {
        const launch_t *launch = &self->launches[i];
        if (launch->state != SERVED)
            continue;
        int has_too_much = is_needed && launch->has > level, has_of_rest = has_too_much && rest;
        rest -= has_of_rest;
        wish (self, launch, has_too_much ? level + has_of_rest : launch->has);
    }
}

static void make_round (mpl_ledger_t *self, uint64_t now)
{
    uint64_t n_free;
    int rc = 0;

    mpl__ledger_slots (self, &n_free);
    n_free = deal (self, WAITS, n_free);
    deal (self, SERVED, n_free);
    for (size_t i = 0; i < self->n_launches; i++)
        rc |= lend (self, &self->launches[i], now);
    /* Shares are those before anyone is served; who is served then wants what it has. */
    for (size_t i = 0; i < self->n_launches; i++)
        serve (self, &self->launches[i], now);
    reclaim (self);
    for (size_t i = 0; i < self->n_actions; i++)
        if (self->actions[i].kind == MPL__LEDGER_READY) {
            launch_t *launch = find_launch (self, self->actions[i].launch);
            if (launch)
                launch->want = launch->has;
        }
    self->round_at = rc ? now + MPL__LEDGER_PATIENCE_NS : MPL__NEVER;
}

/* When somebody has waited with something for long enough. */
static uint64_t patience_ends (const mpl_ledger_t *self)
{
    uint64_t due = MPL__NEVER;

    for (size_t i = 0; i < self->n_launches; i++) {
        const launch_t *launch = &self->launches[i];
        uint64_t at = launch->state == WAITS ? patience_of (self, launch) : MPL__NEVER;
        due = at < due ? at : due;
    }
    return due;
}

uint64_t mpl__ledger_due (const mpl_ledger_t *self)
{
    uint64_t due = patience_ends (self);

    if (self->next_action < self->n_actions)
        return 0;
    return self->round_at < due ? self->round_at : due;
}

int mpl__ledger_next (mpl_ledger_t *self, uint64_t now, mpl_ledger_action_t *action)
{
    if (self->next_action == self->n_actions && now >= mpl__ledger_due (self)) {
        self->next_action = self->n_actions = 0;
        make_round (self, now);
    }
    if (self->next_action == self->n_actions)
        return 0;
    *action = self->actions[self->next_action++];
    return 1;
}

/* ---- what is known --------------------------------------------------------------------------------------------- */

uint64_t mpl__ledger_slots (const mpl_ledger_t *self, uint64_t *n_free)
{
    uint64_t all = 0, left = 0;

    for (size_t i = 0; i < self->n_hosts; i++) {
        all += self->hosts[i].slots;
        left += self->hosts[i].n_free;
    }
    if (n_free)
        *n_free = left;
    return all;
}

size_t mpl__ledger_launches (const mpl_ledger_t *self) { return self->n_launches; }

const char *mpl__ledger_check (const mpl_ledger_t *self)
{
    for (size_t i = 0; i < self->n_hosts; i++) {
        uint64_t lent = 0;
        for (size_t k = 0; k < self->n_leases; k++)
            lent += self->leases[k].lease.host == self->hosts[i].id ? self->leases[k].lease.slots : 0;
        if (lent + self->hosts[i].n_free != self->hosts[i].slots)
            return "a host's slots are not those that are lent and free";
    }
    for (size_t i = 0; i < self->n_launches; i++) {
        const launch_t *launch = &self->launches[i];
        uint64_t has = 0;
        for (size_t k = 0; k < self->n_leases; k++)
            has += self->leases[k].lease.launch == launch->id ? self->leases[k].lease.slots : 0;
        if (has != launch->has)
            return "a launch has something else than its leases";
        if (launch->given)
            return "something was dealt out and not lent";
        if (launch->state == OVER && !has)
            return "a launch that is over is still there";
    }
    for (size_t k = 0; k < self->n_leases; k++) {
        const entry_t *entry = &self->leases[k];
        if (!find_host (self, entry->lease.host) || !find_launch (self, entry->lease.launch) || !entry->lease.slots)
            return "a lease without host, launch or slots";
        if (entry->most < entry->lease.slots)
            return "a lease is larger than its launch can use";
        if (entry->is_returned && !entry->lease.is_used)
            return "a lease that was given back is still there";
    }
    return NULL;
}

mpl_ledger_t *mpl__ledger_new (void)
{
    mpl_ledger_t *self = calloc (1, sizeof *self);

    if (self)
        self->round_at = MPL__NEVER;
    return self;
}

void mpl__ledger_destroy (mpl_ledger_t **self_p)
{
    mpl_ledger_t *self = *self_p;

    if (!self)
        return;
    free (self->hosts);
    free (self->launches);
    free (self->leases);
    free (self->actions);
    free (self);
    *self_p = NULL;
}
