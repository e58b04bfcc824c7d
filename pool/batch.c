#include "pool/batch.h"
#include "pool/pool.h"
#include "pool/process.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILURES_KEPT ((size_t) 1 << 20)        /* of one map; all are counted */

/* ---- input ----------------------------------------------------------------------------------------------------- */

int mpl__batch_is_variable (const mpl_batch_t *self)
{
    return self->task->in_size == MPL_VARIABLE || self->task->in_size == MPL_STRING;
}

static size_t position (const mpl_batch_t *self, size_t index)
{
    return self->in_ring ? index & (self->in_ring - 1) : index;
}

const uint8_t *mpl__batch_fixed (const mpl_batch_t *self, size_t index)
{
    return (const uint8_t *) self->in + position (self, index) * self->task->in_size;
}

mpl_bytes_t mpl__batch_variable (const mpl_batch_t *self, size_t index)
{
    /* A ring holds strings as bytes too: the source was asked for them one by one. */
    if (self->task->in_size == MPL_STRING && !self->in_ring) {
        char *text = ((char *const *) self->in)[index];
        return (mpl_bytes_t) { text, strlen (text) };
    }
    return ((const mpl_bytes_t *) self->in)[position (self, index)];
}

/* ---- beginning ------------------------------------------------------------------------------------------------- */

static int check_strings (const mpl_batch_t *self, const char *caller)
{
    if (self->task->in_size == MPL_STRING)
        for (size_t i = 0; i < self->n; i++)
            if (!((char *const *) self->in)[i])
                return mpl__fail (EINVAL, "%s of %s: item %zu is NULL; each must be a string", caller, self->task->name, i);
    if (self->task->in_size == MPL_VARIABLE)
        for (size_t i = 0; i < self->n; i++) {
            const mpl_bytes_t *item = &((const mpl_bytes_t *) self->in)[i];
            if (!item->data && item->len)
                return mpl__fail (EINVAL, "%s of %s: item %zu has %zu bytes at NULL", caller, self->task->name, i, item->len);
        }
    return 0;
}

static int check_state (mpl_pool_t *pool, const char *caller)
{
    pthread_mutex_lock (&pool->lock);
    int state = pool->state;
    if (state == MPL__BROKEN)
        mpl__fail (EPIPE, "%s: the pool is broken: %s", caller, pool->broken_why);
    else if (state != MPL__OPEN)
        mpl__fail (ESHUTDOWN, "%s: the pool was %s; it takes no more work", caller,
                   state == MPL__CLOSED ? "closed" : "terminated");
    pthread_mutex_unlock (&pool->lock);
    return state == MPL__OPEN ? 0 : -1;
}

int mpl__batch_init (mpl_batch_t *self, mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n, const char *caller)
{
    *self = (mpl_batch_t) { .pool = pool, .in = in, .n = n, .limit = SIZE_MAX, .sink = &mpl__array_sink };
    if (mpl__pool_check (pool, caller) < 0 || mpl__find_task (fn, caller, &self->fn) < 0)
        return -1;
    self->task = &mpl__self.tasks[self->fn];
    if (!in && n && self->task->in_size)
        return mpl__fail (EINVAL, "%s of %s: `in` is NULL but there are %zu items", caller, self->task->name, n);
    if (in && check_strings (self, caller) < 0)
        return -1;
    return check_state (pool, caller);
}

void mpl__batch_start (mpl_batch_t *self)
{
    mpl_pool_t *pool = self->pool;

    self->began_at = mpl__clock_ns ();
    self->next_running = pool->running;
    if (pool->running)
        pool->running->prev_running = self;
    pool->running = self;
    pool->n_running++;
    if (pool->state == MPL__BROKEN)             /* since it was checked */
        mpl__batch_give_up (self, EPIPE, pool->broken_why);
    else if (pool->state == MPL__TERMINATED)
        mpl__batch_give_up (self, ECANCELED, "the pool was terminated");
    else
        mpl__batch_more (self);
    if (!self->is_done)
        mpl__batch_ended (self, 0);             /* no items at all */
}

void mpl__batch_submit (mpl_batch_t *self)
{
    mpl_pool_t *pool = self->pool;

    pthread_mutex_lock (&pool->lock);
    mpl__need_helper (pool);
    mpl__batch_start (self);
    mpl__nudge (pool);
    pthread_mutex_unlock (&pool->lock);
}

void mpl__batch_more (mpl_batch_t *self)
{
    mpl_pool_t *pool = self->pool;

    if (self->is_ready || self->is_done || self->next >= self->n || self->next >= self->limit)
        return;
    self->is_ready = 1;
    if (pool->ready) {
        self->prev_ready = pool->ready;
        self->next_ready = pool->ready->next_ready;
    } else {
        self->prev_ready = self->next_ready = self;
    }
    self->prev_ready->next_ready = self->next_ready->prev_ready = self;
    pool->ready = self;
}

