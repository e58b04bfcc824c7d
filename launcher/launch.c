#include "launcher/launch.h"
#include "launcher/agent.h"
#include "launcher/attach.h"
#include "launcher/job.h"
#include "launcher/map.h"
#include "launcher/progress.h"
#include "launcher/reach.h"
#include "launcher/report.h"
#include "launcher/streams.h"
#include "launcher/tally.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/sweep.h"
#include "worker/tunnel.h"
#include "wire/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAUNCH_FAILED 125
#define HOSTS_TO_COME 1024                              /* that a broker may lend after the launch has begun */
#define COME_BACK_NS (5 * (uint64_t) MPL__NS_PER_S)     /* between attempts to reach a host that was lost */
#define OUTPUT_LOST 1
#define SWEEP_NS (2 * (uint64_t) MPL__NS_PER_S)         /* to end what a lost agent leaves */

typedef struct {
    mpl_plan_t *plan;
    const mpl_options_t *options;
    mpl_loop_t *loop;
    mpl_source_t *signal_source;
    int signals;                                        /* signalfd */
    sigset_t were_blocked;                              /* when we were started */
    mpl_host_agent_t *agents;                           /* one for each host */
    size_t n_agents, n_there;                           /* those that there are to be; started, and not gone */
    size_t agents_max;
    mpl_reach_t *reach;                                 /* NULL: all hosts are this one, */
    mpl_streams_t *streams;                             /* and its agent has our descriptors */
    mpl_tunnel_t *tunnel;                               /* to main, if it is on this host and only ssh passes to others */
    int has_far_pools;                                  /* main has asked for workers on another host, so main decides */
    int is_staged;                                      /* every host has its files */
    int unreached;                                      /* the launch is over before it began: its exit code; 0: it is not */
    mpl_job_t job;
    mpl_tally_t tally;
    mpl_progress_t progress;
    uint64_t now;                                       /* read once a turn */
    int is_agent_lost;
    int is_output_lost;                                 /* what the ranks printed could not be written */
} launch_t;

/* PIPE is taken so that a closed standard error ends nobody. */
static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGPIPE };

/* ---- doing ----------------------------------------------------------------------------------------------------- */

static void tell_agents (launch_t *self, mpl_control_type_t type, int signal)
{
    mpl_control_t message = { .type = type, .status = (uint64_t) signal };

    for (size_t i = 0; i < self->n_agents; i++)
        mpl__agent_say (&self->agents[i], &message);
}

/* The shell that started us learns that we are stopped, and continues us; the ranks have been told already. */
static void suspend (launch_t *self)
{
    mpl__progress_clear (&self->progress);
    tell_agents (self, MPL__C_SIGNAL, SIGTSTP);
    raise (SIGSTOP);
}

static void say_timeout (launch_t *self)
{
    char ranks[256];

    fprintf (stderr, "mplaunch: %g s have passed; the job is ended with %zu of %zu ranks still running\n",
             self->options->timeout, self->tally.n_running, self->tally.n);
    for (size_t i = 0; i < self->plan->hosts.n; i++) {
        const char *host = self->plan->hosts.hosts[i].name;
        if (*mpl__tally_running (&self->tally, host, ranks, sizeof ranks))
            fprintf (stderr, "mplaunch: still running on %s: rank %s\n", host, ranks);
    }
}

static void say_straggler (launch_t *self)
{
    for (size_t i = 0; i < self->tally.n && !self->options->is_quiet; i++)
        if (self->tally.ranks[i].state == MPL__RANK_RUNS)
            fprintf (stderr,
                     "mplaunch: rank %zu on %s (process %d) is still running, %u s after all others have ended\n", i,
                     self->tally.ranks[i].host, self->tally.ranks[i].pid,
                     (unsigned) (MPL__STRAGGLER_NS / MPL__NS_PER_S));
}

