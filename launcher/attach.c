#include "launcher/attach.h"
#include "launcher/beside.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/lines.h"
#include "base/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER 24
#define SAY_NS ((uint64_t) MPL__NS_PER_S)               /* of waiting, before it is said */
#define LEAVE_MS 2000

typedef struct {
    uint64_t number;                    /* 0: it was given back */
    uint64_t slots;                     /* lent under it, */
    uint64_t to_use;                    /* and not asked back */
} lease_t;

struct mpl_attach {
    const char *file;
    char *path;                         /* of mpattach */
    pid_t pid;                          /* 0: none */
    int in, out;                        /* our ends of its standard input and output */
    mpl_lines_t lines;
    lease_t *leases;                    /* of the hosts in the list, in its order */
    size_t n_leases;
    mpl_hosts_t *hosts;                 /* while slots are waited for */
    mpl_loop_t *loop;
    mpl_source_t *source;
    mpl_attach_fns_t fns;
    int is_ready;
    int has_waited;                     /* it was said for what */
    unsigned long long slots, launches; /* of the broker, when nothing was free */
    int is_waiting;
    mpl_err_t err;                      /* code 0: none */
};

/* ---- lines ----------------------------------------------------------------------------------------------------- */

static int read_number (const char *text, unsigned long long *number)
{
    char *end;

    errno = 0;
    *number = strtoull (text, &end, 10);
    return errno || end == text || *end || *text == '-' ? -1 : 0;
}

static int put_lease (mpl_attach_t *self, size_t host, lease_t lease)
{
    size_t n = host < self->n_leases ? self->n_leases : host + 1;
    lease_t *leases = realloc (self->leases, n * sizeof *leases);

    if (!leases)
        return -1;
    if (n > self->n_leases)
        memset (leases + self->n_leases, 0, (n - self->n_leases) * sizeof *leases);
    self->leases = leases;
    self->n_leases = n;
    leases[host] = lease;
    return 0;
}

static lease_t *find_lease (mpl_attach_t *self, uint64_t number)
{
    for (size_t i = 0; i < self->n_leases; i++)
        if (self->leases[i].number == number)
            return &self->leases[i];
    return NULL;
}

/* Before the launch begins. `slots` are all of that lease, of which some may be in the list already. */
static int add_host (mpl_attach_t *self, const char *name, uint64_t slots, uint64_t number)
{
    char list[MPL__LINE];
    lease_t *lease = find_lease (self, number);
    uint64_t before = lease ? lease->slots : 0;

    if (slots <= before)
        return 0;
    snprintf (list, sizeof list, "%s:%llu", name, (unsigned long long) (slots - before));
    if (mpl__hosts_add_list (self->hosts, list, &self->err) < 0)
        return -1;
    if (lease)
        lease->slots = lease->to_use = slots;
    else if (put_lease (self, self->hosts->n - 1, (lease_t) { number, slots, slots }) < 0)
        return mpl__err (&self->err, ENOMEM, "no memory for %zu hosts", self->hosts->n);
    return 0;
}

/* What comes together with `ready`, before anybody listens, is told to who listens. */
static void resize (mpl_attach_t *self, lease_t *lease, uint64_t to_use)
{
    lease->to_use = to_use;
    if (self->fns.resized)
        self->fns.resized (self->fns.arg, (size_t) (lease - self->leases), to_use);
}

static void take_host (mpl_attach_t *self, const char *name, uint64_t slots, uint64_t number)
{
    lease_t *lease = find_lease (self, number);

    if (!slots || slots > MPL__SLOTS_MAX || !number)
        return;
    if (!self->is_ready) {
        add_host (self, name, slots, number);
    } else if (lease) {
        lease->slots = slots;
        resize (self, lease, slots);
    } else if (self->fns.lent) {
        self->fns.lent (self->fns.arg, name, (int) slots, number);
    }
}

/* They are the broker's when mpl__attach_keep says so. */
static void reclaim (mpl_attach_t *self, uint64_t number, uint64_t slots)
{
    lease_t *lease = find_lease (self, number);

    if (lease && number)
        resize (self, lease, slots);
}

