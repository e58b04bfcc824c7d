/* The scheduling core, without sockets, clock or processes: short stories, and long random histories against a model that knows
 * for each item how often it was delivered and failed. After every step all invariants of the core hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/core.h"
#include "wire/page.h"

#define MS 1000000u

static int owner_a, owner_b;

static void check (const mpl_core_t *core)
{
    const char *wrong = mpl__core_check (core);

    if (wrong)
        fail_msg ("%s", wrong);
}

/* Takes the next action, which must be of that type. */
static mpl_action_t expect (mpl_core_t *core, uint64_t now, mpl_action_type_t type)
{
    mpl_action_t action = { .type = MPL__DO_RETIRE };

    check (core);
    assert_int_equal (mpl__core_next (core, now, &action), 1);
    assert_int_equal (action.type, type);
    return action;
}

static void expect_nothing (mpl_core_t *core, uint64_t now)
{
    mpl_action_t action;

    check (core);
    assert_int_equal (mpl__core_next (core, now, &action), 0);
}

/* ---- stories --------------------------------------------------------------------------------------------------------------- */

static void chunk_goes_to_a_worker_and_its_answer_ends_it (void **state)
{
    mpl_core_t *core = mpl__core_new (2, 2, 0);
    mpl_answer_t answer;

    (void) state;
    assert_int_equal (mpl__core_room (core, 100, 5), 0);            /* nobody is there */
    assert_int_equal (mpl__core_join (core, 1), 0);
    assert_int_equal (mpl__core_room (core, 100, 5), 5);
    assert_int_equal (mpl__core_submit (core, &owner_a, 10, 5, 100, 0), 0);
    mpl_action_t sent = expect (core, 0, MPL__DO_SEND);
    assert_int_equal (sent.worker, 1);
    assert_int_equal (sent.first, 10);
    assert_int_equal (sent.n, 5);
    assert_int_equal (mpl__core_answer (core, 1, sent.chunk, 0, 2, &answer), 0);
    assert_int_equal (answer.first, 10);
    assert_false (answer.is_last);
    assert_int_equal (mpl__core_answer (core, 1, sent.chunk, 2, 3, &answer), 0);
    assert_ptr_equal (answer.owner, &owner_a);
    assert_int_equal (answer.first, 12);
    assert_true (answer.is_last);
    assert_int_equal (mpl__core_held (core, 1), 0);
    expect_nothing (core, 0);
    mpl__core_destroy (&core);
}

static void late_doubled_and_foreign_answers_are_refused (void **state)
{
    mpl_core_t *core = mpl__core_new (2, 2, 0);
    mpl_answer_t answer;

    (void) state;
    assert_int_equal (mpl__core_join (core, 0) | mpl__core_join (core, 1), 0);
    assert_int_equal (mpl__core_submit (core, &owner_a, 0, 4, 100, 0), 0);
    mpl_action_t sent = expect (core, 0, MPL__DO_SEND);
    int other = 1 - sent.worker;
    assert_int_equal (mpl__core_answer (core, other, sent.chunk, 0, 1, &answer), -1);       /* not its own */
    assert_int_equal (mpl__core_answer (core, sent.worker, sent.chunk, 1, 1, &answer), -1); /* not the next */
    assert_int_equal (mpl__core_answer (core, sent.worker, sent.chunk, 0, 5, &answer), -1); /* too many */
    assert_int_equal (mpl__core_answer (core, sent.worker, sent.chunk, 0, 0, &answer), -1);
    assert_int_equal (mpl__core_answer (core, sent.worker, sent.chunk, 0, 4, &answer), 0);
    assert_int_equal (mpl__core_answer (core, sent.worker, sent.chunk, 0, 4, &answer), -1); /* again */
    check (core);
    mpl__core_destroy (&core);
}

static void only_the_item_in_user_code_is_charged (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 1, 0);
    mpl_answer_t answer;
    int charged = 0, seen = 0;

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    assert_int_equal (mpl__core_submit (core, &owner_a, 0, 10, 1000, 0), 0);
    mpl_action_t sent = expect (core, 0, MPL__DO_SEND), action;
    assert_int_equal (mpl__core_answer (core, 0, sent.chunk, 0, 3, &answer), 0);
    assert_int_equal (mpl__core_leave (core, 0, MPL__LEFT_CRASHED, sent.chunk, 6), 0);
    assert_int_equal (mpl__core_answer (core, 0, sent.chunk, 3, 1, &answer), -1);           /* too late */
    assert_int_equal (mpl__core_join (core, 0), 0);
    while (mpl__core_next (core, 0, &action)) {
        check (core);
        assert_int_equal (action.type, MPL__DO_SEND);
        assert_true (action.first >= 3);
        if (action.attempt) {
            assert_int_equal (action.first, 6);
            assert_int_equal (action.n, 1);
            charged++;
        }
        seen += (int) action.n;
        assert_int_equal (mpl__core_answer (core, 0, action.chunk, 0, action.n, &answer), 0);
    }
    assert_int_equal (charged, 1);
    assert_int_equal (seen, 7);
    mpl__core_destroy (&core);
}

