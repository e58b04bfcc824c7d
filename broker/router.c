#include "broker/router.h"
#include "base/addresses.h"
#include "base/fd.h"
#include "base/folder.h"
#include "broker/zapcheck.h"
#include "wire/bytes.h"
#include "wire/parts.h"

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
#define AT_DOOR (UINT64_C (1) << 32)        /* above the number that the door's ROUTER gave */

/* Of libzmq since 4.3.0, but among the options that its header has not declared stable. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

typedef struct {
    mpl_peer_t peer;
    uint8_t *bytes;                 /* the message being gathered; owned */
    size_t len, room;
    int n_records;                  /* in it */
    mpl_parts_t parts;              /* long records for a worker on another host */
    int next_dirty;                 /* next in the list of those with something to send; -1: end */
    int is_dirty;
} out_t;

typedef struct {
    mpl_peer_t peer;
    int worker;
} known_t;

struct mpl_router {
    void *context;                  /* the caller's */
    void *socket;
    int fd;
    size_t max_workers;
    out_t *outs;
    known_t *known;                 /* open addressing, a power of two, at most half full */
    size_t n_known;
    int first_dirty;
    zmq_msg_t message;              /* the one last received */
    void *door;                     /* NULL: not opened */
    int door_fd;
    mpl_zap_t *zap;
    char domain[MPL__ZAP_USER];
    int is_from_door;               /* the message; and whose turn it was */
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
    self->context = context;
    self->max_workers = max_workers;
    self->first_dirty = -1;
    self->n_known = 8;
    while (self->n_known < max_workers * 2)
        self->n_known *= 2;
    self->door_fd = -1;
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

static void clear_out (out_t *out)
{
    mpl__parts_clear (&out->parts);
    free (out->bytes);
}

void mpl__router_destroy (mpl_router_t **self_p)
{
    mpl_router_t *self = *self_p;
    int saved = errno;

    if (!self)
        return;
    for (size_t w = 0; self->outs && w < self->max_workers; w++)
        clear_out (&self->outs[w]);
    zmq_msg_close (&self->message);
    if (self->door)
        zmq_close (self->door);
    if (self->zap)
        mpl__zap_forget (self->zap, self->domain, NULL);
    if (self->socket)
        zmq_close (self->socket);
    free (self->outs);
    free (self->known);
    free (self);
    *self_p = NULL;
    errno = saved;
}

int mpl__router_fd (const mpl_router_t *self) { return self->fd; }
int mpl__router_door_fd (const mpl_router_t *self) { return self->door_fd; }

static int has_input (void *socket)
{
    int events = 0;
    size_t size = sizeof events;

    return zmq_getsockopt (socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

int mpl__router_pending (mpl_router_t *self)
{
    return has_input (self->socket) || (self->door && has_input (self->door));
}

/* ---- the door -------------------------------------------------------------------------------------------------- */

/* Our own lease decides who is lost; libzmq's own limits stay above it. The secret half of the key is libzmq's alone. */
static int set_door_options (void *arg, void *socket, const char *domain, char public_key[MPL__KEY_TEXT])
{
    int one = 1, often = 5000, lost = 20000, handshake = 3000;
    char secret_key[MPL__KEY_TEXT];

    (void) arg;
    if (zmq_curve_keypair (public_key, secret_key) < 0)
        return -1;
    int rc = set_options (socket) < 0 || zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &one, sizeof one) < 0
             || zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, secret_key, MPL__KEY_TEXT) < 0
             || zmq_setsockopt (socket, ZMQ_ZAP_DOMAIN, domain, strlen (domain)) < 0
             || zmq_setsockopt (socket, ZMQ_ZAP_ENFORCE_DOMAIN, &one, sizeof one) < 0        /* either alone lets all in */
             || zmq_setsockopt (socket, ZMQ_HANDSHAKE_IVL, &handshake, sizeof handshake) < 0
             || zmq_setsockopt (socket, ZMQ_HEARTBEAT_IVL, &often, sizeof often) < 0
             || zmq_setsockopt (socket, ZMQ_HEARTBEAT_TIMEOUT, &lost, sizeof lost) < 0
             || zmq_setsockopt (socket, ZMQ_TCP_MAXRT, &lost, sizeof lost) < 0;
    explicit_bzero (secret_key, sizeof secret_key);
    return rc ? -1 : 0;
}

/* On the first port that is free; what it is called goes to `way`. 0, or -1 with errno. */
static int bind_at (void *socket, const char *address, const mpl_door_t *spec, char *way, size_t size)
{
    char endpoint[128];
    size_t len = sizeof endpoint;
    int rc = -1, is_six = *address == '[';

    zmq_setsockopt (socket, ZMQ_IPV6, &is_six, sizeof is_six);          /* or an IPv4 address is called by its name in IPv6 */

    for (int port = spec->port_first; rc < 0 && port <= spec->port_last; port++) {
        snprintf (endpoint, sizeof endpoint, port ? "tcp://%s:%d" : "tcp://%s:*", address, port);
        if ((rc = zmq_bind (socket, endpoint)) < 0 && errno != EADDRINUSE)
            return -1;
    }
    if (rc < 0 || zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &len) < 0)
        return -1;
    if (strlen (way) + len + 1 < size)
        snprintf (way + strlen (way), size - strlen (way), " %s", endpoint);
    return 0;
}

