#include "launcher/plan.h"
#include "launcher/beside.h"
#include "base/clock.h"
#include "base/cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LENT_TEXT 512                   /* bytes of a host's name and slots, as a broker says them */

/* ---- hosts ----------------------------------------------------------------------------------------------------- */

int mpl__plan_is_here (const mpl_plan_t *self, size_t host) { return self->starts[host] == MPL__START_HERE; }

/* As many slots as there are to be processes, or all that can be had. What has joined there is come to through it, be
 * it this machine. */
static int ask_broker (mpl_plan_t *self, mpl_err_t *err)
{
    const mpl_options_t *options = self->options;
    uint64_t n = 0;

    for (size_t i = 0; i < options->n_apps && (n || !i); i++)
        n = options->apps[i].n ? n + (uint64_t) options->apps[i].n : 0;
    self->attach = mpl__attach_new (options->attach, n, options->timeout, options->is_quiet, &self->hosts, err);
    if (!self->attach)
        return -1;
    if (!(self->starts = calloc (self->hosts.n, sizeof *self->starts)))
        return mpl__err (err, ENOMEM, "no memory for %zu hosts", self->hosts.n);
    for (size_t i = 0; i < self->hosts.n; i++)
        self->starts[i] = MPL__START_LENT;
    return 0;
}

static int read_hosts (mpl_plan_t *self, mpl_err_t *err)
{
    mpl_where_t where;

    if (self->options->attach)
        return ask_broker (self, err);
    if (mpl__where_choose (&where, self->options, getenv, err) < 0) {
        mpl__where_free (&where);
        return -1;
    }
    self->hosts = where.hosts;          /* ours from now on */
    self->starts = where.starts;
    self->transport = where.transport;
    self->pool = where.pool;
    self->own_name = where.own_name;
    return 0;
}

/* Main is on the first host. If that is another one, workers here come to it through its agent's post, so they need
 * one too. */
static int is_tunnelled (const mpl_plan_t *self)
{
    return self->transport.tunnel == MPL__TUNNEL_SSH && !mpl__plan_is_here (self, 0);
}

static int count_slots (mpl_plan_t *self, mpl_err_t *err)
{
    self->slots = calloc (self->hosts.n, sizeof *self->slots);
    self->n_on = calloc (self->hosts.n, sizeof *self->n_on);
    self->has_post = calloc (self->hosts.n, sizeof *self->has_post);
    if (!self->slots || !self->n_on || !self->has_post)
        return mpl__err (err, ENOMEM, "no memory for %zu hosts", self->hosts.n);
    for (size_t i = 0; i < self->hosts.n; i++) {
        const mpl_host_t *host = &self->hosts.hosts[i];
        int is_here = mpl__plan_is_here (self, i);
        self->slots[i] = host->slots ? host->slots : is_here ? mpl__cpus_usable () : 0;
        self->has_post[i] = !is_here || is_tunnelled (self);
        self->n_far += self->has_post[i];
        self->must_ask |= !self->slots[i];
    }
    return 0;
}

/* ---- placing --------------------------------------------------------------------------------------------------- */

/* Which of the launch's hosts a program's own -H names, and how many slots it gives them. */
static int read_demand (const mpl_plan_t *self, const mpl_app_t *app, int *slots, mpl_err_t *err)
{
    mpl_hosts_t own = { .hosts = NULL };
    int is_own = app->hosts != NULL;

    if (is_own && mpl__hosts_add_list (&own, app->hosts, err) < 0)
        return -1;
    for (size_t i = 0; i < self->hosts.n; i++)
        slots[i] = is_own ? 0 : self->options->per_node ? self->options->per_node : self->slots[i];
    for (size_t i = 0; i < own.n; i++) {
        int host = mpl__hosts_find (&self->hosts, own.hosts[i].name);
        for (size_t k = 0; k < self->hosts.n && host < 0 && mpl__where_is_here (self->own_name, own.hosts[i].name); k++)
            if (mpl__plan_is_here (self, k))
                host = (int) k;
        if (host < 0) {
            mpl__err (err, EINVAL, "-H names %s, which is not among the hosts of the launch", own.hosts[i].name);
            mpl__hosts_free (&own);
            return -1;
        }
        slots[host] += self->options->per_node ? self->options->per_node
                       : own.hosts[i].slots    ? own.hosts[i].slots
                                               : self->slots[host];
    }
    mpl__hosts_free (&own);
    return 0;
}

