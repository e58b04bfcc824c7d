/* mplaunch.h - multiprocessing.Pool for C, launched like MPI.
 *
 * A program lists its task functions, calls mpl_init first thing in main, and then maps them over arrays:
 *
 *     static int square (mpl_call_t *call, const void *in, void *out)
 *     {
 *         double x = *(const double *) in;
 *         (void) call;
 *         *(double *) out = x * x;
 *         return 0;
 *     }
 *
 *     static const mpl_task_t tasks[] = { { "square", square, sizeof (double), sizeof (double) }, { 0 } };
 *
 *     int main (int argc, char **argv)
 *     {
 *         double xs[1000], ys[1000];
 *         ...
 *         if (mpl_init (&argc, &argv, tasks) < 0)
 *             ...
 *         mpl_pool_t *pool = mpl_pool_new (NULL);
 *         if (!pool || mpl_pool_map (pool, square, xs, 1000, ys) < 0)
 *             fprintf (stderr, "%s\n", mpl_error ());
 *         mpl_pool_destroy (&pool);
 *     }
 *
 * Run as ./app it uses the cores of this machine, run as mplaunch -n 8 ./app it uses eight workers.
 *
 * Every function that can fail returns -1 or NULL, sets errno, and leaves a full sentence in mpl_error ().
 * Pools, futures and iterators may be used from any thread; an object must not be destroyed while another thread
 * is inside a call on it, nor a pool inside an on_done callback. After fork (2) a child must not use what its parent made:
 * calls on a pool fail with EPERM there. Calls that wait fail with EDEADLK inside an on_done callback. */
#ifndef MPLAUNCH_H
#define MPLAUNCH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MPL_VERSION_MAJOR 0
#define MPL_VERSION_MINOR 1
#define MPL_VERSION_PATCH 0

#if defined __GNUC__
#   define MPL_EXPORT __attribute__ ((visibility ("default")))
#   define MPL_CHECKED __attribute__ ((warn_unused_result))
#   define MPL_PRINTF(f, a) __attribute__ ((format (printf, f, a)))
#else
#   define MPL_EXPORT
#   define MPL_CHECKED
#   define MPL_PRINTF(f, a)
#endif

/* ---- items and tasks ------------------------------------------------------------------------------------------- */

/* A run of bytes. As an input item it is borrowed; as a result of an MPL_VARIABLE task it is the caller's, to be freed
 * with mpl_bytes_free, and has a NUL after its last byte that len does not count. */
typedef struct {
    void *data;
    size_t len;
} mpl_bytes_t;

typedef struct mpl_call mpl_call_t;         /* one running task, seen from inside it */
typedef struct mpl_pool mpl_pool_t;
typedef struct mpl_future mpl_future_t;
typedef struct mpl_iter mpl_iter_t;

/* A task function. `in` is one input item, `out` room for out_size bytes of result (NULL when the result is
 * MPL_VARIABLE or out_size is 0). 0: done. Anything else: failed, with the text given to mpl_call_fail if any.
 * It runs in a worker process, in one thread; `in`, `out` and `call` are gone when it returns. */
typedef int (*mpl_fn_t) (mpl_call_t *call, const void *in, void *out);

#define MPL_VARIABLE ((size_t) -1)          /* items are mpl_bytes_t */
#define MPL_STRING   ((size_t) -2)          /* items are char *; inputs only */

/* A registered task: its name (for messages), function, and the bytes of one input and one result. */
typedef struct {
    const char *name;
    mpl_fn_t fn;
    size_t in_size, out_size;
} mpl_task_t;

/* ---- start ----------------------------------------------------------------------------------------------------- */

/* Makes this process known to the launch it belongs to; to be called first thing in main, once. `tasks` ends with an
 * entry whose name is NULL, and must stay valid; it is the same in every process because every process is the same
 * executable. argc and argv may be NULL; they are not changed.
 * In main (./app alone, or rank 0 under mplaunch) it returns 0. In every other process of the launch it never returns:
 * that process serves as workers until main ends, then leaves by _exit. Code before it runs in each of them.
 * -1: EINVAL (a task without function, a name twice, an impossible size, an MPL_FD that is not a descriptor of ours),
 * EALREADY (called before), EPROTO (started by an mplaunch of another version). */