static void act (launch_t *self, mpl_job_action_t action, int signal)
{
    switch (action) {
    case MPL__JOB_NOTHING:
        break;
    case MPL__JOB_PASS_ON:
        tell_agents (self, MPL__C_SIGNAL, signal);
        break;
    case MPL__JOB_SUSPEND:
        suspend (self);
        break;
    case MPL__JOB_TIME_OUT:
        say_timeout (self);
        tell_agents (self, MPL__C_TERMINATE, 0);
        break;
    case MPL__JOB_TERMINATE:
        tell_agents (self, MPL__C_TERMINATE, 0);
        break;
    case MPL__JOB_KILL:
        tell_agents (self, MPL__C_SIGNAL, SIGKILL);
        tell_agents (self, MPL__C_TERMINATE, 0);
        break;
    case MPL__JOB_NAME_STRAGGLER:
        say_straggler (self);
        break;
    }
}

/* ---- what happens ---------------------------------------------------------------------------------------------- */

static void rank_started (launch_t *self, const mpl_control_t *message)
{
    const mpl_record_of_rank_t *rank = mpl__tally_started (&self->tally, message, self->now);

    if (!rank)
        return;
    if (message->status) {
        fprintf (stderr, "mplaunch: rank %d on %s: %s\n", (int) message->rank, rank->host, message->text);
        act (self, mpl__job_not_started (&self->job, (int) message->status), 0);
    } else if (self->options->is_verbose) {
        fprintf (stderr, "mplaunch: rank %d on %s is process %d%s\n", (int) message->rank, rank->host, rank->pid,
                 message->text);
    }
}

static void say_end (launch_t *self, const mpl_record_of_rank_t *rank, int number)
{
    char text[128], hint[128];

    mpl__progress_clear (&self->progress);
    fprintf (stderr, "mplaunch: rank %d on %s (process %d) ended with %s%s\n", number, rank->host, rank->pid,
             mpl__tally_end_text (rank, text, sizeof text), mpl__tally_hint (rank, hint, sizeof hint));
}

static void rank_ended (launch_t *self, const mpl_control_t *message)
{
    mpl_record_of_rank_t *rank = mpl__tally_ended (&self->tally, message, self->now);

    if (!rank)
        return;
    int is_main = message->rank == 0 && rank->was_held, is_held = message->rank && rank->was_held;
    rank->was_ended_by_us = self->job.is_ending || self->job.n_interrupts || is_held;
    int failed = mpl__job_code (rank->status) && !rank->was_ended_by_us;
    /* A main of ours that leaves with a code has said why; one that a signal ended could not. */
    int is_told = self->options->is_each && rank->was_held && WIFEXITED (rank->status);
    if (self->options->is_verbose || (failed && !is_told && !self->options->is_quiet))
        say_end (self, rank, (int) message->rank);
    act (self, mpl__job_ended (&self->job, rank->status, is_main, is_held, self->now), 0);
}

/* A reader that has gone away, as in `mplaunch ... | head -1`, is no error to tell of; a full disk is. */
static void output_lost (launch_t *self, const char *where, const char *why)
{
    mpl__job_output_lost (&self->job);
    tell_agents (self, MPL__C_TERMINATE, 0);
    if (!*why)
        return;
    fprintf (stderr, "mplaunch: the output cannot be written on %s to %s; the job is ended\n", where, why);
    self->is_output_lost = 1;
}

static const char *name_of (const launch_t *self, const mpl_host_agent_t *agent)
{
    return self->plan->hosts.hosts[agent->host].name;
}

static void end_job (launch_t *self)
{
    self->is_agent_lost = 1;
    mpl__job_output_lost (&self->job);
    tell_agents (self, MPL__C_TERMINATE, 0);
}

/* ---- between hosts --------------------------------------------------------------------------------------------- */

static mpl_host_agent_t *home (launch_t *self)
{
    return &self->agents[self->plan->places[0].host];
}

/* What main and the agents of other hosts say to each other passes through here, and nothing of it is kept. */
static void pass_between (launch_t *self, mpl_host_agent_t *from, const mpl_control_t *message)
{
    if (from != home (self)) {
        mpl__agent_say (home (self), message);
    } else if (message->node < self->n_agents && message->node != from->host) {
        self->has_far_pools |= message->type == MPL__C_POOL_FAR;
        mpl__agent_say (&self->agents[message->node], message);
    }
}

