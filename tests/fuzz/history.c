#include "tests/fuzz/history.h"
#include "broker/core.h"
#include "wire/page.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 16
#define OWNERS 4
#define LETTERS_MAX 1024            /* of one worker on their way */
#define LATE_MAX 64                 /* of dead workers, kept to arrive much later */
#define STUCK 200000                /* rounds of the end that change nothing */

typedef enum { UNSEEN, GIVEN, DELIVERED, FAILED } fate_t;       /* GIVEN: the core has it */

typedef struct {
    uint8_t fate, charges;
    uint8_t is_held;                /* by a worker, in a chunk whose DO_SEND was taken */
    uint8_t is_doomed;              /* its FAIL is due */
    uint32_t cost_ns;               /* 0: not known */
} item_t;

typedef struct {
    item_t *items;
    uint32_t n, next, n_settled;
} owner_t;

/* A chunk as its worker sees it. */
typedef struct {
    uint64_t chunk, first;
    owner_t *owner;                 /* NULL: cancelled */
    uint32_t n, n_answered;         /* as the core knows them */
    uint32_t n_done, n_sent;        /* the item at n_done is in user code when it was claimed */
    uint32_t cost_ns;
    uint16_t slot;
    int was_recalled;
    _Atomic uint64_t claim;
} parcel_t;

typedef struct {
    uint64_t chunk;
    uint32_t from, n;
    int worker, is_recall;          /* an answer, or the outcome of a recall */
} letter_t;

typedef struct {
    int is_here, is_retired;        /* goodbye was said to it */
    int is_unwanted;                /* and is to be */
    parcel_t *parcels;              /* MPL__SLOTS, oldest first */
    size_t n_parcels;
    letter_t *letters;              /* LETTERS_MAX, in their order */
    size_t n_letters;
    uint64_t n_tasks;               /* items it was given and not relieved of */
    uint8_t is_used[MPL__SLOTS];
} worker_t;

typedef struct {
    const chance_t *chance;
    FILE *trace;
    char *wrong;
    size_t step;
    mpl_core_t *core;
    unsigned n_workers, retries;
    uint64_t max_tasks, now;
    uint32_t burst, pace;           /* how much comes at once, how much is done at once */
    uint32_t cost_ns;               /* of what is submitted now */
    uint64_t last_serial;           /* of the chunks that were sent */
    worker_t workers[WORKERS_MAX];
    owner_t owners[OWNERS];
    letter_t late[LATE_MAX];
    size_t n_late;
} world_t;

static uint32_t pick (world_t *self, uint32_t n)
{
    return n ? self->chance->pick (self->chance->arg, n) : 0;
}

static void __attribute__ ((format (printf, 2, 3))) say (world_t *self, const char *fmt, ...)
{
    va_list args;

    if (!self->trace)
        return;
    fprintf (self->trace, "# %zu ", self->step);
    va_start (args, fmt);
    vfprintf (self->trace, fmt, args);
    va_end (args);
    fputc ('\n', self->trace);
}

/* The first promise that is broken is the one that is reported. */
static void __attribute__ ((format (printf, 2, 3))) wrong (world_t *self, const char *fmt, ...)
{
    va_list args;

    if (self->wrong[0])
        return;
    int at = snprintf (self->wrong, HISTORY_WRONG, "step %zu: ", self->step);
    va_start (args, fmt);
    vsnprintf (self->wrong + at, HISTORY_WRONG - (size_t) at, fmt, args);
    va_end (args);
}

#define SERIAL(chunk) ((unsigned long long) ((chunk) & 0xffffffffff))

static unsigned who (const world_t *self, const owner_t *owner)
{
    return owner ? (unsigned) (owner - self->owners) : OWNERS;
}

/* ---- owners and their items ------------------------------------------------------------------------------------ */

