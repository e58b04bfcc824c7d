/* Two ends of a stream of frames, joined by pipes: messages in their order, channels within their window, ends told. */
#include "worker/post.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS_MAX 100000
#define MIB ((size_t) 1 << 20)

typedef struct {
    mpl_loop_t *loop;
    mpl_post_t *near, *far;
    int near_out, far_in, near_in, far_out;     /* the pipes' ends that no post has taken; -1: none */
    uint64_t heard[64];
    size_t n_heard;
    int near_gone, far_gone;            /* 1 + the errno it was told */
    int destroys;                       /* the near end destroys itself when it hears something */
} fixture_t;

static void heard (void *arg, const mpl_control_t *message)
{
    fixture_t *self = arg;

    assert_int_equal (MPL__C_SIGNAL, message->type);
    self->heard[self->n_heard++] = message->status;
    if (self->destroys)
        mpl__post_destroy (&self->near);
}

static void near_gone (void *arg, int error) { ((fixture_t *) arg)->near_gone = 1 + error; }
static void far_gone (void *arg, int error) { ((fixture_t *) arg)->far_gone = 1 + error; }

static int set_up (void **state)
{
    fixture_t *self = calloc (1, sizeof *self);
    int there[2], back[2];
    mpl_post_fns_t near = { heard, NULL, near_gone, self }, far = { heard, NULL, far_gone, self };

    assert_int_equal (0, pipe2 (there, O_CLOEXEC));
    assert_int_equal (0, pipe2 (back, O_CLOEXEC));
    self->loop = mpl__loop_new ();
    self->near = mpl__post_new (self->loop, back[0], there[1], MPL__GREETING, &near);
    self->far = mpl__post_new (self->loop, there[0], back[1], NULL, &far);
    assert_non_null (self->near);
    assert_non_null (self->far);
    *state = self;
    return 0;
}

static int tear_down (void **state)
{
    fixture_t *self = *state;

    mpl__post_destroy (&self->near);
    mpl__post_destroy (&self->far);
    mpl__loop_destroy (&self->loop);
    free (self);
    return 0;
}

static void turn (fixture_t *self)
{
    mpl__loop_turn (self->loop, mpl__clock_ns () + 1000000);
}

static void greet (fixture_t *self)
{
    mpl__post_write (self->far, MPL__GREETING, strlen (MPL__GREETING));
}

static void say (mpl_post_t *from, uint64_t value)
{
    mpl__post_say (from, &(mpl_control_t) { .type = MPL__C_SIGNAL, .status = value });
}

static void messages_arrive_in_their_order (void **state)
{
    fixture_t *self = *state;

    greet (self);
    for (uint64_t i = 0; i < 20; i++)
        say (i % 2 ? self->near : self->far, i);
    for (int i = 0; i < TURNS_MAX && self->n_heard < 20; i++)
        turn (self);
    assert_int_equal (20, self->n_heard);
    uint64_t last[2] = { 0, 0 };
    for (size_t i = 0; i < 20; i++) {
        assert_true (self->heard[i] < 2 || self->heard[i] > last[self->heard[i] % 2]);
        last[self->heard[i] % 2] = self->heard[i];
    }
}

static void what_a_login_shell_says_first_is_skipped (void **state)
{
    fixture_t *self = *state;

    for (int i = 0; i < 1000; i++)
        mpl__post_write (self->far, "welcome to node7\nmplaunch agents are fine\n", 42);
    greet (self);
    say (self->far, 7);
    for (int i = 0; i < TURNS_MAX && !self->n_heard; i++)
        turn (self);
    assert_int_equal (7, self->heard[0]);
}

static void endless_noise_is_no_agent (void **state)
{
    fixture_t *self = *state;
    char noise[1024];

    memset (noise, 'x', sizeof noise);
    for (int i = 0; i < 200 && !self->near_gone; i++) {
        mpl__post_write (self->far, noise, sizeof noise);
        turn (self);
    }
    assert_int_equal (1 + EPROTO, self->near_gone);
}

static void bytes_that_are_no_frame_end_it (void **state)
{
    fixture_t *self = *state;

    greet (self);
    mpl__post_write (self->far, "hello hello hello", 17);
    for (int i = 0; i < TURNS_MAX && !self->near_gone; i++)
        turn (self);
    assert_int_equal (1 + EPROTO, self->near_gone);
}

static char byte_at (size_t i)
{
    return (char) (i * UINT64_C (0x9e3779b97f4a7c15) >> 56 ^ i);
}

