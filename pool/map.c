/* map, apply and their async forms: a batch whose results go to the caller's memory. */
#include "pool/failures.h"
#include "pool/future.h"
#include "pool/pool.h"
#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int check_out (const mpl_batch_t *batch, const void *out, const char *caller)
{
    if (out || !batch->n || !batch->task->out_size)
        return 0;
    return mpl__fail (EINVAL, "%s of %s: `out` is NULL but there are %zu results", caller, batch->task->name, batch->n);
}

static void clear_out (mpl_batch_t *batch, void *out)
{
    batch->out = out;
    if (batch->task->out_size == MPL_VARIABLE)          /* a failed one stays like this */
        for (size_t i = 0; i < batch->n; i++)
            ((mpl_bytes_t *) out)[i] = (mpl_bytes_t) { NULL, 0 };
}

static int batch_is_done (void *arg)
{
    return ((const mpl_batch_t *) arg)->is_done;
}

/* Runs a batch in the caller's stack frame to its end. */
static int run (mpl_batch_t *batch)
{
    mpl_pool_t *pool = batch->pool;

    pthread_mutex_lock (&pool->lock);
    mpl__batch_start (batch);
    if (pool->is_driven)                                /* by a thread that waits for something else */
        mpl__nudge (pool);
    int rc = mpl__wait (pool, batch_is_done, batch, MPL__NEVER);
    if (rc < 0)                                         /* in a callback: nobody would wait for it */
        mpl__batch_give_up (batch, errno, "it was called from an on_done callback, which may submit work but not wait");
    pthread_mutex_unlock (&pool->lock);
    return rc;
}

MPL_EXPORT int mpl_pool_map (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n, void *out)
{
    mpl_batch_t batch;

    mpl__failures_forget ();
    if (mpl__batch_init (&batch, pool, fn, in, n, "mpl_pool_map") < 0 || check_out (&batch, out, "mpl_pool_map") < 0)
        return -1;
    clear_out (&batch, out);
    run (&batch);
    int rc = mpl__batch_outcome (&batch, "mpl_pool_map");
    int saved = errno;
    mpl__failures_keep (&batch);
    mpl__batch_clear (&batch);
    errno = saved;
    return rc;
}

/* An apply's one item as a map of one would have it: fixed ones as they are, others through *item or *text. */
static const void *as_item (const mpl_task_t *task, const void *in, size_t in_len, mpl_bytes_t *item)
{
    if (task->in_size != MPL_VARIABLE && task->in_size != MPL_STRING)
        return in;
    *item = (mpl_bytes_t) { (void *) in, in_len };
    return item;                /* data comes first in mpl_bytes_t, so a string's item can be read as a char * too */
}

static int check_apply (mpl_batch_t *batch, mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t in_len, const char *caller)
{
    if (mpl__batch_init (batch, pool, fn, NULL, 0, caller) < 0)
        return -1;
    size_t size = batch->task->in_size;
    if (!in && (size == MPL_STRING || (size == MPL_VARIABLE ? in_len : size)))
        return mpl__fail (EINVAL, "%s of %s: its input is NULL", caller, batch->task->name);
    if (size != MPL_STRING && size != MPL_VARIABLE && in_len && in_len != size)
        return mpl__fail (EINVAL, "%s of %s: in_len is %zu, but its input has %zu bytes", caller, batch->task->name, in_len,
                          size);
    batch->n = 1;
    return 0;
}

MPL_EXPORT int mpl_pool_apply (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t in_len, void *out)
{
    mpl_batch_t batch;
    mpl_bytes_t item;

    if (check_apply (&batch, pool, fn, in, in_len, "mpl_pool_apply") < 0 || check_out (&batch, out, "mpl_pool_apply") < 0)
        return -1;
    batch.in = as_item (batch.task, in, in_len, &item);
    clear_out (&batch, out);
    run (&batch);
    int rc = mpl__batch_outcome (&batch, "mpl_pool_apply"), saved = errno;
    mpl__batch_clear (&batch);
    errno = saved;
    return rc;
}

/* ---- without waiting ------------------------------------------------------------------------------------------- */

static mpl_future_t *start_future (mpl_future_t *self, const mpl_batch_t *batch)
{
    self->batch = *batch;
    self->batch.on_done = mpl__future_done;
    mpl__pool_ref (batch->pool);
    mpl__batch_submit (&self->batch);
    return self;
}

MPL_EXPORT mpl_future_t *mpl_pool_map_async (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n, void *out)
{
    mpl_batch_t batch;

    if (mpl__batch_init (&batch, pool, fn, in, n, "mpl_pool_map_async") < 0
        || check_out (&batch, out, "mpl_pool_map_async") < 0)
        return NULL;
    mpl_future_t *self = calloc (1, sizeof *self);
    if (!self)
        return mpl__fail_null (ENOMEM, "mpl_pool_map_async: no memory for a future");
    clear_out (&batch, out);
    self->result = out ? out : self->bytes;
    self->len = n * (batch.task->out_size == MPL_VARIABLE ? sizeof (mpl_bytes_t) : batch.task->out_size);
    return start_future (self, &batch);
}

static size_t aligned (size_t len) { return (len + 15) & ~(size_t) 15; }

MPL_EXPORT mpl_future_t *mpl_pool_apply_async (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t in_len)
{
    mpl_batch_t batch;

    if (check_apply (&batch, pool, fn, in, in_len, "mpl_pool_apply_async") < 0)
        return NULL;
    const mpl_task_t *task = batch.task;
    size_t out = task->out_size == MPL_VARIABLE ? 0 : task->out_size;
    size_t len = task->in_size == MPL_STRING ? strlen (in) : task->in_size == MPL_VARIABLE ? in_len : task->in_size;
    size_t begin = aligned (offsetof (mpl_future_t, bytes) + out) + sizeof (mpl_bytes_t);
    char *memory = malloc (aligned (begin) + len + 1);
    if (!memory)
        return mpl__fail_null (ENOMEM, "mpl_pool_apply_async: no memory for a future of %zu bytes", len + out);
    mpl_future_t *self = (mpl_future_t *) (void *) memory;
    *self = (mpl_future_t) { .result = self->bytes, .len = out };
    char *copy = memory + aligned (begin);
    if (len)
        memcpy (copy, in, len);
    copy[len] = '\0';
    mpl_bytes_t *item = (mpl_bytes_t *) (void *) (memory + begin - sizeof *item);
    batch.in = as_item (task, copy, len, item);
    clear_out (&batch, task->out_size == MPL_VARIABLE ? (void *) &self->variable : self->bytes);
    return start_future (self, &batch);
}

MPL_EXPORT void mpl_bytes_free (mpl_bytes_t *array, size_t n)
{
    for (size_t i = 0; array && i < n; i++) {
        free (array[i].data);
        array[i] = (mpl_bytes_t) { NULL, 0 };
    }
}
