#include "launcher/each/joblog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define HEAD "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
#define N_FIELDS 8                      /* numbers and the host, before the command */
#define NUMBER_MAX (1ul << 32)          /* of a job that is remembered: 512 MiB of bits */

struct mpl_joblog {
    FILE *file;
    const char *path;
    unsigned char *done;                /* a bit for each job's number */
    size_t n_bytes;
};

static int remember (mpl_joblog_t *self, unsigned long number, int is_done)
{
    size_t byte = number / 8;

    if (byte >= self->n_bytes) {
        size_t n = byte * 2 + 64;
        unsigned char *grew = realloc (self->done, n);
        if (!grew)
            return -1;
        memset (grew + self->n_bytes, 0, n - self->n_bytes);
        self->done = grew;
        self->n_bytes = n;
    }
    if (is_done)
        self->done[byte] |= (unsigned char) (1u << number % 8);
    else
        self->done[byte] &= (unsigned char) ~(1u << number % 8);
    return 0;
}

/* A line that was cut off in the middle, by a full disk or a crash, tells of nothing. */
static int read_line (mpl_joblog_t *self, char *line, mpl_each_resume_t resume)
{
    char *fields[N_FIELDS], *end;

    if (!strchr (line, '\n'))
        return 0;
    for (int i = 0; i < N_FIELDS; i++)
        if (!(fields[i] = strsep (&line, "\t")) || !line)
            return 0;
    unsigned long number = strtoul (fields[0], &end, 10);
    if (end == fields[0] || *end || number < 1 || number >= NUMBER_MAX)
        return 0;
    int failed = strcmp (fields[6], "0") || strcmp (fields[7], "0");
    return remember (self, number, resume == MPL__RESUME_REST || !failed);
}

static int read_back (mpl_joblog_t *self, mpl_each_resume_t resume, mpl_err_t *err)
{
    char *line = NULL;
    size_t room = 0;
    int rc = 0;

    rewind (self->file);
    while (!rc && getline (&line, &room, self->file) >= 0)
        if ((rc = read_line (self, line, resume)) < 0)
            mpl__err (err, ENOMEM, "no memory for what the joblog %s tells of", self->path);
    if (!rc && ferror (self->file))
        rc = mpl__err (err, errno, "the joblog %s cannot be read: %s", self->path, strerror (errno));
    free (line);
    clearerr (self->file);
    return rc;
}

/* A last line without an end would run into the next one. */
static int ends_within_a_line (FILE *file)
{
    return fseek (file, -1, SEEK_END) == 0 && fgetc (file) != '\n';
}

mpl_joblog_t *mpl__joblog_open (const char *path, mpl_each_resume_t resume, mpl_err_t *err)
{
    mpl_joblog_t *self = calloc (1, sizeof *self);

    if (!self) {
        mpl__err (err, ENOMEM, "no memory for the joblog");
        return NULL;
    }
    self->path = path;
    if (!(self->file = fopen (path, resume == MPL__RESUME_NOT ? "we" : "a+e"))) {
        mpl__err (err, errno, "the joblog %s cannot be written: %s", path, strerror (errno));
        mpl__joblog_close (&self);
        return NULL;
    }
    if (resume != MPL__RESUME_NOT && read_back (self, resume, err) < 0) {
        mpl__joblog_close (&self);
        return NULL;
    }
    if (resume != MPL__RESUME_NOT && ends_within_a_line (self->file))
        fputc ('\n', self->file);
    fseek (self->file, 0, SEEK_END);
    if (ftell (self->file) <= 0)
        fputs (HEAD, self->file);
    fflush (self->file);
    return self;
}

int mpl__joblog_is_done (const mpl_joblog_t *self, unsigned long number)
{
    return self && number / 8 < self->n_bytes && (self->done[number / 8] >> number % 8 & 1);
}

int mpl__joblog_add (mpl_joblog_t *self, const mpl_joblog_entry_t *entry, mpl_err_t *err)
{
    int has_signal = WIFSIGNALED (entry->status);

    if (!self)
        return 0;
    /* The host is ":", as GNU parallel calls this one; a killed job has the exit value -1. */
    fprintf (self->file, "%lu\t%s\t%.3f\t%10.3f\t0\t%zu\t%d\t%d\t%s\n", entry->number,
             entry->host && *entry->host ? entry->host : ":", entry->began_at, entry->seconds,
             entry->bytes, has_signal ? -1 : WEXITSTATUS (entry->status), has_signal ? WTERMSIG (entry->status) : 0,
             entry->command);
    if (fflush (self->file) == 0)
        return 0;
    return mpl__err (err, errno, "the joblog %s cannot be written: %s", self->path, strerror (errno));
}

void mpl__joblog_close (mpl_joblog_t **self_p)
{
    mpl_joblog_t *self = *self_p;

    if (!self)
        return;
    if (self->file)
        fclose (self->file);
    free (self->done);
    free (self);
    *self_p = NULL;
}
