/* garbage - calls at the door of a pool as strangers do: garbage PORT-TEXT SERVER-KEY COUNT [SEED]
 *
 * The first is tcp://A:P of IPv4. COUNT connections, of each kind in turn: random bytes, half a greeting, greetings
 * of ZMTP 1, 2 and 3 with NULL, PLAIN and CURVE and what may follow them, frames that say they are endless, silence,
 * and real clients of libzmq without a key and with the right server's key but a key of their own that nobody knows.
 * Up to 100 at a time stay open. Prints how many there were and how many were let in; 0 when none was. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

#define OPEN_MAX_AT_ONCE 100
#define BYTES_MAX 4096
#define ANSWER_MS 500
#define CLIENTS 50                      /* of libzmq, at a time */
#define CLIENTS_MS 300                  /* for them to be let in, if they are */

enum {
    NOTHING, RANDOM, HALF_GREETING, NULL_READY, PLAIN_HELLO, CURVE_HELLO, CURVE_INITIATE, ENDLESS_FRAME, OLD_GREETING, OLDEST, SILENCE,
    N_KINDS
};

static uint64_t dice;

static uint8_t random_byte (void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (uint8_t) (dice >> 32);
}

static size_t put (uint8_t *to, const void *bytes, size_t len)
{
    memcpy (to, bytes, len);
    return len;
}

static size_t put_random (uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = random_byte ();
    return len;
}

/* ZMTP 3: a signature, the version, the mechanism, who is server, zeros; 64 bytes. */
static size_t put_greeting (uint8_t *to, const char *mechanism)
{
    memset (to, 0, 64);
    to[0] = 0xff;
    to[8] = 1;
    to[9] = 0x7f;
    to[10] = 3;
    to[11] = random_byte () & 1;
    memcpy (to + 12, mechanism, strlen (mechanism));
    return 64;
}

/* A command or a message: flags, length, body. */
static size_t put_frame (uint8_t *to, uint8_t flags, const void *body, size_t len)
{
    to[0] = flags;
    to[1] = (uint8_t) len;
    memcpy (to + 2, body, len);
    return 2 + len;
}

static size_t make (int kind, uint8_t *to)
{
    static const char ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
    static const char plain[] = "\5HELLO\5admin\6secret";
    uint8_t body[256] = { 0 };
    size_t len = 0;

    switch (kind) {
    case RANDOM:
        return put_random (to, 1 + (size_t) random_byte () * 16);
    case HALF_GREETING:
        put_greeting (to, "CURVE");
        return 1 + random_byte () % 63;
    case NULL_READY:
        len = put_greeting (to, "NULL");
        len += put_frame (to + len, 4, ready, sizeof ready);
        return len + put_frame (to + len, 0, "hello", 5);
    case PLAIN_HELLO:
        len = put_greeting (to, "PLAIN");
        return len + put_frame (to + len, 4, plain, sizeof plain - 1);
    case CURVE_HELLO: case CURVE_INITIATE:
        len = put_greeting (to, "CURVE");
        put_random (body, sizeof body);
        memcpy (body, kind == CURVE_HELLO ? "\5HELLO\1\0" : "\10INITIATE", kind == CURVE_HELLO ? 8 : 9);
        len += put_frame (to + len, 4, body, kind == CURVE_HELLO ? 200 : 255);
        return len + put_random (to + len, random_byte ());
    case ENDLESS_FRAME:
        len = put_greeting (to, "CURVE");
        len += put (to + len, "\6\177\377\377\377\377\377\377\377", 9);
        return len + put_random (to + len, 1000);
    case OLD_GREETING:                  /* ZMTP 2: the signature, the version, a socket's type, an identity; and a message */
        return put (to, "\377\0\0\0\0\0\0\0\1\177\1\5\0\0\0\5hello", 21);
    case OLDEST:                        /* ZMTP 1: an identity and a message at once */
        return put (to, "\1\0\6\0hello", 9);
    default:
        return 0;
    }
}

static int call (const struct sockaddr_in *address)
{
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = { .tv_sec = 5 };

    setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd >= 0 && connect (fd, (const void *) address, sizeof *address) < 0) {
        perror ("garbage: connect");
        exit (2);
    }
    return fd;
}

/* What the door said is its greeting at most, unless it took the caller for one of its own. Most are turned away at
 * once; those that might not be are waited for. */
