/* launch.h - sees a planned launch through: starts the agent of each host, passes signals on, says what failed and
 * why. The rim around job.h: it has the descriptors and processes, and decides nothing. */
#ifndef LAUNCHER_LAUNCH_H
#define LAUNCHER_LAUNCH_H

#include "launcher/plan.h"

/* Runs it to its end and leaves nothing running. Says what there is to say on standard error. The exit code. */
int mpl__launch (mpl_plan_t *plan);

#endif
