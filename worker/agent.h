/* agent.h - the parent of the processes on one host: starts, watches, limits and reaps them. One thread, one loop, no
 * ZeroMQ on the local host. It outlives whoever started it just long enough to end everything. */
#ifndef WORKER_AGENT_H
#define WORKER_AGENT_H

#include "base/files.h"
#include "base/folder.h"
#include "worker/crew.h"
#include "worker/held.h"
#include "worker/tunnel.h"

#include <signal.h>

struct mpl_agent {
    mpl_loop_t *loop;
    mpl_held_t *held;               /* what it started, newest first */
    mpl_crew_t *crews;              /* the open pools */
    mpl_source_t *children;         /* its signalfd */
    int signals;
    sigset_t defaults;              /* signals that it ignores and its processes do not */
    mpl_files_t files;              /* how many descriptors it and they may have */
    int own_pidfd;                  /* given to main, which may kill an agent that it started; 0: it did not */
    char folder[MPL__FOLDER_PATH];  /* where main binds its sockets for a moment; removed if main died then */
    uint64_t due;                   /* when something in a pool is due */
    uint64_t n_pools, n_marks, n_held;      /* given out so far */
    int n_nurseries_lost;           /* since lost_since */
    uint64_t lost_since;
    /* Starts one more nursery when there is none left; set by whoever knows the program. */
    mpl_held_t *(*start_nursery) (mpl_agent_t *self, int n_workers, mpl_err_t *err);
    /* Says something to the launcher, for main or the agent of another host; NULL: there is no launcher. */
    void (*tell_launcher) (mpl_agent_t *self, const mpl_control_t *message);
    mpl_tunnel_t *tunnel;           /* to main, where nothing but ssh passes; NULL: there is none */
    /* On main's host in a launch of several: where main may listen, and the hosts that have workers for it. */
    mpl_control_t transport, *hosts;
    size_t n_hosts;
    /* Slots that may be used, of so many (0: all), since the launcher wants some back; and whether it waits to hear that
     * they are free. */
    uint64_t n_slots, of_slots;
    int is_giving_back;
    /* A held process that is no nursery has ended, or a pool's last worker: set by the mode. May be NULL. */
    void (*on_exit) (mpl_agent_t *self, mpl_held_t *held, int status, const struct rusage *usage);
};

/* Makes this process an agent: subreaper, SIGCHLD by descriptor, signals of the terminal ignored. 0, or -1 with
 * *err. */
int mpl__agent_init (mpl_agent_t *self, mpl_err_t *err);

/* A message from a held process; for held.c. */
void mpl__agent_heard (void *held, uint32_t events);

/* The nursery for a slot: round robin over those there are, one started when there is none. NULL with *err. */
mpl_held_t *mpl__agent_nursery (mpl_agent_t *self, unsigned slot, int n_workers, mpl_err_t *err);

/* Opens a pool for main as `order` says; takes the MPL__FDS_MAX descriptors. */
void mpl__agent_open_pool (mpl_agent_t *self, const mpl_control_t *order, int *fds);

/* The launcher brings something about a pool, or another host (HOST, HOST_LOST). */
void mpl__agent_heard_launcher (mpl_agent_t *self, const mpl_control_t *message);

/* The launcher has it use so many of the slots that there are for the launch; it hears when pools keep to that (SLOTS). */
void mpl__agent_use_slots (mpl_agent_t *self, const mpl_control_t *order);

/* On another host than main's: nothing is begun after that instant of CLOCK_BOOTTIME. */
void mpl__agent_lease (mpl_agent_t *self, uint64_t until);

/* Sends a signal to every worker of every pool. */
void mpl__agent_signal_workers (mpl_agent_t *self, int signal);

/* One turn of the loop, with everything that is due. */
void mpl__agent_turn (mpl_agent_t *self, uint64_t deadline);

/* Ends all there is: TERM, a second later KILL, then what escaped, until no child is left (3 s at most). Frees
 * all. */
void mpl__agent_end (mpl_agent_t *self);

#endif
