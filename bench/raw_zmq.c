/* raw_zmq - what libzmq itself does between two processes: raw_zmq [-r REPETITIONS] echo|stream [BYTES [COUNT]]
 *
 * A ROUTER in one process, a DEALER in the other, over ipc, blocking receives: what the pool does, without the pool.
 * echo: one message at a time; prints "zmq-median" and "zmq-p99" in microseconds.
 * stream: COUNT messages sent, then as many received; prints "zmq-rate" in messages/s and "zmq-bytes" in MB/s one way. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

enum { LIMIT_MS = 20000 };              /* no message takes that long unless the other process is gone */

typedef struct {
    void *socket;
    zmq_msg_t peer;                     /* the address that goes before each message */
    size_t size, n;
} echo_t;

static double now (void)
{
    struct timespec t;

    clock_gettime (CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static int by_value (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

static void need (int ok, const char *what)
{
    if (ok)
        return;
    fprintf (stderr, "raw_zmq: %s: %s\n", what, zmq_strerror (zmq_errno ()));
    exit (1);
}

/* Our own limit of messages waiting is none: a limit that is reached would be measured instead. */
static void *open_socket (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    int none = 0, limit_ms = LIMIT_MS, linger_ms = 0;

    need (socket != NULL, "zmq_socket");
    zmq_setsockopt (socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    zmq_setsockopt (socket, ZMQ_SNDTIMEO, &limit_ms, sizeof limit_ms);
    zmq_setsockopt (socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    return socket;
}

/* The other process: says hello and sends back what it gets until an empty message or nothing comes. */
static void answer (const char *endpoint)
{
    void *context = zmq_ctx_new (), *socket = open_socket (context, ZMQ_DEALER);
    zmq_msg_t message;

    need (zmq_connect (socket, endpoint) == 0, "zmq_connect");
    need (zmq_send (socket, "hello", 5, 0) == 5, "hello");
    zmq_msg_init (&message);
    while (zmq_msg_recv (&message, socket, 0) > 0)
        need (zmq_msg_send (&message, socket, 0) >= 0, "zmq_msg_send");
    zmq_msg_close (&message);
    zmq_close (socket);
    zmq_ctx_term (context);
    exit (0);
}

static void give (echo_t *self, const char *data)
{
    zmq_msg_t address, message;

    zmq_msg_init (&address);
    zmq_msg_copy (&address, &self->peer);
    need (zmq_msg_init_size (&message, self->size) == 0, "zmq_msg_init_size");
    memcpy (zmq_msg_data (&message), data, self->size);
    need (zmq_msg_send (&address, self->socket, ZMQ_SNDMORE) >= 0, "zmq_msg_send");
    need (zmq_msg_send (&message, self->socket, 0) >= 0, "zmq_msg_send");
}

static void take (echo_t *self, char *data)
{
    zmq_msg_t message;

    zmq_msg_init (&message);
    need (zmq_msg_recv (&message, self->socket, 0) >= 0, "zmq_msg_recv");       /* the address */
    need (zmq_msg_recv (&message, self->socket, 0) >= 0, "zmq_msg_recv");
    need (zmq_msg_size (&message) == self->size, "a message of another size");
    memcpy (data, zmq_msg_data (&message), self->size);
    zmq_msg_close (&message);
}

static void echo (echo_t *self, char *data)
{
    double *took = calloc (self->n, sizeof *took);

    need (took != NULL, "calloc");
    for (size_t i = 0; i < self->n; i++) {
        double began_at = now ();
        give (self, data);
        take (self, data);
        took[i] = 1e6 * (now () - began_at);
    }
    qsort (took, self->n, sizeof *took, by_value);
    printf ("zmq-median %.9g us\nzmq-p99 %.9g us\n", took[self->n / 2], took[self->n * 99 / 100]);
    free (took);
}

static void stream (echo_t *self, char *data)
{
    double began_at = now (), took;

    for (size_t i = 0; i < self->n; i++)
        give (self, data);
    for (size_t i = 0; i < self->n; i++)
        take (self, data);
    took = now () - began_at;
    printf ("zmq-rate %.9g messages/s\n", (double) self->n / took);
    printf ("zmq-bytes %.9g MB/s\n", 1e-6 * (double) (self->n * self->size) / took);
}

static void greet (echo_t *self)
{
    char hello[8];

    zmq_msg_init (&self->peer);
    need (zmq_msg_recv (&self->peer, self->socket, 0) >= 0, "the other process is silent");
    need (zmq_recv (self->socket, hello, sizeof hello, 0) == 5, "hello");
}

static void part (echo_t *self, pid_t child)
{
    self->size = 0;
    give (self, "");
    waitpid (child, NULL, 0);           /* at most LIMIT_MS: it ends when nothing comes */
    zmq_msg_close (&self->peer);
    zmq_close (self->socket);
}

static int usage (void)
{
    fprintf (stderr, "usage: raw_zmq [-r REPETITIONS] echo|stream [BYTES [COUNT]]\n");
    return 2;
}

int main (int argc, char **argv)
{
    char folder[] = "/tmp/raw_zmq-XXXXXX", endpoint[64];
    long n_repetitions = 3, size = 8, n = 20000;
    int is_stream;

    for (int option; (option = getopt (argc, argv, "r:")) != -1;) {
        if (option != 'r' || (n_repetitions = atol (optarg)) < 1)
            return usage ();
    }
    if (optind == argc || argc - optind > 3)
        return usage ();
    is_stream = strcmp (argv[optind], "stream") == 0;
    if ((!is_stream && strcmp (argv[optind], "echo") != 0) || (argc > optind + 1 && (size = atol (argv[optind + 1])) < 1)
        || (argc > optind + 2 && (n = atol (argv[optind + 2])) < 1))
        return usage ();

    need (mkdtemp (folder) != NULL, folder);
    snprintf (endpoint, sizeof endpoint, "ipc://%s/s", folder);
    pid_t child = fork ();              /* before there is a context: it would not outlive the fork */
    need (child >= 0, "fork");
    if (child == 0)
        answer (endpoint);

    void *context = zmq_ctx_new ();
    echo_t self = { .socket = open_socket (context, ZMQ_ROUTER), .size = (size_t) size, .n = (size_t) n };
    char *data = calloc (1, (size_t) size);
    need (data != NULL && zmq_bind (self.socket, endpoint) == 0, "zmq_bind");
    greet (&self);
    unlink (strchr (endpoint, '/') + 2);        /* they are connected: so nothing is left, however this ends */
    rmdir (folder);
    for (int i = 0; i < 1000 && size < 4096; i++) {
        give (&self, data);
        take (&self, data);
    }
    while (n_repetitions-- > 0)
        (is_stream ? stream : echo) (&self, data);
    part (&self, child);
    zmq_ctx_term (context);
    free (data);
    return 0;
}
