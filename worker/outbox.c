#include "worker/outbox.h"
#include "mplaunch.h"
#include "worker/leave.h"
#include "wire/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Items are run again elsewhere when a worker ends, so for want of memory it just does. */
static void give_up (const char *what)
{
    fprintf (stderr, "mplaunch: a worker ends: %s\n", what);
    mpl__leave (1);
}

static void *grown (void *old, size_t *room, size_t needed, size_t each)
{
    size_t n = *room ? *room : 64;

    while (n < needed)
        n *= 2;
    void *grew = realloc (old, n * each);
    if (!grew)
        give_up ("no memory for its results");
    *room = n;
    return grew;
}

int mpl__outbox_init (mpl_outbox_t *self, void *socket, mpl_page_t *page)
{
    *self = (mpl_outbox_t) { .socket = socket, .page = page };
    return pthread_mutex_init (&self->lock, NULL) == 0 ? 0 : -1;
}

static uint8_t *add_part (mpl_outbox_t *self, const mpl_record_t *record, const void *body, size_t len)
{
    if (self->len)
        mpl__outbox_flush (self);
    uint8_t *at = mpl__parts_add (&self->parts, record, len);
    if (!at)
        give_up ("no memory for its results");
    if (body)
        memcpy (at, body, len);
    return at;
}

uint8_t *mpl__outbox_add (mpl_outbox_t *self, const mpl_record_t *record, const void *body, size_t len, uint64_t now)
{
    size_t size = mpl__record_size (len);

    if (self->is_far && (len > MPL__LONG_BYTES || !mpl__parts_is_empty (&self->parts)))
        return add_part (self, record, body, len);
    if (self->len && self->len + size > MPL__OUTBOX_BYTES)
        mpl__outbox_flush (self);
    if (self->len + size > self->room)
        self->bytes = grown (self->bytes, &self->room, self->len + size, 1);
    if (!self->len)
        self->oldest_at = now;
    uint8_t *at = self->bytes + self->len;
    mpl_record_t full = *record;
    full.bytes = (uint32_t) len;
    mpl__record_put (at, &full);
    at += MPL__RECORD_HEAD;
    if (body)
        memcpy (at, body, len);
    memset (at + len, 0, size - MPL__RECORD_HEAD - len);
    self->len += size;
    return at;
}

void mpl__outbox_open (mpl_outbox_t *self, uint64_t chunk, uint32_t from, size_t out_size, uint8_t *area, int is_shared,
                       uint64_t now)
{
    self->chunk = chunk;
    self->from = from;
    self->out_size = out_size;
    self->area = area;
    self->is_shared = is_shared;
    self->began_at = now;
    self->n_lens = 0;
    self->blob_len = 0;
}

void mpl__outbox_reply (mpl_outbox_t *self, const void *data, size_t len)
{
    if (self->n_lens == self->lens_room) {
        size_t room = self->lens_room;
        self->lens = grown (self->lens, &room, (size_t) self->n_lens + 1, sizeof *self->lens);
        self->lens_room = (uint32_t) room;
    }
    if (self->blob_len + len > self->blob_room)
        self->blob = grown (self->blob, &self->blob_room, self->blob_len + len, 1);
    self->lens[self->n_lens++] = len;
    if (len)
        memcpy (self->blob + self->blob_len, data, len);
    self->blob_len += len;
}

static void add_variable (mpl_outbox_t *self, const mpl_record_t *record, uint64_t now)
{
    uint8_t *at = mpl__outbox_add (self, record, NULL, (size_t) self->n_lens * 8 + self->blob_len, now);

    for (uint32_t i = 0; i < self->n_lens; i++, at += 8)
        mpl__put64 (at, self->lens[i]);
    if (self->blob_len)
        memcpy (at, self->blob, self->blob_len);
    self->n_lens = 0;
    self->blob_len = 0;
}

void mpl__outbox_cut (mpl_outbox_t *self, uint32_t done, uint64_t now)
{
    if (!self->chunk || done <= self->from)
        return;
    uint32_t n = done - self->from;
    mpl_record_t record = { .type = MPL__RESULT, .n = n, .chunk = self->chunk, .first = now - self->began_at,
                            .at = self->from };
    if (self->out_size == MPL_VARIABLE) {
        add_variable (self, &record, now);
    } else if (self->is_shared) {
        record.flags = MPL__FLAG_SHM;
        mpl__outbox_add (self, &record, NULL, 0, now);
    } else {
        mpl__outbox_add (self, &record, self->area + self->from * self->out_size, n * self->out_size, now);
    }
    self->from = done;
    self->began_at = now;
}

static void count_sent (mpl_outbox_t *self)
{
    atomic_fetch_add_explicit (&self->page->n_sent, 1, memory_order_release);
}

static void send_parts (mpl_outbox_t *self)
{
    uint8_t head[MPL__RECORD_HEAD];
    const uint8_t *body;
    zmq_msg_t message;
    size_t len;

    while (mpl__parts_next (&self->parts, head, &body, &len)) {
        size_t size = mpl__record_size (len);
        if (zmq_msg_init_size (&message, size) < 0)
            give_up ("no memory for a result");
        uint8_t *at = zmq_msg_data (&message);
        memset (at + size - MPL__RECORD_ALIGN, 0, MPL__RECORD_ALIGN);
        memcpy (at, head, sizeof head);
        memcpy (at + MPL__RECORD_HEAD, body, len);
        if (zmq_msg_send (&message, self->socket, 0) < 0)
            give_up (zmq_strerror (zmq_errno ()));
        count_sent (self);
    }
}

void mpl__outbox_flush (mpl_outbox_t *self)
{
    if (!mpl__parts_is_empty (&self->parts))
        send_parts (self);
    if (!self->len)
        return;
    if (zmq_send (self->socket, self->bytes, self->len, 0) < 0)
        give_up (zmq_strerror (zmq_errno ()));
    count_sent (self);
    self->len = 0;
}

void mpl__outbox_send (mpl_outbox_t *self, const mpl_record_t *record, const void *prefix, size_t prefix_len,
                       const void *body, size_t len)
{
    size_t size = mpl__record_size (prefix_len + len);
    zmq_msg_t message;

    mpl__outbox_flush (self);
    if (zmq_msg_init_size (&message, size) < 0)
        give_up ("no memory for a result");
    uint8_t *at = zmq_msg_data (&message);
    mpl_record_t full = *record;
    full.bytes = (uint32_t) (prefix_len + len);
    mpl__record_put (at, &full);
    memcpy (at + MPL__RECORD_HEAD, prefix, prefix_len);
    memcpy (at + MPL__RECORD_HEAD + prefix_len, body, len);
    memset (at + MPL__RECORD_HEAD + prefix_len + len, 0, size - MPL__RECORD_HEAD - prefix_len - len);
    if (zmq_msg_send (&message, self->socket, 0) < 0)
        give_up (zmq_strerror (zmq_errno ()));
    count_sent (self);
}
