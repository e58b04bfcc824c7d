/* Which hosts a launch uses and how it starts their agents: by what is named, by --launch, and by the job that it
 * runs in. */
#include "launcher/where.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const *variables;
static char path[] = "/tmp/mpl-where-XXXXXX";
static mpl_err_t err;

static char *ask (const char *name)
{
    size_t len = strlen (name);

    for (const char *const *at = variables; *at; at++)
        if (!strncmp (*at, name, len) && (*at)[len] == '=')
            return (char *) *at + len + 1;
    return NULL;
}

static const char *const nothing[] = { NULL };
static const char *const slurm[] = { "SLURM_JOB_ID=7", "SLURM_JOB_NODELIST=n[1-3]", "SLURM_TASKS_PER_NODE=4(x2),2", "SLURMD_NODENAME=n2",
                                     NULL };
static const char *const slurm_of_a_login_node[] = { "SLURM_JOB_ID=7", "SLURM_JOB_NODELIST=n[1-8]", "SLURM_TASKS_PER_NODE=4(x8)", NULL };
static const char *const lsf[] = { "LSB_MCPU_HOSTS=n1 4 localhost 2", NULL };
static const char *const broken_slurm[] = { "SLURM_JOB_ID=7", "SLURM_JOB_NODELIST=n[1-", "SLURM_TASKS_PER_NODE=4", NULL };
static const char *const broken_pbs[] = { "PBS_NODEFILE=/no/such/file", NULL };

static mpl_options_t options_of (const char *launch, const char *hosts)
{
    static mpl_app_t app;
    mpl_options_t options = { .apps = &app, .n_apps = 1, .hosts = hosts, .says_launch = launch != NULL };

    for (int i = 0; launch && mpl__launch_words[i]; i++)
        if (!strcmp (mpl__launch_words[i], launch))
            options.launch = (mpl_launch_t) i;
    return options;
}

static void assert_chosen (const mpl_options_t *options, const char *const *env, const char *expected)
{
    static const char *const starts[] = { [MPL__START_HERE] = "here", [MPL__START_SSH] = "ssh", [MPL__START_SRUN] = "srun" };
    mpl_where_t where;
    char text[4096] = "";
    size_t len = 0;

    variables = env;
    if (mpl__where_choose (&where, options, ask, &err) < 0)
        fail_msg ("%s", err.text);
    for (size_t i = 0; i < where.hosts.n; i++)
        len += (size_t) snprintf (text + len, sizeof text - len, "%s%s:%d=%s", i ? " " : "", where.hosts.hosts[i].name,
                                  where.hosts.hosts[i].slots, starts[where.starts[i]]);
    assert_string_equal (expected, text);
    mpl__where_free (&where);
}

static void assert_where (const char *launch, const char *hosts, const char *const *env, const char *expected)
{
    mpl_options_t options = options_of (launch, hosts);

    assert_chosen (&options, env, expected);
}

static void assert_refused (const char *launch, const char *hosts, const char *const *env, const char *sentence)
{
    mpl_options_t options = options_of (launch, hosts);
    mpl_where_t where;

    variables = env;
    assert_int_equal (-1, mpl__where_choose (&where, &options, ask, &err));
    assert_string_equal (sentence, err.text);
    mpl__where_free (&where);
}

/* Without any job. */
static void this_machine_is_where_nothing_is_said (void **state)
{
    static const char *const kinds[] = { NULL, "auto", "local", "ssh" };
    mpl_options_t options;
    mpl_where_t where;

    (void) state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        options = options_of (kinds[i], NULL);
        variables = nothing;
        assert_int_equal (0, mpl__where_choose (&where, &options, ask, &err));
        assert_int_equal (1, where.hosts.n);
        assert_int_equal (MPL__START_HERE, where.starts[0]);
        assert_true (where.hosts.hosts[0].slots > 0);
        mpl__where_free (&where);
    }
}

static void named_hosts_are_reached_by_ssh (void **state)
{
    (void) state;
    assert_where (NULL, "a:2,localhost:1,127.0.0.1:2,b", nothing, "a:2=ssh localhost:3=here b:1=ssh");
    assert_where ("ssh", "a", nothing, "a:1=ssh");
}

static void a_job_of_slurm_is_used_by_srun (void **state)
{
    (void) state;
    assert_where (NULL, NULL, slurm, "n1:4=srun n2:4=here n3:2=srun");
    assert_where ("slurm", NULL, slurm, "n1:4=srun n2:4=here n3:2=srun");
    assert_where (NULL, NULL, slurm_of_a_login_node,
                  "n1:4=srun n2:4=srun n3:4=srun n4:4=srun n5:4=srun n6:4=srun n7:4=srun n8:4=srun");
}

static void ssh_can_be_used_in_a_job_of_slurm (void **state)
{
    (void) state;
    assert_where ("ssh", NULL, slurm, "n1:4=ssh n2:4=here n3:2=ssh");
    assert_where ("ssh", "other:2", slurm, "other:2=ssh");
    assert_where ("ssh", "other:2", broken_slurm, "other:2=ssh");
}

