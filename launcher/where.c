#include "launcher/where.h"
#include "base/cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_NAME 256
#define JOB_NAMED 5                     /* hosts of a job that an error names */

/* What is decided while the hosts are chosen. */
typedef struct {
    mpl_where_t *where;
    const mpl_options_t *options;
    mpl_launch_t launch;                /* what is asked for */
    mpl_launch_t kind;                  /* of the job that counts; MPL__LAUNCH_LOCAL: none does */
    mpl_allocation_t job;
} choice_t;

int mpl__where_is_here (const char *own_name, const char *name)
{
    return (own_name && !strcmp (own_name, name)) || mpl__host_is_here (name);
}

/* ---- hosts that are named -------------------------------------------------------------------------------------- */

/* Their texts lie in the store that comes with the hosts. */
static int read_cluster (choice_t *self, mpl_err_t *err)
{
    mpl_cluster_t cluster;

    if (mpl__cluster_read (&cluster, self->options->cluster, err) < 0)
        return -1;
    self->where->hosts = cluster.hosts;        /* ours from now on */
    self->where->transport = cluster.transport;
    self->where->pool = cluster.pool;
    if (!self->options->says_launch)
        self->launch = (mpl_launch_t) cluster.launch;
    cluster.hosts = (mpl_hosts_t) { .hosts = NULL };
    mpl__cluster_free (&cluster);
    return 0;
}

/* Every host that any program may run on: those of the launch, or those that the programs name. */
static int read_named (choice_t *self, mpl_err_t *err)
{
    const mpl_options_t *options = self->options;
    mpl_hosts_t *hosts = &self->where->hosts;
    int rc = 0;

    if (options->cluster)
        return read_cluster (self, err);
    if (options->hostfile)
        return mpl__hosts_read_file (hosts, options->hostfile, err);
    if (options->hosts)
        return mpl__hosts_add_list (hosts, options->hosts, err);
    for (size_t i = 0; i < options->n_apps && !rc; i++)
        if (options->apps[i].hosts)
            rc = mpl__hosts_add_list (hosts, options->apps[i].hosts, err);
    return rc;
}

static int add_this_host (mpl_hosts_t *hosts, mpl_err_t *err)
{
    char name[HOST_NAME] = "localhost", list[HOST_NAME + 16];

    gethostname (name, sizeof name - 1);
    snprintf (list, sizeof list, "%s:%d", *name ? name : "localhost", mpl__cpus_usable ());
    return mpl__hosts_add_list (hosts, list, err);
}

/* ---- the job --------------------------------------------------------------------------------------------------- */

static int goes_by_srun (const choice_t *self)
{
    return self->kind == MPL__LAUNCH_SLURM && self->launch != MPL__LAUNCH_SSH;
}

/* What the job granted is read when it is needed: what is malformed there is no affair of who names hosts and uses
 * ssh. */
static int read_job (choice_t *self, mpl_getenv_fn *get, mpl_err_t *err)
{
    if (self->launch == MPL__LAUNCH_LOCAL)
        return 0;
    self->kind = self->launch > MPL__LAUNCH_SSH ? self->launch : mpl__allocation_kind (get);
    if (self->kind == MPL__LAUNCH_LOCAL || (self->where->hosts.n && !goes_by_srun (self)))
        return self->launch > MPL__LAUNCH_SSH ? mpl__allocation_check (self->kind, get, err) : 0;
    if (mpl__allocation_read (&self->job, self->kind, get, err) < 0)
        return -1;
    self->where->own_name = self->job.own_name;
    return 0;
}

/* The hosts of the job as an error names them. */
static const char *job_text (const choice_t *self, char *text, size_t size)
{
    const mpl_hosts_t *hosts = &self->job.hosts;
    size_t len = 0;

    for (size_t i = 0; i < hosts->n && i < JOB_NAMED && len < size; i++)
        len += (size_t) snprintf (text + len, size - len, "%s%.64s", i ? ", " : "", hosts->hosts[i].name);
    if (hosts->n > JOB_NAMED && len < size)
        snprintf (text + len, size - len, " and %zu more", hosts->n - JOB_NAMED);
    return text;
}

