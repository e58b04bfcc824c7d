/* far_cases - what a pool promises when some of its workers are on another host than main. To be run as mplaunch -H
 * a:2,b:2 far_cases; the test that does so has a stand-in for ssh, so both hosts are this machine, and HOSTNAME says
 * which of them a process is on. Main is on a. See harness.h for how a case is run. */
#define _GNU_SOURCE
#include "tests/system/harness.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((size_t) 1 << 20)
#define LENGTH(a) (sizeof (a) / sizeof *(a))

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

enum { SQUARE, DOZE, DOZE_FIRST, DOZE_AFTER_GO, KILL_ONCE, KILL_ALWAYS, HANG, EAT, FAIL, STORM };

/* What an item does on its way to the square of `value`; on `where` alone, when that is said. */
typedef struct { int what; char where[12]; double seconds; long value; } job_t;
typedef struct { long square; int pid, worker, attempt, rank; char host[12]; } seen_t;

static const char *host (void)
{
    const char *name = getenv ("HOSTNAME");

    return name ? name : "?";
}

enum { EATEN_MAX = 128 };

static int eat (mpl_call_t *call)
{
    char *parts[EATEN_MAX];
    size_t n = 0;

    while (n < EATEN_MAX && (parts[n] = mmap (NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED) {
        memset (parts[n++], 1, 4 * MIB);
        usleep (1000);
    }
    for (size_t i = 0; i < n; i++)              /* or the next item would be the one that has too much */
        munmap (parts[i], 4 * MIB);
    return mpl_call_fail (call, n < EATEN_MAX ? "no memory after %zu MiB" : "nobody minded %zu MiB", 4 * n);
}

/* The test that runs us makes this file. */
static void wait_for_go (void)
{
    double until = now () + within (30);
    char path[4096];

    snprintf (path, sizeof path, "%s/go", work_dir ());
    while (access (path, F_OK) < 0 && now () < until)
        rest (0.005);
}

static int act (mpl_call_t *call, const void *in, void *out)
{
    static int has_dozed;               /* in this process */
    const job_t *job = in;
    seen_t *seen = out;
    int attempt = mpl_call_attempt (call);

    *seen = (seen_t) { job->value * job->value, (int) getpid (), mpl_call_worker (call), attempt, mpl_rank (), "" };
    snprintf (seen->host, sizeof seen->host, "%s", host ());
    if (*job->where && strcmp (job->where, host ()) != 0)
        return 0;
    switch (job->what) {
    case DOZE: rest (job->seconds); break;
    case DOZE_AFTER_GO: wait_for_go (); rest (job->seconds); break;
    case DOZE_FIRST: if (!has_dozed++) rest (job->seconds); break;
    case KILL_ONCE: if (attempt == 0) raise (SIGKILL); break;
    case KILL_ALWAYS: raise (SIGKILL); break;
    case HANG: rest (600); break;
    case EAT: return eat (call);
    case FAIL: return mpl_call_fail (call, "it fails on %s", host ());
    case STORM: if (attempt == 0 && (job->value * 2654435761u >> 20) % 40 == 0) raise (SIGKILL); break;
    default: break;
    }
    return 0;
}

static int reverse (mpl_call_t *call, const void *in, void *out)
{
    size_t len = mpl_call_in_len (call);
    const char *from = in;
    char *text = malloc (len + 1);

    (void) out;
    for (size_t i = 0; text && i < len; i++)
        text[i] = from[len - 1 - i];
    int failed = text ? mpl_call_reply (call, text, len) : 1;
    free (text);
    return failed;
}

static int length (mpl_call_t *call, const void *in, void *out)
{
    (void) call;
    *(size_t *) out = strlen (in);
    return 0;
}

static int begin_unless_on (mpl_call_t *call, const void *in, void *out)
{
    (void) out;
    return strcmp (in, host ()) == 0 ? mpl_call_fail (call, "%s is not fit for it", host ()) : 0;
}

static const mpl_task_t tasks[] = {
    { "act", act, sizeof (job_t), sizeof (seen_t) },
    { "reverse", reverse, MPL_VARIABLE, MPL_VARIABLE },
    { "length", length, MPL_STRING, sizeof (size_t) },
    { "begin_unless_on", begin_unless_on, MPL_STRING, 0 },
    { 0 }
};

/* ---- helpers --------------------------------------------------------------------------------------------------- */

static job_t *jobs_of (size_t n, int what, const char *where, double seconds)
{
    job_t *jobs = calloc (n, sizeof *jobs);

    NEED (jobs);
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (job_t) { .what = what, .seconds = seconds, .value = (long) i };
        snprintf (jobs[i].where, sizeof jobs[i].where, "%s", where);
    }
    return jobs;
}

/* How many of the results are right; and, unless NULL, how many were made on b. */
static size_t n_right (const seen_t *seen, size_t n, size_t *n_on_b)
{
    size_t right = 0, on_b = 0;

    for (size_t i = 0; i < n; i++) {
        right += seen[i].square == (long) (i * i);
        on_b += strcmp (seen[i].host, "b") == 0;
    }
    if (n_on_b)
        *n_on_b = on_b;
    return right;
}

static mpl_pool_t *pool_with (mpl_pool_opts_t opts, int workers)
{
    opts.workers = workers;
    return mpl_pool_new (&opts);
}

/* All workers have had something to do: naps, until both hosts were seen. */
static int both_serve (mpl_pool_t *pool)
{
    job_t *jobs = jobs_of (8, DOZE, "", 0.02);
    double until = now () + within (10);
    seen_t seen[8];
    size_t on_b = 0;
    int ok = 1;

    while (ok && (on_b == 0 || on_b == 8) && now () < until)
        ok = mpl_pool_map (pool, act, jobs, 8, seen) == 0 && n_right (seen, 8, &on_b) == 8;
    free (jobs);
    return ok && on_b > 0 && on_b < 8;
}

/* ---- calls ----------------------------------------------------------------------------------------------------- */

static void map_uses_both_hosts_and_says_where (void)
{
    enum { N = 40 };
    job_t *jobs = jobs_of (N, DOZE, "", 0.01);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    int seen_on[4] = { 0 };
    mpl_result_t result;

    CHECK (pool && mpl_pool_size (pool) == 4);
    CHECK (both_serve (pool));
    mpl_iter_t *iter = mpl_pool_imap (pool, act, jobs, N);
    CHECK (iter);
    for (size_t i = 0; i < N; i++) {
        CHECK (mpl_iter_next (iter, &result, (int) within (10000)) == 1 && result.ok && result.index == i);
        const seen_t *seen = result.data;
        CHECK (seen->square == (long) (i * i) && seen->worker == result.worker && result.worker < 4);
        CHECKF (!strcmp (result.host, "b") == !strcmp (seen->host, "b"), "worker %d is on %s, and said to be on %s", result.worker,
                seen->host, result.host);
        CHECKF ((result.worker < 2) == !strcmp (seen->host, "a"), "worker %d is on %s", result.worker, seen->host);
        seen_on[result.worker]++;
    }
    CHECK (mpl_iter_next (iter, &result, 0) == 0);
    for (int w = 0; w < 4; w++)
        CHECKF (seen_on[w] > 0, "worker %d had nothing to do", w);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (jobs);
}

static void many_items_come_back_right_each_once (void)
{
    size_t n = fewer (200000), on_b;
    job_t *jobs = jobs_of (n, SQUARE, "", 0);
    seen_t *seen = calloc (n, sizeof *seen);
    unsigned char *times = calloc (n, 1);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    mpl_result_t result;
    int rc;

    CHECK (pool && seen && times && both_serve (pool));
    CHECK (mpl_pool_map (pool, act, jobs, n, seen) == 0);
    CHECK (n_right (seen, n, &on_b) == n);
    CHECKF (on_b > 0 && on_b < n, "%zu of %zu on b", on_b, n);
    mpl_iter_t *iter = mpl_pool_imap_unordered (pool, act, jobs, n);
    while ((rc = mpl_iter_next (iter, &result, (int) within (10000))) == 1) {
        CHECK (result.ok && result.index < n && ((const seen_t *) result.data)->square == (long) (result.index * result.index));
        times[result.index]++;
    }
    CHECK (rc == 0);
    for (size_t i = 0; i < n; i++)
        CHECKF (times[i] == 1, "item %zu came %d times", i, times[i]);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (jobs);
    free (seen);
    free (times);
}

static void variable_and_string_items_arrive_whole (void)
{
    enum { N = 60 };
    mpl_bytes_t in[N], out[N];
    char *texts[N];
    size_t lengths[N];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool && both_serve (pool));
    for (size_t i = 0; i < N; i++) {            /* up to 1 MiB, some empty */
        in[i].len = i % 7 == 0 ? 0 : (i * 7919) % (i % 5 ? 5000 : MIB);
        in[i].data = malloc (in[i].len + 1);
        texts[i] = malloc (i * 50 + 1);
        CHECK (in[i].data && texts[i]);
        for (size_t k = 0; k < in[i].len; k++)
            ((char *) in[i].data)[k] = (char) (k * 31 + i);
        memset (texts[i], 'x', i * 50);
        texts[i][i * 50] = '\0';
    }
    CHECK (mpl_pool_map (pool, reverse, in, N, out) == 0);
    CHECK (mpl_pool_map (pool, length, texts, N, lengths) == 0);
    for (size_t i = 0; i < N; i++) {
        CHECK (out[i].len == in[i].len && lengths[i] == i * 50);
        for (size_t k = 0; k < in[i].len; k++)
            CHECK (((char *) out[i].data)[k] == ((char *) in[i].data)[in[i].len - 1 - k]);
    }
    mpl_bytes_free (out, N);
    for (size_t i = 0; i < N; i++) {
        free (in[i].data);
        free (texts[i]);
    }
    mpl_pool_destroy (&pool);
}

