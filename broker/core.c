#include "broker/core.h"
#include "base/assert.h"
#include "wire/page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX                 /* end of a list of chunk or worker indexes */
#define SERIAL_BITS 40                  /* as in mpl__core_index: a chunk number is its index above a serial that is never used twice */
#define SERIAL_MASK ((UINT64_C (1) << SERIAL_BITS) - 1)
#define CHUNKS_MAX (1u << 23)
#define RECALL_BIT (1u << 31)           /* in the outbox: a DO_RECALL, where there is none a DO_SEND */

typedef enum { FREE, QUEUED, HELD, FAILED } chunk_state_t;

typedef struct {
    void *owner;                        /* NULL: cancelled */
    uint64_t number;                    /* of this attempt; 0: none */
    uint64_t first;
    uint64_t cost_ns;                   /* of one item; 0: not known */
    uint64_t sent_at;
    uint32_t n, n_answered;
    uint32_t prev, next;                /* in the queue, or in what its worker holds */
    uint32_t worker;
    uint16_t slot, attempt;
    uint8_t state;
    uint8_t is_announced;               /* its DO_SEND was taken by the caller */
    uint8_t is_recalled;                /* recalling it again would give nothing */
} chunk_t;

typedef struct {
    uint32_t head, tail;
    size_t n;
} list_t;

/* In which list of workers a worker is. BUSY ones have no room, IDLE ones hold nothing. */
typedef enum { AWAY, BUSY, OPEN, IDLE, RETIRING, N_PLACES } place_t;

typedef struct {
    list_t held;                        /* chunks, oldest first */
    uint64_t ahead_ns;                  /* expected duration of all it holds */
    uint64_t tasks_left;                /* of max_tasks */
    uint32_t n_unknown;                 /* chunks held whose cost is not known */
    uint32_t prev, next;
    uint16_t n_free;
    uint8_t place;
    uint8_t is_retired;                 /* it gets nothing more, and goodbye when it holds nothing */
    uint16_t *free_slots;               /* a stack */
} worker_t;

struct mpl_core {
    size_t max_workers;
    unsigned retries;
    uint64_t max_tasks;
    worker_t *workers;
    list_t places[N_PLACES];
    chunk_t *chunks;
    uint32_t n_chunks;                  /* allocated */
    list_t free_chunks, queue, failed;
    uint32_t *outbox;                   /* chunk indexes whose SEND or RECALL (RECALL_BIT) the caller has not taken: a ring */
    uint32_t outbox_head, outbox_n, outbox_size;
    uint64_t serial;
};

/* ---- lists ----------------------------------------------------------------------------------------------------- */

static void chunk_append (mpl_core_t *self, list_t *list, uint32_t i)
{
    chunk_t *chunk = &self->chunks[i];

    chunk->prev = list->tail;
    chunk->next = NONE;
    if (list->tail == NONE)
        list->head = i;
    else
        self->chunks[list->tail].next = i;
    list->tail = i;
    list->n++;
}

static void chunk_remove (mpl_core_t *self, list_t *list, uint32_t i)
{
    chunk_t *chunk = &self->chunks[i];

    if (chunk->prev == NONE)
        list->head = chunk->next;
    else
        self->chunks[chunk->prev].next = chunk->next;
    if (chunk->next == NONE)
        list->tail = chunk->prev;
    else
        self->chunks[chunk->next].prev = chunk->prev;
    list->n--;
}

static void worker_move (mpl_core_t *self, uint32_t w, place_t to)
{
    worker_t *worker = &self->workers[w];
    list_t *from = &self->places[worker->place], *list = &self->places[to];

    if (worker->prev == NONE)
        from->head = worker->next;
    else
        self->workers[worker->prev].next = worker->next;
    if (worker->next == NONE)
        from->tail = worker->prev;
    else
        self->workers[worker->next].prev = worker->prev;
    from->n--;
    worker->place = (uint8_t) to;
    worker->prev = list->tail;
    worker->next = NONE;
    if (list->tail == NONE)
        list->head = w;
    else
        self->workers[list->tail].next = w;
    list->tail = w;
    list->n++;
}

/* ---- making and freeing ---------------------------------------------------------------------------------------- */

