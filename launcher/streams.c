#include "launcher/streams.h"
#include "base/fd.h"
#include "worker/input.h"
#include "worker/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mpl_streams {
    mpl_loop_t *loop;
    const mpl_plan_t *plan;
    int standard_input;
    mpl_sink_t *sinks[2];               /* standard output and error */
    mpl_stream_t **streams;             /* two for each host; NULL: not connected */
    size_t n;
    mpl_input_t *input;                 /* NULL: at most one host reads */
    int input_fd;
    int has_begun;                      /* input flows: who comes later has none */
};

/* The one that has our own standard input; -1: none, or all have a copy. */
static int reading_host (const mpl_streams_t *self)
{
    return self->standard_input >= 0 ? (int) self->plan->places[self->standard_input].host : -1;
}

/* The end that a host's agent reads from; -1: it has ours; -2: it cannot be made. */
static int open_input (mpl_streams_t *self, size_t host)
{
    if (reading_host (self) == (int) host && !self->has_begun)
        return -1;
    int fd = self->input && !self->has_begun ? mpl__input_add (self->input) : open ("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -2 : fd;
}

/* Lines come whole from where they are made, so only what is unfinished there is unfinished here. */
static mpl_show_t choose_show (const mpl_streams_t *self, size_t host)
{
    if (self->plan->n == 1)
        return MPL__SHOW_NOW;
    return reading_host (self) == (int) host && isatty (0) ? MPL__SHOW_SOON : MPL__SHOW_LINES;
}

static int open_output (mpl_streams_t *self, size_t host, int which)
{
    const mpl_style_t style = { .show = choose_show (self, host), .copy = -1 };
    int pair[2];

    if (pipe2 (pair, O_CLOEXEC) < 0)
        return -1;
    mpl_stream_t *stream = mpl__stream_new (self->sinks[which], pair[0], &style);
    if (!stream)
        mpl__fd_close (&pair[1]);
    mpl__stream_destroy (&self->streams[2 * host + (size_t) which]);
    self->streams[2 * host + (size_t) which] = stream;
    return pair[1];
}

int mpl__streams_extend (mpl_streams_t *self)
{
    size_t n = 2 * self->plan->hosts.n;
    mpl_stream_t **streams = realloc (self->streams, n * sizeof *streams);

    if (!streams)
        return -1;
    self->streams = streams;
    memset (streams + self->n, 0, (n - self->n) * sizeof *streams);
    self->n = n;
    return 0;
}

int mpl__streams_open (mpl_streams_t *self, size_t host, int fds[3], mpl_err_t *err)
{
    fds[0] = open_input (self, host);
    fds[1] = fds[0] == -2 ? -1 : open_output (self, host, 0);
    fds[2] = fds[1] < 0 ? -1 : open_output (self, host, 1);
    if (fds[2] >= 0)
        return 0;
    mpl__err (err, errno, "no pipe for the agent on %s: %s; more descriptors must be allowed (ulimit -n)",
              self->plan->hosts.hosts[host].name, strerror (errno));
    mpl__fd_close_all (fds, 3);
    return -1;
}

int mpl__streams_open_post (mpl_streams_t *self, size_t host, mpl_post_t *post, mpl_err_t *err)
{
    int fds[3];

    if (mpl__streams_open (self, host, fds, err) < 0)
        return -1;
    if (fds[0] == -1 && (fds[0] = fcntl (0, F_DUPFD_CLOEXEC, 3)) < 0)
        fds[0] = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    mpl__post_carry (post, MPL__CHANNEL_IN, fds[0]);
    mpl__post_deliver (post, MPL__CHANNEL_OUT, fds[1]);
    mpl__post_deliver (post, MPL__CHANNEL_ERR, fds[2]);
    return 0;
}

void mpl__streams_begin (mpl_streams_t *self)
{
    self->has_begun = 1;
    if (self->input)
        mpl__input_begin (self->input);
}

uint64_t mpl__streams_tick (mpl_streams_t *self, uint64_t now)
{
    uint64_t out = mpl__sink_tick (self->sinks[0], now), err = mpl__sink_tick (self->sinks[1], now);

    return out < err ? out : err;
}

int mpl__streams_error (const mpl_streams_t *self) { return mpl__sink_error (self->sinks[0]); }

int mpl__streams_is_done (const mpl_streams_t *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (!mpl__stream_is_ended (self->streams[i]))
            return 0;
    return mpl__sink_is_empty (self->sinks[0]) && mpl__sink_is_empty (self->sinks[1]);
}

static int begin_input (mpl_streams_t *self)
{
    if (self->standard_input != MPL__STDIN_ALL)
        return 0;
    self->input_fd = fcntl (0, F_DUPFD_CLOEXEC, 3);
    if (self->input_fd < 0)
        return -1;
    self->input = mpl__input_new (self->loop, self->input_fd, self->plan->hosts.n);
    return self->input ? 0 : -1;
}

mpl_streams_t *mpl__streams_new (mpl_loop_t *loop, const mpl_plan_t *plan, int standard_input, mpl_err_t *err)
{
    mpl_streams_t *self = calloc (1, sizeof *self);

    if (self) {
        *self = (mpl_streams_t) { .loop = loop, .plan = plan, .standard_input = standard_input, .input_fd = -1 };
        self->n = 2 * plan->hosts.n;
        self->streams = calloc (self->n, sizeof *self->streams);
        self->sinks[0] = mpl__sink_new (loop, 1);
        self->sinks[1] = mpl__sink_new (loop, 2);
        if (self->streams && self->sinks[0] && self->sinks[1] && begin_input (self) == 0)
            return self;
    }
    mpl__err (err, errno, "the output of several hosts cannot be brought together: %s", strerror (errno));
    mpl__streams_destroy (&self);
    return NULL;
}

void mpl__streams_destroy (mpl_streams_t **self_p)
{
    mpl_streams_t *self = *self_p;

    if (!self)
        return;
    for (size_t i = 0; self->streams && i < self->n; i++)
        mpl__stream_destroy (&self->streams[i]);
    mpl__input_destroy (&self->input);
    mpl__fd_close (&self->input_fd);
    mpl__sink_destroy (&self->sinks[0]);
    mpl__sink_destroy (&self->sinks[1]);
    free (self->streams);
    free (self);
    *self_p = NULL;
}