static void apply_answers_from_whichever_host (void)
{
    mpl_pool_t *pool = mpl_pool_new (NULL);
    mpl_future_t *futures[100];
    seen_t seen;
    size_t on_b = 0;

    CHECK (pool && both_serve (pool));
    for (long i = 0; i < 100; i++) {
        job_t job = { .what = DOZE, .seconds = 0.002, .value = i };
        CHECK (mpl_pool_apply (pool, act, &job, sizeof job, &seen) == 0 && seen.square == i * i);
        CHECK ((futures[i] = mpl_pool_apply_async (pool, act, &job, sizeof job)));
    }
    for (long i = 0; i < 100; i++) {
        const seen_t *got = mpl_future_get (futures[i], NULL);
        CHECK (got && got->square == i * i);
        on_b += strcmp (got->host, "b") == 0;
        mpl_future_destroy (&futures[i]);
    }
    CHECKF (on_b > 0 && on_b < 100, "%zu of 100 on b", on_b);
    mpl_pool_destroy (&pool);
}

/* ---- how many, how often --------------------------------------------------------------------------------------- */

static void workers_are_dealt_over_the_hosts (void)
{
    static const int sizes[] = { 1, 2, 3, 7, 12 };

    for (size_t i = 0; i < LENGTH (sizes); i++) {
        enum { N = 48 };
        job_t *jobs = jobs_of (N, DOZE, "", 0.02);
        seen_t seen[N];
        mpl_pool_t *pool = pool_with (mpl_pool_defaults (), sizes[i]);
        int n = sizes[i], on_a = (n / 4) * 2 + (n % 4 < 2 ? n % 4 : 2), ran[12] = { 0 };
        CHECK (pool && mpl_pool_size (pool) == n);
        CHECK (n <= 2 || both_serve (pool));
        CHECK (mpl_pool_map (pool, act, jobs, N, seen) == 0 && n_right (seen, N, NULL) == N);
        for (size_t k = 0; k < N; k++) {
            CHECK (seen[k].worker < n);
            CHECKF ((seen[k].worker < on_a) == !strcmp (seen[k].host, "a"), "of %d, worker %d is on %s", n, seen[k].worker, seen[k].host);
            ran[seen[k].worker]++;
        }
        mpl_pool_destroy (&pool);
        free (jobs);
    }
}

