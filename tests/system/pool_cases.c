/* pool_cases - the Pool API, promise by promise: what a program sees that maps, applies, iterates, waits and closes.
 * Deaths, limits and leftovers are in fault_cases.c. See harness.h for how a case is run. */
#define _GNU_SOURCE
#include "tests/system/harness.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t) 1 << 20)
#define LENGTH(a) (sizeof (a) / sizeof *(a))

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

typedef struct { int a, b; } pair_t;
typedef struct { char dir[200]; int what; double seconds; } job_t;
typedef struct { int pid, worker, attempt, is_main, rank, size; size_t index, in_len; } seen_t;
typedef struct { unsigned char bytes[MIB]; } block_t;
typedef struct { char text[120]; } text_t;

static int square (mpl_call_t *call, const void *in, void *out)
{
    double x = *(const double *) in;

    (void) call;
    *(double *) out = x * x;
    return 0;
}

static int mul (mpl_call_t *call, const void *in, void *out)
{
    const pair_t *pair = in;

    (void) call;
    *(long *) out = (long) pair->a * pair->b;
    return 0;
}

static int length (mpl_call_t *call, const void *in, void *out)
{
    size_t len = strlen (in);

    if (len != mpl_call_in_len (call))
        return mpl_call_fail (call, "strlen says %zu, mpl_call_in_len %zu", len, mpl_call_in_len (call));
    *(size_t *) out = len;
    return 0;
}

static int upper (mpl_call_t *call, const void *in, void *out)
{
    size_t len = mpl_call_in_len (call);
    char *text = malloc (len + 1);

    if (out || !text)
        return mpl_call_fail (call, "out is not NULL");
    for (size_t i = 0; i < len; i++)
        text[i] = (char) toupper (((const unsigned char *) in)[i]);
    int failed = mpl_call_reply (call, text, len);
    free (text);
    return failed;
}

static int echo (mpl_call_t *call, const void *in, void *out)
{
    (void) out;
    return mpl_call_reply (call, in, mpl_call_in_len (call));
}

static int add_bytes (mpl_call_t *call, const void *in, void *out)
{
    const unsigned char *bytes = in;
    uint64_t sum = 0;

    for (size_t i = 0; i < mpl_call_in_len (call); i++)
        sum += bytes[i];
    *(uint64_t *) out = sum;
    return 0;
}

static unsigned char pattern (size_t seed, size_t i)
{
    return (unsigned char) (i * 31 + (i >> 8) + seed);
}

/* A run of as many bytes as the input says, in the pattern that its index seeds. */
static int make_bytes (mpl_call_t *call, const void *in, void *out)
{
    size_t len = *(const size_t *) in;
    unsigned char *bytes = malloc (len + 1);

    (void) out;
    if (!bytes)
        return mpl_call_fail (call, "no memory for %zu bytes", len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = pattern (mpl_call_index (call), i);
    int failed = mpl_call_reply (call, bytes, len);
    free (bytes);
    return failed;
}

static int flip_block (mpl_call_t *call, const void *in, void *out)
{
    const block_t *from = in;
    block_t *to = out;

    (void) call;
    for (size_t i = 0; i < MIB; i++)
        to->bytes[i] = (unsigned char) ~from->bytes[i];
    return 0;
}

static int reply_twice (mpl_call_t *call, const void *in, void *out)
{
    (void) out;
    if (mpl_call_reply (call, "first", 5) < 0)
        return 1;
    errno = 0;
    if (mpl_call_reply (call, NULL, 3) != -1 || errno != EINVAL)
        return mpl_call_fail (call, "a NULL reply of 3 bytes was taken");
    return mpl_call_reply (call, in, strlen (in));
}

/* Does not look at what the reply says. */
static int reply_too_long (mpl_call_t *call, const void *in, void *out)
{
    char text[64] = "a result larger than its slot";

    memcpy (out, in, sizeof (int));
    if (*(const int *) in == 2)
        (void) !mpl_call_reply (call, text, sizeof text);
    return 0;
}

static int reply_to_fixed (mpl_call_t *call, const void *in, void *out)
{
    errno = 0;
    int got = mpl_call_reply (call, in, sizeof (int));
    *(int *) out = got == -1 && errno == EINVAL;
    return 0;
}

static int no_reply (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in, (void) out;
    return 0;
}

static int answer (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in;
    *(int *) out = 42;
    return 0;
}

static int odd_fails (mpl_call_t *call, const void *in, void *out)
{
    int x = *(const int *) in;

    if (x % 2)
        return mpl_call_fail (call, "%d is odd", x);
    *(int *) out = x * 10;
    return 0;
}

static int odd_fails_variable (mpl_call_t *call, const void *in, void *out)
{
    int x = *(const int *) in;

    (void) out;
    if (x % 2) {
        if (mpl_call_reply (call, "dropped", 7) < 0)
            return 1;
        return mpl_call_fail (call, "%d is odd", x);
    }
    return mpl_call_reply (call, &x, sizeof x);
}

static int fail_plainly (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in, (void) out;
    return 7;
}

static int fail_at_length (mpl_call_t *call, const void *in, void *out)
{
    char text[5000];

    (void) in, (void) out;
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    return mpl_call_fail (call, "%s", text);
}

static int look (mpl_call_t *call, const void *in, void *out)
{
    seen_t *seen = out;

    (void) in;
    *seen = (seen_t) { (int) getpid (), mpl_call_worker (call), mpl_call_attempt (call), mpl_is_main (), mpl_rank (),
                       mpl_size (), mpl_call_index (call), mpl_call_in_len (call) };
    return 0;
}

static int look_slowly (mpl_call_t *call, const void *in, void *out)
{
    rest (*(const double *) in);
    return look (call, in, out);
}

static int look_at_string (mpl_call_t *call, const void *in, void *out)
{
    return look (call, in, out);
}

static int look_at_bytes (mpl_call_t *call, const void *in, void *out)
{
    return look (call, in, out);
}

static int doze (mpl_call_t *call, const void *in, void *out)
{
    double seconds = *(const double *) in;

    (void) call;
    rest (seconds);
    *(double *) out = seconds;
    return 0;
}

/* Leaves a line in the job's directory, then dozes. */
static int log_and_doze (mpl_call_t *call, const void *in, void *out)
{
    const job_t *job = in;

    note (job->dir, "begun", "%d %zu %d\n", job->what, mpl_call_index (call), (int) getpid ());
    rest (job->seconds);
    *(int *) out = job->what;
    return 0;
}

/* Says on which of its descriptors, signals, environment the library left traces of main. */
enum { ASK_FD_100, ASK_SIGNALS, ASK_STDIN, ASK_POOL, ASK_CWD, ASK_THREADS };

static int ask (mpl_call_t *call, const void *in, void *out)
{
    char *text = ((text_t *) out)->text, c;
    sigset_t mask;
    struct sigaction act;
    int n = 0;

    memset (text, 0, sizeof (text_t));
    switch (*(const int *) in) {
    case ASK_FD_100:
        for (int fd = 100; fd < 110; fd++)
            n += fcntl (fd, F_GETFD) >= 0;
        snprintf (text, sizeof (text_t), "%d", n);
        return 0;
    case ASK_SIGNALS:
        sigprocmask (SIG_SETMASK, NULL, &mask);
        for (int sig = 1; sig < 32; sig++)
            n += sigismember (&mask, sig) == 1;
        snprintf (text, sizeof (text_t), "blocked %d", n);
        sigaction (SIGUSR2, NULL, &act);
        strcat (text, act.sa_handler == SIG_DFL ? ", USR2 default" : ", USR2 not default");
        sigaction (SIGTERM, NULL, &act);
        strcat (text, act.sa_handler == SIG_DFL ? ", TERM default" : ", TERM not default");
        return 0;
    case ASK_STDIN:
        snprintf (text, sizeof (text_t), "%zd", read (0, &c, 1));
        return 0;
    case ASK_POOL: {
        errno = 0;
        mpl_pool_t *pool = mpl_pool_new (NULL);
        snprintf (text, sizeof (text_t), "%s %s", pool ? "made" : "refused",
                  errno == EPERM && *mpl_error () ? "EPERM" : "otherwise");
        return 0;
    }
    case ASK_CWD:
        if (!getcwd (text, sizeof (text_t)))
            return mpl_call_fail (call, "no directory");
        return 0;
    case ASK_THREADS:
        snprintf (text, sizeof (text_t), "%s %s %s", getenv ("OMP_NUM_THREADS") ? getenv ("OMP_NUM_THREADS") : "-",
                  getenv ("OPENBLAS_NUM_THREADS") ? getenv ("OPENBLAS_NUM_THREADS") : "-",
                  getenv ("MKL_NUM_THREADS") ? getenv ("MKL_NUM_THREADS") : "-");
        return 0;
    }
    return mpl_call_fail (call, "asked for what it does not know");
}

/* The sum of what is shared as "table", with its length; fails with the errno when there is none. */
typedef struct { uint64_t sum; size_t len; } shared_sum_t;

static int sum_shared (mpl_call_t *call, const void *in, void *out)
{
    shared_sum_t *sum = out;
    const char *name = in;

    errno = 0;
    const unsigned char *bytes = mpl_call_shared (call, name, &sum->len);
    if (!bytes)
        return mpl_call_fail (call, "%s: %s", name, errno == ENOENT ? "ENOENT" : "not ENOENT");
    if (mpl_call_shared (call, name, NULL) != bytes)
        return mpl_call_fail (call, "%s moved", name);
    sum->sum = 0;
    for (size_t i = 0; i < sum->len; i++)
        sum->sum += bytes[i];
    return 0;
}

static char set_up[64];
static int n_set_ups;

static int set_text (mpl_call_t *call, const void *in, void *out)
{
    size_t len = mpl_call_in_len (call);

    if (out || len >= sizeof set_up)
        return mpl_call_fail (call, "a strange initializer's call");
    memcpy (set_up, in, len);
    set_up[len] = 0;
    n_set_ups++;
    return 0;
}

static int get_text (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in;
    snprintf (((text_t *) out)->text, sizeof (text_t), "%s x%d", set_up, n_set_ups);
    return 0;
}

static int set_nothing (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in, (void) out;
    strcpy (set_up, "nothing");
    n_set_ups++;
    return 0;
}

static int refuse_to_start (mpl_call_t *call, const void *in, void *out)
{
    (void) out;
    note (in, "refusals", "%d\n", (int) getpid ());
    return mpl_call_fail (call, "no licence for this machine");
}

static int print (mpl_call_t *call, const void *in, void *out)
{
    int x = *(const int *) in;

    (void) call, (void) out;
    printf (x % 2 ? "<line %d>\n" : "<bit %d>", x);
    if (x % 50 == 0)
        fprintf (stderr, "<err %d>\n", x);
    return 0;
}

static int not_registered (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in, (void) out;
    return 0;
}

static const mpl_task_t tasks[] = {
    { "square", square, sizeof (double), sizeof (double) },
    { "mul", mul, sizeof (pair_t), sizeof (long) },
    { "length", length, MPL_STRING, sizeof (size_t) },
    { "upper", upper, MPL_STRING, MPL_VARIABLE },
    { "echo", echo, MPL_VARIABLE, MPL_VARIABLE },
    { "add_bytes", add_bytes, MPL_VARIABLE, sizeof (uint64_t) },
    { "make_bytes", make_bytes, sizeof (size_t), MPL_VARIABLE },
    { "flip_block", flip_block, sizeof (block_t), sizeof (block_t) },
    { "reply_twice", reply_twice, MPL_STRING, MPL_VARIABLE },
    { "reply_to_fixed", reply_to_fixed, sizeof (int), sizeof (int) },
    { "reply_too_long", reply_too_long, sizeof (int), sizeof (int) },
    { "no_reply", no_reply, sizeof (int), MPL_VARIABLE },
    { "answer", answer, 0, sizeof (int) },
    { "odd_fails", odd_fails, sizeof (int), sizeof (int) },
    { "odd_fails_variable", odd_fails_variable, sizeof (int), MPL_VARIABLE },
    { "fail_plainly", fail_plainly, sizeof (int), 0 },
    { "fail_at_length", fail_at_length, sizeof (int), 0 },
    { "look", look, sizeof (int), sizeof (seen_t) },
    { "look_slowly", look_slowly, sizeof (double), sizeof (seen_t) },
    { "look_at_string", look_at_string, MPL_STRING, sizeof (seen_t) },
    { "look_at_bytes", look_at_bytes, MPL_VARIABLE, sizeof (seen_t) },
    { "doze", doze, sizeof (double), sizeof (double) },
    { "log_and_doze", log_and_doze, sizeof (job_t), sizeof (int) },
    { "ask", ask, sizeof (int), sizeof (text_t) },
    { "sum_shared", sum_shared, MPL_STRING, sizeof (shared_sum_t) },
    { "set_text", set_text, MPL_VARIABLE, 0 },
    { "get_text", get_text, sizeof (int), sizeof (text_t) },
    { "set_nothing", set_nothing, 0, 0 },
    { "refuse_to_start", refuse_to_start, MPL_STRING, 0 },
    { "print", print, sizeof (int), 0 },
    { 0 }
};

/* ---- helpers --------------------------------------------------------------------------------------------------- */

static mpl_pool_t *pool_of (int workers)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.workers = workers;
    return mpl_pool_new (&opts);
}

static double *numbers (size_t n)
{
    double *xs = malloc ((n ? n : 1) * sizeof *xs);

    NEED (xs);
    for (size_t i = 0; i < n; i++)
        xs[i] = (double) i;
    return xs;
}

/* n when every y is the square of its index, else the first wrong one. */
static size_t first_wrong (const double *ys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(ys[i] >= (double) i * (double) i) || !(ys[i] <= (double) i * (double) i))
            return i;
    return n;
}

static int same (double a, double b)
{
    return a >= b && a <= b;
}

static job_t job_of (int what, double seconds)
{
    job_t job = { .what = what, .seconds = seconds };

    snprintf (job.dir, sizeof job.dir, "%s", work_dir ());
    return job;
}

/* Squares n numbers on the pool; 1 when all came back right. */
static int pool_works (mpl_pool_t *pool, size_t n)
{
    double *xs = numbers (n), *ys = calloc (n + 1, sizeof *ys);
    int ok = ys && mpl_pool_map (pool, square, xs, n, ys) == 0 && first_wrong (ys, n) == n;

    free (xs);
    free (ys);
    return ok;
}

/* ---- map ------------------------------------------------------------------------------------------------------- */

static void map_gives_the_square_of_every_number (void)
{
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    CHECK (mpl_pool_size (pool) > 0);
    CHECK (pool_works (pool, 1));
    CHECK (pool_works (pool, 10));
    CHECK (pool_works (pool, 10007));
    mpl_pool_destroy (&pool);
    CHECK (!pool);
}

static void map_of_a_million_items_gives_every_result (void)
{
    size_t n = fewer (1000000);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    double *xs = numbers (n), *ys = malloc (n * sizeof *ys);

    CHECK (pool && ys);
    memset (ys, 0xff, n * sizeof *ys);
    CHECK (mpl_pool_map (pool, square, xs, n, ys) == 0);
    CHECKF (first_wrong (ys, n) == n, "result %zu of %zu is wrong", first_wrong (ys, n), n);
    mpl_pool_destroy (&pool);
    free (xs);
    free (ys);
}

