#include "worker/boardlink.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ATTEMPT_NS (10 * (uint64_t) MPL__NS_PER_S)      /* for one address; many may come to the broker at once */
#define LINGER_MS 500
#define BATCH 1000                                      /* messages in a row before descriptors have their turn */
#define MONITOR "inproc://monitor.%u"

typedef enum { IDLE, TRIES, UP } state_t;

struct mpl_boardlink {
    mpl_loop_t *loop;
    const mpl_badge_t *badge;
    const char *path;
    mpl_boardlink_fns_t fns;
    void *context, *socket, *monitor;
    mpl_source_t *socket_source, *monitor_source;
    state_t state;
    int address;                        /* being tried, or connected to */
    unsigned n_sockets;                 /* made so far: for the names of monitors */
    uint64_t heard_at, beat_at, give_up_at;
};

/* ---- the socket ------------------------------------------------------------------------------------------------ */

/* All that libzmq has to say is looked for before each wait, since its descriptors tell of changes alone. */
static void woke (void *arg, uint32_t events)
{
    (void) arg;
    (void) events;
}

static void close_socket (mpl_boardlink_t *self, int linger)
{
    mpl__loop_remove (self->loop, &self->socket_source);
    mpl__loop_remove (self->loop, &self->monitor_source);
    if (self->socket) {
        zmq_socket_monitor (self->socket, NULL, 0);
        zmq_setsockopt (self->socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close (self->socket);
    }
    if (self->monitor)
        zmq_close (self->monitor);
    self->socket = self->monitor = NULL;
}

/* It never connects again by itself: to the broker that would be somebody new, and we must know that. */
static int set_options (mpl_boardlink_t *self)
{
    const mpl_badge_t *badge = self->badge;
    void *socket = self->socket;
    int none = 0, never = -1, six = badge->addresses[self->address][6] == '[';
    int64_t largest = MPL__BOARD_FRAME_MAX;

    return zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, badge->broker_public, MPL__BADGE_KEY) < 0
           || zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, badge->public_key, MPL__BADGE_KEY) < 0
           || zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, badge->secret_key, MPL__BADGE_KEY) < 0
           || zmq_setsockopt (socket, ZMQ_IPV6, &six, sizeof six) < 0
           || zmq_setsockopt (socket, ZMQ_SNDHWM, &none, sizeof none) < 0       /* windows are the bound */
           || zmq_setsockopt (socket, ZMQ_RCVHWM, &none, sizeof none) < 0
           || zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none) < 0
           || zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) < 0
           || zmq_setsockopt (socket, ZMQ_RECONNECT_IVL, &never, sizeof never) < 0 ? -1 : 0;
}

static mpl_source_t *watch (mpl_boardlink_t *self, void *socket)
{
    int fd;
    size_t size = sizeof fd;

    return zmq_getsockopt (socket, ZMQ_FD, &fd, &size) < 0 ? NULL : mpl__loop_add (self->loop, fd, EPOLLIN, woke, self);
}

static int monitor (mpl_boardlink_t *self)
{
    char name[32];
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                 | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED;

    snprintf (name, sizeof name, MONITOR, ++self->n_sockets);
    return zmq_socket_monitor (self->socket, name, events) < 0 || !(self->monitor = zmq_socket (self->context, ZMQ_PAIR))
                   || zmq_connect (self->monitor, name) < 0 ? -1 : 0;
}

static int connect_now (mpl_boardlink_t *self)
{
    self->socket = zmq_socket (self->context, ZMQ_DEALER);
    return !self->socket || set_options (self) < 0 || monitor (self) < 0
                   || !(self->socket_source = watch (self, self->socket)) || !(self->monitor_source = watch (self, self->monitor))
                   || zmq_connect (self->socket, self->badge->addresses[self->address]) < 0 ? -1 : 0;
}

/* ---- beginning and end of a connection --------------------------------------------------------------------------- */

static void be_lost (mpl_boardlink_t *self, const char *why, int is_refused)
{
    char text[512];

    snprintf (text, sizeof text, "the broker at %s %s", self->badge->addresses[self->address], why);
    close_socket (self, 0);
    self->state = IDLE;
    self->fns.lost (self->fns.arg, text, is_refused);
}

static void try_address (mpl_boardlink_t *self, uint64_t now)
{
    self->state = TRIES;
    self->give_up_at = now + ATTEMPT_NS;
    if (connect_now (self) < 0)
        be_lost (self, zmq_strerror (zmq_errno ()), 0);
}

static void has_failed (mpl_boardlink_t *self, const char *why, int is_refused)
{
    if (self->state == UP || is_refused || self->address + 1 >= self->badge->n_addresses) {
        be_lost (self, why, is_refused);
        return;
    }
    close_socket (self, 0);
    self->address++;
    try_address (self, mpl__clock_ns ());
}

void mpl__boardlink_start (mpl_boardlink_t *self, uint64_t now)
{
    self->address = 0;
    try_address (self, now);
}

static void is_up (mpl_boardlink_t *self)
{
    self->state = UP;
    self->heard_at = self->beat_at = mpl__clock_ns ();
    self->fns.up (self->fns.arg);
}

/* ---- what libzmq says ------------------------------------------------------------------------------------------- */

