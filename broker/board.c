#include "broker/board.h"
#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u                   /* of either table; a few members each at the most there may be */

typedef enum { HOST, LAUNCH, CARRIER } role_t;

typedef struct peer {
    uint32_t id;
    role_t role;
    uint64_t number;                    /* HOST, LAUNCH: in the ledger */
    uint64_t heard_at;
    uint64_t stream;                    /* CARRIER: its only one; 0: it was closed */
    char name[MPL__BOARD_TEXT + 1];
    const char *why_gone;               /* found out while all are walked through */
    struct peer *next;                  /* of its bucket */
    struct peer *before, *after;        /* of all */
} peer_t;

enum { UP, DOWN };                      /* to the agent on the host, and from it */

typedef struct stream {
    uint64_t number, lease;
    uint32_t carrier, host;             /* carrier 0: it has gone, and the agent is to end */
    uint64_t room[2];                   /* bytes that may still be sent each way */
    int is_ended[2];
    struct stream *next;                /* of its bucket */
} stream_t;

struct mpl_the_board {
    mpl_board_fns_t fns;
    mpl_ledger_t *ledger;
    peer_t *peers[BUCKETS], *first, *last;
    stream_t *streams[BUCKETS];
    size_t n_peers, n_hosts, n_streams;
    uint64_t last_number;               /* of hosts, launches and streams */
    uint64_t beat_at;
};

static void tell (mpl_the_board_t *self, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

static void tell (mpl_the_board_t *self, const char *fmt, ...)
{
    char text[MPL__BOARD_TEXT + 256];
    va_list args;

    if (!self->fns.tell)
        return;
    va_start (args, fmt);
    vsnprintf (text, sizeof text, fmt, args);
    va_end (args);
    self->fns.tell (self->fns.arg, text);
}

static void say (mpl_the_board_t *self, uint32_t peer, const mpl_board_t *message)
{
    if (peer)
        self->fns.send (self->fns.arg, peer, message);      /* who is gone is found by the next beat */
}

static void say_text (mpl_the_board_t *self, uint32_t peer, mpl_board_type_t type, uint64_t number, const char *text)
{
    mpl_board_t message = { .type = type, .stream = number, .lease = number, .body = text, .len = strlen (text) };

    say (self, peer, &message);
}

/* ---- tables ---------------------------------------------------------------------------------------------------- */

static peer_t *find_peer (const mpl_the_board_t *self, uint32_t id)
{
    peer_t *peer = self->peers[id % BUCKETS];

    while (peer && peer->id != id)
        peer = peer->next;
    return peer;
}

static peer_t *find_number (const mpl_the_board_t *self, role_t role, uint64_t number)
{
    peer_t *peer = self->first;

    while (peer && !(peer->role == role && peer->number == number))
        peer = peer->after;
    return peer;
}

static peer_t *add_peer (mpl_the_board_t *self, uint32_t id, role_t role, uint64_t now)
{
    peer_t *peer = self->n_peers < MPL__BOARD_PEERS_MAX ? calloc (1, sizeof *peer) : NULL;

    if (!peer)
        return NULL;
    *peer = (peer_t) { .id = id, .role = role, .heard_at = now, .next = self->peers[id % BUCKETS], .before = self->last };
    self->peers[id % BUCKETS] = peer;
    if (self->last)
        self->last->after = peer;
    else
        self->first = peer;
    self->last = peer;
    self->n_peers++;
    self->n_hosts += role == HOST;
    return peer;
}

static void drop_peer (mpl_the_board_t *self, peer_t *peer)
{
    peer_t **at = &self->peers[peer->id % BUCKETS];

    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    *(peer->before ? &peer->before->after : &self->first) = peer->after;
    *(peer->after ? &peer->after->before : &self->last) = peer->before;
    self->n_peers--;
    self->n_hosts -= peer->role == HOST;
    free (peer);
}

static stream_t *find_stream (const mpl_the_board_t *self, uint64_t number)
{
    stream_t *stream = self->streams[number % BUCKETS];

    while (stream && stream->number != number)
        stream = stream->next;
    return stream;
}

static stream_t *add_stream (mpl_the_board_t *self, uint64_t lease, uint32_t carrier, uint32_t host)
{
    stream_t *stream = calloc (1, sizeof *stream);

    if (!stream)
        return NULL;
    uint64_t number = ++self->last_number;
    *stream = (stream_t) { .number = number, .lease = lease, .carrier = carrier, .host = host,
                           .room = { MPL__BOARD_WINDOW, MPL__BOARD_WINDOW }, .next = self->streams[number % BUCKETS] };
    self->streams[number % BUCKETS] = stream;
    self->n_streams++;
    return stream;
}

static void drop_stream (mpl_the_board_t *self, stream_t *stream)
{
    stream_t **at = &self->streams[stream->number % BUCKETS];

    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    self->n_streams--;
    free (stream);
}

/* ---- streams that end ------------------------------------------------------------------------------------------ */

/* The agent is to end; the stream is there until its host says that it has. */
static void leave_agent (mpl_the_board_t *self, stream_t *stream)
{
    stream->carrier = 0;
    say_text (self, stream->host, MPL__B_CLOSE, stream->number, "");
}

/* The agent has ended, or its host has gone. */
static void agent_ended (mpl_the_board_t *self, stream_t *stream, uint64_t status, const char *why, uint64_t now)
{
    peer_t *carrier = find_peer (self, stream->carrier);

    if (carrier) {
        say (self, carrier->id, &(mpl_board_t) { .type = MPL__B_CLOSE, .stream = stream->number, .status = status, .body = why,
                                                 .len = strlen (why) });
        carrier->stream = 0;
    }
    mpl__ledger_unuse (self->ledger, stream->lease, now);   /* it may be gone with its host */
    drop_stream (self, stream);
}

static void end_streams_of_lease (mpl_the_board_t *self, uint64_t lease)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (stream_t *stream = self->streams[i]; stream; stream = stream->next) {
            peer_t *carrier = stream->lease == lease ? find_peer (self, stream->carrier) : NULL;
            if (!carrier)
                continue;
            say_text (self, carrier->id, MPL__B_CLOSE, stream->number, "the slots were given back");
            carrier->stream = 0;
            leave_agent (self, stream);
        }
}

