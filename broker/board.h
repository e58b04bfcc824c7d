/* board.h - what mpbroker does with each message: who has joined and attached, which agent's stream goes to whom, and
 * what is passed on. It knows peers by the numbers of their connections, and a clock by what it is told; it has no
 * socket. What is to be sent goes out through functions. It passes streams on byte by byte and looks into none of
 * them; of each direction no more than a window may be under way, and who sends more has broken the protocol and is
 * left. One thread. */
#ifndef BROKER_BOARD_H
#define BROKER_BOARD_H

#include "broker/ledger.h"
#include "wire/board.h"

#include <stdint.h>

#define MPL__BOARD_PEERS_MAX 65536u     /* connections; a stream is one of a launch's */

typedef struct mpl_the_board mpl_the_board_t;

typedef struct {
    /* 0; -1: that peer is gone. Never calls back. */
    int (*send) (void *arg, uint32_t peer, const mpl_board_t *message);
    /* One line for who watches; NULL: nobody. */
    void (*tell) (void *arg, const char *text);
    void *arg;
} mpl_board_fns_t;

mpl_the_board_t *mpl__board_new (const mpl_board_fns_t *fns);
void mpl__board_destroy (mpl_the_board_t **self);

/* One message from a peer, any bytes. */
void mpl__board_take (mpl_the_board_t *self, uint32_t peer, const uint8_t *bytes, size_t len, uint64_t now);

/* Does what is due; the next instant at which something is. */
uint64_t mpl__board_tick (mpl_the_board_t *self, uint64_t now);

/* NULL when all is consistent, else what is not. For tests. */
const char *mpl__board_check (const mpl_the_board_t *self);

/* How many are there. */
size_t mpl__board_hosts (const mpl_the_board_t *self);
size_t mpl__board_streams (const mpl_the_board_t *self);

#endif
