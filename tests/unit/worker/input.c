/* One standard input for many: everybody gets every byte, nobody is waited for who has gone. */
#include "worker/input.h"
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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define READERS_MAX 100
#define MIB ((size_t) 1 << 20)
#define BLOCK ((size_t) 64 << 10)           /* what a pipe holds, and what is read at once */
#define TURNS_MAX 100000

typedef struct {
    mpl_loop_t *loop;
    mpl_input_t *input;
    int from;                               /* what the input reads */
    int writer;                             /* the pipe's other end; -1: it is a file, or the writer is gone */
    size_t size, n_written;                 /* of the pattern */
    size_t n;
    int readers[READERS_MAX];               /* -1: closed */
    size_t n_read[READERS_MAX];
    int is_ended[READERS_MAX];              /* it has seen the end */
} fixture_t;

/* Any part of it looks different from any other near it. */
static char byte_at (size_t i)
{
    return (char) (i * UINT64_C (0x9e3779b97f4a7c15) >> 56 ^ i);
}

static void fill (char *to, size_t from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = byte_at (from + i);
}

static void add_readers (fixture_t *self, size_t n)
{
    while (n--) {
        int fd = mpl__input_add (self->input);
        assert_true (fd >= 0);
        assert_int_equal (0, fcntl (fd, F_GETFL) & O_NONBLOCK);     /* a rank gets an ordinary pipe */
        assert_int_equal (FD_CLOEXEC, fcntl (fd, F_GETFD));
        fcntl (fd, F_SETFL, O_NONBLOCK);                            /* here one thread is everybody */
        self->readers[self->n++] = fd;
    }
}

static fixture_t begin (int from, int writer, size_t size, size_t n)
{
    fixture_t self = { .loop = mpl__loop_new (), .from = from, .writer = writer, .size = size };

    assert_non_null (self.loop);
    assert_true (from >= 0);
    self.input = mpl__input_new (self.loop, from, n);
    assert_non_null (self.input);
    return self;
}

static fixture_t begin_file (size_t size, size_t n)
{
    int fd = memfd_create ("in", MFD_CLOEXEC);
    char *bytes = malloc (size + 1);

    assert_non_null (bytes);
    fill (bytes, 0, size);
    assert_int_equal (0, mpl__fd_write_all (fd, bytes, size));
    assert_int_equal (0, lseek (fd, 0, SEEK_SET));
    free (bytes);
    return begin (fd, -1, size, n);
}

static fixture_t begin_pipe (size_t size, size_t n)
{
    int pair[2];

    assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
    fcntl (pair[1], F_SETFL, O_NONBLOCK);
    return begin (pair[0], pair[1], size, n);
}

static void end (fixture_t *self)
{
    mpl__input_destroy (&self->input);
    assert_null (self->input);
    mpl__input_destroy (&self->input);
    mpl__loop_destroy (&self->loop);
    mpl__fd_close_all (self->readers, self->n);
    mpl__fd_close (&self->from);
    mpl__fd_close (&self->writer);
}

/* Whoever writes our standard input: as much as fits, and after the last byte the end. */
static void write_some (fixture_t *self)
{
    char bytes[8192];

    while (self->writer >= 0 && self->n_written < self->size) {
        size_t len = self->size - self->n_written < sizeof bytes ? self->size - self->n_written : sizeof bytes;
        fill (bytes, self->n_written, len);
        ssize_t rc = write (self->writer, bytes, len);
        if (rc <= 0)
            return;
        self->n_written += (size_t) rc;
    }
    mpl__fd_close (&self->writer);
}

/* One reader takes at most len bytes, which must be the right ones. */
static void read_some (fixture_t *self, size_t i, size_t len)
{
    static char bytes[2 * BLOCK], wanted[2 * BLOCK];

    if (self->readers[i] < 0 || self->is_ended[i])
        return;
    ssize_t rc = read (self->readers[i], bytes, len < sizeof bytes ? len : sizeof bytes);
    if (rc < 0) {
        assert_int_equal (EAGAIN, errno);
        return;
    }
    self->is_ended[i] = rc == 0;
    assert_true (self->n_read[i] + (size_t) rc <= self->size);
    fill (wanted, self->n_read[i], (size_t) rc);
    assert_memory_equal (wanted, bytes, (size_t) rc);
    self->n_read[i] += (size_t) rc;
}

