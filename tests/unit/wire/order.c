/* Orders: what goes in comes out, whatever is missing in it, and a decoder that takes any bytes. */
#include "wire/order.h"
#include "base/fd.h"
#include "wire/bytes.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *one_argv[] = { "./app", "", "a b", NULL }, *one_set[] = { "A=1", "B=", NULL }, *kept[] = { "HOME", NULL };
static char *two_argv[] = { "x", NULL }, *all_set[] = { "OMP_NUM_THREADS=1", NULL };
static mpl_order_app_t apps[] = {
    { .argv = one_argv, .set = one_set, .kept = kept, .keep = MPL__KEEP_LISTED, .wdir = "/tmp", .path = "/opt/bin:" },
    { .argv = two_argv },
};
static mpl_order_rank_t ranks[] = { { 1, 0 }, { 4, 1 } };
static const mpl_order_t full = {
    .job = "77", .host = "node1", .output = "logs", .wdir = "~/run", .set = all_set, .size = 5, .node = 1, .nodes = 3,
    .standard_input = MPL__ALL_RANKS, .deal = MPL__DEAL_SOCKET, .hold = MPL__HOLD_CORE, .sharers = 2, .flags = 5,
    .apps = apps, .n_apps = 2, .ranks = ranks, .n_ranks = 2,
};

static void assert_same_text (const char *a, const char *b)
{
    if (!a || !b)
        assert_ptr_equal (a, b);
    else
        assert_string_equal (a, b);
}

static void assert_same_list (char *const *a, char *const *b)
{
    for (; a && *a; a++, b++)
        assert_string_equal (*a, *b);
    assert_null (*b);
}

static void assert_same (const mpl_order_t *a, const mpl_order_t *b)
{
    assert_same_text (a->job, b->job);
    assert_same_text (a->host, b->host);
    assert_same_text (a->output, b->output);
    assert_same_text (a->wdir, b->wdir);
    assert_same_list (a->set, b->set);
    assert_true (a->size == b->size && a->node == b->node && a->nodes == b->nodes && a->flags == b->flags);
    assert_true (a->standard_input == b->standard_input && a->deal == b->deal && a->hold == b->hold);
    assert_int_equal (a->sharers, b->sharers);
    assert_int_equal (a->n_apps, b->n_apps);
    for (size_t i = 0; i < a->n_apps; i++) {
        assert_same_list (a->apps[i].argv, b->apps[i].argv);
        assert_same_list (a->apps[i].set, b->apps[i].set);
        assert_same_list (a->apps[i].kept, b->apps[i].kept);
        assert_same_text (a->apps[i].wdir, b->apps[i].wdir);
        assert_same_text (a->apps[i].path, b->apps[i].path);
        assert_int_equal (a->apps[i].keep, b->apps[i].keep);
    }
    assert_int_equal (a->n_ranks, b->n_ranks);
    for (size_t i = 0; i < a->n_ranks; i++)
        assert_true (a->ranks[i].rank == b->ranks[i].rank && a->ranks[i].app == b->ranks[i].app);
}

static size_t encode (const mpl_order_t *order, uint8_t **bytes)
{
    size_t len = 0;

    assert_int_equal (0, mpl__order_encode (order, bytes, &len));
    return len;
}

static void what_goes_in_comes_out (void **state)
{
    mpl_order_t order, least = { .job = "", .host = "", .nodes = 1 };
    uint8_t *bytes;
    size_t len = encode (&full, &bytes);

    (void) state;
    assert_int_equal (0, mpl__order_decode (bytes, len, &order));
    assert_same (&full, &order);
    mpl__order_clear (&order);
    free (bytes);
    len = encode (&least, &bytes);
    assert_int_equal (0, mpl__order_decode (bytes, len, &order));
    assert_same (&least, &order);
    mpl__order_clear (&order);
    free (bytes);
}

static void an_order_begins_with_its_length_and_protocol (void **state)
{
    uint8_t *bytes;
    size_t len = encode (&full, &bytes);

    (void) state;
    assert_int_equal (len - 8, mpl__get64 (bytes));
    assert_int_equal (1, mpl__get32 (bytes + 8));
    assert_int_equal (3, mpl__get64 (bytes + 12));          /* "77", and one more */
    assert_memory_equal (bytes + 20, "77", 2);
    free (bytes);
}

