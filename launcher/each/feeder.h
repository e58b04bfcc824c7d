/* feeder.h - reads inputs ahead in a thread of its own, so that a slow source holds up no result; at most so many,
 * so that an endless one fills no memory. Whoever takes them waits on its condition, which others may signal too. */
#ifndef LAUNCHER_EACH_FEEDER_H
#define LAUNCHER_EACH_FEEDER_H

#include "launcher/each/inputs.h"

#include <pthread.h>

#define MPL__FEEDER_AHEAD 256

typedef enum { MPL__FEED_INPUT, MPL__FEED_NOTHING_YET, MPL__FEED_END, MPL__FEED_FAILED } mpl_feed_t;

/* The lock and condition of the one loop that takes inputs and whatever else happens. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} mpl_bell_t;

typedef struct mpl_feeder mpl_feeder_t;

/* Begins to read. The inputs are its own from now on; the bell must stay. NULL: EAGAIN, ENOMEM. */
mpl_feeder_t *mpl__feeder_new (mpl_inputs_t **inputs, mpl_bell_t *bell);

/* With the bell's lock held: the next job's inputs, the caller's to free. */
mpl_feed_t mpl__feeder_take (mpl_feeder_t *self, char ***inputs);

/* Likewise: jobs in all, 0 while that is not known; and why it failed. */
size_t mpl__feeder_total (const mpl_feeder_t *self);
const mpl_err_t *mpl__feeder_error (const mpl_feeder_t *self);

/* Without the lock, at the end of the program: frees it, unless it is still reading, for a read may never end. */
void mpl__feeder_end (mpl_feeder_t **self);

#endif
