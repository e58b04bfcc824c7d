/* A task with results of any size: it joins a greeting that main shared with
 * each name, and refuses names that are empty. */
#define _GNU_SOURCE                         /* for asprintf */
#include <mplaunch.h>
#include <stdio.h>
#include <stdlib.h>

static int greet (mpl_call_t *call, const void *in, void *out)
{
    const char *greeting = mpl_call_shared (call, "greeting", NULL);
    char *text;

    (void) out;                             /* NULL: the result is a reply */
    if (!greeting)
        return mpl_call_fail (call, "%s", mpl_error ());
    if (mpl_call_in_len (call) == 0)
        return mpl_call_fail (call, "guest %zu has no name",
                              mpl_call_index (call));
    int len = asprintf (&text, "%s, %s!", greeting, (const char *) in);
    if (len < 0)
        return mpl_call_fail (call, "there is no memory");
    int rc = mpl_call_reply (call, text, (size_t) len);
    free (text);
    return rc;
}

static const mpl_task_t tasks[] = {
    { "greet", greet, MPL_STRING, MPL_VARIABLE }, { 0 }
};

int main (int argc, char **argv)
{
    const char *guests[] = { "Ada", "", "Grace" };
    mpl_bytes_t texts[3];

    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    mpl_pool_t *pool = mpl_pool_new (NULL);
    if (!pool || mpl_pool_share (pool, "greeting", "Good day", 9) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    if (mpl_pool_map (pool, greet, guests, 3, texts) < 0)
        fprintf (stderr, "%s\n", mpl_error ());
    for (int i = 0; i < 3; i++)             /* a failed one is { NULL, 0 } */
        if (texts[i].data)
            printf ("%s\n", (char *) texts[i].data);
    mpl_bytes_free (texts, 3);
    mpl_pool_destroy (&pool);
    return 0;
}
