/* Workers coming and going: hello, preparing, serving, last words, gone. What the agent says arrives on the pool's
 * channel. */
#include "pool/pool.h"
#include "pool/link.h"
#include "pool/process.h"
#include "base/clock.h"
#include "base/fd.h"
#include "worker/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESTARTS_MAX 5                          /* of the agent in a minute */
#define KILL_LIMIT_MS 200                       /* for its workers to be gone after SIGKILL */

mpl_ran_t mpl__members_ran (const mpl_pool_t *self, int worker, double seconds)
{
    return (mpl_ran_t) { worker, worker >= 0 ? self->members[worker].host : NULL, seconds };
}

static mpl_page_t *page_of (mpl_pool_t *self, int worker)
{
    return &self->pages[mpl__page_index ((unsigned) worker, self->members[worker].incarnation)];
}

/* ---- hello ----------------------------------------------------------------------------------------------------- */

void mpl__members_tell_share (mpl_pool_t *self, int worker, const mpl_share_t *share)
{
    size_t name = strlen (share->name);
    uint8_t *body = mpl__router_add (self->router, worker, &(mpl_record_t) { .type = MPL__SHARE, .chunk = share->serial },
                                     MPL__SHM_BYTES + name);

    if (!body)
        return;
    mpl__shm_put (body, &(mpl_shm_t) { .in = share->offset, .in_len = share->len });
    memcpy (body + MPL__SHM_BYTES, share->name, name);
}

static void say_goodbye (mpl_pool_t *self, int worker)
{
    mpl__router_add (self->router, worker, &(mpl_record_t) { .type = MPL__BYE }, 0);
}

void mpl__members_prepare (mpl_pool_t *self, int worker)
{
    if (self->is_leaving) {                     /* one that came late: there is nothing to do any more */
        mpl__members_serve (self, worker);
        return;
    }
    self->members[worker].state = MPL__GREETED;
    if (!mpl__shares_tell (self, worker))
        return;                                 /* called again when they are there */
    if (!self->opts.initializer) {
        mpl__members_serve (self, worker);
        return;
    }
    self->members[worker].state = MPL__PREPARING;
    uint8_t *body = mpl__router_add (self->router, worker, &(mpl_record_t) { .type = MPL__INIT, .fn = self->init_fn },
                                     self->opts.init_len + 1);
    if (body && self->opts.init_len)
        memcpy (body, self->opts.init_arg, self->opts.init_len);
    if (body)
        body[self->opts.init_len] = '\0';           /* a string's own, or one byte that nobody looks at */
    mpl__router_flush (self->router);
}

static void finish_ending (mpl_pool_t *self, int worker);

/* News of a later incarnation: the one we know of is gone for good. */
static void catch_up (mpl_pool_t *self, int worker, uint64_t incarnation)
{
    mpl_member_t *member = &self->members[worker];

    if (incarnation <= member->incarnation)
        return;
    if (member->state == MPL__ENDING)
        finish_ending (self, worker);
    if (member->state == MPL__ABSENT)
        member->incarnation = incarnation;
}

/* Who is at the other end is known: it is told what it needs. `name` is its host's, of len bytes. */
static void greet (mpl_pool_t *self, int worker, mpl_peer_t peer, uint64_t tasks, const char *name, size_t len)
{
    mpl_member_t *member = &self->members[worker];

    if (tasks != mpl__tasks_hash (mpl__self.tasks, mpl__self.n_tasks)) {
        mpl__pool_break (self, "worker %d has another task table than main; does the program register the same tasks in "
                         "every process?", worker);
        return;
    }
    if (!member->host)
        member->host = strndup (name, len);
    member->n_received = 1;
    mpl__router_name (self->router, worker, peer);
    mpl__members_prepare (self, worker);
}

/* From another host a hello comes straight, and the end of its predecessor over two agents and the launcher. */
static void greet_early (mpl_pool_t *self, int worker)
{
    mpl_member_t *member = &self->members[worker];
    const mpl_pool_host_t *host = mpl__far_host (self, worker);

    if (!member->early.peer || member->early.incarnation < member->incarnation || !host)
        return;
    member->incarnation = member->early.incarnation;
    mpl_peer_t peer = member->early.peer;
    member->early.peer = 0;
    if (self->state <= MPL__CLOSED)
        greet (self, worker, peer, member->early.tasks, host->name, strlen (host->name));
}

