#include "worker/serve.h"
#include "worker/call.h"
#include "worker/connect.h"
#include "worker/leave.h"
#include "worker/outbox.h"
#include "worker/partial.h"
#include "worker/shares.h"
#include "base/clock.h"
#include "base/err.h"
#include "wire/bytes.h"
#include "wire/gate.h"
#include "wire/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#define CLAIM_NS 10000u             /* items are claimed a few at a time: about this much work, */
#define CLAIM_MAX 64u               /* and never more than this, since what is claimed cannot be taken back */

#define CHECK_NS 10000u             /* chunks that took longer are worth a look at what they did to the process */

/* A message that waits, or a long record by itself. */
typedef struct letter {
    struct letter *next;
    zmq_msg_t message;
    uint8_t *bytes;                 /* of a long record; NULL: it is the message */
    const uint8_t *body;
    mpl_record_t record;
} letter_t;

typedef struct {
    const mpl_serve_t *spec;
    int zmq_fd;                     /* one of libzmq's own */
    mpl_page_t *page;
    mpl_gates_t *gates;             /* on another host than main's; else NULL */
    void *monitor;                  /* of the connection to it; else NULL */
    mpl_outbox_t outbox;
    mpl_shares_t *shares;
    mpl_call_t call;
    uint8_t *aligned;               /* a message that did not arrive at a multiple of 16; owned */
    size_t aligned_room;
    uint8_t *area;                  /* results of the current chunk before they are a record; owned */
    size_t area_room;
    uint64_t *item_ns;              /* by task: how long one item took lately; 0: not known */
    uint64_t ended_at;              /* of the chunk before in the same message: when the next begins; 0: look */
    unsigned n_records;             /* in the message last taken */
    int is_leaving;
    mpl_joint_t joint;              /* from main on another host: a long record of which not all parts are here */
    letter_t *letters, *last_letter;        /* what came from there while a long result was still on its way */
} worker_t;

/* One chunk as it is being run. */
typedef struct {
    const mpl_task_t *task;
    const mpl_record_t *record;
    const uint8_t *lens;            /* of variable items: 64 bits each */
    const uint8_t *in;
    uint8_t *out;                   /* NULL for MPL_VARIABLE */
} chunk_t;

/* ---- leaving --------------------------------------------------------------------------------------------------- */

static _Noreturn void cannot_begin (const char *what)
{
    fprintf (stderr, "mplaunch: a worker cannot begin: %s: %s\n", what, strerror (errno));
    _exit (1);
}

static _Noreturn void refuse (const char *what)
{
    fprintf (stderr, "mplaunch: a worker ends: its broker sent %s\n", what);
    mpl__leave (1);
}

/* ---- one chunk ------------------------------------------------------------------------------------------------- */

static void *room_for (uint8_t **buffer, size_t *room, size_t size)
{
    if (size > *room) {
        void *grew = NULL;
        size_t rounded = (size + 4095) & ~(size_t) 4095;
        if (posix_memalign (&grew, 64, rounded))
            cannot_begin ("no memory for a chunk");
        free (*buffer);
        *buffer = grew;
        *room = rounded;
    }
    return *buffer;
}

