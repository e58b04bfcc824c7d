/* The cluster file: what is read from right ones. Wrong ones are in bad/. */
#include "conf/cluster.h"
#include "base/clock.h"
#include "conf/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static mpl_cluster_t cluster;
static mpl_err_t err;

static void parse (const char *text)
{
    if (mpl__cluster_parse (&cluster, "t.yaml", text, strlen (text), &err) < 0)
        fail_msg ("%s", err.text);
}

static void read_sample (const char *name)
{
    const char *source = getenv ("MPL_SRC");
    char path[4200];

    snprintf (path, sizeof path, "%s/conf/samples/%s", source ? source : ".", name);
    if (mpl__cluster_read (&cluster, path, &err) < 0)
        fail_msg ("%s", err.text);
}

/* Words with a NULL behind them, with blanks between; "-" for no words. */
static const char *joined (char **words)
{
    static char text[2048];
    size_t at = 0;

    snprintf (text, sizeof text, "%s", words ? "" : "-");
    for (; words && *words; words++)
        at += (size_t) snprintf (text + at, sizeof text - at, "%s%s", at ? " " : "", *words);
    return text;
}

static const mpl_host_t *host (const char *name)
{
    int i = mpl__hosts_find (&cluster.hosts, name);

    if (i < 0)
        fail_msg ("there is no host %s", name);
    return &cluster.hosts.hosts[i];
}

static void assert_seconds (double expected, double seconds)
{
    assert_true (seconds > expected - 1e-9 && seconds < expected + 1e-9);
}

/* ---- samples --------------------------------------------------------------------------------------------------------------- */

static void sample_lab (void **state)
{
    (void) state;
    read_sample ("lab.yaml");
    assert_string_equal ("lab", cluster.name);
    assert_int_equal (10, cluster.hosts.n);
    assert_string_equal ("node01", cluster.hosts.hosts[0].name);
    assert_string_equal ("node08", cluster.hosts.hosts[7].name);
    assert_int_equal (16, host ("node05")->slots);
    assert_string_equal ("alice", host ("node05")->user);
    assert_int_equal (22, host ("node05")->port);
    assert_string_equal ("-o StrictHostKeyChecking=yes", joined (host ("node05")->ssh_options));
    assert_string_equal ("~/run", host ("node05")->workdir);
    assert_string_equal ("OMP_NUM_THREADS=1", joined (host ("node05")->env));
    assert_int_equal (4, host ("gpu1")->slots);
    assert_string_equal ("/scratch/alice", host ("gpu1")->workdir);
    assert_string_equal ("CUDA_VISIBLE_DEVICES=0,1 OMP_NUM_THREADS=8", joined (host ("gpu1")->env));
    assert_int_equal (0, host ("localhost")->slots);
    assert_null (host ("localhost")->user);
    assert_int_equal (0, host ("localhost")->port);
    assert_null (host ("localhost")->ssh_options);
    assert_int_equal (0, host ("localhost")->max_slots);
    assert_string_equal ("~/run", host ("localhost")->workdir);
    assert_int_equal (MPL__LAUNCH_AUTO, cluster.launch);
    assert_string_equal ("eth0", cluster.transport.interface);
    assert_int_equal (40000, cluster.transport.port_first);
    assert_int_equal (40100, cluster.transport.port_last);
    assert_seconds (2, cluster.transport.heartbeat);
    assert_seconds (10, cluster.transport.self_end_after);
    assert_seconds (15, cluster.transport.lost_after);
    assert_int_equal (MPL__TUNNEL_NONE, cluster.transport.tunnel);
    assert_int_equal (2, cluster.pool.retries);
    assert_seconds (600, cluster.pool.task_timeout);
    assert_int_equal (2147483648, cluster.pool.memory_limit);
    mpl__cluster_free (&cluster);
}

static void sample_one (void **state)
{
    (void) state;
    read_sample ("one.yaml");
    assert_null (cluster.name);
    assert_int_equal (5, cluster.hosts.n);
    assert_string_equal ("alpha", cluster.hosts.hosts[0].name);
    assert_string_equal ("node3", cluster.hosts.hosts[4].name);
    for (size_t i = 0; i < cluster.hosts.n; i++) {
        assert_int_equal (0, cluster.hosts.hosts[i].slots);
        assert_null (cluster.hosts.hosts[i].workdir);
        assert_null (cluster.hosts.hosts[i].env);
    }
    mpl__cluster_free (&cluster);
}

