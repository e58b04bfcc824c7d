#include "worker/output.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t) 64 << 10)              /* what a pipe holds */
#define TAGGED_BYTES ((size_t) 256 << 10)           /* lines with their tags, on the way to the sink */

struct mpl_stream {
    mpl_sink_t *sink;
    int fd;                             /* -1 at its end */
    mpl_source_t *source;               /* NULL at its end, and while the sink is full or another's */
    char *tag;
    size_t tag_len;
    mpl_show_t show;
    int copy;
    int is_midline;                     /* the beginning of the line it is in was shown */
    char *kept;                         /* that beginning, while it was not */
    size_t n_kept, room;
    uint64_t kept_at;                   /* when the last of it came */
    mpl_stream_t *next;
};

struct mpl_sink {
    mpl_loop_t *loop;
    int fd, is_own_fd, is_socket;
    mpl_source_t *source;               /* NULL: fd is a file, which is always ready */
    char *bytes;                        /* waiting to be written, from `head` on */
    size_t head, len, room;
    int error, copy_error, is_full;
    mpl_stream_t *holder;               /* in the middle of a long line */
    uint64_t held_at;                   /* when it wrote last */
    mpl_stream_t *streams, *prompting;  /* the one that is MPL__SHOW_SOON; there is one terminal */
    char *scratch;                      /* MPL__LINE_BYTES + READ_BYTES: what is being read */
    char *tagged;                       /* TAGGED_BYTES; NULL until a stream has a tag */
};

/* ---- who may be read ------------------------------------------------------------------------------------------- */

static void can_read (void *arg, uint32_t events);

static void listen_to (mpl_stream_t *self)
{
    int may_read = self->fd >= 0 && !self->sink->is_full && (!self->sink->holder || self->sink->holder == self);

    if (!may_read)                      /* removed, since a hangup would be reported all the same */
        mpl__loop_remove (self->sink->loop, &self->source);
    else if (!self->source)
        self->source = mpl__loop_add (self->sink->loop, self->fd, EPOLLIN, can_read, self);
}

static void listen_to_all (mpl_sink_t *self)
{
    for (mpl_stream_t *stream = self->streams; stream; stream = stream->next)
        listen_to (stream);
}

static void set_full (mpl_sink_t *self, int is_full)
{
    if (self->is_full == is_full)
        return;
    self->is_full = is_full;
    if (!is_full)                       /* until now the holder could not write: it was not silent */
        self->held_at = mpl__clock_ns ();
    listen_to_all (self);
}

