#include "worker/post.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (2 * (size_t) MPL__FRAME_DATA)
#define NOISE_MAX ((size_t) 64 << 10)

/* Bytes that wait, from `head` on. */
typedef struct {
    uint8_t *bytes;
    size_t head, len, room;
} queue_t;

typedef struct {
    mpl_post_t *post;
    mpl_source_t *source;
    int fd;                             /* -1: none, or at its end */
    enum { UNUSED, CARRIED, DELIVERED } use;
    size_t under_way;                   /* CARRIED: bytes sent and not yet taken */
    queue_t queue;                      /* DELIVERED: bytes that came and are not yet written */
    int is_ended;                       /* its end was sent, or came */
} channel_t;

/* A file that is being sent. */
typedef struct file {
    struct file *next;
    int fd;
    uint64_t left;
} file_t;

struct mpl_post {
    mpl_loop_t *loop;
    mpl_post_fns_t fns;
    int in, out;
    mpl_source_t *in_source, *out_source;
    const char *greeting;               /* still to come; NULL: it has */
    size_t n_noise;
    queue_t received, to_send, later;   /* later: frames that wait for files */
    file_t *files, *last_file;
    channel_t channels[MPL__CHANNELS];
    int error;                          /* why nothing can be sent; told when the stream's end comes */
    int is_gone, is_inside, is_destroyed;       /* destroyed inside its handler it is freed after it */
};

/* ---- queues ---------------------------------------------------------------------------------------------------- */

static uint8_t *make_room (queue_t *self, size_t more)
{
    if (self->head && (self->len == 0 || self->head + self->len + more > self->room)) {
        memmove (self->bytes, self->bytes + self->head, self->len);
        self->head = 0;
    }
    if (self->len + more > self->room) {
        size_t room = self->room ? self->room : 4096;
        while (room < self->len + more)
            room *= 2;
        uint8_t *bytes = realloc (self->bytes, room);
        if (!bytes)
            return NULL;
        self->bytes = bytes;
        self->room = room;
    }
    return self->bytes + self->head + self->len;
}

static int append (queue_t *self, const void *bytes, size_t len)
{
    uint8_t *at = make_room (self, len);

    if (!at)
        return -1;
    memcpy (at, bytes, len);
    self->len += len;
    return 0;
}

/* As much as the descriptor takes now. 0; -1 with errno. *written is added to. */
static int write_queue (queue_t *self, int fd, size_t *written)
{
    while (self->len) {
        ssize_t rc = write (fd, self->bytes + self->head, self->len);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0)
            return errno == EAGAIN ? 0 : -1;
        self->head += (size_t) rc;
        self->len -= (size_t) rc;
        *written += (size_t) rc;
    }
    self->head = 0;
    return 0;
}

/* ---- the stream ------------------------------------------------------------------------------------------------ */

static void stop (mpl_post_t *self)
{
    mpl__loop_remove (self->loop, &self->in_source);
    mpl__loop_remove (self->loop, &self->out_source);
    mpl__fd_close (&self->in);
    mpl__fd_close (&self->out);
}

/* Only in can_read, so that whoever says something never finds itself gone meanwhile. */
static void be_gone (mpl_post_t *self, int error)
{
    if (self->is_gone)
        return;
    self->is_gone = 1;
    stop (self);
    self->fns.gone (self->fns.arg, self->error ? self->error : error);
}

/* The peer sees our end, and we see its. */
static void give_up_sending (mpl_post_t *self, int error)
{
    self->error = error;
    self->to_send.len = self->to_send.head = 0;
    mpl__loop_remove (self->loop, &self->out_source);
    mpl__fd_close (&self->out);
}

static void drop_file (mpl_post_t *self)
{
    file_t *file = self->files;

    self->files = file->next;
    if (!self->files)
        self->last_file = NULL;
    mpl__fd_close (&file->fd);
    free (file);
}

/* The next of a file, or the frames that waited for the last. 0; -1 with errno. */
static int refill (mpl_post_t *self)
{
    file_t *file = self->files;
    uint8_t *at = file ? make_room (&self->to_send, READ_BYTES) : NULL;

    if (!file) {
        queue_t empty = self->to_send;
        self->to_send = self->later;
        self->later = empty;
        return 0;
    }
    ssize_t len = at ? read (file->fd, at, file->left < READ_BYTES ? (size_t) file->left : READ_BYTES) : -1;
    if (len <= 0 && file->left) {
        errno = at && len == 0 ? ENODATA : errno;
        return -1;
    }
    self->to_send.len += (size_t) len;
    file->left -= (uint64_t) len;
    if (!file->left)
        drop_file (self);
    return 0;
}

