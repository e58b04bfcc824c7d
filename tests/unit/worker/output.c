/* What ranks print: whole lines, nothing lost, nobody blocked. */
#include "worker/output.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define STREAMS 3
#define MIB ((size_t) 1 << 20)
#define PIPE_BYTES ((size_t) 64 << 10)

typedef struct {
    mpl_loop_t *loop;
    mpl_sink_t *sink;
    mpl_stream_t *streams[STREAMS];
    int out, reader;                /* where the sink writes; the other end, -1 when it is a file */
    int ranks[STREAMS];             /* what the ranks write to */
} fixture_t;

static const mpl_style_t plain = { .copy = -1 };

static void add_stream (fixture_t *self, size_t i, mpl_style_t style)
{
    int pair[2];

    assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
    self->ranks[i] = pair[1];
    self->streams[i] = mpl__stream_new (self->sink, pair[0], &style);
    assert_non_null (self->streams[i]);
}

/* A sink, and no stream yet. */
static fixture_t begin_sink (int out, int reader)
{
    fixture_t self = { .out = out, .reader = reader, .ranks = { -1, -1, -1 } };

    assert_true (out >= 0);
    self.loop = mpl__loop_new ();
    assert_non_null (self.loop);
    self.sink = mpl__sink_new (self.loop, out);
    assert_non_null (self.sink);
    return self;
}

static int open_file (void)
{
    return memfd_create ("out", MFD_CLOEXEC);
}

static fixture_t begin_file_of (mpl_style_t first, mpl_style_t others)
{
    fixture_t self = begin_sink (open_file (), -1);

    for (size_t i = 0; i < STREAMS; i++)
        add_stream (&self, i, i ? others : first);
    return self;
}

static fixture_t begin_file (void)
{
    return begin_file_of (plain, plain);
}

static fixture_t begin_pipe_of (mpl_style_t style)
{
    int pair[2];

    assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
    fcntl (pair[1], F_SETPIPE_SZ, 4096);
    fixture_t self = begin_sink (pair[1], pair[0]);
    for (size_t i = 0; i < STREAMS; i++)
        add_stream (&self, i, style);
    return self;
}

static fixture_t begin_pipe (void)
{
    return begin_pipe_of (plain);
}

static void end (fixture_t *self)
{
    for (size_t i = 0; i < STREAMS; i++)
        mpl__stream_destroy (&self->streams[i]);
    mpl__sink_destroy (&self->sink);
    assert_null (self->sink);
    mpl__sink_destroy (&self->sink);
    mpl__loop_destroy (&self->loop);
    mpl__fd_close_all (self->ranks, STREAMS);
    mpl__fd_close (&self->out);
    mpl__fd_close (&self->reader);
}

static void print_bytes (const fixture_t *self, size_t rank, const char *bytes, size_t len)
{
    assert_int_equal (0, mpl__fd_write_all (self->ranks[rank], bytes, len));
}

static void print (const fixture_t *self, size_t rank, const char *text)
{
    print_bytes (self, rank, text, strlen (text));
}

static void turn (fixture_t *self, int times)
{
    while (times--)
        assert_int_equal (0, mpl__loop_turn (self->loop, 0));
}

/* Nothing happens for a while: no handler is called over and over. */
static void assert_asleep (fixture_t *self)
{
    turn (self, 4);
    uint64_t until = mpl__clock_ns () + 20 * MPL__NS_PER_MS;
    assert_int_equal (0, mpl__loop_turn (self->loop, until));
    assert_true (mpl__clock_ns () >= until);
}

/* ---- what came out --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    char *bytes;                    /* with a NUL behind them */
    size_t len, room;
} text_t;

static void grow (text_t *self, size_t more)
{
    if (self->len + more < self->room)
        return;
    self->room = (self->len + more + 1) * 2;
    self->bytes = realloc (self->bytes, self->room);
    assert_non_null (self->bytes);
}

/* All that is in the file so far. */
static text_t printed (const fixture_t *self)
{
    text_t text = { 0 };
    ssize_t rc;

    do {
        grow (&text, PIPE_BYTES);
        rc = pread (self->out, text.bytes + text.len, PIPE_BYTES, (off_t) text.len);
        assert_true (rc >= 0);
        text.len += (size_t) rc;
    } while (rc > 0);
    text.bytes[text.len] = '\0';
    return text;
}

static void assert_printed_bytes (const fixture_t *self, const char *wanted, size_t len)
{
    text_t text = printed (self);

    assert_int_equal (len, text.len);
    assert_memory_equal (wanted, text.bytes, len);
    free (text.bytes);
}

static void assert_printed (const fixture_t *self, const char *wanted)
{
    text_t text = printed (self);

    assert_string_equal (wanted, text.bytes);
    free (text.bytes);
}

/* Adds what the reader can have now. 0: nothing. */
static size_t take (const fixture_t *self, text_t *text)
{
    fcntl (self->reader, F_SETFL, O_NONBLOCK);
    grow (text, PIPE_BYTES);
    ssize_t rc = read (self->reader, text->bytes + text->len, PIPE_BYTES);
    if (rc < 0)
        assert_int_equal (EAGAIN, errno);
    text->len += rc > 0 ? (size_t) rc : 0;
    text->bytes[text->len] = '\0';
    return rc > 0 ? (size_t) rc : 0;
}

/* What a rank has still to print. */
typedef struct {
    size_t rank;
    const char *bytes;
    size_t len, at;
} printer_t;

/* As much as fits into its pipe. How much that was. */
static size_t print_some (const fixture_t *self, printer_t *printer, size_t most)
{
    size_t left = printer->len - printer->at;

    fcntl (self->ranks[printer->rank], F_SETFL, O_NONBLOCK);
    ssize_t rc = left ? write (self->ranks[printer->rank], printer->bytes + printer->at, left < most ? left : most) : 0;
    if (rc < 0)
        assert_int_equal (EAGAIN, errno);
    printer->at += rc > 0 ? (size_t) rc : 0;
    return rc > 0 ? (size_t) rc : 0;
}

static int is_printed (const printer_t *printer)
{
    return printer->at == printer->len;
}

static char *repeat (char byte, size_t len)
{
    char *bytes = malloc (len + 1);

    assert_non_null (bytes);
    memset (bytes, byte, len);
    bytes[len] = '\0';
    return bytes;
}

