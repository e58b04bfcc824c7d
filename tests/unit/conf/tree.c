/* YAML as a tree: what it looks like, where its nodes are, and that nothing makes it large or slow. What errors
 * say is in bad/. */
#include "conf/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static mpl_err_t err;

/* ---- what comes out -------------------------------------------------------------------------------------------------------- */

static char dumped[4096];

static void add (const char *text)
{
    size_t len = strlen (dumped);

    snprintf (dumped + len, sizeof dumped - len, "%s", text);
}

/* A tree on one line; what was in quotes has them. */
static void dump (const mpl_node_t *node)
{
    if (node->kind == MPL__SCALAR) {
        add (node->is_plain ? "" : "\"");
        add (node->text);
        add (node->is_plain ? "" : "\"");
        return;
    }
    add (node->kind == MPL__LIST ? "[" : "{");
    for (const mpl_pair_t *pair = node->pairs; pair; pair = pair->next) {
        if (pair->key) {
            dump (pair->key);
            add (": ");
        }
        dump (pair->value);
        add (pair->next ? ", " : "");
    }
    add (node->kind == MPL__LIST ? "]" : "}");
}

static const char *parsed (const char *text)
{
    mpl_tree_t tree;

    if (mpl__tree_parse (&tree, "t.yaml", text, strlen (text), &err) < 0)
        fail_msg ("%s", err.text);
    dumped[0] = '\0';
    if (tree.root)
        dump (tree.root);
    mpl__tree_free (&tree);
    mpl__tree_free (&tree);
    return dumped;
}

static void a_tree_is_what_the_file_says (void **state)
{
    (void) state;
    assert_string_equal ("{a: b, c: [d, \"e f\"], g: {h: i}, j: {}, k: []}",
                         parsed ("a: b\nc:\n  - d\n  - 'e f'\ng: {h: i}\nj: {}\nk: []\n"));
    assert_string_equal ("a", parsed ("a"));
    assert_string_equal ("{a: , \"\": ~}", parsed ("a:\n\"\": ~\n"));
    assert_string_equal ("{a: \"x\ny\n\", b: \"x y\n\"}", parsed ("a: |\n  x\n  y\nb: >\n  x\n  y\n"));
    assert_string_equal ("{a: 1, a: 2}", parsed ("a: 1\na: 2\n"));
    assert_string_equal ("", parsed ("# nothing\n"));
    assert_string_equal ("{a: b}", parsed ("%YAML 1.2\n---\na: b\n...\n# the end\n"));
    assert_string_equal ("{a: b}", parsed ("\xef\xbb\xbf" "a: b\n"));
    assert_string_equal ("{a: b, c: d}", parsed ("a: b\r\nc: d\r\n"));
    assert_string_equal ("{a: b, c: \"1\", d: [e]}", parsed ("a: !!str b\nc: ! '1'\nd: !!seq [e]\n"));
}

static void aliases_are_what_they_stand_for (void **state)
{
    (void) state;
    assert_string_equal ("{a: [b, c], d: [b, c], e: [[b, c], b]}", parsed ("a: &x [&y b, c]\nd: *x\ne: [*x, *y]\n"));
    assert_string_equal ("[1, 2, 1, 2]", parsed ("- &x 1\n- &y 2\n- *x\n- *y\n"));
    assert_string_equal ("[1, 1, 2, 2]", parsed ("- &x 1\n- *x\n- &x 2\n- *x\n"));      /* a name may be given anew */
    assert_string_equal ("{k: 1, k: 2}", parsed ("&x k: 1\n*x : 2\n"));
    assert_string_equal ("{<<: {a: b}, c: d}", parsed ("<<: &m {a: b}\nc: d\n"));
}

static void nodes_know_their_place_size_and_height (void **state)
{
    static const char text[] = "a: &x {b: [c, d]}\ne:\n  - *x\n  - 'f'\n";
    mpl_tree_t tree;

    (void) state;
    assert_int_equal (0, mpl__tree_parse (&tree, "t.yaml", text, strlen (text), &err));
    const mpl_node_t *first = tree.root->pairs->value, *second = tree.root->pairs->next->value;
    assert_int_equal (4, tree.root->height);
    assert_int_equal (2, first->height);
    assert_int_equal (3, second->height);
    assert_int_equal (5, first->n_nodes);               /* itself, b, its list, c, d */
    assert_int_equal (7, second->n_nodes);
    assert_int_equal (1 + 1 + 5 + 1 + 7, tree.root->n_nodes);
    assert_ptr_equal (first, second->pairs->value);
    assert_int_equal (1, second->pairs->value->place.line);
    assert_int_equal (3, second->pairs->place.line);
    assert_int_equal (5, second->pairs->place.column);
    assert_int_equal (4, second->pairs->next->value->place.line);
    assert_int_equal (5, second->pairs->next->value->place.column);
    assert_int_equal (0, second->pairs->next->value->is_plain);
    assert_string_equal ("t.yaml", second->place.source);
    mpl__tree_free (&tree);
}

