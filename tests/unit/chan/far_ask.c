// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "chan/sync.h"
#include "nodes.h"

static struct nodes nodes;
static uint8_t buffer[2 << 20], got[2 << 20];

static void put(size_t bytes, uint64_t tag)
{
    fill(buffer, bytes, tag);
    cr_assert_eq(local_send(&nodes.local, buffer, bytes, tag, in_ms(SOON)), DRAGON_OK);
}

static dragon_err_t get(size_t room, dragon_message_t *message, int64_t ms)
{
    struct far_call how = within(ms);
    return far_receive(nodes.there, got, room, false, message, &how);
}

static void expect(uint64_t tag, size_t bytes)
{
    dragon_message_t message;
    cr_assert_eq(get(sizeof got, &message, SOON), DRAGON_OK);
    cr_expect_eq(message.tag, tag);
    cr_expect_eq(message.bytes, bytes);
    cr_expect(filled(got, bytes, tag));
}

Test(far_ask, sizes_in_order)
{
    static const size_t sizes[] = {0, 1, 32, 33, 8192, 8193, 65537, 262144, 600000, 2 << 20};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    nodes_channel(&nodes, 16);
    for (size_t i = 0; i < COUNT; i++)
        put(sizes[i], i);
    for (size_t i = 0; i < COUNT; i++)
        expect(i, sizes[i]);
    cr_expect_eq(get(10, NULL, 0), DRAGON_ERR_AGAIN);
    nodes_down(&nodes);
}

Test(far_ask, too_big_stays)
{
    dragon_message_t message;
    nodes_channel(&nodes, 16);
    put(20, 1);
    put(70000, 2);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(get(19, &message, SOON), DRAGON_ERR_TOO_BIG);
        cr_expect_eq(message.bytes, 20);
    }
    expect(1, 20);
    cr_expect_eq(get(69999, &message, SOON), DRAGON_ERR_TOO_BIG);
    cr_expect_eq(message.bytes, 70000);
    expect(2, 70000);
    nodes_down(&nodes);
}

Test(far_ask, peek)
{
    dragon_message_t message;
    nodes_channel(&nodes, 16);
    struct far_call how = within(20);
    cr_expect_eq(far_receive(nodes.there, got, 10, true, &message, &how), DRAGON_ERR_TIMEOUT);
    put(100000, 1);
    static const size_t rooms[] = {0, 10, 70000, 100000, 200000};
    for (size_t i = 0; i < 5; i++) {
        how = within(SOON);
        memset(got, 0, sizeof got);
        cr_expect_eq(far_receive(nodes.there, got, rooms[i], true, &message, &how), DRAGON_OK);
        cr_expect_eq(message.bytes, 100000);
        size_t seen = rooms[i] < 100000 ? rooms[i] : 100000;
        cr_expect(filled(got, seen, 1));
        cr_expect_eq(got[seen], 0);
    }
    expect(1, 100000);
    nodes_down(&nodes);
}

Test(far_ask, blocks)
{
    static const size_t sizes[] = {0, 10, 5000, 100, 1 << 20, 3};
    dragon_message_t message;
    nodes_channel(&nodes, 16);
    for (size_t i = 0; i < 6; i++)
        put(sizes[i], i);
    for (size_t i = 0; i < 6; i++) {
        mem_ref block;
        void *data;
        struct far_call how = within(SOON);
        cr_assert_eq(far_receive_block(nodes.there, &block, &data, &message, &how), DRAGON_OK);
        cr_expect_eq(message.tag, i);
        cr_expect_eq(message.bytes, sizes[i]);
        if (sizes[i] == 0) {
            cr_expect(block == 0 && !data);
            continue;
        }
        cr_expect(filled(data, sizes[i], i));
        cr_expect_eq(space_at(nodes.away, block, sizes[i]), data);
        cr_expect(space_free(nodes.away, block, nodes.away->slot));
    }
    struct far_call how = within(0);
    mem_ref block;
    void *data;
    cr_expect_eq(far_receive_block(nodes.there, &block, &data, NULL, &how), DRAGON_ERR_AGAIN);
    nodes_down(&nodes);
}

