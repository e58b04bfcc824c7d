/* addresses.h - the addresses of this machine that others may be able to reach. */
#ifndef BASE_ADDRESSES_H
#define BASE_ADDRESSES_H

#include "base/err.h"

#include <stddef.h>

#define MPL__ADDRESS_TEXT 48            /* bytes of one, the NUL included */
#define MPL__ADDRESSES_MAX 16           /* more than that are not told to others */

/* Those of an interface, or of all but the loopback one when `interface` is NULL or empty; the loopback's if there is
 * no other. IPv4 first; IPv6 in brackets, and none that counts on one link alone. How many were written; -1 with
 * *err: ENODEV (there is no such interface, or it has no address), or getifaddrs's. */
int mpl__addresses (const char *interface, char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT], mpl_err_t *err);

#endif
