/* pool_bench - how fast the pool is: pool_bench [-r REPETITIONS] [-w WORKERS] NAME [AMOUNT] [NAME [AMOUNT]...]
 *
 * Each benchmark prints lines "metric value unit", one of each metric for each repetition; bench/run runs them beside
 * their counterparts in Python and makes the table. It uses the public header alone, as a user's program would, and
 * looks at every result before it believes a time. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mplaunch.h"

enum { MIB = 1 << 20, BIG_MIB = 64, MAX_WORKERS = 4096 };

typedef struct {
    int worker;
    pid_t pid;
} where_t;

static int n_repetitions = 3;
static int n_workers = 2;

static double now (void)
{
    struct timespec t;

    clock_gettime (CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static double thread_cpu (void)
{
    struct timespec t;

    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Until an instant, not for a span: a span would add how late each sleep began. */
static void rest_until (double instant)
{
    struct timespec t = { .tv_sec = (time_t) instant };

    t.tv_nsec = (long) (1e9 * (instant - (double) t.tv_sec));
    while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

static int nothing (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in, (void) out;
    return 0;
}

static int square (mpl_call_t *call, const void *in, void *out)
{
    double x = *(const double *) in;

    (void) call;
    *(double *) out = x * x;
    return 0;
}

/* Two functions, because a task's sizes belong to its function. */
static int echo_1m (mpl_call_t *call, const void *in, void *out)
{
    (void) call;
    memcpy (out, in, MIB);
    return 0;
}

static int echo_64m (mpl_call_t *call, const void *in, void *out)
{
    (void) call;
    memcpy (out, in, (size_t) BIG_MIB * MIB);
    return 0;
}

static int where (mpl_call_t *call, const void *in, void *out)
{
    (void) in;
    *(where_t *) out = (where_t) { .worker = mpl_call_worker (call), .pid = getpid () };
    return 0;
}

/* Like where, but lasts long enough that the next item goes to another worker. */
static int linger (mpl_call_t *call, const void *in, void *out)
{
    rest_until (now () + 0.002);
    return where (call, in, out);
}

/* Sleeps for *in seconds; so what else runs on the machine is not measured. */
static int rest_for (mpl_call_t *call, const void *in, void *out)
{
    double began_at = now ();

    (void) call;
    rest_until (began_at + *(const double *) in);
    *(double *) out = now () - began_at;
    return 0;
}

/* Uses up *in seconds of processor time, which takes longer when the processor is shared. */
static int burn_for (mpl_call_t *call, const void *in, void *out)
{
    double began_at = now (), end = thread_cpu () + *(const double *) in;

    (void) call;
    while (thread_cpu () < end)
        ;
    *(double *) out = now () - began_at;
    return 0;
}

static int long_rest (mpl_call_t *call, const void *in, void *out)
{
    rest_until (now () + *(const double *) in);
    return where (call, in, out);
}

static const mpl_task_t tasks[] = {
    { "nothing", nothing, 0, 0 },
    { "square", square, sizeof (double), sizeof (double) },
    { "echo_1m", echo_1m, MIB, MIB },
    { "echo_64m", echo_64m, (size_t) BIG_MIB * MIB, (size_t) BIG_MIB * MIB },
    { "where", where, 0, sizeof (where_t) },
    { "linger", linger, sizeof (double), sizeof (where_t) },
    { "rest_for", rest_for, sizeof (double), sizeof (double) },
    { "burn_for", burn_for, sizeof (double), sizeof (double) },
    { "long_rest", long_rest, sizeof (double), sizeof (where_t) },
    { 0 },
};

/* ---- what the benchmarks share --------------------------------------------------------------------------------- */

static void die (const char *fmt, ...) __attribute__ ((noreturn, format (printf, 1, 2)));
static void die (const char *fmt, ...)
{
    va_list args;

    fprintf (stderr, "pool_bench: ");
    va_start (args, fmt);
    vfprintf (stderr, fmt, args);
    va_end (args);
    fprintf (stderr, "%s%s\n", *mpl_error () ? ": " : "", mpl_error ());
    exit (1);
}

static void say (const char *metric, double value, const char *unit)
{
    printf ("%s %.9g %s\n", metric, value, unit);
    fflush (stdout);
}

static void *room (size_t n, size_t size)
{
    void *data = malloc (n * size);

    if (!data)
        die ("no memory for %zu items of %zu bytes", n, size);
    return data;
}

static int by_value (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

/* The value that `share` of all are not above. Sorts. */
static double quantile (double *values, size_t n, double share)
{
    size_t at = (size_t) (share * (double) n);

    qsort (values, n, sizeof *values, by_value);
    return values[at < n ? at : n - 1];
}

static mpl_pool_t *open_pool (int workers, size_t chunk)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    mpl_pool_t *pool;

    opts.workers = workers;
    opts.chunk = chunk;
    if (!(pool = mpl_pool_new (&opts)))
        die ("no pool of %d workers", workers);
    return pool;
}

/* Waits until each worker has answered, so that no benchmark pays for one that is still starting; pids[i] is the process
 * of worker i. */
static void find_workers (mpl_pool_t *pool, int workers, pid_t *pids)
{
    double nil[2 * MAX_WORKERS] = { 0 };
    where_t found[2 * MAX_WORKERS];
    double limit = now () + 10;
    int n_found = 0, n_asked = 2 * workers;

    memset (pids, 0, (size_t) workers * sizeof *pids);
    while (n_found < workers) {
        if (now () > limit)
            die ("only %d of %d workers answered within 10 s", n_found, workers);
        if (mpl_pool_map (pool, linger, nil, (size_t) n_asked, found) < 0)
            die ("linger");
        for (int i = 0; i < n_asked; i++) {
            if (found[i].worker < 0 || found[i].worker >= workers)
                die ("there is no worker %d", found[i].worker);
            n_found += !pids[found[i].worker];
            pids[found[i].worker] = found[i].pid;
        }
    }
}

static mpl_pool_t *open_warm_pool (int workers, size_t chunk)
{
    mpl_pool_t *pool = open_pool (workers, chunk);
    pid_t pids[MAX_WORKERS];

    find_workers (pool, workers, pids);
    return pool;
}

/* ---- map of small items ---------------------------------------------------------------------------------------- */

static double *numbers (size_t n)
{
    double *xs = room (n, sizeof *xs);

    for (size_t i = 0; i < n; i++)
        xs[i] = (double) i;
    return xs;
}

static void check_squares (const double *xs, const double *ys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ys[i] != xs[i] * xs[i])
            die ("item %zu: the square of %g is said to be %g", i, xs[i], ys[i]);
    }
}

