/* What mpbroker does with messages: the test is the network, told as stories and as random messages. */
#include "broker/board.h"
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
#define PEERS 64u

typedef struct {
    mpl_the_board_t *board;
    uint64_t now;
    int is_gone[PEERS];
    char said[PEERS][512];              /* names of messages, but BEAT */
    uint64_t lease, stream[PEERS];      /* the last one said */
} world_t;

static const char *const names[MPL__B_N] = { "",     "join", "attach", "open",   "welcome", "refused", "lent", "ready", "wait",
                                             "lost", "want", "return", "data", "taken",  "end",     "close",   "beat", "leave" };

static int send_to (void *arg, uint32_t peer, const mpl_board_t *message)
{
    world_t *self = arg;

    assert_true (peer < PEERS);
    if (self->is_gone[peer])
        return -1;
    if (message->type == MPL__B_BEAT)
        return 0;
    size_t len = strlen (self->said[peer]);
    snprintf (self->said[peer] + len, sizeof self->said[peer] - len, "%s%s", len ? " " : "", names[message->type]);
    if (message->type == MPL__B_LENT)
        self->lease = message->lease;
    if (message->type == MPL__B_OPEN || message->type == MPL__B_WELCOME)
        self->stream[peer] = message->stream;
    return 0;
}

static void begin (world_t *self)
{
    const mpl_board_fns_t fns = { send_to, NULL, self };

    *self = (world_t) { .now = 1000 * (uint64_t) MS };
    self->board = mpl__board_new (&fns);
    assert_non_null (self->board);
}

static void say (world_t *self, uint32_t peer, const mpl_board_t *message)
{
    static uint8_t bytes[MPL__BOARD_MAX];

    mpl__board_take (self->board, peer, bytes, mpl__board_encode (bytes, message), self->now);
    assert_null (mpl__board_check (self->board));
}

static void pass (world_t *self, uint64_t ms)
{
    for (uint64_t end = self->now + ms * MS; self->now < end; self->now += 50 * MS)
        mpl__board_tick (self->board, self->now);
    assert_null (mpl__board_check (self->board));
}

/* What that peer heard since it was last asked. */
static const char *heard (world_t *self, uint32_t peer)
{
    static char text[512];

    memcpy (text, self->said[peer], sizeof text);
    self->said[peer][0] = '\0';
    return text;
}

static void join (world_t *self, uint32_t peer, const char *name, uint64_t slots)
{
    say (self, peer, &(mpl_board_t) { .type = MPL__B_JOIN, .slots = slots, .body = name, .len = strlen (name) });
}

/* Host 1, launch 2, which carrier 3 of it has a stream to. */
static void open_one (world_t *self)
{
    begin (self);
    join (self, 1, "a", 2);
    say (self, 2, &(mpl_board_t) { .type = MPL__B_ATTACH, .slots = 2 });
    pass (self, 200);
    assert_string_equal ("welcome lent ready", heard (self, 2));
    say (self, 3, &(mpl_board_t) { .type = MPL__B_OPEN, .lease = self->lease });
    assert_string_equal ("welcome", heard (self, 3));
    assert_string_equal ("welcome open", heard (self, 1));
    assert_int_equal (self->stream[1], self->stream[3]);
}

static void data (world_t *self, uint32_t peer, uint64_t stream, size_t len)
{
    static uint8_t bytes[MPL__BOARD_DATA];

    say (self, peer, &(mpl_board_t) { .type = MPL__B_DATA, .stream = stream, .body = bytes, .len = len });
}

static void a_stream_is_passed_on_both_ways (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    data (&self, 3, self.stream[3], 100);
    assert_string_equal ("data", heard (&self, 1));
    data (&self, 1, self.stream[1], 100);
    say (&self, 1, &(mpl_board_t) { .type = MPL__B_TAKEN, .stream = self.stream[1], .n = 100 });
    say (&self, 1, &(mpl_board_t) { .type = MPL__B_END, .stream = self.stream[1] });
    assert_string_equal ("data taken end", heard (&self, 3));
    say (&self, 1, &(mpl_board_t) { .type = MPL__B_CLOSE, .stream = self.stream[1] });
    assert_string_equal ("close", heard (&self, 3));
    assert_int_equal (0, mpl__board_streams (self.board));
    mpl__board_destroy (&self.board);
}

