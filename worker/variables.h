/* variables.h - variables for processes that are to be workers: how many threads their numeric libraries may start, so that N
 * workers do not start N times as many as there are cores, and how the dynamic linker binds. */
#ifndef WORKER_VARIABLES_H
#define WORKER_VARIABLES_H

#define MPL__THREAD_VARIABLES 6

/* Makes the dynamic linker bind every symbol in the nursery, once, instead of in each worker: it saves a worker a tenth of a
 * MiB of linker tables (1.25 became 1.09 MiB of PSS) and its first task the look-ups. Any value works; by this one the
 * nursery knows that the variable is ours and removes it. */
#define MPL__BIND_NOW "LD_BIND_NOW=mplaunch"

/* Fills `set` with "OMP_NUM_THREADS=K" and its kin, K = cores / n_workers, at least 1, leaving out what the user has set;
 * NULL at the end. The strings are static, so one thread at a time. */
void mpl__threads_environment (int cores, int n_workers, const char *set[MPL__THREAD_VARIABLES + 1]);

#endif