static int grow_chunks (mpl_core_t *self)
{
    uint32_t n = self->n_chunks ? self->n_chunks * 2 : 64;

    if (n > CHUNKS_MAX) {
        errno = ENOMEM;
        return -1;
    }
    chunk_t *chunks = realloc (self->chunks, n * sizeof *chunks);
    if (!chunks)
        return -1;
    self->chunks = chunks;
    memset (chunks + self->n_chunks, 0, (n - self->n_chunks) * sizeof *chunks);
    for (uint32_t i = self->n_chunks; i < n; i++)
        chunk_append (self, &self->free_chunks, i);
    self->n_chunks = n;
    return 0;
}

/* Makes sure that `n` chunks can be taken without failing. */
static int reserve_chunks (mpl_core_t *self, size_t n)
{
    while (self->free_chunks.n < n)
        if (grow_chunks (self) < 0)
            return -1;
    return 0;
}

static uint32_t take_chunk (mpl_core_t *self, void *owner, uint64_t first, uint32_t n, uint64_t cost_ns, unsigned attempt)
{
    uint32_t i = self->free_chunks.head;

    mpl__assert (i != NONE && n > 0);
    chunk_remove (self, &self->free_chunks, i);
    self->chunks[i] = (chunk_t) { .owner = owner, .first = first, .n = n, .cost_ns = cost_ns,
                                  .attempt = (uint16_t) attempt, .worker = NONE };
    return i;
}

static void free_chunk (mpl_core_t *self, uint32_t i)
{
    self->chunks[i].state = FREE;
    self->chunks[i].number = 0;
    chunk_append (self, &self->free_chunks, i);
}

mpl_core_t *mpl__core_new (size_t max_workers, unsigned retries, uint64_t max_tasks)
{
    mpl_core_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    self->max_workers = max_workers;
    self->retries = retries;
    self->max_tasks = max_tasks;
    self->free_chunks = self->queue = self->failed = (list_t) { NONE, NONE, 0 };
    for (size_t i = 0; i < N_PLACES; i++)
        self->places[i] = (list_t) { NONE, NONE, 0 };
    self->outbox_size = (uint32_t) (max_workers * MPL__SLOTS * 2);
    self->workers = calloc (max_workers, sizeof *self->workers);
    self->outbox = malloc (self->outbox_size * sizeof *self->outbox);
    if (!self->workers || !self->outbox || reserve_chunks (self, 64) < 0)
        goto fail;
    for (size_t w = 0; w < max_workers; w++) {
        worker_t *worker = &self->workers[w];
        *worker = (worker_t) { .held = { NONE, NONE, 0 }, .prev = self->places[AWAY].tail, .next = NONE };
        if (!(worker->free_slots = malloc (MPL__SLOTS * sizeof *worker->free_slots)))
            goto fail;
        if (w)
            self->workers[w - 1].next = (uint32_t) w;
        else
            self->places[AWAY].head = 0;
        self->places[AWAY].tail = (uint32_t) w;
        self->places[AWAY].n++;
    }
    return self;
fail:
    mpl__core_destroy (&self);
    return NULL;
}

void mpl__core_destroy (mpl_core_t **self_p)
{
    mpl_core_t *self = *self_p;
    int saved = errno;

    if (!self)
        return;
    for (size_t w = 0; self->workers && w < self->max_workers; w++)
        free (self->workers[w].free_slots);
    free (self->workers);
    free (self->outbox);
    free (self->chunks);
    free (self);
    *self_p = NULL;
    errno = saved;
}

/* ---- workers --------------------------------------------------------------------------------------------------- */

static place_t place_of (const mpl_core_t *self, const worker_t *worker)
{
    if (worker->is_retired || (self->max_tasks && worker->tasks_left == 0))
        return worker->held.n ? BUSY : RETIRING;
    if (worker->held.n == 0)
        return IDLE;
    if (worker->n_unknown)
        return BUSY;
    if (worker->held.n < 2)
        return OPEN;
    /* One that was filled is left alone until half is done: it is then refilled by one message, not by hundreds. */
    int parts = worker->place == BUSY ? 2 : 1;
    return worker->held.n < MPL__SLOTS / parts && worker->ahead_ns < MPL__AHEAD_NS / parts ? OPEN : BUSY;
}