static void flush (mpl_post_t *self)
{
    size_t written = 0;
    int rc;

    if (self->out < 0)
        return;
    while ((rc = write_queue (&self->to_send, self->out, &written)) == 0 && !self->to_send.len && (self->files || self->later.len)
           && (rc = refill (self)) == 0)
        ;
    if (rc < 0)
        give_up_sending (self, errno == EPIPE ? 0 : errno);
    else
        mpl__loop_want (self->loop, self->out_source, self->to_send.len ? EPOLLOUT : 0);
}

static void send_frame (mpl_post_t *self, uint8_t kind, uint8_t channel, const void *body, size_t len)
{
    uint8_t head[MPL__FRAME_HEAD];

    if (self->out < 0)
        return;
    queue_t *queue = self->files ? &self->later : &self->to_send;
    mpl__frame_put (head, &(mpl_frame_t) { kind, channel, (uint32_t) len });
    if (queue->len > MPL__POST_MAX)
        give_up_sending (self, ENOBUFS);
    else if (append (queue, head, sizeof head) < 0 || append (queue, body, len) < 0)
        give_up_sending (self, ENOMEM);
    else
        flush (self);
}

/* ---- channels that are carried --------------------------------------------------------------------------------- */

static void carry_some (void *arg, uint32_t events);

static void listen_to (channel_t *self)
{
    int may_read = self->fd >= 0 && self->under_way < MPL__FRAME_WINDOW && !self->post->is_gone;

    if (!may_read)                      /* removed, since a hangup would be reported all the same */
        mpl__loop_remove (self->post->loop, &self->source);
    else if (!self->source)
        self->source = mpl__loop_add (self->post->loop, self->fd, EPOLLIN, carry_some, self);
    if (may_read && !self->source && errno == EPERM)    /* a file, which is always ready, and epoll takes none */
        carry_some (self, EPOLLIN);
}

static void close_channel (channel_t *self)
{
    mpl__loop_remove (self->post->loop, &self->source);
    mpl__fd_close (&self->fd);
}

static void carry_some (void *arg, uint32_t events)
{
    channel_t *self = arg;
    mpl_post_t *post = self->post;
    uint8_t bytes[MPL__FRAME_DATA];

    (void) events;
    ssize_t len = read (self->fd, bytes, sizeof bytes);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    len = len < 0 ? 0 : len;            /* what cannot be read has ended */
    if (len == 0) {
        self->is_ended = 1;
        close_channel (self);
    }
    self->under_way += (size_t) len;
    send_frame (post, MPL__FRAME_OF_DATA, (uint8_t) (self - post->channels), bytes, (size_t) len);
    listen_to (self);
}

/* Whoever writes into what we read learns when nobody there reads it any more. */
static void was_taken (mpl_post_t *self, mpl_channel_t channel, uint64_t n)
{
    channel_t *from = &self->channels[channel];

    if (from->use != CARRIED)
        return;
    if (n == MPL__FRAME_REFUSED) {
        from->is_ended = 1;
        close_channel (from);
    }
    from->under_way -= n < from->under_way ? (size_t) n : from->under_way;
    listen_to (from);
}

/* ---- channels that are delivered ------------------------------------------------------------------------------- */

/* Writes what waits and says so. Whoever should read it may be gone: then it is taken all the same. */
static void deliver (void *arg, uint32_t events)
{
    channel_t *self = arg;
    mpl_post_t *post = self->post;
    size_t written = 0;
    uint8_t taken[8];

    uint64_t n = 0;

    if (self->fd < 0 || (events & EPOLLERR) || write_queue (&self->queue, self->fd, &written) < 0) {
        n = MPL__FRAME_REFUSED;
        self->queue.len = self->queue.head = 0;
        close_channel (self);
    }
    if (self->is_ended && !self->queue.len)
        close_channel (self);
    if (self->fd >= 0 && self->queue.len && !self->source)
        self->source = mpl__loop_add (post->loop, self->fd, EPOLLOUT, deliver, self);
    else if (!self->queue.len)
        mpl__loop_remove (post->loop, &self->source);
    n = n ? n : written;
    mpl__put64 (taken, n);
    if (n)
        send_frame (post, MPL__FRAME_TAKEN, (uint8_t) (self - post->channels), taken, sizeof taken);
}

