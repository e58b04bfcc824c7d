#include "worker/forlauncher.h"
#include "worker/agent.h"
#include "worker/output.h"
#include "base/sweep.h"
#include "worker/variables.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_VARIABLES 8
#define DRAIN_LIMIT_NS ((uint64_t) MPL__NS_PER_S)       /* for what a killed rank's children still print */

typedef struct {
    mpl_held_t *held;                   /* NULL: it has ended */
    mpl_stream_t *out, *err;
} rank_t;

typedef struct {
    mpl_agent_t agent;                  /* first, so that it can be found from it */
    const mpl_forlauncher_t *spec;
    mpl_source_t *link;
    mpl_sink_t *out, *err;
    rank_t *ranks;
    int n_running;
    rank_t spare;                       /* the nursery beside rank 0, which is main */
    int null;
    int is_ending;                      /* the launcher wants the ranks ended */
    int is_over;                        /* the launcher is gone, or the job cannot go on */
} launch_t;

/* ---- starting ------------------------------------------------------------------------------------------------------------------ */

static mpl_stream_t *open_stream (mpl_sink_t *sink, int *write_end)
{
    int pair[2];

    if (pipe2 (pair, O_CLOEXEC) < 0)
        return NULL;
    mpl_stream_t *stream = mpl__stream_new (sink, pair[0]);
    if (stream)
        *write_end = pair[1];
    else
        mpl__fd_close (&pair[1]);
    return stream;
}

static void close_streams (rank_t *rank)
{
    mpl__stream_destroy (&rank->out);
    mpl__stream_destroy (&rank->err);
}

static mpl_control_t welcome_of (const launch_t *self, mpl_role_t role, int rank)
{
    return (mpl_control_t) { .type = MPL__C_WELCOME, .role = role, .rank = (uint64_t) rank, .size = (uint64_t) self->spec->n,
                             .local_rank = (uint64_t) rank, .local_size = (uint64_t) self->spec->n };
}

/* Starts the program once more, as that rank or beside it. */
static mpl_held_t *start (launch_t *self, rank_t *place, mpl_role_t role, int rank, int number, mpl_err_t *err)
{
    char texts[OWN_VARIABLES][48];
    const char *set[OWN_VARIABLES + MPL__THREAD_VARIABLES + 1];
    int n = self->spec->n, ends[2] = { -1, -1 };
    mpl_control_t welcome = welcome_of (self, role, number);
    memcpy (welcome.text, self->agent.folder, sizeof self->agent.folder);

    snprintf (texts[0], sizeof *texts, "MPL_RANK=%d", number);
    snprintf (texts[1], sizeof *texts, "MPL_SIZE=%d", n);
    snprintf (texts[2], sizeof *texts, "MPL_LOCAL_RANK=%d", number);
    snprintf (texts[3], sizeof *texts, "MPL_LOCAL_SIZE=%d", n);
    snprintf (texts[4], sizeof *texts, "MPL_NODE=0");
    snprintf (texts[5], sizeof *texts, "MPL_NODES=1");
    snprintf (texts[6], sizeof *texts, "MPL_JOB=%d", (int) getppid ());
    for (int i = 0; i < 7; i++)
        set[i] = texts[i];
    mpl__threads_environment (mpl__cpus_usable (), n, set + 7);
    if (!(place->out = open_stream (self->out, &ends[0])) || !(place->err = open_stream (self->err, &ends[1]))) {
        mpl__err (err, errno, "no pipes for the output of rank %d: %s; more descriptors must be allowed (ulimit -n)", number,
                  strerror (errno));
        mpl__fd_close_all (ends, 2);
        close_streams (place);
        return NULL;
    }
    mpl_start_t order = { .path = self->spec->argv[0], .argv = self->spec->argv, .set = set,
                          .fds = { rank == 0 ? -1 : self->null, ends[0], ends[1] } };
    place->held = mpl__held_start (&self->agent, &order, role, rank, err);
    mpl__fd_close_all (ends, 2);
    if (place->held)
        mpl__held_welcome (place->held, &welcome);
    else
        close_streams (place);
    return place->held;
}

/* Rank 0 is main and no nursery; one more copy of the program serves for its slot. */
static mpl_held_t *start_spare (mpl_agent_t *agent, int n_workers, mpl_err_t *err)
{
    launch_t *self = (launch_t *) agent;

    (void) n_workers;
    if (self->spare.out)
        close_streams (&self->spare);           /* of one that was lost */
    return start (self, &self->spare, MPL__ROLE_NURSERY, -1, 0, err);
}

static void tell_started (launch_t *self, int rank, const mpl_err_t *err)
{
    mpl_control_t message = { .type = MPL__C_STARTED, .rank = (uint64_t) rank, .status = (uint64_t) err->code };

    if (self->ranks[rank].held)
        message.pid = (uint64_t) self->ranks[rank].held->pid;
    snprintf (message.text, sizeof message.text, "%.*s", (int) sizeof message.text - 1, err->text);
    mpl__control_send (self->spec->link, &message, NULL, 0);
}

static void start_ranks (launch_t *self)
{
    for (int rank = 0; rank < self->spec->n && !self->is_over; rank++) {
        mpl_err_t err = { 0 };
        if (start (self, &self->ranks[rank], rank ? MPL__ROLE_NURSERY : MPL__ROLE_MAIN, rank, rank, &err))
            self->n_running++;
        else
            self->is_over = 1;
        tell_started (self, rank, &err);
    }
}

/* ---- while it runs --------------------------------------------------------------------------------------------------------------- */

