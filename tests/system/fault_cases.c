/* fault_cases - what the pool promises when processes die, hang, eat memory or lose their main.
 * Deaths come from the tasks themselves or, through a pidfd, from the case; the library is not told that it is tested.
 * See harness.h for how a case is run; after each of them the harness looks for processes and files left behind. */
#define _GNU_SOURCE
#include "tests/system/harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t) 1 << 20)
#define LENGTH(a) (sizeof (a) / sizeof *(a))

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

/* What one item does on its way to the square of its index. "_once": on its first attempt only. */
enum {
    SQUARE, DOZE, CLOSE_ALL_ALWAYS, KILL_ONCE, KILL_ALWAYS, ABORT_ALWAYS, SEGV_ALWAYS, EXIT_3_ONCE, EXIT_3_ALWAYS, EXIT_0_ONCE, EXIT_0_ALWAYS,
    HANG, HANG_AGAINST_TERM, STOP, HANG_WITH_GRANDCHILD, LEAVE_GRANDCHILD, EAT, EAT_SHARED, CLOSE_ALL_ONCE, SPIN, PRINT,
    FORK_STORM, DOZE_UNSEEN
};

typedef struct { char dir[120]; int what; double seconds; } job_t;

static void hang (void)
{
    for (;;)
        pause ();
}

/* A process that leaves its session and its parent, and outlives both. */
static void leave_grandchild (const char *dir)
{
    pid_t child = fork ();

    if (child == 0) {
        setsid ();
        pid_t grandchild = fork ();
        if (grandchild != 0)
            _exit (0);
        signal (SIGTERM, SIG_IGN);
        signal (SIGHUP, SIG_IGN);
        signal (SIGINT, SIG_IGN);
        note (dir, "grandchildren", "%d\n", (int) getpid ());
        hang ();
    }
    waitpid (child, NULL, 0);
}

/* Children that make children, and never end by themselves within the test. */
static void fork_storm (const char *dir)
{
    signal (SIGTERM, SIG_IGN);
    for (int depth = 0; depth < 300; depth++) {
        pid_t child = fork ();
        if (child > 0) {
            usleep (3000);
            _exit (0);
        }
        if (child == 0 && depth % 2)
            setsid ();
        if (depth == 5)
            note (dir, "storms", "%d\n", (int) getpid ());
        usleep (2000);
    }
    hang ();
}

/* Has another attempt left its line? A death after the task's end is charged to nobody, so the number of the attempt does
 * not tell. */
static int was_begun_before (const char *dir, size_t index)
{
    char *text = slurp (dir, "attempts"), what[32];

    snprintf (what, sizeof what, "<%zu>", index);
    size_t n = count_in (text, what);
    free (text);
    return n > 1;
}

static int eat (mpl_call_t *call, int is_shared)
{
    for (size_t eaten = 0; eaten < 512 * MIB; eaten += 4 * MIB) {
        char *part = mmap (NULL, 4 * MIB, PROT_READ | PROT_WRITE, (is_shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS,
                           -1, 0);
        if (part == MAP_FAILED)
            return mpl_call_fail (call, "no memory after %zu MiB", eaten / MIB);
        memset (part, 1, 4 * MIB);
        usleep (is_shared ? 20000 : 1000);
    }
    return mpl_call_fail (call, "nobody minded 512 MiB");
}

static int act (mpl_call_t *call, const void *in, void *out)
{
    const job_t *job = in;
    size_t index = mpl_call_index (call);
    int is_first = mpl_call_attempt (call) == 0;

    if (job->what != SQUARE && job->what != DOZE_UNSEEN)
        note (job->dir, "attempts", "<%zu> %d %d\n", index, mpl_call_attempt (call), (int) getpid ());
    switch (job->what) {
    case SQUARE: break;
    case DOZE: case DOZE_UNSEEN: rest (job->seconds); break;
    case KILL_ONCE: if (is_first) raise (SIGKILL); break;
    case KILL_ALWAYS: raise (SIGKILL); break;
    case ABORT_ALWAYS: abort ();
    case SEGV_ALWAYS: raise (SIGSEGV); break;
    case EXIT_3_ONCE: if (is_first) exit (3); break;
    case EXIT_3_ALWAYS: exit (3);
    case EXIT_0_ONCE: if (is_first) _exit (0); break;
    case EXIT_0_ALWAYS: _exit (0);
    case HANG: hang (); break;
    case HANG_AGAINST_TERM: signal (SIGTERM, SIG_IGN); hang (); break;
    case STOP: raise (SIGSTOP); break;
    case HANG_WITH_GRANDCHILD: leave_grandchild (job->dir); hang (); break;
    case LEAVE_GRANDCHILD: leave_grandchild (job->dir); break;
    case EAT: return eat (call, 0);
    case EAT_SHARED: return eat (call, 1);
    case CLOSE_ALL_ONCE: if (!was_begun_before (job->dir, index)) for (int fd = 0; fd < 1024; fd++) close (fd); break;
    case CLOSE_ALL_ALWAYS: for (int fd = 0; fd < 1024; fd++) close (fd); break;
    case SPIN: for (double until = now () + job->seconds; now () < until;) ; break;
    case PRINT: printf ("<line %zu>\n", index); break;
    case FORK_STORM: if (fork () == 0) fork_storm (job->dir); hang (); break;
    default: return mpl_call_fail (call, "what is %d?", job->what);
    }
    *(uint64_t *) out = (uint64_t) index * index;
    return 0;
}

static int square (mpl_call_t *call, const void *in, void *out)
{
    uint64_t x = *(const uint64_t *) in;

    (void) call;
    *(uint64_t *) out = x * x;
    return 0;
}

/* Some microseconds each, so that a kill meets one of them. */
static int slow_square (mpl_call_t *call, const void *in, void *out)
{
    double until = now () + 5e-6;

    while (now () < until)
        ;
    return square (call, in, out);
}

/* An initializer: says which process now is a worker. */
static int say_pid (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) out;
    note (in, "pids", "%d\n", (int) getpid ());
    return 0;
}

/* An initializer whose first three processes die in it. */
static int die_at_first (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) out;
    note (in, "pids", "%d\n", (int) getpid ());
    if (count_lines (in, "pids") <= 3)
        raise (SIGKILL);
    return 0;
}

enum { MORTALS = 400 };

static void *kill_this_process (void *arg)
{
    rest ((double) (*(unsigned *) arg % 1500) * 1e-6);
    raise (SIGKILL);
    return NULL;
}

/* An initializer whose first processes die about when it has said that it is done, which then comes to main before or
 * after their end does. */
static int die_when_ready (mpl_call_t *call, const void *in, void *out)
{
    static unsigned delay;
    pthread_t thread;

    (void) call, (void) out;
    note (in, "pids", "%d\n", (int) getpid ());
    delay = (unsigned) getpid () * 7919u;
    if (count_lines (in, "pids") <= MORTALS && pthread_create (&thread, NULL, kill_this_process, &delay))
        return 1;
    return 0;
}

