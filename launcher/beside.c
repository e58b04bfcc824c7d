#include "launcher/beside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int mpl__beside_folder (char **folder, mpl_err_t *err)
{
    char self[PATH_MAX];
    ssize_t len = readlink ("/proc/self/exe", self, sizeof self - 1);

    if (len <= 0)
        return mpl__err (err, errno, "mplaunch cannot find out where it lies: %s", strerror (errno));
    self[len] = '\0';
    *strrchr (self, '/') = '\0';        /* the kernel gives a path from the root */
    *folder = strdup (*self ? self : "/");
    return *folder ? 0 : mpl__err (err, ENOMEM, "no memory for a path");
}

int mpl__beside (const char *name, char **path, mpl_err_t *err)
{
    char *folder;

    if (mpl__beside_folder (&folder, err) < 0)
        return -1;
    int len = asprintf (path, "%s/%s", folder, name);
    free (folder);
    if (len < 0)
        return mpl__err (err, ENOMEM, "no memory for a path");
    if (access (*path, X_OK) == 0)
        return 0;
    mpl__err (err, errno, "%s, which belongs beside mplaunch, cannot be run there: %s", name, strerror (errno));
    free (*path);
    return -1;
}
