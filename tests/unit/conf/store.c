/* Memory with one owner and one end. */
#include "conf/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void pieces_are_zeroed_aligned_and_apart (void **state)
{
    mpl_store_t store = { 0 };
    unsigned char *pieces[1000];

    (void) state;
    for (size_t i = 0; i < 1000; i++) {
        size_t size = i % 61;
        pieces[i] = mpl__store_get (&store, size);
        assert_non_null (pieces[i]);
        assert_int_equal (0, (uintptr_t) pieces[i] % _Alignof (max_align_t));
        for (size_t j = 0; j < size; j++)
            assert_int_equal (0, pieces[i][j]);
        memset (pieces[i], (int) i, size);
    }
    for (size_t i = 0; i < 1000; i++)
        for (size_t j = 0; j < i % 61; j++)
            assert_int_equal ((unsigned char) i, pieces[i][j]);
    mpl__store_free (&store);
}

static void large_pieces_leave_small_ones_their_room (void **state)
{
    mpl_store_t store = { 0 };

    (void) state;
    char *first = mpl__store_get (&store, 16), *large = mpl__store_get (&store, 1000000),
         *second = mpl__store_get (&store, 16);
    assert_non_null (large);
    memset (large, 'x', 1000000);
    assert_ptr_equal (first + 16, second);
    mpl__store_free (&store);
}

static void texts_are_copied_with_their_end (void **state)
{
    mpl_store_t store = { 0 };

    (void) state;
    assert_string_equal ("ab", mpl__store_text (&store, "abc", 2));
    assert_string_equal ("", mpl__store_text (&store, NULL, 0));
    mpl__store_free (&store);
}

static void what_does_not_fit_is_refused (void **state)
{
    mpl_store_t store = { 0 };

    (void) state;
    errno = 0;
    assert_null (mpl__store_get (&store, SIZE_MAX));
    assert_int_equal (ENOMEM, errno);
    errno = 0;
    assert_null (mpl__store_get (&store, SIZE_MAX / 2 + 100));
    assert_int_equal (ENOMEM, errno);
    assert_null (store.blocks);
    mpl__store_free (&store);
}

static void what_is_joined_has_one_owner (void **state)
{
    mpl_store_t all = { 0 }, more = { 0 }, none = { 0 };
    char *before = mpl__store_text (&all, "before", 6), *after = mpl__store_text (&more, "after", 5);

    (void) state;
    mpl__store_join (&all, &more);
    mpl__store_join (&all, &none);
    mpl__store_join (&none, &all);
    mpl__store_free (&more);
    mpl__store_free (&all);
    assert_string_equal ("before", before);
    assert_string_equal ("after", after);
    errno = EDOM;
    mpl__store_free (&none);
    mpl__store_free (&none);
    assert_int_equal (EDOM, errno);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test (large_pieces_leave_small_ones_their_room),
        cmocka_unit_test (texts_are_copied_with_their_end),
        cmocka_unit_test (what_does_not_fit_is_refused),
        cmocka_unit_test (what_is_joined_has_one_owner),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