static const mpl_task_t tasks[] = {
    { "act", act, sizeof (job_t), sizeof (uint64_t) },
    { "square", square, sizeof (uint64_t), sizeof (uint64_t) },
    { "slow_square", slow_square, sizeof (uint64_t), sizeof (uint64_t) },
    { "say_pid", say_pid, MPL_STRING, 0 },
    { "die_at_first", die_at_first, MPL_STRING, 0 },
    { "die_when_ready", die_when_ready, MPL_STRING, 0 },
    { 0 }
};

/* ---- helpers --------------------------------------------------------------------------------------------------- */

static job_t job_of (int what)
{
    job_t job = { .what = what };

    snprintf (job.dir, sizeof job.dir, "%s", work_dir ());
    return job;
}

/* A pool whose workers leave their numbers in "pids". */
static mpl_pool_t *pool_with (mpl_pool_opts_t opts, int workers)
{
    opts.workers = workers;
    if (!opts.initializer) {
        opts.initializer = say_pid;
        opts.init_arg = work_dir ();
        opts.init_len = strlen (work_dir ());
    }
    return mpl_pool_new (&opts);
}

static mpl_pool_t *pool_of (int workers)
{
    return pool_with (mpl_pool_defaults (), workers);
}

/* The worker processes so far, the latest last. */
static int read_pids (pid_t *pids, int max)
{
    char *text = slurp (work_dir (), "pids");
    int n = 0;

    for (char *at = text; *at && strchr (at, '\n'); at = strchr (at, '\n') + 1) {
        if (n == max) {
            memmove (pids, pids + 1, (size_t) (max - 1) * sizeof *pids);
            n--;
        }
        pids[n++] = (pid_t) atoi (at);
    }
    free (text);
    return n;
}

static int attempts_at (size_t index)
{
    char *text = slurp (work_dir (), "attempts"), what[32];

    snprintf (what, sizeof what, "<%zu>", index);
    int n = (int) count_in (text, what);
    free (text);
    return n;
}

/* Was the item charged with a death that was another's? It may well run again when its result died on its way. */
static int was_charged (size_t index)
{
    char *text = slurp (work_dir (), "attempts"), what[32];

    snprintf (what, sizeof what, "<%zu> 1", index);
    int n = (int) count_in (text, what);
    free (text);
    return n > 0;
}

/* Squares n numbers with fn; 1 when all came back right. */
static int squares_right (mpl_pool_t *pool, mpl_fn_t fn, size_t n)
{
    uint64_t *xs = calloc (n, sizeof *xs), *ys = calloc (n, sizeof *ys);
    int ok = xs && ys;

    for (size_t i = 0; ok && i < n; i++) {
        xs[i] = i;
        ys[i] = UINT64_MAX;
    }
    ok = ok && mpl_pool_map (pool, fn, xs, n, ys) == 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = ys[i] == (uint64_t) i * i;
    free (xs);
    free (ys);
    return ok;
}

static int pool_works (mpl_pool_t *pool)
{
    return squares_right (pool, square, 1000);
}

/* Gives every worker something, so that each has run its initializer. */
static int all_workers_serve (mpl_pool_t *pool, int workers)
{
    double until = now () + within (5);
    uint64_t out[64];
    job_t jobs[64];
    pid_t pids[64];
    int n_there = 0;

    do {
        for (int i = 0; i < 4 * workers; i++) {
            jobs[i] = job_of (DOZE_UNSEEN);
            jobs[i].seconds = 0.01;
        }
        if (mpl_pool_map (pool, act, jobs, (size_t) workers * 4, out) < 0)
            return 0;
        int n = read_pids (pids, 64);
        n_there = 0;
        for (int i = 0; i < n; i++)
            n_there += process_is_there (pids[i]);
    } while (n_there < workers && now () < until);
    return n_there == workers;
}

