/* The nearest right word. */
#include "conf/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const keys[] = {
    "name",    "slots",      "workdir",        "env", "ssh", "task_timeout", "memory_limit",
    "retries", "lost_after", "self_end_after", NULL
};

static void assert_near (const char *word, const char *right)
{
    const char *nearest = mpl__nearest (word, keys);

    if (!nearest || strcmp (nearest, right))
        fail_msg ("'%s' gives %s, not %s", word, nearest ? nearest : "nothing", right);
}

static void typing_mistakes_are_seen_through (void **state)
{
    (void) state;
    assert_near ("slot", "slots");              /* a letter missing */
    assert_near ("slotss", "slots");            /* one too many */
    assert_near ("slits", "slots");             /* another one */
    assert_near ("sltos", "slots");             /* two swapped */
    assert_near ("nmae", "name");
    assert_near ("evn", "env");
    assert_near ("wrokdri", "workdir");
    assert_near ("retires", "retries");
    assert_near ("memmory_limits", "memory_limit");
}

static void case_and_dashes_make_no_difference (void **state)
{
    (void) state;
    assert_near ("Slots", "slots");
    assert_near ("task-timeout", "task_timeout");
    assert_near ("LOST-AFTER", "lost_after");
}

static void a_part_of_a_word_stands_for_it (void **state)
{
    (void) state;
    assert_near ("timeout", "task_timeout");
    assert_near ("memory", "memory_limit");
    assert_near ("hostname", "name");
    assert_near ("self_end", "self_end_after");
}

static void a_mistake_is_nearer_than_a_part (void **state)
{
    static const char *const words[] = { "heartbeat_interval", "heartbeats", NULL };

    (void) state;
    assert_string_equal ("heartbeats", mpl__nearest ("heartbeat", words));
}

static void what_is_far_from_all_is_near_to_none (void **state)
{
    static const char *const none[] = { NULL };
    char endless[4096];

    (void) state;
    assert_null (mpl__nearest ("", keys));
    assert_null (mpl__nearest ("x", keys));
    assert_null (mpl__nearest ("xyzzy", keys));
    assert_null (mpl__nearest ("colour", keys));
    assert_null (mpl__nearest ("slots", none));
    memset (endless, 'n', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null (mpl__nearest (endless, keys));
}

static void short_options_are_near_when_they_share_a_letter (void **state)
{
    static const char *const options[] = { "n", "np", "hosts", "", NULL };

    (void) state;
    assert_string_equal ("n", mpl__nearest ("nb", options));
    assert_string_equal ("np", mpl__nearest ("npp", options));
    assert_null (mpl__nearest ("q", options));
    assert_null (mpl__nearest ("xy", options));
}

static void words_are_listed_with_an_or (void **state)
{
    static const char *const three[] = { "local", "ssh", "pbs", NULL }, *const one[] = { "ssh", NULL },
                             *const none[] = { NULL };
    char text[64];

    (void) state;
    assert_string_equal ("local, ssh or pbs", mpl__words_text (three, text, sizeof text));
    assert_string_equal ("ssh", mpl__words_text (one, text, sizeof text));
    assert_string_equal ("", mpl__words_text (none, text, sizeof text));
    assert_string_equal ("local, s", mpl__words_text (three, text, 9));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (typing_mistakes_are_seen_through),
        cmocka_unit_test (case_and_dashes_make_no_difference),
        cmocka_unit_test (a_part_of_a_word_stands_for_it),
        cmocka_unit_test (a_mistake_is_nearer_than_a_part),
        cmocka_unit_test (what_is_far_from_all_is_near_to_none),
        cmocka_unit_test (short_options_are_near_when_they_share_a_letter),
        cmocka_unit_test (words_are_listed_with_an_or),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
