/* reach.h - agents on other hosts: brought there by ssh, by srun, or to those that a broker lends by mpattach,
 * several at a time, again when a host refuses for the moment; listened to while they are there; and the reason when
 * one cannot be reached or is lost. It owns the processes that carry them and the posts to them. One thread, that of
 * its loop. */
#ifndef LAUNCHER_REACH_H
#define LAUNCHER_REACH_H

#include "launcher/agent.h"

/* At once: below the ten unfinished logins from which on sshd begins to refuse (its MaxStartups), if several hosts
 * are one. */
#define MPL__REACH_MAX 8

/* From the first attempt until the agent there has said that it is. */
#define MPL__REACH_LIMIT_NS ((uint64_t) 30 * 1000000000u)

/* How long an agent that is sent files may take none of them. */
#define MPL__FILES_LIMIT_NS ((uint64_t) 60 * 1000000000u)

typedef struct mpl_reach mpl_reach_t;

typedef struct {
    void (*there) (void *arg, mpl_host_agent_t *agent);
    void (*failed) (void *arg, mpl_host_agent_t *agent, const mpl_err_t *err);      /* it was never there */
    void (*heard) (void *arg, mpl_host_agent_t *agent, const mpl_control_t *message);
    void (*stream) (void *arg, mpl_host_agent_t *agent, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len);
    void (*gone) (void *arg, mpl_host_agent_t *agent, const char *why);     /* it was; why: NULL when it left in peace */
    void *arg;
} mpl_reach_fns_t;

/* Those of the n agents whose host is not this one are reached from now on. The plan and agents must stay. NULL with
 * *err. */
mpl_reach_t *mpl__reach_new (mpl_loop_t *loop, const mpl_plan_t *plan, mpl_host_agent_t *agents, size_t n,
                             const mpl_reach_fns_t *fns, mpl_err_t *err);

/* Does what is due at `now`; the next instant at which something is. */
uint64_t mpl__reach_tick (mpl_reach_t *self, uint64_t now);

/* One more agent of the array, in state WAITS; or one that is gone is reached again at `due`. Failing to is told as
 * any time. */
void mpl__reach_add (mpl_reach_t *self, mpl_host_agent_t *agent, uint64_t due);

/* The job is ending: nobody is reached any more, and a host that is silent for two heartbeats and a second is not
 * waited for any more; it ends by itself. */
void mpl__reach_hurry (mpl_reach_t *self, uint64_t now);

/* Ends what is left: those there see it and end all that is theirs. */
void mpl__reach_destroy (mpl_reach_t **self);

#endif
