/* Hosts from -H and from hostfiles, and which of them are this machine. */
#include "conf/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static mpl_err_t err;

/* What is in a list, as "[user@]name[!port]:slots[/max_slots] ...". */
static const char *shown (const mpl_hosts_t *hosts)
{
    static char text[8192];
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < hosts->n; i++) {
        const mpl_host_t *host = &hosts->hosts[i];
        at += (size_t) snprintf (text + at, sizeof text - at, "%s%s%s%s", i ? " " : "", host->user ? host->user : "",
                                 host->user ? "@" : "", host->name);
        if (host->port)
            at += (size_t) snprintf (text + at, sizeof text - at, "!%d", host->port);
        at += (size_t) snprintf (text + at, sizeof text - at, ":%d", host->slots);
        if (host->max_slots)
            at += (size_t) snprintf (text + at, sizeof text - at, "/%d", host->max_slots);
        assert_null (host->ssh_options);
        assert_null (host->workdir);
        assert_null (host->env);
    }
    return text;
}

static void assert_list (const char *list, const char *expected)
{
    mpl_hosts_t hosts = { 0 };

    if (mpl__hosts_add_list (&hosts, list, &err) < 0)
        fail_msg ("%s", err.text);
    assert_string_equal (expected, shown (&hosts));
    mpl__hosts_free (&hosts);
}

static void assert_list_refused (const char *list, const char *sentence)
{
    mpl_hosts_t hosts = { 0 };
    char expected[MPL__ERR_TEXT];

    assert_int_equal (0, mpl__hosts_add_list (&hosts, "before:3", &err));
    if (mpl__hosts_add_list (&hosts, list, &err) == 0)
        fail_msg ("'%s' gives %s", list, shown (&hosts));
    assert_int_equal (EINVAL, errno);
    snprintf (expected, sizeof expected, "host list '%s', column %s", list, sentence);
    assert_string_equal (expected, err.text);
    assert_string_equal ("before:3", shown (&hosts));
    mpl__hosts_free (&hosts);
}

static void assert_file (const char *text, const char *expected)
{
    mpl_hosts_t hosts = { 0 };

    if (mpl__hosts_parse_file (&hosts, "hosts", text, strlen (text), &err) < 0)
        fail_msg ("%s", err.text);
    assert_string_equal (expected, shown (&hosts));
    mpl__hosts_free (&hosts);
}

static void assert_file_refused (const char *text, const char *sentence)
{
    mpl_hosts_t hosts = { 0 };

    assert_int_equal (0, mpl__hosts_add_list (&hosts, "before:3", &err));
    if (mpl__hosts_parse_file (&hosts, "hosts", text, strlen (text), &err) == 0)
        fail_msg ("'%s' gives %s", text, shown (&hosts));
    assert_int_equal (EINVAL, errno);
    assert_string_equal (sentence, err.text);
    assert_string_equal ("before:3", shown (&hosts));
    mpl__hosts_free (&hosts);
}

/* ---- lists ----------------------------------------------------------------------------------------------------------------- */

static void a_list_names_hosts_and_slots (void **state)
{
    (void) state;
    assert_list ("a", "a:1");
    assert_list ("a:4", "a:4");
    assert_list ("a:4,b,c:2", "a:4 b:1 c:2");
    assert_list (" a:4 , b ", "a:4 b:1");
    assert_list ("a:auto,b:*", "a:0 b:0");
    assert_list ("alice@a:4,DOM\\bob@b,carol@corp.org@c", "alice@a:4 DOM\\bob@b:1 carol@corp.org@c:1");
    assert_list ("10.0.0.7:2,localhost", "10.0.0.7:2 localhost:1");
    assert_list ("a:65536", "a:65536");
}

static void a_host_named_twice_adds_up (void **state)
{
    (void) state;
    assert_list ("a,a,a", "a:3");
    assert_list ("a:2,b,a:3", "a:5 b:1");
    assert_list ("a:auto,a:4", "a:0");
    assert_list ("a:4,a:auto", "a:0");
    assert_list ("alice@a,a:2", "alice@a:3");
    assert_list ("a,alice@a", "alice@a:2");
    assert_list ("n[1-3],n[2-4]", "n1:1 n2:2 n3:2 n4:1");
}

