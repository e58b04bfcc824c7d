#include "pool/iter.h"
#include "wire/bytes.h"

#include <stdlib.h>
#include <string.h>

static size_t power_of_two (size_t n)
{
    size_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

/* As many as the bounds allow, but a few for each worker, and not more than there are items. */
static size_t ring_size (const mpl_iter_t *self)
{
    size_t out = self->batch.task->out_size, n = MPL__WINDOW_ITEMS;
    size_t least = 4 * (size_t) self->batch.pool->n_workers;

    if (out && out != MPL_VARIABLE && n > MPL__WINDOW_BYTES / out)
        n = MPL__WINDOW_BYTES / out;
    n = n < least ? least : n;
    if (n > least && power_of_two (n) > n)              /* rounded down: the bounds are promised */
        n = power_of_two (n) / 2;
    if (!self->batch.is_open && n > self->batch.n)
        n = self->batch.n ? self->batch.n : 1;
    return power_of_two (n);
}

int mpl__ring_init (mpl_iter_t *self)
{
    size_t out = self->batch.task->out_size;

    self->ring = ring_size (self);
    self->entries = calloc (self->ring, sizeof *self->entries);
    if (!self->entries)
        return -1;
    if (out && out != MPL_VARIABLE && !(self->slab = malloc (self->ring * out)))
        return -1;
    self->batch.limit = self->ring;
    return 0;
}

static void clear_entry (mpl_iter_t *self, mpl_entry_t *entry)
{
    self->held_bytes -= entry->data ? entry->len : 0;
    free (entry->data);
    free (entry->error);
    *entry = (mpl_entry_t) { .state = MPL__EMPTY };
}

void mpl__ring_free (mpl_iter_t *self)
{
    for (size_t i = 0; self->entries && i < self->ring; i++)
        clear_entry (self, &self->entries[i]);
    free (self->entries);
    free (self->slab);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static mpl_entry_t *new_entry (mpl_iter_t *self, size_t index, const mpl_ran_t *ran)
{
    size_t at = (self->is_ordered ? index : self->n_written++) & (self->ring - 1);
    mpl_entry_t *entry = &self->entries[at];

    entry->index = index;
    entry->worker = ran->worker;
    entry->host = ran->host;
    entry->seconds = ran->seconds;
    return entry;
}

static uint8_t *slot_of (const mpl_iter_t *self, const mpl_entry_t *entry)
{
    return self->slab + (size_t) (entry - self->entries) * self->batch.task->out_size;
}

static void ended (mpl_iter_t *self, size_t first, size_t n)
{
    if (self->feed)
        mpl__feed_ended (self->feed, first, n);
    mpl__batch_ended (&self->batch, n);
}

static void write_fixed (mpl_iter_t *self, size_t first, size_t n, const uint8_t *data, const mpl_ran_t *ran)
{
    size_t out = self->batch.task->out_size;

    for (size_t i = 0; i < n; i++, data += out) {
        mpl_entry_t *entry = new_entry (self, first + i, ran);
        if (out)
            memcpy (slot_of (self, entry), data, out);
        entry->len = out;
        entry->state = MPL__OK;
    }
    ended (self, first, n);
}

static int ring_take (mpl_batch_t *batch, size_t index, void *data, size_t len, const mpl_ran_t *ran)
{
    mpl_iter_t *self = (mpl_iter_t *) batch;
    mpl_entry_t *entry = new_entry (self, index, ran);

    entry->data = data;
    entry->len = len;
    entry->state = MPL__OK;
    self->held_bytes += len;
    ended (self, index, 1);
    return 0;
}

static int ring_results (mpl_batch_t *batch, size_t first, size_t n, const uint8_t *lens, const uint8_t *data,
                         const mpl_ran_t *ran)
{
    if (!lens) {
        write_fixed ((mpl_iter_t *) batch, first, n, data, ran);
        return 0;
    }
    for (size_t i = 0; i < n; i++, lens += 8) {
        size_t len = mpl__get64 (lens);
        char *copy = malloc (len + 1);
        if (copy) {
            if (len)
                memcpy (copy, data, len);
            copy[len] = '\0';
            ring_take (batch, first + i, copy, len, ran);
        } else {
            mpl__batch_item_failed (batch, first + i, "there is no memory for its result", ran);
        }
        data += len;
    }
    return 0;
}

static void ring_failed (mpl_batch_t *batch, size_t index, const char *why, const mpl_ran_t *ran)
{
    mpl_iter_t *self = (mpl_iter_t *) batch;
    mpl_entry_t *entry = new_entry (self, index, ran);

    entry->error = strdup (why);
    entry->state = MPL__FAILED;
    if (self->feed)
        mpl__feed_ended (self->feed, index, 1);     /* the batch counts it itself */
}

const mpl_sink_t mpl__ring_sink = { ring_results, ring_take, ring_failed };

/* ---- reading --------------------------------------------------------------------------------------------------- */

mpl_entry_t *mpl__ring_first (const mpl_iter_t *self)
{
    mpl_entry_t *entry = &self->entries[self->n_read & (self->ring - 1)];

    if (self->is_ordered)
        return entry->state != MPL__EMPTY && entry->index == self->n_read && entry != self->borrowed ? entry : NULL;
    return self->n_read < self->n_written ? entry : NULL;
}

/* What was read makes room, but only a good part of the ring at once is worth waking the broker for. */
static void make_room (mpl_iter_t *self)
{
    mpl_batch_t *batch = &self->batch;
    size_t limit = self->n_read + self->ring - 1;       /* the borrowed one still has its place */

    if (self->held_bytes > MPL__WINDOW_BYTES && limit > batch->next)
        limit = batch->next;
    batch->limit = limit;
    if (batch->is_done || batch->is_ready || batch->next >= batch->n || batch->next >= limit)
        return;
    if (limit - batch->next >= self->ring / 8 || batch->n_ended == batch->next) {
        mpl__batch_more (batch);
        mpl__nudge (batch->pool);
    }
}

void mpl__ring_read (mpl_iter_t *self, mpl_entry_t *entry)
{
    self->n_read++;
    self->borrowed = entry;
    if (self->feed)
        mpl__feed_was_read (self->feed);
    make_room (self);
}

void mpl__ring_release (mpl_iter_t *self)
{
    if (self->borrowed)
        clear_entry (self, self->borrowed);
    self->borrowed = NULL;
}