static void poison_fails_after_its_retries_and_alone (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 2, 0);
    mpl_action_t action = { .chunk = 0 };

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    assert_int_equal (mpl__core_submit (core, &owner_a, 7, 1, 0, 0), 0);
    for (int attempt = 0; attempt < 3; attempt++) {
        action = expect (core, 0, MPL__DO_SEND);
        assert_int_equal (action.attempt, attempt);
        assert_int_equal (mpl__core_leave (core, 0, MPL__LEFT_CRASHED, action.chunk, 0), 0);
        if (attempt < 2)
            assert_int_equal (mpl__core_join (core, 0), 0);
    }
    action = expect (core, 0, MPL__DO_FAIL);
    assert_int_equal (action.first, 7);
    assert_int_equal (action.attempt, 3);
    expect_nothing (core, 0);
    mpl__core_destroy (&core);
}

static void item_that_is_to_blame_is_not_run_again (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 5, 0);

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    assert_int_equal (mpl__core_submit (core, &owner_a, 3, 1, 0, 0), 0);
    mpl_action_t sent = expect (core, 0, MPL__DO_SEND);
    assert_int_equal (mpl__core_leave (core, 0, MPL__LEFT_BLAMED, sent.chunk, 0), 0);
    assert_int_equal (expect (core, 0, MPL__DO_FAIL).first, 3);
    mpl__core_destroy (&core);
}

static void unknown_durations_go_singly_to_idle_workers (void **state)
{
    mpl_core_t *core = mpl__core_new (2, 2, 0);

    (void) state;
    assert_int_equal (mpl__core_join (core, 0) | mpl__core_join (core, 1), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal (mpl__core_room (core, 0, 1), 1);
        assert_int_equal (mpl__core_submit (core, &owner_a, (uint64_t) i, 1, 0, 0), 0);
    }
    assert_int_equal (mpl__core_room (core, 0, 1), 0);
    assert_int_equal (mpl__core_room (core, 1000, 1), 0);           /* nor behind one that may take for ever */
    check (core);
    mpl__core_destroy (&core);
}

static void credit_ends_at_the_slots_of_a_page (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 2, 0);
    unsigned n = 0;

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    for (; mpl__core_room (core, 1, 1) && n < 10000; n++)
        assert_int_equal (mpl__core_submit (core, &owner_a, n, 1, 1, 0), 0);
    assert_int_equal (n, MPL__SLOTS);
    check (core);
    mpl__core_destroy (&core);
}

static void long_tasks_have_one_ahead (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 2, 0);
    unsigned n = 0;

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    for (; mpl__core_room (core, 10 * MS, 1) && n < 10000; n++)
        assert_int_equal (mpl__core_submit (core, &owner_a, n, 1, 10 * MS, 0), 0);
    assert_int_equal (n, 2);
    mpl__core_destroy (&core);
}

static void what_waits_behind_a_long_item_goes_to_the_idle (void **state)
{
    mpl_core_t *core = mpl__core_new (2, 2, 0);
    mpl_answer_t answer;
    int is_last;

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    assert_int_equal (mpl__core_submit (core, &owner_a, 0, 8, 1000, 0), 0);
    mpl_action_t sent = expect (core, 0, MPL__DO_SEND);
    assert_int_equal (mpl__core_join (core, 1), 0);
    assert_int_equal (mpl__core_tick (core, 0, 1), MPL__RECALL_AFTER_NS);   /* too early */
    expect_nothing (core, 0);
    mpl__core_tick (core, 2 * MPL__RECALL_AFTER_NS, 1);
    mpl_action_t recall = expect (core, 2 * MPL__RECALL_AFTER_NS, MPL__DO_RECALL);
    assert_int_equal (recall.chunk, sent.chunk);
    assert_int_equal (mpl__core_recalled (core, 0, sent.chunk, 3, 5, 2 * MPL__RECALL_AFTER_NS, &is_last), 0);
    assert_false (is_last);
    mpl_action_t again = expect (core, 2 * MPL__RECALL_AFTER_NS, MPL__DO_SEND);
    assert_int_equal (again.worker, 1);
    assert_int_equal (again.first, 3);
    assert_int_equal (again.n, 5);
    assert_int_equal (mpl__core_answer (core, 0, sent.chunk, 0, 4, &answer), -1);           /* the fourth is not its own */
    assert_int_equal (mpl__core_answer (core, 0, sent.chunk, 0, 3, &answer), 0);
    assert_true (answer.is_last);
    mpl__core_destroy (&core);
}

