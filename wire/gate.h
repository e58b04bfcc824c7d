/* gate.h - where a chunk that is on its way to a worker on another host meets a recall that may overtake it.
 *
 * On one host main sets the claim word (wire/page.h) before it sends a chunk. From another host it cannot: the worker
 * sets it when the chunk arrives, and the agent there, which recalls on main's behalf, may come first. One gate for
 * each claim word says who did: each of them puts the chunk's number there, with a bit for a recall, by
 * compare-and-swap. What was recalled before it arrived is not run; what arrived first is recalled by its claim word.
 * A chunk's number has its serial in the lower 40 bits and never the highest bit (broker/core.h), and a worker gets
 * chunks in the order of their serials. */
#ifndef WIRE_GATE_H
#define WIRE_GATE_H

#include "wire/page.h"

typedef struct {
    _Alignas (4096) _Atomic uint64_t chunks[MPL__SLOTS];
} mpl_gates_t;

_Static_assert (sizeof (mpl_gates_t) == 4096, "each worker's can be mapped by themselves");

#define MPL__GATE_RECALLED (UINT64_C (1) << 63)
#define MPL__GATE_SERIAL ((UINT64_C (1) << 40) - 1)

/* The worker: the chunk of n items has arrived; sets its claim word, so that it is run, or not when it was recalled.
 * A long chunk that was recalled may come after a short one that has its word since: then it changes nothing, and its
 * tag says no to whoever wants to run it. */
static inline void mpl__gate_arrive (_Atomic uint64_t *gate, _Atomic uint64_t *word, uint64_t chunk, uint32_t n)
{
    uint64_t old = atomic_load (gate);

    if ((old & MPL__GATE_SERIAL) > (chunk & MPL__GATE_SERIAL))
        return;
    mpl__claim_set (word, chunk, n);
    while (old != (chunk | MPL__GATE_RECALLED) && (old & MPL__GATE_SERIAL) <= (chunk & MPL__GATE_SERIAL))
        if (atomic_compare_exchange_weak (gate, &old, chunk))
            return;
    mpl__claim_set (word, chunk, 0);
}

/* The agent: takes back what is not claimed of the chunk's n items; how many, the first in *from. */
static inline uint32_t mpl__gate_recall (_Atomic uint64_t *gate, _Atomic uint64_t *word, uint64_t chunk, uint32_t n, uint32_t *from)
{
    uint64_t old = atomic_load (gate);

    while ((old & MPL__GATE_SERIAL) < (chunk & MPL__GATE_SERIAL))
        if (atomic_compare_exchange_weak (gate, &old, chunk | MPL__GATE_RECALLED)) {
            *from = 0;
            return n;
        }
    return old == chunk ? mpl__claim_recall (word, chunk, from) : 0;
}

#endif
