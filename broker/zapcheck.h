/* zapcheck.h - whether the security of sockets for other hosts holds, tried before one of them listens: CURVE without a
 * handler, or with one that is not asked, lets every key in, and says nothing. It owns three clients for as long as
 * it takes, some ms. */
#ifndef BROKER_ZAPCHECK_H
#define BROKER_ZAPCHECK_H

#include "broker/zap.h"

#define MPL__ZAPCHECK_MS 5000           /* for all to be answered, on a machine that is very busy */

/* `server` is a bound ROUTER with the key and the settings that are to be tried, and with a domain of its own, in which
 * nobody is; `endpoint` is where it can be reached. A client with a key that `zap` admits must be let in, as who it is,
 * one with any other key must be refused, and so must one without CURVE. 0, or -1 with *err: EACCES (a stranger is
 * in), ECONNREFUSED (the first one is not), ETIMEDOUT, or libzmq's. */
int mpl__zapcheck (void *context, mpl_zap_t *zap, void *server, const char *endpoint, const char *domain,
                   const char *server_key, mpl_err_t *err);

/* Gives a new ROUTER all settings of a door in a domain, and says the public half of its key. 0, or -1 with errno. */
typedef int mpl_door_settings_fn (void *arg, void *socket, const char *domain, char public_key[MPL__KEY_TEXT]);

/* Tries settings on a door of which nobody knows: on no network, in a domain that is used for nothing else. As
 * mpl__zapcheck. */
int mpl__zapcheck_settings (void *context, mpl_zap_t *zap, mpl_door_settings_fn *set, void *arg, mpl_err_t *err);

#endif