void mpl__members_hello (mpl_pool_t *self, mpl_peer_t peer, const mpl_record_t *record, const uint8_t *body, uint64_t now)
{
    int worker = (int) record->at;

    mpl__members_hear (self, now);              /* how its predecessor ended was said before */
    if (record->at >= (uint32_t) self->n_workers || record->fn != MPL__PROTOCOL)
        return;
    mpl_member_t *member = &self->members[worker];
    catch_up (self, worker, record->n);
    if (member->incarnation > record->n || self->state > MPL__CLOSED || !mpl__far_is_from (self, worker))
        return;                                 /* one that ended meanwhile */
    if (member->incarnation < record->n) {
        member->early.peer = peer;
        member->early.incarnation = record->n;
        member->early.tasks = record->first;
    } else if (member->state <= MPL__STARTED) {
        const mpl_pool_host_t *host = mpl__far_host (self, worker);
        greet (self, worker, peer, record->first, host ? host->name : (const char *) body, host ? strlen (host->name) : record->bytes);
    }
}

void mpl__members_serve (mpl_pool_t *self, int worker)
{
    mpl_member_t *member = &self->members[worker];

    if (self->is_leaving) {
        say_goodbye (self, worker);
        mpl__router_flush (self->router);
        return;
    }
    /* Its READY may come after the news of its end: a dead worker is given nothing, and its end is not forgotten. */
    if ((member->state != MPL__GREETED && member->state != MPL__PREPARING) || mpl__core_join (self->core, worker) < 0)
        return;
    member->state = MPL__SERVING;
    self->n_serving++;
    self->has_served = 1;
    if (member->is_retired)
        mpl__core_retire (self->core, worker);
}

void mpl__members_dismiss (mpl_pool_t *self, int worker, const char *why)
{
    mpl_member_t *member = &self->members[worker];
    mpl_control_t order = { .type = MPL__C_DISMISS, .slot = (uint64_t) worker, .incarnation = member->incarnation };

    const mpl_pool_host_t *host = mpl__far_host (self, worker);

    order.pool = host != NULL;
    order.node = host ? host->node : 0;
    fprintf (stderr, "mplaunch: worker %d is replaced: it sent %s\n", worker, why);
    mpl__control_send (self->channel, &order, NULL, 0);
}

/* ---- the end of one -------------------------------------------------------------------------------------------- */

typedef struct {
    mpl_pool_t *pool;
} forget_t;

static void forget_parcel (void *arg, uint64_t chunk, uint32_t n, uint32_t n_answered)
{
    (void) n;
    (void) n_answered;
    mpl__parcel_free (((forget_t *) arg)->pool, chunk);
}

/* What the page says of one that has ended; from another host its agent says it. */
static void read_page (mpl_pool_t *self, int worker)
{
    mpl_member_t *member = &self->members[worker];
    const mpl_page_t *page = page_of (self, worker);

    member->last.chunk = atomic_load_explicit (&page->chunk, memory_order_acquire);
    member->last.item = mpl__page_culprit (page, member->last.chunk, member->end == MPL__END_OWN);
    member->last.n_sent = atomic_load_explicit (&page->n_sent, memory_order_acquire);
}

/* All that could still come from it has come. The item it was on is charged, the rest goes to others. */
static void finish_ending (mpl_pool_t *self, int worker)
{
    mpl_member_t *member = &self->members[worker];
    if (worker < self->n_here)
        read_page (self, worker);
    uint64_t chunk = member->last.chunk, item = member->last.item;
    int is_blamed = member->end == MPL__END_TIMEOUT || member->end == MPL__END_MEMORY;
    forget_t forget = { self };

    self->n_ending--;
    self->blamed = member;
    if (mpl__core_held (self->core, worker) >= 0) {
        self->n_serving--;
        mpl__core_each_held (self->core, worker, forget_parcel, &forget);
        if (mpl__core_leave (self->core, worker, is_blamed ? MPL__LEFT_BLAMED : MPL__LEFT_CRASHED, item ? chunk : 0,
                             (uint32_t) (item - 1)) < 0)
            mpl__pool_break (self, "there is no memory to run the work of a dead worker again");
    }
    mpl__router_forget (self->router, worker);
    free (member->piece.data);
    memset (&member->piece, 0, sizeof member->piece);
    memset (&member->last, 0, sizeof member->last);
    mpl__joint_clear (&member->joint);
    member->state = MPL__ABSENT;
    member->is_retired = 0;
    member->incarnation++;
    mpl__shares_lost (self, worker);
    greet_early (self, worker);
    mpl__pump (self, mpl__clock_ns ());         /* failures of this worker are told while it is the one to blame */
}

