/* options.h - the command line of mplaunch, read into one struct. Prints nothing but help and errors. */
#ifndef LAUNCHER_OPTIONS_H
#define LAUNCHER_OPTIONS_H

#define MPL__RANKS_MAX 4096             /* on one host */

typedef struct {
    int n;                              /* processes */
    int is_verbose;
    int is_quiet;
    char **argv;                        /* the program and its arguments, NULL at the end; borrowed from main's */
} mpl_options_t;

/* -1: go on with *options; else the exit code with which to end (0 after --help, 2 after a usage error). */
int mpl__options_parse (int argc, char **argv, mpl_options_t *options);

#endif