static void begin_owner (world_t *self, owner_t *owner)
{
    static const uint32_t sizes[] = { 1, 7, 100, 1000, 20000 };

    free (owner->items);
    *owner = (owner_t) { .n = 1 + pick (self, sizes[pick (self, 5)]) };
    if (!(owner->items = calloc (owner->n, sizeof *owner->items)))
        abort ();
}

static int has_given (const owner_t *owner)
{
    return owner->n_settled < owner->next;
}

static void check_owner (world_t *self, owner_t *owner)
{
    size_t in_flight = mpl__core_in_flight (self->core, owner);

    if ((in_flight > 0) != has_given (owner))
        wrong (self, "owner %u: %zu chunks are in flight, but %u of %u items are settled", who (self, owner), in_flight,
               owner->n_settled, owner->next);
}

static void settle (world_t *self, owner_t *owner, uint64_t index, fate_t fate)
{
    item_t *item = &owner->items[index];

    if (index >= owner->next || item->fate != GIVEN) {
        wrong (self, "item %llu of owner %u has fate %d and now gets %d", (unsigned long long) index, who (self, owner),
               item->fate, fate);
        return;
    }
    item->fate = (uint8_t) fate;
    item->is_held = 0;
    owner->n_settled++;
}

static void change_cost (world_t *self)
{
    static const uint32_t costs[] = { 0, 1, 1000, 50000, 10000000 };

    self->cost_ns = costs[pick (self, 5)];
}

/* 1: there was room. */
static int submit (world_t *self)
{
    owner_t *owner = &self->owners[pick (self, OWNERS)];

    if (owner->next == owner->n) {
        if (has_given (owner))
            return 0;
        check_owner (self, owner);
        begin_owner (self, owner);
    }
    uint32_t want = 1 + pick (self, pick (self, 4) ? 3 : 300);
    want = want > owner->n - owner->next ? owner->n - owner->next : want;
    uint32_t room = mpl__core_room (self->core, self->cost_ns, want);
    if (room > want)
        wrong (self, "there is room for %u items where %u were to come", room, want);
    if (room < want && mpl__core_submit (self->core, owner, owner->next, want, self->cost_ns, self->now) == 0)
        wrong (self, "%u items were taken where there was room for %u", want, room);
    say (self, "submit owner %u %u+%u cost %u: room %u", who (self, owner), owner->next, want, self->cost_ns, room);
    if (!room)
        return 0;
    if (mpl__core_submit (self->core, owner, owner->next, room, self->cost_ns, self->now) < 0)
        wrong (self, "there was room for %u items, and they were refused", room);
    for (uint32_t i = 0; i < room; i++)
        owner->items[owner->next++] = (item_t) { .fate = GIVEN, .cost_ns = self->cost_ns };
    return 1;
}

static void submit_many (world_t *self)
{
    if (pick (self, 32) == 0)
        change_cost (self);
    for (uint32_t n = 1 + pick (self, self->burst); n && submit (self); n--)
        ;
}

static void cancel (world_t *self)
{
    owner_t *owner = &self->owners[pick (self, OWNERS)];

    say (self, "cancel owner %u", who (self, owner));
    mpl__core_cancel (self->core, owner);
    if (mpl__core_in_flight (self->core, owner))
        wrong (self, "owner %u cancelled, and something of it is still in flight", who (self, owner));
    for (unsigned w = 0; w < self->n_workers; w++)
        for (size_t i = 0; i < self->workers[w].n_parcels; i++)
            if (self->workers[w].parcels[i].owner == owner)
                self->workers[w].parcels[i].owner = NULL;
    begin_owner (self, owner);          /* at the same address, as may well happen */
}

/* ---- what workers hold ----------------------------------------------------------------------------------------- */

static parcel_t *find_parcel (worker_t *worker, uint64_t chunk)
{
    for (size_t i = 0; i < worker->n_parcels; i++)
        if (worker->parcels[i].chunk == chunk)
            return &worker->parcels[i];
    return NULL;
}

