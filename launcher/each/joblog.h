/* joblog.h - a line for each job that has ended, in GNU parallel's columns, and which jobs such a file says are
 * done. One thread. */
#ifndef LAUNCHER_EACH_JOBLOG_H
#define LAUNCHER_EACH_JOBLOG_H

#include "base/err.h"
#include "launcher/each/options.h"

#include <stddef.h>

typedef struct mpl_joblog mpl_joblog_t;

typedef struct {
    unsigned long number;
    double began_at;                    /* seconds of the wall clock, for people to read */
    double seconds;
    size_t bytes;                       /* that it printed */
    int status;                         /* as from wait (2) */
    const char *host;                   /* empty: main's */
    const char *command;
} mpl_joblog_entry_t;

/* Opens it to be written anew, or to go on with, as `resume` says; then what it tells of is read first. NULL with
 * *err. */
mpl_joblog_t *mpl__joblog_open (const char *path, mpl_each_resume_t resume, mpl_err_t *err);

/* Whether that job is done already and need not be run. */
int mpl__joblog_is_done (const mpl_joblog_t *self, unsigned long number);

/* 0, or -1 with *err: the line is not whole on disk. */
int mpl__joblog_add (mpl_joblog_t *self, const mpl_joblog_entry_t *entry, mpl_err_t *err);
void mpl__joblog_close (mpl_joblog_t **self);

#endif