/* ---- lines ----------------------------------------------------------------------------------------------------------------------- */

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

/* Each line says which rank printed it and how long it is: "1 17 xxxxx...". */
static char *make_lines (size_t rank, size_t n, size_t *len, unsigned *dice)
{
    char *bytes = malloc (n * 1200);

    assert_non_null (bytes);
    *len = 0;
    for (size_t i = 0; i < n; i++) {
        int dots = rand_r (dice) % (rand_r (dice) % 8 ? 40 : 1000);
        *len += (size_t) sprintf (bytes + *len, "%zu %zu %d ", rank, i, dots);
        memset (bytes + *len, 'a' + (int) rank, (size_t) dots);
        *len += (size_t) dots;
        bytes[(*len)++] = '\n';
    }
    return bytes;
}

/* Every line is whole, and those of one rank come in their order. */
static void assert_whole_lines (const text_t *text, size_t n)
{
    size_t next[STREAMS] = { 0 };
    const char *at = text->bytes;

    while (at < text->bytes + text->len) {
        char *end_of;
        size_t rank = strtoul (at, &end_of, 10), i = strtoul (end_of, &end_of, 10), dots = strtoul (end_of, &end_of, 10);
        assert_true (rank < STREAMS);
        assert_int_equal (next[rank]++, i);
        assert_int_equal (' ', *end_of++);
        for (size_t k = 0; k < dots; k++)
            assert_int_equal ('a' + (int) rank, end_of[k]);
        assert_int_equal ('\n', end_of[dots]);
        at = end_of + dots + 1;
    }
    for (size_t rank = 0; rank < STREAMS; rank++)
        assert_int_equal (n, next[rank]);
}

static void lines_that_come_in_odd_pieces_are_whole (void **state)
{
    enum { N = 3000 };
    unsigned dice = 3;

    (void) state;
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        fixture_t self = is_pipe ? begin_pipe () : begin_file ();
        printer_t printers[STREAMS];
        text_t text = { 0 };
        size_t wanted = 0;
        for (size_t i = 0; i < STREAMS; i++) {
            printers[i] = (printer_t) { .rank = i };
            printers[i].bytes = make_lines (i, N, &printers[i].len, &dice);
            wanted += printers[i].len;
        }
        for (int turns = 0; !is_printed (&printers[0]) || !is_printed (&printers[1]) || !is_printed (&printers[2]); turns++) {
            assert_in_range (turns, 0, 1000000);
            for (size_t i = 0; i < STREAMS; i++)
                print_some (&self, &printers[i], 1 + (size_t) rand_r (&dice) % (turns % 100 ? 2000 : 60000));
            turn (&self, 1 + rand_r (&dice) % 3);
            if (is_pipe)
                take (&self, &text);
        }
        if (!is_pipe) {
            turn (&self, 4);
            free (text.bytes);
            text = printed (&self);
        }
        for (int turns = 0; is_pipe && text.len < wanted; turns++) {
            assert_in_range (turns, 0, 1000000);
            turn (&self, 1);
            take (&self, &text);
        }
        assert_int_equal (wanted, text.len);
        assert_whole_lines (&text, N);
        for (size_t i = 0; i < STREAMS; i++)
            free ((char *) printers[i].bytes);
        free (text.bytes);
        end (&self);
    }
}

static void without_a_tag_every_byte_is_exact (void **state)
{
    size_t len = 300001;
    char *bytes = malloc (len);
    unsigned dice = 7;

    (void) state;
    assert_non_null (bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char) (rand_r (&dice) % 5 ? rand_r (&dice) >> 8 : "\0\n\r\x1b"[rand_r (&dice) % 4]);
    bytes[0] = '\0';
    bytes[len - 1] = '\0';                      /* and no newline at the end */
    fixture_t self = begin_file ();
    printer_t printer = { .rank = 1, .bytes = bytes, .len = len };
    while (!is_printed (&printer)) {
        print_some (&self, &printer, 1 + (size_t) rand_r (&dice) % 5000);
        turn (&self, 1);
    }
    mpl__fd_close (&self.ranks[1]);
    turn (&self, 3);
    assert_true (mpl__stream_is_ended (self.streams[1]));
    assert_printed_bytes (&self, bytes, len);
    free (bytes);
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
    print (&self, 1, "nor here");
    turn (&self, 2);
    mpl__fd_close (&self.ranks[1]);             /* by the end of its rank, too */
    turn (&self, 2);
    assert_printed (&self, "no newlinenor here");
    end (&self);
}

static void an_ended_stream_is_quiet (void **state)
{
    fixture_t self = begin_file ();

    (void) state;
    assert_true (mpl__stream_is_ended (NULL));
    for (size_t i = 0; i < STREAMS; i++) {
        assert_false (mpl__stream_is_ended (self.streams[i]));
        mpl__fd_close (&self.ranks[i]);
        turn (&self, 2);
        assert_true (mpl__stream_is_ended (self.streams[i]));
        mpl__stream_finish (self.streams[i]);
    }
    assert_asleep (&self);
    assert_printed (&self, "");
    end (&self);
}

/* ---- finishing ------------------------------------------------------------------------------------------------------------------- */

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

static void finishing_takes_a_full_pipe_of_any_size (void **state)
{
    static const int sizes[] = { 4096, 65536, 1048576 };

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        fixture_t self = begin_file ();
        int size = fcntl (self.ranks[1], F_SETPIPE_SZ, sizes[i]);
        if (size < sizes[i])                        /* more than this user may have */
            size = fcntl (self.ranks[1], F_GETPIPE_SZ);
        char *bytes = repeat ('x', (size_t) size);
        print_bytes (&self, 1, bytes, (size_t) size);
        mpl__stream_finish (self.streams[1]);
        assert_printed_bytes (&self, bytes, (size_t) size);
        free (bytes);
        end (&self);
    }
}

static void *write_for_ever (void *arg)
{
    static char bytes[4096];

    while (write (*(int *) arg, bytes, sizeof bytes) > 0)
        ;
    return NULL;
}

static void finishing_ends_though_somebody_writes_for_ever (void **state)
{
    fixture_t self = begin_file ();
    pthread_t thread;

    (void) state;
    assert_int_equal (0, pthread_create (&thread, NULL, write_for_ever, &self.ranks[0]));
    turn (&self, 5);
    mpl__stream_finish (self.streams[0]);
    assert_true (mpl__stream_is_ended (self.streams[0]));
    assert_int_equal (0, pthread_join (thread, NULL));      /* its pipe is closed */
    end (&self);
}