static void cancelled_answers_are_counted_but_nobodys (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 2, 0);
    mpl_answer_t answer;

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    assert_int_equal (mpl__core_submit (core, &owner_a, 0, 2, 1000, 0), 0);
    mpl_action_t sent = expect (core, 0, MPL__DO_SEND);
    mpl__core_cancel (core, &owner_a);
    expect (core, 0, MPL__DO_RECALL);
    assert_int_equal (mpl__core_in_flight (core, &owner_a), 0);
    assert_int_equal (mpl__core_answer (core, 0, sent.chunk, 0, 2, &answer), 0);
    assert_null (answer.owner);
    assert_true (answer.is_last);
    expect_nothing (core, 0);
    mpl__core_destroy (&core);
}

static void worker_retires_after_its_max_tasks (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 2, 3);
    mpl_answer_t answer;

    (void) state;
    assert_int_equal (mpl__core_join (core, 0), 0);
    assert_int_equal (mpl__core_room (core, 100, 10), 3);
    assert_int_equal (mpl__core_submit (core, &owner_a, 0, 3, 100, 0), 0);
    mpl_action_t sent = expect (core, 0, MPL__DO_SEND);
    assert_int_equal (mpl__core_room (core, 100, 1), 0);
    assert_int_equal (mpl__core_answer (core, 0, sent.chunk, 0, 3, &answer), 0);
    assert_int_equal (expect (core, 0, MPL__DO_RETIRE).worker, 0);
    expect_nothing (core, 0);
    assert_int_equal (mpl__core_leave (core, 0, MPL__LEFT_CRASHED, 0, 0), 0);
    assert_int_equal (mpl__core_join (core, 0), 0);
    assert_int_equal (mpl__core_room (core, 100, 10), 3);
    mpl__core_destroy (&core);
}

/* ---- random histories --------------------------------------------------------------------------------------------------------- */

#define WORKERS 8
#define ITEMS 3000
#define HELD_MAX 4096
#define RETRIES 2

/* A chunk as the model's worker holds it. */
typedef struct {
    uint64_t number, first;
    uint32_t n, answered, begun;            /* items; answered <= begun <= n */
    uint16_t attempt;
    void *owner;
} held_t;

typedef struct {
    int is_here, n;
    held_t held[MPL__SLOTS];
} actor_t;

typedef struct {
    mpl_core_t *core;
    uint64_t seed, now;
    actor_t actors[WORKERS];
    size_t next[2];                         /* first item not submitted, by owner */
    unsigned char delivered[2][ITEMS], failed[2][ITEMS], charged[2][ITEMS];
    int is_cancelled[2];
    uint64_t old_chunk;                     /* of somebody who has left */
} history_t;

static uint64_t roll (history_t *h, uint64_t n)
{
    h->seed ^= h->seed << 13;               /* xorshift, by Marsaglia */
    h->seed ^= h->seed >> 7;
    h->seed ^= h->seed << 17;
    return h->seed % n;
}

static void *owner_of (int which) { return which ? &owner_b : &owner_a; }
static int which_of (const void *owner) { return owner == &owner_b; }

static void sent (history_t *h, const mpl_action_t *action)
{
    actor_t *actor = &h->actors[action->worker];

    assert_true (actor->is_here && actor->n < (int) MPL__SLOTS);
    assert_true (action->slot < MPL__SLOTS);
    assert_int_equal (action->attempt > 0 ? action->n : 1, 1);
    for (uint32_t i = 0; i < action->n; i++)
        assert_int_equal (h->delivered[which_of (action->owner)][action->first + i], 0);
    actor->held[actor->n++] = (held_t) { action->chunk, action->first, action->n, 0, 0, action->attempt, action->owner };
}