static void map_of_nothing_takes_null_arrays (void)
{
    mpl_pool_t *pool = mpl_pool_new (NULL);
    mpl_result_t result;

    CHECK (pool);
    CHECK (mpl_pool_map (pool, square, NULL, 0, NULL) == 0);
    CHECK (mpl_pool_map (pool, upper, NULL, 0, NULL) == 0);
    CHECK (mpl_pool_failures (pool, NULL, 0) == 0);
    mpl_future_t *future = mpl_pool_map_async (pool, square, NULL, 0, NULL);
    CHECK (future);
    CHECK (mpl_future_wait (future, (int) within (5000)) == 0);
    CHECK (mpl_future_error (future) == NULL);
    mpl_future_destroy (&future);
    for (int i = 0; i < 2; i++) {
        mpl_iter_t *iter = i ? mpl_pool_imap (pool, square, NULL, 0) : mpl_pool_imap_unordered (pool, square, NULL, 0);
        CHECK (iter);
        CHECK (mpl_iter_next (iter, &result, -1) == 0);
        CHECK (mpl_iter_next (iter, &result, -1) == 0);
        mpl_iter_destroy (&iter);
    }
    CHECK (mpl_pool_close (pool) == 0);
    CHECK (mpl_pool_join (pool) == 0);
    mpl_pool_destroy (&pool);
}

static void every_chunk_size_gives_every_result (void)
{
    static const size_t chunks[] = { 1, 3, 20, 1000, 5000, (size_t) 1 << 20 };

    for (size_t i = 0; i < LENGTH (chunks); i++) {
        mpl_pool_opts_t opts = mpl_pool_defaults ();
        opts.chunk = chunks[i];
        mpl_pool_t *pool = mpl_pool_new (&opts);
        CHECK (pool);
        CHECKF (pool_works (pool, 1003), "chunk %zu", chunks[i]);
        CHECK (mpl_pool_map (pool, square, NULL, 0, NULL) == 0);
        mpl_iter_t *iter = mpl_pool_imap (pool, square, NULL, 0);
        mpl_result_t result;
        CHECK (iter && mpl_iter_next (iter, &result, -1) == 0);
        mpl_iter_destroy (&iter);
        mpl_pool_destroy (&pool);
    }
}

static void map_over_structs_is_starmap (void)
{
    pair_t pairs[100];
    long products[100];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < 100; i++)
        pairs[i] = (pair_t) { i, 99 - i };
    CHECK (mpl_pool_map (pool, mul, pairs, 100, products) == 0);
    for (int i = 0; i < 100; i++)
        CHECKF (products[i] == (long) i * (99 - i), "product %d is %ld", i, products[i]);
    memset (products, 0, sizeof products);
    mpl_future_t *future = mpl_pool_map_async (pool, mul, pairs, 100, products);
    CHECK (future && mpl_future_get (future, NULL) == products);
    for (int i = 0; i < 100; i++)
        CHECKF (products[i] == (long) i * (99 - i), "product %d is %ld", i, products[i]);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

static void map_takes_strings (void)
{
    static const char *words[] = { "", "a", "bc", "a longer one with spaces", "\xc3\xa4\xc3\xb6" };
    size_t lengths[LENGTH (words)];
    mpl_bytes_t uppers[LENGTH (words)];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    CHECK (mpl_pool_map (pool, length, words, LENGTH (words), lengths) == 0);
    for (size_t i = 0; i < LENGTH (words); i++)
        CHECKF (lengths[i] == strlen (words[i]), "length %zu is %zu", i, lengths[i]);
    CHECK (mpl_pool_map (pool, upper, words, LENGTH (words), uppers) == 0);
    CHECK (uppers[3].data && strcmp (uppers[3].data, "A LONGER ONE WITH SPACES") == 0);
    CHECK (uppers[2].len == 2 && strcmp (uppers[2].data, "BC") == 0);
    CHECK (uppers[0].len == 0);
    mpl_bytes_free (uppers, LENGTH (words));
    for (size_t i = 0; i < LENGTH (words); i++)
        CHECK (!uppers[i].data && uppers[i].len == 0);
    mpl_bytes_free (uppers, LENGTH (words));
    mpl_pool_destroy (&pool);
}

static void map_of_variable_items_gives_each_its_own_bytes (void)
{
    size_t n = fewer (3000);
    mpl_bytes_t *in = calloc (n, sizeof *in), *out = calloc (n, sizeof *out);
    uint64_t *sums = calloc (n, sizeof *sums);
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool && in && out && sums);
    for (size_t i = 0; i < n; i++) {
        in[i].len = (i * 7919) % 3001;
        CHECK (in[i].data = malloc (in[i].len + 1));
        for (size_t k = 0; k < in[i].len; k++)
            ((unsigned char *) in[i].data)[k] = pattern (i, k);
    }
    CHECK (mpl_pool_map (pool, echo, in, n, out) == 0);
    CHECK (mpl_pool_map (pool, add_bytes, in, n, sums) == 0);
    for (size_t i = 0; i < n; i++) {
        uint64_t sum = 0;
        for (size_t k = 0; k < in[i].len; k++)
            sum += ((unsigned char *) in[i].data)[k];
        CHECKF (out[i].len == in[i].len && memcmp (out[i].data, in[i].data, in[i].len) == 0, "result %zu differs", i);
        CHECKF (sums[i] == sum, "sum %zu differs", i);
        free (in[i].data);
    }
    mpl_bytes_free (out, n);
    mpl_pool_destroy (&pool);
    free (in);
    free (out);
    free (sums);
}

static void variable_results_have_a_nul_after_them (void)
{
    size_t lens[] = { 0, 1, 7, 8, 63, 64, 4095, 4096, 300000 };
    mpl_bytes_t out[LENGTH (lens)];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    CHECK (mpl_pool_map (pool, make_bytes, lens, LENGTH (lens), out) == 0);
    for (size_t i = 0; i < LENGTH (lens); i++) {
        CHECKF (out[i].len == lens[i], "result %zu has %zu bytes", i, out[i].len);
        CHECKF (out[i].data && ((char *) out[i].data)[out[i].len] == 0, "no NUL after %zu bytes", lens[i]);
    }
    mpl_bytes_free (out, LENGTH (lens));
    mpl_pool_destroy (&pool);
}

static void no_reply_is_an_empty_result (void)
{
    int in[5] = { 0 };
    mpl_bytes_t out[5], one;
    size_t len = 9;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    memset (out, 0xff, sizeof out);
    CHECK (mpl_pool_map (pool, no_reply, in, 5, out) == 0);
    for (int i = 0; i < 5; i++)
        CHECK (out[i].len == 0 && out[i].data && *(char *) out[i].data == 0);
    mpl_bytes_free (out, 5);
    CHECK (mpl_pool_apply (pool, no_reply, in, sizeof (int), &one) == 0 && one.len == 0 && one.data);
    mpl_bytes_free (&one, 1);
    mpl_future_t *future = mpl_pool_apply_async (pool, no_reply, in, sizeof (int));
    CHECK (future && mpl_future_get (future, &len) && len == 0);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

static void result_larger_than_its_slot_fails_its_item (void)
{
    int in[5] = { 0, 1, 2, 3, 4 }, out[5] = { -1, -1, -1, -1, -1 };
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    REFUSED (mpl_pool_map (pool, reply_too_long, in, 5, out) == -1, EIO);
    CHECKF (strstr (mpl_error (), "reply_too_long, item 2") && strstr (mpl_error (), "64 bytes"), "%s", mpl_error ());
    for (int i = 0; i < 5; i++)
        CHECK (out[i] == (i == 2 ? -1 : i));
    mpl_pool_destroy (&pool);
}

static void last_reply_replaces_the_earlier_one (void)
{
    const char *words[] = { "second", "x" };
    mpl_bytes_t out[2];
    int in = 5, refused = 0;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    CHECK (mpl_pool_map (pool, reply_twice, words, 2, out) == 0);
    CHECK (strcmp (out[0].data, "second") == 0 && strcmp (out[1].data, "x") == 0);
    mpl_bytes_free (out, 2);
    CHECK (mpl_pool_apply (pool, reply_to_fixed, &in, sizeof (int), &refused) == 0);
    CHECK (refused);
    mpl_pool_destroy (&pool);
}

static void task_without_result_takes_no_out (void)
{
    job_t jobs[6];
    int whats[6];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < 6; i++)
        jobs[i] = job_of (i, 0);
    CHECK (mpl_pool_map (pool, log_and_doze, jobs, 6, whats) == 0);
    CHECK (count_lines (work_dir (), "begun") == 6);
    CHECK (mpl_pool_map (pool, set_nothing, NULL, 0, NULL) == 0);
    CHECK (mpl_pool_apply (pool, set_nothing, NULL, 0, NULL) == 0);
    mpl_future_t *future = mpl_pool_apply_async (pool, set_nothing, NULL, 0);
    CHECK (future && mpl_future_wait (future, (int) within (5000)) == 0 && !mpl_future_error (future));
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

static void map_async_gives_the_array_it_was_given (void)
{
    double *xs = numbers (1000), *ys = calloc (1000, sizeof *ys);
    size_t len = 0;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool && ys);
    mpl_future_t *future = mpl_pool_map_async (pool, square, xs, 1000, ys);
    CHECK (future);
    CHECK (mpl_future_get (future, &len) == ys);
    CHECK (first_wrong (ys, 1000) == 1000);
    CHECK (mpl_future_ready (future) == 1);
    CHECK (mpl_future_get (future, NULL) == ys);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
    free (xs);
    free (ys);
}

static void map_goes_on_while_main_computes (void)
{
    double naps[20], out[20];
    volatile unsigned long spun = 0;
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < 20; i++)
        naps[i] = 0.01;
    mpl_future_t *future = mpl_pool_map_async (pool, doze, naps, 20, out);
    CHECK (future);
    double until = now () + within (10);
    while (!mpl_future_ready (future) && now () < until)
        spun++;
    CHECK (mpl_future_ready (future) == 1);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

/* ---- failing items --------------------------------------------------------------------------------------------- */

static void failed_items_leave_the_others_results (void)
{
    enum { N = 100 };
    int in[N], out[N];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < N; i++) {
        in[i] = i;
        out[i] = -77;
    }
    REFUSED (mpl_pool_map (pool, odd_fails, in, N, out) == -1, EIO);
    CHECKF (strstr (mpl_error (), "1 is odd"), "the lowest failure is not named");
    CHECKF (strstr (mpl_error (), "50"), "the number of failures is not named");
    for (int i = 0; i < N; i++)
        CHECKF (out[i] == (i % 2 ? -77 : i * 10), "slot %d is %d", i, out[i]);
    CHECK (pool_works (pool, 100));
    mpl_pool_destroy (&pool);
}

static void failed_variable_items_are_null (void)
{
    enum { N = 20 };
    int in[N];
    mpl_bytes_t out[N];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    memset (out, 0xee, sizeof out);
    for (int i = 0; i < N; i++)
        in[i] = i;
    REFUSED (mpl_pool_map (pool, odd_fails_variable, in, N, out) == -1, EIO);
    for (int i = 0; i < N; i++) {
        if (i % 2)
            CHECKF (!out[i].data && out[i].len == 0, "failed slot %d is not {NULL, 0}", i);
        else
            CHECKF (out[i].len == sizeof (int) && *(int *) out[i].data == i, "slot %d", i);
    }
    mpl_bytes_free (out, N);
    mpl_pool_destroy (&pool);
}

static void failures_are_sorted_and_counted (void)
{
    enum { N = 1000 };
    static int in[N], out[N];
    mpl_result_t failed[N];
    char text[40];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        in[i] = i;
    CHECK (mpl_pool_map (pool, odd_fails, in, N, out) == -1);
    memset (failed, 0xee, sizeof failed);
    CHECK (mpl_pool_failures (pool, NULL, 0) == N / 2);
    CHECK (mpl_pool_failures (pool, failed, 3) == N / 2);
    CHECK (failed[0].index == 1 && failed[1].index == 3 && failed[2].index == 5);
    CHECK (failed[3].index == (size_t) 0xeeeeeeeeeeeeeeee);
    CHECK (mpl_pool_failures (pool, failed, N) == N / 2);
    for (size_t i = 0; i < N / 2; i++) {
        snprintf (text, sizeof text, "%zu is odd", 2 * i + 1);
        CHECKF (failed[i].index == 2 * i + 1, "failure %zu is item %zu", i, failed[i].index);
        CHECKF (!failed[i].ok && failed[i].error && strstr (failed[i].error, text), "failure %zu says %s", i,
                failed[i].error ? failed[i].error : "NULL");
        CHECK (failed[i].worker >= 0 && failed[i].worker < mpl_pool_size (pool) && failed[i].host && *failed[i].host);
    }
    CHECK (pool_works (pool, 10));
    CHECK (mpl_pool_failures (pool, failed, N) == 0);
    mpl_pool_destroy (&pool);
}

static void *map_three_odds (void *pool)
{
    int in[3] = { 1, 3, 5 }, out[3];

    return mpl_pool_map (pool, odd_fails, in, 3, out) == -1 && mpl_pool_failures (pool, NULL, 0) == 3 ? pool : NULL;
}

static void failures_and_error_belong_to_the_thread (void)
{
    int in[2] = { 2, 7 }, out[2];
    void *was_right = NULL;
    char before[1000];
    pthread_t thread;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    CHECK (mpl_pool_map (pool, odd_fails, in, 2, out) == -1);
    snprintf (before, sizeof before, "%s", mpl_error ());
    CHECK (pthread_create (&thread, NULL, map_three_odds, pool) == 0);
    CHECK (pthread_join (thread, &was_right) == 0);
    CHECK (was_right);
    CHECK (mpl_pool_failures (pool, NULL, 0) == 1);
    CHECK (strcmp (before, mpl_error ()) == 0);
    CHECK (pool_works (pool, 3));
    CHECKF (strcmp (before, mpl_error ()) == 0, "a call that went well changed mpl_error ()");
    mpl_pool_destroy (&pool);
}

static void failing_without_text_still_says_which (void)
{
    int in[3] = { 0 };
    mpl_result_t failed[3];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    REFUSED (mpl_pool_map (pool, fail_plainly, in, 3, NULL) == -1, EIO);
    CHECK (strstr (mpl_error (), "fail_plainly"));
    CHECK (mpl_pool_failures (pool, failed, 3) == 3);
    CHECK (failed[0].error && *failed[0].error && strstr (failed[0].error, "7"));
    mpl_pool_destroy (&pool);
}

static void long_failure_text_is_cut_at_1000_bytes (void)
{
    int in = 0;
    mpl_result_t failed;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    REFUSED (mpl_pool_map (pool, fail_at_length, &in, 1, NULL) == -1, EIO);
    CHECK (mpl_pool_failures (pool, &failed, 1) == 1 && failed.error);
    size_t n = 0;
    for (const char *c = failed.error; *c; c++)
        n += *c == 'x';
    CHECKF (n >= 900 && n <= 1000, "%zu bytes of it were kept", n);
    CHECK (pool_works (pool, 10));
    mpl_pool_destroy (&pool);
}

