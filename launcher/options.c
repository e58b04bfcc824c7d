#include "launcher/options.h"
#include "base/cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION "0.1.0"
#endif

static const char help[] =
    "usage: mplaunch [-n N] [-v | -q] program [args...]\n"
    "\n"
    "Starts N processes of a program on this machine and carries their output, line by line.\n"
    "  -n, -np N      how many processes; default: one for each core this process may use\n"
    "  -v, --verbose  say what is started and how it ended\n"
    "  -q, --quiet    do not name processes that failed\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "\n"
    "A program that calls mpl_init is a pool: rank 0 runs past mpl_init and is main, the others are held\n"
    "inside it, and N workers serve main's pools. Any other program just runs N times.\n"
    "Each process has MPL_RANK, MPL_SIZE, MPL_LOCAL_RANK, MPL_LOCAL_SIZE, MPL_NODE, MPL_NODES, MPL_JOB.\n"
    "\n"
    "Exit code: of main; else of the first process that failed, 128 + its signal; 2 usage, 125 the launch\n"
    "failed, 126 not executable, 127 not found. The first Ctrl-C is passed on, the second kills.\n"
    "\n"
    "  mplaunch -n 4 hostname\n"
    "  mplaunch -n 8 ./app\n";

static int bad (const char *what, const char *value, const char *right)
{
    fprintf (stderr, "mplaunch: %s '%s'; %s\n", what, value, right);
    return 2;
}

static int parse_count (const char *option, const char *value, int *n)
{
    char *end;

    if (!value)
        return bad ("no number after", option, "give how many processes, such as -n 4");
    errno = 0;
    long number = strtol (value, &end, 10);
    if (errno || end == value || *end || number < 1 || number > MPL__RANKS_MAX)
        return bad ("the number of processes is", value, "a whole number from 1 to 4096");
    *n = (int) number;
    return -1;
}

/* "--np" and "-np" are the same, as mpiexec users type them. */
static int is_option (const char *arg, const char *name)
{
    return arg[0] == '-' && (!strcmp (arg + 1, name) || (arg[1] == '-' && !strcmp (arg + 2, name)));
}

static int take_option (char **argv, int *at, mpl_options_t *options)
{
    const char *arg = argv[*at];

    if (is_option (arg, "n") || is_option (arg, "np")) {
        const char *value = argv[*at + 1];
        *at += value != NULL;
        return parse_count (arg, value, &options->n);
    }
    if (is_option (arg, "help") || !strcmp (arg, "-h"))
        return fputs (help, stdout) < 0;
    if (is_option (arg, "version") || !strcmp (arg, "-V"))
        return puts ("mplaunch " VERSION) < 0;
    if (is_option (arg, "verbose") || !strcmp (arg, "-v"))
        options->is_verbose = 1;
    else if (is_option (arg, "quiet") || !strcmp (arg, "-q"))
        options->is_quiet = 1;
    else
        return bad ("there is no option", arg, "mplaunch --help lists what there is");
    return -1;
}

int mpl__options_parse (int argc, char **argv, mpl_options_t *options)
{
    int at = 1;

    *options = (mpl_options_t) { .n = mpl__cpus_usable () };
    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
        if (!strcmp (argv[at], "--")) {
            at++;
            break;
        }
        int rc = take_option (argv, &at, options);
        if (rc >= 0)
            return rc;
    }
    if (at >= argc) {
        fputs ("mplaunch: no program is named; mplaunch [-n N] program [args...], see mplaunch --help\n", stderr);
        return 2;
    }
    options->argv = argv + at;
    return -1;
}