/* ---- long lines ------------------------------------------------------------------------------------------------------------------ */

static void a_line_too_long_to_wait_for_is_passed_on_in_parts (void **state)
{
    fixture_t self = begin_file ();
    char part[32768];

    (void) state;
    memset (part, 'x', sizeof part);
    for (size_t done = 0; done < MPL__LINE_BYTES; done += sizeof part) {
        assert_int_equal (0, lseek (self.out, 0, SEEK_END));
        print_bytes (&self, 0, part, sizeof part);
        turn (&self, 1);
    }
    assert_int_equal (MPL__LINE_BYTES, lseek (self.out, 0, SEEK_END));
    end (&self);
}

/* There is one x in a row in text, with `before` before it, and the rest is whole lines "other\n". Their number. */
static size_t count_others (const text_t *text, size_t n_x, const char *before)
{
    size_t n = 0, n_long = 0, at = 0, n_before = strlen (before);

    while (at < text->len) {
        if (!strncmp (text->bytes + at, "other\n", 6)) {
            n++;
            at += 6;
            continue;
        }
        assert_memory_equal (before, text->bytes + at, n_before);
        at += n_before;
        size_t run = strspn (text->bytes + at, "x");
        assert_int_equal (n_x, run);
        at += run;
        assert_int_equal ('\n', text->bytes[at++]);
        n_long++;
    }
    assert_int_equal (1, n_long);
    return n;
}

/* One rank prints a line of len bytes while another prints short ones all the time; `pace` bytes at a time. */
static void try_long_line (fixture_t *self, size_t len, size_t pace, const char *before)
{
    char *line = repeat ('x', len);
    printer_t printer = { .rank = 0, .bytes = line, .len = len };
    text_t text = { 0 };
    size_t n_others = 0;
    int is_pipe = self->reader >= 0;

    line[len - 1] = '\n';
    for (int turns = 0; !is_printed (&printer); turns++) {
        assert_in_range (turns, 0, 1000000);
        print_some (self, &printer, pace);
        printer_t other = { .rank = 1, .bytes = "other\n", .len = 6 };
        n_others += print_some (self, &other, 6) == 6;
        turn (self, 1);
        if (is_pipe)
            take (self, &text);
    }
    for (int turns = 0; turns < 20 || (is_pipe && !mpl__sink_is_empty (self->sink)); turns++) {
        turn (self, 1);
        while (is_pipe && take (self, &text))
            ;
    }
    if (!is_pipe)
        text = printed (self);
    assert_int_equal (n_others, count_others (&text, len - 1, before));
    free (text.bytes);
    free (line);
}

static void long_lines_stay_whole_while_others_print (void **state)
{
    static const size_t lens[] = { 65534, 65535, 65536, 65537, 2 * 65536, 1 << 20, 10 << 20 };

    (void) state;
    for (size_t i = 0; i < 2 * sizeof lens / sizeof *lens; i++) {
        fixture_t self = i % 2 ? begin_pipe () : begin_file ();
        try_long_line (&self, lens[i / 2], PIPE_BYTES, "");
        end (&self);
    }
}

static void long_lines_that_come_in_odd_pieces_stay_whole (void **state)
{
    static const size_t paces[] = { 1000, 4095, 50001 };

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        fixture_t self = begin_file ();
        try_long_line (&self, 300000, paces[i], "");
        end (&self);
    }
}

static void two_long_lines_stay_whole (void **state)
{
    fixture_t self = begin_file ();
    char *lines[2] = { repeat ('x', MIB), repeat ('y', MIB) };
    printer_t printers[2];

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        lines[i][MIB - 1] = '\n';
        printers[i] = (printer_t) { .rank = i, .bytes = lines[i], .len = MIB };
    }
    for (int turns = 0; !is_printed (&printers[0]) || !is_printed (&printers[1]); turns++) {
        assert_in_range (turns, 0, 1000000);
        print_some (&self, &printers[0], 30000);
        print_some (&self, &printers[1], 30000);
        turn (&self, 1);
    }
    turn (&self, 5);
    text_t text = printed (&self);
    assert_int_equal (2 * MIB, text.len);
    int is_x_first = text.bytes[0] == 'x';
    assert_memory_equal (lines[!is_x_first], text.bytes, MIB);
    assert_memory_equal (lines[is_x_first], text.bytes + MIB, MIB);
    free (text.bytes);
    free (lines[0]);
    free (lines[1]);
    end (&self);
}

static void print_long (fixture_t *self, size_t rank, size_t len)
{
    char *part = repeat ('x', len);
    printer_t printer = { .rank = rank, .bytes = part, .len = len };

    while (!is_printed (&printer)) {
        print_some (self, &printer, PIPE_BYTES);
        turn (self, 1);
    }
    turn (self, 1);
    free (part);
}

static size_t printed_len (const fixture_t *self)
{
    return (size_t) lseek (self->out, 0, SEEK_END);
}

static void who_is_silent_in_a_long_line_lets_the_others_go_on_after_a_while (void **state)
{
    fixture_t self = begin_file ();
    uint64_t before = mpl__clock_ns ();

    (void) state;
    print_long (&self, 0, MPL__LINE_BYTES);
    print (&self, 1, "other\n");
    turn (&self, 3);
    uint64_t after = mpl__clock_ns (), due = mpl__sink_tick (self.sink, after);
    assert_true (due >= before + MPL__HOLD_NS && due <= after + MPL__HOLD_NS);
    turn (&self, 3);
    assert_int_equal (MPL__LINE_BYTES, printed_len (&self));
    assert_true (mpl__sink_tick (self.sink, due - 1) == due);
    turn (&self, 3);
    assert_int_equal (MPL__LINE_BYTES, printed_len (&self));
    assert_true (mpl__sink_tick (self.sink, due) == MPL__NEVER);
    turn (&self, 3);
    assert_int_equal (MPL__LINE_BYTES + 6, printed_len (&self));
    print (&self, 0, "the rest\n");             /* nothing of it is lost */
    turn (&self, 3);
    text_t text = printed (&self);
    assert_string_equal ("other\nthe rest\n", text.bytes + MPL__LINE_BYTES);
    free (text.bytes);
    end (&self);
}