/* Finds input and room for output of a CHUNK or CHUNK_SHM; both bodies are laid out alike. 0, or -1: nonsense. */
static int lay_out (worker_t *self, const uint8_t *body, chunk_t *chunk)
{
    const mpl_record_t *record = chunk->record;
    size_t in_bytes = record->bytes, out_size = chunk->task->out_size, n = record->n;
    size_t out_bytes = out_size == MPL_VARIABLE ? 0 : n * out_size;

    if (record->type == MPL__CHUNK_SHM) {
        mpl_shm_t shm;
        if (record->bytes != MPL__SHM_BYTES)
            return -1;
        mpl__shm_get (body, &shm);
        /* The later call may move the mapping, so it comes for both before either is kept. */
        uint64_t end = shm.in + shm.in_len > shm.out + shm.out_len ? shm.in + shm.in_len : shm.out + shm.out_len;
        if (shm.out_len < out_bytes || !mpl__shares_arena (self->shares, 0, end))
            return -1;
        body = mpl__shares_arena (self->shares, shm.in, shm.in_len);
        chunk->out = out_bytes ? mpl__shares_arena (self->shares, shm.out, shm.out_len) : NULL;
        in_bytes = shm.in_len;
        mpl__shares_populate ((void *) body, in_bytes);
        mpl__shares_populate (chunk->out, out_bytes);
    } else {
        chunk->out = out_bytes ? room_for (&self->area, &self->area_room, out_bytes) : NULL;
    }
    chunk->in = body;
    chunk->lens = NULL;
    if (chunk->task->in_size == MPL_VARIABLE || chunk->task->in_size == MPL_STRING) {
        if (in_bytes < n * 8)
            return -1;
        chunk->lens = body;
        chunk->in = body + mpl__variable_head (n);
        return 0;
    }
    return in_bytes == n * chunk->task->in_size ? 0 : -1;
}

/* A result too long for one message goes in pieces, at once. */
static void send_pieces (worker_t *self, const chunk_t *chunk, uint32_t item, uint64_t now)
{
    mpl_outbox_t *outbox = &self->outbox;
    size_t total = self->call.reply_len;

    mpl__outbox_cut (outbox, item, now);
    for (size_t offset = 0; offset < total; offset += MPL__PIECE_BYTES) {
        size_t len = total - offset < MPL__PIECE_BYTES ? total - offset : MPL__PIECE_BYTES;
        mpl_record_t record = { .type = MPL__PIECE, .n = 1, .chunk = chunk->record->chunk, .at = item,
                                .first = now - outbox->began_at };
        uint8_t prefix[16];
        mpl__put64 (prefix, total);
        mpl__put64 (prefix + 8, offset);
        mpl__outbox_send (outbox, &record, prefix, sizeof prefix, self->call.reply + offset, len);
    }
    outbox->from = item + 1;
    outbox->began_at = now;
}

static void take_failure (worker_t *self, const chunk_t *chunk, uint32_t item, int rc)
{
    mpl_outbox_t *outbox = &self->outbox;
    uint64_t now = mpl__clock_ns ();

    if (!self->call.failure[0])
        snprintf (self->call.failure, sizeof self->call.failure, "it returned %d", rc);
    mpl__outbox_cut (outbox, item, now);
    mpl_record_t record = { .type = MPL__FAIL, .n = 1, .chunk = chunk->record->chunk, .at = item,
                            .first = now - outbox->began_at };
    mpl__outbox_add (outbox, &record, self->call.failure, strlen (self->call.failure), now);
    outbox->from = item + 1;
    outbox->began_at = now;
}

/* What happens between two items where a result is not simply in its slot already. */
static void take_result (worker_t *self, const chunk_t *chunk, uint32_t item, int rc)
{
    mpl_outbox_t *outbox = &self->outbox;

    pthread_mutex_lock (&outbox->lock);
    if (rc)
        take_failure (self, chunk, item, rc);
    else if (self->call.reply_len > MPL__PIECE_BYTES && !outbox->is_far)
        send_pieces (self, chunk, item, mpl__clock_ns ());
    else {
        mpl__outbox_reply (outbox, self->call.reply, self->call.reply_len);
        if (outbox->blob_len > MPL__PIECE_BYTES)
            mpl__outbox_cut (outbox, item + 1, mpl__clock_ns ());
    }
    pthread_mutex_unlock (&outbox->lock);
}

static const uint8_t *next_input (const chunk_t *chunk, uint32_t item, const uint8_t *in, mpl_call_t *call)
{
    if (!chunk->lens) {
        call->in_len = chunk->task->in_size;
        return chunk->in + (size_t) item * chunk->task->in_size;
    }
    call->in_len = mpl__get64 (chunk->lens + (size_t) item * 8);
    return in;
}

