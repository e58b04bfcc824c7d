#include "worker/ranks.h"
#include "worker/cores.h"
#include "worker/program.h"
#include "base/cpus.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The variables that are a process's own, in front of its environment. */
enum { V_FD, V_RANK, V_LOCAL_RANK, V_SIZE, V_LOCAL_SIZE, V_NODE, V_NODES, V_JOB, N_OWN };
#define OWN_TEXT 64

typedef struct {
    const mpl_order_app_t *app;
    char *path;                         /* its file; NULL: not looked for yet */
    int wdir_fd;                        /* -1: none */
    char **set;                         /* what it points into is the order's */
    mpl_variables_t variables;
} program_t;

struct mpl_ranks {
    mpl_agent_t *agent;
    const mpl_order_t *order;
    program_t *programs;
    mpl_rank_t *ranks, spare;
    size_t n_started, n_running;
    char own[N_OWN][OWN_TEXT];
    mpl_sink_t *out, *err;
    mpl_input_t *input;                 /* NULL: at most one rank reads */
    int input_fd, null;
    mpl_topology_t topology;            /* empty: nothing is bound */
    mpl_cpuset_t unbound;               /* what we may use ourselves */
    int has_terminal;                   /* our standard input is one: who reads it may prompt */
};

/* ---- what they are started with -------------------------------------------------------------------------------- */

/* Opens the folder that a program runs in. -1 with *err. */
static int open_folder (const char *path, mpl_err_t *err)
{
    const char *home = getenv ("HOME");
    char *full = NULL;
    int is_home = path[0] == '~' && (path[1] == '/' || !path[1]);

    if (is_home && asprintf (&full, "%s%s", home ? home : "/", path + 1) < 0)
        full = NULL;
    int fd = open (full ? full : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free (full);
    if (fd < 0)
        mpl__err (err, EINVAL, "the folder %s to run in cannot be entered: %s", path, strerror (errno));
    return fd;
}

/* Variables for all programs, then this one's own. */
static int make_variables (const mpl_order_t *order, program_t *program)
{
    const mpl_order_app_t *app = program->app;
    int cores = order->hold == MPL__HOLD_CORE ? 1 : mpl__cores_each (mpl__cpus_usable (), (int) order->sharers);
    size_t n_all = 0, n = 0;

    while (order->set && order->set[n_all])
        n_all++;
    while (app->set[n])
        n++;
    program->set = malloc ((n_all + n + 1) * sizeof *program->set);
    if (!program->set)
        return -1;
    if (n_all)
        memcpy (program->set, order->set, n_all * sizeof *program->set);
    memcpy (program->set + n_all, app->set, (n + 1) * sizeof *program->set);
    return mpl__variables_make (&program->variables, N_OWN, program->set, (mpl_keep_t) app->keep, app->kept, cores);
}

static int prepare (mpl_ranks_t *self, program_t *program, mpl_err_t *err)
{
    const mpl_order_app_t *app = program->app;
    const char *wdir = app->wdir ? app->wdir : self->order->wdir;

    if (program->path)
        return 0;
    if (program->wdir_fd < 0 && wdir && (program->wdir_fd = open_folder (wdir, err)) < 0)
        return -1;
    if (!program->variables.vars && make_variables (self->order, program) < 0)
        return mpl__err (err, ENOMEM, "no memory for the environment of %s", app->argv[0]);
    const char *search_path = mpl__variables_get (program->variables.vars + N_OWN, "PATH");
    return mpl__program_find (app->argv[0], app->path, search_path ? search_path : getenv ("PATH"),
                              program->wdir_fd >= 0 ? program->wdir_fd : AT_FDCWD, &program->path, err);
}

int mpl__ranks_find (mpl_ranks_t *self, size_t app, const char **path, mpl_err_t *err)
{
    if (prepare (self, &self->programs[app], err) < 0)
        return -1;
    *path = self->programs[app].path;
    return 0;
}

int mpl__ranks_find_folder (const mpl_ranks_t *self, mpl_err_t *err)
{
    int fd = self->order->wdir ? open_folder (self->order->wdir, err) : -1;

    if (self->order->wdir && fd < 0)
        return -1;
    mpl__fd_close (&fd);
    return 0;
}

static void set_own (mpl_ranks_t *self, program_t *program, int place, const char *name, uint64_t value)
{
    snprintf (self->own[place], OWN_TEXT, "%s=%llu", name, (unsigned long long) value);
    program->variables.vars[place] = self->own[place];
}

static void set_variables (mpl_ranks_t *self, program_t *program, const mpl_rank_t *rank)
{
    const mpl_order_t *order = self->order;

    set_own (self, program, V_RANK, "MPL_RANK", (uint64_t) rank->rank);
    set_own (self, program, V_LOCAL_RANK, "MPL_LOCAL_RANK", (uint64_t) (rank - self->ranks));
    set_own (self, program, V_SIZE, "MPL_SIZE", order->size);
    set_own (self, program, V_LOCAL_SIZE, "MPL_LOCAL_SIZE", order->n_ranks);
    set_own (self, program, V_NODE, "MPL_NODE", order->node);
    set_own (self, program, V_NODES, "MPL_NODES", order->nodes);
    snprintf (self->own[V_JOB], OWN_TEXT, "MPL_JOB=%s", order->job);
    program->variables.vars[V_JOB] = self->own[V_JOB];
}

/* ---- output ---------------------------------------------------------------------------------------------------- */

static int open_file (mpl_ranks_t *self, int rank, const char *ending, int flags, mpl_err_t *err)
{
    char path[4096];

    if ((mkdir (self->order->output, 0777) < 0 && errno != EEXIST)
        || snprintf (path, sizeof path, "%s/%d.%s", self->order->output, rank, ending) >= (int) sizeof path)
        return mpl__err (err, EIO, "the folder %s for the output cannot be made: %s", self->order->output,
                         strerror (errno));
    int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0666);
    return fd >= 0 ? fd
                   : mpl__err (err, EIO, "the file %s for the output cannot be written: %s", path, strerror (errno));
}

