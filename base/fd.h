/* fd.h - descriptors: closing them once, and messages with descriptors over unix sockets. Any thread; keeps no state. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

#define MPL__FDS_MAX 4          /* descriptors that travel with one message: a pool's channel, endpoint, page and arena */

/* Closes *fd when it is one and makes it -1; keeps errno. */
void mpl__fd_close (int *fd);

/* Closes n of them. */
void mpl__fd_close_all (int *fds, size_t n);

/* Opens /dev/null as whichever of standard input, output and error are closed, so that no descriptor of ours takes their
 * place and is written to. 0, or -1 with errno. */
int mpl__fd_fill_standard (void);

/* Makes fd survive exec, or not. 0, or -1 with errno. */
int mpl__fd_inherit (int fd, int inherit);

/* Whether n descriptors more could be opened now. */
int mpl__fd_can_open (size_t n);

/* One message of len bytes with n_fds descriptors over a SOCK_SEQPACKET socket, whole or not at all. Blocks only when
 * the socket does. 0, or -1 with errno (EPIPE: the peer is gone; no SIGPIPE). */
int mpl__fd_send (int sock, const void *data, size_t len, const int *fds, size_t n_fds);

/* Receives one message of at most size bytes. Its descriptors go to fds (room for MPL__FDS_MAX, close-on-exec, the
 * caller's; the rest -1). Bytes received, 0 at the end, -1 with errno (EAGAIN; EMSGSIZE: it was longer, and is gone). */
ssize_t mpl__fd_recv (int sock, void *data, size_t size, int fds[MPL__FDS_MAX]);

/* Writes all of it to a blocking descriptor. 0, or -1 with errno. */
int mpl__fd_write_all (int fd, const void *data, size_t len);

/* Moves n descriptors to first, first + 1, ... and closes every other from `first` on. 0, or -1 with errno. */
int mpl__fd_keep_only (int *fds, size_t n, int first);

#endif
