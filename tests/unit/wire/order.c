/* Orders: their bytes on the wire, a decoder that takes any bytes, and reading from a descriptor that gives them
 * slowly. */
#include "wire/order.h"
#include "base/fd.h"
#include "wire/bytes.h"
#include "wire/record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char *none[] = { NULL };

/* ---- orders ---------------------------------------------------------------------------------------------------------------------- */

/* Every field that travels differs from every other, so what is mixed up is seen. */
static char *first_argv[] = { "./simulate", "", "two words", "--x=\"y\"", NULL };
static char *first_set[] = { "A=1", "EMPTY=", "A=2=3", NULL };
static char *first_kept[] = { "HOME", "PATH", NULL };
static char *second_argv[] = { "true", NULL };
static char *set_for_all[] = { "ALL=yes", "\xff\xfe=\x01", NULL };
static char *env_of_launcher[] = { "HOME=/home/x", NULL };

static mpl_order_app_t apps_of_full[] = {
    { first_argv, first_set, first_kept, MPL__KEEP_LISTED, "/tmp", "/opt/bin:/opt/sbin" },
    { second_argv, none, none, MPL__KEEP_NONE, NULL, NULL },
};
static mpl_order_rank_t ranks_of_full[] = { { 3, 1 }, { 4, 0 }, { 2000000000, 1 } };

static mpl_order_t full_order (void)
{
    return (mpl_order_t) { .job = "12-34", .host = "node07", .output = "out dir", .wdir = "~", .interface = "eth7", .set = set_for_all,
                           .env = env_of_launcher, .size = 2000000001, .port_first = 40000, .port_last = 40100, .beat_ns = 12, .self_end_ns = 13,
                           .retries = 3, .timeout_ns = 14, .memory_limit = 15,
                           .node = 5, .nodes = 6, .standard_input = 4, .deal = MPL__DEAL_SOCKET, .hold = MPL__HOLD_CORE, .sharers = 11,
                           .flags = MPL__ORDER_TAG_RANK | MPL__ORDER_TEE, .apps = apps_of_full, .n_apps = 2,
                           .ranks = ranks_of_full, .n_ranks = 3 };
}

static char *small_argv[] = { "a", NULL };
static mpl_order_app_t apps_of_small[] = { { small_argv, none, none, MPL__KEEP_ALL, NULL, NULL } };
static mpl_order_rank_t ranks_of_small[] = { { 0, 0 } };

static mpl_order_t small_order (void)
{
    return (mpl_order_t) { .job = "j", .host = "h", .size = 1, .nodes = 1, .standard_input = MPL__NO_RANK, .sharers = 1,
                           .apps = apps_of_small, .n_apps = 1, .ranks = ranks_of_small, .n_ranks = 1 };
}

/* ---- helpers --------------------------------------------------------------------------------------------------------------------- */

static uint8_t *encode (const mpl_order_t *order, size_t *len)
{
    uint8_t *bytes = NULL;

    assert_int_equal (0, mpl__order_encode (order, &bytes, len));
    assert_non_null (bytes);
    return bytes;
}

/* From a piece of memory that ends where the message does, so that a byte too far is seen. */
static int decode_copy (const uint8_t *bytes, size_t len, mpl_order_t *order)
{
    uint8_t *copy = malloc (len + !len);

    assert_non_null (copy);
    memcpy (copy, bytes, len);
    errno = 0;
    int rc = mpl__order_decode (copy, len, order);
    int saved = errno;
    free (copy);
    errno = saved;
    return rc;
}

static void assert_refused (const uint8_t *bytes, size_t len)
{
    mpl_order_t order;

    memset (&order, 0xff, sizeof order);
    assert_int_equal (-1, decode_copy (bytes, len, &order));
    assert_int_equal (EPROTO, errno);
    assert_null (order.memory);
}

static void assert_text (const char *wanted, const char *text)
{
    if (wanted) {
        assert_non_null (text);
        assert_string_equal (wanted, text);
    } else {
        assert_null (text);
    }
}

