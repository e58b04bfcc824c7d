/* forlauncher.h - the agent of a launch on one host: starts the ranks that the launcher's order names, carries
 * their output, and reports to the launcher, whose end is theirs. */
#ifndef WORKER_FORLAUNCHER_H
#define WORKER_FORLAUNCHER_H

typedef struct {
    int link;                           /* control messages with the launcher */
    int order;                          /* from which the order is read (wire/order.h) */
    int is_far;                         /* on another host: both are standard input and output (worker/far.h) */
    const char *token;                  /* there, what its guard knows the folder of staged files by (worker/guard.h); else NULL */
} mpl_forlauncher_t;

/* Serves until every rank has ended and all they printed is written, or the launcher wants it or is gone. The exit
 * code. */
int mpl__forlauncher (const mpl_forlauncher_t *spec);

#endif
