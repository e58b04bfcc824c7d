/* pool.h - the pool as its own files see it. One mutex guards all of it; one thread at a time, the driver, waits for its
 * descriptors (pool/driver.c). Who does what:
 *
 *      batch.c, array.c, ring.c    what main asked for, and where results go
 *      pump.c                      cuts batches into chunks, sends what the broker core says
 *      receive.c                   takes what workers send
 *      members.c                   workers coming and going, as the agent tells
 *      far.c                       those on other hosts
 *      driver.c                    who waits, for what, and who is woken
 *      share.c                     data that every task can see
 *      pool.c                      opening and closing */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "mplaunch.h"
#include "base/err.h"
#include "broker/core.h"
#include "broker/router.h"
#include "pool/arena.h"
#include "pool/batch.h"
#include "pool/far.h"
#include "wire/control.h"
#include "wire/page.h"
#include "wire/parts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define MPL__WORKERS_MAX 4096           /* on one host; each costs two descriptors in main */
#define MPL__LAST_WORDS_NS 50000000u    /* how long a dead worker's results may still be on their way */
#define MPL__FAR_LAST_WORDS_NS 500000000u       /* from another host */

/* What main knows of one worker. */
typedef struct {
    enum { MPL__ABSENT, MPL__STARTED, MPL__GREETED, MPL__PREPARING, MPL__SERVING, MPL__ENDING } state;
    uint64_t incarnation;               /* of the process there is, or of the last */
    pid_t pid;
    int pidfd;                          /* -1: not known yet */
    char *host;                         /* kept until the pool's end: results point to it */
    uint64_t n_received;                /* messages from this incarnation */
    mpl_joint_t joint;                  /* from another host: a long record of which not all parts are here */
    int is_retired;                     /* it is given nothing more */
    int status;                         /* ENDING: how it ended */
    mpl_end_t end;
    uint64_t ending_until;              /* ENDING: until then its results are waited for */
    struct {                            /* ENDING on another host: what its page said there */
        uint64_t chunk, item, n_sent;
    } last;
    struct {                            /* the next one's hello, when it came before we heard of this one's end; 0: none */
        mpl_peer_t peer;
        uint64_t incarnation, tasks;
    } early;
    struct {                            /* a long result of which not all pieces are here */
        uint64_t chunk;
        uint32_t at;
        char *data;                     /* owned; NULL: none */
        size_t total, got;
    } piece;
} mpl_member_t;

/* The blocks of the arena that a chunk uses; in_len and out_len are 0 for none. By the chunk's index. */
typedef mpl_shm_t mpl_parcel_t;

/* Data for mpl_call_shared. A block that a newer one replaced is kept until no chunk sent before can see it. */
typedef struct mpl_share {
    char *name;
    uint64_t serial;                    /* in the order of sharing */
    uint64_t offset;
    size_t len;
    uint64_t replaced_at;               /* serial of the newest chunk then; 0: it is in force */
    struct {
        enum { MPL__NOT_THERE, MPL__ON_ITS_WAY, MPL__IS_THERE } state;
        int worker;                     /* ON_ITS_WAY: to whom */
    } *on;                              /* each of the pool's other hosts, as far as they are known */
    size_t n_on;
    struct mpl_share *next;
} mpl_share_t;

/* A thread that waits while another drives. */
typedef struct mpl_waiter {
    pthread_cond_t woken;
    int (*is_ready) (void *arg);
    void *arg;
    struct mpl_waiter *next;
} mpl_waiter_t;

struct mpl_pool {
    pthread_mutex_t lock;
    _Atomic int n_refs;                 /* the caller's, and one for each future and iterator */
    uint64_t id;                        /* no other pool of this process has had it */
    pid_t owner;                        /* the process that made it */
    mpl_pool_opts_t opts;               /* init_arg is our copy */
    uint16_t init_fn;
    int n_workers;                      /* numbers given out so far; all arrays have room for `capacity` */
    int capacity, n_wanted;
    int n_here;                         /* the first of them are on this host */
    mpl_pool_host_t *hosts;             /* the others */
    size_t n_hosts;
    mpl_control_t transport;            /* TRANSPORT: where the door may be */
    char way[MPL__CONTROL_TEXT];        /* its key and addresses; empty: it is not open */
    enum { MPL__OPEN, MPL__CLOSED, MPL__TERMINATED, MPL__BROKEN } state;
    char *broken_why;                   /* BROKEN */

    mpl_core_t *core;
    mpl_router_t *router;
    mpl_arena_t *arena;
    mpl_parcel_t *parcels;
    size_t n_parcels;
    uint64_t *cost_ns;                  /* by task: what one item takes; 0: not known */

    int channel, endpoint_fd, pages_fd;
    int agent_pidfd;                    /* of an agent that this process started; else -1 */
    mpl_page_t *pages;
    mpl_member_t *members;
    int n_serving, n_ending;
    int has_served;                     /* a worker has served once */
    uint64_t start_by;                  /* until then one must have */
    int is_channel_over;                /* every worker has ended */
    int is_leaving;                     /* goodbye was said to all */
    int n_restarts;                     /* of the agent, since restarts_since */
    uint64_t restarts_since;
    mpl_member_t *blamed;               /* the worker that DO_FAIL actions are about */
    mpl_share_t *shares;
    uint64_t n_shared;

    mpl_batch_t *ready;                 /* ring of batches with something to cut; points to the last */
    mpl_batch_t *running;               /* all that are not done */
    size_t n_running;
    mpl_future_t *callbacks, *last_callback;    /* done, their on_done not yet called */
    mpl_future_t *in_callback;

