/* Maps a function over strings; two items fail, the others' results stand. */
#include <mplaunch.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int parse (mpl_call_t *call, const void *in, void *out)
{
    char *end;

    *(double *) out = strtod (in, &end);
    if (end == in || *end)
        return mpl_call_fail (call, "'%s' is no number", (const char *) in);
    return 0;
}

static const mpl_task_t tasks[] = {
    { "parse", parse, MPL_STRING, sizeof (double) }, { 0 }
};

int main (int argc, char **argv)
{
    const char *texts[] = { "1.5", "two", "3e2", "", "-8" };
    double numbers[5] = { 0 }, one = 0;
    mpl_result_t failed[5];

    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    mpl_pool_t *pool = mpl_pool_new (NULL);
    if (!pool)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    if (mpl_pool_map (pool, parse, texts, 5, numbers) < 0) {
        if (errno != EIO)                   /* none of the items' doing */
            return fprintf (stderr, "%s\n", mpl_error ()), 1;
        fprintf (stderr, "%s\n", mpl_error ());
        size_t n = mpl_pool_failures (pool, failed, 5);
        for (size_t i = 0; i < n; i++)
            printf ("item %zu has no result\n", failed[i].index);
    }
    printf ("%g %g %g\n", numbers[0], numbers[2], numbers[4]);

    mpl_future_t *rest = mpl_pool_map_async (pool, parse, texts, 1, numbers);
    if (mpl_pool_apply (pool, parse, "6.25", 0, &one) == 0)
        printf ("apply says %g\n", one);
    if (rest && mpl_future_get (rest, NULL))
        printf ("map_async says %g\n", numbers[0]);
    mpl_future_destroy (&rest);
    mpl_pool_destroy (&pool);
    return 0;
}