static mpl_show_t choose_show (const mpl_ranks_t *self, int rank)
{
    if (self->order->size == 1)
        return MPL__SHOW_NOW;
    return self->has_terminal && (uint64_t) rank == self->order->standard_input ? MPL__SHOW_SOON : MPL__SHOW_LINES;
}

static void write_tag (const mpl_ranks_t *self, int rank, char *tag, size_t size)
{
    if (self->order->flags & MPL__ORDER_TAG_HOST)
        snprintf (tag, size, "[%d@%s] ", rank, self->order->host);
    else
        snprintf (tag, size, "[%d] ", rank);
}

/* A pipe whose other end is carried to the sink. *end is the end to write to. */
static mpl_stream_t *open_stream (mpl_ranks_t *self, mpl_sink_t *sink, int rank, int copy, int *end, mpl_err_t *err)
{
    char tag[300];
    int pair[2];
    mpl_style_t style = { .show = choose_show (self, rank), .copy = copy };

    write_tag (self, rank, tag, sizeof tag);
    if (self->order->flags & MPL__ORDER_TAG_RANK)
        style.tag = tag;
    if (pipe2 (pair, O_CLOEXEC) < 0) {
        mpl__fd_close (&copy);
    } else {
        mpl_stream_t *stream = mpl__stream_new (sink, pair[0], &style);
        if (stream) {
            *end = pair[1];
            return stream;
        }
        mpl__fd_close (&pair[1]);
    }
    mpl__err (err, errno, "no pipe for the output of rank %d: %s; more descriptors must be allowed (ulimit -n)", rank,
              strerror (errno));
    return NULL;
}

