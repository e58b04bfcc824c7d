/* The way out: batches are cut into chunks as late as possible, when a worker has room, and the broker core's actions are
 * carried out. */
#include "pool/pool.h"
#include "pool/process.h"
#include "base/clock.h"
#include "base/err.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TARGET_NS 2000000u                      /* what an adaptive chunk should take: a message costs about 20 us */
#define ADAPTIVE_BYTES ((size_t) 256 << 10)     /* of an adaptive chunk's input or results: fits the caches */
#define FIXED_BYTES ((size_t) 16 << 20)         /* a fixed chunk is split here */
#define ARENA_FROM ((size_t) 16 << 10)          /* from here on the arena beats the socket, which copies four times */
#define ALONE_BYTES ((size_t) 8 << 20)          /* items this large do not wait at a worker: copying takes longer than asking */
#define LAZY_AHEAD 4                            /* chunks a worker has before more are gathered for it */
#define SUBMITS_PER_PUMP 4096                   /* then results are looked after again */

/* ---- how large ------------------------------------------------------------------------------------------------- */

void mpl__learn_cost (mpl_pool_t *self, uint16_t fn, uint64_t ns, uint32_t n)
{
    uint64_t each = ns / n + 1, *cost = &self->cost_ns[fn];

    /* A quarter of the news: one slow item among many does not make all the next chunks small. */
    *cost = *cost ? (*cost * 3 + each + 3) / 4 : each;
}

/* How many variable items from `first` on fit in `bytes`; at least one. */
static size_t fitting (const mpl_batch_t *batch, size_t first, size_t want, size_t bytes)
{
    int is_string = batch->task->in_size == MPL_STRING;
    size_t n = 0, sum = 0;

    for (; n < want; n++) {
        sum += 8 + mpl__variable_item (mpl__batch_variable (batch, first + n).len, is_string);
        if (sum > bytes && n)
            break;
    }
    return n;
}

static size_t within_bytes (const mpl_batch_t *batch, size_t want, size_t bytes)
{
    size_t in = batch->task->in_size, out = batch->task->out_size == MPL_VARIABLE ? 0 : batch->task->out_size;

    if (mpl__batch_is_variable (batch))
        want = fitting (batch, batch->next, want, bytes);
    else if (in && want > bytes / in)
        want = bytes / in;
    if (out && want > bytes / out)
        want = bytes / out;
    if (batch->in_ring && !mpl__batch_is_variable (batch)) {        /* a chunk's items lie end to end */
        size_t to_edge = batch->in_ring - (batch->next & (batch->in_ring - 1));
        want = want > to_edge ? to_edge : want;
    }
    return want ? want : 1;
}

/* How many items the next chunk of this batch should have. */
static uint32_t chunk_size (const mpl_pool_t *self, const mpl_batch_t *batch)
{
    size_t end = batch->n < batch->limit ? batch->n : batch->limit;
    size_t left = end - batch->next, want = self->opts.chunk;
    uint64_t cost = self->cost_ns[batch->fn];

    if (!want) {
        size_t share = left / (2 * (size_t) self->n_workers);       /* guided self-scheduling, Polychronopoulos and Kuck */
        want = cost ? TARGET_NS / cost : 1;
        want = want > share ? share : want;
    }
    want = want < 1 ? 1 : want > left ? left : want;
    want = within_bytes (batch, want, self->opts.chunk ? FIXED_BYTES : ADAPTIVE_BYTES);
    return want > MPL__CHUNK_ITEMS_MAX ? MPL__CHUNK_ITEMS_MAX : (uint32_t) want;
}

/* ---- parcels: what a chunk has in the arena -------------------------------------------------------------------- */

static mpl_parcel_t *parcel_of (mpl_pool_t *self, uint64_t chunk)
{
    size_t i = mpl__core_index (chunk);

    if (i >= self->n_parcels) {
        size_t n = self->n_parcels ? self->n_parcels : 64;
        while (n <= i)
            n *= 2;
        mpl_parcel_t *parcels = realloc (self->parcels, n * sizeof *parcels);
        if (!parcels)
            return NULL;
        memset (parcels + self->n_parcels, 0, (n - self->n_parcels) * sizeof *parcels);
        self->parcels = parcels;
        self->n_parcels = n;
    }
    return &self->parcels[i];
}

void mpl__parcel_free (mpl_pool_t *self, uint64_t chunk)
{
    size_t i = mpl__core_index (chunk);

    if (i >= self->n_parcels)
        return;
    mpl_parcel_t *parcel = &self->parcels[i];
    if (parcel->in_len)
        mpl__arena_give (self->arena, parcel->in, parcel->in_len);
    if (parcel->out_len)
        mpl__arena_give (self->arena, parcel->out, parcel->out_len);
    *parcel = (mpl_parcel_t) { .in_len = 0 };
}

