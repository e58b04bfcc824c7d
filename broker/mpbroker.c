/* mpbroker - lends the slots of hosts that join it to launches that attach to it, and carries the streams between
 * them. This is the rim around board.h: a ROUTER with CURVE, the certificate files, signals, and the lines it prints. */
#include "broker/board.h"
#include "broker/zapcheck.h"
#include "base/addresses.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/files.h"
#include "wire/badge.h"
#include "wire/bytes.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#ifndef VERSION
#define VERSION "0.1.0"
#endif

/* Of libzmq since 4.3.0, but among the options that its header has not declared stable. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define USAGE 2
#define FAILED 125
#define BACKLOG 4096                    /* who comes at the same moment as all others is not refused by the kernel */
#define BATCH 20000                     /* messages in a row before the time is looked at */

static const char usage[] =
    "usage: mpbroker --cert FILE [--port N] [--interface NAME] [-v]\n"
    "\n"
    "mpbroker lends hosts to launches. Hosts join it (mpworker --join FILE.client) and launches attach to it\n"
    "(mplaunch --attach FILE.client ...).\n"
    "\n"
    "  --cert FILE       its certificate, made at the first start, and beside it FILE.client, which hosts and launches\n"
    "                    need; both are readable by you alone\n"
    "  --port N          the port; default: the one in FILE, or any that is free at the first start\n"
    "  --interface NAME  listen at this network alone; default: at all\n"
    "  -v, --verbose     tell of each host and launch on standard error\n"
    "  --help, --version\n"
    "\n"
    "See mpbroker(1).\n";

typedef struct {
    const char *cert, *interface;
    int port;
    int is_verbose;
} options_t;

typedef struct {
    const options_t *options;
    mpl_badge_t badge;
    void *context, *socket;
    mpl_zap_t *zap;
    mpl_the_board_t *board;
    int signals;
} broker_t;

/* ---- command line ---------------------------------------------------------------------------------------------- */

static int bad (const char *what)
{
    fprintf (stderr, "mpbroker: %s; see mpbroker --help\n", what);
    return USAGE;
}

/* -1: go on; else the exit code. */
static int parse (int argc, char **argv, options_t *options)
{
    static const struct option names[] = {
        { "cert", required_argument, NULL, 'c' }, { "port", required_argument, NULL, 'p' },
        { "interface", required_argument, NULL, 'i' }, { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 }
    };
    char *end;

    for (int c; (c = getopt_long (argc, argv, "v", names, NULL)) != -1;)
        switch (c) {
        case 'c': options->cert = optarg; break;
        case 'i': options->interface = optarg; break;
        case 'v': options->is_verbose = 1; break;
        case 'h': fputs (usage, stdout); return 0;
        case 'V': puts ("mpbroker " VERSION); return 0;
        case 'p':
            options->port = (int) strtol (optarg, &end, 10);
            if (*end || options->port < 1 || options->port > 65535)
                return bad ("--port takes a number from 1 to 65535");
            break;
        default: return USAGE;
        }
    if (argc > optind)
        return bad ("it takes no arguments");
    return options->cert ? -1 : bad ("--cert FILE is needed");
}

/* ---- messages -------------------------------------------------------------------------------------------------- */