static void settle (mpl_core_t *self, uint32_t w)
{
    place_t place = place_of (self, &self->workers[w]);

    if (place != self->workers[w].place)
        worker_move (self, w, place);
}

int mpl__core_join (mpl_core_t *self, int number)
{
    if (number < 0 || (size_t) number >= self->max_workers) {
        errno = ERANGE;
        return -1;
    }
    worker_t *worker = &self->workers[number];
    if (worker->place != AWAY) {
        errno = EEXIST;
        return -1;
    }
    worker->tasks_left = self->max_tasks;
    worker->is_retired = 0;
    worker->ahead_ns = 0;
    worker->n_unknown = 0;
    worker->n_free = MPL__SLOTS;
    for (uint16_t slot = 0; slot < MPL__SLOTS; slot++)
        worker->free_slots[slot] = (uint16_t) (MPL__SLOTS - 1 - slot);
    settle (self, (uint32_t) number);
    return 0;
}

static uint64_t chunk_cost (const chunk_t *chunk)
{
    uint64_t cost = chunk->cost_ns * chunk->n;

    return cost < MPL__COST_FLOOR_NS ? MPL__COST_FLOOR_NS : cost;
}

/* Gives chunk i to worker w: it has a slot, a new number, and a SEND waiting in the outbox. */
static void hold (mpl_core_t *self, uint32_t w, uint32_t i, uint64_t now)
{
    worker_t *worker = &self->workers[w];
    chunk_t *chunk = &self->chunks[i];

    mpl__assert (worker->n_free > 0 && self->outbox_n < self->outbox_size);
    chunk->number = (uint64_t) i << SERIAL_BITS | (++self->serial & SERIAL_MASK);
    chunk->worker = w;
    chunk->slot = worker->free_slots[--worker->n_free];
    chunk->state = HELD;
    chunk->sent_at = now;
    chunk->is_announced = chunk->is_recalled = 0;
    chunk->n_answered = 0;
    worker->ahead_ns += chunk_cost (chunk);
    worker->n_unknown += chunk->cost_ns == 0;
    if (self->max_tasks)
        worker->tasks_left -= chunk->n;
    chunk_append (self, &worker->held, i);
    self->outbox[(self->outbox_head + self->outbox_n++) % self->outbox_size] = i;
    settle (self, w);
    if (worker->place == OPEN)              /* behind the others that have room: they take turns */
        worker_move (self, w, OPEN);
}

/* Takes chunk i out of its worker's hands. */
static void release (mpl_core_t *self, uint32_t i)
{
    chunk_t *chunk = &self->chunks[i];
    worker_t *worker = &self->workers[chunk->worker];

    chunk_remove (self, &worker->held, i);
    worker->free_slots[worker->n_free++] = chunk->slot;
    worker->ahead_ns -= chunk_cost (chunk);
    worker->n_unknown -= chunk->cost_ns == 0;
}

static uint32_t best_worker (const mpl_core_t *self, uint64_t cost_ns)
{
    if (self->places[IDLE].n)
        return self->places[IDLE].head;
    return cost_ns ? self->places[OPEN].head : NONE;
}

uint32_t mpl__core_room (const mpl_core_t *self, uint64_t cost_ns, uint32_t want)
{
    uint32_t w = self->queue.n ? NONE : best_worker (self, cost_ns);

    if (w == NONE || self->outbox_n == self->outbox_size)
        return 0;
    uint64_t left = self->workers[w].tasks_left;
    return self->max_tasks && left < want ? (uint32_t) left : want;
}

int mpl__core_submit (mpl_core_t *self, void *owner, uint64_t first, uint32_t n, uint64_t cost_ns, uint64_t now)
{
    uint32_t w = best_worker (self, cost_ns);

    if (mpl__core_room (self, cost_ns, n) < n) {
        errno = EAGAIN;
        return -1;
    }
    if (reserve_chunks (self, 1) < 0)
        return -1;
    hold (self, w, take_chunk (self, owner, first, n, cost_ns, 0), now);
    return 0;
}

/* ---- what comes back ------------------------------------------------------------------------------------------- */

