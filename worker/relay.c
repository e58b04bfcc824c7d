#include "worker/relay.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TELL_FROM (MPL__BOARD_WINDOW / 4)       /* bytes written before the other end is told: not one message for each */

struct mpl_relay {
    mpl_loop_t *loop;
    mpl_boardlink_t *link;
    uint64_t stream;
    void (*changed) (void *arg);
    void *arg;
    int in, out;                        /* -1: at its end */
    mpl_source_t *in_source, *out_source;
    size_t may_send;                    /* bytes */
    uint8_t *bytes;                     /* that came and are not written, from `head` on: a ring of MPL__BOARD_WINDOW */
    size_t head, len;
    size_t n_written;                   /* and not yet told */
    int is_ended;                       /* nothing more will come */
};

static void say (mpl_relay_t *self, mpl_board_type_t type, uint64_t n, const void *body, size_t len)
{
    mpl_board_t message = { .type = type, .stream = self->stream, .n = n, .body = body, .len = len };

    mpl__boardlink_say (self->link, &message);
}

/* ---- what is read ---------------------------------------------------------------------------------------------- */

static void can_read (void *arg, uint32_t events);

/* Removed when nothing may be sent, since a hangup would be reported all the same. */
static void listen_in (mpl_relay_t *self)
{
    int may_read = self->in >= 0 && self->may_send > 0;

    if (!may_read)
        mpl__loop_remove (self->loop, &self->in_source);
    else if (!self->in_source)
        self->in_source = mpl__loop_add (self->loop, self->in, EPOLLIN, can_read, self);
}

static void can_read (void *arg, uint32_t events)
{
    mpl_relay_t *self = arg;
    uint8_t bytes[MPL__BOARD_DATA];
    size_t max = self->may_send < sizeof bytes ? self->may_send : sizeof bytes;

    (void) events;
    ssize_t len = read (self->in, bytes, max);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len > 0) {
        self->may_send -= (size_t) len;
        say (self, MPL__B_DATA, 0, bytes, (size_t) len);
        listen_in (self);
        return;
    }
    mpl__loop_remove (self->loop, &self->in_source);
    mpl__fd_close (&self->in);
    say (self, MPL__B_END, 0, NULL, 0);
    self->changed (self->arg);
}

/* ---- what is written ------------------------------------------------------------------------------------------- */

static void stop_writing (mpl_relay_t *self)
{
    mpl__loop_remove (self->loop, &self->out_source);
    mpl__fd_close (&self->out);
    self->n_written += self->len;       /* as good as taken, so that the other end does not stand still */
    self->len = 0;
}

/* As much as is taken now. 0; -1: nobody takes any more. */
static int write_some (mpl_relay_t *self)
{
    while (self->len) {
        size_t to_end = MPL__BOARD_WINDOW - self->head, n = self->len < to_end ? self->len : to_end;
        ssize_t rc = write (self->out, self->bytes + self->head, n);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0)
            return errno == EAGAIN ? 0 : -1;
        self->head = (self->head + (size_t) rc) % MPL__BOARD_WINDOW;
        self->len -= (size_t) rc;
        self->n_written += (size_t) rc;
    }
    return 0;
}

static void can_write (void *arg, uint32_t events);

static void deliver (mpl_relay_t *self)
{
    int was_open = self->out >= 0;

    if (was_open && (write_some (self) < 0 || (self->is_ended && !self->len)))
        stop_writing (self);
    if (self->n_written >= TELL_FROM || (self->n_written && !self->len && self->out < 0)) {
        say (self, MPL__B_TAKEN, self->n_written, NULL, 0);
        self->n_written = 0;
    }
    if (self->out >= 0 && self->len && !self->out_source)
        self->out_source = mpl__loop_add (self->loop, self->out, EPOLLOUT, can_write, self);
    else if (!self->len)
        mpl__loop_remove (self->loop, &self->out_source);
    if (was_open && self->out < 0)
        self->changed (self->arg);
}

static void can_write (void *arg, uint32_t events)
{
    mpl_relay_t *self = arg;
    int was_open = self->out >= 0;

    if (!(events & EPOLLERR)) {
        deliver (self);
        return;
    }
    stop_writing (self);
    if (was_open)
        self->changed (self->arg);
}

static int take_data (mpl_relay_t *self, const mpl_board_t *message)
{
    const uint8_t *from = message->body;

    if (self->is_ended || message->len > MPL__BOARD_WINDOW - self->len)
        return -1;
    if (self->out < 0) {
        self->n_written += message->len;
        deliver (self);
        return 0;
    }
    size_t at = (self->head + self->len) % MPL__BOARD_WINDOW, to_end = MPL__BOARD_WINDOW - at;
    size_t first = message->len < to_end ? message->len : to_end;
    memcpy (self->bytes + at, from, first);
    memcpy (self->bytes, from + first, message->len - first);
    self->len += message->len;
    deliver (self);
    return 0;
}

/* ---- outside --------------------------------------------------------------------------------------------------- */

int mpl__relay_take (mpl_relay_t *self, const mpl_board_t *message)
{
    if (message->type == MPL__B_DATA)
        return take_data (self, message);
    if (message->type == MPL__B_END)
        mpl__relay_end (self);
    if (message->type == MPL__B_TAKEN && message->n > MPL__BOARD_WINDOW - self->may_send)
        return -1;
    if (message->type == MPL__B_TAKEN) {
        self->may_send += message->n;
        listen_in (self);
    }
    return 0;
}

void mpl__relay_end (mpl_relay_t *self)
{
    self->is_ended = 1;
    deliver (self);
}

int mpl__relay_is_read (const mpl_relay_t *self) { return self->in < 0; }
int mpl__relay_is_written (const mpl_relay_t *self) { return self->out < 0; }

mpl_relay_t *mpl__relay_new (mpl_loop_t *loop, mpl_boardlink_t *link, uint64_t stream, int in, int out,
                             void (*changed) (void *arg), void *arg)
{
    mpl_relay_t *self = calloc (1, sizeof *self);

    if (!self || !(self->bytes = malloc (MPL__BOARD_WINDOW))) {
        mpl__fd_close (&in);
        mpl__fd_close (&out);
        free (self);
        return NULL;
    }
    uint8_t *bytes = self->bytes;
    *self = (mpl_relay_t) { .loop = loop, .link = link, .stream = stream, .changed = changed, .arg = arg, .in = in, .out = out,
                            .may_send = MPL__BOARD_WINDOW, .bytes = bytes };
    fcntl (in, F_SETFL, O_NONBLOCK);
    fcntl (out, F_SETFL, O_NONBLOCK);
    listen_in (self);
    if (!self->in_source)
        mpl__relay_destroy (&self);
    return self;
}

void mpl__relay_destroy (mpl_relay_t **self_p)
{
    mpl_relay_t *self = *self_p;

    if (!self)
        return;
    int saved = errno;
    mpl__loop_remove (self->loop, &self->in_source);
    mpl__loop_remove (self->loop, &self->out_source);
    mpl__fd_close (&self->in);
    mpl__fd_close (&self->out);
    free (self->bytes);
    free (self);
    *self_p = NULL;
    errno = saved;
}