static void twenty_pools_one_after_the_other (void)
{
    int before = 0;

    for (int i = 0; i < 20; i++) {
        job_t *jobs = jobs_of (500, SQUARE, "", 0);
        seen_t seen[500];
        mpl_pool_t *pool = mpl_pool_new (NULL);
        CHECK (pool && mpl_pool_map (pool, act, jobs, 500, seen) == 0 && n_right (seen, 500, NULL) == 500);
        if (i % 4 == 0)
            CHECK (both_serve (pool));
        if (i % 2)
            CHECK (mpl_pool_close (pool) == 0 && mpl_pool_join (pool) == 0);
        mpl_pool_destroy (&pool);
        free (jobs);
        before = i == 1 ? count_fds () : before;
    }
    WAIT_UNTIL (count_fds () <= before, 5);     /* ZeroMQ closes when it comes to it */
}

static void two_pools_at_once_keep_apart (void)
{
    mpl_pool_t *one = mpl_pool_new (NULL), *two = pool_with (mpl_pool_defaults (), 3);
    job_t *jobs = jobs_of (2000, SQUARE, "", 0);
    seen_t *a = calloc (2000, sizeof *a), *b = calloc (2000, sizeof *b);

    CHECK (one && two && a && b && both_serve (one) && both_serve (two));
    mpl_future_t *future_one = mpl_pool_map_async (one, act, jobs, 2000, a), *future_two = mpl_pool_map_async (two, act, jobs, 2000, b);
    CHECK (future_one && future_two && mpl_future_wait (future_one, (int) within (10000)) == 0);
    CHECK (mpl_future_wait (future_two, (int) within (10000)) == 0);
    CHECK (n_right (a, 2000, NULL) == 2000 && n_right (b, 2000, NULL) == 2000);
    mpl_future_destroy (&future_one);
    mpl_future_destroy (&future_two);
    mpl_pool_destroy (&one);
    CHECK (mpl_pool_map (two, act, jobs, 2000, b) == 0 && n_right (b, 2000, NULL) == 2000);
    mpl_pool_destroy (&two);
    free (jobs);
    free (a);
    free (b);
}