static void slow_failures_do_not_end_the_map_early (void)
{
    enum { N = 30 };
    job_t jobs[N];
    int out[N], in[2] = { 1, 3 }, unused[2];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        jobs[i] = job_of (i, 0.01);
    mpl_future_t *future = mpl_pool_map_async (pool, log_and_doze, jobs, N, out);
    CHECK (future);
    CHECK (mpl_pool_map (pool, odd_fails, in, 2, unused) == -1);
    CHECK (mpl_future_get (future, NULL) == out);
    CHECK (count_lines (work_dir (), "begun") == N);
    mpl_future_destroy (&future);
    CHECK (mpl_pool_close (pool) == 0 && mpl_pool_join (pool) == 0);
    mpl_pool_destroy (&pool);
}

/* ---- inside a task --------------------------------------------------------------------------------------------- */

static void task_sees_its_index_worker_attempt_and_length (void)
{
    enum { N = 500 };
    int in[N] = { 0 };
    static seen_t seen[N];
    const char *words[] = { "", "four", "seventy" };
    mpl_bytes_t bytes[2] = { { NULL, 0 }, { (void *) "\0\0\0", 3 } };
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    CHECK (mpl_pool_map (pool, look, in, N, seen) == 0);
    for (size_t i = 0; i < N; i++) {
        CHECKF (seen[i].index == i, "item %zu saw index %zu", i, seen[i].index);
        CHECK (seen[i].worker >= 0 && seen[i].worker < 2);
        CHECK (seen[i].attempt == 0 && seen[i].in_len == sizeof (int));
        CHECK (seen[i].is_main == 0 && seen[i].pid != getpid ());
        CHECK (seen[i].size == mpl_size () && seen[i].rank >= 0 && seen[i].rank < seen[i].size);
    }
    CHECK (mpl_pool_map (pool, look_at_string, words, 3, seen) == 0);
    for (size_t i = 0; i < 3; i++)
        CHECK (seen[i].in_len == strlen (words[i]) && seen[i].index == i);
    CHECK (mpl_pool_map (pool, look_at_bytes, bytes, 2, seen) == 0);
    CHECK (seen[0].in_len == 0 && seen[1].in_len == 3);
    CHECK (mpl_pool_apply (pool, look, in, sizeof (int), seen) == 0 && seen[0].index == 0);
    mpl_iter_t *iter = mpl_pool_imap (pool, look, in, N);
    mpl_result_t result;
    CHECK (iter);
    for (size_t i = 0; i < N; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && ((const seen_t *) result.data)->index == i);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    CHECK (mpl_is_main () == 1);
}

static void every_worker_takes_part (void)
{
    enum { N = 40, W = 4 };
    double naps[N];
    seen_t seen[N];
    int counts[W] = { 0 };
    mpl_pool_t *pool = pool_of (W);

    CHECK (pool && mpl_pool_size (pool) == W);
    for (int i = 0; i < N; i++)
        naps[i] = 0.01;
    double began = now ();
    CHECK (mpl_pool_map (pool, look_slowly, naps, N, seen) == 0);
    CHECKF (now () - began < within (0.35), "40 naps of 10 ms on 4 workers took %g s", now () - began);
    for (int i = 0; i < N; i++) {
        CHECK (seen[i].worker >= 0 && seen[i].worker < W);
        counts[seen[i].worker]++;
    }
    for (int i = 0; i < W; i++)
        CHECKF (counts[i] > 0, "worker %d had nothing to do", i);
    mpl_pool_destroy (&pool);
}

static void long_item_does_not_hold_up_the_ones_behind_it (void)
{
    enum { N = 400 };
    static double naps[N], out[N];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++)
            naps[i] = round ? 0.0001 : 0;
        CHECK (mpl_pool_map (pool, doze, naps, N, out) == 0);
    }
    naps[0] = 0.4;
    double began = now ();
    mpl_iter_t *iter = mpl_pool_imap_unordered (pool, doze, naps, N);
    mpl_result_t result;
    CHECK (iter);
    for (int i = 0; i < N - 1; i++) {
        CHECK (mpl_iter_next (iter, &result, -1) == 1);
        CHECKF (result.index != 0, "the long item came as number %d", i);
    }
    CHECKF (now () - began < within (0.3), "399 short items took %g s beside a long one", now () - began);
    CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.index == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

static void pool_new_in_a_task_is_refused (void)
{
    int in = ASK_POOL;
    text_t text;
    mpl_pool_t *pool = pool_of (1);

    CHECK (pool);
    CHECK (mpl_pool_apply (pool, ask, &in, sizeof (int), &text) == 0);
    CHECKF (strcmp (text.text, "refused EPERM") == 0, "%s", text.text);
    mpl_pool_destroy (&pool);
}

static void on_a_term (int sig)
{
    (void) sig;
}

static void workers_do_not_inherit_mains_signals (void)
{
    int in = ASK_SIGNALS;
    text_t text;
    sigset_t set;

    sigfillset (&set);
    sigdelset (&set, SIGALRM);
    pthread_sigmask (SIG_BLOCK, &set, NULL);
    signal (SIGUSR2, SIG_IGN);
    signal (SIGTERM, on_a_term);
    mpl_pool_t *pool = pool_of (1);
    CHECK (pool);
    CHECK (mpl_pool_apply (pool, ask, &in, sizeof (int), &text) == 0);
    CHECKF (strcmp (text.text, "blocked 0, USR2 default, TERM default") == 0, "%s", text.text);
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (0.9), "destroy took %g s", now () - began);
}

static void workers_do_not_inherit_mains_descriptors (void)
{
    int in = ASK_FD_100, ends[2];
    text_t text;

    CHECK (pipe (ends) == 0);
    CHECK (fcntl (ends[0], F_DUPFD, 100) >= 100 && fcntl (ends[1], F_DUPFD, 100) >= 100);
    mpl_pool_t *pool = pool_of (1);
    CHECK (pool);
    CHECK (mpl_pool_apply (pool, ask, &in, sizeof (int), &text) == 0);
    CHECKF (strcmp (text.text, "0") == 0, "%s of main's descriptors are open in the worker", text.text);
    mpl_pool_destroy (&pool);
}

static void workers_stand_where_main_stood_when_the_pool_began (void)
{
    int in = ASK_CWD;
    text_t text;

    CHECK (chdir (work_dir ()) == 0);
    mpl_pool_t *pool = pool_of (1);
    CHECK (pool);
    CHECK (mpl_pool_apply (pool, ask, &in, sizeof (int), &text) == 0);
    CHECKF (strcmp (text.text, work_dir ()) == 0, "%s", text.text);
    mpl_pool_destroy (&pool);
}

/* ---- imap ------------------------------------------------------------------------------------------------------ */

static void imap_keeps_the_order (void)
{
    size_t n = fewer (100000);
    double *xs = numbers (n);
    mpl_result_t result;
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    mpl_iter_t *iter = mpl_pool_imap (pool, square, xs, n);
    CHECK (iter);
    for (size_t i = 0; i < n; i++) {
        CHECKF (mpl_iter_next (iter, &result, -1) == 1, "no result %zu", i);
        CHECKF (result.index == i && result.ok && !result.error && result.len == sizeof (double)
                && same (*(const double *) result.data, (double) i * (double) i), "result %zu", i);
        CHECK (result.worker >= 0 && result.worker < 2 && result.host && *result.host && result.seconds >= 0);
    }
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    CHECK (mpl_iter_next (iter, &result, 0) == 0);
    mpl_iter_destroy (&iter);
    CHECK (!iter);
    mpl_pool_destroy (&pool);
    free (xs);
}

static void imap_unordered_gives_each_item_once (void)
{
    size_t n = fewer (100000);
    double *xs = numbers (n);
    char *seen = calloc (n, 1);
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool && seen);
    mpl_iter_t *iter = mpl_pool_imap_unordered (pool, square, xs, n);
    CHECK (iter);
    for (size_t i = 0; i < n; i++) {
        CHECKF (mpl_iter_next (iter, &result, -1) == 1, "only %zu results", i);
        CHECK (result.ok && result.index < n);
        CHECKF (!seen[result.index], "item %zu came twice", result.index);
        seen[result.index] = 1;
        CHECK (same (*(const double *) result.data, (double) result.index * (double) result.index));
    }
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (xs);
    free (seen);
}

static void imap_reports_a_failed_item_in_its_place (void)
{
    enum { N = 50 };
    int in[N];
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        in[i] = i;
    mpl_iter_t *iter = mpl_pool_imap (pool, odd_fails, in, N);
    CHECK (iter);
    for (int i = 0; i < N; i++) {
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.index == (size_t) i);
        CHECK (result.ok == !(i % 2));
        if (result.ok)
            CHECK (*(const int *) result.data == i * 10);
        else
            CHECK (result.error && strstr (result.error, "is odd"));
    }
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

static void imap_gives_variable_results (void)
{
    const char *words[] = { "one", "", "three" };
    static const char *const uppers[] = { "ONE", "", "THREE" };
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_iter_t *iter = mpl_pool_imap (pool, upper, words, 3);
    CHECK (iter);
    for (size_t i = 0; i < 3; i++) {
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.ok && result.len == strlen (uppers[i]));
        CHECK (result.data && strcmp (result.data, uppers[i]) == 0);
    }
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

static void iter_next_times_out_and_goes_on (void)
{
    double naps[2] = { within (0.3), 0 };
    mpl_result_t result;
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && pool_works (pool, 10));
    mpl_iter_t *iter = mpl_pool_imap (pool, doze, naps, 2);
    CHECK (iter);
    double began = now ();
    REFUSED (mpl_iter_next (iter, &result, 50) == -1, ETIMEDOUT);
    CHECKF (now () - began > 0.045 && now () - began < within (0.25), "50 ms took %g s", now () - began);
    REFUSED (mpl_iter_next (iter, &result, 0) == -1, ETIMEDOUT);
    CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.index == 0 && result.ok);
    CHECKF (result.seconds > naps[0] * 0.9 && result.seconds < naps[0] + within (0.3), "it says it took %g s",
            result.seconds);
    CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.index == 1);
    CHECK (mpl_iter_next (iter, &result, 0) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

static void iterator_destroyed_early_leaves_the_pool_usable (void)
{
    size_t n = fewer (200000);
    double *xs = numbers (n);
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int round = 0; round < 20; round++) {
        mpl_iter_t *iter = round % 2 ? mpl_pool_imap (pool, square, xs, n) : mpl_pool_imap_unordered (pool, square, xs, n);
        CHECK (iter);
        for (int i = 0; i < round * 10; i++)
            CHECK (mpl_iter_next (iter, &result, -1) == 1);
        mpl_iter_destroy (&iter);
        CHECK (pool_works (pool, 100));
    }
    memset (xs, 0xff, n * sizeof *xs);
    mpl_pool_destroy (&pool);
    free (xs);
}

/* Once, records that were kept for the next answer of a busy worker stayed, when the submitter itself took that
 * answer. */
static void maps_while_the_helper_drives_do_not_stall (void)
{
    size_t n = fewer (300), rounds = fewer (200);
    double *xs = numbers (n), *ys = numbers (n), *zs = numbers (n);
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    opts.chunk = 1;
    mpl_pool_t *pool = mpl_pool_new (&opts);

    CHECK (pool);
    for (size_t round = 0; round < rounds; round++) {
        mpl_future_t *future = mpl_pool_map_async (pool, square, xs, n, ys);
        CHECK (future && mpl_pool_map (pool, square, xs, n, zs) == 0);
        CHECK (mpl_future_wait (future, (int) within (10000)) == 0);
        CHECK (memcmp (ys, zs, n * sizeof *ys) == 0);
        mpl_future_destroy (&future);
    }
    mpl_pool_destroy (&pool);
    free (xs);
    free (ys);
    free (zs);
}

static void two_iterators_take_turns (void)
{
    enum { N = 2000 };
    double *xs = numbers (N);
    mpl_result_t a, b;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_iter_t *first = mpl_pool_imap (pool, square, xs, N), *second = mpl_pool_imap (pool, square, xs, N);
    CHECK (first && second);
    for (size_t i = 0; i < N; i++) {
        CHECK (mpl_iter_next (first, &a, -1) == 1 && mpl_iter_next (second, &b, -1) == 1);
        CHECK (a.index == i && b.index == i && same (*(const double *) a.data, *(const double *) b.data));
    }
    CHECK (mpl_iter_next (first, &a, -1) == 0 && mpl_iter_next (second, &b, -1) == 0);
    mpl_iter_destroy (&first);
    mpl_iter_destroy (&second);
    mpl_pool_destroy (&pool);
    free (xs);
}

/* ---- imap_from ------------------------------------------------------------------------------------------------- */

#define NEVER ((size_t) -1)

typedef struct {
    double item;
    size_t next, limit, fail_at;
    _Atomic size_t n_given;
    atomic_int n_inside, n_overlaps;
    sem_t *wait_at_5;                   /* the fifth item waits for it; NULL: none does */
    double rest_each;
    void *big;                          /* every item is this MiB; NULL: every item is its number */
} source_t;

static int next_number (void *state, mpl_bytes_t *item)
{
    source_t *self = state;
    int got = 0;

    if (atomic_fetch_add (&self->n_inside, 1) != 0)
        self->n_overlaps++;
    if (self->rest_each > 0)
        rest (self->rest_each);
    if (self->next == 5 && self->wait_at_5)
        sem_wait (self->wait_at_5);
    if (self->next == self->fail_at)
        got = -1;
    else if (self->next < self->limit) {
        self->item = (double) self->next++;
        item->data = self->big ? self->big : &self->item;
        item->len = self->big ? MIB : sizeof self->item;
        self->n_given++;
        got = 1;
    }
    atomic_fetch_sub (&self->n_inside, 1);
    return got;
}

static source_t source_of (size_t limit)
{
    return (source_t) { .limit = limit, .fail_at = NEVER };
}

static void imap_from_takes_what_the_source_gives (void)
{
    size_t n = fewer (300000);
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int ordered = 0; ordered < 2; ordered++) {
        source_t source = source_of (n);
        char *seen = calloc (n, 1);
        mpl_iter_t *iter = mpl_pool_imap_from (pool, square, next_number, &source, ordered);
        CHECK (iter && seen);
        for (size_t i = 0; i < n; i++) {
            CHECKF (mpl_iter_next (iter, &result, -1) == 1, "no result %zu", i);
            CHECK (result.ok && result.index < n && !seen[result.index]);
            CHECK (!ordered || result.index == i);
            CHECK (same (*(const double *) result.data, (double) result.index * (double) result.index));
            seen[result.index] = 1;
        }
        CHECK (mpl_iter_next (iter, &result, -1) == 0);
        mpl_iter_destroy (&iter);
        CHECK (source.n_given == n && source.n_overlaps == 0);
        free (seen);
    }
    mpl_pool_destroy (&pool);
}

typedef struct { const char *words[4]; size_t next; } words_t;

static int next_word (void *state, mpl_bytes_t *item)
{
    words_t *self = state;

    if (!self->words[self->next])
        return 0;
    item->data = (void *) self->words[self->next++];
    item->len = 12345;
    return 1;
}

