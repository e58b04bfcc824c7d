#include "worker/held.h"
#include "worker/agent.h"
#include "base/clock.h"
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

/* Its number in the process that is started: always the same, so that it stays below any limit on descriptors. */
#define SOCK_THERE 3
#define MPL_FD "MPL_FD=3"

static int set_attributes (posix_spawnattr_t *attr, const sigset_t *defaults)
{
    sigset_t none;

    sigemptyset (&none);
    int rc = posix_spawnattr_setflags (attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    rc = rc ? rc : posix_spawnattr_setpgroup (attr, 0);
    rc = rc ? rc : posix_spawnattr_setsigdefault (attr, defaults);
    return rc ? rc : posix_spawnattr_setsigmask (attr, &none);
}

static int set_descriptors (posix_spawn_file_actions_t *actions, const mpl_start_t *start, int sock)
{
    int rc = 0;

    if (start->wdir_fd >= 0)
        rc = posix_spawn_file_actions_addfchdir_np (actions, start->wdir_fd);
    for (int i = 0; i < 3 && !rc; i++)
        if (start->fds[i] >= 0)
            rc = posix_spawn_file_actions_adddup2 (actions, start->fds[i], i);
    return rc ? rc : posix_spawn_file_actions_adddup2 (actions, sock, SOCK_THERE);
}

/* 0, or an errno value. */
static int spawn (mpl_held_t *self, const mpl_start_t *start, int sock)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init (&actions);

    if (rc)
        return rc;
    start->vars[0] = (char *) MPL_FD;
    if (!(rc = posix_spawnattr_init (&attr))) {
        rc = set_attributes (&attr, &self->agent->defaults);
        rc = rc ? rc : set_descriptors (&actions, start, sock);
        mpl__files_lower (&self->agent->files);
        rc = rc ? rc : posix_spawn (&self->pid, start->path, &actions, &attr, start->argv, start->vars);
        mpl__files_raise (&self->agent->files);
        posix_spawnattr_destroy (&attr);
    }
    posix_spawn_file_actions_destroy (&actions);
    return rc;
}

/* What would be right, by errno; the file itself was found before. */
static const char *advice (int error)
{
    switch (error) {
    case ENOENT:
        return "; it has vanished, or the interpreter in its first line has";
    case ENOEXEC:
        return "; it is neither a program for this machine nor a script whose first line names an interpreter";
    case E2BIG:
        return "; its arguments and environment together are longer than the system allows";
    case EAGAIN:
        return "; more processes must be allowed (ulimit -u), or fewer asked for";
    case EMFILE:
        return "; more descriptors must be allowed (ulimit -n), or fewer processes asked for";
    default:
        return "";
    }
}

mpl_held_t *mpl__held_start (mpl_agent_t *agent, const mpl_start_t *start, mpl_role_t role, int rank, mpl_err_t *err)
{
    int pair[2] = { -1, -1 };
    mpl_held_t *self = calloc (1, sizeof *self);

    if (!self)
        goto fail;
    *self = (mpl_held_t) { .agent = agent, .sock = -1, .role = role, .rank = rank, .number = ++agent->n_held };
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        goto fail;
    self->sock = pair[0];
    fcntl (self->sock, F_SETFL, O_NONBLOCK);
    self->started_at = mpl__clock_ns ();
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
    mpl__err (err, errno, "cannot start %s: %s%s", start->argv[0], strerror (errno), advice (errno));
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