static void sample_anchors (void **state)
{
    (void) state;
    read_sample ("anchors.yaml");
    assert_int_equal (6, cluster.hosts.n);
    assert_int_equal (64, host ("big2")->slots);
    assert_string_equal ("alice", host ("big2")->user);
    assert_string_equal ("OMP_NUM_THREADS=4 LANG=C", joined (host ("big2")->env));
    assert_int_equal (2, host ("guest08")->slots);
    assert_string_equal ("guest", host ("guest08")->user);
    assert_int_equal (2222, host ("guest08")->port);
    assert_string_equal ("-J gate.example.org", joined (host ("guest08")->ssh_options));
    assert_string_equal ("~/run", host ("guest08")->workdir);
    assert_int_equal (60, host ("odd")->slots);
    assert_string_equal ("LANG=C.UTF-8 OMP_NUM_THREADS=4", joined (host ("odd")->env));
    mpl__cluster_free (&cluster);
}

static void sample_batch (void **state)
{
    (void) state;
    read_sample ("batch.yaml");
    assert_int_equal (0, cluster.hosts.n);
    assert_int_equal (MPL__LAUNCH_SLURM, cluster.launch);
    assert_seconds (2, cluster.transport.heartbeat);
    assert_seconds (60, cluster.transport.lost_after);
    assert_int_equal (0, cluster.transport.port_first);
    assert_int_equal (5, cluster.pool.retries);
    assert_seconds (5400, cluster.pool.task_timeout);
    assert_int_equal (1610612736, cluster.pool.memory_limit);
    mpl__cluster_free (&cluster);
}

static void sample_firewall (void **state)
{
    (void) state;
    read_sample ("firewall.yaml");
    assert_int_equal (5, cluster.hosts.n);
    assert_string_equal ("r2n01.far.example.org", cluster.hosts.hosts[2].name);
    assert_int_equal (2222, host ("2001:db8::17")->port);
    assert_string_equal ("alice", host ("2001:db8::17")->user);
    assert_string_equal ("-J gate.example.org -o ServerAliveInterval=30",
                         joined (host ("2001:db8::17")->ssh_options));
    assert_int_equal (8, host ("r1n02.far.example.org")->slots);
    assert_int_equal (MPL__TUNNEL_SSH, cluster.transport.tunnel);
    assert_int_equal (MPL__LAUNCH_SSH, cluster.launch);
    mpl__cluster_free (&cluster);
}

/* ---- what is read ---------------------------------------------------------------------------------------------------------- */

static void what_is_not_said_is_as_the_header_says (void **state)
{
    (void) state;
    parse ("hosts: [a]\n");
    assert_null (cluster.name);
    assert_int_equal (MPL__LAUNCH_AUTO, cluster.launch);
    assert_null (cluster.transport.interface);
    assert_int_equal (0, cluster.transport.port_first);
    assert_int_equal (0, cluster.transport.port_last);
    assert_seconds (2, cluster.transport.heartbeat);
    assert_seconds (10, cluster.transport.self_end_after);
    assert_seconds (15, cluster.transport.lost_after);
    assert_int_equal (-1, cluster.pool.retries);
    assert_seconds (0, cluster.pool.task_timeout);
    assert_int_equal (0, cluster.pool.memory_limit);
    mpl__cluster_free (&cluster);
    parse ("{}\n");
    assert_int_equal (0, cluster.hosts.n);
    mpl__cluster_free (&cluster);
}

static void every_launch_has_its_word (void **state)
{
    static const char *const words[] = { "auto", "local", "ssh", "slurm", "pbs", "lsf", "sge" };

    (void) state;
    for (int i = MPL__LAUNCH_AUTO; i <= MPL__LAUNCH_SGE; i++) {
        char text[64];
        snprintf (text, sizeof text, "hosts: [a]\nlaunch: '%s'\n", words[i]);
        parse (text);
        assert_int_equal (i, cluster.launch);
        mpl__cluster_free (&cluster);
    }
}

static void values_at_their_bounds_are_right (void **state)
{
    (void) state;
    parse ("hosts:\n  - {name: a, slots: 1, ssh: {port: 1}}\n  - {name: b, slots: 65536, ssh: {port: 65535}}\n"
           "transport: {ports: 65535, heartbeat: 100ms, self_end_after: 0.2, lost_after: 1d}\n"
           "pool: {retries: 0, task_timeout: 0, memory_limit: 1M}\n");
    assert_int_equal (1, host ("a")->slots);
    assert_int_equal (65536, host ("b")->slots);
    assert_int_equal (65535, host ("b")->port);
    assert_int_equal (65535, cluster.transport.port_first);
    assert_int_equal (65535, cluster.transport.port_last);
    assert_seconds (0.1, cluster.transport.heartbeat);
    assert_seconds (0.2, cluster.transport.self_end_after);
    assert_seconds (86400, cluster.transport.lost_after);
    assert_int_equal (0, cluster.pool.retries);
    assert_int_equal (1048576, cluster.pool.memory_limit);
    mpl__cluster_free (&cluster);
    parse ("pool: {memory_limit: 0}\ntransport: {ports: 1-1, tunnel: none}\n");
    assert_int_equal (1, cluster.transport.port_last);
    mpl__cluster_free (&cluster);
}