static void run_map (mpl_pool_t *pool, const double *xs, size_t n, double *ys)
{
    if (mpl_pool_map (pool, square, xs, n, ys) < 0)
        die ("map of %zu items", n);
}

/* A program that maps once pays for the pages of its output: so each repetition gets memory nobody has touched. */
static void map_fresh (size_t n)
{
    mpl_pool_t *pool = open_warm_pool (n_workers, 0);
    double *xs = numbers (n), *scratch = room (n, sizeof *scratch);

    run_map (pool, xs, n / 10, scratch);
    for (int i = 0; i < n_repetitions; i++) {
        double *ys = room (n, sizeof *ys), began_at = now ();
        run_map (pool, xs, n, ys);
        say ("map10m-fresh", (double) n / (now () - began_at), "items/s");
        check_squares (xs, ys, n);
        free (ys);
    }
    free (scratch);
    free (xs);
    mpl_pool_destroy (&pool);
}

static void map_touched (const char *metric, size_t n, size_t chunk)
{
    mpl_pool_t *pool = open_warm_pool (n_workers, chunk);
    double *xs = numbers (n), *ys = room (n, sizeof *ys);

    memset (ys, 0xff, n * sizeof *ys);
    run_map (pool, xs, n / 10, ys);
    for (int i = 0; i < n_repetitions; i++) {
        memset (ys, 0xff, n * sizeof *ys);
        double began_at = now ();
        run_map (pool, xs, n, ys);
        say (metric, (double) n / (now () - began_at), "items/s");
        check_squares (xs, ys, n);
    }
    free (ys);
    free (xs);
    mpl_pool_destroy (&pool);
}