static void who_goes_on_with_a_long_line_is_not_silent (void **state)
{
    fixture_t self = begin_file ();

    (void) state;
    print_long (&self, 0, MPL__LINE_BYTES);
    uint64_t first = mpl__sink_tick (self.sink, mpl__clock_ns ());
    nanosleep (&(struct timespec) { .tv_nsec = 2000000 }, NULL);
    print (&self, 0, "x");
    turn (&self, 2);
    assert_true (mpl__sink_tick (self.sink, first) > first);
    print (&self, 1, "other\n");
    turn (&self, 2);
    assert_int_equal (MPL__LINE_BYTES + 1, printed_len (&self));
    print (&self, 0, "\n");                     /* its end lets the others go on at once */
    turn (&self, 3);
    assert_int_equal (MPL__LINE_BYTES + 8, printed_len (&self));
    assert_true (mpl__sink_tick (self.sink, first) == MPL__NEVER);
    end (&self);
}

static void who_ends_in_a_long_line_lets_the_others_go_on (void **state)
{
    (void) state;
    for (int how = 0; how < 3; how++) {
        fixture_t self = begin_file ();
        print_long (&self, 0, MPL__LINE_BYTES);
        print (&self, 1, "other\n");
        turn (&self, 3);
        assert_int_equal (MPL__LINE_BYTES, printed_len (&self));
        if (how == 0)
            mpl__fd_close (&self.ranks[0]);
        else if (how == 1)
            mpl__stream_finish (self.streams[0]);
        else
            mpl__stream_destroy (&self.streams[0]);
        turn (&self, 3);
        assert_int_equal (MPL__LINE_BYTES + 6, printed_len (&self));
        assert_true (mpl__sink_tick (self.sink, mpl__clock_ns ()) == MPL__NEVER);
        end (&self);
    }
}

/* It has more to say, and is kept from saying it by the reader: that is not its silence. */
static void who_waits_for_a_slow_reader_in_a_long_line_is_not_silent (void **state)
{
    fixture_t self = begin_pipe ();
    size_t len = 3 * MIB;
    char *line = repeat ('x', len);
    printer_t printer = { .rank = 0, .bytes = line, .len = len };
    text_t text = { 0 };

    (void) state;
    line[len - 1] = '\n';
    fcntl (self.ranks[0], F_SETPIPE_SZ, 16384);         /* it writes in small pieces */
    for (int idle = 0; idle < 20; idle++) {     /* until nothing goes on any more */
        if (print_some (&self, &printer, PIPE_BYTES))
            idle = 0;
        turn (&self, 1);
    }
    assert_false (is_printed (&printer));
    print (&self, 1, "other\n");
    assert_true (mpl__sink_tick (self.sink, mpl__clock_ns () + 10 * (uint64_t) MPL__HOLD_NS) != MPL__NEVER);
    nanosleep (&(struct timespec) { .tv_nsec = MPL__HOLD_NS + MPL__HOLD_NS / 10 }, NULL);
    for (int turns = 0; text.len < len + 6; turns++) {
        assert_in_range (turns, 0, 1000000);
        print_some (&self, &printer, PIPE_BYTES);
        take (&self, &text);
        turn (&self, 1);
        mpl__sink_tick (self.sink, mpl__clock_ns ());
    }
    assert_int_equal (1, count_others (&text, len - 1, ""));
    free (text.bytes);
    free (line);
    end (&self);
}

/* ---- tags ------------------------------------------------------------------------------------------------------------------------ */

static mpl_style_t tagged (const char *tag)
{
    return (mpl_style_t) { .tag = tag, .copy = -1 };
}

static void each_line_begins_with_its_tag_once (void **state)
{
    fixture_t self = begin_file_of (tagged ("[0] "), tagged ("[n] "));

    (void) state;
    print (&self, 0, "one\n\ntwo\n");
    turn (&self, 2);
    print (&self, 1, "half ");
    turn (&self, 2);
    print (&self, 0, "three\n");
    turn (&self, 2);
    print (&self, 1, "a line\n\n");
    turn (&self, 2);
    assert_printed (&self, "[0] one\n[0] \n[0] two\n[0] three\n[n] half a line\n[n] \n");
    end (&self);
}

static void a_last_line_without_its_newline_gets_one_with_a_tag (void **state)
{
    fixture_t self = begin_file_of (tagged ("[0] "), tagged ("[n] "));

    (void) state;
    print (&self, 0, "a\nno newline");
    turn (&self, 2);
    print (&self, 1, "b\n");
    turn (&self, 2);
    mpl__fd_close (&self.ranks[0]);
    turn (&self, 2);
    mpl__fd_close (&self.ranks[1]);             /* which had its newline, and gets no other */
    mpl__fd_close (&self.ranks[2]);             /* and this one printed nothing */
    turn (&self, 2);
    assert_printed (&self, "[0] a\n[n] b\n[0] no newline\n");
    end (&self);
}

static void a_long_last_line_without_its_newline_gets_one_with_a_tag (void **state)
{
    fixture_t self = begin_file_of (tagged ("[0] "), tagged ("[n] "));

    (void) state;
    print_long (&self, 0, MPL__LINE_BYTES + 10);
    mpl__fd_close (&self.ranks[0]);
    print (&self, 1, "b\n");
    turn (&self, 4);
    text_t text = printed (&self);
    assert_int_equal (4 + MPL__LINE_BYTES + 10 + 1 + 6, text.len);
    assert_string_equal ("x\n[n] b\n", text.bytes + 4 + MPL__LINE_BYTES + 9);
    free (text.bytes);
    end (&self);
}

static void long_lines_are_tagged_once (void **state)
{
    static const size_t lens[] = { 65535, 65536, 65537, 300000, 10 << 20 };

    (void) state;
    for (size_t i = 0; i < 2 * sizeof lens / sizeof *lens; i++) {
        fixture_t self = i % 2 ? begin_pipe_of (tagged ("[0] ")) : begin_file_of (tagged ("[0] "), plain);
        if (i % 2) {                            /* so that the other's lines are as they were */
            mpl__stream_destroy (&self.streams[1]);
            mpl__fd_close (&self.ranks[1]);
            add_stream (&self, 1, plain);
        }
        try_long_line (&self, lens[i / 2], PIPE_BYTES, "[0] ");
        end (&self);
    }
}

