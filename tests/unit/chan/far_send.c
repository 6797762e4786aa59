// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "nodes.h"

#include "chan/far_parts.h"

static struct nodes nodes;
static uint8_t buffer[12 << 20], got[12 << 20];

static dragon_err_t put(size_t bytes, uint64_t tag, int64_t ms)
{
    struct far_call how = within(ms);
    fill(buffer, bytes, tag);
    return far_send(nodes.there, buffer, bytes, tag, &how);
}

static bool take(uint64_t tag, size_t bytes)
{
    dragon_message_t message;
    return local_receive(&nodes.local, got, sizeof got, &message, in_ms(SOON)) == DRAGON_OK &&
           message.tag == tag && message.bytes == bytes && filled(got, bytes, tag);
}

static void expect(uint64_t tag, size_t bytes)
{
    cr_assert(take(tag, bytes), "message %d of %zu bytes did not come", (int)tag, bytes);
}

static void expect_nothing(void)
{
    cr_expect_eq(local_receive(&nodes.local, got, sizeof got, NULL, 0), DRAGON_ERR_AGAIN);
}

Test(far_send, sizes_in_order)
{
    static const size_t sizes[] = {0,    1,     23,    24,    25,     32,     33,     500,     8192,
                                   8193, 10000, 65536, 65537, 262144, 262144, 262145, 10 << 20};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    nodes_channel(&nodes, 64);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(put(sizes[i], i, SOON), DRAGON_OK, "%zu bytes", sizes[i]);
    for (size_t i = 0; i < COUNT; i++)
        expect(i, sizes[i]);
    expect_nothing();
    cr_expect_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    nodes_down(&nodes);
}

Test(far_send, many_in_order)
{
    enum { COUNT = 5000 };
    nodes_channel(&nodes, 16);
    uint64_t received = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        while (put(i % 300, i, 0) == DRAGON_ERR_AGAIN)
            expect(received, received % 300), received++;
    }
    while (received < COUNT)
        expect(received, received % 300), received++;
    expect_nothing();
    nodes_down(&nodes);
}

Test(far_send, large_ones_mixed_with_small)
{
    enum { COUNT = 300 };
    static const size_t sizes[] = {8, 70000, 100, 300000, 9000, 20, 600000};
    nodes_channel(&nodes, 4);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        for (uint64_t i = 0; i < COUNT; i++)
            if (!take(i, sizes[i % 7] + i))
                _exit(1);
        _exit(0);
    }
    for (uint64_t i = 0; i < COUNT; i++)
        cr_assert_eq(put(sizes[i % 7] + i, i, SOON), DRAGON_OK);
    nodes_reap(child);
    cr_expect_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    nodes_down(&nodes);
}

// What is on its way when the channel is full is bounded, kept in order, and goes in when there is room.
Test(far_send, back_pressure)
{
    nodes_channel(&nodes, 4);
    uint64_t sent = 0;
    while (put(40, sent, 200) == DRAGON_OK)
        sent++;
    cr_expect_eq(sent, 4 + DRAGON_CHANNEL_UNDER_WAY);
    cr_expect_eq(put(40, sent, 0), DRAGON_ERR_AGAIN);
    cr_expect_eq(put(40, sent, 20), DRAGON_ERR_TIMEOUT);
    for (uint64_t i = 0; i < sent; i++)
        expect(i, 40);
    expect_nothing();
    cr_expect_eq(put(40, sent, SOON), DRAGON_OK);
    expect(sent, 40);
    nodes_down(&nodes);
}

// Large ones stay with their sender, whose call returns without having sent anything.
Test(far_send, large_ones_are_taken_back)
{
    nodes_channel(&nodes, 2);
    cr_assert_eq(put(8, 1, SOON), DRAGON_OK);
    cr_assert_eq(put(8, 2, SOON), DRAGON_OK);
    cr_expect_eq(put(1 << 20, 3, 0), DRAGON_ERR_AGAIN);
    cr_expect_eq(put(1 << 20, 3, 50), DRAGON_ERR_TIMEOUT);
    expect(1, 8);
    cr_expect_eq(put(1 << 20, 4, 0), DRAGON_OK);
    cr_expect_eq(put(1 << 20, 5, 0), DRAGON_ERR_AGAIN);
    expect(2, 8);
    cr_expect_eq(put(1 << 20, 6, SOON), DRAGON_OK);
    expect(4, 1 << 20);
    expect(6, 1 << 20);
    expect_nothing();
    nodes_down(&nodes);
}

