#include "pool/future.h"
#include "pool/pool.h"
#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

int mpl__future_settled (void *arg)
{
    const mpl_future_t *self = arg;

    /* Inside a callback a done future can be looked at, its own above all: that is not waiting. */
    return self->batch.is_done && (mpl__is_in_callback ()
                                   || (self->callback != MPL__CALLBACK_SET && self->callback != MPL__CALLBACK_DUE));
}

void mpl__future_done (mpl_batch_t *batch)
{
    mpl_future_t *self = (mpl_future_t *) batch;
    mpl_pool_t *pool = batch->pool;

    if (self->callback != MPL__CALLBACK_SET)
        return;
    self->callback = MPL__CALLBACK_DUE;
    self->next_callback = NULL;
    if (pool->callbacks)
        pool->last_callback->next_callback = self;
    else
        pool->callbacks = self;
    pool->last_callback = self;
}

static void free_future (mpl_future_t *self)
{
    mpl_pool_t *pool = self->batch.pool;

    mpl__batch_clear (&self->batch);
    free (self->variable.data);
    free (self->text);
    free (self);
    mpl__pool_unref (pool);
}

void mpl__future_call (mpl_pool_t *pool)
{
    mpl_future_t *self = pool->callbacks;

    pool->callbacks = self->next_callback;
    pool->in_callback = self;
    pthread_mutex_unlock (&pool->lock);
    self->fn (self, self->arg);
    pthread_mutex_lock (&pool->lock);
    pool->in_callback = NULL;
    self->callback = MPL__CALLBACK_RAN;
    if (self->is_orphan)
        free_future (self);                     /* the caller drives, so the pool outlives this reference */
}

/* ---- waiting --------------------------------------------------------------------------------------------------- */

MPL_EXPORT int mpl_future_wait (mpl_future_t *self, int timeout_ms)
{
    mpl_pool_t *pool = self->batch.pool;
    uint64_t deadline = mpl__clock_in_ms (timeout_ms);

    pthread_mutex_lock (&pool->lock);
    int rc = mpl__wait (pool, mpl__future_settled, self, deadline);
    pthread_mutex_unlock (&pool->lock);
    if (rc < 0 && errno == ETIMEDOUT)
        return mpl__fail (ETIMEDOUT, "mpl_future_wait: %s is not done after %d ms; it goes on", self->batch.task->name,
                          timeout_ms);
    return rc;
}

MPL_EXPORT int mpl_future_ready (mpl_future_t *self)
{
    return atomic_load_explicit (&self->batch.is_done, memory_order_acquire) != 0;
}

MPL_EXPORT const void *mpl_future_get (mpl_future_t *self, size_t *len)
{
    if (mpl_future_wait (self, -1) < 0 || mpl__batch_outcome (&self->batch, "mpl_future_get") < 0)
        return NULL;
    const mpl_bytes_t *variable = &self->variable;
    int is_variable = variable->data != NULL;
    if (len)
        *len = is_variable ? variable->len : self->len;
    return is_variable ? variable->data : self->result;
}

MPL_EXPORT const char *mpl_future_error (mpl_future_t *self)
{
    mpl_pool_t *pool = self->batch.pool;

    if (mpl_future_wait (self, -1) < 0 || (!self->batch.error && !self->batch.n_failed))
        return NULL;
    pthread_mutex_lock (&pool->lock);
    if (!self->text)
        self->text = mpl__batch_text (&self->batch);
    pthread_mutex_unlock (&pool->lock);
    return self->text ? self->text : "it failed, and there is no memory to say why";
}

typedef struct {
    mpl_future_t **futures;
    size_t n;
} any_t;

static int first_settled (const any_t *any, const mpl_pool_t *pool)
{
    for (size_t i = 0; i < any->n; i++)
        if ((!pool || any->futures[i]->batch.pool == pool) && mpl__future_settled (any->futures[i]))
            return (int) i;
    return -1;
}

static int any_is_settled (void *arg)
{
    const any_t *any = arg;

    return first_settled (any, NULL) >= 0;
}

/* Futures of several pools: each pool is driven for a moment in turn, the more patient the longer nothing happens. */
static int wait_any_pool (any_t *any, uint64_t deadline)
{
    uint64_t slice = MPL__NS_PER_MS;

    for (size_t i = 0;; i = (i + 1) % any->n) {
        mpl_pool_t *pool = any->futures[i]->batch.pool;
        uint64_t until = mpl__clock_ns () + slice;
        pthread_mutex_lock (&pool->lock);
        int rc = mpl__wait (pool, any_is_settled, any, until < deadline ? until : deadline);
        pthread_mutex_unlock (&pool->lock);
        if (rc == 0)
            return first_settled (any, NULL);
        if (errno != ETIMEDOUT || (deadline != MPL__NEVER && mpl__clock_ns () >= deadline))
            return -1;
        slice = slice < 8 * MPL__NS_PER_MS ? slice * 2 : slice;
    }
}

