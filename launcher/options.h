/* options.h - the command line of mplaunch, read into one struct: what its user asked for, and nothing that would
 * have to be looked up on a machine. It prints nothing but help, warnings and errors. Options are known in the
 * forms that users of other launchers type; the table is in option.c, and the two pages of help are in help.c. */
#ifndef LAUNCHER_OPTIONS_H
#define LAUNCHER_OPTIONS_H

#include "conf/cluster.h"
#include "conf/store.h"
#include "launcher/texts.h"

#include <stddef.h>

#define MPL__RANKS_MAX 65536            /* processes of one launch */
#define MPL__STDIN_NONE (-1)
#define MPL__STDIN_ALL (-2)

typedef enum { MPL__MAP_SLOT, MPL__MAP_NODE, MPL__MAP_CORE, MPL__MAP_SOCKET } mpl_map_by_t;
typedef enum { MPL__BIND_NONE, MPL__BIND_CORE, MPL__BIND_SOCKET } mpl_bind_to_t;
typedef enum { MPL__ENV_ALL, MPL__ENV_LIST, MPL__ENV_NONE } mpl_env_keep_t;

/* One program: what stands between two colons. */
typedef struct {
    int n;                              /* processes; 0: every slot */
    mpl_texts_t argv;                   /* the program and its arguments */
    mpl_texts_t set;                    /* "NAME=value" from -x, -env and -genv, the global ones first; later ones win */
    mpl_env_keep_t keep;                /* what it gets of the launcher's environment */
    mpl_texts_t kept;                   /* names, for MPL__ENV_LIST */
    const char *wdir;                   /* NULL: the launcher's own */
    const char *path;                   /* folders, separated by colons, to look for the program in before PATH; NULL: none */
    const char *hosts;                  /* as after its -H: some of the launch's hosts, if that has any; NULL: all of the launch's */
} mpl_app_t;

typedef struct {
    mpl_app_t *apps;                    /* at least one; with --each one process, whose argv is that of mpeach */
    size_t n_apps;
    const char *hosts;                  /* of the launch: after -hosts, or the only program's -H; NULL with a file of hosts, or without any */
    const char *hostfile, *cluster;     /* paths, of which at most one is given; NULL: none */
    const char *attach;                 /* the certificate of a broker that lends hosts; NULL: none */
    mpl_texts_t stage;                  /* paths of files to be copied to other hosts */
    int says_launch;                    /* --launch was given: then `launch` is stronger than the cluster file */
    mpl_launch_t launch;
    const char *prefix;                 /* where mplaunch is installed on other hosts; NULL: not said */
    int per_node;                       /* -ppn; 0: as many as it has slots */
    mpl_map_by_t map_by;
    mpl_bind_to_t bind_to;
    int standard_input;                 /* a rank, MPL__STDIN_NONE or MPL__STDIN_ALL */
    const char *output;                 /* folder for one file per rank and stream; NULL: none */
    const char *trace;                  /* path; NULL: none */
    double timeout;                     /* seconds; 0: none. With --each it is for each job, and here 0 */
    int is_tagged;                      /* -l */
    int may_crowd;                      /* --oversubscribe: more processes than slots are meant */
    int is_teed;                        /* --tee: --output, and the terminal too */
    int keeps_going, is_dry_run, is_check, has_progress, has_report, shows_map;
    int is_each;
    int each_jobs;                      /* with --each: how many run at once; on several hosts as many as they have slots, */
    int says_jobs;                      /* unless -n or -j was given */
    int is_verbose, is_quiet;
    mpl_store_t store;                  /* where what is not borrowed from argv lies */
} mpl_options_t;

/* Reads the command line, and the file after -configfile. -1: go on with *options, which the caller frees; else
 * the exit code with which to end (0 after --help, 2 after a usage error, 127 for a program whose name is empty,
 * 125 without memory), and there is nothing to free. What *options borrows from argv must stay. */
int mpl__options_parse (int argc, char **argv, mpl_options_t *options);
void mpl__options_free (mpl_options_t *options);

#endif
