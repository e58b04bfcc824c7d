/* The ledger of an mpbroker: who is lent which slots, told as stories and as random histories. */
#include "broker/ledger.h"
#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS MPL__NS_PER_MS

static char trace[4096];

/* All actions up to `ms`, as text. */
static const char *until (mpl_ledger_t *ledger, uint64_t ms)
{
    static const char *const names[] = { "", "lend", "ready", "wait", "lost", "reclaim" };
    mpl_ledger_action_t a;
    size_t len = 0;

    trace[0] = '\0';
    for (uint64_t due; (due = mpl__ledger_due (ledger)) <= ms * MS;)
        while (mpl__ledger_next (ledger, due, &a)) {
            assert_null (mpl__ledger_check (ledger));
            len += (size_t) snprintf (trace + len, sizeof trace - len, "%s%s %llu", len ? ", " : "", names[a.kind],
                                      (unsigned long long) a.launch);
            if (a.kind == MPL__LEDGER_LEND || a.kind == MPL__LEDGER_RECLAIM)
                len += (size_t) snprintf (trace + len, sizeof trace - len, ":%llu@%llu", (unsigned long long) a.slots,
                                          (unsigned long long) a.host);
            if (a.kind == MPL__LEDGER_LOST)
                len += (size_t) snprintf (trace + len, sizeof trace - len, "@%llu", (unsigned long long) a.host);
        }
    return trace;
}

static mpl_ledger_t *hosts (uint64_t n, uint64_t slots)
{
    mpl_ledger_t *ledger = mpl__ledger_new ();

    assert_non_null (ledger);
    for (uint64_t i = 1; i <= n; i++)
        assert_int_equal (0, mpl__ledger_add_host (ledger, i, slots, 0));
    until (ledger, 100);
    return ledger;
}

static void come (mpl_ledger_t *ledger, uint64_t launch, uint64_t want, uint64_t ms)
{
    assert_int_equal (0, mpl__ledger_add_launch (ledger, launch, want, ms * MS));
}

static void one_launch_gets_what_it_wants (void **state)
{
    mpl_ledger_t *ledger = hosts (3, 2);

    (void) state;
    come (ledger, 1, 3, 1000);
    assert_string_equal ("", until (ledger, 1099));
    assert_string_equal ("lend 1:2@1, lend 1:1@2, ready 1", until (ledger, 1100));
    come (ledger, 2, 0, 1200);
    assert_string_equal ("lend 2:2@3, lend 2:1@2, ready 2", until (ledger, 1300));
    mpl__ledger_destroy (&ledger);
}

static void those_who_come_together_share (void **state)
{
    mpl_ledger_t *ledger = hosts (3, 2);

    (void) state;
    come (ledger, 1, 0, 1000);
    come (ledger, 2, 0, 1050);
    assert_string_equal ("lend 1:2@1, lend 1:1@2, lend 2:2@3, lend 2:1@2, ready 1, ready 2", until (ledger, 1100));
    mpl__ledger_destroy (&ledger);
}

static void what_is_left_over_goes_to_the_first (void **state)
{
    mpl_ledger_t *ledger = hosts (1, 5);

    (void) state;
    come (ledger, 1, 0, 1000);
    come (ledger, 2, 0, 1000);
    assert_string_equal ("lend 1:3@1, lend 2:2@1, ready 1, ready 2", until (ledger, 1100));
    mpl__ledger_destroy (&ledger);
}

static void what_one_does_not_want_others_get (void **state)
{
    mpl_ledger_t *ledger = hosts (1, 10);

    (void) state;
    come (ledger, 1, 2, 1000);
    come (ledger, 2, 9, 1000);
    come (ledger, 3, 1, 1000);
    assert_string_equal ("lend 1:2@1, lend 2:7@1, lend 3:1@1, ready 1, ready 2, ready 3", until (ledger, 1100));
    mpl__ledger_destroy (&ledger);
}