static void turn (fixture_t *self)
{
    assert_int_equal (0, mpl__loop_turn (self->loop, 0));
}

static int is_open (const fixture_t *self, size_t i)
{
    return self->readers[i] >= 0 && !self->is_ended[i];
}

static int is_any_open (const fixture_t *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (is_open (self, i))
            return 1;
    return 0;
}

/* Until everybody who is left has seen the end, and then all of it. */
static void run (fixture_t *self)
{
    for (int turns = 0; is_any_open (self); turns++) {
        assert_in_range (turns, 0, TURNS_MAX);
        write_some (self);
        turn (self);
        for (size_t i = 0; i < self->n; i++)
            read_some (self, i, SIZE_MAX);
    }
    for (size_t i = 0; i < self->n; i++)
        if (self->readers[i] >= 0)
            assert_int_equal (self->size, self->n_read[i]);
}

/* Nothing happens for a while: no handler is called over and over. */
static void assert_asleep (fixture_t *self)
{
    for (int i = 0; i < 4; i++)
        turn (self);
    uint64_t until = mpl__clock_ns () + 20 * MPL__NS_PER_MS;
    assert_int_equal (0, mpl__loop_turn (self->loop, until));
    assert_true (mpl__clock_ns () >= until);
}

/* ---- who gets what --------------------------------------------------------------------------------------------------------------- */

static void everybody_gets_every_byte_of_a_file (void **state)
{
    static const size_t ns[] = { 1, 2, 100 };

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        fixture_t self = begin_file (MIB, ns[i]);
        add_readers (&self, ns[i]);
        mpl__input_begin (self.input);
        run (&self);
        assert_asleep (&self);
        end (&self);
    }
}

static void everybody_gets_every_byte_of_a_pipe (void **state)
{
    static const size_t ns[] = { 1, 2, 100 };

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        fixture_t self = begin_pipe (MIB, ns[i]);
        add_readers (&self, ns[i]);
        mpl__input_begin (self.input);
        run (&self);
        assert_asleep (&self);
        end (&self);
    }
}

static void sizes_around_a_block_are_exact (void **state)
{
    static const size_t sizes[] = { 1, 4095, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 1 };

    (void) state;
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        fixture_t self = i % 2 ? begin_pipe (sizes[i / 2], 3) : begin_file (sizes[i / 2], 3);
        add_readers (&self, 3);
        mpl__input_begin (self.input);
        run (&self);
        end (&self);
    }
}

static void a_file_is_read_from_where_it_stands (void **state)
{
    fixture_t self = begin_file (1000, 2);

    (void) state;
    assert_int_equal (400, lseek (self.from, 400, SEEK_SET));
    add_readers (&self, 2);
    self.n_read[0] = self.n_read[1] = 400;
    mpl__input_begin (self.input);
    run (&self);
    end (&self);
}

static void a_socket_is_read_too (void **state)
{
    int pair[2];

    (void) state;
    assert_int_equal (0, socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    fcntl (pair[1], F_SETFL, O_NONBLOCK);
    fixture_t self = begin (pair[0], pair[1], MIB, 2);
    add_readers (&self, 2);
    mpl__input_begin (self.input);
    run (&self);
    end (&self);
}

static void what_is_written_slowly_is_passed_on_at_once (void **state)
{
    fixture_t self = begin_pipe (10, 2);

    (void) state;
    add_readers (&self, 2);
    mpl__input_begin (self.input);
    for (size_t i = 0; i < self.size; i++) {
        char byte = byte_at (i);
        if (i % 5 == 0)
            assert_asleep (&self);
        assert_int_equal (1, write (self.writer, &byte, 1));
        turn (&self);
        for (size_t k = 0; k < 2; k++) {
            read_some (&self, k, SIZE_MAX);
            assert_int_equal (i + 1, self.n_read[k]);
        }
    }
    self.n_written = self.size;
    run (&self);
    end (&self);
}

static void an_empty_input_ends_at_once (void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++) {
        fixture_t self = i == 0 ? begin_file (0, 2) : i == 1 ? begin_pipe (0, 2) : begin (open ("/dev/null", O_RDONLY | O_CLOEXEC), -1, 0, 2);
        add_readers (&self, 2);
        mpl__input_begin (self.input);
        run (&self);
        assert_true (self.is_ended[0] && self.is_ended[1]);
        assert_asleep (&self);
        end (&self);
    }
}

