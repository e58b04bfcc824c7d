/* The limits of a worker: time by its page, memory by /proc. Virtual time throughout. */
#include "worker/watch.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MS ((uint64_t) MPL__NS_PER_MS)
#define S ((uint64_t) MPL__NS_PER_S)

static mpl_page_t page;

static void on (uint64_t chunk, uint64_t item, uint64_t began_at)
{
    atomic_store (&page.chunk, chunk);
    atomic_store (&page.began_at, began_at);
    atomic_store (&page.item, item);
}

/* Looks at instant `now`; *due is what it wants. */
static int look (mpl_watch_t *watch, uint64_t timeout_ns, uint64_t now, uint64_t *due)
{
    *due = MPL__NEVER;
    return mpl__watch_time (watch, &page, timeout_ns, now, due);
}

static void without_a_limit_nothing_is_due (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due;

    (void) state;
    on (1, 1, 0);
    assert_int_equal (0, look (&watch, 0, 1000 * S, &due));
    assert_true (due == MPL__NEVER);
}

static void the_first_item_is_timed_from_its_beginning (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due;

    (void) state;
    on (1, 1, 10 * S);
    assert_int_equal (0, look (&watch, S, 10 * S + 950 * MS, &due));
    assert_true (due == 11 * S);                        /* exactly, not a tenth later */
    assert_int_equal (0, look (&watch, S, 11 * S - 1, &due));
    assert_int_equal (1, look (&watch, S, 11 * S, &due));
}

static void a_later_item_is_timed_from_the_look_that_saw_it (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due;

    (void) state;
    on (1, 5, 10 * S);
    assert_int_equal (0, look (&watch, S, 20 * S, &due));
    assert_true (due == 20 * S + 100 * MS);             /* a tenth of the limit */
    assert_int_equal (0, look (&watch, S, 21 * S - 1, &due));
    assert_int_equal (1, look (&watch, S, 21 * S, &due));
}

static void every_new_item_has_the_whole_limit (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due;

    (void) state;
    for (uint64_t i = 2; i < 50; i++) {
        on (1, i, 10 * S);
        assert_int_equal (0, look (&watch, S, 10 * S + i * 900 * MS, &due));
    }
    on (2, 49, 100 * S);                                /* the same offset in another chunk */
    assert_int_equal (0, look (&watch, S, 100 * S, &due));
    assert_int_equal (0, look (&watch, S, 100 * S + 999 * MS, &due));
}

static void between_items_no_time_runs (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due;

    (void) state;
    on (1, 3, 10 * S);
    assert_int_equal (0, look (&watch, S, 11 * S, &due));
    on (1, 0, 10 * S);
    assert_int_equal (0, look (&watch, S, 50 * S, &due));
    on (1, 3, 10 * S);
    assert_int_equal (0, look (&watch, S, 51 * S, &due));
    assert_int_equal (1, look (&watch, S, 52 * S, &due));
}

static void a_beginning_in_the_future_is_no_timeout (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due;

    (void) state;
    on (1, 1, 10 * S + 1);
    assert_int_equal (0, look (&watch, S, 10 * S, &due));
}

static void looks_are_neither_frantic_nor_rare (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due;

    (void) state;
    on (1, 0, 0);
    look (&watch, 1, 10 * S, &due);
    assert_true (due == 10 * S + 5 * MS);
    look (&watch, 1000 * S, 10 * S, &due);
    assert_true (due == 11 * S);
    due = 5;                                            /* an earlier wish of somebody else stays */
    mpl__watch_time (&watch, &page, S, 10 * S, &due);
    assert_int_equal (5, due);
}

static void memory_is_counted_above_what_it_started_with (void **state)
{
    const size_t len = (size_t) 64 << 20;
    mpl_watch_t watch = { 0 };
    uint64_t due = MPL__NEVER;

    (void) state;
    assert_int_equal (0, mpl__watch_memory (&watch, getpid (), 0, S, &due));
    assert_true (due == MPL__NEVER);
    assert_int_equal (0, mpl__watch_memory (&watch, getpid (), (size_t) 32 << 20, S, &due));
    assert_true (due == S + 50 * MS);
    assert_true (watch.base_bytes > 0);
    char *block = malloc (len);
    assert_non_null (block);
    memset (block, 'x', len);
    assert_int_equal (0, mpl__watch_memory (&watch, getpid (), (size_t) 32 << 20, S + 49 * MS, &due));  /* not looked */
    assert_int_equal (1, mpl__watch_memory (&watch, getpid (), (size_t) 32 << 20, S + 50 * MS, &due));
    assert_int_equal (0, mpl__watch_memory (&watch, getpid (), (size_t) 1 << 40, S + 100 * MS, &due));
    assert_int_equal ('x', block[len - 1]);
    free (block);
}

static void a_process_that_is_gone_is_within_its_memory (void **state)
{
    mpl_watch_t watch = { 0 };
    uint64_t due = MPL__NEVER;

    (void) state;
    assert_int_equal (0, mpl__watch_memory (&watch, 0x7ffffff0, 1, S, &due));
}

static void a_peak_near_the_limit_is_blamed_on_it (void **state)
{
    (void) state;
    assert_false (mpl__watch_is_near_limit (UINT64_MAX, 0));
    assert_false (mpl__watch_is_near_limit (699, 800));
    assert_true (mpl__watch_is_near_limit (700, 800));
    assert_true (mpl__watch_is_near_limit (UINT64_MAX, SIZE_MAX));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (without_a_limit_nothing_is_due),
        cmocka_unit_test (the_first_item_is_timed_from_its_beginning),
        cmocka_unit_test (a_later_item_is_timed_from_the_look_that_saw_it),
        cmocka_unit_test (every_new_item_has_the_whole_limit),
        cmocka_unit_test (between_items_no_time_runs),
        cmocka_unit_test (a_beginning_in_the_future_is_no_timeout),
        cmocka_unit_test (looks_are_neither_frantic_nor_rare),
        cmocka_unit_test (memory_is_counted_above_what_it_started_with),
        cmocka_unit_test (a_process_that_is_gone_is_within_its_memory),
        cmocka_unit_test (a_peak_near_the_limit_is_blamed_on_it),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
