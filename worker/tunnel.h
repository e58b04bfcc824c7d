/* tunnel.h - TCP connections that go through a post (worker/post.h) where only ssh passes between hosts: on one side
 * whoever connects to a port of the loopback, on the other a connection to where they want to go. It owns the
 * connections; what travels on them is CURVE's and none of its business. Each has an id that no other of its side
 * has, and a window, so that none fills memory or holds up another. One thread, that of its loop. */
#ifndef WORKER_TUNNEL_H
#define WORKER_TUNNEL_H

#include "base/err.h"
#include "base/loop.h"
#include "wire/frame.h"

#include <stddef.h>
#include <stdint.h>

typedef struct mpl_tunnel mpl_tunnel_t;

/* Sends a frame of a stream (wire/frame.h) to the other side. */
typedef void (*mpl_tunnel_fn) (void *arg, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len);

/* NULL: ENOMEM. */
mpl_tunnel_t *mpl__tunnel_new (mpl_loop_t *loop, mpl_tunnel_fn send, void *arg);
void mpl__tunnel_destroy (mpl_tunnel_t **self);

/* Opens a port of the loopback for connections to one of `endpoints` (tcp://A:P, separated by spaces) on the other
 * side; its own endpoint is written to `endpoint`. 0, or -1 with *err. */
int mpl__tunnel_listen (mpl_tunnel_t *self, const char *endpoints, char *endpoint, size_t size, mpl_err_t *err);

/* Closes that port; connections that were made stay. */
void mpl__tunnel_close (mpl_tunnel_t *self, const char *endpoint);

/* A frame of a stream has come. */
void mpl__tunnel_heard (mpl_tunnel_t *self, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len);

#endif