static chunk_t *find_held (mpl_core_t *self, int worker, uint64_t number)
{
    uint64_t i = number >> SERIAL_BITS;

    if (i < self->n_chunks) {
        chunk_t *chunk = &self->chunks[i];
        if (chunk->number == number && chunk->state == HELD && chunk->worker == (uint32_t) worker && chunk->is_announced)
            return chunk;
    }
    errno = ESTALE;
    return NULL;
}

static int finish_if_answered (mpl_core_t *self, chunk_t *chunk)
{
    uint32_t w = chunk->worker, i = (uint32_t) (chunk - self->chunks);

    if (chunk->n_answered < chunk->n)
        return 0;
    release (self, i);
    free_chunk (self, i);
    settle (self, w);
    return 1;
}

int mpl__core_answer (mpl_core_t *self, int worker, uint64_t number, uint32_t from, uint32_t n, mpl_answer_t *answer)
{
    chunk_t *chunk = find_held (self, worker, number);

    if (!chunk)
        return -1;
    if (n == 0 || from != chunk->n_answered || n > chunk->n - from) {
        errno = ESTALE;
        return -1;
    }
    chunk->n_answered += n;
    *answer = (mpl_answer_t) { .owner = chunk->owner, .first = chunk->first + from, .chunk_first = chunk->first };
    answer->is_last = finish_if_answered (self, chunk);
    return 0;
}

static void queue_range (mpl_core_t *self, void *owner, uint64_t first, uint32_t n, uint64_t cost_ns, unsigned attempt)
{
    uint32_t i = take_chunk (self, owner, first, n, cost_ns, attempt);

    self->chunks[i].state = QUEUED;
    chunk_append (self, &self->queue, i);
}

/* Shares n items among the workers that are idle now. */
static void queue_shared (mpl_core_t *self, const chunk_t *chunk, uint64_t first, uint32_t n)
{
    void *owner = chunk->owner;
    uint64_t cost_ns = chunk->cost_ns;
    unsigned attempt = chunk->attempt;
    uint32_t shares = (uint32_t) (self->places[IDLE].n ? self->places[IDLE].n : 1);

    shares = shares > n ? n : shares;
    if (reserve_chunks (self, shares) < 0)
        shares = 1;                         /* the caller reserved this one */
    for (uint32_t done = 0, share = 1; share <= shares; share++) {
        uint32_t end = (uint32_t) ((uint64_t) n * share / shares);
        queue_range (self, owner, first + done, end - done, cost_ns, attempt);
        done = end;
    }
}

/* Moves what is queued to workers with room. */
static void dispatch (mpl_core_t *self, uint64_t now)
{
    while (self->queue.n && self->outbox_n < self->outbox_size) {
        uint32_t i = self->queue.head;
        chunk_t *chunk = &self->chunks[i];
        uint32_t w = best_worker (self, chunk->cost_ns);
        if (w == NONE)
            return;
        uint64_t left = self->workers[w].tasks_left;
        if (self->max_tasks && left < chunk->n) {
            if (reserve_chunks (self, 1) < 0)
                return;
            chunk = &self->chunks[i];
            queue_range (self, chunk->owner, chunk->first + left, chunk->n - (uint32_t) left, chunk->cost_ns,
                         chunk->attempt);
            chunk->n = (uint32_t) left;
        }
        chunk_remove (self, &self->queue, i);
        hold (self, w, i, now);
    }
}

int mpl__core_recalled (mpl_core_t *self, int worker, uint64_t number, uint32_t from, uint32_t n, uint64_t now,
                        int *is_last)
{
    chunk_t *chunk = find_held (self, worker, number);

    if (!chunk)
        return -1;
    if (n && (from < chunk->n_answered || from > chunk->n || n != chunk->n - from)) {
        errno = ESTALE;
        return -1;
    }
    *is_last = 0;
    chunk->is_recalled = 1;
    if (n == 0)
        return 0;
    uint64_t i = number >> SERIAL_BITS;
    worker_t *holder = &self->workers[chunk->worker];
    if (chunk->owner) {
        if (reserve_chunks (self, 1) < 0)
            return -1;
        chunk = &self->chunks[i];
        uint64_t first = chunk->first + from;
        queue_shared (self, chunk, first, n);
        chunk = &self->chunks[i];
    }
    if (self->max_tasks)
        holder->tasks_left += n;
    holder->ahead_ns -= chunk_cost (chunk);
    chunk->n = from;
    holder->ahead_ns += chunk_cost (chunk);
    *is_last = finish_if_answered (self, chunk);
    dispatch (self, now);
    return 0;
}

