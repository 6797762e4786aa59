// SPDX-License-Identifier: BSD-3-Clause
//
// A channel whose single receiver serves it itself.
#include "config.h"

#include "chan/far_parts.h"
#include "nodes.h"

static struct nodes nodes;
static uint8_t buffer[1 << 20], got[1 << 20];

// The child that receives comes before the network library, whose threads it would not have.
static void make_single(uint32_t capacity)
{
    nodes_home(&nodes);
    struct object_spec spec = CHANNEL_SPEC;
    spec.single = true;
    spec.capacity = capacity;
    nodes_make_home(&nodes, &spec);
}

static void make_sender(void)
{
    nodes_far(&nodes);
    nodes_open_far(&nodes);
}

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

// What the child does to be the receiver, and not to be it any more.
static struct far *here;

static bool tell_keeper(bool serves)
{
    struct pack body = PACK_EMPTY;
    size_t length = 0;
    const void *address = serves ? data_port_address(nodes.home_waiter.port, &length) : NULL;
    pack_u64(&body, nodes.id);
    pack_bytes(&body, address, length);
    return space_ask(nodes.home, KC_SERVE, &body, SOON, NULL, NULL, 0, NULL) == DRAGON_OK;
}

static bool become_receiver(void)
{
    return local_claim(&nodes.local) == DRAGON_OK &&
           far_create(&nodes.home_waiter, &here, NULL) == DRAGON_OK && far_serve(here) &&
           serve_add(far_serve(here), &nodes.local, nodes.id) == DRAGON_OK && tell_keeper(true);
}

static void leave_receiver(void)
{
    tell_keeper(false);
    serve_remove(far_serve(here), nodes.id);
    local_unclaim(&nodes.local);
    far_destroy(here);
    here = NULL;
}

Test(far_direct, in_order_through_the_change)
{
    enum { COUNT = 3000 };
    make_single(16);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        for (uint64_t i = 0; i < COUNT; i++) {
            if (i == COUNT / 6 && !become_receiver())
                _exit(2);
            if (i == COUNT / 2) {
                leave_receiver();
                space_detach(
                    nodes.home); // the next receiver is another process as far as others see
                struct nodes again = nodes;
                dragon_error_t error;
                if (space_attach(nodes.keepers->path[0], ROLE_PROCESS, &again.home, &error))
                    _exit(3);
                struct pack body = PACK_EMPTY;
                struct unpack unpack;
                struct object_opened opened;
                pack_u32(&body, 0);
                pack_u64(&body, nodes.id);
                pack_u8(&body, OBJECT_CHANNEL);
                if (space_ask(again.home, KC_OPEN, &body, SOON, &unpack, NULL, 0, NULL) ||
                    !object_opened_unpack(&unpack, &opened))
                    _exit(4);
                nodes.home = again.home;
                nodes.object = space_at(nodes.home, opened.block, object_bytes(&opened.spec));
                nodes.home_waiter = (struct waiter){.space = nodes.home};
                local_channel_init(&nodes.local, &nodes.home_waiter, (struct ring *)nodes.object);
            }
            if (!take(i, i % 40 * 10))
                _exit(1);
        }
        if (here)
            leave_receiver();
        _exit(0);
    }
    make_sender();
    for (uint64_t i = 0; i < COUNT; i++) {
        dragon_err_t err = put(i % 40 * 10, i, SOON);
        cr_assert_eq(err, DRAGON_OK, "message %d: %d", (int)i, err);
        // The receiver does not leave while something is under way that it could not take in.
        if (i == COUNT / 2 - 1) {
            cr_assert_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
            nodes_open_far(&nodes);
        }
    }
    cr_expect_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    nodes_reap(child);
    nodes_down(&nodes);
}

Test(far_direct, all_sizes)
{
    static const size_t sizes[] = {0, 32, 33, 8193, 65536, 262144, 262145, 1 << 20};
    enum { COUNT = 8 * 20 };
    make_single(8);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        if (!become_receiver())
            _exit(2);
        for (uint64_t i = 0; i < COUNT; i++)
            if (!take(i, sizes[i % 8]))
                _exit(1);
        leave_receiver();
        _exit(0);
    }
    make_sender();
    for (uint64_t i = 0; i < COUNT; i++)
        cr_assert_eq(put(sizes[i % 8], i, SOON), DRAGON_OK);
    cr_expect(nodes.there->direct.open);
    cr_expect_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    nodes_reap(child);
    nodes_down(&nodes);
}

