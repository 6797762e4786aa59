// SPDX-License-Identifier: BSD-3-Clause
//
// How peers come and go: in peace, in handlers, killed, or never there.
#include "config.h"

#include "data_ports.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { LARGE = 3 << 20 };

static void expect_only_invalid(const void *address, size_t length, const char *what)
{
    struct data_peer *peer = NULL;
    dragon_error_t error = {0};
    cr_expect_eq(data_peer_connect(a.port, address, length, NULL, &peer, &error), DRAGON_ERR_INVAL,
                 "%s", what);
    cr_expect_null(peer);
    cr_expect_neq(error.text[0], '\0');
}

Test(net_data_peer, an_address_is_checked)
{
    open_both();
    size_t length;
    const uint8_t *address = data_port_address(b.port, &length);
    uint8_t *copy = malloc(length + 1);
    expect_only_invalid("", 0, "nothing");
    for (size_t i = 0; i < length; i++) {
        memcpy(copy, address, length);
        expect_only_invalid(copy, i, "cut off");
        copy[i] ^= 0x10;
        if (i < 8 || i > 11) // these hold the version
            expect_only_invalid(copy, length, "changed");
    }
    memcpy(copy, address, length);
    copy[length] = 0;
    expect_only_invalid(copy, length + 1, "longer");
    free(copy);
    close_both();
}

// As address_check has it.
static void sum_up(uint8_t *address, size_t length)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 8; i < length; i++)
        sum = (sum ^ address[i]) * 16777619u;
    for (int i = 0; i < 4; i++)
        address[4 + i] = (uint8_t)(sum >> 8 * i);
}

Test(net_data_peer, another_version_of_ucx_is_told)
{
    open_both();
    size_t length;
    const void *address = data_port_address(b.port, &length);
    uint8_t *copy = malloc(length);
    memcpy(copy, address, length);
    copy[10]++;
    sum_up(copy, length);
    struct data_peer *peer;
    dragon_error_t error = {0};
    cr_expect_eq(data_peer_connect(a.port, copy, length, NULL, &peer, &error),
                 DRAGON_ERR_UNSUPPORTED);
    cr_expect(strstr(error.text, "LD_LIBRARY_PATH"), "%s", error.text);
    free(copy);
    close_both();
}

Test(net_data_peer, closed_in_peace_everything_arrives_first)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(LARGE, 4);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(data_send(peer, 1, NULL, 0, data, i % 4 ? 5000 : LARGE, side_on_sent, &a),
                     DRAGON_OK);
    data_peer_close(peer, true);
    turn_until(b.lost == 1);
    cr_expect_eq(b.messages, 20);
    cr_expect_eq(a.sent, 20);
    cr_expect_eq(a.failed + b.failed, 0);
    data_peer_close(b.peer, true);
    turn_until(data_port_idle(a.port) && data_port_idle(b.port));
    turn_idly();
    cr_expect_eq(a.lost, 0);
    cr_expect_eq(b.lost, 1);
    free(data);
    close_both();
}

Test(net_data_peer, closed_by_force_the_other_side_is_told)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
    turn_until(b.messages == 1);
    data_peer_close(peer, false);
    turn_until(b.lost == 1);
    cr_expect_eq(data_send(b.peer, 1, NULL, 0, "y", 1, NULL, NULL), DRAGON_ERR_PEER);
    cr_expect_eq(data_send(b.peer, 1, NULL, 0, "y", 1, side_on_sent, &b), DRAGON_ERR_PEER);
    data_peer_close(b.peer, true);
    turn_idly();
    cr_expect_eq(a.messages, 0);
    cr_expect_eq(a.lost, 0);
    cr_expect_eq(b.lost, 1);
    cr_expect_eq(b.sent, 0);
    close_both();
}

Test(net_data_peer, what_was_under_way_ends_when_it_is_closed_by_force)
{
    open_both();
    b.keep = true;
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(LARGE, 4);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(data_send(peer, 1, NULL, 0, data, LARGE, side_on_sent, &a), DRAGON_OK);
    turn_until(b.messages == 8);
    data_peer_close(peer, false);
    turn_until(a.sent == 8 && b.lost == 1);
    cr_expect_eq(a.failed, 8);
    // The payload went with its sender.
    uint8_t *room = malloc(LARGE);
    cr_expect_eq(data_receive(b.port, b.incoming, room, LARGE, side_on_received, &b), DRAGON_OK);
    turn_until(b.received == 1);
    free(room);
    cr_expect_eq(b.failed, 1);
    free(data);
    close_both();
}

