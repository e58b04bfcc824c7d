/* Which host each process goes to. Hosts are A, B, C ... in the text that a placement is compared with, programs 0,
 * 1, 2 ... */
#include "launcher/placement.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOSTS_MAX 8
#define APPS_MAX 8

/* One digit a host: "204" is two slots on A, none on B, four on C. */
static size_t read_slots (const char *text, int slots[HOSTS_MAX])
{
    size_t n = strlen (text);

    assert_in_range (n, 1, HOSTS_MAX);
    for (size_t i = 0; i < n; i++)
        slots[i] = text[i] - '0';
    return n;
}

/* Places programs on hosts; `programs` is "N slots" for each, separated by commas, as in "3 22,0 02". Writes the host
 * of each rank, with a blank between programs, and a ! when it is crowded. */
static const char *place (const char *capacity, const char *programs, mpl_map_by_t map_by)
{
    static char text[1024];
    int slots[APPS_MAX][HOSTS_MAX], room[HOSTS_MAX], is_crowded = 2;
    mpl_demand_t demands[APPS_MAX];
    mpl_place_t *places = NULL;
    size_t n_hosts = read_slots (capacity, room), n_apps = 0, n = 0, len = 0, local[HOSTS_MAX] = { 0 };

    for (const char *at = programs; at; at = strchr (at, ',') ? strchr (at, ',') + 1 : NULL) {
        char *end, word[HOSTS_MAX + 1] = "";
        demands[n_apps].n = strtoul (at, &end, 10);
        strncpy (word, end + 1, strcspn (end + 1, ","));
        assert_int_equal (n_hosts, read_slots (word, slots[n_apps]));
        demands[n_apps].slots = slots[n_apps];
        n_apps++;
    }
    assert_int_equal (0, mpl__place (demands, n_apps, room, n_hosts, map_by, &places, &n, &is_crowded));
    assert_in_range (is_crowded, 0, 1);
    for (size_t i = 0; i < n; i++) {
        assert_true (places[i].app < n_apps && places[i].host < n_hosts);
        assert_true (i == 0 || places[i].app == places[i - 1].app || places[i].app == places[i - 1].app + 1);
        assert_int_equal (local[places[i].host]++, places[i].local);
        if (i && places[i].app != places[i - 1].app)
            text[len++] = ' ';
        text[len++] = (char) ('A' + places[i].host);
    }
    strcpy (text + len, is_crowded ? "!" : "");
    free (places);
    return text;
}

#define assert_by_slot(wanted, capacity, programs) assert_string_equal (wanted, place (capacity, programs, MPL__MAP_SLOT))
#define assert_by_node(wanted, capacity, programs) assert_string_equal (wanted, place (capacity, programs, MPL__MAP_NODE))

/* ---- one program ----------------------------------------------------------------------------------------------------------------- */

static void by_slot_a_host_is_filled_before_the_next (void **state)
{
    (void) state;
    assert_by_slot ("A", "1", "1 1");
    assert_by_slot ("AAAA", "4", "4 4");
    assert_by_slot ("AA", "22", "2 22");
    assert_by_slot ("AABBB", "233", "5 233");
    assert_by_slot ("AABBBCCC", "233", "8 233");
    assert_by_slot ("ABC", "111", "3 111");
}

static void by_core_and_by_socket_are_by_slot_among_hosts (void **state)
{
    (void) state;
    assert_string_equal ("AABBB", place ("233", "5 233", MPL__MAP_CORE));
    assert_string_equal ("AABBB", place ("233", "5 233", MPL__MAP_SOCKET));
}

static void by_node_each_host_has_one_in_turn_for_as_long_as_it_has_a_slot (void **state)
{
    (void) state;
    assert_by_node ("AAAA", "4", "4 4");
    assert_by_node ("ABAB", "22", "4 22");
    assert_by_node ("ABCABCBC", "233", "8 233");
    assert_by_node ("ABCBB", "141", "5 141");
    assert_by_node ("AB", "999", "2 999");
}

static void zero_processes_are_as_many_as_there_are_slots (void **state)
{
    (void) state;
    assert_by_slot ("AABBB", "23", "0 23");
    assert_by_node ("ABABB", "23", "0 23");
    assert_by_slot ("B", "21", "0 01");
}

static void more_processes_than_slots_are_dealt_once_more_and_crowd (void **state)
{
    (void) state;
    assert_by_slot ("AA!", "1", "2 1");
    assert_by_slot ("AABAABA!", "21", "7 21");
    assert_by_node ("ABAABAA!", "21", "7 21");
    assert_by_slot ("ABABA!", "11", "5 11");
    assert_by_node ("ABABA!", "11", "5 11");
}