static void assert_list (char *const *wanted, char *const *list)
{
    size_t i = 0;

    assert_non_null (list);
    for (; wanted && wanted[i]; i++) {
        assert_non_null (list[i]);
        assert_string_equal (wanted[i], list[i]);
    }
    assert_null (list[i]);
}

static void assert_same (const mpl_order_t *wanted, const mpl_order_t *order)
{
    assert_text (wanted->job, order->job);
    assert_text (wanted->host, order->host);
    assert_text (wanted->output, order->output);
    assert_text (wanted->wdir, order->wdir);
    assert_text (wanted->interface, order->interface);
    assert_list (wanted->set, order->set);
    assert_list (wanted->env, order->env);
    assert_true (wanted->port_first == order->port_first && wanted->port_last == order->port_last);
    assert_true (wanted->beat_ns == order->beat_ns && wanted->self_end_ns == order->self_end_ns);
    assert_true (wanted->retries == order->retries && wanted->timeout_ns == order->timeout_ns && wanted->memory_limit == order->memory_limit);
    assert_true (wanted->size == order->size && wanted->node == order->node && wanted->nodes == order->nodes);
    assert_true (wanted->standard_input == order->standard_input);
    assert_true (wanted->deal == order->deal && wanted->hold == order->hold);
    assert_true (wanted->sharers == order->sharers && wanted->flags == order->flags);
    assert_int_equal (wanted->n_stage, order->n_stage);
    for (size_t i = 0; i < wanted->n_stage; i++) {
        assert_text (wanted->stage[i].name, order->stage[i].name);
        assert_text (wanted->stage[i].link, order->stage[i].link);
        assert_true (wanted->stage[i].bytes == order->stage[i].bytes && wanted->stage[i].mode == order->stage[i].mode);
        assert_true (wanted->stage[i].sum == order->stage[i].sum);
    }
    assert_int_equal (wanted->n_apps, order->n_apps);
    for (size_t i = 0; i < wanted->n_apps; i++) {
        assert_list (wanted->apps[i].argv, order->apps[i].argv);
        assert_list (wanted->apps[i].set, order->apps[i].set);
        assert_list (wanted->apps[i].kept, order->apps[i].kept);
        assert_true (wanted->apps[i].keep == order->apps[i].keep);
        assert_text (wanted->apps[i].wdir, order->apps[i].wdir);
        assert_text (wanted->apps[i].path, order->apps[i].path);
    }
    assert_int_equal (wanted->n_ranks, order->n_ranks);
    for (size_t i = 0; i < wanted->n_ranks; i++) {
        assert_true (wanted->ranks[i].rank == order->ranks[i].rank);
        assert_true (wanted->ranks[i].app == order->ranks[i].app);
    }
}

static void assert_round_trip (const mpl_order_t *wanted)
{
    mpl_order_t order;
    size_t len, again_len;
    uint8_t *bytes = encode (wanted, &len);

    assert_int_equal (0, decode_copy (bytes, len, &order));
    assert_same (wanted, &order);
    uint8_t *again = encode (&order, &again_len);
    assert_int_equal (len, again_len);
    assert_memory_equal (bytes, again, len);
    mpl__order_clear (&order);
    free (again);
    free (bytes);
}

/* ---- the codec ------------------------------------------------------------------------------------------------------------------- */

static void what_was_encoded_is_decoded (void **state)
{
    mpl_order_t order = full_order ();

    (void) state;
    assert_round_trip (&order);
    order = small_order ();
    assert_round_trip (&order);
}

