/* Lines come whole whatever pieces they were read in, and one that is too long is dropped without taking the others
 * with it. The end of what a program says is kept whatever its length. */
#include "base/lines.h"
#include "base/tail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    int fds[2];
    char heard[4096];                   /* the lines, "|" behind each */
} fixture_t;

static void setup (fixture_t *self)
{
    memset (self, 0, sizeof *self);
    assert_int_equal (0, pipe2 (self->fds, O_CLOEXEC | O_NONBLOCK));
}

static void write_text (fixture_t *self, const char *text)
{
    assert_int_equal (strlen (text), write (self->fds[1], text, strlen (text)));
}

static void take (void *arg, char *line)
{
    fixture_t *self = arg;

    strcat (strcat (self->heard, line), "|");
}

static void lines_come_whole (void **state)
{
    mpl_lines_t lines = { .n = 0 };
    fixture_t self;

    (void) state;
    setup (&self);
    assert_int_equal (0, mpl__lines_read (&lines, self.fds[0], take, &self));       /* there is nothing yet */
    write_text (&self, "one\ntw");
    assert_int_equal (0, mpl__lines_read (&lines, self.fds[0], take, &self));
    assert_string_equal ("one|", self.heard);
    write_text (&self, "o\n\nthree\nno line");
    assert_int_equal (0, mpl__lines_read (&lines, self.fds[0], take, &self));
    assert_string_equal ("one|two||three|", self.heard);
    close (self.fds[1]);
    assert_int_equal (-1, mpl__lines_read (&lines, self.fds[0], take, &self));
    close (self.fds[0]);
}

static void a_line_that_is_too_long_is_dropped (void **state)
{
    mpl_lines_t lines = { .n = 0 };
    char longest[MPL__LINE + 1];
    fixture_t self;

    (void) state;
    setup (&self);
    memset (longest, 'x', MPL__LINE);
    longest[MPL__LINE] = '\0';
    write_text (&self, longest);
    assert_int_equal (0, mpl__lines_read (&lines, self.fds[0], take, &self));
    assert_string_equal ("", self.heard);
    write_text (&self, "its end\nthe next\n");
    assert_int_equal (0, mpl__lines_read (&lines, self.fds[0], take, &self));
    assert_string_equal ("the next|", self.heard);
    assert_int_equal (0, lines.n);
    close (self.fds[0]);
    close (self.fds[1]);
}

static void the_end_of_what_is_said_is_kept (void **state)
{
    mpl_tail_t tail = { .len = 0 };
    char block[700];
    fixture_t self;

    (void) state;
    setup (&self);
    assert_int_equal (0, mpl__tail_read (&tail, self.fds[0]));
    for (char c = 'a'; c <= 'c'; c++) {
        memset (block, c, sizeof block);
        assert_int_equal (sizeof block, write (self.fds[1], block, sizeof block));
        assert_int_equal (0, mpl__tail_read (&tail, self.fds[0]));
    }
    assert_int_equal (MPL__TAIL, tail.len);
    assert_int_equal ('b', tail.text[0]);
    assert_int_equal ('b', tail.text[MPL__TAIL - sizeof block - 1]);
    assert_int_equal ('c', tail.text[MPL__TAIL - sizeof block]);
    assert_int_equal ('c', tail.text[MPL__TAIL - 1]);
    close (self.fds[1]);
    assert_int_equal (-1, mpl__tail_read (&tail, self.fds[0]));
    close (self.fds[0]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (lines_come_whole),
        cmocka_unit_test (a_line_that_is_too_long_is_dropped),
        cmocka_unit_test (the_end_of_what_is_said_is_kept),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
