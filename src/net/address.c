// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses: see address.h. The socket is bound to the one address when there is one, else to all
// interfaces; in both cases nobody gets past the handshake without the runtime's secret.
#include "config.h"

#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

bool address_parse(const char *text, struct sockaddr_storage *address_out, socklen_t *length_out)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    long long port;
    if (!colon || (size_t)(colon - text) >= sizeof host ||
        !parse_number(colon + 1, 1, 65535, &port))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    memset(address_out, 0, sizeof *address_out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)address_out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address_out;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *length_out = sizeof *v4;
        return true;
    }
    size_t length = strlen(host);
    if (length < 3 || host[0] != '[' || host[length - 1] != ']')
        return false;
    host[length - 1] = 0;
    if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    *length_out = sizeof *v6;
    return true;
}

bool address_is_loopback(const char *text)
{
    return strncmp(text, "127.", 4) == 0 || strncmp(text, "[::1]", 5) == 0;
}

static const uint8_t *address_bytes(const struct sockaddr *address, int *bits_out)
{
    if (address->sa_family == AF_INET) {
        *bits_out = 32;
        return (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr;
    }
    *bits_out = 128;
    return (const uint8_t *)&((const struct sockaddr_in6 *)address)->sin6_addr;
}

// `network` as "address" or "address/bits"
static bool in_network(const struct sockaddr *address, const char *network)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t wanted[16];
    int bits;
    const uint8_t *bytes = address_bytes(address, &bits);
    long long prefix = bits;
    const char *slash = strchr(network, '/');
    size_t length = slash ? (size_t)(slash - network) : strlen(network);
    if (length >= sizeof text || (slash && !parse_number(slash + 1, 0, bits, &prefix)))
        return false;
    memcpy(text, network, length);
    text[length] = 0;
    if (inet_pton(address->sa_family, text, wanted) != 1)
        return false;
    for (int bit = 0; bit < prefix; bit++)
        if (((bytes[bit / 8] ^ wanted[bit / 8]) >> (7 - bit % 8)) & 1)
            return false;
    return true;
}

static bool is_offered(const struct ifaddrs *entry, const char *network, bool local)
{
    if (!entry->ifa_addr || !(entry->ifa_flags & IFF_UP))
        return false;
    if (entry->ifa_addr->sa_family != AF_INET && entry->ifa_addr->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)entry->ifa_addr;
    if (v6->sin6_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
        return false; // means nothing without the peer's own interface
    if (local)
        return entry->ifa_flags & IFF_LOOPBACK;
    if (!network)
        return true;
    return strcmp(network, entry->ifa_name) == 0 || in_network(entry->ifa_addr, network);
}

static int listen_any(uint16_t *port_out, dragon_error_t *error)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_ANY)}};
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    int off = 0, flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(AF_INET6, flags, 0);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (bind(fd, (struct sockaddr *)&v6, sizeof v6) != 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) { // a host without IPv6
        fd = socket(AF_INET, flags, 0);
        if (fd >= 0 && bind(fd, (struct sockaddr *)&v4, sizeof v4) != 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &length) != 0) {
        err_set_errno(error, errno, "cannot listen for the other nodes");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port_out = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    return fd;
}

struct listing {
    const char *network;
    bool local;
    uint16_t port;
    char **addresses; // owned by the caller
};

static void list_kind(struct listing *listing, struct ifaddrs *entries, int family, bool loopback)
{
    for (struct ifaddrs *entry = entries; entry; entry = entry->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        int bits;
        if (!is_offered(entry, listing->network, listing->local) ||
            entry->ifa_addr->sa_family != family ||
            !(entry->ifa_flags & IFF_LOOPBACK) == loopback ||
            strv_count(listing->addresses) >= ADDRESS_LIMIT)
            continue;
        if (inet_ntop(family, address_bytes(entry->ifa_addr, &bits), text, sizeof text))
            strv_pushf(&listing->addresses, family == AF_INET ? "%s:%u" : "[%s]:%u", text,
                       listing->port);
    }
}

// IPv4 first: that is what nearly every cluster's nodes have between them.
static void list_addresses(struct listing *listing)
{
    struct ifaddrs *entries;
    if (getifaddrs(&entries) != 0)
        return;
    list_kind(listing, entries, AF_INET, false);
    list_kind(listing, entries, AF_INET6, false);
    list_kind(listing, entries, AF_INET, true);
    list_kind(listing, entries, AF_INET6, true);
    freeifaddrs(entries);
}

int address_listen(const char *network, bool local, char ***addresses_out, dragon_error_t *error)
{
    struct listing listing = {.network = network, .local = local};
    int fd = listen_any(&listing.port, error);
    if (fd < 0)
        return -1;
    list_addresses(&listing);
    if (!listing.addresses) {
        if (network)
            err_set(error, DRAGON_ERR_NOT_FOUND,
                    "no interface of this host is up and matches the network \"%s\"", network);
        else
            err_set(error, DRAGON_ERR_NOT_FOUND, "no network interface is up here, not even lo");
        close(fd);
        return -1;
    }
    *addresses_out = listing.addresses;
    return fd;
}
