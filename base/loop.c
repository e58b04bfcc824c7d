#include "base/loop.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH 64            /* events taken in one turn */

struct mpl_source {
    int fd;
    uint32_t events;
    mpl_ready_fn fn;        /* NULL: removed */
    void *arg;
    mpl_source_t *next;     /* among the removed */
};

struct mpl_loop {
    int epoll;
    mpl_source_t *removed;  /* freed at the end of a turn, since its batch may still name them */
};

mpl_loop_t *mpl__loop_new (void)
{
    mpl_loop_t *self = calloc (1, sizeof *self);

    if (self && (self->epoll = epoll_create1 (EPOLL_CLOEXEC)) < 0) {
        free (self);
        self = NULL;
    }
    return self;
}

static void free_removed (mpl_loop_t *self)
{
    while (self->removed) {
        mpl_source_t *source = self->removed;
        self->removed = source->next;
        free (source);
    }
}

void mpl__loop_destroy (mpl_loop_t **self_p)
{
    mpl_loop_t *self = *self_p;

    if (!self)
        return;
    free_removed (self);
    mpl__fd_close (&self->epoll);
    free (self);
    *self_p = NULL;
}

mpl_source_t *mpl__loop_add (mpl_loop_t *self, int fd, uint32_t events, mpl_ready_fn fn, void *arg)
{
    mpl_source_t *source = calloc (1, sizeof *source);
    struct epoll_event event = { .events = events, .data.ptr = source };

    if (!source)
        return NULL;
    *source = (mpl_source_t) { .fd = fd, .events = events, .fn = fn, .arg = arg };
    if (epoll_ctl (self->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        int saved = errno;
        free (source);
        errno = saved;
        return NULL;
    }
    return source;
}

void mpl__loop_want (mpl_loop_t *self, mpl_source_t *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    if (source->events != events && epoll_ctl (self->epoll, EPOLL_CTL_MOD, source->fd, &event) == 0)
        source->events = events;
}

void mpl__loop_remove (mpl_loop_t *self, mpl_source_t **source_p)
{
    mpl_source_t *source = *source_p;

    if (!source)
        return;
    epoll_ctl (self->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    source->fn = NULL;
    source->next = self->removed;
    self->removed = source;
    *source_p = NULL;
}

int mpl__loop_turn (mpl_loop_t *self, uint64_t deadline)
{
    struct epoll_event events[BATCH];
    int n = epoll_wait (self->epoll, events, BATCH, mpl__clock_poll_ms (deadline, mpl__clock_ns ()));

    if (n < 0)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < n; i++) {
        mpl_source_t *source = events[i].data.ptr;
        if (source->fn)
            source->fn (source->arg, events[i].events);
    }
    free_removed (self);
    return 0;
}
