#include "worker/probe.h"
#include "base/addresses.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOKEN_TEXT 33                   /* 128 bits in hexadecimal, and a NUL */

enum { PROGRAM, LISTENS, CONNECTS };

typedef struct {
    mpl_probe_t *probe;
    int fd;
    mpl_source_t *source;
} port_t;

/* One attempt at one address of another host. */
typedef struct attempt {
    struct attempt *next;
    mpl_probe_t *probe;
    uint64_t node, until;
    char endpoint[MPL__ENDPOINT_TEXT], token[TOKEN_TEXT], came[TOKEN_TEXT];
    size_t n_came;
    int fd;
    mpl_source_t *source;
} attempt_t;

struct mpl_probe {
    mpl_loop_t *loop;
    void (*say) (void *arg, const mpl_control_t *message);
    void *arg;
    char token[TOKEN_TEXT];
    port_t ports[MPL__ADDRESSES_MAX];
    int n_ports;
    attempt_t *attempts;
};

static void tell (mpl_probe_t *self, uint64_t n, uint64_t node, int error, const char *text)
{
    mpl_control_t message = { .type = MPL__C_CHECKED, .n = n, .node = node, .status = (uint64_t) error };

    snprintf (message.text, sizeof message.text, "%.*s", (int) sizeof message.text - 1, text);
    self->say (self->arg, &message);
}

/* ---- the program ----------------------------------------------------------------------------------------------- */

static void look_for_programs (mpl_probe_t *self, const mpl_order_t *order, mpl_ranks_t *ranks)
{
    mpl_err_t err = { 0 };

    if (!order->n_apps && mpl__ranks_find_folder (ranks, &err) < 0)
        tell (self, PROGRAM, 0, err.code, err.text);
    for (size_t i = 0; i < order->n_apps; i++) {
        const char *path = NULL;
        int rc = mpl__ranks_find (ranks, i, &path, &err);
        tell (self, PROGRAM, 0, rc < 0 ? err.code : 0, rc < 0 ? err.text : path);
    }
}

/* ---- to here --------------------------------------------------------------------------------------------------- */

static void answer (void *arg, uint32_t events)
{
    port_t *port = arg;
    int fd = accept4 (port->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void) events;
    if (fd >= 0)
        (void) !send (fd, port->probe->token, TOKEN_TEXT - 1, MSG_NOSIGNAL);
    mpl__fd_close (&fd);
}

static void listen_everywhere (mpl_probe_t *self, const mpl_order_t *order)
{
    char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT], endpoint[MPL__ENDPOINT_TEXT], text[MPL__CONTROL_TEXT];
    mpl_err_t err;
    int n = mpl__addresses (order->interface, addresses, &err);

    snprintf (text, sizeof text, "%s", self->token);
    for (int i = 0; i < n; i++) {
        port_t *port = &self->ports[self->n_ports];
        *port = (port_t) { .probe = self, .fd = mpl__tcp_listen (addresses[i], (int) order->port_first, (int) order->port_last,
                                                                 endpoint) };
        if (port->fd < 0)
            continue;
        port->source = mpl__loop_add (self->loop, port->fd, EPOLLIN, answer, port);
        self->n_ports++;
        if (strlen (text) + strlen (endpoint) + 2 < sizeof text)
            snprintf (text + strlen (text), sizeof text - strlen (text), " %s", endpoint);
    }
    if (!self->n_ports && n >= 0)
        mpl__err (&err, errno, "none of the ports %d-%d can be opened: %s", (int) order->port_first, (int) order->port_last,
                  strerror (errno));
    tell (self, LISTENS, 0, self->n_ports ? 0 : err.code, self->n_ports ? text : err.text);
}

/* ---- from here ------------------------------------------------------------------------------------------------- */

static void drop (attempt_t *attempt)
{
    mpl_probe_t *self = attempt->probe;

    for (attempt_t **at = &self->attempts; *at; at = &(*at)->next)
        if (*at == attempt) {
            *at = attempt->next;
            break;
        }
    mpl__loop_remove (self->loop, &attempt->source);
    mpl__fd_close (&attempt->fd);
    free (attempt);
}

static int n_left (const mpl_probe_t *self, uint64_t node)
{
    int n = 0;

    for (const attempt_t *at = self->attempts; at; at = at->next)
        n += at->node == node;
    return n;
}

