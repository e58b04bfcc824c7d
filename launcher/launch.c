#include "launcher/launch.h"
#include "launcher/agent.h"
#include "launcher/job.h"
#include "launcher/progress.h"
#include "launcher/report.h"
#include "launcher/tally.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/sweep.h"
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
#define OUTPUT_LOST 1
#define SWEEP_NS (2 * (uint64_t) MPL__NS_PER_S)         /* to end what a lost agent leaves */

typedef struct {
    const mpl_plan_t *plan;
    const mpl_options_t *options;
    mpl_loop_t *loop;
    mpl_source_t *signal_source;
    int signals;                                        /* signalfd */
    sigset_t were_blocked;                              /* when we were started */
    mpl_host_agent_t *agents;                           /* one for each host */
    size_t n_agents, n_there;                           /* started; and not gone */
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
        if (self->agents[i].link >= 0)
            mpl__control_send (self->agents[i].link, &message, NULL, 0);
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
static void output_lost (launch_t *self, const mpl_host_agent_t *agent, const mpl_control_t *message)
{
    mpl__job_output_lost (&self->job);
    tell_agents (self, MPL__C_TERMINATE, 0);
    if (!*message->text)
        return;
    fprintf (stderr, "mplaunch: the output cannot be written on %s to %s; the job is ended\n",
             self->plan->hosts.hosts[agent->host].name, message->text);
    self->is_output_lost = 1;
}

static void agent_gone (launch_t *self, mpl_host_agent_t *agent)
{
    int status = 0;
    char text[128];

    mpl__loop_remove (self->loop, &agent->source);
    mpl__fd_close (&agent->link);
    self->n_there--;
    while (waitpid (agent->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!status)
        return;
    fprintf (stderr, "mplaunch: the agent on %s (mpworker, process %d) ended with %s; its processes are ended\n",
             self->plan->hosts.hosts[agent->host].name, (int) agent->pid,
             mpl__status_text (status, text, sizeof text));
    self->is_agent_lost = 1;
    mpl__job_output_lost (&self->job);
    tell_agents (self, MPL__C_TERMINATE, 0);
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
        if (message.type == MPL__C_STARTED)
            rank_started (self, &message);
        else if (message.type == MPL__C_ENDED)
            rank_ended (self, &message);
        else if (message.type == MPL__C_BROKEN)
            output_lost (self, agent, &message);
    }
}

static void heard_signal (void *arg, uint32_t events)
{
    launch_t *self = arg;
    struct signalfd_siginfo info;

    (void) events;
    if (read (self->signals, &info, sizeof info) != sizeof info || info.ssi_signo == SIGPIPE)
        return;
    int signal = (int) info.ssi_signo;
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
    const mpl_options_t *options = self->options;

    self->now = mpl__clock_ns ();
    mpl__job_begin (&self->job, (int) self->plan->n, options->keeps_going,
                    (uint64_t) (options->timeout * MPL__NS_PER_S), self->now);
    mpl__progress_begin (&self->progress, options->has_progress && !options->is_each, self->now);
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    self->agents = calloc (self->plan->hosts.n, sizeof *self->agents);
    self->loop = mpl__loop_new ();
    if (!self->agents || !self->loop || mpl__tally_begin (&self->tally, self->plan, self->now) < 0
        || take_signals (self) < 0)
        return mpl__err (err, errno, "the launch cannot begin: %s", strerror (errno));
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

static int start_agents (launch_t *self, mpl_err_t *err)
{
    int standard_input = choose_standard_input (self->options);

    for (size_t i = 0; i < self->plan->hosts.n; i++) {
        mpl_host_agent_t *agent = &self->agents[i];
        if (mpl__agent_start (agent, self->plan, i, standard_input, err) < 0)
            return -1;
        self->n_agents++;
        self->n_there++;
        agent->owner = self;
        fcntl (agent->link, F_SETFL, O_NONBLOCK);
        if (!(agent->source = mpl__loop_add (self->loop, agent->link, EPOLLIN, heard_agent, agent)))
            return mpl__err (err, errno, "the agent cannot be listened to: %s", strerror (errno));
    }
    let_input_go ();
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

static void watch (launch_t *self)
{
    while (self->n_there) {
        uint64_t due = mpl__job_due (&self->job), show = mpl__progress_due (&self->progress);
        mpl__loop_turn (self->loop, due < show ? due : show);
        self->now = mpl__clock_ns ();
        for (mpl_job_action_t action; (action = mpl__job_tick (&self->job, self->now)) != MPL__JOB_NOTHING;)
            act (self, action, 0);
        mpl__progress_tick (&self->progress, &self->tally, self->now);
    }
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
    for (size_t i = 0; i < self->n_agents; i++) {
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
    if (mpl__sweep_all (mpl__clock_ns () + SWEEP_NS) < 0)
        fprintf (stderr, "mplaunch: some processes could not be ended\n");
    int is_told = tell_at_end (self) == 0;
    int code = self->is_agent_lost    ? LAUNCH_FAILED
               : self->is_output_lost ? OUTPUT_LOST
                                      : mpl__job_outcome (&self->job);
    return code ? code : is_told ? 0 : OUTPUT_LOST;
}

int mpl__launch (const mpl_plan_t *plan)
{
    launch_t self = { .plan = plan, .options = plan->options, .signals = -1 };
    mpl_err_t err;
    int code = LAUNCH_FAILED;

    if (begin (&self, &err) == 0 && start_agents (&self, &err) == 0) {
        watch (&self);
        code = finish (&self);
    } else {
        fprintf (stderr, "mplaunch: %s\n", err.text);
        clear (&self);
        mpl__sweep_all (mpl__clock_ns () + SWEEP_NS);
        return code;
    }
    clear (&self);
    return code;
}
