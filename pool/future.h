/* future.h - what mpl_future_t is: a batch, and who is to be told when it is done. */
#ifndef POOL_FUTURE_H
#define POOL_FUTURE_H

#include "pool/pool.h"

struct mpl_future {
    mpl_batch_t batch;              /* first: the batch's on_done finds the future from it */
    void *result;                   /* what get gives: `out` of a map, the slot of an apply */
    size_t len;
    mpl_bytes_t variable;           /* result of an apply of an MPL_VARIABLE task; owned */
    void (*fn) (mpl_future_t *future, void *arg);
    void *arg;
    enum { MPL__NO_CALLBACK, MPL__CALLBACK_SET, MPL__CALLBACK_DUE, MPL__CALLBACK_RAN } callback;
    int is_orphan;                  /* destroyed from inside its own callback: freed when that returns */
    char *text;                     /* why it failed; owned; made when first asked for */
    mpl_future_t *next_callback;
    char bytes[];                   /* an apply's result slot, then its input */
};

/* Done, and its callback has returned. Lock held; for mpl__wait. */
int mpl__future_settled (void *future);

#endif