/* Runs items [from, from + n), which were claimed. `in` walks along variable items and is returned behind the last. */
static const uint8_t *run_items (worker_t *self, const chunk_t *chunk, uint32_t from, uint32_t n, const uint8_t *in)
{
    const mpl_task_t *task = chunk->task;
    mpl_call_t *call = &self->call;
    size_t out_size = chunk->out ? task->out_size : 0;

    for (uint32_t i = from; i < from + n; i++) {
        const uint8_t *item = next_input (chunk, i, in, call);
        if (chunk->lens)
            in += mpl__variable_item (call->in_len, task->in_size == MPL_STRING);
        call->index = chunk->record->first + i;
        mpl__call_reset (call);
        atomic_store_explicit (&self->page->item, (uint64_t) i + 1, memory_order_release);
        int rc = task->fn (call, item, chunk->out ? chunk->out + i * out_size : NULL);
        rc = rc ? rc : -call->has_bad_reply;
        if (rc || task->out_size == MPL_VARIABLE)
            take_result (self, chunk, i, rc);
    }
    return in;
}

static uint32_t claim_size (const worker_t *self, uint16_t fn)
{
    uint64_t ns = self->item_ns[fn];

    return ns == 0 || ns >= CLAIM_NS ? 1 : CLAIM_NS / ns < CLAIM_MAX ? (uint32_t) (CLAIM_NS / ns) : CLAIM_MAX;
}

/* On another host: an agent without an answer of its launcher ends us, but may be stopped. What is not begun is begun
 * elsewhere when the lease has run out. */
static void check_lease (const worker_t *self)
{
    uint64_t until = self->gates ? atomic_load_explicit (&self->page->lease_until, memory_order_relaxed) : 0;

    if (until && mpl__clock_boot_ns () >= until)
        mpl__leave (1);
}

/* Claims and runs until the chunk is done or the rest of it was recalled; how many items ran. */
static uint32_t run_claimed (worker_t *self, const chunk_t *chunk)
{
    const mpl_record_t *record = chunk->record;
    _Atomic uint64_t *word = &self->page->claims[record->at >> 8];
    const uint8_t *in = chunk->in;
    uint32_t done = 0, from, n;

    while ((n = mpl__claim_take (word, record->chunk, claim_size (self, record->fn), &from))) {
        check_lease (self);
        in = run_items (self, chunk, from, n, in);
        done = from + n;
    }
    return done;
}

static void run_chunk (worker_t *self, const mpl_record_t *record, const uint8_t *body, int is_last)
{
    mpl_outbox_t *outbox = &self->outbox;
    chunk_t chunk = { .record = record };
    uint64_t began_at = self->ended_at ? self->ended_at : mpl__clock_ns ();

    if (record->fn >= self->spec->n_tasks || record->n == 0 || (record->at >> 8) >= MPL__SLOTS)
        refuse ("a chunk that names no task or slot of ours");
    chunk.task = &self->spec->tasks[record->fn];
    if (lay_out (self, body, &chunk) < 0)
        refuse ("a chunk whose length is wrong");
    self->call.task = chunk.task;
    self->call.attempt = (int) (record->at & 0xff);

    pthread_mutex_lock (&outbox->lock);
    mpl__outbox_open (outbox, record->chunk, 0, chunk.task->out_size, chunk.out, record->type == MPL__CHUNK_SHM, began_at);
    if (record->n > 1 || outbox->len || !is_last)
        mpl__partial_arm (outbox);
    pthread_mutex_unlock (&outbox->lock);
    atomic_store_explicit (&self->page->began_at, began_at, memory_order_relaxed);
    atomic_store_explicit (&self->page->chunk, record->chunk, memory_order_release);

    uint32_t done = run_claimed (self, &chunk);
    uint64_t now = mpl__clock_ns ();
    if (now - began_at > CHECK_NS && fcntl (self->zmq_fd, F_GETFD) < 0)
        abort ();               /* the task closed ZeroMQ's descriptors: die of it here, while the page names it */

    pthread_mutex_lock (&outbox->lock);
    atomic_store_explicit (&self->page->item, 0, memory_order_release);
    mpl__outbox_cut (outbox, done, now);
    outbox->chunk = 0;
    if (outbox->len && (now - began_at > MPL__OUTBOX_NS || now - outbox->oldest_at > MPL__OUTBOX_NS))
        mpl__outbox_flush (outbox);
    pthread_mutex_unlock (&outbox->lock);
    if (done)
        self->item_ns[record->fn] = (now - began_at) / done + 1;
    atomic_fetch_add_explicit (&self->page->n_done, done, memory_order_relaxed);
    self->ended_at = is_last ? 0 : now;
    fflush (stdout);
}

