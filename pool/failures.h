/* failures.h - the failed items of each thread's last map, for mpl_pool_failures. */
#ifndef POOL_FAILURES_H
#define POOL_FAILURES_H

#include "pool/batch.h"

/* Takes the batch's failures over, sorted by index. */
void mpl__failures_keep (mpl_batch_t *batch);

/* Frees this thread's. */
void mpl__failures_forget (void);

#endif
