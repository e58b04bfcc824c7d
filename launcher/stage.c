#include "launcher/stage.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t) 256 << 10)

static const char *name_of (const char *path)
{
    const char *slash = strrchr (path, '/');

    return slash ? slash + 1 : path;
}

/* 0, or an errno value. */
static int add_up (int fd, mpl_stage_t *file)
{
    char *block = malloc (BLOCK);
    ssize_t len = block ? 1 : -1;

    file->sum = MPL__SUM_BEGIN;
    while (len > 0 && (len = read (fd, block, BLOCK)) > 0) {
        file->sum = mpl__sum (file->sum, block, (size_t) len);
        file->bytes += (uint64_t) len;
    }
    int error = len < 0 ? errno : 0;
    free (block);
    return error;
}

static int look_at (mpl_stage_t *file, const char *path, struct stat *what, mpl_err_t *err)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = fd < 0 || fstat (fd, what) < 0 ? errno : S_ISREG (what->st_mode) ? add_up (fd, file) : EINVAL;

    file->mode = error ? 0 : what->st_mode & 0777;
    mpl__fd_close (&fd);
    if (error == EINVAL)
        return mpl__err (err, error, "--stage %s: it is no regular file; a folder is copied as an archive, say", path);
    return error ? mpl__err (err, error, "--stage %s: the file cannot be read: %s", path, strerror (error)) : 0;
}

/* A name behind the last colon, unless that is in the name of a folder. */
static int split (const char *text, char **path, char **name, mpl_err_t *err)
{
    const char *colon = strrchr (text, ':');

    if (colon && strchr (colon, '/'))
        colon = NULL;
    *path = strndup (text, colon ? (size_t) (colon - text) : strlen (text));
    if (!*path)
        return mpl__err (err, ENOMEM, "no memory for staged files");
    *name = strdup (colon ? colon + 1 : name_of (*path));
    if (!*name)
        return mpl__err (err, ENOMEM, "no memory for staged files");
    if (!**path || !**name || !strcmp (*name, ".") || !strcmp (*name, ".."))
        return mpl__err (err, EINVAL, "--stage is '%s'; it takes the path of a file, or PATH:NAME for another name there", text);
    return 0;
}

/* A program that is given by the path of a staged file is the copy there. */
static int note_program (mpl_staging_t *self, size_t app, const mpl_app_t *program, size_t i, const struct stat *file)
{
    const char *word = program->argv.n ? program->argv.texts[0] : "";
    struct stat what;
    int is_it = !strcmp (word, self->paths[i])
                || (strchr (word, '/') && (*word == '/' || !program->wdir) && stat (word, &what) == 0
                    && what.st_dev == file->st_dev && what.st_ino == file->st_ino);

    if (!is_it || self->argvs[app])
        return 0;
    char **copy = malloc ((program->argv.n + 1) * sizeof *copy);
    if (!copy)
        return -1;
    memcpy (copy, program->argv.texts, (program->argv.n + 1) * sizeof *copy);
    copy[0] = self->files[i].name;
    self->argvs[app] = copy;
    return 0;
}

static int add (mpl_staging_t *self, const mpl_options_t *options, const char *text, mpl_err_t *err)
{
    size_t last = self->n++;
    mpl_stage_t *file = &self->files[last];
    struct stat what;

    if (split (text, &self->paths[last], &file->name, err) < 0 || look_at (file, self->paths[last], &what, err) < 0)
        return -1;
    for (size_t i = 0; i < last; i++)
        if (!strcmp (self->files[i].name, file->name))
            return mpl__err (err, EINVAL, "--stage %s: %s has the same name, and both would be one file there; PATH:NAME gives another",
                             text, self->paths[i]);
    self->links[last] = *file;
    if (!(self->links[last].link = realpath (self->paths[last], NULL)))
        return mpl__err (err, errno, "--stage %s: its place cannot be found out: %s", text, strerror (errno));
    for (size_t i = 0; i < options->n_apps; i++)
        if (note_program (self, i, &options->apps[i], last, &what) < 0)
            return mpl__err (err, ENOMEM, "no memory for staged files");
    return 0;
}

int mpl__staging_begin (mpl_staging_t *self, const mpl_options_t *options, mpl_err_t *err)
{
    size_t n = options->stage.n;

    *self = (mpl_staging_t) { .n_apps = options->n_apps };
    if (!n)
        return 0;
    if (n > MPL__STAGE_MAX)
        return mpl__err (err, E2BIG, "--stage names %zu files; at most %u, or one archive", n, MPL__STAGE_MAX);
    self->files = calloc (n, sizeof *self->files);
    self->links = calloc (n, sizeof *self->links);
    self->paths = calloc (n, sizeof *self->paths);
    self->argvs = calloc (options->n_apps, sizeof *self->argvs);
    if (!self->files || !self->links || !self->paths || !self->argvs)
        return mpl__err (err, ENOMEM, "no memory for staged files");
    for (size_t i = 0; i < n; i++)
        if (add (self, options, options->stage.texts[i], err) < 0)
            return -1;
    return 0;
}

int mpl__staging_has (const mpl_staging_t *self, size_t app, const char *program)
{
    if (self->argvs && self->argvs[app])
        return 1;
    for (size_t i = 0; i < self->n; i++)
        if (!strcmp (self->files[i].name, program))
            return 1;
    return 0;
}

void mpl__staging_clear (mpl_staging_t *self)
{
    for (size_t i = 0; self->argvs && i < self->n_apps; i++)
        free (self->argvs[i]);
    for (size_t i = 0; i < self->n; i++) {
        free (self->paths[i]);
        free (self->files[i].name);
        free (self->links[i].link);
    }
    free (self->argvs);
    free (self->files);
    free (self->links);
    free (self->paths);
    *self = (mpl_staging_t) { .n = 0 };
}
