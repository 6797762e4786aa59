// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor on the network: the name of this host, what it would offer to other nodes, and loopback, over
// which the programs of a runtime on one host talk.
#include "config.h"

#include "cli/command.h"
#include "cli/info_doctor_parts.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// Asked of a command, because a resolver takes its time when its servers do not answer.
static void check_name(struct doctor *doctor)
{
    static const char advice[] =
        "dragon does without, but launchers and MPI libraries may not: add it to /etc/hosts";
    char host[65] = "", line[200];
    int status;
    gethostname(host, sizeof host - 1);
    char *getent = command_find("getent");
    if (!getent) {
        doctor_fine(doctor, "host name", "%s; not resolved, as there is no getent", host);
        return;
    }
    char *argv[] = {getent, "hosts", host, NULL}, *text = doctor_run(argv, NULL, &status);
    if (!text)
        doctor_warn(doctor, "host name", "name servers do not answer: see /etc/resolv.conf",
                    "%s is not resolved within 5 s", host);
    else if (doctor_line(text, "", line, sizeof line))
        doctor_fine(doctor, "host name", "%s is %.*s", host, (int)strcspn(line, " \t"), line);
    else
        doctor_warn(doctor, "host name", advice, "%s cannot be resolved", host);
    free(text);
    free(getent);
}

// The interface that has the address, "10.0.0.7:4242" or "[fe80::1]:4242".
static const char *interface_of(const struct ifaddrs *entries, const char *text)
{
    struct sockaddr_storage wanted;
    socklen_t length;
    if (!address_parse(text, &wanted, &length))
        return "?";
    for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next) {
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != wanted.ss_family)
            continue;
        const struct sockaddr_in *a4 = (const void *)entry->ifa_addr, *b4 = (const void *)&wanted;
        const struct sockaddr_in6 *a6 = (const void *)entry->ifa_addr, *b6 = (const void *)&wanted;
        if (wanted.ss_family == AF_INET ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
                                        : IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr))
            return entry->ifa_name;
    }
    return "?";
}

// "eth0 10.0.0.7, ib0 10.1.0.7" in the order in which they are tried.
static void list_interfaces(char *const *addresses, char *text, size_t room)
{
    struct ifaddrs *entries = NULL;
    size_t used = 0;
    if (getifaddrs(&entries) != 0)
        entries = NULL;
    text[0] = 0;
    for (size_t i = 0; i < strv_count(addresses) && used < room; i++)
        if (!address_is_loopback(addresses[i]))
            used +=
                (size_t)snprintf(text + used, room - used, "%s%s %.*s", used ? ", " : "",
                                 interface_of(entries, addresses[i]),
                                 (int)(strrchr(addresses[i], ':') - addresses[i]), addresses[i]);
    freeifaddrs(entries);
}

static void check_interfaces(struct doctor *doctor)
{
    const char *network = getenv("DRAGON_NETWORK");
    const char *chosen = network && *network ? network : NULL;
    char text[800], **addresses = NULL;
    dragon_error_t error = {0};
    int fd = address_listen(chosen, false, &addresses, &error);
    if (fd < 0) {
        doctor_fail(doctor, "network", "see \"ip address\", and DRAGON_NETWORK", "%s", error.text);
        return;
    }
    close(fd);
    list_interfaces(addresses, text, sizeof text);
    strv_free(addresses);
    if (*text)
        doctor_fine(doctor, "network", "%s%s%s", text, chosen ? ", chosen by DRAGON_NETWORK=" : "",
                    chosen ? chosen : "");
    else
        doctor_warn(doctor, "network", "bring an interface up for runtimes on several hosts",
                    "loopback only: this host cannot reach others");
}

static void check_loopback(struct doctor *doctor)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = listener >= 0 && peer >= 0 &&
                bind(listener, (struct sockaddr *)&address, length) == 0 &&
                listen(listener, 1) == 0 &&
                getsockname(listener, (struct sockaddr *)&address, &length) == 0 &&
                (connect(peer, (struct sockaddr *)&address, length) == 0 || errno == EINPROGRESS);
    int problem = errno;
    if (listener >= 0)
        close(listener);
    if (peer >= 0)
        close(peer);
    if (good)
        doctor_fine(doctor, "loopback", "127.0.0.1 answers");
    else
        doctor_fail(doctor, "loopback", "bring it up: ip link set lo up", "127.0.0.1: %s",
                    strerror(problem));
}

void doctor_check_network(struct doctor *doctor)
{
    check_name(doctor);
    check_interfaces(doctor);
    check_loopback(doctor);
}
