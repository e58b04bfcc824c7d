#include "worker/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* 0 when it can be executed, else an errno value. */
static int look (int wdir_fd, const char *path)
{
    struct stat file;

    if (fstatat (wdir_fd, path, &file, 0) < 0)
        return errno;
    if (S_ISDIR (file.st_mode))
        return EACCES;
    return faccessat (wdir_fd, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* Looks in each folder of a list. *denied: one was found that must not be executed. */
static char *search (const char *name, const char *list, int wdir_fd, int *denied)
{
    while (list) {
        size_t len = strcspn (list, ":");
        char *path;
        if (asprintf (&path, "%.*s%s%s", (int) len, list, len ? "/" : "./", name) < 0)
            return NULL;
        int error = look (wdir_fd, path);
        if (!error)
            return path;
        *denied |= error == EACCES && faccessat (wdir_fd, path, F_OK, 0) == 0;
        free (path);
        list = list[len] ? list + len + 1 : NULL;
    }
    return NULL;
}

static int fail (const char *name, int error, mpl_err_t *err)
{
    switch (error) {
    case EACCES:
        return mpl__err (err, error, "cannot start '%s': it is not executable", name);
    case ENOENT:
        return mpl__err (err, error, "cannot start '%s': %s", name,
                         strchr (name, '/') ? "there is no such file" : "it was not found in PATH");
    case ENOMEM:
        return mpl__err (err, error, "cannot start '%s': %s", name, strerror (error));
    default:                            /* a path through a file, in circles, too long: found, in a way, and of no use */
        return mpl__err (err, EACCES, "cannot start '%s': %s", name, strerror (error));
    }
}

int mpl__program_find (const char *name, const char *folders, const char *search_path, int wdir_fd, char **path,
                       mpl_err_t *err)
{
    int denied = 0;

    if (strchr (name, '/')) {
        int error = look (wdir_fd, name);
        if (error)
            return fail (name, error, err);
        *path = strdup (name);
        return *path ? 0 : fail (name, ENOMEM, err);
    }
    if (!*name)
        return fail (name, ENOENT, err);
    errno = 0;
    *path = search (name, folders, wdir_fd, &denied);
    if (!*path)
        *path = search (name, search_path ? search_path : DEFAULT_PATH, wdir_fd, &denied);
    if (*path)
        return 0;
    return fail (name, errno == ENOMEM ? ENOMEM : denied ? EACCES : ENOENT, err);
}
