#include "worker/crew.h"
#include "worker/agent.h"
#include "base/sweep.h"
#include "worker/watch.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mark.h"
#include "base/proc.h"

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

enum { CHANNEL, ENDPOINT, PAGES, ARENA };       /* the descriptors of a POOL_OPEN */

typedef enum { ABSENT, ASKED, RUNNING } presence_t;

typedef struct {
    presence_t presence;
    uint64_t incarnation;       /* of the next, or of the one that is there */
    uint64_t mark;
    pid_t pid;
    int pidfd;
    mpl_held_t *nursery;
    mpl_end_t end;              /* why we are ending it; MPL__END_OWN: we are not */
    uint64_t kill_at;           /* MPL__NEVER: no TERM was sent */
    mpl_watch_t watch;
} member_t;

struct mpl_crew {
    mpl_agent_t *agent;
    uint64_t pool;
    int fds[MPL__FDS_MAX];
    mpl_source_t *source;
    mpl_page_t *pages;
    size_t pages_bytes;
    member_t *members;
    unsigned n, n_present;
    unsigned first_slot;
    uint64_t timeout_ns, memory;
    int n_early;                /* in a row */
    enum { OPEN, CLOSING, TERMINATING } state;      /* from CLOSING on nobody is replaced */
    mpl_crew_t *next;
};

/* ---- what main hears ------------------------------------------------------------------------------------------- */

/* Main reads its channel whenever it waits, and what it must hear is bounded by its workers' deaths; so the channel only
 * fills up when main is stopped for long while workers keep dying, and a pool that cannot be told of them is ended. */
static void tell_main (mpl_crew_t *self, const mpl_control_t *message, int fd)
{
    if (mpl__control_send (self->fds[CHANNEL], message, &fd, fd >= 0) == 0 || errno != EAGAIN || self->state == TERMINATING)
        return;
    fprintf (stderr, "mplaunch: main has not listened for so long that its pool of %u workers is ended\n", self->n);
    mpl__crew_terminate (self);
}

static void tell_broken (mpl_crew_t *self, const char *why)
{
    mpl_control_t message = { .type = MPL__C_BROKEN };

    snprintf (message.text, sizeof message.text, "%s", why);
    tell_main (self, &message, -1);
    mpl__crew_terminate (self);
}

/* ---- starting -------------------------------------------------------------------------------------------------- */

static int ask (mpl_crew_t *self, unsigned i)
{
    member_t *member = &self->members[i];
    mpl_err_t err;
    mpl_held_t *nursery = mpl__agent_nursery (self->agent, self->first_slot + i, (int) self->n, &err);

    if (!nursery) {
        tell_broken (self, err.text);
        return -1;
    }
    if (nursery->n_asked >= ASKED_MAX)
        return -1;
    member->mark = ++self->agent->n_marks % (MPL__MARKS - 1) + 1;
    mpl_control_t order = { .type = MPL__C_SPAWN, .pool = self->pool, .slot = self->first_slot + i, .memory = self->memory,
                            .incarnation = member->incarnation, .mark = member->mark };
    if (mpl__control_send (nursery->sock, &order, &self->fds[ENDPOINT], 3) < 0)
        return -1;
    nursery->n_asked++;
    member->nursery = nursery;
    member->presence = ASKED;
    self->n_present++;
    return 0;
}

/* Asks for whoever is missing, as far as the nurseries take orders; the rest follows as they answer. */
static void fill (mpl_crew_t *self)
{
    for (unsigned i = 0; i < self->n && self->state == OPEN; i++)
        if (self->members[i].presence == ABSENT && ask (self, i) < 0)
            return;
}

static void heard_main (void *arg, uint32_t events)
{
    mpl_crew_t *self = arg;
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    (void) events;
    int rc = mpl__control_recv (self->fds[CHANNEL], &message, fds);
    if (rc < 0 && errno == EAGAIN)
        return;
    mpl__fd_close_all (fds, MPL__FDS_MAX);
    if (rc <= 0) {
        mpl__loop_remove (self->agent->loop, &self->source);
        mpl__crew_terminate (self);
    } else if (message.type == MPL__C_CLOSING) {
        self->state = self->state == OPEN ? CLOSING : self->state;
    } else if (message.type == MPL__C_TERMINATE) {
        mpl__crew_terminate (self);
    } else if (message.type == MPL__C_DISMISS && message.slot - self->first_slot < self->n) {
        member_t *member = &self->members[message.slot - self->first_slot];
        if (member->presence == RUNNING && member->incarnation == message.incarnation) {
            member->end = MPL__END_DISMISSED;
            syscall (SYS_pidfd_send_signal, member->pidfd, SIGKILL, NULL, 0);
        }
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

mpl_crew_t *mpl__crew_new (mpl_agent_t *agent, uint64_t pool, const mpl_control_t *order, int *fds)
{
    mpl_crew_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    *self = (mpl_crew_t) { .agent = agent, .pool = pool, .n = (unsigned) order->workers,
                           .first_slot = (unsigned) order->first_slot, .timeout_ns = order->timeout_ns,
                           .memory = order->memory };
    memcpy (self->fds, fds, sizeof self->fds);
    for (size_t i = 0; i < MPL__FDS_MAX; i++)
        fds[i] = -1;
    if (!(self->members = calloc (self->n, sizeof *self->members)))
        goto fail;
    for (unsigned i = 0; i < self->n; i++)
        self->members[i] = (member_t) { .incarnation = order->incarnation, .pidfd = -1, .kill_at = MPL__NEVER };
    if (map_pages (self) < 0)
        goto fail;
    fcntl (self->fds[CHANNEL], F_SETFL, O_NONBLOCK);
    if (!(self->source = mpl__loop_add (agent->loop, self->fds[CHANNEL], EPOLLIN, heard_main, self)))
        goto fail;
    if (agent->own_pidfd)
        tell_main (self, &(mpl_control_t) { .type = MPL__C_HELLO, .pid = (uint64_t) getpid () }, agent->own_pidfd);
    fill (self);
    return self;
fail:
    mpl__crew_destroy (&self);
    return NULL;
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
            member->watch = (mpl_watch_t) { 0 };
            tell_main (self, report, member->pidfd);
            if (self->state == TERMINATING)
                end_member (member, MPL__END_TERMINATED);
        }
    }
    fill (self);
}

/* Workers that end before they serve would be replaced for ever. */
static int counts_as_early (mpl_crew_t *self, member_t *member, unsigned slot)
{
    const mpl_page_t *page = &self->pages[mpl__page_index (slot, member->incarnation)];

    if (member->end != MPL__END_OWN || atomic_load (&page->stage) == MPL__SERVES)
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
    mpl__fd_close (&member->pidfd);
    member->presence = ABSENT;
    member->incarnation++;
    self->n_present--;
    tell_main (self, report, -1);
    if (is_early && self->state == OPEN) {
        char why[256];
        snprintf (why, sizeof why, "%d workers in a row ended before they could serve, the last with %s", EARLY_MAX,
                  mpl__status_text ((int) report->status, text, sizeof text));
        tell_broken (self, why);
    }
    fill (self);
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
    fill (self);
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
    return self->state != OPEN && self->n_present == 0;
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
    mpl__fd_close_all (self->fds, MPL__FDS_MAX);
    free (self->members);
    free (self);
    *self_p = NULL;
}
