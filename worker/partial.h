/* partial.h - the second thread of a worker: sends what is finished while an item runs long. It sleeps until it is armed,
 * looks every 10 ms while the worker is busy, and sleeps again once it has been idle for a while. */
#ifndef WORKER_PARTIAL_H
#define WORKER_PARTIAL_H

#include "worker/outbox.h"

#define MPL__PARTIAL_NS 10000000u       /* an item that runs longer than this is slow */

/* Wakes it, starting it at the first call. With the outbox's lock held. Without a thread to be had (EAGAIN), results
 * merely come later. */
void mpl__partial_arm (mpl_outbox_t *outbox);

#endif
