/* page.h - the few words of memory that a worker shares with those who watch it: its agent, and main when on one host.
 *
 * The worker writes what it is on, the others read. Only the claim words are written by both, by compare-and-swap.
 * All pages of a pool lie end to end in one memfd that main makes: nothing of it has a name, so nothing of it can be left.
 *
 * A claim word is one chunk that the worker holds. The worker claims its items a few at a time before it runs them; whoever
 * wants items back lowers the limit to what is claimed. Both are one compare-and-swap of the same word, so every item is
 * either claimed or recalled, never both:
 *
 *      tag (16 bits, the low ones of the chunk's number) | limit (24) | claimed (24)
 *
 * The tag makes a word that was given to another chunk answer no to the old one's questions. */
#ifndef WIRE_PAGE_H
#define WIRE_PAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define MPL__SLOTS 512u             /* chunks one worker holds at most: covers the way there and back for tasks of 1 us */

/* How far a worker has come. One that ends before it serves would be replaced for ever, so its agent counts those. */
enum { MPL__BEGINS, MPL__PREPARES, MPL__SERVES };

typedef struct {
    /* Written by the worker, in its own cache lines. */
    _Alignas (64) _Atomic uint64_t item;        /* 1 + offset in the chunk of the item in user code; 0: none */
    _Atomic uint64_t chunk;                     /* the chunk it is in */
    _Atomic uint64_t began_at;                  /* monotonic ns at which the worker began the chunk; the agent times items */
    _Atomic uint64_t n_done;                    /* items finished, failed ones included */
    _Atomic uint64_t n_sent;                    /* messages handed to ZeroMQ */
    _Atomic uint32_t stage;                     /* MPL__BEGINS and so on */
    /* Written by the agent of another host than main's. */
    _Alignas (64) _Atomic uint64_t lease_until; /* CLOCK_BOOTTIME, ns: nothing is begun after it; 0: there is no lease */
    /* Written by both sides. */
    _Alignas (4096) _Atomic uint64_t claims[MPL__SLOTS];
} mpl_page_t;

_Static_assert (sizeof (mpl_page_t) == 8192, "each page can be mapped by itself, and they lie end to end in one file");

/* A worker and the one that replaces it have different pages, so that the dead one's last words can still be read. */
static inline size_t mpl__page_index (unsigned slot, uint64_t incarnation)
{
    return (size_t) slot * 2 + (incarnation & 1);
}

static inline uint64_t mpl__claim_word (uint64_t chunk, uint32_t limit, uint32_t claimed)
{
    return chunk << 48 | (uint64_t) limit << 24 | claimed;
}

static inline uint32_t mpl__claim_limit (uint64_t word) { return (uint32_t) (word >> 24) & 0xffffff; }
static inline uint32_t mpl__claim_claimed (uint64_t word) { return (uint32_t) word & 0xffffff; }
static inline int mpl__claim_is (uint64_t word, uint64_t chunk) { return word >> 48 == (chunk & 0xffff); }

/* Main, before it sends the chunk. */
static inline void mpl__claim_set (_Atomic uint64_t *word, uint64_t chunk, uint32_t n)
{
    atomic_store_explicit (word, mpl__claim_word (chunk, n, 0), memory_order_release);
}

/* The worker: claims up to `want` further items; how many it got, the first in *from. 0: the rest was recalled or is
 * done. */
static inline uint32_t mpl__claim_take (_Atomic uint64_t *word, uint64_t chunk, uint32_t want, uint32_t *from)
{
    uint64_t old = atomic_load_explicit (word, memory_order_acquire);

    for (;;) {
        uint32_t claimed = mpl__claim_claimed (old), limit = mpl__claim_limit (old);
        if (!mpl__claim_is (old, chunk) || claimed >= limit)
            return 0;
        uint32_t n = limit - claimed < want ? limit - claimed : want;
        if (atomic_compare_exchange_weak_explicit (word, &old, mpl__claim_word (chunk, limit, claimed + n),
                                                   memory_order_acq_rel, memory_order_acquire)) {
            *from = claimed;
            return n;
        }
    }
}

/* The other side: takes back all that is not claimed; how many items, the first in *from. They are then the caller's. */
static inline uint32_t mpl__claim_recall (_Atomic uint64_t *word, uint64_t chunk, uint32_t *from)
{
    uint64_t old = atomic_load_explicit (word, memory_order_acquire);

    for (;;) {
        uint32_t claimed = mpl__claim_claimed (old), limit = mpl__claim_limit (old);
        if (!mpl__claim_is (old, chunk) || claimed >= limit)
            return 0;
        if (atomic_compare_exchange_weak_explicit (word, &old, mpl__claim_word (chunk, claimed, claimed),
                                                   memory_order_acq_rel, memory_order_acquire)) {
            *from = claimed;
            return limit - claimed;
        }
    }
}

/* 1 + the offset in its chunk of the item that a dead worker died on; 0: none. One that died by itself between items,
 * with results of its chunk unsent, died of the last that it ran: a task can ruin its process and return (by closing
 * ZeroMQ's descriptors, say). */
uint64_t mpl__page_culprit (const mpl_page_t *page, uint64_t chunk, int is_own_end);

#endif