static void imap_from_takes_strings_whose_len_is_ignored (void)
{
    words_t words = { { "to", "be", "continued", NULL }, 0 };
    static const char *const uppers[] = { "TO", "BE", "CONTINUED" };
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_iter_t *iter = mpl_pool_imap_from (pool, upper, next_word, &words, 1);
    CHECK (iter);
    for (size_t i = 0; i < 3; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.ok && strcmp (result.data, uppers[i]) == 0);
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

static void slow_source_does_not_hold_back_earlier_results (void)
{
    for (int ordered = 0; ordered < 2; ordered++) {
        sem_t go_on;
        source_t source = source_of (10);
        mpl_result_t result;
        mpl_pool_t *pool = mpl_pool_new (NULL);
        CHECK (pool && sem_init (&go_on, 0, 0) == 0);
        source.wait_at_5 = &go_on;
        mpl_iter_t *iter = mpl_pool_imap_from (pool, square, next_number, &source, ordered);
        CHECK (iter);
        for (int i = 0; i < 5; i++)
            CHECKF (mpl_iter_next (iter, &result, (int) within (5000)) == 1, "result %d waits for the source", i);
        REFUSED (mpl_iter_next (iter, &result, 20) == -1, ETIMEDOUT);
        CHECK (pool_works (pool, 100));
        sem_post (&go_on);
        for (int i = 5; i < 10; i++)
            CHECK (mpl_iter_next (iter, &result, (int) within (5000)) == 1 && result.ok);
        CHECK (mpl_iter_next (iter, &result, -1) == 0);
        mpl_iter_destroy (&iter);
        mpl_pool_destroy (&pool);
        sem_destroy (&go_on);
    }
}

static void failing_source_gives_its_results_first (void)
{
    static const size_t fail_at[] = { 0, 0, 3, 7, 5000 };
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (size_t k = 0; k < LENGTH (fail_at) * 2; k++) {
        source_t source = source_of (20000);
        source.fail_at = fail_at[k / 2];
        mpl_iter_t *iter = mpl_pool_imap_from (pool, square, next_number, &source, (int) k % 2);
        CHECK (iter);
        for (size_t i = 0; i < source.fail_at; i++) {
            CHECKF (mpl_iter_next (iter, &result, -1) == 1, "no result %zu before the failure at %zu", i, source.fail_at);
            CHECK (result.ok && result.index < source.fail_at);
        }
        REFUSED (mpl_iter_next (iter, &result, -1) == -1, EIO);
        mpl_iter_destroy (&iter);
    }
    CHECK (pool_works (pool, 10));
    mpl_pool_destroy (&pool);
}

/* What the source has given once it has given nothing more for 0.2 s. */
static size_t given_in_the_end (source_t *source)
{
    size_t last = NEVER;
    double since = now (), until = now () + within (10);

    while (now () < until && now () - since < within (0.2)) {
        if (source->n_given != last) {
            last = source->n_given;
            since = now ();
        }
        rest (0.01);
    }
    return last;
}

static void source_is_read_a_bounded_way_ahead (void)
{
    source_t source = source_of (NEVER), big = source_of (NEVER);
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_iter_t *iter = mpl_pool_imap_from (pool, square, next_number, &source, 1);
    CHECK (iter);
    for (int i = 0; i < 10; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1);
    size_t n = given_in_the_end (&source);
    CHECKF (n >= 10 && n <= 10 + 65536 + 1, "%zu small items were read for 10 results taken", n);
    for (int i = 0; i < 1000; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1);
    mpl_iter_destroy (&iter);
    CHECK (big.big = calloc (1, MIB));
    iter = mpl_pool_imap_from (pool, flip_block, next_number, &big, 1);
    CHECK (iter);
    for (int i = 0; i < 3; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.ok && *(const unsigned char *) result.data == 0xff);
    n = given_in_the_end (&big);
    CHECKF (n >= 3 && n <= 3 + 16 + 2, "%zu items of 1 MiB were read for 3 results taken", n);
    mpl_iter_destroy (&iter);
    CHECK (pool_works (pool, 10));
    mpl_pool_destroy (&pool);
    free (big.big);
}

static void destroying_an_iterator_waits_for_its_source (void)
{
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < 5; i++) {
        source_t source = source_of (NEVER);
        source.rest_each = 0.05;
        mpl_iter_t *iter = mpl_pool_imap_from (pool, square, next_number, &source, i % 2);
        CHECK (iter);
        WAIT_UNTIL (source.n_inside == 1, 5);
        mpl_iter_destroy (&iter);
        CHECK (source.n_inside == 0);
        size_t n = source.n_given;
        rest (0.08);
        CHECK (source.n_given == n && source.n_overlaps == 0);
    }
    CHECK (pool_works (pool, 10));
    mpl_pool_destroy (&pool);
}

static long resident_kib (void)
{
    char *text = slurp ("/proc/self", "status");
    const char *at = strstr (text, "VmRSS:");
    long kib = at ? atol (at + 6) : 0;

    free (text);
    return kib;
}

static void endless_source_needs_no_more_memory_as_it_goes (void)
{
    size_t n = fewer (400000);
    source_t source = source_of (NEVER);
    mpl_result_t result;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_iter_t *iter = mpl_pool_imap_from (pool, square, next_number, &source, 1);
    CHECK (iter);
    for (size_t i = 0; i < n; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1);
    long before = resident_kib ();
    for (size_t i = 0; i < 2 * n; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1);
    long after = resident_kib ();
    CHECKF (is_slow () || after - before < 8192, "it grew from %ld to %ld KiB", before, after);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

/* ---- apply ----------------------------------------------------------------------------------------------------- */

static void apply_takes_every_kind_of_item (void)
{
    double x = 5, y = 0;
    pair_t pair = { 6, 7 };
    long product = 0;
    size_t n = 0;
    mpl_bytes_t out;
    uint64_t sum = 0;
    int x42 = 0;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    CHECK (mpl_pool_apply (pool, square, &x, sizeof (double), &y) == 0 && same (y, 25));
    CHECK (mpl_pool_apply (pool, mul, &pair, sizeof pair, &product) == 0 && product == 42);
    CHECK (mpl_pool_apply (pool, length, "some words", 3, &n) == 0 && n == 10);
    CHECK (mpl_pool_apply (pool, upper, "some", 0, &out) == 0 && out.len == 4 && strcmp (out.data, "SOME") == 0);
    mpl_bytes_free (&out, 1);
    CHECK (mpl_pool_apply (pool, echo, "a\0b", 3, &out) == 0 && out.len == 3 && memcmp (out.data, "a\0b", 4) == 0);
    mpl_bytes_free (&out, 1);
    CHECK (mpl_pool_apply (pool, echo, NULL, 0, &out) == 0 && out.len == 0);
    mpl_bytes_free (&out, 1);
    CHECK (mpl_pool_apply (pool, add_bytes, "\1\2\3", 3, &sum) == 0 && sum == 6);
    CHECK (mpl_pool_apply (pool, answer, NULL, 0, &x42) == 0 && x42 == 42);
    mpl_pool_destroy (&pool);
}

static void apply_of_a_failing_task_says_why (void)
{
    int x = 3, y = -5;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    REFUSED (mpl_pool_apply (pool, odd_fails, &x, sizeof (int), &y) == -1, EIO);
    CHECK (strstr (mpl_error (), "3 is odd") && strstr (mpl_error (), "odd_fails"));
    CHECK (y == -5);
    for (int i = 0; i < 20; i++) {
        mpl_future_t *future = mpl_pool_apply_async (pool, odd_fails, &x, sizeof (int));
        CHECK (future);
        REFUSED (mpl_future_get (future, NULL) == NULL, EIO);
        CHECK (strstr (mpl_error (), "3 is odd"));
        CHECK (mpl_future_error (future) && strstr (mpl_future_error (future), "3 is odd"));
        mpl_future_destroy (&future);
    }
    mpl_pool_destroy (&pool);
}

static void apply_async_copies_its_input (void)
{
    enum { N = 2000 };
    static mpl_future_t *futures[N];
    char text[32];
    double x;
    size_t len;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < N; i++) {
        x = i;
        snprintf (text, sizeof text, "word %d", i);
        futures[i] = i % 2 ? mpl_pool_apply_async (pool, square, &x, sizeof (double)) : mpl_pool_apply_async (pool, upper, text, 0);
        CHECK (futures[i]);
        memset (text, 'z', sizeof text);
        x = -1;
    }
    for (int i = N - 1; i >= 0; i--) {
        const void *got = mpl_future_get (futures[i], &len);
        snprintf (text, sizeof text, "WORD %d", i);
        CHECKF (got, "future %d failed", i);
        if (i % 2)
            CHECKF (len == sizeof (double) && same (*(const double *) got, (double) i * i), "future %d", i);
        else
            CHECKF (len == strlen (text) && strcmp (got, text) == 0, "future %d is %s", i, (const char *) got);
        CHECK (mpl_future_error (futures[i]) == NULL);
        CHECK (mpl_future_get (futures[i], NULL) == got);
        mpl_future_destroy (&futures[i]);
        CHECK (!futures[i]);
    }
    mpl_pool_destroy (&pool);
}

/* ---- futures --------------------------------------------------------------------------------------------------- */

static void future_wait_times_out_and_the_task_goes_on (void)
{
    double nap = within (0.3);
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool && pool_works (pool, 10));
    double began = now ();
    mpl_future_t *future = mpl_pool_apply_async (pool, doze, &nap, sizeof (double));
    CHECK (future);
    CHECK (mpl_future_ready (future) == 0);
    REFUSED (mpl_future_wait (future, 50) == -1, ETIMEDOUT);
    CHECKF (now () - began > 0.045 && now () - began < within (0.25), "50 ms took %g s", now () - began);
    REFUSED (mpl_future_wait (future, 0) == -1, ETIMEDOUT);
    CHECK (mpl_future_ready (future) == 0);
    CHECK (mpl_future_wait (future, -1) == 0);
    CHECKF (now () - began > nap * 0.95 && now () - began < nap + within (0.3), "the nap took %g s", now () - began);
    CHECK (mpl_future_ready (future) == 1);
    CHECK (mpl_future_wait (future, 0) == 0);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

static void *wait_for_it (void *future)
{
    const void *got = mpl_future_get (future, NULL);

    return got && *(const double *) got > 0 ? future : NULL;
}

static void several_threads_may_wait_for_one_future (void)
{
    double nap = 0.1;
    pthread_t threads[4];
    void *was_right;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_future_t *future = mpl_pool_apply_async (pool, doze, &nap, sizeof (double));
    CHECK (future);
    for (int i = 0; i < 4; i++)
        CHECK (pthread_create (&threads[i], NULL, wait_for_it, future) == 0);
    for (int i = 0; i < 4; i++)
        CHECK (pthread_join (threads[i], &was_right) == 0 && was_right);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

static void raise_flag (mpl_future_t *future, void *flag)
{
    (void) future;
    atomic_fetch_add ((atomic_int *) flag, 1);
}

static void on_done_has_run_before_any_wait_returns (void)
{
    double x = 3;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < 300; i++) {
        atomic_int flag = 0;
        mpl_future_t *future = mpl_pool_apply_async (pool, square, &x, sizeof (double));
        CHECK (future);
        CHECK (mpl_future_on_done (future, raise_flag, &flag) == 0);
        if (i % 3 == 0)
            CHECK (mpl_future_wait (future, -1) == 0);
        else if (i % 3 == 1)
            CHECK (mpl_future_get (future, NULL));
        else
            CHECK (mpl_future_error (future) == NULL);
        CHECKF (flag == 1, "it ran %d times", flag);
        mpl_future_destroy (&future);
        CHECK (flag == 1);
    }
    mpl_pool_destroy (&pool);
}

static void on_done_of_a_done_future_runs_at_once (void)
{
    double x = 3;
    atomic_int flag = 0;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_future_t *future = mpl_pool_apply_async (pool, square, &x, sizeof (double));
    CHECK (future && mpl_future_wait (future, -1) == 0);
    CHECK (mpl_future_on_done (future, raise_flag, &flag) == 0);
    CHECK (flag == 1);
    REFUSED (mpl_future_on_done (future, raise_flag, &flag) == -1, EBUSY);
    CHECK (flag == 1);
    mpl_future_destroy (&future);
    future = mpl_pool_apply_async (pool, square, &x, sizeof (double));
    CHECK (future);
    REFUSED (mpl_future_on_done (future, NULL, &flag) == -1, EINVAL);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

static void on_done_runs_though_nobody_waits (void)
{
    double nap = 0.02;
    atomic_int flag = 0;
    int odd = 1;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    mpl_future_t *done = mpl_pool_apply_async (pool, doze, &nap, sizeof (double));
    mpl_future_t *failed = mpl_pool_apply_async (pool, odd_fails, &odd, sizeof (int));
    CHECK (done && failed);
    CHECK (mpl_future_on_done (done, raise_flag, &flag) == 0);
    CHECK (mpl_future_on_done (failed, raise_flag, &flag) == 0);
    WAIT_UNTIL (flag == 2, 5);
    CHECK (mpl_future_error (failed) && !mpl_future_error (done));
    mpl_future_destroy (&done);
    mpl_future_destroy (&failed);
    mpl_pool_destroy (&pool);
}

typedef struct {
    mpl_pool_t *pool;
    _Atomic (mpl_future_t *) next;
    atomic_int has_failed;
} chain_t;

static void submit_next (mpl_future_t *future, void *arg)
{
    chain_t *chain = arg;
    size_t len;
    const double *got = mpl_future_get (future, &len);

    if (!got || len != sizeof (double))
        chain->has_failed = 1;
    chain->next = got ? mpl_pool_apply_async (chain->pool, square, got, sizeof (double)) : NULL;
    if (!chain->next)
        chain->has_failed = 1;
}

static void on_done_may_submit (void)
{
    double x = 3;
    chain_t chain = { .pool = mpl_pool_new (NULL) };

    CHECK (chain.pool);
    mpl_future_t *first = mpl_pool_apply_async (chain.pool, square, &x, sizeof (double));
    CHECK (first && mpl_future_on_done (first, submit_next, &chain) == 0);
    CHECK (mpl_future_wait (first, (int) within (5000)) == 0);
    mpl_future_t *second = chain.next;
    CHECK (second && !chain.has_failed);
    const double *got = mpl_future_get (second, NULL);
    CHECK (got && same (*got, 81));
    mpl_future_destroy (&first);
    mpl_future_destroy (&second);
    mpl_pool_destroy (&chain.pool);
}

typedef struct { atomic_int n, n_inside, n_overlaps; } calls_t;

static void count_call (mpl_future_t *future, void *arg)
{
    calls_t *calls = arg;

    (void) future;
    if (atomic_fetch_add (&calls->n_inside, 1) != 0)
        calls->n_overlaps++;
    calls->n++;
    atomic_fetch_sub (&calls->n_inside, 1);
}

static void on_done_calls_come_one_at_a_time (void)
{
    enum { N = 1000 };
    static mpl_future_t *futures[N];
    calls_t calls = { 0 };
    double x = 2;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < N; i++) {
        CHECK (futures[i] = mpl_pool_apply_async (pool, square, &x, sizeof (double)));
        CHECK (mpl_future_on_done (futures[i], count_call, &calls) == 0);
    }
    for (int i = 0; i < N; i++)
        CHECK (mpl_future_wait (futures[i], -1) == 0);
    CHECKF (calls.n == N && calls.n_overlaps == 0, "%d calls, %d at once", calls.n, calls.n_overlaps);
    for (int i = 0; i < N; i++)
        mpl_future_destroy (&futures[i]);
    mpl_pool_destroy (&pool);
}

