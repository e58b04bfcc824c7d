#include "base/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* 1: it is written as a text. */
static int write_address (const struct sockaddr *address, int family, char text[MPL__ADDRESS_TEXT])
{
    char plain[INET6_ADDRSTRLEN];

    if (!address || address->sa_family != family)
        return 0;
    const struct sockaddr_in6 *six = (const void *) address;
    const struct sockaddr_in *four = (const void *) address;
    if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL (&six->sin6_addr))
        return 0;
    const void *bytes = family == AF_INET ? (const void *) &four->sin_addr : (const void *) &six->sin6_addr;
    if (!inet_ntop (family, bytes, plain, sizeof plain))
        return 0;
    snprintf (text, MPL__ADDRESS_TEXT, family == AF_INET ? "%s" : "[%s]", plain);
    return 1;
}

static int is_wanted (const struct ifaddrs *at, const char *interface, int loopback)
{
    if (!(at->ifa_flags & IFF_UP))
        return 0;
    return interface ? !strcmp (at->ifa_name, interface) : !(at->ifa_flags & IFF_LOOPBACK) == !loopback;
}

static int collect (const struct ifaddrs *all, const char *interface, int loopback,
                    char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT])
{
    static const int families[] = { AF_INET, AF_INET6 };
    int n = 0;

    for (int i = 0; i < 2; i++)
        for (const struct ifaddrs *at = all; at && n < MPL__ADDRESSES_MAX; at = at->ifa_next)
            if (is_wanted (at, interface, loopback))
                n += write_address (at->ifa_addr, families[i], addresses[n]);
    return n;
}

/* "eth0, lo" */
static const char *names_of (const struct ifaddrs *all, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (const struct ifaddrs *at = all; at && len < size; at = at->ifa_next)
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET)
            len += (size_t) snprintf (text + len, size - len, "%s%s", len ? ", " : "", at->ifa_name);
    return text;
}

int mpl__addresses (const char *interface, char addresses[MPL__ADDRESSES_MAX][MPL__ADDRESS_TEXT], mpl_err_t *err)
{
    struct ifaddrs *all;
    char names[256];

    if (interface && !*interface)
        interface = NULL;
    if (getifaddrs (&all) < 0)
        return mpl__err (err, errno, "the addresses of this machine cannot be found out: %s", strerror (errno));
    int n = collect (all, interface, 0, addresses);
    if (!n && !interface)
        n = collect (all, NULL, 1, addresses);
    names_of (all, names, sizeof names);
    freeifaddrs (all);
    if (n)
        return n;
    return interface ? mpl__err (err, ENODEV, "transport.interface is %s, which has no address here; there are: %s", interface, names)
                     : mpl__err (err, ENODEV, "this machine has no address that another host could reach");
}