/* ---- the other records ----------------------------------------------------------------------------------------- */

static void answer_now (worker_t *self, uint8_t type, const char *text)
{
    pthread_mutex_lock (&self->outbox.lock);
    mpl__outbox_add (&self->outbox, &(mpl_record_t) { .type = type }, text, strlen (text), 0);
    mpl__outbox_flush (&self->outbox);
    pthread_mutex_unlock (&self->outbox.lock);
}

static void run_initializer (worker_t *self, const mpl_record_t *record, const uint8_t *body)
{
    if (record->fn >= self->spec->n_tasks)
        refuse ("an initializer that is no task of ours");
    if (record->bytes == 0)
        refuse ("an initializer's argument without the NUL behind it");
    const mpl_task_t *task = &self->spec->tasks[record->fn];
    atomic_store (&self->page->stage, MPL__PREPARES);
    self->call.task = task;
    self->call.in_len = record->bytes - 1;
    self->call.index = 0;
    self->call.attempt = 0;
    mpl__call_reset (&self->call);
    int rc = task->fn (&self->call, body, NULL);
    if (rc && !self->call.failure[0])
        snprintf (self->call.failure, sizeof self->call.failure, "it returned %d", rc);
    fflush (stdout);
    atomic_store (&self->page->stage, MPL__SERVES);
    answer_now (self, rc ? MPL__INIT_FAILED : MPL__READY, rc ? self->call.failure : "");
}

static void take_share (worker_t *self, const mpl_record_t *record, const uint8_t *body)
{
    mpl_shm_t shm;

    if (record->bytes < MPL__SHM_BYTES)
        refuse ("a share without an address");
    mpl__shm_get (body, &shm);
    if (mpl__shares_set (self->shares, (const char *) body + MPL__SHM_BYTES, record->bytes - MPL__SHM_BYTES, record->chunk,
                         shm.in, shm.in_len) < 0)
        refuse ("a share that is not in the arena");
}

/* The one worker of this host that is sent the data puts them where all find them. */
static void take_share_data (worker_t *self, const mpl_record_t *record, const uint8_t *body)
{
    mpl_shm_t shm;

    if (record->bytes < MPL__SHM_BYTES + (uint64_t) record->n)
        refuse ("shared data without an address");
    mpl__shm_get (body, &shm);
    const uint8_t *name = body + MPL__SHM_BYTES, *data = name + record->n;
    if (shm.in_len != record->bytes - MPL__SHM_BYTES - record->n || !self->gates)
        refuse ("shared data whose length is wrong");
    if (mpl__shares_write (self->shares, data, shm.in, shm.in_len) < 0
        || mpl__shares_set (self->shares, (const char *) name, record->n, record->chunk, shm.in, shm.in_len) < 0)
        cannot_begin ("no memory for shared data");
    pthread_mutex_lock (&self->outbox.lock);
    mpl__outbox_add (&self->outbox, &(mpl_record_t) { .type = MPL__SHARED, .chunk = record->chunk }, NULL, 0, 0);
    mpl__outbox_flush (&self->outbox);
    pthread_mutex_unlock (&self->outbox.lock);
}

static void take_record (worker_t *self, const mpl_record_t *record, const uint8_t *body, int is_last)
{
    switch (record->type) {
    case MPL__CHUNK:
    case MPL__CHUNK_SHM:
        run_chunk (self, record, body, is_last);
        break;
    case MPL__INIT:
        run_initializer (self, record, body);
        break;
    case MPL__SHARE:
        take_share (self, record, body);
        break;
    case MPL__SHARE_DATA:
        take_share_data (self, record, body);
        break;
    case MPL__BYE:
        self->is_leaving = 1;
        break;
    case MPL__TAKEN:                /* looked at when it came */
        break;
    default:
        refuse ("a record of unknown type");
    }
}