/* Eight items of which the fourth does `what`, which must be right in the end though its worker died. */
static void one_item_survives (int what)
{
    enum { N = 8 };
    job_t jobs[N];
    uint64_t out[N];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        jobs[i] = job_of (i == 3 ? what : DOZE);
    double began = now ();
    CHECK (mpl_pool_map (pool, act, jobs, N, out) == 0);
    CHECKF (now () - began < within (2), "it took %g s", now () - began);
    for (size_t i = 0; i < N; i++)
        CHECKF (out[i] == i * i, "result %zu is %llu", i, (unsigned long long) out[i]);
    CHECKF (attempts_at (3) == 2, "%d attempts", attempts_at (3));
    for (size_t i = 0; i < N; i++)
        CHECKF (i == 3 || !was_charged (i), "bystander %zu was charged", i);
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

/* Eight items of which the fourth does `what` and must fail alone, after so many attempts, naming what the texts say. */
static void one_item_fails (mpl_pool_opts_t opts, int what, int attempts, const char *const *texts, double at_most)
{
    enum { N = 8 };
    job_t jobs[N];
    uint64_t out[N];
    mpl_result_t failed[N];
    mpl_pool_t *pool = pool_with (opts, 2);

    CHECK (pool);
    for (int i = 0; i < N; i++) {
        jobs[i] = job_of (i == 3 ? what : DOZE);
        out[i] = 999;
    }
    double began = now ();
    REFUSED (mpl_pool_map (pool, act, jobs, N, out) == -1, EIO);
    CHECKF (now () - began < within (at_most), "it took %g s", now () - began);
    for (size_t i = 0; i < N; i++)
        CHECKF (out[i] == (i == 3 ? 999 : i * i), "slot %zu is %llu", i, (unsigned long long) out[i]);
    CHECK (mpl_pool_failures (pool, failed, N) == 1);
    CHECK (failed[0].index == 3 && !failed[0].ok && failed[0].error && *failed[0].error);
    for (size_t i = 0; texts && texts[i]; i++)
        CHECKF (strstr (failed[0].error, texts[i]) || strstr (mpl_error (), texts[i]), "no \"%s\" in \"%s\"", texts[i],
                failed[0].error);
    CHECKF (attempts_at (3) == attempts, "%d attempts, not %d", attempts_at (3), attempts);
    for (size_t i = 0; i < N; i++)
        CHECKF (i == 3 || !was_charged (i), "bystander %zu was charged", i);
    began = now ();
    CHECK (pool_works (pool));
    CHECKF (now () - began < within (1), "no replacement for %g s", now () - began);
    mpl_pool_destroy (&pool);
}

static const char *host_name (void)
{
    static char name[256];

    gethostname (name, sizeof name - 1);
    return name;
}

/* ---- a worker dies --------------------------------------------------------------------------------------------- */

static void worker_killed_in_a_task_loses_nothing (void) { one_item_survives (KILL_ONCE); }
static void task_that_calls_exit_is_run_again (void) { one_item_survives (EXIT_3_ONCE); }
static void task_that_calls_exit_0_is_run_again (void) { one_item_survives (EXIT_0_ONCE); }
static void task_that_closes_every_descriptor_is_run_again (void) { one_item_survives (CLOSE_ALL_ONCE); }

/* Its workers die after it, without a result: that must not go round for ever. */
static void task_that_always_closes_every_descriptor_fails_alone (void)
{
    enum { N = 8 };
    job_t jobs[N];
    uint64_t out[N];
    mpl_result_t failed[N];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        jobs[i] = job_of (i == 3 ? CLOSE_ALL_ALWAYS : DOZE);
    REFUSED (mpl_pool_map (pool, act, jobs, N, out) == -1, EIO);
    CHECK (mpl_pool_failures (pool, failed, N) == 1 && failed[0].index == 3);
    for (size_t i = 0; i < N; i++)
        CHECKF (i == 3 || out[i] == i * i, "result %zu", i);
    CHECKF (attempts_at (3) <= 9, "%d attempts", attempts_at (3));
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

static void dead_worker_gives_its_chunks_back (void)
{
    enum { N = 200 };
    static job_t jobs[N];
    static uint64_t out[N];
    static const size_t chunks[] = { 0, 1, 50 };

    for (size_t k = 0; k < LENGTH (chunks); k++) {
        mpl_pool_opts_t opts = mpl_pool_defaults ();
        opts.chunk = chunks[k];
        mpl_pool_t *pool = pool_with (opts, 2);
        CHECK (pool && pool_works (pool));
        memset (out, 0xff, sizeof out);
        for (int i = 0; i < N; i++)
            jobs[i] = job_of (i % 20 == 7 ? KILL_ONCE : SQUARE);
        CHECK (mpl_pool_map (pool, act, jobs, N, out) == 0);
        for (size_t i = 0; i < N; i++)
            CHECKF (out[i] == i * i, "chunk %zu: result %zu", chunks[k], i);
        CHECK (count_lines (work_dir (), "attempts") == (k + 1) * 20);
        mpl_pool_destroy (&pool);
    }
}

static void killed_worker_is_replaced (void)
{
    pid_t pids[8];
    mpl_pool_t *pool = pool_of (3);

    CHECK (pool && all_workers_serve (pool, 3));
    CHECK (read_pids (pids, 8) == 3);
    CHECK (kill_marked (pids[1], SIGKILL) == 0);
    CHECK (all_workers_serve (pool, 3));
    CHECK (read_pids (pids, 8) == 4 && process_is_there (pids[3]) && !process_is_there (pids[1]));
    CHECK (mpl_pool_size (pool) == 3 && pool_works (pool));
    mpl_pool_destroy (&pool);
}

static void pool_whose_idle_workers_were_all_killed_works (void)
{
    pid_t pids[64];
    mpl_pool_t *pool = pool_of (3);

    CHECK (pool);
    for (int round = 0; round < 6; round++) {
        CHECK (all_workers_serve (pool, 3));
        int n = read_pids (pids, 64);
        for (int i = 0; i < n; i++)
            kill_marked (pids[i], SIGKILL);
        if (round % 2)
            rest (0.05);
        CHECKF (pool_works (pool), "round %d", round);
    }
    mpl_pool_destroy (&pool);
}

static void workers_that_die_in_their_initializer_are_replaced (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.initializer = die_at_first;
    opts.init_arg = work_dir ();
    opts.init_len = strlen (work_dir ());
    mpl_pool_t *pool = pool_with (opts, 2);
    CHECK (pool);
    double began = now ();
    uint64_t x = 5, y = 0;
    if (mpl_pool_apply (pool, square, &x, sizeof (uint64_t), &y) == 0)
        CHECK (y == 25);
    else
        CHECKF (errno == EPIPE && *mpl_error (), "neither an answer nor EPIPE");
    CHECKF (now () - began < within (5), "it took %g s", now () - began);
    CHECKF (count_lines (work_dir (), "pids") < 20, "%zu workers were started", count_lines (work_dir (), "pids"));
    mpl_pool_destroy (&pool);
}

static void workers_that_die_when_they_are_ready_are_replaced (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.initializer = die_when_ready;
    opts.init_arg = work_dir ();
    opts.init_len = strlen (work_dir ());
    opts.retries = 250;
    mpl_pool_t *pool = pool_with (opts, 4);
    CHECK (pool);
    do
        CHECK (squares_right (pool, slow_square, 100));
    while (count_lines (work_dir (), "pids") <= MORTALS);
    CHECK (all_workers_serve (pool, 4));
    mpl_pool_destroy (&pool);
}

/* ---- many die -------------------------------------------------------------------------------------------------- */

typedef struct {
    atomic_int is_over;
    int n_kills, max, sig;
    unsigned seed;
} killer_t;

/* Kills one of the latest workers every few milliseconds. */
static void *kill_now_and_then (void *arg)
{
    killer_t *self = arg;
    pid_t pids[4];

    while (!self->is_over && self->n_kills < self->max) {
        rest (0.002 + (double) (rand_r (&self->seed) % 8000) * 1e-6);
        int n = read_pids (pids, 4);
        if (n > 0 && kill_marked (pids[rand_r (&self->seed) % n], SIGKILL) == 0)
            self->n_kills++;
    }
    return NULL;
}

static unsigned seed_of (void)
{
    const char *text = getenv ("MPL_TEST_SEED");
    unsigned seed = text ? (unsigned) atoi (text) : (unsigned) (now () * 1e6);

    printf ("MPL_TEST_SEED=%u\n", seed);
    return seed;
}

/* The same item may be hit any number of times, on a busy machine sooner than one thinks. */
static mpl_pool_t *pool_that_retries (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.retries = 250;
    return pool_with (opts, 4);
}

static void map_under_random_kills_is_right (void)
{
    size_t n = fewer (100000);
    pthread_t thread;
    killer_t killer = { .max = 1000, .seed = seed_of () };
    mpl_pool_t *pool = pool_that_retries ();

    CHECK (pool && pool_works (pool));
    CHECK (pthread_create (&thread, NULL, kill_now_and_then, &killer) == 0);
    double until = now () + within (3);
    int round = 0;
    for (; now () < until || round < 3; round++)
        if (!squares_right (pool, slow_square, n)) {
            case_fail (__LINE__, "round %d, after %d kills", round, killer.n_kills);
            break;
        }
    killer.is_over = 1;
    pthread_join (thread, NULL);
    printf ("%d maps, %d kills\n", round, killer.n_kills);
    CHECKF (killer.n_kills >= (is_slow () ? 1 : 10), "only %d kills", killer.n_kills);
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

static void no_result_comes_twice_under_random_kills (void)
{
    size_t n = fewer (100000);
    uint64_t *xs = malloc (n * sizeof *xs);
    char *seen = malloc (n);
    mpl_result_t result;
    pthread_t thread;
    killer_t killer = { .max = 1000, .seed = seed_of () };
    mpl_pool_t *pool = pool_that_retries ();
    int round = 0;

    CHECK (pool && xs && seen);
    for (size_t i = 0; i < n; i++)
        xs[i] = i;
    CHECK (pthread_create (&thread, NULL, kill_now_and_then, &killer) == 0);
    for (double until = now () + within (3); now () < until || round < 2; round++) {
        memset (seen, 0, n);
        mpl_iter_t *iter = round % 2 ? mpl_pool_imap (pool, slow_square, xs, n)
                                     : mpl_pool_imap_unordered (pool, slow_square, xs, n);
        if (!iter)
            case_fail (__LINE__, "no iterator");
        size_t count = 0;
        for (int got; iter && (got = mpl_iter_next (iter, &result, -1)) != 0; count++) {
            if (got < 0 || !result.ok || result.index >= n || seen[result.index]
                || *(const uint64_t *) result.data != (uint64_t) result.index * result.index) {
                case_fail (__LINE__, "result number %zu: got %d, ok %d, index %zu, %s, %s", count, got, result.ok,
                           result.index, got > 0 && result.index < n && seen[result.index] ? "again" : "first time",
                           got > 0 && result.error ? result.error : "");
                count = n;
                break;
            }
            seen[result.index] = 1;
        }
        if (count != n)
            case_fail (__LINE__, "%zu results of %zu", count, n);
        mpl_iter_destroy (&iter);
    }
    killer.is_over = 1;
    pthread_join (thread, NULL);
    printf ("%d rounds, %d kills\n", round, killer.n_kills);
    mpl_pool_destroy (&pool);
    free (xs);
    free (seen);
}

/* ---- poison ---------------------------------------------------------------------------------------------------- */

static void poison_items_fail_alone_after_three_attempts (void)
{
    enum { N = 1000 };
    static job_t jobs[N];
    static uint64_t out[N];
    static const size_t poison[] = { 0, 100, 101, 555, 999 };
    mpl_result_t failed[N];
    char index[32];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < N; i++) {
        jobs[i] = job_of (SQUARE);
        out[i] = 77;
    }
    for (size_t k = 0; k < LENGTH (poison); k++)
        jobs[poison[k]].what = k % 2 ? SEGV_ALWAYS : ABORT_ALWAYS;
    REFUSED (mpl_pool_map (pool, act, jobs, N, out) == -1, EIO);
    CHECKF (strstr (mpl_error (), "act") && strstr (mpl_error (), "5"), "mpl_error does not name function and count");
    size_t n = mpl_pool_failures (pool, failed, N);
    CHECKF (n == LENGTH (poison), "%zu items failed", n);
    for (size_t k = 0; k < n; k++) {
        const char *text = failed[k].error;
        const char *names[2][3] = { { "SIGABRT", "Aborted", "signal 6" }, { "SIGSEGV", "Segmentation", "signal 11" } };
        CHECK (failed[k].index == poison[k] && text);
        snprintf (index, sizeof index, "%zu", poison[k]);
        CHECKF (strstr (text, "act") && strstr (text, index), "no function and index in \"%s\"", text);
        CHECKF (strstr (text, host_name ()), "no host in \"%s\"", text);
        CHECKF (strstr (text, names[k % 2][0]) || strstr (text, names[k % 2][1]) || strstr (text, names[k % 2][2]),
                "no signal in \"%s\"", text);
        CHECKF (attempts_at (poison[k]) == 3, "item %zu had %d attempts", poison[k], attempts_at (poison[k]));
    }
    for (size_t i = 0, k = 0; i < N; i++) {
        k += k < LENGTH (poison) && poison[k] < i;
        if (k < LENGTH (poison) && poison[k] == i)
            CHECKF (out[i] == 77, "failed slot %zu was changed", i);
        else
            CHECKF (out[i] == i * i, "result %zu", i);
    }
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

static void retries_0_is_one_attempt_and_5_are_six (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.retries = 0;
    one_item_fails (opts, KILL_ALWAYS, 1, (const char *const[]) { "act", "3", NULL }, 3);
    char path[4096];
    snprintf (path, sizeof path, "%s/attempts", work_dir ());
    unlink (path);
    opts.retries = 5;
    one_item_fails (opts, KILL_ALWAYS, 6, (const char *const[]) { "act", "3", NULL }, 3);
}

static void task_that_always_exits_fails_alone (void)
{
    char path[4096];

    one_item_fails (mpl_pool_defaults (), EXIT_3_ALWAYS, 3, (const char *const[]) { "act", "exit", NULL }, 3);
    snprintf (path, sizeof path, "%s/attempts", work_dir ());
    unlink (path);
    one_item_fails (mpl_pool_defaults (), EXIT_0_ALWAYS, 3, (const char *const[]) { "act", "exit", NULL }, 3);
}

static void poison_by_apply_and_imap_says_so_too (void)
{
    job_t job = job_of (ABORT_ALWAYS), jobs[3] = { job_of (SQUARE), job, job_of (SQUARE) };
    uint64_t out = 5;
    mpl_result_t result;
    mpl_pool_t *pool = pool_of (1);

    CHECK (pool);
    REFUSED (mpl_pool_apply (pool, act, &job, sizeof (job_t), &out) == -1, EIO);
    CHECK (out == 5 && strstr (mpl_error (), "act"));
    mpl_iter_t *iter = mpl_pool_imap (pool, act, jobs, 3);
    CHECK (iter);
    for (int i = 0; i < 3; i++) {
        CHECK (mpl_iter_next (iter, &result, -1) == 1 && result.index == (size_t) i);
        CHECK (result.ok == (i != 1));
        CHECK (result.ok || (result.error && strstr (result.error, "act")));
    }
    CHECK (mpl_iter_next (iter, &result, -1) == 0);
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
}

/* ---- limits ---------------------------------------------------------------------------------------------------- */

static mpl_pool_opts_t limited_to (double seconds)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.task_timeout = within (seconds);
    return opts;
}

static void task_over_its_time_fails_alone_and_once (void)
{
    one_item_fails (limited_to (0.3), HANG, 1, (const char *const[]) { "act", "3", NULL }, 1.2);
}

static void spinning_task_over_its_time_fails (void)
{
    enum { N = 4 };
    job_t jobs[N];
    uint64_t out[N];
    mpl_pool_t *pool = pool_with (limited_to (0.3), 2);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        jobs[i] = job_of (DOZE);
    jobs[0].what = SPIN;
    jobs[0].seconds = 600;
    REFUSED (mpl_pool_map (pool, act, jobs, N, out) == -1, EIO);
    CHECK (mpl_pool_failures (pool, NULL, 0) == 1 && attempts_at (0) == 1);
    mpl_pool_destroy (&pool);
}

static void task_that_ignores_term_is_killed_a_second_later (void)
{
    double began = now ();

    one_item_fails (limited_to (0.3), HANG_AGAINST_TERM, 1, (const char *const[]) { "act", NULL }, 2.2);
    CHECKF (now () - began > 1.0, "it was killed after %g s, before its second of grace", now () - began);
}

static void stopped_task_ends_by_its_limit (void)
{
    one_item_fails (limited_to (0.3), STOP, 1, (const char *const[]) { "act", NULL }, 1.2);
}

static pid_t grandchild_of (const char *file)
{
    char *text = slurp (work_dir (), file);
    pid_t pid = (pid_t) atoi (text);

    free (text);
    return pid;
}

static void what_a_timed_out_task_started_is_gone_too (void)
{
    enum { N = 4 };
    job_t jobs[N];
    uint64_t out[N];
    mpl_pool_t *pool = pool_with (limited_to (0.3), 2);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        jobs[i] = job_of (i ? DOZE : HANG_WITH_GRANDCHILD);
    REFUSED (mpl_pool_map (pool, act, jobs, N, out) == -1, EIO);
    CHECK (mpl_pool_failures (pool, NULL, 0) == 1);
    pid_t grandchild = grandchild_of ("grandchildren");
    CHECK (grandchild > 0);
    WAIT_UNTIL (!process_is_there (grandchild), 2);
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

static void limit_is_for_each_item_not_for_the_map (void)
{
    enum { N = 40 };
    job_t jobs[N];
    uint64_t out[N];
    static const size_t chunks[] = { 0, 20 };

    for (size_t k = 0; k < LENGTH (chunks); k++) {
        mpl_pool_opts_t opts = limited_to (0.2);
        opts.chunk = chunks[k];
        mpl_pool_t *pool = pool_with (opts, 2);
        CHECK (pool);
        for (int i = 0; i < N; i++) {
            jobs[i] = job_of (DOZE);
            jobs[i].seconds = 0.02;
        }
        CHECK (mpl_pool_map (pool, act, jobs, N, out) == 0);
        rest (within (0.3));
        CHECK (pool_works (pool));
        mpl_pool_destroy (&pool);
    }
}

static void hanging_item_in_a_chunk_takes_no_other_with_it (void)
{
    enum { N = 60 };
    static job_t jobs[N];
    static uint64_t out[N];
    mpl_pool_opts_t opts = limited_to (0.2);

    opts.chunk = 20;
    mpl_pool_t *pool = pool_with (opts, 2);
    CHECK (pool);
    for (int i = 0; i < N; i++)
        jobs[i] = job_of (i == 10 || i == 30 ? HANG : SQUARE);
    REFUSED (mpl_pool_map (pool, act, jobs, N, out) == -1, EIO);
    CHECK (mpl_pool_failures (pool, NULL, 0) == 2);
    for (size_t i = 0; i < N; i++)
        CHECKF (i == 10 || i == 30 || out[i] == i * i, "result %zu", i);
    CHECK (attempts_at (10) == 1 && attempts_at (30) == 1);
    mpl_pool_destroy (&pool);
}

static void task_over_its_memory_fails_alone_and_once (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.memory_limit = 64 * MIB;
    one_item_fails (opts, EAT, 1, (const char *const[]) { "act", "memory", NULL }, 5);
}

static void shared_memory_counts_towards_the_limit (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.memory_limit = 64 * MIB;
    one_item_fails (opts, EAT_SHARED, 1, (const char *const[]) { "act", "memory", NULL }, 5);
}

static void worker_within_its_memory_is_left_alone (void)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    opts.memory_limit = 32 * MIB;
    mpl_pool_t *pool = pool_with (opts, 2);
    CHECK (pool);
    CHECK (all_workers_serve (pool, 2));
    CHECK (squares_right (pool, square, 300000));
    CHECK (count_lines (work_dir (), "pids") == 2);
    mpl_pool_destroy (&pool);
}

/* ---- the agent and the nursery die ----------------------------------------------------------------------------- */

static int n_alive (const pid_t *pids, int n)
{
    int alive = 0;

    for (int i = 0; i < n; i++)
        alive += process_is_there (pids[i]);
    return alive;
}

/* Runs 40 short naps while `victims` are sent `sig`; all must come out right all the same. */
static void map_survives_the_end_of (const pid_t *victims, int n, mpl_pool_t *pool)
{
    enum { N = 40 };
    job_t jobs[N];
    uint64_t out[N];

    for (int i = 0; i < N; i++) {
        jobs[i] = job_of (DOZE);
        jobs[i].seconds = 0.02;
    }
    mpl_future_t *future = mpl_pool_map_async (pool, act, jobs, N, out);
    CHECK (future);
    WAIT_UNTIL (count_lines (work_dir (), "attempts") >= 5, 5);
    int n_hit = 0;
    for (int i = 0; i < n; i++)                 /* the first may take the others along before we get there */
        n_hit += kill_marked (victims[i], SIGKILL) == 0;
    CHECK (n_hit > 0);
    CHECKF (mpl_future_wait (future, (int) within (8000)) == 0, "the map does not end");
    CHECKF (mpl_future_error (future) == NULL, "%s", mpl_future_error (future));
    for (size_t i = 0; i < N; i++)
        CHECKF (out[i] == i * i, "result %zu", i);
    mpl_future_destroy (&future);
}

static void agent_killed_alone_takes_its_workers_and_the_map_goes_on (void)
{
    pid_t agents[4], workers[16], gone[16];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && all_workers_serve (pool, 2));
    CHECK (read_pids (workers, 16) == 2);
    memcpy (gone, workers, sizeof gone);
    int n = find_agents (NULL, agents, 4);
    CHECKF (n >= 1 && n <= 4, "%d processes run mpworker", n);
    map_survives_the_end_of (agents, n, pool);
    WAIT_UNTIL (n_alive (gone, 2) == 0, 1);
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

static void agent_killed_while_idle_is_replaced (void)
{
    pid_t agents[4];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && pool_works (pool));
    for (int round = 0; round < 3; round++) {
        int n = 0;
        /* The last map may have been done by workers that had not noticed yet; the agent comes back when main does. */
        WAIT_UNTIL (pool_works (pool) && (n = find_agents (NULL, agents, 4)) >= 1, 5);
        for (int i = 0; i < n && i < 4; i++)
            kill_marked (agents[i], SIGKILL);
        if (round % 2)
            rest (0.2);
        CHECKF (pool_works (pool), "round %d", round);
    }
    mpl_pool_destroy (&pool);
}

/* Ours that are neither agents nor workers. */
static int find_nurseries (pid_t *found, int max)
{
    pid_t all[128], agents[16], workers[64];
    int n = find_marked (NULL, all, 128), n_agents = find_agents (NULL, agents, 16), n_workers = read_pids (workers, 64);
    int n_found = 0;

    for (int i = 0; i < n && i < 128; i++) {
        int is_other = 0;
        for (int k = 0; k < n_agents && k < 16; k++)
            is_other |= all[i] == agents[k];
        for (int k = 0; k < n_workers; k++)
            is_other |= all[i] == workers[k];
        if (!is_other && n_found < max)
            found[n_found++] = all[i];
    }
    return n_found;
}

static void nursery_killed_alone_is_replaced (void)
{
    pid_t nurseries[8], workers[16];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && all_workers_serve (pool, 2));
    CHECK (read_pids (workers, 16) == 2);
    int n = find_nurseries (nurseries, 8);
    CHECKF (n >= 1, "there is no process beside agent and workers");
    map_survives_the_end_of (nurseries, n, pool);
    n = read_pids (workers, 16);
    for (int i = 0; i < n; i++)
        kill_marked (workers[i], SIGKILL);
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

static void everything_but_main_killed_at_once_is_replaced (void)
{
    pid_t all[64];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && pool_works (pool));
    int n = find_marked (NULL, all, 64);
    CHECK (n >= 3);
    map_survives_the_end_of (all, n < 64 ? n : 64, pool);
    CHECK (pool_works (pool));
    mpl_pool_destroy (&pool);
}

