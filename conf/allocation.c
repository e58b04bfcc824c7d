#include "conf/allocation.h"
#include "conf/draft.h"
#include "conf/hostlist.h"
#include "conf/text.h"
#include "conf/word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNTS_RIGHT "counts are written as in 4(x2),2"

/* One allocation while it is read. */
typedef struct {
    mpl_draft_t draft;
    mpl_getenv_fn *get;
    mpl_err_t *err;
} reader_t;

static const char *ask (mpl_getenv_fn *get, const char *name)
{
    const char *value = get (name);

    return value && *value ? value : NULL;
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

/* A batch system writes names without ranges, users or ports. */
static int add_host (reader_t *self, const mpl_piece_t *name, int slots)
{
    char shown[MPL__SHOWN];

    for (size_t i = 0; i < name->len; i++)
        if (strchr ("[],:@", name->text[i]))            /* and a NUL */
            return mpl__err_at (self->err, &name->place, EINVAL, "'%s' is no host name",
                                mpl__shown (shown, name->text, name->len));
    return mpl__word_add (&self->draft, name, &(mpl_host_t) { .slots = slots }, self->err);
}

/* "a a b": a word for each process. */
static int add_names (reader_t *self, mpl_piece_t *line)
{
    mpl_piece_t name;

    while (mpl__word_next (line, &name))
        if (add_host (self, &name, 1) < 0)
            return -1;
    return 0;
}

/* A name and its number; 0: there is no more, 1: there was. */
static int add_pair (reader_t *self, mpl_piece_t *line)
{
    mpl_piece_t name, number;
    int slots;

    if (!mpl__word_next (line, &name))
        return 0;
    if (!mpl__word_next (line, &number))
        return mpl__err_at (self->err, &number.place, EINVAL, "a number of slots is missing behind the host");
    if (mpl__word_number (&number, "the number of slots", MPL__SLOTS_MAX, &slots, self->err) < 0)
        return -1;
    return add_host (self, &name, slots) < 0 ? -1 : 1;
}

static int add_pairs (reader_t *self, mpl_piece_t *line)
{
    int rc;

    while ((rc = add_pair (self, line)) > 0)
        ;
    return rc;
}

/* Behind host and slots stand the queue and the processors, which do not concern us. */
static int add_first_pair (reader_t *self, mpl_piece_t *line)
{
    return add_pair (self, line) < 0 ? -1 : 0;
}

static int add_lines (reader_t *self, const char *path, const char *text, size_t len,
                      int (*add) (reader_t *self, mpl_piece_t *line))
{
    const char *end = text + len;

    for (size_t n = 1; text < end; n++) {
        const char *newline = memchr (text, '\n', (size_t) (end - text)), *stop = newline ? newline : end;
        mpl_piece_t line = { text, (size_t) (stop - text), { path, n, 1 } };
        if (add (self, &line) < 0)
            return -1;
        text = newline ? newline + 1 : end;
    }
    return 0;
}

/* `kind` names the file in errors. */
static int add_file (reader_t *self, const char *path, const char *kind, int (*add) (reader_t *self, mpl_piece_t *line))
{
    size_t len;
    char *text = mpl__text_read (path, MPL__HOSTFILE_MAX, kind, &len, self->err);

    if (!text)
        return -1;
    int rc = add_lines (self, path, text, len, add), keep = errno;
    free (text);
    errno = keep;
    if (!rc && !self->draft.n)
        return mpl__err (self->err, EINVAL, "%.300s names no host; %s has at least one", path, kind);
    return rc;
}

/* ---- Slurm ----------------------------------------------------------------------------------------------------- */

/* Reads digits; what follows them is left to the caller. */
static int read_count (const char **at, int *count)
{
    const char *from = *at;

    for (*count = 0; **at >= '0' && **at <= '9'; ++*at)
        if ((*count = *count * 10 + (**at - '0')) > MPL__SLOTS_MAX)
            return -1;
    return *at > from && *count > 0 ? 0 : -1;
}

/* "N" or "N(xM)". */
static int read_repeated (const char **at, int *count, int *times)
{
    *times = 1;
    if (read_count (at, count) < 0)
        return -1;
    if (**at != '(')
        return 0;
    if (*++*at != 'x')
        return -1;
    ++*at;
    return read_count (at, times) < 0 || *(*at)++ != ')' ? -1 : 0;
}

/* *n_counts is how many there are; what is beyond n is read and not kept. */
static int read_counts (const char *name, const char *text, int *counts, size_t n, size_t *n_counts, mpl_err_t *err)
{
    const char *at = text;
    int count, times;

    for (*n_counts = 0;; at++) {
        const char *from = at;
        mpl_place_t place = { name, 1, (size_t) (from - text) + 1 };
        if (read_repeated (&at, &count, &times) < 0 || (*at && *at != ','))
            return mpl__err_at (err, &place, EINVAL, "this is no count from 1 to %d; " COUNTS_RIGHT, MPL__SLOTS_MAX);
        for (size_t i = *n_counts; i < n && i < *n_counts + (size_t) times; i++)
            counts[i] = count;
        *n_counts += (size_t) times;
        if (!*at)
            return 0;
    }
}

static int read_cpus_per_task (reader_t *self, int *number)
{
    const char *text = ask (self->get, "SLURM_CPUS_PER_TASK");
    mpl_piece_t piece = { text, text ? strlen (text) : 0, { "SLURM_CPUS_PER_TASK", 1, 1 } };

    *number = 1;
    return text ? mpl__word_number (&piece, "the number of CPUs", MPL__SLOTS_MAX, number, self->err) : 0;
}

/* Whether these are the one task of a step, which is us. A step of more may be all that the job was made for. */
static int is_lone_task (mpl_getenv_fn *get, const char *tasks)
{
    const char *of_step = ask (get, "SLURM_STEP_TASKS_PER_NODE");

    return of_step && !strcmp (of_step, "1") && !strcmp (tasks, "1");
}

/* A step has its own SLURM_TASKS_PER_NODE, and it stays with what the step starts; so it counts when it is for as many
 * hosts as the job has, but not when a job of one host has us as a step of one task. A task has at least one CPU. */
static int read_slots (reader_t *self, const char *nodes, int *slots, size_t n)
{
    const char *tasks = ask (self->get, "SLURM_TASKS_PER_NODE"), *cpus = ask (self->get, "SLURM_JOB_CPUS_PER_NODE");
    size_t n_counts = 0;
    int each;

    if (tasks && read_counts ("SLURM_TASKS_PER_NODE", tasks, slots, n, &n_counts, self->err) < 0)
        return -1;
    if (tasks && n_counts == n && !(cpus && is_lone_task (self->get, tasks)))
        return 0;
    if (cpus && read_counts ("SLURM_JOB_CPUS_PER_NODE", cpus, slots, n, &n_counts, self->err) < 0)
        return -1;
    if ((!tasks && !cpus) || n_counts != n)
        return mpl__err (self->err, EINVAL, "%s names %zu hosts, and %s has %zu counts; one for each is needed",
                         nodes, n, cpus ? "SLURM_JOB_CPUS_PER_NODE" : "SLURM_TASKS_PER_NODE", n_counts);
    if (read_cpus_per_task (self, &each) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        slots[i] = slots[i] > each ? slots[i] / each : 1;
    return 0;
}

static int add_nodes (reader_t *self, const mpl_hostlist_t *list, const mpl_place_t *place)
{
    int *slots = calloc (list->n, sizeof *slots);
    int rc = slots ? read_slots (self, place->source, slots, list->n)
                   : mpl__err (self->err, ENOMEM, "no memory for %zu hosts", list->n);

    for (size_t i = 0; i < list->n && !rc; i++)
        rc = mpl__draft_add (&self->draft, &(mpl_host_t) { .slots = slots[i] }, list->names[i], place, self->err);
    int keep = errno;
    free (slots);
    errno = keep;
    return rc;
}

/* Which variable has them; older Slurms have the second alone. */
static const char *node_list (mpl_getenv_fn *get)
{
    return ask (get, "SLURM_JOB_NODELIST") ? "SLURM_JOB_NODELIST" : "SLURM_NODELIST";
}

static int is_slurm (mpl_getenv_fn *get)
{
    return ask (get, "SLURM_JOB_ID") && ask (get, node_list (get));
}

static int read_slurm (reader_t *self)
{
    mpl_place_t place = { node_list (self->get), 1, 1 };
    const char *text = ask (self->get, place.source);
    mpl_hostlist_t list = { 0 };
    int rc = mpl__hostlist_add (&list, &place, text, strlen (text), self->err);

    rc = rc ? rc : add_nodes (self, &list, &place);
    mpl__hostlist_free (&list);
    return rc;
}

/* ---- the others ------------------------------------------------------------------------------------------------ */

static int is_pbs (mpl_getenv_fn *get)
{
    return ask (get, "PBS_NODEFILE") != NULL;
}

static int read_pbs (reader_t *self)
{
    return add_file (self, ask (self->get, "PBS_NODEFILE"), "the file of PBS_NODEFILE", add_names);
}

static int is_lsf (mpl_getenv_fn *get)
{
    return ask (get, "LSB_MCPU_HOSTS") || ask (get, "LSB_DJOB_HOSTFILE") || ask (get, "LSB_HOSTS");
}

static int read_lsf (reader_t *self)
{
    const char *counted = ask (self->get, "LSB_MCPU_HOSTS"), *path = ask (self->get, "LSB_DJOB_HOSTFILE");
    const char *text = counted ? counted : ask (self->get, "LSB_HOSTS");
    mpl_piece_t line = { text, text ? strlen (text) : 0, { counted ? "LSB_MCPU_HOSTS" : "LSB_HOSTS", 1, 1 } };

    if (!counted && path)
        return add_file (self, path, "the file of LSB_DJOB_HOSTFILE", add_names);
    int rc = counted ? add_pairs (self, &line) : add_names (self, &line);
    return rc || self->draft.n ? rc : mpl__err (self->err, EINVAL, "%s names no host", line.place.source);
}

static int is_sge (mpl_getenv_fn *get)
{
    return ask (get, "PE_HOSTFILE") != NULL;
}

static int read_sge (reader_t *self)
{
    return add_file (self, ask (self->get, "PE_HOSTFILE"), "the file of PE_HOSTFILE", add_first_pair);
}

/* ---- which ----------------------------------------------------------------------------------------------------- */

/* In this order: who runs one inside another has asked for the first. */
static const struct {
    mpl_launch_t kind;
    const char *name, *lacks, *job, *own_name;
    int (*is_there) (mpl_getenv_fn *get);
    int (*read) (reader_t *self);
} systems[] = {
    { MPL__LAUNCH_SLURM, "Slurm", "SLURM_JOB_ID and SLURM_JOB_NODELIST are", "SLURM_JOB_ID", "SLURMD_NODENAME", is_slurm, read_slurm },
    { MPL__LAUNCH_PBS, "PBS", "PBS_NODEFILE is", "PBS_JOBID", NULL, is_pbs, read_pbs },
    { MPL__LAUNCH_LSF, "LSF", "LSB_MCPU_HOSTS, LSB_DJOB_HOSTFILE and LSB_HOSTS are", "LSB_JOBID", NULL, is_lsf, read_lsf },
    { MPL__LAUNCH_SGE, "SGE", "PE_HOSTFILE is", "JOB_ID", NULL, is_sge, read_sge },
};
#define N_SYSTEMS (sizeof systems / sizeof *systems)

mpl_launch_t mpl__allocation_kind (mpl_getenv_fn *get)
{
    for (size_t i = 0; i < N_SYSTEMS; i++)
        if (systems[i].is_there (get))
            return systems[i].kind;
    return MPL__LAUNCH_LOCAL;
}

static size_t find (mpl_launch_t kind)
{
    size_t i = 0;

    while (i < N_SYSTEMS && systems[i].kind != kind)
        i++;
    return i;
}

int mpl__allocation_check (mpl_launch_t kind, mpl_getenv_fn *get, mpl_err_t *err)
{
    size_t i = find (kind);

    if (i == N_SYSTEMS)
        return mpl__err (err, EINVAL, "this is the launch of no batch system");
    if (systems[i].is_there (get))
        return 0;
    return mpl__err (err, EINVAL, "this is no job of %s, since %s not set; --launch %s is for its jobs",
                     systems[i].name, systems[i].lacks, mpl__launch_words[kind]);
}

int mpl__allocation_read (mpl_allocation_t *self, mpl_launch_t kind, mpl_getenv_fn *get, mpl_err_t *err)
{
    reader_t reader = { .get = get, .err = err };
    size_t i = find (kind);

    *self = (mpl_allocation_t) { .job = "" };
    if (mpl__allocation_check (kind, get, err) < 0)
        return -1;
    const char *job = ask (get, systems[i].job);
    self->job = job ? job : "";
    self->own_name = systems[i].own_name ? ask (get, systems[i].own_name) : NULL;
    int rc = mpl__draft_begin (&reader.draft, &self->hosts, err);
    rc = rc ? rc : systems[i].read (&reader);
    if (rc == 0)
        mpl__draft_commit (&reader.draft, &self->hosts);
    mpl__draft_drop (&reader.draft);
    return rc;
}

void mpl__allocation_free (mpl_allocation_t *self)
{
    mpl__hosts_free (&self->hosts);
    *self = (mpl_allocation_t) { .job = "" };
}