/* A change here is a change of the protocol. */
static void a_small_order_has_these_bytes (void **state)
{
    static const uint8_t golden[] = {
        68, 1, 0, 0, 0, 0, 0, 0, MPL__PROTOCOL, 0, 0, 0,
        2, 0, 0, 0, 0, 0, 0, 0, 'j',                            /* job */
        2, 0, 0, 0, 0, 0, 0, 0, 'h',                            /* host */
        0, 0, 0, 0, 0, 0, 0, 0,                                 /* output: none */
        3, 0, 0, 0, 0, 0, 0, 0, '~', '/',                       /* wdir */
        0, 0, 0, 0, 0, 0, 0, 0,                                 /* interface: any */
        0, 0, 0, 0, 0, 0, 0, 0,                                 /* set: nothing */
        0, 0, 0, 0, 0, 0, 0, 0,                                 /* env: nothing */
        9, 0, 0, 0, 0, 0, 0, 0,                                 /* size */
        2, 0, 0, 0, 0, 0, 0, 0,                                 /* node */
        3, 0, 0, 0, 0, 0, 0, 0,                                 /* nodes */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,         /* standard_input: nobody's */
        1, 0, 0, 0, 0, 0, 0, 0,                                 /* deal */
        2, 0, 0, 0, 0, 0, 0, 0,                                 /* hold */
        7, 0, 0, 0, 0, 0, 0, 0,                                 /* sharers */
        3, 0, 0, 0, 0, 0, 0, 0,                                 /* port_first */
        4, 0, 0, 0, 0, 0, 0, 0,                                 /* port_last */
        5, 0, 0, 0, 0, 0, 0, 0,                                 /* beat_ns */
        6, 0, 0, 0, 0, 0, 0, 0,                                 /* self_end_ns */
        9, 0, 0, 0, 0, 0, 0, 0,                                 /* retries: 8 */
        10, 0, 0, 0, 0, 0, 0, 0,                                /* timeout_ns */
        11, 0, 0, 0, 0, 0, 0, 0,                                /* memory_limit */
        8, 0, 0, 0, 0, 0, 0, 0,                                 /* flags */
        1, 0, 0, 0, 0, 0, 0, 0,                                 /* programs */
        1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 'a',    /* argv */
        0, 0, 0, 0, 0, 0, 0, 0,                                 /* set */
        0, 0, 0, 0, 0, 0, 0, 0,                                 /* kept */
        2, 0, 0, 0, 0, 0, 0, 0,                                 /* keep */
        1, 0, 0, 0, 0, 0, 0, 0,                                 /* wdir: empty, which is not none */
        0, 0, 0, 0, 0, 0, 0, 0,                                 /* path: none */
        1, 0, 0, 0, 0, 0, 0, 0,                                 /* ranks */
        4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,         /* rank 4 runs program 0 */
        1, 0, 0, 0, 0, 0, 0, 0,                                 /* staged files */
        2, 0, 0, 0, 0, 0, 0, 0, 'f',                            /* name */
        3, 0, 0, 0, 0, 0, 0, 0, '/', 'g',                       /* link */
        6, 0, 0, 0, 0, 0, 0, 0,                                 /* bytes */
        7, 0, 0, 0, 0, 0, 0, 0,                                 /* mode */
        8, 0, 0, 0, 0, 0, 0, 0,                                 /* sum */
    };
    mpl_order_app_t app = { small_argv, none, none, MPL__KEEP_NONE, "", NULL };
    mpl_order_rank_t rank = { 4, 0 };
    mpl_stage_t stage = { "f", "/g", 6, 7, 8 };
    const mpl_order_t wanted = { .stage = &stage, .n_stage = 1, .job = "j", .host = "h", .wdir = "~/", .size = 9, .node = 2, .nodes = 3, .standard_input = MPL__NO_RANK,
                                 .deal = MPL__DEAL_CORE, .hold = MPL__HOLD_SOCKET, .sharers = 7, .flags = MPL__ORDER_DIRECT,
                                 .port_first = 3, .port_last = 4, .beat_ns = 5, .self_end_ns = 6, .retries = 9, .timeout_ns = 10, .memory_limit = 11,
                                 .apps = &app, .n_apps = 1, .ranks = &rank, .n_ranks = 1 };
    mpl_order_t order;
    size_t len;

    (void) state;
    uint8_t *bytes = encode (&wanted, &len);
    assert_int_equal (sizeof golden, len);
    assert_memory_equal (golden, bytes, len);
    assert_int_equal (0, decode_copy (golden, sizeof golden, &order));
    assert_same (&wanted, &order);
    mpl__order_clear (&order);
    free (bytes);
}