static void nothing_and_merges_are_told_by_their_look (void **state)
{
    static const char text[] = "[ ~, null, Null, NULL, '', nulL, '~', 0, <<, '<<', [], {}, '']";
    static const char nulls[] = "1111000000000", merges[] = "0000000010000";
    mpl_tree_t tree;
    size_t i = 0;

    (void) state;
    assert_int_equal (0, mpl__tree_parse (&tree, "t.yaml", text, strlen (text), &err));
    for (const mpl_pair_t *pair = tree.root->pairs; pair; pair = pair->next, i++) {
        assert_int_equal (nulls[i] - '0', mpl__node_is_null (pair->value));
        assert_int_equal (merges[i] - '0', mpl__node_is_merge (pair->value));
    }
    assert_int_equal (strlen (nulls), i);
    mpl__tree_free (&tree);
}

/* ---- what is refused, and how fast ----------------------------------------------------------------------------------------- */

/* Milliseconds of this process' own: others may be busy. */
static double used_ms (void)
{
    struct timespec now;

    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

/* Instrumented runs are granted more time and given less to read. */
static int is_instrumented (void)
{
    const char *sanitizer = getenv ("MPL_SANITIZER");

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ || defined MPL_COVERAGE
    return 1;
#endif
    return (sanitizer && strcmp (sanitizer, "no")) || getenv ("MPL_TEST_SLOW");
}

static double allowed_ms (void)
{
    return is_instrumented () ? 10000 : 100;
}

/* Repeats a piece until the longest file is full. */
static char *filled (const char *begin, const char *piece, size_t *len)
{
    size_t n = strlen (piece), size = is_instrumented () ? 20000 : MPL__TREE_BYTES;
    char *text = malloc (size + 1);

    assert_non_null (text);
    *len = (size_t) snprintf (text, size, "%s", begin);
    for (; *len + n <= size; *len += n)
        memcpy (text + *len, piece, n);
    return text;
}

static double slowest_ms;
static char slowest[MPL__SHOWN];

/* Right or wrong, it is done soon. */
static void assert_fast (const char *what, const char *text, size_t len)
{
    mpl_tree_t tree;
    double before = used_ms ();
    int rc = mpl__tree_parse (&tree, "t.yaml", text, len, &err);

    if (rc == 0)
        mpl__tree_free (&tree);
    double ms = used_ms () - before;
    if (ms > slowest_ms) {
        slowest_ms = ms;
        mpl__shown (slowest, what, strlen (what));
    }
    if (ms > allowed_ms ())
        fail_msg ("%s: %.0f ms", what, ms);
    if (rc < 0 && errno != EINVAL && errno != EFBIG)
        fail_msg ("%s: errno %d", what, errno);
}

static void whatever_fills_a_file_is_read_or_refused_soon (void **state)
{
    static const char *const pieces[] = {
        "[",
        "{",
        "- ",
        "? ",
        "- - - - - - - -\n",
        "a: ",
        "a:\n",
        "\n",
        " ",
        "\t",
        "#",
        "# a\n",
        "a",
        "a ",
        "a\n",
        "\"",
        "'",
        "\"a\" ",
        "\\",
        "&a ",
        "*a ",
        "!a ",
        "!<a> ",
        "!!str ",
        "&",
        "*",
        "!",
        "|",
        "|\n",
        ">\n a\n",
        ",",
        "]",
        "}",
        "[]",
        "{}",
        "[],",
        "{},",
        "[a, ",
        "{a: ",
        "a, ",
        ":",
        ": ",
        "?",
        "-",
        "---\n",
        "...\n",
        "%",
        "%TAG !a! b\n",
        "%YAML 1.1\n",
        "@",
        "`",
        "\r",
        "\r\n",
        "\xc3\xbc",
        "\xe2\x80\xa8",
        "\xf0\x9f\x98\x80",
        "- a\n",
        "- &a a\n",
        "- {a: b}\n",
        "- [a, b]\n",
        "a: b\n",
        "a: &a [*a]\n",
        "? a\n: b\n",
        "? [a]\n",
        "<<: ",
        "\"\\x41\\u00e9\\U0001F600\"",
        "''",
        "- |\n  a\n",
        "- >-\n  a\n\n  b\n",
        "- \"a\n  b\"\n",
        "[a]: b\n",
        "\x01",
        "\xff",
    };

    (void) state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        static const char *const begins[] = { "",         "a: ",           "- ",      "a: [", "a: \"",
                                              "a: |\n  ", "a: &a b\nc: [", "--- >\n " };
        for (size_t j = 0; j < sizeof begins / sizeof *begins; j++) {
            size_t len;
            char what[64], *text = filled (begins[j], pieces[i], &len);
            snprintf (what, sizeof what, "'%s' and then '%s'", begins[j], pieces[i]);
            assert_fast (what, text, len);
            free (text);
        }
    }
}

