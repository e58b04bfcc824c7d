/* threads.h - how many threads the numeric libraries of each worker may start, so that N workers do not start N times as
 * many threads as there are cores. */
#ifndef WORKER_THREADS_H
#define WORKER_THREADS_H

#define MPL__THREAD_VARIABLES 6

/* Fills `set` with "OMP_NUM_THREADS=K" and its kin, K = cores / n_workers, at least 1, leaving out what the user has set;
 * NULL at the end. The strings are static, so one thread at a time. */
void mpl__threads_environment (int cores, int n_workers, const char *set[MPL__THREAD_VARIABLES + 1]);

#endif