MPL_EXPORT MPL_CHECKED int mpl_init (int *argc, char ***argv, const mpl_task_t *tasks);

/* 1 in main once mpl_init returned; 0 before it and inside a task. */
MPL_EXPORT int mpl_is_main (void);

/* This process's place in the launch. Under mplaunch rank 0..size-1 of -n, without it rank 0 of 1; inside a task, those
 * of the held process that the worker was made from. Local ones count within the host. Never fail. */
MPL_EXPORT int mpl_rank (void);
MPL_EXPORT int mpl_size (void);
MPL_EXPORT int mpl_local_rank (void);
MPL_EXPORT int mpl_local_size (void);

/* Why the last failing call of this thread failed, as a sentence; "" before any did. Borrowed until the next one fails. */
MPL_EXPORT const char *mpl_error (void);

/* ---- inside a task: only the task's own thread, only until the task returns ---------------------------------------- */

/* Bytes of this input: in_size, the len of an MPL_VARIABLE item, or strlen of an MPL_STRING. */
MPL_EXPORT size_t mpl_call_in_len (mpl_call_t *call);

/* The item's index in its map; 0 for apply. */
MPL_EXPORT size_t mpl_call_index (mpl_call_t *call);

/* The number of the worker this runs on, 0..mpl_pool_size-1. A replaced worker's successor has its number. */
MPL_EXPORT int mpl_call_worker (mpl_call_t *call);

/* 0 for the first attempt at this item, 1 after a worker died on it once, and so on. */
MPL_EXPORT int mpl_call_attempt (mpl_call_t *call);

/* Sets the result of an MPL_VARIABLE task; the bytes are copied. A later reply replaces an earlier one; none at all is an
 * empty result. -1: EINVAL (data is NULL and len is not 0; or the task has a fixed out_size: if the reply is longer than
 * that, its item fails with that sentence, whatever the task returns), ENOMEM. */
MPL_EXPORT int mpl_call_reply (mpl_call_t *call, const void *data, size_t len);

/* Sets the text with which this item fails and returns non-zero, so that a task can `return mpl_call_fail (call, ...)`.
 * At most 1,000 bytes are kept. */
MPL_EXPORT int mpl_call_fail (mpl_call_t *call, const char *fmt, ...) MPL_PRINTF (2, 3);

/* Data that main gave to mpl_pool_share under this name, read-only; its length in *len when len is not NULL. Valid until
 * the task returns. NULL: ENOENT, nothing was shared under that name. */
MPL_EXPORT const void *mpl_call_shared (mpl_call_t *call, const char *name, size_t *len);

/* ---- pool ------------------------------------------------------------------------------------------------------ */

typedef struct {
    int workers;                /* at most 4,096; 0: every slot of the launch, or every core this thread may use */
    mpl_fn_t initializer;       /* a registered task with out_size 0, run in each worker before its first task; or NULL */
    const void *init_arg;       /* its input, init_len bytes, copied by mpl_pool_new */
    size_t init_len;
    size_t max_tasks;           /* a worker is replaced after this many items; 0: never */
    size_t chunk;               /* items sent together, at most 1,048,576; 0: adaptive, by how long they take */
    int retries;                /* further attempts for the item that a worker died on, at most 250 */
    double task_timeout;        /* seconds one item may run, then its worker is ended and the item fails; 0: no limit */
    size_t memory_limit;        /* bytes one worker may use beyond what it starts with; 0: no limit */
    int progress;               /* non-zero: a progress bar on stderr for map, imap and their kin */
    const char *cluster;        /* a cluster file; NULL: the launch's own hosts */
} mpl_pool_opts_t;

/* What the cluster file of the launch says of pools (after mpl_init), and where that says nothing retries 2, everything
 * else 0. */
MPL_EXPORT mpl_pool_opts_t mpl_pool_defaults (void);

/* One result, seen by an iterator or by mpl_pool_failures. What it points to is borrowed. */
typedef struct {
    size_t index;               /* which item */
    int ok;                     /* 1: data and len are the result; 0: error says why there is none */
    const void *data;
    size_t len;                 /* bytes */
    const char *error;          /* NULL when ok; else "TASK, item I, on worker W at HOST: " and the reason */
    int worker;                 /* the worker that ran it last, -1 when none did */
    const char *host;           /* that worker's host */
    double seconds;             /* what it took; the mean of its neighbours when they are too short to time singly */
} mpl_result_t;

