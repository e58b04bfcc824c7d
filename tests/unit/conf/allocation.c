/* What a batch system granted, by its variables and files, and what is said when these are not as they should be. */
#include "conf/allocation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const *variables;    /* "NAME=value", NULL-terminated */
static char path[] = "/tmp/mpl-allocation-XXXXXX";
static mpl_err_t err;

static char *ask (const char *name)
{
    size_t len = strlen (name);

    for (const char *const *at = variables; *at; at++)
        if (!strncmp (*at, name, len) && (*at)[len] == '=')
            return (char *) *at + len + 1;
    return NULL;
}

#define WITH(...) (variables = (const char *const[]){ __VA_ARGS__, NULL })

static void write_file (const char *text, size_t len)
{
    FILE *file = fopen (path, "w");

    assert_non_null (file);
    assert_int_equal (len, fwrite (text, 1, len, file));
    fclose (file);
}

static char *in_file (const char *variable, const char *text)
{
    static char entry[100];

    write_file (text, strlen (text));
    snprintf (entry, sizeof entry, "%s=%s", variable, path);
    return entry;
}

static void assert_granted (mpl_launch_t kind, const char *expected)
{
    mpl_allocation_t allocation;
    char text[4096] = "";
    size_t len = 0;

    assert_int_equal (kind, mpl__allocation_kind (ask));
    if (mpl__allocation_read (&allocation, kind, ask, &err) < 0)
        fail_msg ("%s", err.text);
    for (size_t i = 0; i < allocation.hosts.n; i++)
        len += (size_t) snprintf (text + len, sizeof text - len, "%s%s:%d", i ? " " : "", allocation.hosts.hosts[i].name,
                                  allocation.hosts.hosts[i].slots);
    assert_string_equal (expected, text);
    mpl__allocation_free (&allocation);
}

/* A sentence may begin with a star for the file. */
static void assert_refused (mpl_launch_t kind, int code, const char *sentence)
{
    mpl_allocation_t allocation;
    char expected[MPL__ERR_TEXT];

    assert_int_equal (-1, mpl__allocation_read (&allocation, kind, ask, &err));
    assert_int_equal (code, errno);
    assert_int_equal (0, allocation.hosts.n);
    snprintf (expected, sizeof expected, "%s%s", *sentence == '*' ? path : "", sentence + (*sentence == '*'));
    assert_string_equal (expected, err.text);
}

#define JOB "SLURM_JOB_ID=7"
#define NODES "SLURM_JOB_NODELIST=n[08-10]"

static void slurm_says_tasks_of_each_node (void **state)
{
    (void) state;
    WITH (JOB, NODES, "SLURM_TASKS_PER_NODE=4(x2),2", "SLURM_JOB_CPUS_PER_NODE=8(x3)", "SLURM_CPUS_PER_TASK=2");
    assert_granted (MPL__LAUNCH_SLURM, "n08:4 n09:4 n10:2");
    WITH (JOB, "SLURM_NODELIST=a,b", "SLURM_TASKS_PER_NODE=1,65536");
    assert_granted (MPL__LAUNCH_SLURM, "a:1 b:65536");
    WITH (JOB, "SLURM_JOB_NODELIST=rack[1-2]n[1-2]", "SLURM_TASKS_PER_NODE=3(x4)");
    assert_granted (MPL__LAUNCH_SLURM, "rack1n1:3 rack1n2:3 rack2n1:3 rack2n2:3");
}

static void cpus_count_where_the_tasks_are_those_of_a_step (void **state)
{
    (void) state;
    WITH (JOB, NODES, "SLURM_TASKS_PER_NODE=1", "SLURM_NTASKS=1", "SLURM_JOB_CPUS_PER_NODE=4(x2),2");
    assert_granted (MPL__LAUNCH_SLURM, "n08:4 n09:4 n10:2");
    WITH (JOB, NODES, "SLURM_JOB_CPUS_PER_NODE=9(x2),2", "SLURM_CPUS_PER_TASK=4");
    assert_granted (MPL__LAUNCH_SLURM, "n08:2 n09:2 n10:1");
}

