#include "worker/staged.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t) 256 << 10)
#define SILENCE_MS 60000
#define FOLDERS_OPEN 16                 /* at once, of a tree that is removed */

/* ---- files ----------------------------------------------------------------------------------------------------- */

/* Bytes that came, at least one; -1 with errno. */
static ssize_t read_some (int fd, int stop, char *block, size_t size)
{
    struct pollfd in[2] = { { .fd = fd, .events = POLLIN }, { .fd = stop, .events = POLLIN } };
    int rc;

    while ((rc = poll (in, 2, SILENCE_MS)) < 0 && errno == EINTR)
        ;
    if (rc <= 0 || in[1].revents) {
        errno = rc < 0 ? errno : rc ? ECANCELED : ETIMEDOUT;
        return -1;
    }
    ssize_t len = read (fd, block, size);
    if (len == 0)
        errno = EPIPE;
    return len > 0 ? len : -1;
}

/* 0; 1: it cannot be written, and the rest of it was read all the same; -1: no more comes. */
static int copy (int from, int stop, int to, const mpl_stage_t *file, uint64_t *sum, char *block)
{
    int error = 0;

    *sum = MPL__SUM_BEGIN;
    for (uint64_t left = file->bytes; left;) {
        ssize_t len = read_some (from, stop, block, left < BLOCK ? (size_t) left : BLOCK);
        if (len < 0)
            return -1;
        *sum = mpl__sum (*sum, block, (size_t) len);
        left -= (uint64_t) len;
        if (!error && mpl__fd_write_all (to, block, (size_t) len) < 0)
            error = errno;
    }
    errno = error;
    return error ? 1 : 0;
}

static int fail (const mpl_staged_t *self, const mpl_stage_t *file, int error, const char *why, mpl_err_t *err)
{
    return mpl__err (err, error, "the file %s cannot be staged in %s: %s%s", file->name, self->folder, why,
                     why[0] ? "" : strerror (error));
}

static int read_one (const mpl_staged_t *self, int from, int stop, const mpl_stage_t *file, const char *path, char *block,
                     mpl_err_t *err)
{
    uint64_t sum;
    int to = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (to < 0)
        return fail (self, file, errno, "", err);
    int rc = copy (from, stop, to, file, &sum, block);
    if (rc == 0 && fchmod (to, (mode_t) file->mode & 0777) < 0)
        rc = 1;
    int error = errno;
    mpl__fd_close (&to);
    if (rc)
        return fail (self, file, error, rc < 0 ? "it did not come whole" : "", err);
    if (sum != file->sum)
        return mpl__err (err, EBADMSG, "the file %s has changed while it was staged", file->name);
    return 0;
}

static int take_one (const mpl_staged_t *self, int from, int stop, const mpl_stage_t *file, char *block, mpl_err_t *err)
{
    char path[PATH_MAX];

    if (snprintf (path, sizeof path, "%s/%s", self->folder, file->name) >= PATH_MAX)
        return fail (self, file, ENAMETOOLONG, "", err);
    if (!file->link)
        return read_one (self, from, stop, file, path, block, err);
    return symlink (file->link, path) == 0 ? 0 : fail (self, file, errno, "", err);
}

/* The first or the second place where it may be. 0; -1: its path is too long. */
static int name_folder (char folder[PATH_MAX], int place, const char *below, const char *token)
{
    int is_of_use = !place && below && *below == '/' && !strchr (below, ':');

    return snprintf (folder, PATH_MAX, "%s/mplaunch-stage-%s", is_of_use ? below : "/tmp", token) < PATH_MAX ? 0 : -1;
}

static int make_folder (mpl_staged_t *self, const char *below, const char *token, mpl_err_t *err)
{
    for (int place = 0; place < 2; place++)
        if (name_folder (self->folder, place, below, token ? token : "XXXXXX") == 0
            && (token ? mkdir (self->folder, 0700) == 0 : mkdtemp (self->folder) != NULL))
            return 0;
    self->folder[0] = '\0';
    return mpl__err (err, errno, "no folder for staged files can be made in /tmp: %s", strerror (errno));
}

/* ---- what programs learn of it --------------------------------------------------------------------------------- */

static int tell_programs (mpl_staged_t *self, mpl_order_t *order)
{
    size_t n = 0;

    while (order->set[n])
        n++;
    self->set = malloc ((n + 2) * sizeof *self->set);
    self->paths = calloc (order->n_apps + 1, sizeof *self->paths);
    if (asprintf (&self->variable, "MPL_STAGE=%s", self->folder) < 0)
        self->variable = NULL;
    if (!self->set || !self->paths || !self->variable)
        return -1;
    memcpy (self->set, order->set, n * sizeof *self->set);
    self->set[n] = self->variable;
    self->set[n + 1] = NULL;
    order->set = self->set;
    for (; self->n_paths < order->n_apps; self->n_paths++) {
        char **path = &order->apps[self->n_paths].path;
        if (asprintf (&self->paths[self->n_paths], "%s%s%s", self->folder, *path ? ":" : "", *path ? *path : "") < 0)
            return -1;
        *path = self->paths[self->n_paths];
    }
    return 0;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

int mpl__staged_take (mpl_staged_t *self, mpl_order_t *order, int fd, int stop, const char *below, const char *token,
                      mpl_err_t *err)
{
    *self = (mpl_staged_t) { .n_paths = 0 };
    if (!order->n_stage)
        return 0;
    char *block = malloc (BLOCK);
    int rc = block ? make_folder (self, below, token, err) : mpl__err (err, ENOMEM, "no memory for staged files");
    for (size_t i = 0; !rc && i < order->n_stage; i++)
        rc = take_one (self, fd, stop, &order->stage[i], block, err);
    free (block);
    if (!rc && tell_programs (self, order) < 0)
        rc = mpl__err (err, ENOMEM, "no memory for staged files");
    if (rc)
        mpl__staged_remove (self);
    return rc;
}

/* What cannot be removed is left. */
static int remove_one (const char *path, const struct stat *what, int type, struct FTW *where)
{
    (void) what, (void) where;
    if (type == FTW_DP || type == FTW_DNR)
        rmdir (path);
    else
        unlink (path);
    return 0;
}

static void remove_tree (const char *folder)
{
    nftw (folder, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* The token was on a command line, so a folder of that name may be somebody else's. */
void mpl__staged_remove_named (const char *token, const char *below)
{
    char folder[PATH_MAX];
    struct stat what;

    for (int place = 0; place < 2; place++)
        if (name_folder (folder, place, below, token) == 0 && lstat (folder, &what) == 0 && S_ISDIR (what.st_mode)
            && what.st_uid == geteuid ())
            remove_tree (folder);
}

void mpl__staged_remove (mpl_staged_t *self)
{
    if (self->folder[0])
        remove_tree (self->folder);
    for (size_t i = 0; i < self->n_paths; i++)
        free (self->paths[i]);
    free (self->paths);
    free (self->set);
    free (self->variable);
    *self = (mpl_staged_t) { .n_paths = 0 };
}