static void drop_parcel (worker_t *worker, parcel_t *parcel)
{
    size_t behind = worker->n_parcels - (size_t) (parcel - worker->parcels) - 1;

    worker->is_used[parcel->slot] = 0;
    memmove (parcel, parcel + 1, behind * sizeof *parcel);
    worker->n_parcels--;
}

static uint64_t parcel_ns (const parcel_t *parcel)
{
    uint64_t cost = (uint64_t) parcel->cost_ns * parcel->n;

    return cost < MPL__COST_FLOOR_NS ? MPL__COST_FLOOR_NS : cost;
}

/* What a worker has ahead was below the bound before this chunk, unless it was its second. */
static void check_credit (world_t *self, const worker_t *worker, uint32_t cost_ns)
{
    uint64_t ahead = 0;
    int n_unknown = cost_ns == 0;

    for (size_t i = 0; i < worker->n_parcels; i++) {
        ahead += parcel_ns (&worker->parcels[i]);
        n_unknown += worker->parcels[i].cost_ns == 0;
    }
    if (worker->n_parcels >= MPL__SLOTS)
        wrong (self, "a worker that holds %zu chunks gets one more", worker->n_parcels);
    if (worker->n_parcels >= 2 && ahead >= MPL__AHEAD_NS)
        wrong (self, "a worker that has %llu ns ahead gets more", (unsigned long long) ahead);
    if (worker->n_parcels && n_unknown)
        wrong (self, "a worker holds something of unknown duration and something else");
}

static void check_sent_items (world_t *self, const mpl_action_t *action)
{
    owner_t *owner = action->owner;

    for (uint32_t i = 0; i < action->n; i++) {
        item_t *item = &owner->items[action->first + i];
        if (action->first + i >= owner->next || item->fate != GIVEN || item->is_held || item->is_doomed)
            wrong (self, "item %llu is sent: fate %d, held %d, doomed %d", (unsigned long long) action->first + i,
                   item->fate, item->is_held, item->is_doomed);
        if (item->charges != action->attempt || (item->charges && action->n > 1))
            wrong (self, "item %llu, charged %d times, is sent among %u as attempt %d",
                   (unsigned long long) action->first + i, item->charges, action->n, action->attempt);
        item->is_held = 1;
    }
}

static void sent (world_t *self, const mpl_action_t *action)
{
    worker_t *worker = &self->workers[action->worker];
    owner_t *owner = action->owner;

    if (!worker->is_here || worker->is_retired || action->slot >= MPL__SLOTS || worker->is_used[action->slot] || !owner
        || find_parcel (worker, action->chunk)) {
        wrong (self, "a chunk is sent to worker %d, slot %d, owner %u, which cannot be", action->worker, action->slot,
               who (self, owner));
        return;
    }
    if (SERIAL (action->chunk) <= self->last_serial || SERIAL (action->chunk) > mpl__core_newest (self->core))
        wrong (self, "chunk #%llu is sent after #%llu", SERIAL (action->chunk), (unsigned long long) self->last_serial);
    self->last_serial = SERIAL (action->chunk);
    check_sent_items (self, action);
    check_credit (self, worker, owner->items[action->first].cost_ns);
    parcel_t *parcel = &worker->parcels[worker->n_parcels++];
    memset (parcel, 0, sizeof *parcel);
    parcel->chunk = action->chunk;
    parcel->first = action->first;
    parcel->owner = owner;
    parcel->n = action->n;
    parcel->slot = action->slot;
    parcel->cost_ns = owner->items[action->first].cost_ns;
    mpl__claim_set (&parcel->claim, parcel->chunk, parcel->n);
    worker->is_used[parcel->slot] = 1;
    worker->n_tasks += action->n;
    if (self->max_tasks && worker->n_tasks > self->max_tasks)
        wrong (self, "worker %d gets %llu items in its life", action->worker, (unsigned long long) worker->n_tasks);
}

/* ---- letters --------------------------------------------------------------------------------------------------- */