/* The item a worker died on: once more, by itself, or given up. */
static void charge (mpl_core_t *self, const chunk_t *chunk, uint32_t item, mpl_left_t why)
{
    unsigned attempts = chunk->attempt + 1u;
    uint32_t i = take_chunk (self, chunk->owner, chunk->first + item, 1, 0, attempts);

    if (why == MPL__LEFT_BLAMED || attempts > self->retries) {
        self->chunks[i].state = FAILED;
        chunk_append (self, &self->failed, i);
    } else {
        self->chunks[i].state = QUEUED;
        chunk_append (self, &self->queue, i);
    }
}

static void give_back (mpl_core_t *self, uint32_t i, mpl_left_t why, uint64_t running, uint32_t item)
{
    chunk_t *chunk = &self->chunks[i];          /* valid throughout: the caller reserved what is taken here */
    uint32_t from = chunk->n_answered;

    if (chunk->owner && chunk->number == running && item >= from && item < chunk->n) {
        if (item > from)
            queue_range (self, chunk->owner, chunk->first + from, item - from, chunk->cost_ns, 0);
        charge (self, chunk, item, why);
        from = item + 1;
    }
    if (chunk->owner && from < chunk->n)
        queue_range (self, chunk->owner, chunk->first + from, chunk->n - from, chunk->cost_ns, chunk->attempt);
}

/* A SEND or RECALL that the caller has not taken is void once its chunk is gone. */
static void forget_outbox (mpl_core_t *self, uint32_t w)
{
    uint32_t kept = 0;

    for (uint32_t k = 0; k < self->outbox_n; k++) {
        uint32_t entry = self->outbox[(self->outbox_head + k) % self->outbox_size];
        if (self->chunks[entry & ~RECALL_BIT].worker != w)
            self->outbox[(self->outbox_head + kept++) % self->outbox_size] = entry;
    }
    self->outbox_n = kept;
}

int mpl__core_leave (mpl_core_t *self, int number, mpl_left_t why, uint64_t running, uint32_t item)
{
    if (number < 0 || (size_t) number >= self->max_workers || self->workers[number].place == AWAY) {
        errno = ENOENT;
        return -1;
    }
    worker_t *worker = &self->workers[number];
    if (reserve_chunks (self, worker->held.n + 3) < 0)
        return -1;
    forget_outbox (self, (uint32_t) number);
    while (worker->held.n) {
        uint32_t i = worker->held.head;
        release (self, i);
        give_back (self, i, why, running, item);
        free_chunk (self, i);
    }
    worker_move (self, (uint32_t) number, AWAY);
    return 0;
}

/* ---- what is to be done ---------------------------------------------------------------------------------------- */

static void ask_recall (mpl_core_t *self, uint32_t i)
{
    if (self->outbox_n == self->outbox_size)
        return;
    self->chunks[i].is_recalled = 1;
    self->outbox[(self->outbox_head + self->outbox_n++) % self->outbox_size] = i | RECALL_BIT;
}

void mpl__core_cancel (mpl_core_t *self, void *owner)
{
    for (uint32_t i = self->queue.head, next; i != NONE; i = next) {
        next = self->chunks[i].next;
        if (self->chunks[i].owner == owner) {
            chunk_remove (self, &self->queue, i);
            free_chunk (self, i);
        }
    }
    for (uint32_t i = self->failed.head, next; i != NONE; i = next) {
        next = self->chunks[i].next;
        if (self->chunks[i].owner == owner) {
            chunk_remove (self, &self->failed, i);
            free_chunk (self, i);
        }
    }
    for (size_t w = 0; w < self->max_workers; w++)
        for (uint32_t i = self->workers[w].held.head; i != NONE; i = self->chunks[i].next)
            if (self->chunks[i].owner == owner) {
                self->chunks[i].owner = NULL;
                if (self->chunks[i].is_announced && !self->chunks[i].is_recalled)
                    ask_recall (self, i);
            }
}

