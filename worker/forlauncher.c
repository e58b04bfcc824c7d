#include "worker/forlauncher.h"
#include "worker/agent.h"
#include "worker/far.h"
#include "worker/lease.h"
#include "worker/news.h"
#include "worker/probe.h"
#include "worker/ranks.h"
#include "worker/staged.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* While processes are being started, the loop is turned after so many: what they print and how they end is not
 * left waiting. */
#define STARTS_A_TURN 16

/* How long the pipes' end is waited for when all processes of ours are gone: somebody else may hold them. */
#define READ_LIMIT_NS ((uint64_t) MPL__NS_PER_S)

typedef struct {
    mpl_agent_t agent;                  /* first, so that it can be found from it */
    const mpl_forlauncher_t *spec;
    mpl_order_t order;
    mpl_source_t *link;                 /* NULL on another host, */
    mpl_post_t *post;                   /* and this there */
    mpl_lease_t lease;
    mpl_probe_t *probe;                 /* what is tried for --check; NULL: nothing */
    mpl_staged_t staged;                /* files that the launcher has sent here */
    mpl_ranks_t *ranks;
    mpl_news_t news;                    /* what the launcher, which may be stopped, has not heard yet */
    int signals;                        /* signalfd for TERM */
    mpl_source_t *signal_source;
    uint64_t output_due, probe_due;
    int may_start;                      /* every host has its files */
    int is_ending;                      /* the launcher wants the ranks ended */
    int is_over;                        /* the launcher is gone, or the job cannot go on */
    int is_hurried;                     /* its user has no more patience */
} launch_t;

/* ---- telling the launcher -------------------------------------------------------------------------------------- */

