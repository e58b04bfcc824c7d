#include "conf/text.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROW 16384              /* bytes at first: nearly every such file is shorter */

static const char *kind_of_file (mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a pipe";
    case S_IFSOCK:
        return "a socket";
    default:
        return "a device";
    }
}

static int check_status (const char *path, int rc, const struct stat *status, size_t max, const char *kind,
                         mpl_err_t *err)
{
    if (rc < 0)
        return mpl__err (err, errno, "%.300s: %s; %s is needed there", path, strerror (errno), kind);
    if (!S_ISREG (status->st_mode))
        return mpl__err (err, S_ISDIR (status->st_mode) ? EISDIR : EINVAL, "%.300s is %s; %s is a regular file", path,
                         kind_of_file (status->st_mode), kind);
    if (status->st_size > (off_t) max)
        return mpl__err (err, EFBIG, "%.300s has %lld bytes; %s has at most %zu", path, (long long) status->st_size,
                         kind, max);
    return 0;
}

/* What it is is asked before it is opened, since opening a device may do something; and again afterwards, of what
 * was opened. */
static int open_regular (const char *path, size_t max, const char *kind, mpl_err_t *err)
{
    struct stat status;
    int fd = -1;

    if (check_status (path, stat (path, &status), &status, max, kind, err) < 0)
        return -1;
    if ((fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
        return mpl__err (err, errno, "%.300s cannot be read: %s", path, strerror (errno));
    if (check_status (path, fstat (fd, &status), &status, max, kind, err) < 0)
        mpl__fd_close (&fd);
    return fd;
}

/* Makes room for more, at most for max bytes and one more, by which a file that is too long is known. */
static int grow (char **text, size_t *room, size_t max)
{
    size_t more = *room ? *room * 2 : GROW;
    more = more > max + 2 ? max + 2 : more;
    char *larger = realloc (*text, more);

    if (!larger)
        return -1;
    *text = larger;
    *room = more;
    return 0;
}

/* The size that fstat told may be wrong: files below /proc have none, and others may grow meanwhile. */
static int read_all (int fd, size_t max, char **text, size_t *len)
{
    size_t room = 0;

    for (*len = 0; *len <= max;) {
        if (room - *len < 2 && grow (text, &room, max) < 0)
            return -1;
        ssize_t n = read (fd, *text + *len, room - 1 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        *len += (size_t) n;
    }
    (*text)[*len] = '\0';
    return 0;
}

char *mpl__text_read (const char *path, size_t max, const char *kind, size_t *len, mpl_err_t *err)
{
    char *text = NULL;
    int fd = open_regular (path, max, kind, err);

    if (fd < 0)
        return NULL;
    if (read_all (fd, max, &text, len) < 0)
        mpl__err (err, errno, "%.300s cannot be read: %s", path, strerror (errno));
    else if (*len > max)
        mpl__err (err, EFBIG, "%.300s has more than %zu bytes; %s has at most that", path, max, kind);
    else {
        mpl__fd_close (&fd);
        return text;
    }
    mpl__fd_close (&fd);
    int keep = errno;
    free (text);
    errno = keep;
    return NULL;
}