static void set_holder (mpl_sink_t *self, mpl_stream_t *holder)
{
    if (self->holder == holder)
        return;
    self->holder = holder;
    listen_to_all (self);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* The descriptor is shared with whoever started us, so it must not be made non-blocking; a second opening of the same
 * pipe or terminal may, and a socket can be asked each time not to block. */
static int open_own (int fd, int *is_socket)
{
    struct stat file;
    char path[64];

    if (fstat (fd, &file) < 0)
        return -1;
    *is_socket = S_ISSOCK (file.st_mode);
    if (*is_socket)
        return fcntl (fd, F_DUPFD_CLOEXEC, 3);
    if (!S_ISFIFO (file.st_mode) && !S_ISCHR (file.st_mode))
        return -1;
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    return open (path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* How many bytes were written now; a full pipe takes none. */
static size_t write_some (mpl_sink_t *self, const char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len && !self->error) {
        ssize_t rc = self->is_socket ? send (self->fd, bytes + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL)
                                     : write (self->fd, bytes + done, len - done);
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
        set_full (self, 0);
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
        set_full (self, 1);
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

    if (!self || !(self->scratch = malloc (MPL__LINE_BYTES + READ_BYTES))) {
        free (self);
        return NULL;
    }
    self->loop = loop;
    self->fd = open_own (fd, &self->is_socket);
    self->is_own_fd = self->fd >= 0;
    if (!self->is_own_fd)
        self->fd = fd;
    else
        self->source = mpl__loop_add (loop, self->fd, 0, can_write, self);
    return self;
}

int mpl__sink_error (const mpl_sink_t *self) { return self->error; }
int mpl__sink_copy_error (const mpl_sink_t *self) { return self->copy_error; }
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
    free (self->scratch);
    free (self->tagged);
    free (self);
    *self_p = NULL;
}

/* ---- passing on ------------------------------------------------------------------------------------------------ */

/* Passes bytes on with the tag before each line that begins in them. */
static void put_tagged (mpl_stream_t *self, const char *bytes, size_t len)
{
    mpl_sink_t *sink = self->sink;
    char *to = sink->tagged;
    size_t n = 0;

    while (len) {
        const char *newline = memchr (bytes, '\n', len);
        size_t line = newline ? (size_t) (newline - bytes) + 1 : len;
        if (n + self->tag_len + line > TAGGED_BYTES) {
            put (sink, to, n);
            n = 0;
        }
        if (!self->is_midline) {
            memcpy (to + n, self->tag, self->tag_len);
            n += self->tag_len;
        }
        memcpy (to + n, bytes, line);
        n += line;
        self->is_midline = !newline;
        bytes += line;
        len -= line;
    }
    put (sink, to, n);
}

static void pass_on (mpl_stream_t *self, const char *bytes, size_t len)
{
    if (!len)
        return;
    if (self->tag) {
        put_tagged (self, bytes, len);
    } else {
        put (self->sink, bytes, len);
        self->is_midline = bytes[len - 1] != '\n';
    }
}

static void keep_beginning (mpl_stream_t *self, const char *bytes, size_t len)
{
    if (len > self->room) {
        char *grew = realloc (self->kept, len);
        if (!grew) {                    /* then it is shown: better in two parts than not */
            pass_on (self, bytes, len);
            len = 0;
        } else {
            self->kept = grew;
            self->room = len;
        }
    }
    if (len)
        memcpy (self->kept, bytes, len);
    self->n_kept = len;
    self->kept_at = mpl__clock_ns ();
}

static int is_alone (const mpl_stream_t *self)
{
    return self->sink->streams == self && !self->next;
}

/* Passes on the whole lines among len bytes, and the rest too if its line is too long to wait for. */
static void pass_lines (mpl_stream_t *self, const char *bytes, size_t len)
{
    mpl_sink_t *sink = self->sink;
    int is_shown_now = self->show == MPL__SHOW_NOW && is_alone (self);
    const char *newline = is_shown_now ? bytes + len - 1 : memrchr (bytes, '\n', len);
    size_t whole = newline ? (size_t) (newline - bytes) + 1 : 0;

    pass_on (self, bytes, whole);
    if (len - whole >= MPL__LINE_BYTES || (len > whole && sink->holder == self && self->is_midline)) {
        pass_on (self, bytes + whole, len - whole);
        set_holder (sink, self);
        whole = len;
    }
    if (sink->holder == self) {
        sink->held_at = mpl__clock_ns ();
        if (!self->is_midline)
            set_holder (sink, NULL);
    }
    if (len > whole)
        keep_beginning (self, bytes + whole, len - whole);
    else
        self->n_kept = 0;
}

/* What was kept of a line is all there will be. */
static void pass_rest (mpl_stream_t *self)
{
    pass_on (self, self->kept, self->n_kept);
    self->n_kept = 0;
    if (self->tag && self->is_midline)
        pass_on (self, "\n", 1);
    if (self->sink->holder == self)
        set_holder (self->sink, NULL);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static void copy_to_file (mpl_stream_t *self, const char *bytes, size_t len)
{
    if (self->copy < 0 || mpl__fd_write_all (self->copy, bytes, len) == 0)
        return;
    self->sink->copy_error = errno;
    mpl__fd_close (&self->copy);
}

static void end (mpl_stream_t *self)
{
    pass_rest (self);
    mpl__loop_remove (self->sink->loop, &self->source);
    mpl__fd_close (&self->fd);
    mpl__fd_close (&self->copy);
    free (self->kept);
    self->kept = NULL;
    self->room = 0;
}

/* 1: there was something; 0: nothing now, or never again. */
static int read_some (mpl_stream_t *self)
{
    char *to = self->sink->scratch;
    ssize_t rc = read (self->fd, to + self->n_kept, READ_BYTES);

    if (rc > 0) {
        copy_to_file (self, to + self->n_kept, (size_t) rc);
        memcpy (to, self->kept ? self->kept : to, self->n_kept);
        pass_lines (self, to, self->n_kept + (size_t) rc);
        return 1;
    }
    if (rc == 0 || (errno != EAGAIN && errno != EINTR))
        end (self);
    return 0;
}

static void can_read (void *arg, uint32_t events)
{
    (void) events;
    read_some (arg);
}

static int take_style (mpl_stream_t *self, const mpl_style_t *style)
{
    if (!style->tag)
        return 0;
    self->tag = strdup (style->tag);
    self->tag_len = strlen (style->tag);
    if (!self->sink->tagged)
        self->sink->tagged = malloc (TAGGED_BYTES);
    return self->tag && self->sink->tagged ? 0 : -1;
}

mpl_stream_t *mpl__stream_new (mpl_sink_t *sink, int fd, const mpl_style_t *style)
{
    mpl_stream_t *self = calloc (1, sizeof *self);
    int copy = style->copy;

    if (!self) {
        mpl__fd_close (&fd);
        mpl__fd_close (&copy);
        return NULL;
    }
    *self = (mpl_stream_t){ .sink = sink, .fd = fd, .show = style->show, .copy = style->copy, .next = sink->streams };
    sink->streams = self;
    if (style->show == MPL__SHOW_SOON)
        sink->prompting = self;
    fcntl (fd, F_SETFL, O_NONBLOCK);
    if (take_style (self, style) == 0) {
        listen_to (self);
        if (self->source || sink->is_full || sink->holder)
            return self;
    }
    mpl__stream_destroy (&self);
    return NULL;
}

int mpl__stream_is_ended (const mpl_stream_t *self) { return !self || self->fd < 0; }

void mpl__stream_finish (mpl_stream_t *self)
{
    /* A pipe's worth and no more: a writer that nobody could end may be faster than we are. */
    int pipe_bytes = self->fd >= 0 ? fcntl (self->fd, F_GETPIPE_SZ) : 0;

    for (size_t done = 0; self->fd >= 0 && done <= (size_t) pipe_bytes && read_some (self); done += READ_BYTES)
        ;
    if (self->fd >= 0)
        end (self);
}

void mpl__stream_destroy (mpl_stream_t **self_p)
{
    mpl_stream_t *self = *self_p;

    if (!self)
        return;
    int saved = errno;
    end (self);
    for (mpl_stream_t **at = &self->sink->streams; *at; at = &(*at)->next)
        if (*at == self) {
            *at = self->next;
            break;
        }
    if (self->sink->prompting == self)
        self->sink->prompting = NULL;
    free (self->tag);
    free (self);
    errno = saved;
    *self_p = NULL;
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static uint64_t tick_prompt (mpl_stream_t *self, uint64_t now)
{
    if (!self || !self->n_kept)
        return MPL__NEVER;
    if (now < self->kept_at + MPL__PROMPT_NS)
        return self->kept_at + MPL__PROMPT_NS;
    if (self->sink->holder && self->sink->holder != self)
        return now + MPL__PROMPT_NS;    /* not into another's line */
    pass_on (self, self->kept, self->n_kept);
    self->n_kept = 0;
    return MPL__NEVER;
}

uint64_t mpl__sink_tick (mpl_sink_t *self, uint64_t now)
{
    uint64_t due = tick_prompt (self->prompting, now);

    if (self->holder && now >= self->held_at + MPL__HOLD_NS && !self->is_full)
        set_holder (self, NULL);
    if (self->holder) {
        uint64_t at = (self->is_full ? now : self->held_at) + MPL__HOLD_NS;
        due = at < due ? at : due;
    }
    return due;
}