static void take_data (mpl_post_t *self, const mpl_frame_t *frame, const uint8_t *body)
{
    channel_t *to = &self->channels[frame->channel];

    if (to->use != DELIVERED || to->is_ended || to->queue.len + frame->bytes > MPL__FRAME_WINDOW + MPL__FRAME_DATA) {
        be_gone (self, EPROTO);
        return;
    }
    if (!frame->bytes)
        to->is_ended = 1;
    else if (append (&to->queue, body, frame->bytes) < 0)
        be_gone (self, ENOMEM);
    deliver (to, 0);
}

/* ---- what comes ------------------------------------------------------------------------------------------------ */

static void take_frame (mpl_post_t *self, const mpl_frame_t *frame, const uint8_t *body)
{
    mpl_control_t message;

    if (frame->kind == MPL__FRAME_OF_DATA)
        take_data (self, frame, body);
    else if (frame->kind == MPL__FRAME_STREAM && self->fns.stream)
        self->fns.stream (self->fns.arg, (mpl_stream_kind_t) frame->channel, mpl__get64 (body), body + 8, frame->bytes - 8);
    else if (frame->kind == MPL__FRAME_STREAM)
        be_gone (self, EPROTO);
    else if (frame->kind == MPL__FRAME_TAKEN)
        was_taken (self, (mpl_channel_t) frame->channel, mpl__get64 (body));
    else if (mpl__control_decode (body, frame->bytes, &message) < 0)
        be_gone (self, EPROTO);
    else
        self->fns.heard (self->fns.arg, &message);
}

/* 1: the greeting has come and is behind us. */
static int skip_noise (mpl_post_t *self)
{
    queue_t *queue = &self->received;
    size_t len = self->greeting ? strlen (self->greeting) : 0;

    if (!self->greeting)
        return 1;
    const uint8_t *at = queue->len ? memmem (queue->bytes + queue->head, queue->len, self->greeting, len) : NULL;
    size_t noise = at ? (size_t) (at - queue->bytes) - queue->head + len : queue->len < len ? 0 : queue->len - len + 1;
    queue->head += noise;
    queue->len -= noise;
    self->n_noise += noise;
    if (at)
        self->greeting = NULL;
    else if (self->n_noise > NOISE_MAX)
        be_gone (self, EPROTO);
    return at != NULL;
}

static void take_frames (mpl_post_t *self)
{
    queue_t *queue = &self->received;
    mpl_frame_t frame;

    if (!skip_noise (self))
        return;
    while (!self->is_gone && !self->is_destroyed && queue->len >= MPL__FRAME_HEAD) {
        if (mpl__frame_get (queue->bytes + queue->head, &frame) < 0) {
            be_gone (self, EPROTO);
            return;
        }
        size_t len = MPL__FRAME_HEAD + frame.bytes;
        if (queue->len < len)
            return;
        const uint8_t *body = queue->bytes + queue->head + MPL__FRAME_HEAD;
        queue->head += len;
        queue->len -= len;
        take_frame (self, &frame, body);
    }
}

static void free_post (mpl_post_t *self);

static void can_read (void *arg, uint32_t events)
{
    mpl_post_t *self = arg;

    (void) events;
    uint8_t *at = make_room (&self->received, READ_BYTES);
    ssize_t len = at ? read (self->in, at, READ_BYTES) : -1;
    if (!at)
        errno = ENOMEM;
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    self->is_inside = 1;
    if (len > 0) {
        self->received.len += (size_t) len;
        take_frames (self);
    } else {
        be_gone (self, len < 0 && errno != ECONNRESET ? errno : 0);
    }
    self->is_inside = 0;
    if (self->is_destroyed)
        free_post (self);
}

static void can_write (void *arg, uint32_t events)
{
    mpl_post_t *self = arg;

    if (events & EPOLLERR)              /* nobody reads any more; what was sent before is still to be read */
        give_up_sending (self, 0);
    else
        flush (self);
}

/* ---- outside --------------------------------------------------------------------------------------------------- */

void mpl__post_write (mpl_post_t *self, const void *bytes, size_t len)
{
    if (append (&self->to_send, bytes, len) < 0)
        give_up_sending (self, ENOMEM);
    else
        flush (self);
}

