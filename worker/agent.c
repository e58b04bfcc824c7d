#include "worker/agent.h"
#include "base/sweep.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define NURSERIES_LOST_MAX 5                        /* in a minute; then its pools are broken */
#define END_LIMIT_NS (3 * (uint64_t) MPL__NS_PER_S)

/* ---- held processes -------------------------------------------------------------------------------------------- */

static mpl_crew_t *find_crew (mpl_agent_t *self, uint64_t pool)
{
    for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
        if (mpl__crew_pool (crew) == pool)
            return crew;
    return NULL;
}

static void take_message (mpl_held_t *held, mpl_control_t *message, int *fds)
{
    mpl_agent_t *self = held->agent;
    mpl_crew_t *crew = find_crew (self, message->pool);

    switch (message->type) {
    case MPL__C_HELLO:
        held->has_greeted = 1;
        break;
    case MPL__C_POOL_OPEN:
        if (held->role == MPL__ROLE_MAIN)
            mpl__agent_open_pool (self, message, fds);
        break;
    case MPL__C_SPAWNED:
        if (crew)
            mpl__crew_spawned (crew, held, message, &fds[0]);
        else
            held->n_asked--;
        break;
    case MPL__C_EXITED:
        if (crew)
            mpl__crew_exited (crew, message);
        break;
    case MPL__C_KEY:
        if (crew)
            mpl__crew_key (crew, message);
        break;
    default:                    /* what an agent says, or main on a channel: not from a held process */
        break;
    }
}

void mpl__agent_heard (void *arg, uint32_t events)
{
    mpl_held_t *held = arg;
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    (void) events;
    int rc = mpl__control_recv (held->sock, &message, fds);
    if (rc == 1) {
        take_message (held, &message, fds);
        mpl__fd_close_all (fds, MPL__FDS_MAX);
    } else if (rc == 0 || errno != EAGAIN) {
        mpl__loop_remove (held->agent->loop, &held->source);       /* its end comes as SIGCHLD */
    }
}

static int count_lost_nursery (mpl_agent_t *self)
{
    uint64_t now = mpl__clock_ns ();

    if (now - self->lost_since > 60 * (uint64_t) MPL__NS_PER_S) {
        self->lost_since = now;
        self->n_nurseries_lost = 0;
    }
    return ++self->n_nurseries_lost;
}

mpl_held_t *mpl__agent_nursery (mpl_agent_t *self, unsigned slot, int n_workers, mpl_err_t *err)
{
    unsigned n = 0;

    for (mpl_held_t *held = self->held; held; held = held->next)
        n += held->role == MPL__ROLE_NURSERY;
    if (n == 0) {
        if (self->n_nurseries_lost > NURSERIES_LOST_MAX) {
            mpl__err (err, EPIPE, "the program ended %d times in a minute before it could start workers; "
                      "does it reach mpl_init when it is run again?", self->n_nurseries_lost);
            return NULL;
        }
        return self->start_nursery (self, n_workers, err);
    }
    /* The list is newest first; slots go to the oldest first. */
    unsigned skip = n - 1 - slot % n;
    for (mpl_held_t *held = self->held; held; held = held->next)
        if (held->role == MPL__ROLE_NURSERY && skip-- == 0)
            return held;
    return NULL;
}

static mpl_held_t *unlink_held (mpl_agent_t *self, pid_t pid)
{
    for (mpl_held_t **at = &self->held; *at; at = &(*at)->next)
        if ((*at)->pid == pid) {
            mpl_held_t *held = *at;
            *at = held->next;
            return held;
        }
    return NULL;
}

/* What a held process said before it ended is still heard. */
static void hear_last_words (mpl_held_t *held)
{
    for (int i = 0; i < 1024 && held->source; i++) {
        mpl_control_t message;
        int fds[MPL__FDS_MAX];
        if (mpl__control_recv (held->sock, &message, fds) != 1)
            return;
        take_message (held, &message, fds);
        mpl__fd_close_all (fds, MPL__FDS_MAX);
    }
}

