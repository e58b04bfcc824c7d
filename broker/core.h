/* core.h - the scheduling core of a broker: which worker gets which chunk, what is in flight, what comes back when a worker
 * dies or is slow. A passive object: events go in as calls, what is to be done comes out of mpl__core_next. It owns the
 * state of every chunk and every worker, and knows no socket, clock, process, payload or thread: its caller holds whatever
 * lock there is, and says what time it is.
 *
 * A chunk is n consecutive items of one owner (a map that main runs). Each time it is given to a worker it gets a new
 * number, and only answers under the number a worker holds now, in the order of the items, are accepted; so an item is
 * delivered at most once however late or often an answer comes.
 *
 *      queued --SEND--> held --answers--> done
 *        ^                |--recalled: the unclaimed rest---> queued
 *        |                |--worker left: the rest----------> queued, or FAIL for the item it died on
 *        '----------------'--cancelled: answers are counted, not delivered
 *
 * Only the item that was in user code when a worker died is charged with an attempt; what merely waited is not. */
#ifndef BROKER_CORE_H
#define BROKER_CORE_H

#include <stddef.h>
#include <stdint.h>

/* A worker has chunks ahead worth about this long, so that it never waits for the next one: more than a message takes
 * there and back (0.1 ms here), little enough that recalling is rare. But two however long they are. */
#define MPL__AHEAD_NS 1000000u

/* What a message costs at least, so that the shortest tasks stay within the slots of a page. */
#define MPL__COST_FLOOR_NS 500u

/* A chunk that was sent this long ago and waits while another worker is idle is taken back. */
#define MPL__RECALL_AFTER_NS 1000000u

typedef struct mpl_core mpl_core_t;

typedef enum {
    MPL__DO_SEND,           /* send the chunk to the worker */
    MPL__DO_RECALL,         /* take back what the worker has not claimed of the chunk, then mpl__core_recalled */
    MPL__DO_FAIL,           /* the item `first` of owner is given up: its worker died on it, attempts in all */
    MPL__DO_RETIRE          /* the worker has done its max_tasks, or was retired, and holds nothing: say goodbye */
} mpl_action_type_t;

typedef struct {
    mpl_action_type_t type;
    int worker;
    void *owner;
    uint64_t chunk;         /* its number */
    uint64_t first;         /* index of its first item */
    uint32_t n;             /* items */
    uint16_t slot;          /* of the worker's page */
    uint16_t attempt;       /* SEND: 0 for the first; FAIL: how many there were */
} mpl_action_t;

/* What an accepted answer is about. */
typedef struct {
    void *owner;            /* NULL: cancelled meanwhile, the result is dropped */
    uint64_t first;         /* index of the first item answered */
    uint64_t chunk_first;   /* index of the chunk's first item */
    int is_last;            /* nothing more comes for this chunk: its resources can go */
} mpl_answer_t;

/* Why a worker left: whether the item it was on may be run again. */
typedef enum { MPL__LEFT_CRASHED, MPL__LEFT_BLAMED } mpl_left_t;

/* At most max_workers at a time; an item is charged `retries` times before it fails; a worker gets max_tasks items in its
 * life (0: no limit). NULL: ENOMEM. */
mpl_core_t *mpl__core_new (size_t max_workers, unsigned retries, uint64_t max_tasks);
void mpl__core_destroy (mpl_core_t **self);

/* Worker number `worker` (0..max_workers-1) serves from now on. 0; -1: EEXIST, ERANGE. */
int mpl__core_join (mpl_core_t *self, int worker);

/* It serves no more. chunk and item (offset in it) are what was in user code; chunk 0: nothing was. Chunks it held are
 * queued again or fail. 0; -1: ENOENT, ENOMEM (nothing changed). */
int mpl__core_leave (mpl_core_t *self, int worker, mpl_left_t why, uint64_t chunk, uint32_t item);

/* It gets nothing more: what it has not begun is recalled, and when the rest is done, it is said goodbye to (DO_RETIRE). 0;
 * -1: ENOENT. */
int mpl__core_retire (mpl_core_t *self, int worker);

/* How many items a chunk may have that is submitted now, at most `want`; 0: no worker has room. cost_ns is the expected
 * duration of one item, 0 when it is not known: such a chunk goes to an idle worker only. */
uint32_t mpl__core_room (const mpl_core_t *self, uint64_t cost_ns, uint32_t want);

/* Gives a chunk to the best worker; mpl__core_room said yes just before. cost_ns is for one item. `now` in monotonic ns.
 * 0; -1: EAGAIN, ENOMEM. */
int mpl__core_submit (mpl_core_t *self, void *owner, uint64_t first, uint32_t n, uint64_t cost_ns, uint64_t now);

/* A worker answered n items of a chunk, from offset `from`. 0 with *answer filled; -1: ESTALE, it does not hold that
 * chunk or not those items next; the answer is to be dropped, and such a worker is mistaken or late. */
int mpl__core_answer (mpl_core_t *self, int worker, uint64_t chunk, uint32_t from, uint32_t n, mpl_answer_t *answer);

/* The outcome of a DO_RECALL: n items from offset `from` are ours again; n 0: nothing was left to take. *is_last as in
 * an answer. 0; -1: ESTALE. */
int mpl__core_recalled (mpl_core_t *self, int worker, uint64_t chunk, uint32_t from, uint32_t n, uint64_t now,
                        int *is_last);

/* The owner takes no more results: what is queued is dropped, what is held is recalled. */
void mpl__core_cancel (mpl_core_t *self, void *owner);

/* Time has passed. is_dry: the caller has nothing to submit. Makes DO_RECALLs when someone is idle while others hold more
 * than they can begin. The instant at which to be called again, UINT64_MAX for never. */
uint64_t mpl__core_tick (mpl_core_t *self, uint64_t now, int is_dry);

/* Takes the next thing to do. 1: *action is set; 0: there is none. */
int mpl__core_next (mpl_core_t *self, uint64_t now, mpl_action_t *action);

/* A chunk number's index: below 2^23, small, and no two chunks have the same at a time. For tables beside the core. */
static inline size_t mpl__core_index (uint64_t chunk) { return (size_t) (chunk >> 40); }

/* Serials of the newest chunk ever given out, and of the oldest that is still held (UINT64_MAX: none is). */
uint64_t mpl__core_newest (const mpl_core_t *self);
uint64_t mpl__core_oldest_held (const mpl_core_t *self);

/* Chunks of this owner that are queued or held: 0 means none will be answered any more. */
size_t mpl__core_in_flight (const mpl_core_t *self, const void *owner);

/* For shells and tests: chunks a worker holds (-1: not here), chunks queued again, workers that hold nothing. */
int mpl__core_held (const mpl_core_t *self, int worker);
size_t mpl__core_queued (const mpl_core_t *self);
size_t mpl__core_idle (const mpl_core_t *self);

/* Calls fn for each chunk a worker holds, oldest first, with how many of its items were answered. */
void mpl__core_each_held (const mpl_core_t *self, int worker,
                          void (*fn) (void *arg, uint64_t chunk, uint32_t n, uint32_t n_answered), void *arg);

/* Checks every invariant; NULL, or which one does not hold. For tests: it takes time in proportion to all there is. */
const char *mpl__core_check (const mpl_core_t *self);

#endif