static void no_text_and_an_empty_text_are_different (void **state)
{
    mpl_order_t order = small_order (), read;
    size_t len;

    (void) state;
    order.job = order.host = "";                /* empty they may be, missing they may not */
    order.output = "";
    apps_of_small[0].path = "";
    assert_round_trip (&order);
    uint8_t *bytes = encode (&order, &len);
    assert_int_equal (0, decode_copy (bytes, len, &read));
    assert_non_null (read.output);
    assert_non_null (read.apps[0].path);
    assert_null (read.wdir);
    assert_null (read.apps[0].wdir);
    mpl__order_clear (&read);
    free (bytes);
    apps_of_small[0].path = NULL;
}

static void an_order_without_job_host_or_argument_is_refused (void **state)
{
    mpl_order_app_t no_argument = { none, none, none, MPL__KEEP_ALL, NULL, NULL };

    (void) state;
    for (int i = 0; i < 3; i++) {
        mpl_order_t order = small_order ();
        size_t len;
        if (i == 0)
            order.job = NULL;
        else if (i == 1)
            order.host = NULL;
        else
            order.apps = &no_argument;
        uint8_t *bytes = encode (&order, &len);
        assert_refused (bytes, len);
        free (bytes);
    }
}

static void no_list_is_an_empty_list (void **state)
{
    mpl_order_app_t app = { small_argv, NULL, NULL, MPL__KEEP_ALL, NULL, NULL };
    mpl_order_t order = small_order ();

    (void) state;
    order.apps = &app;
    assert_round_trip (&order);
}

static void a_host_may_have_no_rank (void **state)
{
    mpl_order_t order = small_order ();

    (void) state;
    order.ranks = NULL;
    order.n_ranks = 0;
    assert_round_trip (&order);
    order.size = 0;
    order.apps = NULL;
    order.n_apps = 0;
    assert_round_trip (&order);
}

static void a_host_may_have_65536_ranks (void **state)
{
    size_t n = 65536;
    mpl_order_rank_t *ranks = calloc (n, sizeof *ranks);
    mpl_order_t order = full_order ();

    (void) state;
    assert_non_null (ranks);
    for (size_t i = 0; i < n; i++)
        ranks[i] = (mpl_order_rank_t) { i, i % 2 };
    order.ranks = ranks;
    order.n_ranks = order.size = n;
    assert_round_trip (&order);
    free (ranks);
}

static void a_host_may_have_many_programs_and_arguments (void **state)
{
    size_t n = 4096;
    mpl_order_app_t *apps = calloc (n, sizeof *apps);
    char **arguments = calloc (n + 1, sizeof *arguments);
    mpl_order_t order = small_order ();

    (void) state;
    assert_true (apps && arguments);
    for (size_t i = 0; i < n; i++) {
        apps[i] = apps_of_small[0];
        apps[i].argv = i ? first_kept : arguments;
        arguments[i] = i % 3 ? "" : "x";            /* what is smallest on the wire needs the most room for its size */
    }
    order.apps = apps;
    order.n_apps = n;
    assert_round_trip (&order);
    free (apps);
    free (arguments);
}

static void an_argument_may_have_a_mebibyte (void **state)
{
    size_t len = (size_t) 1 << 20;
    char *text = malloc (len + 1), *argv[] = { "cat", text, "behind", NULL };
    mpl_order_app_t app = { argv, none, none, MPL__KEEP_ALL, NULL, NULL };
    mpl_order_t order = small_order ();

    (void) state;
    assert_non_null (text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char) (1 + i % 255);
    text[len] = '\0';
    order.apps = &app;
    assert_round_trip (&order);
    free (text);
}

