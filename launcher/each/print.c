#include "launcher/each/print.h"
#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BLOCK ((size_t) 64 << 10)

typedef struct {
    mpl_printed_t streams[2];
    char *tag;
    int is_there;
} job_t;

struct mpl_print {
    int in_order;
    unsigned long next;                 /* whose turn it is */
    job_t *ring;                        /* of MPL__PRINT_WAITING_MAX, by number */
    size_t n_waiting, n_bytes;
    size_t n_files, files_max;          /* of those that wait */
};

/* Lines, each with its tag; *is_within: the last one has no end yet. */
static int print_tagged (int to, const char *tag, const char *bytes, size_t len, int *is_within)
{
    while (len) {
        const char *newline = memchr (bytes, '\n', len);
        size_t line = newline ? (size_t) (newline - bytes) + 1 : len;
        if (!*is_within && (mpl__fd_write_all (to, tag, strlen (tag)) < 0 || mpl__fd_write_all (to, "\t", 1) < 0))
            return -1;
        if (mpl__fd_write_all (to, bytes, line) < 0)
            return -1;
        *is_within = !newline;
        bytes += line;
        len -= line;
    }
    return 0;
}

static int print_bytes (int to, const char *tag, const char *bytes, size_t len, int *is_within)
{
    return tag ? print_tagged (to, tag, bytes, len, is_within) : mpl__fd_write_all (to, bytes, len);
}

static int print_file (int to, const char *tag, int fd, int *is_within)
{
    char block[BLOCK];
    ssize_t len;

    for (off_t at = 0; (len = pread (fd, block, sizeof block, at)) != 0; at += len > 0 ? len : 0)
        if (len < 0 ? errno != EINTR : print_bytes (to, tag, block, (size_t) len, is_within) < 0)
            return -1;
    return 0;
}

static int print_job (const job_t *job)
{
    for (int i = 0; i < 2; i++) {
        const mpl_printed_t *printed = &job->streams[i];
        int is_within = 0;
        int rc = printed->fd >= 0 ? print_file (i + 1, job->tag, printed->fd, &is_within)
                                  : print_bytes (i + 1, job->tag, printed->bytes, printed->len, &is_within);
        if (rc == 0 && is_within)
            rc = mpl__fd_write_all (i + 1, "\n", 1);
        if (rc < 0 && i == 0)           /* a closed standard error ends nothing */
            return -1;
    }
    return 0;
}

static void clear (job_t *job)
{
    for (int i = 0; i < 2; i++) {
        free (job->streams[i].bytes);
        mpl__fd_close (&job->streams[i].fd);
    }
    free (job->tag);
    *job = (job_t) { .streams = { { .fd = -1 }, { .fd = -1 } } };
}

/* A part of what the process may open: libzmq and the pool need theirs, and jobs that run already bring some more. */
static size_t files_max (void)
{
    struct rlimit limit;
    size_t quarter =
        getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 4096 ? (size_t) limit.rlim_cur / 4 : 1024;

    return quarter;
}

static size_t count_files (const job_t *job)
{
    return (size_t) ((job->streams[0].fd >= 0) + (job->streams[1].fd >= 0));
}

mpl_print_t *mpl__print_new (int in_order)
{
    mpl_print_t *self = calloc (1, sizeof *self);

    if (!self)
        return NULL;
    *self = (mpl_print_t) { .in_order = in_order, .next = 1, .files_max = files_max () };
    if (in_order && !(self->ring = calloc (MPL__PRINT_WAITING_MAX, sizeof *self->ring))) {
        free (self);
        return NULL;
    }
    for (size_t i = 0; in_order && i < MPL__PRINT_WAITING_MAX; i++)
        self->ring[i].streams[0].fd = self->ring[i].streams[1].fd = -1;
    return self;
}

/* Prints and forgets the job whose turn it is. */
static int print_next (mpl_print_t *self)
{
    job_t *job = &self->ring[self->next++ % MPL__PRINT_WAITING_MAX];

    if (!job->is_there)
        return 0;
    int rc = print_job (job);
    self->n_waiting--;
    self->n_bytes -= job->streams[0].len + job->streams[1].len;
    self->n_files -= count_files (job);
    clear (job);
    return rc;
}

static int print_due (mpl_print_t *self)
{
    while (self->n_waiting && self->ring[self->next % MPL__PRINT_WAITING_MAX].is_there)
        if (print_next (self) < 0)
            return -1;
    return 0;
}

static int keep (mpl_print_t *self, unsigned long number, job_t *job)
{
    job->is_there = 1;
    self->n_waiting++;
    self->n_bytes += job->streams[0].len + job->streams[1].len;
    self->n_files += count_files (job);
    self->ring[number % MPL__PRINT_WAITING_MAX] = *job;
    return print_due (self);
}

int mpl__print_add (mpl_print_t *self, unsigned long number, mpl_printed_t *out, mpl_printed_t *err, char **tag)
{
    job_t job = { .streams = { *out, *err }, .tag = tag ? *tag : NULL };

    *out = *err = (mpl_printed_t) { .fd = -1 };
    if (tag)
        *tag = NULL;
    if (self->in_order)
        return keep (self, number, &job);
    int rc = print_job (&job);
    int saved = errno;
    clear (&job);
    errno = saved;
    return rc;
}

int mpl__print_skip (mpl_print_t *self, unsigned long number)
{
    job_t job = { .streams = { { .fd = -1 }, { .fd = -1 } } };

    return self->in_order ? keep (self, number, &job) : 0;
}

int mpl__print_is_full (const mpl_print_t *self)
{
    return self->n_waiting >= MPL__PRINT_WAITING_MAX / 2 || self->n_bytes >= MPL__PRINT_BYTES_MAX
           || self->n_files >= self->files_max;
}

int mpl__print_rest (mpl_print_t *self)
{
    while (self->n_waiting)
        if (print_next (self) < 0)
            return -1;
    return 0;
}

void mpl__print_destroy (mpl_print_t **self_p)
{
    mpl_print_t *self = *self_p;

    if (!self)
        return;
    for (size_t i = 0; self->ring && i < MPL__PRINT_WAITING_MAX; i++)
        clear (&self->ring[i]);
    free (self->ring);
    free (self);
    *self_p = NULL;
}