/* Where one stream of a rank goes: *end becomes its descriptor, which the caller closes; -1: our own. */
static int open_output (mpl_ranks_t *self, mpl_rank_t *rank, int is_err, int is_spare, int *end, mpl_err_t *err)
{
    const mpl_order_t *order = self->order;
    mpl_stream_t **stream = is_err ? &rank->err : &rank->out;
    int file = -1;

    if (order->flags & MPL__ORDER_DIRECT && rank->rank == 0 && !is_spare)
        return 0;
    mpl__stream_destroy (stream);               /* of a spare that was lost */
    if (order->output
        && (file = open_file (self, rank->rank, is_err ? "err" : "out", is_spare ? 0 : O_TRUNC, err)) < 0)
        return -1;
    if (file >= 0 && !(order->flags & MPL__ORDER_TEE)) {
        *end = file;
        return 0;
    }
    *stream = open_stream (self, is_err ? self->err : self->out, rank->rank, file, end, err);
    return *stream ? 0 : -1;
}

/* ---- input ----------------------------------------------------------------------------------------------------- */

/* *end: as above, but the caller closes it only when it is not ours. */
static int open_input (mpl_ranks_t *self, const mpl_rank_t *rank, int is_spare, int *end, mpl_err_t *err)
{
    const mpl_order_t *order = self->order;

    *end = self->null;
    if (is_spare)
        return 0;
    if ((uint64_t) rank->rank == order->standard_input)
        *end = -1;
    else if (self->input && (*end = mpl__input_add (self->input)) < 0)
        return mpl__err (err, errno,
                         "no pipe for the input of rank %d: %s; more descriptors must be allowed (ulimit -n)",
                         rank->rank, strerror (errno));
    return 0;
}

/* ---- starting -------------------------------------------------------------------------------------------------- */

static mpl_control_t welcome_of (const mpl_ranks_t *self, const mpl_rank_t *rank, mpl_role_t role)
{
    const mpl_order_t *order = self->order;
    mpl_control_t welcome = { .type = MPL__C_WELCOME,
                              .role = role,
                              .rank = (uint64_t) rank->rank,
                              .size = order->size,
                              .local_rank = (uint64_t) (rank - self->ranks),
                              .local_size = order->n_ranks,
                              .n = order->flags & MPL__ORDER_GROWS ? MPL__GROWTH : 0,
                              .from = order->retries,
                              .timeout_ns = order->timeout_ns,
                              .memory = order->memory_limit };

    memcpy (welcome.text, self->agent->folder, sizeof self->agent->folder);
    return welcome;
}

static int open_ends (mpl_ranks_t *self, mpl_rank_t *rank, int is_spare, int ends[3], mpl_err_t *err)
{
    return open_input (self, rank, is_spare, &ends[0], err) < 0
                   || open_output (self, rank, 0, is_spare, &ends[1], err) < 0
                   || open_output (self, rank, 1, is_spare, &ends[2], err) < 0
               ? -1
               : 0;
}

/* A process begins with what the thread that starts it is bound to: there is no other moment, for posix_spawn
 * gives none. */
static mpl_held_t *start_bound (mpl_ranks_t *self, const mpl_rank_t *rank, const mpl_rank_t *as,
                                const mpl_start_t *order, mpl_role_t role, mpl_err_t *err)
{
    int number = rank == &self->spare ? -1 : rank->rank;
    mpl_cpuset_t set;

    if (self->order->hold == MPL__HOLD_NONE)
        return mpl__held_start (self->agent, order, role, number, err);
    mpl_held_t *held = NULL;
    if (mpl__cores_assign (&self->topology, (mpl_deal_t) self->order->deal, (mpl_hold_t) self->order->hold,
                           (int) self->order->n_ranks, (int) (as - self->ranks), &set)
        < 0)
        mpl__err (err, ENOMEM, "no memory for its cores");
    else if (mpl__cpuset_bind_self (&set) < 0)
        mpl__err (err, EINVAL, "it cannot be bound to its cores: %s", strerror (errno));
    else
        held = mpl__held_start (self->agent, order, role, number, err);
    mpl__cpuset_bind_self (&self->unbound);
    mpl__cpuset_free (&set);
    return held;
}

