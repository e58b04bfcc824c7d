/* Counts the lines, words and bytes of every text file below some folders, as `LC_ALL=C wc` counts them.
 *
 *     wordcount [-w WORKERS] [-p] [-q] [-t] FOLDER...
 *     mplaunch -n 4 wordcount /usr/share/doc
 *
 *     -w, --workers N   0: one for each core, or those that mplaunch gives       -q, --quiet   the total alone
 *     -p, --progress    a progress bar on stderr                                 -t, --time    on stderr: elapsed 1.234
 *
 * Prints the ten files with most words, and a total that is the last line of `wc --files0-from=-` for the same files. A
 * file with a NUL in its first 8 KiB is no text and left out. What cannot be read is reported, and the exit code is 1.
 *
 * Shows mpl_pool_imap_unordered: results come as they are ready, and say by their index whose they are. */
#include <mplaunch.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (64 * 1024)
#define PROBE (8 * 1024)            /* where a NUL tells that a file is no text */
#define SHOWN 10

typedef struct {
    uint64_t lines, words, bytes;
    int is_text;
    const char *path;               /* set by main: a worker's pointers mean nothing there */
} counts_t;

static int count (mpl_call_t *call, const void *in, void *out)
{
    static unsigned char buffer[BUFFER];
    counts_t counts = { .is_text = 1 };
    int in_word = 0, fd = open (in, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    while (fd >= 0 && (n = read (fd, buffer, BUFFER)) > 0) {
        if (counts.bytes == 0 && memchr (buffer, 0, n < PROBE ? (size_t) n : PROBE)) {
            counts.is_text = 0;
            break;
        }
        for (ssize_t i = 0; i < n; i++) {
            unsigned char c = buffer[i];
            if (c == ' ' || (c >= '\t' && c <= '\r')) {
                counts.lines += c == '\n';
                in_word = 0;
            } else if (!in_word && c > ' ' && c < 127) {    /* in the C locale nothing else begins a word */
                counts.words++;
                in_word = 1;
            }
        }
        counts.bytes += (uint64_t) n;
    }
    if (n < 0)
        mpl_call_fail (call, "%s: %s", (const char *) in, strerror (errno));
    if (fd >= 0)
        close (fd);
    *(counts_t *) out = counts;
    return n < 0;
}

static const mpl_task_t tasks[] = { { "wordcount", count, MPL_STRING, sizeof (counts_t) }, { 0 } };

static int status;                  /* the exit code: 1 as soon as anything failed */

static void complain (const char *what, const char *why)
{
    fprintf (stderr, "wordcount: %s%s%s\n", what, *what ? ": " : "", why);
    status = 1;
}

/* The regular files below the folders, *n of them; what cannot be read is reported. */
static char **files_below (char **folders, size_t *n)
{
    FTS *tree = fts_open (folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    char **paths = NULL;

    for (FTSENT *entry; tree && (entry = fts_read (tree));) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            complain (entry->fts_path, strerror (entry->fts_errno));
        if (entry->fts_info != FTS_F)
            continue;
        if ((*n & (*n - 1)) == 0 && !(paths = reallocarray (paths, *n ? 2 * *n : 1, sizeof *paths)))
            abort ();
        if (!(paths[(*n)++] = strdup (entry->fts_path)))
            abort ();
    }
    if (tree)
        fts_close (tree);
    return paths;
}

/* Puts the text files' counts into `texts`, room for n, and returns how many they are; -1 when the pool failed. */
static long count_all (mpl_pool_t *pool, char **paths, size_t n, counts_t *texts)
{
    mpl_iter_t *iter = mpl_pool_imap_unordered (pool, count, paths, n);
    mpl_result_t result;
    long n_texts = 0;
    int more = -1;

    while (iter && (more = mpl_iter_next (iter, &result, -1)) > 0) {
        if (!result.ok) {
            complain ("", result.error);
            continue;
        }
        memcpy (&texts[n_texts], result.data, sizeof *texts);
        texts[n_texts].path = paths[result.index];
        n_texts += texts[n_texts].is_text;
    }
    mpl_iter_destroy (&iter);
    return more < 0 ? -1 : n_texts;
}

static int most_words_first (const void *left, const void *right)
{
    const counts_t *a = left, *b = right;
    return a->words != b->words ? (a->words < b->words) - (a->words > b->words) : strcmp (a->path, b->path);
}

static void print (const counts_t *c)
{
    printf ("%ju %ju %ju %s\n", (uintmax_t) c->lines, (uintmax_t) c->words, (uintmax_t) c->bytes, c->path);
}

static double seconds_since (const struct timespec *start)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) (now.tv_sec - start->tv_sec) + (double) (now.tv_nsec - start->tv_nsec) * 1e-9;
}

int main (int argc, char **argv)
{
    static const struct option names[] = { { "workers", 1, NULL, 'w' }, { "progress", 0, NULL, 'p' },
                                           { "quiet", 0, NULL, 'q' },   { "time", 0, NULL, 't' },     { 0 } };
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    counts_t total = { .path = "total" };
    int shown = SHOWN, timed = 0;
    struct timespec start;
    size_t n = 0;

    if (mpl_init (&argc, &argv, tasks) < 0)
        return complain ("", mpl_error ()), 1;
    for (int option; (option = getopt_long (argc, argv, "w:pqt", names, NULL)) != -1;)
        switch (option) {
        case 'w': opts.workers = isdigit ((unsigned char) *optarg) ? atoi (optarg) : -1; break;
        case 'p': opts.progress = 1; break;
        case 'q': shown = 0; break;
        case 't': timed = 1; break;
        default: return 2;
        }
    if (optind == argc)
        return complain ("usage", "wordcount [-w WORKERS] [-p] [-q] [-t] FOLDER..."), 2;

    char **paths = files_below (argv + optind, &n);
    counts_t *texts = calloc (n + 1, sizeof *texts);
    if (!texts)
        abort ();
    clock_gettime (CLOCK_MONOTONIC, &start);
    mpl_pool_t *pool = mpl_pool_new (&opts);
    long n_texts = pool ? count_all (pool, paths, n, texts) : -1;
    if (n_texts < 0)
        complain ("", mpl_error ());
    else if (timed)
        fprintf (stderr, "elapsed %.3f\n", seconds_since (&start));
    mpl_pool_destroy (&pool);

    for (long i = 0; i < n_texts; i++) {
        total.lines += texts[i].lines;
        total.words += texts[i].words;
        total.bytes += texts[i].bytes;
    }
    if (n_texts > 1)
        qsort (texts, (size_t) n_texts, sizeof *texts, most_words_first);
    for (long i = 0; i < n_texts && i < shown; i++)
        print (&texts[i]);
    if (n_texts >= 0)
        print (&total);
    if (fflush (stdout) != 0)
        complain ("standard output", strerror (errno));
    for (size_t i = 0; i < n; i++)
        free (paths[i]);
    free (paths);
    free (texts);
    return status;
}