static void exactly_as_many_as_there_are_slots_do_not_crowd (void **state)
{
    (void) state;
    assert_by_slot ("AAB", "21", "3 21");
    assert_by_node ("ABA", "21", "3 21");
    assert_by_slot ("AABA!", "21", "4 21");
}

/* ---- several programs ------------------------------------------------------------------------------------------------------------ */

static void programs_share_the_slots_of_a_host (void **state)
{
    (void) state;
    assert_by_slot ("A ABB", "22", "1 22,3 22");
    assert_by_slot ("AAB BC", "222", "3 222,2 222");
    assert_by_slot ("AABB A!", "22", "4 22,1 22");
    assert_by_slot ("A A B B A!", "22", "1 22,1 22,1 22,1 22,1 22");
}

static void by_node_programs_share_them_too (void **state)
{
    (void) state;
    assert_by_node ("AB AB", "22", "2 22,2 22");
    assert_by_node ("ABC B", "121", "3 121,1 121");
    assert_by_node ("ABC AB!", "111", "3 111,2 111");
}

static void a_program_with_hosts_of_its_own_stays_there (void **state)
{
    (void) state;
    assert_by_slot ("A BB", "222", "1 222,2 020");
    assert_by_slot ("CC AAB", "222", "2 002,3 222");
    assert_by_slot ("CC AABB A!", "222", "2 002,4 222,1 222");
    assert_by_node ("BB ACAC", "222", "2 020,4 222");
    assert_by_slot ("BBB!", "22", "3 02");
}

static void a_programs_own_limit_on_a_host_holds_before_the_hosts (void **state)
{
    (void) state;
    assert_by_slot ("AB", "44", "2 11");
    assert_by_slot ("AABB AABB", "44", "4 22,4 22");
    assert_by_slot ("ABA!", "44", "3 11");
}

static void a_hosts_limit_holds_before_a_programs_own (void **state)
{
    (void) state;
    assert_by_slot ("AB", "11", "2 33");
    assert_by_slot ("AA BB", "22", "2 33,2 33");
}

/* A program without a number takes what its hosts have, whoever else is there. */
static void a_second_program_of_zero_processes_is_as_many_as_there_are_slots_again (void **state)
{
    (void) state;
    assert_by_slot ("AB AB!", "11", "0 11,0 11");
    assert_by_slot ("AA BB", "22", "0 20,0 02");
}

static void crowding_on_some_hosts_leaves_the_others_as_they_are (void **state)
{
    (void) state;
    assert_by_slot ("AA BB BB!", "12", "2 10,2 02,2 02");
    assert_by_slot ("B AA BA!", "12", "1 02,2 10,2 12");
}

/* ---- errors ---------------------------------------------------------------------------------------------------------------------- */

static int place_rc (const mpl_demand_t *demands, size_t n_apps, const int *capacity, size_t n_hosts)
{
    mpl_place_t *places = NULL;
    size_t n = 0;
    int is_crowded;

    errno = 0;
    int rc = mpl__place (demands, n_apps, capacity, n_hosts, MPL__MAP_SLOT, &places, &n, &is_crowded);
    if (rc == 0)
        assert_non_null (places);
    else
        assert_null (places);
    free (places);
    return rc;
}

static void a_program_without_a_slot_anywhere_has_no_space (void **state)
{
    static const int one[] = { 1, 1 }, nothing[] = { 0, 0 }, second[] = { 0, 1 }, first_only[] = { 1, 0 };
    const mpl_demand_t first[] = { { 1, nothing } }, last[] = { { 1, one }, { 2, nothing } }, where_no_room_is[] = { { 1, second } };

    (void) state;
    assert_int_equal (-1, place_rc (first, 1, one, 2));
    assert_int_equal (ENOSPC, errno);
    assert_int_equal (-1, place_rc (last, 2, one, 2));
    assert_int_equal (ENOSPC, errno);
    assert_int_equal (-1, place_rc (where_no_room_is, 1, first_only, 2));
    assert_int_equal (ENOSPC, errno);
}