static void max_tasks_replaces_workers_there_too (void)
{
    enum { N = 120, MAX = 5 };
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    job_t *jobs = jobs_of (N, DOZE, "", 0.005);
    seen_t seen[N];
    int pids[2][N], ran[2][N] = { { 0 } }, n[2] = { 0 };

    opts.max_tasks = MAX;
    mpl_pool_t *pool = pool_with (opts, 4);
    CHECK (pool && mpl_pool_map (pool, act, jobs, N, seen) == 0 && n_right (seen, N, NULL) == N);
    for (int i = 0; i < N; i++) {
        int at = 0, h = !strcmp (seen[i].host, "b");
        while (at < n[h] && pids[h][at] != seen[i].pid)
            at++;
        if (at == n[h])
            pids[h][n[h]++] = seen[i].pid;
        CHECKF (++ran[h][at] <= MAX, "process %d ran more than %d items", seen[i].pid, MAX);
    }
    CHECKF (n[0] > 2 && n[1] > 2, "%d processes on a, %d on b", n[0], n[1]);
    mpl_pool_destroy (&pool);
    free (jobs);
}

/* ---- things that go wrong -------------------------------------------------------------------------------------- */

static void workers_killed_on_both_hosts_lose_nothing (void)
{
    size_t n = fewer (4000);
    job_t *jobs = jobs_of (n, STORM, "", 0);
    unsigned char *times = calloc (n, 1);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    size_t again[2] = { 0 };
    mpl_result_t result;
    double until = now () + within (1.5), next = 0;
    int rc, n_killed = 0;

    CHECK (pool && times && both_serve (pool));
    for (size_t i = 0; i < n; i++)
        jobs[i].what = i % 4 ? DOZE : STORM, jobs[i].seconds = 0.0005;
    mpl_iter_t *iter = mpl_pool_imap_unordered (pool, act, jobs, n);
    CHECK (iter);
    while ((rc = mpl_iter_next (iter, &result, (int) within (20000))) == 1) {
        CHECKF (result.ok, "%s", result.error);
        const seen_t *seen = result.data;
        CHECK (seen->square == (long) (result.index * result.index));
        times[result.index]++;
        again[!strcmp (seen->host, "b")] += seen->attempt > 0;
        if (now () > next && now () < until) {  /* from outside too: whoever answered last */
            n_killed += kill_marked (seen->pid, SIGKILL) == 0;
            next = now () + within (0.05);
        }
    }
    CHECK (rc == 0);
    for (size_t i = 0; i < n; i++)
        CHECKF (times[i] == 1, "item %zu came %d times", i, times[i]);
    CHECKF (again[0] + again[1] > 0 && n_killed > 0, "%zu and %zu second attempts, %d killed", again[0], again[1], n_killed);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (jobs);
    free (times);
}

