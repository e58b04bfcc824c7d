/* The command line of mplaunch: every option with a right, a missing and an absurd value. */
#include "launcher/options.h"
#include "base/cpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 16

static mpl_options_t options;
static char *args[ARGS_MAX + 1];
static char said[8192], complained[8192];       /* on stdout and stderr by the last parse */

static void read_back (int fd, char *text, size_t size)
{
    ssize_t len = pread (fd, text, size - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    close (fd);
}

/* Parses "mplaunch" and the words of `line`; an empty word is written as ''. What is printed is caught. */
static int parse (const char *line)
{
    static char words[512];
    int argc = 0, out = memfd_create ("out", 0), err = memfd_create ("err", 0);

    snprintf (words, sizeof words, "mplaunch %s", line);
    for (char *at = words, *word; (word = strsep (&at, " ")) && argc < ARGS_MAX;)
        args[argc++] = !strcmp (word, "''") ? word + 2 : word;
    argc -= argc > 1 && !*line;
    args[argc] = NULL;
    fflush (NULL);
    int keep_out = dup (STDOUT_FILENO), keep_err = dup (STDERR_FILENO);
    dup2 (out, STDOUT_FILENO);
    dup2 (err, STDERR_FILENO);
    int rc = mpl__options_parse (argc, args, &options);
    fflush (NULL);
    dup2 (keep_out, STDOUT_FILENO);
    dup2 (keep_err, STDERR_FILENO);
    close (keep_out);
    close (keep_err);
    read_back (out, said, sizeof said);
    read_back (err, complained, sizeof complained);
    return rc;
}

/* A usage error is one sentence on stderr that quotes what was wrong, and nothing on stdout. */
static void assert_refused (const char *line, const char *quoted)
{
    if (parse (line) != 2 || said[0] || strncmp (complained, "mplaunch: ", 10) || !strstr (complained, quoted)
        || strchr (complained, '\n') != complained + strlen (complained) - 1)
        fail_msg ("mplaunch %s: stdout '%s', stderr '%s', wanted '%s'", line, said, complained, quoted);
}

static void a_program_alone_gets_every_usable_core (void **state)
{
    (void) state;
    assert_int_equal (-1, parse ("./app"));
    assert_int_equal (mpl__cpus_usable (), options.n);
    assert_false (options.is_verbose || options.is_quiet);
    assert_string_equal ("./app", options.argv[0]);
    assert_null (options.argv[1]);
    assert_string_equal ("", complained);
}

static void the_number_of_processes_is_read_in_every_spelling (void **state)
{
    static const char *const lines[] = { "-n 7 a", "-np 7 a", "--n 7 a", "--np 7 a", "-n 3 -n 7 a", "-n +7 a", "-n 07 a" };

    (void) state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal (-1, parse (lines[i]));
        assert_int_equal (7, options.n);
        assert_string_equal ("a", options.argv[0]);
    }
    assert_int_equal (-1, parse ("-n 1 a"));
    assert_int_equal (-1, parse ("-n 4096 a"));
    assert_int_equal (MPL__RANKS_MAX, options.n);
}

static void a_wrong_number_of_processes_is_refused_and_quoted (void **state)
{
    static const char *const numbers[] = { "0", "-1", "x", "4x", "4.5", "1e3", "0x10", "4097", "2147483648",
                                           "99999999999999999999", "-99999999999999999999", "4,", "--help", "-v" };
    char line[64], quoted[64];

    (void) state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf (line, sizeof line, "-n %s ./app", numbers[i]);
        snprintf (quoted, sizeof quoted, "'%s'", numbers[i]);
        assert_refused (line, quoted);
    }
    assert_refused ("-n '' ./app", "''");
    assert_refused ("-n ./app", "'./app'");
}

static void a_missing_number_is_refused (void **state)
{
    (void) state;
    assert_refused ("-n", "'-n'");
    assert_refused ("-np", "'-np'");
    assert_refused ("-v --np", "'--np'");
}

static void a_missing_program_is_refused (void **state)
{
    (void) state;
    assert_refused ("", "no program");
    assert_refused ("-n 4", "no program");
    assert_refused ("-v -q", "no program");
    assert_refused ("--", "no program");
}

static void an_unknown_option_is_refused_and_quoted (void **state)
{
    static const char *const unknown[] = { "-x", "---n", "--nn", "-N", "-nv", "-n4", "--np=4", "-vv", "--verbosee", "-np4" };
    char line[64], quoted[64];

    (void) state;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        snprintf (line, sizeof line, "%s 4 ./app", unknown[i]);
        snprintf (quoted, sizeof quoted, "'%s'", unknown[i]);
        assert_refused (line, quoted);
    }
}

static void verbose_and_quiet_are_read (void **state)
{
    (void) state;
    assert_int_equal (-1, parse ("-v a"));
    assert_true (options.is_verbose && !options.is_quiet);
    assert_int_equal (-1, parse ("--verbose a"));
    assert_true (options.is_verbose);
    assert_int_equal (-1, parse ("-q a"));
    assert_true (options.is_quiet && !options.is_verbose);
    assert_int_equal (-1, parse ("--quiet -n 2 a"));
    assert_true (options.is_quiet && options.n == 2);
}

static void what_follows_the_program_is_the_programs (void **state)
{
    (void) state;
    assert_int_equal (-1, parse ("-n 2 prog -n 9 --help -x -- y"));
    assert_int_equal (2, options.n);
    assert_string_equal ("prog", options.argv[0]);
    assert_string_equal ("-n", options.argv[1]);
    assert_string_equal ("y", options.argv[6]);
    assert_null (options.argv[7]);
    assert_int_equal (-1, parse ("-- -n 3"));           /* a program may be named like an option */
    assert_string_equal ("-n", options.argv[0]);
    assert_int_equal (-1, parse ("- x"));
    assert_string_equal ("-", options.argv[0]);
}

static void help_and_version_end_well_on_stdout (void **state)
{
    static const char *const lines[] = { "--help", "-h", "-help", "-n 2 --help", "--help -n x" };

    (void) state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal (0, parse (lines[i]));
        assert_non_null (strstr (said, "usage: mplaunch"));
        assert_string_equal ("", complained);
    }
    assert_int_equal (0, parse ("--version"));
    assert_int_equal (0, strncmp (said, "mplaunch ", 9));
    assert_int_equal (0, parse ("-V"));
    assert_string_equal ("", complained);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_program_alone_gets_every_usable_core),
        cmocka_unit_test (the_number_of_processes_is_read_in_every_spelling),
        cmocka_unit_test (a_wrong_number_of_processes_is_refused_and_quoted),
        cmocka_unit_test (a_missing_number_is_refused),
        cmocka_unit_test (a_missing_program_is_refused),
        cmocka_unit_test (an_unknown_option_is_refused_and_quoted),
        cmocka_unit_test (verbose_and_quiet_are_read),
        cmocka_unit_test (what_follows_the_program_is_the_programs),
        cmocka_unit_test (help_and_version_end_well_on_stdout),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
