/* Shared data: names for places in an arena that may grow. */
#include "worker/shares.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A worker's shares live as long as its process, so nothing destroys them; all tests use the same ones. */
static struct {
    int arena;
    mpl_shares_t *shares;
} all;

/* An arena of 64 KiB whose every byte says in which 4 KiB it lies. */
static int setup (void **state)
{
    char block[4096];

    (void) state;
    all.arena = memfd_create ("arena", MFD_CLOEXEC);
    for (int i = 0; i < 16; i++) {
        memset (block, 'a' + i, sizeof block);
        if (write (all.arena, block, sizeof block) != sizeof block)
            return -1;
    }
    all.shares = mpl__shares_new (all.arena);
    return all.shares ? 0 : -1;
}

static void the_arena_is_mapped_when_it_is_spoken_of (void **state)
{
    (void) state;
    const char *at = mpl__shares_arena (all.shares, 4096, 4096);
    assert_non_null (at);
    assert_int_equal ('b', at[0]);
    assert_int_equal ('b', at[4095]);
}

static void what_lies_beyond_the_arena_is_refused (void **state)
{
    (void) state;
    errno = 0;
    assert_null (mpl__shares_arena (all.shares, 65536, 1));
    assert_int_equal (EPROTO, errno);
    assert_null (mpl__shares_arena (all.shares, 0, 65537));
    assert_null (mpl__shares_arena (all.shares, UINT64_MAX, 2));        /* a sum that wraps */
    assert_null (mpl__shares_arena (all.shares, 2, UINT64_MAX));
    assert_int_equal (EPROTO, errno);
    assert_non_null (mpl__shares_arena (all.shares, 65535, 1));
}

static void a_name_stands_for_its_bytes_until_it_is_given_anew (void **state)
{
    size_t len = 0;

    (void) state;
    assert_null (mpl__shares_get (all.shares, "table", &len));
    assert_int_equal (0, mpl__shares_set (all.shares, "table-and-more", 5, 1, 8192, 100));
    const char *data = mpl__shares_get (all.shares, "table", &len);
    assert_non_null (data);
    assert_int_equal ('c', data[0]);
    assert_int_equal (100, len);
    assert_null (mpl__shares_get (all.shares, "tabl", &len));
    assert_null (mpl__shares_get (all.shares, "table-", &len));
    assert_null (mpl__shares_get (all.shares, "", &len));
    assert_int_equal (0, mpl__shares_set (all.shares, "table", 5, 1, 12288, 7));
    data = mpl__shares_get (all.shares, "table", NULL);
    assert_int_equal ('d', data[0]);
}

static void a_share_of_no_bytes_is_there (void **state)
{
    size_t len = 99;

    (void) state;
    assert_int_equal (0, mpl__shares_set (all.shares, "empty", 5, 1, 4096, 0));
    assert_non_null (mpl__shares_get (all.shares, "empty", &len));
    assert_int_equal (0, len);
}

static void the_mapping_follows_an_arena_that_grew (void **state)
{
    char block[4096];
    size_t len;

    (void) state;
    assert_int_equal (0, mpl__shares_set (all.shares, "old", 3, 1, 0, 4096));
    assert_null (mpl__shares_arena (all.shares, 1 << 20, 4096));
    memset (block, 'z', sizeof block);
    assert_int_equal (sizeof block, pwrite (all.arena, block, sizeof block, 1 << 20));
    const char *at = mpl__shares_arena (all.shares, 1 << 20, 4096);
    assert_non_null (at);
    assert_int_equal ('z', at[4095]);
    at = mpl__shares_get (all.shares, "old", &len);
    assert_int_equal ('a', at[4095]);
}

static void populating_changes_nothing (void **state)
{
    (void) state;
    assert_int_equal (0, ftruncate (all.arena, 4 << 20));
    char *at = mpl__shares_arena (all.shares, 0, 4 << 20);
    assert_non_null (at);
    mpl__shares_populate (at, 4 << 20);
    mpl__shares_populate (at, 1);
    assert_int_equal ('a', at[0]);
    assert_int_equal ('p', at[65535]);
    assert_int_equal (0, at[65536]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_arena_is_mapped_when_it_is_spoken_of),
        cmocka_unit_test (what_lies_beyond_the_arena_is_refused),
        cmocka_unit_test (a_name_stands_for_its_bytes_until_it_is_given_anew),
        cmocka_unit_test (a_share_of_no_bytes_is_there),
        cmocka_unit_test (the_mapping_follows_an_arena_that_grew),
        cmocka_unit_test (populating_changes_nothing),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, setup, NULL);
}