static void arrive_answer (world_t *self, const letter_t *letter)
{
    worker_t *worker = &self->workers[letter->worker];
    parcel_t *parcel = find_parcel (worker, letter->chunk);
    int is_due = worker->is_here && parcel && letter->from == parcel->n_answered && letter->n
              && letter->n <= parcel->n - letter->from;
    mpl_answer_t answer = { 0 };
    int rc = mpl__core_answer (self->core, letter->worker, letter->chunk, letter->from, letter->n, &answer);

    say (self, "w%d answers #%llu %u+%u: %d", letter->worker, SERIAL (letter->chunk), letter->from, letter->n, rc);
    if ((rc == 0) != is_due || (rc < 0 && errno != ESTALE))
        wrong (self, "an answer that is %s gives %d", is_due ? "due" : "not due", rc);
    if (rc < 0 || !is_due)
        return;
    parcel->n_answered += letter->n;
    int is_last = parcel->n_answered == parcel->n;
    if (answer.owner != parcel->owner || answer.first != parcel->first + letter->from
        || answer.chunk_first != parcel->first || answer.is_last != is_last)
        wrong (self, "an answer is taken for another");
    for (uint32_t i = 0; parcel->owner && i < letter->n; i++)
        settle (self, parcel->owner, parcel->first + letter->from + i, DELIVERED);
    if (is_last)
        drop_parcel (worker, parcel);
}

static void arrive_recall (world_t *self, const letter_t *letter)
{
    worker_t *worker = &self->workers[letter->worker];
    parcel_t *parcel = find_parcel (worker, letter->chunk);
    int is_due = worker->is_here && parcel
              && (!letter->n || (letter->from >= parcel->n_answered && letter->from + letter->n == parcel->n));
    int is_last = 0, rc = mpl__core_recalled (self->core, letter->worker, letter->chunk, letter->from, letter->n, self->now,
                                              &is_last);

    say (self, "w%d gave back #%llu %u+%u: %d", letter->worker, SERIAL (letter->chunk), letter->from, letter->n, rc);
    if ((rc == 0) != is_due)
        wrong (self, "a recall that is %s gives %d", is_due ? "due" : "not due", rc);
    if (rc < 0 || !is_due || !letter->n)
        return;
    for (uint32_t i = letter->from; parcel->owner && i < parcel->n; i++)
        parcel->owner->items[parcel->first + i].is_held = 0;
    worker->n_tasks -= letter->n;
    parcel->n = letter->from;
    if (is_last != (parcel->n_answered == parcel->n))
        wrong (self, "a recall says that its chunk is %s", is_last ? "done" : "not done");
    if (is_last)
        drop_parcel (worker, parcel);
}

static void arrive (world_t *self, const letter_t *letter)
{
    if (letter->is_recall)
        arrive_recall (self, letter);
    else
        arrive_answer (self, letter);
}

static void deliver (world_t *self, unsigned w)
{
    worker_t *worker = &self->workers[w];

    if (!worker->n_letters)
        return;
    letter_t letter = worker->letters[0];
    memmove (worker->letters, worker->letters + 1, --worker->n_letters * sizeof letter);
    arrive (self, &letter);
}

/* More comes back than was there, or what was answered already. */
static void recall_badly (world_t *self, const letter_t *letter)
{
    parcel_t *parcel = find_parcel (&self->workers[letter->worker], letter->chunk);
    letter_t bad = *letter;

    bad.n++;
    if (parcel && parcel->n_answered && pick (self, 2)) {
        bad.from = 0;
        bad.n = parcel->n;
    }
    arrive (self, &bad);
}

/* The first letter of a worker comes garbled, from somebody else, or twice; never such that it could be taken for a
 * true one, which no broker could tell. */