/* ---- main dies ------------------------------------------------------------------------------------------------- */

/* A main with four workers in tasks that do not end: one plain, one that ignores TERM, two with a grandchild each; with
 * argv[3] "plain" no grandchildren. */
static int sub_busy (int argc, char **argv)
{
    job_t jobs[4];
    uint64_t out[4];
    int is_plain = strcmp (argv[3], "plain") == 0;

    NEED (mpl_init (&argc, &argv, tasks) == 0);
    mpl_pool_t *pool = pool_of (4);
    NEED (pool);
    for (int i = 0; i < 4; i++)
        jobs[i] = job_of (i == 0 ? HANG : i == 1 || is_plain ? HANG_AGAINST_TERM : HANG_WITH_GRANDCHILD);
    mpl_future_t *future = mpl_pool_map_async (pool, act, jobs, 4, out);
    NEED (future);
    if (strcmp (argv[3], "wait") != 0 && !is_plain) {
        while (count_lines (work_dir (), "attempts") < 4 || count_lines (work_dir (), "grandchildren") < 2)
            rest (0.005);
        if (strcmp (argv[3], "return") == 0)
            return 5;
        if (strcmp (argv[3], "exit") == 0)
            exit (5);
        if (strcmp (argv[3], "_exit") == 0)
            _exit (5);
        if (strcmp (argv[3], "abort") == 0)
            abort ();
        if (strcmp (argv[3], "exec") == 0)
            execl ("/bin/sleep", "sleep", "1", (char *) NULL);
    }
    NEED (mpl_future_get (future, NULL));
    return 0;
}

