/* A map that takes a while, for tests that take something away meanwhile: the squares of 0 to N - 1, MS milliseconds
 * each. slow_squares N MS [FILE]: prints "N squares are right"; FILE is made when a tenth of them is there. */
#include <mplaunch.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct { int number, ms; } item_t;

static int square (mpl_call_t *call, const void *in, void *out)
{
    const item_t *item = in;

    (void) call;
    usleep ((useconds_t) item->ms * 1000);
    *(long *) out = (long) item->number * item->number;
    return 0;
}

static const mpl_task_t tasks[] = { { "square", square, sizeof (item_t), sizeof (long) }, { 0 } };

static int fail (void)
{
    fprintf (stderr, "slow_squares: %s\n", mpl_error ());
    return 1;
}

int main (int argc, char **argv)
{
    if (mpl_init (&argc, &argv, tasks) < 0)
        return fail ();
    int n = argc > 1 ? atoi (argv[1]) : 100, ms = argc > 2 ? atoi (argv[2]) : 10, n_right = 0;
    item_t *items = calloc ((size_t) n, sizeof *items);
    mpl_pool_t *pool = mpl_pool_new (NULL);
    if (!pool || !items)
        return fail ();
    for (int i = 0; i < n; i++)
        items[i] = (item_t) { i, ms };
    mpl_iter_t *iter = mpl_pool_imap (pool, square, items, n);
    if (!iter)
        return fail ();
    mpl_result_t result;
    for (int i = 0; mpl_iter_next (iter, &result, -1) == 1; i++) {
        n_right += result.ok && *(const long *) result.data == (long) i * i;
        if (argc > 3 && i == n / 10)
            fclose (fopen (argv[3], "w"));
    }
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (items);
    printf ("%d squares are right\n", n_right);
    return n_right != n;
}
