/* News that wait: nothing is lost, nothing overtakes, descriptors travel with their message and are closed once. */
#include "worker/news.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void make_pair (int pair[2])
{
    assert_int_equal (0, socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
}

static int count_open (void)
{
    int n = 0;

    for (int fd = 0; fd < 4096; fd++)
        n += fcntl (fd, F_GETFD) >= 0;
    return n;
}

static mpl_control_t number (uint64_t n)
{
    return (mpl_control_t) { .type = MPL__C_ENDED, .rank = n };
}

/* Receives all there is, whose numbers follow `next`; the next one after them. */
static uint64_t hear (int sock, uint64_t next, int with_fd)
{
    mpl_control_t message;
    int fds[MPL__FDS_MAX];

    while (mpl__control_recv (sock, &message, fds) == 1) {
        assert_int_equal (next++, with_fd ? message.slot : message.rank);
        assert_int_equal (with_fd, fds[0] >= 0);
        mpl__fd_close_all (fds, MPL__FDS_MAX);
    }
    assert_int_equal (EAGAIN, errno);
    return next;
}

static void what_finds_no_room_waits_and_comes_in_order (void **state)
{
    mpl_news_t news = { 0 };
    uint64_t next = 0;
    int pair[2];

    (void) state;
    make_pair (pair);
    for (uint64_t i = 0; i < 5000; i++) {
        mpl_control_t message = number (i);
        assert_int_equal (0, mpl__news_send (&news, pair[0], &message, -1));
    }
    assert_non_null (news.first);               /* the socket does not hold 5000 */
    assert_int_equal (1, mpl__news_flush (&news, pair[0]));
    while (next < 5000) {
        uint64_t before = next;
        next = hear (pair[1], next, 0);
        assert_true (next > before);
        mpl__news_flush (&news, pair[0]);
    }
    assert_int_equal (0, mpl__news_flush (&news, pair[0]));
    assert_null (news.first);
    assert_null (news.last);
    assert_int_equal (0, news.bytes);
    mpl__fd_close_all (pair, 2);
}

static void a_message_does_not_overtake_what_waits (void **state)
{
    mpl_news_t news = { 0 };
    uint64_t n = 0, next;
    int pair[2];

    (void) state;
    make_pair (pair);
    while (!news.first) {
        mpl_control_t message = number (n++);
        assert_int_equal (0, mpl__news_send (&news, pair[0], &message, -1));
    }
    next = hear (pair[1], 0, 0);                /* now there is room */
    mpl_control_t message = number (n++);
    assert_int_equal (0, mpl__news_send (&news, pair[0], &message, -1));
    assert_null (news.first);
    assert_int_equal (n, hear (pair[1], next, 0));
    mpl__fd_close_all (pair, 2);
}

static void descriptors_wait_as_copies_and_none_is_left (void **state)
{
    mpl_news_t news = { 0 };
    int pair[2], before = count_open ();
    uint64_t next = 0;

    (void) state;
    make_pair (pair);
    for (uint64_t i = 0; i < 600; i++) {
        int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
        mpl_control_t message = { .type = MPL__C_SPAWNED, .slot = i };
        assert_int_equal (0, mpl__news_send (&news, pair[0], &message, fd));
        close (fd);                             /* the sender's own affair */
    }
    assert_non_null (news.first);
    for (int turn = 0; turn < 600 && next < 600; turn++) {
        next = hear (pair[1], next, 1);
        mpl__news_flush (&news, pair[0]);
    }
    assert_int_equal (600, next);
    mpl__fd_close_all (pair, 2);
    assert_int_equal (before, count_open ());
}

static void what_is_cleared_closes_its_descriptors (void **state)
{
    mpl_news_t news = { 0 };
    int pair[2], before = count_open (), fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

    (void) state;
    make_pair (pair);
    for (uint64_t i = 0; i < 600; i++) {
        mpl_control_t message = { .type = MPL__C_SPAWNED, .slot = i };
        assert_int_equal (0, mpl__news_send (&news, pair[0], &message, fd));
    }
    assert_non_null (news.first);
    mpl__news_clear (&news);
    assert_null (news.first);
    assert_int_equal (0, news.bytes);
    mpl__news_clear (&news);
    close (fd);
    mpl__fd_close_all (pair, 2);
    assert_int_equal (before, count_open ());
}

static void there_is_a_bound (void **state)
{
    mpl_news_t news = { 0 };
    mpl_control_t message = { .type = MPL__C_BROKEN };
    int pair[2], rc;
    size_t n = 0;

    (void) state;
    make_pair (pair);
    memset (message.text, 'x', sizeof message.text - 1);
    while ((rc = mpl__news_send (&news, pair[0], &message, -1)) == 0)
        assert_true (n++ < 2 * MPL__NEWS_MAX / sizeof message.text);
    assert_int_equal (ENOBUFS, errno);
    assert_true (news.bytes <= MPL__NEWS_MAX && news.bytes > MPL__NEWS_MAX - MPL__CONTROL_MAX);
    mpl__news_clear (&news);
    mpl__fd_close_all (pair, 2);
}

/* Its end is seen by whoever reads it. */
static void a_peer_that_is_gone_is_no_error (void **state)
{
    mpl_news_t news = { 0 };
    mpl_control_t message = number (1);
    int pair[2];

    (void) state;
    make_pair (pair);
    while (!news.first)
        assert_int_equal (0, mpl__news_send (&news, pair[0], &message, -1));
    mpl__fd_close (&pair[1]);
    assert_int_equal (0, mpl__news_send (&news, pair[0], &message, -1));
    assert_int_equal (0, mpl__news_flush (&news, pair[0]));
    assert_null (news.first);
    mpl__fd_close (&pair[0]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_finds_no_room_waits_and_comes_in_order),
        cmocka_unit_test (a_message_does_not_overtake_what_waits),
        cmocka_unit_test (descriptors_wait_as_copies_and_none_is_left),
        cmocka_unit_test (what_is_cleared_closes_its_descriptors),
        cmocka_unit_test (there_is_a_bound),
        cmocka_unit_test (a_peer_that_is_gone_is_no_error),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