static void as_many_as_there_may_be_are_placed_and_one_more_is_too_many (void **state)
{
    static const int one[] = { 1 }, most[] = { MPL__RANKS_MAX };
    const mpl_demand_t fine[] = { { MPL__RANKS_MAX, one } }, too_many[] = { { MPL__RANKS_MAX + 1, one } };
    const mpl_demand_t together[] = { { MPL__RANKS_MAX, one }, { 1, one } }, by_slots[] = { { 0, most }, { 0, one } };

    (void) state;
    assert_int_equal (0, place_rc (fine, 1, one, 1));
    assert_int_equal (0, place_rc (fine, 1, most, 1));
    assert_int_equal (0, place_rc (by_slots, 1, most, 1));
    assert_int_equal (-1, place_rc (too_many, 1, one, 1));
    assert_int_equal (E2BIG, errno);
    assert_int_equal (-1, place_rc (together, 2, one, 1));
    assert_int_equal (E2BIG, errno);
    assert_int_equal (-1, place_rc (by_slots, 2, most, 1));
    assert_int_equal (E2BIG, errno);
}

static void numbers_that_overflow_are_too_many (void **state)
{
    static const int one[] = { 1 };
    const mpl_demand_t alone[] = { { SIZE_MAX, one } }, half[] = { { SIZE_MAX / 2 + 1, one }, { SIZE_MAX / 2 + 1, one } };

    (void) state;
    assert_int_equal (-1, place_rc (alone, 1, one, 1));
    assert_int_equal (E2BIG, errno);
    assert_int_equal (-1, place_rc (half, 2, one, 1));
    assert_int_equal (E2BIG, errno);
}

/* ---- many ------------------------------------------------------------------------------------------------------------------------ */

static void many_processes_on_many_hosts_are_as_even_as_slots_say (void **state)
{
    enum { N_HOSTS = 4096, PER_HOST = 16 };
    static int slots[N_HOSTS];
    static size_t on[N_HOSTS];
    const mpl_demand_t demand = { MPL__RANKS_MAX, slots };

    (void) state;
    for (size_t i = 0; i < N_HOSTS; i++)
        slots[i] = PER_HOST;
    for (int by_node = 0; by_node < 2; by_node++) {
        mpl_place_t *places;
        size_t n;
        int is_crowded;
        memset (on, 0, sizeof on);
        assert_int_equal (0, mpl__place (&demand, 1, slots, N_HOSTS, by_node ? MPL__MAP_NODE : MPL__MAP_SLOT, &places, &n, &is_crowded));
        assert_int_equal (MPL__RANKS_MAX, n);
        assert_int_equal (0, is_crowded);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal (by_node ? i % N_HOSTS : i / PER_HOST, places[i].host);
            assert_int_equal (on[places[i].host]++, places[i].local);
        }
        free (places);
    }
}

static void as_many_hosts_as_processes_are_placed_in_no_time (void **state)
{
    static int slots[MPL__RANKS_MAX];
    const mpl_demand_t demand = { MPL__RANKS_MAX, slots };
    mpl_place_t *places;
    size_t n;
    int is_crowded;

    (void) state;
    for (size_t i = 0; i < MPL__RANKS_MAX; i++)
        slots[i] = 1;
    assert_int_equal (0, mpl__place (&demand, 1, slots, MPL__RANKS_MAX, MPL__MAP_SLOT, &places, &n, &is_crowded));
    assert_int_equal (MPL__RANKS_MAX, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal (i, places[i].host);
    free (places);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (by_slot_a_host_is_filled_before_the_next),
        cmocka_unit_test (by_core_and_by_socket_are_by_slot_among_hosts),
        cmocka_unit_test (by_node_each_host_has_one_in_turn_for_as_long_as_it_has_a_slot),
        cmocka_unit_test (zero_processes_are_as_many_as_there_are_slots),
        cmocka_unit_test (more_processes_than_slots_are_dealt_once_more_and_crowd),
        cmocka_unit_test (exactly_as_many_as_there_are_slots_do_not_crowd),
        cmocka_unit_test (programs_share_the_slots_of_a_host),
        cmocka_unit_test (by_node_programs_share_them_too),
        cmocka_unit_test (a_program_with_hosts_of_its_own_stays_there),
        cmocka_unit_test (a_programs_own_limit_on_a_host_holds_before_the_hosts),
        cmocka_unit_test (a_hosts_limit_holds_before_a_programs_own),
        cmocka_unit_test (a_second_program_of_zero_processes_is_as_many_as_there_are_slots_again),
        cmocka_unit_test (crowding_on_some_hosts_leaves_the_others_as_they_are),
        cmocka_unit_test (a_program_without_a_slot_anywhere_has_no_space),
        cmocka_unit_test (as_many_as_there_may_be_are_placed_and_one_more_is_too_many),
        cmocka_unit_test (numbers_that_overflow_are_too_many),
        cmocka_unit_test (many_processes_on_many_hosts_are_as_even_as_slots_say),
        cmocka_unit_test (as_many_hosts_as_processes_are_placed_in_no_time),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