static void a_step_of_one_task_sees_all_of_its_host (void **state)
{
    (void) state;
    WITH (JOB, "SLURM_JOB_NODELIST=a", "SLURM_TASKS_PER_NODE=1", "SLURM_STEP_TASKS_PER_NODE=1",
          "SLURM_JOB_CPUS_PER_NODE=4");
    assert_granted (MPL__LAUNCH_SLURM, "a:4");
    /* A job of one task; the job's tasks, kept by an interactive step; a step of several may be all of the job. */
    WITH (JOB, "SLURM_JOB_NODELIST=a", "SLURM_TASKS_PER_NODE=1", "SLURM_JOB_CPUS_PER_NODE=4");
    assert_granted (MPL__LAUNCH_SLURM, "a:1");
    WITH (JOB, "SLURM_JOB_NODELIST=a", "SLURM_TASKS_PER_NODE=3", "SLURM_STEP_TASKS_PER_NODE=1",
          "SLURM_JOB_CPUS_PER_NODE=4");
    assert_granted (MPL__LAUNCH_SLURM, "a:3");
    WITH (JOB, "SLURM_JOB_NODELIST=a,b", "SLURM_TASKS_PER_NODE=2(x2)", "SLURM_STEP_TASKS_PER_NODE=2(x2)",
          "SLURM_JOB_CPUS_PER_NODE=4(x2)");
    assert_granted (MPL__LAUNCH_SLURM, "a:2 b:2");
    WITH (JOB, "SLURM_JOB_NODELIST=a", "SLURM_TASKS_PER_NODE=1", "SLURM_STEP_TASKS_PER_NODE=1");
    assert_granted (MPL__LAUNCH_SLURM, "a:1");
}

static void slurm_says_what_it_calls_this_machine (void **state)
{
    mpl_allocation_t allocation;

    (void) state;
    WITH (JOB, NODES, "SLURM_TASKS_PER_NODE=1(x3)", "SLURMD_NODENAME=n09");
    assert_int_equal (0, mpl__allocation_read (&allocation, MPL__LAUNCH_SLURM, ask, &err));
    assert_string_equal ("n09", allocation.own_name);
    assert_string_equal ("7", allocation.job);
    mpl__allocation_free (&allocation);
    WITH (JOB, NODES, "SLURM_TASKS_PER_NODE=1(x3)", "SLURMD_NODENAME=");
    assert_int_equal (0, mpl__allocation_read (&allocation, MPL__LAUNCH_SLURM, ask, &err));
    assert_null (allocation.own_name);
    mpl__allocation_free (&allocation);
}

static void malformed_variables_of_slurm_are_named (void **state)
{
    static const char *const counts[] = { "x", ",", "4,", "4,,2", "0", "-1", "65537", "99999999999999999999", "4(x", "4(x0)", "4(2)",
                                          "4(x2", "4(x2)2", "4(x99999999999)", "4 ", "+4", "4(x-1)" };
    char entry[100];

    (void) state;
    WITH (JOB, "SLURM_JOB_NODELIST=n[08-", "SLURM_TASKS_PER_NODE=1");
    assert_refused (MPL__LAUNCH_SLURM, EINVAL, "SLURM_JOB_NODELIST:1:2: this '[' has no ']'");
    WITH (JOB, "SLURM_NODELIST=n[08-", "SLURM_TASKS_PER_NODE=1");
    assert_refused (MPL__LAUNCH_SLURM, EINVAL, "SLURM_NODELIST:1:2: this '[' has no ']'");
    WITH (JOB, "SLURM_NODELIST=a,b", "SLURM_TASKS_PER_NODE=1");
    assert_refused (MPL__LAUNCH_SLURM, EINVAL,
                    "SLURM_NODELIST names 2 hosts, and SLURM_TASKS_PER_NODE has 1 counts; one for each is needed");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        snprintf (entry, sizeof entry, "SLURM_TASKS_PER_NODE=%s", counts[i]);
        WITH (JOB, NODES, entry);
        assert_int_equal (-1, mpl__allocation_read (&(mpl_allocation_t){ 0 }, MPL__LAUNCH_SLURM, ask, &err));
        assert_non_null (strstr (err.text, "SLURM_TASKS_PER_NODE:1:"));
        assert_non_null (strstr (err.text, ": this is no count from 1 to 65536; counts are written as in 4(x2),2"));
    }
    WITH (JOB, NODES, "SLURM_TASKS_PER_NODE=4(x2),b");
    assert_refused (MPL__LAUNCH_SLURM, EINVAL,
                    "SLURM_TASKS_PER_NODE:1:7: this is no count from 1 to 65536; counts are written as in 4(x2),2");
    WITH (JOB, NODES, "SLURM_JOB_CPUS_PER_NODE=4(x2)");
    assert_refused (MPL__LAUNCH_SLURM, EINVAL,
                    "SLURM_JOB_NODELIST names 3 hosts, and SLURM_JOB_CPUS_PER_NODE has 2 counts; one for each is needed");
    WITH (JOB, NODES, "SLURM_TASKS_PER_NODE=4(x4)");
    assert_refused (MPL__LAUNCH_SLURM, EINVAL,
                    "SLURM_JOB_NODELIST names 3 hosts, and SLURM_TASKS_PER_NODE has 4 counts; one for each is needed");
    WITH (JOB, NODES);
    assert_refused (MPL__LAUNCH_SLURM, EINVAL,
                    "SLURM_JOB_NODELIST names 3 hosts, and SLURM_TASKS_PER_NODE has 0 counts; one for each is needed");
    WITH (JOB, NODES, "SLURM_JOB_CPUS_PER_NODE=4(x3)", "SLURM_CPUS_PER_TASK=2x");
    assert_refused (MPL__LAUNCH_SLURM, EINVAL, "SLURM_CPUS_PER_TASK:1:1: the number of CPUs is '2x'; a whole number from 1 to 65536");
}

