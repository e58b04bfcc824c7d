/* The claim word: what a worker takes and what others take back, never both, whoever is faster. */
#include "wire/page.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_claim_word_has_these_bits (void **state)
{
    (void) state;
    assert_true (mpl__claim_word (0xabcd1234, 0x56789a, 0x0bcdef) == UINT64_C (0x123456789a0bcdef));
    assert_int_equal (0x56789a, mpl__claim_limit (0x123456789a0bcdef));
    assert_int_equal (0x0bcdef, mpl__claim_claimed (0x123456789a0bcdef));
    assert_true (mpl__claim_is (0x123456789a0bcdef, 0xffff1234));
    assert_false (mpl__claim_is (0x123456789a0bcdef, 0xffff1235));
}

static void the_page_is_laid_out_like_this (void **state)
{
    (void) state;
    assert_int_equal (0, offsetof (mpl_page_t, item));
    assert_int_equal (8, offsetof (mpl_page_t, chunk));
    assert_int_equal (16, offsetof (mpl_page_t, began_at));
    assert_int_equal (24, offsetof (mpl_page_t, n_done));
    assert_int_equal (32, offsetof (mpl_page_t, n_sent));
    assert_int_equal (40, offsetof (mpl_page_t, stage));
    assert_int_equal (4096, offsetof (mpl_page_t, claims));
    assert_int_equal (6, mpl__page_index (3, 0));
    assert_int_equal (7, mpl__page_index (3, 1));
    assert_int_equal (6, mpl__page_index (3, 2));
}

static void items_are_claimed_in_order_until_there_are_none (void **state)
{
    _Atomic uint64_t word;
    uint32_t from = 99;

    (void) state;
    mpl__claim_set (&word, 7, 10);
    assert_int_equal (4, mpl__claim_take (&word, 7, 4, &from));
    assert_int_equal (0, from);
    assert_int_equal (4, mpl__claim_take (&word, 7, 4, &from));
    assert_int_equal (4, from);
    assert_int_equal (2, mpl__claim_take (&word, 7, UINT32_MAX, &from));
    assert_int_equal (8, from);
    assert_int_equal (0, mpl__claim_take (&word, 7, 4, &from));
    assert_int_equal (0, mpl__claim_recall (&word, 7, &from));
}

static void a_recall_takes_what_was_not_claimed (void **state)
{
    _Atomic uint64_t word;
    uint32_t from = 99;

    (void) state;
    mpl__claim_set (&word, 7, 10);
    mpl__claim_take (&word, 7, 3, &from);
    assert_int_equal (7, mpl__claim_recall (&word, 7, &from));
    assert_int_equal (3, from);
    assert_int_equal (0, mpl__claim_recall (&word, 7, &from));
    assert_int_equal (0, mpl__claim_take (&word, 7, 1, &from));
    mpl__claim_set (&word, 8, 5);
    assert_int_equal (5, mpl__claim_recall (&word, 8, &from));
    assert_int_equal (0, from);
}

static void another_chunk_in_the_slot_answers_no (void **state)
{
    _Atomic uint64_t word;
    uint32_t from = 99;

    (void) state;
    mpl__claim_set (&word, 8, 10);
    assert_int_equal (0, mpl__claim_take (&word, 7, 1, &from));
    assert_int_equal (0, mpl__claim_recall (&word, 7, &from));
    assert_int_equal (99, from);
    assert_int_equal (10, mpl__claim_recall (&word, 8, &from));
}

static void the_largest_chunk_fits (void **state)
{
    _Atomic uint64_t word;
    uint32_t from;

    (void) state;
    mpl__claim_set (&word, UINT64_MAX, 0xffffff);
    assert_int_equal (0xffffff, mpl__claim_take (&word, UINT64_MAX, 0xffffff, &from));
    assert_int_equal (0, mpl__claim_take (&word, UINT64_MAX, 1, &from));
}

/* ---- two threads --------------------------------------------------------------------------------------------------------- */

#define ITEMS 200u
#define ROUNDS 4000u

typedef struct {
    _Atomic uint64_t word;
    _Atomic uint32_t round, n_ready;            /* both threads begin a round together */
    uint8_t claimed[ITEMS], recalled[ITEMS];    /* each written by one thread, read between rounds */
} race_t;

static void meet (race_t *race, uint32_t round)
{
    if (atomic_fetch_add (&race->n_ready, 1) == 2 * round + 1)
        atomic_store (&race->round, round + 1);
    while (atomic_load (&race->round) <= round)
        sched_yield ();
}

static void *worker (void *arg)
{
    race_t *race = arg;
    uint32_t from, n;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        meet (race, 2 * round);
        while ((n = mpl__claim_take (&race->word, round, 1 + round % 3, &from)))
            for (uint32_t i = from; i < from + n; i++)
                race->claimed[i]++;
        meet (race, 2 * round + 1);
    }
    return NULL;
}

static void every_item_is_claimed_or_recalled_exactly_once (void **state)
{
    race_t *race = calloc (1, sizeof *race);
    pthread_t thread;
    unsigned n_mixed = 0;

    (void) state;
    assert_non_null (race);
    assert_int_equal (0, pthread_create (&thread, NULL, worker, race));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t from = 0, n;
        memset (race->claimed, 0, sizeof race->claimed);
        memset (race->recalled, 0, sizeof race->recalled);
        mpl__claim_set (&race->word, round, ITEMS);
        meet (race, 2 * round);
        while (mpl__claim_claimed (atomic_load (&race->word)) < round % (ITEMS + 1))
            sched_yield ();
        n = mpl__claim_recall (&race->word, round, &from);
        for (uint32_t i = from; i < from + n; i++)
            race->recalled[i]++;
        meet (race, 2 * round + 1);
        n_mixed += n > 0 && n < ITEMS;
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_int_equal (1, race->claimed[i] + race->recalled[i]);
    }
    assert_int_equal (0, pthread_join (thread, NULL));
    print_message ("# %u of %u races were close\n", n_mixed, ROUNDS);
    free (race);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_claim_word_has_these_bits),
        cmocka_unit_test (the_page_is_laid_out_like_this),
        cmocka_unit_test (items_are_claimed_in_order_until_there_are_none),
        cmocka_unit_test (a_recall_takes_what_was_not_claimed),
        cmocka_unit_test (another_chunk_in_the_slot_answers_no),
        cmocka_unit_test (the_largest_chunk_fits),
        cmocka_unit_test (every_item_is_claimed_or_recalled_exactly_once),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
