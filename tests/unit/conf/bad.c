/* Cluster files that are wrong: each file of bad/ is a test, and bad/messages says what its error is, to the
 * letter. */
#include "conf/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES_MAX 1024

typedef struct {
    char *name;                 /* "slots-zero.yaml" */
    char *message;              /* "slots-zero.yaml:3:12: ..." */
} bad_t;

static bad_t files[FILES_MAX];
static struct CMUnitTest tests[FILES_MAX + 1];
static size_t n_files;

/* The place begins with the name, so the files are read from their own folder. */
static void is_refused_in_these_words (void **state)
{
    const bad_t *bad = *state;
    mpl_cluster_t cluster = { .launch = 42 };
    mpl_err_t err = { 0 };

    if (mpl__cluster_read (&cluster, bad->name, &err) == 0)
        fail_msg ("%s is taken for right", bad->name);
    assert_int_equal (err.code, errno);
    assert_string_equal (bad->message, err.text);
    assert_int_equal (42, cluster.launch);              /* as it was */
    assert_null (cluster.hosts.hosts);
    assert_int_equal (-1, mpl__cluster_read (&cluster, bad->name, NULL));
}

static int is_told (const char *name)
{
    for (size_t i = 0; i < n_files; i++)
        if (!strcmp (files[i].name, name))
            return 1;
    return 0;
}

static void every_file_has_a_message (void **state)
{
    DIR *folder = opendir (".");
    struct dirent *entry;

    (void) state;
    assert_non_null (folder);
    while ((entry = readdir (folder)))
        if (strstr (entry->d_name, ".yaml") && !is_told (entry->d_name))
            fail_msg ("%s is in no line of messages", entry->d_name);
    closedir (folder);
    assert_true (n_files >= 100);
}

static void read_messages (void)
{
    FILE *file = fopen ("messages", "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    while (file && n_files < FILES_MAX && (len = getline (&line, &room, file)) > 0) {
        line[len - 1] = '\0';
        files[n_files].message = strdup (line);
        files[n_files].name = strndup (line, strcspn (line, ":"));
        tests[n_files] =
            (struct CMUnitTest) { files[n_files].name, is_refused_in_these_words, NULL, NULL, &files[n_files] };
        n_files++;
    }
    if (file)
        fclose (file);
    free (line);
}

int main (void)
{
    const char *source = getenv ("MPL_SRC");

    if (chdir (source ? source : ".") < 0 || chdir ("tests/unit/conf/bad") < 0) {
        perror ("tests/unit/conf/bad");
        return 1;
    }
    read_messages ();
    tests[n_files] = (struct CMUnitTest) cmocka_unit_test (every_file_has_a_message);
    cmocka_set_message_output (CM_OUTPUT_TAP);
    int n_failed = _cmocka_run_group_tests ("tests", tests, n_files + 1, NULL, NULL);
    for (size_t i = 0; i < n_files; i++) {
        free (files[i].name);
        free (files[i].message);
    }
    return n_failed;
}