/* What a hostile environment costs is bounded too. */
static void too_much_is_refused_at_once (void **state)
{
    char *counts = malloc (100000), *at = counts;

    (void) state;
    WITH (JOB, "SLURM_JOB_NODELIST=n[1-65537]", "SLURM_TASKS_PER_NODE=1(x65536)");
    assert_int_equal (-1, mpl__allocation_read (&(mpl_allocation_t){ 0 }, MPL__LAUNCH_SLURM, ask, &err));
    assert_int_equal (E2BIG, errno);
    assert_non_null (counts);
    at += sprintf (at, "SLURM_TASKS_PER_NODE=65536(x65536)");
    while (at < counts + 99900)
        at += sprintf (at, ",65536(x65536)");
    WITH (JOB, "SLURM_JOB_NODELIST=n[1-65536]", counts);
    assert_int_equal (-1, mpl__allocation_read (&(mpl_allocation_t){ 0 }, MPL__LAUNCH_SLURM, ask, &err));
    assert_int_equal (EINVAL, errno);
    free (counts);
}

static void pbs_has_a_line_for_each_process (void **state)
{
    (void) state;
    WITH ("PBS_JOBID=3.server", in_file ("PBS_NODEFILE", "a.example\nb\na.example\r\n\n  b  \nb"));
    assert_granted (MPL__LAUNCH_PBS, "a.example:2 b:3");
    WITH (in_file ("PBS_NODEFILE", "a\n\nb c[1-3]\n"));
    assert_refused (MPL__LAUNCH_PBS, EINVAL, "*:3:3: 'c[1-3]' is no host name");
    WITH (in_file ("PBS_NODEFILE", "a\n-oProxyCommand=id\n"));
    assert_int_equal (-1, mpl__allocation_read (&(mpl_allocation_t){ 0 }, MPL__LAUNCH_PBS, ask, &err));
    assert_non_null (strstr (err.text, ":2:1: "));
    WITH (in_file ("PBS_NODEFILE", "\n"));
    assert_refused (MPL__LAUNCH_PBS, EINVAL, "* names no host; the file of PBS_NODEFILE has at least one");
}

static void files_that_are_none_are_refused (void **state)
{
    char *nul;

    (void) state;
    WITH ("PBS_NODEFILE=/no/such/file");
    assert_refused (MPL__LAUNCH_PBS, ENOENT, "/no/such/file: No such file or directory; the file of PBS_NODEFILE is needed there");
    WITH ("PE_HOSTFILE=/tmp");
    assert_refused (MPL__LAUNCH_SGE, EISDIR, "/tmp is a folder; the file of PE_HOSTFILE is a regular file");
    WITH ("LSB_DJOB_HOSTFILE=/dev/zero");
    assert_refused (MPL__LAUNCH_LSF, EINVAL, "/dev/zero is a device; the file of LSB_DJOB_HOSTFILE is a regular file");
    nul = in_file ("PBS_NODEFILE", "");
    write_file ("a\nb\0c\n", 6);
    WITH (nul);
    assert_refused (MPL__LAUNCH_PBS, EINVAL, "*:2:1: 'b?c' is no host name");
}