static void who_comes_when_all_is_lent_waits (void **state)
{
    mpl_ledger_t *ledger = hosts (2, 2);

    (void) state;
    come (ledger, 1, 0, 1000);
    until (ledger, 1100);
    come (ledger, 2, 3, 1200);
    come (ledger, 3, 1, 1250);
    assert_string_equal ("wait 2, wait 3, reclaim 1:1@1, reclaim 1:1@2", until (ledger, 5000));
    assert_int_equal (0, mpl__ledger_end_launch (ledger, 1, 6000 * MS));
    assert_string_equal ("lend 2:2@1, lend 2:1@2, lend 3:1@2, ready 2, ready 3", until (ledger, 6100));
    mpl__ledger_destroy (&ledger);
}

static void who_has_less_than_its_share_starts_when_nothing_comes (void **state)
{
    mpl_ledger_t *ledger = hosts (4, 2);

    (void) state;
    come (ledger, 1, 6, 1000);
    until (ledger, 1100);
    come (ledger, 2, 6, 1200);
    assert_string_equal ("lend 2:2@4, reclaim 1:1@2, reclaim 1:1@3", until (ledger, 6299));
    assert_string_equal ("ready 2, reclaim 1:2@2, reclaim 1:2@3", until (ledger, 6300));
    assert_int_equal (0, mpl__ledger_end_launch (ledger, 1, 7000 * MS));
    assert_string_equal ("", until (ledger, 9000));
    mpl__ledger_destroy (&ledger);
}

static void what_comes_free_goes_to_who_waits_before_who_grows (void **state)
{
    mpl_ledger_t *ledger = hosts (3, 1);

    (void) state;
    come (ledger, 1, 1, 1000);
    come (ledger, 2, 2, 1000);
    assert_string_equal ("lend 1:1@1, lend 2:1@2, lend 2:1@3, ready 1, ready 2", until (ledger, 1100));
    assert_int_equal (0, mpl__ledger_want (ledger, 1, 3, 2000 * MS));
    come (ledger, 3, 1, 2010);
    assert_string_equal ("wait 3, reclaim 2:0@3", until (ledger, 2100));
    assert_int_equal (0, mpl__ledger_end_launch (ledger, 2, 3000 * MS));
    assert_string_equal ("lend 1:1@2, lend 3:1@3, ready 3", until (ledger, 3100));
    assert_int_equal (0, mpl__ledger_add_host (ledger, 4, 8, 4000 * MS));
    assert_string_equal ("lend 1:1@4", until (ledger, 4100));
    mpl__ledger_destroy (&ledger);
}

static void a_host_that_leaves_takes_its_leases_along (void **state)
{
    mpl_ledger_t *ledger = hosts (2, 2);

    (void) state;
    come (ledger, 1, 4, 1000);
    until (ledger, 1100);
    assert_int_equal (0, mpl__ledger_use (ledger, 1));
    assert_int_equal (0, mpl__ledger_remove_host (ledger, 1, 2000 * MS));
    assert_int_equal (-1, mpl__ledger_unuse (ledger, 1, 2000 * MS));
    assert_string_equal ("lost 1@1", until (ledger, 3000));
    assert_int_equal (0, mpl__ledger_add_host (ledger, 3, 2, 4000 * MS));
    assert_string_equal ("", until (ledger, 5000));
    assert_int_equal (-1, mpl__ledger_remove_host (ledger, 1, 2000 * MS));
    mpl__ledger_destroy (&ledger);
}

