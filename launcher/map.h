/* map.h - the map of a launch, as --dry-run and --display map print it: which rank runs where, on which cores, and
 * as what. */
#ifndef LAUNCHER_MAP_H
#define LAUNCHER_MAP_H

#include "base/err.h"
#include "launcher/plan.h"

#include <stdio.h>

/* Prints a line for each process: rank, host, cores ("any": it is not bound), and its command if with_command. The
 * cores of another host are not known here ("?"). 0, or -1 with *err: the cores of this one cannot be found out. */
int mpl__map_print (const mpl_plan_t *plan, FILE *to, int with_command, mpl_err_t *err);

#endif
