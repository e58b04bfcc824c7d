/* The clock, and how an instant becomes the milliseconds that poll wants. */
#include "base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void it_never_goes_back (void **state)
{
    uint64_t last = mpl__clock_ns ();

    (void) state;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = mpl__clock_ns ();
        assert_true (now >= last);
        last = now;
    }
}

static void it_counts_nanoseconds (void **state)
{
    uint64_t before = mpl__clock_ns ();

    (void) state;
    nanosleep (&(struct timespec) { .tv_nsec = 2 * MPL__NS_PER_MS }, NULL);
    assert_in_range (mpl__clock_ns () - before, 2 * MPL__NS_PER_MS, 20 * (uint64_t) MPL__NS_PER_S);
}

static void a_negative_timeout_never_comes (void **state)
{
    uint64_t now = mpl__clock_ns ();

    (void) state;
    assert_true (mpl__clock_in_ms (-1) == MPL__NEVER);
    assert_true (mpl__clock_in_ms (INT_MIN) == MPL__NEVER);
    assert_in_range (mpl__clock_in_ms (0), now, now + 20 * (uint64_t) MPL__NS_PER_S);
    assert_true (mpl__clock_in_ms (INT_MAX) >= now + (uint64_t) INT_MAX * MPL__NS_PER_MS);
    assert_true (mpl__clock_in_ms (INT_MAX) != MPL__NEVER);
}

static void waiting_ends_at_the_instant_or_after_it_never_before (void **state)
{
    (void) state;
    assert_int_equal (-1, mpl__clock_poll_ms (MPL__NEVER, 5));
    assert_int_equal (0, mpl__clock_poll_ms (5, 5));
    assert_int_equal (0, mpl__clock_poll_ms (4, 5));
    assert_int_equal (0, mpl__clock_poll_ms (0, MPL__NEVER));
    assert_int_equal (1, mpl__clock_poll_ms (6, 5));
    assert_int_equal (1, mpl__clock_poll_ms (5 + MPL__NS_PER_MS, 5));
    assert_int_equal (2, mpl__clock_poll_ms (6 + MPL__NS_PER_MS, 5));
    assert_int_equal (INT_MAX, mpl__clock_poll_ms (MPL__NEVER - 1, MPL__NS_PER_MS));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (it_never_goes_back),
        cmocka_unit_test (it_counts_nanoseconds),
        cmocka_unit_test (a_negative_timeout_never_comes),
        cmocka_unit_test (waiting_ends_at_the_instant_or_after_it_never_before),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
