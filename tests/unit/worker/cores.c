/* Who gets which processing units, on machines that are written down here. */
#include "worker/cores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_MAX 32

/* A machine: how many cores each socket has (0: no more sockets), and how many units a core. The units of a core are
 * numbered as Linux does with two threads a core: all first ones, then all second ones. */
typedef struct {
    int cores[4], units;
} machine_t;

static const machine_t TWO = { { 2 }, 1 }, SMT = { { 4, 4 }, 2 }, UNEVEN = { { 2, 4, 1 }, 1 }, ONE = { { 1 }, 1 };

static mpl_topology_t build (const machine_t *machine, mpl_pu_t *pus)
{
    mpl_topology_t self = { .pus = pus };

    for (int socket = 0; socket < 4 && machine->cores[socket]; socket++)
        self.n_cores += machine->cores[self.n_sockets++];
    for (int socket = 0, core = 0; socket < self.n_sockets; socket++)
        for (int i = 0; i < machine->cores[socket]; i++, core++)
            for (int unit = 0; unit < machine->units; unit++)
                pus[self.n++] = (mpl_pu_t) { core + unit * self.n_cores, core, socket };
    assert_true (self.n <= N_MAX);
    return self;
}

static const char *assigned (const mpl_topology_t *topology, mpl_deal_t deal, mpl_hold_t hold, int n, int rank, int *share)
{
    static char text[100];
    mpl_cpuset_t set;

    *share = mpl__cores_assign (topology, deal, hold, n, rank, &set);
    mpl__cpuset_text (&set, text, sizeof text);
    mpl__cpuset_free (&set);
    return text;
}

/* `want`: the units of rank 0, 1, ... separated by spaces. */
static void expect (const machine_t *machine, mpl_deal_t deal, mpl_hold_t hold, int n, int share, const char *want)
{
    char got[1000] = "";
    mpl_pu_t pus[N_MAX];
    mpl_topology_t topology = build (machine, pus);

    for (int rank = 0; rank < n; rank++) {
        int found;
        size_t len = strlen (got);
        snprintf (got + len, sizeof got - len, "%s%s", rank ? " " : "", assigned (&topology, deal, hold, n, rank, &found));
        assert_int_equal (share, found);
    }
    assert_string_equal (want, got);
}

static void ranks_go_to_cores_in_their_order (void **state)
{
    (void) state;
    expect (&TWO, MPL__DEAL_CORE, MPL__HOLD_CORE, 2, 1, "0 1");
    expect (&TWO, MPL__DEAL_SLOT, MPL__HOLD_CORE, 1, 1, "0");
    expect (&SMT, MPL__DEAL_CORE, MPL__HOLD_CORE, 8, 1, "0,8 1,9 2,10 3,11 4,12 5,13 6,14 7,15");
    expect (&SMT, MPL__DEAL_SLOT, MPL__HOLD_CORE, 3, 1, "0,8 1,9 2,10");
}

static void by_socket_each_socket_has_its_turn (void **state)
{
    (void) state;
    expect (&TWO, MPL__DEAL_SOCKET, MPL__HOLD_CORE, 2, 1, "0 1");
    expect (&SMT, MPL__DEAL_SOCKET, MPL__HOLD_CORE, 5, 1, "0,8 4,12 1,9 5,13 2,10");
    expect (&SMT, MPL__DEAL_SOCKET, MPL__HOLD_SOCKET, 3, 1, "0-3,8-11 4-7,12-15 0-3,8-11");
}

static void no_core_is_shared_while_another_socket_has_one_left (void **state)
{
    (void) state;
    expect (&UNEVEN, MPL__DEAL_SOCKET, MPL__HOLD_CORE, 7, 1, "0 2 6 1 3 4 5");
    expect (&UNEVEN, MPL__DEAL_SOCKET, MPL__HOLD_SOCKET, 7, 1, "0-1 2-5 6 0-1 2-5 2-5 2-5");
    expect (&UNEVEN, MPL__DEAL_SOCKET, MPL__HOLD_CORE, 9, 2, "0 2 6 1 3 4 5 0 2");
}

static void held_to_a_socket_sockets_fill_in_the_order_of_their_cores (void **state)
{
    (void) state;
    expect (&SMT, MPL__DEAL_CORE, MPL__HOLD_SOCKET, 6, 1, "0-3,8-11 0-3,8-11 0-3,8-11 0-3,8-11 4-7,12-15 4-7,12-15");
    expect (&UNEVEN, MPL__DEAL_SLOT, MPL__HOLD_SOCKET, 8, 2, "0-1 0-1 2-5 2-5 2-5 2-5 6 0-1");
}

static void more_ranks_than_cores_begin_again_and_are_told (void **state)
{
    (void) state;
    expect (&TWO, MPL__DEAL_CORE, MPL__HOLD_CORE, 5, 3, "0 1 0 1 0");
    expect (&SMT, MPL__DEAL_SOCKET, MPL__HOLD_CORE, 10, 2, "0,8 4,12 1,9 5,13 2,10 6,14 3,11 7,15 0,8 4,12");
}

static void one_unit_takes_everybody (void **state)
{
    (void) state;
    for (mpl_deal_t deal = MPL__DEAL_SLOT; deal <= MPL__DEAL_SOCKET; deal++) {
        expect (&ONE, deal, MPL__HOLD_CORE, 3, 3, "0 0 0");
        expect (&ONE, deal, MPL__HOLD_SOCKET, 1, 1, "0");
    }
}

static void unbound_ranks_get_an_empty_set (void **state)
{
    (void) state;
    expect (&SMT, MPL__DEAL_SOCKET, MPL__HOLD_NONE, 2, 0, " ");
}

static void three_hundred_ranks_are_spread_evenly (void **state)
{
    mpl_pu_t pus[N_MAX];
    mpl_topology_t topology = build (&UNEVEN, pus);

    (void) state;
    for (mpl_deal_t deal = MPL__DEAL_SLOT; deal <= MPL__DEAL_SOCKET; deal++) {
        int n_on[N_MAX] = { 0 }, share;
        for (int rank = 0; rank < 300; rank++) {
            n_on[atoi (assigned (&topology, deal, MPL__HOLD_CORE, 300, rank, &share))]++;
            assert_int_equal (43, share);               /* 300 = 7 x 42 + 6 */
        }
        for (int core = 0; core < topology.n_cores; core++)
            assert_in_range (n_on[core], 42, 43);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (ranks_go_to_cores_in_their_order),
        cmocka_unit_test (by_socket_each_socket_has_its_turn),
        cmocka_unit_test (no_core_is_shared_while_another_socket_has_one_left),
        cmocka_unit_test (held_to_a_socket_sockets_fill_in_the_order_of_their_cores),
        cmocka_unit_test (more_ranks_than_cores_begin_again_and_are_told),
        cmocka_unit_test (one_unit_takes_everybody),
        cmocka_unit_test (unbound_ranks_get_an_empty_set),
        cmocka_unit_test (three_hundred_ranks_are_spread_evenly),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
