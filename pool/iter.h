/* iter.h - what mpl_iter_t is: a batch whose results wait in a ring until they are read. */
#ifndef POOL_ITER_H
#define POOL_ITER_H

#include "pool/pool.h"

#define MPL__WINDOW_ITEMS ((size_t) 65536)          /* results that wait to be read, and items a source is read ahead: */
#define MPL__WINDOW_BYTES ((size_t) 16 << 20)       /* whichever is reached first */

typedef struct {
    enum { MPL__EMPTY, MPL__OK, MPL__FAILED } state;
    size_t index, len;
    void *data;                     /* of a variable result, owned; a fixed one is in the slab */
    char *error;                    /* owned */
    int worker;
    const char *host;
    double seconds;
} mpl_entry_t;

typedef struct mpl_feed mpl_feed_t;

struct mpl_iter {
    mpl_batch_t batch;              /* first: the sink finds the iterator from it */
    int is_ordered;
    size_t ring;                    /* entries: a power of two */
    mpl_entry_t *entries;
    uint8_t *slab;                  /* fixed results, one beside each entry */
    size_t n_read, n_written;       /* results taken by the caller; put in, when not ordered */
    size_t held_bytes;              /* of results waiting */
    mpl_entry_t *borrowed;          /* the caller may look at it until its next call */
    mpl_feed_t *feed;               /* of imap_from; NULL: items are an array */
};

/* ring.c: the sink, and the room it has. All with the lock held. */
extern const mpl_sink_t mpl__ring_sink;
int mpl__ring_init (mpl_iter_t *self);                  /* 0; -1: ENOMEM */
void mpl__ring_free (mpl_iter_t *self);
mpl_entry_t *mpl__ring_first (const mpl_iter_t *self);  /* the next to be read; NULL: not there yet */
void mpl__ring_read (mpl_iter_t *self, mpl_entry_t *entry);
void mpl__ring_release (mpl_iter_t *self);              /* what was borrowed */

/* feed.c: the thread that reads a source. */
mpl_feed_t *mpl__feed_new (mpl_iter_t *iter, mpl_source_fn source, void *state);        /* NULL: ENOMEM, EAGAIN */
int mpl__feed_start (mpl_feed_t *self);
void mpl__feed_ended (mpl_feed_t *self, size_t first, size_t n);    /* those items are not needed any more; lock held */
void mpl__feed_was_read (mpl_feed_t *self);                         /* the caller took a result; lock held */
int mpl__feed_failed (const mpl_feed_t *self);                      /* the source said so; lock held */
void mpl__feed_destroy (mpl_feed_t **self);                         /* lock held; released while the source returns */

#endif
