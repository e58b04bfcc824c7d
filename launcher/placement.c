#include "launcher/placement.h"

#include <errno.h>
#include <stdlib.h>

/* What is left of the current round: how many more of this program, and of any, each host takes. */
typedef struct {
    const mpl_demand_t *demand;
    const int *capacity;
    size_t n_hosts;
    int *used;                          /* of each host's capacity, by all programs in this round */
    int *own;                           /* of its slots for this program, in this round */
    size_t *local;                      /* ranks on each host so far */
    size_t at;                          /* the host whose turn it is */
} dealer_t;

static size_t sum_slots (const int *slots, size_t n_hosts)
{
    size_t sum = 0;

    for (size_t i = 0; i < n_hosts; i++)
        sum += (size_t) slots[i];
    return sum;
}

static int has_room (const dealer_t *self, size_t host)
{
    return self->own[host] < self->demand->slots[host] && self->used[host] < self->capacity[host];
}

/* The host for the next process; n_hosts: none has room. */
static size_t next_host (dealer_t *self, int by_node)
{
    for (size_t i = 0; i < self->n_hosts; i++) {
        size_t host = (self->at + i) % self->n_hosts;
        if (has_room (self, host)) {
            self->at = by_node ? (host + 1) % self->n_hosts : host;
            return host;
        }
    }
    return self->n_hosts;
}

/* Every slot is taken: the hosts of this program are as good as empty again. */
static void begin_round (dealer_t *self)
{
    for (size_t i = 0; i < self->n_hosts; i++) {
        self->own[i] = 0;
        if (self->demand->slots[i])
            self->used[i] = 0;
    }
    self->at = 0;
}

static void place_app (dealer_t *self, size_t app, size_t n, int by_node, mpl_place_t *places, int *is_crowded)
{
    self->at = 0;
    for (size_t i = 0; i < self->n_hosts; i++)
        self->own[i] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t host = next_host (self, by_node);
        if (host == self->n_hosts) {
            *is_crowded = 1;
            begin_round (self);
            host = next_host (self, by_node);
        }
        self->used[host]++;
        self->own[host]++;
        places[i] = (mpl_place_t) { app, host, self->local[host]++ };
    }
}

static int count (const mpl_demand_t *demands, size_t n_apps, const int *capacity, size_t n_hosts, size_t *n)
{
    *n = 0;
    for (size_t app = 0; app < n_apps; app++) {
        size_t slots = 0;
        for (size_t host = 0; host < n_hosts; host++)
            slots += capacity[host] ? (size_t) demands[app].slots[host] : 0;
        if (!slots) {
            errno = ENOSPC;
            return -1;
        }
        *n += demands[app].n ? demands[app].n : sum_slots (demands[app].slots, n_hosts);
        if (*n > MPL__RANKS_MAX) {
            errno = E2BIG;
            return -1;
        }
    }
    return 0;
}

int mpl__place (const mpl_demand_t *demands, size_t n_apps, const int *capacity, size_t n_hosts, mpl_map_by_t map_by,
                mpl_place_t **places, size_t *n, int *is_crowded)
{
    dealer_t dealer = { .capacity = capacity, .n_hosts = n_hosts };

    *is_crowded = 0;
    if (count (demands, n_apps, capacity, n_hosts, n) < 0)
        return -1;
    dealer.used = calloc (n_hosts, sizeof *dealer.used);
    dealer.own = calloc (n_hosts, sizeof *dealer.own);
    dealer.local = calloc (n_hosts, sizeof *dealer.local);
    *places = calloc (*n, sizeof **places);
    int has_memory = dealer.used && dealer.own && dealer.local && *places;
    if (has_memory) {
        size_t first = 0;
        for (size_t app = 0; app < n_apps; app++) {
            size_t wanted = demands[app].n ? demands[app].n : sum_slots (demands[app].slots, n_hosts);
            dealer.demand = &demands[app];
            place_app (&dealer, app, wanted, map_by == MPL__MAP_NODE, *places + first, is_crowded);
            first += wanted;
        }
    }
    free (dealer.used);
    free (dealer.own);
    free (dealer.local);
    if (has_memory)
        return 0;
    free (*places);
    *places = NULL;
    errno = ENOMEM;
    return -1;
}
