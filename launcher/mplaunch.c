/* mplaunch - starts a program's processes and sees them through: reads the command line, starts the agent of each host, passes
 * signals on, and returns the exit code. */
#include "launcher/agent.h"
#include "launcher/job.h"
#include "launcher/options.h"
#include "base/clock.h"
#include "base/fd.h"
#include "wire/control.h"
#include "base/sweep.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS (5 * (uint64_t) MPL__NS_PER_S)         /* after a user's first Ctrl-C or TERM */
#define SWEEP_NS (2 * (uint64_t) MPL__NS_PER_S)         /* to end what a lost agent leaves */

#define OUTPUT_LOST 1

typedef struct {
    mpl_options_t options;
    mpl_host_agent_t agent;
    mpl_job_t job;
    char host[256];
    int signals;
    uint64_t kill_at;                                   /* MPL__NEVER: nothing is to be killed */
    int is_agent_gone;
    int is_output_lost;                                 /* what the ranks printed could not be written */
} launch_t;

static const int passed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

static void tell_agent (launch_t *self, mpl_control_type_t type, int signal)
{
    mpl_control_t message = { .type = type, .status = (uint64_t) signal };

    mpl__control_send (self->agent.link, &message, NULL, 0);
}

static void act (launch_t *self, mpl_job_action_t action, int signal)
{
    switch (action) {
    case MPL__JOB_NOTHING:
        break;
    case MPL__JOB_PASS_ON:
        tell_agent (self, MPL__C_SIGNAL, signal);
        break;
    case MPL__JOB_TERMINATE:
        tell_agent (self, MPL__C_TERMINATE, 0);
        break;
    case MPL__JOB_KILL:
        tell_agent (self, MPL__C_SIGNAL, SIGKILL);
        tell_agent (self, MPL__C_TERMINATE, 0);
        break;
    }
}

/* ---- what happens -------------------------------------------------------------------------------------------------------------- */

static void rank_started (launch_t *self, const mpl_control_t *message)
{
    if (message->status) {
        fprintf (stderr, "mplaunch: rank %d on %s: %s\n", (int) message->rank, self->host, message->text);
        act (self, mpl__job_not_started (&self->job, (int) message->status), 0);
    } else if (self->options.is_verbose) {
        fprintf (stderr, "mplaunch: rank %d on %s is process %d\n", (int) message->rank, self->host, (int) message->pid);
    }
}

static void rank_ended (launch_t *self, const mpl_control_t *message)
{
    int status = (int) message->status, is_main = message->rank == 0 && message->end;
    int is_ours = self->job.is_ending || self->job.n_interrupts || (message->rank && message->end);
    char text[128];

    if ((mpl__job_code (status) && !is_ours && !self->options.is_quiet) || self->options.is_verbose)
        fprintf (stderr, "mplaunch: rank %d on %s ended with %s%s\n", (int) message->rank, self->host,
                 mpl__status_text (status, text, sizeof text), mpl__job_hint (status));
    act (self, mpl__job_ended (&self->job, status, is_main, message->rank && message->end), 0);
}

/* A reader that has gone away, as in `mplaunch ... | head -1`, is no error to tell of; a full disk is. */
static void output_lost (launch_t *self, const mpl_control_t *message)
{
    self->job.is_ending = 1;
    if (*message->text) {
        fprintf (stderr, "mplaunch: the output cannot be written on %s: %s; the job is ended\n", self->host, message->text);
        self->is_output_lost = 1;
    }
}

static void heard_agent (launch_t *self)
{
    mpl_control_t message;
    int fds[MPL__FDS_MAX];
    int rc = mpl__control_recv (self->agent.link, &message, fds);

    mpl__fd_close_all (fds, MPL__FDS_MAX);
    if (rc == 1 && message.type == MPL__C_STARTED)
        rank_started (self, &message);
    else if (rc == 1 && message.type == MPL__C_ENDED)
        rank_ended (self, &message);
    else if (rc == 1 && message.type == MPL__C_BROKEN)
        output_lost (self, &message);
    else if (rc <= 0)
        self->is_agent_gone = 1;
}

static void heard_signal (launch_t *self)
{
    struct signalfd_siginfo info;

    if (read (self->signals, &info, sizeof info) != sizeof info)
        return;
    int signal = (int) info.ssi_signo;
    mpl_job_action_t action = mpl__job_signal (&self->job, signal);
    act (self, action, signal);
    if (self->job.n_interrupts == 1 && (signal == SIGINT || signal == SIGTERM))
        self->kill_at = mpl__clock_ns () + GRACE_NS;
}

/* ---- beginning and end --------------------------------------------------------------------------------------------------------- */

static int take_signals (launch_t *self)
{
    sigset_t set;

    sigemptyset (&set);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        sigaddset (&set, passed_on[i]);
    sigprocmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
    self->signals = signalfd (-1, &set, SFD_CLOEXEC);
    return self->signals < 0 ? -1 : 0;
}

static void watch (launch_t *self)
{
    while (!self->is_agent_gone) {
        struct pollfd fds[] = { { .fd = self->agent.link, .events = POLLIN }, { .fd = self->signals, .events = POLLIN } };
        uint64_t now = mpl__clock_ns ();
        int n = poll (fds, 2, mpl__clock_poll_ms (self->kill_at, now));
        if (n == 0 && mpl__clock_ns () >= self->kill_at) {
            self->kill_at = MPL__NEVER;
            act (self, MPL__JOB_TERMINATE, 0);
        }
        if (n > 0 && fds[1].revents)
            heard_signal (self);
        if (n > 0 && fds[0].revents)
            heard_agent (self);
    }
}

/* The agent leaves when all its ranks have ended. If it was killed, its ranks became our children. */
static int finish (launch_t *self)
{
    int status = 0;
    char text[128];

    mpl__fd_close (&self->agent.link);
    while (waitpid (self->agent.pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status) {
        fprintf (stderr, "mplaunch: the agent on %s (mpworker, process %d) ended with %s; its processes are ended\n",
                 self->host, (int) self->agent.pid, mpl__status_text (status, text, sizeof text));
        self->job.code = 125;
    }
    if (mpl__sweep_all (mpl__clock_ns () + SWEEP_NS) < 0)
        fprintf (stderr, "mplaunch: some processes on %s could not be ended\n", self->host);
    return self->is_output_lost ? OUTPUT_LOST : mpl__job_outcome (&self->job);
}

int main (int argc, char **argv)
{
    launch_t self = { .kill_at = MPL__NEVER };
    mpl_err_t err;
    int rc = mpl__options_parse (argc, argv, &self.options);

    if (rc >= 0)
        return rc;
    self.job = (mpl_job_t) { .n = self.options.n, .n_running = self.options.n };
    gethostname (self.host, sizeof self.host - 1);
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    if (take_signals (&self) < 0) {
        fprintf (stderr, "mplaunch: cannot take signals: %s\n", strerror (errno));
        return 125;
    }
    if (mpl__agent_start (&self.agent, &self.options, &err) < 0) {
        fprintf (stderr, "mplaunch: %s\n", err.text);
        return 125;
    }
    watch (&self);
    return finish (&self);
}
