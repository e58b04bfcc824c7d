#include "pool/failures.h"
#include "pool/pool.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
    uint64_t pool;                  /* its id: another may be made at the same address */
    mpl_failure_t *failures;
    size_t n, n_failed;
} kept_t;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;           /* a kept_t of each thread that had failures; freed when the thread ends */

static void free_kept (void *arg)
{
    kept_t *kept = arg;

    for (size_t i = 0; i < kept->n; i++)
        free (kept->failures[i].text);
    free (kept->failures);
    free (kept);
}

/* The main thread has no end that keys hear of. */
static void free_last (void)
{
    mpl__failures_forget ();
}

static void make_key (void)
{
    if (pthread_key_create (&key, free_kept) == 0)
        atexit (free_last);
}

void mpl__failures_forget (void)
{
    pthread_once (&once, make_key);
    kept_t *kept = pthread_getspecific (key);
    if (kept) {
        pthread_setspecific (key, NULL);
        free_kept (kept);
    }
}

static int by_index (const void *a, const void *b)
{
    size_t x = ((const mpl_failure_t *) a)->index, y = ((const mpl_failure_t *) b)->index;

    return (x > y) - (x < y);
}

void mpl__failures_keep (mpl_batch_t *batch)
{
    kept_t *kept = batch->n_failed ? malloc (sizeof *kept) : NULL;

    if (!kept)
        return;
    *kept = (kept_t) { batch->pool->id, batch->failures, batch->n_failures, batch->n_failed };
    batch->failures = NULL;
    batch->n_failures = 0;
    if (kept->n)
        qsort (kept->failures, kept->n, sizeof *kept->failures, by_index);
    if (pthread_setspecific (key, kept))
        free_kept (kept);
}

MPL_EXPORT size_t mpl_pool_failures (mpl_pool_t *pool, mpl_result_t *failed, size_t max)
{
    pthread_once (&once, make_key);
    const kept_t *kept = pthread_getspecific (key);

    if (!kept || !pool || kept->pool != pool->id)
        return 0;
    for (size_t i = 0; failed && i < max && i < kept->n; i++) {
        const mpl_failure_t *failure = &kept->failures[i];
        failed[i] = (mpl_result_t) { .index = failure->index, .worker = failure->worker, .host = failure->host,
                                     .error = failure->text ? failure->text : "there was no memory to keep the reason" };
    }
    return kept->n_failed;
}
