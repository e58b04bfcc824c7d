/* crew.h - the workers of one pool on this host, as their agent sees them: asks nurseries for them, replaces those
 * that end, ends those that run too long or grow too large, and reports each change to main over the pool's channel.
 * The channel's end is the pool's end. */
#ifndef WORKER_CREW_H
#define WORKER_CREW_H

#include "wire/control.h"
#include "wire/page.h"

#include <sys/types.h>

typedef struct mpl_agent mpl_agent_t;
typedef struct mpl_held mpl_held_t;
typedef struct mpl_crew mpl_crew_t;

#define MPL__GRACE_NS 1000000000u       /* between TERM and KILL */

/* Takes the channel, endpoint, pages and arena in fds and starts the workers. NULL: ENOMEM, EPROTO. */
mpl_crew_t *mpl__crew_new (mpl_agent_t *agent, uint64_t pool, const mpl_control_t *order, int *fds);

/* The same on another host than main's, as a POOL_FAR says; it makes pages and arena itself. */
mpl_crew_t *mpl__crew_new_far (mpl_agent_t *agent, const mpl_control_t *order);

/* What the launcher brings: on another host main's orders, on main's host what comes from others. */
void mpl__crew_heard (mpl_crew_t *self, const mpl_control_t *message);

/* Main hears of another host. */
void mpl__crew_tell_host (mpl_crew_t *self, const mpl_control_t *host);

/* No more workers than fit in n of the `of` slots that this host has for the launch (0 of 0: all): those that are too many
 * are let go when their work is done, those that are missing are started. */
void mpl__crew_use_slots (mpl_crew_t *self, uint64_t n, uint64_t of);

/* Whether those that were too many have ended. */
int mpl__crew_keeps_to_slots (const mpl_crew_t *self);

/* A nursery has made its key for this pool. */
void mpl__crew_key (mpl_crew_t *self, const mpl_control_t *key);

/* On another host: nothing is begun after that instant of CLOCK_BOOTTIME. */
void mpl__crew_lease (mpl_crew_t *self, uint64_t until);

/* Nursery reports. */
void mpl__crew_spawned (mpl_crew_t *self, mpl_held_t *nursery, const mpl_control_t *report, int *pidfd);
void mpl__crew_exited (mpl_crew_t *self, const mpl_control_t *report);

/* A process of this crew was reaped by the agent itself, because its nursery died. 1: it was ours. */
int mpl__crew_reaped (mpl_crew_t *self, pid_t pid, int status, uint64_t peak_bytes);

/* A nursery is gone: what was asked of it must be asked of another. */
void mpl__crew_lost_nursery (mpl_crew_t *self, mpl_held_t *nursery);

/* TERM now, KILL a second later. */
void mpl__crew_terminate (mpl_crew_t *self);

/* Sends a signal to each of its workers. */
void mpl__crew_signal (mpl_crew_t *self, int signal);

/* Does what is due at `now`; the next instant at which something is. */
uint64_t mpl__crew_tick (mpl_crew_t *self, uint64_t now);

/* 1 when it is closed and no process of it is left, on this host or another. */
int mpl__crew_is_over (const mpl_crew_t *self);
uint64_t mpl__crew_pool (const mpl_crew_t *self);
mpl_crew_t **mpl__crew_next (mpl_crew_t *self);

/* Closes the channel, which main takes as: all of them have ended. */
void mpl__crew_destroy (mpl_crew_t **self);

#endif
