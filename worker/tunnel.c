#include "worker/tunnel.h"
#include "base/fd.h"
#include "base/tcp.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS_MAX 65536               /* one for each worker of a host; more is no worker */

typedef struct stream {
    mpl_tunnel_t *tunnel;
    uint64_t id;
    int fd;
    mpl_source_t *source;
    int is_connecting;
    int has_ended_here, has_ended_there;        /* nothing more comes from fd; from the other side */
    size_t under_way;                   /* read here and not yet taken there */
    uint8_t *bytes;                     /* from there, not yet written: from `head` on */
    size_t head, len, room;
    struct stream *next;
} stream_t;

typedef struct port {
    mpl_tunnel_t *tunnel;
    int fd;
    mpl_source_t *source;
    char *endpoints;                    /* on the other side */
    char here[MPL__ENDPOINT_TEXT];
    struct port *next;
} port_t;

struct mpl_tunnel {
    mpl_loop_t *loop;
    mpl_tunnel_fn send;
    void *arg;
    stream_t *streams;
    size_t n;
    port_t *ports;
    uint64_t n_opened;
};

/* ---- one stream ------------------------------------------------------------------------------------------------ */

static void ready (void *arg, uint32_t events);

static void destroy_stream (stream_t *stream)
{
    mpl_tunnel_t *self = stream->tunnel;

    for (stream_t **at = &self->streams; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    self->n--;
    mpl__loop_remove (self->loop, &stream->source);
    mpl__fd_close (&stream->fd);
    free (stream->bytes);
    free (stream);
}

/* The other side hears that it is over. */
static void break_off (stream_t *stream)
{
    stream->tunnel->send (stream->tunnel->arg, MPL__STREAM_DATA, stream->id, NULL, 0);
    destroy_stream (stream);
}

/* What is waited for follows from what there is room for. */
static void listen_to (stream_t *stream)
{
    uint32_t events = (stream->len || stream->is_connecting ? EPOLLOUT : 0u)
                      | (!stream->is_connecting && !stream->has_ended_here && stream->under_way < MPL__FRAME_WINDOW ? EPOLLIN : 0u);

    if (!events)                        /* removed, since a hangup would be reported all the same */
        mpl__loop_remove (stream->tunnel->loop, &stream->source);
    else if (stream->source)
        mpl__loop_want (stream->tunnel->loop, stream->source, events);
    else
        stream->source = mpl__loop_add (stream->tunnel->loop, stream->fd, events, ready, stream);
}

static stream_t *add_stream (mpl_tunnel_t *self, uint64_t id, int fd)
{
    stream_t *stream = self->n < STREAMS_MAX ? calloc (1, sizeof *stream) : NULL;

    if (!stream) {
        mpl__fd_close (&fd);
        return NULL;
    }
    *stream = (stream_t) { .tunnel = self, .id = id, .fd = fd, .next = self->streams };
    self->streams = stream;
    self->n++;
    return stream;
}

/* 0; -1: it is gone. */
static int read_some (stream_t *stream)
{
    uint8_t bytes[MPL__FRAME_DATA];
    ssize_t len = read (stream->fd, bytes, sizeof bytes);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len < 0) {
        break_off (stream);
        return -1;
    }
    stream->has_ended_here = len == 0;
    stream->under_way += (size_t) len;
    stream->tunnel->send (stream->tunnel->arg, MPL__STREAM_DATA, stream->id, bytes, (size_t) len);
    return 0;
}

