/* check.h - mplaunch --check: tries every host of the plan and starts nothing. One line a host, and below the table
 * the cause of each fault. */
#ifndef LAUNCHER_CHECK_H
#define LAUNCHER_CHECK_H

#include "launcher/plan.h"

#include <stdio.h>

/* The exit code: 0 when all is well, 125 otherwise. Bounded by what reaching a host is, and some seconds. */
int mpl__check (mpl_plan_t *plan, FILE *to);

#endif