static int was_let_in (int fd, int kind)
{
    uint8_t bytes[BYTES_MAX];
    size_t len = 0;
    int limit = kind == NULL_READY || kind == PLAIN_HELLO ? ANSWER_MS : 0;

    while (len < sizeof bytes && poll (&(struct pollfd) { .fd = fd, .events = POLLIN }, 1, limit) == 1) {
        ssize_t got = recv (fd, bytes + len, sizeof bytes - len, MSG_DONTWAIT);
        if (got <= 0)
            break;
        len += (size_t) got;
        if (memmem (bytes, len, "READY", 5) || memmem (bytes, len, "WELCOME", 7))
            return 1;
    }
    return 0;
}

static size_t call_raw (const struct sockaddr_in *address, size_t count)
{
    int open[OPEN_MAX_AT_ONCE];
    uint8_t bytes[BYTES_MAX];
    size_t n_in = 0;

    memset (open, -1, sizeof open);
    for (size_t i = 0; i < count + OPEN_MAX_AT_ONCE; i++) {
        int *fd = &open[i % OPEN_MAX_AT_ONCE];
        if (*fd >= 0) {
            n_in += (size_t) was_let_in (*fd, (int) ((i - OPEN_MAX_AT_ONCE) % N_KINDS));
            close (*fd);
            *fd = -1;
        }
        if (i >= count)
            continue;
        *fd = call (address);
        size_t len = make ((int) (i % N_KINDS), bytes);
        if (len)
            send (*fd, bytes, len, MSG_NOSIGNAL);
        if (i % N_KINDS == NOTHING) {
            close (*fd);
            *fd = -1;
        }
    }
    return n_in;
}

/* With ZMQ_IMMEDIATE a client can write when it was let in, not before. */
static void *new_client (void *context, const char *endpoint, const char *server_key, int has_key)
{
    char key[41], secret[41];
    int zero = 0, one = 1, never = -1;
    void *socket = zmq_socket (context, ZMQ_DEALER);

    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (socket, ZMQ_IMMEDIATE, &one, sizeof one);
    zmq_setsockopt (socket, ZMQ_RECONNECT_IVL, &never, sizeof never);
    if (has_key) {
        zmq_curve_keypair (key, secret);
        zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, server_key, 41);
        zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, key, 41);
        zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, secret, 41);
    }
    zmq_connect (socket, endpoint);
    return socket;
}

static size_t call_as_clients (const char *endpoint, const char *server_key, size_t count)
{
    void *context = zmq_ctx_new ();
    size_t n_in = 0;

    for (size_t done = 0; done < count; done += CLIENTS) {
        zmq_pollitem_t items[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
            items[i] = (zmq_pollitem_t) { .socket = new_client (context, endpoint, server_key, i % 4), .events = ZMQ_POLLOUT };
        if (zmq_poll (items, CLIENTS, CLIENTS_MS) > 0) {
            poll (NULL, 0, CLIENTS_MS);         /* the first of several, maybe */
            zmq_poll (items, CLIENTS, 0);
            for (int i = 0; i < CLIENTS; i++)
                n_in += items[i].revents != 0;
        }
        for (int i = 0; i < CLIENTS; i++)
            zmq_close (items[i].socket);
    }
    zmq_ctx_term (context);
    return n_in;
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    char host[64] = "";

    if (argc < 4 || strncmp (argv[1], "tcp://", 6) || strlen (argv[2]) != 40) {
        fprintf (stderr, "garbage tcp://A:P SERVER-KEY COUNT [SEED]\n");
        return 2;
    }
    snprintf (host, sizeof host, "%.*s", (int) strcspn (argv[1] + 6, ":"), argv[1] + 6);
    address.sin_port = htons ((uint16_t) atoi (argv[1] + 6 + strlen (host) + 1));
    if (inet_pton (AF_INET, host, &address.sin_addr) != 1)
        return 2;
    size_t count = strtoul (argv[3], NULL, 10), as_clients = count / 10;
    dice = argc > 4 ? strtoull (argv[4], NULL, 10) + 1 : (uint64_t) getpid ();
    printf ("seed %llu\n", (unsigned long long) dice - 1);
    size_t n_in = call_raw (&address, count - as_clients);
    n_in += call_as_clients (argv[1], argv[2], as_clients);
    printf ("%zu connections, %zu let in\n", count, n_in);
    return n_in > 0;
}