static int write_some (stream_t *stream)
{
    uint8_t taken[8];
    size_t written = 0;

    while (stream->len) {
        ssize_t rc = send (stream->fd, stream->bytes + stream->head, stream->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (rc < 0 && errno == EAGAIN)
            break;
        if (rc < 0 && errno != EINTR) {
            break_off (stream);
            return -1;
        }
        if (rc > 0) {
            stream->head += (size_t) rc;
            stream->len -= (size_t) rc;
            written += (size_t) rc;
        }
    }
    mpl__put64 (taken, written);
    if (written)
        stream->tunnel->send (stream->tunnel->arg, MPL__STREAM_TAKEN, stream->id, taken, sizeof taken);
    if (!stream->len)
        stream->head = 0;
    if (!stream->len && stream->has_ended_there)
        shutdown (stream->fd, SHUT_WR);
    return 0;
}

static void ready (void *arg, uint32_t events)
{
    stream_t *stream = arg;

    if (stream->is_connecting && events & (EPOLLERR | EPOLLHUP)) {
        break_off (stream);
        return;
    }
    stream->is_connecting = 0;
    if ((events & EPOLLOUT && write_some (stream) < 0)
        || (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !stream->has_ended_here && read_some (stream) < 0))
        return;
    if (stream->has_ended_here && stream->has_ended_there && !stream->len)
        destroy_stream (stream);
    else
        listen_to (stream);
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* A connection to the first of the endpoints that can be begun; -1: none. */
static int begin_connection (const char *endpoints)
{
    char endpoint[MPL__ENDPOINT_TEXT];
    int fd = -1;

    while (fd < 0 && mpl__tcp_next (&endpoints, endpoint))
        fd = mpl__tcp_begin (endpoint);
    return fd;
}

static void open_stream (mpl_tunnel_t *self, uint64_t id, const uint8_t *bytes, size_t len)
{
    char endpoints[1024];

    snprintf (endpoints, sizeof endpoints, "%.*s", (int) (len < sizeof endpoints ? len : sizeof endpoints - 1), (const char *) bytes);
    int fd = begin_connection (endpoints);
    stream_t *stream = fd >= 0 ? add_stream (self, id, fd) : NULL;
    if (!stream) {
        self->send (self->arg, MPL__STREAM_DATA, id, NULL, 0);
        return;
    }
    stream->is_connecting = 1;
    listen_to (stream);
}

static void accept_one (void *arg, uint32_t events)
{
    port_t *port = arg;
    mpl_tunnel_t *self = port->tunnel;
    int fd = accept4 (port->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void) events;
    stream_t *stream = fd >= 0 ? add_stream (self, ++self->n_opened & UINT32_MAX, fd) : NULL;
    if (!stream)
        return;
    self->send (self->arg, MPL__STREAM_OPEN, stream->id, port->endpoints, strlen (port->endpoints));
    listen_to (stream);
}

int mpl__tunnel_listen (mpl_tunnel_t *self, const char *endpoints, char *endpoint, size_t size, mpl_err_t *err)
{
    port_t *port = calloc (1, sizeof *port);

    if (!port)
        return mpl__err (err, ENOMEM, "no memory for a tunnel");
    *port = (port_t) { .tunnel = self, .endpoints = strdup (endpoints), .next = self->ports };
    port->fd = mpl__tcp_listen ("127.0.0.1", 0, 0, port->here);
    self->ports = port;
    if (!port->endpoints || port->fd < 0 || !(port->source = mpl__loop_add (self->loop, port->fd, EPOLLIN, accept_one, port)))
        return mpl__err (err, errno, "no port for a tunnel can be opened: %s", strerror (errno));
    snprintf (endpoint, size, "%s", port->here);
    return 0;
}

static void destroy_port (port_t *port)
{
    for (port_t **at = &port->tunnel->ports; *at; at = &(*at)->next)
        if (*at == port) {
            *at = port->next;
            break;
        }
    mpl__loop_remove (port->tunnel->loop, &port->source);
    mpl__fd_close (&port->fd);
    free (port->endpoints);
    free (port);
}

void mpl__tunnel_close (mpl_tunnel_t *self, const char *endpoint)
{
    for (port_t *port = self->ports, *next; port; port = next) {
        next = port->next;
        if (!strcmp (port->here, endpoint))
            destroy_port (port);
    }
}

/* ---- what comes ------------------------------------------------------------------------------------------------ */

static stream_t *find (mpl_tunnel_t *self, uint64_t id)
{
    stream_t *stream = self->streams;

    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

/* 0; -1: more than the window, or no memory. */
static int keep (stream_t *stream, const uint8_t *bytes, size_t len)
{
    if (stream->len + len > MPL__FRAME_WINDOW + MPL__FRAME_DATA)
        return -1;
    if (stream->head + stream->len + len > stream->room) {
        size_t room = stream->len + len > 4096 ? MPL__FRAME_WINDOW + MPL__FRAME_DATA : 4096;
        uint8_t *larger = malloc (room);
        if (!larger)
            return -1;
        if (stream->len)
            memcpy (larger, stream->bytes + stream->head, stream->len);
        free (stream->bytes);
        stream->bytes = larger;
        stream->room = room;
        stream->head = 0;
    }
    memcpy (stream->bytes + stream->head + stream->len, bytes, len);
    stream->len += len;
    return 0;
}

static void take_data (stream_t *stream, const uint8_t *bytes, size_t len)
{
    if (!len)
        stream->has_ended_there = 1;
    else if (keep (stream, bytes, len) < 0) {
        break_off (stream);
        return;
    }
    if (!stream->is_connecting && write_some (stream) < 0)
        return;
    if (stream->has_ended_there && !stream->len)        /* a worker or main is gone, and nobody is there for the rest */
        destroy_stream (stream);
    else
        listen_to (stream);
}

static void lose (mpl_tunnel_t *self, uint64_t upper)
{
    for (stream_t *stream = self->streams, *next; stream; stream = next) {
        next = stream->next;
        if (stream->id >> 32 == upper >> 32)
            destroy_stream (stream);
    }
}

void mpl__tunnel_heard (mpl_tunnel_t *self, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len)
{
    stream_t *stream = find (self, id);
    uint64_t n = len == 8 ? mpl__get64 (bytes) : 0;

    switch (kind) {
    case MPL__STREAM_OPEN:
        if (!stream)
            open_stream (self, id, bytes, len);
        break;
    case MPL__STREAM_DATA:
        if (stream)
            take_data (stream, bytes, len);
        break;
    case MPL__STREAM_TAKEN:
        if (stream) {
            stream->under_way -= n < stream->under_way ? (size_t) n : stream->under_way;
            listen_to (stream);
        }
        break;
    default:
        lose (self, id);
        break;
    }
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

mpl_tunnel_t *mpl__tunnel_new (mpl_loop_t *loop, mpl_tunnel_fn send, void *arg)
{
    mpl_tunnel_t *self = calloc (1, sizeof *self);

    if (self)
        *self = (mpl_tunnel_t) { .loop = loop, .send = send, .arg = arg };
    return self;
}

void mpl__tunnel_destroy (mpl_tunnel_t **self_p)
{
    mpl_tunnel_t *self = *self_p;

    if (!self)
        return;
    while (self->streams)
        destroy_stream (self->streams);
    while (self->ports)
        destroy_port (self->ports);
    free (self);
    *self_p = NULL;
}
