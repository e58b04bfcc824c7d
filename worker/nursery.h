/* nursery.h - a copy of the program held inside mpl_init, with one thread and no ZeroMQ context, which forks the
 * workers of its host when its agent says so, reaps them, and reports how they ended. The one place that calls fork:
 * a forked copy says hello in a millisecond, an exec'ed one loads thirty shared libraries first. */
#ifndef WORKER_NURSERY_H
#define WORKER_NURSERY_H

#include "mplaunch.h"

/* Serves the agent at the other end of `sock` until that end closes, then kills what it forked and leaves by _exit. */
_Noreturn void mpl__nursery (int sock, const mpl_task_t *tasks, size_t n_tasks);

#endif