static void take_event (mpl_boardlink_t *self, int event)
{
    char why[256];

    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        if (self->state == TRIES)
            is_up (self);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        snprintf (why, sizeof why, "does not know the certificate %.150s; copy the one it has now", self->path);
        has_failed (self, why, 1);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        snprintf (why, sizeof why, "is not the one of the certificate %.150s", self->path);
        has_failed (self, why, 0);
        break;
    case ZMQ_EVENT_DISCONNECTED:
        has_failed (self, self->state == UP ? "has ended the connection" : "ended the connection at once; it is none of ours", 0);
        break;
    default:                            /* CLOSED */
        has_failed (self, "cannot be connected to", 0);
        break;
    }
}

/* 1: there was one. */
static int next_event (mpl_boardlink_t *self, int *event)
{
    uint16_t number = 0;
    zmq_msg_t frame;
    int more = 1, n = 0;

    zmq_msg_init (&frame);
    for (; more && zmq_msg_recv (&frame, self->monitor, ZMQ_DONTWAIT) >= 0; n++) {
        if (n == 0 && zmq_msg_size (&frame) >= sizeof number)
            memcpy (&number, zmq_msg_data (&frame), sizeof number);         /* as libzmq wrote it, in this very process */
        more = zmq_msg_more (&frame);
    }
    zmq_msg_close (&frame);
    *event = number;
    return n > 0;
}

/* 1: there was one. */
static int next_message (mpl_boardlink_t *self)
{
    zmq_msg_t frame;
    mpl_board_t message;

    zmq_msg_init (&frame);
    int rc = zmq_msg_recv (&frame, self->socket, ZMQ_DONTWAIT);
    if (rc >= 0) {
        self->heard_at = mpl__clock_ns ();
        if (mpl__board_decode (zmq_msg_data (&frame), zmq_msg_size (&frame), &message) < 0)
            has_failed (self, errno == EPROTONOSUPPORT ? "is of another version of mplaunch" : "said something that is no message",
                        errno == EPROTONOSUPPORT);
        else if (message.type == MPL__B_LEAVE)
            has_failed (self, "has given this connection up, since nothing was heard of it", 0);
        else if (message.type != MPL__B_BEAT)
            self->fns.heard (self->fns.arg, &message);
    }
    zmq_msg_close (&frame);
    return rc >= 0;
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static void keep_alive (mpl_boardlink_t *self, uint64_t now)
{
    if (self->state == TRIES && now >= self->give_up_at)
        has_failed (self, "did not answer", 0);
    if (self->state == UP && now >= self->heard_at + MPL__BOARD_LOST_NS)
        has_failed (self, "has said nothing for 15 s", 0);
    if (self->state == UP && now >= self->beat_at) {
        mpl__boardlink_say (self, &(mpl_board_t) { .type = MPL__B_BEAT });
        self->beat_at = now + MPL__BOARD_BEAT_NS;
    }
}

/* What libzmq has to do for the socket is done, or its descriptor would stay ready although there is no message yet. */
static void do_its_work (mpl_boardlink_t *self)
{
    int events;
    size_t size = sizeof events;

    if (self->state == TRIES)
        zmq_getsockopt (self->socket, ZMQ_EVENTS, &events, &size);
}

/* Messages come before the event that says that there will be no more. */
uint64_t mpl__boardlink_tick (mpl_boardlink_t *self)
{
    int n = 0, event;

    do_its_work (self);
    while (self->state == UP && n < BATCH && next_message (self))
        n++;
    while (self->monitor && n < BATCH && next_event (self, &event)) {
        while (event == ZMQ_EVENT_DISCONNECTED && self->state == UP && next_message (self))
            ;
        if (self->state != IDLE)
            take_event (self, event);
        n++;
    }
    if (self->state == UP && n < BATCH && next_message (self))
        n = BATCH;                      /* it came when we had just looked */
    if (n >= BATCH)
        return 0;
    keep_alive (self, mpl__clock_ns ());
    return self->state == TRIES ? self->give_up_at : self->state == UP ? self->beat_at : MPL__NEVER;
}

void mpl__boardlink_say (mpl_boardlink_t *self, const mpl_board_t *message)
{
    zmq_msg_t frame;

    if (self->state != UP || zmq_msg_init_size (&frame, mpl__board_size (message)) < 0)
        return;
    mpl__board_encode (zmq_msg_data (&frame), message);
    if (zmq_msg_send (&frame, self->socket, ZMQ_DONTWAIT) < 0)
        zmq_msg_close (&frame);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

mpl_boardlink_t *mpl__boardlink_new (mpl_loop_t *loop, const mpl_badge_t *badge, const char *path, const mpl_boardlink_fns_t *fns,
                                     mpl_err_t *err)
{
    mpl_boardlink_t *self = calloc (1, sizeof *self);

    if (!self || !(self->context = zmq_ctx_new ())) {
        mpl__err (err, errno, "no connection to a broker can be made: %s", zmq_strerror (errno));
        free (self);
        return NULL;
    }
    self->loop = loop;
    self->badge = badge;
    self->path = path;
    self->fns = *fns;
    return self;
}

void mpl__boardlink_destroy (mpl_boardlink_t **self_p)
{
    mpl_boardlink_t *self = *self_p;

    if (!self)
        return;
    close_socket (self, self->state == UP ? LINGER_MS : 0);
    zmq_ctx_term (self->context);
    free (self);
    *self_p = NULL;
}