/* ---- messages -------------------------------------------------------------------------------------------------- */

/* ZeroMQ lets messages begin anywhere; items are promised at multiples of 16. */
static const uint8_t *align_message (worker_t *self, zmq_msg_t *message)
{
    const uint8_t *data = zmq_msg_data (message);

    if ((uintptr_t) data % MPL__RECORD_ALIGN == 0)
        return data;
    return memcpy (room_for (&self->aligned, &self->aligned_room, zmq_msg_size (message)), data, zmq_msg_size (message));
}

static void take_message (worker_t *self, zmq_msg_t *message)
{
    const uint8_t *data = align_message (self, message), *body;
    size_t len = zmq_msg_size (message), at = 0;
    mpl_record_t record;
    int rc;

    self->ended_at = 0;
    self->n_records = 0;
    while ((rc = mpl__record_get (data, len, &at, &record, &body)) == 1) {
        self->n_records++;
        take_record (self, &record, body, at == len);
    }
    if (rc < 0)
        refuse ("bytes that are no record");
}

/* A lost connection takes what was under way with it: main hears of our end, and gives the work to others. */
static void wait_for_message (worker_t *self, zmq_msg_t *message)
{
    zmq_pollitem_t items[] = { { .socket = self->outbox.socket, .events = ZMQ_POLLIN },
                               { .socket = self->monitor, .events = ZMQ_POLLIN } };
    int rc;

    do {
        if (self->monitor && zmq_poll (items, 2, -1) > 0 && items[1].revents && mpl__connect_is_lost (self->monitor))
            mpl__leave (1);
        rc = zmq_msg_recv (message, self->outbox.socket, self->monitor ? ZMQ_DONTWAIT : 0);
    } while (rc < 0 && (zmq_errno () == EINTR || zmq_errno () == EAGAIN));
    if (rc < 0)
        cannot_begin ("receiving from its broker");
}

/* Waits for the next message. While it waits everything is sent, so the partial thread leaves the socket alone. */
static void next_message (worker_t *self, zmq_msg_t *message)
{
    mpl_outbox_t *outbox = &self->outbox;

    pthread_mutex_lock (&outbox->lock);
    if (self->n_records <= 1)                   /* it was one chunk: its sender waits for that, and sends no stream of them */
        mpl__outbox_flush (outbox);
    int rc = outbox->len ? zmq_msg_recv (message, outbox->socket, ZMQ_DONTWAIT) : -1;
    if (rc < 0) {
        mpl__outbox_flush (outbox);
        outbox->is_idle = 1;
    }
    pthread_mutex_unlock (&outbox->lock);
    if (rc >= 0)
        return;
    wait_for_message (self, message);
    pthread_mutex_lock (&outbox->lock);
    outbox->is_idle = 0;
    pthread_mutex_unlock (&outbox->lock);
}

/* ---- from main on another host --------------------------------------------------------------------------------- */

/* The claim word of a chunk is set when it arrives, so that it can be recalled from then on. */
static void announce_chunk (worker_t *self, const mpl_record_t *record)
{
    uint32_t word = record->at >> 8;

    if (record->type != MPL__CHUNK || word >= MPL__SLOTS)
        return;
    mpl__gate_arrive (&self->gates->chunks[word], &self->page->claims[word], record->chunk, record->n);
}

static letter_t *keep_letter (worker_t *self)
{
    letter_t *letter = calloc (1, sizeof *letter);

    if (!letter)
        cannot_begin ("no memory for what its broker sends");
    zmq_msg_init (&letter->message);
    if (self->last_letter)
        self->last_letter->next = letter;
    else
        self->letters = letter;
    self->last_letter = letter;
    return letter;
}