static void kill_all (launch_t *self, int signal)
{
    for (mpl_held_t *held = self->agent.held; held; held = held->next)
        mpl__held_kill (held, signal);
}

/* Held processes answer to main, not to the terminal: a signal is main's to handle. */
static void pass_on (launch_t *self, int signal)
{
    for (mpl_held_t *held = self->agent.held; held; held = held->next)
        if (!(held->role == MPL__ROLE_NURSERY && held->has_greeted))
            mpl__held_kill (held, signal);
}

static void heard_launcher (void *arg, uint32_t events)
{
    launch_t *self = arg;
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    (void) events;
    int rc = mpl__control_recv (self->spec->link, &message, fds);
    if (rc < 0 && errno == EAGAIN)
        return;
    mpl__fd_close_all (fds, MPL__FDS_MAX);
    if (rc == 1 && message.type == MPL__C_SIGNAL && message.status == SIGKILL)
        kill_all (self, SIGKILL);
    else if (rc == 1 && message.type == MPL__C_SIGNAL)
        pass_on (self, (int) message.status);
    else if (rc == 1 && message.type == MPL__C_TERMINATE)
        self->is_ending = 1;
    else
        self->is_over = 1;
}

static void rank_ended (mpl_agent_t *agent, mpl_held_t *held, int status, const struct rusage *usage)
{
    launch_t *self = (launch_t *) agent;
    rank_t *rank = held->rank >= 0 ? &self->ranks[held->rank] : &self->spare;

    rank->held = NULL;
    if (held->rank < 0)
        return;
    mpl_control_t message = { .type = MPL__C_ENDED, .rank = (uint64_t) held->rank, .status = (uint64_t) status,
                              .end = (uint64_t) held->has_greeted, .peak_bytes = (uint64_t) usage->ru_maxrss * 1024 };
    mpl__stream_drain (rank->out);
    mpl__stream_drain (rank->err);
    mpl__control_send (self->spec->link, &message, NULL, 0);
    self->n_running--;
}

static int is_drained (const launch_t *self)
{
    return mpl__sink_is_empty (self->out) && mpl__sink_is_empty (self->err);
}

/* TERM to all, a second later KILL, then whatever escaped; and all of it is printed. */
static void end_launch (launch_t *self)
{
    uint64_t kill_at = mpl__clock_ns () + MPL__GRACE_NS;

    kill_all (self, SIGTERM);
    kill_all (self, SIGCONT);
    while (self->agent.held && mpl__clock_ns () < kill_at)
        mpl__agent_turn (&self->agent, kill_at);
    kill_all (self, SIGKILL);
    mpl__sweep_all (mpl__clock_ns () + MPL__GRACE_NS);
}

static void print_rest (launch_t *self)
{
    uint64_t deadline = mpl__clock_ns () + DRAIN_LIMIT_NS;

    for (int i = 0; i <= self->spec->n; i++) {
        rank_t *rank = i < self->spec->n ? &self->ranks[i] : &self->spare;
        if (rank->out)
            mpl__stream_drain (rank->out);
        if (rank->err)
            mpl__stream_drain (rank->err);
        close_streams (rank);
    }
    /* Who reads our output decides how long this takes, as for any program; but nobody who is gone is waited for. */
    while (!is_drained (self) && (!self->is_over || mpl__clock_ns () < deadline))
        mpl__loop_turn (self->agent.loop, self->is_over ? deadline : MPL__NEVER);
}

static void tell_broken (launch_t *self)
{
    mpl_control_t message = { .type = MPL__C_BROKEN };
    int error = mpl__sink_error (self->out);

    self->is_over = 1;
    if (error != EPIPE)
        snprintf (message.text, sizeof message.text, "%s", strerror (error));
    mpl__control_send (self->spec->link, &message, NULL, 0);
}

static int begin (launch_t *self, mpl_err_t *err)
{
    const mpl_forlauncher_t *spec = self->spec;

    fcntl (spec->link, F_SETFD, FD_CLOEXEC);
    fcntl (spec->link, F_SETFL, O_NONBLOCK);
    if (mpl__agent_init (&self->agent, err) < 0)
        return -1;
    self->agent.start_nursery = start_spare;
    self->agent.on_exit = rank_ended;
    mpl__folder_name (self->agent.folder);
    self->null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    self->ranks = calloc ((size_t) spec->n, sizeof *self->ranks);
    self->out = mpl__sink_new (self->agent.loop, 1);
    self->err = mpl__sink_new (self->agent.loop, 2);
    self->link = mpl__loop_add (self->agent.loop, spec->link, EPOLLIN, heard_launcher, self);
    if (self->null < 0 || !self->ranks || !self->out || !self->err || !self->link)
        return mpl__err (err, errno, "an agent cannot begin: %s", strerror (errno));
    return 0;
}

int mpl__forlauncher (const mpl_forlauncher_t *spec)
{
    launch_t self = { .spec = spec };
    mpl_err_t err = { 0 };

    if (begin (&self, &err) < 0) {
        fprintf (stderr, "mplaunch: %s\n", err.text);
        return 125;
    }
    start_ranks (&self);
    while (self.n_running && !self.is_ending && !self.is_over && !mpl__sink_error (self.out))
        mpl__agent_turn (&self.agent, MPL__NEVER);
    if (mpl__sink_error (self.out))
        tell_broken (&self);
    end_launch (&self);
    print_rest (&self);
    mpl__loop_remove (self.agent.loop, &self.link);
    mpl__sink_destroy (&self.out);
    mpl__sink_destroy (&self.err);
    mpl__agent_end (&self.agent);
    mpl__fd_close (&self.null);
    free (self.ranks);
    return 0;
}
