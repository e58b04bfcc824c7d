#include "pool/iter.h"
#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <stdlib.h>

/* ---- making ---------------------------------------------------------------------------------------------------- */

static mpl_iter_t *new_iter (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n, int is_ordered, int is_open,
                             const char *caller)
{
    mpl_iter_t *self = calloc (1, sizeof *self);

    if (!self)
        return mpl__fail_null (ENOMEM, "%s: no memory for an iterator", caller);
    if (mpl__batch_init (&self->batch, pool, fn, in, n, caller) < 0) {
        free (self);
        return NULL;
    }
    self->is_ordered = is_ordered;
    self->batch.sink = &mpl__ring_sink;
    self->batch.is_open = is_open;
    if (mpl__ring_init (self) < 0) {
        mpl__ring_free (self);
        free (self);
        return mpl__fail_null (ENOMEM, "%s: no memory for the results that wait to be read", caller);
    }
    mpl__pool_ref (pool);
    return self;
}

static mpl_iter_t *start_array (mpl_iter_t *self)
{
    if (self)
        mpl__batch_submit (&self->batch);
    return self;
}

MPL_EXPORT mpl_iter_t *mpl_pool_imap (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n)
{
    return start_array (new_iter (pool, fn, in, n, 1, 0, "mpl_pool_imap"));
}

MPL_EXPORT mpl_iter_t *mpl_pool_imap_unordered (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n)
{
    return start_array (new_iter (pool, fn, in, n, 0, 0, "mpl_pool_imap_unordered"));
}

MPL_EXPORT mpl_iter_t *mpl_pool_imap_from (mpl_pool_t *pool, mpl_fn_t fn, mpl_source_fn source, void *state, int ordered)
{
    if (!source)
        return mpl__fail_null (EINVAL, "mpl_pool_imap_from: the source is NULL");
    mpl_iter_t *self = new_iter (pool, fn, NULL, 0, ordered != 0, 1, "mpl_pool_imap_from");
    if (!self)
        return NULL;
    if (!(self->feed = mpl__feed_new (self, source, state))) {
        mpl_iter_destroy (&self);
        return mpl__fail_null (ENOMEM, "mpl_pool_imap_from: no memory for what the source is read ahead");
    }
    mpl__batch_submit (&self->batch);
    pthread_mutex_lock (&pool->lock);
    int rc = mpl__feed_start (self->feed);
    pthread_mutex_unlock (&pool->lock);
    if (rc < 0) {
        mpl_iter_destroy (&self);
        return mpl__fail_null (EAGAIN, "mpl_pool_imap_from: no thread can be started to read the source");
    }
    return self;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static int is_at_end (const mpl_iter_t *self)
{
    return self->batch.is_done && (self->batch.error || self->n_read == self->batch.n);
}

static int has_news (void *arg)
{
    const mpl_iter_t *self = arg;

    return mpl__ring_first (self) || is_at_end (self);
}

static void show (mpl_iter_t *self, const mpl_entry_t *entry, mpl_result_t *result)
{
    int ok = entry->state == MPL__OK;
    const void *fixed = self->slab ? self->slab + (size_t) (entry - self->entries) * self->batch.task->out_size
                                   : (const void *) "";

    *result = (mpl_result_t) {
        .index = entry->index, .ok = ok, .len = ok ? entry->len : 0, .worker = entry->worker, .host = entry->host,
        .seconds = entry->seconds, .data = !ok ? NULL : entry->data ? entry->data : fixed,
        .error = ok ? NULL : entry->error ? entry->error : "it failed, and there was no memory to say why"
    };
}

static int end_of (const mpl_iter_t *self)
{
    if (self->batch.error)
        return mpl__fail (self->batch.error, "mpl_iter_next: %s", self->batch.why);
    if (self->feed && mpl__feed_failed (self->feed))
        return mpl__fail (EIO, "mpl_iter_next: the source failed after %zu items", self->batch.n);
    return 0;
}

MPL_EXPORT int mpl_iter_next (mpl_iter_t *self, mpl_result_t *result, int timeout_ms)
{
    mpl_pool_t *pool = self->batch.pool;
    int rc;

    if (!result)
        return mpl__fail (EINVAL, "mpl_iter_next: there is nowhere to put the result");
    uint64_t deadline = timeout_ms > 0 ? mpl__clock_in_ms (timeout_ms) : timeout_ms ? MPL__NEVER : 0;
    pthread_mutex_lock (&pool->lock);
    mpl__ring_release (self);
    if (mpl__wait (pool, has_news, self, deadline) < 0) {
        rc = errno == ETIMEDOUT ? mpl__fail (ETIMEDOUT, "mpl_iter_next: no result of %s within %d ms; it goes on",
                                             self->batch.task->name, timeout_ms) : -1;
    } else {
        mpl_entry_t *entry = mpl__ring_first (self);
        rc = entry ? 1 : end_of (self);
        if (entry) {
            mpl__ring_read (self, entry);
            show (self, entry, result);
        }
    }
    pthread_mutex_unlock (&pool->lock);
    return rc;
}

MPL_EXPORT void mpl_iter_destroy (mpl_iter_t **self_p)
{
    mpl_iter_t *self = *self_p;
    int saved = errno;

    if (!self)
        return;
    mpl_pool_t *pool = self->batch.pool;
    pthread_mutex_lock (&pool->lock);
    if (!self->batch.is_done && self->batch.began_at) {
        mpl__batch_give_up (&self->batch, ECANCELED, "it was destroyed");
        mpl__nudge (pool);
    }
    mpl__feed_destroy (&self->feed);
    mpl__ring_free (self);
    pthread_mutex_unlock (&pool->lock);
    free (self);
    mpl__pool_unref (pool);
    *self_p = NULL;
    errno = saved;
}
