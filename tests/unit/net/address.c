// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses as text, and what a host offers.
#include "config.h"

#include "net/address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

// The address said again in another way: "4 10.0.0.7 4242".
static void say_again(const struct sockaddr_storage *address, socklen_t length, char *text,
                      size_t room)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET && length == sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(text, room, "4 %s %u", host, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6 && length == sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(text, room, "6 %s %u", host, ntohs(v6->sin6_port));
    }
}

Test(net_address, parse)
{
    static const struct {
        const char *text, *wanted; // NULL: refused
    } rows[] = {
        {"10.0.0.7:4242", "4 10.0.0.7 4242"},
        {"127.0.0.1:1", "4 127.0.0.1 1"},
        {"0.0.0.0:65535", "4 0.0.0.0 65535"},
        {"[::1]:80", "6 ::1 80"},
        {"[fe80::1]:4242", "6 fe80::1 4242"},
        {"[1111:2222:3333:4444:5555:6666:7777:8888]:9",
         "6 1111:2222:3333:4444:5555:6666:7777:8888 9"},
        {"[::ffff:1.2.3.4]:5", "6 ::ffff:1.2.3.4 5"},
        {"[1111:2222:3333:4444:5555:6666:255.255.255.255]:65535",
         "6 1111:2222:3333:4444:5555:6666:ffff:ffff 65535"},
        {"", NULL},
        {":", NULL},
        {":80", NULL},
        {"10.0.0.7", NULL},
        {"10.0.0.7:", NULL},
        {"10.0.0.7:0", NULL},
        {"10.0.0.7:65536", NULL},
        {"10.0.0.7:-1", NULL},
        {"10.0.0.7:+80", NULL},
        {"10.0.0.7: 80", NULL},
        {"10.0.0.7:80 ", NULL},
        {"10.0.0.7:8x", NULL},
        {"10.0.0.256:80", NULL},
        {"10.0.7:80", NULL},
        {" 10.0.0.7:80", NULL},
        {"node7:80", NULL},
        {"localhost:80", NULL},
        {"::1:80", NULL},
        {"[::1]", NULL},
        {"[::1:80", NULL},
        {"::1]:80", NULL},
        {"[]:80", NULL},
        {"[:80", NULL},
        {"[10.0.0.7]:80", NULL},
        {"[fe80::1%eth0]:80", NULL},
        {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]:80", NULL},
        {"111111111111111111111111111111111111111111111111111111111111111111111111111:80", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sockaddr_storage address;
        socklen_t length = 0;
        char text[128] = "";
        bool good = address_parse(rows[i].text, &address, &length);
        cr_expect_eq(good, rows[i].wanted != NULL, "%s", rows[i].text);
        if (good)
            say_again(&address, length, text, sizeof text);
        if (rows[i].wanted)
            cr_expect_str_eq(text, rows[i].wanted);
    }
}

Test(net_address, loopback)
{
    static const char *const loopback[] = {"127.0.0.1:80", "127.255.0.3:1", "[::1]:80"};
    static const char *const outside[] = {"10.0.0.1:80", "12.7.0.0:1", "[::2]:80", "[fe80::1]:80",
                                          "192.127.0.1:80"};
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        cr_expect(address_is_loopback(loopback[i]), "%s", loopback[i]);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        cr_expect(!address_is_loopback(outside[i]), "%s", outside[i]);
}

// Listens, checks each address that is offered, and says how many there are (-1: none at all).
static int offered(const char *network, bool local, bool *all_loopback_out)
{
    char **addresses = NULL;
    dragon_error_t error = {0};
    int fd = address_listen(network, local, &addresses, &error);
    if (fd < 0) {
        cr_expect_neq(error.code, DRAGON_OK);
        cr_expect(error.text[0]);
        return -1;
    }
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    bool seen_loopback = false;
    *all_loopback_out = true;
    for (char **each = addresses; *each; each++) {
        struct sockaddr_storage address;
        socklen_t length;
        cr_expect(address_parse(*each, &address, &length), "%s", *each);
        *all_loopback_out &= address_is_loopback(*each);
        cr_expect(!seen_loopback || address_is_loopback(*each), "loopback comes last");
        seen_loopback |= address_is_loopback(*each);
        int peer = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_expect(connect(peer, (struct sockaddr *)&address, length) == 0, "%s", *each);
        close(peer);
    }
    int count = (int)strv_count(addresses);
    cr_expect_leq(count, ADDRESS_LIMIT);
    strv_free(addresses);
    close(fd);
    return count;
}

Test(net_address, what_is_offered_can_be_reached)
{
    bool loopback;
    cr_expect_gt(offered(NULL, false, &loopback), 0);
    cr_expect_gt(offered(NULL, true, &loopback), 0);
    cr_expect(loopback);
}

Test(net_address, networks)
{
    bool loopback;
    static const char *const good[] = {"lo", "127.0.0.0/8", "127.0.0.1", "127.0.0.1/32",
                                       "126.0.0.0/7"};
    static const char *const none[] = {
        "none0",
        "255.255.255.255",
        "127.0.0.0/33",
        "127.0.0.0/-1",
        "127.0.0.0/",
        "127.0.0.0/8x",
        "",
        "/",
        "/8",
        "126.0.0.0/8",
        "a name that is much longer than any address can be, surely"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect_gt(offered(good[i], false, &loopback), 0, "%s", good[i]);
        cr_expect(loopback, "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect_eq(offered(none[i], false, &loopback), -1, "%s", none[i]);
    cr_expect_gt(offered("0.0.0.0/0", false, &loopback), 0);
}

Test(net_address, a_network_that_is_not_there_is_named)
{
    char **addresses = NULL;
    dragon_error_t error = {0};
    cr_expect_eq(address_listen("none0", false, &addresses, &error), -1);
    cr_expect_null(addresses);
    cr_expect_eq(error.code, DRAGON_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(error.text, "\"none0\""));
}
