#include "worker/formain.h"
#include "worker/agent.h"
#include "worker/variables.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    mpl_agent_t agent;              /* first, so that it can be found from it */
    const mpl_formain_t *spec;
    mpl_source_t *link, *main;
    int null;
    int is_over;
} formain_t;

/* The program may have been replaced on disk since main was started: other code must not answer for it. */
static int check_program (const mpl_formain_t *spec, mpl_err_t *err)
{
    struct stat file;

    if (stat (spec->path, &file) < 0)
        return mpl__err (err, errno, "the program %s cannot be run again to make workers: %s", spec->path, strerror (errno));
    if (file.st_dev != spec->device || file.st_ino != spec->inode)
        return mpl__err (err, ESTALE, "the program %s is not the file any more that main was started from; "
                         "start it again", spec->path);
    return 0;
}

static mpl_held_t *start_nursery (mpl_agent_t *agent, int n_workers, mpl_err_t *err)
{
    formain_t *self = (formain_t *) agent;
    char *set[] = { (char *) MPL__BIND_NOW, NULL };
    mpl_control_t welcome = { .type = MPL__C_WELCOME, .role = MPL__ROLE_NURSERY, .size = 1, .local_size = 1 };
    mpl_variables_t variables;

    if (check_program (self->spec, err) < 0)
        return NULL;
    if (mpl__variables_make (&variables, 1, getenv ("LD_BIND_NOW") ? NULL : set, MPL__KEEP_COPY, NULL,
                             mpl__cores_each (mpl__cpus_usable (), n_workers)) < 0) {
        mpl__err (err, ENOMEM, "no memory for the environment of a nursery");
        return NULL;
    }
    mpl_start_t start = { .path = self->spec->path, .argv = self->spec->argv, .vars = variables.vars, .wdir_fd = AT_FDCWD,
                          .fds = { self->null, -1, -1 } };
    mpl_held_t *nursery = mpl__held_start (agent, &start, MPL__ROLE_NURSERY, -1, err);
    mpl__variables_free (&variables);
    if (nursery)
        mpl__held_welcome (nursery, &welcome);
    return nursery;
}

static void heard_main (void *arg, uint32_t events)
{
    formain_t *self = arg;
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    (void) events;
    int rc = mpl__control_recv (self->spec->link, &message, fds);
    if (rc == 1) {
        if (message.type == MPL__C_POOL_OPEN)
            mpl__agent_open_pool (&self->agent, &message, fds);
        mpl__fd_close_all (fds, MPL__FDS_MAX);
    } else if (rc == 0 || errno != EAGAIN) {
        self->is_over = 1;
    }
}

static void main_died (void *arg, uint32_t events)
{
    formain_t *self = arg;

    (void) events;
    self->is_over = 1;
}

int mpl__formain (const mpl_formain_t *spec)
{
    formain_t self = { .spec = spec, .agent = { .start_nursery = start_nursery } };
    mpl_err_t err;

    fcntl (spec->link, F_SETFD, FD_CLOEXEC);
    fcntl (spec->link, F_SETFL, O_NONBLOCK);
    if (spec->folder)
        snprintf (self.agent.folder, sizeof self.agent.folder, "%s", spec->folder);
    self.null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    if (mpl__agent_init (&self.agent, &err) < 0
        || !(self.link = mpl__loop_add (self.agent.loop, spec->link, EPOLLIN, heard_main, &self))) {
        fprintf (stderr, "mpworker: %s\n", err.text);
        return 125;
    }
    if (spec->main_pidfd >= 0) {
        fcntl (spec->main_pidfd, F_SETFD, FD_CLOEXEC);
        self.main = mpl__loop_add (self.agent.loop, spec->main_pidfd, EPOLLIN, main_died, &self);
    }
    int own = (int) syscall (SYS_pidfd_open, getpid (), 0);
    self.agent.own_pidfd = own > 0 ? own : 0;
    if (!start_nursery (&self.agent, spec->n_workers, &err))
        self.agent.n_nurseries_lost++;          /* tried again, and explained, when a pool is opened */
    while (!self.is_over)
        mpl__agent_turn (&self.agent, MPL__NEVER);
    mpl__loop_remove (self.agent.loop, &self.link);
    mpl__loop_remove (self.agent.loop, &self.main);
    mpl__agent_end (&self.agent);
    return 0;
}
