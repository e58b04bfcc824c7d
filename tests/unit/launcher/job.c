/* What becomes of a launch: which end of which rank makes which exit code, what is done about it, and when patience
 * ends. The clock is the test's: it begins at T. */
#include "launcher/job.h"
#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#define EXIT(code) W_EXITCODE (code, 0)
#define T UINT64_C (1000000000000)
#define S ((uint64_t) MPL__NS_PER_S)

static mpl_job_t begin (int n, int keeps_going, uint64_t timeout_ns)
{
    mpl_job_t job;

    mpl__job_begin (&job, n, keeps_going, timeout_ns, T);
    return job;
}

static mpl_job_t job_of (int n)
{
    return begin (n, 0, 0);
}

/* A rank of a program that never calls mpl_init. */
static mpl_job_action_t ended (mpl_job_t *job, int status)
{
    return mpl__job_ended (job, status, 0, 0, T);
}

static mpl_job_action_t ended_at (mpl_job_t *job, int status, uint64_t now)
{
    return mpl__job_ended (job, status, 0, 0, now);
}

static mpl_job_action_t main_ended (mpl_job_t *job, int status)
{
    return mpl__job_ended (job, status, 1, 0, T);
}

static mpl_job_action_t held_ended (mpl_job_t *job, int status)
{
    return mpl__job_ended (job, status, 0, 1, T);
}

/* Nothing is due, now or ever. */
static void assert_idle (mpl_job_t *job)
{
    assert_true (mpl__job_due (job) == MPL__NEVER);
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (job, T + 1000000 * S));
}

/* That is due at `at`, not before, and once. */
static void assert_due (mpl_job_t *job, uint64_t at, mpl_job_action_t action)
{
    assert_true (mpl__job_due (job) == at);
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (job, at - 1));
    assert_int_equal (action, mpl__job_tick (job, at));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (job, at));
}

/* ---- ends ------------------------------------------------------------------------------------------------------------------------ */

static void all_well_is_zero (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (0, mpl__job_outcome (&job));
    assert_idle (&job);
}

static void nothing_is_due_when_there_is_no_limit (void **state)
{
    mpl_job_t job = job_of (1);

    (void) state;
    assert_idle (&job);
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, MPL__NEVER - 1));
}

static void the_first_failure_ends_the_others_and_is_the_code (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, ended (&job, EXIT (3)));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));         /* our doing */
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (9)));
    assert_int_equal (3, mpl__job_outcome (&job));
    assert_idle (&job);
}

static void the_last_one_to_fail_ends_nobody (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (4)));
    assert_int_equal (4, mpl__job_outcome (&job));
    assert_idle (&job);
}

static void a_signal_is_128_and_its_number (void **state)
{
    mpl_job_t job = job_of (1);

    (void) state;
    assert_int_equal (0, mpl__job_code (0));
    assert_int_equal (255, mpl__job_code (EXIT (255)));
    assert_int_equal (139, mpl__job_code (SIGSEGV | 0x80));
    ended (&job, SIGKILL);
    assert_int_equal (137, mpl__job_outcome (&job));
}

static void who_keeps_going_ends_nobody_and_says_the_first_failure (void **state)
{
    mpl_job_t job = begin (5, 1, 0);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (3)));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGSEGV));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (4)));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (3, mpl__job_outcome (&job));
    assert_idle (&job);
}

/* ---- main and held ranks --------------------------------------------------------------------------------------------------------- */

static void mains_end_is_the_jobs_end_well_or_ill (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, main_ended (&job, 0));
    assert_int_equal (MPL__JOB_NOTHING, held_ended (&job, SIGTERM));
    assert_int_equal (MPL__JOB_NOTHING, held_ended (&job, SIGTERM));
    assert_int_equal (0, mpl__job_outcome (&job));
    assert_idle (&job);
    job = job_of (3);
    assert_int_equal (MPL__JOB_TERMINATE, main_ended (&job, EXIT (5)));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (6)));
    assert_int_equal (5, mpl__job_outcome (&job));
}

static void mains_end_is_the_jobs_end_with_keep_going_too (void **state)
{
    static const int statuses[] = { 0, EXIT (5), SIGSEGV };

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        mpl_job_t job = begin (3, 1, 0);
        assert_int_equal (MPL__JOB_TERMINATE, main_ended (&job, statuses[i]));
        assert_int_equal (MPL__JOB_NOTHING, held_ended (&job, SIGTERM));
        assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
        assert_int_equal (mpl__job_code (statuses[i]), mpl__job_outcome (&job));
    }
}