static void lsf_counts_or_repeats (void **state)
{
    (void) state;
    WITH ("LSB_MCPU_HOSTS=a 4 b 2 a 1 ", "LSB_HOSTS=c");
    assert_granted (MPL__LAUNCH_LSF, "a:5 b:2");
    WITH ("LSB_MCPU_HOSTS=", "LSB_HOSTS=a b a");
    assert_granted (MPL__LAUNCH_LSF, "a:2 b:1");
    WITH (in_file ("LSB_DJOB_HOSTFILE", "a\na\nb\n"), "LSB_HOSTS=c");
    assert_granted (MPL__LAUNCH_LSF, "a:2 b:1");
    WITH ("LSB_MCPU_HOSTS=a 4 b");
    assert_refused (MPL__LAUNCH_LSF, EINVAL, "LSB_MCPU_HOSTS:1:6: a number of slots is missing behind the host");
    WITH ("LSB_MCPU_HOSTS=a b");
    assert_refused (MPL__LAUNCH_LSF, EINVAL, "LSB_MCPU_HOSTS:1:3: the number of slots is 'b'; a whole number from 1 to 65536");
    WITH ("LSB_HOSTS=  ");
    assert_refused (MPL__LAUNCH_LSF, EINVAL, "LSB_HOSTS names no host");
}

static void sge_has_lines_of_host_and_slots (void **state)
{
    (void) state;
    WITH (in_file ("PE_HOSTFILE", "a.example 4 all.q@a UNDEFINED\nb 2 all.q@b <NULL>\nb 1 long.q@b 0,1\n"));
    assert_granted (MPL__LAUNCH_SGE, "a.example:4 b:3");
    WITH (in_file ("PE_HOSTFILE", "a 4 q 0\nb\n"));
    assert_refused (MPL__LAUNCH_SGE, EINVAL, "*:2:2: a number of slots is missing behind the host");
    WITH (in_file ("PE_HOSTFILE", "a 0 q 0\n"));
    assert_refused (MPL__LAUNCH_SGE, EINVAL, "*:1:3: the number of slots is '0'; a whole number from 1 to 65536");
}

static void without_variables_there_is_no_allocation (void **state)
{
    (void) state;
    WITH ("HOME=/root", "SLURM_CONF=/etc/slurm.conf", "SLURM_JOB_ID=", "PBS_NODEFILE=", "PBS_JOBID=1", "SGE_ROOT=/sge", "LSB_JOBID=2");
    assert_int_equal (MPL__LAUNCH_LOCAL, mpl__allocation_kind (ask));
    assert_refused (MPL__LAUNCH_SLURM, EINVAL,
                    "this is no job of Slurm, since SLURM_JOB_ID and SLURM_JOB_NODELIST are not set; --launch slurm is for its jobs");
    assert_refused (MPL__LAUNCH_PBS, EINVAL, "this is no job of PBS, since PBS_NODEFILE is not set; --launch pbs is for its jobs");
    assert_refused (MPL__LAUNCH_LSF, EINVAL, "this is no job of LSF, since LSB_MCPU_HOSTS, LSB_DJOB_HOSTFILE and LSB_HOSTS are not "
                                             "set; --launch lsf is for its jobs");
    assert_refused (MPL__LAUNCH_SGE, EINVAL, "this is no job of SGE, since PE_HOSTFILE is not set; --launch sge is for its jobs");
    /* A number alone is what a user says to srun. */
    WITH (JOB);
    assert_int_equal (MPL__LAUNCH_LOCAL, mpl__allocation_kind (ask));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (slurm_says_tasks_of_each_node),
        cmocka_unit_test (cpus_count_where_the_tasks_are_those_of_a_step),
        cmocka_unit_test (a_step_of_one_task_sees_all_of_its_host),
        cmocka_unit_test (slurm_says_what_it_calls_this_machine),
        cmocka_unit_test (malformed_variables_of_slurm_are_named),
        cmocka_unit_test (too_much_is_refused_at_once),
        cmocka_unit_test (pbs_has_a_line_for_each_process),
        cmocka_unit_test (files_that_are_none_are_refused),
        cmocka_unit_test (lsf_counts_or_repeats),
        cmocka_unit_test (sge_has_lines_of_host_and_slots),
        cmocka_unit_test (without_variables_there_is_no_allocation),
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
