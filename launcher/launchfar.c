#include "launcher/launchself.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what main and other hosts say to each other ------------------------------------------------------------------ */

const char *mpl__launch_name_of (const launch_t *self, const mpl_host_agent_t *agent)
{
    return self->plan->hosts.hosts[agent->host].name;
}

mpl_host_agent_t *mpl__launch_home (launch_t *self)
{
    return &self->agents[self->plan->places[0].host];
}

void mpl__launch_pass_between (launch_t *self, mpl_host_agent_t *from, const mpl_control_t *message)
{
    if (from != mpl__launch_home (self)) {
        mpl__agent_say (mpl__launch_home (self), message);
    } else if (message->node < self->n_agents && message->node != from->host) {
        self->has_far_pools |= message->type == MPL__C_POOL_FAR;
        mpl__agent_say (&self->agents[message->node], message);
    }
}

/* Connections of workers to main where only ssh passes. At main's host their ids say in the upper half whose they are. */
void mpl__launch_stream_to (launch_t *self, mpl_host_agent_t *from, mpl_stream_kind_t kind, uint64_t id, const void *bytes,
                            size_t len)
{
    uint64_t at_home = (uint64_t) (from->host + 1) << 32 | (id & UINT32_MAX);

    if (mpl__launch_home (self)->post)
        mpl__post_stream (mpl__launch_home (self)->post, kind, at_home, bytes, len);
    else if (self->tunnel)
        mpl__tunnel_heard (self->tunnel, kind, at_home, bytes, len);
}

void mpl__launch_stream_back (void *arg, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len)
{
    launch_t *self = arg;
    uint64_t host = (id >> 32) - 1;

    if (host < self->n_agents && self->agents[host].post)
        mpl__post_stream (self->agents[host].post, kind, id & UINT32_MAX, bytes, len);
}

void mpl__launch_heard_stream (void *arg, mpl_host_agent_t *agent, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes,
                               size_t len)
{
    launch_t *self = arg;

    if (!self->tally.ranks)
        return;
    if (agent == mpl__launch_home (self))
        mpl__launch_stream_back (self, kind, id, bytes, len);
    else
        mpl__launch_stream_to (self, agent, kind, id, bytes, len);
}

/* Main hears that a host has workers for its pools: as many as it has ranks, or slots if it came later. Ranks of
 * main's own host count first. */
static void tell_of_host (launch_t *self, size_t host)
{
    const mpl_plan_t *plan = self->plan;
    size_t at_home = mpl__launch_home (self)->host, before = plan->n_on[at_home], n = plan->n_on[host];
    mpl_control_t message = { .type = MPL__C_HOST, .node = host };

    for (size_t i = 0; i < host; i++)
        before += i == at_home ? 0 : plan->n_on[i];
    message.first_slot = n ? before : plan->n;
    message.workers = n ? n : (uint64_t) plan->slots[host];
    snprintf (message.text, sizeof message.text, "%s", plan->hosts.hosts[host].name);
    mpl__agent_say (mpl__launch_home (self), &message);
}

void mpl__launch_tell_of_hosts (launch_t *self)
{
    for (size_t i = 0; i < self->n_agents; i++)
        if (i != mpl__launch_home (self)->host && self->plan->n_on[i])
            tell_of_host (self, i);
}

/* ---- slots that a broker wants back ------------------------------------------------------------------------------- */

static uint64_t slots_of (const launch_t *self, size_t host)
{
    return self->plan->n_on[host] ? self->plan->n_on[host] : (uint64_t) self->plan->slots[host];
}

/* Main's own host keeps one, or nobody would serve main. */
static uint64_t slots_to_use (launch_t *self, const mpl_host_agent_t *agent)
{
    uint64_t most = slots_of (self, agent->host), n = agent->n_slots < most ? agent->n_slots : most;

    return !n && agent == mpl__launch_home (self) ? 1 : n;
}

static void tell_slots (launch_t *self, mpl_host_agent_t *agent)
{
    mpl_control_t order = { .type = MPL__C_SLOTS, .workers = slots_to_use (self, agent), .n = slots_of (self, agent->host) };

    if (agent->is_resized && agent->state == MPL__AGENT_THERE)
        mpl__agent_say (agent, &order);
}