static void ranges_give_each_host_the_slots (void **state)
{
    (void) state;
    assert_list ("node[08-10]:2,x", "node08:2 node09:2 node10:2 x:1");
    assert_list ("bob@n[1-2]:4", "bob@n1:4 bob@n2:4");
    assert_list ("n[1,3]:1,r[1-2]c[1-2]", "n1:1 n3:1 r1c1:1 r1c2:1 r2c1:1 r2c2:1");
    assert_list ("[1-2]:3", "1:3 2:3");
}

static void addresses_have_colons_of_their_own (void **state)
{
    (void) state;
    assert_list ("::1", "::1:1");
    assert_list ("[::1]:4,fe80::2%eth0,bob@[2001:db8::1]", "::1:4 fe80::2%eth0:1 bob@2001:db8::1:1");
}

static void lists_are_added_to_what_is_there (void **state)
{
    mpl_hosts_t hosts = { 0 };

    (void) state;
    assert_int_equal (0, mpl__hosts_add_list (&hosts, "a:2,b:auto", &err));
    assert_int_equal (0, mpl__hosts_add_list (&hosts, "c,a,b", &err));
    assert_string_equal ("a:3 b:0 c:1", shown (&hosts));
    assert_int_equal (0, mpl__hosts_parse_file (&hosts, "f", "c\nd\n", 4, &err));
    assert_string_equal ("a:3 b:0 c:2 d:0", shown (&hosts));
    assert_int_equal (0, mpl__hosts_find (&hosts, "a"));
    assert_int_equal (3, mpl__hosts_find (&hosts, "d"));
    assert_int_equal (-1, mpl__hosts_find (&hosts, "e"));
    mpl__hosts_free (&hosts);
    assert_int_equal (0, hosts.n);
    assert_int_equal (-1, mpl__hosts_find (&hosts, "a"));
    mpl__hosts_free (&hosts);
}

static void a_bad_list_is_refused_with_its_column (void **state)
{
    (void) state;
    assert_list_refused ("", "1: a host's name is missing here");
    assert_list_refused ("a:4,,b", "5: a host's name is missing here");
    assert_list_refused ("a,b:", "5: slots is ''; a whole number from 1 to 65536, or auto");
    assert_list_refused ("a,b:x", "5: slots is 'x'; a whole number from 1 to 65536, or auto");
    assert_list_refused ("a:0", "3: slots is '0'; a whole number from 1 to 65536, or auto");
    assert_list_refused ("a:-2", "3: slots is '-2'; a whole number from 1 to 65536, or auto");
    assert_list_refused ("a:65537", "3: slots is '65537'; a whole number from 1 to 65536, or auto");
    assert_list_refused ("a:99999999999999999999",
                         "3: slots is '99999999999999999999'; a whole number from 1 to 65536, or auto");
    assert_list_refused ("a:4:5", "1: this is no IPv6 address, and no host name has a ':'");
    assert_list_refused (":4", "1: a host's name is missing here");
    assert_list_refused ("@a", "1: user is ''; a user's name is not empty");
    assert_list_refused ("x,-l@a", "3: user is '-l'; a user's name does not begin with '-'");
    assert_list_refused (
        "a b@c",
        "1: user is 'a b'; a user's name has no blanks, quotes, brackets, commas or characters of the shell");
    assert_list_refused (
        "a$(x)@c",
        "1: user is 'a$(x)'; a user's name has no blanks, quotes, brackets, commas or characters of the shell");
    assert_list_refused ("a\\@c", "1: user is 'a\\'; a user's name does not end in '\\'");
    assert_list_refused ("bob@", "5: a host's name is missing here");
    assert_list_refused ("bob@-x", "5: a host name begins with a letter or a digit");
    assert_list_refused ("a,bob@n[1-]:4", "11: a number is needed here, as in [01-08,12]");
    assert_list_refused ("bob@a,amy@a", "11: host 'a' has user 'amy' here and 'bob' before; one host has one");
    assert_list_refused ("a:65536,a", "9: host 'a' has 65537 slots by now; at most 65536");
}

