// SPDX-License-Identifier: BSD-3-Clause
//
// Messages between two ports.
#include "config.h"

#include "data_ports.h"

#include <poll.h>

enum { LARGE = 3 << 20 };

Test(net_data_message, every_size_arrives_whole)
{
    static const size_t sizes[] = {0,     1,     8,      1000,   8191,    8192,    8193,
                                   65535, 65536, 100000, 262143, 1 << 20, 5000001, 20 << 20};
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = pattern(sizes[i], (unsigned)i);
        cr_assert_eq(data_send(peer, (uint8_t)(i + 1), "head", 4, data, sizes[i], side_on_sent, &a),
                     DRAGON_OK);
        cr_expect_eq(a.sent, i, "never from the call itself");
        turn_until(b.messages == i + 1 && a.sent == i + 1 && data_port_idle(b.port));
        cr_expect_eq(b.type, i + 1);
        cr_expect_eq(b.header_bytes, 4);
        cr_expect_arr_eq(b.header, "head", 4);
        cr_expect_eq(b.bytes, sizes[i]);
        cr_expect(!sizes[i] || !memcmp(b.data, data, sizes[i]), "%zu bytes", sizes[i]);
        free(data);
    }
    cr_expect_eq(a.failed + b.failed, 0);
    cr_expect(data_port_idle(a.port));
    close_both();
}

Test(net_data_message, headers_of_every_size)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t header[DATA_HEADER + 1];
    for (size_t i = 0; i < sizeof header; i++)
        header[i] = (uint8_t)(i * 3 + 1);
    for (size_t bytes = 0; bytes <= DATA_HEADER; bytes++) {
        cr_assert_eq(data_send(peer, (uint8_t)bytes, header, bytes, "x", bytes % 2, NULL, NULL),
                     DRAGON_OK);
        turn_until(b.messages == bytes + 1);
        cr_expect_eq(b.type, bytes);
        cr_expect_eq(b.header_bytes, bytes);
        cr_expect(!memcmp(b.header, header, bytes));
        cr_expect_eq(b.bytes, bytes % 2);
    }
    cr_expect_eq(data_send(peer, 1, header, DATA_HEADER + 1, NULL, 0, NULL, NULL),
                 DRAGON_ERR_INVAL);
    cr_expect_eq(data_send(peer, 1, NULL, 0, header, DATA_COPIED + 1, NULL, NULL),
                 DRAGON_ERR_INVAL);
    close_both();
}

Test(net_data_message, the_other_side_answers)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "ping", 4, NULL, NULL), DRAGON_OK);
    turn_until(b.messages == 1);
    struct data_peer *back = b.peer;
    cr_expect_null(data_peer_arg(back));
    data_peer_set_arg(back, &b);
    for (size_t i = 1; i <= 3; i++) {
        cr_assert_eq(data_send(back, 2, NULL, 0, "pong!", 5, NULL, NULL), DRAGON_OK);
        cr_assert_eq(data_send(peer, 1, NULL, 0, "ping", 4, NULL, NULL), DRAGON_OK);
        turn_until(a.messages == i && b.messages == i + 1);
        cr_expect_eq(a.peer, peer);
        cr_expect_eq(b.peer, back);
        cr_expect_eq(data_peer_arg(b.peer), &b);
    }
    cr_expect_eq(data_peer_arg(peer), &a);
    cr_expect_arr_eq(a.data, "pong!", 5);
    close_both();
}

// The connection is not there yet when these are sent.
Test(net_data_message, what_was_copied_may_change_at_once)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(DATA_COPIED, 3), *buffer = pattern(DATA_COPIED, 3);
    for (int i = 0; i < 3; i++) {
        memcpy(buffer, data, DATA_COPIED);
        cr_assert_eq(data_send(peer, 1, buffer, DATA_HEADER, buffer, DATA_COPIED, NULL, NULL),
                     DRAGON_OK);
        memset(buffer, 0xee, DATA_COPIED);
    }
    cr_expect(!data_port_idle(a.port));
    turn_until(b.messages == 3 && data_port_idle(a.port));
    cr_expect_arr_eq(b.data, data, DATA_COPIED);
    cr_expect_arr_eq(b.header, data, DATA_HEADER);
    free(data);
    free(buffer);
    close_both();
}

static uint32_t next_number;
static bool in_order;

static void check_number(struct side *side, struct data_peer *peer, struct data_message *message)
{
    (void)peer;
    uint32_t number;
    memcpy(&number, message->header, sizeof number);
    in_order &= number == next_number++;
    if (message->incoming)
        side_receive(side, message);
}