static void slots_in_use_are_free_when_their_agent_has_ended (void **state)
{
    mpl_ledger_t *ledger = hosts (2, 1);
    mpl_ledger_lease_t lease;

    (void) state;
    come (ledger, 1, 2, 1000);
    until (ledger, 1100);
    assert_int_equal (0, mpl__ledger_use (ledger, 1));
    assert_int_equal (-1, mpl__ledger_use (ledger, 1));
    assert_int_equal (EBUSY, errno);
    come (ledger, 2, 2, 1200);
    assert_string_equal ("wait 2, reclaim 1:0@2", until (ledger, 1300));
    assert_int_equal (0, mpl__ledger_end_launch (ledger, 1, 2000 * MS));
    assert_string_equal ("lend 2:1@2", until (ledger, 2500));
    assert_int_equal (0, mpl__ledger_find (ledger, 1, &lease));
    assert_int_equal (0, mpl__ledger_unuse (ledger, 1, 2600 * MS));
    assert_int_equal (-1, mpl__ledger_find (ledger, 1, &lease));
    assert_string_equal ("lend 2:1@1, ready 2", until (ledger, 2700));
    mpl__ledger_destroy (&ledger);
}

static void a_lease_that_is_given_back_is_anothers (void **state)
{
    mpl_ledger_t *ledger = hosts (2, 1);

    (void) state;
    come (ledger, 1, 2, 1000);
    until (ledger, 1100);
    come (ledger, 2, 1, 1200);
    assert_int_equal (-1, mpl__ledger_return (ledger, 2, 1, 0, 1300 * MS));
    assert_int_equal (0, mpl__ledger_return (ledger, 1, 1, 0, 1300 * MS));
    assert_string_equal ("lend 2:1@1, ready 2", until (ledger, 3000));
    assert_int_equal (-1, mpl__ledger_use (ledger, 1));
    mpl__ledger_destroy (&ledger);
}

/* ---- what is asked back ---------------------------------------------------------------------------------------- */

static void who_has_too_much_gives_it_to_who_waits_and_gets_it_again (void **state)
{
    mpl_ledger_t *ledger = hosts (1, 8);

    (void) state;
    come (ledger, 1, 0, 1000);
    assert_string_equal ("lend 1:8@1, ready 1", until (ledger, 1100));
    come (ledger, 2, 0, 2000);
    assert_string_equal ("wait 2, reclaim 1:4@1", until (ledger, 2100));
    assert_int_equal (0, mpl__ledger_return (ledger, 1, 1, 6, 3000 * MS));
    assert_string_equal ("lend 2:2@1", until (ledger, 3900));
    assert_int_equal (0, mpl__ledger_return (ledger, 1, 1, 4, 4000 * MS));
    assert_string_equal ("lend 2:4@1, ready 2", until (ledger, 7000));
    assert_int_equal (0, mpl__ledger_end_launch (ledger, 2, 8000 * MS));
    assert_string_equal ("lend 1:8@1", until (ledger, 9000));
    mpl__ledger_destroy (&ledger);
}

static void nothing_more_is_asked_back_when_nobody_waits (void **state)
{
    mpl_ledger_t *ledger = hosts (2, 4);

    (void) state;
    come (ledger, 1, 0, 1000);
    until (ledger, 1100);
    come (ledger, 2, 0, 2000);
    assert_string_equal ("wait 2, reclaim 1:2@1, reclaim 1:2@2", until (ledger, 2100));
    assert_int_equal (0, mpl__ledger_return (ledger, 1, 1, 2, 3000 * MS));
    assert_int_equal (0, mpl__ledger_end_launch (ledger, 2, 3050 * MS));
    assert_string_equal ("lend 1:4@1, reclaim 1:4@2", until (ledger, 3100));
    mpl__ledger_destroy (&ledger);
}

static void a_host_that_was_given_back_whole_is_lent_anew (void **state)
{
    mpl_ledger_t *ledger = hosts (2, 1);

    (void) state;
    come (ledger, 1, 0, 1000);
    until (ledger, 1100);
    assert_int_equal (0, mpl__ledger_use (ledger, 2));
    come (ledger, 2, 0, 2000);
    assert_string_equal ("wait 2, reclaim 1:0@2", until (ledger, 2100));
    assert_int_equal (0, mpl__ledger_return (ledger, 1, 2, 0, 3000 * MS));
    assert_string_equal ("", until (ledger, 3400));
    assert_int_equal (0, mpl__ledger_unuse (ledger, 2, 3500 * MS));
    assert_string_equal ("lend 2:1@2, ready 2", until (ledger, 3600));
    assert_int_equal (0, mpl__ledger_end_launch (ledger, 2, 4000 * MS));
    assert_string_equal ("lend 1:1@2", until (ledger, 5000));
    mpl__ledger_destroy (&ledger);
}