/* Starts the workers and returns without waiting for them; the pool is the caller's. `opts` is copied (NULL: defaults).
 * NULL: EPERM (mpl_init was not called, or called inside a task), EINVAL (an option out of range, an initializer that is
 * not registered), ENOENT (mpworker was not found), EMFILE, ENOMEM, ENOTSUP (a cluster file). */
MPL_EXPORT MPL_CHECKED mpl_pool_t *mpl_pool_new (const mpl_pool_opts_t *opts);

/* How many workers the pool has when all are up. */
MPL_EXPORT int mpl_pool_size (mpl_pool_t *pool);

/* Asks for so many workers in all, where hosts come later: in a launch that is attached to an mpbroker. They come as the broker
 * lends slots, or never; mpl_pool_size counts them from when they are given a number. Asking for fewer than there are changes
 * nothing. Does not block; any thread. 0; -1 with errno: EINVAL, ENOTSUP (in any other launch), ESHUTDOWN (the pool is closed). */
MPL_EXPORT int mpl_pool_grow (mpl_pool_t *pool, int workers);

/* Runs fn on each of the n items of `in` and puts the results into `out`, both arrays of the task's sizes: n * in_size
 * bytes, or n mpl_bytes_t, or n char *. out may be NULL for out_size 0. Blocks until every item is done or failed.
 * 0: all done. -1: EIO (some items failed: the others' results are in place, the failed ones' slots unchanged or
 * {NULL, 0}; mpl_error names the lowest and how many), EINVAL (fn not registered, a NULL array), ESHUTDOWN (the pool is
 * closed), ECANCELED (terminated meanwhile), ENOMEM, EPIPE (the pool as a
 * whole broke: its initializer failed, its workers cannot be started). */
MPL_EXPORT MPL_CHECKED int mpl_pool_map (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n, void *out);

/* The same without blocking. in and out are borrowed until the future is done or destroyed. mpl_future_get gives out. */
MPL_EXPORT MPL_CHECKED mpl_future_t *mpl_pool_map_async (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n,
                                                         void *out);

/* An iterator over the results, in the order of the items or as they come; `in` is borrowed until it ends. At most
 * 65,536 results or 16 MiB of them wait to be read, but four for each worker, whatever n is. NULL: as for map. */
MPL_EXPORT MPL_CHECKED mpl_iter_t *mpl_pool_imap (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n);
MPL_EXPORT MPL_CHECKED mpl_iter_t *mpl_pool_imap_unordered (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n);

/* Gives the next item: 1 with *item set (borrowed until the next call; for fixed sizes len must be in_size, for
 * MPL_STRING it is ignored), 0 at the end, -1 when it failed. */
typedef int (*mpl_source_fn) (void *state, mpl_bytes_t *item);

/* Like imap over what `source` gives, which may be endless: it is read at most 65,536 items or 16 MiB ahead, in a thread
 * of its own and never in two at once. `state` must stay valid until the iterator is destroyed, which waits for a call
 * of source under way. NULL: as for map; EAGAIN (no thread to be had). */
MPL_EXPORT MPL_CHECKED mpl_iter_t *mpl_pool_imap_from (mpl_pool_t *pool, mpl_fn_t fn, mpl_source_fn source, void *state,
                                                       int ordered);

/* Runs fn on one item: in_len bytes at `in` for MPL_VARIABLE; a string for MPL_STRING, whatever in_len is; in_size bytes else,
 * and then in_len is that or 0. `out` is room for out_size bytes, or an mpl_bytes_t. Blocks. -1: EIO (the task failed, mpl_error says how), and as for map. */
MPL_EXPORT MPL_CHECKED int mpl_pool_apply (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t in_len, void *out);

/* The same without blocking; the input is copied. */
MPL_EXPORT MPL_CHECKED mpl_future_t *mpl_pool_apply_async (mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t in_len);

/* Copies `len` bytes to every host once, for mpl_call_shared in the tasks submitted afterwards. A name given again takes
 * the new data. Names have at most 255 bytes. -1: EINVAL, ENOMEM, ESHUTDOWN. */
