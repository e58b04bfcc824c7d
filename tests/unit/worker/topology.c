/* The processing units of this machine, and of machines that hwloc pretends. Without libhwloc there is one test. */
#include "worker/topology.h"
#include "worker/cpuset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static mpl_err_t err;

static int count_usable (void)
{
    mpl_cpuset_t set;

    assert_int_equal (0, mpl__cpuset_of_self (&set));
    int n = CPU_COUNT_S (set.size, set.bits);
    mpl__cpuset_free (&set);
    return n;
}

static mpl_topology_t read_it (const char *pretended)
{
    mpl_topology_t self;

    if (pretended)
        setenv ("HWLOC_SYNTHETIC", pretended, 1);
    if (mpl__topology_read (&self, &err) < 0)
        fail_msg ("%s", err.text);
    unsetenv ("HWLOC_SYNTHETIC");
    return self;
}

/* Numbers are dense, and units stand by core and cores by socket. */
static void expect_order (const mpl_topology_t *self)
{
    for (int i = 0; i < self->n; i++) {
        const mpl_pu_t *pu = &self->pus[i], *before = i ? pu - 1 : NULL;
        assert_in_range (pu->core, before ? before->core : 0, before ? before->core + 1 : 0);
        assert_in_range (pu->socket, before ? before->socket : 0, before ? before->socket + 1 : 0);
    }
    assert_int_equal (self->n_cores, self->pus[self->n - 1].core + 1);
    assert_int_equal (self->n_sockets, self->pus[self->n - 1].socket + 1);
}

static void every_unit_that_may_be_used_is_there_once (void **state)
{
    mpl_topology_t self = read_it (NULL);
    mpl_cpuset_t usable;

    (void) state;
    assert_int_equal (count_usable (), self.n);
    expect_order (&self);
    assert_int_equal (0, mpl__cpuset_of_self (&usable));
    for (int i = 0; i < self.n; i++) {
        assert_true (mpl__cpuset_has (&usable, self.pus[i].pu));
        for (int k = 0; k < i; k++)
            assert_int_not_equal (self.pus[k].pu, self.pus[i].pu);
    }
    mpl__cpuset_free (&usable);
    mpl__topology_free (&self);
}

static void only_what_the_thread_may_use_counts (void **state)
{
    mpl_cpuset_t before, last;
    mpl_topology_t all = read_it (NULL);
    int pu = all.pus[all.n - 1].pu;

    (void) state;
    assert_int_equal (0, mpl__cpuset_of_self (&before));
    assert_int_equal (0, mpl__cpuset_init (&last, pu + 1));
    mpl__cpuset_add (&last, pu);
    assert_int_equal (0, mpl__cpuset_bind_self (&last));
    mpl_topology_t self = read_it (NULL);
    assert_int_equal (0, mpl__cpuset_bind_self (&before));
    assert_int_equal (1, self.n);
    assert_int_equal (pu, self.pus[0].pu);
    expect_order (&self);                               /* numbered from 0, though it is the machine's last */
    mpl__cpuset_free (&before);
    mpl__cpuset_free (&last);
    mpl__topology_free (&all);
    mpl__topology_free (&self);
}

static void a_pretended_machine_is_shown_whole (void **state)
{
    /* Without a NUMA level hwloc adds one, with a memcpy that valgrind does not like. */
    static const struct { const char *text; int n, n_cores, n_sockets; } machines[] = {
        { "pack:2 numa:1 core:4 pu:2", 16, 8, 2 },
        { "socket:2 numa:1 core:4 pu:2", 16, 8, 2 },
        { "pack:1 numa:1 core:2 pu:1", 2, 2, 1 },
        { "pack:2 numa:2 l3:2 core:2 pu:1", 16, 16, 2 },
        { "numa:1 pu:3", 3, 3, 1 },                     /* no cores, no sockets */
        { "numa:1 core:3 pu:4", 12, 3, 1 },
        { "numa:2 pack:4 core:64 pu:4", 2048, 512, 8 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        mpl_topology_t self = read_it (machines[i].text);
        assert_int_equal (machines[i].n, self.n);
        assert_int_equal (machines[i].n_cores, self.n_cores);
        assert_int_equal (machines[i].n_sockets, self.n_sockets);
        expect_order (&self);
        mpl__topology_free (&self);
    }
}

static void a_pretended_machine_that_is_said_to_be_this_one_has_what_may_be_used (void **state)
{
    (void) state;
    setenv ("HWLOC_THISSYSTEM", "1", 1);
    mpl_topology_t self = read_it ("numa:1 pack:8 core:64 pu:4");
    unsetenv ("HWLOC_THISSYSTEM");
    assert_int_equal (count_usable (), self.n);
    mpl__topology_free (&self);
}

static void without_hwloc_a_sentence_says_what_is_missing (void **state)
{
    mpl_topology_t self;

    (void) state;
    if (mpl__topology_read (&self, &err) == 0) {
        mpl__topology_free (&self);
        skip ();
    }
    assert_int_equal (ENOTSUP, err.code);
    assert_non_null (strstr (err.text, "binding to cores needs libhwloc"));
    assert_null (self.pus);
    mpl__topology_free (&self);
}

int main (void)
{
    const struct CMUnitTest with[] = {
        cmocka_unit_test (every_unit_that_may_be_used_is_there_once),
        cmocka_unit_test (only_what_the_thread_may_use_counts),
        cmocka_unit_test (a_pretended_machine_is_shown_whole),
        cmocka_unit_test (a_pretended_machine_that_is_said_to_be_this_one_has_what_may_be_used),
    }, without[] = {
        cmocka_unit_test (without_hwloc_a_sentence_says_what_is_missing),
    };
    mpl_topology_t self;

    cmocka_set_message_output (CM_OUTPUT_TAP);
    int is_missing = mpl__topology_read (&self, &err) < 0 && err.code == ENOTSUP;
    mpl__topology_free (&self);
    return is_missing ? cmocka_run_group_tests (without, NULL, NULL) : cmocka_run_group_tests (with, NULL, NULL);
}