/* Connections of workers to main where only ssh passes. At main's host their ids say in the upper half whose they are. */
static void stream_to (launch_t *self, mpl_host_agent_t *from, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len)
{
    uint64_t at_home = (uint64_t) (from->host + 1) << 32 | (id & UINT32_MAX);

    if (home (self)->post)
        mpl__post_stream (home (self)->post, kind, at_home, bytes, len);
    else if (self->tunnel)
        mpl__tunnel_heard (self->tunnel, kind, at_home, bytes, len);
}

static void stream_back (void *arg, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len)
{
    launch_t *self = arg;
    uint64_t host = (id >> 32) - 1;

    if (host < self->n_agents && self->agents[host].post)
        mpl__post_stream (self->agents[host].post, kind, id & UINT32_MAX, bytes, len);
}

static void heard_stream (void *arg, mpl_host_agent_t *agent, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len)
{
    launch_t *self = arg;

    if (!self->tally.ranks)
        return;
    if (agent == home (self))
        stream_back (self, kind, id, bytes, len);
    else
        stream_to (self, agent, kind, id, bytes, len);
}

/* Main hears that a host has workers for its pools: as many as it has ranks, or slots if it came later. Ranks of
 * main's own host count first. */
static void tell_of_host (launch_t *self, size_t host)
{
    const mpl_plan_t *plan = self->plan;
    size_t at_home = home (self)->host, before = plan->n_on[at_home], n = plan->n_on[host];
    mpl_control_t message = { .type = MPL__C_HOST, .node = host };

    for (size_t i = 0; i < host; i++)
        before += i == at_home ? 0 : plan->n_on[i];
    message.first_slot = n ? before : plan->n;
    message.workers = n ? n : (uint64_t) plan->slots[host];
    snprintf (message.text, sizeof message.text, "%s", plan->hosts.hosts[host].name);
    mpl__agent_say (home (self), &message);
}

static uint64_t slots_of (const launch_t *self, size_t host)
{
    return self->plan->n_on[host] ? self->plan->n_on[host] : (uint64_t) self->plan->slots[host];
}

/* Main's own host keeps one, or nobody would serve main. */
static void tell_slots (launch_t *self, mpl_host_agent_t *agent)
{
    mpl_control_t order = { .type = MPL__C_SLOTS, .n = slots_of (self, agent->host) };

    order.workers = agent->n_slots < order.n ? agent->n_slots : order.n;
    order.workers += !order.workers && agent == home (self);
    if (agent->is_resized && agent->state == MPL__AGENT_THERE)
        mpl__agent_say (agent, &order);
}

/* The agent has ended what was too much. One without any slot left is not needed any more. */
static void slots_free (launch_t *self, mpl_host_agent_t *agent, uint64_t n)
{
    if (!self->plan->attach || n != agent->n_slots + (!agent->n_slots && agent == home (self))
        || (!n && !self->has_far_pools && self->plan->n_on[agent->host]))
        return;
    agent->is_given_back = !n;
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: %llu slots of %s are kept, others were waiting\n", (unsigned long long) n, name_of (self, agent));
    mpl__attach_keep (self->plan->attach, agent->host, n);
}

static void tell_of_hosts (launch_t *self)
{
    for (size_t i = 0; i < self->n_agents; i++)
        if (i != home (self)->host && self->plan->n_on[i])
            tell_of_host (self, i);
}

static void take_message (launch_t *self, mpl_host_agent_t *agent, const mpl_control_t *message)
{
    switch (message->type) {
    case MPL__C_STARTED:
        rank_started (self, message);
        break;
    case MPL__C_ENDED:
        rank_ended (self, message);
        break;
    case MPL__C_BROKEN:
        if (message->pool)
            pass_between (self, agent, message);
        else
            output_lost (self, name_of (self, agent), message->text);
        break;
    case MPL__C_STAGED:
        agent->is_staging = 0;
        if (agent->is_late)
            mpl__agent_say (agent, message);
        break;
    case MPL__C_SLOTS:
        slots_free (self, agent, message->workers);
        break;
    case MPL__C_GROW:
        if (self->plan->attach)
            mpl__attach_want (self->plan->attach, message->workers);
        break;
    case MPL__C_CLOSING: case MPL__C_TERMINATE: case MPL__C_DISMISS: case MPL__C_POOL_FAR: case MPL__C_POOL_OVER:
    case MPL__C_KEY: case MPL__C_RECALL: case MPL__C_RECALLED: case MPL__C_LAST: case MPL__C_SPAWNED: case MPL__C_EXITED:
    case MPL__C_RETIRE:
        pass_between (self, agent, message);
        break;
    default:                            /* what agents do not say to a launcher */
        break;
    }
}