static void an_input_that_cannot_be_read_ends_at_once (void **state)
{
    (void) state;
    for (int i = 0; i < 2; i++) {
        int fd = i ? open ("/dev/null", O_WRONLY | O_CLOEXEC) : open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fixture_t self = begin (fd, -1, 0, 2);
        add_readers (&self, 2);
        mpl__input_begin (self.input);
        run (&self);
        assert_asleep (&self);
        end (&self);
    }
}

static void nothing_is_read_before_it_begins (void **state)
{
    fixture_t self = begin_pipe (1000, 2);
    int waiting = 0;

    (void) state;
    add_readers (&self, 2);
    write_some (&self);
    assert_asleep (&self);
    assert_int_equal (0, ioctl (self.from, FIONREAD, &waiting));
    assert_int_equal (1000, waiting);
    mpl__input_begin (self.input);
    run (&self);
    end (&self);
}

/* ---- who reads slowly ------------------------------------------------------------------------------------------------------------ */

/* The slow one's pipe is full; the fast one is given what fits into that, and the block that the slow one waits for. */
static void a_slow_reader_holds_the_others_at_most_a_block_behind (void **state)
{
    (void) state;
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        fixture_t self = is_pipe ? begin_pipe (MIB, 2) : begin_file (MIB, 2);
        add_readers (&self, 2);
        mpl__input_begin (self.input);
        for (size_t slow = 0; slow < self.size; slow += 4096) {
            for (int i = 0; i < 12; i++) {
                write_some (&self);
                turn (&self);
                read_some (&self, 1, SIZE_MAX);
            }
            assert_true (self.n_read[1] <= self.n_read[0] + 2 * BLOCK);
            assert_true (self.n_read[1] >= self.n_read[0] || self.n_read[1] == self.size);
            assert_true (self.n_read[1] >= (slow + BLOCK < self.size ? BLOCK : 0));
            read_some (&self, 0, 4096);
        }
        run (&self);
        end (&self);
    }
}

static void while_a_reader_is_behind_nothing_spins (void **state)
{
    (void) state;
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        fixture_t self = is_pipe ? begin_pipe (3 * BLOCK, 3) : begin_file (3 * BLOCK, 3);
        add_readers (&self, 3);
        mpl__input_begin (self.input);
        for (int i = 0; i < 20; i++) {
            write_some (&self);
            turn (&self);
            read_some (&self, 1, SIZE_MAX);
        }
        if (is_pipe)
            assert_int_equal (-1, self.writer);             /* hung up, and nobody looks */
        assert_asleep (&self);
        mpl__fd_close (&self.readers[1]);
        assert_asleep (&self);
        run (&self);
        end (&self);
    }
}

/* ---- who goes -------------------------------------------------------------------------------------------------------------------- */

static void a_reader_that_closes_early_is_dropped_and_the_others_get_all (void **state)
{
    (void) state;
    for (int i = 0; i < 6; i++) {               /* the first, a middle one, the last; file and pipe */
        fixture_t self = i % 2 ? begin_pipe (MIB, 5) : begin_file (MIB, 5);
        size_t gone = (size_t) i / 2 * 2;
        add_readers (&self, 5);
        mpl__input_begin (self.input);
        while (self.n_read[gone] < 100000) {
            write_some (&self);
            turn (&self);
            for (size_t k = 0; k < 5; k++)
                read_some (&self, k, 10000);
        }
        mpl__fd_close (&self.readers[gone]);
        run (&self);
        end (&self);
    }
}

