/* Descriptors: closed once, sent and received whole, moved to their places. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int is_open (int fd)
{
    return fcntl (fd, F_GETFD) >= 0;
}

static int count_open (void)
{
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += is_open (fd);
    return n;
}

static void make_pair (int pair[2], int type)
{
    assert_int_equal (0, socketpair (AF_UNIX, type | SOCK_CLOEXEC, 0, pair));
}

static void closing_twice_closes_once_and_keeps_errno (void **state)
{
    int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC), was = fd;

    (void) state;
    errno = EDOM;
    mpl__fd_close (&fd);
    assert_int_equal (-1, fd);
    assert_false (is_open (was));
    errno = EDOM;
    mpl__fd_close (&fd);
    int bad[2] = { -1, 1000000 };
    mpl__fd_close_all (bad, 2);
    assert_int_equal (-1, bad[1]);
    assert_int_equal (EDOM, errno);
}

static void inheritance_can_be_switched (void **state)
{
    int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

    (void) state;
    assert_int_equal (0, mpl__fd_inherit (fd, 1));
    assert_int_equal (0, fcntl (fd, F_GETFD));
    assert_int_equal (0, mpl__fd_inherit (fd, 0));
    assert_int_equal (FD_CLOEXEC, fcntl (fd, F_GETFD));
    mpl__fd_close (&fd);
    assert_int_equal (-1, mpl__fd_inherit (fd, 1));
}

static void whether_there_is_room_is_said_and_nothing_stays_open (void **state)
{
    struct rlimit limit, low;
    int before = count_open ();

    (void) state;
    assert_int_equal (0, getrlimit (RLIMIT_NOFILE, &limit));
    low = limit;
    low.rlim_cur = 64;
    assert_int_equal (0, setrlimit (RLIMIT_NOFILE, &low));
    int can_0 = mpl__fd_can_open (0), can_5 = mpl__fd_can_open (5), can_100 = mpl__fd_can_open (100);
    assert_int_equal (0, setrlimit (RLIMIT_NOFILE, &limit));
    assert_true (can_0);
    assert_true (can_5);
    assert_false (can_100);
    assert_int_equal (before, count_open ());
}

static void a_message_comes_whole_with_its_descriptors (void **state)
{
    int pair[2], pipes[2], fds[MPL__FDS_MAX];
    char bytes[16];

    (void) state;
    make_pair (pair, SOCK_SEQPACKET);
    assert_int_equal (0, pipe (pipes));
    assert_int_equal (0, mpl__fd_send (pair[0], "hello", 5, pipes, 2));
    assert_int_equal (0, mpl__fd_send (pair[0], "you", 3, NULL, 0));
    assert_int_equal (5, mpl__fd_recv (pair[1], bytes, sizeof bytes, fds));
    assert_memory_equal ("hello", bytes, 5);
    assert_true (fds[0] >= 0 && fds[1] >= 0 && fds[2] == -1 && fds[3] == -1);
    assert_int_equal (FD_CLOEXEC, fcntl (fds[0], F_GETFD));
    assert_int_equal (1, write (fds[1], "x", 1));
    assert_int_equal (1, read (pipes[0], bytes, 1));
    mpl__fd_close_all (fds, 2);
    assert_int_equal (3, mpl__fd_recv (pair[1], bytes, sizeof bytes, fds));
    assert_int_equal (-1, fds[0]);
    mpl__fd_close_all (pipes, 2);
    mpl__fd_close_all (pair, 2);
}

static void a_message_too_long_is_refused_and_its_descriptors_closed (void **state)
{
    int before = count_open (), pair[2], fds[MPL__FDS_MAX];
    char bytes[4];

    (void) state;
    make_pair (pair, SOCK_SEQPACKET);
    assert_int_equal (0, mpl__fd_send (pair[0], "hello", 5, pair, 2));
    assert_int_equal (-1, mpl__fd_recv (pair[1], bytes, sizeof bytes, fds));
    assert_int_equal (EMSGSIZE, errno);
    assert_int_equal (-1, fds[0]);
    mpl__fd_close_all (pair, 2);
    assert_int_equal (before, count_open ());
}

static void more_descriptors_than_agreed_are_refused_and_closed (void **state)
{
    union {
        char bytes[CMSG_SPACE (16 * sizeof (int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    char byte = 'x';
    struct iovec body = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr msg = { .msg_iov = &body, .msg_iovlen = 1, .msg_control = control.bytes,
                          .msg_controllen = sizeof control.bytes };
    int before = count_open (), pair[2], fds[MPL__FDS_MAX], many[16];

    (void) state;
    make_pair (pair, SOCK_SEQPACKET);
    for (size_t i = 0; i < 16; i++)
        many[i] = pair[0];
    struct cmsghdr *head = CMSG_FIRSTHDR (&msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN (sizeof many);
    memcpy (CMSG_DATA (head), many, sizeof many);
    assert_int_equal (1, sendmsg (pair[0], &msg, 0));
    assert_int_equal (-1, mpl__fd_recv (pair[1], &byte, 1, fds));
    assert_int_equal (EMSGSIZE, errno);
    mpl__fd_close_all (pair, 2);
    assert_int_equal (before, count_open ());
}

static void a_peer_that_is_gone_is_an_error_and_no_signal (void **state)
{
    int pair[2], fds[MPL__FDS_MAX];
    char bytes[4];

    (void) state;
    make_pair (pair, SOCK_SEQPACKET);
    mpl__fd_close (&pair[1]);
    assert_int_equal (-1, mpl__fd_send (pair[0], "x", 1, NULL, 0));
    assert_int_equal (EPIPE, errno);
    assert_int_equal (0, mpl__fd_recv (pair[0], bytes, sizeof bytes, fds));
    assert_int_equal (-1, fds[0]);
    mpl__fd_close (&pair[0]);
    assert_int_equal (-1, mpl__fd_recv (pair[0], bytes, sizeof bytes, fds));
    assert_int_equal (EBADF, errno);
}

static void all_is_written_however_small_the_pipe (void **state)
{
    enum { LEN = 1 << 20 };
    static char data[LEN], back[LEN];
    int pipes[2], status;

    (void) state;
    for (int i = 0; i < LEN; i++)
        data[i] = (char) (i * 7 + i / 251);
    assert_int_equal (0, pipe2 (pipes, O_CLOEXEC));
    fcntl (pipes[1], F_SETPIPE_SZ, 4096);
    pid_t child = fork ();
    if (child == 0)
        _exit (mpl__fd_write_all (pipes[1], data, LEN) != 0);
    mpl__fd_close (&pipes[1]);
    ssize_t n, got = 0;
    while ((n = read (pipes[0], back + got, (size_t) (LEN - got))) > 0)
        got += n;
    assert_int_equal (LEN, got);
    assert_memory_equal (data, back, LEN);
    assert_int_equal (child, waitpid (child, &status, 0));
    assert_int_equal (0, status);
    mpl__fd_close (&pipes[0]);
    int full = open ("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal (-1, mpl__fd_write_all (full, data, 10));
    assert_int_equal (ENOSPC, errno);
    mpl__fd_close (&full);
}

/* In a child: its exit code says what went wrong. The descriptors to keep lie where others are to go. */
static int keep_three (void)
{
    int ends[6];
    char byte;

    for (int i = 0; i < 6; i += 2)
        if (pipe (&ends[i]) < 0)
            return 2;
    for (int i = 0; i < 3; i++)
        if (write (ends[2 * i + 1], &(char) { (char) ('a' + i) }, 1) != 1)
            return 3;
    int first = ends[0], keep[] = { ends[4], ends[0], ends[2] };
    if (mpl__fd_keep_only (keep, 3, first) < 0)
        return 4;
    for (int i = 0; i < 3; i++)
        if (keep[i] != first + i || fcntl (keep[i], F_GETFD) != FD_CLOEXEC || read (keep[i], &byte, 1) != 1
            || byte != "cab"[i])
            return 5;
    for (int fd = first + 3; fd < 1024; fd++)
        if (is_open (fd))
            return 6;
    return 0;
}

static void kept_descriptors_get_their_places_and_all_others_are_closed (void **state)
{
    int status;

    (void) state;
    pid_t child = fork ();
    if (child == 0)
        _exit (keep_three ());
    assert_int_equal (child, waitpid (child, &status, 0));
    assert_true (WIFEXITED (status));
    assert_int_equal (0, WEXITSTATUS (status));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (closing_twice_closes_once_and_keeps_errno),
        cmocka_unit_test (inheritance_can_be_switched),
        cmocka_unit_test (whether_there_is_room_is_said_and_nothing_stays_open),
        cmocka_unit_test (a_message_comes_whole_with_its_descriptors),
        cmocka_unit_test (a_message_too_long_is_refused_and_its_descriptors_closed),
        cmocka_unit_test (more_descriptors_than_agreed_are_refused_and_closed),
        cmocka_unit_test (a_peer_that_is_gone_is_an_error_and_no_signal),
        cmocka_unit_test (all_is_written_however_small_the_pipe),
        cmocka_unit_test (kept_descriptors_get_their_places_and_all_others_are_closed),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
