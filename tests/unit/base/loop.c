/* The loop: handlers are called for what is ready, and may remove anything at any time. */
#include "base/loop.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    mpl_loop_t *loop;
    int fds[2];
    mpl_source_t *source, *victims[3];
    int n_calls;
    uint32_t events;
} watch_t;

static void count (void *arg, uint32_t events)
{
    watch_t *watch = arg;

    watch->n_calls++;
    watch->events = events;
}

static void begin (watch_t *watch, mpl_ready_fn fn)
{
    *watch = (watch_t) { .loop = mpl__loop_new () };
    assert_non_null (watch->loop);
    assert_int_equal (0, pipe2 (watch->fds, O_CLOEXEC | O_NONBLOCK));
    watch->source = mpl__loop_add (watch->loop, watch->fds[0], EPOLLIN, fn, watch);
    assert_non_null (watch->source);
}

static void end (watch_t *watch)
{
    mpl__loop_remove (watch->loop, &watch->source);
    mpl__loop_destroy (&watch->loop);
    assert_null (watch->loop);
    mpl__loop_destroy (&watch->loop);
    mpl__fd_close_all (watch->fds, 2);
}

static void a_handler_is_called_for_as_long_as_there_is_input (void **state)
{
    watch_t watch;
    char byte;

    (void) state;
    begin (&watch, count);
    assert_int_equal (0, mpl__loop_turn (watch.loop, 0));
    assert_int_equal (0, watch.n_calls);
    assert_int_equal (1, write (watch.fds[1], "x", 1));
    assert_int_equal (0, mpl__loop_turn (watch.loop, MPL__NEVER));
    assert_int_equal (0, mpl__loop_turn (watch.loop, MPL__NEVER));      /* level-triggered */
    assert_int_equal (2, watch.n_calls);
    assert_true (watch.events & EPOLLIN);
    assert_int_equal (1, read (watch.fds[0], &byte, 1));
    mpl__fd_close (&watch.fds[1]);
    assert_int_equal (0, mpl__loop_turn (watch.loop, MPL__NEVER));
    assert_true (watch.events & EPOLLHUP);
    end (&watch);
}

static void a_turn_ends_at_its_deadline (void **state)
{
    watch_t watch;

    (void) state;
    begin (&watch, count);
    uint64_t deadline = mpl__clock_in_ms (5);
    assert_int_equal (0, mpl__loop_turn (watch.loop, deadline));
    assert_true (mpl__clock_ns () >= deadline);
    assert_int_equal (0, watch.n_calls);
    end (&watch);
}

static void what_is_wanted_can_be_changed (void **state)
{
    watch_t watch;

    (void) state;
    begin (&watch, count);
    assert_int_equal (1, write (watch.fds[1], "x", 1));
    mpl__loop_want (watch.loop, watch.source, 0);
    assert_int_equal (0, mpl__loop_turn (watch.loop, mpl__clock_in_ms (2)));
    assert_int_equal (0, watch.n_calls);
    mpl__loop_want (watch.loop, watch.source, EPOLLIN);
    assert_int_equal (0, mpl__loop_turn (watch.loop, MPL__NEVER));
    assert_int_equal (1, watch.n_calls);
    end (&watch);
}

static void a_descriptor_that_cannot_be_watched_is_refused (void **state)
{
    watch_t watch;

    (void) state;
    begin (&watch, count);
    assert_null (mpl__loop_add (watch.loop, -1, EPOLLIN, count, &watch));
    assert_int_equal (EBADF, errno);
    assert_null (mpl__loop_add (watch.loop, watch.fds[0], EPOLLIN, count, &watch));
    assert_int_equal (EEXIST, errno);
    mpl_source_t *none = NULL;
    mpl__loop_remove (watch.loop, &none);
    end (&watch);
}

static void remove_all (void *arg, uint32_t events)
{
    watch_t *watch = arg;

    (void) events;
    watch->n_calls++;
    for (size_t i = 0; i < 3; i++)
        mpl__loop_remove (watch->loop, &watch->victims[i]);
}

/* All of them are in one batch; whichever comes first removes the others and itself, and none is called after that. */
static void a_removed_source_is_not_called_though_its_event_was_taken (void **state)
{
    watch_t watch;
    int ends[3];

    (void) state;
    begin (&watch, count);
    for (size_t i = 0; i < 3; i++) {
        ends[i] = fcntl (watch.fds[0], F_DUPFD_CLOEXEC, 0);
        watch.victims[i] = mpl__loop_add (watch.loop, ends[i], EPOLLIN, remove_all, &watch);
        assert_non_null (watch.victims[i]);
    }
    mpl__loop_remove (watch.loop, &watch.source);
    assert_int_equal (1, write (watch.fds[1], "x", 1));
    assert_int_equal (0, mpl__loop_turn (watch.loop, MPL__NEVER));
    assert_int_equal (0, mpl__loop_turn (watch.loop, 0));
    assert_int_equal (1, watch.n_calls);
    mpl__fd_close_all (ends, 3);
    end (&watch);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_handler_is_called_for_as_long_as_there_is_input),
        cmocka_unit_test (a_turn_ends_at_its_deadline),
        cmocka_unit_test (what_is_wanted_can_be_changed),
        cmocka_unit_test (a_descriptor_that_cannot_be_watched_is_refused),
        cmocka_unit_test (a_removed_source_is_not_called_though_its_event_was_taken),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