static void wait_any_gives_the_first_that_is_done (void)
{
    double naps[3] = { within (2), within (0.05), within (2) }, none = 0;
    mpl_future_t *futures[3];
    mpl_pool_t *pool = pool_of (3), *other = pool_of (1);

    CHECK (pool && other);
    for (int i = 0; i < 3; i++)
        CHECK (futures[i] = mpl_pool_apply_async (pool, doze, &naps[i], sizeof (double)));
    REFUSED (mpl_future_wait_any (futures, 0, 10) == -1, EINVAL);
    REFUSED (mpl_future_wait_any (futures, 1, 10) == -1, ETIMEDOUT);
    CHECK (mpl_future_wait_any (futures, 3, -1) == 1);
    mpl_future_destroy (&futures[1]);
    CHECK (futures[1] = mpl_pool_apply_async (other, doze, &none, sizeof (double)));
    CHECK (mpl_future_wait_any (futures, 3, (int) within (1500)) == 1);
    mpl_future_t *swapped[3] = { futures[1], futures[0], futures[1] };
    CHECK (mpl_future_wait_any (swapped, 3, 0) == 0);
    for (int i = 0; i < 3; i++)
        mpl_future_destroy (&futures[i]);
    mpl_pool_destroy (&pool);
    mpl_pool_destroy (&other);
}

static void cancel_takes_back_what_was_not_begun (void)
{
    enum { N = 10 };
    mpl_future_t *futures[N];
    mpl_pool_t *pool = pool_of (1);

    CHECK (pool && pool_works (pool, 10));
    for (int i = 0; i < N; i++) {
        job_t job = job_of (i, i ? 0 : within (0.3));
        CHECK (futures[i] = mpl_pool_apply_async (pool, log_and_doze, &job, sizeof (job_t)));
    }
    WAIT_UNTIL (count_lines (work_dir (), "begun") == 1, 5);
    CHECK (mpl_future_cancel (futures[1]) == 0);
    CHECK (mpl_future_cancel (futures[5]) == 0);
    CHECK (mpl_future_ready (futures[5]) == 1);
    REFUSED (mpl_future_get (futures[5], NULL) == NULL, ECANCELED);
    CHECK (mpl_future_error (futures[5]));
    REFUSED (mpl_future_cancel (futures[5]) == -1, EALREADY);
    for (int i = 0; i < N; i++)
        if (i != 1 && i != 5)
            CHECKF (mpl_future_get (futures[i], NULL), "future %d failed", i);
    REFUSED (mpl_future_cancel (futures[9]) == -1, EALREADY);
    char *begun = slurp (work_dir (), "begun");
    CHECKF (count_in (begun, "\n") == N - 2, "a cancelled task was run");
    free (begun);
    for (int i = 0; i < N; i++)
        mpl_future_destroy (&futures[i]);
    mpl_pool_destroy (&pool);
}

static void cancel_of_a_running_task_is_done_at_once (void)
{
    job_t job = job_of (1, within (0.4));
    mpl_pool_t *pool = pool_of (1);

    CHECK (pool);
    mpl_future_t *future = mpl_pool_apply_async (pool, log_and_doze, &job, sizeof (job_t));
    CHECK (future);
    WAIT_UNTIL (count_lines (work_dir (), "begun") == 1, 5);
    double began = now ();
    CHECK (mpl_future_cancel (future) == 0);
    CHECK (mpl_future_ready (future) == 1);
    REFUSED (mpl_future_get (future, NULL) == NULL, ECANCELED);
    CHECK (now () - began < within (0.2));
    CHECK (pool_works (pool, 10));
    CHECK (count_lines (work_dir (), "begun") == 1);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
}

static void cancelled_map_lets_its_arrays_go (void)
{
    enum { N = 2000 };
    static double naps[N], out[N];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        naps[i] = 0.005;
    for (int round = 0; round < 3; round++) {
        mpl_future_t *future = mpl_pool_map_async (pool, doze, naps, N, out);
        CHECK (future);
        REFUSED (mpl_future_wait (future, 30) == -1, ETIMEDOUT);
        if (round == 0)
            CHECK (mpl_future_cancel (future) == 0);
        mpl_future_destroy (&future);
        memset (out, 0x5a, sizeof out);
        double began = now ();
        CHECK (pool_works (pool, 100));
        rest (0.03);
        CHECKF (now () - began < within (2), "the cancelled map went on");
        for (size_t i = 0; i < sizeof out; i++)
            CHECKF (((unsigned char *) out)[i] == 0x5a, "byte %zu was written after the future was gone", i);
    }
    mpl_pool_destroy (&pool);
}

static void futures_and_iterators_outlive_their_pool (void)
{
    double nap = 30, x = 2, *xs = numbers (100000);
    mpl_result_t result;
    int got;
    mpl_pool_t *pool = pool_of (1);

    CHECK (pool);
    mpl_future_t *done = mpl_pool_apply_async (pool, square, &x, sizeof (double));
    CHECK (done && mpl_future_wait (done, -1) == 0);
    mpl_future_t *future = mpl_pool_apply_async (pool, doze, &nap, sizeof (double));
    mpl_iter_t *iter = mpl_pool_imap (pool, square, xs, 100000);
    CHECK (future && iter);
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (2.5), "destroy took %g s", now () - began);
    REFUSED (mpl_future_get (future, NULL) == NULL, ECANCELED);
    const double *y = mpl_future_get (done, NULL);
    CHECK (y && same (*y, 4));
    while ((got = mpl_iter_next (iter, &result, -1)) == 1)
        ;
    CHECK (got == -1 && errno == ECANCELED);
    mpl_future_destroy (&future);
    mpl_future_destroy (&done);
    mpl_iter_destroy (&iter);
    free (xs);
}

/* ---- close, terminate, join ------------------------------------------------------------------------------------ */

static void join_needs_close_first (void)
{
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    REFUSED (mpl_pool_join (pool) == -1, EINVAL);
    CHECK (pool_works (pool, 10));
    CHECK (mpl_pool_close (pool) == 0);
    CHECK (mpl_pool_close (pool) == 0);
    CHECK (mpl_pool_join (pool) == 0);
    CHECK (mpl_pool_join (pool) == 0);
    mpl_pool_destroy (&pool);
    mpl_pool_destroy (&pool);
}

static void closed_pool_takes_no_more_work (void)
{
    double x = 2, y = 0;
    source_t source = source_of (3);

    for (int terminated = 0; terminated < 2; terminated++) {
        mpl_pool_t *pool = mpl_pool_new (NULL);
        CHECK (pool && pool_works (pool, 10));
        CHECK ((terminated ? mpl_pool_terminate (pool) : mpl_pool_close (pool)) == 0);
        REFUSED (mpl_pool_map (pool, square, &x, 1, &y) == -1, ESHUTDOWN);
        REFUSED (mpl_pool_map_async (pool, square, &x, 1, &y) == NULL, ESHUTDOWN);
        REFUSED (mpl_pool_apply (pool, square, &x, sizeof (double), &y) == -1, ESHUTDOWN);
        REFUSED (mpl_pool_apply_async (pool, square, &x, sizeof (double)) == NULL, ESHUTDOWN);
        REFUSED (mpl_pool_imap (pool, square, &x, 1) == NULL, ESHUTDOWN);
        REFUSED (mpl_pool_imap_unordered (pool, square, &x, 1) == NULL, ESHUTDOWN);
        REFUSED (mpl_pool_imap_from (pool, square, next_number, &source, 1) == NULL, ESHUTDOWN);
        REFUSED (mpl_pool_share (pool, "x", &x, sizeof x) == -1, ESHUTDOWN);
        CHECK (mpl_pool_join (pool) == 0);
        mpl_pool_destroy (&pool);
    }
}

static void close_lets_submitted_work_finish (void)
{
    enum { N = 6 };
    mpl_future_t *futures[N];
    mpl_result_t result;
    double *xs = numbers (10000);
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < N; i++) {
        double nap = 0.1;
        CHECK (futures[i] = mpl_pool_apply_async (pool, doze, &nap, sizeof (double)));
    }
    mpl_iter_t *iter = mpl_pool_imap (pool, square, xs, 10000);
    CHECK (iter);
    CHECK (mpl_pool_close (pool) == 0);
    CHECK (mpl_pool_join (pool) == 0);
    for (int i = 0; i < N; i++) {
        CHECK (mpl_future_ready (futures[i]) == 1);
        CHECK (mpl_future_get (futures[i], NULL));
        mpl_future_destroy (&futures[i]);
    }
    for (size_t i = 0; i < 10000; i++)
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.ok && result.index == i);
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (xs);
}

static void early_close_with_max_tasks_joins (void)
{
    enum { N = 6 };
    mpl_future_t *futures[N];
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.workers = 3;
    opts.max_tasks = 1;
    mpl_pool_t *pool = mpl_pool_new (&opts);
    CHECK (pool);
    for (int i = 0; i < N; i++) {
        double nap = 0.1;
        CHECK (futures[i] = mpl_pool_apply_async (pool, doze, &nap, sizeof (double)));
    }
    CHECK (mpl_pool_close (pool) == 0);
    CHECK (mpl_pool_join (pool) == 0);
    for (int i = 0; i < N; i++) {
        CHECK (mpl_future_get (futures[i], NULL));
        mpl_future_destroy (&futures[i]);
    }
    mpl_pool_destroy (&pool);
}

/* Those that say hello when all is over are not waited for until their patience ends. */
static void workers_that_come_late_do_not_hold_up_join (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    const char *text = "initialized";

    opts.workers = 8;
    for (int round = 0; round < 8; round++) {
        mpl_pool_t *pool = mpl_pool_new (&opts);
        CHECK (pool && pool_works (pool, 10));
        double began = now ();
        CHECK (mpl_pool_close (pool) == 0 && mpl_pool_join (pool) == 0);
        CHECKF (now () - began < within (1.5), "round %d: join took %g s", round, now () - began);
        mpl_pool_destroy (&pool);
        opts.initializer = set_text;            /* from the second round on some may be busy with it */
        opts.init_arg = text;
        opts.init_len = strlen (text);
    }
}

static void terminate_cancels_what_is_not_done (void)
{
    enum { N = 10000 };
    double *naps = malloc (N * sizeof *naps), *out = calloc (N, sizeof *out), nap = 60;
    mpl_pool_t *pool = pool_of (3);

    CHECK (pool && naps && out);
    for (int i = 0; i < N; i++)
        naps[i] = 60;
    mpl_future_t *map = mpl_pool_map_async (pool, doze, naps, N, out);
    mpl_future_t *one = mpl_pool_apply_async (pool, doze, &nap, sizeof (double));
    CHECK (map && one);
    rest (0.1);
    double began = now ();
    CHECK (mpl_pool_terminate (pool) == 0);
    REFUSED (mpl_future_get (map, NULL) == NULL, ECANCELED);
    REFUSED (mpl_future_get (one, NULL) == NULL, ECANCELED);
    CHECK (mpl_pool_terminate (pool) == 0);
    CHECK (mpl_pool_join (pool) == 0);
    CHECKF (now () - began < within (2), "it took %g s", now () - began);
    mpl_future_destroy (&map);
    mpl_future_destroy (&one);
    mpl_pool_destroy (&pool);
    free (naps);
    free (out);
}

typedef struct { mpl_pool_t *pool; atomic_int has_begun; int code; } mapper_t;

static void *map_for_long (void *arg)
{
    mapper_t *self = arg;
    double naps[4] = { 60, 60, 60, 60 }, out[4];

    self->has_begun = 1;
    errno = 0;
    self->code = mpl_pool_map (self->pool, doze, naps, 4, out) == -1 ? errno : 0;
    return NULL;
}

static void terminate_ends_a_map_in_another_thread (void)
{
    pthread_t thread;
    mapper_t mapper = { .pool = pool_of (2) };

    CHECK (mapper.pool && pthread_create (&thread, NULL, map_for_long, &mapper) == 0);
    WAIT_UNTIL (mapper.has_begun, 5);
    rest (0.1);
    CHECK (mpl_pool_terminate (mapper.pool) == 0);
    CHECK (pthread_join (thread, NULL) == 0);
    CHECKF (mapper.code == ECANCELED, "the map ended with %d", mapper.code);
    CHECK (mpl_pool_join (mapper.pool) == 0);
    mpl_pool_destroy (&mapper.pool);
}

static void destroy_of_nothing_does_nothing (void)
{
    mpl_pool_t *pool = NULL;
    mpl_future_t *future = NULL;
    mpl_iter_t *iter = NULL;

    errno = 77;
    mpl_pool_destroy (&pool);
    mpl_future_destroy (&future);
    mpl_iter_destroy (&iter);
    mpl_bytes_free (NULL, 0);
    CHECK (errno == 77);
}

static void pool_that_did_nothing_ends_at_once (void)
{
    double began = now ();

    for (int i = 0; i < 5; i++) {
        mpl_pool_t *pool = pool_of (2);
        CHECK (pool);
        mpl_pool_destroy (&pool);
    }
    CHECKF (now () - began < within (2), "5 pools took %g s", now () - began);
}

/* ---- options --------------------------------------------------------------------------------------------------- */

static void initializer_runs_once_in_each_worker (void)
{
    enum { N = 40 };
    int in[N] = { 0 };
    text_t out[N];
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    char arg[] = "hello";

    opts.workers = 2;
    opts.initializer = set_text;
    opts.init_arg = arg;
    opts.init_len = 5;
    mpl_pool_t *pool = mpl_pool_new (&opts);
    memset (arg, 'x', 5);
    CHECK (pool);
    CHECK (mpl_pool_map (pool, get_text, in, N, out) == 0);
    for (int i = 0; i < N; i++)
        CHECKF (strcmp (out[i].text, "hello x1") == 0, "item %d saw \"%s\"", i, out[i].text);
    mpl_pool_destroy (&pool);
    opts.initializer = set_nothing;
    opts.init_arg = NULL;
    opts.init_len = 0;
    opts.max_tasks = 3;
    pool = mpl_pool_new (&opts);
    CHECK (pool);
    CHECK (mpl_pool_map (pool, get_text, in, N, out) == 0);
    for (int i = 0; i < N; i++)
        CHECKF (strcmp (out[i].text, "nothing x1") == 0, "item %d saw \"%s\"", i, out[i].text);
    mpl_pool_destroy (&pool);
}

static void failing_initializer_fails_the_calls_with_its_text (void)
{
    double x = 2, y = -1, xs[100] = { 0 }, ys[100];
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    mpl_result_t result;

    opts.workers = 2;
    opts.initializer = refuse_to_start;
    opts.init_arg = work_dir ();
    opts.init_len = strlen (work_dir ());
    mpl_pool_t *pool = mpl_pool_new (&opts);
    CHECK (pool);
    REFUSED (mpl_pool_map (pool, square, xs, 100, ys) == -1, EPIPE);
    CHECKF (strstr (mpl_error (), "no licence for this machine"), "its text is missing");
    REFUSED (mpl_pool_apply (pool, square, &x, sizeof (double), &y) == -1, EPIPE);
    CHECKF (strstr (mpl_error (), "no licence for this machine"), "its text is missing");
    mpl_future_t *future = mpl_pool_apply_async (pool, square, &x, sizeof (double));
    if (future) {
        CHECK (mpl_future_error (future) && strstr (mpl_future_error (future), "no licence"));
        mpl_future_destroy (&future);
    } else
        CHECK (strstr (mpl_error (), "no licence"));
    mpl_iter_t *iter = mpl_pool_imap (pool, square, xs, 100);
    if (iter) {
        int got = mpl_iter_next (iter, &result, -1);
        CHECK (got == -1 || (got == 1 && !result.ok));
        mpl_iter_destroy (&iter);
    }
    rest (0.3);
    CHECKF (count_lines (work_dir (), "refusals") <= 8, "%zu workers were started", count_lines (work_dir (), "refusals"));
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECK (now () - began < within (2));
}