static void take_line (void *arg, char *line)
{
    mpl_attach_t *self = arg;
    char *words[4] = { line }, *rest = strchr (line, ' ');
    unsigned long long a = 0, b = 0;
    int n = 1;

    if (!strncmp (line, "error ", 6)) {
        mpl__err (&self->err, ECONNREFUSED, "%.600s", line + 6);
        return;
    }
    for (; rest && n < 4; rest = strchr (rest, ' ')) {
        *rest++ = '\0';
        words[n++] = rest;
    }
    if (n == 4 && !strcmp (line, "host") && !read_number (words[2], &a) && !read_number (words[3], &b)) {
        take_host (self, words[1], a, b);
    } else if (n == 3 && !strcmp (line, "reclaim") && !read_number (words[1], &a) && !read_number (words[2], &b)) {
        reclaim (self, a, b);
    } else if (n == 2 && !strcmp (line, "ready")) {
        self->is_ready = 1;
    } else if (n == 3 && !strcmp (line, "wait") && !read_number (words[1], &a) && !read_number (words[2], &b)) {
        self->slots = a;
        self->launches = b;
        self->is_waiting = 1;
    }
}

/* What can be read now. 0, or -1: that was all. */
static int take_lines (mpl_attach_t *self)
{
    return mpl__lines_read (&self->lines, self->out, take_line, self);
}

/* ---- the child ------------------------------------------------------------------------------------------------- */

static int start (mpl_attach_t *self, uint64_t n, mpl_err_t *err)
{
    char number[NUMBER];
    char *argv[] = { NULL, (char *) "--slots", number, (char *) "--", (char *) self->file, NULL };
    mpl_session_t child;

    snprintf (number, sizeof number, "%llu", (unsigned long long) n);
    if (mpl__beside ("mpattach", &self->path, err) < 0)
        return -1;
    argv[0] = self->path;
    int rc = mpl__session_start (&child, argv, environ, 0);
    if (rc)
        return mpl__err (err, rc, "mpattach cannot be started: %s", strerror (rc));
    self->pid = child.pid;
    self->in = child.in;
    self->out = child.out;
    return 0;
}

/* ---- waiting for slots ----------------------------------------------------------------------------------------- */

static void say_what_for (mpl_attach_t *self, int is_quiet)
{
    self->has_waited = 1;
    if (is_quiet)
        return;
    if (!self->is_waiting)
        fprintf (stderr, "mplaunch: waiting for the broker\n");
    else if (!self->slots)
        fprintf (stderr, "mplaunch: waiting for slots: no host has joined the broker yet\n");
    else
        fprintf (stderr, "mplaunch: waiting for slots: all %llu are lent to %llu launch%s\n", self->slots, self->launches,
                 self->launches == 1 ? "" : "es");
}

static int wait_for_slots (mpl_attach_t *self, double limit_s, int is_quiet, mpl_err_t *err)
{
    uint64_t began = mpl__clock_ns (), now = began, end = began + (uint64_t) (limit_s * MPL__NS_PER_S);

    while (!self->is_ready && !self->err.code) {
        uint64_t due = self->has_waited ? end : began + SAY_NS < end ? began + SAY_NS : end;
        struct pollfd out = { .fd = self->out, .events = POLLIN };
        int rc = poll (&out, 1, mpl__clock_poll_ms (due, now));
        now = mpl__clock_ns ();
        if (rc > 0 && take_lines (self) < 0 && !self->err.code)
            return mpl__err (err, ECONNREFUSED, "mpattach, which asks the broker for slots, has ended");
        if (now >= began + SAY_NS && !self->has_waited && !self->is_ready && !self->err.code)
            say_what_for (self, is_quiet);
        if (now >= end && !self->is_ready && !self->err.code)
            return mpl__err (err, ETIMEDOUT, "no slots became free at the broker in %g s", limit_s);
    }
    if (!self->err.code)
        return 0;
    *err = self->err;
    return -1;
}

mpl_attach_t *mpl__attach_new (const char *file, uint64_t n, double limit_s, int is_quiet, mpl_hosts_t *hosts, mpl_err_t *err)
{
    mpl_attach_t *self = calloc (1, sizeof *self);

    if (!self) {
        mpl__err (err, ENOMEM, "no memory to ask a broker");
        return NULL;
    }
    *self = (mpl_attach_t) { .file = file, .in = -1, .out = -1, .hosts = hosts };
    if (start (self, n, err) < 0 || wait_for_slots (self, limit_s > 0 ? limit_s : MPL__ATTACH_LIMIT_S, is_quiet, err) < 0)
        mpl__attach_destroy (&self);
    else
        self->hosts = NULL;
    return self;
}

