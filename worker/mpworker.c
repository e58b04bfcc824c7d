/* mpworker - the agent: started by libmplaunch in a program that runs by itself, or by mplaunch on each host. */
#include "worker/formain.h"
#include "worker/forlauncher.h"
#include "worker/guard.h"
#include "base/fd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "0.1.0"
#endif

static const char usage[] =
    "usage: mpworker --for-main FD --pidfd FD --file DEVICE:INODE [--workers N] [--folder PATH] [--apart] PATH ARGV0 [ARGS...]\n"
    "       mpworker --for-launcher FD --order FD\n"
    "       mpworker --far | --guarded TOKEN\n"
    "       mpworker --join FILE [--slots N] [--name NAME]\n"
    "\n"
    "mpworker starts, watches and ends worker processes on one host. It is started by programs that use\n"
    "libmplaunch and by mplaunch, not by hand, but for --join: with that this host joins an mpbroker, whose\n"
    "certificate is FILE, and offers N slots (default: its usable cores). See mpworker(1) and mpbroker(1).\n";

typedef struct {
    mpl_formain_t formain;
    mpl_forlauncher_t forlauncher;
    int is_apart;               /* already on its own: main's child has left */
    const char *join, *slots, *name;    /* for mpjoin, which reads them */
} options_t;

static int bad (const char *what)
{
    fprintf (stderr, "mpworker: %s; it is started by libmplaunch and mplaunch, see mpworker --help\n", what);
    return 2;
}

static int parse_number (const char *text, unsigned long long *value, char end, const char **rest)
{
    char *stop;

    errno = 0;
    *value = strtoull (text, &stop, 10);
    if (errno || stop == text || *stop != end || *text == '-')
        return -1;
    if (rest)
        *rest = stop + 1;
    return 0;
}

static int parse_fd (const char *text)
{
    unsigned long long value;

    return parse_number (text, &value, '\0', NULL) == 0 && value <= 1 << 20 ? (int) value : -1;
}

static int parse_file (const char *text, mpl_formain_t *spec)
{
    unsigned long long device, inode;
    const char *rest;

    if (parse_number (text, &device, ':', &rest) < 0 || parse_number (rest, &inode, '\0', NULL) < 0)
        return -1;
    spec->device = (dev_t) device;
    spec->inode = (ino_t) inode;
    return 0;
}

/* -1: go on; else the exit code. */
static int parse (int argc, char **argv, options_t *options)
{
    static const struct option names[] = {
        { "for-main", required_argument, NULL, 'm' }, { "pidfd", required_argument, NULL, 'p' },
        { "for-launcher", required_argument, NULL, 'l' }, { "order", required_argument, NULL, 'o' },
        { "folder", required_argument, NULL, 'd' }, { "workers", required_argument, NULL, 'w' },
        { "far", no_argument, NULL, 'F' }, { "guarded", required_argument, NULL, 'g' },
        { "file", required_argument, NULL, 'f' }, { "apart", no_argument, NULL, 'a' },
        { "join", required_argument, NULL, 'j' }, { "slots", required_argument, NULL, 's' }, { "name", required_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 }
    };
    int has_file = 0;

    options->formain.link = options->formain.main_pidfd = options->forlauncher.link = options->forlauncher.order = -1;
    for (int c; (c = getopt_long (argc, argv, "+", names, NULL)) != -1;)
        switch (c) {
        case 'm': options->formain.link = parse_fd (optarg); break;
        case 'p': options->formain.main_pidfd = parse_fd (optarg); break;
        case 'f': has_file = parse_file (optarg, &options->formain) == 0; break;
        case 'w': options->formain.n_workers = parse_fd (optarg); break;
        case 'l': options->forlauncher.link = parse_fd (optarg); break;
        case 'o': options->forlauncher.order = parse_fd (optarg); break;
        case 'd': options->formain.folder = optarg; break;
        case 'F': options->forlauncher.is_far = 1; break;
        case 'g': options->forlauncher.is_far = 1; options->forlauncher.token = optarg; break;
        case 'a': options->is_apart = 1; break;
        case 'j': options->join = optarg; break;
        case 's': options->slots = optarg; break;
        case 'n': options->name = optarg; break;
        case 'h': fputs (usage, stdout); return 0;
        case 'V': puts ("mpworker " VERSION); return 0;
        default: return 2;
        }
    if (options->join || options->slots || options->name)
        return options->join && optind == argc ? -1 : bad ("--slots and --name go with --join FILE, and nothing else does");
    if (options->forlauncher.is_far)
        return -1;
    if (options->forlauncher.link >= 0)
        return options->forlauncher.order >= 0 ? -1 : bad ("--order is needed");
    if (options->formain.link < 0 || !has_file)
        return bad ("--for-main and --file, or --for-launcher, are needed");
    if (argc - optind < 2)
        return bad ("the program and its arguments are missing");
    options->formain.path = argv[optind];
    options->formain.argv = argv + optind + 1;
    return -1;
}