static void has_ended (mpl_pool_t *self, int worker, int status, mpl_end_t end, uint64_t now)
{
    mpl_member_t *member = &self->members[worker];

    if (member->state == MPL__ENDING)
        return;
    member->state = MPL__ENDING;
    member->status = status;
    member->end = end;
    member->ending_until = now + (worker < self->n_here ? MPL__LAST_WORDS_NS : MPL__FAR_LAST_WORDS_NS);
    mpl__fd_close (&member->pidfd);
    self->n_ending++;
}

uint64_t mpl__members_tick (mpl_pool_t *self, uint64_t now)
{
    uint64_t due = MPL__NEVER;

    if (!self->has_served && self->n_running && self->state != MPL__BROKEN) {
        if (now >= self->start_by)
            mpl__pool_break (self, "no worker has started within a minute");
        else
            due = self->start_by;
    }
    for (int w = 0; self->n_ending && w < self->n_workers; w++) {
        mpl_member_t *member = &self->members[w];
        if (member->state != MPL__ENDING)
            continue;
        if (w < self->n_here)
            read_page (self, w);
        if (now >= member->ending_until || member->n_received >= member->last.n_sent)
            finish_ending (self, w);
        else
            due = member->ending_until < due ? member->ending_until : due;
    }
    return due;
}

/* ---- the agent's loss ------------------------------------------------------------------------------------------ */

/* Until the process is gone, its descriptors closed with it, or the deadline. */
static void wait_for_death (int pidfd, uint64_t deadline)
{
    struct pollfd gone = { .fd = pidfd, .events = POLLIN };

    if (pidfd >= 0)
        poll (&gone, 1, mpl__clock_poll_ms (deadline, mpl__clock_ns ()));
}

void mpl__members_kill (mpl_pool_t *self)
{
    uint64_t deadline = mpl__clock_in_ms (KILL_LIMIT_MS);

    if (self->agent_pidfd >= 0)                 /* a nursery ends with its agent */
        syscall (SYS_pidfd_send_signal, self->agent_pidfd, SIGKILL, NULL, 0);
    for (int w = 0; w < self->n_workers; w++)
        if (self->members[w].pidfd >= 0)
            syscall (SYS_pidfd_send_signal, self->members[w].pidfd, SIGKILL, NULL, 0);
    wait_for_death (self->agent_pidfd, deadline);       /* or its link might still look alive */
    for (int w = 0; w < self->n_workers; w++)
        wait_for_death (self->members[w].pidfd, deadline);
}

/* Twice, since the old agent may still have been closing its descriptors when the order went to it. */
static int reopen (mpl_pool_t *self, mpl_err_t *err)
{
    int rc = -1;

    for (int i = 0; i < 2 && rc < 0; i++) {
        mpl__link_lost ();
        if (mpl__link_open (self->n_workers, err) < 0)
            return -1;
        mpl__link_close ();                     /* this pool is counted already */
        rc = mpl__pool_order (self, err);
        if (rc < 0 && errno != EPIPE)
            return -1;
    }
    return rc;
}

void mpl__members_lose (mpl_pool_t *self, int worker, uint64_t now)
{
    mpl_member_t *member = &self->members[worker];

    if (member->state == MPL__ABSENT)
        return;
    has_ended (self, worker, SIGKILL, MPL__END_TERMINATED, now);
    if (worker < self->n_here)
        atomic_store (&page_of (self, worker)->item, 0);
    memset (&member->last, 0, sizeof member->last);         /* nobody's item is charged for it */
    memset (&member->early, 0, sizeof member->early);
    finish_ending (self, worker);
}

