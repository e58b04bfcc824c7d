#include "worker/output.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t) 64 << 10)

struct mpl_stream {
    mpl_sink_t *sink;
    int fd;
    mpl_source_t *source;               /* NULL at its end, and while the sink is full */
    int is_ended;
    char *bytes;                        /* read, and not a whole line yet */
    size_t len, room;
    mpl_stream_t *next;
};

struct mpl_sink {
    mpl_loop_t *loop;
    int fd, is_own_fd;
    mpl_source_t *source;               /* NULL: fd is a file, which is always ready */
    char *bytes;                        /* waiting to be written, from `head` on */
    size_t head, len, room;
    int error, is_paused;
    mpl_stream_t *streams;
};

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */

/* The descriptor is shared with whoever started us, so it must not be made non-blocking; a second opening of the same pipe
 * or terminal may. */
static int open_own (int fd)
{
    struct stat file;
    char path[64];

    if (fstat (fd, &file) < 0 || (!S_ISFIFO (file.st_mode) && !S_ISCHR (file.st_mode)))
        return -1;
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    return open (path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static void can_read (void *arg, uint32_t events);

static void pause_streams (mpl_sink_t *self, int is_paused)
{
    if (self->is_paused == is_paused)
        return;
    self->is_paused = is_paused;
    for (mpl_stream_t *stream = self->streams; stream; stream = stream->next)
        if (is_paused)                  /* removed, since a hangup would be reported all the same */
            mpl__loop_remove (self->loop, &stream->source);
        else if (!stream->is_ended)
            stream->source = mpl__loop_add (self->loop, stream->fd, EPOLLIN, can_read, stream);
}

/* How many bytes were written now; a full pipe takes none. */
static size_t write_some (mpl_sink_t *self, const char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len && !self->error) {
        ssize_t rc = write (self->fd, bytes + done, len - done);
        if (rc >= 0)
            done += (size_t) rc;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            self->error = errno;
    }
    return self->error ? len : done;
}

static void can_write (void *arg, uint32_t events)
{
    mpl_sink_t *self = arg;
    size_t done = self->len ? write_some (self, self->bytes + self->head, self->len) : 0;

    if (events & EPOLLERR) {                    /* nobody reads any more; level-triggered, so it would be said for ever */
        self->error = EPIPE;
        mpl__loop_remove (self->loop, &self->source);
    }
    self->head += done;
    self->len -= done;
    if (self->len < MPL__SINK_BYTES / 2)
        pause_streams (self, 0);
    if (!self->len) {
        self->head = 0;
        if (self->source)
            mpl__loop_want (self->loop, self->source, 0);
    }
}

/* Keeps what cannot be written now. */
static void keep (mpl_sink_t *self, const char *bytes, size_t len)
{
    if (self->head && self->head + self->len + len > self->room) {
        memmove (self->bytes, self->bytes + self->head, self->len);
        self->head = 0;
    }
    if (self->len + len > self->room) {
        size_t room = self->len + len + READ_BYTES;
        char *grew = realloc (self->bytes, room);
        if (!grew) {
            self->error = ENOMEM;
            return;
        }
        self->bytes = grew;
        self->room = room;
    }
    memcpy (self->bytes + self->head + self->len, bytes, len);
    self->len += len;
    if (self->source)
        mpl__loop_want (self->loop, self->source, EPOLLOUT);
    if (self->len >= MPL__SINK_BYTES)
        pause_streams (self, 1);
}

static void put (mpl_sink_t *self, const char *bytes, size_t len)
{
    size_t done = self->len ? 0 : write_some (self, bytes, len);

    if (done < len)
        keep (self, bytes + done, len - done);
}

mpl_sink_t *mpl__sink_new (mpl_loop_t *loop, int fd)
{
    mpl_sink_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    self->loop = loop;
    self->fd = open_own (fd);
    self->is_own_fd = self->fd >= 0;
    if (!self->is_own_fd)
        self->fd = fd;
    else
        self->source = mpl__loop_add (loop, self->fd, 0, can_write, self);
    return self;
}

int mpl__sink_error (const mpl_sink_t *self) { return self->error; }
int mpl__sink_is_empty (const mpl_sink_t *self) { return self->len == 0 || self->error; }

void mpl__sink_destroy (mpl_sink_t **self_p)
{
    mpl_sink_t *self = *self_p;

    if (!self)
        return;
    mpl__loop_remove (self->loop, &self->source);
    if (self->is_own_fd)
        mpl__fd_close (&self->fd);
    free (self->bytes);
    free (self);
    *self_p = NULL;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------- */

/* Passes on all whole lines, and a line that is too long to wait for. */
static void pass_lines (mpl_stream_t *self)
{
    const char *newline = self->len ? memrchr (self->bytes, '\n', self->len) : NULL;
    size_t whole = newline ? (size_t) (newline - self->bytes) + 1 : 0;

    if (!whole && self->len >= MPL__LINE_BYTES)
        whole = self->len;
    if (!whole)
        return;
    put (self->sink, self->bytes, whole);
    self->len -= whole;
    memmove (self->bytes, self->bytes + whole, self->len);
}

/* 1: there was something; 0: nothing now, or never again. */
static int read_some (mpl_stream_t *self)
{
    if (self->room - self->len < READ_BYTES) {
        char *grew = realloc (self->bytes, self->len + READ_BYTES);
        if (!grew)
            return 0;
        self->bytes = grew;
        self->room = self->len + READ_BYTES;
    }
    ssize_t rc = read (self->fd, self->bytes + self->len, READ_BYTES);
    if (rc > 0) {
        self->len += (size_t) rc;
        pass_lines (self);
        return 1;
    }
    if (rc == 0 || (errno != EAGAIN && errno != EINTR)) {
        self->is_ended = 1;
        mpl__loop_remove (self->sink->loop, &self->source);
    }
    return 0;
}

static void can_read (void *arg, uint32_t events)
{
    (void) events;
    read_some (arg);
}

mpl_stream_t *mpl__stream_new (mpl_sink_t *sink, int fd)
{
    mpl_stream_t *self = calloc (1, sizeof *self);

    if (self) {
        *self = (mpl_stream_t) { .sink = sink, .fd = fd };
        fcntl (fd, F_SETFL, O_NONBLOCK);
        if (!sink->is_paused)
            self->source = mpl__loop_add (sink->loop, fd, EPOLLIN, can_read, self);
    }
    if (!self || (!self->source && !sink->is_paused)) {
        int saved = errno;
        close (fd);
        free (self);
        errno = saved;
        return NULL;
    }
    self->next = sink->streams;
    sink->streams = self;
    return self;
}

void mpl__stream_drain (mpl_stream_t *self)
{
    while (!self->is_ended && !self->sink->error && read_some (self))
        ;
}

void mpl__stream_destroy (mpl_stream_t **self_p)
{
    mpl_stream_t *self = *self_p;

    if (!self)
        return;
    if (self->len)
        put (self->sink, self->bytes, self->len);
    mpl__loop_remove (self->sink->loop, &self->source);
    for (mpl_stream_t **at = &self->sink->streams; *at; at = &(*at)->next)
        if (*at == self) {
            *at = self->next;
            break;
        }
    mpl__fd_close (&self->fd);
    free (self->bytes);
    free (self);
    *self_p = NULL;
}