/* The same text many times: big on the wire, small here. */
static void an_order_above_the_limit_is_too_big_and_one_at_it_is_not (void **state)
{
    size_t unit = (size_t) 1 << 20, n = MPL__ORDER_MAX / unit, len, fixed;
    char *text = calloc (1, unit), *rest = calloc (1, unit * 2), **argv = calloc (n + 2, sizeof *argv);
    mpl_order_app_t app = { argv, none, none, MPL__KEEP_ALL, NULL, NULL };
    mpl_order_t order = small_order ();
    uint8_t *bytes;

    (void) state;
    assert_true (text && rest && argv);
    memset (text, 'x', unit - 9);                   /* with its length, and no NUL: 1 byte less than a MiB */
    for (size_t i = 0; i < n - 1; i++)
        argv[i] = text;
    argv[n - 1] = rest;
    order.apps = &app;
    bytes = encode (&order, &fixed);
    free (bytes);
    memset (rest, 'y', MPL__ORDER_MAX - fixed);
    bytes = encode (&order, &len);
    assert_int_equal (MPL__ORDER_MAX, len);
    mpl_order_t read;
    assert_int_equal (0, decode_copy (bytes, len, &read));
    assert_int_equal (MPL__ORDER_MAX - fixed, strlen (read.apps[0].argv[n - 1]));
    mpl__order_clear (&read);
    free (bytes);
    rest[MPL__ORDER_MAX - fixed] = 'y';
    bytes = NULL;
    errno = 0;
    assert_int_equal (-1, mpl__order_encode (&order, &bytes, &len));
    assert_int_equal (E2BIG, errno);
    assert_null (bytes);
    free (text);
    free (rest);
    free (argv);
}

/* ---- bytes that lie -------------------------------------------------------------------------------------------------------------- */

static void an_order_cut_anywhere_is_refused (void **state)
{
    mpl_order_t order = full_order ();
    size_t len;
    uint8_t *bytes = encode (&order, &len);

    (void) state;
    for (size_t cut = 0; cut < len; cut++) {
        assert_refused (bytes, cut);                        /* shorter than it says */
        if (cut < 8)
            continue;
        mpl__put64 (bytes, cut - 8);                        /* and now it says so */
        assert_refused (bytes, cut);
        mpl__put64 (bytes, len - 8);
    }
    free (bytes);
}

static void an_order_with_bytes_behind_it_is_refused (void **state)
{
    mpl_order_t order = small_order ();
    size_t len;
    uint8_t *bytes = encode (&order, &len), *longer = calloc (1, len + 64);

    (void) state;
    assert_non_null (longer);
    memcpy (longer, bytes, len);
    for (size_t more = 1; more <= 64; more++) {
        mpl__put64 (longer, len - 8);
        assert_refused (longer, len + more);
        mpl__put64 (longer, len - 8 + more);
        assert_refused (longer, len + more);
    }
    free (bytes);
    free (longer);
}

/* Reads all that a decoded order points to, so that the sanitizer sees what is not there. */
static size_t touch (const mpl_order_t *order)
{
    size_t sum = strlen (order->job) + strlen (order->host);

    sum += order->output ? strlen (order->output) : 0;
    sum += order->wdir ? strlen (order->wdir) : 0;
    sum += order->interface ? strlen (order->interface) : 0;
    for (char **at = order->set; *at; at++)
        sum += strlen (*at);
    for (char **at = order->env; *at; at++)
        sum += strlen (*at);
    for (size_t i = 0; i < order->n_apps; i++) {
        const mpl_order_app_t *app = &order->apps[i];
        char **lists[] = { app->argv, app->set, app->kept };
        assert_non_null (app->argv[0]);
        for (size_t k = 0; k < 3; k++)
            for (char **at = lists[k]; *at; at++)
                sum += strlen (*at);
        sum += app->wdir ? strlen (app->wdir) : 0;
        sum += app->path ? strlen (app->path) : 0;
    }
    for (size_t i = 0; i < order->n_ranks; i++) {
        assert_true (order->ranks[i].rank < order->size && order->ranks[i].app < order->n_apps);
        assert_true (i == 0 || order->ranks[i].rank > order->ranks[i - 1].rank);
    }
    return sum;
}

/* 1: decoded, and right as far as it can be; 0: refused. */
static int try_bytes (const uint8_t *bytes, size_t len)
{
    mpl_order_t order;
    size_t again_len;

    if (decode_copy (bytes, len, &order) < 0) {
        assert_int_equal (EPROTO, errno);
        assert_null (order.memory);
        return 0;
    }
    touch (&order);
    assert_true (order.node < order.nodes && order.deal <= MPL__DEAL_SOCKET && order.hold <= MPL__HOLD_SOCKET);
    uint8_t *again = encode (&order, &again_len);
    assert_int_equal (len, again_len);
    assert_memory_equal (bytes, again, len);
    mpl__order_clear (&order);
    free (again);
    return 1;
}

