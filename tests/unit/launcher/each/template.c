/* From a command and inputs to the arguments of a job. */
#include "launcher/each/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The words of `command` and `inputs`, which are separated by '|'; NULL: none. */
static size_t split (char *text, char **words)
{
    size_t n = 0;

    while (text && (words[n] = strsep (&text, "|")))
        n++;
    words[n] = NULL;
    return n;
}

/* The arguments of a job, with '|' between them. */
static void assert_filled (const char *right, const char *command, const char *inputs, const char *replace)
{
    char command_text[256], inputs_text[256], filled[512] = "", *words[16], *given[16];
    mpl_template_t template;

    snprintf (command_text, sizeof command_text, "%s", command);
    snprintf (inputs_text, sizeof inputs_text, "%s", inputs);
    mpl__template_init (&template, words, split (command_text, words), replace);
    mpl_job_words_t job = { .inputs = given, .n = split (inputs_text, given), .number = 7, .slot = 2 };
    char **argv = mpl__template_fill (&template, &job);
    assert_non_null (argv);
    for (size_t i = 0; argv[i]; i++) {
        strncat (filled, i ? "|" : "", sizeof filled - strlen (filled) - 1);
        strncat (filled, argv[i], sizeof filled - strlen (filled) - 1);
    }
    free (argv);
    assert_string_equal (right, filled);
}

static void every_place_is_replaced (void **state)
{
    (void) state;
    assert_filled ("echo|d/f.tar.gz", "echo|{}", "d/f.tar.gz", "{}");
    assert_filled ("echo|d/f.tar|f.tar.gz|d|f.tar|7|2", "echo|{.}|{/}|{//}|{/.}|{#}|{%}", "d/f.tar.gz", "{}");
    assert_filled ("x|a|a|.|a", "x|{.}|{/}|{//}|{/.}", "a", "{}");
    assert_filled ("x| d.x/f|. d.x|d.x/f", "x|{.}|{//}|{2.}", ".hidden|d.x/f", "{}");         /* as GNU parallel has it */
    assert_filled ("x|b-a|b|d", "x|{2}-{1}|{2/}|{3/.}", "a|b|c/d.e", "{}");
    assert_filled ("x|a b c", "x|{}", "a|b|c", "{}");
    assert_filled ("x||{", "x|{4}|{", "a|b", "{}");
}

static void where_none_is_named_the_inputs_come_last (void **state)
{
    (void) state;
    assert_filled ("echo|a", "echo", "a", "{}");
    assert_filled ("echo|-n|a|b c", "echo|-n", "a|b c", "{}");
    assert_filled ("echo|", "echo", "", "{}");
}

static void another_text_may_stand_for_the_input (void **state)
{
    (void) state;
    assert_filled ("cp|a|{}|a.bak", "cp|@@|{}|@@.bak", "a", "@@");
}

static void words_stay_words_without_a_shell (void **state)
{
    (void) state;
    assert_filled ("printf|%s|$(id)", "printf|%s|{}", "$(id)", "{}");
    assert_filled ("a|;|b c", "a|;|{}", "b c", "{}");
}

static void a_single_word_with_signs_of_a_shell_gets_one_and_inputs_are_its_parameters (void **state)
{
    (void) state;
    assert_filled ("/bin/sh|-c|wc -l < \"${1}\"|sh|a b", "wc -l < {}", "a b", "{}");
    assert_filled ("/bin/sh|-c|echo \"${1}\"|sh|$(id)", "echo \"{}\"", "$(id)", "{}");
    assert_filled ("/bin/sh|-c|echo ''\"${1}\"''|sh|$(id)", "echo '{}'", "$(id)", "{}");
    assert_filled ("/bin/sh|-c|echo \"${1}\" \"${2}\"|sh|it's|$(id)", "echo {}", "it's|$(id)", "{}");
    assert_filled ("/bin/sh|-c|cat \"${1}\"|sh|", "cat {}", "", "{}");
    assert_filled ("/bin/sh|-c|sort -u \"${1}\"|sh|;x", "sort -u", ";x", "{}");
    assert_filled ("true|a", "true", "a", "{}");
}

static void as_text_it_could_be_typed (void **state)
{
    char *words[] = { "a b", "{}", NULL }, *inputs[] = { "it's", NULL };
    mpl_template_t template;
    mpl_job_words_t job = { .inputs = inputs, .n = 1, .number = 1, .slot = 1 };

    (void) state;
    mpl__template_init (&template, words, 2, "{}");
    char *text = mpl__template_text (&template, &job);
    assert_string_equal ("'a b' 'it'\\''s'", text);
    free (text);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_place_is_replaced),
        cmocka_unit_test (where_none_is_named_the_inputs_come_last),
        cmocka_unit_test (another_text_may_stand_for_the_input),
        cmocka_unit_test (words_stay_words_without_a_shell),
        cmocka_unit_test (a_single_word_with_signs_of_a_shell_gets_one_and_inputs_are_its_parameters),
        cmocka_unit_test (as_text_it_could_be_typed),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