// A receive whose time is over leaves the message, or brings it: none is lost in between.
Test(far_ask, cancelled_receives_lose_nothing)
{
    enum { COUNT = 400 };
    nodes_channel(&nodes, 16);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        for (uint64_t i = 0; i < COUNT; i++) {
            fill(buffer, 40, i);
            usleep((useconds_t)(i * 7 % 1500));
            if (local_send(&nodes.local, buffer, 40, i, in_ms(SOON)) != DRAGON_OK)
                _exit(1);
        }
        _exit(0);
    }
    uint64_t next = 0, late = 0;
    uint64_t deadline = time_now_ms() + SOON;
    while (next < COUNT && time_left_ms(deadline) > 0) {
        dragon_message_t message;
        struct far_call how = {.deadline_ns = (int64_t)time_now_ns() + 300000};
        dragon_err_t err = far_receive(nodes.there, got, sizeof got, false, &message, &how);
        if (err == DRAGON_OK) {
            cr_assert_eq(message.tag, next);
            next++;
        } else {
            cr_assert_eq(err, DRAGON_ERR_TIMEOUT);
            late++;
        }
    }
    cr_expect_eq(next, COUNT);
    cr_expect_gt(late, 0);
    nodes_reap(child);
    nodes_down(&nodes);
}

Test(far_ask, waits_are_woken)
{
    nodes_channel(&nodes, 16);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        usleep(100000);
        fill(buffer, 40, 9);
        _exit(local_send(&nodes.local, buffer, 40, 9, in_ms(SOON)) != DRAGON_OK);
    }
    expect(9, 40);
    nodes_reap(child);
    nodes_down(&nodes);
}

Test(far_ask, closed)
{
    nodes_channel(&nodes, 16);
    put(10, 1);
    cr_assert_eq(ask(nodes.home, KC_CLOSE, "48", 0, nodes.id), DRAGON_OK);
    expect(1, 10);
    cr_expect_eq(get(10, NULL, SOON), DRAGON_ERR_CLOSED);
    cr_assert_eq(ask(nodes.home, KC_DESTROY, "48", 0, nodes.id), DRAGON_OK);
    cr_expect_eq(get(10, NULL, SOON), DRAGON_ERR_CLOSED);
    nodes_down(&nodes);
}

Test(far_ask, destroyed_while_we_wait)
{
    nodes_channel(&nodes, 16);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        struct pack body = PACK_EMPTY;
        usleep(100000);
        pack_u32(&body, 0);
        pack_u64(&body, nodes.id);
        _exit(space_ask(nodes.home, KC_DESTROY, &body, SOON, NULL, NULL, 0, NULL) != DRAGON_OK);
    }
    cr_expect_eq(get(10, NULL, SOON), DRAGON_ERR_CLOSED);
    nodes_reap(child);
    nodes_down(&nodes);
}

// A call that waits hears of it at once, and the next one works.
Test(far_ask, transport_killed)
{
    nodes_channel(&nodes, 16);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        usleep(200000);
        nodes_kill_transport(&nodes);
        _exit(0);
    }
    uint64_t began = time_now_ms();
    cr_expect_eq(get(10, NULL, SOON), DRAGON_ERR_PEER);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    nodes_reap(child);
    put(10, 3);
    expect(3, 10);
    nodes_down(&nodes);
}

// ---- a channel with a single receiver