/* Items of which those fail that b gets: names in each error the host, and `reason`; the others are right. */
static void those_on_b_fail (mpl_pool_opts_t opts, int what, const char *reason, double seconds)
{
    enum { N = 8 };
    job_t *jobs = jobs_of (N, what, "b", 0);
    seen_t seen[N] = { 0 };
    mpl_result_t failed[N];

    opts.chunk = 1;
    mpl_pool_t *pool = pool_with (opts, 4);
    CHECK (pool && both_serve (pool));
    double began = now ();
    CHECK (mpl_pool_map (pool, act, jobs, N, seen) == -1 && errno == EIO);
    CHECKF (now () - began < within (seconds), "it took %g s", now () - began);
    size_t n = mpl_pool_failures (pool, failed, N);
    CHECKF (n > 0 && n < N, "%zu failed", n);
    for (size_t i = 0; i < n; i++) {
        CHECKF (strstr (failed[i].error, " at b: ") && strstr (failed[i].error, reason), "%s", failed[i].error);
        CHECK (!strcmp (failed[i].host, "b") && failed[i].worker >= 2);
    }
    for (size_t i = 0, k = 0; i < N; i++)
        if (k < n && failed[k].index == i)
            k++;
        else
            CHECK (seen[i].square == (long) (i * i) && !strcmp (seen[i].host, "a"));
    CHECK (both_serve (pool));                  /* they were replaced */
    mpl_pool_destroy (&pool);
    free (jobs);
}

static void a_failing_item_names_its_host (void)
{
    those_on_b_fail (mpl_pool_defaults (), FAIL, "it fails on b", 5);
}

static void a_task_over_its_time_fails_there_too (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.task_timeout = within (0.3);
    those_on_b_fail (opts, HANG, "", 5);
}

static void a_task_over_its_memory_fails_there_too (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.memory_limit = 64 * MIB;
    those_on_b_fail (opts, EAT, "memory", 10);
}

static void an_item_that_kills_fails_after_three_attempts (void)
{
    job_t jobs[6];
    seen_t seen[6] = { 0 };
    mpl_pool_t *pool = mpl_pool_new (NULL);
    mpl_result_t failed;

    CHECK (pool && both_serve (pool));
    for (int i = 0; i < 6; i++)
        jobs[i] = (job_t) { .what = i == 3 ? KILL_ALWAYS : KILL_ONCE, .value = i };
    CHECK (mpl_pool_map (pool, act, jobs, 6, seen) == -1 && errno == EIO);
    CHECK (mpl_pool_failures (pool, &failed, 1) == 1 && failed.index == 3);
    CHECKF (strstr (failed.error, "3 attempts") || strstr (failed.error, "3 times"), "%s", failed.error);
    CHECK (n_right (seen, 6, NULL) == 5);
    mpl_pool_destroy (&pool);
}

