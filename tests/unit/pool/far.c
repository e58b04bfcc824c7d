/* How workers are dealt to hosts: every one to one host, whatever the numbers. */
#include "pool/far.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What dealing them over the ranks one by one comes to. */
static int dealt (int n, int size, int first, int len)
{
    int share = 0;

    for (int i = 0; i < n; i++)
        share += i % size >= first && i % size < first + len;
    return share;
}

static void a_share_is_what_dealing_them_in_turn_gives (void **state)
{
    (void) state;
    for (int size = 1; size <= 9; size++)
        for (int n = 0; n <= 30; n++)
            for (int first = 0; first < size; first++)
                for (int len = 0; len <= size - first; len++)
                    assert_int_equal (dealt (n, size, first, len), mpl__far_share (n, size, first, len));
}

/* Each way to split `size` ranks among hosts is a set of bits: where the next host begins. */
static void shares_add_up_however_ranks_are_split (void **state)
{
    (void) state;
    for (int size = 1; size <= 10; size++)
        for (int n = 0; n <= 25; n++)
            for (int split = 0; split < 1 << (size - 1); split++) {
                int sum = 0, first = 0;
                for (int at = 1; at <= size; at++)
                    if (at == size || split >> (at - 1) & 1) {
                        /* Numbers follow each other: a host's first is the share of all before it. */
                        assert_int_equal (sum, mpl__far_share (n, size, 0, first));
                        sum += mpl__far_share (n, size, first, at - first);
                        first = at;
                    }
                assert_int_equal (n, sum);
            }
}

static void many_are_shared_too (void **state)
{
    (void) state;
    assert_int_equal (65536, mpl__far_share (65536, 65536, 0, 65536));
    assert_int_equal (1, mpl__far_share (65536, 65536, 65535, 1));
    assert_int_equal (0, mpl__far_share (65535, 65536, 65535, 1));
    assert_int_equal (32768, mpl__far_share (65536, 2, 1, 1));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_share_is_what_dealing_them_in_turn_gives),
        cmocka_unit_test (shares_add_up_however_ranks_are_split),
        cmocka_unit_test (many_are_shared_too),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