static void every_single_bit_flip_is_decoded_or_refused (void **state)
{
    const mpl_order_t orders[] = { small_order (), full_order () };
    size_t n_decoded = 0, n_refused = 0;

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        size_t len;
        uint8_t *bytes = encode (&orders[i], &len);
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
            if (try_bytes (bytes, len))
                n_decoded++;
            else
                n_refused++;
            bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
        free (bytes);
    }
    assert_true (n_decoded > 100 && n_refused > 1000);
}

/* Each group of eight bytes as a number that is too big in a different way. */
static void counts_that_lie_are_refused (void **state)
{
    static const uint64_t lies[] = { UINT64_C (1) << 63, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 8, UINT64_MAX / 16 + 1, UINT64_MAX / 48 + 1,
                                     UINT64_C (1) << 61, UINT64_C (1) << 60, UINT64_C (1) << 32, UINT32_MAX, INT32_MAX, 65536, 100, 10, 3 };
    const mpl_order_t orders[] = { small_order (), full_order () };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        size_t len;
        uint8_t *bytes = encode (&orders[i], &len);
        for (size_t at = 12; at + 8 <= len; at++)
            for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
                uint64_t was = mpl__get64 (bytes + at);
                mpl__put64 (bytes + at, lies[k]);
                try_bytes (bytes, len);
                mpl__put64 (bytes + at, was);
            }
        free (bytes);
    }
}

/* Where the counts and lengths of the small order stand, and that each of them is checked. */
static void a_count_above_what_is_there_is_refused (void **state)
{
    enum { JOB = 12, HOST = 21, SET = 54, ENV = 62, APPS = 190, ARGV = 198, ARGUMENT = 206, APP_SET = 215, KEPT = 223, PATH = 247, RANKS = 255, STAGE = 279 };
    static const size_t places[] = { JOB, HOST, SET, ENV, APPS, ARGV, ARGUMENT, APP_SET, KEPT, PATH, RANKS, STAGE };
    static const uint64_t lies[] = { UINT64_C (1) << 63, UINT64_MAX, UINT64_C (1) << 32, 1000, 30 };
    mpl_order_t order = small_order ();
    size_t len;
    uint8_t *bytes = encode (&order, &len);

    (void) state;
    assert_int_equal (287, len);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint64_t was = mpl__get64 (bytes + places[i]);
        assert_in_range (was, 0, 2);
        for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
            mpl__put64 (bytes + places[i], lies[k]);
            assert_refused (bytes, len);
        }
        mpl__put64 (bytes + places[i], was);
    }
    free (bytes);
}

static void what_cannot_be_is_refused (void **state)
{
    mpl_order_rank_t twice[] = { { 3, 0 }, { 3, 1 } }, falling[] = { { 4, 0 }, { 3, 0 } }, beyond[] = { { 0, 0 }, { 2000000001, 0 } };
    mpl_order_rank_t of_no_program[] = { { 0, 2 }, { 1, 0 } };
    mpl_order_rank_t *const ranks[] = { twice, falling, beyond, of_no_program };

    (void) state;
    for (int i = 0; i < 11; i++) {
        mpl_order_t order = full_order ();
        mpl_order_app_t apps[2] = { apps_of_full[0], apps_of_full[1] };
        size_t len;
        order.apps = apps;
        switch (i) {
        case 0: case 1: case 2: case 3: order.ranks = ranks[i]; order.n_ranks = 2; break;
        case 4: order.node = 6; break;
        case 5: order.node = order.nodes = 0; break;
        case 6: order.deal = MPL__DEAL_SOCKET + 1; break;
        case 7: order.hold = MPL__HOLD_SOCKET + 1; break;
        case 8: apps[1].keep = MPL__KEEP_COPY; break;
        case 9: order.size = (uint64_t) INT32_MAX + 1; break;
        case 10: order.size = UINT64_MAX; break;
        }
        uint8_t *bytes = encode (&order, &len);
        assert_refused (bytes, len);
        free (bytes);
    }
}

