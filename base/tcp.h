/* tcp.h - TCP by endpoints as ZeroMQ writes them: tcp://ADDRESS:PORT, addresses by number, IPv6 in brackets. Nothing
 * blocks. */
#ifndef BASE_TCP_H
#define BASE_TCP_H

#include <stddef.h>

#define MPL__ENDPOINT_TEXT 128          /* bytes of one, the NUL included */

/* The next endpoint of a text with several, separated by spaces, into `endpoint`; moves *text behind it. 0: there is
 * none. One that is too long is left out. */
int mpl__tcp_next (const char **text, char endpoint[MPL__ENDPOINT_TEXT]);

/* A non-blocking socket that is being connected there; the caller's. -1 with errno (EINVAL: it is no endpoint). */
int mpl__tcp_begin (const char *endpoint);

/* Whether a socket that was being connected is: 0, or an errno value. */
int mpl__tcp_outcome (int fd);

/* Listens on an address (IPv6 in brackets) at the first free port of first to last (0, 0: any), and writes what that
 * is called. A non-blocking socket, the caller's; -1 with errno (EADDRINUSE: none is free). */
int mpl__tcp_listen (const char *address, int first, int last, char endpoint[MPL__ENDPOINT_TEXT]);

#endif
