#include "launcher/agent.h"
#include "base/fd.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 5                          /* arguments before the program's */

/* mpworker is installed beside mplaunch; so one is never used with another version's. */
static int find_beside (char path[PATH_MAX])
{
    ssize_t len = readlink ("/proc/self/exe", path, PATH_MAX - 1);

    if (len < 0)
        return -1;
    path[len] = '\0';
    char *slash = strrchr (path, '/');
    if (!slash || slash - path + sizeof "/mpworker" > PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy (slash, "/mpworker", sizeof "/mpworker");
    return access (path, X_OK);
}

static char **make_argv (const mpl_options_t *options, char *link, char *n)
{
    const char *head[HEAD] = { "mpworker", "--for-launcher", link, "--ranks", n };
    size_t count = 0;

    while (options->argv[count])
        count++;
    char **argv = malloc ((HEAD + count + 2) * sizeof *argv);
    if (!argv)
        return NULL;
    memcpy (argv, head, sizeof head);
    argv[HEAD] = (char *) "--";
    memcpy (argv + HEAD + 1, options->argv, (count + 1) * sizeof *argv);
    return argv;
}

/* 0, or an errno value. */
static int spawn (mpl_host_agent_t *self, const char *path, char **argv, int link)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int rc = posix_spawn_file_actions_init (&actions);

    if (rc)
        return rc;
    sigemptyset (&none);
    rc = posix_spawn_file_actions_adddup2 (&actions, link, link);
    if (!rc && !(rc = posix_spawnattr_init (&attr))) {
        posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
        posix_spawnattr_setsigmask (&attr, &none);
        rc = posix_spawn (&self->pid, path, &actions, &attr, argv, environ);
        posix_spawnattr_destroy (&attr);
    }
    posix_spawn_file_actions_destroy (&actions);
    return rc;
}

int mpl__agent_start (mpl_host_agent_t *self, const mpl_options_t *options, mpl_err_t *err)
{
    char path[PATH_MAX], link[16], n[16];
    int pair[2];

    if (find_beside (path) < 0)
        return mpl__err (err, errno, "mpworker, which belongs beside mplaunch, cannot be run there: %s", strerror (errno));
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return mpl__err (err, errno, "no socket for the agent: %s", strerror (errno));
    snprintf (link, sizeof link, "%d", pair[1]);
    snprintf (n, sizeof n, "%d", options->n);
    char **argv = make_argv (options, link, n);
    int rc = argv ? spawn (self, path, argv, pair[1]) : ENOMEM;
    free (argv);
    mpl__fd_close (&pair[1]);
    self->link = pair[0];
    if (!rc)
        return 0;
    mpl__fd_close (&self->link);
    return mpl__err (err, rc, "cannot start %s: %s", path, strerror (rc));
}
