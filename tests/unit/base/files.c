/* The limit of descriptors: raised for us, as it was for what we start. Each test has its own limit. */
#include "base/files.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LOW 64

static struct rlimit of_all;

static int keep_limit (void **state)
{
    (void) state;
    return getrlimit (RLIMIT_NOFILE, &of_all);
}

static int give_limit_back (void **state)
{
    (void) state;
    return setrlimit (RLIMIT_NOFILE, &of_all);
}

static rlim_t limit_now (void)
{
    struct rlimit limit;

    assert_int_equal (0, getrlimit (RLIMIT_NOFILE, &limit));
    assert_true (limit.rlim_max == of_all.rlim_max);        /* nobody may touch that: it could not be taken back */
    return limit.rlim_cur;
}

static void set_limit (rlim_t now)
{
    struct rlimit limit = { now, of_all.rlim_max };

    assert_int_equal (0, setrlimit (RLIMIT_NOFILE, &limit));
}

static void the_limit_is_raised_as_far_as_it_may_be (void **state)
{
    mpl_files_t files;
    rlim_t most = of_all.rlim_max < 1048576 ? of_all.rlim_max : 1048576;

    (void) state;
    set_limit (LOW);
    mpl__files_begin (&files);
    assert_true (files.given.rlim_cur == LOW);
    assert_true (limit_now () == most);
    assert_true (files.raised.rlim_cur == most);
}

static void what_is_started_has_the_limit_that_was_given (void **state)
{
    mpl_files_t files;

    (void) state;
    set_limit (LOW);
    mpl__files_begin (&files);
    rlim_t raised = limit_now ();
    for (int i = 0; i < 3; i++) {
        mpl__files_lower (&files);
        assert_true (limit_now () == LOW);
        pid_t pid = fork ();
        if (pid == 0) {
            struct rlimit limit;
            _exit (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == LOW ? 0 : 1);
        }
        int status = -1;
        assert_int_equal (pid, waitpid (pid, &status, 0));
        assert_int_equal (0, status);
        mpl__files_raise (&files);
        assert_true (limit_now () == raised);
    }
}

static void what_is_open_above_the_lowered_limit_stays_open (void **state)
{
    mpl_files_t files;

    (void) state;
    set_limit (LOW);
    mpl__files_begin (&files);
    int high = fcntl (0, F_DUPFD_CLOEXEC, LOW + 100);
    assert_true (high >= LOW + 100);
    mpl__files_lower (&files);
    assert_true (fcntl (high, F_GETFD) >= 0);
    int too_high = fcntl (0, F_DUPFD_CLOEXEC, LOW + 100);
    assert_int_equal (-1, too_high);
    mpl__files_raise (&files);
    assert_true (fcntl (high, F_GETFD) >= 0);
    mpl__fd_close (&high);
}

static void a_limit_that_cannot_be_raised_stays (void **state)
{
    mpl_files_t files;

    (void) state;
    set_limit (of_all.rlim_max);
    mpl__files_begin (&files);
    assert_true (limit_now () == of_all.rlim_max);
    assert_true (files.given.rlim_cur == files.raised.rlim_cur);
    mpl__files_lower (&files);
    assert_true (limit_now () == of_all.rlim_max);
    mpl__files_raise (&files);
    assert_true (limit_now () == of_all.rlim_max);
}

static void errno_is_kept (void **state)
{
    mpl_files_t files;

    (void) state;
    set_limit (LOW);
    mpl__files_begin (&files);
    errno = ENOEXEC;
    mpl__files_lower (&files);
    assert_int_equal (ENOEXEC, errno);
    mpl__files_raise (&files);
    assert_int_equal (ENOEXEC, errno);
    files.raised.rlim_cur = files.raised.rlim_max + (files.raised.rlim_max != RLIM_INFINITY);   /* and when it cannot be set */
    mpl__files_raise (&files);
    assert_int_equal (ENOEXEC, errno);
}

#define test(name) cmocka_unit_test_setup_teardown (name, keep_limit, give_limit_back)

int main (void)
{
    const struct CMUnitTest tests[] = {
        test (the_limit_is_raised_as_far_as_it_may_be),
        test (what_is_started_has_the_limit_that_was_given),
        test (what_is_open_above_the_lowered_limit_stays_open),
        test (a_limit_that_cannot_be_raised_stays),
        test (errno_is_kept),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