/* Answered at once and by itself, whatever else is on its way to main. */
static void answer_part (worker_t *self)
{
    mpl_record_t answer = mpl__joint_answer (&self->joint);
    uint8_t bytes[MPL__RECORD_HEAD];

    mpl__record_put (bytes, &answer);
    pthread_mutex_lock (&self->outbox.lock);
    if (zmq_send (self->outbox.socket, bytes, sizeof bytes, 0) == sizeof bytes)
        atomic_fetch_add_explicit (&self->page->n_sent, 1, memory_order_release);
    pthread_mutex_unlock (&self->outbox.lock);
}

static void take_part (worker_t *self, const mpl_record_t *part, const uint8_t *bytes)
{
    mpl_record_t record;
    const uint8_t *body;
    int rc = mpl__joint_take (&self->joint, part, bytes, &record, &body);

    if (rc < 0)
        refuse ("parts that do not fit, or that there is no memory for");
    answer_part (self);
    if (rc == 0)
        return;
    letter_t *letter = keep_letter (self);
    letter->record = record;
    letter->body = body;
    letter->bytes = self->joint.bytes;
    self->joint = (mpl_joint_t) { .bytes = NULL };
    announce_chunk (self, &letter->record);
}

/* What cannot wait for its turn. How many records are left that can. */
static int look_through (worker_t *self, const uint8_t *data, size_t len)
{
    mpl_record_t record;
    const uint8_t *body;
    int n = 0;

    for (size_t at = 0; mpl__record_get (data, len, &at, &record, &body) == 1;)
        if (record.type == MPL__TAKEN) {
            pthread_mutex_lock (&self->outbox.lock);
            mpl__parts_taken (&self->outbox.parts, &record);
            mpl__outbox_flush (&self->outbox);
            pthread_mutex_unlock (&self->outbox.lock);
        } else if (record.type == MPL__PART) {
            take_part (self, &record, body);
        } else {
            announce_chunk (self, &record);
            n++;
        }
    return n;
}

static void take_letter (worker_t *self)
{
    letter_t *letter = self->letters;

    self->letters = letter->next;
    if (!self->letters)
        self->last_letter = NULL;
    if (letter->bytes) {
        self->ended_at = 0;
        self->n_records = 1;
        take_record (self, &letter->record, letter->body, 1);
    } else {
        take_message (self, &letter->message);
    }
    zmq_msg_close (&letter->message);
    free (letter->bytes);
    free (letter);
}

static int is_all_sent (worker_t *self)
{
    pthread_mutex_lock (&self->outbox.lock);
    int is_empty = mpl__parts_is_empty (&self->outbox.parts);
    pthread_mutex_unlock (&self->outbox.lock);
    return is_empty;
}

/* Nothing new is begun while a long result is on its way: its next part waits for main's answer, which must be read. */
static void serve_from_afar (worker_t *self, zmq_msg_t *message)
{
    if (self->letters && is_all_sent (self)) {
        take_letter (self);
        return;
    }
    next_message (self, message);
    int n = look_through (self, align_message (self, message), zmq_msg_size (message));
    if (n && !self->letters && is_all_sent (self))
        take_message (self, message);
    else if (n)
        zmq_msg_move (&keep_letter (self)->message, message);
}

/* ---- beginning ------------------------------------------------------------------------------------------------- */

uint64_t mpl__tasks_hash (const mpl_task_t *tasks, size_t n_tasks)
{
    uint64_t hash = UINT64_C (14695981039346656037);        /* FNV-1a, by Fowler, Noll and Vo */

    for (size_t i = 0; i < n_tasks; i++) {
        for (const char *c = tasks[i].name; *c; c++)
            hash = (hash ^ (uint8_t) *c) * UINT64_C (1099511628211);
        hash = (hash ^ tasks[i].in_size) * UINT64_C (1099511628211);
        hash = (hash ^ tasks[i].out_size) * UINT64_C (1099511628211);
    }
    return hash;
}

static mpl_page_t *map_page (const mpl_serve_t *spec)
{
    off_t offset = (off_t) (mpl__page_index (spec->slot, spec->incarnation) * sizeof (mpl_page_t));
    mpl_page_t *page = mmap (NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, spec->page_fd, offset);

    if (page == MAP_FAILED)
        cannot_begin ("mapping its page");
    atomic_store (&page->item, 0);
    atomic_store (&page->chunk, 0);
    atomic_store (&page->n_done, 0);
    atomic_store (&page->n_sent, 0);
    atomic_store (&page->stage, MPL__BEGINS);
    return page;
}