static void map_adaptive (size_t n)
{
    map_touched ("map10m-touched", n, 0);
}

static void map_chunk1 (size_t n)
{
    map_touched ("map-chunk1", n, 1);
}

/* What one process does alone. The function is called through a pointer the compiler knows nothing of, as a worker
 * does. */
static void serial (size_t n)
{
    mpl_fn_t volatile fn = square;
    mpl_fn_t called = fn;
    double *xs = numbers (n);

    for (int i = 0; i < n_repetitions; i++) {
        double *ys = room (n, sizeof *ys);
        for (int is_touched = 0; is_touched < 2; is_touched++) {
            double began_at = now ();
            for (size_t k = 0; k < n; k++)
                (void) called (NULL, xs + k, ys + k);
            say (is_touched ? "serial10m-touched" : "serial10m-fresh", (double) n / (now () - began_at), "items/s");
        }
        check_squares (xs, ys, n);
        free (ys);
    }
    free (xs);
}

/* ---- one at a time --------------------------------------------------------------------------------------------- */

static void apply (size_t n)
{
    mpl_pool_t *pool = open_warm_pool (n_workers, 0);
    double *took = room (n, sizeof *took);

    for (size_t i = 0; i < 1000; i++) {
        if (mpl_pool_apply (pool, nothing, NULL, 0, NULL) < 0)
            die ("apply");
    }
    for (int r = 0; r < n_repetitions; r++) {
        for (size_t i = 0; i < n; i++) {
            double began_at = now ();
            if (mpl_pool_apply (pool, nothing, NULL, 0, NULL) < 0)
                die ("apply");
            took[i] = 1e6 * (now () - began_at);
        }
        say ("apply-median", quantile (took, n, 0.5), "us");
        say ("apply-p99", quantile (took, n, 0.99), "us");
    }
    free (took);
    mpl_pool_destroy (&pool);
}

static void apply_async (size_t n)
{
    mpl_pool_t *pool = open_warm_pool (n_workers, 0);
    mpl_future_t **futures = room (n, sizeof *futures);

    for (int r = 0; r < n_repetitions; r++) {
        double began_at = now (), ended_at;
        for (size_t i = 0; i < n; i++) {
            double x = (double) i;
            if (!(futures[i] = mpl_pool_apply_async (pool, square, &x, sizeof x)))
                die ("apply_async %zu", i);
        }
        for (size_t i = 0; i < n; i++) {
            double x = (double) i;
            const double *y = mpl_future_get (futures[i], NULL);
            if (!y || *y != x * x)
                die ("apply_async %zu: its result is %s", i, y ? "wrong" : "missing");
        }
        ended_at = now ();
        say ("apply-async", (double) n / (ended_at - began_at), "items/s");
        for (size_t i = 0; i < n; i++)
            mpl_future_destroy (futures + i);
    }
    free (futures);
    mpl_pool_destroy (&pool);
}

/* ---- large items ----------------------------------------------------------------------------------------------- */

/* MB/s one way. As with the map: once into memory nobody has touched, which is also what Python has, once again into
 * the same. */
static void payload (const char *name, mpl_fn_t fn, size_t size, size_t n)
{
    mpl_pool_t *pool = open_warm_pool (n_workers, 0);
    char *in = room (n, size), metric[64];

    for (size_t i = 0; i < n * size; i += sizeof (uint64_t))
        memcpy (in + i, &(uint64_t) { i * 0x9e3779b97f4a7c15 }, sizeof (uint64_t));
    for (int r = 0; r < n_repetitions; r++) {
        char *out = room (n, size);
        for (int is_touched = 0; is_touched < 2; is_touched++) {
            double began_at = now ();
            if (mpl_pool_map (pool, fn, in, n, out) < 0)
                die ("map of %zu items of %zu bytes", n, size);
            snprintf (metric, sizeof metric, "%s-%s", name, is_touched ? "touched" : "fresh");
            say (metric, 1e-6 * (double) (n * size) / (now () - began_at), "MB/s");
            if (memcmp (in, out, n * size) != 0)
                die ("%s: what came back is not what was sent", name);
            memset (out, 0, n * size);
        }
        free (out);
    }
    free (in);
    mpl_pool_destroy (&pool);
}

