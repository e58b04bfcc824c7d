/* boardlink.h - the connection of a host or a launch to an mpbroker: made with a badge to one of its addresses, with
 * signs of life each way, and its end, which is seen however it comes. It owns the ZeroMQ context of its program. One
 * thread, that of its loop; nothing here blocks, but mpl__boardlink_destroy for a moment, so that what was said last
 * is sent. */
#ifndef WORKER_BOARDLINK_H
#define WORKER_BOARDLINK_H

#include "base/err.h"
#include "base/loop.h"
#include "wire/badge.h"
#include "wire/board.h"

typedef struct mpl_boardlink mpl_boardlink_t;

typedef struct {
    void (*up) (void *arg);                                     /* now something can be said */
    void (*heard) (void *arg, const mpl_board_t *message);      /* valid until it returns; BEAT and LEAVE are not */
    void (*lost) (void *arg, const char *why, int is_refused);  /* or not reached; refused: trying again will not help */
    void *arg;
} mpl_boardlink_fns_t;

/* Borrows the badge and its file's name. NULL with *err. Connects when mpl__boardlink_start is called. */
mpl_boardlink_t *mpl__boardlink_new (mpl_loop_t *loop, const mpl_badge_t *badge, const char *path, const mpl_boardlink_fns_t *fns,
                                     mpl_err_t *err);
void mpl__boardlink_destroy (mpl_boardlink_t **self);

/* Connects, for the first time or again after `lost`. */
void mpl__boardlink_start (mpl_boardlink_t *self, uint64_t now);

/* Hears what has come, calls the functions, and does what is due; to be called before each turn of the loop. The next
 * instant at which something is due. */
uint64_t mpl__boardlink_tick (mpl_boardlink_t *self);

/* Says it, if it is up. */
void mpl__boardlink_say (mpl_boardlink_t *self, const mpl_board_t *message);

#endif
