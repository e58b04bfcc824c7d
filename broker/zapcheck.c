#include "broker/zapcheck.h"
#include "base/clock.h"
#include "base/folder.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* One whose key is admitted, one whose key is not, and one that has no security at all. */
enum { FRIEND, STRANGER, NAKED, N_CLIENTS };

/* What each says; and as whom zap admits the first. */
static const char *const names[] = { "friend", "stranger", "naked" };

typedef struct {
    void *context, *server;
    const char *endpoint, *server_key;
    void *clients[N_CLIENTS];
    void *monitors[N_CLIENTS];          /* which say what became of a connection; it does not come back */
    int is_in[N_CLIENTS], is_over[N_CLIENTS];
    int is_known;                       /* the friend came as who it is */
} check_t;

/* A new key, whose public half goes to `key`. */
static int arm (const check_t *self, void *socket, char key[MPL__KEY_TEXT])
{
    char secret[MPL__KEY_TEXT];

    if (zmq_curve_keypair (key, secret) < 0)
        return -1;
    int rc = zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, self->server_key, MPL__KEY_TEXT) < 0
             || zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, key, MPL__KEY_TEXT) < 0
             || zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, secret, MPL__KEY_TEXT) < 0;
    explicit_bzero (secret, sizeof secret);
    return rc ? -1 : 0;
}

/* It speaks when it is let in. */
static void *new_client (const check_t *self, int who, char key[MPL__KEY_TEXT])
{
    int zero = 0, never = -1;
    void *socket = zmq_socket (self->context, ZMQ_DEALER);

    if (!socket)
        return NULL;
    if (zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero) < 0
        || zmq_setsockopt (socket, ZMQ_RECONNECT_IVL, &never, sizeof never) < 0
        || (who != NAKED && arm (self, socket, key) < 0)) {
        zmq_close (socket);
        return NULL;
    }
    return socket;
}

/* Speaks, and is watched from before it is connected. */
static int call (check_t *self, int who)
{
    char watched[48];

    snprintf (watched, sizeof watched, "inproc://mplaunch.zapcheck.%p", self->clients[who]);
    return zmq_socket_monitor (self->clients[who], watched, ZMQ_EVENT_ALL) < 0
                   || !(self->monitors[who] = zmq_socket (self->context, ZMQ_PAIR)) || zmq_connect (self->monitors[who], watched) < 0
                   || zmq_connect (self->clients[who], self->endpoint) < 0
                   /* EAGAIN: refused already */
                   || (zmq_send (self->clients[who], names[who], strlen (names[who]), ZMQ_DONTWAIT) < 0 && errno != EAGAIN)
               ? -1
               : 0;
}

static int begin (check_t *self, mpl_zap_t *zap, const char *domain)
{
    char keys[N_CLIENTS][MPL__KEY_TEXT];

    for (int who = 0; who < N_CLIENTS; who++)
        if (!(self->clients[who] = new_client (self, who, keys[who])))
            return -1;
    if (mpl__zap_admit (zap, domain, keys[FRIEND], names[FRIEND]) < 0)
        return -1;
    for (int who = 0; who < N_CLIENTS; who++)
        if (call (self, who) < 0)
            return -1;
    return 0;
}

static void end (check_t *self)
{
    int saved = errno;

    /* Nothing is to be told to a monitor that is closed: libzmq's own thread would wait there for ever. */
    for (int i = 0; i < N_CLIENTS; i++) {
        if (self->clients[i]) {
            zmq_socket_monitor (self->clients[i], NULL, 0);
            zmq_close (self->clients[i]);
        }
        if (self->monitors[i])
            zmq_close (self->monitors[i]);
    }
    errno = saved;
}

static int says (zmq_msg_t *message, const char *text)
{
    return zmq_msg_size (message) == strlen (text) && !memcmp (zmq_msg_data (message), text, strlen (text));
}

/* A message that the server received: the sender's number, and what it says. */
static void hear_client (check_t *self)
{
    zmq_msg_t message;
    int more = 1;

    zmq_msg_init (&message);
    while (more && zmq_msg_recv (&message, self->server, ZMQ_DONTWAIT) >= 0)
        more = zmq_msg_more (&message);
    const char *user = zmq_msg_gets (&message, "User-Id");
    int who = FRIEND;
    while (who < N_CLIENTS && !says (&message, names[who]))
        who++;
    self->is_in[who < N_CLIENTS ? who : STRANGER] = 1;          /* nobody else knows of this socket */
    self->is_known |= who == FRIEND && user && !strcmp (user, names[FRIEND]);
    zmq_msg_close (&message);
}