Test(far_send, no_memory)
{
    nodes_channel(&nodes, 1024);
    size_t bytes = sizeof buffer;
    uint64_t sent = 0;
    while (sent < 20 && put(bytes, sent, SOON) == DRAGON_OK)
        sent++;
    cr_assert_lt(sent, 20); // 64 MiB
    cr_expect_eq(put(bytes, sent, SOON), DRAGON_ERR_FULL);
    // Those that are not waited for arrive when there is memory; who waits behind them is told.
    uint64_t small = sent;
    while (small < 1000 && put(250000, small, 500) == DRAGON_OK)
        small++;
    cr_assert_lt(small, 1000);
    cr_expect_eq(put(250000, small, 50), DRAGON_ERR_FULL);
    for (uint64_t i = 0; i < sent; i++)
        expect(i, bytes);
    for (uint64_t i = sent; i < small; i++)
        expect(i, 250000);
    expect_nothing();
    nodes_down(&nodes);
}

Test(far_send, received)
{
    nodes_channel(&nodes, 8);
    struct far_call how = within(50);
    how.mode = DRAGON_RETURN_RECEIVED;
    fill(buffer, 100, 7);
    cr_expect_eq(far_send(nodes.there, buffer, 100, 7, &how), DRAGON_ERR_TIMEOUT);
    expect(7, 100); // it was sent
    how.deadline_ns = 0;
    cr_expect_eq(far_send(nodes.there, buffer, 100, 7, &how), DRAGON_ERR_TIMEOUT);
    expect(7, 100);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        for (uint64_t i = 0; i < 20; i++)
            if (!take(i, i % 2 ? 100 : 100000))
                _exit(1);
        _exit(0);
    }
    how.deadline_ns = in_ms(SOON);
    for (uint64_t i = 0; i < 20; i++) {
        size_t bytes = i % 2 ? 100 : 100000;
        fill(buffer, bytes, i);
        cr_assert_eq(far_send(nodes.there, buffer, bytes, i, &how), DRAGON_OK);
        cr_expect_eq(ring_received(nodes.local.ring), i + 3);
    }
    nodes_reap(child);
    nodes_down(&nodes);
}

Test(far_send, closed)
{
    nodes_channel(&nodes, 8);
    cr_assert_eq(put(10, 0, SOON), DRAGON_OK);
    expect(0, 10);
    cr_assert_eq(ask(nodes.away, KC_CLOSE, "48", 0, nodes.id), DRAGON_OK);
    cr_expect_eq(put(1 << 20, 1, SOON), DRAGON_ERR_CLOSED);
    // A small one is on its way before it is known; then it is told, once for each.
    dragon_err_t err = put(10, 2, SOON);
    if (err == DRAGON_OK)
        err = far_close(nodes.there, in_ms(SOON));
    cr_expect_eq(err, DRAGON_ERR_CLOSED);
    nodes_open_far(&nodes);
    cr_assert_eq(ask(nodes.away, KC_DESTROY, "48", 0, nodes.id), DRAGON_OK);
    cr_expect_eq(put(1 << 20, 1, SOON), DRAGON_ERR_CLOSED);
    nodes_down(&nodes);
}

// The transport does not answer: who connects meanwhile hears so in time, and goes on with it later.
Test(far_send, transport_stopped)
{
    nodes_channel(&nodes, 16);
    cr_assert_eq(put(10, 1, SOON), DRAGON_OK);
    cr_assert_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    pid_t pid = nodes_transport(&nodes);
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    nodes.there = far_open(nodes.far, 0, nodes.id, &nodes.spec);
    uint64_t began = time_now_ms();
    cr_expect_eq(put(10, 2, 20), DRAGON_ERR_TIMEOUT);
    cr_expect_eq(put(10, 2, 20), DRAGON_ERR_TIMEOUT);
    cr_expect_eq(put(10, 2, 0), DRAGON_ERR_AGAIN);
    cr_expect_lt(time_now_ms() - began, 5000);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_expect_eq(put(10, 3, SOON), DRAGON_OK);
    expect(1, 10);
    expect(3, 10);
    expect_nothing();
    nodes_down(&nodes);
}