int mpl__core_retire (mpl_core_t *self, int number)
{
    if (number < 0 || (size_t) number >= self->max_workers || self->workers[number].place == AWAY) {
        errno = ENOENT;
        return -1;
    }
    worker_t *worker = &self->workers[number];
    if (worker->is_retired)
        return 0;
    worker->is_retired = 1;
    for (uint32_t i = worker->held.tail; i != NONE; i = self->chunks[i].prev)
        if (self->chunks[i].is_announced && !self->chunks[i].is_recalled)
            ask_recall (self, i);
    if (worker->held.n || worker->place != BUSY)        /* else goodbye was said to it: it had done its max_tasks */
        settle (self, (uint32_t) number);
    return 0;
}

/* The newest chunk of a worker that is worth taking back now; *due is lowered to when an older look would pay. */
static uint32_t recallable (const mpl_core_t *self, const worker_t *worker, uint64_t now, uint64_t *due)
{
    for (uint32_t i = worker->held.tail; i != NONE; i = self->chunks[i].prev) {
        const chunk_t *chunk = &self->chunks[i];
        if (chunk->is_recalled || !chunk->is_announced || !chunk->owner)
            continue;
        if (now - chunk->sent_at >= MPL__RECALL_AFTER_NS)
            return i;
        uint64_t at = chunk->sent_at + MPL__RECALL_AFTER_NS;
        *due = at < *due ? at : *due;
    }
    return NONE;
}

uint64_t mpl__core_tick (mpl_core_t *self, uint64_t now, int is_dry)
{
    uint64_t due = UINT64_MAX;
    size_t wanted = self->places[IDLE].n;

    dispatch (self, now);
    if (!is_dry || self->queue.n || !wanted)
        return due;
    /* Who holds two chunks or more gives one first; then those whose only chunk has items it has not begun. */
    for (int many = 1; many >= 0; many--)
        for (size_t w = 0; w < self->max_workers && wanted; w++) {
            const worker_t *worker = &self->workers[w];
            if (worker->place == AWAY || worker->held.n == 0 || (worker->held.n > 1) != many)
                continue;
            for (uint32_t i; wanted && (i = recallable (self, worker, now, &due)) != NONE; wanted--)
                ask_recall (self, i);
        }
    return due;
}

static int next_failed (mpl_core_t *self, mpl_action_t *action)
{
    uint32_t i = self->failed.head;

    if (i == NONE)
        return 0;
    chunk_t *chunk = &self->chunks[i];
    *action = (mpl_action_t) { .type = MPL__DO_FAIL, .worker = -1, .owner = chunk->owner, .first = chunk->first, .n = 1,
                               .attempt = chunk->attempt };
    chunk_remove (self, &self->failed, i);
    free_chunk (self, i);
    return 1;
}

static int next_outgoing (mpl_core_t *self, mpl_action_t *action)
{
    while (self->outbox_n) {
        uint32_t entry = self->outbox[self->outbox_head], i = entry & ~RECALL_BIT;
        self->outbox_head = (self->outbox_head + 1) % self->outbox_size;
        self->outbox_n--;
        chunk_t *chunk = &self->chunks[i];
        /* Answered before its recall went out, and perhaps used again since. */
        if (chunk->state != HELD || !(entry & RECALL_BIT) != !chunk->is_announced)
            continue;
        *action = (mpl_action_t) { .type = chunk->is_announced ? MPL__DO_RECALL : MPL__DO_SEND,
                                   .worker = (int) chunk->worker, .owner = chunk->owner, .chunk = chunk->number,
                                   .first = chunk->first, .n = chunk->n, .slot = chunk->slot,
                                   .attempt = chunk->attempt };
        if (!chunk->is_announced && !chunk->owner) {        /* cancelled before it was sent */
            uint32_t w = chunk->worker;
            if (self->max_tasks)
                self->workers[w].tasks_left += chunk->n;
            release (self, i);
            free_chunk (self, i);
            settle (self, w);
            continue;
        }
        chunk->is_announced = 1;
        return 1;
    }
    return 0;
}

