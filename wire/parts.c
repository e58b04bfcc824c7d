#include "wire/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mpl_long {
    mpl_long_t *next;
    size_t len, sent, taken;
    _Alignas (16) uint8_t bytes[];
};

/* ---- sending --------------------------------------------------------------------------------------------------- */

uint8_t *mpl__parts_add (mpl_parts_t *self, const mpl_record_t *record, size_t len)
{
    mpl_long_t *item = len < SIZE_MAX / 2 ? malloc (sizeof *item + MPL__RECORD_HEAD + len) : NULL;
    mpl_record_t full = *record;

    if (!item)
        return NULL;
    *item = (mpl_long_t) { .len = MPL__RECORD_HEAD + len };
    full.bytes = 0;                                 /* its length follows from that of the whole, and may need more bits */
    mpl__record_put (item->bytes, &full);
    if (self->last)
        self->last->next = item;
    else
        self->first = item;
    self->last = item;
    return item->bytes + MPL__RECORD_HEAD;
}

static void drop_first (mpl_parts_t *self)
{
    mpl_long_t *item = self->first;

    self->first = item->next;
    if (!self->first)
        self->last = NULL;
    self->number++;
    free (item);
}

int mpl__parts_next (mpl_parts_t *self, uint8_t *head, const uint8_t **body, size_t *len)
{
    mpl_long_t *item = self->first;

    if (!item || item->sent == item->len || item->sent - item->taken + MPL__PART_BYTES > MPL__PARTS_WINDOW)
        return 0;
    *len = item->len - item->sent < MPL__PART_BYTES ? item->len - item->sent : MPL__PART_BYTES;
    *body = item->bytes + item->sent;
    const mpl_record_t part = { .type = MPL__PART, .n = self->number, .first = item->len, .chunk = item->sent,
                                .bytes = *len };
    mpl__record_put (head, &part);
    item->sent += *len;
    return 1;
}

void mpl__parts_taken (mpl_parts_t *self, const mpl_record_t *taken)
{
    mpl_long_t *item = self->first;

    if (!item || taken->n != self->number || taken->first > item->sent || taken->first < item->taken)
        return;                                     /* of one that was dropped */
    item->taken = (size_t) taken->first;
    if (item->taken == item->len)
        drop_first (self);
}

int mpl__parts_is_empty (const mpl_parts_t *self) { return !self->first; }

void mpl__parts_clear (mpl_parts_t *self)
{
    while (self->first)
        drop_first (self);
}

/* ---- joining --------------------------------------------------------------------------------------------------- */

static int refuse (mpl_joint_t *self, int error)
{
    mpl__joint_clear (self);
    errno = error;
    return -1;
}

static int make_room (mpl_joint_t *self, size_t needed)
{
    size_t room = self->room ? self->room : MPL__PARTS_WINDOW;

    if (needed <= self->room)
        return 0;
    while (room < needed)
        room *= 2;
    room = room > self->total ? (size_t) self->total : room;
    uint8_t *bytes = realloc (self->bytes, room);
    if (!bytes)
        return -1;
    self->bytes = bytes;
    self->room = room;
    return 0;
}

int mpl__joint_take (mpl_joint_t *self, const mpl_record_t *part, const uint8_t *bytes, mpl_record_t *record, const uint8_t **body)
{
    size_t at = 0;

    if (part->chunk == 0) {
        mpl__joint_clear (self);
        self->number = part->n;
        self->total = part->first;
    }
    if (part->n != self->number || part->first != self->total || part->chunk != self->len || part->bytes == 0
        || self->total < MPL__RECORD_HEAD || self->total > SIZE_MAX / 2 || part->bytes > self->total - self->len)
        return refuse (self, EPROTO);
    if (make_room (self, self->len + (size_t) part->bytes) < 0)
        return refuse (self, ENOMEM);
    memcpy (self->bytes + self->len, bytes, (size_t) part->bytes);
    self->len += (size_t) part->bytes;
    if (self->len < self->total)
        return 0;
    if (mpl__record_get (self->bytes, MPL__RECORD_HEAD, &at, record, body) != 1)
        return refuse (self, EPROTO);
    record->bytes = self->total - MPL__RECORD_HEAD;
    return 1;
}

mpl_record_t mpl__joint_answer (const mpl_joint_t *self)
{
    return (mpl_record_t) { .type = MPL__TAKEN, .n = self->number, .first = self->len };
}

void mpl__joint_clear (mpl_joint_t *self)
{
    free (self->bytes);
    *self = (mpl_joint_t) { .bytes = NULL };
}