static void named_hosts_win_over_those_of_the_job (void **state)
{
    (void) state;
    assert_where (NULL, "n3:1,n2:1", slurm, "n3:1=srun n2:1=here");
    assert_where (NULL, "localhost:2", slurm_of_a_login_node, "localhost:2=here");
    assert_where (NULL, "other:2", lsf, "other:2=ssh");
    assert_where (NULL, "other:2", broken_pbs, "other:2=ssh");
}

static void a_host_that_srun_cannot_reach_is_refused (void **state)
{
    (void) state;
    assert_refused (NULL, "n1,other:2", slurm,
                    "the host other is not one of Slurm's job 7, which has n1, n2, n3; with --launch ssh it would be reached by ssh");
    assert_refused ("slurm", "other", slurm_of_a_login_node,
                    "the host other is not one of Slurm's job 7, which has n1, n2, n3, n4, n5 and 3 more; with --launch ssh it would be "
                    "reached by ssh");
}

static void other_batch_systems_have_their_hosts_reached_by_ssh (void **state)
{
    char variable[64];

    (void) state;
    assert_where (NULL, NULL, lsf, "n1:4=ssh localhost:2=here");
    assert_where ("lsf", NULL, lsf, "n1:4=ssh localhost:2=here");
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs ("a 2 q 0\nb 1 q 0\n", file);
    fclose (file);
    snprintf (variable, sizeof variable, "PE_HOSTFILE=%s", path);
    assert_where ("sge", NULL, (const char *const[]){ variable, NULL }, "a:2=ssh b:1=ssh");
}

static void local_is_this_machine_alone (void **state)
{
    mpl_options_t options = options_of ("local", NULL);
    mpl_where_t where;

    (void) state;
    variables = broken_slurm;           /* nobody looks */
    assert_int_equal (0, mpl__where_choose (&where, &options, ask, &err));
    assert_int_equal (1, where.hosts.n);
    assert_int_equal (MPL__START_HERE, where.starts[0]);
    mpl__where_free (&where);
    assert_where ("local", "localhost:3", slurm, "localhost:3=here");
    assert_refused ("local", "localhost,b", nothing, "the launch is local, which is this machine alone, and b is another host");
}

static void a_job_that_is_asked_for_must_be_there (void **state)
{
    (void) state;
    assert_refused ("slurm", NULL, lsf,
                    "this is no job of Slurm, since SLURM_JOB_ID and SLURM_JOB_NODELIST are not set; --launch slurm is for its jobs");
    assert_refused ("pbs", "a", slurm, "this is no job of PBS, since PBS_NODEFILE is not set; --launch pbs is for its jobs");
    assert_where ("lsf", "a", lsf, "a:1=ssh");
}

static void what_is_malformed_is_said (void **state)
{
    (void) state;
    assert_refused (NULL, NULL, broken_slurm, "SLURM_JOB_NODELIST:1:2: this '[' has no ']'");
    assert_refused (NULL, "n1", broken_slurm, "SLURM_JOB_NODELIST:1:2: this '[' has no ']'");
    assert_refused (NULL, NULL, broken_pbs, "/no/such/file: No such file or directory; the file of PBS_NODEFILE is needed there");
}

static void a_cluster_file_says_how_unless_the_option_does (void **state)
{
    mpl_options_t options = { .cluster = path };
    FILE *file = fopen (path, "w");

    (void) state;
    assert_non_null (file);
    fputs ("launch: ssh\nhosts: [other]\n", file);
    fclose (file);
    assert_chosen (&options, slurm, "other:0=ssh");
    options.says_launch = 1;
    options.launch = MPL__LAUNCH_AUTO;
    variables = slurm;
    mpl_where_t where;
    assert_int_equal (-1, mpl__where_choose (&where, &options, ask, &err));
    mpl__where_free (&where);
    file = fopen (path, "w");
    assert_non_null (file);
    fputs ("launch: slurm\n", file);
    fclose (file);
    options.says_launch = 0;
    assert_chosen (&options, slurm, "n1:4=srun n2:4=here n3:2=srun");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (this_machine_is_where_nothing_is_said),
        cmocka_unit_test (named_hosts_are_reached_by_ssh),
        cmocka_unit_test (a_job_of_slurm_is_used_by_srun),
        cmocka_unit_test (ssh_can_be_used_in_a_job_of_slurm),
        cmocka_unit_test (named_hosts_win_over_those_of_the_job),
        cmocka_unit_test (a_host_that_srun_cannot_reach_is_refused),
        cmocka_unit_test (other_batch_systems_have_their_hosts_reached_by_ssh),
        cmocka_unit_test (local_is_this_machine_alone),
        cmocka_unit_test (a_job_that_is_asked_for_must_be_there),
        cmocka_unit_test (what_is_malformed_is_said),
        cmocka_unit_test (a_cluster_file_says_how_unless_the_option_does),
    };
    int fd = mkstemp (path);

    if (fd < 0)
        return 99;
    close (fd);
    cmocka_set_message_output (CM_OUTPUT_TAP);
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    unlink (path);
    return failed;
}