static void a_main_that_ends_after_a_failure_does_not_change_the_code (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, ended (&job, EXIT (3)));
    main_ended (&job, SIGTERM);
    held_ended (&job, SIGTERM);
    assert_int_equal (3, mpl__job_outcome (&job));
}

/* "The first failing process's own", and it was not main. */
static void a_main_that_ends_after_a_failure_keeps_its_code_with_keep_going (void **state)
{
    static const int statuses[] = { 0, EXIT (5) };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        mpl_job_t job = begin (3, 1, 0);
        assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (3)));
        assert_int_equal (MPL__JOB_TERMINATE, main_ended (&job, statuses[i]));
        held_ended (&job, SIGTERM);
        assert_int_equal (3, mpl__job_outcome (&job));
    }
}

static void a_held_ranks_death_is_the_pools_affair (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, held_ended (&job, SIGSEGV));
    assert_int_equal (MPL__JOB_NOTHING, held_ended (&job, EXIT (1)));
    assert_int_equal (MPL__JOB_TERMINATE, main_ended (&job, 0));
    assert_int_equal (0, mpl__job_outcome (&job));
}

/* ---- starting -------------------------------------------------------------------------------------------------------------------- */

static void a_rank_that_cannot_start_is_126_127_or_125 (void **state)
{
    static const int codes[][2] = { { ENOENT, 127 }, { EACCES, 126 }, { ENOEXEC, 126 }, { ENOMEM, 125 }, { EAGAIN, 125 }, { EMFILE, 125 } };

    (void) state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        mpl_job_t job = begin (4, 0, 10 * S);
        assert_int_equal (MPL__JOB_TERMINATE, mpl__job_not_started (&job, codes[i][0]));
        assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
        assert_int_equal (codes[i][1], mpl__job_outcome (&job));
        assert_idle (&job);
    }
}

/* The rest is not started then, so there is nothing to keep going. */
static void a_rank_that_cannot_start_ends_all_with_keep_going_too (void **state)
{
    mpl_job_t job = begin (4, 1, 0);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, mpl__job_not_started (&job, ENOENT));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (5)));
    assert_int_equal (127, mpl__job_outcome (&job));
}

static void a_failure_before_one_that_cannot_start_is_the_code (void **state)
{
    mpl_job_t job = job_of (4);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, ended (&job, EXIT (3)));
    mpl__job_not_started (&job, EAGAIN);
    assert_int_equal (3, mpl__job_outcome (&job));
}

/* ---- signals --------------------------------------------------------------------------------------------------------------------- */

static void the_first_interrupt_is_passed_on_the_second_kills (void **state)
{
    static const int both[] = { SIGINT, SIGTERM };

    (void) state;
    for (size_t first = 0; first < 2; first++)
        for (size_t second = 0; second < 2; second++) {
            mpl_job_t job = job_of (2);
            assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, both[first], T));
            assert_int_equal (MPL__JOB_KILL, mpl__job_signal (&job, both[second], T));
            assert_int_equal (MPL__JOB_KILL, mpl__job_signal (&job, SIGINT, T));
            assert_idle (&job);
            assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGKILL));
            assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGKILL));
            assert_int_equal (128 + both[second], mpl__job_outcome (&job));
        }
}

static void a_second_interrupt_kills_with_keep_going_too_and_leaves_the_first_failure (void **state)
{
    mpl_job_t job = begin (3, 1, 0);

    (void) state;
    ended (&job, EXIT (3));
    assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGINT, T));
    assert_int_equal (MPL__JOB_KILL, mpl__job_signal (&job, SIGINT, T));
    ended (&job, SIGKILL);
    ended (&job, SIGKILL);
    assert_int_equal (3, mpl__job_outcome (&job));
}

