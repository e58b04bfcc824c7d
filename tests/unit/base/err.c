/* Errors: a code and one sentence; each thread's last one; the words for how a process ended. */
#include "base/err.h"
#include "base/assert.h"
#include "base/fail.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void an_error_is_a_code_a_sentence_and_minus_one (void **state)
{
    mpl_err_t err;

    (void) state;
    errno = 0;
    assert_int_equal (-1, mpl__err (&err, EINVAL, "slots is '%s'; a positive number or auto", "x"));
    assert_int_equal (EINVAL, errno);
    assert_int_equal (EINVAL, err.code);
    assert_string_equal ("slots is 'x'; a positive number or auto", err.text);
    assert_int_equal (-1, mpl__err (NULL, EPERM, "nobody wants the sentence"));
    assert_int_equal (EPERM, errno);
}

static void a_sentence_too_long_is_cut (void **state)
{
    mpl_err_t err;

    (void) state;
    mpl__err (&err, EIO, "%*d", 10 * (int) MPL__ERR_TEXT, 7);
    assert_int_equal (MPL__ERR_TEXT - 1, strlen (err.text));
}

static void *fail_here (void *other)
{
    *(int *) other = mpl__last_error ()->code;
    mpl__fail (EDOM, "in the other thread");
    return NULL;
}

static void each_thread_has_its_own_last_error (void **state)
{
    pthread_t thread;
    int code_there = -1;

    (void) state;
    assert_non_null (mpl__last_error ());
    assert_null (mpl__fail_null (ERANGE, "here"));
    assert_int_equal (0, pthread_create (&thread, NULL, fail_here, &code_there));
    assert_int_equal (0, pthread_join (thread, NULL));
    assert_int_equal (0, code_there);
    assert_int_equal (ERANGE, mpl__last_error ()->code);
    assert_string_equal ("here", mpl__last_error ()->text);
}

static void an_end_is_told_in_words (void **state)
{
    char text[64];

    (void) state;
    assert_string_equal ("exit code 3", mpl__status_text (W_EXITCODE (3, 0), text, sizeof text));
    assert_string_equal ("signal 9 (Killed)", mpl__status_text (SIGKILL, text, sizeof text));
    assert_string_equal ("signal 11 (Segmentation fault)", mpl__status_text (SIGSEGV | 0x80, text, sizeof text));
    assert_string_equal ("unknown signal", mpl__signal_name (-1));
    assert_string_equal ("unknown signal", mpl__signal_name (12345));
    assert_ptr_equal (text, mpl__status_text (W_EXITCODE (255, 0), text, 5));
    assert_string_equal ("exit", text);
}

static void a_mistake_of_ours_says_where_and_aborts (void **state)
{
    char line[256] = "";
    int fds[2], status;

    (void) state;
    assert_int_equal (0, pipe (fds));
    pid_t child = fork ();
    if (child == 0) {
        setrlimit (RLIMIT_CORE, &(struct rlimit) { 0, 0 });
        signal (SIGABRT, SIG_DFL);
        dup2 (fds[1], STDERR_FILENO);
        mpl__assert (child > 0);
        _exit (0);
    }
    close (fds[1]);
    assert_true (read (fds[0], line, sizeof line - 1) > 0);
    close (fds[0]);
    assert_int_equal (child, waitpid (child, &status, 0));
    assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT);
    assert_non_null (strstr (line, "err.c:"));
    assert_non_null (strstr (line, "child > 0 does not hold"));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_error_is_a_code_a_sentence_and_minus_one),
        cmocka_unit_test (a_sentence_too_long_is_cut),
        cmocka_unit_test (each_thread_has_its_own_last_error),
        cmocka_unit_test (an_end_is_told_in_words),
        cmocka_unit_test (a_mistake_of_ours_says_where_and_aborts),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