static void a_text_with_a_nul_inside_is_refused (void **state)
{
    mpl_order_t order = full_order ();
    size_t len;
    uint8_t *bytes = encode (&order, &len);
    uint8_t *word = memmem (bytes, len, "two words", 9);

    (void) state;
    assert_non_null (word);
    word[3] = '\0';
    assert_refused (bytes, len);
    word[3] = ' ';
    word[8] = '\0';
    assert_refused (bytes, len);
    free (bytes);
}

static void another_protocol_is_refused (void **state)
{
    mpl_order_t order = small_order ();
    size_t len;
    uint8_t *bytes = encode (&order, &len);

    (void) state;
    for (uint32_t protocol = 0; protocol < 300; protocol++) {
        mpl__put32 (bytes + 8, protocol);
        if (protocol != MPL__PROTOCOL)
            assert_refused (bytes, len);
    }
    mpl__put32 (bytes + 8, MPL__PROTOCOL | 0x80000000u);
    assert_refused (bytes, len);
    free (bytes);
}

static void an_order_is_cleared_more_than_once (void **state)
{
    mpl_order_t order = full_order (), read;
    size_t len;
    uint8_t *bytes = encode (&order, &len);

    (void) state;
    assert_int_equal (0, decode_copy (bytes, len, &read));
    mpl__order_clear (&read);
    assert_null (read.memory);
    assert_null (read.job);
    mpl__order_clear (&read);
    free (bytes);
}

/* ---- descriptors ----------------------------------------------------------------------------------------------------------------- */

static void an_order_travels_through_a_file (void **state)
{
    mpl_order_t order = full_order (), read;
    int fd = memfd_create ("order", MFD_CLOEXEC);

    (void) state;
    assert_true (fd >= 0);
    assert_int_equal (0, mpl__order_write (fd, &order));
    assert_int_equal (0, lseek (fd, 0, SEEK_SET));
    assert_int_equal (0, mpl__order_read (fd, &read));
    assert_same (&order, &read);
    mpl__order_clear (&read);
    mpl__fd_close (&fd);
}

typedef struct {
    const uint8_t *bytes;
    size_t len, step;
    int fd;
} slow_writer_t;

static void *write_slowly (void *arg)
{
    const slow_writer_t *writer = arg;
    int fd = writer->fd;

    for (size_t at = 0; at < writer->len; at += writer->step) {
        size_t n = writer->len - at < writer->step ? writer->len - at : writer->step;
        if (write (fd, writer->bytes + at, n) != (ssize_t) n)
            break;
        if (at % 64 == 0)
            sched_yield ();
    }
    mpl__fd_close (&fd);
    return NULL;
}

static void an_order_that_comes_byte_by_byte_is_read_whole (void **state)
{
    mpl_order_t order = full_order (), read;
    size_t len;
    uint8_t *bytes = encode (&order, &len);
    int pair[2];
    pthread_t thread;

    (void) state;
    assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
    slow_writer_t writer = { bytes, len, 1, pair[1] };
    assert_int_equal (0, pthread_create (&thread, NULL, write_slowly, &writer));
    assert_int_equal (0, mpl__order_read (pair[0], &read));
    assert_int_equal (0, pthread_join (thread, NULL));
    assert_same (&order, &read);
    mpl__order_clear (&read);
    mpl__fd_close (&pair[0]);
    free (bytes);
}

/* What follows on the same descriptor is somebody else's: on another host, it is what the ranks read. */
static void not_a_byte_behind_an_order_is_read (void **state)
{
    mpl_order_t order = full_order (), read_order;
    size_t len;
    uint8_t *bytes = encode (&order, &len);
    int pair[2];
    char behind[16];

    (void) state;
    assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
    assert_int_equal (0, mpl__fd_write_all (pair[1], bytes, len));
    assert_int_equal (0, mpl__fd_write_all (pair[1], "behind", 6));
    assert_int_equal (0, mpl__order_read (pair[0], &read_order));
    assert_int_equal (6, read (pair[0], behind, sizeof behind));
    assert_memory_equal ("behind", behind, 6);
    mpl__order_clear (&read_order);
    mpl__fd_close_all (pair, 2);
    free (bytes);
}

