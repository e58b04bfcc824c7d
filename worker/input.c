#include "worker/input.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK ((size_t) 64 << 10)

typedef struct {
    mpl_input_t *input;
    int fd;                             /* -1: it reads no more */
    mpl_source_t *source;
    size_t done;                        /* of the block */
} reader_t;

struct mpl_input {
    mpl_loop_t *loop;
    int fd;
    mpl_source_t *source;               /* NULL while the block is on its way, and for a file, which is always ready */
    reader_t *readers;
    size_t n, n_room, n_behind;         /* behind: have not got the whole block */
    char *block;
    size_t len;
    int has_begun;                      /* all readers are there */
};

static void can_write (void *arg, uint32_t events);
static void can_read (void *arg, uint32_t events);

static void drop (reader_t *reader)
{
    mpl__loop_remove (reader->input->loop, &reader->source);
    mpl__fd_close (&reader->fd);
}

static void finish (mpl_input_t *self)
{
    mpl__loop_remove (self->loop, &self->source);
    for (size_t i = 0; i < self->n; i++)
        drop (&self->readers[i]);
}

/* Writes what the pipe takes. 1: the reader has the whole block, or is gone. */
static int feed (reader_t *reader)
{
    mpl_input_t *self = reader->input;

    while (reader->fd >= 0 && reader->done < self->len) {
        ssize_t rc = write (reader->fd, self->block + reader->done, self->len - reader->done);
        if (rc >= 0)
            reader->done += (size_t) rc;
        else if (errno == EAGAIN)
            return 0;
        else if (errno != EINTR)
            drop (reader);
    }
    if (reader->source)
        mpl__loop_want (self->loop, reader->source, 0);
    return 1;
}

static int has_readers (const mpl_input_t *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->readers[i].fd >= 0)
            return 1;
    return 0;
}

/* Everybody has the block: the next one is wanted, if anybody is left. */
static void want_more (mpl_input_t *self)
{
    if (!self->has_begun)               /* one has gone before the others have come */
        return;
    if (!has_readers (self)) {
        finish (self);
        return;
    }
    if (!self->source)
        self->source = mpl__loop_add (self->loop, self->fd, EPOLLIN, can_read, self);
    if (!self->source && errno == EPERM)        /* a file: one of the pipes tells when there is room */
        for (size_t i = 0; i < self->n; i++)
            if (self->readers[i].fd >= 0) {
                mpl__loop_want (self->loop, self->readers[i].source, EPOLLOUT);
                break;
            }
}

static void pass_round (mpl_input_t *self)
{
    self->n_behind = 0;
    for (size_t i = 0; i < self->n; i++) {
        self->readers[i].done = 0;
        if (self->readers[i].fd >= 0 && !feed (&self->readers[i])) {
            mpl__loop_want (self->loop, self->readers[i].source, EPOLLOUT);
            self->n_behind++;
        }
    }
    if (self->n_behind)
        mpl__loop_remove (self->loop, &self->source);
    else
        want_more (self);
}

static void can_read (void *arg, uint32_t events)
{
    mpl_input_t *self = arg;
    ssize_t rc = read (self->fd, self->block, BLOCK);

    (void) events;
    if (rc > 0) {
        self->len = (size_t) rc;
        pass_round (self);
    } else if (rc == 0 || (errno != EINTR && errno != EAGAIN)) {
        finish (self);
    }
}

static void can_write (void *arg, uint32_t events)
{
    reader_t *reader = arg;
    mpl_input_t *self = reader->input;
    int was_behind = self->n_behind && reader->done < self->len;

    if (events & EPOLLERR)                      /* it has closed its end */
        drop (reader);
    else if (!was_behind) {                     /* room in a pipe, and a file to read from */
        mpl__loop_want (self->loop, reader->source, 0);
        can_read (self, 0);
        return;
    }
    if (was_behind && feed (reader))
        self->n_behind--;
    if (!self->n_behind)
        want_more (self);
}

mpl_input_t *mpl__input_new (mpl_loop_t *loop, int fd, size_t n)
{
    mpl_input_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    *self = (mpl_input_t) { .loop = loop, .fd = fd, .n_room = n, .readers = calloc (n ? n : 1, sizeof *self->readers),
                            .block = malloc (BLOCK) };
    if (!self->readers || !self->block)
        mpl__input_destroy (&self);
    return self;
}

int mpl__input_add (mpl_input_t *self)
{
    int pair[2];

    errno = ENOSPC;
    if (self->n == self->n_room || pipe2 (pair, O_CLOEXEC) < 0)
        return -1;
    reader_t *reader = &self->readers[self->n];
    *reader = (reader_t) { .input = self, .fd = pair[1] };
    fcntl (pair[1], F_SETFL, O_NONBLOCK);
    reader->source = mpl__loop_add (self->loop, pair[1], 0, can_write, reader);
    if (!reader->source) {
        mpl__fd_close_all (pair, 2);
        return -1;
    }
    self->n++;
    return pair[0];
}

void mpl__input_begin (mpl_input_t *self)
{
    self->has_begun = 1;
    want_more (self);
}

void mpl__input_destroy (mpl_input_t **self_p)
{
    mpl_input_t *self = *self_p;

    if (!self)
        return;
    if (self->readers)
        finish (self);
    free (self->readers);
    free (self->block);
    free (self);
    *self_p = NULL;
}