static void payload_1m (size_t n)
{
    payload ("payload-1m", echo_1m, MIB, n);
}

static void payload_64m (size_t n)
{
    payload ("payload-64m", echo_64m, (size_t) BIG_MIB * MIB, n);
}

/* ---- starting and ending --------------------------------------------------------------------------------------- */

/* The first pool of a process is apart from the later ones: most programs have one. */
static void updown (size_t workers)
{
    for (int r = 0; r < n_repetitions; r++) {
        const char *which = r ? "again" : "first";
        double began_at = now (), up_at, down_at;
        char metric[64];
        mpl_pool_t *pool = open_pool ((int) workers, 0);
        if (mpl_pool_apply (pool, nothing, NULL, 0, NULL) < 0)
            die ("apply");
        up_at = now ();
        mpl_pool_destroy (&pool);
        down_at = now ();
        snprintf (metric, sizeof metric, "updown%zu-%s-up", workers, which);
        say (metric, 1e3 * (up_at - began_at), "ms");
        snprintf (metric, sizeof metric, "updown%zu-%s-down", workers, which);
        say (metric, 1e3 * (down_at - up_at), "ms");
        snprintf (metric, sizeof metric, "updown%zu-%s-both", workers, which);
        say (metric, 1e3 * (down_at - began_at), "ms");
    }
}

/* The median time of mpl_pool_new alone, in ms. */
static double time_new (void)
{
    double took[20];

    for (int i = 0; i < 20; i++) {
        double began_at = now ();
        mpl_pool_t *pool = open_pool (2, 0);
        took[i] = 1e3 * (now () - began_at);
        mpl_pool_destroy (&pool);
    }
    return quantile (took, 20, 0.5);
}

/* A main that has touched this many GiB must not pay for them when it starts a pool, as one that forks would. */
static void new_big (size_t gib)
{
    size_t bytes = gib << 30;

    for (int r = 0; r < n_repetitions; r++) {
        double small = time_new ();
        char *memory = room (bytes, 1);
        for (size_t at = 0; at < bytes; at += 4096)
            memory[at] = 1;
        double big = time_new ();
        free (memory);
        say ("new-big-ms", big, "ms");
        say ("new-big-to-small", big / small, "x");
    }
}

/* From the moment of the kill, which is before the death is seen, to a result from the process that took its place. */
static void respawn (size_t n)
{
    mpl_pool_t *pool = open_warm_pool (1, 0);
    double *took = room (n, sizeof *took);

    for (int r = 0; r < n_repetitions; r++) {
        for (size_t i = 0; i < n; i++) {
            where_t before, after;
            if (mpl_pool_apply (pool, where, NULL, 0, &before) < 0)
                die ("apply");
            rest_until (now () + 0.02);
            double began_at = now ();
            if (kill (before.pid, SIGKILL) < 0)
                die ("worker %d: %s", (int) before.pid, strerror (errno));
            do {
                if (mpl_pool_apply (pool, where, NULL, 0, &after) < 0)
                    die ("apply after the worker was killed");
            } while (after.pid == before.pid);          /* it may answer before the signal reaches it */
            took[i] = 1e3 * (now () - began_at);
        }
        say ("respawn-median", quantile (took, n, 0.5), "ms");
        say ("respawn-worst", quantile (took, n, 1), "ms");
    }
    free (took);
    mpl_pool_destroy (&pool);
}

/* ---- what it costs to wait, and to be there -------------------------------------------------------------------- */

/* Seconds of processor time of all threads of a process. The clock counts nanoseconds; /proc/PID/stat counts hundredths
 * of a second, too coarse for less than one percent of some seconds. */
