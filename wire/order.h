/* order.h - what a launcher has an agent do: which programs to start on its host, as which ranks, with what
 * arguments, variables, folder, input and output. One order a launch and host, before anything else; it travels
 * through a descriptor (a memfd here, standard input on another host), so nothing is quoted and nothing has to fit
 * on a command line.
 *
 * On the wire: bytes of what follows (64 bits), protocol (32 bits), then the fields in the order of the structs
 * below, numbers as 64 bits, a text as its length + 1 and its bytes (0: NULL), a list as its length and its
 * members. The decoder takes any bytes: it gives an order or EPROTO, and never allocates more than a small
 * multiple of what it was given. */
#ifndef WIRE_ORDER_H
#define WIRE_ORDER_H

#include "wire/stage.h"

#include <stddef.h>
#include <stdint.h>

#define MPL__ORDER_MAX ((size_t) 64 << 20)      /* bytes: a command line and an environment are at most some MiB each */

#define MPL__NO_RANK UINT64_MAX
#define MPL__ALL_RANKS (UINT64_MAX - 1)

/* Which variables of the agent's environment a program gets. All: less what belongs to an outer launcher. Copy:
 * that too, for one more copy of a program that runs already; no order has it. */
typedef enum { MPL__KEEP_ALL, MPL__KEEP_LISTED, MPL__KEEP_NONE, MPL__KEEP_COPY } mpl_keep_t;

/* How ranks are dealt over the cores of the host, and what each is bound to. */
typedef enum { MPL__DEAL_SLOT, MPL__DEAL_CORE, MPL__DEAL_SOCKET } mpl_deal_t;
typedef enum { MPL__HOLD_NONE, MPL__HOLD_CORE, MPL__HOLD_SOCKET } mpl_hold_t;

/* Flags of an order. */
enum {
    MPL__ORDER_TAG_RANK = 1,            /* each line begins with its rank */
    MPL__ORDER_TAG_HOST = 2,            /* and with its host */
    MPL__ORDER_TEE = 4,                 /* what goes to files is printed too */
    MPL__ORDER_DIRECT = 8,              /* rank 0 has the agent's own standard output and error */
    MPL__ORDER_ENV = 16,                /* `env` is the environment of the agent, too, less what belongs to its host */
    MPL__ORDER_TUNNEL = 32,             /* workers reach main through the launcher's connections alone */
    MPL__ORDER_STAYS = 64,              /* it has no ranks, and gives workers to pools until it is told to end */
    MPL__ORDER_GROWS = 128,             /* more workers may come than there are ranks */
    MPL__ORDER_CHECK = 256              /* nothing is started; the host is tried (worker/probe.h) */
};

typedef struct {
    char **argv;                        /* NULL at the end, as the lists below */
    char **set;                         /* "NAME=value" */
    char **kept;                        /* names, for MPL__KEEP_LISTED */
    uint64_t keep;                      /* mpl_keep_t */
    char *wdir;                         /* NULL: the agent's own */
    char *path;                         /* folders to search before PATH; NULL: none */
} mpl_order_app_t;

typedef struct {
    uint64_t rank, app;                 /* app: index */
} mpl_order_rank_t;

typedef struct {
    char *job;                          /* names the launch */
    char *host;                         /* this host, as its user calls it */
    char *output;                       /* folder for a file per rank and stream; NULL: none */
    char *wdir;                         /* of programs that name none; "~" is the user's home there; NULL: the agent's own */
    char *interface;                    /* of the network to other hosts; NULL: any */
    char **set;                         /* "NAME=value" for all programs; their own are stronger */
    char **env;                         /* the launcher's environment, for MPL__ORDER_ENV */
    uint64_t size, node, nodes;         /* ranks of the launch; this host's number, and how many there are */
    uint64_t standard_input;            /* the rank that has the agent's; MPL__NO_RANK, MPL__ALL_RANKS */
    uint64_t deal, hold;                /* mpl_deal_t, mpl_hold_t */
    uint64_t sharers;                   /* processes that share this host's cores, for OMP_NUM_THREADS and its kin */
    uint64_t port_first, port_last;     /* that main may open for other hosts; 0, 0: any */
    uint64_t beat_ns, self_end_ns;      /* the lease of another host (worker/lease.h); 0: there is none */
    uint64_t retries;                   /* what pools do unless the program says otherwise: 1 + retries; 0: not said */
    uint64_t timeout_ns, memory_limit;  /* and their limits for an item, and for what a worker adds in bytes; 0: none */
    uint64_t flags;
    mpl_order_app_t *apps;
    size_t n_apps;
    mpl_order_rank_t *ranks;            /* of this host, in rising order */
    size_t n_ranks;
    mpl_stage_t *stage;                 /* files that follow */
    size_t n_stage;
    void *memory;                       /* what a decoded order's pointers point into; its owner's to free */
} mpl_order_t;

/* Encodes it. *bytes is the caller's to free. 0, or -1: ENOMEM, E2BIG (above MPL__ORDER_MAX). */
int mpl__order_encode (const mpl_order_t *order, uint8_t **bytes, size_t *len);

/* Decodes len bytes. 0, and the order is to be cleared; -1: EPROTO, ENOMEM. */
int mpl__order_decode (const uint8_t *bytes, size_t len, mpl_order_t *order);
void mpl__order_clear (mpl_order_t *order);

/* Writes it to a blocking descriptor, and reads one from there, waiting until it is whole. 0; -1 with errno
 * (EPROTO: it ended early). */
int mpl__order_write (int fd, const mpl_order_t *order);
int mpl__order_read (int fd, mpl_order_t *order);

#endif
