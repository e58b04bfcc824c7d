/* Whole files in memory, and what is no file. */
#include "conf/text.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mpl-text-XXXXXX";
static mpl_err_t err;

static int make_folder (void **state)
{
    (void) state;
    return mkdtemp (folder) && chdir (folder) == 0 ? 0 : -1;
}

static int remove_folder (void **state)
{
    (void) state;
    unlink ("file");
    unlink ("pipe");
    unlink ("socket");
    unlink ("loop");
    return chdir ("/") == 0 && rmdir (folder) == 0 ? 0 : -1;
}

/* Writes a file of `size` bytes, each telling where it is. */
static void write_file (size_t size)
{
    FILE *file = fopen ("file", "w");

    assert_non_null (file);
    for (size_t i = 0; i < size; i++)
        fputc ('a' + (int) (i % 23), file);
    assert_int_equal (0, fclose (file));
}

static void a_file_is_read_whole (void **state)
{
    static const size_t sizes[] = { 0, 1, 100, 16382, 16383, 16384, 16385, 32767, 32768, 99999 };

    (void) state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t len = 42;
        write_file (sizes[i]);
        char *text = mpl__text_read ("file", 100000, "a test", &len, &err);
        assert_non_null (text);
        assert_int_equal (sizes[i], len);
        assert_int_equal (0, text[len]);
        for (size_t j = 0; j < len; j++)
            assert_int_equal ('a' + (int) (j % 23), text[j]);
        free (text);
    }
}

static void the_longest_file_is_read_and_a_longer_one_is_not (void **state)
{
    size_t len;

    (void) state;
    write_file (1000);
    char *text = mpl__text_read ("file", 1000, "a test", &len, &err);
    assert_non_null (text);
    free (text);
    write_file (1001);
    assert_null (mpl__text_read ("file", 1000, "a test", &len, &err));
    assert_int_equal (EFBIG, errno);
    assert_string_equal ("file has 1001 bytes; a test has at most 1000", err.text);
}

/* Files of the kernel say that they have 0 bytes. */
static void a_file_that_hides_its_size_is_bounded_too (void **state)
{
    size_t len;

    (void) state;
    char *text = mpl__text_read ("/proc/self/stat", 100000, "a test", &len, &err);
    assert_non_null (text);
    assert_true (len > 20);
    free (text);
    assert_null (mpl__text_read ("/proc/self/stat", 20, "a test", &len, &err));
    assert_int_equal (EFBIG, errno);
    assert_string_equal ("/proc/self/stat has more than 20 bytes; a test has at most that", err.text);
}

static void assert_refused (const char *path, int code, const char *sentence)
{
    size_t len;
    uint64_t until = mpl__clock_in_ms (1000);

    assert_null (mpl__text_read (path, 1000, "a test", &len, &err));
    assert_int_equal (code, errno);
    assert_string_equal (sentence, err.text);
    assert_true (mpl__clock_ns () < until);
}

static void what_is_no_regular_file_is_refused_at_once (void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
    int sock = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) state;
    assert_int_equal (0, mkfifo ("pipe", 0600));
    assert_int_equal (0, bind (sock, (struct sockaddr *) &address, sizeof address));
    assert_refused (".", EISDIR, ". is a folder; a test is a regular file");
    assert_refused ("pipe", EINVAL, "pipe is a pipe; a test is a regular file");
    assert_refused ("socket", EINVAL, "socket is a socket; a test is a regular file");
    assert_refused ("/dev/zero", EINVAL, "/dev/zero is a device; a test is a regular file");
    assert_refused ("/dev/null", EINVAL, "/dev/null is a device; a test is a regular file");
    close (sock);
}

static void a_file_that_cannot_be_read_says_why (void **state)
{
    (void) state;
    assert_refused ("none", ENOENT, "none: No such file or directory; a test is needed there");
    assert_refused ("", ENOENT, ": No such file or directory; a test is needed there");
    write_file (10);
    assert_refused ("file/below", ENOTDIR, "file/below: Not a directory; a test is needed there");
    assert_int_equal (0, symlink ("loop", "loop"));
    assert_refused ("loop", ELOOP, "loop: Too many levels of symbolic links; a test is needed there");
    if (geteuid () == 0)
        return;                                 /* who may read everything */
    assert_int_equal (0, chmod ("file", 0));
    assert_refused ("file", EACCES, "file cannot be read: Permission denied");
}

static void no_descriptor_is_left_open (void **state)
{
    size_t len;
    int before = open ("/", O_RDONLY | O_CLOEXEC);

    (void) state;
    close (before);
    write_file (2000);
    assert_null (mpl__text_read ("file", 1000, "a test", &len, NULL));
    free (mpl__text_read ("file", 5000, "a test", &len, NULL));
    assert_null (mpl__text_read ("/proc/self/stat", 20, "a test", &len, NULL));
    int after = open ("/", O_RDONLY | O_CLOEXEC);
    assert_int_equal (before, after);
    close (after);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_file_is_read_whole),
        cmocka_unit_test (the_longest_file_is_read_and_a_longer_one_is_not),
        cmocka_unit_test (a_file_that_hides_its_size_is_bounded_too),
        cmocka_unit_test (what_is_no_regular_file_is_refused_at_once),
        cmocka_unit_test (a_file_that_cannot_be_read_says_why),
        cmocka_unit_test (no_descriptor_is_left_open),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, make_folder, remove_folder);
}