static void an_order_that_ends_early_is_refused (void **state)
{
    mpl_order_t order = full_order (), read;
    size_t len;
    uint8_t *bytes = encode (&order, &len);

    (void) state;
    for (size_t cut = 0; cut < len; cut++) {
        int pair[2];
        assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
        assert_int_equal (0, mpl__fd_write_all (pair[1], bytes, cut));
        mpl__fd_close (&pair[1]);
        memset (&read, 0xff, sizeof read);
        errno = 0;
        assert_int_equal (-1, mpl__order_read (pair[0], &read));
        assert_int_equal (EPROTO, errno);
        assert_null (read.memory);
        mpl__fd_close (&pair[0]);
    }
    free (bytes);
}

/* The length alone decides, before a byte of what it promises has come. */
static void a_length_that_cannot_be_is_refused_at_once (void **state)
{
    static const uint64_t lengths[] = { 0, 1, 3, MPL__ORDER_MAX - 7, MPL__ORDER_MAX, UINT64_C (1) << 63, UINT64_MAX - 7, UINT64_MAX };

    (void) state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t head[8];
        int pair[2];
        mpl_order_t read;
        assert_int_equal (0, pipe2 (pair, O_CLOEXEC));
        mpl__put64 (head, lengths[i]);
        assert_int_equal (0, mpl__fd_write_all (pair[1], head, 8));     /* and the writer stays */
        errno = 0;
        assert_int_equal (-1, mpl__order_read (pair[0], &read));
        assert_int_equal (EPROTO, errno);
        mpl__fd_close_all (pair, 2);
    }
}

static void a_descriptor_that_cannot_be_used_is_its_own_error (void **state)
{
    mpl_order_t order = small_order (), read;

    (void) state;
    assert_int_equal (-1, mpl__order_read (-1, &read));
    assert_int_equal (EBADF, errno);
    assert_int_equal (-1, mpl__order_write (-1, &order));
    assert_int_equal (EBADF, errno);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_was_encoded_is_decoded),
        cmocka_unit_test (a_small_order_has_these_bytes),
        cmocka_unit_test (no_text_and_an_empty_text_are_different),
        cmocka_unit_test (an_order_without_job_host_or_argument_is_refused),
        cmocka_unit_test (no_list_is_an_empty_list),
        cmocka_unit_test (a_host_may_have_no_rank),
        cmocka_unit_test (a_host_may_have_65536_ranks),
        cmocka_unit_test (a_host_may_have_many_programs_and_arguments),
        cmocka_unit_test (an_argument_may_have_a_mebibyte),
        cmocka_unit_test (an_order_above_the_limit_is_too_big_and_one_at_it_is_not),
        cmocka_unit_test (an_order_cut_anywhere_is_refused),
        cmocka_unit_test (an_order_with_bytes_behind_it_is_refused),
        cmocka_unit_test (every_single_bit_flip_is_decoded_or_refused),
        cmocka_unit_test (counts_that_lie_are_refused),
        cmocka_unit_test (a_count_above_what_is_there_is_refused),
        cmocka_unit_test (what_cannot_be_is_refused),
        cmocka_unit_test (a_text_with_a_nul_inside_is_refused),
        cmocka_unit_test (another_protocol_is_refused),
        cmocka_unit_test (an_order_is_cleared_more_than_once),
        cmocka_unit_test (an_order_travels_through_a_file),
        cmocka_unit_test (an_order_that_comes_byte_by_byte_is_read_whole),
        cmocka_unit_test (not_a_byte_behind_an_order_is_read),
        cmocka_unit_test (an_order_that_ends_early_is_refused),
        cmocka_unit_test (a_length_that_cannot_be_is_refused_at_once),
        cmocka_unit_test (a_descriptor_that_cannot_be_used_is_its_own_error),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