static int all_busy (void)
{
    return count_lines (work_dir (), "attempts") >= 4 && count_lines (work_dir (), "grandchildren") >= 2;
}

/* Own /dev/shm for this thread's children, so that what others do there is not taken for ours; 0 when we may not. */
static int own_shm (void)
{
    return unshare (CLONE_NEWNS) == 0 && mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
           && mount ("tmpfs", "/dev/shm", "tmpfs", 0, NULL) == 0;
}

static size_t files_left (void)
{
    size_t n = 0;

    if (getenv ("TMPDIR"))
        n += count_entries (getenv ("TMPDIR"));
    if (getenv ("XDG_RUNTIME_DIR"))
        n += count_entries (getenv ("XDG_RUNTIME_DIR"));
    return n;
}

static void nothing_left_after (int sig, int to_group, int expected)
{
    pid_t left[64];
    int status;
    spec_t spec = { .args = { "--sub", "busy", "wait" }, .own_session = 1 };
    int has_shm = own_shm ();

    pid_t pid = start_self (&spec);
    CHECK (pid > 0);
    WAIT_UNTIL (all_busy (), 10);
    CHECK (find_marked ("run", left, 64) >= 8);
    CHECK (kill (to_group ? -pid : pid, sig) == 0);
    double began = now ();
    CHECKF (end_of (pid, 2, &status) == 0, "main goes on");
    CHECKF (WIFSIGNALED (status) && WTERMSIG (status) == expected, "main ended with status %d", status);
    WAIT_UNTIL (find_marked ("run", left, 64) == 0, 2);
    CHECKF (now () - began < within (2), "the last process was gone after %g s", now () - began);
    CHECKF (files_left () == 0, "%zu files left", files_left ());
    CHECKF (!has_shm || count_entries ("/dev/shm") == 0, "%zu segments left", count_entries ("/dev/shm"));
}