static mpl_held_t *start (mpl_ranks_t *self, mpl_rank_t *rank, const mpl_rank_t *as, mpl_role_t role,
                          program_t *program, mpl_err_t *err)
{
    int ends[3] = { -1, -1, -1 }, is_spare = rank == &self->spare;

    if (prepare (self, program, err) < 0)
        return NULL;
    set_variables (self, program, as);
    if (open_ends (self, rank, is_spare, ends, err) == 0) {
        mpl_start_t order = { .path = program->path, .argv = program->app->argv, .vars = program->variables.vars,
                              .wdir_fd = program->wdir_fd, .fds = { ends[0], ends[1], ends[2] } };
        rank->held = start_bound (self, rank, as, &order, role, err);
    }
    if (ends[0] == self->null)
        ends[0] = -1;
    mpl__fd_close_all (ends, 3);
    if (!rank->held) {
        mpl__stream_destroy (&rank->out);
        mpl__stream_destroy (&rank->err);
        return NULL;
    }
    mpl_control_t welcome = welcome_of (self, as, role);
    mpl__held_welcome (rank->held, &welcome);
    rank->pid = rank->held->pid;
    return rank->held;
}

int mpl__ranks_start_next (mpl_ranks_t *self, mpl_rank_t **next, mpl_err_t *err)
{
    *next = NULL;
    if (self->n_started == self->order->n_ranks)
        return 0;
    mpl_rank_t *rank = &self->ranks[self->n_started];
    program_t *program = &self->programs[self->order->ranks[self->n_started].app];
    *next = rank;
    if (!start (self, rank, rank, rank->rank ? MPL__ROLE_NURSERY : MPL__ROLE_MAIN, program, err))
        return -1;
    self->n_started++;
    self->n_running++;
    return 0;
}

void mpl__ranks_all_started (mpl_ranks_t *self)
{
    dup2 (self->null, 0);
    if (self->input)
        mpl__input_begin (self->input);
}

mpl_held_t *mpl__ranks_start_spare (mpl_ranks_t *self, mpl_err_t *err)
{
    /* A host that came later has no ranks; rank 0's program is the first. */
    size_t app = self->order->n_ranks ? self->order->ranks[0].app : 0;

    return start (self, &self->spare, &self->ranks[0], MPL__ROLE_NURSERY, &self->programs[app], err);
}

/* ---- while they run -------------------------------------------------------------------------------------------- */

static mpl_rank_t *find (mpl_ranks_t *self, int number)
{
    size_t from = 0, to = self->n_started;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (self->ranks[middle].rank < number)
            from = middle + 1;
        else
            to = middle;
    }
    return from < self->n_started && self->ranks[from].rank == number ? &self->ranks[from] : NULL;
}

mpl_rank_t *mpl__ranks_ended (mpl_ranks_t *self, const mpl_held_t *held)
{
    mpl_rank_t *rank = held->rank >= 0 ? find (self, held->rank) : NULL;

    if (!rank) {
        self->spare.held = NULL;
        return NULL;
    }
    rank->held = NULL;
    self->n_running--;
    return rank;
}

size_t mpl__ranks_running (const mpl_ranks_t *self) { return self->n_running; }

uint64_t mpl__ranks_tick (mpl_ranks_t *self, uint64_t now)
{
    uint64_t out = mpl__sink_tick (self->out, now), err = mpl__sink_tick (self->err, now);

    return out < err ? out : err;
}

int mpl__ranks_output_error (const mpl_ranks_t *self, const char **where)
{
    int error =
        mpl__sink_copy_error (self->out) ? mpl__sink_copy_error (self->out) : mpl__sink_copy_error (self->err);

    *where = error ? self->order->output : "standard output";
    return error ? error : mpl__sink_error (self->out);
}

int mpl__ranks_is_read (const mpl_ranks_t *self)
{
    for (size_t i = 0; i < self->n_started; i++)
        if (!mpl__stream_is_ended (self->ranks[i].out) || !mpl__stream_is_ended (self->ranks[i].err))
            return 0;
    return mpl__stream_is_ended (self->spare.out) && mpl__stream_is_ended (self->spare.err);
}

int mpl__ranks_is_written (const mpl_ranks_t *self)
{
    return mpl__sink_is_empty (self->out) && mpl__sink_is_empty (self->err);
}

