/* Shows the processes of a pool: main, and for each worker its number, its
 * process and its parent, the nursery. The nursery's parent is the agent,
 * mpworker. */
#include <mplaunch.h>
#include <stdio.h>
#include <unistd.h>

typedef struct { int worker, process, parent; } place_t;

static int tell (mpl_call_t *call, const void *in, void *out)
{
    (void) in;
    usleep (20000);                 /* long enough for the others to begin */
    *(place_t *) out = (place_t) { mpl_call_worker (call), getpid (),
                                   getppid () };
    return 0;
}

static const mpl_task_t tasks[] = {
    { "tell", tell, 0, sizeof (place_t) }, { 0 }
};

int main (int argc, char **argv)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    place_t places[8];

    opts.workers = 2;
    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    mpl_pool_t *pool = mpl_pool_new (&opts);
    if (!pool || mpl_pool_map (pool, tell, NULL, 8, places) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    printf ("main is process %d\n", (int) getpid ());
    for (int i = 0; i < 8; i++)
        printf ("item %d: worker %d, process %d, child of %d\n", i,
                places[i].worker, places[i].process, places[i].parent);
    mpl_pool_destroy (&pool);
    return 0;
}