/* A fifth that cannot be divided stays where it is; and who cannot give has no less for it. */
static void who_waits_does_not_wait_for_ever (void **state)
{
    mpl_ledger_t *ledger = hosts (1, 5);

    (void) state;
    come (ledger, 1, 4, 1000);
    until (ledger, 1100);
    come (ledger, 2, 4, 2000);
    assert_string_equal ("lend 2:1@1, reclaim 1:3@1", until (ledger, 7099));
    assert_string_equal ("ready 2, reclaim 1:4@1", until (ledger, 7100));
    mpl__ledger_destroy (&ledger);
}

/* ---- random histories ------------------------------------------------------------------------------------------ */

#define LAUNCHES 12
#define HOSTS 10

typedef struct {
    uint64_t seed;
    mpl_ledger_t *ledger;
    uint64_t now, hosts[HOSTS], launches[LAUNCHES], numbers;
    uint64_t used[256];                 /* leases with an agent */
    size_t n_used;
    uint64_t given[256];                /* all leases of the latest launches */
    size_t n_given;
} history_t;

static uint64_t chance (history_t *self, uint64_t below)
{
    self->seed ^= self->seed << 13;
    self->seed ^= self->seed >> 7;
    self->seed ^= self->seed << 17;
    return self->seed % below;
}

static void step (history_t *self)
{
    uint64_t i = chance (self, LAUNCHES), h = chance (self, HOSTS), what = chance (self, 10);

    if (what == 0 && !self->hosts[h]) {
        self->hosts[h] = ++self->numbers;
        assert_int_equal (0, mpl__ledger_add_host (self->ledger, self->hosts[h], 1 + chance (self, 5), self->now));
    } else if (what == 1 && self->hosts[h] && chance (self, 3) == 0) {
        assert_int_equal (0, mpl__ledger_remove_host (self->ledger, self->hosts[h], self->now));
        self->hosts[h] = 0;
    } else if (what <= 4 && !self->launches[i]) {
        self->launches[i] = ++self->numbers;
        assert_int_equal (0, mpl__ledger_add_launch (self->ledger, self->launches[i], chance (self, 8), self->now));
    } else if (what == 5 && self->launches[i]) {
        assert_int_equal (0, mpl__ledger_end_launch (self->ledger, self->launches[i], self->now));
        self->launches[i] = 0;
    } else if (what == 6 && self->launches[i]) {
        assert_int_equal (0, mpl__ledger_want (self->ledger, self->launches[i], 1 + chance (self, 8), self->now));
    } else if (what == 7 && self->n_given && self->n_used < 256) {
        uint64_t lease = self->given[chance (self, self->n_given)];
        if (mpl__ledger_use (self->ledger, lease) == 0)
            self->used[self->n_used++] = lease;
    } else if (what == 8 && self->n_used) {
        size_t k = (size_t) chance (self, self->n_used);
        (void) !mpl__ledger_unuse (self->ledger, self->used[k], self->now);
        self->used[k] = self->used[--self->n_used];
    } else if (what == 9 && self->n_given && self->launches[i]) {
        (void) !mpl__ledger_return (self->ledger, self->launches[i], self->given[chance (self, self->n_given)],
                                    chance (self, 3), self->now);
    }
    self->now += chance (self, 300 * MS);
}

static void take_actions (history_t *self)
{
    mpl_ledger_action_t a;
    int n = 0;

    while (mpl__ledger_next (self->ledger, self->now, &a)) {
        assert_true (++n < 1000);
        if (a.kind == MPL__LEDGER_LEND)
            self->given[self->n_given < 256 ? self->n_given++ : chance (self, 256)] = a.lease;
    }
}

