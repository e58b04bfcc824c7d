/* What becomes of a launch: which end of which rank makes which exit code, and what is done about it. */
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

static mpl_job_t job_of (int n)
{
    return (mpl_job_t) { .n = n, .n_running = n };
}

/* A rank of a program that never calls mpl_init. */
static mpl_job_action_t ended (mpl_job_t *job, int status)
{
    return mpl__job_ended (job, status, 0, 0, 0);
}

static void all_well_is_zero (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void the_first_failure_ends_the_others_and_is_the_code (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, ended (&job, EXIT (3)));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));         /* our doing */
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (9)));
    assert_int_equal (3, mpl__job_outcome (&job));
}

static void the_last_one_to_fail_ends_nobody (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (4)));
    assert_int_equal (4, mpl__job_outcome (&job));
}

static void a_signal_is_128_and_its_number (void **state)
{
    mpl_job_t job = job_of (1);

    (void) state;
    assert_int_equal (255, mpl__job_code (EXIT (255)));
    assert_int_equal (139, mpl__job_code (SIGSEGV | 0x80));
    ended (&job, SIGKILL);
    assert_int_equal (137, mpl__job_outcome (&job));
}

static void mains_end_is_the_jobs_end_well_or_ill (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    assert_int_equal (MPL__JOB_TERMINATE, mpl__job_ended (&job, 0, 1, 0, 0));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_ended (&job, SIGTERM, 0, 1, 0));
    assert_int_equal (0, mpl__job_outcome (&job));
    job = job_of (3);
    assert_int_equal (MPL__JOB_TERMINATE, mpl__job_ended (&job, EXIT (5), 1, 0, 0));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (6)));
    assert_int_equal (5, mpl__job_outcome (&job));
}

static void a_held_ranks_death_is_the_pools_affair (void **state)
{
    mpl_job_t job = job_of (3);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_ended (&job, SIGSEGV, 0, 1, 0));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_ended (&job, EXIT (1), 0, 1, 0));
    assert_int_equal (MPL__JOB_TERMINATE, mpl__job_ended (&job, 0, 1, 0, 0));
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void a_rank_that_cannot_start_is_126_127_or_125 (void **state)
{
    static const int codes[][2] = { { ENOENT, 127 }, { EACCES, 126 }, { ENOEXEC, 126 }, { ENOMEM, 125 }, { EAGAIN, 125 } };

    (void) state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        mpl_job_t job = job_of (4);
        assert_int_equal (MPL__JOB_TERMINATE, mpl__job_not_started (&job, codes[i][0]));
        assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
        assert_int_equal (codes[i][1], mpl__job_outcome (&job));
    }
}

static void the_first_interrupt_is_passed_on_the_second_kills (void **state)
{
    static const int both[] = { SIGINT, SIGTERM };

    (void) state;
    for (size_t first = 0; first < 2; first++)
        for (size_t second = 0; second < 2; second++) {
            mpl_job_t job = job_of (2);
            assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, both[first], 0));
            assert_int_equal (MPL__JOB_KILL, mpl__job_signal (&job, both[second], 0));
            assert_int_equal (MPL__JOB_KILL, mpl__job_signal (&job, SIGINT, 0));
            assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGKILL));
            assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGKILL));
            assert_int_equal (128 + both[second], mpl__job_outcome (&job));
        }
}

static void other_signals_are_passed_on_however_often (void **state)
{
    static const int others[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT };
    mpl_job_t job = job_of (1);

    (void) state;
    for (size_t i = 0; i < 12; i++)
        assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, others[i % 4], 0));
    assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGINT, 0));
    ended (&job, 0);
    assert_int_equal (0, mpl__job_outcome (&job));
}

static void a_rank_that_handles_its_interrupt_says_the_code (void **state)
{
    mpl_job_t job = job_of (1);

    (void) state;
    mpl__job_signal (&job, SIGINT, 0);
    ended (&job, EXIT (7));
    assert_int_equal (7, mpl__job_outcome (&job));
    job = job_of (1);
    mpl__job_signal (&job, SIGTERM, 0);
    ended (&job, SIGTERM);
    assert_int_equal (143, mpl__job_outcome (&job));
}

static void ranks_that_had_to_be_ended_after_an_interrupt_say_its_code (void **state)
{
    mpl_job_t job = job_of (2);

    (void) state;
    mpl__job_signal (&job, SIGINT, 0);
    ended (&job, 0);
    assert_int_equal (130, mpl__job_outcome (&job));    /* one still ran when its time was over */
}

#define S 1000000000u

/* A job that has begun at 1 s. */
static mpl_job_t begun (int n, int keeps_going, uint64_t timeout_s)
{
    mpl_job_t job;

    mpl__job_begin (&job, n, keeps_going, timeout_s * S, S);
    return job;
}

static void keep_going_ends_nobody_and_returns_the_first_code (void **state)
{
    mpl_job_t job = begun (3, 1, 0);

    (void) state;
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (4)));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, EXIT (9)));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, 0));
    assert_int_equal (4, mpl__job_outcome (&job));
}