/* The agent has ended what was too much. One without any slot left is not needed any more. */
void mpl__launch_slots_free (launch_t *self, mpl_host_agent_t *agent, uint64_t n)
{
    if (!self->plan->attach || n != slots_to_use (self, agent)
        || (!n && !self->has_far_pools && self->plan->n_on[agent->host]))
        return;
    agent->is_given_back = !n;
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: %llu slots of %s are kept, others were waiting\n", (unsigned long long) n,
                 mpl__launch_name_of (self, agent));
    mpl__attach_keep (self->plan->attach, agent->host, n);
}

/* ---- their orders ------------------------------------------------------------------------------------------------- */

/* Until they are there the agent reads nothing else, and says nothing. */
static int send_files (launch_t *self, mpl_host_agent_t *agent, mpl_err_t *err)
{
    const mpl_staging_t *staging = &self->plan->staging;

    agent->due = self->now + MPL__FILES_LIMIT_NS;
    for (size_t i = 0; i < staging->n && !mpl__plan_is_here (self->plan, agent->host); i++) {
        int fd = open (staging->paths[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return mpl__err (err, errno, "--stage %s: the file cannot be read: %s", staging->paths[i], strerror (errno));
        mpl__post_file (agent->post, fd, staging->files[i].bytes);
    }
    agent->is_staging = 1;
    agent->files_left = mpl__post_files_left (agent->post);
    return 0;
}

int mpl__launch_order_there (launch_t *self, mpl_host_agent_t *agent, int standard_input, mpl_err_t *err)
{
    uint8_t *bytes = NULL;
    size_t len;

    if (agent->state != MPL__AGENT_THERE)
        return 0;                       /* lost again: that was said */
    if (mpl__plan_order (self->plan, agent->host, standard_input, agent->is_late, &bytes, &len, err) < 0)
        return -1;
    mpl__post_write (agent->post, bytes, len);          /* before any frame */
    free (bytes);
    if (self->plan->staging.n && send_files (self, agent, err) < 0)
        return -1;
    tell_slots (self, agent);
    return mpl__streams_open_post (self->streams, agent->host, agent->post, err);
}

static int are_staging (const launch_t *self)
{
    int n = 0;

    for (size_t i = 0; i < self->n_agents; i++)
        n += self->agents[i].state == MPL__AGENT_THERE && self->agents[i].is_staging;
    return n;
}

/* Other hosts have their orders, and start when all of them have their files. What ends the launch meanwhile ends it
 * here, by our end of their posts: they read nothing but files. */
void mpl__launch_stage (launch_t *self)
{
    while (are_staging (self) && !self->unreached && !self->job.is_ending)
        mpl__launch_turn (self);
    if (self->job.is_ending && !self->unreached)
        self->unreached = !self->is_agent_lost && mpl__job_outcome (&self->job) ? mpl__job_outcome (&self->job)
                                                                                : MPL__LAUNCH_FAILED;
    if (!self->unreached)
        mpl__launch_tell_agents (self, MPL__C_STAGED, 0);
    self->is_staged = 1;
}

/* ---- hosts that come ---------------------------------------------------------------------------------------------- */

/* The ranks run already: it gives workers to pools. */
static void welcome_late (launch_t *self, mpl_host_agent_t *agent)
{
    mpl_err_t err;

    agent->is_late = 1;
    agent->is_given_back = 0;
    if (mpl__launch_order_there (self, agent, MPL__STDIN_NONE, &err) < 0) {
        fprintf (stderr, "mplaunch: the job goes on without %s: %s\n", mpl__launch_name_of (self, agent), err.text);
        mpl__agent_say (agent, &(mpl_control_t) { .type = MPL__C_TERMINATE });
        return;
    }
    if (!self->options->is_quiet)
        fprintf (stderr, "mplaunch: %s is there and serves\n", mpl__launch_name_of (self, agent));
    tell_of_host (self, agent->host);
}

static void host_there (void *arg, mpl_host_agent_t *agent)
{
    launch_t *self = arg;

    self->n_there++;
    if (self->tally.ranks) {
        welcome_late (self, agent);
        return;
    }
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: an agent is on %s, which has %d cores\n", mpl__launch_name_of (self, agent),
                 (int) agent->cores);
    if (!self->plan->slots[agent->host])
        self->plan->slots[agent->host] = (int) (agent->cores < MPL__SLOTS_MAX ? agent->cores : MPL__SLOTS_MAX);
}

static void host_failed (void *arg, mpl_host_agent_t *agent, const mpl_err_t *err)
{
    launch_t *self = arg;

    if (!self->tally.ranks) {
        fprintf (stderr, "mplaunch: %s\n", err->text);
        self->unreached = MPL__LAUNCH_FAILED;
        return;
    }
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: %s\n", err->text);
    mpl__launch_come_back (self, agent);
}

/* A host that left the broker and joined it again has its old place. */
static int place_of_lent (launch_t *self, const char *name, int slots, mpl_err_t *err)
{
    int known = mpl__hosts_find (&self->plan->hosts, name);

    if (known >= 0 && self->agents[known].state != MPL__AGENT_GONE)
        return mpl__err (err, EEXIST, "this launch has an agent there already");
    if (known >= 0 || self->n_agents == self->agents_max)
        return known >= 0 ? known : mpl__err (err, E2BIG, "%zu hosts are the most one launch may have", self->agents_max);
    int host = mpl__plan_add_host (self->plan, name, slots, err);
    if (host < 0 || mpl__streams_extend (self->streams) < 0)
        return -1;
    self->n_agents++;
    return host;
}

static void host_lent (void *arg, const char *name, int slots, uint64_t lease)
{
    launch_t *self = arg;
    mpl_err_t err = { 0 };
    int host = place_of_lent (self, name, slots, &err);

    if (host >= 0 && mpl__attach_take (self->plan->attach, (size_t) host, lease, (uint64_t) slots) == 0) {
        self->agents[host].is_resized = 1;              /* it may have had more before */
        self->agents[host].n_slots = (uint64_t) slots;
        mpl__reach_add (self->reach, &self->agents[host], self->now);
        return;
    }
    mpl__attach_return (self->plan->attach, lease);
    if (self->options->is_verbose)
        fprintf (stderr, "mplaunch: what the broker lends of %s is not used: %s\n", name, err.text);
}

static void host_resized (void *arg, size_t host, uint64_t slots)
{
    launch_t *self = arg;

    if (host >= self->n_agents)
        return;
    self->agents[host].is_resized = 1;
    self->agents[host].n_slots = slots;
    if (self->tally.ranks)              /* else when it has its order */
        tell_slots (self, &self->agents[host]);
}

static void broker_gone (void *arg, const char *why)
{
    const launch_t *self = arg;

    if (!self->job.is_ending)
        fprintf (stderr, "mplaunch: %s; with it go the hosts that it has lent\n", why);
}

int mpl__launch_listen_to_broker (launch_t *self, mpl_err_t *err)
{
    const mpl_attach_fns_t fns = { host_lent, host_resized, broker_gone, self };

    if (self->plan->attach && mpl__attach_listen (self->plan->attach, self->loop, &fns) < 0)
        return mpl__err (err, errno, "the broker cannot be listened to: %s", strerror (errno));
    return 0;
}

/* All other hosts have an agent when this returns 0; nothing is started on any before. */
int mpl__launch_reach_hosts (launch_t *self, mpl_err_t *err)
{
    const mpl_reach_fns_t fns = { host_there,
                                  host_failed,
                                  mpl__launch_heard_host,
                                  mpl__launch_heard_stream,
                                  mpl__launch_host_gone,
                                  self };

    if (!self->plan->n_far)
        return 0;
    if (!(self->reach = mpl__reach_new (self->loop, self->plan, self->agents, self->n_agents, &fns, err)))
        return -1;
    while (self->n_there < self->plan->n_far && !self->unreached) {
        mpl__loop_turn (self->loop, mpl__reach_tick (self->reach, self->now));
        self->now = mpl__clock_ns ();
    }
    return 0;
}
