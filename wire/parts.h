/* parts.h - records too long for one message, between hosts: cut into parts with a window at one end, joined at the
 * other. So one long record holds up nobody else's, nor fills anybody's memory, and there is no limit to its length
 * but memory. Pure.
 *
 * A long record's header and body, end to end, are sent as the bodies of PART records: `n` is its number at its
 * sender, `first` the length of the whole, `chunk` the offset of this part. The receiver answers each with a TAKEN:
 * `n` the same, `first` how many bytes of it have come. A sender has one long record under way to a peer, and at most
 * MPL__PARTS_WINDOW bytes of it. */
#ifndef WIRE_PARTS_H
#define WIRE_PARTS_H

#include "wire/record.h"

#define MPL__LONG_BYTES ((size_t) 256 << 10)        /* a record with a longer body is a long one */
#define MPL__PART_BYTES ((size_t) 128 << 10)
#define MPL__PARTS_WINDOW ((size_t) 1 << 20)        /* at 1 ms there and back that is 1 GB/s for each worker */

typedef struct mpl_long mpl_long_t;

/* What is to be sent to one peer. {0} is empty. */
typedef struct {
    mpl_long_t *first, *last;
    uint32_t number;                                /* of the first */
} mpl_parts_t;

/* What comes from one peer. {0} is empty. */
typedef struct {
    uint8_t *bytes;
    size_t len, room;
    uint64_t total;
    uint32_t number;
} mpl_joint_t;

/* Adds a record with room for a body of len bytes, which the caller fills before the next call. NULL: ENOMEM. */
uint8_t *mpl__parts_add (mpl_parts_t *self, const mpl_record_t *record, size_t len);

/* The next part that may be sent now: a whole message of one record, which the caller sends as `head`
 * (MPL__RECORD_HEAD bytes), *body and zeros up to mpl__record_size. 1, or 0: none, until a TAKEN comes or something
 * is added. */
int mpl__parts_next (mpl_parts_t *self, uint8_t *head, const uint8_t **body, size_t *len);

/* A TAKEN has come. */
void mpl__parts_taken (mpl_parts_t *self, const mpl_record_t *taken);

int mpl__parts_is_empty (const mpl_parts_t *self);
void mpl__parts_clear (mpl_parts_t *self);

/* A PART has come. 1: the long record is whole: *record and *body are it until the next call; 0: it is not yet; -1
 * with errno: EPROTO, ENOMEM. Memory is taken as parts come, not as the first one says. */
int mpl__joint_take (mpl_joint_t *self, const mpl_record_t *part, const uint8_t *bytes, mpl_record_t *record, const uint8_t **body);

/* The answer to the part that came last. */
mpl_record_t mpl__joint_answer (const mpl_joint_t *self);
void mpl__joint_clear (mpl_joint_t *self);

#endif