static void main_killed_leaves_nothing (void) { nothing_left_after (SIGKILL, 0, SIGKILL); }
static void main_terminated_leaves_nothing (void) { nothing_left_after (SIGTERM, 0, SIGTERM); }
static void interrupt_to_the_group_leaves_nothing (void) { nothing_left_after (SIGINT, 1, SIGINT); }
static void hangup_of_the_session_leaves_nothing (void) { nothing_left_after (SIGHUP, 1, SIGHUP); }
static void quit_to_the_group_leaves_nothing (void) { nothing_left_after (SIGQUIT, 1, SIGQUIT); }

static void main_that_forgets_destroy_leaves_nothing (void)
{
    static const char *const ways[] = { "return", "exit", "_exit", "abort", "exec" };
    pid_t left[64];
    char path[4096];

    for (size_t i = 0; i < LENGTH (ways); i++) {
        int status;
        spec_t spec = { .args = { "--sub", "busy", ways[i] }, .own_session = 1 };
        pid_t pid = start_self (&spec);
        CHECK (pid > 0);
        CHECKF (end_of (pid, 15, &status) == 0, "%s: main goes on", ways[i]);
        int is_right = strcmp (ways[i], "abort") == 0 ? WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT
                       : WIFEXITED (status) && WEXITSTATUS (status) == (strcmp (ways[i], "exec") == 0 ? 0 : 5);
        CHECKF (is_right, "%s: status %d", ways[i], status);
        double until = now () + within (2);
        while (find_marked ("run", left, 64) > 0 && now () < until)
            rest (0.01);
        CHECKF (find_marked ("run", left, 64) == 0, "%s leaves %d processes", ways[i], find_marked ("run", left, 64));
        CHECKF (files_left () == 0, "%s leaves files", ways[i]);
        snprintf (path, sizeof path, "%s/attempts", work_dir ());
        unlink (path);
        snprintf (path, sizeof path, "%s/grandchildren", work_dir ());
        unlink (path);
    }
}

static void main_killed_as_it_starts_leaves_nothing (void)
{
    pid_t left[64];
    int status;
    spec_t spec = { .args = { "--sub", "busy", "wait" } };

    for (size_t round = 0; round < fewer (25); round++) {
        pid_t pid = start_self (&spec);
        CHECK (pid > 0);
        rest ((double) round * 0.0015);
        CHECK (kill (pid, SIGKILL) == 0);
        CHECK (end_of (pid, 2, &status) == 0);
    }
    WAIT_UNTIL (find_marked ("run", left, 64) == 0, 2);
    CHECKF (files_left () == 0, "%zu files left", files_left ());
}

