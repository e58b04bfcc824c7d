/* control.h - what main, agent and nursery say to each other over their inherited sockets: who is there, start a worker,
 * it has ended. Few and small; the work itself travels as records (wire/record.h).
 *
 * A message is a header of 8 bytes (type 16 bits, protocol 16, bytes of body 32) and its fields in the order of the table
 * in control.c, numbers as 64 bits, texts as length and bytes. Descriptors travel beside it and are counted in the
 * table. On SOCK_SEQPACKET sockets one message is one packet. */
#ifndef WIRE_CONTROL_H
#define WIRE_CONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MPL__CONTROL_MAX 4096u          /* bytes of the longest message */
#define MPL__CONTROL_TEXT 1024u         /* of its text, the NUL included */

typedef enum {
    MPL__C_HELLO = 1,       /* held process -> agent: I am in mpl_init; an agent that main started -> main, with its pidfd */
    MPL__C_WELCOME,         /* agent -> held process: be main, or be a nursery */
    MPL__C_POOL_OPEN,       /* main -> agent, with the pool's channel, endpoint, pages and arena */
    MPL__C_CLOSING,         /* main -> agent, on the channel: workers that end are not replaced any more */
    MPL__C_TERMINATE,       /* main -> agent, on the channel: TERM, a second later KILL; so is the channel's end */
    MPL__C_DISMISS,         /* main -> agent, on the channel: this worker broke the protocol, end it at once */
    MPL__C_SPAWN,           /* agent -> nursery, with endpoint, pages and arena: fork this worker */
    MPL__C_SPAWNED,         /* nursery -> agent -> main, with its pidfd: here it is */
    MPL__C_EXITED,          /* nursery -> agent -> main: it has ended and was reaped */
    MPL__C_BROKEN,          /* agent -> main: workers of this pool cannot be started, for this reason */
    MPL__C_SIGNAL,          /* launcher -> agent: pass this signal on to every rank */
    MPL__C_STARTED,         /* agent -> launcher: this rank runs, or cannot (status is errno, text says why) */
    MPL__C_ENDED,           /* agent -> launcher: this rank has ended */

    /* Between hosts. Those with a pool and a node go from main over its own agent and the launcher to the agent of that node,
     * or from there to main; agent and launcher on the way only pass them on. */
    MPL__C_AGENT,           /* agent on another host -> launcher, first of all: I am here, with so many cores */
    MPL__C_BEAT,            /* agent on another host -> launcher, which says the same back: the lease of that host */
    MPL__C_TRANSPORT,       /* agent -> main, on the channel: where main may listen for other hosts */
    MPL__C_HOST,            /* launcher -> main's agent -> main, on each channel: this host has workers to give */
    MPL__C_HOST_LOST,       /* the same way: it has none any more, for this reason */
    MPL__C_POOL_FAR,        /* main -> agent: start these workers of this pool */
    MPL__C_POOL_OVER,       /* agent -> main's agent: none of that pool is left here */
    MPL__C_KEY,             /* agent -> nursery: make a key. nursery -> agent -> main: its public half. main -> agent: whoever has
                               it may connect */
    MPL__C_RECALL,          /* main -> agent: take back what is not begun of this chunk */
    MPL__C_RECALLED,        /* agent -> main: that much of it */
    MPL__C_LAST,            /* agent -> main: how far a worker had come that has ended; EXITED follows */
    MPL__C_GROW,            /* main -> agent -> launcher: so many workers are wanted in all */
    MPL__C_CHECK,           /* launcher -> agent, for --check: connect to the endpoints of that host */
    MPL__C_CHECKED,         /* agent -> launcher: what came of it */
    MPL__C_STAGED,          /* agent on another host -> launcher: its files are there; and back: so they are on all hosts, start */
    MPL__C_SLOTS,           /* launcher -> agent: use so many of your slots. agent -> launcher: so it is */
    MPL__C_RETIRE,          /* agent -> main: this worker's slot is wanted back, let it go when its work is done */
    MPL__C_N
} mpl_control_type_t;

typedef enum { MPL__ROLE_MAIN = 1, MPL__ROLE_NURSERY } mpl_role_t;