// A large one waits behind others that there is no room for: its time-out is kept all the same.
Test(far_send, large_behind_others, .timeout = 60)
{
    nodes_channel(&nodes, 2);
    for (uint64_t i = 0; i < 5; i++)
        cr_assert_eq(put(10, i, SOON), DRAGON_OK);
    cr_expect_eq(put(1 << 20, 5, 20), DRAGON_ERR_TIMEOUT);
    cr_expect_eq(put(1 << 20, 6, 0), DRAGON_ERR_AGAIN);
    for (uint64_t i = 0; i < 5; i++)
        expect(i, 10);
    cr_expect_eq(put(1 << 20, 7, SOON), DRAGON_OK);
    expect(7, 1 << 20);
    expect_nothing();
    nodes_down(&nodes);
}

static void on_let_go(void *arg, dragon_err_t err)
{
    (void)err;
    *(bool *)arg = true;
}

static bool has_let_go(void *arg)
{
    return *(bool *)arg;
}

// A connection is cut a moment after it was given up, also when we sleep by then.
Test(far_send, sleeper_cuts)
{
    bool let_go = false;
    struct awaited item = {.ready = has_let_go, .arg = &let_go};
    nodes_channel(&nodes, 16);
    struct far_peer *peer = nodes.there->home.peer;
    cr_assert_eq(kill(nodes_transport(&nodes), SIGSTOP), 0);
    cr_assert_eq(data_send(peer->data, CU_SEND, NULL, 0, buffer, sizeof buffer, on_let_go, &let_go),
                 DRAGON_OK);
    far_peer_lost(peer);
    uint64_t began = time_now_ms();
    nodes.away_waiter.port_uses++;
    cr_expect_eq(wait_for(&nodes.away_waiter, &item, 1, DRAGON_WAIT_IDLE, NULL, WAIT_FOREVER_NS),
                 DRAGON_OK);
    nodes.away_waiter.port_uses--;
    cr_expect_lt(time_now_ms() - began, 5000);
    nodes_kill_transport(&nodes);
    nodes_down(&nodes);
}

Test(far_send, no_such_object)
{
    nodes_up(&nodes);
    struct object_spec spec = CHANNEL_SPEC;
    nodes.there = far_open(nodes.far, 0, 12345, &spec);
    cr_expect_eq(put(10, 1, SOON), DRAGON_ERR_CLOSED);
    far_close(nodes.there, 0);
    nodes_down(&nodes);
}

// The transport is killed: what was not acknowledged is told by the next call, once; then there is another transport.
Test(far_send, transport_killed)
{
    nodes_channel(&nodes, 16);
    for (uint64_t i = 0; i < 5; i++)
        cr_assert_eq(put(10, i, SOON), DRAGON_OK);
    for (uint64_t i = 0; i < 5; i++)
        expect(i, 10);
    nodes_kill_transport(&nodes);
    nodes_transport_gone(&nodes);
    uint64_t began = time_now_ms();
    dragon_err_t err = DRAGON_OK;
    for (int i = 0; i < 1000 && err == DRAGON_OK; i++)
        err = put(1 << 20, 5, SOON);
    cr_expect_eq(err, DRAGON_ERR_PEER);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    cr_expect_eq(put(10, 6, SOON), DRAGON_OK);
    expect(6, 10);
    cr_expect_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    nodes_down(&nodes);
}

// The other side is killed at any moment: nothing comes twice, or out of order, and what was acknowledged has come.
Test(far_send, transport_killed_at_any_moment, .timeout = 120)
{
    nodes_channel(&nodes, 256);
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0) {
            usleep((useconds_t)(round * 700));
            nodes_kill_transport(&nodes);
            _exit(0);
        }
        uint64_t sent = 0;
        dragon_err_t err = DRAGON_OK;
        while (err == DRAGON_OK && sent < 200) {
            err = put(sent % 3 ? 10 : 20000, sent, SOON);
            sent += err == DRAGON_OK;
        }
        cr_assert_eq(waitpid(child, NULL, 0), child);
        nodes_transport_gone(&nodes);
        dragon_err_t told = err == DRAGON_OK ? far_close(nodes.there, in_ms(SOON)) : err;
        cr_expect(told == DRAGON_OK || told == DRAGON_ERR_PEER, "%d", told);
        uint64_t came = 0;
        dragon_message_t message;
        while (local_receive(&nodes.local, got, sizeof got, &message, 0) == DRAGON_OK) {
            cr_expect_eq(message.tag, came, "%d came instead of %d", (int)message.tag, (int)came);
            came++;
        }
        if (told == DRAGON_OK)
            cr_expect_eq(came, sent);
        if (err == DRAGON_OK)
            nodes_open_far(&nodes);
        cr_assert_eq(put(10, 0, SOON), DRAGON_OK); // all goes on
        expect(0, 10);
    }
    nodes_down(&nodes);
}
