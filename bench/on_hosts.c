/* What bench/hosts runs. `ready N`: prints a line when N workers have served. `tiny N TURNS`: maps N items of 8 bytes
 * in and out, each of so many turns of a loop, three times, and prints how many items each worker had of the last
 * map, and how long that took. */
#include <mplaunch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Which worker it was; after so many turns of a loop that nobody can leave out. */
static int who (mpl_call_t *call, const void *in, void *out)
{
    volatile double turns = *(const double *) in;

    while (turns > 0)
        turns = turns - 1;
    *(double *) out = mpl_call_worker (call);
    return 0;
}

static const mpl_task_t tasks[] = { { "who", who, sizeof (double), sizeof (double) }, { 0 } };

static double now (void)
{
    struct timespec at;

    clock_gettime (CLOCK_MONOTONIC, &at);
    return (double) at.tv_sec + (double) at.tv_nsec * 1e-9;
}

static int ready (mpl_pool_t *pool, size_t n)
{
    char served[4096] = { 0 };
    double in[64] = { 0 }, out[64];

    for (size_t n_serving = 0; n_serving < n;) {
        if (mpl_pool_map (pool, who, in, 64, out) < 0)
            return -1;
        for (int i = 0; i < 64; i++) {
            n_serving += !served[(int) out[i]];
            served[(int) out[i]] = 1;
        }
    }
    puts ("ready");
    fflush (stdout);
    return 0;
}

static int tiny (mpl_pool_t *pool, size_t n, double turns)
{
    double *in = malloc (n * sizeof *in), *out = malloc (n * sizeof *out), took = 0;
    size_t by[4096] = { 0 };

    for (size_t i = 0; i < n; i++)
        in[i] = turns;
    for (int round = 0; round < 3; round++) {
        double began = now ();
        if (mpl_pool_map (pool, who, in, n, out) < 0)
            return -1;
        took = now () - began;
    }
    for (size_t i = 0; i < n; i++)
        by[(int) out[i]]++;
    for (int w = 0; w < mpl_pool_size (pool); w++)
        printf ("%zu ", by[w]);
    printf ("%.6f\n", took);
    free (in);
    free (out);
    return 0;
}

int main (int argc, char **argv)
{
    if (mpl_init (&argc, &argv, tasks) < 0 || argc < 3)
        return fprintf (stderr, "on_hosts: %s\n", mpl_error ()), 2;
    mpl_pool_t *pool = mpl_pool_new (NULL);
    size_t n = strtoul (argv[2], NULL, 10);
    int rc = !pool ? -1 : !strcmp (argv[1], "ready") ? ready (pool, n) : tiny (pool, n, argc > 3 ? atof (argv[3]) : 0);

    if (rc < 0)
        fprintf (stderr, "on_hosts: %s\n", mpl_error ());
    mpl_pool_destroy (&pool);
    return rc < 0;
}
