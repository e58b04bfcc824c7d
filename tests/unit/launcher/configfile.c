/* The file after -configfile: quotes, comments and continued lines, and where each word stands. */
#include "launcher/configfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RANDOM_TEXTS 20000

static mpl_words_t words;
static mpl_store_t store;
static mpl_err_t err;

/* The words of a text as LINE[WORD] each, or what is wrong with it. */
static const char *parsed (const char *text, size_t len)
{
    static char line[1024];
    size_t at = 0;

    mpl__store_free (&store);
    if (mpl__configfile_parse (&words, &store, "file", text, len, &err) < 0) {
        assert_int_equal (EINVAL, errno);
        return err.text;
    }
    line[0] = '\0';
    for (size_t i = 0; i < words.n && at < sizeof line; i++)
        at += (size_t) snprintf (line + at, sizeof line - at, "%d[%s]", words.words[i].line, words.words[i].text);
    return line;
}

static void assert_parsed (const char *right, const char *text)
{
    assert_string_equal (right, parsed (text, strlen (text)));
}

static void each_line_is_a_program (void **state)
{
    (void) state;
    assert_parsed ("", "");
    assert_parsed ("", "\n \n\t\n");
    assert_parsed ("1[a]1[b]", "a b");
    assert_parsed ("1[a]1[b]", "  a\tb  \n");
    assert_parsed ("1[a]2[:]2[b]", "a\nb");
    assert_parsed ("2[a]5[:]5[b]5[c]", "\na\n\n \nb c\n\n");
    assert_parsed ("1[a]2[:]2[b]", "a\r\nb\r\n");
    assert_parsed ("1[a]1[:]1[b]", "a : b");
}

static void comments_begin_at_a_word (void **state)
{
    (void) state;
    assert_parsed ("2[a]4[:]4[b]", "# one\na # two \\\n # three\nb");
    assert_parsed ("1[a#b]1[#c]1[#]", "a#b '#c' \\#");
    assert_parsed ("", "#");
}

static void a_backslash_continues_a_line (void **state)
{
    (void) state;
    assert_parsed ("1[a]2[b]4[:]4[c]", "a \\\n b\n\nc");
    assert_parsed ("1[a]3[b]", "a \\\n\\\nb");
    assert_parsed ("2[ab]", "a\\\nb");
    assert_parsed ("2[ab]3[:]3[c]", "a\\\r\nb\r\nc");
    assert_parsed ("1[a]", "a \\\n");
    assert_parsed ("2[ab]", "\"a\\\nb\"");
}

static void quotes_are_as_in_a_shell (void **state)
{
    (void) state;
    assert_parsed ("1[a b]1[c]", "'a b' c");
    assert_parsed ("1[a b]", "a\" \"b");
    assert_parsed ("1[a b]", "a\\ b");
    assert_parsed ("1[]1[]", "'' \"\"");
    assert_parsed ("1[a\\b\"c]", "'a\\b\"c'");
    assert_parsed ("1[a\\b'c\"d\\e$f`]", "\"a\\b'c\\\"d\\\\e\\$f\\`\"");
    assert_parsed ("2[a\nb]2[c]", "'a\nb' c");
    assert_parsed ("1[$HOME]1[*]1[~]", "$HOME * ~");
    assert_parsed ("1['\"\\]", "\\'\\\"\\\\");
}

static void what_is_not_closed_is_refused_with_its_line (void **state)
{
    (void) state;
    assert_parsed ("file:1: the quote ' is not closed; what begins with one ends with one", "'a");
    assert_parsed ("file:2: the quote \" is not closed; what begins with one ends with one", "a\n\"b\nc\n");
    assert_parsed ("file:1: the quote \" is not closed; what begins with one ends with one", "\"\\");
    assert_parsed ("file:2: a backslash is the last character; there is nothing that it could stand before", "a\nb\\");
    assert_string_equal ("file:2: there is a NUL byte; this is no text", parsed ("a\nb\0c", 5));
}

/* Any bytes give words or an error; the sanitizers and the bounds of `word` are what is tested. */
static void any_bytes_are_survived (void **state)
{
    static const char some[] = "ab \t\n\r\\'\"#:$";
    char text[32];

    (void) state;
    srand (1);
    for (int i = 0; i < RANDOM_TEXTS; i++) {
        size_t len = (size_t) rand () % sizeof text;
        for (size_t k = 0; k < len; k++)
            text[k] = some[(size_t) rand () % (sizeof some - 1)];
        char *exact = malloc (len + 1);
        memcpy (exact, text, len);
        exact[len] = '\0';
        parsed (exact, len);
        free (exact);
    }
}

static void files_that_are_none_are_refused (void **state)
{
    (void) state;
    mpl__store_free (&store);
    assert_int_equal (-1, mpl__configfile_read (&words, &store, "/no/such/file", &err));
    assert_int_equal (ENOENT, errno);
    assert_int_equal (-1, mpl__configfile_read (&words, &store, "/", &err));
    assert_int_equal (EISDIR, errno);
    assert_int_equal (-1, mpl__configfile_read (&words, &store, "/dev/zero", &err));
    assert_non_null (strstr (err.text, "a configfile"));
}

static int free_last (void **state)
{
    (void) state;
    mpl__store_free (&store);
    return 0;
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (each_line_is_a_program),
        cmocka_unit_test (comments_begin_at_a_word),
        cmocka_unit_test (a_backslash_continues_a_line),
        cmocka_unit_test (quotes_are_as_in_a_shell),
        cmocka_unit_test (what_is_not_closed_is_refused_with_its_line),
        cmocka_unit_test (any_bytes_are_survived),
        cmocka_unit_test (files_that_are_none_are_refused),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, free_last);
}