/* Nobody is left then who could find a grandchild that left its session; the workers must go by themselves. */
static void main_and_agent_killed_together_leave_no_worker (void)
{
    pid_t agents[4], left[64];
    int status;
    spec_t spec = { .args = { "--sub", "busy", "plain" }, .own_session = 1 };

    pid_t pid = start_self (&spec);
    CHECK (pid > 0);
    WAIT_UNTIL (count_lines (work_dir (), "attempts") >= 4, 10);
    int n = find_agents ("run", agents, 4);
    CHECKF (n >= 1, "no process runs mpworker");
    CHECK (kill (pid, SIGKILL) == 0);
    for (int i = 0; i < n && i < 4; i++)
        kill_marked (agents[i], SIGKILL);
    CHECK (end_of (pid, 2, &status) == 0);
    WAIT_UNTIL (find_marked ("run", left, 64) == 0, 2);
}

static void stopped_main_finds_everything_when_it_goes_on (void)
{
    enum { N = 60 };
    static job_t jobs[N];
    uint64_t out[N];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < N; i++) {
        jobs[i] = job_of (DOZE);
        jobs[i].seconds = 0.02;
    }
    pid_t self = getpid (), child = fork ();
    if (child == 0) {
        usleep (100000);
        kill (self, SIGSTOP);
        sleep (2);
        kill (self, SIGCONT);
        _exit (0);
    }
    CHECK (child > 0 && mpl_pool_map (pool, act, jobs, N, out) == 0);
    for (size_t i = 0; i < N; i++)
        CHECK (out[i] == i * i && attempts_at (i) == 1);
    CHECK (waitpid (child, NULL, 0) == child);
    mpl_pool_destroy (&pool);
}

/* ---- ending with someone who does not answer ------------------------------------------------------------------- */

static void destroy_ends_with_stopped_workers (void)
{
    pid_t pids[16];
    mpl_pool_t *pool = pool_of (3);

    CHECK (pool && all_workers_serve (pool, 3));
    CHECK (read_pids (pids, 16) == 3);
    for (int i = 0; i < 3; i++)
        CHECK (kill_marked (pids[i], SIGSTOP) == 0);
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (2.5), "destroy took %g s", now () - began);
    WAIT_UNTIL (find_marked (NULL, pids, 16) == 0, 2);
}

static void destroy_ends_with_a_stopped_agent (void)
{
    pid_t agents[4], left[64];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && pool_works (pool));
    int n = find_agents (NULL, agents, 4);
    CHECK (n >= 1);
    for (int i = 0; i < n && i < 4; i++)
        CHECK (kill_marked (agents[i], SIGSTOP) == 0);
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (2.5), "destroy took %g s", now () - began);
    WAIT_UNTIL (find_marked (NULL, left, 64) == 0, 2);
}

static void destroy_ends_with_everything_stopped (void)
{
    pid_t all[64];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && pool_works (pool));
    int n = find_marked (NULL, all, 64);
    for (int i = 0; i < n && i < 64; i++)
        kill_marked (all[i], SIGSTOP);
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (2.5), "destroy took %g s", now () - began);
    WAIT_UNTIL (find_marked (NULL, all, 64) == 0, 2);
}

static void destroy_ends_with_tasks_that_ignore_term (void)
{
    enum { N = 4 };
    job_t jobs[N];
    uint64_t out[N];
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool);
    for (int i = 0; i < N; i++)
        jobs[i] = job_of (HANG_AGAINST_TERM);
    mpl_future_t *future = mpl_pool_map_async (pool, act, jobs, N, out);
    CHECK (future);
    WAIT_UNTIL (count_lines (work_dir (), "attempts") == 2, 5);
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (2), "destroy took %g s", now () - began);
    REFUSED (mpl_future_get (future, NULL) == NULL, ECANCELED);
    mpl_future_destroy (&future);
}

static void destroy_of_a_pool_that_is_still_starting_ends (void)
{
    pid_t all[64];

    for (int i = 0; i < 30; i++) {
        mpl_pool_t *pool = pool_of (1 + i % 4);
        CHECK (pool);
        if (i % 3)
            rest (0.0007 * i);
        double began = now ();
        mpl_pool_destroy (&pool);
        CHECKF (now () - began < within (2), "round %d: destroy took %g s", i, now () - began);
    }
    WAIT_UNTIL (find_marked (NULL, all, 64) == 0, 2);
}

static void what_a_finished_task_left_running_ends_with_the_pool (void)
{
    job_t job = job_of (LEAVE_GRANDCHILD);
    uint64_t out;
    mpl_pool_t *pool = pool_of (2);

    CHECK (pool && mpl_pool_apply (pool, act, &job, sizeof (job_t), &out) == 0);
    WAIT_UNTIL (grandchild_of ("grandchildren") > 0, 5);
    pid_t grandchild = grandchild_of ("grandchildren");
    CHECK (process_is_there (grandchild));
    double began = now ();
    mpl_pool_destroy (&pool);
    CHECKF (now () - began < within (2.5), "destroy took %g s", now () - began);
    WAIT_UNTIL (!process_is_there (grandchild), 2);
}

static void fork_storm_ends_with_the_pool (void)
{
    job_t job = job_of (FORK_STORM);
    pid_t left[64];
    mpl_pool_t *pool = pool_of (1);

    CHECK (pool);
    mpl_future_t *future = mpl_pool_apply_async (pool, act, &job, sizeof (job_t));
    CHECK (future);
    WAIT_UNTIL (count_lines (work_dir (), "storms") > 0, 10);
    mpl_pool_destroy (&pool);
    mpl_future_destroy (&future);
    WAIT_UNTIL (find_marked (NULL, left, 64) == 0, 2);
}

/* ---- nothing more to be had ------------------------------------------------------------------------------------ */

/* From tests/fault/countdown.c, when that is preloaded: its count begins here. */
extern void countdown_arm (void) __attribute__ ((weak));

/* Two pools, one after the other: 0 when all went well, 1 when it was refused with a sentence, else something is
 * wrong. */
static int use_two_pools (void)
{
    for (int round = 0; round < 2; round++) {
        mpl_pool_opts_t opts = mpl_pool_defaults ();
        uint64_t xs[100], ys[100], x = 7, y = 0;
        int got = 0;
        opts.workers = 2;
        errno = 0;
        mpl_pool_t *pool = mpl_pool_new (&opts);
        for (size_t i = 0; i < 100; i++)
            xs[i] = i;
        if (!pool || mpl_pool_map (pool, square, xs, 100, ys) < 0 || mpl_pool_apply (pool, square, &x, sizeof (uint64_t), &y) < 0)
            got = *mpl_error () && errno ? 1 : 2;
        for (size_t i = 0; i < 100 && got == 0; i++)
            got = ys[i] == i * i && y == 49 ? 0 : 3;
        if (got)
            fprintf (stderr, "%s\n", mpl_error ());
        mpl_pool_destroy (&pool);
        if (got)
            return got;
    }
    return 0;
}

static int sub_countdown (int argc, char **argv)
{
    NEED (mpl_init (&argc, &argv, tasks) == 0);
    if (countdown_arm)
        countdown_arm ();
    return use_two_pools ();
}