/* With --each one process is enough on one host. On several each has one for each job that it is to run, so that
 * mpeach's pool has its workers there. */
static size_t demand_of (const mpl_plan_t *self, const mpl_app_t *app)
{
    const mpl_options_t *options = self->options;

    if (!options->is_each || self->hosts.n == 1)
        return (size_t) app->n;
    return options->says_jobs ? (size_t) options->each_jobs : 0;
}

static int place_all (mpl_plan_t *self, mpl_demand_t *demands, int *slots, mpl_err_t *err)
{
    const mpl_options_t *options = self->options;

    for (size_t i = 0; i < options->n_apps; i++) {
        int *own = slots + i * self->hosts.n;
        demands[i] = (mpl_demand_t) { .n = demand_of (self, &options->apps[i]), .slots = own };
        if (read_demand (self, &options->apps[i], own, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < self->hosts.n && options->per_node; i++)
        self->slots[i] = options->per_node;
    if (mpl__place (demands, options->n_apps, self->slots, self->hosts.n, options->map_by, &self->places, &self->n,
                    &self->is_crowded)
        == 0) {
        for (size_t i = 0; i < self->n; i++)
            self->n_on[self->places[i].host]++;
        if (options->standard_input < (int) self->n)
            return 0;
        return mpl__err (err, EINVAL, "--stdin names rank %d; there are ranks 0 to %zu", options->standard_input,
                         self->n - 1);
    }
    return mpl__err (err, errno,
                     errno == E2BIG ? "more than %d processes were asked for; that is the most one launch may have"
                                    : "there is no place for the processes (%d are possible in all)",
                     MPL__RANKS_MAX);
}

int mpl__plan_place (mpl_plan_t *self, mpl_err_t *err)
{
    size_t n_apps = self->options->n_apps;
    mpl_demand_t *demands = calloc (n_apps, sizeof *demands);
    int *slots = calloc (n_apps * self->hosts.n, sizeof *slots);
    int rc =
        demands && slots ? place_all (self, demands, slots, err) : mpl__err (err, ENOMEM, "no memory for the plan");

    self->must_ask = 0;
    free (demands);
    free (slots);
    return rc;
}

/* A dry run asks nobody: a host that says no number counts as one slot. */
static void guess_slots (mpl_plan_t *self)
{
    for (size_t i = 0; i < self->hosts.n; i++)
        self->slots[i] = self->slots[i] ? self->slots[i] : 1;
    self->must_ask = 0;
}

int mpl__plan_make (mpl_plan_t *self, const mpl_options_t *options, mpl_err_t *err)
{
    *self = (mpl_plan_t) { .options = options, .transport = MPL__TRANSPORT_DEFAULTS, .pool = { .retries = -1 } };
    snprintf (self->job, sizeof self->job, "%d", (int) getpid ());
    if (options->is_each && mpl__beside_folder (&self->folder, err) < 0)
        return -1;
    if (read_hosts (self, err) < 0 || count_slots (self, err) < 0)
        return -1;
    if ((self->n_far || options->is_check) && !(self->cwd = getcwd (NULL, 0)))
        return mpl__err (err, errno, "the folder this was started in is gone: %s", strerror (errno));
    if (mpl__staging_begin (&self->staging, options, err) < 0)
        return -1;
    if (options->is_dry_run || options->is_check)
        guess_slots (self);
    return self->must_ask ? 0 : mpl__plan_place (self, err);
}

void mpl__plan_clear (mpl_plan_t *self)
{
    mpl__attach_destroy (&self->attach);
    mpl__hosts_free (&self->hosts);
    free (self->slots);
    free (self->places);
    free (self->n_on);
    free (self->starts);
    free (self->has_post);
    free (self->cwd);
    mpl__staging_clear (&self->staging);
    free (self->folder);
    *self = (mpl_plan_t) { .options = NULL };
}

static int extend (int **array, size_t n, int value)
{
    int *larger = realloc (*array, (n + 1) * sizeof *larger);

    if (!larger)
        return -1;
    *array = larger;
    larger[n] = value;
    return 0;
}

int mpl__plan_add_host (mpl_plan_t *self, const char *name, int slots, mpl_err_t *err)
{
    size_t n = self->hosts.n;
    char list[LENT_TEXT];
    size_t *n_on = realloc (self->n_on, (n + 1) * sizeof *n_on);

    if (n_on)
        self->n_on = n_on;
    mpl_start_t *starts = realloc (self->starts, (n + 1) * sizeof *starts);
    if (starts)
        self->starts = starts;
    if (!n_on || !starts || extend (&self->slots, n, slots) < 0 || extend (&self->has_post, n, 1) < 0)
        return mpl__err (err, ENOMEM, "no memory for one more host");
    n_on[n] = 0;
    starts[n] = MPL__START_LENT;
    snprintf (list, sizeof list, "%s:%d", name, slots);
    if (mpl__hosts_add_list (&self->hosts, list, err) < 0)
        return -1;
    return self->hosts.n == n + 1 ? (int) n : mpl__err (err, EEXIST, "the host %s is used by this launch already", name);
}

/* ---- the order ------------------------------------------------------------------------------------------------- */

mpl_deal_t mpl__plan_deal (const mpl_options_t *options)
{
    static const mpl_deal_t deals[] = { [MPL__MAP_SLOT] = MPL__DEAL_SLOT,
                                        [MPL__MAP_NODE] = MPL__DEAL_SLOT,
                                        [MPL__MAP_CORE] = MPL__DEAL_CORE,
                                        [MPL__MAP_SOCKET] = MPL__DEAL_SOCKET };

    return deals[options->map_by];
}

mpl_hold_t mpl__plan_hold (const mpl_options_t *options)
{
    static const mpl_hold_t holds[] = {
        [MPL__BIND_NONE] = MPL__HOLD_NONE, [MPL__BIND_CORE] = MPL__HOLD_CORE, [MPL__BIND_SOCKET] = MPL__HOLD_SOCKET
    };

    return holds[options->bind_to];
}

static mpl_order_app_t order_of (const mpl_plan_t *self, const mpl_app_t *app)
{
    static const mpl_keep_t keeps[] = {
        [MPL__ENV_ALL] = MPL__KEEP_ALL, [MPL__ENV_LIST] = MPL__KEEP_LISTED, [MPL__ENV_NONE] = MPL__KEEP_NONE
    };

    return (mpl_order_app_t){ .argv = app->argv.texts,
                              .set = app->set.texts,
                              .kept = app->kept.texts,
                              .keep = keeps[app->keep],
                              .wdir = (char *) app->wdir,
                              .path = self->folder ? self->folder : (char *) app->path };
}

static uint64_t flags_of (const mpl_plan_t *self, size_t host)
{
    const mpl_options_t *options = self->options;

    return (options->is_tagged && !options->is_each ? MPL__ORDER_TAG_RANK : 0)
           | (self->hosts.n > 1 ? MPL__ORDER_TAG_HOST : 0) | (options->is_teed ? MPL__ORDER_TEE : 0)
           | (options->is_each && !self->has_post[host] ? MPL__ORDER_DIRECT : 0)
           | (self->has_post[host] ? MPL__ORDER_ENV : 0)
           | (self->has_post[host] && self->transport.tunnel == MPL__TUNNEL_SSH ? MPL__ORDER_TUNNEL : 0)
           | (self->attach ? MPL__ORDER_GROWS : 0);
}

static uint64_t ns_of (double seconds)
{
    return (uint64_t) (seconds * MPL__NS_PER_S);
}

/* What an agent on another host cannot inherit: our environment, the folder we are in, and the lease. */
static void fill_far (const mpl_plan_t *self, mpl_order_t *order)
{
    order->env = environ;
    order->wdir = order->wdir ? order->wdir : self->cwd;
    order->beat_ns = ns_of (self->transport.heartbeat);
    order->self_end_ns = ns_of (self->transport.self_end_after);
}

/* Where main listens: through a tunnel it is reached from its own host. */
static char *interface_of (const mpl_plan_t *self)
{
    return self->transport.tunnel == MPL__TUNNEL_SSH ? (char *) "lo" : self->transport.interface;
}

static void fill_order (const mpl_plan_t *self, size_t host, int standard_input, mpl_order_t *order)
{
    const mpl_options_t *options = self->options;

    order->job = (char *) self->job;
    order->host = self->hosts.hosts[host].name;
    order->output = options->is_each ? NULL : (char *) options->output;
    order->wdir = self->hosts.hosts[host].workdir;
    order->set = self->hosts.hosts[host].env;
    order->size = self->n;
    order->node = host;
    order->nodes = self->hosts.n;
    order->standard_input = standard_input == MPL__STDIN_NONE  ? MPL__NO_RANK
                            : standard_input == MPL__STDIN_ALL ? MPL__ALL_RANKS
                                                               : (uint64_t) standard_input;
    order->deal = mpl__plan_deal (options);
    order->hold = mpl__plan_hold (options);
    order->flags = flags_of (self, host);
    order->interface = interface_of (self);
    order->port_first = (uint64_t) self->transport.port_first;
    order->port_last = (uint64_t) self->transport.port_last;
    order->retries = (uint64_t) (self->pool.retries + 1);
    order->timeout_ns = ns_of (self->pool.task_timeout);
    order->memory_limit = self->pool.memory_limit;
    if (self->has_post[host])
        fill_far (self, order);
    for (size_t i = 0; i < options->n_apps; i++)
        order->apps[i] = order_of (self, &options->apps[i]);
    order->n_apps = options->n_apps;
    for (size_t i = 0; i < self->n; i++)
        if (self->places[i].host == host)
            order->ranks[order->n_ranks++] = (mpl_order_rank_t) { i, self->places[i].app };
    order->sharers = options->is_each && self->hosts.n == 1 ? (uint64_t) options->each_jobs : order->n_ranks;
}

static void fill_stage (const mpl_plan_t *self, size_t host, mpl_order_t *order)
{
    int is_here = mpl__plan_is_here (self, host);

    order->stage = is_here ? self->staging.links : self->staging.files;
    order->n_stage = self->staging.n;
    for (size_t i = 0; i < order->n_apps && self->staging.argvs && !is_here; i++)
        if (self->staging.argvs[i])
            order->apps[i].argv = self->staging.argvs[i];
}

int mpl__plan_order (const mpl_plan_t *self, size_t host, int standard_input, int is_late, uint8_t **bytes, size_t *len,
                     mpl_err_t *err)
{
    mpl_order_t order = { .apps = calloc (self->options->n_apps, sizeof *order.apps),
                          .ranks = calloc (self->n + 1, sizeof *order.ranks) };
    int rc = -1;

    if (order.apps && order.ranks) {
        fill_order (self, host, standard_input, &order);
        fill_stage (self, host, &order);
        if (is_late) {
            order.n_ranks = 0;
            order.sharers = (uint64_t) self->slots[host];
            order.flags |= MPL__ORDER_STAYS;
        }
        rc = mpl__order_encode (&order, bytes, len);
    }
    if (rc < 0)
        mpl__err (err, errno, "the order for the agent on %s cannot be made: %s", self->hosts.hosts[host].name,
                  strerror (errno));
    free (order.apps);
    free (order.ranks);
    return rc;
}

/* Whether a program is looked for on a host when that is only tried: one that may run there, and is not copied there
 * first. */
static int is_tried (const mpl_plan_t *self, size_t app, size_t host, int *slots)
{
    const mpl_app_t *one = &self->options->apps[app];
    const char *name = one->argv.n ? one->argv.texts[0] : NULL;
    int is_original = mpl__plan_is_here (self, host) && name && strchr (name, '/');

    return name && (is_original || !mpl__staging_has (&self->staging, app, name))
           && (!one->hosts || (read_demand (self, one, slots, NULL) == 0 && slots[host]));
}

int mpl__plan_check_order (const mpl_plan_t *self, size_t host, uint8_t **bytes, size_t *len, mpl_err_t *err)
{
    int *slots = calloc (self->hosts.n, sizeof *slots), rc = -1;
    mpl_order_t order = { .job = (char *) self->job, .host = self->hosts.hosts[host].name, .nodes = self->hosts.n, .node = host,
                          .wdir = self->hosts.hosts[host].workdir, .set = self->hosts.hosts[host].env,
                          .standard_input = MPL__NO_RANK, .apps = calloc (self->options->n_apps, sizeof *order.apps),
                          .flags = MPL__ORDER_CHECK | MPL__ORDER_STAYS | MPL__ORDER_ENV, .interface = interface_of (self),
                          .port_first = (uint64_t) self->transport.port_first, .port_last = (uint64_t) self->transport.port_last };

    fill_far (self, &order);
    if (slots && order.apps) {
        for (size_t i = 0; i < self->options->n_apps; i++)
            if (is_tried (self, i, host, slots))
                order.apps[order.n_apps++] = order_of (self, &self->options->apps[i]);
        rc = mpl__order_encode (&order, bytes, len);
    }
    if (rc < 0)
        mpl__err (err, errno, "the order for the agent on %s cannot be made: %s", self->hosts.hosts[host].name, strerror (errno));
    free (order.apps);
    free (slots);
    return rc;
}