/* Writes what the pipe takes of the pattern, reads what has come, compares. */
static void pump_pattern (fixture_t *self, int to, int from, size_t size)
{
    size_t n_written = 0, n_read = 0;
    char bytes[4096];

    fcntl (to, F_SETFL, O_NONBLOCK);
    fcntl (from, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < TURNS_MAX && n_read < size; i++) {
        for (ssize_t rc = 0; n_written < size && rc >= 0;) {
            size_t n = size - n_written < sizeof bytes ? size - n_written : sizeof bytes;
            for (size_t k = 0; k < n; k++)
                bytes[k] = byte_at (n_written + k);
            if ((rc = write (to, bytes, n)) > 0)
                n_written += (size_t) rc;
        }
        turn (self);
        for (ssize_t rc; (rc = read (from, bytes, sizeof bytes)) > 0; n_read += (size_t) rc)
            for (ssize_t k = 0; k < rc; k++)
                assert_int_equal (byte_at (n_read + (size_t) k), bytes[k]);
    }
    assert_int_equal (size, n_read);
}

static void a_channel_carries_every_byte_and_its_end (void **state)
{
    fixture_t *self = *state;
    int source[2], target[2];
    char byte;

    greet (self);
    assert_int_equal (0, pipe2 (source, O_CLOEXEC));
    assert_int_equal (0, pipe2 (target, O_CLOEXEC));
    mpl__post_deliver (self->near, MPL__CHANNEL_OUT, target[1]);
    mpl__post_carry (self->far, MPL__CHANNEL_OUT, source[0]);
    pump_pattern (self, source[1], target[0], 3 * MIB + 17);
    assert_int_equal (-1, read (target[0], &byte, 1));
    assert_int_equal (EAGAIN, errno);
    close (source[1]);
    for (int i = 0; i < TURNS_MAX && !mpl__post_is_carried (self->far, MPL__CHANNEL_OUT); i++)
        turn (self);
    turn (self);
    assert_int_equal (0, read (target[0], &byte, 1));
    close (target[0]);
}

static void a_reader_that_waits_holds_up_no_message (void **state)
{
    fixture_t *self = *state;
    int source[2], target[2];
    char bytes[4096] = { 0 };
    size_t n_written = 0;

    greet (self);
    assert_int_equal (0, pipe2 (source, O_CLOEXEC));
    assert_int_equal (0, pipe2 (target, O_CLOEXEC));
    mpl__post_deliver (self->near, MPL__CHANNEL_OUT, target[1]);
    mpl__post_carry (self->far, MPL__CHANNEL_OUT, source[0]);
    fcntl (source[1], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 200; i++) {             /* until nothing more is taken */
        for (ssize_t rc; (rc = write (source[1], bytes, sizeof bytes)) > 0;)
            n_written += (size_t) rc;
        turn (self);
    }
    assert_true (n_written >= MPL__FRAME_WINDOW);
    assert_true (n_written <= MPL__FRAME_WINDOW + 5 * MPL__FRAME_DATA);         /* and two pipes */
    say (self->far, 3);
    for (int i = 0; i < TURNS_MAX && !self->n_heard; i++)
        turn (self);
    assert_int_equal (3, self->heard[0]);
    close (source[1]);
    close (target[0]);
}

static void a_writer_learns_that_nobody_reads (void **state)
{
    fixture_t *self = *state;
    int source[2], target[2];
    ssize_t rc = 0;

    greet (self);
    assert_int_equal (0, pipe2 (source, O_CLOEXEC));
    assert_int_equal (0, pipe2 (target, O_CLOEXEC));
    mpl__post_deliver (self->far, MPL__CHANNEL_IN, target[1]);
    mpl__post_carry (self->near, MPL__CHANNEL_IN, source[0]);
    close (target[0]);
    for (int i = 0; i < TURNS_MAX && rc >= 0; i++) {
        rc = write (source[1], "x", 1);
        turn (self);
    }
    assert_int_equal (-1, rc);
    assert_int_equal (EPIPE, errno);
    close (source[1]);
}

static void the_end_of_one_is_told_to_the_other_after_what_it_said (void **state)
{
    fixture_t *self = *state;

    greet (self);
    say (self->far, 5);
    mpl__post_destroy (&self->far);
    for (int i = 0; i < TURNS_MAX && !self->near_gone; i++)
        turn (self);
    assert_int_equal (5, self->heard[0]);
    assert_int_equal (1, self->near_gone);
    say (self->near, 6);                /* into nothing, and harmless */
}

static void it_may_be_destroyed_by_what_it_tells (void **state)
{
    fixture_t *self = *state;

    self->destroys = 1;
    greet (self);
    say (self->far, 1);
    say (self->far, 2);
    for (int i = 0; i < 100 && self->near; i++)
        turn (self);
    assert_null (self->near);
    assert_int_equal (1, self->n_heard);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (messages_arrive_in_their_order),
        TEST (what_a_login_shell_says_first_is_skipped),
        TEST (endless_noise_is_no_agent),
        TEST (bytes_that_are_no_frame_end_it),
        TEST (a_channel_carries_every_byte_and_its_end),
        TEST (a_reader_that_waits_holds_up_no_message),
        TEST (a_writer_learns_that_nobody_reads),
        TEST (the_end_of_one_is_told_to_the_other_after_what_it_said),
        TEST (it_may_be_destroyed_by_what_it_tells),
    };

    signal (SIGPIPE, SIG_IGN);
    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
