/* Fuzz target: everything that names hosts and slots. Any bytes are read or refused with a sentence; what was read
 * is within its bounds; what was refused changed nothing. Bytes that are no YAML get nowhere in a cluster file, so
 * they also serve to change a right one. */
#include "conf/allocation.h"
#include "conf/cluster.h"
#include "conf/hostlist.h"
#include "conf/hosts.h"
#include "conf/units.h"
#include "conf/words.h"
#include "tests/fuzz/smoke.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHANGES_MAX 16

static void expect (int holds, const char *promise)
{
    if (holds)
        return;
    fprintf (stderr, "does not hold: %s\n", promise);
    abort ();
}

static void expect_refused (const mpl_err_t *err)
{
    expect (errno != 0 && err->code == errno, "a refusal has its errno");
    expect (memchr (err->text, '\0', sizeof err->text) != NULL && strlen (err->text) > 10,
            "a refusal has its sentence");
    expect (!strchr (err->text, '\n') && !strchr (err->text, '\x1b'),
            "a sentence is one line that a terminal can show");
}

static void expect_name (const char *name)
{
    size_t len = strlen (name);

    expect (len > 0 && len <= MPL__HOST_NAME_MAX, "a name has its length");
    expect (name[0] != '-', "a name is no option");
    expect (strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:%") == len,
            "a name has its letters");
}

static void expect_hosts (const mpl_hosts_t *hosts)
{
    expect (hosts->n <= MPL__HOSTS_MAX, "there are not too many hosts");
    for (size_t i = 0; i < hosts->n; i++) {
        const mpl_host_t *host = &hosts->hosts[i];
        expect_name (host->name);
        expect (host->slots >= 0 && host->slots <= MPL__SLOTS_MAX, "slots are within their bounds");
        expect (host->max_slots >= 0 && host->max_slots <= MPL__SLOTS_MAX, "max_slots are within their bounds");
        expect (host->port >= 0 && host->port <= 65535, "a port is one");
        expect (!host->user || (host->user[0] && host->user[0] != '-'), "a user is no option");
        expect (hosts->n > 100 || mpl__hosts_find (hosts, host->name) == (int) i, "a host is there once");
    }
}

/* ---- lists and units: texts that end at a NUL ------------------------------------------------------------------ */

static void fuzz_hostlist (const char *text)
{
    mpl_hostlist_t list = { 0 };
    mpl_err_t err;

    if (mpl__hostlist_parse (&list, text, &err) == 0)
        for (size_t i = 0; i < list.n; i++)
            expect_name (list.names[i]);
    else {
        expect_refused (&err);
        expect (list.n == 0 && !list.names, "a list that is refused names nothing");
    }
    mpl__hostlist_free (&list);
}

static void fuzz_list (const char *text)
{
    mpl_hosts_t hosts = { 0 };
    mpl_err_t err;

    expect (mpl__hosts_add_list (&hosts, "a:2,b", &err) == 0, "a right list is read");
    if (mpl__hosts_add_list (&hosts, text, &err) < 0) {
        expect_refused (&err);
        expect (hosts.n == 2 && hosts.hosts[0].slots == 2 && hosts.hosts[1].slots == 1,
                "a list that is refused changes nothing");
    }
    expect_hosts (&hosts);
    mpl__hosts_free (&hosts);
}