static int bind_door (void *socket, const mpl_door_t *spec, char *way, size_t size, mpl_err_t *err)
{
    char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT];
    int n = mpl__addresses (spec->interface, addresses, err), n_bound = 0;

    for (int i = 0; i < n; i++)
        n_bound += bind_at (socket, addresses[i], spec, way, size) == 0;
    if (n < 0 || n_bound)
        return n < 0 ? -1 : 0;
    if (spec->port_first)
        return mpl__err (err, errno, "none of the ports %d-%d can be opened for other hosts: %s", spec->port_first, spec->port_last,
                         zmq_strerror (errno));
    return mpl__err (err, errno, "no port can be opened for other hosts: %s", zmq_strerror (errno));
}

/* Whether such a door keeps strangers out, tried once per process. */
static int try_security (void *context, mpl_zap_t *zap, mpl_err_t *err)
{
    static _Atomic int is_tried;

    if (!is_tried && mpl__zapcheck_settings (context, zap, set_door_options, NULL, err) < 0)
        return -1;
    is_tried = 1;
    return 0;
}

int mpl__router_open_door (mpl_router_t *self, mpl_zap_t *zap, const char *domain, const mpl_door_t *spec, char *way, size_t size,
                           mpl_err_t *err)
{
    size_t fd_size = sizeof self->door_fd;
    char key[MPL__KEY_TEXT];

    if (try_security (self->context, zap, err) < 0)
        return -1;
    void *socket = zmq_socket (self->context, ZMQ_ROUTER);
    if (!socket || set_door_options (NULL, socket, domain, key) < 0) {
        mpl__err (err, errno, "no socket for other hosts can be made: %s", zmq_strerror (errno));
        if (socket)
            zmq_close (socket);
        return -1;
    }
    snprintf (way, size, "%s", key);
    if (bind_door (socket, spec, way, size, err) < 0 || zmq_getsockopt (socket, ZMQ_FD, &self->door_fd, &fd_size) < 0) {
        zmq_close (socket);
        return -1;
    }
    self->door = socket;
    self->zap = zap;
    snprintf (self->domain, sizeof self->domain, "%s", domain);
    return 0;
}

const char *mpl__router_user (const mpl_router_t *self)
{
    return self->is_from_door ? zmq_msg_gets (&self->message, "User-Id") : NULL;
}

/* ---- who is who ------------------------------------------------------------------------------------------------ */

static size_t home (const mpl_router_t *self, mpl_peer_t peer)
{
    return (uint32_t) peer * UINT32_C (2654435761) & (self->n_known - 1);
}

int mpl__router_worker (const mpl_router_t *self, mpl_peer_t peer)
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

