// SPDX-License-Identifier: BSD-3-Clause
//
// Listeners and those who dial them, over loopback.
#include "config.h"

#include "net/dial.h"

#include "net/listener.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, PEERS = 32 };

static const uint8_t the_secret[AUTH_SECRET_BYTES] = "the secret of this runtime.....";
static const uint8_t wrong_secret[AUTH_SECRET_BYTES] = "not the secret of this runtime.";
static const uint8_t the_hello[AUTH_HELLO_BYTES] = "hello, I am 12.";

static struct {
    struct loop *loop;
    struct listener *listener;
    char address[32];
    int peers[PEERS]; // proven
    size_t peer_count;
    int dialled;
    char *addresses[48]; // a dial keeps them
    bool done, destroy_listener;
    char what_happened[256];
} the;

static void on_peer(void *arg, int fd, const uint8_t *hello)
{
    (void)arg;
    cr_expect_arr_eq(hello, the_hello, AUTH_HELLO_BYTES);
    cr_assert_lt(the.peer_count, PEERS);
    the.peers[the.peer_count++] = fd;
    if (the.destroy_listener) {
        listener_destroy(the.listener);
        the.listener = NULL;
    }
}

static void on_dialled(void *arg, int fd, const char *what_happened)
{
    (void)arg;
    cr_assert(!the.done);
    the.done = true;
    the.dialled = fd;
    snprintf(the.what_happened, sizeof the.what_happened, "%s", what_happened);
}

