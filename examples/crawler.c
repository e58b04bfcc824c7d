/* Finds every page of one web site, from a first one along its links.
 *
 *     crawler [-w WORKERS] [-m PAGES] URL
 *     mplaunch -n 8 crawler http://localhost:8000/         (pages mostly wait: more workers than cores pay)
 *
 * Prints status, bytes and URL of each, sorted by URL. Pages are asked for in the order they were found, at most PAGES
 * (1000) of them; only quoted href links to the host and port of the first page are followed, and redirects likewise. A
 * page that gives no answer is reported on stderr, and the exit code is 1. It does not read robots.txt: crawl what is yours.
 *
 * Shows mpl_pool_apply_async and mpl_future_wait_any: work that is found while other work goes on. A result, of variable
 * size, is a page_t and then the page's links, each with its NUL. */
#define _GNU_SOURCE
#include <mplaunch.h>

#include <ctype.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#define IN_FLIGHT 64                /* futures that are waited for at once */
#define SECONDS 20L                 /* for one page */
#define MEMORY (256 << 20)          /* bytes for one page: one that never ends costs a worker, not the machine */

typedef struct {
    long status;
    size_t bytes;
} page_t;

/* ---- in the workers -------------------------------------------------------------------------------------------- */

/* Where a link on a page leads, without #fragment; NULL when that is no URL. To be freed with curl_free. */
static char *target_of (const char *page, const char *link)
{
    CURLU *url = curl_url ();
    char *target = NULL;

    if (curl_url_set (url, CURLUPART_URL, page, 0) || curl_url_set (url, CURLUPART_URL, link, 0)
        || curl_url_set (url, CURLUPART_FRAGMENT, NULL, 0)
        || curl_url_get (url, CURLUPART_URL, &target, CURLU_NO_DEFAULT_PORT))
        target = NULL;
    curl_url_cleanup (url);
    return target;
}

static void add_link (FILE *reply, const char *page, const char *link)
{
    char *target = target_of (page, link);

    if (target)
        fwrite (target, 1, strlen (target) + 1, reply);
    curl_free (target);
}

static void add_links (FILE *reply, const char *page, char *html)
{
    while ((html = strcasestr (html, "href"))) {
        html += strlen ("href");
        html += strspn (html, " \t\r\n");
        if (*html != '=')
            continue;
        html++;
        html += strspn (html, " \t\r\n");
        char *link = html + 1, *end = *html == '"' || *html == '\'' ? strchr (link, *html) : NULL;
        if (!end)
            continue;
        *end = '\0';
        for (char *and = link; (and = strstr (and, "&amp;")); and++)
            memmove (and + 1, and + 5, strlen (and + 5) + 1);
        add_link (reply, page, link);
        html = end + 1;
    }
}

