#include <mplaunch.h>
#include <stdio.h>

static int square (mpl_call_t *call, const void *in, void *out)
{
    (void) call;
    *(double *) out = *(const double *) in * *(const double *) in;
    return 0;                           /* anything else: this item failed */
}

static const mpl_task_t tasks[] = {
    { "square", square, sizeof (double), sizeof (double) }, { 0 } };

int main (int argc, char **argv)
{
    double xs[1000], ys[1000];
    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    for (int i = 0; i < 1000; i++)
        xs[i] = i;
    mpl_pool_t *pool = mpl_pool_new (NULL);
    if (!pool || mpl_pool_map (pool, square, xs, 1000, ys) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    printf ("the square of 999 is %.0f\n", ys[999]);
    mpl_pool_destroy (&pool);
}
