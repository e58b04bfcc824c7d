/* report.h - what a launch tells of its ranks when it is asked: a table at the end (--report), and a trace
 * (--trace) that Perfetto and chrome://tracing show, one line of time for each rank. */
#ifndef LAUNCHER_REPORT_H
#define LAUNCHER_REPORT_H

#include "base/err.h"
#include "launcher/tally.h"

#include <stdio.h>

/* A line for each rank: host, pid, seconds, CPU seconds, peak memory, how it ended. */
void mpl__report_print (const mpl_tally_t *tally, uint64_t now, FILE *to);

/* Writes the trace in Chrome's JSON form. 0, or -1 with *err: it cannot be written. */
int mpl__report_trace (const mpl_tally_t *tally, const mpl_plan_t *plan, uint64_t now, const char *path,
                       mpl_err_t *err);

#endif
