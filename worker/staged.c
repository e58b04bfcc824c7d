#include "worker/staged.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t) 256 << 10)
#define SILENCE_S 60

static int open_in (const mpl_staged_t *self, const char *name, int flags, char path[PATH_MAX])
{
    if (snprintf (path, PATH_MAX, "%s/%s", self->folder, name) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open (path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* 0; 1: it cannot be written, and the rest of it was read all the same; -1: the stream has ended. */
static int copy (int from, int to, const mpl_stage_t *file, uint64_t *sum, char *block)
{
    int error = 0;

    *sum = MPL__SUM_BEGIN;
    for (uint64_t left = file->bytes; left;) {
        ssize_t len = read (from, block, left < BLOCK ? (size_t) left : BLOCK);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return -1;
        alarm (SILENCE_S);
        *sum = mpl__sum (*sum, block, (size_t) len);
        left -= (uint64_t) len;
        if (!error && mpl__fd_write_all (to, block, (size_t) len) < 0)
            error = errno;
    }
    errno = error;
    return error ? 1 : 0;
}

static int read_one (const mpl_staged_t *self, int from, const mpl_stage_t *file, char *block, mpl_err_t *err)
{
    char path[PATH_MAX];
    uint64_t sum;
    int to = open_in (self, file->name, O_WRONLY | O_CREAT | O_EXCL, path);

    if (to < 0)
        return mpl__err (err, errno, "the file %s cannot be staged in %s: %s", file->name, self->folder, strerror (errno));
    int rc = copy (from, to, file, &sum, block);
    if (rc == 0 && fchmod (to, (mode_t) file->mode & 0777) < 0)
        rc = 1;
    int error = errno;
    mpl__fd_close (&to);
    if (rc)
        return mpl__err (err, rc < 0 ? EPROTO : error, "the file %s cannot be staged in %s: %s", file->name, self->folder,
                         rc < 0 ? "it did not come whole" : strerror (error));
    if (sum != file->sum)
        return mpl__err (err, EBADMSG, "the file %s has changed while it was staged", file->name);
    return 0;
}

int mpl__staged_read (mpl_staged_t *self, int fd, const mpl_stage_t *files, size_t n, mpl_err_t *err)
{
    const char *below = getenv ("TMPDIR");
    char *block = malloc (BLOCK);
    int rc = 0;

    *self = (mpl_staged_t) { .files = files };
    if (!n) {
        free (block);
        return 0;
    }
    snprintf (self->folder, sizeof self->folder, "%s/mplaunch-stage-XXXXXX", below && *below == '/' ? below : "/tmp");
    if (!block || !mkdtemp (self->folder)) {
        rc = mpl__err (err, errno, "the folder %s for staged files cannot be made: %s", self->folder, strerror (errno));
        self->folder[0] = '\0';
    }
    for (; !rc && self->n < n; self->n++)
        rc = read_one (self, fd, &files[self->n], block, err);
    alarm (0);
    if (rc)
        mpl__staged_remove (self);
    free (block);
    return rc;
}

void mpl__staged_remove (mpl_staged_t *self)
{
    char path[PATH_MAX];

    for (size_t i = 0; self->paths && self->paths[i]; i++)
        free (self->paths[i]);
    free (self->paths);
    free (self->set);
    free (self->variable);
    self->paths = self->set = NULL;
    self->variable = NULL;
    if (!self->folder[0])
        return;
    for (size_t i = 0; i < self->n; i++)
        if (snprintf (path, sizeof path, "%s/%s", self->folder, self->files[i].name) < PATH_MAX)
            unlink (path);
    rmdir (self->folder);
    self->folder[0] = '\0';
}
