/* Durations and sizes with their units. */
#include "conf/units.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void durations_are_read (void **state)
{
    static const struct {
        const char *text;
        double seconds;
    } all[] = { { "0", 0 },
                { "2", 2 },
                { "2s", 2 },
                { "1.5s", 1.5 },
                { "0.25", 0.25 },
                { "500ms", 0.5 },
                { "250us", 250e-6 },
                { "10min", 600 },
                { "10m", 600 },
                { "1h30m", 5400 },
                { "1h 30min", 5400 },
                { " 2 s ", 2 },
                { "2 sec", 2 },
                { "1.5h", 5400 },
                { "1d", 86400 },
                { "2 days", 172800 },
                { "1 hour", 3600 },
                { "3 hours", 10800 },
                { "1d2h3m4s5ms", 93784.005 },
                { "1h1.5s", 3601.5 },
                { "007", 7 },
                { "1000000000", 1e9 } };

    (void) state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double seconds = -1;
        if (mpl__duration_parse (all[i].text, &seconds) < 0 || fabs (seconds - all[i].seconds) > 1e-9)
            fail_msg ("'%s' gives %g, not %g", all[i].text, seconds, all[i].seconds);
    }
}

static void what_is_no_duration_is_refused (void **state)
{
    static const char *const all[] = { "",         " ",       "s",     "-1",   "-1s",       "+1",   "1.",
                                       ".5",       "1.s",     "1..5",  "1,5",  "2x",        "2S",   "2sx",
                                       "1e3",      "inf",     "nan",   "1:30", "30m1h",     "1h1h", "1m1h",
                                       "1h30",     "1.5h30m", "5 6",   "5 6s", "0x10",      "2s,",  "1_000",
                                       "2seconds", "10M",     "1 h 2", "two",  "2\xc2\xb5s" };

    (void) state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double seconds = 42;
        errno = 0;
        if (mpl__duration_parse (all[i], &seconds) == 0 || errno != EINVAL || seconds != 42)
            fail_msg ("'%s' is taken for %g, errno %d", all[i], seconds, errno);
    }
}

static void durations_end_somewhere (void **state)
{
    static const char *const all[] = { "1000000001", "1e9", "20000d", "999999999999999999", "1234567890123456789",
                                       "0.0000000000000000001", "000000000000000000000000000000000001s" };
    double seconds = 42;

    (void) state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal (-1, mpl__duration_parse (all[i], &seconds));
        assert_int_equal (i == 1 ? EINVAL : ERANGE, errno);
        assert_true (seconds == 42);
    }
}

static void sizes_are_read (void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
    } all[] = { { "0", 0 },
                { "1", 1 },
                { "4096", 4096 },
                { "17b", 17 },
                { "17 B", 17 },
                { "1K", 1024 },
                { "1k", 1024 },
                { "1KiB", 1024 },
                { "1kB", 1000 },
                { "1KB", 1000 },
                { "512M", 536870912 },
                { "512m", 536870912 },
                { "512MB", 512000000 },
                { "2GiB", 2147483648 },
                { "2gib", 2147483648 },
                { "2 GB", 2000000000 },
                { "1T", 1099511627776 },
                { "1P", 1125899906842624 },
                { "1PB", 1000000000000000 },
                { "1.5G", 1610612736 },
                { "0.5K", 512 },
                { "1.9", 1 },
                { " 8M ", 8388608 },
                { "999999999999999999", 999999999999999999 },
                { "16383P", 18445618173802708992u } };

    (void) state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t bytes = 42;
        if (mpl__size_parse (all[i].text, &bytes) < 0 || bytes != all[i].bytes)
            fail_msg ("'%s' gives %zu, not %zu", all[i].text, bytes, all[i].bytes);
    }
}

static void what_is_no_size_is_refused (void **state)
{
    static const char *const all[] = { "",    " ",   "M",    "-1",    "-1M", "+1",    "1.",   ".5G",
                                       "2X",  "2Mi", "2MBs", "2MiBs", "2BM", "2 G B", "1,5G", "0x10",
                                       "1e9", "2G,", "two",  "1G2M",  "1E",  "2i",    "2bb",  "50%" };

    (void) state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t bytes = 42;
        errno = 0;
        if (mpl__size_parse (all[i], &bytes) == 0 || errno != EINVAL || bytes != 42)
            fail_msg ("'%s' is taken for %zu, errno %d", all[i], bytes, errno);
    }
}

static void sizes_beyond_the_address_space_are_refused (void **state)
{
    static const char *const all[] = { "16384P", "999999999999999999K", "1234567890123456789" };
    size_t bytes = 42;

    (void) state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal (-1, mpl__size_parse (all[i], &bytes));
        assert_int_equal (ERANGE, errno);
        assert_int_equal (42, bytes);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (durations_are_read),
        cmocka_unit_test (what_is_no_duration_is_refused),
        cmocka_unit_test (durations_end_somewhere),
        cmocka_unit_test (sizes_are_read),
        cmocka_unit_test (what_is_no_size_is_refused),
        cmocka_unit_test (sizes_beyond_the_address_space_are_refused),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