Test(far_ask, single_receiver_away)
{
    nodes_up(&nodes);
    struct object_spec spec = CHANNEL_SPEC;
    spec.single = true;
    nodes_make(&nodes, &spec);
    put(10, 1);
    expect(1, 10);
    cr_expect_eq(local_claim(&nodes.local), DRAGON_ERR_DENIED);
    // It is free again when that receiver has left.
    cr_expect_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    uint64_t deadline = time_now_ms() + SOON;
    while (local_claim(&nodes.local) != DRAGON_OK && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(local_claim(&nodes.local), DRAGON_OK);
    nodes_open_far(&nodes);
    cr_expect_eq(get(10, NULL, SOON), DRAGON_ERR_DENIED);
    nodes_down(&nodes);
}

// ---- polls

Test(far_ask, poll)
{
    int events = 0;
    nodes_channel(&nodes, 2);
    struct far_call how = within(0);
    cr_expect_eq(far_poll(nodes.there, DRAGON_POLL_RECEIVE, &events, &how), DRAGON_ERR_AGAIN);
    how = within(20);
    cr_expect_eq(far_poll(nodes.there, DRAGON_POLL_RECEIVE, &events, &how), DRAGON_ERR_TIMEOUT);
    how = within(SOON);
    cr_expect_eq(far_poll(nodes.there, DRAGON_POLL_RECEIVE | DRAGON_POLL_SEND, &events, &how),
                 DRAGON_OK);
    cr_expect_eq(events, DRAGON_POLL_SEND);
    put(10, 1);
    how = within(0);
    cr_expect_eq(far_poll(nodes.there, DRAGON_POLL_RECEIVE, &events, &how), DRAGON_OK);
    cr_expect_eq(events, DRAGON_POLL_RECEIVE);
    nodes_down(&nodes);
}

Test(far_ask, watch)
{
    int events = 0;
    nodes_channel(&nodes, 2);
    cr_assert_eq(far_watch(nodes.there, DRAGON_POLL_RECEIVE), DRAGON_OK);
    cr_assert_eq(far_watch(nodes.there, DRAGON_POLL_RECEIVE), DRAGON_OK);
    cr_expect_not(far_told(nodes.there));
    cr_expect_eq(far_events(nodes.there, &events), DRAGON_OK);
    cr_expect_eq(events, 0);
    put(10, 1);
    struct awaited item = {.ready = far_told, .arg = nodes.there};
    nodes.away_waiter.port_uses++;
    cr_expect_eq(wait_for(&nodes.away_waiter, &item, 1, DRAGON_WAIT_IDLE, NULL, in_ms(SOON)),
                 DRAGON_OK);
    cr_expect_eq(far_events(nodes.there, &events), DRAGON_OK);
    cr_expect_eq(events, DRAGON_POLL_RECEIVE);
    cr_expect_not(far_told(nodes.there)); // it forgets
    cr_assert_eq(far_watch(nodes.there, DRAGON_POLL_RECEIVE), DRAGON_OK);
    cr_expect_eq(wait_for(&nodes.away_waiter, &item, 1, DRAGON_WAIT_IDLE, NULL, in_ms(SOON)),
                 DRAGON_OK);
    // A lost connection is told like an event.
    cr_expect_eq(far_events(nodes.there, &events), DRAGON_OK);
    expect(1, 10);
    cr_assert_eq(far_watch(nodes.there, DRAGON_POLL_RECEIVE), DRAGON_OK);
    nodes_kill_transport(&nodes);
    cr_expect_eq(wait_for(&nodes.away_waiter, &item, 1, DRAGON_WAIT_IDLE, NULL, in_ms(SOON)),
                 DRAGON_OK);
    cr_expect_eq(far_events(nodes.there, &events), DRAGON_ERR_PEER);
    nodes.away_waiter.port_uses--;
    nodes_down(&nodes);
}

// ---- locks and the like

static dragon_err_t do_there(uint32_t op, uint64_t a, uint64_t *result, int64_t ms)
{
    struct far_call how = within(ms);
    return far_sync(nodes.there, &(struct sync_call){.op = op, .a = a}, result, &how);
}

static dragon_err_t do_here(uint32_t op, uint64_t a, uint64_t *result)
{
    return sync_try(nodes.object, nodes.home, nodes.home->slot,
                    &(struct sync_call){.op = op, .a = a}, result);
}

static void make_plain(uint8_t kind, uint32_t capacity, int64_t initial)
{
    nodes_up(&nodes);
    nodes_make(&nodes, &(struct object_spec){.kind = kind,
                                             .numa = DRAGON_ANY_NUMA,
                                             .capacity = capacity,
                                             .initial = initial});
}

Test(far_ask, lock)
{
    uint64_t result = 7;
    make_plain(OBJECT_LOCK, 0, 0);
    cr_expect_eq(do_there(SYNC_LOCK_ACQUIRE, 0, &result, SOON), DRAGON_OK);
    cr_expect_eq(result, 0);
    cr_expect_eq(do_here(SYNC_LOCK_ACQUIRE, 0, NULL), DRAGON_ERR_AGAIN);
    cr_expect_eq(do_there(SYNC_LOCK_RELEASE, 0, NULL, SOON), DRAGON_OK);
    cr_expect_eq(do_there(SYNC_LOCK_RELEASE, 0, NULL, SOON), DRAGON_ERR_STATE);
    cr_expect_eq(do_here(SYNC_LOCK_ACQUIRE, 0, NULL), DRAGON_OK);
    cr_expect_eq(do_there(SYNC_LOCK_ACQUIRE, 0, NULL, 0), DRAGON_ERR_AGAIN);
    cr_expect_eq(do_there(SYNC_LOCK_ACQUIRE, 0, NULL, 30), DRAGON_ERR_TIMEOUT);
    // Who has given up is not in the way.
    cr_expect_eq(do_here(SYNC_LOCK_RELEASE, 0, NULL), DRAGON_OK);
    cr_expect_eq(do_here(SYNC_LOCK_ACQUIRE, 0, NULL), DRAGON_OK);
    cr_expect_eq(do_here(SYNC_LOCK_RELEASE, 0, NULL), DRAGON_OK);
    cr_expect_eq(do_there(SYNC_SEMAPHORE_VALUE, 0, NULL, SOON), DRAGON_ERR_UNSUPPORTED);
    nodes_down(&nodes);
}

Test(far_ask, lock_is_waited_for)
{
    make_plain(OBJECT_LOCK, 0, 0);
    int pipes[2];
    char byte = 0;
    cr_assert_eq(pipe(pipes), 0);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        dragon_err_t err = do_here(SYNC_LOCK_ACQUIRE, 0, NULL);
        if (err != DRAGON_OK || write(pipes[1], &byte, 1) != 1)
            _exit(1);
        usleep(100000);
        _exit(do_here(SYNC_LOCK_RELEASE, 0, NULL) != DRAGON_OK);
    }
    cr_assert_eq(read(pipes[0], &byte, 1), 1);
    cr_expect_eq(do_there(SYNC_LOCK_ACQUIRE, 0, NULL, SOON), DRAGON_OK);
    nodes_reap(child);
    nodes_down(&nodes);
}