static double cpu_of (pid_t pid)
{
    clockid_t clock;
    struct timespec t;

    if ((errno = clock_getcpuclockid (pid, &clock)) != 0 || clock_gettime (clock, &t) < 0)
        die ("processor time of %d: %s", (int) pid, strerror (errno));
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static pid_t parent_of (pid_t pid)
{
    char path[64], line[512], *close;
    int parent = 0;
    FILE *file;

    snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
    if (!(file = fopen (path, "r")) || !fgets (line, sizeof line, file))
        die ("%s cannot be read", path);
    fclose (file);
    if (!(close = strrchr (line, ')')) || sscanf (close + 1, " %*c %d", &parent) != 1)
        die ("%s is not understood: %s", path, line);
    return parent;
}

static int is_agent (pid_t pid)
{
    char path[64], name[64] = "";
    FILE *file;

    snprintf (path, sizeof path, "/proc/%d/cmdline", (int) pid);
    if (!(file = fopen (path, "r")))
        die ("%s: %s", path, strerror (errno));
    size_t len = fread (name, 1, sizeof name - 1, file);
    fclose (file);
    name[len] = '\0';                   /* and one after argv[0] */
    const char *slash = strrchr (name, '/');
    return strcmp (slash ? slash + 1 : name, "mpworker") == 0;
}

/* Who stands above a worker, up to the agent; 0 when there is no such agent. */
static int find_helpers (pid_t worker, pid_t *pids, int max)
{
    int n = 0;

    for (pid_t pid = parent_of (worker); pid > 1 && n < max; pid = parent_of (pid)) {
        pids[n++] = pid;
        if (is_agent (pid))
            return n;
    }
    return 0;
}

static double cpu_of_all (const pid_t *pids, int n)
{
    double sum = 0;

    while (n > 0)
        sum += cpu_of (pids[--n]);
    return sum;
}

static void idle (size_t seconds)
{
    mpl_pool_t *pool = open_pool (2, 0);
    pid_t workers[2], helpers[4];
    double length = (double) seconds, used[2];

    find_workers (pool, 2, workers);
    int n_helpers = find_helpers (workers[0], helpers, 4);
    rest_until (now () + 0.2);
    double began_at = now (), main_used = cpu_of (getpid ()), helpers_used = cpu_of_all (helpers, n_helpers);
    used[0] = cpu_of (workers[0]);
    used[1] = cpu_of (workers[1]);

    where_t busy;
    if (mpl_pool_apply (pool, long_rest, &length, sizeof length, &busy) < 0)
        die ("apply");
    double share = 100 / (now () - began_at);
    int is_second = busy.pid == workers[1];
    say ("idle-main", share * (cpu_of (getpid ()) - main_used), "%");
    say ("idle-worker", share * (cpu_of (workers[!is_second]) - used[!is_second]), "%");
    say ("idle-waiting", share * (cpu_of (workers[is_second]) - used[is_second]), "%");
    if (n_helpers)
        say ("idle-helpers", share * (cpu_of_all (helpers, n_helpers) - helpers_used), "%");
    mpl_pool_destroy (&pool);
}

static double rss_mib (void)
{
    FILE *file = fopen ("/proc/self/statm", "r");
    long pages = 0;

    if (!file || fscanf (file, "%*d %ld", &pages) != 1)
        die ("/proc/self/statm cannot be read");
    fclose (file);
    return (double) pages * (double) sysconf (_SC_PAGESIZE) / MIB;
}

typedef struct {
    size_t next, end;
    double value;
} count_t;

static int count_up (void *state, mpl_bytes_t *item)
{
    count_t *self = state;

    if (self->next == self->end)
        return 0;
    self->value = (double) self->next++;
    *item = (mpl_bytes_t) { .data = &self->value, .len = sizeof self->value };
    return 1;
}

static void imap_from (size_t n)
{
    mpl_pool_t *pool = open_warm_pool (n_workers, 0);
    count_t count = { .end = n };
    double at_tenth = 0, at_half = 0, most = 0, began_at = now ();
    mpl_iter_t *iter = mpl_pool_imap_from (pool, square, count_up, &count, 1);
    mpl_result_t result;
    size_t n_seen = 0;

    if (!iter)
        die ("imap_from");
    for (int rc; (rc = mpl_iter_next (iter, &result, 60000)) != 0; n_seen++) {
        double x = (double) n_seen;
        if (rc < 0 || !result.ok || result.index != n_seen || *(const double *) result.data != x * x)
            die ("imap_from: item %zu", n_seen);
        if (n_seen % (n / 100) != 0 || n_seen < n / 10)
            continue;
        double rss = rss_mib ();
        at_tenth = n_seen == n / 10 ? rss : at_tenth;
        at_half = n_seen == n / 2 ? rss : at_half;
        most = rss > most ? rss : most;
    }
    double at_end = rss_mib ();
    if (n_seen != n)
        die ("imap_from: %zu results of %zu items", n_seen, n);
    say ("imapfrom-rate", (double) n / (now () - began_at), "items/s");
    say ("imapfrom-rss10", at_tenth, "MiB");
    say ("imapfrom-rss50", at_half, "MiB");
    say ("imapfrom-rss100", at_end, "MiB");
    say ("imapfrom-growth", (at_end > most ? at_end : most) - at_tenth, "MiB");
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

/* The memory a worker has to itself and its part of what it shares with others. */
static double pss_mib (pid_t pid)
{
    char path[64], line[256];
    long kib = -1;
    FILE *file;

    snprintf (path, sizeof path, "/proc/%d/smaps_rollup", (int) pid);
    if (!(file = fopen (path, "r")))
        die ("%s: %s", path, strerror (errno));
    while (kib < 0 && fgets (line, sizeof line, file)) {
        if (sscanf (line, "Pss: %ld", &kib) != 1)
            kib = -1;
    }
    fclose (file);
    if (kib < 0)
        die ("%s has no line Pss", path);
    return (double) kib / 1024;
}

static void worker_pss (size_t workers)
{
    pid_t pids[MAX_WORKERS];

    for (int r = 0; r < n_repetitions; r++) {
        mpl_pool_t *pool = open_pool ((int) workers, 0);
        double most = 0;
        find_workers (pool, (int) workers, pids);
        rest_until (now () + 0.2);
        for (size_t i = 0; i < workers; i++) {
            double pss = pss_mib (pids[i]);
            most = pss > most ? pss : most;
        }
        say ("worker-pss", most, "MiB");
        mpl_pool_destroy (&pool);
    }
}

/* ---- are all workers busy to the end? -------------------------------------------------------------------------- */

/* A pool that does not know yet how long the function takes: a later map would have it easier. */
static double map_times (mpl_fn_t fn, const double *in, size_t n, double *out)
{
    mpl_pool_t *pool = open_warm_pool (n_workers, 0);
    double began_at = now (), took;

    if (mpl_pool_map (pool, fn, in, n, out) < 0)
        die ("map of %zu items", n);
    took = now () - began_at;
    mpl_pool_destroy (&pool);
    return took;
}

static void tail (size_t n)
{
    double *in = room (n, sizeof *in), *out = room (n, sizeof *out);

    for (size_t i = 0; i < n; i++)
        in[i] = 0.01;
    for (int r = 0; r < n_repetitions; r++) {
        size_t rounds = (n + (size_t) n_workers - 1) / (size_t) n_workers;
        say ("tail-rest", map_times (rest_for, in, n, out) / (0.01 * (double) rounds), "x");
        say ("tail-burn", map_times (burn_for, in, n, out) / (0.01 * (double) rounds), "x");
    }
    free (out);
    free (in);
}

/* One item in 1,000 takes 10 ms, the others 10 us; against the time the tasks say they took, spread over all workers. */
static void mixed (size_t n)
{
    double *in = room (n, sizeof *in), *out = room (n, sizeof *out);

    for (size_t i = 0; i < n; i++)
        in[i] = i % 1000 == 500 ? 0.01 : 0.00001;
    for (int r = 0; r < n_repetitions; r++) {
        double took = map_times (burn_for, in, n, out), sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += out[i];
        say ("mixed", took * n_workers / sum, "x");
    }
    free (out);
    free (in);
}

/* ---- the program ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run) (size_t amount);
    size_t amount, least, most;
    const char *text;
} benches[] = {
    { "map10m-fresh", map_fresh, 10000000, 1000, SIZE_MAX, "items of a map into memory not yet touched" },
    { "map10m-touched", map_adaptive, 10000000, 1000, SIZE_MAX, "items of a map into memory already touched" },
    { "serial10m", serial, 10000000, 1000, SIZE_MAX, "the same calls in a loop" },
    { "map-chunk1", map_chunk1, 1000000, 1000, SIZE_MAX, "items of a map with opts.chunk = 1" },
    { "apply", apply, 20000, 100, SIZE_MAX, "calls of an empty task, one after the other" },
    { "apply-async", apply_async, 50000, 1, SIZE_MAX, "calls begun, then their results" },
    { "payload-1m", payload_1m, 64, 1, SIZE_MAX, "items of 1 MiB in and out" },
    { "payload-64m", payload_64m, 8, 1, SIZE_MAX, "items of 64 MiB in and out" },
    { "updown", updown, 8, 1, MAX_WORKERS, "workers of a pool: new and first result, destroy" },
    { "new-big", new_big, 4, 1, 16, "GiB touched in main: mpl_pool_new alone" },
    { "respawn", respawn, 20, 1, SIZE_MAX, "kills of the only worker" },
    { "idle", idle, 10, 1, 3600, "seconds of waiting for one task: processor time" },
    { "imapfrom-rss", imap_from, 10000000, 1000, SIZE_MAX, "items from a source: memory of main" },
    { "worker-pss", worker_pss, 2, 1, MAX_WORKERS, "workers: memory of the largest, idle" },
    { "tail", tail, 200, 1, SIZE_MAX, "tasks of 10 ms: time over ideal" },
    { "mixed", mixed, 100000, 1000, SIZE_MAX, "items, one in 1,000 a thousand times as long" },
};
enum { N_BENCHES = sizeof benches / sizeof *benches };

static void usage (FILE *to)
{
    fprintf (to, "usage: pool_bench [-r REPETITIONS] [-w WORKERS] NAME [AMOUNT] [NAME [AMOUNT]...]\n");
    for (int i = 0; i < N_BENCHES; i++)
        fprintf (to, "  %-16s %9zu  %s\n", benches[i].name, benches[i].amount, benches[i].text);
}

/* A whole number from least to most; 0 when it is not. least is at least 1. */
static size_t number (const char *text, size_t least, size_t most)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull (text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < least || value > most)
        return 0;
    return (size_t) value;
}

static int count_option (const char *text, int most)
{
    size_t value = number (text, 1, (size_t) most);

    if (value == 0)
        die ("'%s' is not a number from 1 to %d", text, most);
    return (int) value;
}

static void run_named (int *at, int argc, char **argv)
{
    const char *name = argv[*at];

    for (int i = 0; i < N_BENCHES; i++) {
        if (strcmp (benches[i].name, name) != 0)
            continue;
        size_t amount = benches[i].amount;
        if (*at + 1 < argc && argv[*at + 1][0] >= '0' && argv[*at + 1][0] <= '9') {
            const char *text = argv[++*at];
            if (!(amount = number (text, benches[i].least, benches[i].most)))
                die ("%s: '%s' is not an amount from %zu to %zu", name, text, benches[i].least, benches[i].most);
        }
        benches[i].run (amount);
        return;
    }
    usage (stderr);
    die ("there is no benchmark '%s'", name);
}

int main (int argc, char **argv)
{
    if (mpl_init (&argc, &argv, tasks) < 0)
        die ("mpl_init");
    for (int option; (option = getopt (argc, argv, "+r:w:h")) != -1;) {
        switch (option) {
        case 'r': n_repetitions = count_option (optarg, INT_MAX); break;
        case 'w': n_workers = count_option (optarg, MAX_WORKERS); break;
        case 'h': usage (stdout); return 0;
        default: usage (stderr); return 2;
        }
    }
    if (optind == argc) {
        usage (stderr);
        return 2;
    }
    for (int at = optind; at < argc; at++)
        run_named (&at, argc, argv);
    return 0;
}