static void a_tag_is_copied_and_may_be_empty (void **state)
{
    char tag[] = "[a] ";
    fixture_t self = begin_file_of (tagged (tag), tagged (""));

    (void) state;
    memset (tag, '?', sizeof tag);
    print (&self, 0, "one\n");
    turn (&self, 2);
    print (&self, 1, "two");
    mpl__fd_close (&self.ranks[1]);
    turn (&self, 3);
    assert_printed (&self, "[a] one\ntwo\n");
    end (&self);
}

static void bytes_of_a_tagged_line_are_exact (void **state)
{
    static const char bytes[] = "a\0b\n\0\n\r\n\xff", wanted[] = "<>a\0b\n<>\0\n<>\r\n<>\xff\n";
    fixture_t self = begin_file_of (tagged ("<>"), plain);

    (void) state;
    print_bytes (&self, 0, bytes, sizeof bytes - 1);
    turn (&self, 2);
    mpl__fd_close (&self.ranks[0]);
    turn (&self, 2);
    assert_printed_bytes (&self, wanted, sizeof wanted - 1);
    end (&self);
}

/* The most a read can become: every byte is a line with a tag of its own. */
static void a_long_tag_before_lines_of_a_byte_is_there_each_time (void **state)
{
    char *tag = repeat ('t', 200), *lines = repeat ('\n', PIPE_BYTES);

    (void) state;
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        fixture_t self = is_pipe ? begin_pipe_of (tagged (tag)) : begin_file_of (tagged (tag), plain);
        text_t text = { 0 };
        print_bytes (&self, 0, lines, PIPE_BYTES);
        turn (&self, 3);
        for (int turns = 0; is_pipe && !mpl__sink_is_empty (self.sink); turns++) {
            assert_in_range (turns, 0, 1000000);
            take (&self, &text);
            turn (&self, 1);
        }
        while (is_pipe && take (&self, &text))
            ;
        if (!is_pipe)
            text = printed (&self);
        assert_int_equal (201 * PIPE_BYTES, text.len);
        for (size_t i = 0; i < PIPE_BYTES; i++)
            if (memcmp (tag, text.bytes + 201 * i, 200) || text.bytes[201 * i + 200] != '\n')
                fail_msg ("line %zu is not right", i);
        free (text.bytes);
        end (&self);
    }
    free (tag);
    free (lines);
}

/* ---- prompts --------------------------------------------------------------------------------------------------------------------- */

static mpl_style_t shown (mpl_show_t show, const char *tag)
{
    return (mpl_style_t) { .show = show, .tag = tag, .copy = -1 };
}

static void a_prompt_is_shown_after_a_moment_and_not_before (void **state)
{
    fixture_t self = begin_file_of (shown (MPL__SHOW_SOON, NULL), plain);

    (void) state;
    assert_true (mpl__sink_tick (self.sink, mpl__clock_ns ()) == MPL__NEVER);
    uint64_t before = mpl__clock_ns ();
    print (&self, 0, "hello\nname? ");
    turn (&self, 2);
    uint64_t after = mpl__clock_ns (), due = mpl__sink_tick (self.sink, after);
    assert_true (due >= before + MPL__PROMPT_NS && due <= after + MPL__PROMPT_NS);
    assert_true (mpl__sink_tick (self.sink, due - 1) == due);
    assert_printed (&self, "hello\n");
    assert_true (mpl__sink_tick (self.sink, due) == MPL__NEVER);
    assert_printed (&self, "hello\nname? ");
    assert_true (mpl__sink_tick (self.sink, due + 1) == MPL__NEVER);
    print (&self, 0, "again? ");                /* one more on the same line */
    turn (&self, 2);
    assert_printed (&self, "hello\nname? ");
    assert_true (mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__PROMPT_NS) == MPL__NEVER);
    assert_printed (&self, "hello\nname? again? ");
    print (&self, 0, "\nbye\n");
    turn (&self, 2);
    assert_printed (&self, "hello\nname? again? \nbye\n");
    end (&self);
}

static void a_prompt_waits_for_as_long_as_more_of_it_comes (void **state)
{
    fixture_t self = begin_file_of (shown (MPL__SHOW_SOON, NULL), plain);

    (void) state;
    print (&self, 0, "na");
    turn (&self, 2);
    uint64_t first = mpl__sink_tick (self.sink, mpl__clock_ns ());
    nanosleep (&(struct timespec) { .tv_nsec = 2000000 }, NULL);
    print (&self, 0, "me? ");
    turn (&self, 2);
    assert_true (mpl__sink_tick (self.sink, first) > first);
    assert_printed (&self, "");
    print (&self, 0, "\n");                     /* it was none */
    turn (&self, 2);
    assert_true (mpl__sink_tick (self.sink, first + MPL__NS_PER_S) == MPL__NEVER);
    assert_printed (&self, "name? \n");
    end (&self);
}

static void a_prompt_is_tagged_once (void **state)
{
    fixture_t self = begin_file_of (shown (MPL__SHOW_SOON, "[0] "), tagged ("[n] "));

    (void) state;
    print (&self, 0, "name? ");
    turn (&self, 2);
    mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__PROMPT_NS);
    assert_printed (&self, "[0] name? ");
    print (&self, 0, "thanks\nbye");
    turn (&self, 2);
    assert_printed (&self, "[0] name? thanks\n");
    mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__PROMPT_NS);
    mpl__fd_close (&self.ranks[0]);
    turn (&self, 2);
    assert_printed (&self, "[0] name? thanks\n[0] bye\n");
    end (&self);
}

static void only_who_may_prompt_is_shown_before_the_end_of_the_line (void **state)
{
    fixture_t self = begin_file_of (shown (MPL__SHOW_SOON, NULL), plain);

    (void) state;
    print (&self, 1, "no prompt");
    turn (&self, 2);
    assert_true (mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__NS_PER_S) == MPL__NEVER);
    assert_printed (&self, "");
    print (&self, 0, "prompt");
    turn (&self, 2);
    mpl__stream_destroy (&self.streams[0]);     /* and who is gone prompts no more */
    assert_true (mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__NS_PER_S) == MPL__NEVER);
    assert_printed (&self, "prompt");
    end (&self);
}