static void a_timeout_is_124_once_its_time_has_come (void **state)
{
    mpl_job_t job = begun (2, 0, 5);

    (void) state;
    assert_true (mpl__job_due (&job) == 6 * (uint64_t) S);
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, 6 * (uint64_t) S - 1));
    assert_int_equal (MPL__JOB_TIME_OUT, mpl__job_tick (&job, 6 * (uint64_t) S));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, 60 * (uint64_t) S));
    assert_true (mpl__job_due (&job) == MPL__NEVER);
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGKILL));
    assert_int_equal (124, mpl__job_outcome (&job));
}

static void a_timeout_overrides_no_failure_and_main_overrides_no_timeout (void **state)
{
    mpl_job_t job = begun (2, 1, 5);

    (void) state;
    ended (&job, EXIT (3));
    assert_int_equal (MPL__JOB_TIME_OUT, mpl__job_tick (&job, 7 * (uint64_t) S));
    ended (&job, SIGTERM);
    assert_int_equal (3, mpl__job_outcome (&job));
    job = begun (2, 0, 5);
    assert_int_equal (MPL__JOB_TIME_OUT, mpl__job_tick (&job, 7 * (uint64_t) S));
    mpl__job_ended (&job, SIGTERM, 1, 0, 8 * (uint64_t) S);
    assert_int_equal (124, mpl__job_outcome (&job));
}

static void who_runs_on_after_all_others_is_named_once (void **state)
{
    mpl_job_t job = begun (3, 0, 0);

    (void) state;
    mpl__job_ended (&job, 0, 0, 0, 2 * (uint64_t) S);
    assert_true (mpl__job_due (&job) == MPL__NEVER);
    mpl__job_ended (&job, 0, 0, 0, 3 * (uint64_t) S);
    assert_true (mpl__job_due (&job) == 5 * (uint64_t) S);
    assert_int_equal (MPL__JOB_NAME_STRAGGLER, mpl__job_tick (&job, 5 * (uint64_t) S));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, 9 * (uint64_t) S));
    job = begun (2, 0, 0);
    mpl__job_ended (&job, 0, 0, 0, 2 * (uint64_t) S);
    mpl__job_ended (&job, 0, 0, 0, 3 * (uint64_t) S);
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, 9 * (uint64_t) S));
    job = begun (1, 0, 0);
    assert_true (mpl__job_due (&job) == MPL__NEVER);       /* one alone is no straggler */
}

static void after_an_interrupt_there_are_five_seconds (void **state)
{
    mpl_job_t job = begun (2, 0, 0);

    (void) state;
    assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGINT, 2 * (uint64_t) S));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, 7 * (uint64_t) S - 1));
    assert_int_equal (MPL__JOB_TERMINATE, mpl__job_tick (&job, 7 * (uint64_t) S));
    assert_int_equal (MPL__JOB_NOTHING, mpl__job_tick (&job, 8 * (uint64_t) S));
}

static void stopping_is_for_us_too_and_continuing_is_passed_on (void **state)
{
    mpl_job_t job = begun (2, 0, 0);

    (void) state;
    assert_int_equal (MPL__JOB_SUSPEND, mpl__job_signal (&job, SIGTSTP, S));
    assert_int_equal (MPL__JOB_PASS_ON, mpl__job_signal (&job, SIGCONT, S));
    assert_int_equal (0, job.n_interrupts);
}

static void lost_output_ends_the_job_without_a_code_of_its_own (void **state)
{
    mpl_job_t job = begun (2, 0, 9);

    (void) state;
    mpl__job_output_lost (&job);
    assert_true (mpl__job_due (&job) == MPL__NEVER);
    assert_int_equal (MPL__JOB_NOTHING, ended (&job, SIGTERM));
    assert_int_equal (0, mpl__job_outcome (&job));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (all_well_is_zero),
        cmocka_unit_test (the_first_failure_ends_the_others_and_is_the_code),
        cmocka_unit_test (the_last_one_to_fail_ends_nobody),
        cmocka_unit_test (a_signal_is_128_and_its_number),
        cmocka_unit_test (mains_end_is_the_jobs_end_well_or_ill),
        cmocka_unit_test (a_held_ranks_death_is_the_pools_affair),
        cmocka_unit_test (a_rank_that_cannot_start_is_126_127_or_125),
        cmocka_unit_test (the_first_interrupt_is_passed_on_the_second_kills),
        cmocka_unit_test (other_signals_are_passed_on_however_often),
        cmocka_unit_test (a_rank_that_handles_its_interrupt_says_the_code),
        cmocka_unit_test (ranks_that_had_to_be_ended_after_an_interrupt_say_its_code),
        cmocka_unit_test (keep_going_ends_nobody_and_returns_the_first_code),
        cmocka_unit_test (a_timeout_is_124_once_its_time_has_come),
        cmocka_unit_test (a_timeout_overrides_no_failure_and_main_overrides_no_timeout),
        cmocka_unit_test (who_runs_on_after_all_others_is_named_once),
        cmocka_unit_test (after_an_interrupt_there_are_five_seconds),
        cmocka_unit_test (stopping_is_for_us_too_and_continuing_is_passed_on),
        cmocka_unit_test (lost_output_ends_the_job_without_a_code_of_its_own),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