/* libzmq numbers a peer: a zero byte and 32 bits. */
static int send_to (void *arg, uint32_t peer, const mpl_board_t *message)
{
    broker_t *self = arg;
    uint8_t id[5] = { 0 };
    zmq_msg_t frame;

    mpl__put32 (id + 1, peer);
    if (zmq_msg_init_size (&frame, mpl__board_size (message)) < 0)
        return 0;
    mpl__board_encode (zmq_msg_data (&frame), message);
    int rc = zmq_send (self->socket, id, sizeof id, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    if (rc >= 0)
        rc = zmq_msg_send (&frame, self->socket, ZMQ_DONTWAIT);
    int is_gone = rc < 0 && zmq_errno () == EHOSTUNREACH;
    if (rc < 0)
        zmq_msg_close (&frame);
    return is_gone ? -1 : 0;
}

static void tell (void *arg, const char *text)
{
    const broker_t *self = arg;

    if (self->options->is_verbose)
        fprintf (stderr, "mpbroker: %s\n", text);
}

/* 1: one was read. */
static int take_message (broker_t *self)
{
    zmq_msg_t frame;
    uint32_t peer = 0;
    int n = 0, more = 1;

    zmq_msg_init (&frame);
    for (; more; n++) {
        if (zmq_msg_recv (&frame, self->socket, ZMQ_DONTWAIT) < 0)
            break;
        more = zmq_msg_more (&frame);
        const uint8_t *bytes = zmq_msg_data (&frame);
        if (n == 0)
            peer = zmq_msg_size (&frame) == 5 && bytes[0] == 0 ? mpl__get32 (bytes + 1) : 0;
        else if (n == 1 && !more && peer)
            mpl__board_take (self->board, peer, bytes, zmq_msg_size (&frame), mpl__clock_ns ());
    }
    zmq_msg_close (&frame);
    return n > 0;
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* All that has come is heard before anybody is called silent: it may be we who were stopped. */
static void serve (broker_t *self)
{
    zmq_pollitem_t items[] = { { .socket = self->socket, .events = ZMQ_POLLIN },
                               { .fd = self->signals, .events = ZMQ_POLLIN } };

    while (!items[1].revents) {
        int n = 0;
        while (n < BATCH && take_message (self))
            n++;
        uint64_t now = mpl__clock_ns (), due = n < BATCH ? mpl__board_tick (self->board, now) : 0;
        if (zmq_poll (items, 2, due <= now ? 0 : mpl__clock_poll_ms (due, now)) < 0 && zmq_errno () != EINTR)
            break;
    }
}

/* ---- certificate and socket ------------------------------------------------------------------------------------ */

static int make_badge (mpl_badge_t *badge)
{
    *badge = (mpl_badge_t) { .port = 0 };
    return zmq_curve_keypair (badge->broker_public, badge->broker_secret) < 0
           || zmq_curve_keypair (badge->public_key, badge->secret_key) < 0 ? -1 : 0;
}

static int get_badge (broker_t *self, mpl_err_t *err)
{
    const char *path = self->options->cert;

    if (access (path, F_OK) == 0 || errno != ENOENT) {
        if (mpl__badge_read (&self->badge, path, err) < 0)
            return -1;
        if (!*self->badge.broker_secret)
            return mpl__err (err, EINVAL, "%.400s is what hosts and launches show, not the broker's own certificate; that is the "
                             "file whose name ends before .client", path);
    } else if (make_badge (&self->badge) < 0) {
        return mpl__err (err, errno, "no keys can be made: %s", zmq_strerror (errno));
    }
    if (self->options->port)
        self->badge.port = self->options->port;
    return 0;
}

static int set_options (void *arg, void *socket, const char *domain, char public_key[MPL__KEY_TEXT])
{
    const broker_t *self = arg;
    int one = 1, none = 0, handshake = 30000, backlog = BACKLOG;
    int64_t largest = MPL__BOARD_FRAME_MAX;

    memcpy (public_key, self->badge.broker_public, MPL__KEY_TEXT);
    return zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &one, sizeof one) < 0
           || zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, self->badge.broker_secret, MPL__BADGE_KEY) < 0
           || zmq_setsockopt (socket, ZMQ_ZAP_DOMAIN, domain, strlen (domain)) < 0
           || zmq_setsockopt (socket, ZMQ_ZAP_ENFORCE_DOMAIN, &one, sizeof one) < 0         /* either alone lets all in */
           || zmq_setsockopt (socket, ZMQ_ROUTER_MANDATORY, &one, sizeof one) < 0           /* says who is not there any more */
           || zmq_setsockopt (socket, ZMQ_SNDHWM, &none, sizeof none) < 0                   /* windows are the bound */
           || zmq_setsockopt (socket, ZMQ_RCVHWM, &none, sizeof none) < 0
           || zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) < 0
           || zmq_setsockopt (socket, ZMQ_HANDSHAKE_IVL, &handshake, sizeof handshake) < 0
           || zmq_setsockopt (socket, ZMQ_BACKLOG, &backlog, sizeof backlog) < 0
           || zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none) < 0 ? -1 : 0;
}

/* Binds one address, "*" for all, at the port of the badge, which becomes known by that. */
static int bind_at (broker_t *self, const char *address)
{
    char endpoint[128];
    size_t len = sizeof endpoint;
    int may_be_six = *address == '[' || *address == '*';

    zmq_setsockopt (self->socket, ZMQ_IPV6, &may_be_six, sizeof may_be_six);
    snprintf (endpoint, sizeof endpoint, self->badge.port ? "tcp://%s:%d" : "tcp://%s:*", address, self->badge.port);
    if (zmq_bind (self->socket, endpoint) < 0 || zmq_getsockopt (self->socket, ZMQ_LAST_ENDPOINT, endpoint, &len) < 0)
        return -1;
    if (!self->badge.port)
        self->badge.port = (int) strtol (strrchr (endpoint, ':') + 1, NULL, 10);
    return 0;
}