Test(net_data_message, handlers_see_them_in_the_order_of_sending)
{
    static const size_t sizes[] = {8, LARGE, 0, 70000, 8192, 300000, 1, 200000, 4000};
    enum { SIZES = sizeof sizes / sizeof sizes[0], COUNT = 400 };
    open_both();
    b.on_message = check_number;
    in_order = true;
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(LARGE, 1);
    for (uint32_t i = 0; i < COUNT; i++) {
        size_t bytes = sizes[i % SIZES];
        cr_assert_eq(data_send(peer, 1, &i, sizeof i, data, bytes,
                               bytes > DATA_COPIED || i % 2 ? side_on_sent : NULL, &a),
                     DRAGON_OK);
        if (i % 7 == 0)
            data_port_progress(a.port);
    }
    turn_until(b.messages == COUNT && data_port_idle(a.port) && data_port_idle(b.port));
    cr_expect(in_order);
    cr_expect_eq(a.failed + b.failed, 0);
    free(data);
    close_both();
}

Test(net_data_message, a_payload_is_received_later)
{
    open_both();
    b.keep = true;
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(LARGE, 9), *room = calloc(1, LARGE);
    cr_assert_eq(data_send(peer, 1, NULL, 0, data, LARGE, side_on_sent, &a), DRAGON_OK);
    turn_until(b.messages == 1);
    void *incoming = b.incoming;
    cr_assert_not_null(incoming);
    cr_assert_eq(data_send(peer, 2, NULL, 0, "after", 5, NULL, NULL), DRAGON_OK);
    turn_until(b.messages == 2);
    turn_idly();
    cr_expect_eq(a.sent, 0);
    cr_expect(!data_port_idle(b.port));
    cr_expect_eq(data_receive(b.port, incoming, room, LARGE - 1, side_on_received, &b),
                 DRAGON_ERR_TOO_BIG);
    cr_assert_eq(data_receive(b.port, incoming, room, LARGE, side_on_received, &b), DRAGON_OK);
    cr_expect_eq(b.received, 0, "never from the call itself");
    turn_until(a.sent == 1 && b.received == 1);
    cr_expect_eq(a.failed + b.failed, 0);
    cr_expect(!memcmp(room, data, LARGE));
    free(data);
    free(room);
    close_both();
}

static void refuse(struct side *side, struct data_peer *peer, struct data_message *message)
{
    (void)peer;
    if (message->incoming)
        data_refuse(side->port, message->incoming);
}

Test(net_data_message, a_refused_payload_is_over_for_both)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(LARGE, 9);
    b.on_message = refuse;
    cr_assert_eq(data_send(peer, 1, NULL, 0, data, LARGE, side_on_sent, &a), DRAGON_OK);
    turn_until(a.sent == 1 && data_port_idle(b.port));
    b.on_message = NULL;
    b.keep = true;
    cr_assert_eq(data_send(peer, 1, NULL, 0, data, LARGE, side_on_sent, &a), DRAGON_OK);
    turn_until(b.messages == 2);
    data_refuse(b.port, b.incoming);
    turn_until(a.sent == 2 && data_port_idle(b.port));
    cr_expect_eq(a.failed, 0);
    free(data);
    close_both();
}

// Both wait in poll only, as programs do that have nothing else to do.
static void sleep_until_readable(struct side *one, struct side *other)
{
    if (data_port_progress(one->port) || data_port_progress(other->port) ||
        !data_port_arm(one->port) || !data_port_arm(other->port))
        return;
    struct pollfd fds[] = {{.fd = data_port_fd(one->port), .events = POLLIN},
                           {.fd = data_port_fd(other->port), .events = POLLIN}};
    cr_assert_gt(poll(fds, 2, PATIENCE_MS), 0, "nobody woke us");
}

Test(net_data_message, sleepers_are_woken)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(LARGE, 2);
    for (size_t i = 1; i <= 60; i++) {
        size_t bytes = i % 3 == 0 ? LARGE : i % 3 == 1 ? 8 : 100000;
        cr_assert_eq(data_send(peer, 1, NULL, 0, data, bytes, side_on_sent, &a), DRAGON_OK);
        while (b.messages < i || a.sent < i || !data_port_idle(b.port))
            sleep_until_readable(&a, &b);
    }
    cr_expect_eq(a.failed + b.failed, 0);
    free(data);
    close_both();
}

static void answer(struct side *side, struct data_peer *peer, struct data_message *message)
{
    cr_assert_eq(data_send(peer, side->type, message->header, message->header_bytes, message->data,
                           message->bytes, NULL, NULL),
                 DRAGON_OK);
}

Test(net_data_message, many_under_way_in_both_directions)
{
    enum { COUNT = 3000 };
    open_both();
    b.on_message = answer;
    struct data_peer *peer = side_connect(&a, &b);
    uint8_t *data = pattern(DATA_COPIED, 5);
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert_eq(data_send(peer, 7, &i, sizeof i, data, i % DATA_COPIED, NULL, NULL),
                     DRAGON_OK);
    turn_until(a.messages == COUNT && data_port_idle(a.port) && data_port_idle(b.port));
    cr_expect_eq(a.bytes, (COUNT - 1) % DATA_COPIED);
    cr_expect(!memcmp(a.data, data, a.bytes));
    free(data);
    close_both();
}
