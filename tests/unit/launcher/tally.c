/* What the launcher knows of each rank: which messages count, how an end is told, which ranks run. */
#include "launcher/tally.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define T UINT64_C (1000000000000)
#define EXIT(code) W_EXITCODE (code, 0)
#define RANKS_MAX 1000

static mpl_host_t hosts[] = { { .name = "a", .slots = 1 }, { .name = "b", .slots = 1 } };
static mpl_place_t places[RANKS_MAX];

/* n ranks, of which every `period`th is on host b and the others on a; 0: all on a. */
static mpl_plan_t plan_of (size_t n, size_t period)
{
    for (size_t i = 0; i < n; i++)
        places[i] = (mpl_place_t) { .host = period && i % period == period - 1 };
    return (mpl_plan_t) { .hosts = { .hosts = hosts, .n = 2 }, .places = places, .n = n };
}

static mpl_tally_t begin (const mpl_plan_t *plan)
{
    mpl_tally_t tally;

    memset (&tally, 0xa5, sizeof tally);
    assert_int_equal (0, mpl__tally_begin (&tally, plan, T));
    return tally;
}

static mpl_record_of_rank_t *start (mpl_tally_t *tally, uint64_t rank)
{
    const mpl_control_t message = { .type = MPL__C_STARTED, .rank = rank, .pid = 100 + rank };

    return mpl__tally_started (tally, &message, T + rank);
}

static mpl_record_of_rank_t *finish (mpl_tally_t *tally, uint64_t rank, int status)
{
    const mpl_control_t message = { .type = MPL__C_ENDED, .rank = rank, .status = (uint64_t) status, .wall_ns = 500, .cpu_ns = 400,
                                    .peak_bytes = 300 };

    return mpl__tally_ended (tally, &message, T + 1000);
}

static void everybody_waits_at_first (void **state)
{
    mpl_plan_t plan = plan_of (4, 2);
    mpl_tally_t tally = begin (&plan);

    (void) state;
    assert_int_equal (4, tally.n);
    assert_int_equal (0, tally.n_running);
    assert_true (tally.begun_at == T);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal (MPL__RANK_WAITS, tally.ranks[i].state);
        assert_string_equal (i % 2 ? "b" : "a", tally.ranks[i].host);
    }
    mpl__tally_clear (&tally);
    assert_null (tally.ranks);
    mpl__tally_clear (&tally);
}

static void a_launch_of_nobody_is_fine (void **state)
{
    mpl_plan_t plan = plan_of (0, 0);
    mpl_tally_t tally = begin (&plan);
    char text[64];

    (void) state;
    assert_null (start (&tally, 0));
    assert_string_equal ("", mpl__tally_running (&tally, hosts[0].name, text, sizeof text));
    mpl__tally_clear (&tally);
}

static void a_rank_runs_from_its_start_to_its_end (void **state)
{
    mpl_plan_t plan = plan_of (3, 0);
    mpl_tally_t tally = begin (&plan);

    (void) state;
    mpl_record_of_rank_t *rank = start (&tally, 1);
    assert_ptr_equal (&tally.ranks[1], rank);
    assert_int_equal (MPL__RANK_RUNS, rank->state);
    assert_int_equal (101, rank->pid);
    assert_true (rank->started_at == T + 1);
    assert_int_equal (1, tally.n_running);
    assert_ptr_equal (rank, finish (&tally, 1, EXIT (3)));
    assert_int_equal (MPL__RANK_ENDED, rank->state);
    assert_int_equal (EXIT (3), rank->status);
    assert_true (rank->wall_ns == 500 && rank->cpu_ns == 400 && rank->peak_bytes == 300);
    assert_true (rank->started_at == T + 500);          /* its agent knows better */
    assert_int_equal (101, rank->pid);
    assert_int_equal (0, rank->was_held);
    assert_int_equal (0, tally.n_running);
    mpl__tally_clear (&tally);
}

