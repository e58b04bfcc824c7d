/* option.h - what options there are: how each may be written, what follows it, and what the help says of it; also
 * those of other launchers that are not there, with what is there instead. Tables and searches in them: what an
 * option does is in options.c. Pure. */
#ifndef LAUNCHER_OPTION_H
#define LAUNCHER_OPTION_H

#include <stddef.h>

typedef enum {
    MPL__OPT_COUNT,
    MPL__OPT_PER_NODE,
    MPL__OPT_HOST,
    MPL__OPT_HOSTS,
    MPL__OPT_HOSTFILE,
    MPL__OPT_CLUSTER_OR_HOSTFILE,
    MPL__OPT_CLUSTER,
    MPL__OPT_ATTACH,
    MPL__OPT_LAUNCH,
    MPL__OPT_PREFIX,
    MPL__OPT_STAGE,
    MPL__OPT_MAP_BY,
    MPL__OPT_BIND_TO,
    MPL__OPT_OVERSUBSCRIBE,
    MPL__OPT_SET,
    MPL__OPT_ENV,
    MPL__OPT_ENVLIST,
    MPL__OPT_ENVNONE,
    MPL__OPT_ENVALL,
    MPL__OPT_GENV,
    MPL__OPT_GENVLIST,
    MPL__OPT_GENVNONE,
    MPL__OPT_GENVALL,
    MPL__OPT_WDIR,
    MPL__OPT_PATH,
    MPL__OPT_STDIN,
    MPL__OPT_TAG,
    MPL__OPT_OUTPUT,
    MPL__OPT_TEE,
    MPL__OPT_TIMEOUT,
    MPL__OPT_KEEP_GOING,
    MPL__OPT_DRY_RUN,
    MPL__OPT_CHECK,
    MPL__OPT_DISPLAY,
    MPL__OPT_DISPLAY_MAP,
    MPL__OPT_PROGRESS,
    MPL__OPT_REPORT,
    MPL__OPT_TRACE,
    MPL__OPT_VERBOSE,
    MPL__OPT_QUIET,
    MPL__OPT_VERSION,
    MPL__OPT_HELP,
    MPL__OPT_CONFIGFILE,
    MPL__OPT_EACH,
    MPL__OPT_IGNORED
} mpl_option_id_t;

typedef enum {
    MPL__OF_PROGRAM,                    /* between two colons */
    MPL__OF_LAUNCH,                     /* before the first program */
    MPL__OF_LAUNCH_NOT_EACH             /* the same, and not with --each */
} mpl_option_scope_t;

typedef enum {
    MPL__HELP_WHERE,
    MPL__HELP_ENVIRONMENT,
    MPL__HELP_STREAMS,
    MPL__HELP_END,
    MPL__HELP_TELL,
    MPL__HELP_LINE,
    MPL__HELP_NO_EFFECT,
    MPL__HELP_N
} mpl_help_section_t;

typedef struct {
    mpl_option_id_t id;
    mpl_option_scope_t scope;
    mpl_help_section_t section;
    int dashes;                         /* 0: one or two, as its user likes; else so many */
    const char *names;                  /* without dashes, separated by blanks, the first one preferred */
    const char *value;                  /* what the help calls it; NULL: nothing follows */
    const char *right;                  /* what a right value is, in an error; NULL: nothing follows */
    const char *help;
} mpl_option_t;

/* What is listed under "With --each", and goes to the program that runs the jobs. */
typedef struct {
    const char *name;                   /* as it is handed on, behind two dashes */
    const char *others;                 /* other names for it, separated by blanks; single letters may have their value behind them */
    const char *value, *right, *help;   /* as above */
} mpl_each_option_t;

extern const mpl_option_t mpl__option_table[];          /* ends with names NULL */
extern const mpl_each_option_t mpl__each_option_table[];        /* ends with name NULL */

/* The option of that name, which is len bytes and was written with so many dashes. NULL: there is none. */
const mpl_option_t *mpl__option_find (const char *name, size_t len, int dashes);
const mpl_each_option_t *mpl__each_option_find (const char *name, size_t len);

/* For an option that other launchers have: a sentence that says what is here instead. NULL: never heard of it. */
const char *mpl__option_elsewhere (const char *name, size_t len);

/* The name of the option that was probably meant, or NULL. Static text. */
const char *mpl__option_nearest (const char *name, size_t len, int is_each);

/* The first of the names in a text like `names`, and how to come to the next one: NULL at the end. */
const char *mpl__option_name (const char *names, size_t *len);

#endif