static void other_signals_are_passed_on_however_often (void **state)
{
    static const int others[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGCONT };
    mpl_job_t job = job_of (1);

    (void) state;
    for (size_t i = 0; i < 15; i++)
        assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, others[i % 5], T));
    assert_idle (&job);
    assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGINT, T));
    ended (&job, 0);
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void a_terminals_stop_suspends_and_is_no_interrupt (void **state)
{
    mpl_job_t job = job_of (1);

    (void) state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal (MPL__JOB_SUSPEND, mpl__job_signal (&job, SIGTSTP, T));
        assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGCONT, T));
    }
    assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGINT, T));
    ended (&job, 0);
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void a_rank_that_handles_its_interrupt_says_the_code (void **state)
{
    mpl_job_t job = job_of (1);

    (void) state;
    mpl__job_signal (&job, SIGINT, T);
    ended (&job, EXIT (7));
    assert_int_equal (7, mpl__job_outcome (&job));
    job = job_of (1);
    mpl__job_signal (&job, SIGTERM, T);
    ended (&job, SIGTERM);
    assert_int_equal (143, mpl__job_outcome (&job));
    job = job_of (2);
    mpl__job_signal (&job, SIGINT, T);
    ended (&job, 0);
    ended (&job, 0);
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void who_runs_on_after_an_interrupt_is_ended_when_its_grace_is_over (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    mpl__job_signal (&job, SIGTERM, T + S);
    assert_due (&job, T + S + MPL__INTERRUPT_GRACE_NS, MPL__JOB_TERMINATE);
    assert_idle (&job);
}

static void the_grace_of_an_interrupt_is_counted_from_the_first_and_with_keep_going_too (void **state)
{
    mpl_job_t job = begin (2, 1, 0);

    (void) state;
    mpl__job_signal (&job, SIGINT, T);
    mpl__job_signal (&job, SIGHUP, T + S);
    mpl__job_signal (&job, SIGTSTP, T + S);
    ended_at (&job, SIGINT, T + 4 * S);
    assert_due (&job, T + MPL__INTERRUPT_GRACE_NS, MPL__JOB_TERMINATE);
}

static void ranks_that_had_to_be_ended_after_an_interrupt_say_its_code (void **state)
{
    static const int signals[] = { SIGINT, SIGTERM };
    /* By the TERM that follows the grace, by KILL, or well, since they handled the TERM. */
    static const int ends[] = { SIGTERM, SIGKILL, 0 };

    (void) state;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 3; k++) {
            mpl_job_t job = job_of (2);
            mpl__job_signal (&job, signals[i], T);
            assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
            mpl__job_tick (&job, T + MPL__INTERRUPT_GRACE_NS);
            assert_int_equal (128 + signals[i], mpl__job_outcome (&job));       /* while it still runs */
            assert_int_equal (MPL__JOB_NOTHING, ended (&job, ends[k]));
            assert_int_equal (128 + signals[i], mpl__job_outcome (&job));       /* and when it has ended, which is when it is asked */
        }
}

static void a_main_that_had_to_be_ended_after_an_interrupt_says_its_code (void **state)
{
    static const int ends[] = { SIGTERM, SIGKILL };

    (void) state;
    for (size_t k = 0; k < 2; k++) {
        mpl_job_t job = job_of (2);
        mpl__job_signal (&job, SIGINT, T);
        assert_int_equal (MPL__JOB_TERMINATE, mpl__job_tick (&job, T + MPL__INTERRUPT_GRACE_NS));
        main_ended (&job, ends[k]);
        held_ended (&job, SIGTERM);
        assert_int_equal (128 + SIGINT, mpl__job_outcome (&job));
    }
}

static void an_interrupt_while_all_are_being_ended_waits_for_nothing_more (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, ended (&job, EXIT (3)));
    assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGINT, T));
    assert_idle (&job);
    assert_int_equal (MPL__JOB_KILL, mpl__job_signal (&job, SIGINT, T));
    ended (&job, SIGKILL);
    assert_int_equal (3, mpl__job_outcome (&job));
}

/* ---- patience -------------------------------------------------------------------------------------------------------------------- */

static void a_job_that_takes_too_long_is_ended_and_says_124 (void **state)
{
    mpl_job_t job = begin (2, 0, 3 * S);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, T));
    assert_due (&job, T + 3 * S, MPL__JOB_TIME_OUT);
    assert_idle (&job);
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (9)));
    assert_int_equal (124, mpl__job_outcome (&job));
}