static void finish_rank (mpl_rank_t *rank)
{
    if (rank->out)
        mpl__stream_finish (rank->out);
    if (rank->err)
        mpl__stream_finish (rank->err);
}

void mpl__ranks_finish_output (mpl_ranks_t *self)
{
    for (size_t i = 0; i < self->n_started; i++)
        finish_rank (&self->ranks[i]);
    finish_rank (&self->spare);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

/* Everybody's input is read through a second descriptor: ours is let go. */
static int begin_input (mpl_ranks_t *self)
{
    self->has_terminal = isatty (0);
    if (self->order->standard_input != MPL__ALL_RANKS)
        return 0;
    self->input_fd = fcntl (0, F_DUPFD_CLOEXEC, 3);
    if (self->input_fd < 0)
        return -1;
    self->input = mpl__input_new (self->agent->loop, self->input_fd, self->order->n_ranks);
    return self->input ? 0 : -1;
}

static int look_at_cores (mpl_ranks_t *self, mpl_err_t *err)
{
    if (self->order->hold == MPL__HOLD_NONE)
        return 0;
    if (mpl__topology_read (&self->topology, err) < 0)
        return -1;
    return mpl__cpuset_of_self (&self->unbound) < 0 ? mpl__err (err, ENOMEM, "no memory for a set of cores") : 0;
}

static void number_them (mpl_ranks_t *self)
{
    for (size_t i = 0; i < self->order->n_apps; i++)
        self->programs[i] = (program_t) { .app = &self->order->apps[i], .wdir_fd = -1 };
    for (size_t i = 0; i < self->order->n_ranks; i++)
        self->ranks[i].rank = (int) self->order->ranks[i].rank;
}

mpl_ranks_t *mpl__ranks_new (mpl_agent_t *agent, const mpl_order_t *order, mpl_err_t *err)
{
    mpl_ranks_t *self = calloc (1, sizeof *self);

    if (!self)
        goto fail;
    *self = (mpl_ranks_t) { .agent = agent, .order = order, .null = -1, .input_fd = -1 };
    self->programs = calloc (order->n_apps + 1, sizeof *self->programs);
    self->ranks = calloc (order->n_ranks + 1, sizeof *self->ranks);
    if (!self->programs || !self->ranks)
        goto fail;
    number_them (self);
    if ((self->null = open ("/dev/null", O_RDWR | O_CLOEXEC)) < 0 || !(self->out = mpl__sink_new (agent->loop, 1))
        || !(self->err = mpl__sink_new (agent->loop, 2)) || begin_input (self) < 0)
        goto fail;
    if (look_at_cores (self, err) < 0)
        mpl__ranks_destroy (&self);
    return self;
fail:
    mpl__err (err, errno, "an agent cannot begin: %s", strerror (errno));
    mpl__ranks_destroy (&self);
    return NULL;
}

static void clear_rank (mpl_rank_t *rank)
{
    mpl__stream_destroy (&rank->out);
    mpl__stream_destroy (&rank->err);
}

static void clear_program (program_t *program)
{
    free (program->path);
    mpl__fd_close (&program->wdir_fd);
    mpl__variables_free (&program->variables);
    free (program->set);
}

void mpl__ranks_destroy (mpl_ranks_t **self_p)
{
    mpl_ranks_t *self = *self_p;

    if (!self)
        return;
    for (size_t i = 0; self->ranks && i < self->order->n_ranks; i++)
        clear_rank (&self->ranks[i]);
    clear_rank (&self->spare);
    for (size_t i = 0; self->programs && i < self->order->n_apps; i++)
        clear_program (&self->programs[i]);
    mpl__topology_free (&self->topology);
    mpl__cpuset_free (&self->unbound);
    mpl__input_destroy (&self->input);
    mpl__sink_destroy (&self->out);
    mpl__sink_destroy (&self->err);
    mpl__fd_close (&self->input_fd);
    mpl__fd_close (&self->null);
    free (self->programs);
    free (self->ranks);
    free (self);
    *self_p = NULL;
}