static void deliver_badly (world_t *self, unsigned w)
{
    worker_t *worker = &self->workers[w];

    if (!worker->n_letters)
        return;
    if (worker->letters[0].is_recall) {
        recall_badly (self, &worker->letters[0]);
        return;
    }
    letter_t letter = worker->letters[0], bad = letter;
    switch (pick (self, 6)) {
    case 0:
        bad.from++;
        break;
    case 1:
        bad.n = pick (self, 2) ? UINT32_MAX : 0 - bad.from;
        break;
    case 2:
        bad.n = 0;
        break;
    case 3:
        bad.chunk += UINT64_C (1) << (pick (self, 2) ? 40 : 0);
        break;
    case 4:
        bad.worker = (int) pick (self, self->n_workers);
        if (bad.worker == letter.worker)
            return;
        break;
    default:
        deliver (self, w);
        break;
    }
    if (bad.chunk == letter.chunk || !find_parcel (&self->workers[bad.worker], bad.chunk))
        arrive (self, &bad);
}

static void deliver_late (world_t *self)
{
    if (!self->n_late)
        return;
    size_t i = pick (self, (uint32_t) self->n_late);
    arrive (self, &self->late[i]);
    self->late[i] = self->late[--self->n_late];
}

static void post (world_t *self, const letter_t *letter)
{
    worker_t *worker = &self->workers[letter->worker];

    if (worker->n_letters == LETTERS_MAX)
        deliver (self, (unsigned) letter->worker);
    worker->letters[worker->n_letters++] = *letter;
}

/* ---- workers --------------------------------------------------------------------------------------------------- */

static void join (world_t *self, unsigned w)
{
    worker_t *worker = &self->workers[w];
    int rc = mpl__core_join (self->core, (int) w);

    say (self, "w%u joins: %d", w, rc);
    if ((rc == 0) != !worker->is_here || (rc < 0 && errno != EEXIST))
        wrong (self, "worker %u joins and gets %d", w, rc);
    worker->is_here = 1;
}

static void unwant (world_t *self, unsigned w)
{
    worker_t *worker = &self->workers[w];
    int rc = mpl__core_retire (self->core, (int) w);

    say (self, "w%u is unwanted: %d", w, rc);
    if ((rc == 0) != worker->is_here || (rc < 0 && errno != ENOENT))
        wrong (self, "worker %u is unwanted and gets %d", w, rc);
    worker->is_unwanted = worker->is_here;
}

static parcel_t *current (const worker_t *worker)
{
    for (size_t i = 0; i < worker->n_parcels; i++) {
        uint64_t claim = atomic_load (&worker->parcels[i].claim);
        if (worker->parcels[i].n_done < mpl__claim_limit (claim))
            return &worker->parcels[i];
    }
    return NULL;
}

static void answer_parcel (world_t *self, unsigned w, parcel_t *parcel)
{
    letter_t letter = { .chunk = parcel->chunk, .from = parcel->n_sent, .n = parcel->n_done - parcel->n_sent, .worker = (int) w };

    parcel->n_sent = parcel->n_done;
    if (letter.n)
        post (self, &letter);
}

/* The worker claims at most `want` items of the chunk it is on, finishes all or leaves the last one running, and may
 * answer. */
static void work (world_t *self, unsigned w, uint32_t want, int leaves_one, int answers)
{
    worker_t *worker = &self->workers[w];
    parcel_t *parcel = current (worker);
    uint32_t from = 0;

    if (!parcel)
        return;
    mpl__claim_take (&parcel->claim, parcel->chunk, want, &from);
    uint32_t claimed = mpl__claim_claimed (atomic_load (&parcel->claim));
    if (claimed > parcel->n_done)
        parcel->n_done = claimed - (leaves_one != 0);
    int is_whole = parcel->n_done == mpl__claim_limit (atomic_load (&parcel->claim));
    if (answers || is_whole)
        answer_parcel (self, w, parcel);
}

static void charge (world_t *self, parcel_t *parcel, uint32_t item, mpl_left_t why)
{
    item_t *charged = &parcel->owner->items[parcel->first + item];

    charged->charges++;
    charged->cost_ns = 0;
    charged->is_doomed = why == MPL__LEFT_BLAMED || charged->charges > self->retries;
}

