/* each.h - the main of mpeach: gives the jobs to a pool as its workers have room, takes what comes back, prints
 * it, counts, stops when it is to stop. The command runs in the workers (run.h); here is no process but the
 * pool's. */
#ifndef LAUNCHER_EACH_EACH_H
#define LAUNCHER_EACH_EACH_H

#include "launcher/each/options.h"

/* Runs everything. The exit code, by GNU parallel's rule. To be called once, after mpl_init, with INT, TERM and
 * HUP blocked in every thread. */
int mpl__each (const mpl_each_options_t *options);

/* Prints the commands instead of running them. The exit code. */
int mpl__each_dry_run (const mpl_each_options_t *options);

#endif