static int fetch (mpl_call_t *call, const void *in, void *out)
{
    static CURL *curl;              /* kept, and with it the connection for this worker's next page */
    const char *url = in, *type = NULL, *moved_to = NULL;
    char *html = NULL, *answer = NULL;
    page_t page = { 0 };
    size_t len;
    FILE *body = open_memstream (&html, &page.bytes), *reply = open_memstream (&answer, &len);

    (void) out;
    if (!body || !reply || (!curl && !(curl = curl_easy_init ())))
        abort ();                   /* no memory: the item runs again in another worker */
    curl_easy_setopt (curl, CURLOPT_URL, url);
    curl_easy_setopt (curl, CURLOPT_USERAGENT, "mplaunch-crawler");
    curl_easy_setopt (curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt (curl, CURLOPT_TIMEOUT, SECONDS);
    curl_easy_setopt (curl, CURLOPT_WRITEDATA, body);
    CURLcode error = curl_easy_perform (curl);
    curl_easy_getinfo (curl, CURLINFO_RESPONSE_CODE, &page.status);
    curl_easy_getinfo (curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo (curl, CURLINFO_REDIRECT_URL, &moved_to);
    if (fclose (body) != 0)
        error = CURLE_OUT_OF_MEMORY;
    fwrite (&page, sizeof page, 1, reply);
    if (moved_to)
        add_link (reply, url, moved_to);
    if (!error && type && strncasecmp (type, "text/html", strlen ("text/html")) == 0)
        add_links (reply, url, html);
    if (fclose (reply) != 0)
        error = CURLE_OUT_OF_MEMORY;
    if (error)
        mpl_call_fail (call, "%s: %s", url, curl_easy_strerror (error));
    else if (mpl_call_reply (call, answer, len) < 0)
        error = CURLE_OUT_OF_MEMORY;
    free (html);
    free (answer);
    return error != CURLE_OK;
}

static const mpl_task_t tasks[] = { { "fetch", fetch, MPL_STRING, MPL_VARIABLE }, { 0 } };

/* ---- in main --------------------------------------------------------------------------------------------------- */

typedef struct {
    char *url;
    page_t page;                    /* status 0: no answer yet, or none at all */
} found_t;

static found_t *found;              /* in the order they were found */
static size_t n_found, max_found = 1000;
static int status;                  /* the exit code: 1 as soon as anything failed */

static void complain (const char *what, const char *why)
{
    fprintf (stderr, "crawler: %s%s%s\n", what, *what ? ": " : "", why);
    status = 1;
}

/* Remembers a page unless it is known. */
static void find (const char *url)
{
    if (n_found == max_found || hsearch ((ENTRY) { .key = (char *) url }, FIND))
        return;
    found[n_found].url = strdup (url);
    if (!found[n_found].url || !hsearch ((ENTRY) { .key = found[n_found].url }, ENTER))
        abort ();
    n_found++;
}

/* Takes a page's answer: what it is, and which pages of this site it names. */
static void take (mpl_future_t *future, size_t which, const char *site)
{
    size_t len;
    const char *reply = mpl_future_get (future, &len), *end = reply + len;

    if (!reply) {
        complain ("", mpl_future_error (future));
        return;
    }
    memcpy (&found[which].page, reply, sizeof (page_t));
    for (const char *link = reply + sizeof (page_t); link < end; link += strlen (link) + 1)
        if (strncmp (link, site, strlen (site)) == 0)
            find (link);
}

/* Keeps IN_FLIGHT pages under way until no page is left that was not asked for. 0, or -1 when the pool failed. */
static int crawl (mpl_pool_t *pool, const char *site)
{
    mpl_future_t *futures[IN_FLIGHT];
    size_t which[IN_FLIGHT], n = 0, next = 0;
    int done = 0;

    while (done >= 0 && (n > 0 || next < n_found)) {
        for (; n < IN_FLIGHT && next < n_found; n++, next++) {
            which[n] = next;
            if (!(futures[n] = mpl_pool_apply_async (pool, fetch, found[next].url, 0)))
                return -1;
        }
        if ((done = mpl_future_wait_any (futures, n, -1)) >= 0) {
            take (futures[done], which[done], site);
            mpl_future_destroy (&futures[done]);
            n--;
            futures[done] = futures[n];
            which[done] = which[n];
        }
    }
    return done < 0 ? -1 : 0;
}

static int by_url (const void *a, const void *b)
{
    return strcmp (((const found_t *) a)->url, ((const found_t *) b)->url);
}

int main (int argc, char **argv)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();

    if (mpl_init (&argc, &argv, tasks) < 0)
        return complain ("", mpl_error ()), 1;
    for (int option; (option = getopt (argc, argv, "w:m:")) != -1;)
        switch (option) {
        case 'w': opts.workers = isdigit ((unsigned char) *optarg) ? atoi (optarg) : -1; break;
        case 'm': max_found = strtoul (optarg, NULL, 10); break;
        default: return 2;
        }
    opts.memory_limit = MEMORY;
    if (argc - optind != 1 || max_found < 1 || max_found > 1000000)
        return complain ("usage", "crawler [-w WORKERS] [-m PAGES] URL"), 2;
    char *first = target_of (argv[optind], argv[optind]), *site = target_of (argv[optind], "/");
    if (!first || !site)
        return complain (argv[optind], "not a URL"), 2;
    if (!(found = calloc (max_found, sizeof *found)) || !hcreate (max_found))
        return complain ("", strerror (errno)), 1;

    find (first);
    mpl_pool_t *pool = mpl_pool_new (&opts);
    if (!pool || crawl (pool, site) < 0)
        complain ("", mpl_error ());
    mpl_pool_destroy (&pool);
    hdestroy ();
    qsort (found, n_found, sizeof *found, by_url);
    for (size_t i = 0; i < n_found; i++) {
        if (found[i].page.status)
            printf ("%ld %zu %s\n", found[i].page.status, found[i].page.bytes, found[i].url);
        free (found[i].url);
    }
    if (fflush (stdout) != 0)
        complain ("standard output", strerror (errno));
    free (found);
    curl_free (first);
    curl_free (site);
    return status;
}
