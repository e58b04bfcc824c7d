#include "broker/router.h"
#include "base/fd.h"
#include "wire/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE_BYTES 16384u        /* records for one worker are sent together up to this length */
#define LAZY_BYTES 4096u            /* a message this long is worth sending though its worker is busy */
#define NOBODY 0u                   /* no peer: ROUTER numbers its peers from a random number on, but 0 is skipped here */

typedef struct {
    uint32_t peer;
    uint8_t *bytes;                 /* the message being gathered; owned */
    size_t len, room;
    int n_records;                  /* in it */
    int next_dirty;                 /* next in the list of those with something to send; -1: end */
    int is_dirty;
} out_t;

typedef struct {
    uint32_t peer;
    int worker;
} known_t;

struct mpl_router {
    void *socket;
    int fd;
    size_t max_workers;
    out_t *outs;
    known_t *known;                 /* open addressing, a power of two, at most half full */
    size_t n_known;
    int first_dirty;
    zmq_msg_t message;              /* the one last received */
};

/* ---- the socket ------------------------------------------------------------------------------------------------ */

static int bind_unnamed (void *socket, const char *folder, int *endpoint_fd)
{
    char path[100], endpoint[107];                      /* a unix socket's path has 107 bytes at most */

    if (snprintf (path, sizeof path, "%s/" MPL__ENDPOINT_NAME, folder) >= (int) sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf (endpoint, sizeof endpoint, "ipc://%s", path);
    if (mkdir (folder, 0700) < 0)
        return -1;
    int rc = zmq_bind (socket, endpoint);
    *endpoint_fd = rc < 0 ? -1 : open (path, O_PATH | O_CLOEXEC);
    int saved = errno;
    unlink (path);
    rmdir (folder);
    errno = saved;
    return *endpoint_fd < 0 ? -1 : 0;
}

static int set_options (void *socket)
{
    int zero = 0, one = 1, backlog = 4096;
    int64_t max = (int64_t) MPL__MESSAGE_MAX;

    return zmq_setsockopt (socket, ZMQ_ROUTER_MANDATORY, &one, sizeof one) < 0
        || zmq_setsockopt (socket, ZMQ_SNDHWM, &zero, sizeof zero) < 0       /* credit is the bound, and a ROUTER at */
        || zmq_setsockopt (socket, ZMQ_RCVHWM, &zero, sizeof zero) < 0       /* its mark stops answering */
        || zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero) < 0
        || zmq_setsockopt (socket, ZMQ_BACKLOG, &backlog, sizeof backlog) < 0
        || zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &max, sizeof max) < 0 ? -1 : 0;
}

mpl_router_t *mpl__router_new (void *context, size_t max_workers, const char *folder, int *endpoint_fd)
{
    mpl_router_t *self = calloc (1, sizeof *self);
    size_t fd_size = sizeof self->fd;

    if (!self)
        return NULL;
    self->max_workers = max_workers;
    self->first_dirty = -1;
    self->n_known = 8;
    while (self->n_known < max_workers * 2)
        self->n_known *= 2;
    zmq_msg_init (&self->message);
    self->outs = calloc (max_workers, sizeof *self->outs);
    self->known = calloc (self->n_known, sizeof *self->known);
    if (!self->outs || !self->known || !(self->socket = zmq_socket (context, ZMQ_ROUTER)))
        goto fail;
    if (set_options (self->socket) < 0 || bind_unnamed (self->socket, folder, endpoint_fd) < 0
        || zmq_getsockopt (self->socket, ZMQ_FD, &self->fd, &fd_size) < 0)
        goto fail;
    return self;
fail:
    mpl__router_destroy (&self);
    return NULL;
}

void mpl__router_destroy (mpl_router_t **self_p)
{
    mpl_router_t *self = *self_p;
    int saved = errno;

    if (!self)
        return;
    for (size_t w = 0; self->outs && w < self->max_workers; w++)
        free (self->outs[w].bytes);
    zmq_msg_close (&self->message);
    if (self->socket)
        zmq_close (self->socket);
    free (self->outs);
    free (self->known);
    free (self);
    *self_p = NULL;
    errno = saved;
}

int mpl__router_fd (const mpl_router_t *self) { return self->fd; }

