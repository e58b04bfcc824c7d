#include "worker/crewself.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- on main's host: the way to others ------------------------------------------------------------------------- */

static void forget_node (mpl_crew_t *self, uint64_t node)
{
    for (size_t i = 0; i < self->n_nodes; i++)
        if (self->nodes[i] == node)
            self->nodes[i--] = self->nodes[--self->n_nodes];
}

static int learn_node (mpl_crew_t *self, uint64_t node)
{
    uint64_t *nodes = realloc (self->nodes, (self->n_nodes + 1) * sizeof *nodes);

    if (!nodes)
        return -1;
    self->nodes = nodes;
    forget_node (self, node);
    nodes[self->n_nodes++] = node;
    return 0;
}

int mpl__crew_pass_on (mpl_crew_t *self, const mpl_control_t *message)
{
    mpl_control_t copy = *message;
    int is_far = message->pool || message->type == MPL__C_POOL_FAR || message->type == MPL__C_KEY
                 || message->type == MPL__C_RECALL || message->type == MPL__C_GROW;

    if (!is_far || !self->agent->tell_launcher)
        return is_far;
    copy.pool = self->pool;
    if (message->type == MPL__C_POOL_FAR && learn_node (self, message->node) < 0)
        return 1;
    self->agent->tell_launcher (self->agent, &copy);
    return 1;
}

void mpl__crew_terminate_far (mpl_crew_t *self)
{
    for (size_t i = 0; i < self->n_nodes && self->agent->tell_launcher; i++)
        self->agent->tell_launcher (self->agent, &(mpl_control_t) { .type = MPL__C_TERMINATE, .pool = self->pool,
                                                                    .node = self->nodes[i] });
}

void mpl__crew_tell_host (mpl_crew_t *self, const mpl_control_t *host)
{
    if (host->type == MPL__C_HOST_LOST)
        forget_node (self, host->node);
    if (self->source)                   /* else main has closed the pool, and waits for no host */
        mpl__crew_tell (self, host, -1);
}

static void heard_far (mpl_crew_t *self, const mpl_control_t *message)
{
    if (message->type == MPL__C_POOL_OVER)
        forget_node (self, message->node);
    if (self->source)
        mpl__crew_tell (self, message, -1);
}

/* ---- on another host: keys ------------------------------------------------------------------------------------- */

static crew_key_t *find_key (mpl_crew_t *self, uint64_t nursery)
{
    for (size_t i = 0; i < self->n_keys; i++)
        if (self->keys[i].nursery == nursery)
            return &self->keys[i];
    return NULL;
}

static void ask_for_key (mpl_crew_t *self, mpl_held_t *nursery)
{
    mpl_control_t request = { .type = MPL__C_KEY, .pool = self->pool, .node = self->node, .nursery = nursery->number };
    crew_key_t *keys = realloc (self->keys, (self->n_keys + 1) * sizeof *keys);

    if (!keys)
        return;
    self->keys = keys;
    keys[self->n_keys++] = (crew_key_t) { nursery->number, 0 };
    mpl__control_send (nursery->sock, &request, NULL, 0);
}

int mpl__crew_may_use (mpl_crew_t *self, mpl_held_t *nursery)
{
    const crew_key_t *key = find_key (self, nursery->number);

    if (!key)
        ask_for_key (self, nursery);
    return key && key->is_admitted;
}

void mpl__crew_key (mpl_crew_t *self, const mpl_control_t *message)
{
    if (self->is_far && find_key (self, message->nursery))
        mpl__crew_tell (self, message, -1);
}

static void admit (mpl_crew_t *self, uint64_t nursery)
{
    crew_key_t *key = find_key (self, nursery);

    if (key)
        key->is_admitted = 1;
    mpl__crew_fill (self);
}

/* ---- on another host: chunks ----------------------------------------------------------------------------------- */