/* One address that answers is enough; when the last has failed, that is the outcome. */
static void has_ended (attempt_t *attempt, int error)
{
    mpl_probe_t *self = attempt->probe;
    uint64_t node = attempt->node;
    char text[MPL__ENDPOINT_TEXT + 128];

    snprintf (text, sizeof text, "%s%s%s", attempt->endpoint, error ? ": " : "", error ? strerror (error) : "");
    drop (attempt);
    if (error && n_left (self, node))
        return;
    for (attempt_t *at = self->attempts, *next; at; at = next) {
        next = at->next;
        if (at->node == node)
            drop (at);
    }
    tell (self, CONNECTS, node, error, text);
}

static void goes_on (void *arg, uint32_t events)
{
    attempt_t *attempt = arg;
    int error = mpl__tcp_outcome (attempt->fd);

    (void) events;
    if (error) {
        has_ended (attempt, error);
        return;
    }
    mpl__loop_want (attempt->probe->loop, attempt->source, EPOLLIN);
    ssize_t len = read (attempt->fd, attempt->came + attempt->n_came, TOKEN_TEXT - 1 - attempt->n_came);
    if (len < 0 && errno == EAGAIN)
        return;
    attempt->n_came += len > 0 ? (size_t) len : 0;
    if (attempt->n_came == TOKEN_TEXT - 1)
        has_ended (attempt, memcmp (attempt->came, attempt->token, TOKEN_TEXT - 1) ? EPROTO : 0);
    else if (len <= 0)
        has_ended (attempt, len < 0 ? errno : EPROTO);
}

void mpl__probe_heard (mpl_probe_t *self, const mpl_control_t *message)
{
    const char *text = message->text;
    char token[MPL__ENDPOINT_TEXT], endpoint[MPL__ENDPOINT_TEXT];
    int n_begun = 0, error = EINVAL;

    if (!mpl__tcp_next (&text, token) || strlen (token) != TOKEN_TEXT - 1)
        return;
    while (mpl__tcp_next (&text, endpoint)) {
        attempt_t *attempt = calloc (1, sizeof *attempt);
        if (!attempt)
            break;
        *attempt = (attempt_t) { .next = self->attempts, .probe = self, .node = message->node,
                                 .until = mpl__clock_ns () + MPL__PROBE_LIMIT_NS, .fd = mpl__tcp_begin (endpoint) };
        error = errno;
        if (attempt->fd >= 0)
            attempt->source = mpl__loop_add (self->loop, attempt->fd, EPOLLOUT, goes_on, attempt);
        snprintf (attempt->endpoint, sizeof attempt->endpoint, "%s", endpoint);
        memcpy (attempt->token, token, TOKEN_TEXT);
        self->attempts = attempt;
        n_begun += attempt->source != NULL;
        if (!attempt->source)
            drop (attempt);
    }
    if (!n_begun)
        tell (self, CONNECTS, message->node, error, strerror (error));
}

/* ---- time, beginning and end ----------------------------------------------------------------------------------- */

uint64_t mpl__probe_tick (mpl_probe_t *self, uint64_t now)
{
    uint64_t due = MPL__NEVER;

    for (attempt_t *at = self->attempts; at;) {
        if (now >= at->until) {
            has_ended (at, ETIMEDOUT);
            at = self->attempts;        /* others may have gone with it */
            due = MPL__NEVER;
            continue;
        }
        due = at->until < due ? at->until : due;
        at = at->next;
    }
    return due;
}

mpl_probe_t *mpl__probe_new (mpl_loop_t *loop, const mpl_order_t *order, mpl_ranks_t *ranks,
                             void (*say) (void *arg, const mpl_control_t *message), void *arg)
{
    mpl_probe_t *self = calloc (1, sizeof *self);
    uint8_t random[(TOKEN_TEXT - 1) / 2] = { 0 };

    if (!self)
        return NULL;
    *self = (mpl_probe_t) { .loop = loop, .say = say, .arg = arg };
    if (getrandom (random, sizeof random, 0) < 0)
        random[0] = (uint8_t) getpid ();
    for (size_t i = 0; i < sizeof random; i++)
        snprintf (self->token + 2 * i, 3, "%02x", random[i]);
    look_for_programs (self, order, ranks);
    listen_everywhere (self, order);
    return self;
}

void mpl__probe_destroy (mpl_probe_t **self_p)
{
    mpl_probe_t *self = *self_p;

    if (!self)
        return;
    while (self->attempts)
        drop (self->attempts);
    for (int i = 0; i < self->n_ports; i++) {
        mpl__loop_remove (self->loop, &self->ports[i].source);
        mpl__fd_close (&self->ports[i].fd);
    }
    free (self);
    *self_p = NULL;
}
