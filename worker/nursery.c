#include "worker/nursery.h"
#include "worker/leave.h"
#include "worker/serve.h"
#include "worker/variables.h"
#include "base/sweep.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mark.h"
#include "wire/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { ENDPOINT, PAGES, ARENA, N_SPAWN_FDS };       /* the descriptors of a SPAWN; the first is gates on another host than main's */
#define END_LIMIT_NS (2 * (uint64_t) MPL__NS_PER_S)

#define KEY_TEXT 41                            /* a CURVE key in Z85 and its NUL */

enum { FIRST_FD = 3 };                              /* a worker's descriptors lie from here on, in that order */

typedef struct child {
    pid_t pid;
    uint64_t pool, slot, incarnation, mark;
    struct child *next;
} child_t;

typedef struct {
    int sock, signals;
    const mpl_task_t *tasks;
    size_t n_tasks;
    child_t *children;                              /* forked and not yet reaped */
    char public_key[KEY_TEXT], secret_key[KEY_TEXT];      /* for main on another host; empty: not made yet */
} nursery_t;

/* ---- in the worker --------------------------------------------------------------------------------------------- */

static void ignore (int signal)
{
    (void) signal;
}

/* A worker starts with default signals, whatever the program set before mpl_init; but printing into a closed pipe
 * fails like any write, so that no result is lost for it. A handler, unlike SIG_IGN, does not pass on to programs a
 * task starts. */
static void reset_signals (void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal (number, SIG_DFL);
    signal (SIGPIPE, ignore);
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
}

static void read_nothing (void)
{
    int null = open ("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0) {
        dup2 (null, 0);
        close (null);
    }
}

static _Noreturn void be_worker (const nursery_t *self, const mpl_control_t *order, int fds[N_SPAWN_FDS], pid_t nursery)
{
    setpgid (0, 0);
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != nursery)                      /* it died before the line above */
        _exit (1);
    reset_signals ();
    mpl__mark_set (order->mark);
    if (mpl__fd_keep_only (fds, N_SPAWN_FDS, FIRST_FD) < 0)
        _exit (1);
    read_nothing ();
    char server_key[KEY_TEXT];
    size_t len = strcspn (order->text, " ");
    snprintf (server_key, sizeof server_key, "%.*s", (int) len, order->text);
    mpl_abroad_t abroad = { .server_key = server_key, .endpoints = order->text + len, .public_key = self->public_key,
                            .secret_key = self->secret_key };
    mpl_serve_t spec = { .abroad = *order->text ? &abroad : NULL, .tasks = self->tasks, .n_tasks = self->n_tasks, .slot = (unsigned) order->slot,
                         .incarnation = order->incarnation, .endpoint_fd = FIRST_FD + ENDPOINT,
                         .page_fd = FIRST_FD + PAGES, .arena_fd = FIRST_FD + ARENA, .memory = order->memory };
    mpl__serve (&spec);
}

/* ---- in the nursery -------------------------------------------------------------------------------------------- */

static void report_spawn (const nursery_t *self, const mpl_control_t *order, pid_t pid, int error)
{
    int pidfd = pid > 0 ? (int) syscall (SYS_pidfd_open, pid, 0) : -1;
    mpl_control_t report = { .type = MPL__C_SPAWNED, .pool = order->pool, .slot = order->slot,
                             .incarnation = order->incarnation, .pid = pid > 0 ? (uint64_t) pid : 0,
                             .status = (uint64_t) error };

    mpl__control_send (self->sock, &report, &pidfd, pidfd >= 0);
    mpl__fd_close (&pidfd);
}

static void spawn (nursery_t *self, const mpl_control_t *order, int fds[N_SPAWN_FDS])
{
    child_t *child = malloc (sizeof *child);
    pid_t nursery = getpid ();
    pid_t pid = child ? fork () : -1;

    if (pid == 0)
        be_worker (self, order, fds, nursery);
    int error = pid < 0 ? errno : 0;
    if (pid < 0) {
        free (child);
    } else {
        setpgid (pid, pid);                         /* in both, so that it holds for whoever comes first */
        *child = (child_t) { pid, order->pool, order->slot, order->incarnation, order->mark, self->children };
        self->children = child;
    }
    report_spawn (self, order, pid, error);
}