/* ---- while it is held ------------------------------------------------------------------------------------------ */

static void heard (void *arg, uint32_t events)
{
    mpl_attach_t *self = arg;

    (void) events;
    if (take_lines (self) == 0)
        return;
    mpl__loop_remove (self->loop, &self->source);
    self->fns.gone (self->fns.arg, self->err.code ? self->err.text : "mpattach has ended");
}

int mpl__attach_listen (mpl_attach_t *self, mpl_loop_t *loop, const mpl_attach_fns_t *fns)
{
    self->loop = loop;
    self->fns = *fns;
    self->source = mpl__loop_add (loop, self->out, EPOLLIN, heard, self);
    for (size_t i = 0; i < self->n_leases; i++)
        if (self->leases[i].to_use != self->leases[i].slots)
            resize (self, &self->leases[i], self->leases[i].to_use);
    return self->source ? 0 : -1;
}

/* It reads a line as soon as it comes, and if it has gone, that is told otherwise. */
static void say (mpl_attach_t *self, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

static void say (mpl_attach_t *self, const char *fmt, ...)
{
    char text[2 * NUMBER + 16];
    va_list args;

    va_start (args, fmt);
    int len = vsnprintf (text, sizeof text, fmt, args);
    va_end (args);
    mpl__fd_write_all (self->in, text, (size_t) len);
}

void mpl__attach_want (mpl_attach_t *self, uint64_t n)
{
    say (self, "want %llu\n", (unsigned long long) n);
}

void mpl__attach_keep (mpl_attach_t *self, size_t host, uint64_t slots)
{
    lease_t *lease = host < self->n_leases ? &self->leases[host] : NULL;

    if (!lease || !lease->number || slots >= lease->slots)
        return;
    say (self, "keep %llu %llu\n", (unsigned long long) lease->number, (unsigned long long) slots);
    *lease = slots ? (lease_t) { lease->number, slots, slots } : (lease_t) { 0, 0, 0 };
}

void mpl__attach_return (mpl_attach_t *self, uint64_t lease)
{
    say (self, "keep %llu 0\n", (unsigned long long) lease);
}

int mpl__attach_take (mpl_attach_t *self, size_t host, uint64_t number, uint64_t slots)
{
    return put_lease (self, host, (lease_t) { number, slots, slots });
}

char **mpl__attach_argv (const mpl_attach_t *self, size_t host)
{
    char **argv = host < self->n_leases ? malloc (8 * sizeof *argv + NUMBER) : NULL;
    int n = 0;

    if (!argv) {
        errno = host < self->n_leases ? ENOMEM : ENOENT;
        return NULL;
    }
    char *number = (char *) (argv + 8);
    snprintf (number, NUMBER, "%llu", (unsigned long long) self->leases[host].number);
    argv[n++] = self->path;
    argv[n++] = (char *) "--lease";
    argv[n++] = number;
    argv[n++] = (char *) "--";
    argv[n++] = (char *) self->file;
    argv[n] = NULL;
    return argv;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

/* The end of its input is its order to leave. */
static void reap (const mpl_attach_t *self)
{
    struct pollfd left = { .fd = (int) syscall (SYS_pidfd_open, self->pid, 0), .events = POLLIN };

    if (left.fd < 0 || poll (&left, 1, LEAVE_MS) != 1)
        kill (self->pid, SIGKILL);
    mpl__fd_close (&left.fd);
    while (waitpid (self->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void mpl__attach_destroy (mpl_attach_t **self_p)
{
    mpl_attach_t *self = *self_p;

    if (!self)
        return;
    int saved = errno;
    if (self->loop)
        mpl__loop_remove (self->loop, &self->source);
    mpl__fd_close (&self->in);
    mpl__fd_close (&self->out);
    if (self->pid)
        reap (self);
    free (self->path);
    free (self->leases);
    free (self);
    *self_p = NULL;
    errno = saved;
}