static void lose_parcels (world_t *self, worker_t *worker, mpl_left_t why, uint64_t chunk, uint32_t item)
{
    for (size_t i = 0; i < worker->n_parcels; i++) {
        parcel_t *parcel = &worker->parcels[i];
        for (uint32_t k = parcel->n_answered; parcel->owner && k < parcel->n; k++)
            parcel->owner->items[parcel->first + k].is_held = 0;
        if (parcel->owner && parcel->chunk == chunk && item >= parcel->n_answered && item < parcel->n)
            charge (self, parcel, item, why);
    }
    worker->n_parcels = 0;
    memset (worker->is_used, 0, sizeof worker->is_used);
}

/* Some of its letters still arrive before its death is known, the rest much later or never. */
static void leave (world_t *self, unsigned w, mpl_left_t why, uint32_t n_arriving)
{
    worker_t *worker = &self->workers[w];
    uint64_t chunk = 0;
    uint32_t item = 0;

    for (; n_arriving && worker->n_letters; n_arriving--)
        deliver (self, w);
    parcel_t *parcel = current (worker);
    if (parcel && parcel->n_done < mpl__claim_claimed (atomic_load (&parcel->claim))) {
        chunk = parcel->chunk;
        item = parcel->n_done;
    } else if (worker->n_parcels && pick (self, 8) == 0) {      /* a page in ruins may say anything */
        chunk = worker->parcels[pick (self, (uint32_t) worker->n_parcels)].chunk;
        item = pick (self, 400);
    }
    int rc = mpl__core_leave (self->core, (int) w, why, chunk, item);
    say (self, "w%u leaves, %s on #%llu item %u: %d", w, why == MPL__LEFT_BLAMED ? "blamed" : "crashed", SERIAL (chunk), item, rc);
    if ((rc == 0) != worker->is_here || (rc < 0 && errno != ENOENT))
        wrong (self, "worker %u leaves and gets %d", w, rc);
    lose_parcels (self, worker, why, chunk, item);
    for (size_t i = 0; i < worker->n_letters && self->n_late < LATE_MAX; i++)
        self->late[self->n_late++] = worker->letters[i];
    worker->n_letters = 0;
    worker->n_tasks = 0;
    worker->is_here = worker->is_retired = worker->is_unwanted = 0;
}

/* ---- what the core wants --------------------------------------------------------------------------------------- */

static void recall (world_t *self, const mpl_action_t *action, int is_delayed)
{
    worker_t *worker = &self->workers[action->worker];
    parcel_t *parcel = find_parcel (worker, action->chunk);
    letter_t letter = { .chunk = action->chunk, .worker = action->worker, .is_recall = 1 };

    if (!parcel) {
        wrong (self, "a chunk is recalled that worker %d does not hold", action->worker);
        return;
    }
    if (parcel->was_recalled++)
        wrong (self, "chunk #%llu is recalled once more", SERIAL (action->chunk));
    letter.n = mpl__claim_recall (&parcel->claim, action->chunk, &letter.from);
    if (parcel->n_done == mpl__claim_limit (atomic_load (&parcel->claim)) && parcel->n_done > parcel->n_sent)
        answer_parcel (self, (unsigned) action->worker, parcel);
    if (is_delayed)
        post (self, &letter);
    else
        arrive (self, &letter);
}

static void failed (world_t *self, const mpl_action_t *action)
{
    owner_t *owner = action->owner;
    item_t *item = &owner->items[action->first];

    if (!item->is_doomed || item->is_held || action->n != 1 || action->attempt != item->charges
        || item->charges > self->retries + 1)
        wrong (self, "item %llu fails after %d attempts: doomed %d, held %d, charged %d", (unsigned long long) action->first,
               action->attempt, item->is_doomed, item->is_held, item->charges);
    settle (self, owner, action->first, FAILED);
}