static void an_initializer_that_fails_there_fails_the_calls (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    job_t *jobs = jobs_of (100, DOZE, "", 0.05);
    seen_t seen[100];

    opts.initializer = begin_unless_on;
    opts.init_arg = "b";
    opts.init_len = 1;
    mpl_pool_t *pool = pool_with (opts, 4);
    CHECK (pool);
    errno = 0;
    CHECK (mpl_pool_map (pool, act, jobs, 100, seen) == -1);
    CHECKF (errno == EPIPE && strstr (mpl_error (), "b is not fit for it"), "%s", mpl_error ());
    mpl_pool_destroy (&pool);
    opts.init_arg = "c";
    pool = pool_with (opts, 4);
    CHECK (pool && both_serve (pool));
    mpl_pool_destroy (&pool);
    free (jobs);
}

static void terminate_ends_what_runs_there (void)
{
    job_t *jobs = jobs_of (8, HANG, "", 0);
    seen_t seen[8];
    pid_t pids[64];
    mpl_pool_t *pool = mpl_pool_new (NULL);

    CHECK (pool && both_serve (pool));
    int before = find_marked (NULL, pids, (int) LENGTH (pids));
    mpl_future_t *future = mpl_pool_map_async (pool, act, jobs, 8, seen);
    CHECK (future);
    rest (0.2);
    double began = now ();
    CHECK (mpl_pool_terminate (pool) == 0);
    CHECK (mpl_future_wait (future, (int) within (3000)) == 0 && mpl_future_error (future));
    CHECK (mpl_pool_join (pool) == 0);
    CHECKF (now () - began < within (3), "it took %g s", now () - began);
    mpl_future_destroy (&future);
    mpl_pool_destroy (&pool);
    WAIT_UNTIL (find_marked (NULL, pids, (int) LENGTH (pids)) <= before - 4, 3);
    free (jobs);
}

/* What waits behind a long item is taken back and given to others, from either host. */
static void slow_workers_chunks_go_to_others (const char *where)
{
    enum { N = 400 };
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    job_t *jobs = jobs_of (N, DOZE_FIRST, where, within (1.0));
    seen_t seen[N];
    int ran[4] = { 0 }, n_slow = 0;

    opts.chunk = 50;
    mpl_pool_t *pool = pool_with (opts, 4);
    CHECK (pool && both_serve (pool));
    double began = now ();
    CHECK (mpl_pool_map (pool, act, jobs, N, seen) == 0 && n_right (seen, N, NULL) == N);
    double took = now () - began;
    CHECKF (took >= within (1) && took < within (1.9), "it took %g s", took);
    for (int i = 0; i < N; i++)
        ran[seen[i].worker]++;
    for (int w = 0; w < 4; w++) {
        int is_slow_one = (w < 2) == !strcmp (where, "a");
        n_slow += is_slow_one && ran[w] > 0;
        CHECKF (!is_slow_one || ran[w] < 50, "worker %d kept all it had: %d", w, ran[w]);
    }
    CHECK (n_slow > 0);
    mpl_pool_destroy (&pool);
    free (jobs);
}

static void what_waits_behind_a_long_item_here_goes_to_others (void) { slow_workers_chunks_go_to_others ("a"); }
static void what_waits_behind_a_long_item_there_goes_to_others (void) { slow_workers_chunks_go_to_others ("b"); }

