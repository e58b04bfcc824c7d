/* job.h - what becomes of a launch: which ranks run, how they ended, what exit code that makes, when patience
 * ends. Pure: events with their time in, what to do out; it knows no process, no descriptor and no clock. */
#ifndef LAUNCHER_JOB_H
#define LAUNCHER_JOB_H

#include <stdint.h>

#define MPL__INTERRUPT_GRACE_NS 5000000000u     /* after a user's first Ctrl-C or TERM */
#define MPL__STRAGGLER_NS 2000000000u           /* a rank that runs on after all others is named */

typedef struct {
    int n, n_running;
    int keeps_going;                    /* a rank that fails does not end the others */
    int code;                           /* exit code so far */
    int has_failed;                     /* and that of the first that failed it is */
    int n_interrupts;                   /* INT and TERM from outside */
    int interrupt;                      /* the first of them; 0: none */
    int is_ending;                      /* the ranks are being ended: how they end now is our doing */
    uint64_t timeout_at, kill_at, straggler_at;         /* MPL__NEVER: not */
} mpl_job_t;

/* What the launcher is to do now. */
typedef enum {
    MPL__JOB_NOTHING,
    MPL__JOB_PASS_ON,                   /* the signal, to every rank */
    MPL__JOB_SUSPEND,                   /* the same, and then stop too */
    MPL__JOB_TERMINATE,                 /* TERM, a second later KILL */
    MPL__JOB_KILL,
    MPL__JOB_TIME_OUT,                  /* terminate, and say which ranks were still running */
    MPL__JOB_NAME_STRAGGLER             /* say which rank runs on */
} mpl_job_action_t;

/* n ranks are to be started. timeout_ns 0: they may take as long as they like. */
void mpl__job_begin (mpl_job_t *self, int n, int keeps_going, uint64_t timeout_ns, uint64_t now);

/* A rank ended with that wait status. is_main: rank 0, and it called mpl_init; is_held: any other that did. */
mpl_job_action_t mpl__job_ended (mpl_job_t *self, int status, int is_main, int is_held, uint64_t now);

/* A rank could not be started: errno value. */
mpl_job_action_t mpl__job_not_started (mpl_job_t *self, int error);

/* What the ranks print cannot be written any more. */
void mpl__job_output_lost (mpl_job_t *self);

/* A signal from outside. The first INT or TERM is passed on, the second kills. */
mpl_job_action_t mpl__job_signal (mpl_job_t *self, int signal, uint64_t now);

/* Time has passed. To be called again until it is nothing. */
mpl_job_action_t mpl__job_tick (mpl_job_t *self, uint64_t now);

/* When mpl__job_tick has something to do. */
uint64_t mpl__job_due (const mpl_job_t *self);

/* All is over: the exit code of the launch. */
int mpl__job_outcome (const mpl_job_t *self);

/* The exit code for a wait status: the process's own, or 128 + signal. */
int mpl__job_code (int status);

#endif