static void retire (world_t *self, const mpl_action_t *action)
{
    worker_t *worker = &self->workers[action->worker];

    if (!worker->is_here || worker->is_retired || worker->n_parcels || !(self->max_tasks || worker->is_unwanted))
        wrong (self, "worker %d is to retire, with %zu chunks", action->worker, worker->n_parcels);
    if (worker->n_tasks != self->max_tasks && !worker->is_unwanted)
        wrong (self, "worker %d is to retire after %llu of %llu tasks", action->worker, (unsigned long long) worker->n_tasks,
               (unsigned long long) self->max_tasks);
    worker->is_retired = 1;
}

static int act (world_t *self, int is_delayed)
{
    static const char *const names[] = { "SEND", "RECALL", "FAIL", "RETIRE" };
    mpl_action_t action;

    if (!mpl__core_next (self->core, self->now, &action))
        return 0;
    say (self, "%s w%d #%llu owner %u %llu+%u slot %d attempt %d", names[action.type], action.worker, SERIAL (action.chunk),
         who (self, action.owner), (unsigned long long) action.first, action.n, action.slot, action.attempt);
    switch (action.type) {
    case MPL__DO_SEND:
        sent (self, &action);
        break;
    case MPL__DO_RECALL:
        recall (self, &action, is_delayed);
        break;
    case MPL__DO_FAIL:
        failed (self, &action);
        break;
    case MPL__DO_RETIRE:
        retire (self, &action);
        break;
    }
    return 1;
}

static void act_all (world_t *self, int is_delayed)
{
    while (!self->wrong[0] && act (self, is_delayed))
        ;
    if (mpl__core_queued (self->core) && mpl__core_idle (self->core))
        wrong (self, "chunks are queued and a worker is idle");
    for (unsigned w = 0; w < self->n_workers; w++) {
        const worker_t *worker = &self->workers[w];
        int held = mpl__core_held (self->core, (int) w);
        if (held != (worker->is_here ? (int) worker->n_parcels : -1))
            wrong (self, "worker %u holds %zu chunks, but %d by the core", w, worker->n_parcels, held);
    }
}

static void tick (world_t *self, uint64_t for_ns, int is_dry)
{
    self->now += for_ns;
    uint64_t due = mpl__core_tick (self->core, self->now, is_dry);
    say (self, "tick +%llu ns%s", (unsigned long long) for_ns, is_dry ? ", dry" : "");
    if (due <= self->now)
        wrong (self, "a tick wants to be called again in the past");
}

/* ---- histories ------------------------------------------------------------------------------------------------- */

static void take_step (world_t *self)
{
    unsigned w = pick (self, self->n_workers), what = pick (self, 64);

    if (what < 4)
        join (self, w);
    else if (what < 22)
        submit_many (self);
    else if (what < 38)
        for (uint32_t n = 1 + pick (self, self->pace); n; n--)
            work (self, w, 1 + pick (self, 20), pick (self, 4) == 0, (int) pick (self, 2));
    else if (what < 50)
        for (uint32_t n = 1 + pick (self, self->pace); n; n--)
            deliver (self, w);
    else if (what < 53)
        deliver_badly (self, w);
    else if (what < 54)
        deliver_late (self);
    else if (what < 58)
        tick (self, pick (self, 700000), (int) pick (self, 2));
    else if (what < 59)
        leave (self, w, pick (self, 4) ? MPL__LEFT_CRASHED : MPL__LEFT_BLAMED, pick (self, 4));
    else if (what < 60 && pick (self, 8) == 0)
        cancel (self);
    else if (what < 61 && pick (self, 8) == 0)
        unwant (self, w);
    else if (self->workers[w].is_retired)
        leave (self, w, MPL__LEFT_CRASHED, 0);
    switch (pick (self, 4)) {               /* mostly all that is to be done is done at once */
    case 0:
        act (self, (int) pick (self, 2));
        break;
    case 1:
        break;
    default:
        act_all (self, (int) pick (self, 2));
        break;
    }
}

