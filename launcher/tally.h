/* tally.h - what the launcher knows of each rank: where it runs, since when, how it ended, what it used. It owns
 * the table and does no I/O. */
#ifndef LAUNCHER_TALLY_H
#define LAUNCHER_TALLY_H

#include "launcher/plan.h"
#include "wire/control.h"

#include <stdint.h>

typedef enum { MPL__RANK_WAITS, MPL__RANK_RUNS, MPL__RANK_ENDED, MPL__RANK_FAILED_TO_START, MPL__RANK_LOST } mpl_rank_state_t;

typedef struct {
    mpl_rank_state_t state;
    const char *host;                   /* the plan's */
    int pid, status;                    /* as from wait (2) */
    int was_held;                       /* it was a nursery or main */
    int was_ended_by_us;
    uint64_t started_at, wall_ns, cpu_ns, peak_bytes;
} mpl_record_of_rank_t;

typedef struct {
    mpl_record_of_rank_t *ranks;
    size_t n, n_running;
    uint64_t begun_at;
} mpl_tally_t;

/* 0, or -1: ENOMEM. The plan must stay. */
int mpl__tally_begin (mpl_tally_t *self, const mpl_plan_t *plan, uint64_t now);
void mpl__tally_clear (mpl_tally_t *self);

/* Takes note of a STARTED or ENDED. The rank's record; NULL: there is no such rank, and the message is mistaken. */
mpl_record_of_rank_t *mpl__tally_started (mpl_tally_t *self, const mpl_control_t *message, uint64_t now);
mpl_record_of_rank_t *mpl__tally_ended (mpl_tally_t *self, const mpl_control_t *message, uint64_t now);

/* A rank of a host that is lost; 1: it had not ended. */
int mpl__tally_lost (mpl_tally_t *self, size_t rank, uint64_t now);

/* "exit code 3", "signal 9 (Killed)", "running", with what it might mean: "; out of memory? its peak was 3.1 GiB".
 * Returns text. */
const char *mpl__tally_end_text (const mpl_record_of_rank_t *rank, char *text, size_t size);
const char *mpl__tally_hint (const mpl_record_of_rank_t *rank, char *text, size_t size);

/* The ranks that run, as in "0-3,7", and "..." when they do not fit. */
const char *mpl__tally_running (const mpl_tally_t *self, const char *host, char *text, size_t size);

#endif