static void there_are_not_endlessly_many (void **state)
{
    mpl_hosts_t hosts = { 0 };
    char list[400] = "";

    (void) state;
    assert_int_equal (-1, mpl__hosts_add_list (&hosts, "a[1-40000],b[1-40000]", &err));
    assert_int_equal (E2BIG, errno);
    assert_non_null (strstr (err.text, "column 12: more than 65536 hosts"));
    for (int i = 0; i < 17; i++)
        snprintf (list + strlen (list), sizeof list - strlen (list), "%sn[1-65536]:auto", i ? "," : "");
    assert_int_equal (-1, mpl__hosts_add_list (&hosts, list, &err));
    assert_int_equal (E2BIG, errno);
    assert_non_null (strstr (err.text, "more than 1048576 hosts are named"));
    assert_int_equal (0, hosts.n);
    assert_int_equal (0, mpl__hosts_add_list (&hosts, "a[1-65536]:7", &err));
    assert_int_equal (65536, hosts.n);
    assert_int_equal (-1, mpl__hosts_add_list (&hosts, "b", &err));
    assert_int_equal (0, mpl__hosts_add_list (&hosts, "a9", &err));
    assert_int_equal (8, hosts.hosts[8].slots);
    mpl__hosts_free (&hosts);
}

/* ---- hostfiles ------------------------------------------------------------------------------------------------------------- */

static void open_mpis_form_is_read (void **state)
{
    (void) state;
    assert_file ("a slots=4\nb slots=2 max_slots=8\nc\n", "a:4 b:2/8 c:0");
    assert_file ("alice@a slots=4 max-slots=6\n", "alice@a:4/6");
    assert_file ("a slots=auto\nb slots=4 user=bob port=2222\n", "a:0 bob@b!2222:4");
    assert_file ("a cpus=4\nb cpu=5\nc count=6 slots_max=7\nd slots-max=9\n", "a:4 b:5 c:6/7 d:0/9");
    assert_file ("a max_slots=4\n", "a:0/4");
    assert_file ("n[01-03] slots=2\n", "n01:2 n02:2 n03:2");
}

static void mpichs_form_is_read (void **state)
{
    (void) state;
    assert_file ("a:4\nb:2\n", "a:4 b:2");
    assert_file ("a:4 user=alice\nb\n", "alice@a:4 b:1");
    assert_file ("a:4\na:3\n", "a:7");
    assert_file ("[::1]:2\n::2\n", "::1:2 ::2:1");
    assert_file ("a:4 username=bob", "bob@a:4");
}

/* The rule of hosts.h: what a line without a number means depends on the rest of the file. */
static void a_plain_line_is_every_core_unless_lines_are_slots (void **state)
{
    (void) state;
    assert_file ("a\n", "a:0");
    assert_file ("a\nb\nn[1-2]\n", "a:0 b:0 n1:0 n2:0");
    assert_file ("a\na\n", "a:2");
    assert_file ("a\na\nb\na\n", "a:3 b:1");
    assert_file ("a:2\nb\n", "a:2 b:1");
    assert_file ("b\na:2\n", "b:1 a:2");
    assert_file ("a slots=2\nb\n", "a:2 b:0");
    assert_file ("a slots=2\na\n", "a:3");
    assert_file ("a slots=2\na slots=3\n", "a:5");
    assert_file ("a slots=auto\na\n", "a:0");
    assert_file ("a:auto\nb\n", "a:0 b:1");
}

static void comments_and_blanks_are_nothing (void **state)
{
    (void) state;
    assert_file ("# hosts\n\n   \n  a   slots=4   # four\n\tb#two\n#c\n", "a:4 b:0");
    assert_file ("a slots=4\r\nb slots=2\r\n", "a:4 b:2");
    assert_file ("a", "a:0");
}

static void what_is_said_once_holds_for_the_host (void **state)
{
    (void) state;
    assert_file ("a user=bob\na port=22\na max_slots=9\n", "bob@a!22:3/9");
    assert_file ("a user=bob\nbob@a\n", "bob@a:2");
}