/* An event is its number and a value, in the machine's order of bytes, and then where. */
static void hear_monitor (check_t *self, int who)
{
    uint8_t frame[256];
    uint16_t event = 0;

    if (zmq_recv (self->monitors[who], frame, sizeof frame, ZMQ_DONTWAIT) >= 6)
        memcpy (&event, frame, sizeof event);
    zmq_recv (self->monitors[who], frame, sizeof frame, ZMQ_DONTWAIT);
    /* Of the friend counts what the server hears. */
    self->is_in[who] |= who != FRIEND && event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    self->is_over[who] |= event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH || event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                          || event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL || event == ZMQ_EVENT_DISCONNECTED;
}

static int is_open_to_strangers (const check_t *self)
{
    return self->is_in[STRANGER] || self->is_in[NAKED];
}

static int are_strangers_refused (const check_t *self)
{
    return self->is_over[STRANGER] && self->is_over[NAKED];
}

static void watch (check_t *self)
{
    zmq_pollitem_t items[1 + N_CLIENTS] = { { .socket = self->server, .events = ZMQ_POLLIN } };
    uint64_t until = mpl__clock_in_ms (MPL__ZAPCHECK_MS), now;

    for (int who = 0; who < N_CLIENTS; who++)
        items[1 + who] = (zmq_pollitem_t) { .socket = self->monitors[who], .events = ZMQ_POLLIN };
    while (!is_open_to_strangers (self)
           && !((self->is_in[FRIEND] || self->is_over[FRIEND]) && are_strangers_refused (self))
           && (now = mpl__clock_ns ()) < until) {
        if (zmq_poll (items, 1 + N_CLIENTS, mpl__clock_poll_ms (until, now)) <= 0)
            continue;
        if (items[0].revents)
            hear_client (self);
        for (int who = 0; who < N_CLIENTS; who++)
            if (items[1 + who].revents)
                hear_monitor (self, who);
    }
}

static int judge (const check_t *self, mpl_err_t *err)
{
    int major, minor, patch;

    zmq_version (&major, &minor, &patch);
    if (is_open_to_strangers (self))
        return mpl__err (err, EACCES, "this libzmq (%d.%d.%d) lets %s in where it must not; nothing is opened",
                         major, minor, patch,
                         self->is_in[STRANGER] ? "a stranger's key" : "a stranger without a key");
    if (self->is_known && are_strangers_refused (self))
        return 0;
    if (self->is_in[FRIEND] || self->is_over[FRIEND])
        return mpl__err (err, ECONNREFUSED,
                         "this libzmq (%d.%d.%d) does not let a right key in, or not as whose it is", major, minor,
                         patch);
    return mpl__err (err, ETIMEDOUT, "it could not be made sure within %d s that strangers are refused",
                     MPL__ZAPCHECK_MS / 1000);
}

int mpl__zapcheck (void *context, mpl_zap_t *zap, void *server, const char *endpoint, const char *domain, const char *server_key,
                   mpl_err_t *err)
{
    check_t self = { .context = context, .server = server, .endpoint = endpoint, .server_key = server_key };
    int rc;

    if (begin (&self, zap, domain) < 0) {
        rc = mpl__err (err, errno, "the security of connections cannot be tried: %s", zmq_strerror (errno));
    } else {
        watch (&self);
        rc = judge (&self, err);
    }
    mpl__zap_forget (zap, domain, NULL);
    end (&self);
    return rc;
}

int mpl__zapcheck_settings (void *context, mpl_zap_t *zap, mpl_door_settings_fn *set, void *arg, mpl_err_t *err)
{
    char name[MPL__FOLDER_PATH], endpoint[MPL__FOLDER_PATH + 8], domain[MPL__ZAP_USER], key[MPL__KEY_TEXT];
    void *server = zmq_socket (context, ZMQ_ROUTER);
    int rc;

    mpl__folder_name (name);                                    /* nobody else has it; no such folder is made */
    snprintf (endpoint, sizeof endpoint, "ipc://@%s", name);    /* a unix socket without a file */
    snprintf (domain, sizeof domain, "try-%p", server);         /* two threads may be here */
    if (!server || set (arg, server, domain, key) < 0 || zmq_bind (server, endpoint) < 0)
        rc = mpl__err (err, errno, "the security of connections cannot be tried: %s", zmq_strerror (errno));
    else
        rc = mpl__zapcheck (context, zap, server, endpoint, domain, key, err);
    if (server)
        zmq_close (server);
    return rc;
}
