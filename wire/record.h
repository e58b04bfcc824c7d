/* record.h - what travels between a pool's broker and its workers over ZeroMQ.
 *
 * A ZeroMQ message is one or more records end to end. A record is a header of 32 bytes and a body, padded with zeros to a
 * multiple of 16 so that items in a body are aligned when the message is:
 *
 *      0  type     8 bits
 *      1  flags    8
 *      2  fn      16   index in the program's task table (CHUNK, INIT), protocol number (HELLO)
 *      4  n       32   items (CHUNK, RESULT), the worker's incarnation (HELLO)
 *      8  chunk   64   number of this attempt at a chunk, never used twice in a job; so it stands for the attempt
 *     16  first   64   index of the first item in its map (CHUNK), nanoseconds they took (RESULT, FAIL, PIECE),
 *                      hash of the task table (HELLO)
 *     24  bytes   32   of body before padding
 *     28  at      32   offset of the first item in its chunk (RESULT, FAIL, PIECE); slot << 8 | attempt (CHUNK);
 *                      slot (HELLO)
 *
 * Who sends what: HELLO is a worker's first record; INIT, SHARE and CHUNK go to a worker that said HELLO; READY or
 * INIT_FAILED answer INIT; RESULT, FAIL and PIECE answer a CHUNK that this worker holds, in the order of its items;
 * BYE is the last a worker gets. Anything else is refused and the worker replaced.
 *
 * Bodies: CHUNK of fixed items: the items end to end. Of variable ones: n lengths of 64 bits, then each item, padded to 16.
 * RESULT likewise, without padding between items. CHUNK_SHM: where input and room for results lie in the arena (shm_t);
 * its RESULT has flag SHM and no body. FAIL and INIT_FAILED: a sentence. PIECE: total length (64 bits), offset (64 bits), bytes of
 * one large variable result. SHARE_DATA: shm_t, the name (n bytes), the data; SHARED has their serial in `chunk`. INIT: the argument and a NUL. SHARE: shm_t, then the name. HELLO: the host's name.
 *
 * Encoder and decoder stand here side by side; the decoder takes any bytes and never reads past them. */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define MPL__PROTOCOL 1u

#define MPL__RECORD_HEAD 32u
#define MPL__RECORD_ALIGN 16u
#define MPL__MESSAGE_MAX ((size_t) 64 << 20)        /* no ZeroMQ message is longer */
#define MPL__CHUNK_ITEMS_MAX (1u << 20)             /* fits the 24 bits of a claim word with room to spare */
#define MPL__PIECE_BYTES ((size_t) 4 << 20)         /* of a large variable result in one message */

enum {
    MPL__HELLO = 1, MPL__READY, MPL__INIT_FAILED, MPL__RESULT, MPL__FAIL, MPL__PIECE,      /* from a worker */
    MPL__SHARED,                                                                            /* from one on another host */
    MPL__CHUNK = 16, MPL__CHUNK_SHM, MPL__INIT, MPL__SHARE, MPL__BYE,                       /* to a worker */
    MPL__SHARE_DATA,                                                                        /* to one on another host */
    MPL__PART = 32, MPL__TAKEN                                                              /* both ways (wire/parts.h) */
};

enum { MPL__FLAG_SHM = 1 };     /* RESULT: the results are in the chunk's room in the arena */

typedef struct {
    uint8_t type, flags;
    uint16_t fn;
    uint32_t n;
    uint64_t chunk, first;
    uint64_t bytes;             /* 32 bits on the wire; a record that came in parts may be longer */
    uint32_t at;
} mpl_record_t;

/* Where a chunk's input and the room for its results lie in the pool's arena: offsets and lengths in bytes. */
typedef struct {
    uint64_t in, in_len, out, out_len;
} mpl_shm_t;

#define MPL__SHM_BYTES 32u

/* Bytes a record with a body of `bytes` takes in a message. */
static inline size_t mpl__record_size (size_t bytes)
{
    return MPL__RECORD_HEAD + ((bytes + MPL__RECORD_ALIGN - 1) & ~(size_t) (MPL__RECORD_ALIGN - 1));
}

/* Variable items begin behind their lengths, each at a multiple of 16; a string brings its NUL. */
static inline size_t mpl__variable_head (size_t n)
{
    return (n * 8 + MPL__RECORD_ALIGN - 1) & ~(size_t) (MPL__RECORD_ALIGN - 1);
}

static inline size_t mpl__variable_item (size_t len, int is_string)
{
    return (len + (is_string != 0) + MPL__RECORD_ALIGN - 1) & ~(size_t) (MPL__RECORD_ALIGN - 1);
}

/* Writes the header at `to` (room for MPL__RECORD_HEAD bytes). The body and its padding are the caller's. */
void mpl__record_put (uint8_t *to, const mpl_record_t *record);

/* Reads the record at *at of a message, sets *body to its body (inside the message) and moves *at behind it.
 * 1: a record; 0: the message is at its end; -1: the bytes are no record (EPROTO). */
int mpl__record_get (const uint8_t *message, size_t len, size_t *at, mpl_record_t *record, const uint8_t **body);

void mpl__shm_put (uint8_t *to, const mpl_shm_t *shm);
void mpl__shm_get (const uint8_t *from, mpl_shm_t *shm);

#endif