Test(far_direct, received)
{
    enum { COUNT = 50 };
    make_single(8);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        if (!become_receiver())
            _exit(2);
        for (uint64_t i = 0; i < COUNT; i++) {
            if (!take(i, 20))
                _exit(1);
            serve_received(far_serve(here));
        }
        leave_receiver();
        _exit(0);
    }
    make_sender();
    for (uint64_t i = 0; i < COUNT; i++) {
        struct far_call how = within(SOON);
        how.mode = DRAGON_RETURN_RECEIVED;
        fill(buffer, 20, i);
        cr_assert_eq(far_send(nodes.there, buffer, 20, i, &how), DRAGON_OK);
        cr_expect_geq(ring_received(nodes.local.ring), i + 1);
    }
    nodes_reap(child);
    nodes_down(&nodes);
}

// A receiver that computes does not hold up anybody beyond his time, and gets everything that was sent.
Test(far_direct, receiver_that_computes)
{
    make_single(8);
    int pipes[2];
    char byte = 0;
    cr_assert_eq(pipe(pipes), 0);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        if (!become_receiver())
            _exit(2);
        uint64_t next = 0;
        for (;;) {
            dragon_message_t message;
            if (local_receive(&nodes.local, got, sizeof got, &message, in_ms(SOON)) != DRAGON_OK ||
                message.tag != next++)
                _exit(1);
            if (message.bytes == 1) // it computes until it is told
                if (read(pipes[0], &byte, 1) != 1)
                    _exit(3);
            if (message.bytes == 2)
                break;
        }
        leave_receiver();
        _exit(0);
    }
    make_sender();
    uint64_t tag = 0;
    for (int i = 0; i < 100 || !nodes.there->direct.used; i++)
        cr_assert_eq(put(20, tag++, SOON), DRAGON_OK);
    cr_assert_eq(put(1, tag++, SOON), DRAGON_OK);
    uint64_t began = time_now_ms();
    dragon_err_t err = DRAGON_OK;
    while ((err = put(20, tag, 100)) == DRAGON_OK)
        tag++;
    cr_expect_eq(err, DRAGON_ERR_TIMEOUT);
    cr_expect_eq(put(1 << 20, tag, 100), DRAGON_ERR_TIMEOUT);
    cr_expect_eq(put(1 << 20, tag, 0), DRAGON_ERR_AGAIN);
    struct far_call how = within(100);
    how.mode = DRAGON_RETURN_RECEIVED;
    cr_expect_eq(far_send(nodes.there, buffer, 10, tag, &how), DRAGON_ERR_TIMEOUT);
    cr_expect_lt(time_now_ms() - began, 4000);
    cr_assert_eq(write(pipes[1], &byte, 1), 1);
    cr_expect_eq(put(1 << 20, tag++, SOON), DRAGON_OK);
    cr_assert_eq(put(1, tag++, SOON), DRAGON_OK);
    how.deadline_ns = in_ms(100); // there is room, but nobody who takes it
    fill(buffer, 10, tag);
    cr_expect_eq(far_send(nodes.there, buffer, 10, tag++, &how), DRAGON_ERR_TIMEOUT);
    cr_assert_eq(write(pipes[1], &byte, 1), 1);
    cr_expect_eq(put(2, tag++, SOON), DRAGON_OK);
    cr_expect_eq(far_close(nodes.there, in_ms(SOON)), DRAGON_OK);
    nodes_reap(child);
    nodes_down(&nodes);
}

// It is killed while messages come: the sender hears of it once, and goes on with whoever is there.
Test(far_direct, receiver_killed)
{
    make_single(16);
    pid_t child = nodes_fork(&nodes);
    if (child == 0) {
        if (!become_receiver())
            _exit(2);
        for (;;)
            local_receive(&nodes.local, got, sizeof got, NULL, in_ms(SOON));
    }
    make_sender();
    uint64_t began = 0;
    dragon_err_t err = DRAGON_OK;
    for (uint64_t i = 0; i < 5000 && err == DRAGON_OK; i++) {
        err = put(20, i, SOON);
        if (i == 1000) {
            cr_assert_eq(kill(child, SIGKILL), 0);
            began = time_now_ms();
        }
    }
    cr_expect_eq(err, DRAGON_ERR_PEER);
    cr_expect_lt(time_now_ms() - began, SOON / 2);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    uint64_t deadline = time_now_ms() + SOON;
    while (local_claim(&nodes.local) != DRAGON_OK && time_left_ms(deadline) > 0)
        usleep(1000);
    cr_expect_eq(local_claim(&nodes.local), DRAGON_OK);
    while (local_receive(&nodes.local, got, sizeof got, NULL, 0) == DRAGON_OK)
        ;
    cr_expect_eq(put(20, 7, SOON), DRAGON_OK);
    cr_expect(take(7, 20));
    nodes_down(&nodes);
}