static void end_streams_of_launch (mpl_the_board_t *self, uint64_t launch)
{
    mpl_ledger_lease_t lease;

    for (size_t i = 0; i < BUCKETS && self->n_streams; i++)
        for (stream_t *stream = self->streams[i], *next; stream; stream = next) {
            next = stream->next;
            if (stream->carrier && mpl__ledger_find (self->ledger, stream->lease, &lease) == 0 && lease.launch == launch)
                end_streams_of_lease (self, stream->lease);
        }
}

static void end_streams_of_host (mpl_the_board_t *self, uint32_t host, const char *why, uint64_t now)
{
    for (size_t i = 0; i < BUCKETS && self->n_streams; i++)
        for (stream_t *stream = self->streams[i], *next; stream; stream = next) {
            next = stream->next;
            if (stream->host == host)
                agent_ended (self, stream, 1, why, now);
        }
}

/* ---- peers that go --------------------------------------------------------------------------------------------- */

static void host_gone (mpl_the_board_t *self, peer_t *peer, const char *why, uint64_t now)
{
    char text[MPL__BOARD_TEXT + 256];

    snprintf (text, sizeof text, "%s has left the broker: %s", peer->name, why);
    tell (self, "host %s", text);
    end_streams_of_host (self, peer->id, text, now);
    mpl__ledger_remove_host (self->ledger, peer->number, now);
}

static void launch_gone (mpl_the_board_t *self, peer_t *peer, const char *why, uint64_t now)
{
    tell (self, "%s is over: %s", peer->name, why);
    end_streams_of_launch (self, peer->number);
    mpl__ledger_end_launch (self->ledger, peer->number, now);
}

static void carrier_gone (mpl_the_board_t *self, const peer_t *peer)
{
    stream_t *stream = peer->stream ? find_stream (self, peer->stream) : NULL;

    if (stream)
        leave_agent (self, stream);
}

static void peer_gone (mpl_the_board_t *self, peer_t *peer, const char *why, uint64_t now)
{
    if (peer->role == HOST)
        host_gone (self, peer, why, now);
    else if (peer->role == LAUNCH)
        launch_gone (self, peer, why, now);
    else
        carrier_gone (self, peer);
    drop_peer (self, peer);
}

/* Whoever breaks the protocol is told and left. */
static void leave_peer (mpl_the_board_t *self, peer_t *peer, const char *why, uint64_t now)
{
    say_text (self, peer->id, MPL__B_REFUSED, 0, why);
    peer_gone (self, peer, why, now);
}

