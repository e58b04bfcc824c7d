/* Sums up to several limits at once, and takes each sum as it is ready. */
#include <mplaunch.h>
#include <stdio.h>

#define N 4

static int sum_to (mpl_call_t *call, const void *in, void *out)
{
    long limit = *(const long *) in, sum = 0;

    (void) call;
    for (long i = 1; i <= limit; i++)
        sum += i;
    *(long *) out = sum;
    return 0;
}

static const mpl_task_t tasks[] = {
    { "sum_to", sum_to, sizeof (long), sizeof (long) }, { 0 }
};

static void count (mpl_future_t *future, void *arg)
{
    (void) future;
    ++*(int *) arg;                 /* callbacks of a pool never overlap */
}

int main (int argc, char **argv)
{
    static const long limits[N] = { 1000000, 10, 1000, 100 };
    mpl_future_t *futures[N];
    int n_done = 0, left = N;
    long total = 0;

    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    mpl_pool_t *pool = mpl_pool_new (NULL);
    if (!pool)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    for (int i = 0; i < N; i++) {
        futures[i] = mpl_pool_apply_async (pool, sum_to, &limits[i],
                                           sizeof limits[i]);
        if (!futures[i]
            || mpl_future_on_done (futures[i], count, &n_done) < 0)
            return fprintf (stderr, "%s\n", mpl_error ()), 1;
    }
    while (left) {
        int i = mpl_future_wait_any (futures, (size_t) left, 10000);
        const long *sum = i >= 0 ? mpl_future_get (futures[i], NULL) : NULL;
        if (!sum)
            return fprintf (stderr, "%s\n", mpl_error ()), 1;
        total += *sum;
        mpl_future_destroy (&futures[i]);
        futures[i] = futures[--left];       /* the last one takes its place */
    }
    printf ("%d sums, in all %ld\n", n_done, total);
    mpl_pool_destroy (&pool);
    return 0;
}
