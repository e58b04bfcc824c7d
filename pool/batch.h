/* batch.h - one map, imap or apply that main asked for: its items, how far it is cut into chunks, where results go,
 * what failed. A batch belongs to the future, iterator or stack frame it is part of; all of it is guarded by its
 * pool's lock. */
#ifndef POOL_BATCH_H
#define POOL_BATCH_H

#include "mplaunch.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct mpl_batch mpl_batch_t;

/* Who ran it, and how long one item took. */
typedef struct {
    int worker;
    const char *host;
    double seconds;
} mpl_ran_t;

/* Where results go. Of an MPL_VARIABLE task `lens` has n lengths of 64 bits on the wire and data lies end to end;
 * else lens is NULL. `take` gets one long variable result with a NUL after it and owns it from then on. 0; -1:
 * ENOMEM. */
typedef struct {
    int (*results) (mpl_batch_t *self, size_t first, size_t n, const uint8_t *lens, const uint8_t *data,
                    const mpl_ran_t *ran);
    int (*take) (mpl_batch_t *self, size_t index, void *data, size_t len, const mpl_ran_t *ran);
    void (*failed) (mpl_batch_t *self, size_t index, const char *why, const mpl_ran_t *ran);
} mpl_sink_t;

typedef struct {
    size_t index;
    char *text;                     /* owned */
    int worker;
    const char *host;               /* owned by the pool */
} mpl_failure_t;

struct mpl_batch {
    mpl_pool_t *pool;
    const mpl_task_t *task;
    uint16_t fn;                    /* its index in the table */
    const mpl_sink_t *sink;
    const void *in;                 /* borrowed: the items, or a ring of them */
    size_t in_ring;                 /* items in the ring, a power of two; 0: `in` is an array */
    void *out;                      /* of array sinks; borrowed */
    size_t n;                       /* items known */
    size_t next;                    /* the first that is in no chunk yet */
    size_t limit;                   /* items from here on must wait: their results would have no room */
    size_t n_ended;                 /* answered or failed */
    size_t n_failed;
    int is_open;                    /* more items may come */
    _Atomic int is_done;            /* everything ended, or it was given up */
    int error;                      /* an errno value when it failed as a whole */
    const char *why;                /* and the reason; borrowed, or static */
    mpl_failure_t *failures;        /* of array sinks; owned */
    size_t n_failures, failures_room;
    uint64_t shown_at;              /* progress: when its bar was last drawn; 0: never */
    uint64_t began_at;
    mpl_batch_t *prev_ready, *next_ready;       /* in the pool's ring of batches with items to cut */
    int is_ready;
    mpl_batch_t *prev_running, *next_running;
    void (*on_done) (mpl_batch_t *self);        /* with the lock held; may be NULL */
};

/* Sinks that write to `out`: an array of out_size slots, or of mpl_bytes_t. */
extern const mpl_sink_t mpl__array_sink;

/* Checks what a call was given and fills the batch; `caller` names it in errors. 0; -1: EINVAL, EPERM, ESHUTDOWN,
 * EPIPE ... with mpl_error set. Takes the pool's lock for a moment. */
int mpl__batch_init (mpl_batch_t *self, mpl_pool_t *pool, mpl_fn_t fn, const void *in, size_t n, const char *caller);

/* Gives it to the pool. From now on its fields are the pool's. Lock held. */
void mpl__batch_start (mpl_batch_t *self);

/* Gives it to the pool without waiting for it, and sees to it that somebody drives. Takes the lock itself. */
void mpl__batch_submit (mpl_batch_t *self);

/* There is more to cut: it has more items, or room for more results. Lock held. */
void mpl__batch_more (mpl_batch_t *self);

/* Nothing is to be cut for now. Lock held. */
void mpl__batch_no_more (mpl_batch_t *self);

/* n items have ended; done when all have. Lock held. */
void mpl__batch_ended (mpl_batch_t *self, size_t n);

/* Gives it up: nothing of it is delivered any more. Lock held. */
void mpl__batch_give_up (mpl_batch_t *self, int error, const char *why);

/* An item failed for `why` (with no place in it); counts it as ended. Lock held. */
void mpl__batch_item_failed (mpl_batch_t *self, size_t index, const char *why, const mpl_ran_t *ran);

/* Sets mpl_error and errno from how it ended. 0 when all went well, else -1. */
int mpl__batch_outcome (const mpl_batch_t *self, const char *caller);

/* How it ended as a sentence; the caller's. NULL when all went well, or without memory. */
char *mpl__batch_text (const mpl_batch_t *self);

/* Frees what failed. */
void mpl__batch_clear (mpl_batch_t *self);

/* Input items as they lie in main. */
const uint8_t *mpl__batch_fixed (const mpl_batch_t *self, size_t index);
mpl_bytes_t mpl__batch_variable (const mpl_batch_t *self, size_t index);
int mpl__batch_is_variable (const mpl_batch_t *self);

#endif