static void a_job_that_ends_in_time_is_not_timed_out (void **state)
{
    mpl_job_t job = begin (1, 0, 3 * S);

    (void) state;
    ended_at (&job, 0, T + 3 * S - 1);
    assert_idle (&job);
    assert_int_equal (0, mpl__job_outcome (&job));
    job = begin (2, 0, 3 * S);
    ended_at (&job, EXIT (3), T + S);           /* and one that is being ended has its own end */
    assert_idle (&job);
    job = begin (2, 0, 3 * S);
    mpl__job_ended (&job, 0, 1, 0, T + S);
    assert_idle (&job);
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void a_timeout_does_not_override_the_first_failure (void **state)
{
    mpl_job_t job = begin (2, 1, 3 * S);

    (void) state;
    ended_at (&job, EXIT (3), T + S);
    assert_int_equal (MPL__JOB_TIME_OUT, mpl__job_tick (&job, T + 3 * S));
    ended (&job, SIGTERM);
    assert_int_equal (3, mpl__job_outcome (&job));
}

static void mains_end_after_a_timeout_keeps_124 (void **state)
{
    static const int statuses[] = { 0, EXIT (5), SIGTERM };

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        mpl_job_t job = begin (2, 0, 3 * S);
        assert_int_equal (MPL__JOB_TIME_OUT, mpl__job_tick (&job, T + 3 * S));
        main_ended (&job, statuses[i]);
        held_ended (&job, SIGTERM);
        assert_int_equal (124, mpl__job_outcome (&job));
        assert_idle (&job);
    }
}

static void a_timeout_comes_before_the_grace_of_an_interrupt_and_ends_it (void **state)
{
    mpl_job_t job = begin (2, 0, 3 * S);

    (void) state;
    mpl__job_signal (&job, SIGINT, T + S);
    assert_due (&job, T + 3 * S, MPL__JOB_TIME_OUT);
    assert_idle (&job);
    ended (&job, SIGTERM);
    ended (&job, SIGTERM);
    assert_int_equal (124, mpl__job_outcome (&job));
}

static void a_straggler_is_named_exactly_once (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    ended_at (&job, 0, T + S);
    assert_idle (&job);                         /* two run */
    ended_at (&job, 0, T + 10 * S);
    assert_due (&job, T + 10 * S + MPL__STRAGGLER_NS, MPL__JOB_NAME_STRAGGLER);
    assert_idle (&job);
    ended_at (&job, 0, T + 100 * S);
    assert_idle (&job);
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void a_straggler_is_named_with_keep_going_too (void **state)
{
    mpl_job_t job = begin (2, 1, 0);

    (void) state;
    ended_at (&job, EXIT (1), T + S);
    assert_due (&job, T + S + MPL__STRAGGLER_NS, MPL__JOB_NAME_STRAGGLER);
}

static void nobody_is_a_straggler_who_has_ended_is_being_ended_or_is_alone (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    ended_at (&job, 0, T + S);
    ended_at (&job, 0, T + S + MPL__STRAGGLER_NS);      /* seen in the same turn in which it was due */
    assert_idle (&job);
    job = job_of (2);
    ended (&job, EXIT (3));
    assert_idle (&job);
    job = job_of (2);
    ended (&job, 0);
    mpl__job_output_lost (&job);
    assert_idle (&job);
    job = job_of (1);
    assert_idle (&job);
}

static void several_that_are_due_at_once_are_told_one_by_one (void **state)
{
    mpl_job_t job = begin (2, 0, 100 * S);

    (void) state;
    ended_at (&job, 0, T);
    mpl__job_signal (&job, SIGINT, T);
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, T + S));
    assert_true (mpl__job_due (&job) == T + MPL__STRAGGLER_NS);
    assert_int_equal (MPL__JOB_NAME_STRAGGLER, mpl__job_tick (&job, T + 3 * S));
    assert_int_equal (MPL__JOB_TERMINATE, mpl__job_tick (&job, T + 50 * S));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, T + 50 * S));
    assert_idle (&job);
}

static void nothing_is_due_when_all_have_ended (void **state)
{
    mpl_job_t job = begin (2, 0, 100 * S);

    (void) state;
    mpl__job_signal (&job, SIGINT, T);
    ended (&job, 0);
    ended (&job, 0);
    assert_idle (&job);                         /* nor is there anybody whose grace could be over */
    assert_int_equal (0, mpl__job_outcome (&job));
}

