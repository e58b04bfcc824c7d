/* The mark: a number that goes from a process to all its descendants, and can be read from outside. */
#include "base/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs fn in a child of its own, since marks cannot be taken off again; its exit code. */
static int in_child (int (*fn) (void))
{
    int status;
    pid_t child = fork ();

    if (child == 0)
        _exit (fn ());
    assert_int_equal (child, waitpid (child, &status, 0));
    assert_true (WIFEXITED (status));
    return WEXITSTATUS (status);
}

static int set_and_read (void)
{
    static const uint64_t marks[] = { 1, 77, MPL__MARKS - 1, MPL__MARKS + 5, 0 };
    static const uint64_t wanted[] = { 1, 77, MPL__MARKS - 1, 5, 0 };

    for (int i = 0; i < 5; i++) {
        mpl__mark_set (marks[i]);
        if (mpl__mark_get (getpid ()) != wanted[i])
            return 1 + i;
    }
    return 0;
}

static int grandchild_has_it (void)
{
    int status;

    mpl__mark_set (4711);
    pid_t child = fork ();
    if (child == 0) {
        setsid ();
        pid_t grandchild = fork ();
        if (grandchild == 0)
            _exit (mpl__mark_get (getpid ()) != 4711);
        _exit (waitpid (grandchild, &status, 0) != grandchild || status);
    }
    return waitpid (child, &status, 0) != child || status;
}

static int without_room (void)
{
    if (setrlimit (RLIMIT_MSGQUEUE, &(struct rlimit) { 1000, 1000 }) < 0)
        return 1;
    mpl__mark_set (5);
    struct rlimit limit;
    getrlimit (RLIMIT_MSGQUEUE, &limit);
    return limit.rlim_cur == 1000 && mpl__mark_get (getpid ()) == 0 ? 0 : 2;
}

static void a_mark_is_read_as_it_was_set (void **state)
{
    (void) state;
    assert_int_equal (0, in_child (set_and_read));
}

static void a_mark_goes_down_to_grandchildren_in_other_sessions (void **state)
{
    (void) state;
    assert_int_equal (0, in_child (grandchild_has_it));
}

static void a_limit_too_low_carries_no_mark_and_stays_as_it_is (void **state)
{
    (void) state;
    assert_int_equal (0, in_child (without_room));
}

static void nobody_and_the_unmarked_have_none (void **state)
{
    (void) state;
    assert_int_equal (0, mpl__mark_get (getpid ()));
    assert_int_equal (0, mpl__mark_get (0x7ffffff0));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_mark_is_read_as_it_was_set),
        cmocka_unit_test (a_mark_goes_down_to_grandchildren_in_other_sessions),
        cmocka_unit_test (a_limit_too_low_carries_no_mark_and_stays_as_it_is),
        cmocka_unit_test (nobody_and_the_unmarked_have_none),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