/* Whom all wait for closes its end without having read anything. */
static void a_slow_reader_that_closes_lets_the_others_go_on (void **state)
{
    (void) state;
    for (int i = 0; i < 6; i++) {
        fixture_t self = i % 2 ? begin_pipe (MIB, 3) : begin_file (MIB, 3);
        size_t slow = (size_t) i / 2;
        add_readers (&self, 3);
        mpl__input_begin (self.input);
        for (int turns = 0; turns < 20; turns++) {
            write_some (&self);
            turn (&self);
            for (size_t k = 0; k < 3; k++)
                if (k != slow)
                    read_some (&self, k, SIZE_MAX);
        }
        assert_asleep (&self);
        mpl__fd_close (&self.readers[slow]);
        run (&self);
        end (&self);
    }
}

/* A file is paced by one of the pipes; when that one closes, another takes its place. */
static void readers_that_close_one_after_the_other_end_with_the_last (void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        size_t n = 20;
        fixture_t self = i % 2 ? begin_pipe (4 * MIB, n) : begin_file (4 * MIB, n);
        add_readers (&self, n);
        mpl__input_begin (self.input);
        for (size_t gone = 0; gone < n - 1; gone++) {
            for (int turns = 0; turns < 3; turns++) {
                write_some (&self);
                turn (&self);
                for (size_t k = 0; k < n; k++)
                    read_some (&self, k, 50000);
            }
            mpl__fd_close (&self.readers[i / 2 ? n - 1 - gone : gone]);
        }
        run (&self);
        end (&self);
    }
}

static void when_all_have_closed_nothing_more_is_read (void **state)
{
    fixture_t self = begin_pipe (MIB, 3);
    int before = 0, after = 0;

    (void) state;
    add_readers (&self, 3);
    mpl__input_begin (self.input);
    for (int i = 0; i < 3; i++) {
        write_some (&self);
        turn (&self);
    }
    mpl__fd_close_all (self.readers, 3);
    for (int i = 0; i < 6; i++)
        turn (&self);
    write_some (&self);
    assert_int_equal (0, ioctl (self.from, FIONREAD, &before));
    assert_true (before > 0);
    assert_asleep (&self);
    assert_int_equal (0, ioctl (self.from, FIONREAD, &after));
    assert_int_equal (before, after);
    end (&self);
}

static void when_all_have_closed_before_a_byte_came_none_is_read (void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        fixture_t self = i % 2 ? begin_pipe (1000, 2) : begin_file (1000, 2);
        add_readers (&self, 2);
        if (i / 2) {                            /* and nobody has noticed before the beginning */
            mpl__fd_close_all (self.readers, 2);
            mpl__input_begin (self.input);
        } else {
            mpl__input_begin (self.input);
            mpl__fd_close_all (self.readers, 2);
        }
        for (int k = 0; k < 6; k++)
            turn (&self);
        write_some (&self);
        assert_asleep (&self);
        if (i % 2) {
            int waiting = 0;
            assert_int_equal (0, ioctl (self.from, FIONREAD, &waiting));
            assert_int_equal (1000, waiting);
        } else if (i / 2) {
            assert_int_equal (0, lseek (self.from, 0, SEEK_CUR));
        }
        end (&self);
    }
}

/* A rank may have ended before the last one is started, and the loop turns in between. */
static void a_reader_that_goes_before_the_beginning_begins_nothing (void **state)
{
    (void) state;
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        fixture_t self = is_pipe ? begin_pipe (1000, 4) : begin_file (1000, 4);
        add_readers (&self, 2);
        write_some (&self);
        mpl__fd_close (&self.readers[0]);
        for (int i = 0; i < 4; i++)
            turn (&self);
        add_readers (&self, 2);                 /* these come late, and want all of it too */
        for (int i = 0; i < 4; i++)
            turn (&self);
        mpl__input_begin (self.input);
        run (&self);
        end (&self);
    }
}