static void recall (mpl_crew_t *self, const mpl_control_t *order)
{
    uint64_t i = order->slot - self->first_slot;
    uint32_t from = 0;

    if (i >= self->n || order->word >= MPL__SLOTS || self->members[i].presence != RUNNING
        || self->members[i].incarnation != order->incarnation)
        return;                         /* it has ended, and main hears of that */
    size_t at = mpl__page_index ((unsigned) order->slot, order->incarnation);
    uint32_t n = mpl__gate_recall (&self->gates[at].chunks[order->word], &self->pages[at].claims[order->word], order->chunk,
                                   (uint32_t) order->n, &from);
    mpl_control_t answer = { .type = MPL__C_RECALLED, .slot = order->slot, .incarnation = order->incarnation,
                             .chunk = order->chunk, .from = from, .n = n };
    mpl__crew_tell (self, &answer, -1);
}

void mpl__crew_tell_last (mpl_crew_t *self, const member_t *member, const mpl_control_t *report)
{
    const mpl_page_t *page = &self->pages[mpl__page_index ((unsigned) report->slot, report->incarnation)];
    mpl_control_t last = { .type = MPL__C_LAST, .slot = report->slot, .incarnation = report->incarnation,
                           .chunk = atomic_load (&page->chunk), .sent = atomic_load (&page->n_sent) };

    last.item = mpl__page_culprit (page, last.chunk, member->end == MPL__END_OWN);
    mpl__crew_tell (self, &last, -1);
}

void mpl__crew_lease (mpl_crew_t *self, uint64_t until)
{
    for (unsigned i = 0; i < self->n && self->is_far; i++)
        for (unsigned half = 0; half < 2; half++)
            if (self->members[i].presence == RUNNING)
                atomic_store (&self->pages[mpl__page_index (self->first_slot + i, half)].lease_until, until);
}

void mpl__crew_heard (mpl_crew_t *self, const mpl_control_t *message)
{
    if (!self->is_far)
        heard_far (self, message);
    else if (message->type == MPL__C_KEY)
        admit (self, message->nursery);
    else if (message->type == MPL__C_RECALL)
        recall (self, message);
    else
        mpl__crew_take_order (self, message);
}

/* ---- the way to main ------------------------------------------------------------------------------------------- */

int mpl__crew_find_way (mpl_crew_t *self, const char *text)
{
    size_t key = strcspn (text, " ");
    mpl_err_t err;

    if (!self->agent->tunnel) {
        self->way = strdup (text);
        return self->way ? 0 : -1;
    }
    if (mpl__tunnel_listen (self->agent->tunnel, text + key, self->port, sizeof self->port, &err) < 0) {
        fprintf (stderr, "mplaunch: %s\n", err.text);
        return -1;
    }
    return asprintf (&self->way, "%.*s %s", (int) key, text, self->port) < 0 ? -1 : 0;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static int make_memory (const char *name, size_t bytes)
{
    int fd = memfd_create (name, MFD_CLOEXEC);

    if (fd >= 0 && ftruncate (fd, (off_t) bytes) < 0)
        mpl__fd_close (&fd);
    return fd;
}

static size_t gates_bytes (const mpl_crew_t *self)
{
    return (size_t) (self->first_slot + self->n) * 2 * sizeof (mpl_gates_t);
}

/* Numbers are the pool's, so what belongs to other hosts lies in it as holes that take no memory. */
int mpl__crew_make_memory (mpl_crew_t *self)
{
    self->fds[PAGES] = make_memory ("mplaunch-pages", (size_t) (self->first_slot + self->n) * 2 * sizeof (mpl_page_t));
    self->fds[ARENA] = make_memory ("mplaunch-arena", 0);
    self->fds[ENDPOINT] = make_memory ("mplaunch-gates", gates_bytes (self));
    if (self->fds[PAGES] < 0 || self->fds[ARENA] < 0 || self->fds[ENDPOINT] < 0)
        return -1;
    void *map = mmap (NULL, gates_bytes (self), PROT_READ | PROT_WRITE, MAP_SHARED, self->fds[ENDPOINT], 0);
    if (map == MAP_FAILED)
        return -1;
    self->gates = map;
    return 0;
}

void mpl__crew_free_far (mpl_crew_t *self)
{
    if (self->is_far)
        mpl__crew_tell (self, &(mpl_control_t) { .type = MPL__C_POOL_OVER }, -1);
    if (*self->port && self->agent->tunnel)
        mpl__tunnel_close (self->agent->tunnel, self->port);
    if (self->gates)
        munmap (self->gates, gates_bytes (self));
    free (self->nodes);
    free (self->keys);
    free (self->way);
}
