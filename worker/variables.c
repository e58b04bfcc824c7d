#include "worker/variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_THREAD_NAMES 6
#define THREAD_TEXT 64

static const char *const thread_names[N_THREAD_NAMES] = { "OMP_NUM_THREADS",     "OPENBLAS_NUM_THREADS",
                                                          "MKL_NUM_THREADS",     "BLIS_NUM_THREADS",
                                                          "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS" };

/* What a launcher gives to each of its processes. A program that finds another launcher's takes itself for one of
 * that launcher's ranks (mpich#1539, mpich#7957), so what is inherited goes no further. Those that end in '*' are
 * beginnings. */
static const char *const launchers[] = {
    "MPL_RANK", "MPL_SIZE", "MPL_LOCAL_RANK", "MPL_LOCAL_SIZE", "MPL_NODE", "MPL_NODES", "MPL_JOB", "MPL_FD",
    "PMI_*", "PMIX_*", "OMPI_*", "PRTE_*", "HYDI_*", "MPI_LOCALRANKID", "MPI_LOCALNRANKS",
    "SLURM_STEP*", "SLURM_SRUN_*", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_TASK_PID", "SLURM_GTIDS",
    "SLURM_LAUNCH_NODE_IPADDR", NULL
};

static size_t name_len (const char *entry)
{
    return strcspn (entry, "=");
}

/* What belongs to a host, or to a login on it. */
static const char *const of_host[] = {
    "HOSTNAME", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "WINDOWID", "SSH_*", "XDG_*",
    "SLURMD_NODENAME", "SLURM_CPUS_ON_NODE", "SLURM_TOPOLOGY_ADDR", NULL
};

static int is_one_of (const char *entry, const char *const *names)
{
    size_t len = name_len (entry);

    for (const char *const *at = names; *at; at++) {
        size_t n = strlen (*at);
        int is_beginning = (*at)[n - 1] == '*';
        if (is_beginning ? !strncmp (entry, *at, n - 1) : len == n && !strncmp (entry, *at, n))
            return 1;
    }
    return 0;
}

static int is_launchers (const char *entry)
{
    return is_one_of (entry, launchers);
}

int mpl__variables_is_of_host (const char *entry)
{
    return is_one_of (entry, of_host);
}

static int is_listed (const char *entry, char *const *names)
{
    size_t len = name_len (entry);

    for (; names && *names; names++)
        if (strlen (*names) == len && !strncmp (entry, *names, len))
            return 1;
    return 0;
}

static int is_among (const char *entry, char *const *entries, size_t n)
{
    size_t len = name_len (entry);

    for (size_t i = 0; i < n; i++)
        if (!strncmp (entry, entries[i], len) && (entries[i][len] == '=' || !entries[i][len]))
            return 1;
    return 0;
}

static int is_let_through (const char *entry, mpl_keep_t keep, char *const *kept)
{
    switch (keep) {
    case MPL__KEEP_ALL:
        return !is_launchers (entry);
    case MPL__KEEP_LISTED:
        return !is_launchers (entry) && is_listed (entry, kept);
    case MPL__KEEP_NONE:
        return 0;
    case MPL__KEEP_COPY:
        return strncmp (entry, "MPL_FD=", 7) != 0;
    }
    return 0;
}

static size_t count (char *const *texts)
{
    size_t n = 0;

    while (texts && texts[n])
        n++;
    return n;
}

int mpl__variables_make (mpl_variables_t *self, size_t n_own, char *const *set, mpl_keep_t keep, char *const *kept,
                         int threads)
{
    size_t n_set = count (set), n = n_own;

    self->own = malloc (N_THREAD_NAMES * THREAD_TEXT);
    self->vars = malloc ((n_own + n_set + count (environ) + N_THREAD_NAMES + 1) * sizeof *self->vars);
    if (!self->own || !self->vars) {
        mpl__variables_free (self);
        return -1;
    }
    char **rest = self->vars + n_own;
    for (size_t i = n_set; i-- > 0;)
        if (!is_among (set[i], rest, n - n_own))
            self->vars[n++] = set[i];
    n_set = n - n_own;
    for (char **at = environ; at && *at; at++)
        if (is_let_through (*at, keep, kept) && !is_among (*at, rest, n_set))
            self->vars[n++] = *at;
    for (int i = 0; threads && i < N_THREAD_NAMES; i++) {
        char *text = self->own + i * THREAD_TEXT;
        snprintf (text, THREAD_TEXT, "%s=%d", thread_names[i], threads);
        if (!is_among (text, rest, n - n_own))
            self->vars[n++] = text;
    }
    self->vars[n] = NULL;
    return 0;
}

void mpl__variables_free (mpl_variables_t *self)
{
    free (self->vars);
    free (self->own);
    *self = (mpl_variables_t) { .vars = NULL };
}

const char *mpl__variables_get (char *const *vars, const char *name)
{
    size_t len = strlen (name);

    for (; *vars; vars++)
        if (!strncmp (*vars, name, len) && (*vars)[len] == '=')
            return *vars + len + 1;
    return NULL;
}
