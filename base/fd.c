#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void mpl__fd_close (int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close (*fd);
    *fd = -1;
    errno = saved;
}

void mpl__fd_close_all (int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mpl__fd_close (&fds[i]);
}

int mpl__fd_fill_standard (void)
{
    int fd;

    /* A new descriptor is the lowest that is free. */
    while ((fd = open ("/dev/null", O_RDWR)) >= 0 && fd <= 2)
        ;
    if (fd < 0)
        return -1;
    close (fd);
    return 0;
}

int mpl__fd_inherit (int fd, int inherit)
{
    return fcntl (fd, F_SETFD, inherit ? 0 : FD_CLOEXEC);
}

int mpl__fd_can_open (size_t n)
{
    int *fds = malloc ((n ? n : 1) * sizeof *fds), first = eventfd (0, EFD_CLOEXEC);
    size_t opened = 0;

    while (fds && first >= 0 && opened < n && (fds[opened] = fcntl (first, F_DUPFD_CLOEXEC, 0)) >= 0)
        opened++;
    int can = fds && opened == n;
    if (fds)
        mpl__fd_close_all (fds, opened);
    mpl__fd_close (&first);
    free (fds);
    return can;
}

int mpl__fd_send (int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
    union {
        char bytes[CMSG_SPACE (MPL__FDS_MAX * sizeof (int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct iovec body = { .iov_base = (void *) data, .iov_len = len };
    struct msghdr msg = { .msg_iov = &body, .msg_iovlen = 1 };

    if (n_fds) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
        struct cmsghdr *head = CMSG_FIRSTHDR (&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
        memcpy (CMSG_DATA (head), fds, n_fds * sizeof (int));
    }
    ssize_t rc;
    do
        rc = sendmsg (sock, &msg, MSG_NOSIGNAL);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : 0;
}

/* Descriptors beyond what the message may carry are closed, not leaked. */
static void take_fds (struct msghdr *msg, int fds[MPL__FDS_MAX])
{
    size_t taken = 0;

    for (struct cmsghdr *head = CMSG_FIRSTHDR (msg); head; head = CMSG_NXTHDR (msg, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (head->cmsg_len - CMSG_LEN (0)) / sizeof (int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy (&fd, CMSG_DATA (head) + i * sizeof fd, sizeof fd);
            if (taken < MPL__FDS_MAX)
                fds[taken++] = fd;
            else
                close (fd);
        }
    }
}

ssize_t mpl__fd_recv (int sock, void *data, size_t size, int fds[MPL__FDS_MAX])
{
    union {
        char bytes[CMSG_SPACE (MPL__FDS_MAX * sizeof (int))];
        struct cmsghdr align;
    } control;
    struct iovec body = { .iov_base = data, .iov_len = size };
    struct msghdr msg = { .msg_iov = &body, .msg_iovlen = 1,
                          .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
    ssize_t rc;

    for (size_t i = 0; i < MPL__FDS_MAX; i++)
        fds[i] = -1;
    do
        rc = recvmsg (sock, &msg, MSG_CMSG_CLOEXEC);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return errno == ECONNRESET ? 0 : -1;
    take_fds (&msg, fds);
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        mpl__fd_close_all (fds, MPL__FDS_MAX);
        errno = EMSGSIZE;
        return -1;
    }
    return rc;
}

int mpl__fd_write_all (int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len) {
        ssize_t rc = write (fd, at, len);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0)
            return -1;
        at += rc;
        len -= (size_t) rc;
    }
    return 0;
}

/* Where close_range (2) is missing (kernels before 5.9, valgrind before 3.20) the list in /proc serves. */
static void close_from (int first)
{
    if (syscall (SYS_close_range, (unsigned) first, ~0u, 0u) == 0)
        return;
    DIR *dir = opendir ("/proc/self/fd");
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir (dir));) {
        int fd = atoi (entry->d_name);
        if (entry->d_name[0] != '.' && fd >= first && fd != dirfd (dir))
            close (fd);
    }
    closedir (dir);
}

int mpl__fd_keep_only (int *fds, size_t n, int first)
{
    for (size_t i = 0; i < n; i++)              /* out of the way first: their places may be taken by one another */
        if ((fds[i] = fcntl (fds[i], F_DUPFD_CLOEXEC, first + (int) n)) < 0)
            return -1;
    for (size_t i = 0; i < n; i++) {
        if (dup3 (fds[i], first + (int) i, O_CLOEXEC) < 0)
            return -1;
        fds[i] = first + (int) i;
    }
    close_from (first + (int) n);
    return 0;
}