/* ---- ending ---------------------------------------------------------------------------------------------------- */

void mpl__batch_no_more (mpl_batch_t *self)
{
    mpl_pool_t *pool = self->pool;

    if (!self->is_ready)
        return;
    self->prev_ready->next_ready = self->next_ready;
    self->next_ready->prev_ready = self->prev_ready;
    if (pool->ready == self)
        pool->ready = self->prev_ready == self ? NULL : self->prev_ready;
    self->is_ready = 0;
}

static void finish (mpl_batch_t *self)
{
    mpl_pool_t *pool = self->pool;

    mpl__progress_end (self);
    mpl__batch_no_more (self);
    if (self->prev_running)
        self->prev_running->next_running = self->next_running;
    else
        pool->running = self->next_running;
    if (self->next_running)
        self->next_running->prev_running = self->prev_running;
    pool->n_running--;
    if (!pool->n_running)
        mpl__arena_trim (pool->arena);
    atomic_store_explicit (&self->is_done, 1, memory_order_release);
    if (self->on_done)
        self->on_done (self);
    /* The blocked driver may be waiting for just this. The helper waits for nothing itself. */
    if (!pool->is_helper_driving || pool->waiters || pool->callbacks)
        mpl__kick (pool);
}

void mpl__batch_ended (mpl_batch_t *self, size_t n)
{
    self->n_ended += n;
    if (!self->is_open && self->n_ended == self->n && !self->is_done)
        finish (self);
}

void mpl__batch_give_up (mpl_batch_t *self, int error, const char *why)
{
    if (self->is_done)
        return;
    self->error = error;
    self->why = why;
    if (self->n_ended < self->next)             /* some are queued or held */
        mpl__core_cancel (self->pool->core, self);
    finish (self);
}

/* ---- failures -------------------------------------------------------------------------------------------------- */

static void keep_failure (mpl_batch_t *self, size_t index, const char *text, const mpl_ran_t *ran)
{
    if (self->n_failures == FAILURES_KEPT)
        return;
    if (self->n_failures == self->failures_room) {
        size_t room = self->failures_room ? self->failures_room * 2 : 16;
        mpl_failure_t *failures = realloc (self->failures, room * sizeof *failures);
        if (!failures)
            return;
        self->failures = failures;
        self->failures_room = room;
    }
    self->failures[self->n_failures++] = (mpl_failure_t) { index, strdup (text), ran->worker, ran->host };
}

void mpl__batch_item_failed (mpl_batch_t *self, size_t index, const char *why, const mpl_ran_t *ran)
{
    char text[MPL__ERR_TEXT];

    if (ran->worker >= 0)
        snprintf (text, sizeof text, "%s, item %zu, on worker %d at %s: %s", self->task->name, index, ran->worker,
                  ran->host ? ran->host : "?", why);
    else
        snprintf (text, sizeof text, "%s, item %zu: %s", self->task->name, index, why);
    self->n_failed++;
    if (self->sink->failed)
        self->sink->failed (self, index, text, ran);
    else
        keep_failure (self, index, text, ran);
    mpl__batch_ended (self, 1);
}

static const mpl_failure_t *lowest_failure (const mpl_batch_t *self)
{
    const mpl_failure_t *lowest = NULL;

    for (size_t i = 0; i < self->n_failures; i++)
        if (!lowest || self->failures[i].index < lowest->index)
            lowest = &self->failures[i];
    return lowest;
}

char *mpl__batch_text (const mpl_batch_t *self)
{
    const mpl_failure_t *lowest = lowest_failure (self);
    const char *reason = lowest && lowest->text ? lowest->text : "the reason could not be kept for want of memory";
    char *text = NULL;

    if (self->error)
        return strdup (self->why);
    if (!self->n_failed)
        return NULL;
    if (self->n == 1)
        return strdup (reason);
    if (asprintf (&text, "%zu of %zu items failed, the lowest is %s", self->n_failed, self->n, reason) < 0)
        return NULL;
    return text;
}

int mpl__batch_outcome (const mpl_batch_t *self, const char *caller)
{
    if (!self->error && !self->n_failed)
        return 0;
    char *text = mpl__batch_text (self);
    int error = self->error ? self->error : EIO;
    mpl__fail (error, "%s: %s", caller, text ? text : "items failed, and there is no memory to say why");
    free (text);
    errno = error;
    return -1;
}

void mpl__batch_clear (mpl_batch_t *self)
{
    for (size_t i = 0; i < self->n_failures; i++)
        free (self->failures[i].text);
    free (self->failures);
    self->failures = NULL;
    self->n_failures = self->failures_room = 0;
}