/* Where it can be found goes into the badge. */
static int bind_all (broker_t *self, mpl_err_t *err)
{
    char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT];
    int n = mpl__addresses (self->options->interface, addresses, err), rc = n < 0 ? -1 : 0;

    if (n < 0)
        return -1;
    self->badge.n_addresses = 0;
    if (!self->options->interface)
        rc = bind_at (self, "*");
    for (int i = 0; i < n && !rc; i++)
        rc = self->options->interface ? bind_at (self, addresses[i]) : 0;
    if (rc < 0)
        return mpl__err (err, errno, "the port %d cannot be opened: %s; another mpbroker may have it", self->badge.port,
                         zmq_strerror (errno));
    for (int i = 0; i < n && i < MPL__BADGE_ADDRESSES; i++)
        snprintf (self->badge.addresses[self->badge.n_addresses++], MPL__BADGE_ADDRESS, "tcp://%s:%d", addresses[i],
                  self->badge.port);
    return 0;
}

/* The broker's own is written once, so that copies of the other stay good; that one says where it is now. */
static int write_badges (broker_t *self, int is_new, mpl_err_t *err)
{
    char path[PATH_MAX];
    mpl_badge_t own = self->badge, shown = self->badge;

    if (snprintf (path, sizeof path, "%s.client", self->options->cert) >= (int) sizeof path)
        return mpl__err (err, ENAMETOOLONG, "the name of the certificate is too long");
    own.n_addresses = 0;
    shown.port = 0;
    memset (shown.broker_secret, 0, sizeof shown.broker_secret);
    int rc = is_new ? mpl__badge_write (&own, self->options->cert, 1, err) : 0;
    if (!rc)
        rc = mpl__badge_write (&shown, path, 0, err);
    mpl__badge_clear (&own);
    mpl__badge_clear (&shown);
    return rc;
}

static int open_socket (broker_t *self, mpl_err_t *err)
{
    char key[MPL__KEY_TEXT];

    if (!(self->context = zmq_ctx_new ()) || !(self->socket = zmq_socket (self->context, ZMQ_ROUTER)))
        return mpl__err (err, errno, "no socket can be made: %s", zmq_strerror (errno));
    if (!(self->zap = mpl__zap_new (self->context, err)))
        return -1;
    if (mpl__zapcheck_settings (self->context, self->zap, set_options, self, err) < 0)
        return -1;
    if (mpl__zap_admit (self->zap, MPL__BOARD_DOMAIN, self->badge.public_key, "badge") < 0
        || set_options (self, self->socket, MPL__BOARD_DOMAIN, key) < 0)
        return mpl__err (err, errno, "the socket cannot be made: %s", zmq_strerror (errno));
    return bind_all (self, err);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

/* Blocked before libzmq has threads, which inherit that. */
static int take_signals (broker_t *self)
{
    sigset_t set;

    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigprocmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
    self->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return self->signals < 0 ? -1 : 0;
}

static int begin (broker_t *self, mpl_err_t *err)
{
    const mpl_board_fns_t fns = { send_to, tell, self };
    mpl_files_t files;

    mpl__files_begin (&files);          /* one for each connection */
    if (take_signals (self) < 0 || !(self->board = mpl__board_new (&fns)))
        return mpl__err (err, errno, "the broker cannot begin: %s", strerror (errno));
    if (get_badge (self, err) < 0)
        return -1;
    int is_new = access (self->options->cert, F_OK) < 0;
    if (open_socket (self, err) < 0 || write_badges (self, is_new, err) < 0)
        return -1;
    printf ("mpbroker: %s; hosts and launches show %s.client\n", self->badge.addresses[0], self->options->cert);
    fflush (stdout);                    /* whoever started it waits for this line */
    return 0;
}

static void end (broker_t *self)
{
    mpl__board_destroy (&self->board);
    mpl__zap_destroy (&self->zap);
    if (self->socket)
        zmq_close (self->socket);
    if (self->context)
        zmq_ctx_term (self->context);
    mpl__fd_close (&self->signals);
    mpl__badge_clear (&self->badge);
}

int main (int argc, char **argv)
{
    options_t options = { .cert = NULL };
    broker_t self = { .options = &options, .signals = -1 };
    mpl_err_t err;
    int rc = mpl__fd_fill_standard () < 0 ? FAILED : parse (argc, argv, &options);

    if (rc >= 0)
        return rc;
    rc = begin (&self, &err);
    if (rc < 0)
        fprintf (stderr, "mpbroker: %s\n", err.text);
    else
        serve (&self);
    end (&self);
    return rc < 0 ? FAILED : 0;
}
