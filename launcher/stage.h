/* stage.h - the files that a launch copies to other hosts (--stage): what they are, and which programs are among
 * them. It owns its lists. Reads each file once, for its sum. */
#ifndef LAUNCHER_STAGE_H
#define LAUNCHER_STAGE_H

#include "base/err.h"
#include "launcher/options.h"
#include "wire/stage.h"

/* {0} is none. */
typedef struct {
    mpl_stage_t *files;
    mpl_stage_t *links;                 /* the same, with their places here, for this host */
    char **paths;                       /* of each, here, as its user wrote it */
    size_t n;
    char ***argvs;                      /* of each program that is one of them: its arguments, the first without a folder; or NULL */
    size_t n_apps;
} mpl_staging_t;

/* Each of the options' texts is PATH or PATH:NAME. 0, or -1 with *err: ENOENT and other reasons why a file cannot be
 * read, EINVAL (no regular file; two of one name; a name that is none), E2BIG. */
int mpl__staging_begin (mpl_staging_t *self, const mpl_options_t *options, mpl_err_t *err);

/* Whether a program, by its number and as its user wrote it, is among them. */
int mpl__staging_has (const mpl_staging_t *self, size_t app, const char *program);
void mpl__staging_clear (mpl_staging_t *self);

#endif