static void drop (actor_t *actor, int i)
{
    memmove (&actor->held[i], &actor->held[i + 1], (size_t) (actor->n - i - 1) * sizeof *actor->held);
    actor->n--;
}

static void recalled (history_t *h, const mpl_action_t *action)
{
    actor_t *actor = &h->actors[action->worker];
    int is_last = 0;

    for (int i = 0; i < actor->n; i++) {
        held_t *held = &actor->held[i];
        if (held->number != action->chunk)
            continue;
        uint32_t n = held->n - held->begun;
        assert_int_equal (mpl__core_recalled (h->core, action->worker, held->number, held->begun, n, h->now, &is_last), 0);
        held->n = held->begun;
        assert_int_equal (is_last, n > 0 && held->answered == held->n);
        if (is_last)
            drop (actor, i);
        return;
    }
    fail_msg ("a recall of a chunk that worker %d does not hold", action->worker);
}

static void carry_out (history_t *h)
{
    mpl_action_t action;

    while (mpl__core_next (h->core, h->now, &action)) {
        check (h->core);
        if (action.type == MPL__DO_SEND)
            sent (h, &action);
        else if (action.type == MPL__DO_RECALL)
            recalled (h, &action);
        else if (action.type == MPL__DO_FAIL)
            h->failed[which_of (action.owner)][action.first]++;
    }
}

static void submit (history_t *h)
{
    int which = (int) roll (h, 2);
    uint64_t cost = roll (h, 4) ? 1 + roll (h, 3 * MS) : 0;
    uint32_t want = (uint32_t) (1 + roll (h, 20)), n;

    if (h->is_cancelled[which] || h->next[which] + want > ITEMS)
        return;
    if (!(n = mpl__core_room (h->core, cost, want)))
        return;
    assert_int_equal (mpl__core_submit (h->core, owner_of (which), h->next[which], n, cost, h->now), 0);
    h->next[which] += n;
}

static void answer (history_t *h, int w, int everything)
{
    actor_t *actor = &h->actors[w];
    mpl_answer_t given;

    if (!actor->is_here || !actor->n)
        return;
    held_t *held = &actor->held[0];         /* workers answer in order */
    uint32_t left = held->n - held->answered;
    uint32_t n = everything ? left : (uint32_t) (1 + roll (h, left));
    if (held->answered + n > held->begun)
        held->begun = held->answered + n;
    assert_int_equal (mpl__core_answer (h->core, w, held->number, held->answered, n, &given), 0);
    for (uint32_t i = 0; i < n && given.owner; i++)
        h->delivered[which_of (given.owner)][given.first + i]++;
    assert_true (!given.owner || given.first == held->first + held->answered);
    held->answered += n;
    assert_int_equal (given.is_last, held->answered == held->n);
    if (given.is_last)
        drop (actor, 0);
}

static void begin_some (history_t *h, int w)
{
    actor_t *actor = &h->actors[w];

    if (actor->is_here && actor->n && actor->held[0].begun < actor->held[0].n)
        actor->held[0].begun += (uint32_t) (1 + roll (h, actor->held[0].n - actor->held[0].begun));
}

static void die (history_t *h, int w)
{
    actor_t *actor = &h->actors[w];
    uint64_t chunk = 0;
    uint32_t item = 0;
    mpl_left_t why = roll (h, 8) ? MPL__LEFT_CRASHED : MPL__LEFT_BLAMED;

    if (!actor->is_here)
        return;
    if (actor->n && actor->held[0].begun > actor->held[0].answered) {
        held_t *held = &actor->held[0];
        chunk = held->number;
        item = held->answered + (uint32_t) roll (h, held->begun - held->answered);
        h->charged[which_of (held->owner)][held->first + item]++;
        h->old_chunk = chunk;
    }
    assert_int_equal (mpl__core_leave (h->core, w, why, chunk, item), 0);
    *actor = (actor_t) { .is_here = 0 };
}

static void mistake (history_t *h, int w)
{
    mpl_answer_t given;

    assert_int_equal (mpl__core_answer (h->core, w, h->old_chunk, 0, 1, &given), -1);
    assert_int_equal (mpl__core_answer (h->core, w, roll (h, UINT64_MAX), (uint32_t) roll (h, 30), 1, &given), -1);
}