static void settle (history_t *self)
{
    for (int i = 0; i < 20; i++) {
        self->now += 200 * MS;
        take_actions (self);
    }
}

static void run (uint64_t seed)
{
    history_t self = { .seed = seed * 0x9e3779b97f4a7c15u | 1, .ledger = mpl__ledger_new () };
    uint64_t n_free;

    for (int i = 0; i < 400; i++) {
        step (&self);
        assert_null (mpl__ledger_check (self.ledger));
        take_actions (&self);
        assert_null (mpl__ledger_check (self.ledger));
    }
    settle (&self);
    /* Whoever comes now and finds something free gets it. */
    mpl__ledger_slots (self.ledger, &n_free);
    assert_int_equal (0, mpl__ledger_add_launch (self.ledger, ++self.numbers, 0, self.now));
    settle (&self);
    uint64_t n_then;
    mpl__ledger_slots (self.ledger, &n_then);
    assert_int_equal (0, n_then);
    assert_int_equal (0, mpl__ledger_end_launch (self.ledger, self.numbers, self.now));
    for (size_t i = 0; i < LAUNCHES; i++)
        if (self.launches[i])
            assert_int_equal (0, mpl__ledger_end_launch (self.ledger, self.launches[i], self.now));
    while (self.n_used)
        (void) !mpl__ledger_unuse (self.ledger, self.used[--self.n_used], self.now);
    uint64_t all = mpl__ledger_slots (self.ledger, &n_free);
    assert_int_equal (all, n_free);
    assert_int_equal (0, mpl__ledger_launches (self.ledger));
    mpl__ledger_destroy (&self.ledger);
}

static void any_history_keeps_its_books (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        print_message ("# seed %llu\n", (unsigned long long) seed);
        run (seed);
    }
}

/* However they come, those who wait are served with the same number, give or take the one that cannot be divided. */
static void shares_differ_by_one_at_most (void **state)
{
    (void) state;
    for (uint64_t n = 1; n <= 9; n++) {
        mpl_ledger_t *ledger = hosts (7, 3);
        mpl_ledger_action_t a;
        uint64_t least = UINT64_MAX, most = 0;
        for (uint64_t i = 1; i <= n; i++)
            come (ledger, i, 0, 1000 + i);
        while (mpl__ledger_next (ledger, 1101 * MS, &a))
            if (a.kind == MPL__LEDGER_READY) {
                least = a.slots < least ? a.slots : least;
                most = a.slots > most ? a.slots : most;
            }
        assert_true (most - least <= 1 && most);
        mpl__ledger_destroy (&ledger);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (one_launch_gets_what_it_wants),
        cmocka_unit_test (those_who_come_together_share),
        cmocka_unit_test (what_is_left_over_goes_to_the_first),
        cmocka_unit_test (what_one_does_not_want_others_get),
        cmocka_unit_test (who_comes_when_all_is_lent_waits),
        cmocka_unit_test (who_has_less_than_its_share_starts_when_nothing_comes),
        cmocka_unit_test (what_comes_free_goes_to_who_waits_before_who_grows),
        cmocka_unit_test (a_host_that_leaves_takes_its_leases_along),
        cmocka_unit_test (slots_in_use_are_free_when_their_agent_has_ended),
        cmocka_unit_test (a_lease_that_is_given_back_is_anothers),
        cmocka_unit_test (who_has_too_much_gives_it_to_who_waits_and_gets_it_again),
        cmocka_unit_test (nothing_more_is_asked_back_when_nobody_waits),
        cmocka_unit_test (a_host_that_was_given_back_whole_is_lent_anew),
        cmocka_unit_test (who_waits_does_not_wait_for_ever),
        cmocka_unit_test (shares_differ_by_one_at_most),
        cmocka_unit_test (any_history_keeps_its_books),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