static void all_readers_that_go_before_the_beginning_do_not_end_it (void **state)
{
    (void) state;
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        fixture_t self = is_pipe ? begin_pipe (1000, 4) : begin_file (1000, 4);
        add_readers (&self, 2);
        write_some (&self);
        mpl__fd_close_all (self.readers, 2);
        for (int i = 0; i < 4; i++)
            turn (&self);
        add_readers (&self, 2);
        mpl__input_begin (self.input);
        run (&self);
        end (&self);
    }
}

/* ---- limits ---------------------------------------------------------------------------------------------------------------------- */

static void more_readers_than_were_announced_are_refused_with_a_reason (void **state)
{
    fixture_t self = begin_file (1000, 2);

    (void) state;
    add_readers (&self, 2);
    errno = 0;
    assert_int_equal (-1, mpl__input_add (self.input));
    assert_int_not_equal (0, errno);
    mpl__input_begin (self.input);
    run (&self);
    end (&self);
}

static void an_input_without_readers_reads_nothing (void **state)
{
    fixture_t self = begin_pipe (1000, 0);
    int waiting = 0;

    (void) state;
    write_some (&self);
    mpl__input_begin (self.input);
    assert_asleep (&self);
    assert_int_equal (0, ioctl (self.from, FIONREAD, &waiting));
    assert_int_equal (1000, waiting);
    end (&self);
}

static void it_is_destroyed_in_every_state_and_closes_what_is_its_own (void **state)
{
    (void) state;
    for (int i = 0; i < 8; i++) {
        fixture_t self = i % 2 ? begin_pipe (MIB, 3) : begin_file (MIB, 3);
        add_readers (&self, 3);
        if (i / 2 > 0)
            mpl__input_begin (self.input);
        for (int turns = 0; turns < (i / 2 > 1 ? 10 : 0); turns++) {
            write_some (&self);
            turn (&self);
            read_some (&self, 1, SIZE_MAX);
            if (i / 2 > 2)
                mpl__fd_close (&self.readers[0]);
        }
        mpl__input_destroy (&self.input);
        turn (&self);
        assert_true (fcntl (self.from, F_GETFD) >= 0);          /* the caller's */
        for (size_t k = 0; k < 3; k++) {
            char bytes[BLOCK];
            while (self.readers[k] >= 0 && read (self.readers[k], bytes, sizeof bytes) > 0)
                ;
            if (self.readers[k] >= 0)
                assert_int_equal (0, read (self.readers[k], bytes, sizeof bytes));
        }
        end (&self);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (everybody_gets_every_byte_of_a_file),
        cmocka_unit_test (everybody_gets_every_byte_of_a_pipe),
        cmocka_unit_test (sizes_around_a_block_are_exact),
        cmocka_unit_test (a_file_is_read_from_where_it_stands),
        cmocka_unit_test (a_socket_is_read_too),
        cmocka_unit_test (what_is_written_slowly_is_passed_on_at_once),
        cmocka_unit_test (an_empty_input_ends_at_once),
        cmocka_unit_test (an_input_that_cannot_be_read_ends_at_once),
        cmocka_unit_test (nothing_is_read_before_it_begins),
        cmocka_unit_test (a_slow_reader_holds_the_others_at_most_a_block_behind),
        cmocka_unit_test (while_a_reader_is_behind_nothing_spins),
        cmocka_unit_test (a_reader_that_closes_early_is_dropped_and_the_others_get_all),
        cmocka_unit_test (a_slow_reader_that_closes_lets_the_others_go_on),
        cmocka_unit_test (readers_that_close_one_after_the_other_end_with_the_last),
        cmocka_unit_test (when_all_have_closed_nothing_more_is_read),
        cmocka_unit_test (when_all_have_closed_before_a_byte_came_none_is_read),
        cmocka_unit_test (a_reader_that_goes_before_the_beginning_begins_nothing),
        cmocka_unit_test (all_readers_that_go_before_the_beginning_do_not_end_it),
        cmocka_unit_test (more_readers_than_were_announced_are_refused_with_a_reason),
        cmocka_unit_test (an_input_without_readers_reads_nothing),
        cmocka_unit_test (it_is_destroyed_in_every_state_and_closes_what_is_its_own),
    };

    signal (SIGPIPE, SIG_IGN);                  /* as the agent has it */
    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