static void texts_are_taken_as_they_are_written (void **state)
{
    (void) state;
    parse (
        "cluster: 2026\nhosts:\n  - name: a\n    workdir: \"~/my run\"\n    env: {YES: yes, N: 010, E: \"\", T: '~', Q: \"a=b\\nc\"}\n"
        "    ssh: {user: 007, options: [-p, 22, -o, \"ProxyCommand=nc %h %p\"]}\n");
    assert_string_equal ("2026", cluster.name);
    assert_string_equal ("~/my run", host ("a")->workdir);
    assert_string_equal ("YES=yes N=010 E= T=~ Q=a=b\nc", joined (host ("a")->env));
    assert_string_equal ("007", host ("a")->user);
    assert_string_equal ("-p 22 -o ProxyCommand=nc %h %p", joined (host ("a")->ssh_options));
    mpl__cluster_free (&cluster);
}

static void the_order_of_the_file_makes_no_difference (void **state)
{
    (void) state;
    parse ("hosts:\n  - a\n  - {slots: 2, name: b}\ndefaults: {slots: 4, ssh: {user: bob}}\n");
    assert_int_equal (4, host ("a")->slots);
    assert_string_equal ("bob", host ("a")->user);
    assert_int_equal (2, host ("b")->slots);
    mpl__cluster_free (&cluster);
}

static void a_host_says_otherwise_key_by_key (void **state)
{
    (void) state;
    parse ("defaults:\n  slots: 4\n  workdir: /d\n  env: {A: 1, B: 2}\n  ssh: {user: bob, port: 7, options: [-v]}\n"
           "hosts:\n  - a\n  - {name: b, slots: auto, workdir: ~/w, env: {B: 3, C: 4}, ssh: {user: amy}}\n"
           "  - {name: c, env: {}, ssh: {options: []}}\n");
    assert_string_equal ("A=1 B=2", joined (host ("a")->env));
    assert_int_equal (0, host ("b")->slots);
    assert_string_equal ("~/w", host ("b")->workdir);
    assert_string_equal ("A=1 B=3 C=4", joined (host ("b")->env));
    assert_string_equal ("amy", host ("b")->user);
    assert_int_equal (7, host ("b")->port);
    assert_string_equal ("-v", joined (host ("b")->ssh_options));
    assert_string_equal ("A=1 B=2", joined (host ("c")->env));
    assert_string_equal ("", joined (host ("c")->ssh_options));
    assert_string_equal ("bob", host ("c")->user);
    mpl__cluster_free (&cluster);
}

static void merges_give_what_is_not_said (void **state)
{
    (void) state;
    parse (
        "x-1: &one {slots: 1, workdir: /one, env: {A: 1}}\nx-2: &two {<<: *one, slots: 2}\nx-3: &three {slots: 3, ssh: {port: 3}}\n"
        "hosts:\n  - {name: a, <<: *two}\n  - {<<: [*three, *two], name: b}\n  - {<<: *one, name: c, slots: 9}\n  - {<<: [], name: d}\n");
    assert_int_equal (2, host ("a")->slots);                    /* a merge of a merge */
    assert_string_equal ("/one", host ("a")->workdir);
    assert_int_equal (3, host ("b")->slots);                    /* the first of a list wins */
    assert_string_equal ("/one", host ("b")->workdir);
    assert_int_equal (3, host ("b")->port);
    assert_int_equal (9, host ("c")->slots);                    /* its own key wins, wherever it stands */
    assert_string_equal ("A=1", joined (host ("c")->env));
    assert_int_equal (0, host ("d")->slots);
    mpl__cluster_free (&cluster);
}

static void merged_variables_stand_below_their_own (void **state)
{
    (void) state;
    parse ("x-e: &e {A: 1, B: 2}\nx-f: &f {<<: *e, B: 3}\ndefaults: {env: {Z: 0, A: 0}}\n"
           "hosts:\n  - {name: a, env: {C: 4, <<: [*f, *e], A: 5}}\n");
    assert_string_equal ("Z=0 C=4 A=5 B=3", joined (host ("a")->env));
    mpl__cluster_free (&cluster);
}