/* ---- peers that come ------------------------------------------------------------------------------------------- */

static void refuse (mpl_the_board_t *self, uint32_t id, const char *why)
{
    tell (self, "refused: %s", why);
    say_text (self, id, MPL__B_REFUSED, 0, why);
}

static int is_name_taken (const mpl_the_board_t *self, const char *name)
{
    for (const peer_t *peer = self->first; peer; peer = peer->after)
        if (peer->role == HOST && !strcmp (peer->name, name))
            return 1;
    return 0;
}

/* Two of one name are both let in: a host that comes back may find itself still there. */
static void choose_name (const mpl_the_board_t *self, const char *wish, char name[MPL__BOARD_TEXT + 1])
{
    snprintf (name, MPL__BOARD_TEXT + 1, "%s", wish);
    for (unsigned i = 2; is_name_taken (self, name); i++)
        snprintf (name, MPL__BOARD_TEXT + 1, "%.250s-%u", wish, i);
}

static void join (mpl_the_board_t *self, uint32_t id, const mpl_board_t *message, uint64_t now)
{
    char wish[MPL__BOARD_TEXT + 1], name[MPL__BOARD_TEXT + 1];

    mpl__board_text (message, wish);
    if (!message->slots || message->slots > MPL__LEDGER_SLOTS_MAX || !mpl__board_is_name (wish)) {
        refuse (self, id, "a host joins with a name of letters, digits, '-', '.' and '_', and 1 to 65536 slots");
        return;
    }
    choose_name (self, wish, name);
    uint64_t number = ++self->last_number;
    peer_t *peer = add_peer (self, id, HOST, now);
    if (!peer || mpl__ledger_add_host (self->ledger, number, message->slots, now) < 0) {
        if (peer)
            drop_peer (self, peer);
        refuse (self, id, "the broker has no room for another host");
        return;
    }
    peer->number = number;
    memcpy (peer->name, name, sizeof name);
    say_text (self, id, MPL__B_WELCOME, 0, name);
    tell (self, "host %s has joined with %llu slots; there are %zu hosts", name, (unsigned long long) message->slots, self->n_hosts);
}

static void attach (mpl_the_board_t *self, uint32_t id, const mpl_board_t *message, uint64_t now)
{
    uint64_t number = ++self->last_number;
    peer_t *peer = add_peer (self, id, LAUNCH, now);

    if (!peer || mpl__ledger_add_launch (self->ledger, number, message->slots, now) < 0) {
        if (peer)
            drop_peer (self, peer);
        refuse (self, id, "the broker has no room for another launch");
        return;
    }
    peer->number = number;
    mpl__board_text (message, peer->name);
    say_text (self, id, MPL__B_WELCOME, 0, peer->name);
    tell (self, "%s wants %llu slots", peer->name, (unsigned long long) message->slots);
}

static void open_stream (mpl_the_board_t *self, uint32_t id, const mpl_board_t *message, uint64_t now)
{
    mpl_ledger_lease_t lease;
    peer_t *host = mpl__ledger_find (self->ledger, message->lease, &lease) == 0 ? find_number (self, HOST, lease.host) : NULL;

    if (!host || mpl__ledger_use (self->ledger, message->lease) < 0) {
        refuse (self, id, host && errno == EBUSY ? "there is an agent already under this lease" : "that lease has ended");
        return;
    }
    peer_t *peer = add_peer (self, id, CARRIER, now);
    stream_t *stream = peer ? add_stream (self, message->lease, id, host->id) : NULL;
    if (!stream) {
        if (peer)
            drop_peer (self, peer);
        mpl__ledger_unuse (self->ledger, message->lease, now);
        refuse (self, id, "the broker has no room for another stream");
        return;
    }
    peer->stream = stream->number;
    say (self, host->id, &(mpl_board_t) { .type = MPL__B_OPEN, .stream = stream->number, .lease = lease.lease,
                                          .slots = lease.slots });
    say_text (self, id, MPL__B_WELCOME, stream->number, host->name);
}