static void no_more_than_a_window_is_under_way (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    for (int i = 0; i < 4; i++)
        data (&self, 3, self.stream[3], MPL__BOARD_DATA);
    assert_string_equal ("data data data data", heard (&self, 1));
    data (&self, 3, self.stream[3], 1);
    assert_string_equal ("refused", heard (&self, 3));
    assert_string_equal ("close", heard (&self, 1));
    mpl__board_destroy (&self.board);
}

static void who_claims_to_have_taken_what_never_came_is_left (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    say (&self, 1, &(mpl_board_t) { .type = MPL__B_TAKEN, .stream = self.stream[1], .n = 1 });
    assert_string_equal ("refused", heard (&self, 1));
    assert_string_equal ("close", heard (&self, 3));
    assert_int_equal (0, mpl__board_hosts (self.board));
    mpl__board_destroy (&self.board);
}

static void a_strangers_stream_is_not_touched (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    join (&self, 4, "b", 1);
    heard (&self, 4);
    data (&self, 4, self.stream[1], 10);
    say (&self, 4, &(mpl_board_t) { .type = MPL__B_CLOSE, .stream = self.stream[1] });
    data (&self, 5, self.stream[1], 10);
    assert_string_equal ("leave", heard (&self, 5));
    assert_string_equal ("", heard (&self, 3));
    assert_string_equal ("", heard (&self, 1));
    assert_int_equal (1, mpl__board_streams (self.board));
    mpl__board_destroy (&self.board);
}

static void a_host_whose_connection_ends_ends_its_streams (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    self.is_gone[1] = 1;
    pass (&self, 1100);
    assert_string_equal ("close", heard (&self, 3));
    assert_string_equal ("lost", heard (&self, 2));
    assert_int_equal (0, mpl__board_hosts (self.board));
    mpl__board_destroy (&self.board);
}

static void a_host_that_is_silent_is_dropped_after_15_s (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    for (int s = 0; s < 14; s++) {
        pass (&self, 1000);
        say (&self, 2, &(mpl_board_t) { .type = MPL__B_BEAT });
        say (&self, 3, &(mpl_board_t) { .type = MPL__B_BEAT });
    }
    assert_string_equal ("", heard (&self, 3));
    pass (&self, 2200);
    assert_string_equal ("close", heard (&self, 3));
    say (&self, 1, &(mpl_board_t) { .type = MPL__B_BEAT });
    assert_string_equal ("leave", heard (&self, 1));
    mpl__board_destroy (&self.board);
}

static void slots_are_free_when_the_agent_has_ended (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    say (&self, 4, &(mpl_board_t) { .type = MPL__B_ATTACH, .slots = 2 });
    say (&self, 2, &(mpl_board_t) { .type = MPL__B_LEAVE });
    assert_string_equal ("close", heard (&self, 1));
    assert_string_equal ("close", heard (&self, 3));
    pass (&self, 500);
    assert_string_equal ("welcome wait", heard (&self, 4));
    say (&self, 1, &(mpl_board_t) { .type = MPL__B_CLOSE, .stream = self.stream[1] });
    pass (&self, 200);
    assert_string_equal ("lent ready", heard (&self, 4));
    mpl__board_destroy (&self.board);
}

static void a_lease_has_one_agent_and_ends_with_its_launch (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    say (&self, 4, &(mpl_board_t) { .type = MPL__B_OPEN, .lease = self.lease });
    assert_string_equal ("refused", heard (&self, 4));
    say (&self, 4, &(mpl_board_t) { .type = MPL__B_OPEN, .lease = 99 });
    assert_string_equal ("refused", heard (&self, 4));
    say (&self, 2, &(mpl_board_t) { .type = MPL__B_LEAVE });
    say (&self, 1, &(mpl_board_t) { .type = MPL__B_CLOSE, .stream = self.stream[1] });
    say (&self, 4, &(mpl_board_t) { .type = MPL__B_OPEN, .lease = self.lease });
    assert_string_equal ("refused", heard (&self, 4));
    mpl__board_destroy (&self.board);
}

