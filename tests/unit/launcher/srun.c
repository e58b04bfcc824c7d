/* What srun is given: one task on one host, a stream that is all ours, and an environment in which nothing is an
 * option. */
#include "launcher/srun.h"
#include "launcher/ssh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int has (char *const *argv, const char *word)
{
    for (; *argv; argv++)
        if (!strcmp (*argv, word))
            return 1;
    return 0;
}

static void a_host_gets_one_task_of_its_own_step (void **state)
{
    static const char *const words[] = { "--nodes=1", "--ntasks=1", "--nodelist=node07", "--overlap", "--mem=0", "--cpu-bind=none",
                                         "--mpi=none", "--export=ALL", "--unbuffered" };
    char **argv = mpl__srun_argv ("node07");
    size_t n = 0;

    (void) state;
    assert_non_null (argv);
    assert_string_equal ("srun", argv[0]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_true (has (argv, words[i]));
    while (argv[n])
        n++;
    assert_string_equal ("/bin/sh", argv[n - 3]);
    assert_string_equal ("-c", argv[n - 2]);
    assert_string_equal (MPL__REMOTE_SCRIPT, argv[n - 1]);
    free (argv);
}

static void no_line_is_labelled_or_waited_for (void **state)
{
    char **argv = mpl__srun_argv ("a");

    (void) state;
    assert_non_null (argv);
    assert_false (has (argv, "--label") || has (argv, "-l") || has (argv, "--pty") || has (argv, "--input=none"));
    free (argv);
}

static void nothing_in_a_name_is_an_option_or_a_command (void **state)
{
    static const char *const names[] = { "--pty", "a b", "$(id)", "a;id", "a\nb", "'", "", "/etc/passwd" };
    char list[64] = "--nodelist=";

    (void) state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char **argv = mpl__srun_argv (names[i]);
        assert_non_null (argv);
        strcpy (list + strlen ("--nodelist="), names[i]);
        assert_true (has (argv, list));                 /* one word, whatever is in it */
        assert_false (has (argv, names[i]));
        free (argv);
    }
}

static void what_an_outer_step_or_a_user_set_is_no_option_of_ours (void **state)
{
    char *const env[] = { "PATH=/bin", "SLURM_CPUS_PER_TASK=4", "SLURM_NTASKS=12", "SLURM_NNODES=3", "SLURM_EXACT=1", "SLURM_LABELIO=1",
                          "SRUN_CPUS_PER_TASK=4", "SLURM_STEP_ID=0", "SLURMD_NODENAME=n1", "SLURM_EXPORT_ENV=NONE",
                          "SLURM_MEM_PER_NODE=100", "SLURM_JOB_NODELIST=n[1-3]", "SLURM_JOB_NAME=x", "SLURM_HOSTFILE=/f", NULL };
    char **kept = mpl__srun_environment (env);

    (void) state;
    assert_non_null (kept);
    assert_ptr_equal (env[0], kept[0]);
    assert_null (kept[1]);
    free (kept);
}

static void which_job_of_which_slurm_stays (void **state)
{
    char *const env[] = { "SLURM_JOB_ID=7", "SLURM_CONF=/etc/s.conf", "SLURM_CONF_SERVER=a", "SLURM_CLUSTERS=c", "SLURM_JWT=t",
                          "SLURM_NODE_ALIASES=(null)", "SLURM_SACK_SOCKET=/s", "SLURMY=1", "LD_LIBRARY_PATH=/l", "A=SLURM_NTASKS=1",
                          NULL };
    char **kept = mpl__srun_environment (env);

    (void) state;
    assert_non_null (kept);
    for (size_t i = 0; i < sizeof env / sizeof *env; i++)
        assert_ptr_equal (env[i], kept[i]);
    free (kept);
}

static void what_belongs_to_this_machine_stays_here (void **state)
{
    char *const env[] = { "HOSTNAME=here", "SSH_CLIENT=1", "XDG_RUNTIME_DIR=/run/user/1", "DISPLAY=:0", NULL };
    char **kept = mpl__srun_environment (env);

    (void) state;
    assert_non_null (kept);
    assert_null (kept[0]);
    free (kept);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_host_gets_one_task_of_its_own_step),
        cmocka_unit_test (no_line_is_labelled_or_waited_for),
        cmocka_unit_test (nothing_in_a_name_is_an_option_or_a_command),
        cmocka_unit_test (what_an_outer_step_or_a_user_set_is_no_option_of_ours),
        cmocka_unit_test (which_job_of_which_slurm_stays),
        cmocka_unit_test (what_belongs_to_this_machine_stays_here),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