static int take_parcel (mpl_pool_t *self, uint64_t chunk, size_t in_len, size_t out_len, mpl_parcel_t **parcel_p)
{
    mpl_parcel_t *parcel = *parcel_p = parcel_of (self, chunk);

    if (!parcel)
        return -1;
    if (in_len) {
        if ((parcel->in = mpl__arena_take (self->arena, in_len)) == MPL__NO_BLOCK)
            return -1;
        parcel->in_len = in_len;
    }
    if (out_len) {
        if ((parcel->out = mpl__arena_take (self->arena, out_len)) == MPL__NO_BLOCK) {
            mpl__parcel_free (self, chunk);
            return -1;
        }
        parcel->out_len = out_len;
    }
    return 0;
}

/* ---- sending a chunk ------------------------------------------------------------------------------------------- */

static size_t input_bytes (const mpl_batch_t *batch, size_t first, uint32_t n)
{
    if (!mpl__batch_is_variable (batch))
        return n * batch->task->in_size;
    size_t bytes = mpl__variable_head (n);
    for (uint32_t i = 0; i < n; i++)
        bytes += mpl__variable_item (mpl__batch_variable (batch, first + i).len, batch->task->in_size == MPL_STRING);
    return bytes;
}

static void write_input (const mpl_batch_t *batch, size_t first, uint32_t n, uint8_t *to)
{
    if (!mpl__batch_is_variable (batch)) {
        if (batch->task->in_size)
            memcpy (to, mpl__batch_fixed (batch, first), n * batch->task->in_size);
        return;
    }
    uint8_t *data = to + mpl__variable_head (n);
    int is_string = batch->task->in_size == MPL_STRING;
    memset (to + (size_t) n * 8, 0, mpl__variable_head (n) - (size_t) n * 8);
    for (uint32_t i = 0; i < n; i++) {
        mpl_bytes_t item = mpl__batch_variable (batch, first + i);
        mpl__put64 (to + (size_t) i * 8, item.len);
        if (item.len)
            memcpy (data, item.data, item.len);
        memset (data + item.len, 0, mpl__variable_item (item.len, is_string) - item.len);
        data += mpl__variable_item (item.len, is_string);
    }
}

static mpl_record_t chunk_record (const mpl_action_t *action, uint8_t type, uint16_t fn)
{
    unsigned attempt = action->attempt > 255 ? 255 : action->attempt;

    return (mpl_record_t) { .type = type, .fn = fn, .n = action->n, .chunk = action->chunk, .first = action->first,
                            .at = (uint32_t) action->slot << 8 | attempt };
}

static int send_in_arena (mpl_pool_t *self, const mpl_action_t *action, size_t in_len, size_t out_len)
{
    const mpl_batch_t *batch = action->owner;
    mpl_record_t record = chunk_record (action, MPL__CHUNK_SHM, batch->fn);
    mpl_parcel_t *parcel;

    if (take_parcel (self, action->chunk, in_len, out_len, &parcel) < 0)
        return -1;
    uint8_t *body = mpl__router_add (self->router, action->worker, &record, MPL__SHM_BYTES);
    if (!body) {
        mpl__parcel_free (self, action->chunk);
        return -1;
    }
    if (in_len)
        write_input (batch, action->first, action->n, mpl__arena_at (self->arena, parcel->in));
    mpl__shm_put (body, parcel);
    return 0;
}

static int send_in_message (mpl_pool_t *self, const mpl_action_t *action, size_t in_len)
{
    const mpl_batch_t *batch = action->owner;
    mpl_record_t record = chunk_record (action, MPL__CHUNK, batch->fn);
    uint8_t *body = mpl__router_add (self->router, action->worker, &record, in_len);

    if (!body)
        return -1;
    write_input (batch, action->first, action->n, body);
    return 0;
}

/* It could not be sent: its items fail, the worker never hears of it. */
static void fail_chunk (mpl_pool_t *self, const mpl_action_t *action)
{
    mpl_ran_t nobody = { .worker = -1 };
    mpl_answer_t answer;
    char why[128];

    snprintf (why, sizeof why, "it could not be sent to a worker: %s", strerror (errno));
    if (mpl__core_answer (self->core, action->worker, action->chunk, 0, action->n, &answer) < 0 || !answer.owner)
        return;
    for (uint32_t i = 0; i < action->n; i++)
        mpl__batch_item_failed (answer.owner, action->first + i, why, &nobody);
}

/* Of a worker on this host. */
static mpl_page_t *page_of (mpl_pool_t *self, int worker)
{
    return &self->pages[mpl__page_index ((unsigned) worker, self->members[worker].incarnation)];
}

static void send_chunk (mpl_pool_t *self, const mpl_action_t *action)
{
    const mpl_batch_t *batch = action->owner;
    size_t in_len = input_bytes (batch, action->first, action->n);
    size_t out_len = batch->task->out_size == MPL_VARIABLE ? 0 : action->n * batch->task->out_size;

    int is_here = action->worker < self->n_here;

    if (is_here)
        mpl__claim_set (&page_of (self, action->worker)->claims[action->slot], action->chunk, action->n);
    if (is_here && (in_len >= ARENA_FROM || out_len >= ARENA_FROM) && send_in_arena (self, action, in_len, out_len) == 0)
        return;
    if ((is_here && in_len + MPL__RECORD_HEAD + MPL__RECORD_ALIGN > MPL__MESSAGE_MAX) || send_in_message (self, action, in_len) < 0)
        fail_chunk (self, action);
}