static void lost_agent (mpl_pool_t *self, uint64_t now)
{
    mpl_err_t err = { 0 };
    uint64_t highest = 0;

    mpl__members_kill (self);       /* they end by themselves; but their items are about to run again, so it must be sure */
    for (int w = 0; w < self->n_workers; w++) {
        mpl__members_lose (self, w, now);
        highest = self->members[w].incarnation > highest ? self->members[w].incarnation : highest;
    }
    for (int w = 0; w < self->n_workers; w++)
        self->members[w].incarnation = highest;
    if (now - self->restarts_since > 60 * (uint64_t) MPL__NS_PER_S) {
        self->restarts_since = now;
        self->n_restarts = 0;
    }
    mpl__fd_close (&self->channel);
    if (++self->n_restarts > RESTARTS_MAX)
        mpl__pool_break (self, "its agent (mpworker) was lost %d times in a minute", self->n_restarts);
    else if (reopen (self, &err) < 0)
        mpl__pool_break (self, "its agent (mpworker) was lost and cannot be started again: %s", err.text);
    if (self->channel < 0)
        self->is_channel_over = 1;
}

/* ---- the channel ----------------------------------------------------------------------------------------------- */

static void has_started (mpl_pool_t *self, const mpl_control_t *message, int *pidfd)
{
    mpl_member_t *member = &self->members[message->slot];

    if (member->incarnation != message->incarnation)
        return;
    member->pid = (pid_t) message->pid;
    member->pidfd = *pidfd;
    *pidfd = -1;
    if (member->state == MPL__ABSENT)
        member->state = MPL__STARTED;
}

/* Its slot is wanted by somebody else: what it is on it finishes, the rest is given to others. */
static void retire (mpl_pool_t *self, const mpl_control_t *message, uint64_t now)
{
    mpl_member_t *member = &self->members[message->slot];

    if (member->incarnation != message->incarnation || member->state == MPL__ENDING)
        return;
    member->is_retired = 1;
    if (member->state == MPL__SERVING && mpl__core_retire (self->core, (int) message->slot) == 0)
        mpl__pump (self, now);
}

static void take_message (mpl_pool_t *self, const mpl_control_t *message, int *fds, uint64_t now)
{
    int is_of_worker = message->type == MPL__C_SPAWNED || message->type == MPL__C_EXITED || message->type == MPL__C_LAST
                       || message->type == MPL__C_RETIRE;

    if (is_of_worker && message->slot < (uint64_t) self->n_workers)
        catch_up (self, (int) message->slot, message->incarnation);
    switch (message->type) {
    case MPL__C_SPAWNED:
        if (message->slot < (uint64_t) self->n_workers)
            has_started (self, message, &fds[0]);
        break;
    case MPL__C_EXITED:
        if (message->slot < (uint64_t) self->n_workers
            && self->members[message->slot].incarnation == message->incarnation)
            has_ended (self, (int) message->slot, (int) message->status, (mpl_end_t) message->end, now);
        break;
    case MPL__C_RETIRE:
        if (message->slot < (uint64_t) self->n_workers)
            retire (self, message, now);
        break;
    case MPL__C_HELLO:
        mpl__fd_close (&self->agent_pidfd);
        self->agent_pidfd = fds[0];
        fds[0] = -1;
        break;
    case MPL__C_BROKEN:
        if (message->pool)
            mpl__far_take (self, message, now);
        else
            mpl__pool_break (self, "%s", message->text);
        break;
    default:
        mpl__far_take (self, message, now);
        break;
    }
}

void mpl__members_hear (mpl_pool_t *self, uint64_t now)
{
    mpl_control_t message;
    int fds[MPL__FDS_MAX], rc = -1;

    while (!self->is_channel_over && (rc = mpl__control_recv (self->channel, &message, fds)) == 1) {
        take_message (self, &message, fds, now);
        mpl__fd_close_all (fds, MPL__FDS_MAX);
    }
    if (self->is_channel_over || (rc < 0 && errno == EAGAIN))
        return;
    if (self->is_leaving || self->state == MPL__TERMINATED || self->state == MPL__BROKEN)
        self->is_channel_over = 1;
    else
        lost_agent (self, now);
}

void mpl__members_goodbye (mpl_pool_t *self)
{
    mpl_control_t closing = { .type = MPL__C_CLOSING };

    self->is_leaving = 1;
    mpl__control_send (self->channel, &closing, NULL, 0);
    mpl__far_tell_all (self, MPL__C_CLOSING);
    for (int w = 0; w < self->n_workers; w++)
        if (self->members[w].state == MPL__SERVING)
            say_goodbye (self, w);
    mpl__router_flush (self->router);
}
