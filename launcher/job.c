#include "launcher/job.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

int mpl__job_code (int status)
{
    return WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
}

const char *mpl__job_hint (int status)
{
    if (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL)
        return "; killed from outside, or by the system for want of memory?";
    if (WIFEXITED (status) && WEXITSTATUS (status) == 127)
        return "; a command or library it needs was not found?";
    if (WIFEXITED (status) && WEXITSTATUS (status) == 126)
        return "; something it needs may not be executed?";
    return "";
}

mpl_job_action_t mpl__job_ended (mpl_job_t *self, int status, int is_main, int is_held)
{
    int code = mpl__job_code (status);

    self->n_running--;
    if (is_main) {                      /* its end is the job's, well or ill */
        self->code = code;
        self->has_failed = code != 0;
        self->is_ending = 1;
        return MPL__JOB_TERMINATE;
    }
    if (is_held || !code || self->has_failed || self->is_ending)
        return MPL__JOB_NOTHING;
    self->code = code;
    self->has_failed = 1;
    if (self->n_running == 0)
        return MPL__JOB_NOTHING;
    self->is_ending = 1;
    return MPL__JOB_TERMINATE;
}

mpl_job_action_t mpl__job_not_started (mpl_job_t *self, int error)
{
    self->has_failed = 1;
    self->is_ending = 1;
    self->code = error == ENOENT ? 127 : error == EACCES || error == ENOEXEC ? 126 : 125;
    return MPL__JOB_TERMINATE;
}

mpl_job_action_t mpl__job_signal (mpl_job_t *self, int signal)
{
    if (signal != SIGINT && signal != SIGTERM)
        return MPL__JOB_PASS_ON;
    if (self->n_interrupts++ == 0) {
        self->interrupt = signal;
        return MPL__JOB_PASS_ON;
    }
    if (!self->has_failed) {
        self->has_failed = 1;
        self->code = 128 + signal;
    }
    self->is_ending = 1;
    return MPL__JOB_KILL;
}

int mpl__job_outcome (const mpl_job_t *self)
{
    /* Ranks that did not end by themselves after a Ctrl-C or TERM were ended for it. */
    if (self->interrupt && !self->has_failed && self->n_running)
        return 128 + self->interrupt;
    return self->code;
}