static void fuzz_units (const char *text)
{
    static const char *const words[] = { "heartbeat", "lost_after", "slots", "n", NULL };
    double seconds = -1;
    size_t bytes = 42;

    if (mpl__duration_parse (text, &seconds) == 0)
        expect (seconds >= 0 && seconds <= MPL__DURATION_MAX, "a duration is within its bounds");
    else
        expect (seconds < 0 && (errno == EINVAL || errno == ERANGE), "what is no duration changes nothing");
    if (mpl__size_parse (text, &bytes) < 0)
        expect (bytes == 42 && (errno == EINVAL || errno == ERANGE), "what is no size changes nothing");
    mpl__nearest (text, words);
    expect (mpl__host_is_here (text) == 0 || *text, "nothing is not here");
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static void fuzz_hostfile (const char *data, size_t size)
{
    mpl_hosts_t hosts = { 0 };
    mpl_err_t err;

    if (mpl__hosts_parse_file (&hosts, "hosts", data, size, &err) < 0) {
        expect_refused (&err);
        expect (hosts.n == 0, "a hostfile that is refused names nothing");
    } else
        expect (hosts.n > 0, "a hostfile names a host");
    expect_hosts (&hosts);
    mpl__hosts_free (&hosts);
}

static void expect_words (char **words)
{
    for (; words && *words; words++)
        expect (strlen (*words) < 2000000, "a word has its end");
}

static void fuzz_cluster (const char *data, size_t size)
{
    mpl_cluster_t cluster = { .launch = 42 };
    mpl_err_t err;

    if (mpl__cluster_parse (&cluster, "c.yaml", data, size, &err) < 0) {
        expect_refused (&err);
        expect (!strncmp (err.text, "c.yaml", 6), "a refusal begins with its place");
        expect (cluster.launch == 42 && !cluster.hosts.hosts, "a cluster file that is refused changes nothing");
        return;
    }
    expect_hosts (&cluster.hosts);
    for (size_t i = 0; i < cluster.hosts.n; i++) {
        expect_words (cluster.hosts.hosts[i].env);
        expect_words (cluster.hosts.hosts[i].ssh_options);
    }
    expect (cluster.launch >= MPL__LAUNCH_AUTO && cluster.launch <= MPL__LAUNCH_SGE, "launch is one");
    const mpl_transport_t *transport = &cluster.transport;
    expect (transport->heartbeat > 0 && transport->heartbeat < transport->self_end_after
                && transport->self_end_after < transport->lost_after,
            "the heartbeat comes before the end, and the end before the loss");
    expect (transport->port_first >= 0 && transport->port_first <= transport->port_last
                && transport->port_last <= 65535,
            "ports are in order");
    expect (cluster.pool.retries >= -1 && cluster.pool.task_timeout >= 0, "limits of pools are within their bounds");
    mpl__cluster_free (&cluster);
}

/* ---- what a batch system granted ------------------------------------------------------------------------------- */

static const char *const *variables;    /* name, value, name, value, ..., NULL */

static char *ask (const char *name)
{
    for (const char *const *at = variables; *at; at += 2)
        if (!strcmp (*at, name))
            return (char *) at[1];
    return NULL;
}

/* `source` is the variable, or the file, that a refusal has to name. Returns whether it was read. */
static int fuzz_allocation (mpl_launch_t kind, const char *source, const char *const *said)
{
    mpl_allocation_t allocation;
    mpl_err_t err;

    variables = said;
    if (mpl__allocation_read (&allocation, kind, ask, &err) < 0) {
        expect_refused (&err);
        expect (strstr (err.text, source) != NULL, "a refusal names what is wrong");
        expect (allocation.hosts.n == 0, "an allocation that is refused has no host");
        return 0;
    }
    expect (allocation.hosts.n > 0, "an allocation has a host");
    expect_hosts (&allocation.hosts);
    for (size_t i = 0; i < allocation.hosts.n; i++)
        expect (allocation.hosts.hosts[i].slots > 0, "a batch system says how many slots");
    mpl__allocation_free (&allocation);
    return 1;
}

#define FUZZ(kind, source, ...) fuzz_allocation (kind, source, (const char *const[]){ __VA_ARGS__, NULL })
#define JOB "SLURM_JOB_ID", "7"
#define NODES "SLURM_JOB_NODELIST", right_nodes

/* As many counts as there are nodes, since otherwise both are refused. */
static const char right_nodes[] = "node[01-08,12],rack[1-2]n[1-6].example.org,gpu1,gpu2,gpu3,gpu4,gpu5,login[1-3]";
static const char right_counts[] = "4(x2),2,16(x3),1,4(x2),2,16(x3),1,4(x2),2,16(x3),1,4(x2),2,16(x3),1,128";

static void fuzz_variables (const char *text)
{
    if (!*text)                         /* is as if it were not there */
        return;
    expect (FUZZ (MPL__LAUNCH_SLURM, "SLURM", JOB, NODES, "SLURM_TASKS_PER_NODE", right_counts), "a right one is read");
    FUZZ (MPL__LAUNCH_SLURM, "SLURM_JOB_NODELIST", JOB, "SLURM_JOB_NODELIST", text, "SLURM_TASKS_PER_NODE",
          right_counts);
    FUZZ (MPL__LAUNCH_SLURM, "SLURM_TASKS_PER_NODE", JOB, NODES, "SLURM_TASKS_PER_NODE", text);
    FUZZ (MPL__LAUNCH_SLURM, "SLURM_JOB_CPUS_PER_NODE", JOB, NODES, "SLURM_JOB_CPUS_PER_NODE", text);
    FUZZ (MPL__LAUNCH_SLURM, "SLURM_CPUS_PER_TASK", JOB, NODES, "SLURM_JOB_CPUS_PER_NODE", "8(x29)",
          "SLURM_CPUS_PER_TASK", text);
    FUZZ (MPL__LAUNCH_LSF, "LSB_MCPU_HOSTS", "LSB_MCPU_HOSTS", text);
    FUZZ (MPL__LAUNCH_LSF, "LSB_HOSTS", "LSB_HOSTS", text);
}

/* The file has no name on a disk; it is there until we end. */
static void fuzz_files (const char *data, size_t size)
{
    static int fd = -1;
    static char path[32];

    if (fd < 0 && (fd = memfd_create ("granted", MFD_CLOEXEC)) < 0)
        abort ();
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    if (ftruncate (fd, 0) < 0 || pwrite (fd, data, size, 0) != (ssize_t) size)
        abort ();
    FUZZ (MPL__LAUNCH_PBS, path, "PBS_NODEFILE", path);
    FUZZ (MPL__LAUNCH_LSF, path, "LSB_DJOB_HOSTFILE", path);
    FUZZ (MPL__LAUNCH_SGE, path, "PE_HOSTFILE", path);
}

/* ---- right texts and what they are changed to ------------------------------------------------------------------ */

static const char right_cluster[] =
    "cluster: lab\nx-a: &a {slots: 4, env: &e {A: 1}}\ndefaults: {slots: auto, workdir: ~/run, env: {OMP_NUM_THREADS: 1}}\nhosts:\n"
    "  - name: node[01-08,12]\n    slots: 16\n    <<: *a\n    ssh: {user: alice, port: 22, options: [-o, 'A=b']}\n  - {<<: [*a], name: \"n[1-3]x\"}\n"
    "  - localhost\n  - ::1\nlaunch: auto\ntransport: {interface: eth0, ports: 40000-40100, heartbeat: 2s, self_end_after: 10s, lost_after: 1h30m}\n"
    "pool: {retries: 2, task_timeout: 10min, memory_limit: 1.5GiB}\n";
static const char right_hostfile[] =
    "# hosts\nnode[01-08] slots=4 max_slots=8\nbob@a:4\n  b user=amy port=22 # two\n\n[::1]:2\nc\nc\n";
static const char right_list[] = "bob@a:4,node[01-08,12]:2,[::1]:4,b,c:auto,r[1-2]n[1-2].x";
static const char right_pairs[] = "node01 4 node02 16 a.example.org 2 b 1 node03 4 node04 16 c.example.org 2 d 1 e 8";
static const char right_grant[] =
    "node01 4 all.q@node01 UNDEFINED\nnode02 16 all.q@node02 <NULL>\r\n\n"
    "\ta 1 q 0,0:0,1\nb 2\nnode01 4 all.q@x UNDEFINED\n";

/* A right text with some places changed as the bytes say: other letters, letters left out or put in, pieces that
 * come twice. The copy is as long as its text, so that a byte too far is seen. */
static char *changed (const char *right, const uint8_t *data, size_t size, size_t *len)
{
    char *text = malloc (strlen (right) + 65 * CHANGES_MAX + 1);

    if (!text)
        abort ();
    *len = strlen (right);
    memcpy (text, right, *len);
    for (int n = 0; n < CHANGES_MAX && size >= 4 && *len > 64; n++, data += 4, size -= 4) {
        size_t at = ((size_t) data[0] << 8 | data[1]) % *len, some = data[3] % 64;
        switch (data[2] % 4) {
        case 0:
            text[at] = (char) data[3];
            break;
        case 1:
            text[at] = "[]{}:,-*&<#'\"%\n 0~"[data[3] % 18];
            break;
        case 2:
            some = some > *len - at ? *len - at : some;
            memmove (text + at, text + at + some, *len - at - some);
            *len -= some;
            break;
        case 3:
            some = some > *len - at ? *len - at : some;
            memmove (text + at + some, text + at, *len - at);
            *len += some;
            break;
        }
    }
    text[*len] = '\0';
    return realloc (text, *len + 1);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    size_t len;
    char *text = malloc (size + 1);

    if (!text)
        abort ();
    memcpy (text, data, size);
    text[size] = '\0';
    fuzz_units (text);
    fuzz_hostlist (text);
    fuzz_list (text);
    fuzz_variables (text);
    free (text);
    fuzz_files ((const char *) data, size);
    fuzz_hostfile ((const char *) data, size);
    fuzz_cluster ((const char *) data, size);
    text = changed (right_cluster, data, size, &len);
    fuzz_cluster (text, len);
    free (text);
    text = changed (right_hostfile, data, size, &len);
    fuzz_hostfile (text, len);
    free (text);
    text = changed (right_list, data, size, &len);
    fuzz_list (text);
    fuzz_hostlist (text);
    fuzz_variables (text);
    free (text);
    text = changed (right_nodes, data, size, &len);
    fuzz_variables (text);
    free (text);
    text = changed (right_counts, data, size, &len);
    fuzz_variables (text);
    free (text);
    text = changed (right_pairs, data, size, &len);
    fuzz_variables (text);
    free (text);
    text = changed (right_grant, data, size, &len);
    fuzz_files (text, len);
    free (text);
    return 0;
}
