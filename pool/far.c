/* The part of a pool that is on other hosts. */
#include "pool/far.h"
#include "pool/pool.h"
#include "pool/process.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mpl__far_share (int n, int size, int first, int len)
{
    int rest = n % size - first;

    rest = rest < 0 ? 0 : rest > len ? len : rest;
    return n / size * len + rest;
}

/* ---- saying things --------------------------------------------------------------------------------------------- */

/* `pool` only has to be something else than 0: our agent puts in the number that it knows the pool by. */
static void tell (mpl_pool_t *self, const mpl_pool_host_t *host, mpl_control_t *message)
{
    message->pool = 1;
    message->node = host->node;
    if (!self->is_channel_over)
        mpl__control_send (self->channel, message, NULL, 0);
}

void mpl__far_tell_all (mpl_pool_t *self, mpl_control_type_t type)
{
    for (size_t i = 0; i < self->n_hosts; i++)
        if (!self->hosts[i].is_gone)
            tell (self, &self->hosts[i], &(mpl_control_t) { .type = type });
}

void mpl__far_recall (mpl_pool_t *self, int worker, uint64_t chunk, uint32_t word, uint32_t n)
{
    mpl_control_t order = { .type = MPL__C_RECALL, .slot = (uint64_t) worker, .chunk = chunk, .word = word, .n = n,
                            .incarnation = self->members[worker].incarnation };

    tell (self, mpl__far_host (self, worker), &order);
}

/* ---- hosts ----------------------------------------------------------------------------------------------------- */

mpl_pool_host_t *mpl__far_host (const mpl_pool_t *self, int worker)
{
    for (size_t i = 0; worker >= self->n_here && i < self->n_hosts; i++)
        if (worker >= self->hosts[i].first && worker < self->hosts[i].first + self->hosts[i].n)
            return &self->hosts[i];
    return NULL;
}

static mpl_pool_host_t *find_node (mpl_pool_t *self, uint64_t node)
{
    for (size_t i = 0; i < self->n_hosts; i++)
        if (self->hosts[i].node == node)
            return &self->hosts[i];
    return NULL;
}

/* Unique among the pools of this process, as what zap knows a door by. */
static void write_domain (const mpl_pool_t *self, char domain[MPL__ZAP_USER])
{
    snprintf (domain, MPL__ZAP_USER, "pool-%llu", (unsigned long long) self->id);
}

static int open_door (mpl_pool_t *self)
{
    char domain[MPL__ZAP_USER];
    const mpl_door_t spec = { *self->transport.text ? self->transport.text : NULL, (int) self->transport.port_first,
                              (int) self->transport.port_last };
    mpl_err_t err;

    if (*self->way)
        return 0;
    write_domain (self, domain);
    mpl_zap_t *zap = mpl__pool_zap (&err);
    if (zap && mpl__router_open_door (self->router, zap, domain, &spec, self->way, sizeof self->way, &err) == 0)
        return 0;
    *self->way = '\0';
    mpl__pool_break (self, "it cannot be opened to other hosts: %s", err.text);
    return -1;
}

static mpl_pool_host_t *add_host (mpl_pool_t *self, const mpl_control_t *message)
{
    int size = mpl__self.size, before = (int) message->first_slot;
    mpl_pool_host_t *hosts = realloc (self->hosts, (self->n_hosts + 1) * sizeof *hosts);
    char *name = strdup (message->text);

    if (hosts)
        self->hosts = hosts;
    if (!hosts || !name) {
        free (name);
        return NULL;
    }
    hosts[self->n_hosts] = (mpl_pool_host_t) { .node = message->node, .name = name,
                                               .n_slots = (int) message->workers };
    if (before < size) {
        hosts[self->n_hosts].first = mpl__far_share (self->n_wanted, size, 0, before);
        hosts[self->n_hosts].n = mpl__far_share (self->n_wanted, size, before, (int) message->workers);
    }
    return &hosts[self->n_hosts++];
}

/* Has a host's agent start its workers, the first of each number as that incarnation. */
static void open_host (mpl_pool_t *self, const mpl_pool_host_t *host, uint64_t incarnation)
{
    mpl_control_t order = { .type = MPL__C_POOL_FAR, .workers = (uint64_t) host->n, .first_slot = (uint64_t) host->first,
                            .timeout_ns = (uint64_t) (self->opts.task_timeout * 1e9), .memory = self->opts.memory_limit,
                            .incarnation = incarnation };

    if (!host->n || open_door (self) < 0)
        return;
    snprintf (order.text, sizeof order.text, "%s", self->way);
    tell (self, host, &order);
}

/* Numbers that nobody has had, for as many workers as are wanted still, to a host that came after the pool was opened. */
static void give_numbers (mpl_pool_t *self, mpl_pool_host_t *host)
{
    int n_alive = self->n_workers;

    for (size_t i = 0; i < self->n_hosts; i++)
        n_alive -= self->hosts[i].is_gone ? self->hosts[i].n : 0;
    int n = self->n_wanted - n_alive;
    n = n > host->n_slots ? host->n_slots : n;
    n = n > self->capacity - self->n_workers ? self->capacity - self->n_workers : n;
    if (host->n || host->is_gone || n <= 0)
        return;
    host->first = self->n_workers;
    host->n = n;
    self->n_workers += n;
    open_host (self, host, 0);
}

/* It was lost, and is there again: its workers have the numbers of those before, and are not they. */
static void welcome_back (mpl_pool_t *self, mpl_pool_host_t *host)
{
    uint64_t incarnation = 0;

    host->is_gone = 0;
    for (int w = host->first; w < host->first + host->n; w++)
        incarnation = self->members[w].incarnation > incarnation ? self->members[w].incarnation : incarnation;
    for (int w = host->first; w < host->first + host->n; w++)
        self->members[w].incarnation = incarnation;
    mpl__shares_forget_host (self, (size_t) (host - self->hosts));
    open_host (self, host, incarnation);
}

