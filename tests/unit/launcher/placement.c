/* Which host each process goes to, as rows: slots, what is asked for, and where it goes. */
#include "launcher/placement.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Places the programs and writes "hosts", a letter for each process, programs with a blank between. */
static int place (const mpl_demand_t *demands, size_t n_apps, const int *capacity, size_t n_hosts, mpl_map_by_t map_by,
                  char *text)
{
    mpl_place_t *places;
    size_t n, app = 0, counts[8] = { 0 };
    int is_crowded;

    *text = '\0';
    if (mpl__place (demands, n_apps, capacity, n_hosts, map_by, &places, &n, &is_crowded) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (places[i].app != app)
            *text++ = ' ';
        app = places[i].app;
        *text++ = (char) ('a' + places[i].host);
        assert_int_equal (counts[places[i].host]++, places[i].local);
    }
    *text = '\0';
    free (places);
    return is_crowded;
}

static void hosts_are_filled_or_have_their_turns (void **state)
{
    static const struct {
        int slots[3];
        size_t n;
        mpl_map_by_t map_by;
        const char *hosts;
        int is_crowded;
    } rows[] = {
        { { 2, 3, 1 }, 0, MPL__MAP_SLOT, "aabbbc", 0 },     { { 2, 3, 1 }, 0, MPL__MAP_NODE, "abcabb", 0 },
        { { 2, 3, 1 }, 4, MPL__MAP_SLOT, "aabb", 0 },       { { 2, 3, 1 }, 4, MPL__MAP_NODE, "abca", 0 },
        { { 2, 3, 1 }, 8, MPL__MAP_SLOT, "aabbbcaa", 1 },   { { 1, 1, 1 }, 7, MPL__MAP_NODE, "abcabca", 1 },
        { { 2, 0, 1 }, 0, MPL__MAP_SLOT, "aac", 0 },        { { 2, 3, 1 }, 3, MPL__MAP_CORE, "aab", 0 },
    };
    char text[64];

    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mpl_demand_t demand = { .n = rows[i].n, .slots = rows[i].slots };
        assert_int_equal (rows[i].is_crowded, place (&demand, 1, rows[i].slots, 3, rows[i].map_by, text));
        assert_string_equal (rows[i].hosts, text);
    }
}

static void programs_share_the_slots (void **state)
{
    static const int slots[] = { 2, 3 };
    const mpl_demand_t demands[] = { { .n = 3, .slots = slots }, { .n = 2, .slots = slots } };
    char text[64];

    (void) state;
    assert_int_equal (0, place (demands, 2, slots, 2, MPL__MAP_SLOT, text));
    assert_string_equal ("aab bb", text);
}

static void a_program_goes_to_its_own_hosts_alone (void **state)
{
    static const int slots[] = { 2, 2 }, only_a[] = { 2, 0 }, only_b[] = { 0, 1 };
    const mpl_demand_t demands[] = { { .n = 1, .slots = only_b }, { .n = 3, .slots = only_a } };
    char text[64];

    (void) state;
    assert_int_equal (1, place (demands, 2, slots, 2, MPL__MAP_SLOT, text));
    assert_string_equal ("b aaa", text);
}

static void what_has_no_place_is_refused (void **state)
{
    static const int none[] = { 0, 0 }, one[] = { 1, 0 };
    const mpl_demand_t nowhere = { .n = 1, .slots = none }, too_many = { .n = MPL__RANKS_MAX + 1, .slots = one };
    const mpl_demand_t most = { .n = MPL__RANKS_MAX, .slots = one };
    mpl_place_t *places;
    size_t n;
    int is_crowded;
    char text[8];

    (void) state;
    assert_int_equal (-1, place (&nowhere, 1, one, 2, MPL__MAP_SLOT, text));
    assert_int_equal (ENOSPC, errno);
    assert_int_equal (-1, place (&too_many, 1, one, 2, MPL__MAP_SLOT, text));
    assert_int_equal (E2BIG, errno);
    assert_int_equal (0, mpl__place (&most, 1, one, 2, MPL__MAP_NODE, &places, &n, &is_crowded));
    assert_int_equal (MPL__RANKS_MAX, n);
    free (places);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (hosts_are_filled_or_have_their_turns),
        cmocka_unit_test (programs_share_the_slots),
        cmocka_unit_test (a_program_goes_to_its_own_hosts_alone),
        cmocka_unit_test (what_has_no_place_is_refused),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
