/* The thread that reads the source of an imap_from: it copies each item into a ring, from which chunks are cut and, if a
 * worker dies, sent again. It runs at most a ring, or 16 MiB, ahead of the oldest item that has not ended. */
#include "pool/iter.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FEED_STACK (512u * 1024)            /* the source is the user's code */

struct mpl_feed {
    mpl_iter_t *iter;
    mpl_source_fn source;
    void *state;
    pthread_t thread;
    pthread_cond_t room;
    int has_thread, stops, has_failed;
    size_t ring;                            /* a power of two */
    void *items;                            /* fixed ones end to end, or mpl_bytes_t */
    uint8_t *has_ended;                     /* one an item in the ring */
    size_t oldest;                          /* the first item that has not ended */
    size_t bytes;                           /* of variable items in the ring */
};

/* ---- the ring -------------------------------------------------------------------------------------------------- */

static int is_variable (const mpl_feed_t *self) { return mpl__batch_is_variable (&self->iter->batch); }

static size_t ring_size (const mpl_feed_t *self)
{
    size_t in = self->iter->batch.task->in_size, n = MPL__WINDOW_ITEMS;
    size_t least = 4 * (size_t) self->iter->batch.pool->n_workers;

    if (!is_variable (self) && in)
        while (n > 1 && n > least && n > MPL__WINDOW_BYTES / in)
            n /= 2;
    return n;
}

mpl_feed_t *mpl__feed_new (mpl_iter_t *iter, mpl_source_fn source, void *state)
{
    mpl_feed_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    self->iter = iter;
    self->source = source;
    self->state = state;
    self->ring = ring_size (self);
    size_t each = is_variable (self) ? sizeof (mpl_bytes_t) : iter->batch.task->in_size;
    self->items = calloc (self->ring, each ? each : 1);
    self->has_ended = calloc (self->ring, 1);
    if (!self->items || !self->has_ended || pthread_cond_init (&self->room, NULL)) {
        free (self->items);
        free (self->has_ended);
        free (self);
        errno = ENOMEM;
        return NULL;
    }
    iter->batch.in = self->items;
    iter->batch.in_ring = self->ring;
    return self;
}

static int has_room (const mpl_feed_t *self)
{
    const mpl_batch_t *batch = &self->iter->batch;

    return batch->n - self->oldest < self->ring && batch->n - self->iter->n_read < self->ring
        && self->bytes < MPL__WINDOW_BYTES;
}

void mpl__feed_ended (mpl_feed_t *self, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        size_t at = i & (self->ring - 1);
        self->has_ended[at] = 1;
        if (is_variable (self)) {
            mpl_bytes_t *item = (mpl_bytes_t *) self->items + at;
            self->bytes -= item->len;
            free (item->data);
            *item = (mpl_bytes_t) { NULL, 0 };
        }
    }
    while (self->oldest < self->iter->batch.n && self->has_ended[self->oldest & (self->ring - 1)])
        self->has_ended[self->oldest++ & (self->ring - 1)] = 0;
    mpl__feed_was_read (self);
}

void mpl__feed_was_read (mpl_feed_t *self)
{
    if (has_room (self))
        pthread_cond_signal (&self->room);
}

int mpl__feed_failed (const mpl_feed_t *self) { return self->has_failed; }

/* ---- the thread ------------------------------------------------------------------------------------------------ */

/* Asks the source, without the lock. 1: *copy is ours (its data NULL for fixed items, which go to the ring at once, since
 * only this thread writes there); 0: the end; -1: it failed. */
static int next_item (mpl_feed_t *self, size_t index, mpl_bytes_t *copy)
{
    const mpl_task_t *task = self->iter->batch.task;
    mpl_bytes_t item = { NULL, 0 };
    int rc = self->source (self->state, &item);

    *copy = (mpl_bytes_t) { NULL, 0 };
    if (rc <= 0)
        return rc;
    if (!is_variable (self)) {
        if (item.len != task->in_size || (!item.data && item.len))
            return -1;
        if (item.len)
            memcpy ((uint8_t *) self->items + (index & (self->ring - 1)) * task->in_size, item.data, item.len);
        return 1;
    }
    if (!item.data && (item.len || task->in_size == MPL_STRING))
        return -1;
    copy->len = task->in_size == MPL_STRING ? strlen (item.data) : item.len;
    if (!(copy->data = malloc (copy->len + 1)))
        return -1;
    if (copy->len)
        memcpy (copy->data, item.data, copy->len);
    return 1;
}

static void put_item (mpl_feed_t *self, const mpl_bytes_t *copy)
{
    mpl_batch_t *batch = &self->iter->batch;

    if (is_variable (self)) {
        ((mpl_bytes_t *) self->items)[batch->n & (self->ring - 1)] = *copy;
        self->bytes += copy->len;
    }
    batch->n++;
    mpl__batch_more (batch);
    /* With all workers busy the driver cuts what has gathered by then, in larger chunks, when the next result comes. */
    if (mpl__core_idle (batch->pool->core) && batch->next < batch->limit)
        mpl__nudge (batch->pool);
}

static void *read_source (void *arg)
{
    mpl_feed_t *self = arg;
    mpl_batch_t *batch = &self->iter->batch;
    mpl_pool_t *pool = batch->pool;
    mpl_bytes_t copy;
    int rc = 1;

    pthread_mutex_lock (&pool->lock);
    while (rc == 1 && !self->stops && !batch->is_done) {
        if (!has_room (self)) {
            pthread_cond_wait (&self->room, &pool->lock);
            continue;
        }
        size_t index = batch->n;
        pthread_mutex_unlock (&pool->lock);
        rc = next_item (self, index, &copy);
        pthread_mutex_lock (&pool->lock);
        if (rc == 1 && !self->stops && !batch->is_done)
            put_item (self, &copy);
        else
            free (copy.data);
    }
    self->has_failed = rc < 0;
    if (!batch->is_done) {
        batch->is_open = 0;
        mpl__batch_ended (batch, 0);
        mpl__nudge (pool);
    }
    pthread_mutex_unlock (&pool->lock);
    return NULL;
}

int mpl__feed_start (mpl_feed_t *self)
{
    pthread_attr_t attr;
    sigset_t all, old;

    if (pthread_attr_init (&attr))
        return -1;
    pthread_attr_setstacksize (&attr, FEED_STACK);
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &old);
    self->has_thread = pthread_create (&self->thread, &attr, read_source, self) == 0;
    pthread_sigmask (SIG_SETMASK, &old, NULL);
    pthread_attr_destroy (&attr);
    return self->has_thread ? 0 : -1;
}

void mpl__feed_destroy (mpl_feed_t **self_p)
{
    mpl_feed_t *self = *self_p;

    if (!self)
        return;
    mpl_pool_t *pool = self->iter->batch.pool;
    self->stops = 1;
    pthread_cond_signal (&self->room);
    if (self->has_thread) {
        pthread_mutex_unlock (&pool->lock);
        pthread_join (self->thread, NULL);
        pthread_mutex_lock (&pool->lock);
    }
    for (size_t i = 0; is_variable (self) && i < self->ring; i++)
        free (((mpl_bytes_t *) self->items)[i].data);
    pthread_cond_destroy (&self->room);
    free (self->items);
    free (self->has_ended);
    free (self);
    *self_p = NULL;
}