void mpl__post_file (mpl_post_t *self, int fd, uint64_t len)
{
    file_t *file = malloc (sizeof *file);

    if (!file) {
        mpl__fd_close (&fd);
        give_up_sending (self, ENOMEM);
        return;
    }
    *file = (file_t) { .fd = fd, .left = len };
    if (self->last_file)
        self->last_file->next = file;
    else
        self->files = file;
    self->last_file = file;
    flush (self);
}

uint64_t mpl__post_files_left (const mpl_post_t *self)
{
    uint64_t left = 0;

    for (const file_t *file = self->files; file; file = file->next)
        left += file->left;
    return left;
}

void mpl__post_say (mpl_post_t *self, const mpl_control_t *message)
{
    uint8_t bytes[MPL__CONTROL_MAX];

    send_frame (self, MPL__FRAME_CONTROL, 0, bytes, mpl__control_encode (bytes, message));
}

void mpl__post_stream (mpl_post_t *self, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len)
{
    uint8_t body[8 + MPL__FRAME_DATA];

    mpl__put64 (body, id);
    if (len)
        memcpy (body + 8, bytes, len);
    send_frame (self, MPL__FRAME_STREAM, (uint8_t) kind, body, 8 + len);
}

int mpl__post_carry (mpl_post_t *self, mpl_channel_t channel, int fd)
{
    self->channels[channel] = (channel_t) { .post = self, .fd = fd, .use = CARRIED };
    listen_to (&self->channels[channel]);
    return 0;
}

int mpl__post_deliver (mpl_post_t *self, mpl_channel_t channel, int fd)
{
    self->channels[channel] = (channel_t) { .post = self, .fd = fd, .use = DELIVERED };
    return fd < 0 ? 0 : fcntl (fd, F_SETFL, O_NONBLOCK);
}

int mpl__post_has_input (const mpl_post_t *self)
{
    struct pollfd in = { .fd = self->in, .events = POLLIN };

    return poll (&in, 1, 0) == 1;
}

int mpl__post_is_sent (const mpl_post_t *self) { return self->out < 0 || (!self->to_send.len && !self->later.len && !self->files); }

int mpl__post_is_carried (const mpl_post_t *self, mpl_channel_t channel)
{
    const channel_t *from = &self->channels[channel];

    return self->out < 0 || from->use != CARRIED || (from->is_ended && !from->under_way && !self->to_send.len);
}

int mpl__post_is_delivered (const mpl_post_t *self, mpl_channel_t channel)
{
    const channel_t *to = &self->channels[channel];

    return to->use != DELIVERED || !to->queue.len;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

mpl_post_t *mpl__post_new (mpl_loop_t *loop, int in, int out, const char *greeting, const mpl_post_fns_t *fns)
{
    mpl_post_t *self = calloc (1, sizeof *self);

    if (!self) {
        mpl__fd_close (&in);
        mpl__fd_close (&out);
        return NULL;
    }
    *self = (mpl_post_t) { .loop = loop, .fns = *fns, .in = in, .out = out, .greeting = greeting };
    for (int i = 0; i < MPL__CHANNELS; i++)
        self->channels[i] = (channel_t) { .post = self, .fd = -1 };
    if (fcntl (in, F_SETFL, O_NONBLOCK) < 0 || fcntl (out, F_SETFL, O_NONBLOCK) < 0
        || !(self->in_source = mpl__loop_add (loop, in, EPOLLIN, can_read, self))
        || !(self->out_source = mpl__loop_add (loop, out, 0, can_write, self)))
        mpl__post_destroy (&self);
    return self;
}

static void free_post (mpl_post_t *self)
{
    for (int i = 0; i < MPL__CHANNELS; i++)
        free (self->channels[i].queue.bytes);
    while (self->files)
        drop_file (self);
    free (self->later.bytes);
    free (self->received.bytes);
    free (self->to_send.bytes);
    free (self);
}

void mpl__post_destroy (mpl_post_t **self_p)
{
    mpl_post_t *self = *self_p;

    if (!self)
        return;
    int saved = errno;
    self->is_gone = self->is_destroyed = 1;
    stop (self);
    for (int i = 0; i < MPL__CHANNELS; i++)
        close_channel (&self->channels[i]);
    if (!self->is_inside)
        free_post (self);
    *self_p = NULL;
    errno = saved;
}