/* The gates of this incarnation, which like its page were another's before. */
static mpl_gates_t *map_gates (const mpl_serve_t *spec)
{
    off_t offset = (off_t) (mpl__page_index (spec->slot, spec->incarnation) * sizeof (mpl_gates_t));
    mpl_gates_t *gates = mmap (NULL, sizeof *gates, PROT_READ | PROT_WRITE, MAP_SHARED, spec->endpoint_fd, offset);

    if (gates == MAP_FAILED)
        cannot_begin ("mapping its gates");
    return gates;
}

static void *connect_to_broker (worker_t *self)
{
    const mpl_serve_t *spec = self->spec;
    void *context = zmq_ctx_new ();
    mpl_err_t err;
    void *socket = spec->abroad ? mpl__connect_abroad (context, spec->abroad, &self->monitor, &err)
                                : mpl__connect_here (context, spec->endpoint_fd, &err);

    if (socket)
        return socket;
    if (spec->abroad)                   /* when main is ending, so are we in a moment, and there is nothing to tell */
        sleep (1);
    fprintf (stderr, "mplaunch: a worker cannot begin: %s\n", err.text);
    _exit (1);
}

/* The limit is for what tasks add: what the program, its libraries and ZeroMQ's threads have taken by now is not
 * theirs. */
static void limit_memory (size_t memory)
{
    char line[128];
    size_t kb = 0;
    FILE *file = memory ? fopen ("/proc/self/status", "re") : NULL;

    if (!file)
        return;
    while (fgets (line, sizeof line, file))
        if (!strncmp (line, "VmData:", 7))
            kb = strtoul (line + 7, NULL, 10);
    fclose (file);
    struct rlimit limit = { kb * 1024 + memory, kb * 1024 + memory };
    setrlimit (RLIMIT_DATA, &limit);
}

static void say_hello (worker_t *self)
{
    char host[256] = "";

    gethostname (host, sizeof host - 1);
    pthread_mutex_lock (&self->outbox.lock);
    mpl__outbox_add (&self->outbox,
                     &(mpl_record_t) { .type = MPL__HELLO, .fn = MPL__PROTOCOL, .n = (uint32_t) self->spec->incarnation,
                                       .first = mpl__tasks_hash (self->spec->tasks, self->spec->n_tasks),
                                       .at = self->spec->slot },
                     host, strlen (host), 0);
    mpl__outbox_flush (&self->outbox);
    pthread_mutex_unlock (&self->outbox.lock);
}

_Noreturn void mpl__serve (const mpl_serve_t *spec)
{
    worker_t self = { .spec = spec };
    zmq_msg_t message;

    self.page = map_page (spec);
    if (spec->abroad)
        self.gates = map_gates (spec);
    if (mpl__outbox_init (&self.outbox, connect_to_broker (&self), self.page) < 0)
        cannot_begin ("making a lock");
    self.outbox.is_far = spec->abroad != NULL;
    self.shares = mpl__shares_new (spec->arena_fd);
    self.item_ns = calloc (spec->n_tasks + 1, sizeof *self.item_ns);
    if (!self.shares || !self.item_ns)
        cannot_begin ("no memory");
    self.call.worker = (int) spec->slot;
    self.call.shares = self.shares;
    limit_memory (spec->memory);
    setvbuf (stdout, NULL, _IOLBF, 0);
    size_t size = sizeof self.zmq_fd;
    zmq_getsockopt (self.outbox.socket, ZMQ_FD, &self.zmq_fd, &size);
    say_hello (&self);
    atomic_store (&self.page->stage, MPL__SERVES);
    zmq_msg_init (&message);
    while (!self.is_leaving) {
        if (spec->abroad) {
            serve_from_afar (&self, &message);
            continue;
        }
        next_message (&self, &message);
        take_message (&self, &message);
    }
    mpl__leave (0);
}
