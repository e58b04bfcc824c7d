/* The gate: a chunk on its way and a recall that may overtake it. Each item is run or recalled, never both, never
 * neither. */
#include "wire/gate.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define INDEX (UINT64_C (5) << 40)      /* a chunk's number: its place in the core's table above its serial */

typedef struct {
    _Atomic uint64_t gate, word;
} slot_t;

/* As the worker does when a chunk is read. */
static int arrive (slot_t *slot, uint64_t chunk, uint32_t n)
{
    mpl__gate_arrive (&slot->gate, &slot->word, chunk, n);
    uint64_t word = atomic_load (&slot->word);
    return mpl__claim_is (word, chunk) && mpl__claim_limit (word) == n;
}

static void a_recall_that_comes_first_takes_all (void **state)
{
    slot_t slot = { 0 };
    uint32_t from = 99;

    (void) state;
    assert_int_equal (10, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 1, 10, &from));
    assert_int_equal (0, from);
    assert_int_equal (0, arrive (&slot, INDEX + 1, 10));
    assert_int_equal (0, mpl__claim_take (&slot.word, INDEX + 1, 1, &from));
}

static void a_recall_that_comes_later_takes_what_is_not_claimed (void **state)
{
    slot_t slot = { 0 };
    uint32_t from = 99;

    (void) state;
    assert_int_equal (1, arrive (&slot, INDEX + 1, 10));
    assert_int_equal (3, mpl__claim_take (&slot.word, INDEX + 1, 3, &from));
    assert_int_equal (7, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 1, 10, &from));
    assert_int_equal (3, from);
    assert_int_equal (0, mpl__claim_take (&slot.word, INDEX + 1, 1, &from));
}

static void a_recall_of_what_is_done_takes_nothing (void **state)
{
    slot_t slot = { 0 };
    uint32_t from;

    (void) state;
    arrive (&slot, INDEX + 1, 2);
    assert_int_equal (2, mpl__claim_take (&slot.word, INDEX + 1, 2, &from));
    assert_int_equal (0, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 1, 2, &from));
}

static void nothing_is_recalled_twice (void **state)
{
    slot_t slot = { 0 };
    uint32_t from;

    (void) state;
    assert_int_equal (4, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 1, 4, &from));
    assert_int_equal (0, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 1, 4, &from));
    /* Not even between the claim word and the gate, or between the gate and what the worker makes of its answer. */
    mpl__claim_set (&slot.word, INDEX + 1, 4);
    assert_int_equal (0, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 1, 4, &from));
    assert_int_equal (0, arrive (&slot, INDEX + 1, 10));
    assert_int_equal (0, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 1, 4, &from));
}

static void the_next_chunk_of_the_slot_is_not_meant (void **state)
{
    slot_t slot = { 0 };
    uint32_t from;

    (void) state;
    arrive (&slot, INDEX + 7, 4);
    assert_int_equal (4, mpl__claim_take (&slot.word, INDEX + 7, 4, &from));
    assert_int_equal (1, arrive (&slot, INDEX + 8, 4));
    assert_int_equal (0, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 7, 4, &from));       /* late: it was answered */
    assert_int_equal (4, mpl__claim_take (&slot.word, INDEX + 8, 4, &from));
    /* One that was recalled and never came, and the next one. */
    assert_int_equal (4, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 9, 4, &from));
    assert_int_equal (1, arrive (&slot, INDEX + 10, 4));
    assert_int_equal (0, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 9, 4, &from));
    assert_int_equal (4, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 10, 4, &from));
}