/* The line of another rank is whole, whatever somebody has to ask in the meantime. */
static void a_prompt_waits_for_the_end_of_anothers_long_line (void **state)
{
    fixture_t self = begin_file_of (shown (MPL__SHOW_SOON, NULL), plain);

    (void) state;
    print (&self, 0, "name? ");
    turn (&self, 2);
    print_long (&self, 1, MPL__LINE_BYTES);
    mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__PROMPT_NS);
    print (&self, 1, "xx\n");
    turn (&self, 3);
    mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__PROMPT_NS);
    text_t text = printed (&self);
    assert_int_equal (MPL__LINE_BYTES + 2, strspn (text.bytes, "x"));
    assert_string_equal ("\nname? ", text.bytes + MPL__LINE_BYTES + 2);
    free (text.bytes);
    end (&self);
}

static void who_is_alone_is_shown_at_once (void **state)
{
    fixture_t self = begin_sink (open_file (), -1);

    (void) state;
    add_stream (&self, 0, shown (MPL__SHOW_NOW, NULL));
    print (&self, 0, "a");
    turn (&self, 1);
    assert_printed (&self, "a");
    print (&self, 0, "b\nc");
    turn (&self, 1);
    assert_printed (&self, "ab\nc");
    assert_true (mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__NS_PER_S) == MPL__NEVER);
    mpl__fd_close (&self.ranks[0]);
    turn (&self, 1);
    assert_printed (&self, "ab\nc");
    end (&self);
}

static void who_is_alone_no_more_is_shown_by_lines (void **state)
{
    fixture_t self = begin_sink (open_file (), -1);

    (void) state;
    add_stream (&self, 0, shown (MPL__SHOW_NOW, "[0] "));
    print (&self, 0, "a");
    turn (&self, 1);
    print (&self, 0, "b\n");
    turn (&self, 1);
    assert_printed (&self, "[0] ab\n");
    add_stream (&self, 1, shown (MPL__SHOW_NOW, "[1] "));
    print (&self, 0, "c");
    print (&self, 1, "d");
    turn (&self, 2);
    assert_printed (&self, "[0] ab\n");
    print (&self, 0, "\n");
    print (&self, 1, "\n");
    turn (&self, 2);
    mpl__stream_destroy (&self.streams[1]);     /* and alone again */
    print (&self, 0, "e");
    turn (&self, 2);
    text_t text = printed (&self);
    assert_non_null (strstr (text.bytes, "[0] c\n"));
    assert_non_null (strstr (text.bytes, "[1] d\n"));
    assert_string_equal ("[0] e", text.bytes + text.len - 5);
    free (text.bytes);
    end (&self);
}

static void long_lines_of_who_is_alone_are_exact (void **state)
{
    fixture_t self = begin_sink (open_file (), -1);

    (void) state;
    add_stream (&self, 0, shown (MPL__SHOW_NOW, NULL));
    print_long (&self, 0, MIB);
    char *wanted = repeat ('x', MIB);
    assert_printed_bytes (&self, wanted, MIB);
    free (wanted);
    end (&self);
}

/* ---- slow readers ---------------------------------------------------------------------------------------------------------------- */

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
    assert_asleep (&self);
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

/* Nobody is read any more once the sink is full, whoever it is. */
static void a_full_sink_takes_from_nobody_and_from_all_when_there_is_room (void **state)
{
    fixture_t self = begin_pipe ();
    char *lines = repeat ('\n', 16 * MIB);
    printer_t printers[STREAMS];
    size_t taken = 0;
    text_t text = { 0 };

    (void) state;
    for (size_t i = 0; i < STREAMS; i++)
        printers[i] = (printer_t) { .rank = i, .bytes = lines, .len = 16 * MIB };
    for (int idle = 0; idle < 20; idle++) {
        for (size_t i = 0; i < STREAMS; i++)
            if (print_some (&self, &printers[i], 4096))
                idle = 0;
        turn (&self, 1);
    }
    for (size_t i = 0; i < STREAMS; i++)
        taken += printers[i].at;
    assert_in_range (taken, MPL__SINK_BYTES, MPL__SINK_BYTES + (2 * STREAMS + 1) * PIPE_BYTES);
    assert_false (mpl__sink_is_empty (self.sink));
    for (size_t i = 0; i < STREAMS; i++) {      /* all end, and all that was printed comes */
        mpl__fd_close (&self.ranks[i]);
        turn (&self, 1);
    }
    assert_asleep (&self);
    for (int turns = 0; text.len < taken; turns++) {
        assert_in_range (turns, 0, 1000000);
        take (&self, &text);
        turn (&self, 1);
    }
    for (size_t i = 0; i < STREAMS; i++)
        assert_true (mpl__stream_is_ended (self.streams[i]));
    assert_int_equal (0, take (&self, &text));
    free (text.bytes);
    free (lines);
    end (&self);
}

static void a_stream_that_comes_while_the_sink_is_full_is_read_later (void **state)
{
    fixture_t self = begin_pipe ();
    text_t text = { 0 };

    (void) state;
    fcntl (self.ranks[0], F_SETFL, O_NONBLOCK);
    print_until_full (&self, 0);
    mpl__stream_destroy (&self.streams[2]);
    mpl__fd_close (&self.ranks[2]);
    add_stream (&self, 2, plain);
    print (&self, 2, "late\n");
    turn (&self, 3);
    assert_false (mpl__stream_is_ended (self.streams[2]));
    for (int turns = 0; !text.bytes || !strstr (text.bytes, "late\n"); turns++) {
        assert_in_range (turns, 0, 10000);
        text.len = 0;
        take (&self, &text);
        turn (&self, 2);
    }
    free (text.bytes);
    end (&self);
}

static void the_callers_descriptor_stays_blocking (void **state)
{
    fixture_t self = begin_pipe ();

    (void) state;
    assert_int_equal (0, fcntl (self.out, F_GETFL) & O_NONBLOCK);
    end (&self);
}