/* ---- output ---------------------------------------------------------------------------------------------------------------------- */

static void lost_output_ends_the_job_quietly (void **state)
{
    mpl_job_t job = begin (3, 0, 10 * S);

    (void) state;
    ended (&job, 0);
    mpl__job_output_lost (&job);
    assert_idle (&job);
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGPIPE));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
    assert_int_equal (0, mpl__job_outcome (&job));
}

/* As in `mplaunch -n 2 ./a_pool | head -1`: main is ended by us too. */
static void lost_output_is_quiet_when_main_is_ended_for_it (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    mpl__job_output_lost (&job);
    main_ended (&job, SIGTERM);
    held_ended (&job, SIGTERM);
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void lost_output_leaves_the_first_failure (void **state)
{
    mpl_job_t job = begin (2, 1, 0);

    (void) state;
    ended (&job, EXIT (3));
    mpl__job_output_lost (&job);
    ended (&job, SIGTERM);
    assert_int_equal (3, mpl__job_outcome (&job));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (all_well_is_zero),
        cmocka_unit_test (nothing_is_due_when_there_is_no_limit),
        cmocka_unit_test (the_first_failure_ends_the_others_and_is_the_code),
        cmocka_unit_test (the_last_one_to_fail_ends_nobody),
        cmocka_unit_test (a_signal_is_128_and_its_number),
        cmocka_unit_test (who_keeps_going_ends_nobody_and_says_the_first_failure),
        cmocka_unit_test (mains_end_is_the_jobs_end_well_or_ill),
        cmocka_unit_test (mains_end_is_the_jobs_end_with_keep_going_too),
        cmocka_unit_test (a_main_that_ends_after_a_failure_does_not_change_the_code),
        cmocka_unit_test (a_main_that_ends_after_a_failure_keeps_its_code_with_keep_going),
        cmocka_unit_test (a_held_ranks_death_is_the_pools_affair),
        cmocka_unit_test (a_rank_that_cannot_start_is_126_127_or_125),
        cmocka_unit_test (a_rank_that_cannot_start_ends_all_with_keep_going_too),
        cmocka_unit_test (a_failure_before_one_that_cannot_start_is_the_code),
        cmocka_unit_test (the_first_interrupt_is_passed_on_the_second_kills),
        cmocka_unit_test (a_second_interrupt_kills_with_keep_going_too_and_leaves_the_first_failure),
        cmocka_unit_test (other_signals_are_passed_on_however_often),
        cmocka_unit_test (a_terminals_stop_suspends_and_is_no_interrupt),
        cmocka_unit_test (a_rank_that_handles_its_interrupt_says_the_code),
        cmocka_unit_test (who_runs_on_after_an_interrupt_is_ended_when_its_grace_is_over),
        cmocka_unit_test (the_grace_of_an_interrupt_is_counted_from_the_first_and_with_keep_going_too),
        cmocka_unit_test (ranks_that_had_to_be_ended_after_an_interrupt_say_its_code),
        cmocka_unit_test (a_main_that_had_to_be_ended_after_an_interrupt_says_its_code),
        cmocka_unit_test (an_interrupt_while_all_are_being_ended_waits_for_nothing_more),
        cmocka_unit_test (a_job_that_takes_too_long_is_ended_and_says_124),
        cmocka_unit_test (a_job_that_ends_in_time_is_not_timed_out),
        cmocka_unit_test (a_timeout_does_not_override_the_first_failure),
        cmocka_unit_test (mains_end_after_a_timeout_keeps_124),
        cmocka_unit_test (a_timeout_comes_before_the_grace_of_an_interrupt_and_ends_it),
        cmocka_unit_test (a_straggler_is_named_exactly_once),
        cmocka_unit_test (a_straggler_is_named_with_keep_going_too),
        cmocka_unit_test (nobody_is_a_straggler_who_has_ended_is_being_ended_or_is_alone),
        cmocka_unit_test (several_that_are_due_at_once_are_told_one_by_one),
        cmocka_unit_test (nothing_is_due_when_all_have_ended),
        cmocka_unit_test (lost_output_ends_the_job_quietly),
        cmocka_unit_test (lost_output_is_quiet_when_main_is_ended_for_it),
        cmocka_unit_test (lost_output_leaves_the_first_failure),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
