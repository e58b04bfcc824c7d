/* options.h - the command line of mpeach, read into one struct: which inputs there are, which command is run for
 * each, how, and what is told of it. Reads no file and prints nothing; mplaunch reads it with this too, before it
 * starts anything. */
#ifndef LAUNCHER_EACH_OPTIONS_H
#define LAUNCHER_EACH_OPTIONS_H

#include "base/err.h"
#include "launcher/each/halt.h"

#include <stddef.h>

#define MPL__EACH_JOBS_MAX 4096         /* workers of one pool */
#define MPL__EACH_SOURCES_MAX 16

/* Where inputs come from: the words after one ":::", or the records of a file ("-": standard input). */
typedef struct {
    char *const *words;
    size_t n;
    const char *path;                   /* NULL: the words */
} mpl_each_source_t;

typedef enum { MPL__RESUME_NOT, MPL__RESUME_REST, MPL__RESUME_FAILED } mpl_each_resume_t;

typedef struct {
    int jobs;                           /* at once */
    char separator;                     /* of records */
    const char *replace;                /* stands for the input */
    double timeout;                     /* seconds for each job; 0: none */
    int retries;                        /* runs of one job in all */
    mpl_halt_t halt;
    const char *output, *joblog;        /* paths; NULL: none */
    mpl_each_resume_t resume;
    int keeps_order, is_tagged, has_progress, has_bar, is_quiet, is_verbose, is_dry_run;
    char *const *command;
    size_t n_command;
    mpl_each_source_t sources[MPL__EACH_SOURCES_MAX];
    size_t n_sources;
} mpl_each_options_t;

/* Reads argv = { "mpeach", options in their long form, "--", command..., ":::", inputs... }, from which *options
 * borrows. cores is what half of the cores and the like are counted from. 0, or -1 with *err. */
int mpl__each_options_parse (mpl_each_options_t *options, int argc, char *const *argv, int cores, mpl_err_t *err);

#endif
