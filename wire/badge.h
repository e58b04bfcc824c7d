/* badge.h - the certificate files of mpbroker: one that is the broker's own, with its secret key, and one that hosts
 * and launches show, with the key pair they all share, the broker's public key, and where it is. They are lines "word
 * value", with # before a comment, and nobody but their owner may read them: so no secret is on a command line or in
 * an environment. */
#ifndef WIRE_BADGE_H
#define WIRE_BADGE_H

#include "base/err.h"

#define MPL__BADGE_KEY 41               /* bytes of a CURVE key in Z85, the NUL included */
#define MPL__BADGE_ADDRESS 80           /* of tcp://A:P */
#define MPL__BADGE_ADDRESSES 16
#define MPL__BADGE_MAX 8192u            /* bytes of a file */

typedef struct {
    char broker_public[MPL__BADGE_KEY];
    char broker_secret[MPL__BADGE_KEY]; /* empty in the one that is shown */
    char public_key[MPL__BADGE_KEY], secret_key[MPL__BADGE_KEY];        /* of those who show it */
    int port;                           /* the broker's; 0: not said, as in the one that is shown */
    char addresses[MPL__BADGE_ADDRESSES][MPL__BADGE_ADDRESS];
    int n_addresses;
} mpl_badge_t;

/* The text of it, at most MPL__BADGE_MAX bytes with its NUL; its length. */
size_t mpl__badge_print (const mpl_badge_t *badge, char text[MPL__BADGE_MAX]);

/* Any len bytes; `name` is shown in errors. 0, or -1 with *err: EINVAL. */
int mpl__badge_parse (mpl_badge_t *badge, const char *name, const char *text, size_t len, mpl_err_t *err);

/* Reads a file that nobody but its owner, we, may read. 0, or -1 with *err: EINVAL, EPERM (others may), or open's. */
int mpl__badge_read (mpl_badge_t *badge, const char *path, mpl_err_t *err);

/* Writes it with mode 0600, whole or not at all; with `is_new` it must not be there yet (EEXIST). 0, or -1 with *err. */
int mpl__badge_write (const mpl_badge_t *badge, const char *path, int is_new, mpl_err_t *err);

/* Forgets the keys in memory. */
void mpl__badge_clear (mpl_badge_t *badge);

#endif
