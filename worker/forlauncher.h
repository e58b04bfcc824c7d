/* forlauncher.h - the agent of a launch: starts the ranks of this host, carries their output and signals, and tells the
 * launcher how each ended. When rank 0 turns out to be a program that calls mpl_init, it is main, the others are held as
 * nurseries, and their ends are nobody's affair. */
#ifndef WORKER_FORLAUNCHER_H
#define WORKER_FORLAUNCHER_H

typedef struct {
    int link;                       /* the launcher; its end is the job's end */
    int n;                          /* ranks, all on this host */
    char *const *argv;              /* the program, to be found in PATH, and its arguments */
} mpl_forlauncher_t;

/* Serves the launcher until every rank has ended and all they printed is written. The exit code. */
int mpl__forlauncher (const mpl_forlauncher_t *spec);

#endif
