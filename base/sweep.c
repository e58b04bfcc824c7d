#include "base/sweep.h"
#include "base/clock.h"
#include "base/mark.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int (*child_fn) (pid_t pid, uint64_t arg);

/* Kernels without /proc/.../children: every process there is, asked for its parent. */
static int each_child_slowly (child_fn fn, uint64_t arg)
{
    DIR *dir = opendir ("/proc");
    pid_t self = getpid ();
    int n = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir (dir));) {
        pid_t pid = atoi (entry->d_name), parent = 0;
        if (pid > 0 && mpl__proc_state (pid, &parent) && parent == self)
            n += fn (pid, arg);
    }
    closedir (dir);
    return n;
}

/* Calls fn for each child of this process; the sum of what it returns. */
static int each_child (child_fn fn, uint64_t arg)
{
    char path[64];
    int n = 0, pid;

    snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
    FILE *file = fopen (path, "re");
    if (!file)
        return each_child_slowly (fn, arg);
    while (fscanf (file, "%d", &pid) == 1)
        n += fn (pid, arg);
    fclose (file);
    return n;
}

/* A child cannot be reaped by anybody else, so its number is its own. */
static int kill_marked (pid_t pid, uint64_t mark)
{
    if (mpl__mark_get (pid) != mark)
        return 0;
    kill (pid, SIGKILL);
    return waitpid (pid, NULL, WNOHANG) != pid;
}

static int kill_any (pid_t pid, uint64_t unused)
{
    (void) unused;
    kill (pid, SIGKILL);
    return 1;
}

void mpl__sweep_marked (uint64_t mark)
{
    /* The children of the killed become ours in turn; each pass goes one generation down. A storm of forks is met by
     * the sweep at the job's end. */
    for (int pass = 0; pass < 8 && each_child (kill_marked, mark) > 0; pass++)
        poll (NULL, 0, 1);
}

typedef struct {
    const pid_t *pids;
    size_t n;
} ours_t;

static int kill_other (pid_t pid, uint64_t arg)
{
    const ours_t *ours = (const ours_t *) (uintptr_t) arg;

    for (size_t i = 0; i < ours->n; i++)
        if (ours->pids[i] == pid)
            return 0;
    kill (pid, SIGKILL);
    return waitpid (pid, NULL, WNOHANG) != pid;
}

void mpl__sweep_others (const pid_t *pids, size_t n)
{
    ours_t ours = { pids, n };

    for (int pass = 0; pass < 8 && each_child (kill_other, (uint64_t) (uintptr_t) &ours) > 0; pass++)
        poll (NULL, 0, 1);
}

int mpl__sweep_all (uint64_t deadline)
{
    for (;;) {
        int left = each_child (kill_any, 0);
        pid_t pid;
        while ((pid = waitpid (-1, NULL, WNOHANG)) > 0)
            left = 1;
        if (!left && pid < 0 && errno == ECHILD)
            return 0;
        if (mpl__clock_ns () >= deadline)
            return -1;
        poll (NULL, 0, 1);
    }
}
