/* connect.h - a worker's socket to its broker: on main's host through a descriptor, from another one over TCP with
 * CURVE, with an eye on whether the connection holds. The socket is the caller's. */
#ifndef WORKER_CONNECT_H
#define WORKER_CONNECT_H

#include "base/err.h"
#include "worker/serve.h"

/* On one host. NULL with *err. */
void *mpl__connect_here (void *context, int endpoint_fd, mpl_err_t *err);

/* From another host: tries main's addresses, and waits until main has let us in, 20 s at most. *monitor becomes a
 * socket that can be read when the connection is lost; it does not come back. NULL with *err: EHOSTUNREACH, EACCES
 * (main knows no such key), ETIMEDOUT. */
void *mpl__connect_abroad (void *context, const mpl_abroad_t *spec, void **monitor, mpl_err_t *err);

/* 1: what can be read from the monitor says that the connection is lost. */
int mpl__connect_is_lost (void *monitor);

#endif