static void a_lease_that_is_returned_ends_its_agent (void **state)
{
    world_t self;

    (void) state;
    open_one (&self);
    say (&self, 2, &(mpl_board_t) { .type = MPL__B_RETURN, .lease = self.lease });
    assert_string_equal ("close", heard (&self, 1));
    assert_string_equal ("close", heard (&self, 3));
    mpl__board_destroy (&self.board);
}

static void what_only_the_broker_says_is_not_heard_of_others (void **state)
{
    static const mpl_board_type_t types[] = { MPL__B_WELCOME, MPL__B_LENT, MPL__B_READY, MPL__B_WAIT, MPL__B_JOIN, MPL__B_OPEN,
                                              MPL__B_ATTACH, MPL__B_WANT, MPL__B_RETURN };

    (void) state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        world_t self;
        open_one (&self);
        say (&self, 1, &(mpl_board_t) { .type = types[i], .slots = 1, .body = "a", .len = 1 });
        assert_string_equal ("refused", heard (&self, 1));
        mpl__board_destroy (&self.board);
    }
}

static void hosts_of_one_name_are_told_apart (void **state)
{
    world_t self;

    (void) state;
    begin (&self);
    join (&self, 1, "a", 1);
    join (&self, 2, "a", 1);
    join (&self, 3, "a b", 1);
    join (&self, 4, "c", 0);
    assert_string_equal ("welcome", heard (&self, 2));
    assert_string_equal ("refused", heard (&self, 3));
    assert_string_equal ("refused", heard (&self, 4));
    assert_int_equal (2, mpl__board_hosts (self.board));
    mpl__board_destroy (&self.board);
}

static void any_messages_in_any_order_keep_it_whole (void **state)
{
    (void) state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        world_t self;
        begin (&self);
        srandom (seed);
        print_message ("# seed %u\n", seed);
        for (int i = 0; i < 1500; i++) {
            static uint8_t body[MPL__BOARD_DATA];
            uint32_t peer = 1 + (uint32_t) random () % (PEERS - 1);
            mpl_board_t message = { .type = 1 + (mpl_board_type_t) random () % (MPL__B_N - 1), .slots = (uint64_t) random () % 5,
                                    .stream = self.stream[random () % 2 ? peer : (unsigned) random () % PEERS],
                                    .lease = self.lease - (uint64_t) random () % 4, .n = (uint64_t) random () % 3000,
                                    .body = random () % 2 ? (const void *) "name" : body, .len = 4 };
            if (message.type == MPL__B_DATA)
                message.body = body, message.len = (size_t) random () % 3000;
            if (message.type == MPL__B_LEAVE && random () % 4)
                message.type = MPL__B_OPEN;
            if (random () % 200 == 0)
                self.is_gone[peer] = !self.is_gone[peer];
            say (&self, peer, &message);
            self.said[peer][0] = '\0';
            if (random () % 5 == 0)
                pass (&self, 100);
        }
        mpl__board_destroy (&self.board);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_stream_is_passed_on_both_ways),
        cmocka_unit_test (no_more_than_a_window_is_under_way),
        cmocka_unit_test (who_claims_to_have_taken_what_never_came_is_left),
        cmocka_unit_test (a_strangers_stream_is_not_touched),
        cmocka_unit_test (a_host_whose_connection_ends_ends_its_streams),
        cmocka_unit_test (a_host_that_is_silent_is_dropped_after_15_s),
        cmocka_unit_test (slots_are_free_when_the_agent_has_ended),
        cmocka_unit_test (a_lease_has_one_agent_and_ends_with_its_launch),
        cmocka_unit_test (a_lease_that_is_returned_ends_its_agent),
        cmocka_unit_test (what_only_the_broker_says_is_not_heard_of_others),
        cmocka_unit_test (hosts_of_one_name_are_told_apart),
        cmocka_unit_test (any_messages_in_any_order_keep_it_whole),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
