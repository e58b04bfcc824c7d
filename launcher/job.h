/* job.h - what becomes of a launch: which ranks run, how they ended, what exit code that makes. Pure: events in, what to do out;
 * it knows no process and no descriptor. */
#ifndef LAUNCHER_JOB_H
#define LAUNCHER_JOB_H

#include <stddef.h>

typedef struct {
    int n, n_running;
    int code;                           /* exit code so far */
    int has_failed;                     /* and that of the first that failed it is */
    int n_interrupts;                   /* INT and TERM from outside */
    int interrupt;                      /* the first of them; 0: none */
    int is_ending;                      /* the ranks are being ended: how they end now is our doing */
} mpl_job_t;

/* What the launcher is to do now. */
typedef enum { MPL__JOB_NOTHING, MPL__JOB_PASS_ON, MPL__JOB_TERMINATE, MPL__JOB_KILL } mpl_job_action_t;

/* A rank ended with that wait status. is_main: rank 0, and it called mpl_init; is_held: any other that did. */
mpl_job_action_t mpl__job_ended (mpl_job_t *self, int status, int is_main, int is_held);

/* A rank could not be started: errno value. */
mpl_job_action_t mpl__job_not_started (mpl_job_t *self, int error);

/* A signal from outside. The first INT or TERM is passed on, the second kills. */
mpl_job_action_t mpl__job_signal (mpl_job_t *self, int signal);

/* All is over: the exit code of the launch. */
int mpl__job_outcome (const mpl_job_t *self);

/* The exit code for a wait status: the process's own, or 128 + signal. */
int mpl__job_code (int status);

/* What a failure might mean, for the line about it: " (out of memory?)"; "" when there is no hint. */
const char *mpl__job_hint (int status);

#endif
