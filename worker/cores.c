#include "worker/cores.h"
#include "base/assert.h"

/* The core that comes at place `place` when each socket in turn gives its next one. */
static int deal_by_socket (const mpl_topology_t *topology, int place)
{
    for (int turn = 0;; turn++) {
        int nth = 0;                    /* of the cores of its socket, which stand side by side */
        for (int i = 0; i < topology->n; i++) {
            const mpl_pu_t *pu = &topology->pus[i];
            if (i && pu->core == pu[-1].core)
                continue;
            nth = i && pu->socket == pu[-1].socket ? nth + 1 : 0;
            if (nth == turn && place-- == 0)
                return pu->core;
        }
    }
}

static int socket_of (const mpl_topology_t *topology, int core)
{
    int i = 0;

    while (topology->pus[i].core != core)
        i++;
    return topology->pus[i].socket;
}

int mpl__cores_assign (const mpl_topology_t *topology, mpl_deal_t deal, mpl_hold_t hold, int n_ranks, int rank,
                       mpl_cpuset_t *set)
{
    int last = 0;

    mpl__assert (topology->n > 0 && rank >= 0 && rank < n_ranks);
    for (int i = 0; i < topology->n; i++)
        last = topology->pus[i].pu > last ? topology->pus[i].pu : last;
    if (mpl__cpuset_init (set, last + 1) < 0)
        return -1;
    if (hold == MPL__HOLD_NONE)
        return 0;
    int place = rank % topology->n_cores;
    int core = deal == MPL__DEAL_SOCKET ? deal_by_socket (topology, place) : place;
    int socket = socket_of (topology, core);
    for (int i = 0; i < topology->n; i++)
        if (hold == MPL__HOLD_SOCKET ? topology->pus[i].socket == socket : topology->pus[i].core == core)
            mpl__cpuset_add (set, topology->pus[i].pu);
    return (n_ranks - 1) / topology->n_cores + 1;
}
