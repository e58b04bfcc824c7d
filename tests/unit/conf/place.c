/* Where something is wrong, and how it is quoted. */
#include "conf/place.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void an_error_in_a_file_begins_with_its_place (void **state)
{
    mpl_place_t place = { "lab.yaml", 3, 7 };
    mpl_err_t err;

    (void) state;
    assert_int_equal (-1, mpl__err_at (&err, &place, EINVAL, "slots is '%s'", "x"));
    assert_int_equal (EINVAL, errno);
    assert_string_equal ("lab.yaml:3:7: slots is 'x'", err.text);
    place = mpl__place_after (&place, 5);
    mpl__err_at (&err, &place, EINVAL, "here");
    assert_string_equal ("lab.yaml:3:12: here", err.text);
    assert_int_equal (-1, mpl__err_at (NULL, &place, EPERM, "nobody wants the sentence"));
    assert_int_equal (EPERM, errno);
}

static void an_error_in_a_list_shows_the_list (void **state)
{
    mpl_place_t place = { "a,b[", 0, 4 };
    mpl_err_t err;

    (void) state;
    mpl__err_at (&err, &place, EINVAL, "this '[' has no ']'");
    assert_string_equal ("host list 'a,b[', column 4: this '[' has no ']'", err.text);
}

static void a_long_name_leaves_room_for_the_sentence (void **state)
{
    char name[4096], sentence[801];
    mpl_place_t place = { name, 1, 1 };
    mpl_err_t err;

    (void) state;
    memset (name, 'd', sizeof name);
    memcpy (name + sizeof name - 10, "/lab.yaml", 10);
    memset (sentence, 's', sizeof sentence);
    sentence[sizeof sentence - 1] = '\0';
    mpl__err_at (&err, &place, EINVAL, "%s", sentence);
    assert_memory_equal ("...ddd", err.text, 6);
    assert_non_null (strstr (err.text, "/lab.yaml:1:1: sss"));
    assert_string_equal (sentence, strstr (err.text, "s"));
}

static void what_is_quoted_is_one_short_line (void **state)
{
    char shown[MPL__SHOWN], text[100];

    (void) state;
    assert_string_equal ("", mpl__shown (shown, "", 0));
    assert_string_equal ("a?b??", mpl__shown (shown, "a\nb\x1b\x7f", 5));
    assert_string_equal ("ab", mpl__shown (shown, "abc", 2));
    memset (text, 'x', sizeof text);
    assert_int_equal (63, strlen (mpl__shown (shown, text, 63)));
    assert_string_equal ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...",
                         mpl__shown (shown, text, 64));
    assert_string_equal ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...",
                         mpl__shown (shown, text, 100));
}

static void what_is_quoted_is_not_cut_in_a_character (void **state)
{
    char shown[MPL__SHOWN], text[100];

    (void) state;
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy (text + i, "\xc3\xbc", 2);
    for (size_t first = 0; first < 2; first++) {
        mpl__shown (shown, text + 2 * first - first, 99);       /* once from a whole character, once from a half one */
        size_t len = strlen (shown);
        assert_string_equal ("...", shown + len - 3);
        assert_int_equal ((char) 0xbc, shown[len - 4]);
    }
    memset (text, 0x80, sizeof text);
    assert_string_equal ("...", mpl__shown (shown, text, 100));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_error_in_a_file_begins_with_its_place),
        cmocka_unit_test (an_error_in_a_list_shows_the_list),
        cmocka_unit_test (a_long_name_leaves_room_for_the_sentence),
        cmocka_unit_test (what_is_quoted_is_one_short_line),
        cmocka_unit_test (what_is_quoted_is_not_cut_in_a_character),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
