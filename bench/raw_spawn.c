/* raw_spawn - what starting processes costs at least: raw_spawn N PROGRAM [ARGUMENTS]
 *
 * Starts N copies of PROGRAM, which is a path, each with a pipe as its standard output and another as its standard error,
 * then reads every pipe to its end and waits for every process. No poll, no options: what is read is thrown away. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    pid_t pid;
    int out, err;
} child_t;

static void die (const char *what)
{
    perror (what);
    exit (1);
}

/* Two descriptors stay open for each process. */
static void allow_descriptors (void)
{
    struct rlimit limit;

    if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit (RLIMIT_NOFILE, &limit);
    }
}

static child_t start (char **argv, char **vars)
{
    int out[2], err[2];
    posix_spawn_file_actions_t actions;
    child_t child;

    if (pipe2 (out, O_CLOEXEC) < 0 || pipe2 (err, O_CLOEXEC) < 0)
        die ("raw_spawn: pipe");
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_adddup2 (&actions, out[1], 1);
    posix_spawn_file_actions_adddup2 (&actions, err[1], 2);
    errno = posix_spawn (&child.pid, argv[0], &actions, NULL, argv, vars);
    if (errno)
        die (argv[0]);
    posix_spawn_file_actions_destroy (&actions);
    close (out[1]);
    close (err[1]);
    child.out = out[0];
    child.err = err[0];
    return child;
}

static void read_to_end (int fd)
{
    static char bytes[65536];

    while (read (fd, bytes, sizeof bytes) > 0)
        ;
    close (fd);
}

int main (int argc, char **argv, char **vars)
{
    long n = argc > 2 ? atol (argv[1]) : 0;
    int failed = 0;

    if (n < 1) {
        fprintf (stderr, "usage: raw_spawn N PROGRAM [ARGUMENTS]\n");
        return 2;
    }
    child_t *children = calloc ((size_t) n, sizeof *children);
    if (!children)
        die ("raw_spawn");
    allow_descriptors ();
    for (long i = 0; i < n; i++)
        children[i] = start (argv + 2, vars);
    for (long i = 0; i < n; i++) {
        int status;
        read_to_end (children[i].out);
        read_to_end (children[i].err);
        if (waitpid (children[i].pid, &status, 0) < 0 || status)
            failed = 1;
    }
    free (children);
    return failed;
}