// The owner on another node goes without a word, or its transport dies: the next one learns that it was abandoned.
Test(far_ask, lock_is_abandoned)
{
    uint64_t result = 0;
    make_plain(OBJECT_LOCK, 0, 0);
    struct spin spin = {0};
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(do_there(SYNC_LOCK_ACQUIRE, 0, NULL, SOON), DRAGON_OK);
        if (i == 0)
            far_destroy(nodes.far), nodes.far = NULL;
        else
            nodes_kill_transport(&nodes);
        uint64_t began = time_now_ms();
        cr_expect_eq(sync_do(nodes.object, &nodes.home_waiter,
                             &(struct sync_call){.op = SYNC_LOCK_ACQUIRE}, &result, &spin,
                             in_ms(SOON)),
                     DRAGON_OK);
        cr_expect_eq(result, 1);
        cr_expect_lt(time_now_ms() - began, SOON / 2);
        cr_expect_eq(do_here(SYNC_LOCK_RELEASE, 0, NULL), DRAGON_OK);
        if (i == 0) {
            space_detach(nodes.away);
            nodes_far(&nodes);
            nodes_open_far(&nodes);
        }
    }
    nodes_down(&nodes);
}

Test(far_ask, values)
{
    uint64_t result = 0;
    make_plain(OBJECT_VALUE, 4, 5);
    cr_expect_eq(do_there(SYNC_VALUE_DO, 3 << 8, &result, SOON), DRAGON_OK);
    cr_expect_eq(result, 5);
    struct far_call how = within(SOON);
    struct sync_call add = {.op = SYNC_VALUE_DO, .a = 3 << 8 | 2, .b = 37};
    cr_expect_eq(far_sync(nodes.there, &add, &result, &how), DRAGON_OK);
    cr_expect_eq(do_here(SYNC_VALUE_DO, 3 << 8, &result), DRAGON_OK);
    cr_expect_eq(result, 42);
    cr_expect_eq(do_there(SYNC_VALUE_DO, 4 << 8, &result, SOON), DRAGON_ERR_INVAL);
    struct sync_call change = {.op = SYNC_VALUE_CHANGE, .a = 3, .b = 42};
    how = within(20);
    cr_expect_eq(far_sync(nodes.there, &change, &result, &how), DRAGON_ERR_TIMEOUT);
    change.b = 41;
    cr_expect_eq(far_sync(nodes.there, &change, &result, &how), DRAGON_OK);
    cr_expect_eq(result, 42);
    nodes_down(&nodes);
}

// What was taken by a process of another node counts as its.
Test(far_ask, queue)
{
    uint64_t result = 0;
    nodes_up(&nodes);
    struct object_spec spec = CHANNEL_SPEC;
    spec.kind = OBJECT_QUEUE;
    nodes_make(&nodes, &spec);
    for (uint64_t i = 0; i < 3; i++)
        put(10, i);
    expect(0, 10);
    expect(1, 10);
    cr_expect_eq(do_there(SYNC_QUEUE_STATE, 0, &result, SOON), DRAGON_OK);
    cr_expect_eq(result, UINT64_C(3) << 32 | 1);
    cr_expect_eq(do_there(SYNC_QUEUE_DONE, 0, NULL, SOON), DRAGON_OK);
    expect(2, 10);
    cr_expect_eq(do_there(SYNC_QUEUE_JOIN, 0, &result, 20), DRAGON_ERR_TIMEOUT);
    cr_expect_eq(do_there(SYNC_QUEUE_DONE, 0, NULL, SOON), DRAGON_OK);
    // The last one dies with us.
    far_destroy(nodes.far);
    nodes.far = NULL;
    struct spin spin = {0};
    cr_expect_eq(sync_do(nodes.object, &nodes.home_waiter,
                         &(struct sync_call){.op = SYNC_QUEUE_JOIN}, &result, &spin, in_ms(SOON)),
                 DRAGON_OK);
    cr_expect_eq(result, 1);
    nodes_down(&nodes);
}