static void max_tasks_replaces_workers (void)
{
    enum { N = 100, MAX = 10 };
    static const size_t chunks[] = { 0, 1, 7, 1000 };
    int in[N] = { 0 };
    seen_t seen[N];

    for (size_t k = 0; k < LENGTH (chunks); k++) {
        mpl_pool_opts_t opts = mpl_pool_defaults ();
        opts.workers = 3;
        opts.max_tasks = MAX;
        opts.chunk = chunks[k];
        mpl_pool_t *pool = mpl_pool_new (&opts);
        CHECK (pool);
        CHECK (mpl_pool_map (pool, look, in, N, seen) == 0);
        int n_pids = 0;
        for (int i = 0; i < N; i++) {
            int n_same = 0, is_first = 1;
            for (int j = 0; j < N; j++) {
                n_same += seen[j].pid == seen[i].pid;
                is_first &= j >= i || seen[j].pid != seen[i].pid;
            }
            n_pids += is_first;
            CHECKF (n_same <= MAX, "process %d ran %d items with chunk %zu", seen[i].pid, n_same, chunks[k]);
            CHECK (seen[i].worker >= 0 && seen[i].worker < 3 && seen[i].attempt == 0);
        }
        CHECKF (n_pids >= N / MAX, "%d processes", n_pids);
        mpl_pool_destroy (&pool);
    }
}

static void options_out_of_range_are_refused (void)
{
    mpl_pool_opts_t opts;

#define REFUSED_WITH(field, value, code)                                                                               \
    do {                                                                                                               \
        opts = mpl_pool_defaults ();                                                                                   \
        opts.field = value;                                                                                            \
        REFUSED (mpl_pool_new (&opts) == NULL, code);                                                                  \
    } while (0)
    REFUSED_WITH (workers, -1, EINVAL);
    REFUSED_WITH (workers, -2147483647, EINVAL);
    REFUSED_WITH (retries, -1, EINVAL);
    REFUSED_WITH (task_timeout, -0.5, EINVAL);
    REFUSED_WITH (task_timeout, (double) NAN, EINVAL);
    REFUSED_WITH (initializer, not_registered, EINVAL);
    REFUSED_WITH (initializer, square, EINVAL);
    REFUSED_WITH (cluster, "cluster.yaml", ENOTSUP);
#undef REFUSED_WITH
    opts = mpl_pool_defaults ();
    opts.initializer = set_text;
    opts.init_len = 5;
    REFUSED (mpl_pool_new (&opts) == NULL, EINVAL);
    CHECK (mpl_pool_defaults ().retries == 2 && mpl_pool_defaults ().workers == 0);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    CHECK (pool && pool_works (pool, 10));
    mpl_pool_destroy (&pool);
}

static void wrong_arguments_are_refused (void)
{
    double x = 1, y;
    int in = 1;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    REFUSED (mpl_pool_map (pool, not_registered, &x, 1, &y) == -1, EINVAL);
    REFUSED (mpl_pool_map_async (pool, not_registered, &x, 1, &y) == NULL, EINVAL);
    REFUSED (mpl_pool_apply (pool, not_registered, &x, sizeof (double), &y) == -1, EINVAL);
    REFUSED (mpl_pool_apply_async (pool, not_registered, &x, sizeof (double)) == NULL, EINVAL);
    REFUSED (mpl_pool_imap (pool, not_registered, &x, 1) == NULL, EINVAL);
    REFUSED (mpl_pool_imap_unordered (pool, not_registered, &x, 1) == NULL, EINVAL);
    REFUSED (mpl_pool_imap_from (pool, not_registered, next_number, &x, 1) == NULL, EINVAL);
    REFUSED (mpl_pool_map (pool, NULL, &x, 1, &y) == -1, EINVAL);
    REFUSED (mpl_pool_map (pool, square, NULL, 1, &y) == -1, EINVAL);
    REFUSED (mpl_pool_map (pool, square, &x, 1, NULL) == -1, EINVAL);
    REFUSED (mpl_pool_map_async (pool, square, NULL, 1, &y) == NULL, EINVAL);
    REFUSED (mpl_pool_map_async (pool, square, &x, 1, NULL) == NULL, EINVAL);
    REFUSED (mpl_pool_map (pool, no_reply, &in, 1, NULL) == -1, EINVAL);
    REFUSED (mpl_pool_imap (pool, square, NULL, 1) == NULL, EINVAL);
    REFUSED (mpl_pool_imap_unordered (pool, square, NULL, 1) == NULL, EINVAL);
    REFUSED (mpl_pool_imap_from (pool, square, NULL, NULL, 1) == NULL, EINVAL);
    REFUSED (mpl_pool_apply (pool, square, NULL, sizeof (double), &y) == -1, EINVAL);
    REFUSED (mpl_pool_apply (pool, square, &x, sizeof (double), NULL) == -1, EINVAL);
    REFUSED (mpl_pool_apply (pool, square, &x, sizeof x - 1, &y) == -1, EINVAL);
    REFUSED (mpl_pool_apply_async (pool, square, &x, sizeof x + 1) == NULL, EINVAL);
    REFUSED (mpl_pool_apply (pool, echo, NULL, 3, &y) == -1, EINVAL);
    REFUSED (mpl_pool_apply_async (pool, square, NULL, sizeof (double)) == NULL, EINVAL);
    REFUSED (mpl_pool_apply_async (pool, length, NULL, 0) == NULL, EINVAL);
    CHECK (pool_works (pool, 10));
    mpl_pool_destroy (&pool);
}

static void null_string_among_items_is_refused (void)
{
    const char *words[3] = { "a", NULL, "c" };
    size_t lengths[3];
    mpl_bytes_t in[2] = { { (void *) "x", 1 }, { NULL, 4 } }, out[2];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    REFUSED (mpl_pool_map (pool, length, words, 3, lengths) == -1, EINVAL);
    REFUSED (mpl_pool_map (pool, echo, in, 2, out) == -1, EINVAL);
    CHECK (pool_works (pool, 10));
    mpl_pool_destroy (&pool);
}

static int usable_cores (void)
{
    cpu_set_t set;

    CPU_ZERO (&set);
    return sched_getaffinity (0, sizeof set, &set) == 0 ? CPU_COUNT (&set) : 1;
}

static void *pool_size_on_one_core (void *arg)
{
    cpu_set_t all, one;

    sched_getaffinity (0, sizeof all, &all);
    CPU_ZERO (&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT (&one) == 0; i++)
        if (CPU_ISSET (i, &all))
            CPU_SET (i, &one);
    sched_setaffinity (0, sizeof one, &one);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    *(int *) arg = pool ? mpl_pool_size (pool) : -1;
    if (pool && !pool_works (pool, 100))
        *(int *) arg = -2;
    mpl_pool_destroy (&pool);
    return NULL;
}

static void worker_count_follows_the_threads_affinity (void)
{
    int size = 0;
    pthread_t thread;

    CHECK (pthread_create (&thread, NULL, pool_size_on_one_core, &size) == 0 && pthread_join (thread, NULL) == 0);
    CHECKF (size == 1, "on one core: %d workers", size);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    CHECK (pool);
    CHECKF (mpl_pool_size (pool) >= 1 && mpl_pool_size (pool) <= usable_cores (), "%d workers on %d cores",
            mpl_pool_size (pool), usable_cores ());
    mpl_pool_destroy (&pool);
}

static void more_workers_than_cores_all_serve (void)
{
    enum { N = 64, W = 16 };
    double naps[N];
    seen_t seen[N];
    int counts[W] = { 0 };
    mpl_pool_t *pool = pool_of (W);

    CHECK (pool && mpl_pool_size (pool) == W);
    for (int i = 0; i < N; i++)
        naps[i] = within (0.05);
    double until = now () + within (10);
    int idle;
    do {                                /* on a busy machine some may still be starting when the first map is over */
        CHECK (mpl_pool_map (pool, look_slowly, naps, N, seen) == 0);
        for (int i = 0; i < N; i++) {
            CHECK (seen[i].worker >= 0 && seen[i].worker < W);
            counts[seen[i].worker]++;
        }
        idle = 0;
        for (int i = 0; i < W; i++)
            idle += counts[i] == 0;
    } while (idle && now () < until);
    CHECKF (!idle, "%d workers had nothing to do", idle);
    mpl_pool_destroy (&pool);
}

/* ---- shared data ----------------------------------------------------------------------------------------------- */

static void tasks_see_what_was_shared (void)
{
    static unsigned char table[8 * MIB];
    const char *names[] = { "table", "table", "table", "table" }, *none[] = { "no such thing" };
    char long_name[300];
    shared_sum_t sums[4];
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.workers = 2;
    opts.max_tasks = 5;
    mpl_pool_t *pool = mpl_pool_new (&opts);
    CHECK (pool);
    REFUSED (mpl_pool_map (pool, sum_shared, none, 1, sums) == -1, EIO);
    CHECK (strstr (mpl_error (), "no such thing: ENOENT"));
    for (unsigned char round = 1; round < 6; round++) {
        size_t len = round % 2 ? sizeof table : 1000u * round;
        memset (table, round, len);
        CHECK (mpl_pool_share (pool, "table", table, len) == 0);
        memset (table, 0xff, len);
        CHECK (mpl_pool_map (pool, sum_shared, names, 4, sums) == 0);
        for (int i = 0; i < 4; i++)
            CHECKF (sums[i].len == len && sums[i].sum == (uint64_t) len * round, "round %d: %zu bytes, sum %llu", round,
                    sums[i].len, (unsigned long long) sums[i].sum);
    }
    CHECK (mpl_pool_share (pool, "other", "\1\2", 2) == 0);
    CHECK (mpl_pool_apply (pool, sum_shared, "other", 0, sums) == 0 && sums[0].sum == 3 && sums[0].len == 2);
    CHECK (mpl_pool_apply (pool, sum_shared, "table", 0, sums) == 0 && sums[0].sum == 5 * sizeof table);
    memset (long_name, 'n', sizeof long_name);
    long_name[255] = 0;
    CHECK (mpl_pool_share (pool, long_name, "\7", 1) == 0);
    CHECK (mpl_pool_apply (pool, sum_shared, long_name, 0, sums) == 0 && sums[0].sum == 7);
    long_name[255] = 'n';
    long_name[256] = 0;
    REFUSED (mpl_pool_share (pool, long_name, "\7", 1) == -1, EINVAL);
    REFUSED (mpl_pool_share (pool, NULL, "\7", 1) == -1, EINVAL);
    REFUSED (mpl_pool_share (pool, "x", NULL, 1) == -1, EINVAL);
    mpl_pool_destroy (&pool);
}

static void sharing_again_does_not_reach_earlier_work (void)
{
    enum { N = 10 };
    mpl_future_t *old[N];
    double nap = 0.1;
    shared_sum_t sum;
    mpl_pool_t *pool = pool_of (1);

    CHECK (pool);
    CHECK (mpl_pool_share (pool, "table", "\1", 1) == 0);
    mpl_future_t *first = mpl_pool_apply_async (pool, doze, &nap, sizeof (double));
    CHECK (first);
    for (int i = 0; i < N; i++)
        CHECK (old[i] = mpl_pool_apply_async (pool, sum_shared, "table", 0));
    CHECK (mpl_pool_share (pool, "table", "\2", 1) == 0);
    CHECK (mpl_pool_apply (pool, sum_shared, "table", 0, &sum) == 0 && sum.sum == 2);
    for (int i = 0; i < N; i++) {
        const shared_sum_t *got = mpl_future_get (old[i], NULL);
        CHECKF (got && (got->sum == 1 || got->sum == 2) && got->len == 1, "task %d", i);
        mpl_future_destroy (&old[i]);
    }
    mpl_future_destroy (&first);
    mpl_pool_destroy (&pool);
}

/* ---- many at once ---------------------------------------------------------------------------------------------- */

static void several_pools_work_at_once (void)
{
    enum { POOLS = 4, N = 20000 };
    mpl_pool_t *pools[POOLS];
    mpl_future_t *futures[POOLS];
    double *xs = numbers (N), *ys[POOLS];

    for (int i = 0; i < POOLS; i++) {
        CHECK (pools[i] = pool_of (1 + i % 2));
        CHECK (ys[i] = calloc (N, sizeof **ys));
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < POOLS; i++)
            CHECK (futures[i] = mpl_pool_map_async (pools[i], square, xs, N, ys[i]));
        for (int i = POOLS - 1; i >= 0; i--) {
            CHECK (mpl_future_get (futures[i], NULL) == ys[i]);
            CHECK (first_wrong (ys[i], N) == N);
            mpl_future_destroy (&futures[i]);
            memset (ys[i], 0, N * sizeof **ys);
        }
    }
    mpl_pool_destroy (&pools[1]);
    CHECK (pool_works (pools[0], 100) && pool_works (pools[3], 100));
    for (int i = 0; i < POOLS; i++) {
        mpl_pool_destroy (&pools[i]);
        free (ys[i]);
    }
    free (xs);
}

static void *use_the_pool (void *pool)
{
    int in[20], out[20];
    mpl_result_t result;
    double x = 3;

    for (int i = 0; i < 20; i++)
        in[i] = i;
    for (size_t round = 0; round < fewer (30); round++) {
        if (!pool_works (pool, 1 + round * 97))
            return NULL;
        if (mpl_pool_map (pool, odd_fails, in, 20, out) != -1 || mpl_pool_failures (pool, NULL, 0) != 10)
            return NULL;
        mpl_future_t *future = mpl_pool_apply_async (pool, square, &x, sizeof (double));
        mpl_iter_t *iter = mpl_pool_imap (pool, odd_fails, in, 20);
        int n = 0;
        while (iter && mpl_iter_next (iter, &result, -1) == 1)
            n += result.index == (size_t) n;
        const double *got = future ? mpl_future_get (future, NULL) : NULL;
        int ok = n == 20 && got && same (*got, 9);
        mpl_iter_destroy (&iter);
        mpl_future_destroy (&future);
        if (!ok)
            return NULL;
    }
    return pool;
}

static void one_pool_serves_four_threads (void)
{
    pthread_t threads[4];
    void *was_right;
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool);
    for (int i = 0; i < 4; i++)
        CHECK (pthread_create (&threads[i], NULL, use_the_pool, pool) == 0);
    for (int i = 0; i < 4; i++)
        CHECKF (pthread_join (threads[i], &was_right) == 0 && was_right, "thread %d met something wrong", i);
    mpl_pool_destroy (&pool);
}

static void *open_use_and_close (void *arg)
{
    for (int i = 0; i < 5; i++) {
        mpl_pool_t *pool = pool_of (1);
        int ok = pool && pool_works (pool, 50);
        mpl_pool_destroy (&pool);
        if (!ok)
            return NULL;
    }
    return arg;
}

static void four_threads_open_pools_at_once (void)
{
    pthread_t threads[4];
    void *was_right;

    for (int i = 0; i < 4; i++)
        CHECK (pthread_create (&threads[i], NULL, open_use_and_close, &threads) == 0);
    for (int i = 0; i < 4; i++)
        CHECKF (pthread_join (threads[i], &was_right) == 0 && was_right, "thread %d met something wrong", i);
}

static void *make_pool (void *arg)
{
    *(mpl_pool_t **) arg = pool_of (2);
    return NULL;
}