static void a_short_order_is_refused_wherever_it_ends (void **state)
{
    mpl_order_t order;
    uint8_t *bytes;
    size_t len = encode (&full, &bytes);

    (void) state;
    for (size_t n = 0; n < len; n++) {
        uint8_t *copy = malloc (n ? n : 1);
        memcpy (copy, bytes, n);
        if (n >= 8)
            mpl__put64 (copy, n - 8);           /* it says so itself */
        assert_int_equal (-1, mpl__order_decode (copy, n, &order));
        assert_int_equal (EPROTO, errno);
        assert_null (order.memory);
        free (copy);
    }
    free (bytes);
}

static void any_bit_may_be_wrong (void **state)
{
    mpl_order_t order;
    uint8_t *bytes;
    size_t len = encode (&full, &bytes);

    (void) state;
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
        if (mpl__order_decode (bytes, len, &order) == 0)
            mpl__order_clear (&order);
        else
            assert_int_equal (EPROTO, errno);
        bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    free (bytes);
}

static void what_does_not_fit_together_is_refused (void **state)
{
    static const mpl_order_rank_t wrong[][2] = { { { 1, 0 }, { 1, 1 } }, { { 4, 0 }, { 1, 1 } }, { { 1, 2 }, { 4, 1 } },
                                                 { { 1, 0 }, { 5, 1 } } };

    (void) state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mpl_order_t order = full, back;
        mpl_order_rank_t these[2] = { wrong[i][0], wrong[i][1] };
        uint8_t *bytes;
        order.ranks = these;
        size_t len = encode (&order, &bytes);
        assert_int_equal (-1, mpl__order_decode (bytes, len, &back));
        free (bytes);
    }
}

static void large_orders_are_taken_and_too_large_ones_are_not (void **state)
{
    enum { N = 65536 };
    mpl_order_t order = full, back;
    mpl_order_rank_t *many = calloc (N, sizeof *many);
    char *long_argv[] = { "x", NULL, NULL };
    mpl_order_app_t app = { .argv = long_argv };
    uint8_t *bytes;
    size_t len;

    (void) state;
    long_argv[1] = malloc (MPL__ORDER_MAX + 1);
    memset (long_argv[1], 'x', MPL__ORDER_MAX);
    long_argv[1][MPL__ORDER_MAX] = '\0';
    for (size_t i = 0; i < N; i++)
        many[i].rank = i;
    order.apps = &app;
    order.n_apps = 1;
    order.ranks = many;
    order.size = order.n_ranks = N;
    errno = 0;
    assert_int_equal (-1, mpl__order_encode (&order, &bytes, &len));
    assert_int_equal (E2BIG, errno);
    long_argv[1][1 << 20] = '\0';
    len = encode (&order, &bytes);
    assert_int_equal (0, mpl__order_decode (bytes, len, &back));
    assert_same (&order, &back);
    mpl__order_clear (&back);
    free (bytes);
    free (long_argv[1]);
    free (many);
}

static void *write_slowly (void *arg)
{
    int fd = *(int *) arg;
    uint8_t *bytes;
    size_t len;

    if (mpl__order_encode (&full, &bytes, &len) == 0) {
        for (size_t i = 0; i < len; i++)
            if (write (fd, bytes + i, 1) != 1)
                break;
        free (bytes);
    }
    close (fd);
    return NULL;
}

static void an_order_is_read_from_a_pipe_byte_by_byte (void **state)
{
    mpl_order_t order;
    pthread_t thread;
    int pair[2];

    (void) state;
    assert_int_equal (0, pipe (pair));
    assert_int_equal (0, pthread_create (&thread, NULL, write_slowly, &pair[1]));
    assert_int_equal (0, mpl__order_read (pair[0], &order));
    assert_same (&full, &order);
    mpl__order_clear (&order);
    assert_int_equal (-1, mpl__order_read (pair[0], &order));       /* the end */
    assert_int_equal (EPROTO, errno);
    pthread_join (thread, NULL);
    close (pair[0]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_goes_in_comes_out),
        cmocka_unit_test (an_order_begins_with_its_length_and_protocol),
        cmocka_unit_test (a_short_order_is_refused_wherever_it_ends),
        cmocka_unit_test (any_bit_may_be_wrong),
        cmocka_unit_test (what_does_not_fit_together_is_refused),
        cmocka_unit_test (large_orders_are_taken_and_too_large_ones_are_not),
        cmocka_unit_test (an_order_is_read_from_a_pipe_byte_by_byte),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
