#include "base/tcp.h"
#include "base/fd.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64

int mpl__tcp_next (const char **text, char endpoint[MPL__ENDPOINT_TEXT])
{
    while (*(*text += strspn (*text, " "))) {
        size_t len = strcspn (*text, " ");
        const char *at = *text;
        *text += len;
        if (len >= MPL__ENDPOINT_TEXT)
            continue;
        memcpy (endpoint, at, len);
        endpoint[len] = '\0';
        return 1;
    }
    return 0;
}

/* "tcp://[::1]:80" or "[::1]:80" as a socket has it. NULL: it is none. To be freed. */
static struct addrinfo *look_up (const char *endpoint)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    struct addrinfo *address = NULL;
    char host[MPL__ENDPOINT_TEXT];

    snprintf (host, sizeof host, "%s", endpoint + (strncmp (endpoint, "tcp://", 6) ? 0 : 6));
    char *port = strrchr (host, ':'), *name = host + (*host == '[');
    if (port) {
        *port++ = '\0';
        name[strcspn (name, "]")] = '\0';
    }
    if (!port || getaddrinfo (name, port, &hints, &address)) {
        errno = EINVAL;
        return NULL;
    }
    return address;
}

int mpl__tcp_begin (const char *endpoint)
{
    struct addrinfo *address = look_up (endpoint);

    if (!address)
        return -1;
    int fd = socket (address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect (fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
        mpl__fd_close (&fd);
    freeaddrinfo (address);
    return fd;
}

int mpl__tcp_outcome (int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    return getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

static int port_of (int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t size = sizeof address;

    getsockname (fd, &address.any, &size);
    return ntohs (address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

int mpl__tcp_listen (const char *address, int first, int last, char endpoint[MPL__ENDPOINT_TEXT])
{
    int fd = -1, one = 1;

    errno = EADDRINUSE;
    for (int port = first; fd < 0 && port <= last; port++) {
        snprintf (endpoint, MPL__ENDPOINT_TEXT, "tcp://%s:%d", address, port);
        struct addrinfo *where = look_up (endpoint);
        if (!where || (fd = socket (where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
            port = last;                /* another port would be no better */
        else if (setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0
                 || bind (fd, where->ai_addr, where->ai_addrlen) < 0 || listen (fd, BACKLOG) < 0)
            mpl__fd_close (&fd);
        if (where)
            freeaddrinfo (where);
    }
    if (fd >= 0)
        snprintf (endpoint, MPL__ENDPOINT_TEXT, "tcp://%s:%d", address, port_of (fd));
    return fd;
}