static void tell (launch_t *self, const mpl_control_t *message)
{
    if (self->post)
        mpl__post_say (self->post, message);
    else if (mpl__news_send (&self->news, self->spec->link, message, -1) < 0)
        self->is_over = 1;              /* what the launcher cannot be told it must find out by our end */
    if (self->link)
        mpl__loop_want (self->agent.loop, self->link, self->news.first ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void tell_launcher (mpl_agent_t *agent, const mpl_control_t *message)
{
    tell ((launch_t *) agent, message);
}

static void add_started (launch_t *self, const mpl_rank_t *rank, const mpl_err_t *err)
{
    mpl_control_t message = { .type = MPL__C_STARTED, .rank = (uint64_t) rank->rank, .pid = (uint64_t) rank->pid,
                              .status = (uint64_t) err->code };

    snprintf (message.text, sizeof message.text, "%.*s", (int) sizeof message.text - 1, err->text);
    tell (self, &message);
}

static uint64_t microseconds (const struct timeval *span)
{
    return (uint64_t) span->tv_sec * 1000000u + (uint64_t) span->tv_usec;
}

static void rank_ended (mpl_agent_t *agent, mpl_held_t *held, int status, const struct rusage *usage)
{
    launch_t *self = (launch_t *) agent;
    const mpl_rank_t *rank = mpl__ranks_ended (self->ranks, held);

    if (!rank)
        return;
    mpl_control_t message = { .type = MPL__C_ENDED,
                              .rank = (uint64_t) rank->rank,
                              .pid = (uint64_t) rank->pid,
                              .status = (uint64_t) status,
                              .end = (uint64_t) held->has_greeted,
                              .peak_bytes = (uint64_t) usage->ru_maxrss * 1024,
                              .wall_ns = mpl__clock_ns () - held->started_at,
                              .cpu_ns = (microseconds (&usage->ru_utime) + microseconds (&usage->ru_stime)) * 1000 };
    tell (self, &message);
}

/* ---- starting -------------------------------------------------------------------------------------------------- */

static mpl_held_t *start_spare (mpl_agent_t *agent, int n_workers, mpl_err_t *err)
{
    (void) n_workers;
    return mpl__ranks_start_spare (((launch_t *) agent)->ranks, err);
}

/* The lease of another host counts time in which it was suspended, so its instants are those of another clock. */
static void keep_lease (launch_t *self)
{
    uint64_t now = mpl__clock_boot_ns ();

    if (mpl__lease_is_over (&self->lease, now)) {
        fprintf (stderr, "mplaunch: nothing was heard of the launcher for %g s; all on this host is ended\n",
                 (double) self->lease.self_end_ns / MPL__NS_PER_S);
        self->is_over = 1;
        self->lease = (mpl_lease_t) { .beat_ns = 0 };
    } else if (mpl__lease_beat (&self->lease, now)) {
        mpl__post_say (self->post, &(mpl_control_t) { .type = MPL__C_BEAT, .at = now });
    }
}

static uint64_t lease_due (const launch_t *self)
{
    uint64_t due = mpl__lease_due (&self->lease), now = mpl__clock_boot_ns ();

    return due == MPL__NEVER ? due : mpl__clock_ns () + (due > now ? due - now : 0);
}

static void turn (launch_t *self, uint64_t deadline)
{
    uint64_t due = lease_due (self);

    due = self->output_due < due ? self->output_due : due;
    due = self->probe_due < due ? self->probe_due : due;
    mpl__agent_turn (&self->agent, due < deadline ? due : deadline);
    keep_lease (self);
    self->output_due = mpl__ranks_tick (self->ranks, mpl__clock_ns ());
    self->probe_due = self->probe ? mpl__probe_tick (self->probe, mpl__clock_ns ()) : MPL__NEVER;
}

/* No rank begins before all hosts have their files. On the launcher's own, where it starts an agent last, nobody
 * waits. */
static void await_other_hosts (launch_t *self)
{
    if (!self->post || !self->order.n_stage)
        return;
    mpl__post_say (self->post, &(mpl_control_t) { .type = MPL__C_STAGED });
    while (!self->may_start && !self->is_ending && !self->is_over)
        turn (self, MPL__NEVER);
}

static void start_ranks (launch_t *self)
{
    mpl_rank_t *rank;

    for (int n = 1; !self->is_ending && !self->is_over; n++) {
        mpl_err_t err = { 0 };
        int rc = mpl__ranks_start_next (self->ranks, &rank, &err);
        if (!rank)
            break;
        add_started (self, rank, &err);
        if (rc < 0)
            self->is_ending = 1;
        else if (n % STARTS_A_TURN == 0)
            turn (self, 0);
    }
    mpl__ranks_all_started (self->ranks);
}

/* ---- while it runs --------------------------------------------------------------------------------------------- */

static void kill_all (launch_t *self, int signal)
{
    for (mpl_held_t *held = self->agent.held; held; held = held->next)
        mpl__held_kill (held, signal);
}

/* Held processes answer to main, not to the terminal: a signal is main's to handle. But who is to stop computing
 * stops everywhere. */
static void pass_on (launch_t *self, int signal)
{
    int is_for_all = signal == SIGTSTP || signal == SIGCONT;

    for (mpl_held_t *held = self->agent.held; held; held = held->next)
        if (is_for_all || !(held->role == MPL__ROLE_NURSERY && held->has_greeted))
            mpl__held_kill (held, signal);
    if (is_for_all)
        mpl__agent_signal_workers (&self->agent, signal);
}

static void take_message (void *arg, const mpl_control_t *message)
{
    launch_t *self = arg;
    uint64_t now = mpl__clock_boot_ns ();

    switch (message->type) {
    case MPL__C_SIGNAL:
        self->is_hurried |= message->status == SIGKILL;
        if (message->status == SIGKILL)
            kill_all (self, SIGKILL);
        else
            pass_on (self, (int) message->status);
        if (message->status == SIGTSTP || message->status == SIGCONT)
            mpl__lease_pause (&self->lease, message->status == SIGTSTP, now);
        break;
    case MPL__C_TERMINATE:
        if (message->pool)
            mpl__agent_heard_launcher (&self->agent, message);
        else
            self->is_ending = 1;
        break;
    case MPL__C_BEAT:
        mpl__lease_answered (&self->lease, message->at, now);
        mpl__agent_lease (&self->agent, self->lease.until);
        break;
    case MPL__C_STAGED:
        self->may_start = 1;
        break;
    case MPL__C_SLOTS:
        mpl__agent_use_slots (&self->agent, message);
        break;
    case MPL__C_CHECK:
        if (self->probe)
            mpl__probe_heard (self->probe, message);
        break;
    case MPL__C_HOST: case MPL__C_HOST_LOST: case MPL__C_POOL_FAR: case MPL__C_POOL_OVER: case MPL__C_KEY:
    case MPL__C_RECALL: case MPL__C_RECALLED: case MPL__C_LAST: case MPL__C_SPAWNED: case MPL__C_EXITED:
    case MPL__C_CLOSING: case MPL__C_DISMISS: case MPL__C_BROKEN: case MPL__C_RETIRE:
        mpl__agent_heard_launcher (&self->agent, message);
        break;
    default:                            /* what a launcher does not say */
        break;
    }
}

static void heard_launcher (void *arg, uint32_t events)
{
    launch_t *self = arg;
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    if (events & EPOLLOUT && !mpl__news_flush (&self->news, self->spec->link))
        mpl__loop_want (self->agent.loop, self->link, EPOLLIN);
    int rc = mpl__control_recv (self->spec->link, &message, fds);
    if (rc < 0 && errno == EAGAIN)
        return;
    mpl__fd_close_all (fds, MPL__FDS_MAX);
    if (rc == 1)
        take_message (self, &message);
    else
        self->is_over = 1;
    if (self->is_over)
        mpl__loop_remove (self->agent.loop, &self->link);
}

static void launcher_gone (void *arg, int error)
{
    launch_t *self = arg;

    (void) error;
    self->is_over = 1;
}

static int is_output_lost (launch_t *self)
{
    const char *where;

    return mpl__ranks_output_error (self->ranks, &where) != 0;
}

static void tell_output_lost (launch_t *self)
{
    mpl_control_t message = { .type = MPL__C_BROKEN };
    const char *where;
    int error = mpl__ranks_output_error (self->ranks, &where);

    self->is_ending = 1;
    if (error != EPIPE)                 /* a reader that has gone away is nothing to tell of */
        snprintf (message.text, sizeof message.text, "%.*s: %s", 900, where, strerror (error));
    tell (self, &message);
}

/* A batch system that ends a job signals all that is in it, us too; the ranks have heard it already. */
static void heard_signal (void *arg, uint32_t events)
{
    launch_t *self = arg;
    struct signalfd_siginfo info;

    (void) events;
    if (read (self->signals, &info, sizeof info) == sizeof info)
        self->is_ending = 1;
}

/* TERM ends our ranks and then us. Others that a job may be sent are for its programs. */
static int take_signals (launch_t *self)
{
    static const int programs[] = { SIGUSR1, SIGUSR2 };
    sigset_t term;

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (signal (programs[i], SIG_IGN) != SIG_IGN)
            sigaddset (&self->agent.defaults, programs[i]);
    sigemptyset (&term);
    sigaddset (&term, SIGTERM);
    sigprocmask (SIG_BLOCK, &term, NULL);
    self->signals = signalfd (-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signals >= 0)
        self->signal_source = mpl__loop_add (self->agent.loop, self->signals, EPOLLIN, heard_signal, self);
    return self->signal_source ? 0 : -1;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

/* TERM to all, a second later KILL, then whatever escaped. */
static void end_ranks (launch_t *self)
{
    uint64_t kill_at = mpl__clock_ns () + MPL__GRACE_NS;

    if (self->agent.held) {
        kill_all (self, SIGTERM);
        pass_on (self, SIGCONT);
    }
    while (self->agent.held && !self->is_hurried && mpl__clock_ns () < kill_at)
        turn (self, kill_at);
    kill_all (self, SIGKILL);
    mpl__sweep_all (mpl__clock_ns () + MPL__GRACE_NS);
}

/* Who reads our output decides how long this takes, as for any program; but nobody who is gone is waited for, nor
 * is a pipe that somebody holds open who is none of ours. */
static void print_rest (launch_t *self)
{
    uint64_t idle_since = mpl__clock_ns ();

    while (!mpl__ranks_is_read (self->ranks) || !mpl__ranks_is_written (self->ranks)) {
        uint64_t now = mpl__clock_ns ();
        if (!mpl__ranks_is_written (self->ranks) && !self->is_over && !self->is_hurried)
            idle_since = now;
        if (now - idle_since >= READ_LIMIT_NS || is_output_lost (self))
            break;
        turn (self, idle_since + READ_LIMIT_NS);
    }
    mpl__ranks_finish_output (self->ranks);
    while (!mpl__ranks_is_written (self->ranks) && !self->is_over && !self->is_hurried && !is_output_lost (self))
        turn (self, MPL__NEVER);
}

/* What was not told yet: the launcher may be stopped, and goes on one day or ends. */
static void tell_rest (launch_t *self)
{
    while (self->news.first && !self->is_over)
        turn (self, MPL__NEVER);
    mpl__news_clear (&self->news);
}

/* What was printed and said is on its way to another host, and arrives there before we leave. */
static void hand_over (launch_t *self)
{
    mpl__far_end_output ();
    while (!self->is_over && !(mpl__post_is_sent (self->post) && mpl__post_is_carried (self->post, MPL__CHANNEL_OUT)
                               && mpl__post_is_carried (self->post, MPL__CHANNEL_ERR))) {
        mpl__agent_turn (&self->agent, lease_due (self));
        keep_lease (self);
    }
    mpl__tunnel_destroy (&self->agent.tunnel);
    mpl__post_destroy (&self->post);
}

static void take_stream (void *arg, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len)
{
    launch_t *self = arg;

    if (self->agent.tunnel)
        mpl__tunnel_heard (self->agent.tunnel, kind, id, bytes, len);
}

static void send_stream (void *arg, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len)
{
    mpl__post_stream (((launch_t *) arg)->post, kind, id, bytes, len);
}

static int listen_to_launcher (launch_t *self, mpl_err_t *err)
{
    const mpl_post_fns_t fns = { take_message, take_stream, launcher_gone, self };

    if (self->spec->is_far) {
        mpl__lease_begin (&self->lease, self->order.beat_ns, self->order.self_end_ns, mpl__clock_boot_ns ());
        self->post = mpl__far_post (self->agent.loop, &fns, err);
        if (self->post && self->order.flags & MPL__ORDER_TUNNEL
            && !(self->agent.tunnel = mpl__tunnel_new (self->agent.loop, send_stream, self)))
            return mpl__err (err, ENOMEM, "no memory for a tunnel");
        return self->post ? 0 : -1;
    }
    fcntl (self->spec->link, F_SETFD, FD_CLOEXEC);
    fcntl (self->spec->link, F_SETFL, O_NONBLOCK);
    self->link = mpl__loop_add (self->agent.loop, self->spec->link, EPOLLIN, heard_launcher, self);
    return self->link ? 0 : mpl__err (err, errno, "an agent cannot begin: %s", strerror (errno));
}

static int read_order (launch_t *self, mpl_err_t *err)
{
    if (self->spec->is_far)
        return mpl__far_begin (&self->order, err);
    if (mpl__order_read (self->spec->order, &self->order) < 0)
        return mpl__err (err, errno, "the launcher's order cannot be read: %s", strerror (errno));
    close (self->spec->order);
    return 0;
}

static void say_checked (void *arg, const mpl_control_t *message)
{
    tell (arg, message);
}

static int begin (launch_t *self, mpl_err_t *err)
{
    const char *below = getenv ("TMPDIR");      /* of this host: the order may bring another host's */

    self->output_due = self->probe_due = MPL__NEVER;
    if (read_order (self, err) < 0 || mpl__agent_init (&self->agent, err) < 0)
        return -1;
    if (take_signals (self) < 0)
        return mpl__err (err, errno, "an agent cannot begin: %s", strerror (errno));
    if (mpl__staged_take (&self->staged, &self->order, 0, self->signals, below, self->spec->token, err) < 0)
        return -1;
    self->agent.start_nursery = start_spare;
    self->agent.on_exit = rank_ended;
    self->agent.tell_launcher = tell_launcher;
    self->agent.transport = (mpl_control_t) { .type = self->order.nodes > 1 ? MPL__C_TRANSPORT : 0,
                                              .port_first = self->order.port_first, .port_last = self->order.port_last };
    snprintf (self->agent.transport.text, MPL__CONTROL_TEXT, "%s", self->order.interface ? self->order.interface : "");
    mpl__folder_name (self->agent.folder);
    if (listen_to_launcher (self, err) < 0)
        return -1;
    self->ranks = mpl__ranks_new (&self->agent, &self->order, err);
    if (self->ranks && self->order.flags & MPL__ORDER_CHECK
        && !(self->probe = mpl__probe_new (self->agent.loop, &self->order, self->ranks, say_checked, self)))
        return mpl__err (err, ENOMEM, "no memory for what is to be tried");
    return self->ranks ? 0 : -1;
}

/* All that it has, however far it came; what still has to be said is said. */
static void release (launch_t *self)
{
    mpl__probe_destroy (&self->probe);
    mpl__ranks_destroy (&self->ranks);
    mpl__staged_remove (&self->staged);
    if (self->post)
        hand_over (self);
    mpl__loop_remove (self->agent.loop, &self->link);
    mpl__loop_remove (self->agent.loop, &self->signal_source);
    mpl__fd_close (&self->signals);
    if (self->agent.loop)
        mpl__agent_end (&self->agent);
    mpl__order_clear (&self->order);
}

int mpl__forlauncher (const mpl_forlauncher_t *spec)
{
    launch_t self = { .spec = spec, .signals = -1 };
    mpl_err_t err = { 0 };

    if (begin (&self, &err) < 0) {
        fprintf (stderr, "mplaunch: %s\n", err.text);
        release (&self);
        return 125;
    }
    await_other_hosts (&self);
    start_ranks (&self);
    int stays = (self.order.flags & MPL__ORDER_STAYS) != 0;
    while ((mpl__ranks_running (self.ranks) || stays) && !self.is_ending && !self.is_over && !is_output_lost (&self))
        turn (&self, MPL__NEVER);
    if (is_output_lost (&self))
        tell_output_lost (&self);
    end_ranks (&self);
    print_rest (&self);
    tell_rest (&self);
    release (&self);
    return 0;
}
