/* What runs where. The line before mpl_init is printed by main and by every
 * held copy of the program; the line after it by main alone. */
#include <mplaunch.h>
#include <stdio.h>

static int is_main_in_a_task (mpl_call_t *call, const void *in, void *out)
{
    (void) call, (void) in;
    *(int *) out = mpl_is_main ();
    return 0;
}

static const mpl_task_t tasks[] = {
    { "is_main_in_a_task", is_main_in_a_task, 0, sizeof (int) }, { 0 }
};

int main (int argc, char **argv)
{
    int answer = -1;

    fprintf (stderr, "a copy of the program begins\n");
    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    printf ("main is rank %d; mpl_is_main says %d", mpl_rank (),
            mpl_is_main ());
    mpl_pool_t *pool = mpl_pool_new (NULL);
    if (!pool
        || mpl_pool_apply (pool, is_main_in_a_task, NULL, 0, &answer) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    printf (", and in a task %d\n", answer);
    mpl_pool_destroy (&pool);
    return 0;
}