// A socket that listens (or only has a port), and its address as text.
static int open_port(bool listening, char *text, size_t room)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    cr_assert(!listening || listen(fd, 256) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    snprintf(text, room, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

static void set_up(void)
{
    cr_assert(auth_open());
    the.loop = loop_create();
    the.dialled = -1;
    int fd = open_port(true, the.address, sizeof the.address);
    the.listener = listener_create(the.loop, fd, the_secret, "tree", on_peer, NULL);
    cr_assert_not_null(the.listener);
}

static void tear_down(void)
{
    listener_destroy(the.listener);
    loop_destroy(the.loop);
    for (size_t i = 0; i < the.peer_count; i++)
        close(the.peers[i]);
    if (the.dialled >= 0)
        close(the.dialled);
}

TestSuite(net_dial, .init = set_up, .fini = tear_down);
TestSuite(net_listener, .init = set_up, .fini = tear_down);

static struct dial *dial(char *const *addresses, bool same_host, uint64_t timeout_ms)
{
    for (size_t i = 0; i == 0 || addresses[i - 1]; i++)
        the.addresses[i] = addresses[i];
    struct dial_options options = {.addresses = the.addresses,
                                   .same_host = same_host,
                                   .secret = the_secret,
                                   .purpose = "tree",
                                   .hello = the_hello,
                                   .timeout_ms = timeout_ms};
    return dial_start(the.loop, &options, on_dialled, NULL);
}

static bool wait_dialled(void)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (!the.done && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    return the.done && the.dialled >= 0;
}

static void wait_peers(size_t count)
{
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (the.peer_count < count && time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
    cr_expect_eq(the.peer_count, count);
}

// ---- dial

Test(net_dial, gets_through)
{
    char byte;
    cr_assert_not_null(dial((char *[]){the.address, NULL}, true, PATIENCE_MS));
    cr_expect(!the.done, "never before the start returns");
    cr_assert(wait_dialled());
    cr_expect_str_eq(the.what_happened, "");
    wait_peers(1);
    cr_expect(fcntl(the.dialled, F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(the.peers[0], F_GETFD) & FD_CLOEXEC);
    cr_expect_eq(send(the.dialled, "x", 1, 0), 1);
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (recv(the.peers[0], &byte, 1, 0) != 1 && time_left_ms(deadline) > 0)
        ;
    cr_expect_eq(byte, 'x');
}

Test(net_dial, a_refused_address_and_rubbish_then_a_good_one)
{
    char refused[32], wanted[128];
    int fd = open_port(false, refused, sizeof refused);
    dial((char *[]){refused, "127.0.0.1:port", the.address, NULL}, true, PATIENCE_MS);
    cr_assert(wait_dialled());
    snprintf(wanted, sizeof wanted, "%s: Connection refused; 127.0.0.1:port: it is no address",
             refused);
    cr_expect_str_eq(the.what_happened, wanted);
    close(fd);
}

Test(net_dial, all_refused)
{
    char one[32], two[32];
    int fds[] = {open_port(false, one, sizeof one), open_port(false, two, sizeof two)};
    dial((char *[]){one, two, NULL}, true, PATIENCE_MS);
    cr_expect(!wait_dialled());
    cr_expect(the.done);
    cr_expect_not_null(strstr(the.what_happened, one));
    cr_expect_not_null(strstr(the.what_happened, two));
    close(fds[0]);
    close(fds[1]);
}

Test(net_dial, somebody_else_answers_there)
{
    char other[32];
    int fd = open_port(true, other, sizeof other);
    struct listener *stranger = listener_create(the.loop, fd, wrong_secret, "tree", on_peer, NULL);
    dial((char *[]){other, the.address, NULL}, true, PATIENCE_MS);
    cr_assert(wait_dialled());
    cr_expect_not_null(strstr(the.what_happened, "it does not know this runtime's secret"));
    wait_peers(1);
    listener_destroy(stranger);
}

Test(net_dial, an_address_that_is_silent_uses_up_its_part_of_the_time)
{
    char silent[32];
    uint64_t start = time_now_ms();
    int fd = open_port(true, silent, sizeof silent); // connects, and nobody speaks
    dial((char *[]){silent, the.address, NULL}, true, 400);
    cr_assert(wait_dialled());
    uint64_t took = time_now_ms() - start;
    cr_expect(took >= 199 && took < 2000, "%llu ms", (unsigned long long)took);
    cr_expect_not_null(strstr(the.what_happened, silent));
    close(fd);
}

Test(net_dial, silence_everywhere_ends_in_time)
{
    char silent[32];
    uint64_t start = time_now_ms();
    int fd = open_port(true, silent, sizeof silent);
    dial((char *[]){silent, silent, silent, NULL}, true, 90);
    cr_expect(!wait_dialled());
    uint64_t took = time_now_ms() - start;
    cr_expect(the.done && took >= 89 && took < 2000, "%llu ms", (unsigned long long)took);
    close(fd);
}

Test(net_dial, no_address)
{
    dial((char *[]){NULL}, true, PATIENCE_MS);
    cr_expect(!wait_dialled());
    cr_expect_str_eq(the.what_happened, "it offers no address that another host can reach");
}

Test(net_dial, loopback_means_nothing_on_another_host)
{
    dial((char *[]){the.address, "[::1]:9", NULL}, false, PATIENCE_MS);
    cr_expect(!wait_dialled());
    cr_expect_str_eq(the.what_happened, "it offers no address that another host can reach");
    cr_expect_eq(the.peer_count, 0);
}

Test(net_dial, loopback_comes_first_on_the_same_host)
{
    dial((char *[]){"not tried", the.address, NULL}, true, PATIENCE_MS);
    cr_assert(wait_dialled());
    cr_expect_str_eq(the.what_happened, "");
}

Test(net_dial, many_addresses_that_fail_overflow_nothing)
{
    char *addresses[41] = {0};
    for (int i = 0; i < 40; i++)
        addresses[i] = "an address that is rather long but is none at all";
    dial(addresses, true, PATIENCE_MS);
    cr_expect(!wait_dialled());
    cr_expect_eq(strlen(the.what_happened), sizeof the.what_happened - 1);
}

Test(net_dial, cancel_at_every_stage)
{
    for (int turns = 0; turns < 6; turns++) {
        struct dial *one = dial((char *[]){the.address, NULL}, true, PATIENCE_MS);
        for (int i = 0; i < turns && !the.done; i++)
            loop_turn(the.loop, 1);
        if (!the.done)
            dial_cancel(one);
        bool was_done = the.done;
        loop_turn(the.loop, 5);
        cr_expect_eq(the.done, was_done);
        if (the.done)
            break;
    }
    dial_cancel(NULL);
}

// ---- listener

static int connect_to_listener(void)
{
    struct sockaddr_storage address;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    memset(&address, 0, sizeof address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4->sin_port = htons((uint16_t)strtol(strchr(the.address, ':') + 1, NULL, 10));
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof *v4) == 0);
    return fd;
}

static void turn_for(int ms)
{
    uint64_t deadline = time_now_ms() + (uint64_t)ms;
    while (time_left_ms(deadline) > 0)
        loop_turn(the.loop, time_left_ms(deadline));
}

static bool is_closed(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

Test(net_listener, when_all_places_are_taken_the_next_one_waits_for_one)
{
    int hostile[LISTENER_PENDING];
    for (int i = 0; i < LISTENER_PENDING; i++)
        hostile[i] = connect_to_listener();
    turn_for(50);
    dial((char *[]){the.address, NULL}, true, PATIENCE_MS);
    turn_for(200);
    cr_expect(!the.done, "every place is taken");
    for (int i = 0; i < LISTENER_PENDING; i++)
        cr_expect(!is_closed(hostile[i]));
    close(hostile[7]);
    cr_expect(wait_dialled());
    wait_peers(1);
    for (int i = 0; i < LISTENER_PENDING; i++)
        if (i != 7)
            close(hostile[i]);
}

Test(net_listener, silent_ones_leave_by_their_time_limit)
{
    int hostile[LISTENER_PENDING + 20];
    uint64_t start = time_now_ms();
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        hostile[i] = connect_to_listener();
        if (i % 3 == 0)
            cr_assert(send(hostile[i], "half a challenge", 16, 0) == 16);
    }
    turn_for(20);
    dial((char *[]){the.address, NULL}, true, 3 * PATIENCE_MS);
    cr_expect(wait_dialled());
    wait_peers(1);
    uint64_t took = time_now_ms() - start;
    cr_expect(took >= LISTENER_TIMEOUT_MS - 50 && took < LISTENER_TIMEOUT_MS + 3000, "%llu ms",
              (unsigned long long)took);
    cr_expect(is_closed(hostile[0]));
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        close(hostile[i]);
}

Test(net_listener, rubbish_does_not_keep_others_out)
{
    uint8_t rubbish[4096];
    int hostile[3 * LISTENER_PENDING];
    enum { COUNT = sizeof hostile / sizeof *hostile };
    for (size_t i = 0; i < COUNT; i++) {
        hostile[i] = connect_to_listener();
        auth_random(rubbish, sizeof rubbish);
        cr_assert(send(hostile[i], rubbish, 1 + i * 20, MSG_NOSIGNAL) > 0);
        if (i % 2)
            shutdown(hostile[i], SHUT_WR);
        loop_turn(the.loop, 0);
    }
    dial((char *[]){the.address, NULL}, true, PATIENCE_MS);
    cr_expect(wait_dialled());
    wait_peers(1);
    for (size_t i = 0; i < COUNT; i++)
        close(hostile[i]);
}

Test(net_listener, wrong_secret_and_wrong_purpose_are_no_peers)
{
    struct dial_options options = {.addresses = (char *[]){the.address, NULL},
                                   .same_host = true,
                                   .secret = wrong_secret,
                                   .purpose = "tree",
                                   .hello = the_hello,
                                   .timeout_ms = PATIENCE_MS};
    dial_start(the.loop, &options, on_dialled, NULL);
    cr_expect(!wait_dialled());
    the.done = false;
    options.secret = the_secret;
    options.purpose = "boot";
    dial_start(the.loop, &options, on_dialled, NULL);
    cr_expect(!wait_dialled());
    turn_for(20);
    cr_expect_eq(the.peer_count, 0);
}

Test(net_listener, destroy_inside_on_peer_closes_the_unproven)
{
    int hostile = connect_to_listener();
    the.destroy_listener = true;
    dial((char *[]){the.address, NULL}, true, PATIENCE_MS);
    cr_expect(wait_dialled());
    wait_peers(1);
    cr_expect(is_closed(hostile));
    close(hostile);
}