Test(net_data_peer, a_port_that_is_gone)
{
    open_both();
    size_t length;
    const void *address = data_port_address(b.port, &length);
    uint8_t *copy = malloc(length);
    memcpy(copy, address, length);
    side_close(&b);
    struct data_peer *peer;
    dragon_err_t err = data_peer_connect(a.port, copy, length, NULL, &peer, NULL);
    if (!err) { // the usual way
        err = data_send(peer, 1, NULL, 0, copy, length, side_on_sent, &a);
        cr_expect_eq(data_send(peer, 1, NULL, 0, copy, length, NULL, NULL), err);
        turn_until(a.lost == 1 && data_port_idle(a.port));
        cr_expect_eq(a.sent, err ? 0 : 1);
        cr_expect_eq(a.failed, a.sent);
        data_peer_close(peer, true);
        turn_idly();
        cr_expect_eq(a.lost, 1);
    } else
        cr_expect_eq(err, DRAGON_ERR_PEER);
    free(copy);
    side_close(&a);
}

Test(net_data_peer, both_connect_to_each_other)
{
    for (int order = 0; order < 2; order++) {
        open_both();
        struct data_peer *there = side_connect(&a, &b);
        if (order) {
            cr_assert_eq(data_send(there, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
            turn_until(b.messages == 1);
        }
        struct data_peer *back = side_connect(&b, &a);
        for (size_t i = 1; i <= 10; i++) {
            cr_assert_eq(data_send(there, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
            cr_assert_eq(data_send(back, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
            turn_until(a.messages == i && b.messages == i + (size_t)order);
        }
        data_peer_close(there, true);
        data_peer_close(back, true);
        turn_until(data_port_idle(a.port) && data_port_idle(b.port));
        close_both();
    }
}

enum { CONNECTIONS = 20 };
static struct data_peer *seen_peer[CONNECTIONS];

static void note_peer(struct side *side, struct data_peer *peer, struct data_message *message)
{
    (void)side;
    size_t which = message->header[0];
    cr_assert_lt(which, CONNECTIONS);
    if (!seen_peer[which])
        seen_peer[which] = peer;
    cr_expect_eq(seen_peer[which], peer, "connection %zu", which);
}

// Each is a peer of its own, whatever comes first.
Test(net_data_peer, many_connections_between_two_ports)
{
    struct data_peer *peers[CONNECTIONS];
    open_both();
    b.on_message = note_peer;
    for (int i = 0; i < CONNECTIONS; i++) {
        peers[i] = side_connect(&a, &b);
        if (i % 3 == 1) { // gone before it got anywhere
            data_peer_close(peers[i], false);
            peers[i] = NULL;
        }
        if (i % 5 == 0)
            data_port_progress(i % 2 ? a.port : b.port);
    }
    size_t sent = 0;
    for (int round = 0; round < 3; round++)
        for (uint8_t i = CONNECTIONS; i-- > 0;)
            if (peers[i]) {
                cr_assert_eq(data_send(peers[i], 1, &i, 1, NULL, 0, NULL, NULL), DRAGON_OK);
                sent++;
            }
    turn_until(b.messages == sent);
    for (int i = 0; i < CONNECTIONS; i++)
        for (int k = 0; k < i; k++)
            cr_expect(!peers[i] || seen_peer[i] != seen_peer[k]);
    cr_expect_eq(a.lost + b.lost, 0);
    close_both();
}

static void close_it(struct side *side, struct data_peer *peer)
{
    (void)side;
    data_peer_close(peer, true);
}

static void close_at_message(struct side *side, struct data_peer *peer,
                             struct data_message *message)
{
    if (message->incoming)
        data_refuse(side->port, message->incoming);
    if (side->messages == 1)
        data_peer_close(peer, side->keep);
}

Test(net_data_peer, closed_in_handlers)
{
    uint8_t *data = pattern(LARGE, 4);
    for (int how = 0; how < 8; how++) {
        open_both();
        a.on_lost = b.on_lost = close_it;
        b.on_message = close_at_message;
        b.keep = how & 1;
        struct data_peer *peer = side_connect(&a, &b);
        size_t bytes = how & 2 ? LARGE : 100;
        for (int i = 0; i < 5; i++)
            cr_assert_eq(data_send(peer, 1, NULL, 0, data, bytes, side_on_sent, &a), DRAGON_OK);
        if (how & 4)
            data_peer_close(peer, true);
        turn_until((how & 4 || a.lost == 1) && a.sent == 5 && data_port_idle(b.port));
        turn_idly();
        cr_expect_leq(a.lost, 1);
        cr_expect_eq(b.messages, 1);
        close_both();
    }
    free(data);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

Test(net_data_peer, nothing_is_left_of_many)
{
    open_both();
    b.on_lost = close_it;
    int before = 0;
    for (size_t i = 1; i <= 300; i++) {
        struct data_peer *peer = side_connect(&a, &b);
        cr_assert_eq(data_send(peer, 1, NULL, 0, "x", 1, NULL, NULL), DRAGON_OK);
        data_peer_close(peer, true);
        turn_until(b.lost == i);
        if (i == 20)
            before = open_descriptors();
    }
    turn_idly();
    cr_expect_leq(open_descriptors(), before + 5);
    close_both();
}
