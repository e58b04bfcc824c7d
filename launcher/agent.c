#include "launcher/agent.h"
#include "launcher/beside.h"
#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* 0, or an errno value. */
static int spawn (mpl_host_agent_t *self, const char *path, int link, int order, const int fds[3])
{
    char link_text[16], order_text[16];
    char *argv[] = {
        (char *) "mpworker", (char *) "--for-launcher", link_text, (char *) "--order", order_text, NULL
    };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int rc = posix_spawn_file_actions_init (&actions);

    if (rc)
        return rc;
    snprintf (link_text, sizeof link_text, "%d", link);
    snprintf (order_text, sizeof order_text, "%d", order);
    sigemptyset (&none);
    rc = posix_spawn_file_actions_adddup2 (&actions, link, link);
    rc = rc ? rc : posix_spawn_file_actions_adddup2 (&actions, order, order);
    for (int i = 0; i < 3 && !rc; i++)
        if (fds[i] >= 0)
            rc = posix_spawn_file_actions_adddup2 (&actions, fds[i], i);
    if (!rc && !(rc = posix_spawnattr_init (&attr))) {
        posix_spawnattr_setflags (&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
        posix_spawnattr_setsigmask (&attr, &none);
        rc = posix_spawn (&self->pid, path, &actions, &attr, argv, environ);
        posix_spawnattr_destroy (&attr);
    }
    posix_spawn_file_actions_destroy (&actions);
    return rc;
}

/* The order lies in a memfd, which the agent reads from its beginning. */
static int make_order (const mpl_plan_t *plan, size_t host, int standard_input, mpl_err_t *err)
{
    int fd = memfd_create ("mplaunch-order", MFD_CLOEXEC);
    uint8_t *bytes = NULL;
    size_t len;

    if (fd < 0)
        return mpl__err (err, errno, "no memory for the agent's order: %s", strerror (errno));
    if (mpl__plan_order (plan, host, standard_input, 0, &bytes, &len, err) < 0)
        mpl__fd_close (&fd);
    else if (mpl__fd_write_all (fd, bytes, len) < 0 || lseek (fd, 0, SEEK_SET) < 0) {
        mpl__err (err, errno, "the agent's order cannot be written: %s", strerror (errno));
        mpl__fd_close (&fd);
    }
    free (bytes);
    return fd;
}

int mpl__agent_start (mpl_host_agent_t *self, const mpl_plan_t *plan, size_t host, int standard_input, const int fds[3],
                      mpl_err_t *err)
{
    char *path;
    int pair[2];

    if (mpl__beside ("mpworker", &path, err) < 0)
        return -1;
    int order = make_order (plan, host, standard_input, err);
    int rc = -1;
    if (order >= 0 && socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        mpl__err (err, errno, "no socket for the agent: %s", strerror (errno));
    else if (order >= 0) {
        rc = spawn (self, path, pair[1], order, fds);
        mpl__fd_close (&pair[1]);
        self->link = pair[0];
        if (rc) {
            mpl__fd_close (&self->link);
            rc = mpl__err (err, rc, "cannot start %s: %s", path, strerror (rc));
        }
    }
    mpl__fd_close (&order);
    free (path);
    return rc;
}

void mpl__agent_say (mpl_host_agent_t *self, const mpl_control_t *message)
{
    if (self->state != MPL__AGENT_THERE)
        return;
    if (self->post)
        mpl__post_say (self->post, message);
    else
        mpl__control_send (self->link, message, NULL, 0);
}