/* ---- all together ---------------------------------------------------------------------------------------------- */

/* No host is named: those of the job, or this one. */
static int settle_hosts (choice_t *self, mpl_err_t *err)
{
    if (self->where->hosts.n)
        return 0;
    if (self->kind == MPL__LAUNCH_LOCAL)
        return add_this_host (&self->where->hosts, err);
    self->where->hosts = self->job.hosts;
    self->job.hosts = (mpl_hosts_t) { .hosts = NULL };
    return 0;
}

/* Names of this machine become one host, the first of them: it has one agent, and what its ranks print goes
 * through one place. */
static void merge_here (mpl_where_t *self)
{
    mpl_hosts_t *hosts = &self->hosts;
    mpl_host_t *here = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < hosts->n; i++) {
        mpl_host_t *host = &hosts->hosts[i];
        int is_here = mpl__where_is_here (self->own_name, host->name);
        if (here && is_here) {
            here->slots = here->slots && host->slots ? here->slots + host->slots : 0;
            continue;
        }
        hosts->hosts[kept] = *host;
        if (is_here)
            here = &hosts->hosts[kept];
        kept++;
    }
    hosts->n = kept;
}

static int choose_start (const choice_t *self, const char *name, int is_of_job, mpl_start_t *start, mpl_err_t *err)
{
    char text[JOB_NAMED * 70];

    *start = MPL__START_HERE;
    if (mpl__where_is_here (self->where->own_name, name))
        return 0;
    if (self->launch == MPL__LAUNCH_LOCAL)
        return mpl__err (err, EINVAL, "the launch is local, which is this machine alone, and %.255s is another host", name);
    *start = goes_by_srun (self) ? MPL__START_SRUN : MPL__START_SSH;
    if (*start == MPL__START_SSH || is_of_job || mpl__hosts_find (&self->job.hosts, name) >= 0)
        return 0;
    return mpl__err (err, EINVAL,
                     "the host %.255s is not one of Slurm's job %.32s, which has %s; with --launch ssh it would be reached by ssh",
                     name, self->job.job, job_text (self, text, sizeof text));
}

static int choose_starts (choice_t *self, int are_of_job, mpl_err_t *err)
{
    mpl_where_t *where = self->where;
    int rc = 0;

    if (!(where->starts = calloc (where->hosts.n, sizeof *where->starts)))
        return mpl__err (err, ENOMEM, "no memory for %zu hosts", where->hosts.n);
    for (size_t i = 0; i < where->hosts.n && !rc; i++)
        rc = choose_start (self, where->hosts.hosts[i].name, are_of_job, &where->starts[i], err);
    return rc;
}

int mpl__where_choose (mpl_where_t *self, const mpl_options_t *options, mpl_getenv_fn *get, mpl_err_t *err)
{
    choice_t choice = { .where = self, .options = options, .launch = options->launch, .kind = MPL__LAUNCH_LOCAL };

    *self = (mpl_where_t) { .transport = MPL__TRANSPORT_DEFAULTS, .pool = { .retries = -1 } };
    int rc = read_named (&choice, err);
    int are_named = self->hosts.n > 0;
    rc = rc ? rc : read_job (&choice, get, err);
    rc = rc ? rc : settle_hosts (&choice, err);
    if (!rc)
        merge_here (self);
    rc = rc ? rc : choose_starts (&choice, !are_named, err);
    mpl__allocation_free (&choice.job);
    return rc;
}

void mpl__where_free (mpl_where_t *self)
{
    mpl__hosts_free (&self->hosts);
    free (self->starts);
    *self = (mpl_where_t) { .starts = NULL };
}
