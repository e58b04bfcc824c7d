/* No memory: each allocation in turn fails, until none does; what fails says so, changes nothing and leaves
 * nothing behind (which valgrind and the address sanitizer see). Linked with --wrap, so it is this project's own
 * allocations that fail. */
#include "conf/cluster.h"
#include "conf/hosts.h"
#include "conf/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static long countdown = -1;             /* allocations until one fails; -1: none does */

static int fails (void)
{
    if (countdown < 0 || countdown-- > 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__real_malloc (size_t size);
void *__real_calloc (size_t n, size_t size);
void *__real_realloc (void *old, size_t size);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t n, size_t size);
void *__wrap_realloc (void *old, size_t size);

void *__wrap_malloc (size_t size)
{
    return fails () ? NULL : __real_malloc (size);
}

void *__wrap_calloc (size_t n, size_t size)
{
    return fails () ? NULL : __real_calloc (n, size);
}

void *__wrap_realloc (void *old, size_t size)
{
    return fails () ? NULL : __real_realloc (old, size);
}

static mpl_hosts_t hosts;
static mpl_err_t err;

static int add_list (void)
{
    return mpl__hosts_add_list (&hosts, "bob@n[1-40]:4,a,a,[::1]:2", &err);
}

static int add_file (void)
{
    static const char text[] = "bob@n[1-400]:4\na slots=2 user=amy\na\nb\n";

    return mpl__hosts_parse_file (&hosts, "h", text, strlen (text), &err);
}

static int read_sample (void)
{
    const char *source = getenv ("MPL_SRC");
    char path[4200];
    mpl_cluster_t cluster;

    snprintf (path, sizeof path, "%s/conf/samples/anchors.yaml", source ? source : ".");
    int rc = mpl__cluster_read (&cluster, path, &err);
    if (rc == 0)
        mpl__cluster_free (&cluster);
    return rc;
}

static int parse_large (void)
{
    static const char text[] =
        "defaults: {env: {A: 1}, ssh: {user: bob, options: [-v]}}\nhosts: [\"n[1-2000]\", {name: x, env: {B: 2}}]\n";
    mpl_cluster_t cluster;
    int rc = mpl__cluster_parse (&cluster, "t.yaml", text, strlen (text), &err);

    if (rc == 0)
        mpl__cluster_free (&cluster);
    return rc;
}

static void assert_survives (int (*fn) (void))
{
    long n = 0;
    int rc;

    do {
        assert_int_equal (0, mpl__hosts_add_list (&hosts, "before:3", &err));
        countdown = n++;
        errno = 0;
        rc = fn ();
        int code = errno;
        countdown = -1;
        if (rc < 0) {
            assert_int_equal (ENOMEM, code);
            assert_int_equal (ENOMEM, err.code);
            assert_int_equal (1, hosts.n);
            assert_int_equal (3, hosts.hosts[0].slots);
        }
        mpl__hosts_free (&hosts);
    } while (rc < 0);
    assert_true (n > 5);
}

static void lists_survive_it (void **state)
{
    (void) state;
    assert_survives (add_list);
}

static void hostfiles_survive_it (void **state)
{
    (void) state;
    assert_survives (add_file);
}

static void cluster_files_survive_it (void **state)
{
    (void) state;
    assert_survives (read_sample);
    assert_survives (parse_large);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (lists_survive_it),
        cmocka_unit_test (hostfiles_survive_it),
        cmocka_unit_test (cluster_files_survive_it),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