/* A descriptor that somebody else has made so: it is theirs too, and nothing may wait for ever. */
static void a_reader_of_a_socket_that_does_not_block_gets_all (void **state)
{
    int pair[2];

    (void) state;
    assert_int_equal (0, socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
    fixture_t self = begin_sink (pair[1], pair[0]);
    for (size_t i = 0; i < STREAMS; i++)
        add_stream (&self, i, plain);
    size_t len = 2 * MIB;
    char *lines = repeat ('\n', len);
    printer_t printer = { .rank = 0, .bytes = lines, .len = len };
    text_t text = { 0 };
    for (int idle = 0; text.len < len && idle < 1000; idle++) {
        print_some (&self, &printer, PIPE_BYTES);
        turn (&self, 1);
        if (idle % 10 == 9 && take (&self, &text))          /* slowly */
            idle = 0;
    }
    assert_int_equal (len, text.len);
    free (text.bytes);
    free (lines);
    end (&self);
}

/* ---- readers that are gone, and what cannot be written --------------------------------------------------------------------------- */

static void a_reader_that_is_gone_is_an_error_and_stops_nobody (void **state)
{
    fixture_t self = begin_pipe ();

    (void) state;
    mpl__fd_close (&self.reader);
    print (&self, 0, "for nobody\n");
    turn (&self, 4);
    assert_int_equal (EPIPE, mpl__sink_error (self.sink));
    assert_true (mpl__sink_is_empty (self.sink));
    print (&self, 0, "and more\n");
    turn (&self, 4);
    assert_asleep (&self);
    end (&self);
}

static void a_reader_that_is_gone_is_noticed_though_nothing_is_printed (void **state)
{
    fixture_t self = begin_pipe ();

    (void) state;
    turn (&self, 2);
    assert_int_equal (0, mpl__sink_error (self.sink));
    mpl__fd_close (&self.reader);
    turn (&self, 2);
    assert_int_equal (EPIPE, mpl__sink_error (self.sink));
    assert_asleep (&self);
    end (&self);
}

/* Ranks that are held up by a full sink must be let go when nobody reads, or they would never end. */
static void a_reader_that_goes_while_the_sink_is_full_lets_everybody_go (void **state)
{
    fixture_t self = begin_pipe ();
    char *lines = repeat ('\n', 8 * MIB);
    printer_t printer = { .rank = 0, .bytes = lines, .len = 8 * MIB };

    (void) state;
    for (int idle = 0; idle < 20; idle++) {
        if (print_some (&self, &printer, PIPE_BYTES))
            idle = 0;
        turn (&self, 1);
    }
    assert_false (is_printed (&printer));
    mpl__fd_close (&self.reader);
    for (int turns = 0; !is_printed (&printer); turns++) {
        assert_in_range (turns, 0, 10000);
        print_some (&self, &printer, PIPE_BYTES);
        turn (&self, 1);
    }
    assert_int_equal (EPIPE, mpl__sink_error (self.sink));
    assert_true (mpl__sink_is_empty (self.sink));
    assert_asleep (&self);
    free (lines);
    end (&self);
}

static void a_full_disk_is_an_error (void **state)
{
    fixture_t self = begin_sink (open ("/dev/full", O_WRONLY | O_CLOEXEC), -1);

    (void) state;
    for (size_t i = 0; i < STREAMS; i++)
        add_stream (&self, i, plain);
    print (&self, 0, "no room\n");
    turn (&self, 4);
    assert_int_equal (ENOSPC, mpl__sink_error (self.sink));
    assert_true (mpl__sink_is_empty (self.sink));
    print (&self, 0, "more\n");
    turn (&self, 4);
    assert_asleep (&self);
    end (&self);
}

/* ---- copies ---------------------------------------------------------------------------------------------------------------------- */

static void a_copy_has_the_bytes_as_they_were_printed (void **state)
{
    static const char bytes[] = "one\n\0two\nthree";
    int file = open_file (), other = open_file ();
    fixture_t self = begin_file_of ((mpl_style_t) { .tag = "[0] ", .copy = fcntl (file, F_DUPFD_CLOEXEC, 3) }, plain);
    char read_back[64];

    (void) state;
    print_bytes (&self, 0, bytes, 6);
    turn (&self, 2);
    assert_int_equal (6, pread (file, read_back, sizeof read_back, 0));         /* at once, not by lines */
    print_bytes (&self, 0, bytes + 6, sizeof bytes - 1 - 6);
    print (&self, 1, "other\n");
    turn (&self, 3);
    mpl__fd_close (&self.ranks[0]);
    turn (&self, 2);
    assert_int_equal (sizeof bytes - 1, pread (file, read_back, sizeof read_back, 0));
    assert_memory_equal (bytes, read_back, sizeof bytes - 1);
    assert_int_equal (0, mpl__sink_copy_error (self.sink));
    mpl__fd_close (&file);
    mpl__fd_close (&other);
    end (&self);
}

static void a_long_line_is_copied_once (void **state)
{
    int file = open_file ();
    fixture_t self = begin_file_of ((mpl_style_t) { .copy = fcntl (file, F_DUPFD_CLOEXEC, 3) }, plain);

    (void) state;
    print_long (&self, 0, MIB);
    assert_int_equal (MIB, lseek (file, 0, SEEK_END));
    assert_int_equal (MIB, printed_len (&self));
    mpl__fd_close (&file);
    end (&self);
}

static void a_copy_that_cannot_be_written_is_an_error_and_stops_nobody (void **state)
{
    fixture_t self = begin_file_of ((mpl_style_t) { .copy = open ("/dev/full", O_WRONLY | O_CLOEXEC) }, plain);

    (void) state;
    assert_int_equal (0, mpl__sink_copy_error (self.sink));
    print (&self, 0, "one\n");
    turn (&self, 2);
    assert_int_equal (ENOSPC, mpl__sink_copy_error (self.sink));
    print (&self, 0, "two\n");
    print (&self, 1, "three\n");
    turn (&self, 3);
    assert_int_equal (ENOSPC, mpl__sink_copy_error (self.sink));
    assert_int_equal (0, mpl__sink_error (self.sink));
    text_t text = printed (&self);
    assert_int_equal (14, text.len);
    free (text.bytes);
    end (&self);
}

/* ---- beginning and end ----------------------------------------------------------------------------------------------------------- */

static int count_fds (void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl (fd, F_GETFD) >= 0;
    return n;
}

static void a_stream_that_cannot_be_closes_what_it_was_given (void **state)
{
    fixture_t self = begin_file ();
    int before = count_fds ();

    (void) state;
    /* A file is none that can be waited for. */
    assert_null (mpl__stream_new (self.sink, open_file (), &(mpl_style_t) { .tag = "[0] ", .show = MPL__SHOW_SOON, .copy = open_file () }));
    assert_int_equal (EPERM, errno);
    assert_int_equal (before, count_fds ());
    print (&self, 0, "all is well\n");
    turn (&self, 2);
    mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__NS_PER_S);
    assert_printed (&self, "all is well\n");
    end (&self);
}