    int kick;                           /* eventfd: wakes the driver from its wait */
    int is_driven, is_blocked;
    uint64_t blocked_until;             /* when a blocked driver looks up by itself */
    mpl_waiter_t *waiters;
    pthread_t helper;
    int has_helper, helper_stops, is_helper_driving;
    pthread_cond_t helper_woken;
    uint64_t channel_looked_at;
};

/* ---- pool.c */
void mpl__pool_ref (mpl_pool_t *self);
void mpl__pool_unref (mpl_pool_t *self);
/* The pool is of no use any more: every batch fails with that reason. Lock held. */
void mpl__pool_break (mpl_pool_t *self, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));
/* Has the agent start the workers, over a new channel. 0, or -1 with *err. */
int mpl__pool_order (mpl_pool_t *self, mpl_err_t *err);
/* Who may connect to the doors of this process; made when it is first asked for. NULL with *err. */
mpl_zap_t *mpl__pool_zap (mpl_err_t *err);
/* 0 when `caller` may use the pool from here; else -1 with mpl_error. */
int mpl__pool_check (const mpl_pool_t *self, const char *caller);

/* ---- pump.c: all with the lock held */
/* Cuts and sends what there is room for. */
void mpl__pump (mpl_pool_t *self, uint64_t now);
/* The same while somebody drives or will: what is for busy workers is kept until an answer of theirs is taken, and
 * whoever takes one pumps. *due is when the core wants to look again. 1 when something was sent. */
int mpl__pump_lazily (mpl_pool_t *self, uint64_t now, uint64_t *due);
/* When the core wants to look again. */
uint64_t mpl__pump_due (mpl_pool_t *self, uint64_t now);
void mpl__parcel_free (mpl_pool_t *self, uint64_t chunk);
/* An item took ns_each. */
void mpl__learn_cost (mpl_pool_t *self, uint16_t fn, uint64_t ns, uint32_t n);

/* ---- receive.c */
/* Takes at most a bounded number of messages, and none after the last running batch is done; 1 when there may be more.
 * Lock held. */
int mpl__receive (mpl_pool_t *self, uint64_t now);

/* ---- members.c: all with the lock held */
void mpl__members_hear (mpl_pool_t *self, uint64_t now);               /* reads the channel */
void mpl__members_hello (mpl_pool_t *self, mpl_peer_t peer, const mpl_record_t *record, const uint8_t *body, uint64_t now);
void mpl__members_serve (mpl_pool_t *self, int worker);               /* it is prepared */
void mpl__members_dismiss (mpl_pool_t *self, int worker, const char *why);
uint64_t mpl__members_tick (mpl_pool_t *self, uint64_t now);           /* last words; when to look again */
void mpl__members_kill (mpl_pool_t *self);                             /* all that are known, by pidfd, at once */
void mpl__members_goodbye (mpl_pool_t *self);
void mpl__members_lose (mpl_pool_t *self, int worker, uint64_t now);   /* it is gone with its host */
mpl_ran_t mpl__members_ran (const mpl_pool_t *self, int worker, double seconds);
void mpl__members_tell_share (mpl_pool_t *self, int worker, const mpl_share_t *share);

/* ---- driver.c */
/* Waits until is_ready (arg), driving the pool if nobody else does. Lock held, released while waiting. 0; -1 with errno:
 * ETIMEDOUT, EDEADLK (called from an on_done callback). */
int mpl__wait (mpl_pool_t *self, int (*is_ready) (void *arg), void *arg, uint64_t deadline);
/* After something was submitted that nobody waits for: sends it, and sees to it that somebody drives. Lock held. */
void mpl__nudge (mpl_pool_t *self);
/* 1 in a thread that is inside an on_done callback. */
int mpl__is_in_callback (void);
/* Wakes the driver if it is blocked: something happened that no descriptor tells. Lock held. */
void mpl__kick (mpl_pool_t *self);
/* Starts the helper thread if there is none. Without one (EAGAIN) results are taken when main comes to wait. Lock
 * held. */
void mpl__need_helper (mpl_pool_t *self);
void mpl__stop_helper (mpl_pool_t *self);

void mpl__members_prepare (mpl_pool_t *self, int worker);             /* it said hello: what it needs before it serves */

/* ---- share.c: with the lock held */
void mpl__shares_free (mpl_pool_t *self);
/* Tells a worker of all that is shared. 1: it knows all; 0: some of it is on its way to its host, and it must wait. */
int mpl__shares_tell (mpl_pool_t *self, int worker);
/* A worker on another host has the data with that serial, and so has its host. */
void mpl__shares_arrived (mpl_pool_t *self, int worker, uint64_t serial);
/* A host that was lost is there again, and has nothing. */
void mpl__shares_forget_host (mpl_pool_t *self, size_t host);
/* A worker is gone: what was on its way to it must go to another. */
void mpl__shares_lost (mpl_pool_t *self, int worker);

/* ---- future.c */
/* Its batch is done; the callback, if any, is due. Lock held. */
void mpl__future_done (mpl_batch_t *batch);
/* Calls the first callback that is due, without the lock meanwhile. Lock held. */
void mpl__future_call (mpl_pool_t *self);

/* ---- driver.c
   Runs the callbacks that are due, without the lock meanwhile. Lock held. 1 if there were any. */
int mpl__run_callbacks (mpl_pool_t *self);

/* ---- progress.c */
/* Draws the bars that are due; the instant of the next. Lock held. */
uint64_t mpl__progress (mpl_pool_t *self, uint64_t now);
void mpl__progress_end (mpl_batch_t *batch);

#endif