#define CASE(name) { #name, name, 0 }
static const case_t cases[] = {
    CASE (map_uses_both_hosts_and_says_where),
    CASE (many_items_come_back_right_each_once),
    CASE (variable_and_string_items_arrive_whole),
    CASE (apply_answers_from_whichever_host),
    CASE (workers_are_dealt_over_the_hosts),
    CASE (twenty_pools_one_after_the_other),
    CASE (two_pools_at_once_keep_apart),
    CASE (max_tasks_replaces_workers_there_too),
    CASE (workers_killed_on_both_hosts_lose_nothing),
    CASE (a_failing_item_names_its_host),
    CASE (a_task_over_its_time_fails_there_too),
    CASE (a_task_over_its_memory_fails_there_too),
    CASE (an_item_that_kills_fails_after_three_attempts),
    CASE (an_initializer_that_fails_there_fails_the_calls),
    CASE (terminate_ends_what_runs_there),
    CASE (what_waits_behind_a_long_item_here_goes_to_others),
    CASE (what_waits_behind_a_long_item_there_goes_to_others),
    { 0 }
};

/* ---- subs: what the shell does things to ----------------------------------------------------------------------- */

/* --sub squares N MS: N naps of MS milliseconds each; all but the first hundred wait until the file "go" is in
 * MPL_TEST_DIR. Makes "begun" there when both hosts are at work, and says how many results were right and came once. */
static int squares (int argc, char **argv)
{
    NEED (mpl_init (&argc, &argv, tasks) == 0);
    NEED (argc > 4);
    size_t n = strtoul (argv[3], NULL, 10), right = 0, n_results = 0;
    job_t *jobs = jobs_of (n, DOZE, "", atof (argv[4]) * 1e-3);
    unsigned char *times = calloc (n, 1);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    mpl_result_t result;
    int rc;

    NEED (pool && times && both_serve (pool));
    for (size_t i = 100; i < n; i++)
        jobs[i].what = DOZE_AFTER_GO;
    mpl_iter_t *iter = mpl_pool_imap_unordered (pool, act, jobs, n);
    NEED (iter);
    while ((rc = mpl_iter_next (iter, &result, -1)) == 1) {
        const seen_t *seen = result.data;
        if (n_results++ == 0)
            note (work_dir (), "begun", "%d\n", (int) getpid ());
        right += result.ok && seen->square == (long) (result.index * result.index) && times[result.index]++ == 0;
        if (!result.ok)
            fprintf (stderr, "%s\n", result.error);
    }
    printf ("%d: %zu results, %zu right\n", rc, n_results, right);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (jobs);
    free (times);
    return rc || n_results != n || right != n;
}

/* --sub until FILE: maps, one after the other, until that file is there. Notes its pid in MPL_TEST_DIR when the first
 * is done. */
static int map_until (int argc, char **argv)
{
    enum { N = 400 };
    NEED (mpl_init (&argc, &argv, tasks) == 0);
    NEED (argc > 3);
    job_t *jobs = jobs_of (N, DOZE, "", 0.001);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    size_t n_maps = 0, n_wrong = 0;
    seen_t seen[N];

    NEED (pool && both_serve (pool));
    for (; n_maps == 0 || access (argv[3], F_OK) < 0; n_maps++) {
        memset (seen, 0, sizeof seen);
        if (mpl_pool_map (pool, act, jobs, N, seen) < 0 || n_right (seen, N, NULL) != N) {
            fprintf (stderr, "%s\n", mpl_error ());
            n_wrong++;
        }
        if (n_maps == 0)
            note (work_dir (), "begun", "%d\n", (int) getpid ());
    }
    NEED (both_serve (pool));
    printf ("%s, %zu wrong\n", n_maps > 1 ? "several maps" : "one map", n_wrong);
    mpl_pool_destroy (&pool);
    free (jobs);
    return n_wrong > 0;
}

static const sub_t subs[] = { { "squares", squares }, { "until", map_until }, { 0 } };

int main (int argc, char **argv)
{
    return harness_main (argc, argv, tasks, cases, subs);
}