static void destroying_is_fine_in_every_state_and_closes_all (void **state)
{
    int before = count_fds ();
    char *part = repeat ('x', PIPE_BYTES);

    (void) state;
    for (int i = 0; i < 24; i++) {
        mpl_style_t style = { .tag = i % 2 ? "[0] " : NULL, .show = (mpl_show_t) (i / 2 % 3), .copy = open_file () };
        fixture_t self = i / 6 == 3 ? begin_pipe () : begin_file ();
        size_t order[STREAMS] = { (size_t) i % 3, (size_t) (i + 1) % 3, (size_t) (i + 2) % 3 };
        mpl__stream_destroy (&self.streams[0]);
        mpl__fd_close (&self.ranks[0]);
        add_stream (&self, 0, style);
        print (&self, 0, i / 6 ? "begun" : "");
        turn (&self, 2);
        if (i / 6 == 2) {
            print_bytes (&self, 0, part, PIPE_BYTES - 4096);
            turn (&self, 2);
            print_bytes (&self, 0, part, PIPE_BYTES - 4096);
            turn (&self, 2);
            print (&self, 1, "other\n");
        } else if (i / 6 == 3) {
            printer_t printer = { .rank = 1 };
            for (int idle = 0; idle < 20; idle++) {
                printer = (printer_t) { .rank = 1, .bytes = part, .len = PIPE_BYTES };
                if (print_some (&self, &printer, PIPE_BYTES))
                    idle = 0;
                turn (&self, 1);
            }
            assert_false (mpl__sink_is_empty (self.sink));
        }
        for (size_t k = 0; k < STREAMS; k++) {
            errno = ENOEXEC;
            mpl__stream_destroy (&self.streams[order[k]]);
            assert_int_equal (ENOEXEC, errno);
            mpl__stream_destroy (&self.streams[order[k]]);
            turn (&self, 1);
            mpl__sink_tick (self.sink, mpl__clock_ns () + MPL__NS_PER_S);
        }
        end (&self);
        assert_int_equal (before, count_fds ());
    }
    free (part);
}

static void finishing_more_than_once_is_fine (void **state)
{
    fixture_t self = begin_file ();

    (void) state;
    print (&self, 0, "once\n");
    for (int i = 0; i < 3; i++)
        mpl__stream_finish (self.streams[0]);
    assert_printed (&self, "once\n");
    end (&self);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (lines_of_different_ranks_never_mix),
        cmocka_unit_test (lines_that_come_in_odd_pieces_are_whole),
        cmocka_unit_test (without_a_tag_every_byte_is_exact),
        cmocka_unit_test (a_last_line_without_its_newline_is_not_lost),
        cmocka_unit_test (an_ended_stream_is_quiet),
        cmocka_unit_test (finishing_reads_what_is_there_though_a_writer_is_left),
        cmocka_unit_test (finishing_takes_a_full_pipe_of_any_size),
        cmocka_unit_test (finishing_ends_though_somebody_writes_for_ever),
        cmocka_unit_test (a_line_too_long_to_wait_for_is_passed_on_in_parts),
        cmocka_unit_test (long_lines_stay_whole_while_others_print),
        cmocka_unit_test (long_lines_that_come_in_odd_pieces_stay_whole),
        cmocka_unit_test (two_long_lines_stay_whole),
        cmocka_unit_test (who_is_silent_in_a_long_line_lets_the_others_go_on_after_a_while),
        cmocka_unit_test (who_goes_on_with_a_long_line_is_not_silent),
        cmocka_unit_test (who_ends_in_a_long_line_lets_the_others_go_on),
        cmocka_unit_test (who_waits_for_a_slow_reader_in_a_long_line_is_not_silent),
        cmocka_unit_test (each_line_begins_with_its_tag_once),
        cmocka_unit_test (a_last_line_without_its_newline_gets_one_with_a_tag),
        cmocka_unit_test (a_long_last_line_without_its_newline_gets_one_with_a_tag),
        cmocka_unit_test (long_lines_are_tagged_once),
        cmocka_unit_test (a_tag_is_copied_and_may_be_empty),
        cmocka_unit_test (bytes_of_a_tagged_line_are_exact),
        cmocka_unit_test (a_long_tag_before_lines_of_a_byte_is_there_each_time),
        cmocka_unit_test (a_prompt_is_shown_after_a_moment_and_not_before),
        cmocka_unit_test (a_prompt_waits_for_as_long_as_more_of_it_comes),
        cmocka_unit_test (a_prompt_is_tagged_once),
        cmocka_unit_test (only_who_may_prompt_is_shown_before_the_end_of_the_line),
        cmocka_unit_test (a_prompt_waits_for_the_end_of_anothers_long_line),
        cmocka_unit_test (who_is_alone_is_shown_at_once),
        cmocka_unit_test (who_is_alone_no_more_is_shown_by_lines),
        cmocka_unit_test (long_lines_of_who_is_alone_are_exact),
        cmocka_unit_test (a_slow_reader_slows_the_ranks_and_loses_nothing),
        cmocka_unit_test (a_full_sink_takes_from_nobody_and_from_all_when_there_is_room),
        cmocka_unit_test (a_stream_that_comes_while_the_sink_is_full_is_read_later),
        cmocka_unit_test (the_callers_descriptor_stays_blocking),
        cmocka_unit_test (a_reader_of_a_socket_that_does_not_block_gets_all),
        cmocka_unit_test (a_reader_that_is_gone_is_an_error_and_stops_nobody),
        cmocka_unit_test (a_reader_that_is_gone_is_noticed_though_nothing_is_printed),
        cmocka_unit_test (a_reader_that_goes_while_the_sink_is_full_lets_everybody_go),
        cmocka_unit_test (a_full_disk_is_an_error),
        cmocka_unit_test (a_copy_has_the_bytes_as_they_were_printed),
        cmocka_unit_test (a_long_line_is_copied_once),
        cmocka_unit_test (a_copy_that_cannot_be_written_is_an_error_and_stops_nobody),
        cmocka_unit_test (a_stream_that_cannot_be_closes_what_it_was_given),
        cmocka_unit_test (destroying_is_fine_in_every_state_and_closes_all),
        cmocka_unit_test (finishing_more_than_once_is_fine),
    };

    signal (SIGPIPE, SIG_IGN);                  /* as the agent has it */
    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