/* ---- agents that go -------------------------------------------------------------------------------------------- */

static void agent_gone (launch_t *self, mpl_host_agent_t *agent)
{
    int status = 0;
    char text[128];

    mpl__loop_remove (self->loop, &agent->source);
    mpl__fd_close (&agent->link);
    agent->state = MPL__AGENT_GONE;
    self->n_there--;
    while (waitpid (agent->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!status)
        return;
    fprintf (stderr, "mplaunch: the agent on %s (mpworker, process %d) ended with %s; its processes are ended\n",
             name_of (self, agent), (int) agent->pid, mpl__status_text (status, text, sizeof text));
    end_job (self);
}

/* How many ranks of a host had not ended. */
static size_t lose_ranks (launch_t *self, size_t host)
{
    size_t n = 0;

    for (size_t i = 0; i < self->plan->n; i++)
        n += self->plan->places[i].host == host && mpl__tally_lost (&self->tally, i, self->now);
    return n;
}

/* A host that is lost is reached again, and serves again, as long as the job lasts; one that was lent is its broker's
 * affair. */
static void come_back (launch_t *self, mpl_host_agent_t *agent)
{
    if (!self->plan->attach && !self->job.is_ending && !self->job.n_interrupts)
        mpl__reach_add (self->reach, agent, self->now + COME_BACK_NS);
}

/* A pool goes on without the host, unless main is there. Ranks that are no pool's are missed. */
static void host_gone (void *arg, mpl_host_agent_t *agent, const char *why)
{
    launch_t *self = arg;
    mpl_control_t lost = { .type = MPL__C_HOST_LOST, .node = agent->host };

    self->n_there--;
    if (self->unreached || !self->tally.ranks)
        return;
    size_t n = lose_ranks (self, agent->host);
    int is_missed = (n && !self->has_far_pools) || agent == home (self);
    if (!why && !n)
        return;
    why = why ? why : "its agent left";
    if (!self->job.is_ending && !agent->is_given_back)
        fprintf (stderr, "mplaunch: the host %s is lost: %s; %s\n", name_of (self, agent), why,
                 is_missed ? "the job is ended" : "the job goes on without it");
    stream_to (self, agent, MPL__STREAM_LOST, 0, NULL, 0);
    snprintf (lost.text, sizeof lost.text, "%.*s", (int) sizeof lost.text - 1, why);
    if (agent != home (self))
        mpl__agent_say (home (self), &lost);
    if (is_missed && !self->job.is_ending)
        end_job (self);
    else if (!is_missed)
        come_back (self, agent);
    for (; n; n--)
        act (self, mpl__job_ended (&self->job, 0, 0, 1, self->now), 0);
}

static void heard_agent (void *arg, uint32_t events)
{
    mpl_host_agent_t *agent = arg;
    launch_t *self = (launch_t *) agent->owner;
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    (void) events;
    for (int rc; (rc = mpl__control_recv (agent->link, &message, fds)) != -1 || errno != EAGAIN;) {
        mpl__fd_close_all (fds, MPL__FDS_MAX);
        if (rc <= 0) {
            agent_gone (self, agent);
            return;
        }
        take_message (self, agent, &message);
    }
}

static void heard_host (void *arg, mpl_host_agent_t *agent, const mpl_control_t *message)
{
    take_message (arg, agent, message);
}

/* Ranks may run. */
static int is_begun (const launch_t *self)
{
    return self->tally.ranks && (self->is_staged || !self->plan->n_far || !self->plan->staging.n);
}

static void heard_signal (void *arg, uint32_t events)
{
    launch_t *self = arg;
    struct signalfd_siginfo info;

    (void) events;
    if (read (self->signals, &info, sizeof info) != sizeof info || info.ssi_signo == SIGPIPE)
        return;
    int signal = (int) info.ssi_signo;
    if (!is_begun (self) && (signal == SIGINT || signal == SIGTERM || signal == SIGHUP)) {
        self->unreached = 128 + signal;         /* nothing is started yet, so there is nobody to ask */
        return;
    }
    act (self, mpl__job_signal (&self->job, signal, self->now), signal);
}

/* ---- beginning ------------------------------------------------------------------------------------------------- */

static int take_signals (launch_t *self)
{
    sigset_t set;

    sigemptyset (&set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset (&set, taken[i]);
    sigprocmask (SIG_BLOCK, &set, &self->were_blocked);
    self->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signals >= 0)
        self->signal_source = mpl__loop_add (self->loop, self->signals, EPOLLIN, heard_signal, self);
    return self->signal_source ? 0 : -1;
}

static int begin (launch_t *self, mpl_err_t *err)
{
    self->now = mpl__clock_ns ();
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    self->n_agents = self->plan->hosts.n;
    self->agents_max = self->n_agents + (self->plan->attach ? HOSTS_TO_COME : 0);
    self->agents = calloc (self->agents_max, sizeof *self->agents);     /* it never moves: others point into it */
    self->loop = mpl__loop_new ();
    if (!self->agents || !self->loop || take_signals (self) < 0)
        return mpl__err (err, errno, "the launch cannot begin: %s", strerror (errno));
    for (size_t i = 0; i < self->agents_max; i++)
        self->agents[i] = (mpl_host_agent_t) { .host = i, .link = -1, .words_fd = -1 };
    return 0;
}

static int order_there (launch_t *self, mpl_host_agent_t *agent, int standard_input, mpl_err_t *err);

/* The ranks run already: it gives workers to pools. */
static void welcome_late (launch_t *self, mpl_host_agent_t *agent)
{
    mpl_err_t err;

    agent->is_late = 1;
    agent->is_given_back = 0;
    if (order_there (self, agent, MPL__STDIN_NONE, &err) < 0) {
        fprintf (stderr, "mplaunch: the job goes on without %s: %s\n", name_of (self, agent), err.text);
        mpl__agent_say (agent, &(mpl_control_t) { .type = MPL__C_TERMINATE });
        return;
    }
    if (!self->options->is_quiet)
        fprintf (stderr, "mplaunch: %s is there and serves\n", name_of (self, agent));
    tell_of_host (self, agent->host);
}

static void host_there (void *arg, mpl_host_agent_t *agent)
{
    launch_t *self = arg;

    self->n_there++;
    if (self->tally.ranks) {
        welcome_late (self, agent);
        return;
    }
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: an agent is on %s, which has %d cores\n", name_of (self, agent), (int) agent->cores);
    if (!self->plan->slots[agent->host])
        self->plan->slots[agent->host] = (int) (agent->cores < MPL__SLOTS_MAX ? agent->cores : MPL__SLOTS_MAX);
}

static void host_failed (void *arg, mpl_host_agent_t *agent, const mpl_err_t *err)
{
    launch_t *self = arg;

    if (!self->tally.ranks) {
        fprintf (stderr, "mplaunch: %s\n", err->text);
        self->unreached = LAUNCH_FAILED;
        return;
    }
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: %s\n", err->text);
    come_back (self, agent);
}

/* A host that left the broker and joined it again has its old place. */
static int place_of_lent (launch_t *self, const char *name, int slots, mpl_err_t *err)
{
    int known = mpl__hosts_find (&self->plan->hosts, name);

    if (known >= 0 && self->agents[known].state != MPL__AGENT_GONE)
        return mpl__err (err, EEXIST, "this launch has an agent there already");
    if (known >= 0 || self->n_agents == self->agents_max)
        return known >= 0 ? known : mpl__err (err, E2BIG, "%zu hosts are the most one launch may have", self->agents_max);
    int host = mpl__plan_add_host (self->plan, name, slots, err);
    if (host < 0 || mpl__streams_extend (self->streams) < 0)
        return -1;
    self->n_agents++;
    return host;
}

static void host_lent (void *arg, const char *name, int slots, uint64_t lease)
{
    launch_t *self = arg;
    mpl_err_t err = { 0 };
    int host = place_of_lent (self, name, slots, &err);

    if (host >= 0 && mpl__attach_take (self->plan->attach, (size_t) host, lease, (uint64_t) slots) == 0) {
        self->agents[host].is_resized = 1;              /* it may have had more before */
        self->agents[host].n_slots = (uint64_t) slots;
        mpl__reach_add (self->reach, &self->agents[host], self->now);
        return;
    }
    mpl__attach_return (self->plan->attach, lease);
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: what the broker lends of %s is not used: %s\n", name, err.text);
}

static void host_resized (void *arg, size_t host, uint64_t slots)
{
    launch_t *self = arg;

    if (host >= self->n_agents)
        return;
    self->agents[host].is_resized = 1;
    self->agents[host].n_slots = slots;
    if (self->tally.ranks)              /* else when it has its order */
        tell_slots (self, &self->agents[host]);
}

static void broker_gone (void *arg, const char *why)
{
    const launch_t *self = arg;

    if (!self->job.is_ending)
        fprintf (stderr, "mplaunch: %s; with it go the hosts that it has lent\n", why);
}

static int listen_to_broker (launch_t *self, mpl_err_t *err)
{
    const mpl_attach_fns_t fns = { host_lent, host_resized, broker_gone, self };

    if (self->plan->attach && mpl__attach_listen (self->plan->attach, self->loop, &fns) < 0)
        return mpl__err (err, errno, "the broker cannot be listened to: %s", strerror (errno));
    return 0;
}

/* All other hosts have an agent when this returns 0; nothing is started on any before. */
static int reach_hosts (launch_t *self, mpl_err_t *err)
{
    const mpl_reach_fns_t fns = { host_there, host_failed, heard_host, heard_stream, host_gone, self };

    if (!self->plan->n_far)
        return 0;
    if (!(self->reach = mpl__reach_new (self->loop, self->plan, self->agents, self->n_agents, &fns, err)))
        return -1;
    while (self->n_there < self->plan->n_far && !self->unreached) {
        mpl__loop_turn (self->loop, mpl__reach_tick (self->reach, self->now));
        self->now = mpl__clock_ns ();
    }
    return 0;
}

/* Too many for the slots is slow, and sometimes wanted; so it is said and done. */
static void warn_if_crowded (const mpl_plan_t *plan)
{
    const mpl_options_t *options = plan->options;
    int slots = 0;

    for (size_t i = 0; i < plan->hosts.n; i++)
        slots += plan->slots[i];
    if (plan->is_crowded && !options->is_quiet && !options->may_crowd)
        fprintf (stderr, "mplaunch: %zu processes share %d slot%s; --oversubscribe says that this is meant\n",
                 plan->n, slots, slots == 1 ? "" : "s");
}

/* Now it is known how many cores there are. */
static int settle (launch_t *self, mpl_err_t *err)
{
    const mpl_options_t *options = self->options;

    if (self->plan->must_ask && mpl__plan_place (self->plan, err) < 0)
        return -1;
    if (options->shows_map && mpl__map_print (self->plan, stderr, 0, err) < 0)
        return -1;
    warn_if_crowded (self->plan);
    mpl__job_begin (&self->job, (int) self->plan->n, options->keeps_going,
                    (uint64_t) (options->timeout * MPL__NS_PER_S), self->now);
    mpl__progress_begin (&self->progress, options->has_progress && !options->is_each, self->now);
    if (mpl__tally_begin (&self->tally, self->plan, self->now) < 0)
        return mpl__err (err, ENOMEM, "no memory for %zu ranks", self->plan->n);
    return 0;
}

/* A terminal belongs to the job in its foreground: what we start in its background must not read what the user
 * types to somebody else. */
static int choose_standard_input (const mpl_options_t *options)
{
    return isatty (0) && tcgetpgrp (0) != getpgrp () ? MPL__STDIN_NONE : options->standard_input;
}

/* Nobody but the ranks holds our standard input open now, so its writer learns when they read no more. */
static void let_input_go (void)
{
    int null = open ("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0 && dup2 (null, 0) == 0)
        mpl__fd_close (&null);
}

static int start_here (launch_t *self, mpl_host_agent_t *agent, int standard_input, mpl_err_t *err)
{
    int fds[3] = { -1, -1, -1 };

    if (self->streams && mpl__streams_open (self->streams, agent->host, fds, err) < 0)
        return -1;
    int rc = mpl__agent_start (agent, self->plan, agent->host, standard_input, fds, err);
    mpl__fd_close_all (fds, 3);
    if (rc < 0)
        return -1;
    agent->state = MPL__AGENT_THERE;
    self->n_there++;
    agent->owner = self;
    fcntl (agent->link, F_SETFL, O_NONBLOCK);
    agent->source = mpl__loop_add (self->loop, agent->link, EPOLLIN, heard_agent, agent);
    return agent->source ? 0 : mpl__err (err, errno, "the agent cannot be listened to: %s", strerror (errno));
}

/* Until they are there the agent reads nothing else, and says nothing. */
static int send_files (launch_t *self, mpl_host_agent_t *agent, mpl_err_t *err)
{
    const mpl_staging_t *staging = &self->plan->staging;

    agent->due = self->now + MPL__FILES_LIMIT_NS;
    for (size_t i = 0; i < staging->n && !mpl__plan_is_here (self->plan, agent->host); i++) {
        int fd = open (staging->paths[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return mpl__err (err, errno, "--stage %s: the file cannot be read: %s", staging->paths[i], strerror (errno));
        mpl__post_file (agent->post, fd, staging->files[i].bytes);
    }
    agent->is_staging = 1;
    agent->files_left = mpl__post_files_left (agent->post);
    return 0;
}

static int order_there (launch_t *self, mpl_host_agent_t *agent, int standard_input, mpl_err_t *err)
{
    uint8_t *bytes = NULL;
    size_t len;

    if (agent->state != MPL__AGENT_THERE)
        return 0;                       /* lost again: that was said */
    if (mpl__plan_order (self->plan, agent->host, standard_input, agent->is_late, &bytes, &len, err) < 0)
        return -1;
    mpl__post_write (agent->post, bytes, len);          /* before any frame */
    free (bytes);
    if (self->plan->staging.n && send_files (self, agent, err) < 0)
        return -1;
    tell_slots (self, agent);
    return mpl__streams_open_post (self->streams, agent->host, agent->post, err);
}

static void turn (launch_t *self);

static int are_staging (const launch_t *self)
{
    int n = 0;

    for (size_t i = 0; i < self->n_agents; i++)
        n += self->agents[i].state == MPL__AGENT_THERE && self->agents[i].is_staging;
    return n;
}

/* Other hosts have their orders, and start when all of them have their files. What ends the launch meanwhile ends it
 * here, by our end of their posts: they read nothing but files. */
static void stage (launch_t *self)
{
    while (are_staging (self) && !self->unreached && !self->job.is_ending)
        turn (self);
    if (self->job.is_ending && !self->unreached)
        self->unreached = !self->is_agent_lost && mpl__job_outcome (&self->job) ? mpl__job_outcome (&self->job) : LAUNCH_FAILED;
    if (!self->unreached)
        tell_agents (self, MPL__C_STAGED, 0);
    self->is_staged = 1;
}

static int order_agents (launch_t *self, int standard_input, mpl_err_t *err)
{
    int rc = 0;

    for (size_t i = 0; i < self->n_agents && !rc; i++)
        if (self->plan->has_post[i])
            rc = order_there (self, &self->agents[i], standard_input, err);
    if (!rc && self->plan->n_far && self->plan->staging.n)
        stage (self);
    for (size_t i = 0; i < self->n_agents && !rc && !self->unreached; i++)
        if (!self->plan->has_post[i])
            rc = start_here (self, &self->agents[i], standard_input, err);
    return rc;
}

static int start_agents (launch_t *self, mpl_err_t *err)
{
    int standard_input = choose_standard_input (self->options);

    if (self->plan->n_far && !(self->streams = mpl__streams_new (self->loop, self->plan, standard_input, err)))
        return -1;
    if (self->plan->transport.tunnel == MPL__TUNNEL_SSH && !(self->tunnel = mpl__tunnel_new (self->loop, stream_back, self)))
        return mpl__err (err, ENOMEM, "no memory for a tunnel");
    if (order_agents (self, standard_input, err) < 0)
        return -1;
    if (self->streams)
        mpl__streams_begin (self->streams);
    let_input_go ();
    tell_of_hosts (self);
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

static uint64_t earlier (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void turn (launch_t *self)
{
    uint64_t due = earlier (mpl__job_due (&self->job), mpl__progress_due (&self->progress));

    due = self->reach ? earlier (due, mpl__reach_tick (self->reach, self->now)) : due;
    due = self->streams ? earlier (due, mpl__streams_tick (self->streams, self->now)) : due;
    mpl__loop_turn (self->loop, due);
    self->now = mpl__clock_ns ();
    for (mpl_job_action_t action; (action = mpl__job_tick (&self->job, self->now)) != MPL__JOB_NOTHING;)
        act (self, action, 0);
    if (self->reach && (self->job.is_ending || self->job.n_interrupts))
        mpl__reach_hurry (self->reach, self->now);
    mpl__progress_tick (&self->progress, &self->tally, self->now);
    int error = self->streams && !self->is_output_lost && !self->job.is_ending ? mpl__streams_error (self->streams) : 0;
    if (error)
        output_lost (self, "this host", error == EPIPE ? "" : strerror (error));
}

static void watch (launch_t *self)
{
    while (self->n_there)
        turn (self);
    while (self->streams && !mpl__streams_is_done (self->streams) && !mpl__streams_error (self->streams)
           && self->job.n_interrupts < 2)
        turn (self);
}

static int tell_at_end (launch_t *self)
{
    const mpl_options_t *options = self->options;
    mpl_err_t err;

    mpl__progress_clear (&self->progress);
    if (options->has_report)
        mpl__report_print (&self->tally, self->now, stderr);
    if (options->trace && mpl__report_trace (&self->tally, self->plan, self->now, options->trace, &err) < 0) {
        fprintf (stderr, "mplaunch: %s\n", err.text);
        return -1;
    }
    return 0;
}

static void clear (launch_t *self)
{
    mpl__tunnel_destroy (&self->tunnel);
    mpl__attach_destroy (&self->plan->attach);
    mpl__reach_destroy (&self->reach);
    mpl__streams_destroy (&self->streams);
    for (size_t i = 0; self->agents && i < self->n_agents; i++) {
        mpl__loop_remove (self->loop, &self->agents[i].source);
        mpl__fd_close (&self->agents[i].link);
    }
    if (self->loop)
        mpl__loop_remove (self->loop, &self->signal_source);
    mpl__loop_destroy (&self->loop);
    if (self->signals >= 0)
        mpl__fd_close (&self->signals);
    mpl__tally_clear (&self->tally);
    free (self->agents);
}

/* The agents leave when all their ranks have ended. If one was killed, its ranks became our children. */
static int finish (launch_t *self)
{
    mpl__attach_destroy (&self->plan->attach);
    if (mpl__sweep_all (mpl__clock_ns () + SWEEP_NS) < 0)
        fprintf (stderr, "mplaunch: some processes could not be ended\n");
    int is_told = tell_at_end (self) == 0;
    int code = self->is_agent_lost    ? LAUNCH_FAILED
               : self->is_output_lost ? OUTPUT_LOST
                                      : mpl__job_outcome (&self->job);
    return code ? code : is_told ? 0 : OUTPUT_LOST;
}

static int launch (launch_t *self, mpl_err_t *err)
{
    if (begin (self, err) < 0 || listen_to_broker (self, err) < 0 || reach_hosts (self, err) < 0)
        return -1;
    if (self->unreached)
        return self->unreached;
    if (settle (self, err) < 0 || start_agents (self, err) < 0)
        return -1;
    if (self->unreached)
        return self->unreached;
    watch (self);
    return finish (self);
}

int mpl__launch (mpl_plan_t *plan)
{
    launch_t self = { .plan = plan, .options = plan->options, .signals = -1 };
    mpl_err_t err;
    int code = launch (&self, &err);

    if (code < 0)
        fprintf (stderr, "mplaunch: %s\n", err.text);
    clear (&self);
    if (code < 0)
        mpl__sweep_all (mpl__clock_ns () + SWEEP_NS);
    return code < 0 ? LAUNCH_FAILED : code;
}
