/* A pool with options: two workers that prepare themselves, each replaced
 * after a hundred items, with a limit for each item; and a table that is
 * copied once, not sent with every item. */
#include <mplaunch.h>
#include <stdio.h>

static long offset;                         /* of this worker, see prepare */

static int prepare (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) out;
    offset = *(const long *) in;
    return 0;
}

static int look_up (mpl_call_t *call, const void *in, void *out)
{
    size_t bytes;
    const long *table = mpl_call_shared (call, "table", &bytes);
    size_t i = *(const size_t *) in;

    if (!table || i >= bytes / sizeof *table)
        return mpl_call_fail (call, "the table has no entry %zu", i);
    *(long *) out = table[i] + offset;
    return 0;
}

static const mpl_task_t tasks[] = {
    { "prepare", prepare, sizeof (long), 0 },
    { "look_up", look_up, sizeof (size_t), sizeof (long) },
    { 0 }
};

int main (int argc, char **argv)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    long table[500], found[500], start = 7, sum = 0;
    size_t wanted[500];

    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    for (size_t i = 0; i < 500; i++) {
        table[i] = 10 * (long) i;
        wanted[i] = 499 - i;
    }
    opts.workers = 2;
    opts.initializer = prepare;
    opts.init_arg = &start;
    opts.init_len = sizeof start;
    opts.max_tasks = 100;
    opts.task_timeout = 30;                 /* seconds, for one item */
    mpl_pool_t *pool = mpl_pool_new (&opts);
    if (!pool || mpl_pool_share (pool, "table", table, sizeof table) < 0
        || mpl_pool_map (pool, look_up, wanted, 500, found) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    for (int i = 0; i < 500; i++)
        sum += found[i];
    printf ("%d workers found %ld, %ld ... and in all %ld\n",
            mpl_pool_size (pool), found[0], found[1], sum);
    mpl_pool_close (pool);
    if (mpl_pool_join (pool) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    mpl_pool_destroy (&pool);
    return 0;
}
