/* outbox.h - the results a worker has not sent yet, and the socket they go out through.
 *
 * Results of short chunks are gathered into one message; nothing finished waits behind something slow, because a
 * second thread (worker/partial.c) may flush while the task's thread is in user code. `lock` guards all of it, the
 * socket included; the task's thread holds it between tasks only. An open run is the part of the current chunk that
 * is finished but not yet a record: for fixed sizes the results lie in `area`, and page->item says how far it goes. */
#ifndef WORKER_OUTBOX_H
#define WORKER_OUTBOX_H

#include "wire/page.h"
#include "wire/parts.h"
#include "wire/record.h"

#include <pthread.h>
#include <stddef.h>

#define MPL__OUTBOX_BYTES 16384u        /* a message is sent when it has grown to this */
#define MPL__OUTBOX_NS 50000u           /* or when its oldest result is this old */

typedef struct {
    void *socket;                       /* DEALER; owned by the serving loop */
    mpl_page_t *page;
    pthread_mutex_t lock;
    uint8_t *bytes;                     /* the message being gathered; owned */
    size_t len, room;
    int is_far;                         /* the broker is on another host: long records go in parts, */
    mpl_parts_t parts;                  /* and all after one that is under way behind it, since answers keep their order */
    uint64_t oldest_at;                 /* when its first record was put in; monotonic ns */
    int is_idle;                        /* the task's thread waits for input and everything was sent */
    /* the open run */
    uint64_t chunk;                     /* 0: none */
    uint32_t from;                      /* first offset that no record covers */
    uint64_t began_at;                  /* when that item began, for the record's duration */
    size_t out_size;                    /* MPL_VARIABLE: results are in lens and blob */
    uint8_t *area;                      /* result of offset 0; borrowed */
    int is_shared;                      /* area is in the arena: records need no body */
    uint64_t *lens;                     /* of a variable run, one a result; owned */
    uint32_t n_lens, lens_room;
    uint8_t *blob;                      /* its bytes, end to end; owned */
    size_t blob_len, blob_room;
} mpl_outbox_t;

/* All of these are called with the lock held, except init. Failing for want of memory ends the worker: its items then
 * run elsewhere. */
int mpl__outbox_init (mpl_outbox_t *self, void *socket, mpl_page_t *page);

/* Adds a record with a body of len bytes (NULL: the caller fills the returned room). `now` is when it came to be. */
uint8_t *mpl__outbox_add (mpl_outbox_t *self, const mpl_record_t *record, const void *body, size_t len, uint64_t now);

void mpl__outbox_open (mpl_outbox_t *self, uint64_t chunk, uint32_t from, size_t out_size, uint8_t *area, int is_shared,
                       uint64_t now);

/* One more result of a variable run. */
void mpl__outbox_reply (mpl_outbox_t *self, const void *data, size_t len);

/* Turns the part of the open run before offset `done` into a record. */
void mpl__outbox_cut (mpl_outbox_t *self, uint32_t done, uint64_t now);

/* Sends what was gathered, and of what goes in parts as much as the window allows. */
void mpl__outbox_flush (mpl_outbox_t *self);

/* Sends one record with a large body in a message of its own, at once. */
void mpl__outbox_send (mpl_outbox_t *self, const mpl_record_t *record, const void *prefix, size_t prefix_len,
                       const void *body, size_t len);

#endif
