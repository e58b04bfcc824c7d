/* router.h - the ZeroMQ rim of a broker: a ROUTER socket for the workers of its host and, when it is opened, a door
 * for those of others; who is at the other end, records out gathered into messages, messages in. It decides nothing.
 * Whoever calls it holds the lock that makes the socket one thread's at a time. */
#ifndef BROKER_ROUTER_H
#define BROKER_ROUTER_H

#include "base/err.h"
#include "broker/zap.h"
#include "wire/record.h"

#include <zmq.h>

typedef struct mpl_router mpl_router_t;
typedef uint64_t mpl_peer_t;            /* the number of a connection; 0: none */

#define MPL__ENDPOINT_NAME "b"          /* of the socket in its folder */

/* Binds a ROUTER for max_workers workers on this host. *endpoint_fd becomes an O_PATH descriptor of its unix socket, the
 * caller's, through which workers connect. The socket has a name in `folder` (at most 90 bytes, made here with mode 0700)
 * for as long as binding takes; then both are removed. NULL with errno; EEXIST: somebody has made the folder before. */
mpl_router_t *mpl__router_new (void *context, size_t max_workers, const char *folder, int *endpoint_fd);
void mpl__router_destroy (mpl_router_t **self);

/* Where a door may be. */
typedef struct {
    const char *interface;              /* NULL: any that others may reach */
    int port_first, port_last;          /* 0, 0: any */
} mpl_door_t;

/* Opens it: TCP with CURVE, for those alone whom `zap` admits to `domain`, which is to be of this router only. Writes
 * its public key and its addresses, tcp://A:P, separated by spaces, into `way`. The first one of a process is tried
 * before it listens (broker/zapcheck.h). 0, or -1 with *err: ENODEV, EADDRINUSE, EACCES and others of zapcheck.h, or
 * libzmq's. */
int mpl__router_open_door (mpl_router_t *self, mpl_zap_t *zap, const char *domain, const mpl_door_t *spec, char *way, size_t size,
                           mpl_err_t *err);

/* Its descriptor to poll, as below; -1: there is no door. */
int mpl__router_door_fd (const mpl_router_t *self);

/* Whom zap admitted with the key of the message last received; NULL: it is of this host. */
const char *mpl__router_user (const mpl_router_t *self);

/* The descriptor to poll. It is edge-triggered: mpl__router_pending says whether there is input. */
int mpl__router_fd (const mpl_router_t *self);
int mpl__router_pending (mpl_router_t *self);

/* The next message, not blocking: 1, its sender's peer number in *peer, its data in *data until the next call; 0:
 * none. */
int mpl__router_recv (mpl_router_t *self, mpl_peer_t *peer, const uint8_t **data, size_t *len);

/* Worker `worker` is that peer from now on; -1 for nobody. */
void mpl__router_name (mpl_router_t *self, int worker, mpl_peer_t peer);
void mpl__router_forget (mpl_router_t *self, int worker);

/* Which worker that peer is; -1: none. */
int mpl__router_worker (const mpl_router_t *self, mpl_peer_t peer);

/* Adds a record for a worker, with room for a body of len bytes, which the caller fills through the pointer returned
 * before the next call. A long one for a worker on another host goes in parts (wire/parts.h), and shorter ones may
 * overtake it. NULL: ENOMEM, EHOSTUNREACH (it has no peer). */
uint8_t *mpl__router_add (mpl_router_t *self, int worker, const mpl_record_t *record, size_t len);

/* A worker on another host has taken a part: the next may be sent with the next flush. */
void mpl__router_taken (mpl_router_t *self, int worker, const mpl_record_t *taken);

/* The same as below, but a worker that has at least `ahead` records sent before and unanswered gets its new ones
 * later, with more of them in one message: `held` says how many it holds, those added included. Whoever calls this
 * sees to it that mpl__router_flush is called when an answer comes. 1 when something was sent. */
int mpl__router_flush_idle (mpl_router_t *self, int (*held) (void *arg, int worker), void *arg, int ahead);

/* Sends what was added. A worker that cannot be reached is dying, and its agent will say so. */
void mpl__router_flush (mpl_router_t *self);

#endif
