#include "launcher/job.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define TIMED_OUT 124                   /* as timeout (1) has it */
#define LAUNCH_FAILED 125

int mpl__job_code (int status)
{
    return WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
}

void mpl__job_begin (mpl_job_t *self, int n, int keeps_going, uint64_t timeout_ns, uint64_t now)
{
    *self = (mpl_job_t){ .n = n,
                         .n_running = n,
                         .keeps_going = keeps_going,
                         .kill_at = MPL__NEVER,
                         .straggler_at = MPL__NEVER,
                         .timeout_at = timeout_ns ? now + timeout_ns : MPL__NEVER };
}

static void fail (mpl_job_t *self, int code)
{
    if (self->has_failed)
        return;
    self->has_failed = 1;
    self->code = code;
}

/* The ranks are being ended from now on. */
static mpl_job_action_t end (mpl_job_t *self)
{
    self->is_ending = 1;
    self->timeout_at = self->straggler_at = self->kill_at = MPL__NEVER;
    return MPL__JOB_TERMINATE;
}

mpl_job_action_t mpl__job_ended (mpl_job_t *self, int status, int is_main, int is_held, uint64_t now)
{
    int code = mpl__job_code (status);

    self->n_running--;
    if (is_main) {                      /* its end is the job's, well or ill */
        if (code && !self->is_ending)
            fail (self, code);
        return end (self);
    }
    if (self->n_running == 1 && self->n > 1 && !self->is_ending)
        self->straggler_at = now + MPL__STRAGGLER_NS;
    if (self->n_running == 0)
        self->straggler_at = self->timeout_at = self->kill_at = MPL__NEVER;
    if (is_held || !code || self->is_ending)
        return MPL__JOB_NOTHING;
    fail (self, code);
    return self->n_running == 0 || self->keeps_going ? MPL__JOB_NOTHING : end (self);
}

mpl_job_action_t mpl__job_not_started (mpl_job_t *self, int error)
{
    fail (self, error == ENOENT ? 127 : error == EACCES || error == ENOEXEC ? 126 : LAUNCH_FAILED);
    return end (self);
}

void mpl__job_output_lost (mpl_job_t *self)
{
    end (self);
}

mpl_job_action_t mpl__job_signal (mpl_job_t *self, int signal, uint64_t now)
{
    if (signal == SIGTSTP)
        return MPL__JOB_SUSPEND;
    if (signal != SIGINT && signal != SIGTERM)
        return MPL__JOB_PASS_ON;
    if (self->n_interrupts++ == 0) {
        self->interrupt = signal;
        if (!self->is_ending)
            self->kill_at = now + MPL__INTERRUPT_GRACE_NS;
        return MPL__JOB_PASS_ON;
    }
    fail (self, 128 + signal);
    end (self);
    return MPL__JOB_KILL;
}

mpl_job_action_t mpl__job_tick (mpl_job_t *self, uint64_t now)
{
    if (now >= self->timeout_at) {
        fail (self, TIMED_OUT);
        end (self);
        return MPL__JOB_TIME_OUT;
    }
    if (now >= self->kill_at) {
        fail (self, 128 + self->interrupt);
        return end (self);
    }
    if (now >= self->straggler_at) {
        self->straggler_at = MPL__NEVER;
        return MPL__JOB_NAME_STRAGGLER;
    }
    return MPL__JOB_NOTHING;
}

uint64_t mpl__job_due (const mpl_job_t *self)
{
    uint64_t due = self->timeout_at < self->kill_at ? self->timeout_at : self->kill_at;

    return due < self->straggler_at ? due : self->straggler_at;
}

int mpl__job_outcome (const mpl_job_t *self)
{
    /* Ranks that did not end by themselves after a Ctrl-C or TERM were ended for it. */
    if (self->interrupt && !self->has_failed && self->n_running)
        return 128 + self->interrupt;
    return self->code;
}