static void a_rank_that_was_held_is_remembered_as_that (void **state)
{
    mpl_plan_t plan = plan_of (1, 0);
    mpl_tally_t tally = begin (&plan);
    const mpl_control_t ended = { .type = MPL__C_ENDED, .end = 1, .wall_ns = UINT64_MAX };

    (void) state;
    start (&tally, 0);
    mpl_record_of_rank_t *rank = mpl__tally_ended (&tally, &ended, T);
    assert_non_null (rank);
    assert_int_equal (1, rank->was_held);
    assert_true (rank->started_at == 0);                /* no time before the first */
    mpl__tally_clear (&tally);
}

static void a_rank_that_cannot_start_does_not_run (void **state)
{
    mpl_plan_t plan = plan_of (2, 0);
    mpl_tally_t tally = begin (&plan);
    const mpl_control_t failed = { .type = MPL__C_STARTED, .rank = 1, .status = ENOENT };

    (void) state;
    mpl_record_of_rank_t *rank = mpl__tally_started (&tally, &failed, T);
    assert_non_null (rank);
    assert_int_equal (MPL__RANK_FAILED_TO_START, rank->state);
    assert_int_equal (0, tally.n_running);
    assert_null (finish (&tally, 1, 0));
    assert_null (start (&tally, 1));
    assert_int_equal (MPL__RANK_FAILED_TO_START, rank->state);
    mpl__tally_clear (&tally);
}

static void messages_that_cannot_be_change_nothing (void **state)
{
    static const uint64_t nobody[] = { 2, 3, UINT64_C (1) << 32, UINT64_C (1) << 63, UINT64_MAX };
    mpl_plan_t plan = plan_of (2, 0);
    mpl_tally_t tally = begin (&plan);

    (void) state;
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        assert_null (start (&tally, nobody[i]));
        assert_null (finish (&tally, nobody[i], 0));
    }
    assert_null (finish (&tally, 0, 0));                /* it did not start */
    assert_int_equal (0, tally.n_running);
    assert_non_null (start (&tally, 0));
    assert_null (start (&tally, 0));                    /* twice */
    assert_int_equal (1, tally.n_running);
    assert_non_null (finish (&tally, 0, EXIT (3)));
    assert_null (finish (&tally, 0, EXIT (4)));
    assert_null (start (&tally, 0));
    assert_int_equal (0, tally.n_running);
    assert_int_equal (EXIT (3), tally.ranks[0].status);
    mpl__tally_clear (&tally);
}

/* ---- words ----------------------------------------------------------------------------------------------------------------------- */

static void an_end_is_told_in_words (void **state)
{
    static const struct { mpl_rank_state_t state; int status; const char *text; } ends[] = {
        { MPL__RANK_WAITS, 0, "not started" },
        { MPL__RANK_RUNS, 0, "still running" },
        { MPL__RANK_FAILED_TO_START, 0, "could not be started" },
        { MPL__RANK_ENDED, 0, "exit code 0" },
        { MPL__RANK_ENDED, EXIT (3), "exit code 3" },
        { MPL__RANK_ENDED, SIGKILL, "signal 9 (Killed)" },
        { MPL__RANK_ENDED, SIGSEGV | 0x80, "signal 11 (Segmentation fault)" },
    };
    char text[128];

    (void) state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const mpl_record_of_rank_t rank = { .state = ends[i].state, .status = ends[i].status };
        assert_string_equal (ends[i].text, mpl__tally_end_text (&rank, text, sizeof text));
    }
}

static const char *hint_of (int status, char *text, size_t size)
{
    const mpl_record_of_rank_t rank = { .state = MPL__RANK_ENDED, .status = status, .peak_bytes = 3250586 };

    return mpl__tally_hint (&rank, text, size);
}

static void an_end_that_means_something_has_a_hint (void **state)
{
    char text[128];

    (void) state;
    assert_non_null (strstr (hint_of (SIGKILL, text, sizeof text), "out of memory"));
    assert_non_null (strstr (hint_of (SIGKILL, text, sizeof text), "3.1 MiB"));
    assert_non_null (strstr (hint_of (SIGSEGV | 0x80, text, sizeof text), "core"));
    assert_non_null (strstr (hint_of (EXIT (127), text, sizeof text), "not found"));
    assert_non_null (strstr (hint_of (EXIT (126), text, sizeof text), "not executable"));
    assert_string_equal ("", hint_of (SIGSEGV, text, sizeof text));
    assert_string_equal ("", hint_of (SIGTERM, text, sizeof text));
    assert_string_equal ("", hint_of (EXIT (3), text, sizeof text));
    assert_string_equal ("", hint_of (0, text, sizeof text));
}