static void pool_outlives_the_thread_that_made_it (void)
{
    pthread_t thread;
    mpl_pool_t *pool = NULL;

    CHECK (pthread_create (&thread, NULL, make_pool, &pool) == 0 && pthread_join (thread, NULL) == 0);
    CHECK (pool);
    rest (0.1);
    CHECK (pool_works (pool, 1000));
    mpl_pool_destroy (&pool);
}

/* ---- big items ------------------------------------------------------------------------------------------------- */

static void blocks_of_1_mib_go_there_and_back (void)
{
    size_t n = fewer (40) < 8 ? 8 : fewer (40);
    block_t *in = malloc (n * sizeof *in), *out = malloc (n * sizeof *out);
    static const size_t chunks[] = { 0, 1, 64 };

    CHECK (in && out);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < MIB; k++)
            in[i].bytes[k] = pattern (i, k);
    for (size_t round = 0; round < (is_slow () ? 1 : LENGTH (chunks)); round++) {
        mpl_pool_opts_t opts = mpl_pool_defaults ();
        opts.chunk = chunks[round];
        mpl_pool_t *pool = mpl_pool_new (&opts);
        CHECK (pool);
        memset (out, 0, n * sizeof *out);
        CHECK (mpl_pool_map (pool, flip_block, in, n, out) == 0);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < MIB; k++)
                CHECKF (out[i].bytes[k] == (unsigned char) ~pattern (i, k), "chunk %zu: block %zu byte %zu", chunks[round],
                        i, k);
        mpl_pool_destroy (&pool);
    }
    free (in);
    free (out);
}

static void big_variable_results_arrive_whole (void)
{
    size_t lens[] = { 1, 65 * MIB, 20 * MIB, MIB, 64 * MIB, 64 * MIB + 1, 0, 256 * 1024, 256 * 1024 + 1, 16 * MIB + 1 };
    mpl_bytes_t out[LENGTH (lens)];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    CHECK (mpl_pool_map (pool, make_bytes, lens, LENGTH (lens), out) == 0);
    for (size_t i = 0; i < LENGTH (lens); i++) {
        const unsigned char *bytes = out[i].data;
        CHECKF (bytes && out[i].len == lens[i] && bytes[lens[i]] == 0, "result %zu has %zu bytes", i, out[i].len);
        for (size_t k = 0; k < lens[i]; k += lens[i] > MIB ? 97 : 1)
            CHECKF (bytes[k] == pattern (i, k), "result %zu byte %zu", i, k);
    }
    mpl_bytes_free (out, LENGTH (lens));
    mpl_pool_destroy (&pool);
}

static void big_variable_inputs_arrive_whole (void)
{
    size_t lens[] = { 65 * MIB, 3, 20 * MIB, 64 * MIB };
    mpl_bytes_t in[LENGTH (lens)];
    uint64_t sums[LENGTH (lens)];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (size_t i = 0; i < LENGTH (lens); i++) {
        CHECK (in[i].data = malloc (lens[i]));
        in[i].len = lens[i];
        memset (in[i].data, (int) i + 1, lens[i]);
    }
    CHECK (mpl_pool_map (pool, add_bytes, in, LENGTH (lens), sums) == 0);
    for (size_t i = 0; i < LENGTH (lens); i++)
        CHECKF (sums[i] == (uint64_t) lens[i] * (i + 1), "item %zu", i);
    mpl_future_t *future = mpl_pool_apply_async (pool, add_bytes, in[0].data, in[0].len);
    CHECK (future);
    memset (in[0].data, 0, in[0].len);
    const uint64_t *sum = mpl_future_get (future, NULL);
    CHECK (sum && *sum == (uint64_t) lens[0]);
    mpl_future_destroy (&future);
    for (size_t i = 0; i < LENGTH (lens); i++)
        free (in[i].data);
    mpl_pool_destroy (&pool);
}

static void imap_carries_big_results (void)
{
    size_t lens[12];
    mpl_result_t result;
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (size_t i = 0; i < LENGTH (lens); i++)
        lens[i] = 5 * MIB + i;
    mpl_iter_t *iter = mpl_pool_imap (pool, make_bytes, lens, LENGTH (lens));
    CHECK (iter);
    for (size_t i = 0; i < LENGTH (lens); i++) {
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.ok && result.len == lens[i]);
        for (size_t k = 0; k < lens[i]; k += 97)
            CHECKF (((const unsigned char *) result.data)[k] == pattern (i, k), "result %zu byte %zu", i, k);
    }
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

/* ---- output, input, exit --------------------------------------------------------------------------------------- */

enum { N_PRINTS = 200 };

static int sub_print (int argc, char **argv)
{
    int in[N_PRINTS];

    NEED (mpl_init (&argc, &argv, tasks) == 0);
    printf ("<main>");
    mpl_pool_t *pool = pool_of (2);
    NEED (pool);
    for (int i = 0; i < N_PRINTS; i++)
        in[i] = i;
    NEED (mpl_pool_map (pool, print, in, N_PRINTS, NULL) == 0);
    mpl_pool_destroy (&pool);
    return 0;
}

static void what_tasks_print_appears_in_full (void)
{
    run_t run;
    spec_t spec = { .args = { "--sub", "print" } };
    char text[40];

    CHECK (run_self (&spec, &run) == 0);
    CHECKF (run.status == 0, "status %d: %s", run.status, run.err);
    for (int i = 0; i < N_PRINTS; i++) {
        snprintf (text, sizeof text, i % 2 ? "<line %d>\n" : "<bit %d>", i);
        CHECKF (count_in (run.out, text) == 1, "%s appears %zu times", text, count_in (run.out, text));
        snprintf (text, sizeof text, "<err %d>\n", i);
        CHECKF (i % 50 || count_in (run.err, text) == 1, "%s appears %zu times", text, count_in (run.err, text));
    }
    CHECKF (count_in (run.out, "<main>") == 1, "what main had buffered appears %zu times", count_in (run.out, "<main>"));
    run_free (&run);
}

static int sub_read (int argc, char **argv)
{
    int in = ASK_STDIN;
    text_t text;
    char line[20] = "";

    NEED (mpl_init (&argc, &argv, tasks) == 0);
    mpl_pool_t *pool = pool_of (2);
    NEED (pool);
    NEED (mpl_pool_apply (pool, ask, &in, sizeof (int), &text) == 0);
    NEED (strcmp (text.text, "0") == 0);
    NEED (fgets (line, sizeof line, stdin) && strcmp (line, "for main\n") == 0);
    mpl_pool_destroy (&pool);
    return 0;
}

static void stdin_of_tasks_is_empty_and_mains_is_mains (void)
{
    run_t run;
    spec_t spec = { .args = { "--sub", "read" }, .in = "for main\n" };

    CHECK (run_self (&spec, &run) == 0);
    CHECKF (run.status == 0, "status %d: %s", run.status, run.err);
    run_free (&run);
}

static int notes_its_end;

static void at_the_end (void)
{
    note (work_dir (), "ends", "handler %d\n", (int) getpid ());
}

static void __attribute__ ((destructor)) at_the_very_end (void)
{
    if (notes_its_end)
        note (work_dir (), "ends", "destructor %d\n", (int) getpid ());
}

static int sub_atexit (int argc, char **argv)
{
    int in[100] = { 0 };
    seen_t seen[100];

    atexit (at_the_end);
    notes_its_end = 1;
    NEED (mpl_init (&argc, &argv, tasks) == 0);
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    opts.workers = 2;
    opts.max_tasks = 7;
    static mpl_pool_t *pool;            /* still known at the end, so that leak checkers do not call it lost */
    NEED ((pool = mpl_pool_new (&opts)));
    NEED (mpl_pool_map (pool, look, in, 100, seen) == 0);
    if (strcmp (argv[3], "destroy") == 0)
        mpl_pool_destroy (&pool);
    return 3;
}

static void exit_handlers_run_once_and_in_main (void)
{
    static const char *const ways[] = { "destroy", "forget" };
    pid_t pids[8];

    for (size_t i = 0; i < LENGTH (ways); i++) {
        run_t run;
        spec_t spec = { .args = { "--sub", "atexit", ways[i] } };
        CHECK (run_self (&spec, &run) == 0);
        CHECKF (WIFEXITED (run.status) && WEXITSTATUS (run.status) == 3, "status %d: %s", run.status, run.err);
        run_free (&run);
        WAIT_UNTIL (find_marked ("run", pids, 8) == 0, 2);
        char *ends = slurp (work_dir (), "ends");
        CHECKF (count_in (ends, "handler") == i + 1, "%zu handlers ran: %s", count_in (ends, "handler"), ends);
        CHECKF (count_in (ends, "destructor") == i + 1, "%zu destructors ran", count_in (ends, "destructor"));
        free (ends);
    }
}

static int sub_closed (int argc, char **argv)
{
    for (int fd = 0; fd < 3; fd++)
        if (strchr (argv[3], '0' + fd))
            close (fd);
    if (mpl_init (&argc, &argv, tasks) < 0)
        return 4;
    mpl_pool_t *pool = pool_of (2);
    if (!pool)
        return 5;
    int in[20];
    for (int i = 0; i < 20; i++)
        in[i] = i;
    if (!pool_works (pool, 1000))
        return 6;
    if (mpl_pool_map (pool, print, in, 20, NULL) < 0)
        return 7;
    mpl_pool_destroy (&pool);
    return 0;
}

static void closed_standard_descriptors_do_no_harm (void)
{
    static const char *const which[] = { "0", "1", "2", "012" };

    for (size_t i = 0; i < LENGTH (which); i++) {
        run_t run;
        spec_t spec = { .args = { "--sub", "closed", which[i] } };
        CHECK (run_self (&spec, &run) == 0);
        CHECKF (run.status == 0, "with %s closed: status %d, exit %d: %s", which[i], run.status, WEXITSTATUS (run.status),
                run.err);
        run_free (&run);
    }
}

/* ---- leaving nothing ------------------------------------------------------------------------------------------- */

static int threads_now (void)
{
    return (int) count_entries ("/proc/self/task");
}

static void thousand_pools_leave_nothing (void)
{
    double x = 4, y;
    size_t n = is_slow () ? 30 : 1000;
    pid_t pids[16];

    for (int i = 0; i < 3; i++) {
        mpl_pool_t *pool = pool_of (2);
        CHECK (pool && mpl_pool_apply (pool, square, &x, sizeof (double), &y) == 0);
        mpl_pool_destroy (&pool);
    }
    rest (0.2);                                 /* what is closed in the background is closed by now */
    int n_fds = count_fds (), n_threads = threads_now ();
    long kib = resident_kib ();
    for (size_t i = 0; i < n; i++) {
        mpl_pool_t *pool = pool_of (2);
        CHECKF (pool, "pool %zu", i);
        CHECKF (mpl_pool_apply (pool, square, &x, sizeof (double), &y) == 0 && same (y, 16), "pool %zu", i);
        mpl_pool_destroy (&pool);
        CHECKF (!has_children (), "main has a child after pool %zu", i);
    }
    WAIT_UNTIL (count_fds () <= n_fds, 2);
    WAIT_UNTIL (threads_now () <= n_threads, 2);
    CHECKF (is_slow () || resident_kib () - kib < 4096, "main grew from %ld to %ld KiB", kib, resident_kib ());
    WAIT_UNTIL (find_marked (NULL, pids, 16) == 0, 2);
}

static atomic_int n_chlds;

static void on_chld (int sig)
{
    int code = errno;

    (void) sig;
    n_chlds++;
    while (waitpid (-1, NULL, WNOHANG) > 0)
        ;
    errno = code;
}

static void wait_sees_nothing_of_the_library (void)
{
    int status;
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && pool_works (pool, 100));
    errno = 0;
    CHECKF (wait (&status) == -1 && errno == ECHILD, "main has a child while the pool is open");
    pid_t child = fork ();
    if (child == 0)
        _exit (5);
    CHECK (child > 0 && pool_works (pool, 1000));
    CHECK (wait (&status) == child && WIFEXITED (status) && WEXITSTATUS (status) == 5);
    CHECK (pool_works (pool, 100));
    mpl_pool_destroy (&pool);
    errno = 0;
    CHECKF (wait (&status) == -1 && errno == ECHILD, "main has a child after the pool's end");
}

static void programs_child_handler_stays_its_own (void)
{
    struct sigaction act = { .sa_handler = on_chld, .sa_flags = SA_RESTART }, old;

    CHECK (sigaction (SIGCHLD, &act, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        mpl_pool_t *pool = pool_of (2);
        CHECK (pool && pool_works (pool, 100));
        mpl_pool_destroy (&pool);
    }
    CHECK (sigaction (SIGCHLD, NULL, &old) == 0 && old.sa_handler == on_chld);
    int before = n_chlds;
    pid_t child = fork ();
    if (child == 0)
        _exit (0);
    WAIT_UNTIL (n_chlds > before, 5);
    signal (SIGCHLD, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        mpl_pool_t *pool = pool_of (2);
        CHECK (pool && pool_works (pool, 100));
        mpl_pool_destroy (&pool);
    }
    CHECK (sigaction (SIGCHLD, NULL, &old) == 0 && old.sa_handler == SIG_IGN);
}

static void signal_handlers_and_mask_stay_mains (void)
{
    struct sigaction before[32], after;
    sigset_t mask_before, mask_after;

    pthread_sigmask (SIG_SETMASK, NULL, &mask_before);
    for (int sig = 1; sig < 32; sig++)
        sigaction (sig, NULL, &before[sig]);
    mpl_pool_t *pool = pool_of (2);
    CHECK (pool && pool_works (pool, 100));
    for (int round = 0; round < 2; round++) {
        for (int sig = 1; sig < 32; sig++) {
            sigaction (sig, NULL, &after);
            CHECKF (after.sa_handler == before[sig].sa_handler, "signal %d was taken", sig);
        }
        pthread_sigmask (SIG_SETMASK, NULL, &mask_after);
        for (int sig = 1; sig < 32; sig++)
            CHECKF (sigismember (&mask_before, sig) == sigismember (&mask_after, sig), "signal %d's mask", sig);
        mpl_pool_destroy (&pool);
    }
}

static void signals_to_mains_threads_interrupt_nothing (void)
{
    double naps[10], out[10];
    struct sigaction act = { .sa_handler = on_a_term };
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && sigaction (SIGUSR1, &act, NULL) == 0);
    for (int i = 0; i < 10; i++)
        naps[i] = 0.02;
    pid_t main_pid = getpid (), child = fork ();
    if (child == 0) {
        for (int i = 0; i < 50; i++) {
            kill (main_pid, SIGUSR1);
            usleep (2000);
        }
        _exit (0);
    }
    CHECK (child > 0 && mpl_pool_map (pool, doze, naps, 10, out) == 0);
    while (waitpid (child, NULL, 0) < 0)
        CHECK (errno == EINTR);
    mpl_pool_destroy (&pool);
}

static void fork_in_main_leaves_the_pool_usable (void)
{
    int status;
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && pool_works (pool, 100));
    for (int i = 0; i < 5; i++) {
        pid_t child = fork ();
        if (child == 0)
            _exit (0);
        CHECK (child > 0 && pool_works (pool, 100));
        CHECK (waitpid (child, &status, 0) == child && status == 0);
    }
    pid_t child = fork ();
    if (child == 0) {
        execl ("/bin/sleep", "sleep", "30", (char *) NULL);
        _exit (1);
    }
    CHECK (child > 0);
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (1), "destroy waits for main's own child");
    CHECK (kill (child, SIGKILL) == 0 && waitpid (child, &status, 0) == child);
}