/* The program's other descriptors are not ours to hold open: somebody may wait for their end. */
static int keep_own_descriptors (int *first, int *second)
{
    int fds[2] = { *first, *second };

    if (mpl__fd_keep_only (fds, *second >= 0 ? 2 : 1, 3) < 0)
        return -1;
    *first = fds[0];
    if (*second >= 0)
        *second = fds[1];
    return 0;
}

static int serve_launcher (mpl_forlauncher_t *spec, const char *name)
{
    if (spec->is_far && mpl__fd_keep_only (NULL, 0, 3) < 0)
        return 125;
    if (spec->is_far && !spec->token)
        return mpl__guard (name);
    if (spec->is_far) {
        mpl__guard_is_wanted ();
        return mpl__forlauncher (spec);
    }
    return keep_own_descriptors (&spec->link, &spec->order) < 0 ? 125 : mpl__forlauncher (spec);
}

static int serve_main (mpl_formain_t *spec)
{
    return keep_own_descriptors (&spec->link, &spec->main_pidfd) < 0 ? 125 : mpl__formain (spec);
}

/* Main reaps this process at once, and the agent is nobody's child that main would wait for. */
static int start_apart (int argc, char **argv)
{
    posix_spawnattr_t attr;
    pid_t pid;
    char path[PATH_MAX];
    ssize_t len = readlink ("/proc/self/exe", path, sizeof path - 1);   /* a name, so that ps shows it */
    char **again = calloc ((size_t) argc + 2, sizeof *again);

    if (!again || len < 0)
        return 125;
    path[len] = '\0';
    again[0] = argv[0];
    again[1] = (char *) "--apart";
    memcpy (again + 2, argv + 1, (size_t) argc * sizeof *argv);
    int rc = posix_spawnattr_init (&attr);
    if (!rc)
        rc = posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETSID);
    if (!rc)
        rc = posix_spawn (&pid, path, NULL, &attr, again, environ);
    free (again);
    return rc ? 125 : 0;
}

/* Becomes mpjoin, which lies beside us and links ZeroMQ. */
static int join (const options_t *options)
{
    char path[PATH_MAX], *argv[8], *slash;
    ssize_t len = readlink ("/proc/self/exe", path, sizeof path - sizeof "/mpjoin");
    int n = 0;

    path[len < 0 ? 0 : len] = '\0';
    if ((slash = strrchr (path, '/')))
        memcpy (slash, "/mpjoin", sizeof "/mpjoin");
    argv[n++] = (char *) "mpjoin";
    if (options->slots) {
        argv[n++] = (char *) "--slots";
        argv[n++] = (char *) options->slots;
    }
    if (options->name) {
        argv[n++] = (char *) "--name";
        argv[n++] = (char *) options->name;
    }
    argv[n++] = (char *) "--";
    argv[n++] = (char *) options->join;
    argv[n] = NULL;
    execv (path, argv);
    fprintf (stderr, "mpworker: mpjoin, which belongs beside it, cannot be run: %s\n", strerror (errno));
    return 125;
}

int main (int argc, char **argv)
{
    options_t options = { .is_apart = 0 };
    int rc = parse (argc, argv, &options);

    if (rc >= 0)
        return rc;
    if (options.join)
        return join (&options);
    if (options.forlauncher.link >= 0 || options.forlauncher.is_far)
        return serve_launcher (&options.forlauncher, argv[0]);
    return options.is_apart ? serve_main (&options.formain) : start_apart (argc, argv);
}
