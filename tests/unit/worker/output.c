/* What ranks print: whole lines, nothing lost, nobody blocked. */
#include "worker/output.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define STREAMS 3

typedef struct {
    mpl_loop_t *loop;
    mpl_sink_t *sink;
    mpl_stream_t *streams[STREAMS];
    int out, reader;                /* where the sink writes; the other end, -1 when it is a file */
    int ranks[STREAMS];             /* what the ranks write to */
} fixture_t;

static void add_streams (fixture_t *self)
{
    self->loop = mpl__loop_new ();
    assert_non_null (self->loop);
    self->sink = mpl__sink_new (self->loop, self->out);
    assert_non_null (self->sink);
    for (size_t i = 0; i < STREAMS; i++) {
        int pair[2];
        assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
        self->ranks[i] = pair[1];
        self->streams[i] = mpl__stream_new (self->sink, pair[0], &(mpl_style_t) { .copy = -1 });
        assert_non_null (self->streams[i]);
    }
}

static fixture_t begin_file (void)
{
    fixture_t self = { .out = memfd_create ("out", MFD_CLOEXEC), .reader = -1 };

    add_streams (&self);
    return self;
}

static fixture_t begin_pipe (void)
{
    fixture_t self = { 0 };
    int pair[2];

    assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
    self.reader = pair[0];
    self.out = pair[1];
    fcntl (self.out, F_SETPIPE_SZ, 4096);
    add_streams (&self);
    return self;
}

static void end (fixture_t *self)
{
    for (size_t i = 0; i < STREAMS; i++)
        mpl__stream_destroy (&self->streams[i]);
    mpl__sink_destroy (&self->sink);
    mpl__loop_destroy (&self->loop);
    mpl__fd_close_all (self->ranks, STREAMS);
    mpl__fd_close (&self->out);
    mpl__fd_close (&self->reader);
}

static void print (const fixture_t *self, size_t rank, const char *text)
{
    assert_int_equal (0, mpl__fd_write_all (self->ranks[rank], text, strlen (text)));
}

static void turn (fixture_t *self, int times)
{
    while (times--)
        assert_int_equal (0, mpl__loop_turn (self->loop, 0));
}

/* All that is in the file so far. */
static void assert_printed (const fixture_t *self, const char *wanted)
{
    char text[1024];
    ssize_t len = pread (self->out, text, sizeof text - 1, 0);

    assert_true (len >= 0);
    text[len] = '\0';
    assert_string_equal (wanted, text);
}

static void lines_of_different_ranks_never_mix (void **state)
{
    fixture_t self = begin_file ();

    (void) state;
    print (&self, 0, "half ");
    print (&self, 1, "one\ntwo\nthr");
    turn (&self, 3);
    assert_printed (&self, "one\ntwo\n");
    print (&self, 0, "a line\n");
    turn (&self, 3);
    print (&self, 1, "ee\n");
    turn (&self, 3);
    assert_printed (&self, "one\ntwo\nhalf a line\nthree\n");
    end (&self);
}

static void a_last_line_without_its_newline_is_not_lost (void **state)
{
    fixture_t self = begin_file ();

    (void) state;
    print (&self, 0, "no newline");
    turn (&self, 2);
    assert_printed (&self, "");
    mpl__stream_destroy (&self.streams[0]);
    assert_null (self.streams[0]);
    assert_printed (&self, "no newline");
    end (&self);
}

static void finishing_reads_what_is_there_though_a_writer_is_left (void **state)
{
    fixture_t self = begin_file ();

    (void) state;
    print (&self, 0, "left\nbehind");
    assert_false (mpl__stream_is_ended (self.streams[0]));
    mpl__stream_finish (self.streams[0]);           /* though the rank's end is still open */
    assert_true (mpl__stream_is_ended (self.streams[0]));
    assert_printed (&self, "left\nbehind");
    end (&self);
}

static void a_line_too_long_to_wait_for_is_passed_on_in_parts (void **state)
{
    fixture_t self = begin_file ();
    char part[32768];

    (void) state;
    memset (part, 'x', sizeof part);
    for (size_t done = 0; done < MPL__LINE_BYTES; done += sizeof part) {
        assert_int_equal (0, lseek (self.out, 0, SEEK_END));
        assert_int_equal (0, mpl__fd_write_all (self.ranks[0], part, sizeof part));
        turn (&self, 1);
    }
    assert_int_equal (MPL__LINE_BYTES, lseek (self.out, 0, SEEK_END));
    end (&self);
}

