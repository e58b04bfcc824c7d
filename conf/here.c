/* Which names mean this machine; see hosts.h. */
#include "conf/hosts.h"
#include "conf/hostlist.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct {
    int family;
    union {
        struct in_addr v4;
        struct in6_addr v6;
    } ip;
    const char *zone;           /* the interface's name, or NULL; borrowed from the name */
} address_t;

/* Whether the name is an address, and which. */
static int read_address (const char *name, address_t *address)
{
    char text[INET6_ADDRSTRLEN];
    const char *zone = strchr (name, '%');
    size_t len = zone ? (size_t) (zone - name) : strlen (name);

    if (len >= sizeof text)
        return 0;
    memcpy (text, name, len);
    text[len] = '\0';
    address->zone = zone ? zone + 1 : NULL;
    address->family = inet_pton (AF_INET, text, &address->ip.v4) == 1 ? AF_INET : AF_INET6;
    return address->family == AF_INET ? !zone : inet_pton (AF_INET6, text, &address->ip.v6) == 1;
}

static int is_loopback (const address_t *address)
{
    if (address->family == AF_INET)
        return ntohl (address->ip.v4.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK (&address->ip.v6);
}

static int is_of_interface (const address_t *address, const struct ifaddrs *interface)
{
    if (!interface->ifa_addr || interface->ifa_addr->sa_family != address->family)
        return 0;
    if (address->zone && strcmp (address->zone, interface->ifa_name))
        return 0;
    if (address->family == AF_INET)
        return !memcmp (&((struct sockaddr_in *) (void *) interface->ifa_addr)->sin_addr, &address->ip.v4,
                        sizeof address->ip.v4);
    return !memcmp (&((struct sockaddr_in6 *) (void *) interface->ifa_addr)->sin6_addr, &address->ip.v6,
                    sizeof address->ip.v6);
}

static int is_ours (const address_t *address)
{
    struct ifaddrs *interfaces, *one;

    if (getifaddrs (&interfaces) < 0)
        return 0;
    for (one = interfaces; one && !is_of_interface (address, one); one = one->ifa_next)
        ;
    freeifaddrs (interfaces);
    return one != NULL;
}

static int is_own_name (const char *name)
{
    char own[MPL__HOST_NAME_MAX + 1] = "";

    if (gethostname (own, sizeof own - 1) < 0 || !own[0])
        return 0;
    if (!strcasecmp (name, own))
        return 1;
    own[strcspn (own, ".")] = '\0';
    return own[0] && !strcasecmp (name, own);
}

int mpl__host_is_here (const char *name)
{
    address_t address;

    if (!strcasecmp (name, "localhost") || !strcasecmp (name, "localhost.localdomain") || is_own_name (name))
        return 1;
    return read_address (name, &address) && (is_loopback (&address) || is_ours (&address));
}
