/* Host lists with ranges, as people and as Slurm write them. */
#include "conf/hostlist.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static mpl_err_t err;

/* The names that come of a list, with blanks between them. */
static const char *expanded (const char *text)
{
    static char names[8192];
    mpl_hostlist_t list = { 0 };
    size_t at = 0;

    if (mpl__hostlist_parse (&list, text, &err) < 0)
        fail_msg ("%s", err.text);
    names[0] = '\0';
    for (size_t i = 0; i < list.n; i++)
        at += (size_t) snprintf (names + at, sizeof names - at, "%s%s", i ? " " : "", list.names[i]);
    mpl__hostlist_free (&list);
    return names;
}

static void assert_refused (const char *text, int code, const char *sentence)
{
    mpl_hostlist_t list = { 0 };
    char expected[MPL__ERR_TEXT];

    assert_int_equal (0, mpl__hostlist_parse (&list, "before", &err));
    assert_int_equal (-1, mpl__hostlist_parse (&list, text, &err));
    assert_int_equal (code, errno);
    snprintf (expected, sizeof expected, "host list '%s', column %s", text, sentence);
    assert_string_equal (expected, err.text);
    assert_int_equal (1, list.n);               /* as it was */
    assert_string_equal ("before", list.names[0]);
    mpl__hostlist_free (&list);
}

static void names_stand_for_themselves (void **state)
{
    (void) state;
    assert_string_equal ("a", expanded ("a"));
    assert_string_equal ("a b c", expanded ("a,b,c"));
    assert_string_equal ("a b", expanded (" a ,\tb "));
    assert_string_equal ("b a b", expanded ("b,a,b"));
    assert_string_equal ("node-1.lab_2.org 10.0.0.7 _x", expanded ("node-1.lab_2.org,10.0.0.7,_x"));
}

static void ranges_are_expanded_and_keep_their_zeros (void **state)
{
    (void) state;
    assert_string_equal ("n1 n2 n3", expanded ("n[1-3]"));
    assert_string_equal ("n08 n09 n10", expanded ("n[08-10]"));
    assert_string_equal ("n8 n9 n10", expanded ("n[8-10]"));
    assert_string_equal ("n001 n002", expanded ("n[001-2]"));
    assert_string_equal ("n1 n2 n07 n12", expanded ("n[1-2,07,12]"));
    assert_string_equal ("n0 n00 n1", expanded ("n[0,00,1]"));
    assert_string_equal ("n00 n01", expanded ("n[00-01]"));
    assert_string_equal ("n0", expanded ("n[0-0]"));
    assert_string_equal ("1 2", expanded ("[1-2]"));
}

static void what_is_around_a_range_stays (void **state)
{
    (void) state;
    assert_string_equal ("n1-ib.lab n2-ib.lab", expanded ("n[1-2]-ib.lab"));
    assert_string_equal ("a1 a2 a3 a07 b", expanded ("a[1-3,07],b"));
    assert_string_equal ("c9 a1 a2 b1 b2", expanded ("c9,a[1-2],b[1,2]"));
}

static void of_several_brackets_the_last_turns_fastest (void **state)
{
    (void) state;
    assert_string_equal ("r1n1 r1n2 r2n1 r2n2", expanded ("r[1-2]n[1-2]"));
    assert_string_equal ("11 12 21 22", expanded ("[1-2][1-2]"));
    assert_string_equal ("r1c1n1 r1c1n2 r1c3n1 r1c3n2", expanded ("r[1]c[1,3]n[1-2]"));
}

static void addresses_are_taken_with_and_without_brackets (void **state)
{
    (void) state;
    assert_string_equal ("::1 fe80::1%eth0 2001:db8::7 b", expanded ("::1,[fe80::1%eth0],[2001:db8::7],b"));
}

static void errors_say_the_column (void **state)
{
    (void) state;
    assert_refused ("", EINVAL, "1: a host's name is missing here");
    assert_refused (",a", EINVAL, "1: a host's name is missing here");
    assert_refused ("a,,b", EINVAL, "3: a host's name is missing here");
    assert_refused ("a,", EINVAL, "3: a host's name is missing here");
    assert_refused ("a,n[1-3", EINVAL, "4: this '[' has no ']'");
    assert_refused ("n[1-3,b", EINVAL, "2: this '[' has no ']'");
    assert_refused ("n1]", EINVAL, "3: this ']' has no '['");
    assert_refused ("n[]", EINVAL, "3: a number is needed here, as in [01-08,12]");
    assert_refused ("n[1,]", EINVAL, "5: a number is needed here, as in [01-08,12]");
    assert_refused ("n[1-]", EINVAL, "5: a number is needed here, as in [01-08,12]");
    assert_refused ("n[-3]", EINVAL, "3: a number is needed here, as in [01-08,12]");
    assert_refused ("n[a-c]", EINVAL, "3: a number is needed here, as in [01-08,12]");
    assert_refused ("n[1-3-5]", EINVAL, "6: only numbers, '-' and ',' stand in brackets, as in [01-08,12]");
    assert_refused ("n[1;2]", EINVAL, "4: only numbers, '-' and ',' stand in brackets, as in [01-08,12]");
    assert_refused ("n[[1]]", EINVAL, "3: a number is needed here, as in [01-08,12]");
    assert_refused ("a,n[8-01]", EINVAL, "5: this range ends before it begins; the smaller number comes first");
    assert_refused ("n[1-08]", EINVAL, "3: the zeros of a range belong to its first number, as in [01-08]");
    assert_refused ("n[1-1234567890123456789]", EINVAL, "5: this number has more than 18 digits");
    assert_refused ("[1][1][1][1][1][1][1][1][1]", EINVAL, "25: a name has at most 8 brackets");
}

