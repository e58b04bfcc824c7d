/* ranks.h - the processes of a launch on this host: each started as the launcher's order says, with its program,
 * variables, folder, input, output and cores. It owns what they were started with and the streams that carry what
 * they print; the agent owns the processes. */
#ifndef WORKER_RANKS_H
#define WORKER_RANKS_H

#include "worker/agent.h"
#include "worker/input.h"
#include "worker/output.h"
#include "worker/variables.h"
#include "wire/order.h"

typedef struct mpl_ranks mpl_ranks_t;

/* Workers that a pool may get besides those of the ranks; it makes room for them when it is opened. */
#define MPL__GROWTH 1024u

/* How a rank ran. */
typedef struct {
    int rank;                           /* in the launch */
    mpl_held_t *held;                   /* NULL: not started, or over */
    pid_t pid;                          /* 0: not started */
    mpl_stream_t *out, *err;            /* NULL: it prints elsewhere */
} mpl_rank_t;

/* For the order, which stays the caller's; nothing is started yet. NULL with *err. */
mpl_ranks_t *mpl__ranks_new (mpl_agent_t *agent, const mpl_order_t *order, mpl_err_t *err);

/* Where the file of the order's program `app` is: found as when it is started, from its folder. 0; -1 with *err, as from
 * mpl__program_find, and EINVAL for the folder. The path is ours. */
int mpl__ranks_find (mpl_ranks_t *self, size_t app, const char **path, mpl_err_t *err);

/* Whether programs that name no folder have one to run in. 0, or -1 with *err. */
int mpl__ranks_find_folder (const mpl_ranks_t *self, mpl_err_t *err);

/* Starts the next one, in the order's sequence; *rank is set even when that fails. NULL in *rank when all are
 * started. 0, or -1 with *err: as from mpl__held_start, and ENOENT, EACCES for a program or folder that cannot be
 * used. */
int mpl__ranks_start_next (mpl_ranks_t *self, mpl_rank_t **rank, mpl_err_t *err);

/* All that there will be are started: our own standard input is let go, so that its writer learns when the rank
 * reads no more. */
void mpl__ranks_all_started (mpl_ranks_t *self);

/* One more copy of rank 0's program, held, for the slot of rank 0 which is main. NULL with *err. */
mpl_held_t *mpl__ranks_start_spare (mpl_ranks_t *self, mpl_err_t *err);

/* Takes note that a held process has ended. The rank it was; NULL for the spare. */
mpl_rank_t *mpl__ranks_ended (mpl_ranks_t *self, const mpl_held_t *held);

size_t mpl__ranks_running (const mpl_ranks_t *self);

/* Output that is on its way: does what is due, and when the next is. */
uint64_t mpl__ranks_tick (mpl_ranks_t *self, uint64_t now);

/* Why output cannot be written, as an errno value, and where in *where; 0: it can. */
int mpl__ranks_output_error (const mpl_ranks_t *self, const char **where);

/* 1 when all that was printed was read, and written. */
int mpl__ranks_is_read (const mpl_ranks_t *self);
int mpl__ranks_is_written (const mpl_ranks_t *self);

/* Reads what is left in the pipes, though somebody who got away may still hold them open. */
void mpl__ranks_finish_output (mpl_ranks_t *self);

void mpl__ranks_destroy (mpl_ranks_t **self);

#endif
