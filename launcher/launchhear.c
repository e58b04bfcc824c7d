#include "launcher/launchself.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define COME_BACK_NS (5 * (uint64_t) MPL__NS_PER_S)     /* between attempts to reach a host that was lost */

/* ---- doing -------------------------------------------------------------------------------------------------------- */

void mpl__launch_tell_agents (launch_t *self, mpl_control_type_t type, int signal)
{
    mpl_control_t message = { .type = type, .status = (uint64_t) signal };

    for (size_t i = 0; i < self->n_agents; i++)
        mpl__agent_say (&self->agents[i], &message);
}

/* The shell that started us learns that we are stopped, and continues us; the ranks have been told already. */
static void suspend (launch_t *self)
{
    mpl__progress_clear (&self->progress);
    mpl__launch_tell_agents (self, MPL__C_SIGNAL, SIGTSTP);
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

void mpl__launch_act (launch_t *self, mpl_job_action_t action, int signal)
{
    switch (action) {
    case MPL__JOB_NOTHING:
        break;
    case MPL__JOB_PASS_ON:
        mpl__launch_tell_agents (self, MPL__C_SIGNAL, signal);
        break;
    case MPL__JOB_SUSPEND:
        suspend (self);
        break;
    case MPL__JOB_TIME_OUT:
        say_timeout (self);
        mpl__launch_tell_agents (self, MPL__C_TERMINATE, 0);
        break;
    case MPL__JOB_TERMINATE:
        mpl__launch_tell_agents (self, MPL__C_TERMINATE, 0);
        break;
    case MPL__JOB_KILL:
        mpl__launch_tell_agents (self, MPL__C_SIGNAL, SIGKILL);
        mpl__launch_tell_agents (self, MPL__C_TERMINATE, 0);
        break;
    case MPL__JOB_NAME_STRAGGLER:
        say_straggler (self);
        break;
    }
}

/* ---- what happens ------------------------------------------------------------------------------------------------- */

static void rank_started (launch_t *self, const mpl_control_t *message)
{
    const mpl_record_of_rank_t *rank = mpl__tally_started (&self->tally, message, self->now);

    if (!rank)
        return;
    if (message->status) {
        fprintf (stderr, "mplaunch: rank %d on %s: %s\n", (int) message->rank, rank->host, message->text);
        mpl__launch_act (self, mpl__job_not_started (&self->job, (int) message->status), 0);
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
    mpl__launch_act (self, mpl__job_ended (&self->job, rank->status, is_main, is_held, self->now), 0);
}

void mpl__launch_output_lost (launch_t *self, const char *where, const char *why)
{
    mpl__job_output_lost (&self->job);
    mpl__launch_tell_agents (self, MPL__C_TERMINATE, 0);
    if (!*why)
        return;
    fprintf (stderr, "mplaunch: the output cannot be written on %s to %s; the job is ended\n", where, why);
    self->is_output_lost = 1;
}

static void end_job (launch_t *self)
{
    self->is_agent_lost = 1;
    mpl__job_output_lost (&self->job);
    mpl__launch_tell_agents (self, MPL__C_TERMINATE, 0);
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
            mpl__launch_pass_between (self, agent, message);
        else
            mpl__launch_output_lost (self, mpl__launch_name_of (self, agent), message->text);
        break;
    case MPL__C_STAGED:
        agent->is_staging = 0;
        if (agent->is_late)
            mpl__agent_say (agent, message);
        break;
    case MPL__C_SLOTS:
        mpl__launch_slots_free (self, agent, message->workers);
        break;
    case MPL__C_GROW:
        if (self->plan->attach)
            mpl__attach_want (self->plan->attach, message->workers);
        break;
    case MPL__C_CLOSING: case MPL__C_TERMINATE: case MPL__C_DISMISS: case MPL__C_POOL_FAR: case MPL__C_POOL_OVER:
    case MPL__C_KEY: case MPL__C_RECALL: case MPL__C_RECALLED: case MPL__C_LAST: case MPL__C_SPAWNED: case MPL__C_EXITED:
    case MPL__C_RETIRE:
        mpl__launch_pass_between (self, agent, message);
        break;
    default:                            /* what agents do not say to a launcher */
        break;
    }
}

/* ---- agents that go ----------------------------------------------------------------------------------------------- */

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
             mpl__launch_name_of (self, agent), (int) agent->pid, mpl__status_text (status, text, sizeof text));
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

void mpl__launch_come_back (launch_t *self, mpl_host_agent_t *agent)
{
    if (!self->plan->attach && !self->job.is_ending && !self->job.n_interrupts)
        mpl__reach_add (self->reach, agent, self->now + COME_BACK_NS);
}

/* A pool goes on without the host, unless main is there. Ranks that are no pool's are missed. */
void mpl__launch_host_gone (void *arg, mpl_host_agent_t *agent, const char *why)
{
    launch_t *self = arg;
    mpl_control_t lost = { .type = MPL__C_HOST_LOST, .node = agent->host };

    self->n_there--;
    if (self->unreached || !self->tally.ranks)
        return;
    size_t n = lose_ranks (self, agent->host);
    int is_missed = (n && !self->has_far_pools) || agent == mpl__launch_home (self);
    if (!why && !n)
        return;
    why = why ? why : "its agent left";
    if (!self->job.is_ending && !agent->is_given_back)
        fprintf (stderr, "mplaunch: the host %s is lost: %s; %s\n", mpl__launch_name_of (self, agent), why,
                 is_missed ? "the job is ended" : "the job goes on without it");
    mpl__launch_stream_to (self, agent, MPL__STREAM_LOST, 0, NULL, 0);
    snprintf (lost.text, sizeof lost.text, "%.*s", (int) sizeof lost.text - 1, why);
    if (agent != mpl__launch_home (self))
        mpl__agent_say (mpl__launch_home (self), &lost);
    if (is_missed && !self->job.is_ending)
        end_job (self);
    else if (!is_missed)
        mpl__launch_come_back (self, agent);
    for (; n; n--)
        mpl__launch_act (self, mpl__job_ended (&self->job, 0, 0, 1, self->now), 0);
}

/* ---- hearing ------------------------------------------------------------------------------------------------------ */

void mpl__launch_heard_agent (void *arg, uint32_t events)
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

void mpl__launch_heard_host (void *arg, mpl_host_agent_t *agent, const mpl_control_t *message)
{
    take_message (arg, agent, message);
}

/* Ranks may run. */
static int is_begun (const launch_t *self)
{
    return self->tally.ranks && (self->is_staged || !self->plan->n_far || !self->plan->staging.n);
}

void mpl__launch_heard_signal (void *arg, uint32_t events)
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
    mpl__launch_act (self, mpl__job_signal (&self->job, signal, self->now), signal);
}
