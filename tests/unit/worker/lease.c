/* The lease of an agent on another host: when it speaks, and when it ends by itself. Times here are small numbers. */
#include "worker/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static mpl_lease_t begin (uint64_t now)
{
    mpl_lease_t self;

    mpl__lease_begin (&self, 20, 100, now);
    return self;
}

static void a_beat_is_sent_at_once_and_then_at_its_times (void **state)
{
    mpl_lease_t self = begin (1000);

    (void) state;
    assert_int_equal (1000, mpl__lease_due (&self));
    assert_int_equal (1, mpl__lease_beat (&self, 1000));
    assert_int_equal (0, mpl__lease_beat (&self, 1000));
    assert_int_equal (0, mpl__lease_beat (&self, 1019));
    assert_int_equal (1020, mpl__lease_due (&self));
    assert_int_equal (1, mpl__lease_beat (&self, 1020));
    assert_int_equal (1, mpl__lease_beat (&self, 1090));        /* late: one, not three */
    assert_int_equal (0, mpl__lease_beat (&self, 1091));
}

static void without_an_answer_it_ends (void **state)
{
    mpl_lease_t self = begin (1000);

    (void) state;
    assert_int_equal (0, mpl__lease_is_over (&self, 1099));
    assert_int_equal (1, mpl__lease_is_over (&self, 1100));
    mpl__lease_beat (&self, 1090);
    assert_int_equal (1100, mpl__lease_due (&self));            /* before the next beat */
}

/* The launcher counts from when it received; whoever counts from when it sent ends before. */
static void an_answer_counts_from_when_it_was_asked (void **state)
{
    mpl_lease_t self = begin (1000);

    (void) state;
    mpl__lease_answered (&self, 1040, 1090);
    assert_int_equal (0, mpl__lease_is_over (&self, 1139));
    assert_int_equal (1, mpl__lease_is_over (&self, 1140));
}

static void an_old_answer_takes_nothing_away (void **state)
{
    mpl_lease_t self = begin (1000);

    (void) state;
    mpl__lease_answered (&self, 1060, 1070);
    mpl__lease_answered (&self, 1020, 1071);
    mpl__lease_answered (&self, 0, 1072);
    assert_int_equal (0, mpl__lease_is_over (&self, 1159));
    assert_int_equal (1, mpl__lease_is_over (&self, 1160));
}

static void an_answer_from_the_future_is_none (void **state)
{
    mpl_lease_t self = begin (1000);

    (void) state;
    mpl__lease_answered (&self, 1051, 1050);
    mpl__lease_answered (&self, UINT64_MAX, 1050);
    mpl__lease_answered (&self, UINT64_MAX - 50, 1050);
    assert_int_equal (1, mpl__lease_is_over (&self, 1100));
}

static void time_with_a_stopped_launcher_does_not_count (void **state)
{
    mpl_lease_t self = begin (1000);

    (void) state;
    mpl__lease_pause (&self, 1, 1050);
    mpl__lease_beat (&self, 1050);
    assert_int_equal (0, mpl__lease_is_over (&self, 999999));
    assert_int_equal (1070, mpl__lease_due (&self));            /* never the end */
    mpl__lease_pause (&self, 1, 5000);
    mpl__lease_pause (&self, 0, 9000);
    assert_int_equal (0, mpl__lease_is_over (&self, 9099));
    assert_int_equal (1, mpl__lease_is_over (&self, 9100));
    mpl__lease_pause (&self, 0, 9090);                          /* it had not stopped */
    assert_int_equal (1, mpl__lease_is_over (&self, 9100));
}

static void a_suspended_host_notices (void **state)
{
    mpl_lease_t self = begin (1000);

    (void) state;
    mpl__lease_answered (&self, 1000, 1001);
    assert_int_equal (1, mpl__lease_is_over (&self, 1000000));
}

static void where_there_is_no_lease_none_ends (void **state)
{
    mpl_lease_t self, empty = { 0 };

    (void) state;
    mpl__lease_begin (&self, 0, 0, 1000);
    assert_int_equal (0, mpl__lease_beat (&self, 5000));
    assert_int_equal (0, mpl__lease_is_over (&self, 5000));
    assert_true (mpl__lease_due (&self) == UINT64_MAX);
    assert_int_equal (0, mpl__lease_is_over (&empty, 5000));
    assert_true (mpl__lease_due (&empty) == UINT64_MAX);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_beat_is_sent_at_once_and_then_at_its_times),
        cmocka_unit_test (without_an_answer_it_ends),
        cmocka_unit_test (an_answer_counts_from_when_it_was_asked),
        cmocka_unit_test (an_old_answer_takes_nothing_away),
        cmocka_unit_test (an_answer_from_the_future_is_none),
        cmocka_unit_test (time_with_a_stopped_launcher_does_not_count),
        cmocka_unit_test (a_suspended_host_notices),
        cmocka_unit_test (where_there_is_no_lease_none_ends),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
