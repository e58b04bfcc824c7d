/* The environment of a process that is started: what is set, what is inherited, and what stays behind. */
#include "worker/variables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *const nothing[] = { NULL };
static const char *const thread_names[] = { "OMP_NUM_THREADS",     "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                                            "BLIS_NUM_THREADS",    "NUMEXPR_NUM_THREADS",  "VECLIB_MAXIMUM_THREADS" };

#define N_THREAD_NAMES (sizeof thread_names / sizeof *thread_names)

/* The environment of this process while a test runs; "NAME=value" each, NULL at the end. */
static char **environ_of_all;

static int keep_environ (void **state)
{
    (void) state;
    environ_of_all = environ;
    return 0;
}

static int give_environ_back (void **state)
{
    (void) state;
    environ = environ_of_all;
    return 0;
}

static mpl_variables_t make (char *const *set, mpl_keep_t keep, char *const *kept, int threads)
{
    mpl_variables_t variables;

    memset (&variables, 0xa5, sizeof variables);
    assert_int_equal (0, mpl__variables_make (&variables, 0, set, keep, kept, threads));
    return variables;
}

static size_t count (char *const *vars, const char *name)
{
    size_t n = 0, len = strlen (name);

    for (; *vars; vars++)
        n += !strncmp (*vars, name, len) && ((*vars)[len] == '=' || !(*vars)[len]);
    return n;
}

static size_t count_all (char *const *vars)
{
    size_t n = 0;

    while (vars[n])
        n++;
    return n;
}

/* It is there once, with that value. */
static void assert_value (const char *wanted, const mpl_variables_t *variables, const char *name)
{
    const char *value = mpl__variables_get (variables->vars, name);

    assert_int_equal (1, count (variables->vars, name));
    assert_non_null (value);
    assert_string_equal (wanted, value);
}

static void assert_none (const mpl_variables_t *variables, const char *name)
{
    assert_int_equal (0, count (variables->vars, name));
    assert_null (mpl__variables_get (variables->vars, name));
}

static void what_is_inherited_is_passed_on_as_it_is (void **state)
{
    char *ours[] = { "HOME=/root", "EMPTY=", "EQUALS=a=b=c", "BYTES=\xff\n\x01", "LOWER=1", "lower=2", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (nothing, MPL__KEEP_ALL, NULL, 0);
    assert_int_equal (6, count_all (variables.vars));
    assert_value ("/root", &variables, "HOME");
    assert_value ("", &variables, "EMPTY");
    assert_value ("a=b=c", &variables, "EQUALS");
    assert_value ("\xff\n\x01", &variables, "BYTES");
    assert_value ("1", &variables, "LOWER");
    assert_value ("2", &variables, "lower");
    mpl__variables_free (&variables);
}

static void what_is_set_wins_over_what_is_inherited (void **state)
{
    char *ours[] = { "A=ours", "AB=ours", "B=ours", NULL }, *set[] = { "A=set", "C=", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_ALL, NULL, 0);
    assert_value ("set", &variables, "A");
    assert_value ("ours", &variables, "AB");
    assert_value ("ours", &variables, "B");
    assert_value ("", &variables, "C");
    assert_int_equal (4, count_all (variables.vars));
    mpl__variables_free (&variables);
}

static void of_two_that_are_set_the_later_one_wins (void **state)
{
    char *ours[] = { "A=ours", NULL }, *set[] = { "A=1", "B=1", "AA=1", "A=2", "A=3", "B=", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_ALL, NULL, 0);
    assert_value ("3", &variables, "A");
    assert_value ("", &variables, "B");
    assert_value ("1", &variables, "AA");
    assert_int_equal (3, count_all (variables.vars));
    mpl__variables_free (&variables);
}

static void what_belongs_to_a_launcher_goes_no_further (void **state)
{
    static char *launchers[] = {
        "MPL_RANK=1", "MPL_SIZE=2", "MPL_LOCAL_RANK=1", "MPL_LOCAL_SIZE=2", "MPL_NODE=0", "MPL_NODES=1", "MPL_JOB=j", "MPL_FD=5",
        "PMI_RANK=1", "PMI_SIZE=2", "PMI_FD=7", "PMI_PORT=h:1", "PMIX_RANK=1", "PMIX_NAMESPACE=x", "PMIX_SERVER_URI41=y",
        "OMPI_COMM_WORLD_RANK=1", "OMPI_MCA_ess=x", "PRTE_LAUNCHED=1", "HYDI_CONTROL_FD=5", "MPI_LOCALRANKID=1", "MPI_LOCALNRANKS=2",
        "SLURM_STEP_ID=0", "SLURM_STEPID=0", "SLURM_STEP_NODELIST=a", "SLURM_SRUN_COMM_PORT=1", "SLURM_PROCID=1", "SLURM_LOCALID=1",
        "SLURM_NODEID=0", "SLURM_TASK_PID=42", "SLURM_GTIDS=0", "SLURM_LAUNCH_NODE_IPADDR=::1", NULL };
    static char *others[] = {
        "MPL_OTHER=1", "MPL_RANKS=1", "MPL_RAN=1", "MPL_JOBS=1", "MPL_NODES_FILE=x", "MPL_FD2=1", "XMPL_RANK=1", "PMI=1", "PMIX=1",
        "OMPI=1", "MPI_HOME=/opt", "MPI_LOCALRANKIDS=1", "SLURM_JOB_ID=7", "SLURM_JOB_NODELIST=a,b", "SLURM_NTASKS=2", "SLURM_NODEIDS=1",
        "SLURM_PROCIDS=1", "MPICH_X=1", "HYDRA_LAUNCHER=ssh", "XPMI_RANK=1", NULL };
    static char *ours[64];
    size_t n = 0;

    (void) state;
    for (size_t i = 0; launchers[i]; i++)
        ours[n++] = launchers[i];
    for (size_t i = 0; others[i]; i++)
        ours[n++] = others[i];
    ours[n] = NULL;
    environ = ours;
    mpl_variables_t variables = make (nothing, MPL__KEEP_ALL, NULL, 0);
    for (size_t i = 0; launchers[i]; i++) {
        char name[64];
        snprintf (name, sizeof name, "%.*s", (int) strcspn (launchers[i], "="), launchers[i]);
        assert_none (&variables, name);
    }
    assert_int_equal (count_all (others), count_all (variables.vars));
    for (size_t i = 0; others[i]; i++)
        assert_string_equal (others[i], variables.vars[i]);
    mpl__variables_free (&variables);
}

static void what_belongs_to_a_launcher_is_there_when_it_is_set (void **state)
{
    char *ours[] = { "PMI_RANK=1", "OMPI_MCA_btl=tcp", NULL }, *set[] = { "OMPI_MCA_btl=self", "PMI_SIZE=4", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_ALL, NULL, 0);
    assert_value ("self", &variables, "OMPI_MCA_btl");
    assert_value ("4", &variables, "PMI_SIZE");
    assert_none (&variables, "PMI_RANK");
    mpl__variables_free (&variables);
}

static void only_what_is_listed_is_kept (void **state)
{
    char *ours[] = { "HOME=/root", "PATH=/bin", "PATHS=x", "PAT=x", "PMI_RANK=1", "A=1", NULL };
    char *kept[] = { "PATH", "NOT_THERE", "PMI_RANK", "A", "PATH", NULL }, *set[] = { "A=set", "S=1", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_LISTED, kept, 0);
    assert_value ("/bin", &variables, "PATH");
    assert_value ("set", &variables, "A");
    assert_value ("1", &variables, "S");
    assert_int_equal (3, count_all (variables.vars));
    mpl__variables_free (&variables);
    variables = make (nothing, MPL__KEEP_LISTED, NULL, 0);
    assert_int_equal (0, count_all (variables.vars));
    mpl__variables_free (&variables);
    variables = make (nothing, MPL__KEEP_LISTED, nothing, 0);
    assert_int_equal (0, count_all (variables.vars));
    mpl__variables_free (&variables);
}

static void nothing_is_kept_but_what_is_set (void **state)
{
    char *ours[] = { "HOME=/root", "PATH=/bin", NULL }, *kept[] = { "PATH", NULL }, *set[] = { "A=1", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_NONE, kept, 0);
    assert_value ("1", &variables, "A");
    assert_int_equal (1, count_all (variables.vars));
    mpl__variables_free (&variables);
    variables = make (set, MPL__KEEP_NONE, kept, 3);
    assert_int_equal (1 + N_THREAD_NAMES, count_all (variables.vars));
    mpl__variables_free (&variables);
}

static void a_copy_has_all_but_the_descriptor (void **state)
{
    char *ours[] = { "MPL_RANK=1", "MPL_FD=5", "PMI_RANK=1", "A=1", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (nothing, MPL__KEEP_COPY, NULL, 0);
    assert_value ("1", &variables, "MPL_RANK");
    assert_value ("1", &variables, "PMI_RANK");
    assert_value ("1", &variables, "A");
    assert_none (&variables, "MPL_FD");
    mpl__variables_free (&variables);
}

static void threads_are_said_for_every_library_where_nobody_else_says_it (void **state)
{
    char *ours[] = { "OMP_NUM_THREADS=ours", "OMP_NUM_THREADS_X=1", NULL }, *set[] = { "MKL_NUM_THREADS=set", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_ALL, NULL, 7);
    assert_value ("ours", &variables, "OMP_NUM_THREADS");
    assert_value ("set", &variables, "MKL_NUM_THREADS");
    for (size_t i = 0; i < N_THREAD_NAMES; i++)
        if (strcmp (thread_names[i], "OMP_NUM_THREADS") && strcmp (thread_names[i], "MKL_NUM_THREADS"))
            assert_value ("7", &variables, thread_names[i]);
    mpl__variables_free (&variables);
    variables = make (nothing, MPL__KEEP_NONE, NULL, 7);        /* what is not inherited says nothing */
    for (size_t i = 0; i < N_THREAD_NAMES; i++)
        assert_value ("7", &variables, thread_names[i]);
    mpl__variables_free (&variables);
}

static void no_threads_are_said_for_zero_and_any_number_fits (void **state)
{
    char *ours[] = { NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (nothing, MPL__KEEP_ALL, NULL, 0);
    assert_int_equal (0, count_all (variables.vars));
    mpl__variables_free (&variables);
    variables = make (nothing, MPL__KEEP_ALL, NULL, INT32_MAX);
    assert_value ("2147483647", &variables, "VECLIB_MAXIMUM_THREADS");
    mpl__variables_free (&variables);
}

static void places_of_ones_own_stand_in_front (void **state)
{
    static char *ours[] = { "A=1", NULL }, *set[] = { "B=2", NULL };
    mpl_variables_t variables;

    (void) state;
    environ = ours;
    for (size_t n_own = 0; n_own < 20; n_own++) {
        assert_int_equal (0, mpl__variables_make (&variables, n_own, set, MPL__KEEP_ALL, NULL, 1));
        for (size_t i = 0; i < n_own; i++)
            variables.vars[i] = "OWN=x";
        assert_int_equal (n_own + 2 + N_THREAD_NAMES, count_all (variables.vars));
        assert_string_equal ("2", mpl__variables_get (variables.vars + n_own, "B"));
        assert_string_equal ("1", mpl__variables_get (variables.vars + n_own, "A"));
        assert_null (mpl__variables_get (variables.vars + n_own, "OWN"));
        mpl__variables_free (&variables);
    }
}

static void nothing_set_and_no_environment_at_all_are_fine (void **state)
{
    (void) state;
    environ = NULL;
    mpl_variables_t variables = make (NULL, MPL__KEEP_ALL, NULL, 0);
    assert_int_equal (0, count_all (variables.vars));
    mpl__variables_free (&variables);
    assert_null (variables.vars);
    assert_null (variables.own);
    mpl__variables_free (&variables);
}

static void many_variables_are_all_there (void **state)
{
    enum { N = 3000 };
    static char texts[2 * N][32], *ours[N + 1], *set[N + 1];

    (void) state;
    for (int i = 0; i < N; i++) {
        snprintf (ours[i] = texts[i], 32, "V%d=ours", i);
        snprintf (set[i] = texts[N + i], 32, "V%d=set", i * 2);
    }
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_ALL, NULL, 0);
    assert_int_equal (N + N / 2, count_all (variables.vars));
    assert_value ("set", &variables, "V0");
    assert_value ("ours", &variables, "V1");
    assert_value ("set", &variables, "V2998");
    assert_value ("set", &variables, "V5998");
    mpl__variables_free (&variables);
}

static void an_odd_entry_of_ours_harms_nobody (void **state)
{
    char *ours[] = { "", "=x", "NOEQUALS", "A=1", NULL }, *set[] = { "NOEQUALS=1", "A=2", NULL };

    (void) state;
    environ = ours;
    mpl_variables_t variables = make (set, MPL__KEEP_ALL, NULL, 2);
    assert_value ("1", &variables, "NOEQUALS");
    assert_value ("2", &variables, "A");
    mpl__variables_free (&variables);
}

static void each_of_n_processes_has_its_share_of_the_cores_and_at_least_one (void **state)
{
    (void) state;
    assert_int_equal (8, mpl__cores_each (8, 1));
    assert_int_equal (4, mpl__cores_each (8, 2));
    assert_int_equal (2, mpl__cores_each (8, 3));
    assert_int_equal (1, mpl__cores_each (8, 5));
    assert_int_equal (1, mpl__cores_each (8, 8));
    assert_int_equal (1, mpl__cores_each (8, 65536));
    assert_int_equal (1, mpl__cores_each (0, 3));
    assert_int_equal (1, mpl__cores_each (8, 0));
}

#define test(name) cmocka_unit_test_setup_teardown (name, keep_environ, give_environ_back)

int main (void)
{
    const struct CMUnitTest tests[] = {
        test (what_is_inherited_is_passed_on_as_it_is),
        test (what_is_set_wins_over_what_is_inherited),
        test (of_two_that_are_set_the_later_one_wins),
        test (what_belongs_to_a_launcher_goes_no_further),
        test (what_belongs_to_a_launcher_is_there_when_it_is_set),
        test (only_what_is_listed_is_kept),
        test (nothing_is_kept_but_what_is_set),
        test (a_copy_has_all_but_the_descriptor),
        test (threads_are_said_for_every_library_where_nobody_else_says_it),
        test (no_threads_are_said_for_zero_and_any_number_fits),
        test (places_of_ones_own_stand_in_front),
        test (nothing_set_and_no_environment_at_all_are_fine),
        test (many_variables_are_all_there),
        test (an_odd_entry_of_ours_harms_nobody),
        test (each_of_n_processes_has_its_share_of_the_cores_and_at_least_one),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