int mpl__core_next (mpl_core_t *self, uint64_t now, mpl_action_t *action)
{
    if (self->failed.n && next_failed (self, action))
        return 1;
    if (next_outgoing (self, action))
        return 1;
    if (self->queue.n) {
        dispatch (self, now);
        if (next_outgoing (self, action))
            return 1;
    }
    uint32_t w = self->places[RETIRING].head;
    if (w == NONE)
        return 0;
    worker_move (self, w, BUSY);                /* said once; it holds nothing and leaves by itself */
    *action = (mpl_action_t) { .type = MPL__DO_RETIRE, .worker = (int) w };
    return 1;
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

int mpl__core_held (const mpl_core_t *self, int worker)
{
    if (worker < 0 || (size_t) worker >= self->max_workers || self->workers[worker].place == AWAY)
        return -1;
    return (int) self->workers[worker].held.n;
}

size_t mpl__core_queued (const mpl_core_t *self) { return self->queue.n; }
size_t mpl__core_idle (const mpl_core_t *self) { return self->places[IDLE].n; }

uint64_t mpl__core_newest (const mpl_core_t *self) { return self->serial; }

uint64_t mpl__core_oldest_held (const mpl_core_t *self)
{
    uint64_t oldest = UINT64_MAX;

    for (size_t w = 0; w < self->max_workers; w++)
        if (self->workers[w].held.n) {
            uint64_t serial = self->chunks[self->workers[w].held.head].number & SERIAL_MASK;
            oldest = serial < oldest ? serial : oldest;
        }
    return oldest;
}

size_t mpl__core_in_flight (const mpl_core_t *self, const void *owner)
{
    size_t n = 0;

    for (uint32_t i = 0; i < self->n_chunks; i++)
        n += self->chunks[i].state != FREE && self->chunks[i].owner == owner;
    return n;
}

void mpl__core_each_held (const mpl_core_t *self, int worker,
                          void (*fn) (void *arg, uint64_t chunk, uint32_t n, uint32_t n_answered), void *arg)
{
    for (uint32_t i = self->workers[worker].held.head; i != NONE; i = self->chunks[i].next)
        fn (arg, self->chunks[i].number, self->chunks[i].n, self->chunks[i].n_answered);
}

static const char *check_worker (const mpl_core_t *self, const worker_t *worker, uint32_t w)
{
    uint64_t ahead_ns = 0;
    uint32_t n_unknown = 0;
    size_t n = 0;

    for (uint32_t i = worker->held.head; i != NONE; i = self->chunks[i].next, n++) {
        const chunk_t *chunk = &self->chunks[i];
        if (chunk->state != HELD || chunk->worker != w)
            return "a worker holds a chunk that is not its own";
        if (chunk->n_answered >= chunk->n)
            return "a chunk is held though all of it was answered";
        ahead_ns += chunk_cost (chunk);
        n_unknown += chunk->cost_ns == 0;
    }
    if (worker->place == AWAY)
        return n ? "a worker that left holds chunks" : NULL;
    if (n != worker->held.n || n + worker->n_free != MPL__SLOTS)
        return "slots and chunks of a worker do not add up";
    if (ahead_ns != worker->ahead_ns || n_unknown != worker->n_unknown)
        return "what a worker has ahead does not add up";
    return worker->n_unknown > 1 ? "a worker holds two chunks of unknown duration" : NULL;
}

const char *mpl__core_check (const mpl_core_t *self)
{
    size_t by_state[FAILED + 1] = { 0 }, held = 0, workers = 0;

    for (uint32_t i = 0; i < self->n_chunks; i++)
        by_state[self->chunks[i].state]++;
    for (size_t w = 0; w < self->max_workers; w++) {
        const char *wrong = check_worker (self, &self->workers[w], (uint32_t) w);
        if (wrong)
            return wrong;
        held += self->workers[w].held.n;
    }
    for (size_t place = 0; place < N_PLACES; place++)
        workers += self->places[place].n;
    if (workers != self->max_workers)
        return "a worker is in no place or in two";
    if (by_state[HELD] != held || by_state[QUEUED] != self->queue.n || by_state[FAILED] != self->failed.n
        || by_state[FREE] != self->free_chunks.n)
        return "chunks and the lists they are in do not add up";
    return NULL;
}
