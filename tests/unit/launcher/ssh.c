/* What ssh is given: a host's options, user and port, then the name and one constant command, whatever the name is. */
#include "launcher/ssh.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Arguments as one text, each in brackets. */
static void write_argv (const mpl_host_t *host, char *text, size_t size)
{
    char **argv = mpl__ssh_argv (host);
    size_t len = 0;

    assert_non_null (argv);
    for (char **at = argv; *at; at++)
        len += (size_t) snprintf (text + len, size - len, "[%s]", *at);
    assert_true (len < size);
    free (argv);
}

static void a_host_alone_leaves_the_rest_to_its_users_configuration (void **state)
{
    char text[1000];

    (void) state;
    write_argv (&(mpl_host_t) { .name = "node1" }, text, sizeof text);
    assert_string_equal ("[ssh][-T][-x][-o][BatchMode=yes][--][node1][" MPL__REMOTE_COMMAND "]", text);
}

static void the_cluster_file_adds_options_user_and_port (void **state)
{
    char *options[] = { "-o", "StrictHostKeyChecking=yes", "-J", "gate", NULL }, text[1000];

    (void) state;
    write_argv (&(mpl_host_t) { .name = "node1", .user = "alice", .port = 65535, .ssh_options = options }, text, sizeof text);
    assert_string_equal ("[ssh][-T][-x][-o][BatchMode=yes][-o][StrictHostKeyChecking=yes][-J][gate][-l][alice][-p][65535]"
                         "[--][node1][" MPL__REMOTE_COMMAND "]", text);
}

static void nothing_in_a_name_is_an_option_or_a_command (void **state)
{
    static char *const names[] = { "-oProxyCommand=id", "--", "a b", "$(id)", "`id`", "a;id", "a\nb", "%h", "\"", "'", "\\", "*", "~",
                                   "[::1]", "\xff\xfe", "", "a'; id; '" };

    (void) state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *options[] = { names[i], names[i], NULL };
        char **argv = mpl__ssh_argv (&(mpl_host_t) { .name = names[i], .user = names[i], .ssh_options = options });
        assert_non_null (argv);
        assert_ptr_equal (names[i], argv[5]);           /* as they are: not even copied */
        assert_ptr_equal (names[i], argv[6]);
        assert_string_equal ("-l", argv[7]);
        assert_ptr_equal (names[i], argv[8]);
        assert_string_equal ("--", argv[9]);
        assert_ptr_equal (names[i], argv[10]);
        assert_string_equal (MPL__REMOTE_COMMAND, argv[11]);
        assert_null (argv[12]);
        free (argv);
    }
}

static void many_options_find_room (void **state)
{
    char *options[101], text[4000];

    (void) state;
    for (int i = 0; i < 100; i++)
        options[i] = "-4";
    options[100] = NULL;
    write_argv (&(mpl_host_t) { .name = "a", .user = "u", .port = 1, .ssh_options = options }, text, sizeof text);
    assert_non_null (strstr (text, "[-4][-l][u][-p][1][--][a]["));
}

static void checking_is_never_asked_to_be_less (void **state)
{
    char text[1000];

    (void) state;
    write_argv (&(mpl_host_t) { .name = "a" }, text, sizeof text);
    assert_null (strstr (text, "StrictHostKey"));
    assert_null (strstr (text, "KnownHosts"));
}

static void two_lines_say_where_mpworker_is (void **state)
{
    char *lines;

    (void) state;
    assert_int_equal (0, mpl__remote_lines ("/opt/bin", NULL, &lines));
    assert_string_equal ("/opt/bin/mpworker\nmpworker\n", lines);
    free (lines);
    assert_int_equal (0, mpl__remote_lines ("/opt/bin", "/pre fix/$x", &lines));
    assert_string_equal ("/pre fix/$x/bin/mpworker\n/pre fix/$x/bin/mpworker\n", lines);
    free (lines);
    assert_int_equal (-1, mpl__remote_lines ("/opt\n/bin", NULL, &lines));
    assert_int_equal (EINVAL, errno);
    assert_int_equal (-1, mpl__remote_lines ("/opt/bin", "/a\nid\n", &lines));
    assert_int_equal (EINVAL, errno);
    assert_int_equal (0, mpl__remote_lines ("/opt\n/bin", "/a", &lines));       /* it is not told */
    free (lines);
}

/* What a shell makes of the constant command when it is told `lines`; its output. */
static void try_command (const char *lines, char *output, size_t size)
{
    int in[2], out[2], status;

    assert_true (pipe (in) == 0 && pipe (out) == 0);
    pid_t child = fork ();
    if (!child) {
        dup2 (in[0], 0);
        dup2 (out[1], 1);
        for (int i = 0; i < 2; i++) {
            close (in[i]);
            close (out[i]);
        }
        execl ("/bin/sh", "sh", "-c", MPL__REMOTE_COMMAND, NULL);
        _exit (99);
    }
    close (in[0]);
    close (out[1]);
    assert_int_equal (strlen (lines), write (in[1], lines, strlen (lines)));
    close (in[1]);
    size_t len = 0;
    for (ssize_t got; (got = read (out[0], output + len, size - 1 - len)) > 0; len += (size_t) got)
        ;
    output[len] = '\0';
    close (out[0]);
    assert_int_equal (child, waitpid (child, &status, 0));
}

static void the_remote_command_runs_what_the_lines_name_and_nothing_in_them (void **state)
{
    char text[1000];

    (void) state;
    try_command ("/bin/echo\n/bin/false\n", text, sizeof text);
    assert_string_equal ("--far\n", text);
    try_command ("/no/such\n/bin/echo\n", text, sizeof text);
    assert_string_equal ("--far\n", text);
    try_command ("/no/such\necho\nrest", text, sizeof text);           /* by the PATH */
    assert_string_equal ("--far\n", text);
    try_command ("$(/bin/echo no)\n/no/such;/bin/echo no\n", text, sizeof text);
    assert_string_equal ("", text);
    try_command ("/bin/echo no\n  `/bin/echo no`\n", text, sizeof text);
    assert_string_equal ("", text);
}

/* A shell that read on would take the beginning of the order with it. */
static void what_follows_the_lines_is_left_for_the_program (void **state)
{
    char path[] = "/tmp/mpl-ssh-XXXXXX", lines[100], text[1000];
    int fd = mkstemp (path);

    (void) state;
    assert_int_equal (14, write (fd, "#!/bin/sh\ncat\n", 14));
    fchmod (fd, 0700);
    close (fd);
    snprintf (lines, sizeof lines, "%s\nno\nthe order\n  and more", path);
    try_command (lines, text, sizeof text);
    unlink (path);
    assert_string_equal ("the order\n  and more", text);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_host_alone_leaves_the_rest_to_its_users_configuration),
        cmocka_unit_test (the_cluster_file_adds_options_user_and_port),
        cmocka_unit_test (nothing_in_a_name_is_an_option_or_a_command),
        cmocka_unit_test (many_options_find_room),
        cmocka_unit_test (checking_is_never_asked_to_be_less),
        cmocka_unit_test (two_lines_say_where_mpworker_is),
        cmocka_unit_test (the_remote_command_runs_what_the_lines_name_and_nothing_in_them),
        cmocka_unit_test (what_follows_the_lines_is_left_for_the_program),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
