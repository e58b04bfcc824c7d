/* variables.h - the environment of a process that is started: what it gets of ours, what an outer launcher left in
 * it, how many threads its numeric libraries may start, and how the dynamic linker binds. */
#ifndef WORKER_VARIABLES_H
#define WORKER_VARIABLES_H

#include "wire/order.h"

#include <stddef.h>

/* Makes the dynamic linker bind every symbol in the nursery, once, instead of in each worker: it saves a worker a
 * tenth of a MiB of linker tables (1.25 became 1.09 MiB of PSS) and its first task the look-ups. Any value works;
 * by this one the nursery knows that the variable is ours and removes it. */
#define MPL__BIND_NOW "LD_BIND_NOW=mplaunch"

/* Variables that differ from process to process stand in front, where whoever starts it writes them. */
typedef struct {
    char **vars;                /* n_own places for "NAME=value", then the rest, NULL at the end */
    char *own;                  /* what the rest points into, besides `set` and our own environment */
} mpl_variables_t;

/* What a program gets: `set` ("NAME=value", later ones win), then what `keep` and `kept` (names) let through of
 * our own environment, less what belongs to this or an outer launcher (MPL_RANK and its kin, PMI*, PMIX*, OMPI*,
 * Slurm's of a step), then, where nothing else says so, OMP_NUM_THREADS and its kin at `threads`, so that N
 * processes do not start N times as many threads as there are cores (0: not). `set` is borrowed for as long as
 * *self is used. 0, or -1: ENOMEM. */
int mpl__variables_make (mpl_variables_t *self, size_t n_own, char *const *set, mpl_keep_t keep, char *const *kept,
                         int threads);
void mpl__variables_free (mpl_variables_t *self);

/* What is left of so many cores for each of n processes: at least 1. */
static inline int mpl__cores_each (int cores, int n)
{
    return n > 0 && cores / n > 1 ? cores / n : 1;
}

/* The value of a variable among vars; NULL: it is not there. */
const char *mpl__variables_get (char *const *vars, const char *name);

/* Whether "NAME=value" belongs to one host or one login, and is of no use on another. */
int mpl__variables_is_of_host (const char *entry);

#endif