void mpl__router_name (mpl_router_t *self, int worker, mpl_peer_t peer)
{
    mpl__parts_clear (&self->outs[worker].parts);
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

/* 1: one of a peer that the socket numbers; 0: there is none. */
static int receive (mpl_router_t *self, void *socket, mpl_peer_t *peer)
{
    for (;;) {
        if (zmq_msg_recv (&self->message, socket, ZMQ_DONTWAIT) < 0)
            return 0;
        /* libzmq numbers a peer without a name of its own: a zero byte and 32 bits. */
        const uint8_t *id = zmq_msg_data (&self->message);
        int is_ours = zmq_msg_size (&self->message) == 5 && id[0] == 0 && zmq_msg_more (&self->message);
        *peer = is_ours ? mpl__get32 (id + 1) : NOBODY;
        int n = 0;
        while (zmq_msg_more (&self->message)) {
            if (zmq_msg_recv (&self->message, socket, ZMQ_DONTWAIT) < 0)
                return 0;
            n++;
        }
        if (is_ours && *peer != NOBODY && n == 1)
            return 1;
    }
}

/* Each socket has its turn when both have something. */
int mpl__router_recv (mpl_router_t *self, mpl_peer_t *peer, const uint8_t **data, size_t *len)
{
    int has_one = 0;

    for (int i = 0; i < (self->door ? 2 : 1) && !has_one; i++) {
        self->is_from_door = self->door && !self->is_from_door;
        has_one = receive (self, self->is_from_door ? self->door : self->socket, peer);
    }
    if (!has_one)
        return 0;
    *peer |= self->is_from_door ? AT_DOOR : 0;
    *data = zmq_msg_data (&self->message);
    *len = zmq_msg_size (&self->message);
    return 1;
}

/* As many parts as the window allows; each is a message of its own, so that others' come between. */
static void send_parts (mpl_router_t *self, out_t *out)
{
    uint8_t head[MPL__RECORD_HEAD], id[5] = { 0 };
    const uint8_t *body;
    zmq_msg_t message;
    size_t len;

    mpl__put32 (id + 1, (uint32_t) out->peer);
    while (mpl__parts_next (&out->parts, head, &body, &len)) {
        size_t size = mpl__record_size (len);
        if (zmq_msg_init_size (&message, size) < 0)
            return;                         /* without memory its worker waits in vain, and its host's lease or user ends it */
        uint8_t *at = zmq_msg_data (&message);
        memset (at + size - MPL__RECORD_ALIGN, 0, MPL__RECORD_ALIGN);
        memcpy (at, head, sizeof head);
        memcpy (at + MPL__RECORD_HEAD, body, len);
        if (zmq_send (self->door, id, sizeof id, ZMQ_SNDMORE | ZMQ_DONTWAIT) != sizeof id
            || zmq_msg_send (&message, self->door, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close (&message);
            return;
        }
    }
}

static void send_out (mpl_router_t *self, out_t *out)
{
    uint8_t id[5] = { 0 };

    void *socket = out->peer & AT_DOOR ? self->door : self->socket;

    if (out->len && out->peer != NOBODY) {
        mpl__put32 (id + 1, (uint32_t) out->peer);
        if (zmq_send (socket, id, sizeof id, ZMQ_SNDMORE | ZMQ_DONTWAIT) == sizeof id)
            zmq_send (socket, out->bytes, out->len, ZMQ_DONTWAIT);
    }
    out->len = 0;
    out->n_records = 0;
    if (!mpl__parts_is_empty (&out->parts))
        send_parts (self, out);
}

static void make_dirty (mpl_router_t *self, int worker)
{
    out_t *out = &self->outs[worker];

    if (out->is_dirty)
        return;
    out->is_dirty = 1;
    out->next_dirty = self->first_dirty;
    self->first_dirty = worker;
}

void mpl__router_taken (mpl_router_t *self, int worker, const mpl_record_t *taken)
{
    mpl__parts_taken (&self->outs[worker].parts, taken);
    if (!mpl__parts_is_empty (&self->outs[worker].parts))
        make_dirty (self, worker);
}

uint8_t *mpl__router_add (mpl_router_t *self, int worker, const mpl_record_t *record, size_t len)
{
    out_t *out = &self->outs[worker];
    size_t size = mpl__record_size (len);

    if (out->peer == NOBODY) {
        errno = EHOSTUNREACH;
        return NULL;
    }
    if (len > MPL__LONG_BYTES && out->peer & AT_DOOR) {
        make_dirty (self, worker);
        return mpl__parts_add (&out->parts, record, len);
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
    make_dirty (self, worker);
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
        if (out->len < LAZY_BYTES && mpl__parts_is_empty (&out->parts) && held (arg, *at) - out->n_records >= ahead) {
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
