/* Who waits for the pool's descriptors. One thread at a time is the driver: a thread inside a blocking call, or,
 * while main is off computing with work outstanding, the helper thread. The driver alone waits, outside the lock, on
 * the ROUTER's ZMQ_FD, the kick and the agent's channel; the others wait on a condition of their own and are woken
 * when what they wait for is there, or when it is their turn to drive.
 *
 * ZMQ_FD is edge-triggered: whoever touches the ROUTER under the lock may swallow the edge that the blocked driver
 * waits for, so it looks for pending input afterwards and kicks the driver if there is some (mpl__nudge). Without
 * that it stalls for good. */
#include "pool/pool.h"
#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CHANNEL_LOOK_NS 2000000u        /* a driver that never blocks hears of deaths this late at most */
#define HELPER_STACK (256u * 1024)

static _Thread_local int is_in_callback;

static uint64_t earlier (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void mpl__kick (mpl_pool_t *self)
{
    uint64_t one = 1;

    if (self->is_blocked && write (self->kick, &one, sizeof one) == sizeof one)
        self->is_blocked = 0;           /* once is enough */
}

/* ---- one turn -------------------------------------------------------------------------------------------------- */

static void wake_ready (mpl_pool_t *self)
{
    for (mpl_waiter_t *waiter = self->waiters; waiter; waiter = waiter->next)
        if (waiter->is_ready (waiter->arg))
            pthread_cond_signal (&waiter->woken);
}

/* Takes what is there, unless it is known that there is nothing, and sends what there is room for. 1 when there is
 * more at once. Each look at an empty socket costs a system call, and a short apply is made of few. */
static int work (mpl_pool_t *self, int is_input, uint64_t *due)
{
    uint64_t now = mpl__clock_ns ();

    *due = MPL__NEVER;

    if (now - self->channel_looked_at > CHANNEL_LOOK_NS) {
        self->channel_looked_at = now;
        mpl__members_hear (self, now);
    }
    int more = is_input && mpl__receive (self, now);
    if (is_input && !self->n_running && !self->callbacks && !self->waiters) {
        mpl__router_flush (self->router);
        return more;                    /* that was all there is to do */
    }
    mpl__pump (self, now);
    *due = earlier (mpl__members_tick (self, now), mpl__pump_due (self, now));
    *due = earlier (*due, mpl__progress (self, now));
    more |= mpl__run_callbacks (self);
    if (self->waiters)
        wake_ready (self);
    return more;
}

/* Waits for something to happen. */
static void block (mpl_pool_t *self, uint64_t due)
{
    struct pollfd fds[] = {
        { .fd = mpl__router_fd (self->router), .events = POLLIN },
        { .fd = self->kick, .events = POLLIN },
        { .fd = self->is_channel_over ? -1 : self->channel, .events = POLLIN },
        { .fd = mpl__router_door_fd (self->router), .events = POLLIN }
    };
    uint64_t count;

    if (mpl__router_pending (self->router))
        return;
    self->is_blocked = 1;
    self->blocked_until = due;
    pthread_mutex_unlock (&self->lock);
    int n = poll (fds, 4, mpl__clock_poll_ms (due, mpl__clock_ns ()));
    pthread_mutex_lock (&self->lock);
    self->is_blocked = 0;
    if (n > 0 && fds[1].revents && read (self->kick, &count, sizeof count) < 0)
        return;
    if (n > 0 && fds[2].revents)
        self->channel_looked_at = 0;
}

/* ---- driving --------------------------------------------------------------------------------------------------- */

/* Somebody else is to drive from here: a thread that waits, or the helper while there is work and nobody waits. */
static void hand_over (mpl_pool_t *self)
{
    self->is_driven = 0;
    if (self->waiters)
        pthread_cond_signal (&self->waiters->woken);
    else if (self->has_helper && (self->n_running || self->callbacks))
        pthread_cond_signal (&self->helper_woken);
}

/* Drives until it is ready, or the deadline has passed. Input that came before is found before the first wait. */
static void drive (mpl_pool_t *self, int (*is_ready) (void *), void *arg, uint64_t deadline)
{
    int is_input = 0;
    uint64_t due;

    self->is_driven = 1;
    for (;;) {
        int more = work (self, is_input, &due);
        if (is_ready (arg) || (deadline != MPL__NEVER && mpl__clock_ns () >= deadline))
            break;
        if (!more)
            block (self, earlier (due, deadline));
        is_input = 1;
    }
    hand_over (self);
}

static int wait_for_turn (mpl_pool_t *self, mpl_waiter_t *waiter, uint64_t deadline)
{
    if (deadline == MPL__NEVER)
        return pthread_cond_wait (&waiter->woken, &self->lock);
    struct timespec at = { (time_t) (deadline / MPL__NS_PER_S), (long) (deadline % MPL__NS_PER_S) };
    return pthread_cond_timedwait (&waiter->woken, &self->lock, &at);
}

static int init_condition (pthread_cond_t *condition)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init (&attr);

    if (rc)
        return rc;
    pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
    rc = pthread_cond_init (condition, &attr);
    pthread_condattr_destroy (&attr);
    return rc;
}