static void as_many_variables_as_allowed_and_no_more (void **state)
{
    char text[8192] = "hosts: [a]\ndefaults:\n  env:\n";

    (void) state;
    for (int i = 0; i < 256; i++)
        snprintf (text + strlen (text), 32, "    V%d: x\n", i);
    parse (text);
    size_t n = 0;
    while (host ("a")->env[n])
        n++;
    assert_int_equal (256, n);
    mpl__cluster_free (&cluster);
    snprintf (text + strlen (text), 32, "    V256: x\n");
    assert_int_equal (-1, mpl__cluster_parse (&cluster, "t.yaml", text, strlen (text), &err));
    assert_string_equal ("t.yaml:260:5: more than 256 variables", err.text);
}

/* ---- large and strange files ----------------------------------------------------------------------------------------------- */

static void as_many_hosts_as_allowed_are_read (void **state)
{
    (void) state;
    parse ("defaults: {env: {A: 1}, ssh: {user: bob}}\nhosts: [\"n[1-65536]\"]\n");
    assert_int_equal (65536, cluster.hosts.n);
    assert_string_equal ("n65536", cluster.hosts.hosts[65535].name);
    assert_ptr_equal (cluster.hosts.hosts[0].env, cluster.hosts.hosts[65535].env);      /* shared, or this would be large */
    mpl__cluster_free (&cluster);
}

static void many_hosts_of_many_lines_are_read (void **state)
{
    size_t size = MPL__TREE_BYTES, len;
    char *text = malloc (size);

    (void) state;
    assert_non_null (text);
    len = (size_t) snprintf (text, size, "hosts:\n");
    for (int i = 0; i < 10000; i++)
        len += (size_t) snprintf (text + len, size - len,
                                  "  - {name: host%05d.example.org, slots: %d, env: {RACK: %d}}\n", i, 1 + i % 64,
                                  i / 40);
    parse (text);
    assert_int_equal (10000, cluster.hosts.n);
    assert_string_equal ("RACK=249", joined (cluster.hosts.hosts[9999].env));
    mpl__cluster_free (&cluster);
    free (text);
}

static void assert_not_read (const char *path, int code, const char *words)
{
    uint64_t until = mpl__clock_in_ms (2000);

    assert_int_equal (-1, mpl__cluster_read (&cluster, path, &err));
    assert_int_equal (code, errno);
    if (!strstr (err.text, words))
        fail_msg ("%s, not %s", err.text, words);
    assert_true (mpl__clock_ns () < until);
    assert_null (cluster.hosts.hosts);
}

static void what_is_no_cluster_file_is_refused_at_once (void **state)
{
    char folder[] = "/tmp/mpl-cluster-XXXXXX", path[100];

    (void) state;
    assert_non_null (mkdtemp (folder));
    assert_not_read (folder, EISDIR, " is a folder; a cluster file is a regular file");
    snprintf (path, sizeof path, "%s/file", folder);
    assert_not_read (path, ENOENT, "No such file or directory; a cluster file is needed there");
    assert_int_equal (0, mkfifo (path, 0600));
    assert_not_read (path, EINVAL, " is a pipe; a cluster file is a regular file");
    unlink (path);
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal (0, ftruncate (fd, 10000000));
    assert_not_read (path, EFBIG, " has 10000000 bytes; a cluster file has at most 1048576");
    assert_int_equal (0, ftruncate (fd, 100));
    assert_not_read (path, EINVAL, ":1:1: a NUL byte; a cluster file is text");
    close (fd);
    unlink (path);
    rmdir (folder);
    assert_not_read ("/dev/zero", EINVAL, "/dev/zero is a device; a cluster file is a regular file");
    assert_not_read ("/proc/self/maps", EINVAL, "/proc/self/maps:1:");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (sample_lab),
        cmocka_unit_test (sample_one),
        cmocka_unit_test (sample_anchors),
        cmocka_unit_test (sample_batch),
        cmocka_unit_test (sample_firewall),
        cmocka_unit_test (what_is_not_said_is_as_the_header_says),
        cmocka_unit_test (every_launch_has_its_word),
        cmocka_unit_test (values_at_their_bounds_are_right),
        cmocka_unit_test (texts_are_taken_as_they_are_written),
        cmocka_unit_test (the_order_of_the_file_makes_no_difference),
        cmocka_unit_test (a_host_says_otherwise_key_by_key),
        cmocka_unit_test (merges_give_what_is_not_said),
        cmocka_unit_test (merged_variables_stand_below_their_own),
        cmocka_unit_test (as_many_variables_as_allowed_and_no_more),
        cmocka_unit_test (as_many_hosts_as_allowed_are_read),
        cmocka_unit_test (many_hosts_of_many_lines_are_read),
        cmocka_unit_test (what_is_no_cluster_file_is_refused_at_once),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
