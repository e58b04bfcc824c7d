/* relay.h - one end of a stream that an mpbroker passes on: what is read from one descriptor goes out as messages,
 * and what comes is written to another. It owns both. Of each direction no more than a window is under way, so
 * whoever does not read fills no memory and holds up no other stream. Nothing here blocks. One thread, that of its
 * loop. */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include "base/loop.h"
#include "worker/boardlink.h"

typedef struct mpl_relay mpl_relay_t;

/* Takes both descriptors, whatever comes of it. `changed` is called when an end came, was sent, or nobody takes what
 * is written; it may not destroy the relay. NULL with errno. */
mpl_relay_t *mpl__relay_new (mpl_loop_t *loop, mpl_boardlink_t *link, uint64_t stream, int in, int out,
                             void (*changed) (void *arg), void *arg);
void mpl__relay_destroy (mpl_relay_t **self);

/* DATA, TAKEN or END of its stream. 0; -1: more came than was allowed. */
int mpl__relay_take (mpl_relay_t *self, const mpl_board_t *message);

/* Nothing more will come: what did is written, and then the descriptor is closed. */
void mpl__relay_end (mpl_relay_t *self);

/* What was read has come to its end; the same of what is written, or nobody takes it. */
int mpl__relay_is_read (const mpl_relay_t *self);
int mpl__relay_is_written (const mpl_relay_t *self);

#endif
