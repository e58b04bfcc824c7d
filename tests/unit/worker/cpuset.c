/* Sets of processing units: on any size of machine, as text, and as what a thread is bound to. */
#include "worker/cpuset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The text of the numbers up to -1, in so much room. */
static const char *text_of (const int *numbers, size_t room)
{
    static char text[200];
    mpl_cpuset_t set;

    assert_int_equal (0, mpl__cpuset_init (&set, 5000));
    for (; *numbers >= 0; numbers++)
        mpl__cpuset_add (&set, *numbers);
    memset (text, 'x', sizeof text);
    mpl__cpuset_text (&set, text, room);
    assert_int_equal ('x', text[room]);
    mpl__cpuset_free (&set);
    return text;
}

#define TEXT(room, ...) text_of ((const int[]) { __VA_ARGS__, -1 }, room)

static void neighbours_are_written_as_a_range (void **state)
{
    (void) state;
    assert_string_equal ("", TEXT (100, -1));
    assert_string_equal ("0", TEXT (100, 0));
    assert_string_equal ("0-3,8", TEXT (100, 8, 3, 1, 2, 0));
    assert_string_equal ("1-2,4,6-7", TEXT (100, 1, 2, 4, 6, 7));
    assert_string_equal ("1023-1025,4999", TEXT (100, 1023, 1024, 1025, 4999));
}

static void what_does_not_fit_ends_in_dots (void **state)
{
    (void) state;
    assert_string_equal ("1,3,5", TEXT (6, 1, 3, 5));
    assert_string_equal ("1...", TEXT (5, 1, 3, 5));
    assert_string_equal ("0-3...", TEXT (7, 0, 1, 2, 3, 5, 7));
    assert_string_equal ("...", TEXT (4, 1, 3, 5));
    assert_string_equal ("..", TEXT (3, 1, 3, 5));
}

static void the_last_number_of_a_full_set_is_in_it (void **state)
{
    char text[20];
    mpl_cpuset_t set;

    (void) state;
    assert_int_equal (0, mpl__cpuset_init (&set, 64));
    for (int i = 0; i < 64; i++)
        mpl__cpuset_add (&set, i);
    assert_string_equal ("0-63", mpl__cpuset_text (&set, text, sizeof text));
    assert_false (mpl__cpuset_has (&set, 64));
    mpl__cpuset_free (&set);
}

static void a_number_without_room_is_left_out (void **state)
{
    mpl_cpuset_t set, none = { .bits = NULL };
    char text[20];

    (void) state;
    assert_int_equal (0, mpl__cpuset_init (&set, 1));
    mpl__cpuset_add (&set, 1 << 20);
    mpl__cpuset_add (&set, -1);
    mpl__cpuset_add (&none, 0);
    assert_string_equal ("", mpl__cpuset_text (&set, text, sizeof text));
    assert_string_equal ("", mpl__cpuset_text (&none, text, sizeof text));
    mpl__cpuset_free (&set);
    mpl__cpuset_free (&set);
}

static void a_thread_is_bound_and_set_back (void **state)
{
    char text[100], after[100];
    mpl_cpuset_t before, one, now;
    int pu = 0;

    (void) state;
    assert_int_equal (0, mpl__cpuset_of_self (&before));
    while (!mpl__cpuset_has (&before, pu))
        pu++;
    assert_int_equal (0, mpl__cpuset_init (&one, pu + 1));
    mpl__cpuset_add (&one, pu);
    assert_int_equal (0, mpl__cpuset_bind_self (&one));
    assert_int_equal (pu, sched_getcpu ());
    assert_int_equal (0, mpl__cpuset_bind_self (&before));
    assert_int_equal (0, mpl__cpuset_of_self (&now));
    assert_string_equal (mpl__cpuset_text (&before, text, sizeof text), mpl__cpuset_text (&now, after, sizeof after));
    mpl__cpuset_free (&before);
    mpl__cpuset_free (&one);
    mpl__cpuset_free (&now);
}

static void binding_to_nothing_is_refused (void **state)
{
    mpl_cpuset_t none;

    (void) state;
    assert_int_equal (0, mpl__cpuset_init (&none, 10));
    assert_int_equal (-1, mpl__cpuset_bind_self (&none));
    assert_int_equal (EINVAL, errno);
    mpl__cpuset_free (&none);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (neighbours_are_written_as_a_range),
        cmocka_unit_test (what_does_not_fit_ends_in_dots),
        cmocka_unit_test (the_last_number_of_a_full_set_is_in_it),
        cmocka_unit_test (a_number_without_room_is_left_out),
        cmocka_unit_test (a_thread_is_bound_and_set_back),
        cmocka_unit_test (binding_to_nothing_is_refused),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