/* The order is that of the serials, whatever place in the core's table a chunk has. */
static void the_upper_bits_of_a_number_do_not_count (void **state)
{
    slot_t slot = { 0 };
    uint32_t from;

    (void) state;
    arrive (&slot, (UINT64_C (0x7fffff) << 40) + 1, 1);
    assert_int_equal (3, mpl__gate_recall (&slot.gate, &slot.word, 2, 3, &from));
    assert_int_equal (0, arrive (&slot, 2, 3));
    assert_int_equal (1, arrive (&slot, 3, 3));
    assert_int_equal (0, mpl__gate_recall (&slot.gate, &slot.word, (UINT64_C (0x7fffff) << 40) + 2, 3, &from));
    assert_int_equal (3, mpl__gate_recall (&slot.gate, &slot.word, 3, 3, &from));
}

/* ---- two threads ----------------------------------------------------------------------------------------------- */

#define ROUNDS 20000u
#define ITEMS 6u

static slot_t raced;
static _Atomic uint32_t begun[2];       /* which round each is in */
static uint8_t ran[ROUNDS + 1][ITEMS], taken[ROUNDS + 1][ITEMS];

/* Both begin each round at about the same moment, now one first and now the other. */
static void meet (int self, uint32_t round)
{
    atomic_store (&begun[self], round);
    while (atomic_load (&begun[!self]) < round)
        sched_yield ();
    for (volatile uint32_t i = 0; i < (round * (self ? 7 : 13)) % 64; i++)
        ;
}

static void *work (void *arg)
{
    uint32_t from, n;

    for (uint32_t round = 1; round <= ROUNDS; round++) {
        meet (0, round);
        if (arrive (&raced, INDEX + round, ITEMS))
            while ((n = mpl__claim_take (&raced.word, INDEX + round, 1 + round % 3, &from)))
                for (uint32_t i = from; i < from + n; i++)
                    ran[round][i]++;
    }
    return arg;
}

static void *take_back (void *arg)
{
    uint32_t from;

    for (uint32_t round = 1; round <= ROUNDS; round++) {
        meet (1, round);
        for (int twice = 0; twice < 2; twice++) {
            uint32_t n = mpl__gate_recall (&raced.gate, &raced.word, INDEX + round, ITEMS, &from);
            for (uint32_t i = from; n && i < from + n; i++)
                taken[round][i]++;
        }
    }
    return arg;
}

static void each_item_is_run_or_recalled_whoever_is_faster (void **state)
{
    pthread_t threads[2];

    (void) state;
    assert_int_equal (0, pthread_create (&threads[0], NULL, work, NULL));
    assert_int_equal (0, pthread_create (&threads[1], NULL, take_back, NULL));
    for (int i = 0; i < 2; i++)
        pthread_join (threads[i], NULL);
    for (uint32_t round = 1; round <= ROUNDS; round++)
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_int_equal (1, ran[round][i] + taken[round][i]);
}

/* A long chunk that was recalled on its way comes in after a short one that has its claim word by then. */
static void a_late_one_does_not_take_the_word_of_a_newer (void **state)
{
    slot_t slot = { 0 };
    uint32_t from = 99;

    (void) state;
    assert_int_equal (3, mpl__gate_recall (&slot.gate, &slot.word, INDEX + 5, 3, &from));
    assert_int_equal (1, arrive (&slot, INDEX + 6, 4));
    assert_int_equal (0, arrive (&slot, INDEX + 5, 3));
    assert_int_equal (0, mpl__claim_take (&slot.word, INDEX + 5, 1, &from));
    assert_int_equal (4, mpl__claim_take (&slot.word, INDEX + 6, 9, &from));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_recall_that_comes_first_takes_all),
        cmocka_unit_test (a_recall_that_comes_later_takes_what_is_not_claimed),
        cmocka_unit_test (a_recall_of_what_is_done_takes_nothing),
        cmocka_unit_test (nothing_is_recalled_twice),
        cmocka_unit_test (the_next_chunk_of_the_slot_is_not_meant),
        cmocka_unit_test (the_upper_bits_of_a_number_do_not_count),
        cmocka_unit_test (each_item_is_run_or_recalled_whoever_is_faster),
        cmocka_unit_test (a_late_one_does_not_take_the_word_of_a_newer),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
