/* launchself.h - a launch as its own files see it: launch.c begins it, turns its loop and ends it, launchhear.c does what
 * follows from what agents, the job and signals say, launchfar.c has what concerns other hosts: how they are reached, what they
 * are told, and what passes through here between them and main. */
#ifndef LAUNCHER_LAUNCHSELF_H
#define LAUNCHER_LAUNCHSELF_H

#include "launcher/agent.h"
#include "launcher/attach.h"
#include "launcher/job.h"
#include "launcher/progress.h"
#include "launcher/reach.h"
#include "launcher/streams.h"
#include "launcher/tally.h"
#include "base/loop.h"
#include "worker/tunnel.h"
#include "wire/control.h"

#include <signal.h>

#define MPL__LAUNCH_FAILED 125

typedef struct {
    mpl_plan_t *plan;
    const mpl_options_t *options;
    mpl_loop_t *loop;
    mpl_source_t *signal_source;
    int signals;                                        /* signalfd */
    sigset_t were_blocked;                              /* when we were started */
    mpl_host_agent_t *agents;                           /* one for each host */
    size_t n_agents, n_there;                           /* those that there are to be; started, and not gone */
    size_t agents_max;
    mpl_reach_t *reach;                                 /* NULL: all hosts are this one, */
    mpl_streams_t *streams;                             /* and its agent has our descriptors */
    mpl_tunnel_t *tunnel;                               /* to main, if it is on this host and only ssh passes to others */
    int has_far_pools;                                  /* main has asked for workers on another host, so main decides */
    int is_staged;                                      /* every host has its files */
    int unreached;                                      /* the launch is over before it began: its exit code; 0: it is not */
    mpl_job_t job;
    mpl_tally_t tally;
    mpl_progress_t progress;
    uint64_t now;                                       /* read once a turn */
    int is_agent_lost;
    int is_output_lost;                                 /* what the ranks printed could not be written */
} launch_t;

/* ---- launch.c */
/* Waits for something to happen, and does what is due. */
void mpl__launch_turn (launch_t *self);

/* ---- launchhear.c */
void mpl__launch_tell_agents (launch_t *self, mpl_control_type_t type, int signal);

/* Does what the job wants done. */
void mpl__launch_act (launch_t *self, mpl_job_action_t action, int signal);

/* A reader that has gone away, as in `mplaunch ... | head -1`, is no error to tell of (`why` is empty); a full disk is. */
void mpl__launch_output_lost (launch_t *self, const char *where, const char *why);

/* For the loop and the reach: an agent on this host, one on another, a signal; a host that is lost (why NULL: its agent left). */
void mpl__launch_heard_agent (void *agent, uint32_t events);
void mpl__launch_heard_host (void *self, mpl_host_agent_t *agent, const mpl_control_t *message);
void mpl__launch_heard_signal (void *self, uint32_t events);
void mpl__launch_host_gone (void *self, mpl_host_agent_t *agent, const char *why);

/* A host that is lost is reached again, and serves again, as long as the job lasts; one that was lent is its broker's
 * affair. */
void mpl__launch_come_back (launch_t *self, mpl_host_agent_t *agent);

/* ---- launchfar.c */
/* Main's host, which is rank 0's. */
mpl_host_agent_t *mpl__launch_home (launch_t *self);
const char *mpl__launch_name_of (const launch_t *self, const mpl_host_agent_t *agent);

/* What main and the agents of other hosts say to each other passes through here, and nothing of it is kept. */
void mpl__launch_pass_between (launch_t *self, mpl_host_agent_t *from, const mpl_control_t *message);

/* Connections of workers to main where only ssh passes: from a host to main, from main to whose it is, and from either. */
void mpl__launch_stream_to (launch_t *self, mpl_host_agent_t *from, mpl_stream_kind_t kind, uint64_t id, const void *bytes,
                            size_t len);
void mpl__launch_stream_back (void *self, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len);
void mpl__launch_heard_stream (void *self, mpl_host_agent_t *agent, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes,
                               size_t len);

/* Main hears of all hosts that have ranks. */
void mpl__launch_tell_of_hosts (launch_t *self);

/* The agent uses no more than so many slots now: the rest is the broker's. */
void mpl__launch_slots_free (launch_t *self, mpl_host_agent_t *agent, uint64_t n);

/* Both 0, or -1 with *err. All other hosts have an agent when the second returns 0, or the launch is `unreached`. */
int mpl__launch_listen_to_broker (launch_t *self, mpl_err_t *err);
int mpl__launch_reach_hosts (launch_t *self, mpl_err_t *err);

/* The agent of another host gets its order and its files; when all have theirs, they start. */
int mpl__launch_order_there (launch_t *self, mpl_host_agent_t *agent, int standard_input, mpl_err_t *err);
void mpl__launch_stage (launch_t *self);

#endif
