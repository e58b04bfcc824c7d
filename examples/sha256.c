/* Prints the SHA-256 of every file below some folders, byte for byte as sha256sum prints it, sorted by path.
 *
 *     sha256 [-w WORKERS] FOLDER...            check it with: sha256 /usr/share/doc | sha256sum -c --quiet
 *     mplaunch -n 4 sha256 /usr/share/doc
 *
 * A file that cannot be read is reported on stderr and the rest goes on; the exit code is then 1.
 *
 * Shows mpl_pool_imap, whose results come in the order of the items, each as soon as those before it are there; and a task
 * that fails on one item with a text of its own (mpl_call_fail). */
#include <mplaunch.h>

#include <ctype.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#define BUFFER (64 * 1024)

typedef struct {
    unsigned char bytes[32];
} digest_t;

static int hash (mpl_call_t *call, const void *in, void *out)
{
    static unsigned char buffer[BUFFER];
    EVP_MD_CTX *md = EVP_MD_CTX_new ();
    FILE *file = fopen (in, "re");
    int is_ok = md && EVP_DigestInit_ex (md, EVP_sha256 (), NULL);
    size_t n;

    if (file)
        setvbuf (file, NULL, _IONBF, 0);
    while (is_ok && file && (n = fread (buffer, 1, BUFFER, file)) > 0)
        is_ok = EVP_DigestUpdate (md, buffer, n);
    if (!is_ok)
        mpl_call_fail (call, "%s: libcrypto failed", (const char *) in);
    else if (!file || ferror (file))
        is_ok = !mpl_call_fail (call, "%s: %s", (const char *) in, strerror (errno));
    else
        is_ok = EVP_DigestFinal_ex (md, ((digest_t *) out)->bytes, NULL);
    if (file)
        fclose (file);
    EVP_MD_CTX_free (md);
    return !is_ok;
}

static const mpl_task_t tasks[] = { { "sha256", hash, MPL_STRING, sizeof (digest_t) }, { 0 } };

static int status;                  /* the exit code: 1 as soon as anything failed */

static void complain (const char *what, const char *why)
{
    fprintf (stderr, "sha256: %s%s%s\n", what, *what ? ": " : "", why);
    status = 1;
}

static int in_order (const void *a, const void *b)
{
    return strcmp (*(char *const *) a, *(char *const *) b);
}

/* The regular files below the folders, *n of them, sorted; what cannot be read is reported. */
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
    if (*n > 1)
        qsort (paths, *n, sizeof *paths, in_order);
    return paths;
}

/* A line begins with a backslash when one, or an end of line, is in the file's name and written as two characters. */
static void print (const digest_t *digest, const char *path)
{
    if (path[strcspn (path, "\\\n\r")])
        putchar ('\\');
    for (size_t i = 0; i < sizeof digest->bytes; i++)
        printf ("%02x", digest->bytes[i]);
    fputs ("  ", stdout);
    for (; *path; path++)
        if (*path == '\\')
            fputs ("\\\\", stdout);
        else if (*path == '\n')
            fputs ("\\n", stdout);
        else if (*path == '\r')
            fputs ("\\r", stdout);
        else
            putchar (*path);
    putchar ('\n');
}

int main (int argc, char **argv)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    mpl_result_t result;
    int more = -1;
    size_t n = 0;

    if (mpl_init (&argc, &argv, tasks) < 0)
        return complain ("", mpl_error ()), 1;
    for (int option; (option = getopt (argc, argv, "w:")) != -1;) {
        if (option != 'w')
            return 2;
        opts.workers = isdigit ((unsigned char) *optarg) ? atoi (optarg) : -1;
    }
    if (optind == argc)
        return complain ("usage", "sha256 [-w WORKERS] FOLDER..."), 2;

    char **paths = files_below (argv + optind, &n);
    mpl_pool_t *pool = mpl_pool_new (&opts);
    mpl_iter_t *iter = pool ? mpl_pool_imap (pool, hash, paths, n) : NULL;
    while (iter && (more = mpl_iter_next (iter, &result, -1)) > 0)
        if (result.ok)
            print (result.data, paths[result.index]);
        else
            complain ("", result.error);
    if (more < 0)
        complain ("", mpl_error ());
    mpl_iter_destroy (&iter);
    mpl_pool_destroy (&pool);
    if (fflush (stdout) != 0)
        complain ("standard output", strerror (errno));
    for (size_t i = 0; i < n; i++)
        free (paths[i]);
    free (paths);
    return status;
}