/* ---- who runs -------------------------------------------------------------------------------------------------------------------- */

static void who_runs_is_told_in_ranges_for_each_host (void **state)
{
    mpl_plan_t plan = plan_of (12, 5);                  /* 4 and 9 are on b */
    mpl_tally_t tally = begin (&plan);
    char text[64];

    (void) state;
    assert_string_equal ("", mpl__tally_running (&tally, hosts[0].name, text, sizeof text));
    for (uint64_t i = 0; i < 12; i++)
        start (&tally, i);
    assert_string_equal ("0-3,5-8,10-11", mpl__tally_running (&tally, hosts[0].name, text, sizeof text));
    assert_string_equal ("4,9", mpl__tally_running (&tally, hosts[1].name, text, sizeof text));
    finish (&tally, 0, 0);
    finish (&tally, 6, 0);
    finish (&tally, 10, 0);
    finish (&tally, 9, 0);
    assert_string_equal ("1-3,5,7-8,11", mpl__tally_running (&tally, hosts[0].name, text, sizeof text));
    assert_string_equal ("4", mpl__tally_running (&tally, hosts[1].name, text, sizeof text));
    finish (&tally, 4, 0);
    assert_string_equal ("", mpl__tally_running (&tally, hosts[1].name, text, sizeof text));
    mpl__tally_clear (&tally);
}

static void all_of_many_are_one_range (void **state)
{
    mpl_plan_t plan = plan_of (RANKS_MAX, 0);
    mpl_tally_t tally = begin (&plan);
    char text[64];

    (void) state;
    for (uint64_t i = 0; i < RANKS_MAX; i++)
        start (&tally, i);
    assert_string_equal ("0-999", mpl__tally_running (&tally, hosts[0].name, text, sizeof text));
    mpl__tally_clear (&tally);
}

/* What is told is true as far as it goes, and nothing is written behind the room for it. */
static void who_runs_is_cut_where_there_is_no_more_room (void **state)
{
    mpl_plan_t plan = plan_of (RANKS_MAX, 2);           /* every other one: nothing but single numbers */
    mpl_tally_t tally = begin (&plan);
    char whole[8192], text[300];

    (void) state;
    for (uint64_t i = 0; i < RANKS_MAX; i++)
        start (&tally, i);
    mpl__tally_running (&tally, hosts[0].name, whole, sizeof whole);
    assert_null (strstr (whole, "..."));
    for (size_t size = 32; size < sizeof text; size++) {
        memset (text, '#', sizeof text);
        assert_ptr_equal (text, mpl__tally_running (&tally, hosts[0].name, text, size));
        size_t len = strlen (text);
        assert_true (len < size);
        for (size_t i = size; i < sizeof text; i++)
            assert_int_equal ('#', text[i]);
        assert_int_not_equal (',', text[0]);
        assert_true (len >= 3);
        assert_string_equal ("...", text + len - 3);
        assert_memory_equal (whole, text, len - 3);
    }
    mpl__tally_clear (&tally);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (everybody_waits_at_first),
        cmocka_unit_test (a_launch_of_nobody_is_fine),
        cmocka_unit_test (a_rank_runs_from_its_start_to_its_end),
        cmocka_unit_test (a_rank_that_was_held_is_remembered_as_that),
        cmocka_unit_test (a_rank_that_cannot_start_does_not_run),
        cmocka_unit_test (messages_that_cannot_be_change_nothing),
        cmocka_unit_test (an_end_is_told_in_words),
        cmocka_unit_test (an_end_that_means_something_has_a_hint),
        cmocka_unit_test (who_runs_is_told_in_ranges_for_each_host),
        cmocka_unit_test (all_of_many_are_one_range),
        cmocka_unit_test (who_runs_is_cut_where_there_is_no_more_room),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