/* The same under a limit of argv[3] descriptors. */
static int sub_few_fds (int argc, char **argv)
{
    struct rlimit limit = { (rlim_t) atoi (argv[3]), (rlim_t) atoi (argv[3]) };

    NEED (setrlimit (RLIMIT_NOFILE, &limit) == 0);
    if (mpl_init (&argc, &argv, tasks) < 0)
        return *mpl_error () ? 1 : 2;
    return use_two_pools ();
}

static void few_descriptors_give_an_error_or_work (void)
{
    char text[16];
    int least = 0;

    for (int limit = 12; limit <= 64; limit += 2) {
        run_t run;
        spec_t spec = { .args = { "--sub", "few_fds", text }, .limit = 8 };
        snprintf (text, sizeof text, "%d", limit);
        CHECK (run_self (&spec, &run) == 0);
        if (run.status < 0)
            case_fail (__LINE__, "with %d descriptors it hangs", limit);
        else if (!WIFEXITED (run.status) || WEXITSTATUS (run.status) > 1)
            case_fail (__LINE__, "with %d descriptors: status %d: %s", limit, run.status, run.err);
        else if (WEXITSTATUS (run.status) == 0 && !least)
            least = limit;
        else if (WEXITSTATUS (run.status) == 1 && limit == 64)
            case_fail (__LINE__, "64 descriptors are too few: %s", run.err);
        printf ("%d descriptors: status %d%s%.100s\n", limit, run.status, *run.err ? ": " : "", run.err);
        run_free (&run);
    }
    printf ("%d descriptors are enough\n", least);
}

enum { N_LINES = 500 };

/* Tasks that print to an output that takes nothing; their results must come all the same. */
static int sub_print (int argc, char **argv)
{
    static job_t jobs[N_LINES];
    static uint64_t out[N_LINES];

    NEED (mpl_init (&argc, &argv, tasks) == 0);
    if (strcmp (argv[3], "ignore") == 0)
        signal (SIGPIPE, SIG_IGN);
    mpl_pool_t *pool = pool_of (2);
    NEED (pool);
    for (int i = 0; i < N_LINES; i++)
        jobs[i] = job_of (PRINT);
    NEED (mpl_pool_map (pool, act, jobs, N_LINES, out) == 0);
    for (size_t i = 0; i < N_LINES; i++)
        NEED (out[i] == i * i);
    NEED (pool_works (pool));
    mpl_pool_destroy (&pool);
    return 0;
}

static void full_disk_under_the_output_loses_no_result (void)
{
    run_t run;
    spec_t spec = { .args = { "--sub", "print", "default" }, .out_path = "/dev/full" };

    CHECK (run_self (&spec, &run) == 0);
    CHECKF (run.status == 0, "status %d: %s", run.status, run.err);
    run_free (&run);
}

static void closed_pipe_under_the_output_loses_no_result (void)
{
    static const char *const ways[] = { "ignore", "default" };

    for (size_t i = 0; i < LENGTH (ways); i++) {
        int ends[2];
        run_t run;
        spec_t spec = { .args = { "--sub", "print", ways[i] } };
        CHECK (pipe2 (ends, O_CLOEXEC) == 0);
        close (ends[0]);
        spec.out_fd = ends[1];
        CHECK (run_self (&spec, &run) == 0);
        close (ends[1]);
        CHECKF (run.status == 0, "SIGPIPE %s: status %d: %s", ways[i], run.status, run.err);
        run_free (&run);
    }
}

/* ---- tables ---------------------------------------------------------------------------------------------------- */

static const sub_t subs[] = {
    { "busy", sub_busy },
    { "few_fds", sub_few_fds },
    { "countdown", sub_countdown },
    { "print", sub_print },
    { 0 }
};

#define CASE(name) { #name, name, 0 }

static const case_t cases[] = {
    CASE (worker_killed_in_a_task_loses_nothing),
    CASE (dead_worker_gives_its_chunks_back),
    CASE (killed_worker_is_replaced),
    CASE (pool_whose_idle_workers_were_all_killed_works),
    CASE (workers_that_die_in_their_initializer_are_replaced),
    CASE (workers_that_die_when_they_are_ready_are_replaced),
    CASE (task_that_calls_exit_is_run_again),
    CASE (task_that_calls_exit_0_is_run_again),
    CASE (task_that_closes_every_descriptor_is_run_again),
    CASE (task_that_always_closes_every_descriptor_fails_alone),

    CASE (map_under_random_kills_is_right),
    CASE (no_result_comes_twice_under_random_kills),

    CASE (poison_items_fail_alone_after_three_attempts),
    CASE (retries_0_is_one_attempt_and_5_are_six),
    CASE (task_that_always_exits_fails_alone),
    CASE (poison_by_apply_and_imap_says_so_too),

    CASE (task_over_its_time_fails_alone_and_once),
    CASE (spinning_task_over_its_time_fails),
    CASE (task_that_ignores_term_is_killed_a_second_later),
    CASE (stopped_task_ends_by_its_limit),
    CASE (what_a_timed_out_task_started_is_gone_too),
    CASE (limit_is_for_each_item_not_for_the_map),
    CASE (hanging_item_in_a_chunk_takes_no_other_with_it),
    CASE (task_over_its_memory_fails_alone_and_once),
    CASE (shared_memory_counts_towards_the_limit),
    CASE (worker_within_its_memory_is_left_alone),

    CASE (agent_killed_alone_takes_its_workers_and_the_map_goes_on),
    CASE (agent_killed_while_idle_is_replaced),
    CASE (nursery_killed_alone_is_replaced),
    CASE (everything_but_main_killed_at_once_is_replaced),

    CASE (main_killed_leaves_nothing),
    CASE (main_terminated_leaves_nothing),
    CASE (interrupt_to_the_group_leaves_nothing),
    CASE (hangup_of_the_session_leaves_nothing),
    CASE (quit_to_the_group_leaves_nothing),
    CASE (main_that_forgets_destroy_leaves_nothing),
    CASE (main_killed_as_it_starts_leaves_nothing),
    CASE (main_and_agent_killed_together_leave_no_worker),
    CASE (stopped_main_finds_everything_when_it_goes_on),

    CASE (destroy_ends_with_stopped_workers),
    CASE (destroy_ends_with_a_stopped_agent),
    CASE (destroy_ends_with_everything_stopped),
    CASE (destroy_ends_with_tasks_that_ignore_term),
    CASE (destroy_of_a_pool_that_is_still_starting_ends),
    CASE (what_a_finished_task_left_running_ends_with_the_pool),
    CASE (fork_storm_ends_with_the_pool),

    CASE (few_descriptors_give_an_error_or_work),
    CASE (full_disk_under_the_output_loses_no_result),
    CASE (closed_pipe_under_the_output_loses_no_result),
    { 0 }
};

int main (int argc, char **argv)
{
    struct rlimit none = { 0, 0 };

    setrlimit (RLIMIT_CORE, &none);         /* tasks abort on purpose */
    return harness_main (argc, argv, tasks, cases, subs);
}
