/* Addresses of this machine: fit to be bound and to be told, the loopback's only where there is no other. */
#include "base/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Binds a socket there, which shows that it is ours and written as it should be. */
static int can_be_bound (const char *text)
{
    struct sockaddr_in four = { .sin_family = AF_INET };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    char plain[MPL__ADDRESS_TEXT];
    int is_six = text[0] == '[';

    snprintf (plain, sizeof plain, "%s", text + is_six);
    if (is_six)
        plain[strlen (plain) - 1] = '\0';
    if (inet_pton (is_six ? AF_INET6 : AF_INET, plain, is_six ? (void *) &six.sin6_addr : (void *) &four.sin_addr) != 1)
        return 0;
    int fd = socket (is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = is_six ? bind (fd, (void *) &six, sizeof six) : bind (fd, (void *) &four, sizeof four);
    close (fd);
    return rc == 0;
}

static int has_only_loopback (void)
{
    struct ifaddrs *all;
    int only = 1;

    assert_int_equal (0, getifaddrs (&all));
    for (const struct ifaddrs *at = all; at; at = at->ifa_next)
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET && (at->ifa_flags & IFF_UP) && !(at->ifa_flags & IFF_LOOPBACK))
            only = 0;
    freeifaddrs (all);
    return only;
}

static void those_that_others_may_reach_are_found (void **state)
{
    char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT];
    mpl_err_t err;
    int is_six = 0, n = mpl__addresses (NULL, addresses, &err);

    (void) state;
    assert_in_range (n, 1, MPL__ADDRESSES_MAX);
    for (int i = 0; i < n; i++) {
        assert_true (can_be_bound (addresses[i]));
        assert_true (addresses[i][0] == '[' || !is_six);        /* IPv4 first */
        is_six |= addresses[i][0] == '[';
        if (!has_only_loopback ())
            assert_true (strncmp (addresses[i], "127.", 4) != 0 && strcmp (addresses[i], "[::1]") != 0);
        assert_true (strncmp (addresses[i], "[fe80", 5) != 0);
    }
}

static void an_interface_has_its_own (void **state)
{
    char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT];
    mpl_err_t err;

    (void) state;
    assert_in_range (mpl__addresses ("lo", addresses, &err), 1, MPL__ADDRESSES_MAX);
    assert_string_equal ("127.0.0.1", addresses[0]);
}

static void an_empty_name_is_none (void **state)
{
    char one[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT], two[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT];
    mpl_err_t err;

    (void) state;
    int n = mpl__addresses (NULL, one, &err);
    assert_int_equal (n, mpl__addresses ("", two, &err));
    for (int i = 0; i < n; i++)
        assert_string_equal (one[i], two[i]);
}

static void an_unknown_interface_is_named_with_those_there_are (void **state)
{
    char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT];
    mpl_err_t err;

    (void) state;
    assert_int_equal (-1, mpl__addresses ("no-such0", addresses, &err));
    assert_int_equal (ENODEV, err.code);
    assert_non_null (strstr (err.text, "transport.interface is no-such0, which has no address here; there are: "));
    assert_non_null (strstr (err.text, "lo"));
    assert_int_equal (-1, mpl__addresses ("l", addresses, &err));           /* no part of a name */
    assert_int_equal (-1, mpl__addresses ("lo0", addresses, &err));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (those_that_others_may_reach_are_found),
        cmocka_unit_test (an_interface_has_its_own),
        cmocka_unit_test (an_empty_name_is_none),
        cmocka_unit_test (an_unknown_interface_is_named_with_those_there_are),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
