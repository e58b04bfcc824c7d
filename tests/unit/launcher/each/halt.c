/* When no further job is begun. */
#include "launcher/each/halt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void rules_are_read (void **state)
{
    static const struct {
        const char *text;
        mpl_halt_t halt;
    } rows[] = {
        { "never", { MPL__HALT_NEVER, MPL__HALT_FAIL, 1, 0 } },         { "0", { MPL__HALT_NEVER, MPL__HALT_FAIL, 1, 0 } },
        { "1", { MPL__HALT_SOON, MPL__HALT_FAIL, 1, 0 } },              { "2", { MPL__HALT_NOW, MPL__HALT_FAIL, 1, 0 } },
        { "now,fail=1", { MPL__HALT_NOW, MPL__HALT_FAIL, 1, 0 } },      { "soon,fail=20%", { MPL__HALT_SOON, MPL__HALT_FAIL, 20, 1 } },
        { "now,success=3", { MPL__HALT_NOW, MPL__HALT_SUCCESS, 3, 0 } }, { "soon,done=9", { MPL__HALT_SOON, MPL__HALT_DONE, 9, 0 } },
    };

    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mpl_halt_t halt;
        assert_int_equal (0, mpl__halt_parse (rows[i].text, &halt));
        assert_true (halt.when == rows[i].halt.when && halt.what == rows[i].halt.what && halt.limit == rows[i].halt.limit
                     && halt.is_percent == rows[i].halt.is_percent);
    }
}

static void what_is_no_rule_is_refused (void **state)
{
    static const char *const wrong[] = { "", "banana", "now", "now,", "now,fail", "now,fail=", "now,fail=0", "now,fail=x", "now,fail=-1",
                                         "now,fail=1x", "soon,fail=101%", "soon,fail=%", "now,fail= 1", "3", "never,fail=1",
                                         "now,fail=99999999999999" };

    (void) state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mpl_halt_t halt;
        assert_int_equal (-1, mpl__halt_parse (wrong[i], &halt));
    }
}

static void numbers_decide_as_soon_as_they_are_reached (void **state)
{
    mpl_halt_t fail = { MPL__HALT_NOW, MPL__HALT_FAIL, 2, 0 }, done = { MPL__HALT_SOON, MPL__HALT_DONE, 3, 0 };

    (void) state;
    assert_int_equal (MPL__HALT_NEVER, mpl__halt_decide (&fail, 1, 100, 0));
    assert_int_equal (MPL__HALT_NOW, mpl__halt_decide (&fail, 2, 0, 0));
    assert_int_equal (MPL__HALT_NEVER, mpl__halt_decide (&done, 1, 1, 9));
    assert_int_equal (MPL__HALT_SOON, mpl__halt_decide (&done, 1, 2, 9));
}

static void a_percentage_counts_from_the_third_on_and_needs_the_total (void **state)
{
    mpl_halt_t halt = { MPL__HALT_NOW, MPL__HALT_FAIL, 10, 1 };

    (void) state;
    assert_int_equal (MPL__HALT_NEVER, mpl__halt_decide (&halt, 2, 0, 10));
    assert_int_equal (MPL__HALT_NOW, mpl__halt_decide (&halt, 3, 0, 10));
    assert_int_equal (MPL__HALT_NEVER, mpl__halt_decide (&halt, 9, 0, 100));
    assert_int_equal (MPL__HALT_NOW, mpl__halt_decide (&halt, 10, 0, 100));
    assert_int_equal (MPL__HALT_NEVER, mpl__halt_decide (&halt, 50, 0, 0));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rules_are_read),
        cmocka_unit_test (what_is_no_rule_is_refused),
        cmocka_unit_test (numbers_decide_as_soon_as_they_are_reached),
        cmocka_unit_test (a_percentage_counts_from_the_third_on_and_needs_the_total),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
