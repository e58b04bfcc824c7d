/* Reads lines from standard input, however many, and prints the length of
 * each in the order they came: never more than a bounded number of lines is
 * in memory. */
#include <mplaunch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int measure (mpl_call_t *call, const void *in, void *out)
{
    (void) in;
    *(size_t *) out = mpl_call_in_len (call);
    return 0;
}

typedef struct { char *text; size_t room; } line_t;

static int next_line (void *state, mpl_bytes_t *item)
{
    line_t *line = state;
    ssize_t len = getline (&line->text, &line->room, stdin);

    if (len < 0)
        return ferror (stdin) ? -1 : 0;
    line->text[strcspn (line->text, "\n")] = '\0';
    item->data = line->text;                /* ours until the next call */
    return 1;
}

static const mpl_task_t tasks[] = {
    { "measure", measure, MPL_STRING, sizeof (size_t) }, { 0 }
};

int main (int argc, char **argv)
{
    line_t line = { NULL, 0 };
    mpl_result_t result;
    int rc;

    if (mpl_init (&argc, &argv, tasks) < 0)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    mpl_pool_t *pool = mpl_pool_new (NULL);
    mpl_iter_t *iter = pool ? mpl_pool_imap_from (pool, measure, next_line,
                                                  &line, 1) : NULL;
    if (!iter)
        return fprintf (stderr, "%s\n", mpl_error ()), 1;
    while ((rc = mpl_iter_next (iter, &result, -1)) == 1)
        if (result.ok)
            printf ("line %zu: %zu bytes\n", result.index + 1,
                    *(const size_t *) result.data);
        else
            fprintf (stderr, "%s\n", result.error);
    if (rc < 0)
        fprintf (stderr, "%s\n", mpl_error ());
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    free (line.text);
    return rc < 0;
}