/* Why a worker ended, when its agent ended it. */
typedef enum { MPL__END_OWN = 0, MPL__END_TIMEOUT, MPL__END_MEMORY, MPL__END_TERMINATED, MPL__END_DISMISSED } mpl_end_t;

/* One message; the fields that its type does not have are 0. */
typedef struct {
    mpl_control_type_t type;
    uint64_t protocol;          /* HELLO */
    uint64_t role;              /* WELCOME: mpl_role_t */
    uint64_t rank, size, local_rank, local_size;        /* WELCOME; rank also in STARTED, ENDED */
    uint64_t pool;              /* the number that main's agent gave to the pool */
    uint64_t workers;           /* POOL_OPEN, POOL_FAR; HOST: how many ranks it has; GROW, SLOTS */
    uint64_t first_slot;        /* POOL_OPEN, POOL_FAR: the first of their numbers; HOST: ranks before it, those of main's first */
    uint64_t timeout_ns;        /* POOL_OPEN, WELCOME: limit for one item; 0: none */
    uint64_t memory;            /* POOL_OPEN, WELCOME, SPAWN: bytes one worker may add; 0: no limit */
    uint64_t slot, incarnation; /* SPAWN, SPAWNED, EXITED, DISMISS: the worker's number, and how many had it before;
                                   POOL_OPEN: the first workers' incarnation */
    uint64_t mark;              /* SPAWN: what the worker's descendants are known by (base/mark.h) */
    uint64_t pid;               /* HELLO, SPAWNED, EXITED, STARTED, ENDED */
    uint64_t status;            /* EXITED, ENDED: as from wait (2); SPAWNED: errno when the fork failed, and then no
                                   pidfd; STARTED: errno or 0; SIGNAL: its number */
    uint64_t end;               /* EXITED: mpl_end_t; ENDED: 1 when it was held in mpl_init */
    uint64_t peak_bytes;        /* EXITED, ENDED: highest resident size */
    uint64_t wall_ns, cpu_ns;   /* ENDED: how long it ran, and what it and the children it waited for computed */
    uint64_t node;              /* a host's number in the launch */
    uint64_t cores;             /* AGENT: usable there */
    uint64_t at;                /* BEAT: when it was sent, by the clock of the agent; AGENT: its time of day, ns since 1970 */
    uint64_t nursery;           /* KEY: which of its host has it */
    uint64_t port_first, port_last;     /* TRANSPORT: where main may listen; 0, 0: anywhere */
    uint64_t chunk;             /* RECALL, RECALLED; LAST: what it was on; 0: nothing */
    uint64_t word, n, from;     /* RECALL: the chunk's claim word, its items; RECALLED: how many came back, the first of them;
                                   n also in WELCOME: workers that may come besides; from: 1 + retries of pools,
                                   0: not said;
                                   CHECKED: 0: the program, 1: listening, 2: connecting; SLOTS: of how many */
    uint64_t item;              /* LAST: 1 + the item it died on; 0: none */
    uint64_t sent;              /* LAST: messages it had handed to ZeroMQ */
    char text[MPL__CONTROL_TEXT];   /* BROKEN, STARTED, HOST_LOST: a sentence; WELCOME: the folder for main's sockets; HOST:
                                       its name; AGENT: its version; TRANSPORT: the interface, empty for any; POOL_FAR, SPAWN:
                                       main's public key and addresses, as words; KEY: a public key */
} mpl_control_t;

/* Sends it with n_fds descriptors. 0, or -1 with errno. */
int mpl__control_send (int sock, const mpl_control_t *message, const int *fds, size_t n_fds);

/* Receives one and its descriptors, which are the caller's (room for MPL__FDS_MAX, the rest -1). 1: received; 0: the peer
 * is gone; -1: EAGAIN, or EPROTO when it is no message of ours or came with descriptors it should not have. */
int mpl__control_recv (int sock, mpl_control_t *message, int *fds);

/* The codec alone, for tests and fuzzing. Encode: bytes written to `to` (MPL__CONTROL_MAX of room). Decode: 0 or -1. */
size_t mpl__control_encode (uint8_t *to, const mpl_control_t *message);
int mpl__control_decode (const uint8_t *from, size_t len, mpl_control_t *message);

#endif