static void take_first (mpl_the_board_t *self, uint32_t id, const mpl_board_t *message, uint64_t now)
{
    switch (message->type) {
    case MPL__B_JOIN:
        join (self, id, message, now);
        break;
    case MPL__B_ATTACH:
        attach (self, id, message, now);
        break;
    case MPL__B_OPEN:
        open_stream (self, id, message, now);
        break;
    default:                            /* we were restarted, or have left it: it is to come anew */
        say_text (self, id, MPL__B_LEAVE, 0, "the broker does not know this connection (any more)");
        break;
    }
}

/* ---- streams --------------------------------------------------------------------------------------------------- */

/* The stream and the direction in which this peer sends; NULL: it has none of that number. */
static stream_t *stream_of (const mpl_the_board_t *self, const peer_t *peer, uint64_t number, int *way)
{
    stream_t *stream = find_stream (self, number);

    if (!stream)
        return NULL;
    *way = peer->role == HOST ? DOWN : UP;
    return (peer->role == HOST ? stream->host : stream->carrier) == peer->id ? stream : NULL;
}

/* 0; -1: that is not allowed. What comes of a stream that has just been left is late, and dropped. */
static int pass_on (mpl_the_board_t *self, peer_t *peer, const mpl_board_t *message, uint64_t now)
{
    int way;
    stream_t *stream = stream_of (self, peer, message->stream, &way);
    char why[MPL__BOARD_TEXT + 1];

    if (!stream)
        return 0;
    switch (message->type) {
    case MPL__B_DATA:
        if (message->len > stream->room[way] || stream->is_ended[way])
            return -1;
        stream->room[way] -= message->len;
        break;
    case MPL__B_TAKEN:
        if (message->n > MPL__BOARD_WINDOW - stream->room[!way])
            return -1;
        stream->room[!way] += message->n;
        break;
    case MPL__B_END:
        stream->is_ended[way] = 1;
        break;
    default:                            /* CLOSE */
        if (way == DOWN) {
            agent_ended (self, stream, message->status, mpl__board_text (message, why), now);
        } else {
            peer->stream = 0;
            leave_agent (self, stream);
        }
        return 0;
    }
    say (self, way == UP ? stream->host : stream->carrier, message);
    return 0;
}

static int take_of_launch (mpl_the_board_t *self, peer_t *peer, const mpl_board_t *message, uint64_t now)
{
    mpl_ledger_lease_t lease;

    if (message->type == MPL__B_WANT)
        return mpl__ledger_want (self->ledger, peer->number, message->slots, now);
    if (mpl__ledger_find (self->ledger, message->lease, &lease) == 0 && lease.launch == peer->number) {
        if (!message->slots)
            end_streams_of_lease (self, message->lease);
        if (message->slots < lease.slots)
            tell (self, "%s gives back %llu slots", peer->name, (unsigned long long) (lease.slots - message->slots));
        mpl__ledger_return (self->ledger, peer->number, message->lease, message->slots, now);
    }
    return 0;
}

static void take_known (mpl_the_board_t *self, peer_t *peer, const mpl_board_t *message, uint64_t now)
{
    char why[MPL__BOARD_TEXT + 1];
    int rc = -1;

    peer->heard_at = now;
    switch (message->type) {
    case MPL__B_BEAT:
        rc = 0;
        break;
    case MPL__B_LEAVE:
        mpl__board_text (message, why);
        peer_gone (self, peer, *why ? why : "it left", now);
        return;
    case MPL__B_WANT: case MPL__B_RETURN:
        rc = peer->role == LAUNCH ? take_of_launch (self, peer, message, now) : -1;
        break;
    case MPL__B_DATA: case MPL__B_TAKEN: case MPL__B_END: case MPL__B_CLOSE:
        rc = peer->role != LAUNCH ? pass_on (self, peer, message, now) : -1;
        break;
    default:                            /* what only we say, or what only a stranger says */
        break;
    }
    if (rc < 0)
        leave_peer (self, peer, "it broke the protocol", now);
}

