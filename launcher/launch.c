#include "launcher/launch.h"
#include "launcher/launchself.h"
#include "launcher/map.h"
#include "launcher/report.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define HOSTS_TO_COME 1024                              /* that a broker may lend after the launch has begun */
#define OUTPUT_LOST 1
#define SWEEP_NS (2 * (uint64_t) MPL__NS_PER_S)         /* to end what a lost agent leaves */

/* PIPE is taken so that a closed standard error ends nobody. */
static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGPIPE };

/* ---- beginning ---------------------------------------------------------------------------------------------------- */

static int take_signals (launch_t *self)
{
    sigset_t set;

    sigemptyset (&set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset (&set, taken[i]);
    sigprocmask (SIG_BLOCK, &set, &self->were_blocked);
    self->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signals >= 0)
        self->signal_source = mpl__loop_add (self->loop, self->signals, EPOLLIN, mpl__launch_heard_signal, self);
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
    agent->source = mpl__loop_add (self->loop, agent->link, EPOLLIN, mpl__launch_heard_agent, agent);
    return agent->source ? 0 : mpl__err (err, errno, "the agent cannot be listened to: %s", strerror (errno));
}

static int order_agents (launch_t *self, int standard_input, mpl_err_t *err)
{
    int rc = 0;

    for (size_t i = 0; i < self->n_agents && !rc; i++)
        if (self->plan->has_post[i])
            rc = mpl__launch_order_there (self, &self->agents[i], standard_input, err);
    if (!rc && self->plan->n_far && self->plan->staging.n)
        mpl__launch_stage (self);
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
    if (self->plan->transport.tunnel == MPL__TUNNEL_SSH
        && !(self->tunnel = mpl__tunnel_new (self->loop, mpl__launch_stream_back, self)))
        return mpl__err (err, ENOMEM, "no memory for a tunnel");
    if (order_agents (self, standard_input, err) < 0)
        return -1;
    if (self->streams)
        mpl__streams_begin (self->streams);
    let_input_go ();
    mpl__launch_tell_of_hosts (self);
    return 0;
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

static uint64_t earlier (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void mpl__launch_turn (launch_t *self)
{
    uint64_t due = earlier (mpl__job_due (&self->job), mpl__progress_due (&self->progress));

    due = self->reach ? earlier (due, mpl__reach_tick (self->reach, self->now)) : due;
    due = self->streams ? earlier (due, mpl__streams_tick (self->streams, self->now)) : due;
    mpl__loop_turn (self->loop, due);
    self->now = mpl__clock_ns ();
    for (mpl_job_action_t action; (action = mpl__job_tick (&self->job, self->now)) != MPL__JOB_NOTHING;)
        mpl__launch_act (self, action, 0);
    if (self->reach && (self->job.is_ending || self->job.n_interrupts))
        mpl__reach_hurry (self->reach, self->now);
    mpl__progress_tick (&self->progress, &self->tally, self->now);
    int error = self->streams && !self->is_output_lost && !self->job.is_ending ? mpl__streams_error (self->streams) : 0;
    if (error)
        mpl__launch_output_lost (self, "this host", error == EPIPE ? "" : strerror (error));
}

static void watch (launch_t *self)
{
    while (self->n_there)
        mpl__launch_turn (self);
    while (self->streams && !mpl__streams_is_done (self->streams) && !mpl__streams_error (self->streams)
           && self->job.n_interrupts < 2)
        mpl__launch_turn (self);
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
    int code = self->is_agent_lost    ? MPL__LAUNCH_FAILED
               : self->is_output_lost ? OUTPUT_LOST
                                      : mpl__job_outcome (&self->job);
    return code ? code : is_told ? 0 : OUTPUT_LOST;
}

static int launch (launch_t *self, mpl_err_t *err)
{
    if (begin (self, err) < 0 || mpl__launch_listen_to_broker (self, err) < 0 || mpl__launch_reach_hosts (self, err) < 0)
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
    return code < 0 ? MPL__LAUNCH_FAILED : code;
}