/* While another thread drives: until it is ready, nobody drives, or the deadline. */
static void wait_beside (mpl_pool_t *self, int (*is_ready) (void *), void *arg, uint64_t deadline)
{
    mpl_waiter_t waiter = { .is_ready = is_ready, .arg = arg };
    mpl_waiter_t **at = &self->waiters;

    if (init_condition (&waiter.woken))
        return;
    while (*at)                             /* first come, first to drive */
        at = &(*at)->next;
    *at = &waiter;
    while (!is_ready (arg) && self->is_driven)
        if (wait_for_turn (self, &waiter, deadline) == ETIMEDOUT)
            break;
    for (at = &self->waiters; *at != &waiter; at = &(*at)->next)
        ;
    *at = waiter.next;
    pthread_cond_destroy (&waiter.woken);
}

int mpl__wait (mpl_pool_t *self, int (*is_ready) (void *arg), void *arg, uint64_t deadline)
{
    if (is_ready (arg))
        return 0;
    if (is_in_callback)
        return mpl__fail (EDEADLK, "a callback given to mpl_future_on_done may submit work, but not wait for any");
    while (!is_ready (arg)) {
        if (deadline != MPL__NEVER && mpl__clock_ns () >= deadline) {
            errno = ETIMEDOUT;
            break;
        }
        if (self->is_driven)
            wait_beside (self, is_ready, arg, deadline);
        else
            drive (self, is_ready, arg, deadline);
    }
    if (!self->is_driven)                   /* woken to drive, but ready as well: the next one's turn */
        hand_over (self);
    return is_ready (arg) ? 0 : -1;
}

int mpl__is_in_callback (void) { return is_in_callback; }

int mpl__run_callbacks (mpl_pool_t *self)
{
    int ran = 0;

    while (self->callbacks && !self->in_callback) {
        is_in_callback = 1;
        mpl__future_call (self);
        is_in_callback = 0;
        ran = 1;
    }
    return ran;
}

/* ---- while nobody waits ---------------------------------------------------------------------------------------- */

void mpl__nudge (mpl_pool_t *self)
{
    uint64_t now = mpl__clock_ns (), due;
    int is_touched = mpl__pump_lazily (self, now, &due);
    int has_news = is_touched && mpl__router_pending (self->router), is_left = 0;

    if (has_news) {
        mpl__receive (self, now);
        mpl__pump (self, now);                      /* those answers were what kept records waited for */
        is_left = mpl__router_pending (self->router);
    }
    if (!self->is_driven) {
        hand_over (self);
        return;
    }
    if (has_news)
        wake_ready (self);                          /* what another waits for may have come */
    if (self->callbacks || is_left || (has_news && !self->is_helper_driving) || due < self->blocked_until)
        mpl__kick (self);
}

static int helper_is_free (void *arg)
{
    mpl_pool_t *self = arg;

    return self->helper_stops || self->waiters || (!self->n_running && !self->callbacks);
}

static void *help (void *arg)
{
    mpl_pool_t *self = arg;

    pthread_mutex_lock (&self->lock);
    while (!self->helper_stops) {
        if (self->is_driven || helper_is_free (self))
            pthread_cond_wait (&self->helper_woken, &self->lock);
        else {
            self->is_helper_driving = 1;
            drive (self, helper_is_free, self, MPL__NEVER);
            self->is_helper_driving = 0;
        }
    }
    pthread_mutex_unlock (&self->lock);
    return NULL;
}

void mpl__need_helper (mpl_pool_t *self)
{
    pthread_attr_t attr;
    sigset_t all, old;

    if (self->has_helper || pthread_attr_init (&attr))
        return;
    if (init_condition (&self->helper_woken) == 0) {
        pthread_attr_setstacksize (&attr, HELPER_STACK);
        sigfillset (&all);                  /* the program's signals are for its own threads */
        pthread_sigmask (SIG_SETMASK, &all, &old);
        self->has_helper = pthread_create (&self->helper, &attr, help, self) == 0;
        pthread_sigmask (SIG_SETMASK, &old, NULL);
    }
    pthread_attr_destroy (&attr);
}

void mpl__stop_helper (mpl_pool_t *self)
{
    if (!self->has_helper)
        return;
    self->helper_stops = 1;
    pthread_cond_signal (&self->helper_woken);
    mpl__kick (self);
    pthread_mutex_unlock (&self->lock);
    pthread_join (self->helper, NULL);
    pthread_mutex_lock (&self->lock);
    self->has_helper = 0;
    pthread_cond_destroy (&self->helper_woken);
}
