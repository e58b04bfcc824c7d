/* zap.h - who may connect: the handler that libzmq asks about every connection to a socket with CURVE and a domain
 * (ZeroMQ RFC 27). It admits the public keys it was given for that domain, and no other key, mechanism or domain. A
 * thread of its own answers, so that a host can be let in while the program computes. One for a ZeroMQ context; any
 * thread may call. */
#ifndef BROKER_ZAP_H
#define BROKER_ZAP_H

#include "base/err.h"

#define MPL__KEY_TEXT 41                /* a CURVE key in Z85 and its NUL */
#define MPL__ZAP_USER 24                /* bytes of a user's name, and of a domain, the NUL included */
#define MPL__ZAP_KEYS_MAX 65536         /* of all domains: a key for each nursery of each host and pool */

typedef struct mpl_zap mpl_zap_t;

/* Starts to answer for a context. NULL with *err: EADDRINUSE (the context has one), EAGAIN, ENOMEM. */
mpl_zap_t *mpl__zap_new (void *context, mpl_err_t *err);

/* Ends the thread. Sockets with a domain let nobody in from then on. To be called before the context is ended. */
void mpl__zap_destroy (mpl_zap_t **self);

/* Whoever has that key may connect to that domain; `user` becomes the property User-Id of what it sends. 0; -1 with
 * errno: EINVAL (no key), ENOBUFS (too many), ENOMEM. */
int mpl__zap_admit (mpl_zap_t *self, const char *domain, const char *key, const char *user);

/* The keys of that user (NULL: of all) count no more for who is not connected already. */
void mpl__zap_forget (mpl_zap_t *self, const char *domain, const char *user);

#endif