MPL_EXPORT int mpl_future_wait_any (mpl_future_t **futures, size_t n, int timeout_ms)
{
    uint64_t deadline = mpl__clock_in_ms (timeout_ms);
    any_t any = { futures, n };
    int index = -1, is_one_pool = 1;

    if (!futures || !n)
        return mpl__fail (EINVAL, "mpl_future_wait_any: there are no futures to wait for");
    mpl_pool_t *pool = futures[0]->batch.pool;
    for (size_t i = 1; i < n; i++)
        is_one_pool &= futures[i]->batch.pool == pool;
    if (is_one_pool) {
        pthread_mutex_lock (&pool->lock);
        if (mpl__wait (pool, any_is_settled, &any, deadline) == 0)
            index = first_settled (&any, NULL);
        pthread_mutex_unlock (&pool->lock);
    } else {
        index = wait_any_pool (&any, deadline);
    }
    if (index < 0 && errno == ETIMEDOUT)
        return mpl__fail (ETIMEDOUT, "mpl_future_wait_any: none of %zu futures is done after %d ms", n, timeout_ms);
    return index;
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

MPL_EXPORT int mpl_future_cancel (mpl_future_t *self)
{
    mpl_pool_t *pool = self->batch.pool;

    pthread_mutex_lock (&pool->lock);
    int was_done = self->batch.is_done;
    if (!was_done) {
        mpl__batch_give_up (&self->batch, ECANCELED, "it was cancelled");
        mpl__nudge (pool);
    }
    pthread_mutex_unlock (&pool->lock);
    if (was_done)
        return mpl__fail (EALREADY, "mpl_future_cancel: %s is done already", self->batch.task->name);
    return 0;
}

MPL_EXPORT int mpl_future_on_done (mpl_future_t *self, void (*fn) (mpl_future_t *future, void *arg), void *arg)
{
    mpl_pool_t *pool = self->batch.pool;

    if (!fn)
        return mpl__fail (EINVAL, "mpl_future_on_done: the callback is NULL");
    pthread_mutex_lock (&pool->lock);
    int is_taken = self->callback != MPL__NO_CALLBACK, is_done = self->batch.is_done;
    if (!is_taken) {
        self->fn = fn;
        self->arg = arg;
        self->callback = is_done ? MPL__CALLBACK_RAN : MPL__CALLBACK_SET;
    }
    pthread_mutex_unlock (&pool->lock);
    if (is_taken)
        return mpl__fail (EBUSY, "mpl_future_on_done: %s has a callback already", self->batch.task->name);
    if (is_done)
        fn (self, arg);
    return 0;
}

/* A callback that is due but has not begun is not called any more; one that runs is waited for, unless it is this. */
static int has_no_callback_running (void *arg)
{
    const mpl_future_t *self = arg;

    return self->batch.pool->in_callback != self;
}

static void drop_callback (mpl_future_t *self)
{
    mpl_pool_t *pool = self->batch.pool;
    mpl_future_t *before = NULL;

    for (mpl_future_t *at = pool->callbacks; at; before = at, at = at->next_callback) {
        if (at != self)
            continue;
        if (before)
            before->next_callback = self->next_callback;
        else
            pool->callbacks = self->next_callback;
        if (pool->last_callback == self)
            pool->last_callback = before;
        return;
    }
}

MPL_EXPORT void mpl_future_destroy (mpl_future_t **self_p)
{
    mpl_future_t *self = *self_p;
    int saved = errno;

    if (!self)
        return;
    mpl_pool_t *pool = self->batch.pool;
    *self_p = NULL;
    pthread_mutex_lock (&pool->lock);
    self->callback = self->callback == MPL__CALLBACK_SET ? MPL__NO_CALLBACK : self->callback;
    if (!self->batch.is_done) {
        mpl__batch_give_up (&self->batch, ECANCELED, "it was destroyed");
        mpl__nudge (pool);
    }
    if (self->callback == MPL__CALLBACK_DUE)
        drop_callback (self);
    int is_orphan = pool->in_callback == self && mpl__wait (pool, has_no_callback_running, self, MPL__NEVER) < 0;
    self->is_orphan = is_orphan;
    pthread_mutex_unlock (&pool->lock);
    if (!is_orphan)
        free_future (self);
    errno = saved;
}