int mpl__router_pending (mpl_router_t *self)
{
    int events = 0;
    size_t size = sizeof events;

    return zmq_getsockopt (self->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

/* ---- who is who ------------------------------------------------------------------------------------------------ */

static size_t home (const mpl_router_t *self, uint32_t peer)
{
    return peer * UINT32_C (2654435761) & (self->n_known - 1);
}

int mpl__router_worker (const mpl_router_t *self, uint32_t peer)
{
    for (size_t i = home (self, peer); self->known[i].peer != NOBODY; i = (i + 1) & (self->n_known - 1))
        if (self->known[i].peer == peer)
            return self->known[i].worker;
    return -1;
}

/* Taking one out of an open table moves the others; with this few it is simply made anew. */
static void learn_all (mpl_router_t *self)
{
    memset (self->known, 0, self->n_known * sizeof *self->known);
    for (size_t w = 0; w < self->max_workers; w++) {
        if (self->outs[w].peer == NOBODY)
            continue;
        size_t i = home (self, self->outs[w].peer);
        while (self->known[i].peer != NOBODY)
            i = (i + 1) & (self->n_known - 1);
        self->known[i] = (known_t) { self->outs[w].peer, (int) w };
    }
}

void mpl__router_name (mpl_router_t *self, int worker, uint32_t peer)
{
    self->outs[worker].peer = peer;
    self->outs[worker].len = 0;
    self->outs[worker].n_records = 0;
    learn_all (self);
}

void mpl__router_forget (mpl_router_t *self, int worker)
{
    mpl__router_name (self, worker, NOBODY);
}

/* ---- messages -------------------------------------------------------------------------------------------------- */

int mpl__router_recv (mpl_router_t *self, uint32_t *peer, const uint8_t **data, size_t *len)
{
    for (;;) {
        if (zmq_msg_recv (&self->message, self->socket, ZMQ_DONTWAIT) < 0)
            return 0;
        /* libzmq numbers a peer without a name of its own: a zero byte and 32 bits. */
        const uint8_t *id = zmq_msg_data (&self->message);
        int is_ours = zmq_msg_size (&self->message) == 5 && id[0] == 0 && zmq_msg_more (&self->message);
        *peer = is_ours ? mpl__get32 (id + 1) : NOBODY;
        int n = 0;
        while (zmq_msg_more (&self->message)) {
            if (zmq_msg_recv (&self->message, self->socket, ZMQ_DONTWAIT) < 0)
                return 0;
            n++;
        }
        if (is_ours && *peer != NOBODY && n == 1) {
            *data = zmq_msg_data (&self->message);
            *len = zmq_msg_size (&self->message);
            return 1;
        }
    }
}

static void send_out (mpl_router_t *self, out_t *out)
{
    uint8_t id[5] = { 0 };

    if (out->len && out->peer != NOBODY) {
        mpl__put32 (id + 1, out->peer);
        if (zmq_send (self->socket, id, sizeof id, ZMQ_SNDMORE | ZMQ_DONTWAIT) == sizeof id)
            zmq_send (self->socket, out->bytes, out->len, ZMQ_DONTWAIT);
    }
    out->len = 0;
    out->n_records = 0;
}

uint8_t *mpl__router_add (mpl_router_t *self, int worker, const mpl_record_t *record, size_t len)
{
    out_t *out = &self->outs[worker];
    size_t size = mpl__record_size (len);

    if (out->peer == NOBODY) {
        errno = EHOSTUNREACH;
        return NULL;
    }
    if (out->len && out->len + size > MESSAGE_BYTES)
        send_out (self, out);
    if (out->len + size > out->room) {
        size_t room = out->len + size < 4096 ? 4096 : out->len + size;
        uint8_t *bytes = realloc (out->bytes, room);
        if (!bytes)
            return NULL;
        out->bytes = bytes;
        out->room = room;
    }
    if (!out->is_dirty) {
        out->is_dirty = 1;
        out->next_dirty = self->first_dirty;
        self->first_dirty = worker;
    }
    uint8_t *at = out->bytes + out->len;
    mpl_record_t full = *record;
    full.bytes = (uint32_t) len;
    mpl__record_put (at, &full);
    memset (at + size - MPL__RECORD_ALIGN, 0, len ? MPL__RECORD_ALIGN : 0);
    out->len += size;
    out->n_records++;
    return at + MPL__RECORD_HEAD;
}

void mpl__router_flush (mpl_router_t *self)
{
    while (self->first_dirty >= 0) {
        out_t *out = &self->outs[self->first_dirty];
        self->first_dirty = out->next_dirty;
        out->is_dirty = 0;
        send_out (self, out);
    }
}

int mpl__router_flush_idle (mpl_router_t *self, int (*held) (void *arg, int worker), void *arg, int ahead)
{
    int was_sent = 0;

    for (int *at = &self->first_dirty; *at >= 0;) {
        out_t *out = &self->outs[*at];
        if (out->len < LAZY_BYTES && held (arg, *at) - out->n_records >= ahead) {
            at = &out->next_dirty;
            continue;
        }
        *at = out->next_dirty;
        out->is_dirty = 0;
        send_out (self, out);
        was_sent = 1;
    }
    return was_sent;
}
