/* A pool program whose data must cross hosts: items, results and shared data from nothing to tens of MiB. `slow N`
 * instead runs N items of 5 ms, says how many workers serve, and checks that each result came once and is right;
 * `grow N` asks for N workers and waits until so many have served. Prints "all right". */
#include "mplaunch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BIG ((size_t) 3 << 20)
#define SHARED ((size_t) 20 << 20)

static unsigned char pattern (size_t i) { return (unsigned char) (i * 7 + i / 1009); }

static int add_one (mpl_call_t *call, const void *in, void *out)
{
    (void) call;
    for (size_t i = 0; i < BIG; i++)
        ((unsigned char *) out)[i] = (unsigned char) (((const unsigned char *) in)[i] + 1);
    return 0;
}

static int flip (mpl_call_t *call, const void *in, void *out)
{
    size_t len = mpl_call_in_len (call);
    unsigned char *copy = malloc (len + 1);

    (void) out;
    for (size_t i = 0; copy && i < len; i++)
        copy[i] = (unsigned char) (((const unsigned char *) in)[i] ^ 0x5a);
    int rc = copy ? mpl_call_reply (call, copy, len) : mpl_call_fail (call, "no memory");
    free (copy);
    return rc;
}

static int peek (mpl_call_t *call, const void *in, void *out)
{
    size_t len, i = *(const size_t *) in;
    const unsigned char *data = mpl_call_shared (call, "data", &len);

    if (!data || i >= len)
        return mpl_call_fail (call, "there is no byte %zu", i);
    *(size_t *) out = data[i] + len * 256;
    return 0;
}

static int dawdle (mpl_call_t *call, const void *in, void *out)
{
    const struct timespec pause = { .tv_nsec = 5000000 };

    nanosleep (&pause, NULL);
    *(size_t *) out = *(const size_t *) in * 3 + 1;
    (void) call;
    return 0;
}

static const mpl_task_t tasks[] = {
    { "add_one", add_one, BIG, BIG }, { "flip", flip, MPL_VARIABLE, MPL_VARIABLE },
    { "peek", peek, sizeof (size_t), sizeof (size_t) }, { "dawdle", dawdle, sizeof (size_t), sizeof (size_t) }, { 0 }
};

static void need (int is_right, const char *what)
{
    if (is_right)
        return;
    fprintf (stderr, "%s: %s\n", what, mpl_error ());
    exit (1);
}

static void big_items (mpl_pool_t *pool, unsigned char *data)
{
    size_t n = SHARED / BIG;
    unsigned char *results = malloc (n * BIG);

    need (results && mpl_pool_map (pool, add_one, data, n, results) == 0, "big items");
    for (size_t i = 0; i < n * BIG; i++)
        need (results[i] == (unsigned char) (data[i] + 1), "a byte of a big result");
    free (results);
}

static void items_of_any_size (mpl_pool_t *pool, unsigned char *data)
{
    static const size_t sizes[] = { 0, 1, 100, 131040, 131072, 262128, 262144, 262160, 1 << 20, 5000000, SHARED, 3 };
    enum { N = sizeof sizes / sizeof *sizes };
    mpl_bytes_t in[N], out[N];

    for (int i = 0; i < N; i++)
        in[i] = (mpl_bytes_t) { data, sizes[i] };
    need (mpl_pool_map (pool, flip, in, N, out) == 0, "items of any size");
    for (int i = 0; i < N; i++) {
        need (out[i].len == sizes[i], "the length of a result");
        for (size_t k = 0; k < sizes[i]; k++)
            need (((unsigned char *) out[i].data)[k] == (data[k] ^ 0x5a), "a byte of a variable result");
    }
    mpl_bytes_free (out, N);
}

static void shared_data (mpl_pool_t *pool, unsigned char *data)
{
    size_t in[500], out[500];

    for (size_t round = 0; round < 3; round++) {
        size_t len = SHARED - round;
        for (size_t i = 0; i < len; i++)
            data[i] = pattern (i + round);
        need (mpl_pool_share (pool, "data", data, len) == 0, "sharing");
        for (size_t i = 0; i < 500; i++)
            in[i] = i * (len / 500);
        need (mpl_pool_map (pool, peek, in, 500, out) == 0, "looking at what is shared");
        for (size_t i = 0; i < 500; i++)
            need (out[i] == data[in[i]] + len * 256, "a byte of shared data");
    }
}

/* How many workers answer, and then the items, each once. */
static void slow_items (mpl_pool_t *pool, size_t n)
{
    char *has_come = calloc (n, 1), served[4096] = { 0 };
    size_t *in = malloc (n * sizeof *in), n_serving = 0, n_come = 0;
    mpl_result_t result;

    for (size_t i = 0; i < n; i++)
        in[i] = i;
    mpl_iter_t *iter = mpl_pool_imap_unordered (pool, dawdle, in, n);
    need (has_come && iter, "imap_unordered");
    for (int rc; (rc = mpl_iter_next (iter, &result, -1)) == 1; n_come++) {
        need (result.ok && !has_come[result.index] && *(const size_t *) result.data == result.index * 3 + 1, "a result");
        has_come[result.index] = 1;
        n_serving += !served[result.worker];
        if (!served[result.worker]++)
            printf ("serving %zu\n", n_serving), fflush (stdout);
        served[result.worker] = 1;
    }
    need (n_come == n, "the number of results");
    mpl_iter_destroy (&iter);
    free (has_come);
    free (in);
}

/* Asks for n workers, and goes on until so many have served. */
static void grow (mpl_pool_t *pool, int n)
{
    char served[4096] = { 0 };
    int n_serving = 0;

    need (mpl_pool_grow (pool, n) == 0, "growing");
    for (int round = 0; round < 4000 && n_serving < n; round++) {
        size_t in[16] = { 0 };
        mpl_result_t result;
        mpl_iter_t *iter = mpl_pool_imap_unordered (pool, dawdle, in, 16);
        need (iter != NULL, "imap_unordered");
        while (mpl_iter_next (iter, &result, -1) == 1) {
            need (result.ok, "a result");
            n_serving += !served[result.worker];
            if (!served[result.worker])
                printf ("serving %d\n", n_serving), fflush (stdout);
            served[result.worker] = 1;
        }
        mpl_iter_destroy (&iter);
    }
    need (n_serving == n && mpl_pool_size (pool) == n, "as many workers as were asked for");
}

int main (int argc, char **argv)
{
    need (mpl_init (&argc, &argv, tasks) == 0, "mpl_init");
    mpl_pool_t *pool = mpl_pool_new (NULL);
    unsigned char *data = malloc (SHARED);

    need (pool && data, "mpl_pool_new");
    for (size_t i = 0; i < SHARED; i++)
        data[i] = pattern (i);
    if (argc > 2 && !strcmp (argv[1], "grow")) {
        grow (pool, atoi (argv[2]));
    } else if (argc > 2) {
        slow_items (pool, strtoul (argv[2], NULL, 10));
    } else {
        big_items (pool, data);
        items_of_any_size (pool, data);
        shared_data (pool, data);
    }
    mpl_pool_destroy (&pool);
    free (data);
    puts ("all right");
    return 0;
}