static void assert_refused (const char *text, size_t len, int code, const char *words)
{
    mpl_tree_t tree;

    assert_fast (words, text, len);
    assert_int_equal (-1, mpl__tree_parse (&tree, "t.yaml", text, len, &err));
    assert_int_equal (code, errno);
    if (!strstr (err.text, words))
        fail_msg ("%s, not %s", err.text, words);
}

static void a_file_too_long_is_refused_unread (void **state)
{
    size_t len = 10000000;
    char *text = malloc (len);

    (void) state;
    assert_non_null (text);
    memset (text, '#', len);
    assert_refused (text, len, EFBIG, "t.yaml has more than 1048576 bytes; a cluster file has at most that");
    assert_refused (text, MPL__TREE_BYTES + 1, EFBIG, "more than 1048576 bytes");
    free (text);
}

/* Each line is ten of the one before: a few hundred bytes for as many nodes as one likes. */
static void aliases_count_as_what_they_stand_for (void **state)
{
    char text[2000] = "- &a0 [x, x, x, x, x, x, x, x, x, x]\n";

    (void) state;
    for (int i = 1; i < 20; i++) {
        size_t len = strlen (text);
        snprintf (text + len, sizeof text - len,
                  "- &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i - 1, i - 1, i - 1,
                  i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    assert_refused (text, strlen (text), EFBIG,
                    "t.yaml:5:43: up to here there are more than 100000 keys and values, those of aliases included");
}

static void many_anchors_and_aliases_are_looked_up_soon (void **state)
{
    char *text = malloc (MPL__TREE_BYTES);
    size_t len = 0;

    (void) state;
    assert_non_null (text);
    for (int i = 0; i < 256; i++)
        len += (size_t) snprintf (text + len, MPL__TREE_BYTES - len, "- &a%03d x\n", i);
    while (len + 8 < 900000)
        len += (size_t) snprintf (text + len, MPL__TREE_BYTES - len, "- *a000\n");
    assert_refused (text, len, EFBIG, "more than 100000 keys and values");
    assert_refused ("[&a", 3, EINVAL, "");
    len = 0;
    for (int i = 0; i < 257; i++)
        len += (size_t) snprintf (text + len, MPL__TREE_BYTES - len, "- &a%03d x\n", i);
    assert_refused (text, len, EFBIG, "t.yaml:257:3: more than 256 anchors (&a256 is one too many)");
    free (text);
}

static void depth_is_bounded_with_and_without_aliases (void **state)
{
    char text[200];
    mpl_tree_t tree;

    (void) state;
    memset (text, '[', 33);
    memset (text + 33, ']', 33);
    assert_refused (text, 66, EFBIG, "t.yaml:1:33: more than 32 levels deep");
    memset (text, '[', 32);
    memset (text + 32, ']', 32);
    assert_int_equal (0, mpl__tree_parse (&tree, "t.yaml", text, 64, &err));
    assert_int_equal (32, tree.root->height);
    mpl__tree_free (&tree);
    snprintf (text, sizeof text, "- &a %.16s%.16s\n- %.15s*a%.15s\n", "[[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]]",
              "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]");
    assert_int_equal (0, mpl__tree_parse (&tree, "t.yaml", text, strlen (text), &err));
    assert_int_equal (32, tree.root->height);
    mpl__tree_free (&tree);
    snprintf (text, sizeof text, "- &a %.16s%.16s\n- %.16s*a%.16s\n", "[[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]]",
              "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]");
    assert_refused (text, strlen (text), EFBIG,
                    "t.yaml:2:19: with what *a stands for this is more than 32 levels deep");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_tree_is_what_the_file_says),
        cmocka_unit_test (aliases_are_what_they_stand_for),
        cmocka_unit_test (nodes_know_their_place_size_and_height),
        cmocka_unit_test (nothing_and_merges_are_told_by_their_look),
        cmocka_unit_test (whatever_fills_a_file_is_read_or_refused_soon),
        cmocka_unit_test (a_file_too_long_is_refused_unread),
        cmocka_unit_test (aliases_count_as_what_they_stand_for),
        cmocka_unit_test (many_anchors_and_aliases_are_looked_up_soon),
        cmocka_unit_test (depth_is_bounded_with_and_without_aliases),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    int n_failed = cmocka_run_group_tests (tests, NULL, NULL);
    printf ("# the slowest took %.0f ms: %s\n", slowest_ms, slowest);
    return n_failed;
}
