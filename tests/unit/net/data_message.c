// SPDX-License-Identifier: BSD-3-Clause
//
// Messages between two ports.
#include "config.h"

#include "data_ports.h"

static uint8_t *pattern(size_t bytes, unsigned seed)
{
    uint8_t *data = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8) + seed);
    return data;
}

static void open_both(void)
{
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    side_open(&a);
    side_open(&b);
}

static void close_both(void)
{
    side_close(&a);
    side_close(&b);
}

Test(net_data_message, every_size_arrives_whole)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    static const size_t sizes[] = {0, 1, 8, 1000, 8192, 65536, 100000, 1 << 20, 5000001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = pattern(sizes[i], (unsigned)i);
        cr_assert_eq(data_send(peer, (uint8_t)(i + 1), "head", 4, data, sizes[i], side_on_sent, &a),
                     DRAGON_OK);
        turn_until(b.messages == i + 1 && a.sent == i + 1 && data_port_idle(b.port));
        cr_expect_eq(b.type, i + 1);
        cr_expect_eq(b.header_bytes, 4);
        cr_expect_arr_eq(b.header, "head", 4);
        cr_expect_eq(b.bytes, sizes[i]);
        cr_expect(!memcmp(b.data, data, sizes[i]), "%zu bytes", sizes[i]);
        free(data);
    }
    cr_expect_eq(a.failed + b.failed, 0);
    close_both();
}

Test(net_data_message, the_other_side_answers)
{
    open_both();
    struct data_peer *peer = side_connect(&a, &b);
    cr_assert_eq(data_send(peer, 1, NULL, 0, "ping", 4, NULL, NULL), DRAGON_OK);
    turn_until(b.messages == 1);
    cr_assert_eq(data_send(b.peer, 2, NULL, 0, "pong!", 5, NULL, NULL), DRAGON_OK);
    turn_until(a.messages == 1);
    cr_expect_eq(a.peer, peer);
    cr_expect_eq(data_peer_arg(peer), &a);
    cr_expect_arr_eq(a.data, "pong!", 5);
    close_both();
}