#define LINE 100
#define LINES 40000

/* Prints numbered lines until the rank's pipe stays full, however often the loop turns; the number of the next one. */
static int print_until_full (fixture_t *self, int next)
{
    char line[LINE + 1];
    int turns = 0;

    for (; next < LINES && turns < 50; turns++) {
        snprintf (line, sizeof line, "%0*d\n", LINE - 1, next);
        if (write (self->ranks[0], line, LINE) == LINE) {
            next++;
            turns = 0;
        } else
            turn (self, 1);
    }
    return next;
}

/* Reads what is there; the number of the next line. */
static int read_lines (const fixture_t *self, int next)
{
    static char buffer[65536];
    static size_t len;              /* of a part of a line */
    size_t at = 0;
    ssize_t n = read (self->reader, buffer + len, sizeof buffer - len);

    len += n > 0 ? (size_t) n : 0;
    for (; len - at >= LINE; at += LINE) {
        assert_int_equal (next++, atoi (buffer + at));
        assert_int_equal ('\n', buffer[at + LINE - 1]);
    }
    memmove (buffer, buffer + at, len -= at);
    return next;
}

static void a_slow_reader_slows_the_ranks_and_loses_nothing (void **state)
{
    fixture_t self = begin_pipe ();
    int n_printed, n_read = 0;

    (void) state;
    fcntl (self.ranks[0], F_SETFL, O_NONBLOCK);
    fcntl (self.reader, F_SETFL, O_NONBLOCK);
    n_printed = print_until_full (&self, 0);
    assert_in_range (n_printed * LINE, MPL__SINK_BYTES, MPL__SINK_BYTES + MPL__SINK_BYTES / 2);
    while (n_read < LINES) {
        turn (&self, 2);
        n_read = read_lines (&self, n_read);
        if (n_printed - n_read < 1000)
            n_printed = print_until_full (&self, n_printed);
    }
    turn (&self, 2);
    assert_true (mpl__sink_is_empty (self.sink));
    assert_int_equal (0, mpl__sink_error (self.sink));
    end (&self);
}

static void the_callers_descriptor_stays_blocking (void **state)
{
    fixture_t self = begin_pipe ();

    (void) state;
    assert_int_equal (0, fcntl (self.out, F_GETFL) & O_NONBLOCK);
    end (&self);
}

static void a_reader_that_is_gone_is_an_error_and_stops_nobody (void **state)
{
    fixture_t self = begin_pipe ();

    (void) state;
    signal (SIGPIPE, SIG_IGN);
    mpl__fd_close (&self.reader);
    print (&self, 0, "for nobody\n");
    turn (&self, 4);
    assert_int_equal (EPIPE, mpl__sink_error (self.sink));
    assert_true (mpl__sink_is_empty (self.sink));
    print (&self, 0, "and more\n");
    turn (&self, 4);
    end (&self);
}

static void a_full_disk_is_an_error (void **state)
{
    fixture_t self = { .out = open ("/dev/full", O_WRONLY | O_CLOEXEC), .reader = -1 };

    (void) state;
    add_streams (&self);
    print (&self, 0, "no room\n");
    turn (&self, 4);
    assert_int_equal (ENOSPC, mpl__sink_error (self.sink));
    end (&self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (lines_of_different_ranks_never_mix),
        cmocka_unit_test (a_last_line_without_its_newline_is_not_lost),
        cmocka_unit_test (finishing_reads_what_is_there_though_a_writer_is_left),
        cmocka_unit_test (a_line_too_long_to_wait_for_is_passed_on_in_parts),
        cmocka_unit_test (a_slow_reader_slows_the_ranks_and_loses_nothing),
        cmocka_unit_test (the_callers_descriptor_stays_blocking),
        cmocka_unit_test (a_reader_that_is_gone_is_an_error_and_stops_nobody),
        cmocka_unit_test (a_full_disk_is_an_error),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