static void held_ended (mpl_agent_t *self, mpl_held_t *held, int status, const struct rusage *usage)
{
    held->pid = 0;
    hear_last_words (held);
    if (held->role == MPL__ROLE_NURSERY) {
        if (!held->has_greeted || WIFSIGNALED (status) || WEXITSTATUS (status))
            count_lost_nursery (self);
        for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
            mpl__crew_lost_nursery (crew, held);
    }
    if (self->on_exit)
        self->on_exit (self, held, status, usage);
    mpl__held_destroy (&held);
}

static void reap (mpl_agent_t *self, pid_t pid)
{
    struct rusage usage;
    int status;
    mpl_held_t *held = unlink_held (self, pid);

    if (held)
        kill (-pid, SIGKILL);           /* its group ends with it, while the number is still its own */
    if (wait4 (pid, &status, WNOHANG, &usage) != pid)
        return;
    if (held) {
        held_ended (self, held, status, &usage);
        return;
    }
    for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
        if (mpl__crew_reaped (crew, pid, status, (uint64_t) usage.ru_maxrss * 1024))
            return;
}

static void children_ended (void *arg, uint32_t events)
{
    mpl_agent_t *self = arg;
    struct signalfd_siginfo info;
    siginfo_t ended = { 0 };

    (void) events;
    while (read (self->signals, &info, sizeof info) > 0)
        ;
    while (waitid (P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid) {
        reap (self, ended.si_pid);
        ended.si_pid = 0;
    }
}

/* ---- pools ----------------------------------------------------------------------------------------------------- */

static void add_crew (mpl_agent_t *self, mpl_crew_t *crew)
{
    *mpl__crew_next (crew) = self->crews;
    self->crews = crew;
}

void mpl__agent_open_pool (mpl_agent_t *self, const mpl_control_t *order, int *fds)
{
    if (fds[MPL__FDS_MAX - 1] < 0 || order->workers == 0)
        return;                         /* the channel closes with the descriptors, and main sees that */
    mpl_crew_t *crew = mpl__crew_new (self, ++self->n_pools, order, fds);
    if (!crew)
        return;
    add_crew (self, crew);
    if (self->transport.type)
        mpl__crew_tell_host (crew, &self->transport);
    for (size_t i = 0; i < self->n_hosts; i++)
        mpl__crew_tell_host (crew, &self->hosts[i]);
}

/* ---- other hosts ----------------------------------------------------------------------------------------------- */

static void forget_host (mpl_agent_t *self, uint64_t node)
{
    for (size_t i = 0; i < self->n_hosts; i++)
        if (self->hosts[i].node == node)
            self->hosts[i--] = self->hosts[--self->n_hosts];
}

static void learn_host (mpl_agent_t *self, const mpl_control_t *host)
{
    mpl_control_t *hosts = realloc (self->hosts, (self->n_hosts + 1) * sizeof *hosts);

    if (!hosts)
        return;                         /* pools go without it */
    self->hosts = hosts;
    hosts[self->n_hosts++] = *host;
}

void mpl__agent_heard_launcher (mpl_agent_t *self, const mpl_control_t *message)
{
    mpl_crew_t *crew = find_crew (self, message->pool);

    if (message->type == MPL__C_HOST || message->type == MPL__C_HOST_LOST) {
        forget_host (self, message->node);
        if (message->type == MPL__C_HOST)
            learn_host (self, message);
        for (crew = self->crews; crew; crew = *mpl__crew_next (crew))
            mpl__crew_tell_host (crew, message);
    } else if (message->type == MPL__C_POOL_FAR) {
        if (!crew && message->workers && (crew = mpl__crew_new_far (self, message)))
            add_crew (self, crew);
    } else if (crew) {
        mpl__crew_heard (crew, message);
    }
}

void mpl__agent_use_slots (mpl_agent_t *self, const mpl_control_t *order)
{
    self->n_slots = order->workers;
    self->of_slots = order->n;
    self->is_giving_back = 1;
    for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
        mpl__crew_use_slots (crew, self->n_slots, self->of_slots);
}

/* Ranks that are no pool's keep what they have. */
static int keeps_to_slots (const mpl_agent_t *self)
{
    for (const mpl_held_t *held = self->held; held; held = held->next)
        if (!held->has_greeted)
            return 0;
    for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
        if (!mpl__crew_keeps_to_slots (crew))
            return 0;
    return 1;
}

static void look_at_slots (mpl_agent_t *self)
{
    if (!self->is_giving_back || !self->tell_launcher || !keeps_to_slots (self))
        return;
    self->is_giving_back = 0;
    self->tell_launcher (self, &(mpl_control_t) { .type = MPL__C_SLOTS, .workers = self->n_slots, .n = self->of_slots });
}

void mpl__agent_lease (mpl_agent_t *self, uint64_t until)
{
    for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
        mpl__crew_lease (crew, until);
}

void mpl__agent_signal_workers (mpl_agent_t *self, int signal)
{
    for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
        mpl__crew_signal (crew, signal);
}

/* Does what is due in every pool and frees those that are over; when the next thing is due. */
static uint64_t tick (mpl_agent_t *self)
{
    uint64_t now = mpl__clock_ns (), due = MPL__NEVER;

    for (mpl_crew_t **at = &self->crews; *at;) {
        mpl_crew_t *crew = *at;
        uint64_t crew_due = mpl__crew_tick (crew, now);
        if (mpl__crew_is_over (crew)) {
            *at = *mpl__crew_next (crew);
            mpl__crew_destroy (&crew);
            continue;
        }
        due = crew_due < due ? crew_due : due;
        at = mpl__crew_next (crew);
    }
    return due;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

/* What was ignored when we were started (nohup, a shell's background) stays so in what we start. */
static void ignore_signals (mpl_agent_t *self)
{
    static const int ignored[] = { SIGPIPE, SIGINT, SIGQUIT, SIGHUP };

    sigemptyset (&self->defaults);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (signal (ignored[i], SIG_IGN) != SIG_IGN)
            sigaddset (&self->defaults, ignored[i]);
}

int mpl__agent_init (mpl_agent_t *self, mpl_err_t *err)
{
    sigset_t chld;

    self->due = MPL__NEVER;
    sigemptyset (&chld);
    sigaddset (&chld, SIGCHLD);
    sigprocmask (SIG_SETMASK, &chld, NULL);
    ignore_signals (self);
    mpl__files_begin (&self->files);
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    self->signals = signalfd (-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    self->loop = mpl__loop_new ();
    if (self->signals < 0 || !self->loop
        || !(self->children = mpl__loop_add (self->loop, self->signals, EPOLLIN, children_ended, self)))
        return mpl__err (err, errno, "an agent cannot begin: %s", strerror (errno));
    return 0;
}

void mpl__agent_turn (mpl_agent_t *self, uint64_t deadline)
{
    mpl__loop_turn (self->loop, self->due < deadline ? self->due : deadline);
    self->due = tick (self);
    look_at_slots (self);
}

/* Where there are none, nobody's end is still to come: who ended the ranks has swept them with all that was theirs. */
static int has_children (void)
{
    siginfo_t ended;

    return waitid (P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void mpl__agent_end (mpl_agent_t *self)
{
    uint64_t deadline = mpl__clock_ns () + END_LIMIT_NS;

    self->tell_launcher = NULL;
    for (mpl_crew_t *crew = self->crews; crew; crew = *mpl__crew_next (crew))
        mpl__crew_terminate (crew);
    self->due = tick (self);
    while (self->crews && has_children () && mpl__clock_ns () < deadline)
        mpl__agent_turn (self, deadline);
    while (self->crews) {
        mpl_crew_t *crew = self->crews;
        self->crews = *mpl__crew_next (crew);
        mpl__crew_destroy (&crew);
    }
    mpl__sweep_all (deadline);
    mpl__folder_remove (self->folder, "b");
    while (self->held) {
        mpl_held_t *held = self->held;
        self->held = held->next;
        mpl__held_destroy (&held);
    }
    free (self->hosts);
    mpl__loop_remove (self->loop, &self->children);
    mpl__loop_destroy (&self->loop);
    mpl__fd_close (&self->signals);
    if (self->own_pidfd)
        mpl__fd_close (&self->own_pidfd);
}