/* ---- the other actions ----------------------------------------------------------------------------------------- */

/* What a worker on another host has not begun because it has not arrived: all that it holds is one item, or one long
 * record, and to send that to somebody else would only take longer. */
static int is_on_its_way (const mpl_pool_t *self, const mpl_action_t *action)
{
    const mpl_batch_t *batch = action->owner;

    if (!batch || mpl__core_held (self->core, action->worker) > 1)
        return 0;
    return action->n == 1 || input_bytes (batch, action->first, action->n) > MPL__LONG_BYTES;
}

static void recall (mpl_pool_t *self, const mpl_action_t *action, uint64_t now)
{
    uint32_t from = 0;
    int is_last = 0;

    if (action->worker >= self->n_here) {
        if (!is_on_its_way (self, action))
            mpl__far_recall (self, action->worker, action->chunk, action->slot, action->n);
        return;
    }
    uint32_t n = mpl__claim_recall (&page_of (self, action->worker)->claims[action->slot], action->chunk, &from);

    mpl__core_recalled (self->core, action->worker, action->chunk, from, n, now, &is_last);
    if (is_last)
        mpl__parcel_free (self, action->chunk);
}

/* Why the worker that ran an item is dead, as the item's error. */
static void fail_item (mpl_pool_t *self, const mpl_action_t *action)
{
    const mpl_member_t *member = self->blamed;
    char why[512], status[128];
    int worker = member ? (int) (member - self->members) : -1;
    mpl_ran_t ran = mpl__members_ran (self, worker, 0);

    mpl__status_text (member ? member->status : 0, status, sizeof status);
    if (member && member->end == MPL__END_TIMEOUT)
        snprintf (why, sizeof why, "it ran longer than the task_timeout of %g s and was ended", self->opts.task_timeout);
    else if (member && member->end == MPL__END_MEMORY)
        snprintf (why, sizeof why, "it took more memory than the memory_limit of %zu bytes and was ended",
                  self->opts.memory_limit);
    else if (action->attempt > 1)
        snprintf (why, sizeof why, "its worker died in each of %d attempts, the last time with %s", action->attempt, status);
    else
        snprintf (why, sizeof why, "its worker died with %s", status);
    mpl__batch_item_failed (action->owner, action->first, why, &ran);
}

static void carry_out (mpl_pool_t *self, uint64_t now)
{
    mpl_action_t action;

    while (mpl__core_next (self->core, now, &action))
        switch (action.type) {
        case MPL__DO_SEND:
            send_chunk (self, &action);
            break;
        case MPL__DO_RECALL:
            recall (self, &action, now);
            break;
        case MPL__DO_FAIL:
            fail_item (self, &action);
            break;
        case MPL__DO_RETIRE:
            mpl__router_add (self->router, action.worker, &(mpl_record_t) { .type = MPL__BYE }, 0);
            break;
        }
}

/* Cuts one chunk off the batch whose turn it is. 0: done; -1: no room or nothing to cut. */
static int cut_one (mpl_pool_t *self, uint64_t now)
{
    mpl_batch_t *batch = self->ready ? self->ready->next_ready : NULL;

    if (!batch)
        return -1;
    uint64_t cost = self->cost_ns[batch->fn];
    if (batch->task->in_size + batch->task->out_size > ALONE_BYTES && batch->task->in_size < MPL_STRING
        && batch->task->out_size < MPL_STRING)
        cost = 0;                               /* for idle workers only, as if nothing was known of it */
    uint32_t n = mpl__core_room (self->core, cost, 1);
    if (n)
        n = mpl__core_room (self->core, cost, chunk_size (self, batch));
    if (!n || mpl__core_submit (self->core, batch, batch->next, n, cost, now) < 0)
        return -1;
    batch->next += n;
    self->ready = batch;                        /* the next one's turn */
    if (batch->next >= batch->n || batch->next >= batch->limit)
        mpl__batch_no_more (batch);
    return 0;
}

static void cut (mpl_pool_t *self, uint64_t now)
{
    carry_out (self, now);
    for (int i = 0; i < SUBMITS_PER_PUMP && cut_one (self, now) == 0; i++)
        if (i % 16 == 15)
            carry_out (self, now);
    carry_out (self, now);
}

void mpl__pump (mpl_pool_t *self, uint64_t now)
{
    cut (self, now);
    mpl__router_flush (self->router);
}

static int held_by (void *arg, int worker)
{
    return mpl__core_held (arg, worker);
}

int mpl__pump_lazily (mpl_pool_t *self, uint64_t now, uint64_t *due)
{
    cut (self, now);
    *due = self->n_running ? mpl__core_tick (self->core, now, self->ready == NULL) : MPL__NEVER;
    cut (self, now);
    return mpl__router_flush_idle (self->router, held_by, self->core, LAZY_AHEAD);
}

uint64_t mpl__pump_due (mpl_pool_t *self, uint64_t now)
{
    if (!self->n_running)
        return MPL__NEVER;
    uint64_t due = mpl__core_tick (self->core, now, self->ready == NULL);
    mpl__pump (self, now);
    return due;
}
