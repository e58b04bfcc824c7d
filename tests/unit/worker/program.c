/* Finding the file of a program as the shell would. Each test has a folder of its own, with files of these kinds in
 * it. */
#include "worker/program.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[PATH_MAX];              /* the folder of the test, absolute */
static int top_fd = -1;

static void make_file (const char *path, mode_t mode)
{
    int fd = openat (top_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true (fd >= 0);
    assert_int_equal (0, fchmod (fd, mode));
    mpl__fd_close (&fd);
}

/* a/both b/both a/only-a b/only-b, programs; a/plain b/plain, files; a/mixed a file and b/mixed a program; a/folder,
 * a folder; run/here run/bin/near, programs. */
static int make_top (void **state)
{
    static const char *const folders[] = { "a", "b", "run", "run/bin", "a/folder", "empty" };
    static const char *const programs[] = { "a/both", "b/both", "a/only-a", "b/only-b", "b/mixed", "run/here", "run/bin/near", "b/folder",
                                            "a/two words", "a/here" };
    static const char *const files[] = { "a/plain", "b/plain", "a/mixed", "run/plain-here" };
    const char *tmp = getenv ("TMPDIR");

    (void) state;
    snprintf (top, sizeof top, "%s/program-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp (top) || (top_fd = open (top, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (mkdirat (top_fd, folders[i], 0755) < 0)
            return -1;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        make_file (programs[i], 0755);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        make_file (files[i], 0644);
    return 0;
}

static int remove_one (const char *path, const struct stat *file, int type, struct FTW *at)
{
    (void) file;
    (void) type;
    (void) at;
    return remove (path);
}

static int remove_top (void **state)
{
    (void) state;
    if (setresuid (0, 0, 0) < 0)            /* after a test that became somebody else */
        return -1;
    mpl__fd_close (&top_fd);
    return nftw (top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A list of folders in which each % is the folder of the test. */
static const char *list (const char *text)
{
    static char lists[4][4 * PATH_MAX];
    static unsigned next;
    char *to = lists[next = (next + 1) % 4];
    size_t len = 0;

    for (; *text; text++)
        if (*text == '%')
            len += (size_t) sprintf (to + len, "%s", top);
        else
            to[len++] = *text;
    to[len] = '\0';
    return to;
}

static int open_wdir (const char *path)
{
    int fd = openat (top_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_true (fd >= 0);
    return fd;
}

/* It is found as that file, seen from wdir. */
static void assert_found_from (const char *wdir, const char *wanted, const char *name, const char *folders, const char *search_path)
{
    int wdir_fd = wdir ? open_wdir (wdir) : AT_FDCWD;
    mpl_err_t err = { 0 };
    char *path = NULL;

    assert_int_equal (0, mpl__program_find (name, folders ? list (folders) : NULL, search_path ? list (search_path) : NULL, wdir_fd, &path,
                                            &err));
    assert_non_null (path);
    assert_string_equal (list (wanted), path);
    assert_int_equal (0, faccessat (wdir_fd, path, X_OK, 0));
    free (path);
    if (wdir)
        mpl__fd_close (&wdir_fd);
}

static void assert_found (const char *wanted, const char *name, const char *folders, const char *search_path)
{
    assert_found_from (NULL, wanted, name, folders, search_path);
}

static void assert_missed_from (const char *wdir, int error, const char *words, const char *name, const char *folders,
                                const char *search_path)
{
    int wdir_fd = wdir ? open_wdir (wdir) : AT_FDCWD;
    mpl_err_t err = { 0 };
    char *path = NULL;

    errno = 0;
    assert_int_equal (-1, mpl__program_find (name, folders ? list (folders) : NULL, search_path ? list (search_path) : NULL, wdir_fd, &path,
                                             &err));
    assert_int_equal (error, err.code);
    assert_int_equal (error, errno);
    assert_null (path);
    if (!strstr (err.text, words) || !strstr (err.text, *name ? name : "''"))
        fail_msg ("'%s' and '%s' are not both in: %s", words, name, err.text);
    if (wdir)
        mpl__fd_close (&wdir_fd);
}

static void assert_missed (int error, const char *words, const char *name, const char *folders, const char *search_path)
{
    assert_missed_from (NULL, error, words, name, folders, search_path);
}

static void a_name_with_a_slash_is_the_file (void **state)
{
    (void) state;
    assert_found ("%/a/both", list ("%/a/both"), NULL, "%/b");
    assert_found ("%/b/../a/both", list ("%/b/../a/both"), "%/b", "%/b");
    assert_found_from ("run", "./here", "./here", "%/a", "%/a");
    assert_found_from ("run", "bin/near", "bin/near", NULL, "%");
    assert_found_from ("run", "../a/two words", "../a/two words", NULL, NULL);
    assert_missed_from ("run", ENOENT, "there is no such file", "bin/here", NULL, "%/run/bin:%/run");
}

static void the_first_folder_of_path_that_has_it_wins (void **state)
{
    (void) state;
    assert_found ("%/a/both", "both", NULL, "%/a:%/b");
    assert_found ("%/b/both", "both", NULL, "%/b:%/a");
    assert_found ("%/b/only-b", "only-b", NULL, "%/a:%/b");
    assert_found ("%/a/both", "both", NULL, "%/empty:/no/such/folder:%/a:%/b");
    assert_found ("%/a/two words", "two words", NULL, "%/a");
    assert_found ("%/a//both", "both", NULL, "%/a/");
}

static void folders_of_ones_own_come_before_path (void **state)
{
    (void) state;
    assert_found ("%/b/both", "both", "%/b", "%/a");
    assert_found ("%/a/only-a", "only-a", "%/b", "%/a");
    assert_found ("%/b/only-b", "only-b", "%/empty:%/b", "%/a");
    assert_found ("%/b/both", "both", "%/empty:%/b:%/a", NULL);
    assert_missed (ENOENT, "not found in PATH", "nowhere", "%/a:%/b", "%/a");
}

static void relative_folders_count_from_the_folder_it_will_run_in (void **state)
{
    (void) state;
    assert_found_from ("run", "bin/near", "near", NULL, "bin");
    assert_found_from ("run", "bin/near", "near", "bin", "%/a");
    assert_found_from ("run", "./here", "here", NULL, ".");
    assert_found_from ("run", "../b/both", "both", NULL, "../b:../a");
    assert_missed_from ("run/bin", ENOENT, "not found in PATH", "near", NULL, "bin");
    assert_missed_from ("empty", ENOENT, "not found in PATH", "here", NULL, ".");
}

static void an_empty_element_of_path_is_the_folder_it_will_run_in (void **state)
{
    static const char *const paths[] = { "", ":", "%/empty:", ":%/empty", "%/empty::%/b", ":%/a", "::" };

    (void) state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_found_from ("run", "./here", "here", NULL, paths[i]);
    assert_found_from ("run", "%/a/here", "here", NULL, "%/a:");        /* in its turn */
}

static void without_a_path_the_systems_own_is_searched (void **state)
{
    mpl_err_t err;
    char *path = NULL;

    (void) state;
    assert_int_equal (0, mpl__program_find ("sh", NULL, NULL, AT_FDCWD, &path, &err));
    assert_true (path[0] == '/' && !strcmp (path + strlen (path) - 3, "/sh"));
    free (path);
    assert_missed_from ("run", ENOENT, "not found in PATH", "here", NULL, NULL);
}

static void what_is_missing_and_what_cannot_be_executed_are_told_apart (void **state)
{
    (void) state;
    assert_missed (ENOENT, "not found in PATH", "nowhere", NULL, "%/a:%/b");
    assert_missed (ENOENT, "there is no such file", list ("%/a/nowhere"), NULL, "%/a");
    assert_missed (ENOENT, "there is no such file", list ("%/nowhere/both"), NULL, "%/a");
    assert_missed (EACCES, "not executable", "plain", NULL, "%/a:%/b");
    assert_missed (EACCES, "not executable", "plain", "%/a", "%/empty");
    assert_missed (EACCES, "not executable", list ("%/a/plain"), NULL, NULL);
    assert_missed_from ("run", EACCES, "not executable", "./plain-here", NULL, NULL);
}

static void a_program_behind_a_file_that_is_none_is_found (void **state)
{
    (void) state;
    assert_found ("%/b/mixed", "mixed", NULL, "%/a:%/b");
    assert_found ("%/b/mixed", "mixed", "%/a", "%/b");
}

static void a_folder_is_no_program (void **state)
{
    (void) state;
    assert_found ("%/b/folder", "folder", NULL, "%/a:%/b");
    assert_missed (EACCES, "not executable", list ("%/a/folder"), NULL, NULL);
    assert_missed (EACCES, "not executable", list ("%/a/"), NULL, NULL);
    assert_missed_from ("a", EACCES, "not executable", "./folder", NULL, NULL);
    assert_missed_from ("a", EACCES, "not executable", "..", NULL, "%");    /* a name like any other, but what it names is a folder */
}

static void an_empty_name_is_not_found (void **state)
{
    (void) state;
    assert_missed (ENOENT, "not found", "", NULL, "%/a");
    assert_missed_from ("run", ENOENT, "not found", "", "%/a", "");
}

static void a_link_is_what_it_leads_to (void **state)
{
    (void) state;
    assert_int_equal (0, symlinkat ("../b/only-b", top_fd, "a/link"));
    assert_int_equal (0, symlinkat ("nowhere", top_fd, "a/dangling"));
    assert_found ("%/a/link", "link", NULL, "%/a");
    assert_missed (ENOENT, "not found in PATH", "dangling", NULL, "%/a");
    assert_missed (ENOENT, "there is no such file", list ("%/a/dangling"), NULL, NULL);
}

/* What a shell makes 126 or 127 is never a failure of the launch (125); so only errors come back that the header
 * names. */
static void a_path_that_leads_nowhere_in_any_way_is_missing_or_not_executable (void **state)
{
    char long_name[PATH_MAX + 100];

    (void) state;
    memset (long_name, 'x', sizeof long_name);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal (0, symlinkat ("loop", top_fd, "a/loop"));
    const char *const names[] = { list ("%/a/plain/x"), list ("%/a/both/x"), list ("%/a/loop"), long_name };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mpl_err_t err = { 0 };
        char *path = NULL;
        assert_int_equal (-1, mpl__program_find (names[i], NULL, NULL, AT_FDCWD, &path, &err));
        if (err.code != ENOENT && err.code != EACCES)
            fail_msg ("%.60s: %s", names[i], err.text);
    }
}

static void a_path_that_is_odd_is_searched_to_its_end (void **state)
{
    char many[8192];
    char name[NAME_MAX + 50];

    (void) state;
    for (size_t len = 0; len < sizeof many - 20; len += 3)
        memcpy (many + len, "/::", 4);
    strcat (many, ":%/b");
    assert_found ("%/b/both", "both", NULL, many);
    assert_found ("%/b/both", "both", NULL, "%/a/plain:%/a/loop:%/b");      /* a file is no folder */
    memset (name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_missed (ENOENT, "not found in PATH", name, NULL, "%/a:%/b");
}

static void who_must_not_execute_is_told_so_or_goes_on (void **state)
{
    (void) state;
    if (geteuid () != 0)
        skip ();
    assert_int_equal (0, chmod (top, 0755));
    assert_int_equal (0, fchmodat (top_fd, "a/only-a", 0700, 0));
    assert_int_equal (0, fchmodat (top_fd, "run", 0700, 0));
    assert_int_equal (0, setresuid (65534, 65534, 0));
    assert_missed (EACCES, "not executable", "only-a", NULL, "%/a:%/b");
    assert_missed (ENOENT, "not found in PATH", "here", NULL, "%/run:%/b");         /* nobody knows what is in there */
    assert_missed (EACCES, "", list ("%/run/here"), NULL, NULL);
    assert_found ("%/b/both", "both", NULL, "%/run:%/b");
}

#define test(name) cmocka_unit_test_setup_teardown (name, make_top, remove_top)

int main (void)
{
    const struct CMUnitTest tests[] = {
        test (a_name_with_a_slash_is_the_file),
        test (the_first_folder_of_path_that_has_it_wins),
        test (folders_of_ones_own_come_before_path),
        test (relative_folders_count_from_the_folder_it_will_run_in),
        test (an_empty_element_of_path_is_the_folder_it_will_run_in),
        test (without_a_path_the_systems_own_is_searched),
        test (what_is_missing_and_what_cannot_be_executed_are_told_apart),
        test (a_program_behind_a_file_that_is_none_is_found),
        test (a_folder_is_no_program),
        test (an_empty_name_is_not_found),
        test (a_link_is_what_it_leads_to),
        test (a_path_that_leads_nowhere_in_any_way_is_missing_or_not_executable),
        test (a_path_that_is_odd_is_searched_to_its_end),
        test (who_must_not_execute_is_told_so_or_goes_on),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
