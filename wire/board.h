/* board.h - what mpbroker and those who come to it say to each other: hosts that join and offer slots (mpjoin),
 * launches that ask for slots, and the streams between a launch and the agents on the hosts it was lent (mpattach).
 * One message is one frame of ZeroMQ: a header of 8 bytes, the fields of its type as 64 bits each, and what is left
 * is its body. doc/wire.md has them all. Pure. */
#ifndef WIRE_BOARD_H
#define WIRE_BOARD_H

#include <stddef.h>
#include <stdint.h>

#define MPL__BOARD_TEXT 512u            /* bytes of a body that is a text: a name, or a sentence */
#define MPL__BOARD_DATA 65536u          /* of one that is a part of a stream: what a pipe holds */
#define MPL__BOARD_MAX (8u + 4u * 8u + MPL__BOARD_DATA)
#define MPL__BOARD_FRAME_MAX (MPL__BOARD_MAX + 256u)    /* encrypted: CURVE adds 33 bytes */

/* Of a stream and direction, bytes sent and not yet passed on at the other end, at most. At 1 ms there and back that
 * is 256 MB/s. */
#define MPL__BOARD_WINDOW 262144u

#define MPL__BOARD_BEAT_NS UINT64_C (1000000000)        /* between two signs of life, each way */
#define MPL__BOARD_LOST_NS UINT64_C (15000000000)       /* without one; libzmq reports most ends much sooner */

/* Who knows the certificate may connect; domain of ZAP. */
#define MPL__BOARD_DOMAIN "board"

typedef enum {
    MPL__B_JOIN = 1,
    MPL__B_ATTACH,
    MPL__B_OPEN,
    MPL__B_WELCOME,
    MPL__B_REFUSED,
    MPL__B_LENT,
    MPL__B_READY,
    MPL__B_WAIT,
    MPL__B_LOST,
    MPL__B_WANT,
    MPL__B_RETURN,
    MPL__B_DATA,
    MPL__B_TAKEN,
    MPL__B_END,
    MPL__B_CLOSE,
    MPL__B_BEAT,
    MPL__B_LEAVE,
    MPL__B_RECLAIM,
    MPL__B_N
} mpl_board_type_t;

/* Which fields count depends on the type. */
typedef struct {
    mpl_board_type_t type;
    uint64_t stream, lease;
    uint64_t slots, launches;
    uint64_t n;                         /* bytes */
    uint64_t status;                    /* a wait status */
    const void *body;                   /* borrowed; of a decoded message: from the bytes that were decoded, a text without its NUL */
    size_t len;
} mpl_board_t;

/* How many bytes it takes, at most MPL__BOARD_MAX; a body that is too long is cut. */
size_t mpl__board_size (const mpl_board_t *message);

/* Writes it to `to`, which has room for that. Its length. */
size_t mpl__board_encode (uint8_t *to, const mpl_board_t *message);

/* 0; -1 with errno: EPROTO (it is none), EPROTONOSUPPORT (it may be one of another version). */
int mpl__board_decode (const uint8_t *from, size_t len, mpl_board_t *message);

/* The body as a text of printable characters; writes into `text`, returns it. */
const char *mpl__board_text (const mpl_board_t *message, char text[MPL__BOARD_TEXT + 1]);

/* Whether a text may be a host's name: letters, digits, - . _, beginning with none of - and . . */
int mpl__board_is_name (const char *text);

#endif