/* ---- init ------------------------------------------------------------------------------------------------------ */

static const mpl_task_t no_function[] = { { "square", square, 8, 8 }, { "nothing", NULL, 8, 8 }, { 0 } };
static const mpl_task_t name_twice[] = { { "square", square, 8, 8 }, { "square", mul, 8, 8 }, { 0 } };
static const mpl_task_t string_result[] = { { "square", square, 8, MPL_STRING }, { 0 } };
static const mpl_task_t huge_input[] = { { "square", square, (size_t) -3, 8 }, { 0 } };
static const mpl_task_t huge_result[] = { { "square", square, 8, (size_t) -4096 }, { 0 } };
static const mpl_task_t none_at_all[] = { { 0 } };

static int sub_init (int argc, char **argv)
{
    const char *how = argv[3];
    const mpl_task_t *table = strcmp (how, "no_function") == 0 ? no_function
                              : strcmp (how, "name_twice") == 0 ? name_twice
                              : strcmp (how, "string_result") == 0 ? string_result
                              : strcmp (how, "huge_input") == 0 ? huge_input
                              : strcmp (how, "huge_result") == 0 ? huge_result
                              : strcmp (how, "none_at_all") == 0 ? none_at_all
                              : strcmp (how, "null") == 0 ? NULL : tasks;
    int got, is_before = mpl_is_main ();

    errno = 0;
    got = strcmp (how, "null_args") == 0 ? mpl_init (NULL, NULL, table) : mpl_init (&argc, &argv, table);
    if (strcmp (how, "twice") == 0) {
        NEED (got == 0);
        got = mpl_init (&argc, &argv, table);
    }
    printf ("%d %s main %d%d error %zu\n", got, got < 0 ? strerrorname_np (errno) : "-", is_before, mpl_is_main (),
            strlen (mpl_error ()));
    if (strcmp (how, "twice") == 0 || strcmp (how, "null_args") == 0) {
        mpl_pool_t *pool = pool_of (1);
        NEED (pool && pool_works (pool, 10));
        mpl_pool_destroy (&pool);
    }
    return 0;
}

static void init_refuses_what_cannot_be_right (void)
{
    static const struct { const char *how, *out; } rows[] = {
        { "no_function", "-1 EINVAL main 00" }, { "name_twice", "-1 EINVAL main 00" },
        { "string_result", "-1 EINVAL main 00" }, { "huge_input", "-1 EINVAL main 00" },
        { "huge_result", "-1 EINVAL main 00" }, { "null", "-1 EINVAL main 00" },
        { "twice", "-1 EALREADY main 01" }, { "none_at_all", "0 - main 01" }, { "null_args", "0 - main 01" },
    };

    for (size_t i = 0; i < LENGTH (rows); i++) {
        run_t run;
        spec_t spec = { .args = { "--sub", "init", rows[i].how } };
        CHECK (run_self (&spec, &run) == 0);
        CHECKF (run.status == 0, "%s: status %d: %s", rows[i].how, run.status, run.err);
        CHECKF (strncmp (run.out, rows[i].out, strlen (rows[i].out)) == 0, "%s gives %s", rows[i].how, run.out);
        if (rows[i].out[0] == '-')
            CHECKF (!strstr (run.out, "error 0"), "%s has no sentence", rows[i].how);
        run_free (&run);
    }
}

static void init_refuses_a_false_descriptor (void)
{
    static const char *const vars[] = { "MPL_FD=999", "MPL_FD=x", "MPL_FD=", "MPL_FD=-1", "MPL_FD=1",
                                        "MPL_FD=99999999999999999999" };

    for (size_t i = 0; i < LENGTH (vars); i++) {
        run_t run;
        spec_t spec = { .args = { "--sub", "init", "good" }, .env = { vars[i] } };
        CHECK (run_self (&spec, &run) == 0);
        CHECKF (run.status == 0, "%s: status %d: %s", vars[i], run.status, run.err);
        CHECKF (strncmp (run.out, "-1 EINVAL", 9) == 0, "%s gives %s", vars[i], run.out);
        run_free (&run);
    }
}

static int sub_without_init (int argc, char **argv)
{
    (void) argc, (void) argv;
    for (int i = 0; i < 3; i++) {
        errno = 0;
        mpl_pool_t *pool = mpl_pool_new (NULL);
        NEED (!pool && errno == EPERM && strstr (mpl_error (), "mpl_init"));
    }
    NEED (mpl_rank () == 0 && mpl_size () == 1 && mpl_is_main () == 0);
    return 0;
}

static void pool_without_init_is_refused (void)
{
    run_t run;
    spec_t spec = { .args = { "--sub", "without_init" } };

    CHECK (run_self (&spec, &run) == 0);
    CHECKF (run.status == 0, "status %d: %s", run.status, run.err);
    run_free (&run);
}

static int sub_two_mains (int argc, char **argv)
{
    NEED (mpl_init (&argc, &argv, tasks) == 0);
    for (int i = 0; i < 5; i++) {
        mpl_pool_t *pool = pool_of (2);
        NEED (pool && pool_works (pool, 5000));
        mpl_pool_destroy (&pool);
    }
    return 0;
}

static void two_programs_in_one_folder_do_not_meet (void)
{
    pid_t pids[4];
    int status;
    spec_t spec = { .args = { "--sub", "two_mains" } };

    CHECK (chdir (work_dir ()) == 0);
    for (int i = 0; i < 4; i++)
        CHECK ((pids[i] = start_self (&spec)) > 0);
    for (int i = 0; i < 4; i++)
        CHECKF (end_of (pids[i], 20, &status) == 0 && status == 0, "program %d: status %d", i, status);
    CHECKF (count_entries (work_dir ()) == 0, "files were left");
}

static void ranks_of_a_lone_program_are_zero_of_one (void)
{
    CHECK (mpl_rank () == 0 && mpl_size () == 1 && mpl_local_rank () == 0 && mpl_local_size () == 1);
    CHECK (mpl_is_main () == 1);
    CHECK (strcmp (mpl_error (), "") == 0);
}

static int sub_threads (int argc, char **argv)
{
    int in = ASK_THREADS;
    text_t text;

    NEED (mpl_init (&argc, &argv, tasks) == 0);
    mpl_pool_t *pool = pool_of (atoi (argv[3]));
    NEED (pool);
    NEED (mpl_pool_apply (pool, ask, &in, sizeof (int), &text) == 0);
    printf ("%d: %s; main %s\n", mpl_pool_size (pool), text.text, getenv ("OMP_NUM_THREADS") ? "set" : "unset");
    mpl_pool_destroy (&pool);
    return 0;
}

static void workers_share_the_cores_among_their_threads (void)
{
    run_t run;
    spec_t spec = { .args = { "--sub", "threads", "0" } }, set = spec;
    char right[80];

    if (getenv ("OMP_NUM_THREADS") || getenv ("MKL_NUM_THREADS") || getenv ("OPENBLAS_NUM_THREADS")) {
        case_skip ("the number of threads is set in the environment");
        return;
    }
    CHECK (run_self (&spec, &run) == 0);
    CHECKF (run.status == 0 && strstr (run.out, ": 1 1 1; main unset"), "as many workers as cores: %s", run.out);
    run_free (&run);
    spec.args[2] = "1";
    CHECK (run_self (&spec, &run) == 0);
    snprintf (right, sizeof right, "1: %d %d %d; main unset", usable_cores (), usable_cores (), usable_cores ());
    CHECKF (run.status == 0 && strstr (run.out, right), "one worker: %s not %s", run.out, right);
    run_free (&run);
    set.env[0] = "OMP_NUM_THREADS=7";
    CHECK (run_self (&set, &run) == 0);
    CHECKF (run.status == 0 && strstr (run.out, ": 7 "), "set to 7: %s", run.out);
    run_free (&run);
}

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* What a pool has that says nothing itself. */
static int sub_defaults (int argc, char **argv)
{
    NEED (mpl_init (&argc, &argv, tasks) == 0);
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    printf ("retries %d task_timeout %g memory_limit %zu\n", opts.retries, opts.task_timeout, opts.memory_limit);
    return 0;
}

static const sub_t subs[] = {
    { "defaults", sub_defaults },
    { "print", sub_print },
    { "read", sub_read },
    { "atexit", sub_atexit },
    { "closed", sub_closed },
    { "init", sub_init },
    { "without_init", sub_without_init },
    { "two_mains", sub_two_mains },
    { "threads", sub_threads },
    { 0 }
};

#define CASE(name, flags) { #name, name, flags }

static const case_t cases[] = {
    CASE (map_gives_the_square_of_every_number, BASIC),
    CASE (map_of_a_million_items_gives_every_result, BASIC),
    CASE (map_of_nothing_takes_null_arrays, BASIC),
    CASE (every_chunk_size_gives_every_result, BASIC),
    CASE (map_over_structs_is_starmap, BASIC),
    CASE (map_takes_strings, BASIC),
    CASE (map_of_variable_items_gives_each_its_own_bytes, BASIC),
    CASE (variable_results_have_a_nul_after_them, BASIC),
    CASE (no_reply_is_an_empty_result, BASIC),
    CASE (last_reply_replaces_the_earlier_one, BASIC),
    CASE (result_larger_than_its_slot_fails_its_item, BASIC),
    CASE (task_without_result_takes_no_out, 0),
    CASE (map_async_gives_the_array_it_was_given, BASIC),
    CASE (map_goes_on_while_main_computes, BASIC),

    CASE (failed_items_leave_the_others_results, BASIC),
    CASE (failed_variable_items_are_null, BASIC),
    CASE (failures_are_sorted_and_counted, BASIC),
    CASE (failures_and_error_belong_to_the_thread, BASIC),
    CASE (failing_without_text_still_says_which, BASIC),
    CASE (long_failure_text_is_cut_at_1000_bytes, BASIC),
    CASE (slow_failures_do_not_end_the_map_early, 0),

    CASE (task_sees_its_index_worker_attempt_and_length, BASIC),
    CASE (every_worker_takes_part, BASIC),
    CASE (long_item_does_not_hold_up_the_ones_behind_it, BASIC),
    CASE (pool_new_in_a_task_is_refused, BASIC),
    CASE (workers_do_not_inherit_mains_signals, 0),
    CASE (workers_do_not_inherit_mains_descriptors, 0),
    CASE (workers_stand_where_main_stood_when_the_pool_began, 0),

    CASE (imap_keeps_the_order, BASIC),
    CASE (imap_unordered_gives_each_item_once, BASIC),
    CASE (imap_reports_a_failed_item_in_its_place, BASIC),
    CASE (imap_gives_variable_results, BASIC),
    CASE (iter_next_times_out_and_goes_on, BASIC),
    CASE (iterator_destroyed_early_leaves_the_pool_usable, BASIC),
    CASE (maps_while_the_helper_drives_do_not_stall, BASIC),
    CASE (two_iterators_take_turns, BASIC),

    CASE (imap_from_takes_what_the_source_gives, BASIC),
    CASE (imap_from_takes_strings_whose_len_is_ignored, BASIC),
    CASE (slow_source_does_not_hold_back_earlier_results, BASIC),
    CASE (failing_source_gives_its_results_first, BASIC),
    CASE (source_is_read_a_bounded_way_ahead, 0),
    CASE (destroying_an_iterator_waits_for_its_source, BASIC),
    CASE (endless_source_needs_no_more_memory_as_it_goes, 0),

    CASE (apply_takes_every_kind_of_item, BASIC),
    CASE (apply_of_a_failing_task_says_why, BASIC),
    CASE (apply_async_copies_its_input, BASIC),

    CASE (future_wait_times_out_and_the_task_goes_on, BASIC),
    CASE (several_threads_may_wait_for_one_future, BASIC),
    CASE (on_done_has_run_before_any_wait_returns, BASIC),
    CASE (on_done_of_a_done_future_runs_at_once, BASIC),
    CASE (on_done_runs_though_nobody_waits, BASIC),
    CASE (on_done_may_submit, BASIC),
    CASE (on_done_calls_come_one_at_a_time, BASIC),
    CASE (wait_any_gives_the_first_that_is_done, BASIC),
    CASE (cancel_takes_back_what_was_not_begun, 0),
    CASE (cancel_of_a_running_task_is_done_at_once, 0),
    CASE (cancelled_map_lets_its_arrays_go, BASIC),
    CASE (futures_and_iterators_outlive_their_pool, 0),

    CASE (join_needs_close_first, BASIC),
    CASE (closed_pool_takes_no_more_work, BASIC),
    CASE (close_lets_submitted_work_finish, BASIC),
    CASE (early_close_with_max_tasks_joins, BASIC),
    CASE (workers_that_come_late_do_not_hold_up_join, BASIC),
    CASE (terminate_cancels_what_is_not_done, 0),
    CASE (terminate_ends_a_map_in_another_thread, 0),
    CASE (destroy_of_nothing_does_nothing, BASIC),
    CASE (pool_that_did_nothing_ends_at_once, 0),

    CASE (initializer_runs_once_in_each_worker, BASIC),
    CASE (failing_initializer_fails_the_calls_with_its_text, 0),
    CASE (max_tasks_replaces_workers, BASIC),
    CASE (options_out_of_range_are_refused, BASIC),
    CASE (wrong_arguments_are_refused, BASIC),
    CASE (null_string_among_items_is_refused, BASIC),
    CASE (worker_count_follows_the_threads_affinity, 0),
    CASE (more_workers_than_cores_all_serve, BASIC),

    CASE (tasks_see_what_was_shared, BASIC),
    CASE (sharing_again_does_not_reach_earlier_work, BASIC),

    CASE (several_pools_work_at_once, BASIC),
    CASE (one_pool_serves_four_threads, BASIC),
    CASE (four_threads_open_pools_at_once, BASIC),
    CASE (pool_outlives_the_thread_that_made_it, BASIC),

    CASE (blocks_of_1_mib_go_there_and_back, BASIC),
    CASE (big_variable_results_arrive_whole, BASIC),
    CASE (big_variable_inputs_arrive_whole, BASIC),
    CASE (imap_carries_big_results, BASIC),

    CASE (what_tasks_print_appears_in_full, 0),
    CASE (stdin_of_tasks_is_empty_and_mains_is_mains, 0),
    CASE (exit_handlers_run_once_and_in_main, 0),
    CASE (closed_standard_descriptors_do_no_harm, 0),

    CASE (thousand_pools_leave_nothing, 0),
    CASE (wait_sees_nothing_of_the_library, 0),
    CASE (programs_child_handler_stays_its_own, 0),
    CASE (signal_handlers_and_mask_stay_mains, 0),
    CASE (signals_to_mains_threads_interrupt_nothing, 0),
    CASE (fork_in_main_leaves_the_pool_usable, 0),

    CASE (init_refuses_what_cannot_be_right, 0),
    CASE (init_refuses_a_false_descriptor, 0),
    CASE (pool_without_init_is_refused, 0),
    CASE (two_programs_in_one_folder_do_not_meet, 0),
    CASE (ranks_of_a_lone_program_are_zero_of_one, 0),
    CASE (workers_share_the_cores_among_their_threads, 0),
    { 0 }
};

int main (int argc, char **argv)
{
    return harness_main (argc, argv, tasks, cases, subs);
}