void mpl__board_take (mpl_the_board_t *self, uint32_t id, const uint8_t *bytes, size_t len, uint64_t now)
{
    mpl_board_t message;
    peer_t *peer = find_peer (self, id);
    int rc = mpl__board_decode (bytes, len, &message), is_other = rc < 0 && errno == EPROTONOSUPPORT;
    const char *why = is_other ? "the broker is of another version of mplaunch" : "that was no message";

    if (rc == 0 && peer)
        take_known (self, peer, &message, now);
    else if (rc == 0)
        take_first (self, id, &message, now);
    else if (peer)
        leave_peer (self, peer, why, now);
    else
        refuse (self, id, why);
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static void act (mpl_the_board_t *self, const mpl_ledger_action_t *action)
{
    peer_t *launch = find_number (self, LAUNCH, action->launch);
    peer_t *host = action->host ? find_number (self, HOST, action->host) : NULL;
    mpl_board_t message = { .slots = action->slots, .lease = action->lease, .launches = action->launches };

    if (!launch)
        return;
    switch (action->kind) {
    case MPL__LEDGER_LEND:
        message.type = MPL__B_LENT;
        message.body = host ? host->name : "";
        message.len = strlen (message.body);
        break;
    case MPL__LEDGER_READY:
        message.type = MPL__B_READY;
        tell (self, "%s has %llu slots", launch->name, (unsigned long long) action->slots);
        break;
    case MPL__LEDGER_WAIT:
        message.type = MPL__B_WAIT;
        break;
    case MPL__LEDGER_LOST:
        message.type = MPL__B_LOST;
        message.body = "its host has left the broker";
        message.len = strlen (message.body);
        break;
    case MPL__LEDGER_RECLAIM:
        message.type = MPL__B_RECLAIM;
        break;
    case MPL__LEDGER_NOTHING:
        return;
    }
    say (self, launch->id, &message);
}

/* Everybody hears that we live; and libzmq says at once of whom there is no connection any more. */
static void beat (mpl_the_board_t *self, uint64_t now)
{
    mpl_board_t message = { .type = MPL__B_BEAT };

    for (peer_t *peer = self->first; peer; peer = peer->after)
        peer->why_gone = self->fns.send (self->fns.arg, peer->id, &message) < 0     ? "its connection ended"
                         : now > peer->heard_at + MPL__BOARD_LOST_NS ? "nothing was heard of it for 15 s"
                                                                     : NULL;
    for (peer_t *peer = self->first, *next; peer; peer = next) {
        next = peer->after;
        if (peer->why_gone)
            peer_gone (self, peer, peer->why_gone, now);
    }
    self->beat_at = now + MPL__BOARD_BEAT_NS;
}

uint64_t mpl__board_tick (mpl_the_board_t *self, uint64_t now)
{
    mpl_ledger_action_t action;

    if (now >= self->beat_at)
        beat (self, now);
    while (mpl__ledger_next (self->ledger, now, &action))
        act (self, &action);
    uint64_t due = mpl__ledger_due (self->ledger);
    return due < self->beat_at ? due : self->beat_at;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

size_t mpl__board_hosts (const mpl_the_board_t *self) { return self->n_hosts; }
size_t mpl__board_streams (const mpl_the_board_t *self) { return self->n_streams; }

const char *mpl__board_check (const mpl_the_board_t *self)
{
    mpl_ledger_lease_t lease;

    for (size_t i = 0; i < BUCKETS; i++)
        for (const stream_t *stream = self->streams[i]; stream; stream = stream->next) {
            const peer_t *host = find_peer (self, stream->host), *carrier = find_peer (self, stream->carrier);
            if (!host || host->role != HOST)
                return "a stream without its host";
            if (stream->carrier && (!carrier || carrier->stream != stream->number))
                return "a stream without its carrier";
            if (stream->room[UP] > MPL__BOARD_WINDOW || stream->room[DOWN] > MPL__BOARD_WINDOW)
                return "a window wider than it may be";
            if (mpl__ledger_find (self->ledger, stream->lease, &lease) < 0 || !lease.is_used)
                return "a stream without a lease in use";
        }
    return mpl__ledger_check (self->ledger);
}

mpl_the_board_t *mpl__board_new (const mpl_board_fns_t *fns)
{
    mpl_the_board_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    self->fns = *fns;
    if (!(self->ledger = mpl__ledger_new ()))
        mpl__board_destroy (&self);
    return self;
}

void mpl__board_destroy (mpl_the_board_t **self_p)
{
    mpl_the_board_t *self = *self_p;

    if (!self)
        return;
    while (self->first)
        drop_peer (self, self->first);
    for (size_t i = 0; i < BUCKETS; i++)
        while (self->streams[i])
            drop_stream (self, self->streams[i]);
    mpl__ledger_destroy (&self->ledger);
    free (self);
    *self_p = NULL;
}
