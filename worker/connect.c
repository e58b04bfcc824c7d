#include "worker/connect.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define ENDPOINTS_MAX 16
#define PROBE_MS 5000               /* for any of several addresses to answer */
#define WELCOME_MS 20000            /* for main to let us in: it does so when it waits for results */
#define LINGER_MS 5000
#define LOST_MS 20000               /* without an answer; above the lease, which decides (DESIGN: lost_after is 15 s) */

static void *fail (void *socket, mpl_err_t *err, int code, const char *what, const char *why)
{
    if (socket)
        zmq_close (socket);
    mpl__err (err, code, "%s: %s", what, why);
    return NULL;
}

static void *new_socket (void *context)
{
    int none = 0, linger = LINGER_MS;
    void *socket = context ? zmq_socket (context, ZMQ_DEALER) : NULL;

    if (!socket)
        return NULL;
    zmq_setsockopt (socket, ZMQ_SNDHWM, &none, sizeof none);            /* credit is the bound */
    zmq_setsockopt (socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

/* The broker's socket has no name any more; what is left of it is a descriptor, and /proc makes a path of it. */
void *mpl__connect_here (void *context, int endpoint_fd, mpl_err_t *err)
{
    char endpoint[64];
    void *socket = new_socket (context);

    snprintf (endpoint, sizeof endpoint, "ipc:///proc/self/fd/%d", endpoint_fd);
    if (!socket || zmq_connect (socket, endpoint) < 0)
        return fail (socket, err, errno, "connecting to its broker", zmq_strerror (errno));
    return socket;
}

/* ---- which address --------------------------------------------------------------------------------------------- */

/* The first that answers, since a host has addresses that others cannot reach; -1: none. */
static int probe (char endpoints[][MPL__ENDPOINT_TEXT], int n)
{
    struct pollfd fds[ENDPOINTS_MAX];
    uint64_t until = mpl__clock_in_ms (PROBE_MS), now;
    int found = -1, left = 0;

    for (int i = 0; i < n; i++) {
        fds[i] = (struct pollfd) { .fd = mpl__tcp_begin (endpoints[i]), .events = POLLOUT };
        left += fds[i].fd >= 0;
    }
    while (found < 0 && left && (now = mpl__clock_ns ()) < until) {
        if (poll (fds, (nfds_t) n, mpl__clock_poll_ms (until, now)) <= 0)
            continue;
        for (int i = 0; i < n && found < 0; i++)
            if (fds[i].revents && mpl__tcp_outcome (fds[i].fd) == 0) {
                found = i;
            } else if (fds[i].revents) {
                mpl__fd_close (&fds[i].fd);
                left--;
            }
    }
    for (int i = 0; i < n; i++)
        mpl__fd_close (&fds[i].fd);
    return found;
}

static int choose (const char *text, char endpoint[MPL__ENDPOINT_TEXT])
{
    char all[ENDPOINTS_MAX][MPL__ENDPOINT_TEXT];
    int n = 0;

    while (n < ENDPOINTS_MAX && mpl__tcp_next (&text, all[n]))
        n++;
    int found = n > 1 ? probe (all, n) : n - 1;
    if (found < 0)
        return -1;
    memcpy (endpoint, all[found], MPL__ENDPOINT_TEXT);
    return 0;
}

/* ---- the connection -------------------------------------------------------------------------------------------- */

static int set_keys (void *socket, const mpl_abroad_t *spec)
{
    return zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, spec->server_key, 41) < 0
                   || zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, spec->public_key, 41) < 0
                   || zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, spec->secret_key, 41) < 0
               ? -1
               : 0;
}

/* A connection that ended does not come back: what was under way on it is lost, and a new worker begins with a new
 * one. */
static void set_patience (void *socket)
{
    int never = -1, often = LOST_MS / 4, lost = LOST_MS, welcome = WELCOME_MS, one = 1;

    zmq_setsockopt (socket, ZMQ_RECONNECT_IVL, &never, sizeof never);
    zmq_setsockopt (socket, ZMQ_HEARTBEAT_IVL, &often, sizeof often);
    zmq_setsockopt (socket, ZMQ_HEARTBEAT_TIMEOUT, &lost, sizeof lost);
    zmq_setsockopt (socket, ZMQ_TCP_MAXRT, &lost, sizeof lost);
    zmq_setsockopt (socket, ZMQ_HANDSHAKE_IVL, &welcome, sizeof welcome);
    zmq_setsockopt (socket, ZMQ_IPV6, &one, sizeof one);
}

/* An event's number; 0: none has come within the limit. */
static int next_event (void *monitor, int limit_ms)
{
    zmq_pollitem_t item = { .socket = monitor, .events = ZMQ_POLLIN };
    uint8_t frame[256];
    uint16_t event;

    if (zmq_poll (&item, 1, limit_ms) != 1 || zmq_recv (monitor, frame, sizeof frame, ZMQ_DONTWAIT) < 6)
        return 0;
    memcpy (&event, frame, sizeof event);       /* libzmq's own layout, in the machine's order of bytes */
    zmq_recv (monitor, frame, sizeof frame, 0);
    return event;
}

/* 0; or an errno value. */
static int wait_for_welcome (void *monitor)
{
    uint64_t until = mpl__clock_in_ms (WELCOME_MS), now;

    while ((now = mpl__clock_ns ()) < until)
        switch (next_event (monitor, mpl__clock_poll_ms (until, now))) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return 0;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            return EACCES;
        case ZMQ_EVENT_DISCONNECTED:
        case ZMQ_EVENT_CLOSED:
            return EHOSTUNREACH;
        default:
            break;
        }
    return ETIMEDOUT;
}

void *mpl__connect_abroad (void *context, const mpl_abroad_t *spec, void **monitor, mpl_err_t *err)
{
    char endpoint[MPL__ENDPOINT_TEXT];
    void *socket = new_socket (context);

    *monitor = NULL;
    if (!socket || set_keys (socket, spec) < 0)
        return fail (socket, err, errno, "a worker cannot be connected to main", zmq_strerror (errno));
    if (choose (spec->endpoints, endpoint) < 0)
        return fail (socket, err, EHOSTUNREACH, "main cannot be reached from this host at any of its addresses", spec->endpoints);
    set_patience (socket);
    if (zmq_socket_monitor (socket, "inproc://connection", ZMQ_EVENT_ALL) < 0 || !(*monitor = zmq_socket (context, ZMQ_PAIR))
        || zmq_connect (*monitor, "inproc://connection") < 0 || zmq_connect (socket, endpoint) < 0)
        return fail (socket, err, errno, "a worker cannot be connected to main", zmq_strerror (errno));
    int error = wait_for_welcome (*monitor);
    if (error)
        return fail (socket, err, error, error == EACCES ? "main does not let a worker of this host in, at"
                                                         : "main cannot be reached from this host at", endpoint);
    return socket;
}

int mpl__connect_is_lost (void *monitor)
{
    for (int event; (event = next_event (monitor, 0)) != 0;)
        if (event == ZMQ_EVENT_DISCONNECTED || event == ZMQ_EVENT_MONITOR_STOPPED)
            return 1;
    return 0;
}