static void step (history_t *h)
{
    int w = (int) roll (h, WORKERS);

    h->now += roll (h, MS);
    switch (roll (h, 16)) {
    case 0:
        if (!h->actors[w].is_here) {
            assert_int_equal (mpl__core_join (h->core, w), 0);
            h->actors[w].is_here = 1;
        }
        break;
    case 1:
        if (roll (h, 3) == 0)
            die (h, w);
        break;
    case 2:
        if (h->old_chunk && !h->actors[w].is_here)
            mistake (h, w);
        break;
    case 3:
        if (roll (h, 400) == 0) {
            int which = (int) roll (h, 2);
            mpl__core_cancel (h->core, owner_of (which));
            h->is_cancelled[which] = 1;
        }
        break;
    case 4: case 5:
        begin_some (h, w);
        break;
    case 6: case 7: case 8:
        answer (h, w, 0);
        break;
    case 9: case 10:
        answer (h, w, 1);
        break;
    case 11:
        mpl__core_tick (h->core, h->now, (int) roll (h, 2));
        break;
    default:
        submit (h);
    }
    carry_out (h);
    check (h->core);
}

/* Everybody comes back and works off what is left. */
static void drain (history_t *h)
{
    for (int w = 0; w < WORKERS; w++)
        if (!h->actors[w].is_here) {
            assert_int_equal (mpl__core_join (h->core, w), 0);
            h->actors[w].is_here = 1;
        }
    for (int round = 0; round < 100000; round++) {
        size_t held = 0;
        h->now += MS;
        mpl__core_tick (h->core, h->now, 1);
        carry_out (h);
        for (int w = 0; w < WORKERS; w++) {
            answer (h, w, 1);
            held += (size_t) h->actors[w].n;
        }
        if (!held && !mpl__core_queued (h->core))
            break;
    }
    assert_int_equal (mpl__core_in_flight (h->core, &owner_a) + mpl__core_in_flight (h->core, &owner_b), 0);
    assert_int_equal (mpl__core_queued (h->core), 0);
}

static void judge (const history_t *h)
{
    for (int which = 0; which < 2; which++)
        for (size_t i = 0; i < h->next[which]; i++) {
            int ends = h->delivered[which][i] + h->failed[which][i];
            if (h->is_cancelled[which] ? ends > 1 : ends != 1)
                fail_msg ("item %zu of owner %d was delivered %d times and failed %d times", i, which,
                          h->delivered[which][i], h->failed[which][i]);
            if (h->failed[which][i] && !h->charged[which][i])
                fail_msg ("item %zu of owner %d failed though no worker died on it", i, which);
            if (h->charged[which][i] > RETRIES + 1)
                fail_msg ("item %zu of owner %d was run %d times", i, which, h->charged[which][i]);
        }
}

static void no_item_is_lost_or_answered_twice (void **state)
{
    const char *given = getenv ("MPL_TEST_SEED"), *slow = getenv ("MPL_TEST_SLOW");
    int n = given ? 1 : 120 / (slow && atoi (slow) > 1 ? atoi (slow) : 1) + 1;
    history_t *h = malloc (sizeof *h);

    (void) state;
    for (int k = 1; k <= n; k++) {
        uint64_t seed = given ? strtoull (given, NULL, 10) : (uint64_t) k * UINT64_C (0x9e3779b97f4a7c15);
        *h = (history_t) { .seed = seed, .core = mpl__core_new (WORKERS, RETRIES, k % 3 ? 0 : 40) };
        print_message ("# MPL_TEST_SEED=%llu\n", (unsigned long long) seed);
        for (int i = 0; i < 5000; i++)
            step (h);
        if (h->core && k % 3)               /* with max_tasks, retired workers would have to be replaced */
            drain (h), judge (h);
        mpl__core_destroy (&h->core);
    }
    free (h);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (chunk_goes_to_a_worker_and_its_answer_ends_it),
        cmocka_unit_test (late_doubled_and_foreign_answers_are_refused),
        cmocka_unit_test (only_the_item_in_user_code_is_charged),
        cmocka_unit_test (poison_fails_after_its_retries_and_alone),
        cmocka_unit_test (item_that_is_to_blame_is_not_run_again),
        cmocka_unit_test (unknown_durations_go_singly_to_idle_workers),
        cmocka_unit_test (credit_ends_at_the_slots_of_a_page),
        cmocka_unit_test (long_tasks_have_one_ahead),
        cmocka_unit_test (what_waits_behind_a_long_item_goes_to_the_idle),
        cmocka_unit_test (cancelled_answers_are_counted_but_nobodys),
        cmocka_unit_test (worker_retires_after_its_max_tasks),
        cmocka_unit_test (no_item_is_lost_or_answered_twice),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name ("broker/core", tests, NULL, NULL);
}