static void a_bad_hostfile_is_refused_with_its_place (void **state)
{
    static const char form[] = "a line is [user@]host[:N] [slots=N] [max_slots=M] [user=U] [port=P]";
    char text[200];

    (void) state;
    snprintf (text, sizeof text, "hosts:1:1: no host is named in this hostfile; %s", form);
    assert_file_refused ("", text);
    snprintf (text, sizeof text, "hosts:3:1: no host is named in this hostfile; %s", form);
    assert_file_refused ("# a\n\n#b\n", text);
    snprintf (text, sizeof text, "hosts:2:3: unknown word 'foo' in a hostfile; %s", form);
    assert_file_refused ("a\nb foo=4\n", text);
    assert_file_refused ("a slot=4\n", "hosts:1:3: unknown word 'slot' in a hostfile; did you mean 'slots='?");
    assert_file_refused ("a slots = 4\n", "hosts:1:3: unknown word 'slots' in a hostfile; did you mean 'slots='?");
    assert_file_refused ("a max_slot=4\n",
                         "hosts:1:3: unknown word 'max_slot' in a hostfile; did you mean 'max_slots='?");
    assert_file_refused ("a 4\n", "hosts:1:3: a number by itself; slots=4 says how many slots this host has");
    assert_file_refused ("a slots=\n", "hosts:1:9: slots is ''; a whole number from 1 to 65536, or auto");
    assert_file_refused ("a slots=four\n", "hosts:1:9: slots is 'four'; a whole number from 1 to 65536, or auto");
    assert_file_refused ("a slots=0\n", "hosts:1:9: slots is '0'; a whole number from 1 to 65536, or auto");
    assert_file_refused ("a max_slots=0\n", "hosts:1:13: max_slots is '0'; a whole number from 1 to 65536");
    assert_file_refused ("a port=65536\n", "hosts:1:8: port is '65536'; a whole number from 1 to 65535");
    assert_file_refused ("a:4 slots=4\n", "hosts:1:11: the slots of this line are given twice");
    assert_file_refused ("bob@a user=bob\n", "hosts:1:12: the user of this line is given twice");
    assert_file_refused ("a user=-x\n", "hosts:1:8: user is '-x'; a user's name does not begin with '-'");
    assert_file_refused ("a:4 binding=core\n",
                         "hosts:1:13: a hostfile cannot bind processes here; --bind-to does, on all hosts");
    assert_file_refused ("a\n  b:x\n", "hosts:2:5: slots is 'x'; a whole number from 1 to 65536, or auto");
    assert_file_refused ("a\nn[1-\n", "hosts:2:2: this '[' has no ']'");
    assert_file_refused (
        "a,b\n", "hosts:1:2: a hostfile has one host a line; a ',' stands in brackets only, as in n[01-08,12]");
    assert_file_refused ("-a\n", "hosts:1:1: a host name begins with a letter or a digit");
    assert_file_refused ("+n0\n",
                         "hosts:1:1: '+' is not part of a host name, which has letters, digits, '-', '.' and '_'");
    assert_file_refused ("bob@a\n\namy@a\n",
                         "hosts:3:5: host 'a' has user 'amy' here and 'bob' before; one host has one");
    assert_file_refused ("a port=1\na port=2\n",
                         "hosts:2:1: host 'a' has port 2 here and 1 before; one host has one");
    assert_file_refused ("a slots=4 max_slots=2\n",
                         "hosts:1:1: host 'a' has 4 slots and max_slots 2; slots are at most max_slots");
    assert_file_refused ("a slots=2 max_slots=3\n\na slots=2\n",
                         "hosts:3:1: host 'a' has 4 slots and max_slots 3; slots are at most max_slots");
}

static void a_nul_byte_is_no_text (void **state)
{
    mpl_hosts_t hosts = { 0 };

    (void) state;
    assert_int_equal (-1, mpl__hosts_parse_file (&hosts, "h", "a\nb\0c\n", 6, &err));
    assert_string_equal ("h:2:2: a NUL byte; a hostfile is text with a host a line", err.text);
}

/* Found by fuzzing: a number at the end of the text was read beyond it. */
static void nothing_is_read_beyond_the_text (void **state)
{
    static const char *const texts[] = { "a 2", "a slots=2", "a:2", "a x", "a", "n[1", "bob@", "#" };
    mpl_hosts_t hosts = { 0 };

    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t len = strlen (texts[i]);
        char *text = malloc (len);
        assert_non_null (text);
        memcpy (text, texts[i], len);
        mpl__hosts_parse_file (&hosts, "h", text, len, &err);
        free (text);
    }
    mpl__hosts_free (&hosts);
}