/* The secret half stays here and in the workers that are forked from here. */
static void make_key (nursery_t *self, const mpl_control_t *request)
{
    mpl_control_t key = { .type = MPL__C_KEY, .pool = request->pool, .node = request->node, .nursery = request->nursery };

    if (!*self->public_key && zmq_curve_keypair (self->public_key, self->secret_key) < 0)
        mpl__leave (1);
    memcpy (key.text, self->public_key, sizeof self->public_key);
    mpl__control_send (self->sock, &key, NULL, 0);
}

static child_t *unlink_child (nursery_t *self, pid_t pid)
{
    for (child_t **at = &self->children; *at; at = &(*at)->next)
        if ((*at)->pid == pid) {
            child_t *child = *at;
            *at = child->next;
            return child;
        }
    return NULL;
}

/* The group is killed before its leader is reaped: until then the number cannot belong to anybody else. */
static void reap (nursery_t *self, pid_t pid)
{
    struct rusage usage;
    int status;

    child_t *child = unlink_child (self, pid);
    if (child)
        kill (-pid, SIGKILL);
    if (wait4 (pid, &status, WNOHANG, &usage) != pid || !child) {
        free (child);
        return;
    }
    mpl_control_t report = { .type = MPL__C_EXITED, .pool = child->pool, .slot = child->slot,
                             .incarnation = child->incarnation, .pid = (uint64_t) pid, .status = (uint64_t) status,
                             .peak_bytes = (uint64_t) usage.ru_maxrss * 1024 };
    mpl__control_send (self->sock, &report, NULL, 0);
    mpl__sweep_marked (child->mark);                /* what left its group and is our child since */
    free (child);
}

static void reap_all (nursery_t *self)
{
    struct signalfd_siginfo info;
    siginfo_t ended = { 0 };

    while (read (self->signals, &info, sizeof info) > 0)
        ;
    while (waitid (P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid) {
        reap (self, ended.si_pid);
        ended.si_pid = 0;
    }
}

/* The agent is gone, and so is the job. Killed agents cannot clean up, so it is done here too. */
static _Noreturn void end_all (nursery_t *self)
{
    for (child_t *child = self->children; child; child = child->next)
        kill (-child->pid, SIGKILL);
    mpl__sweep_all (mpl__clock_ns () + END_LIMIT_NS);
    mpl__leave (0);
}

static void take_order (nursery_t *self)
{
    mpl_control_t order;
    int fds[MPL__FDS_MAX];
    int rc = mpl__control_recv (self->sock, &order, fds);

    if (rc < 0 && errno == EAGAIN)
        return;
    if (rc <= 0)
        end_all (self);
    if (order.type == MPL__C_SPAWN && fds[N_SPAWN_FDS - 1] >= 0)
        spawn (self, &order, fds);
    else if (order.type == MPL__C_KEY)
        make_key (self, &order);
    mpl__fd_close_all (fds, MPL__FDS_MAX);
}

_Noreturn void mpl__nursery (int sock, const mpl_task_t *tasks, size_t n_tasks)
{
    nursery_t self = { .sock = sock, .tasks = tasks, .n_tasks = n_tasks };
    sigset_t chld;

    const char *bind_now = getenv ("LD_BIND_NOW");
    if (bind_now && !strcmp (bind_now, strchr (MPL__BIND_NOW, '=') + 1))
        unsetenv ("LD_BIND_NOW");
    fflush (NULL);                                  /* or each worker would write again what is buffered now */
    signal (SIGINT, SIG_IGN);                       /* Ctrl-C is main's to answer */
    signal (SIGTERM, SIG_DFL);
    signal (SIGCHLD, SIG_DFL);
    sigemptyset (&chld);
    sigaddset (&chld, SIGCHLD);
    sigprocmask (SIG_SETMASK, &chld, NULL);
    self.signals = signalfd (-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl (PR_SET_CHILD_SUBREAPER, 1);              /* orphans of tasks come here, where their marks are known */
    if (self.signals < 0)
        mpl__leave (1);
    for (;;) {
        struct pollfd fds[] = { { .fd = sock, .events = POLLIN }, { .fd = self.signals, .events = POLLIN } };
        if (poll (fds, 2, -1) < 0)
            continue;
        if (fds[1].revents)
            reap_all (&self);
        if (fds[0].revents)
            take_order (&self);
    }
}
