#include "worker/crewself.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mark.h"
#include "base/proc.h"
#include "base/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASKED_MAX 16            /* SPAWNs a nursery has unanswered: their descriptors wait in its socket */
#define EARLY_MAX 3             /* workers in a row that end before they serve, and the pool is broken */

/* ---- what main hears ------------------------------------------------------------------------------------------- */

/* Main reads its channel when it waits for something, and may compute for long before; what it has not heard is kept. */
void mpl__crew_tell (mpl_crew_t *self, const mpl_control_t *message, int fd)
{
    if (self->is_far) {
        mpl_control_t copy = *message;
        copy.pool = self->pool;
        copy.node = self->node;
        if (self->agent->tell_launcher)
            self->agent->tell_launcher (self->agent, &copy);
        return;
    }
    if (mpl__news_send (&self->news, self->fds[CHANNEL], message, fd) < 0 && self->state != TERMINATING) {
        fprintf (stderr, "mplaunch: main has not listened for so long that its pool of %u workers is ended\n", self->n);
        mpl__crew_terminate (self);
    }
    if (self->source)
        mpl__loop_want (self->agent->loop, self->source, self->news.first ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void tell_broken (mpl_crew_t *self, const char *why)
{
    mpl_control_t message = { .type = MPL__C_BROKEN };

    snprintf (message.text, sizeof message.text, "%s", why);
    mpl__crew_tell (self, &message, -1);
    mpl__crew_terminate (self);
}

/* ---- starting -------------------------------------------------------------------------------------------------- */

typedef enum { IS_ASKED, NOT_YET, NOBODY } asked_t;

static asked_t ask (mpl_crew_t *self, unsigned i)
{
    member_t *member = &self->members[i];
    mpl_err_t err;
    mpl_held_t *nursery = mpl__agent_nursery (self->agent, self->first_slot + i, (int) self->n, &err);

    if (!nursery) {
        tell_broken (self, err.text);
        return NOBODY;
    }
    if (nursery->n_asked >= ASKED_MAX || (self->is_far && !mpl__crew_may_use (self, nursery)))
        return NOT_YET;
    member->mark = ++self->agent->n_marks % (MPL__MARKS - 1) + 1;
    mpl_control_t order = { .type = MPL__C_SPAWN, .pool = self->pool, .slot = self->first_slot + i, .memory = self->memory,
                            .incarnation = member->incarnation, .mark = member->mark };
    if (self->is_far)
        snprintf (order.text, sizeof order.text, "%s", self->way);
    if (mpl__control_send (nursery->sock, &order, &self->fds[ENDPOINT], 3) < 0)
        return NOT_YET;
    nursery->n_asked++;
    member->nursery = nursery;
    member->presence = ASKED;
    self->n_present++;
    return IS_ASKED;
}

void mpl__crew_fill (mpl_crew_t *self)
{
    for (unsigned i = 0; i < self->n_allowed && self->state == OPEN; i++)
        if (self->members[i].presence == ABSENT && ask (self, i) == NOBODY)
            return;
}

/* ---- slots that are wanted back -------------------------------------------------------------------------------- */

/* How many of n workers may be there when n_slots of of_slots are used. */
static unsigned allowed (unsigned n, uint64_t n_slots, uint64_t of_slots)
{
    uint64_t share = of_slots ? (n * n_slots + of_slots - 1) / of_slots : n;

    return share < n ? (unsigned) share : n;
}

/* Main lets it go when its work is done: it alone knows what that is. */
static void retire (mpl_crew_t *self, unsigned i)
{
    member_t *member = &self->members[i];
    mpl_control_t message = { .type = MPL__C_RETIRE, .slot = self->first_slot + i, .incarnation = member->incarnation };

    if (i < self->n_allowed || member->presence != RUNNING || member->is_retired)
        return;
    member->is_retired = 1;
    mpl__crew_tell (self, &message, -1);
}

void mpl__crew_use_slots (mpl_crew_t *self, uint64_t n, uint64_t of)
{
    self->n_allowed = allowed (self->n, n, of);
    for (unsigned i = self->n_allowed; i < self->n; i++)
        retire (self, i);
    mpl__crew_fill (self);
}

int mpl__crew_keeps_to_slots (const mpl_crew_t *self)
{
    for (unsigned i = self->n_allowed; i < self->n; i++)
        if (self->members[i].presence != ABSENT)
            return 0;
    return 1;
}

void mpl__crew_take_order (mpl_crew_t *self, const mpl_control_t *message)
{
    uint64_t i = message->slot - self->first_slot;

    if (message->type == MPL__C_CLOSING) {
        self->state = self->state == OPEN ? CLOSING : self->state;
    } else if (message->type == MPL__C_TERMINATE) {
        mpl__crew_terminate (self);
    } else if (message->type == MPL__C_DISMISS && i < self->n) {
        member_t *member = &self->members[i];
        if (member->presence == RUNNING && member->incarnation == message->incarnation) {
            member->end = MPL__END_DISMISSED;
            syscall (SYS_pidfd_send_signal, member->pidfd, SIGKILL, NULL, 0);
        }
    }
}

static void heard_main (void *arg, uint32_t events)
{
    mpl_crew_t *self = arg;
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    if (events & EPOLLOUT && !mpl__news_flush (&self->news, self->fds[CHANNEL]))
        mpl__loop_want (self->agent->loop, self->source, EPOLLIN);
    int rc = mpl__control_recv (self->fds[CHANNEL], &message, fds);
    if (rc < 0 && errno == EAGAIN)
        return;
    mpl__fd_close_all (fds, MPL__FDS_MAX);
    if (rc <= 0) {
        mpl__loop_remove (self->agent->loop, &self->source);
        mpl__crew_terminate (self);
        mpl__crew_terminate_far (self);
    } else if (!mpl__crew_pass_on (self, &message)) {
        mpl__crew_take_order (self, &message);
    }
}

static int map_pages (mpl_crew_t *self)
{
    struct stat file;

    self->pages_bytes = (size_t) (self->first_slot + self->n) * 2 * sizeof (mpl_page_t);
    if (fstat (self->fds[PAGES], &file) < 0 || (size_t) file.st_size < self->pages_bytes) {
        errno = EPROTO;
        return -1;
    }
    self->pages = mmap (NULL, self->pages_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->fds[PAGES], 0);
    if (self->pages == MAP_FAILED) {
        self->pages = NULL;
        return -1;
    }
    return 0;
}

static mpl_crew_t *new_crew (mpl_agent_t *agent, uint64_t pool, const mpl_control_t *order)
{
    mpl_crew_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    *self = (mpl_crew_t) { .agent = agent, .pool = pool, .n = (unsigned) order->workers,
                           .n_allowed = allowed ((unsigned) order->workers, agent->n_slots, agent->of_slots),
                           .first_slot = (unsigned) order->first_slot, .timeout_ns = order->timeout_ns,
                           .memory = order->memory, .fds = { -1, -1, -1, -1 } };
    if (!(self->members = calloc (self->n + 1, sizeof *self->members)))
        mpl__crew_destroy (&self);
    for (unsigned i = 0; self && i < self->n; i++)
        self->members[i] = (member_t) { .incarnation = order->incarnation, .pidfd = -1, .kill_at = MPL__NEVER };
    return self;
}

mpl_crew_t *mpl__crew_new (mpl_agent_t *agent, uint64_t pool, const mpl_control_t *order, int *fds)
{
    mpl_crew_t *self = new_crew (agent, pool, order);

    if (!self)
        return NULL;
    memcpy (self->fds, fds, sizeof self->fds);
    for (size_t i = 0; i < MPL__FDS_MAX; i++)
        fds[i] = -1;
    if (map_pages (self) < 0)
        goto fail;
    fcntl (self->fds[CHANNEL], F_SETFL, O_NONBLOCK);
    if (!(self->source = mpl__loop_add (agent->loop, self->fds[CHANNEL], EPOLLIN, heard_main, self)))
        goto fail;
    if (agent->own_pidfd)
        mpl__crew_tell (self, &(mpl_control_t) { .type = MPL__C_HELLO, .pid = (uint64_t) getpid () }, agent->own_pidfd);
    mpl__crew_fill (self);
    return self;
fail:
    mpl__crew_destroy (&self);
    return NULL;
}

mpl_crew_t *mpl__crew_new_far (mpl_agent_t *agent, const mpl_control_t *order)
{
    mpl_crew_t *self = new_crew (agent, order->pool, order);

    if (!self)
        return NULL;
    self->is_far = 1;
    self->node = order->node;
    if (mpl__crew_find_way (self, order->text) < 0 || mpl__crew_make_memory (self) < 0 || map_pages (self) < 0) {
        mpl__crew_destroy (&self);
        return NULL;
    }
    mpl__crew_fill (self);
    return self;
}

/* ---- coming and going ------------------------------------------------------------------------------------------ */

static member_t *find (mpl_crew_t *self, const mpl_control_t *report)
{
    uint64_t i = report->slot - self->first_slot;

    return i < self->n && self->members[i].incarnation == report->incarnation ? &self->members[i] : NULL;
}

static int is_stopped (pid_t pid)
{
    char state = mpl__proc_state (pid, NULL);

    return state == 'T' || state == 't';
}

/* TERM, and KILL a second later; a stopped process would not notice TERM. */
static void end_member (member_t *member, mpl_end_t why)
{
    if (member->presence != RUNNING || member->kill_at != MPL__NEVER)
        return;
    int signal = is_stopped (member->pid) ? SIGKILL : SIGTERM;
    if (member->end == MPL__END_OWN)
        member->end = why;
    member->kill_at = mpl__clock_ns () + MPL__GRACE_NS;
    syscall (SYS_pidfd_send_signal, member->pidfd, signal, NULL, 0);
}

/* Not even one could be forked: the pool is broken. Some could: it works with fewer, and says so once. */
static void fork_failed (mpl_crew_t *self, member_t *member, int error)
{
    char text[256];

    member->presence = ABSENT;
    self->n_present--;
    snprintf (text, sizeof text, "a worker cannot be forked: %s; more processes must be allowed (ulimit -u), "
              "or fewer workers asked for", strerror (error));
    if (self->n_present == 0) {
        tell_broken (self, text);
    } else if (self->state == OPEN) {
        fprintf (stderr, "mplaunch: the pool goes on with %u workers instead of %u: %s\n", self->n_present, self->n, text);
        self->state = CLOSING;          /* nobody is replaced, or it would be tried for ever */
    }
}

void mpl__crew_spawned (mpl_crew_t *self, mpl_held_t *nursery, const mpl_control_t *report, int *pidfd)
{
    member_t *member = find (self, report);

    nursery->n_asked--;
    if (member && member->presence == ASKED) {
        if (!report->status && *pidfd < 0)          /* valgrind does not know the call; the process is not reaped yet */
            *pidfd = (int) syscall (SYS_pidfd_open, (pid_t) report->pid, 0);
        if (report->status || *pidfd < 0) {
            fork_failed (self, member, report->status ? (int) report->status : errno);
        } else {
            member->presence = RUNNING;
            member->pid = (pid_t) report->pid;
            member->pidfd = *pidfd;
            *pidfd = -1;
            member->end = MPL__END_OWN;
            member->kill_at = MPL__NEVER;
            member->is_retired = 0;
            member->watch = (mpl_watch_t) { 0 };
            mpl__crew_tell (self, report, member->pidfd);
            retire (self, (unsigned) (member - self->members));
            if (self->state == TERMINATING)
                end_member (member, MPL__END_TERMINATED);
        }
    }
    mpl__crew_fill (self);
}

/* Workers that end before they serve would be replaced for ever. */
static int counts_as_early (mpl_crew_t *self, member_t *member, unsigned slot)
{
    const mpl_page_t *page = &self->pages[mpl__page_index (slot, member->incarnation)];

    if (member->end != MPL__END_OWN || member->is_retired || atomic_load (&page->stage) == MPL__SERVES)
        self->n_early = 0;
    else
        self->n_early++;
    return self->n_early >= EARLY_MAX;
}

static void ended (mpl_crew_t *self, member_t *member, mpl_control_t *report)
{
    char text[128];
    unsigned slot = self->first_slot + (unsigned) (member - self->members);
    int is_early = counts_as_early (self, member, slot);

    report->end = (uint64_t) member->end;
    if (member->end == MPL__END_OWN && WIFSIGNALED ((int) report->status)
        && mpl__watch_is_near_limit (report->peak_bytes, self->memory))
        report->end = MPL__END_MEMORY;
    if (self->is_far)
        mpl__crew_tell_last (self, member, report);
    mpl__fd_close (&member->pidfd);
    member->presence = ABSENT;
    member->incarnation++;
    self->n_present--;
    mpl__crew_tell (self, report, -1);
    if (is_early && self->state == OPEN) {
        char why[256];
        snprintf (why, sizeof why, "%d workers in a row ended before they could serve, the last with %s", EARLY_MAX,
                  mpl__status_text ((int) report->status, text, sizeof text));
        tell_broken (self, why);
    }
    mpl__crew_fill (self);
}

void mpl__crew_exited (mpl_crew_t *self, const mpl_control_t *report)
{
    member_t *member = find (self, report);
    mpl_control_t copy = *report;

    if (member && member->presence == RUNNING)
        ended (self, member, &copy);
}

int mpl__crew_reaped (mpl_crew_t *self, pid_t pid, int status, uint64_t peak_bytes)
{
    for (unsigned i = 0; i < self->n; i++) {
        member_t *member = &self->members[i];
        if (member->presence != RUNNING || member->pid != pid)
            continue;
        mpl_control_t report = { .type = MPL__C_EXITED, .pool = self->pool, .slot = self->first_slot + i,
                                 .incarnation = member->incarnation, .pid = (uint64_t) pid, .status = (uint64_t) status,
                                 .peak_bytes = peak_bytes };
        mpl__sweep_marked (member->mark);       /* its nursery, which does this otherwise, is dead */
        ended (self, member, &report);
        return 1;
    }
    return 0;
}

void mpl__crew_lost_nursery (mpl_crew_t *self, mpl_held_t *nursery)
{
    for (unsigned i = 0; i < self->n; i++)
        if (self->members[i].presence == ASKED && self->members[i].nursery == nursery) {
            self->members[i].presence = ABSENT;
            self->n_present--;
        }
    mpl__crew_fill (self);
}

/* ---- limits and the end ---------------------------------------------------------------------------------------- */

void mpl__crew_terminate (mpl_crew_t *self)
{
    self->state = TERMINATING;
    for (unsigned i = 0; i < self->n; i++)
        end_member (&self->members[i], MPL__END_TERMINATED);
}

void mpl__crew_signal (mpl_crew_t *self, int signal)
{
    for (unsigned i = 0; i < self->n; i++)
        if (self->members[i].presence == RUNNING)
            syscall (SYS_pidfd_send_signal, self->members[i].pidfd, signal, NULL, 0);
}

static uint64_t watch_member (mpl_crew_t *self, unsigned i, uint64_t now)
{
    member_t *member = &self->members[i];
    const mpl_page_t *page = &self->pages[mpl__page_index (self->first_slot + i, member->incarnation)];
    uint64_t due = MPL__NEVER;

    if (mpl__watch_time (&member->watch, page, self->timeout_ns, now, &due))
        end_member (member, MPL__END_TIMEOUT);
    else if (mpl__watch_memory (&member->watch, member->pid, self->memory, now, &due))
        end_member (member, MPL__END_MEMORY);
    return due;
}

uint64_t mpl__crew_tick (mpl_crew_t *self, uint64_t now)
{
    uint64_t due = MPL__NEVER;

    for (unsigned i = 0; i < self->n; i++) {
        member_t *member = &self->members[i];
        uint64_t at = MPL__NEVER;
        if (member->presence != RUNNING)
            continue;
        if (member->kill_at <= now) {
            syscall (SYS_pidfd_send_signal, member->pidfd, SIGKILL, NULL, 0);
            member->kill_at = now + MPL__GRACE_NS;
        }
        if (member->kill_at != MPL__NEVER)
            at = member->kill_at;
        else if (self->timeout_ns || self->memory)
            at = watch_member (self, i, now);
        due = at < due ? at : due;
    }
    return due;
}

int mpl__crew_is_over (const mpl_crew_t *self)
{
    int is_far_over = self->n_nodes == 0 || !self->agent->tell_launcher;

    return self->state != OPEN && self->n_present == 0 && is_far_over;
}

uint64_t mpl__crew_pool (const mpl_crew_t *self) { return self->pool; }
mpl_crew_t **mpl__crew_next (mpl_crew_t *self) { return &self->next; }

void mpl__crew_destroy (mpl_crew_t **self_p)
{
    mpl_crew_t *self = *self_p;

    if (!self)
        return;
    mpl__loop_remove (self->agent->loop, &self->source);
    for (unsigned i = 0; self->members && i < self->n; i++)
        mpl__fd_close (&self->members[i].pidfd);
    if (self->pages)
        munmap (self->pages, self->pages_bytes);
    mpl__crew_free_far (self);
    mpl__news_flush (&self->news, self->fds[CHANNEL]);
    mpl__news_clear (&self->news);
    mpl__fd_close_all (self->fds, MPL__FDS_MAX);
    free (self->members);
    free (self);
    *self_p = NULL;
}