static void a_hostfile_is_read_from_disk (void **state)
{
    char path[] = "/tmp/mpl-hosts-XXXXXX";
    mpl_hosts_t hosts = { 0 };
    int fd = mkstemp (path);

    (void) state;
    assert_true (fd >= 0);
    assert_int_equal (12, write (fd, "a slots=2\nb\n", 12));
    assert_int_equal (0, mpl__hosts_read_file (&hosts, path, &err));
    assert_string_equal ("a:2 b:0", shown (&hosts));
    assert_int_equal (0, ftruncate (fd, 10));
    assert_int_equal (2, pwrite (fd, " x", 2, 1));
    close (fd);
    assert_int_equal (-1, mpl__hosts_read_file (&hosts, path, &err));
    assert_memory_equal (path, err.text, strlen (path));
    assert_non_null (strstr (err.text, ":1:3: unknown word 'xlots'"));
    unlink (path);
    assert_int_equal (-1, mpl__hosts_read_file (&hosts, path, &err));
    assert_int_equal (ENOENT, errno);
    assert_string_equal ("a:2 b:0", shown (&hosts));
    mpl__hosts_free (&hosts);
}

/* ---- this machine ---------------------------------------------------------------------------------------------------------- */

static void this_machine_is_known_by_its_names (void **state)
{
    static const char *const here[] = { "localhost", "LOCALHOST", "localhost.localdomain", "127.0.0.1", "127.255.0.9",
                                        "::1",       "0:0::1" };
    static const char *const elsewhere[] = {
        "",    "localhos", "localhost2", "128.0.0.1",   "127.0.0",      "127.0.0.1.1",
        "::2", "[::1]",    "192.0.2.1",  "2001:db8::1", "127.0.0.1%lo", "mpl-no-such-host.invalid",
        "%",   ":"
    };
    char own[256] = "";

    (void) state;
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        if (mpl__host_is_here (here[i]) != 1)
            fail_msg ("%s is not here", here[i]);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (mpl__host_is_here (elsewhere[i]) != 0)
            fail_msg ("'%s' is here", elsewhere[i]);
    assert_int_equal (0, gethostname (own, sizeof own - 1));
    assert_int_equal (1, mpl__host_is_here (own));
    own[strcspn (own, ".")] = '\0';
    assert_int_equal (1, mpl__host_is_here (own));
    snprintf (own + strlen (own), 20, "x");
    assert_int_equal (0, mpl__host_is_here (own));
}

static void this_machine_is_known_by_its_addresses (void **state)
{
    struct ifaddrs *all;
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];

    (void) state;
    assert_int_equal (0, getifaddrs (&all));
    for (struct ifaddrs *one = all; one; one = one->ifa_next) {
        if (!one->ifa_addr || (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6))
            continue;
        int is_v4 = one->ifa_addr->sa_family == AF_INET;
        const void *ip = is_v4 ? (void *) &((struct sockaddr_in *) (void *) one->ifa_addr)->sin_addr
                               : (void *) &((struct sockaddr_in6 *) (void *) one->ifa_addr)->sin6_addr;
        assert_non_null (inet_ntop (one->ifa_addr->sa_family, ip, text, INET6_ADDRSTRLEN));
        assert_int_equal (1, mpl__host_is_here (text));
        if (is_v4 || IN6_IS_ADDR_LOOPBACK ((const struct in6_addr *) ip))
            continue;
        size_t len = strlen (text);
        snprintf (text + len, sizeof text - len, "%%%s", one->ifa_name);
        assert_int_equal (1, mpl__host_is_here (text));
        snprintf (text + len, sizeof text - len, "%%nosuch0");
        assert_int_equal (0, mpl__host_is_here (text));
    }
    freeifaddrs (all);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_list_names_hosts_and_slots),
        cmocka_unit_test (a_host_named_twice_adds_up),
        cmocka_unit_test (ranges_give_each_host_the_slots),
        cmocka_unit_test (addresses_have_colons_of_their_own),
        cmocka_unit_test (lists_are_added_to_what_is_there),
        cmocka_unit_test (a_bad_list_is_refused_with_its_column),
        cmocka_unit_test (there_are_not_endlessly_many),
        cmocka_unit_test (open_mpis_form_is_read),
        cmocka_unit_test (mpichs_form_is_read),
        cmocka_unit_test (a_plain_line_is_every_core_unless_lines_are_slots),
        cmocka_unit_test (comments_and_blanks_are_nothing),
        cmocka_unit_test (what_is_said_once_holds_for_the_host),
        cmocka_unit_test (a_bad_hostfile_is_refused_with_its_place),
        cmocka_unit_test (a_nul_byte_is_no_text),
        cmocka_unit_test (nothing_is_read_beyond_the_text),
        cmocka_unit_test (a_hostfile_is_read_from_disk),
        cmocka_unit_test (this_machine_is_known_by_its_names),
        cmocka_unit_test (this_machine_is_known_by_its_addresses),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