static int all_settled (const world_t *self)
{
    for (unsigned i = 0; i < OWNERS; i++)
        if (has_given (&self->owners[i]))
            return 0;
    for (unsigned w = 0; w < self->n_workers; w++)
        if (self->workers[w].n_parcels || self->workers[w].n_letters)
            return 0;
    return 1;
}

/* Nobody dies any more, so everything must come to its end. */
static void finish (world_t *self)
{
    int rounds = 0;

    for (; !all_settled (self) && !self->wrong[0] && rounds < STUCK; rounds++) {
        for (unsigned w = 0; w < self->n_workers; w++) {
            if (self->workers[w].is_retired)
                leave (self, w, MPL__LEFT_CRASHED, 0);
            if (!self->workers[w].is_here)
                join (self, w);
            work (self, w, UINT32_MAX, 0, 1);
            while (self->workers[w].n_letters && !self->wrong[0])
                deliver (self, w);
        }
        tick (self, MPL__RECALL_AFTER_NS, 1);
        act_all (self, 0);
    }
    while (self->n_late && !self->wrong[0])
        arrive (self, &self->late[--self->n_late]);
    act_all (self, 0);
    if (rounds == STUCK)
        wrong (self, "at the end some items never came back");
    for (unsigned i = 0; i < OWNERS; i++)
        check_owner (self, &self->owners[i]);
    if (mpl__core_queued (self->core) || mpl__core_oldest_held (self->core) != UINT64_MAX)
        wrong (self, "at the end something is still queued or held");
}

static void begin (world_t *self)
{
    self->n_workers = 1 + pick (self, WORKERS_MAX);
    self->retries = pick (self, 4);
    self->max_tasks = pick (self, 3) ? 0 : 1 + pick (self, 200);
    self->now = UINT64_C (1) << 40;
    self->burst = pick (self, 8) ? 1 + pick (self, 8) : 1200;
    self->pace = 1 + pick (self, pick (self, 4) ? 4 : 60);
    change_cost (self);
    say (self, "%u workers, %u retries, %llu tasks each", self->n_workers, self->retries, (unsigned long long) self->max_tasks);
    if (!(self->core = mpl__core_new (self->n_workers, self->retries, self->max_tasks)))
        abort ();
    for (unsigned w = 0; w < self->n_workers; w++) {
        self->workers[w].parcels = calloc (MPL__SLOTS + 1, sizeof *self->workers[w].parcels);
        self->workers[w].letters = calloc (LETTERS_MAX, sizeof *self->workers[w].letters);
        if (!self->workers[w].parcels || !self->workers[w].letters)
            abort ();
        if (pick (self, 4))
            join (self, w);
    }
    for (unsigned i = 0; i < OWNERS; i++)
        begin_owner (self, &self->owners[i]);
}

static void end (world_t *self)
{
    for (unsigned w = 0; w < self->n_workers; w++) {
        free (self->workers[w].parcels);
        free (self->workers[w].letters);
    }
    for (unsigned i = 0; i < OWNERS; i++)
        free (self->owners[i].items);
    mpl__core_destroy (&self->core);
    free (self);
}

static void check (world_t *self)
{
    const char *broken = mpl__core_check (self->core);

    if (broken)
        wrong (self, "%s", broken);
}

int history_run (const chance_t *chance, FILE *trace, size_t *steps, char reason[HISTORY_WRONG])
{
    world_t *self = calloc (1, sizeof *self);

    if (!self)
        abort ();
    reason[0] = '\0';
    self->chance = chance;
    self->trace = trace;
    self->wrong = reason;
    begin (self);
    while (!reason[0] && !chance->is_over (chance->arg)) {
        take_step (self);
        check (self);
        self->step++;
    }
    if (!reason[0])
        finish (self);
    check (self);
    *steps += self->step;
    end (self);
    return reason[0] ? -1 : 0;
}
