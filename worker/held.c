#include "worker/held.h"
#include "worker/agent.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether the variable of entry "NAME=value" is among `set`. */
static int is_set (const char *entry, const char *const *set)
{
    size_t len = strcspn (entry, "=") + 1;

    for (; *set; set++)
        if (!strncmp (*set, entry, len))
            return 1;
    return 0;
}

/* The agent's environment with `set` and MPL_FD in front. The array is the caller's, its strings are not. */
static char **make_environment (const char *const *set, char *mpl_fd)
{
    size_t n = 2, kept = 0;

    for (size_t i = 0; set[i]; i++)
        n++;
    for (size_t i = 0; environ[i]; i++)
        n++;
    char **env = malloc (n * sizeof *env);
    if (!env)
        return NULL;
    env[kept++] = mpl_fd;
    for (size_t i = 0; set[i]; i++)
        env[kept++] = (char *) set[i];
    for (size_t i = 0; environ[i]; i++)
        if (strncmp (environ[i], "MPL_FD=", 7) && !is_set (environ[i], set))
            env[kept++] = environ[i];
    env[kept] = NULL;
    return env;
}

static int set_attributes (posix_spawnattr_t *attr)
{
    sigset_t all, none;

    sigfillset (&all);
    sigemptyset (&none);
    int rc = posix_spawnattr_setflags (attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    rc = rc ? rc : posix_spawnattr_setpgroup (attr, 0);
    rc = rc ? rc : posix_spawnattr_setsigdefault (attr, &all);
    return rc ? rc : posix_spawnattr_setsigmask (attr, &none);
}

static int set_descriptors (posix_spawn_file_actions_t *actions, const mpl_start_t *start, int sock)
{
    int rc = posix_spawn_file_actions_adddup2 (actions, sock, sock);        /* onto itself: it survives exec */

    for (int i = 0; i < 3 && !rc; i++)
        if (start->fds[i] >= 0)
            rc = posix_spawn_file_actions_adddup2 (actions, start->fds[i], i);
    return rc;
}

/* 0, or an errno value. */
static int spawn (mpl_held_t *self, const mpl_start_t *start, int sock)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char mpl_fd[32];

    snprintf (mpl_fd, sizeof mpl_fd, "MPL_FD=%d", sock);
    char **env = make_environment (start->set, mpl_fd);
    if (!env)
        return ENOMEM;
    int rc = posix_spawn_file_actions_init (&actions);
    if (!rc) {
        if (!(rc = posix_spawnattr_init (&attr))) {
            rc = set_attributes (&attr);
            rc = rc ? rc : set_descriptors (&actions, start, sock);
            rc = rc ? rc : posix_spawnp (&self->pid, start->path, &actions, &attr, start->argv, env);
            posix_spawnattr_destroy (&attr);
        }
        posix_spawn_file_actions_destroy (&actions);
    }
    free (env);
    return rc;
}

mpl_held_t *mpl__held_start (mpl_agent_t *agent, const mpl_start_t *start, mpl_role_t role, int rank, mpl_err_t *err)
{
    int pair[2] = { -1, -1 };
    mpl_held_t *self = calloc (1, sizeof *self);

    if (!self)
        goto fail;
    *self = (mpl_held_t) { .agent = agent, .sock = -1, .role = role, .rank = rank };
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        goto fail;
    self->sock = pair[0];
    fcntl (self->sock, F_SETFL, O_NONBLOCK);
    errno = spawn (self, start, pair[1]);
    mpl__fd_close (&pair[1]);
    if (errno)
        goto fail;
    if (!(self->source = mpl__loop_add (agent->loop, self->sock, EPOLLIN, mpl__agent_heard, self)))
        goto fail;
    self->next = agent->held;
    agent->held = self;
    return self;
fail:
    mpl__err (err, errno, "cannot start %s: %s", start->path, strerror (errno));
    if (self && self->pid)
        kill (-self->pid, SIGKILL);
    mpl__held_destroy (&self);
    return NULL;
}

void mpl__held_welcome (mpl_held_t *self, const mpl_control_t *welcome)
{
    mpl__control_send (self->sock, welcome, NULL, 0);
}

void mpl__held_kill (mpl_held_t *self, int signal)
{
    if (self->pid)
        kill (-self->pid, signal);
}

void mpl__held_destroy (mpl_held_t **self_p)
{
    mpl_held_t *self = *self_p;

    if (!self)
        return;
    int saved = errno;
    mpl__loop_remove (self->agent->loop, &self->source);
    mpl__fd_close (&self->sock);
    free (self);
    *self_p = NULL;
    errno = saved;
}