MPL_EXPORT MPL_CHECKED int mpl_pool_share (mpl_pool_t *pool, const char *name, const void *data, size_t len);

/* No more work is taken; what was submitted is done. 0, always. */
MPL_EXPORT int mpl_pool_close (mpl_pool_t *pool);

/* What is not done fails with ECANCELED, and the workers are ended: TERM, a second later KILL. 0, always. */
MPL_EXPORT int mpl_pool_terminate (mpl_pool_t *pool);

/* Waits until all work is done and every worker has ended. -1: EINVAL (neither closed nor terminated before),
 * ETIMEDOUT (its agent did not end the workers, so they were killed). */
MPL_EXPORT int mpl_pool_join (mpl_pool_t *pool);

/* The failed items of this thread's last map on this pool, lowest index first: fills at most max of them and returns how
 * many there are. Texts are borrowed until this thread's next map. */
MPL_EXPORT size_t mpl_pool_failures (mpl_pool_t *pool, mpl_result_t *failed, size_t max);

/* Terminates the pool, waits for its workers' end (2 s at most) and frees it. Futures and iterators of it stay valid and
 * fail with ECANCELED if they were not done. */
MPL_EXPORT void mpl_pool_destroy (mpl_pool_t **pool);

/* Frees the results of an MPL_VARIABLE map: the n data pointers, not the array. They become {NULL, 0}. */
MPL_EXPORT void mpl_bytes_free (mpl_bytes_t *array, size_t n);

/* ---- future: several threads may wait for the same one --------------------------------------------------------- */

/* Waits until it is done, at most timeout_ms milliseconds of monotonic time (-1: as long as it takes). 0 when done,
 * whatever its result; -1: ETIMEDOUT (the task goes on). */
MPL_EXPORT MPL_CHECKED int mpl_future_wait (mpl_future_t *future, int timeout_ms);

/* 1 when done, else 0; never blocks. */
MPL_EXPORT int mpl_future_ready (mpl_future_t *future);

/* Waits and gives the result, borrowed until the future is destroyed; its bytes in *len when len is not NULL.
 * NULL: it failed, with errno EIO or ECANCELED, and mpl_error says why. An empty result is not NULL. */
MPL_EXPORT const void *mpl_future_get (mpl_future_t *future, size_t *len);

/* Waits; NULL when it did not fail, else why, borrowed until the future is destroyed. */
MPL_EXPORT const char *mpl_future_error (mpl_future_t *future);

/* Takes back what no worker has begun; what is running runs on, its result dropped. The future is then done and failed
 * with ECANCELED. 0; -1: EALREADY, it was done before. */
MPL_EXPORT int mpl_future_cancel (mpl_future_t *future);

/* Calls fn (future, arg) once when the future is done; at once when it is already. Callbacks of a pool run one at a time,
 * in whichever thread drives the pool, and have returned before any wait or get on that future returns. They may submit,
 * not wait. -1: EBUSY (it has a callback), EINVAL. */
MPL_EXPORT MPL_CHECKED int mpl_future_on_done (mpl_future_t *future, void (*fn) (mpl_future_t *future, void *arg),
                                               void *arg);

/* Waits until one of n futures, of any pools, is done and gives its index, the lowest when several are. -1: ETIMEDOUT,
 * EINVAL (n is 0). */
MPL_EXPORT MPL_CHECKED int mpl_future_wait_any (mpl_future_t **futures, size_t n, int timeout_ms);

/* Cancels it if it is not done, and frees it. Borrowed arrays are not touched afterwards. */
MPL_EXPORT void mpl_future_destroy (mpl_future_t **future);

/* ---- iterator -------------------------------------------------------------------------------------------------- */

/* The next result, waiting at most timeout_ms (-1: as long as it takes). 1: *result is set, borrowed until the next call,
 * ok or failed; 0: the end; -1: ETIMEDOUT (it can go on), EIO (the source failed, after the results of what it gave),
 * ECANCELED. */
MPL_EXPORT MPL_CHECKED int mpl_iter_next (mpl_iter_t *iter, mpl_result_t *result, int timeout_ms);

/* Cancels what is left and frees it. */
MPL_EXPORT void mpl_iter_destroy (mpl_iter_t **iter);

#ifdef __cplusplus
}
#endif
#endif
