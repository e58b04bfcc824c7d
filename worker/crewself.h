/* crewself.h - a crew as its own files see it: crew.c starts, replaces and ends workers, crewfar.c has what concerns
 * other hosts: on main's host the way to them, on another host the way back. */
#ifndef WORKER_CREWSELF_H
#define WORKER_CREWSELF_H

#include "worker/agent.h"
#include "worker/crew.h"
#include "worker/news.h"
#include "worker/watch.h"
#include "base/fd.h"
#include "wire/gate.h"

enum { CHANNEL, ENDPOINT, PAGES, ARENA };       /* the descriptors of a POOL_OPEN; on another host ENDPOINT has the gates */

typedef enum { ABSENT, ASKED, RUNNING } presence_t;

typedef struct {
    presence_t presence;
    uint64_t incarnation;       /* of the next, or of the one that is there */
    uint64_t mark;
    pid_t pid;
    int pidfd;
    mpl_held_t *nursery;
    mpl_end_t end;              /* why we are ending it; MPL__END_OWN: we are not */
    uint64_t kill_at;           /* MPL__NEVER: no TERM was sent */
    int is_retired;             /* main is to let it go, and it is not replaced */
    mpl_watch_t watch;
} member_t;

/* A nursery whose key was made for this pool. */
typedef struct {
    uint64_t nursery;
    int is_admitted;            /* main lets in whoever has it */
} crew_key_t;

struct mpl_crew {
    mpl_agent_t *agent;
    uint64_t pool;
    int fds[MPL__FDS_MAX];
    mpl_source_t *source;
    mpl_news_t news;            /* what main has not heard yet */
    mpl_page_t *pages;
    size_t pages_bytes;
    member_t *members;
    unsigned n, n_present;
    unsigned n_allowed;         /* the first of them; n unless slots were given back */
    unsigned first_slot;
    uint64_t timeout_ns, memory;
    int n_early;                /* in a row */
    enum { OPEN, CLOSING, TERMINATING } state;      /* from CLOSING on nobody is replaced */
    mpl_crew_t *next;
    /* On main's host. */
    uint64_t *nodes;            /* hosts that have workers of this pool */
    size_t n_nodes;
    /* On another host. */
    int is_far;
    uint64_t node;
    char *way;                  /* main's key and addresses */
    char port[64];              /* of the tunnel to main, which `way` then leads to; empty: there is none */
    mpl_gates_t *gates;
    crew_key_t *keys;
    size_t n_keys;
};

/* ---- crew.c */
/* Says it to main, wherever that is. */
void mpl__crew_tell (mpl_crew_t *self, const mpl_control_t *message, int fd);

/* Asks for whoever is missing, as far as the nurseries take orders; the rest follows as they answer. */
void mpl__crew_fill (mpl_crew_t *self);

/* Main's orders for the workers here. */
void mpl__crew_take_order (mpl_crew_t *self, const mpl_control_t *message);

/* ---- crewfar.c */
/* On main's host: passes on what is for another one. 1: it was. */
int mpl__crew_pass_on (mpl_crew_t *self, const mpl_control_t *message);

/* On main's host: all other hosts are to end their part. */
void mpl__crew_terminate_far (mpl_crew_t *self);

/* On another host: whether workers of a nursery may be started: main knows its key. Asks for one that was not made
 * yet. */
int mpl__crew_may_use (mpl_crew_t *self, mpl_held_t *nursery);

/* On another host: tells main how far a worker had come that has ended. */
void mpl__crew_tell_last (mpl_crew_t *self, const member_t *member, const mpl_control_t *report);

/* On another host: how its workers reach main, whose key and addresses these are. 0, or -1. */
int mpl__crew_find_way (mpl_crew_t *self, const char *text);

/* On another host: makes the memory that main makes on its own. 0, or -1. */
int mpl__crew_make_memory (mpl_crew_t *self);
void mpl__crew_free_far (mpl_crew_t *self);

#endif