static void what_no_host_is_called_is_refused (void **state)
{
    (void) state;
    assert_refused ("a,b c", EINVAL,
                    "4: ' ' is not part of a host name, which has letters, digits, '-', '.' and '_'");
    assert_refused ("a;b", EINVAL, "2: ';' is not part of a host name, which has letters, digits, '-', '.' and '_'");
    assert_refused ("$(x)", EINVAL, "1: '$' is not part of a host name, which has letters, digits, '-', '.' and '_'");
    assert_refused ("n[1]@", EINVAL,
                    "5: '@' is not part of a host name, which has letters, digits, '-', '.' and '_'");
    assert_refused ("-oProxyCommand=x", EINVAL, "1: a host name begins with a letter or a digit");
    assert_refused ("a,-v", EINVAL, "3: a host name begins with a letter or a digit");
    assert_refused (".a", EINVAL, "1: a host name begins with a letter or a digit");
    assert_refused ("b\xc3\xbc", EINVAL,
                    "2: '\xc3\xbc' is not part of a host name, which has letters, digits, '-', '.' and '_'");
    assert_refused ("a:4", EINVAL, "1: this is no IPv6 address, and no host name has a ':'");
    assert_refused ("[::1", EINVAL, "5: behind an address in brackets nothing follows");
    assert_refused ("[::1]x", EINVAL, "7: behind an address in brackets nothing follows");
    assert_refused ("::1%", EINVAL, "1: this is no IPv6 address");
    assert_refused ("::1%a b", EINVAL, "6: this is not part of a network interface's name");
    assert_refused ("fe80::1%a_very_long_interface", EINVAL, "1: this is no IPv6 address");
}

static void a_list_is_bounded (void **state)
{
    mpl_hostlist_t list = { 0 };

    (void) state;
    assert_int_equal (0, mpl__hostlist_parse (&list, "n[1-65536]", &err));
    assert_int_equal (65536, list.n);
    assert_string_equal ("n65536", list.names[65535]);
    assert_int_equal (-1, mpl__hostlist_parse (&list, "one", &err));
    assert_int_equal (E2BIG, errno);
    assert_string_equal ("host list 'one', column 1: with these there are more than 65536 hosts", err.text);
    mpl__hostlist_free (&list);
    assert_refused ("n[1-65537]", E2BIG, "11: more than 65536 hosts come of this list");
    assert_refused ("n[1-999999999999999999]", E2BIG, "24: more than 65536 hosts come of this list");
    assert_refused ("a[1-300]b[1-300]", E2BIG, "17: more than 65536 hosts come of this list");
    assert_refused ("[1-99][1-99][1-99][1-99][1-99][1-99][1-99][1-99]", E2BIG,
                    "49: more than 65536 hosts come of this list");
}

static void a_name_is_bounded (void **state)
{
    char text[400], name[256];
    mpl_hostlist_t list = { 0 };

    (void) state;
    memset (name, 'n', 255);
    name[255] = '\0';
    assert_int_equal (0, mpl__hostlist_parse (&list, name, &err));
    assert_string_equal (name, list.names[0]);
    snprintf (text, sizeof text, "%sn", name);
    assert_int_equal (-1, mpl__hostlist_parse (&list, text, &err));
    assert_non_null (strstr (err.text, "column 256: a host name has at most 255 bytes"));
    snprintf (text, sizeof text, "%.254s[9-10]", name);
    assert_int_equal (-1, mpl__hostlist_parse (&list, text, &err));
    assert_non_null (strstr (err.text, "column 255: a host name has at most 255 bytes"));
    snprintf (text, sizeof text, "%.254s[9]", name);
    assert_int_equal (0, mpl__hostlist_parse (&list, text, &err));
    mpl__hostlist_free (&list);
}

static void nobody_has_to_want_the_sentence (void **state)
{
    mpl_hostlist_t list = { 0 };

    (void) state;
    assert_int_equal (-1, mpl__hostlist_parse (&list, "[", NULL));
    assert_int_equal (0, list.n);
    mpl__hostlist_free (&list);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (names_stand_for_themselves),
        cmocka_unit_test (ranges_are_expanded_and_keep_their_zeros),
        cmocka_unit_test (what_is_around_a_range_stays),
        cmocka_unit_test (of_several_brackets_the_last_turns_fastest),
        cmocka_unit_test (addresses_are_taken_with_and_without_brackets),
        cmocka_unit_test (errors_say_the_column),
        cmocka_unit_test (what_no_host_is_called_is_refused),
        cmocka_unit_test (a_list_is_bounded),
        cmocka_unit_test (a_name_is_bounded),
        cmocka_unit_test (nobody_has_to_want_the_sentence),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