void mpl__far_grow (mpl_pool_t *self, int workers)
{
    mpl_control_t message = { .type = MPL__C_GROW, .workers = (uint64_t) workers };

    self->n_wanted = workers;
    for (size_t i = 0; i < self->n_hosts; i++)
        give_numbers (self, &self->hosts[i]);
    if (!self->is_channel_over)
        mpl__control_send (self->channel, &message, NULL, 0);
}

static void take_host (mpl_pool_t *self, const mpl_control_t *message)
{
    mpl_pool_host_t *host = find_node (self, message->node);
    uint64_t size = (uint64_t) mpl__self.size;

    if (self->state > MPL__CLOSED || self->is_leaving || message->workers > MPL__WORKERS_MAX
        || (message->first_slot < size && message->workers > size - message->first_slot))
        return;
    if (host && host->is_gone) {
        welcome_back (self, host);
    } else if (!host && (host = add_host (self, message))) {
        open_host (self, host, 0);
        if (message->first_slot >= size)
            give_numbers (self, host);
    }
}

/* Its work is given to others, and none of its items is charged. Its keys open nothing any more; if it comes back, it has
 * others. */
static void lose_host (mpl_pool_t *self, mpl_pool_host_t *host, uint64_t now)
{
    char domain[MPL__ZAP_USER], user[MPL__ZAP_USER];
    mpl_err_t err;

    write_domain (self, domain);
    snprintf (user, sizeof user, "%llu", (unsigned long long) host->node);
    if (*self->way)
        mpl__zap_forget (mpl__pool_zap (&err), domain, user);
    host->is_gone = 1;
    for (int w = host->first; w < host->first + host->n; w++)
        mpl__members_lose (self, w, now);
}

static int has_workers_elsewhere (const mpl_pool_t *self)
{
    int n_gone = 0;

    for (size_t i = 0; i < self->n_hosts; i++)
        n_gone += self->hosts[i].is_gone ? self->hosts[i].n : 0;
    return self->n_here > 0 || n_gone < self->n_workers;
}

static void take_broken (mpl_pool_t *self, mpl_pool_host_t *host, const char *why, uint64_t now)
{
    if (host->is_gone)
        return;
    lose_host (self, host, now);
    if (!has_workers_elsewhere (self))
        mpl__pool_break (self, "on %s, which is its only host, %s", host->name, why);
    else if (self->state <= MPL__CLOSED)
        fprintf (stderr, "mplaunch: the pool goes on without %s: %s\n", host->name, why);
}

/* ---- keys and chunks ------------------------------------------------------------------------------------------- */

/* Whoever has that key may come in, as that host; its agent hears that it may start those who have. */
static void take_key (mpl_pool_t *self, const mpl_pool_host_t *host, const mpl_control_t *message)
{
    char domain[MPL__ZAP_USER], user[MPL__ZAP_USER];
    mpl_control_t answer = { .type = MPL__C_KEY, .nursery = message->nursery };
    mpl_err_t err;

    write_domain (self, domain);
    snprintf (user, sizeof user, "%llu", (unsigned long long) host->node);
    if (!*self->way || mpl__zap_admit (mpl__pool_zap (&err), domain, message->text, user) < 0)
        return;
    snprintf (answer.text, sizeof answer.text, "%s", message->text);
    tell (self, host, &answer);
}

int mpl__far_is_from (const mpl_pool_t *self, int worker)
{
    const mpl_pool_host_t *host = mpl__far_host (self, worker);
    const char *user = mpl__router_user (self->router);
    char right[MPL__ZAP_USER];

    if (!host || !user || host->is_gone)        /* of a lost host some may live on for a moment */
        return !host && !user;
    snprintf (right, sizeof right, "%llu", (unsigned long long) host->node);
    return !strcmp (right, user);
}

static void take_recalled (mpl_pool_t *self, const mpl_control_t *message, uint64_t now)
{
    int worker = (int) message->slot, is_last = 0;

    if (mpl__core_recalled (self->core, worker, message->chunk, (uint32_t) message->from, (uint32_t) message->n, now, &is_last) == 0
        && is_last)
        mpl__parcel_free (self, message->chunk);
}

void mpl__far_take (mpl_pool_t *self, const mpl_control_t *message, uint64_t now)
{
    mpl_pool_host_t *host = find_node (self, message->node);
    mpl_member_t *member = message->slot < (uint64_t) self->n_workers ? &self->members[message->slot] : NULL;
    int is_current = member && member->incarnation == message->incarnation;

    if (message->type == MPL__C_TRANSPORT) {
        self->transport = *message;
    } else if (message->type == MPL__C_HOST) {
        take_host (self, message);
    } else if (message->type == MPL__C_HOST_LOST && host && !host->is_gone) {
        lose_host (self, host, now);
    } else if (message->type == MPL__C_BROKEN && host) {
        take_broken (self, host, message->text, now);
    } else if (message->type == MPL__C_KEY && host) {
        take_key (self, host, message);
    } else if (message->type == MPL__C_LAST && is_current) {
        member->last.chunk = message->chunk;
        member->last.item = message->item;
        member->last.n_sent = message->sent;
    } else if (message->type == MPL__C_RECALLED && is_current) {
        take_recalled (self, message, now);
    }
}

void mpl__far_free (mpl_pool_t *self)
{
    for (size_t i = 0; i < self->n_hosts; i++)
        free (self->hosts[i].name);
    free (self->hosts);
}
