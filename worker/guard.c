#include "worker/guard.h"
#include "worker/crew.h"
#include "worker/staged.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILED 125

/* Those of the terminal and of a batch system come to the agent too, which knows what they mean. */
static const int waited_for[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

static int start (const char *name, char *token, const sigset_t *mask, pid_t *pid)
{
    char path[PATH_MAX], *argv[] = { (char *) name, (char *) "--guarded", token, NULL };
    posix_spawnattr_t attr;
    ssize_t len = readlink ("/proc/self/exe", path, sizeof path - 1);   /* a name, so that ps shows it */
    int rc = len < 0 ? errno : posix_spawnattr_init (&attr);

    if (rc)
        return rc;
    path[len] = '\0';
    rc = posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETSIGMASK);
    rc = rc ? rc : posix_spawnattr_setsigmask (&attr, mask);
    rc = rc ? rc : posix_spawn (pid, path, NULL, &attr, argv, environ);
    posix_spawnattr_destroy (&attr);
    return rc;
}

/* Whoever waits for the end of what the agent reads and writes does not wait for ours. */
static void let_go (void)
{
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        dup2 (null, fd);
    mpl__fd_close (&null);
}

static int wait_for_end (pid_t pid, const sigset_t *set)
{
    int status = 0;

    for (;;) {
        pid_t ended = waitpid (pid, &status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            return status;
        if (sigwaitinfo (set, NULL) == SIGTERM)
            kill (pid, SIGTERM);
    }
}

int mpl__guard (const char *name)
{
    char token[MPL__GUARD_TOKEN];
    uint64_t number;
    sigset_t set, before;
    pid_t pid;

    sigemptyset (&set);
    for (size_t i = 0; i < sizeof waited_for / sizeof *waited_for; i++)
        sigaddset (&set, waited_for[i]);
    sigprocmask (SIG_BLOCK, &set, &before);
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    if (getrandom (&number, sizeof number, 0) != sizeof number)
        return FAILED;
    snprintf (token, sizeof token, "%016llx", (unsigned long long) number);
    int rc = start (name, token, &before, &pid);
    if (rc) {
        fprintf (stderr, "mpworker: the agent cannot be started: %s\n", strerror (rc));
        return FAILED;
    }
    let_go ();
    int status = wait_for_end (pid, &set);
    if (!WIFSIGNALED (status))
        return WEXITSTATUS (status);
    mpl__sweep_all (mpl__clock_ns () + MPL__GRACE_NS);
    mpl__staged_remove_named (token, getenv ("TMPDIR"));
    return 128 + WTERMSIG (status);
}

void mpl__guard_is_wanted (void)
{
    prctl (PR_SET_PDEATHSIG, SIGTERM);
}
