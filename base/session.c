#include "base/session.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

enum { N_PIPES = 3 };                   /* for its standard input, output and error: [i][i != 0] is the program's end */

static int set_attributes (posix_spawnattr_t *attr)
{
    sigset_t none, pipe;

    sigemptyset (&none);
    sigemptyset (&pipe);
    sigaddset (&pipe, SIGPIPE);
    int rc = posix_spawnattr_setflags (attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    rc = rc ? rc : posix_spawnattr_setsigmask (attr, &none);
    return rc ? rc : posix_spawnattr_setsigdefault (attr, &pipe);
}

static int spawn (pid_t *pid, char **argv, char **env, const int pipes[N_PIPES][2])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init (&actions);

    if (rc)
        return rc;
    for (int i = 0; i < N_PIPES && !rc; i++)
        if (pipes[i][i != 0] >= 0)
            rc = posix_spawn_file_actions_adddup2 (&actions, pipes[i][i != 0], i);
    if (!rc && !(rc = posix_spawnattr_init (&attr))) {
        rc = set_attributes (&attr);
        rc = rc ? rc : posix_spawnp (pid, argv[0], &actions, &attr, argv, env);
        posix_spawnattr_destroy (&attr);
    }
    posix_spawn_file_actions_destroy (&actions);
    return rc;
}

int mpl__session_start (mpl_session_t *self, char **argv, char **env, int has_words)
{
    int pipes[N_PIPES][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }, rc = 0;

    for (int i = 0; i < (has_words ? N_PIPES : N_PIPES - 1) && !rc; i++)
        rc = pipe2 (pipes[i], O_CLOEXEC) < 0 ? errno : 0;
    self->pid = 0;
    rc = rc ? rc : spawn (&self->pid, argv, env, pipes);
    for (int i = 0; i < N_PIPES; i++) {
        mpl__fd_close (&pipes[i][i != 0]);
        if (rc)
            mpl__fd_close (&pipes[i][i == 0]);
    }
    self->in = pipes[0][1];
    self->out = pipes[1][0];
    self->words = pipes[2][0];
    if (rc)
        return rc;
    fcntl (self->out, F_SETFL, O_NONBLOCK);
    if (has_words)
        fcntl (self->words, F_SETFL, O_NONBLOCK);
    return 0;
}
