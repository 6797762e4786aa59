// SPDX-License-Identifier: BSD-3-Clause
//
// The calls of a channel on its own node: what each returns, how long it waits, and whose memory is whose.
#include "config.h"

#include "chan/cell.h"
#include "chan/local.h"
#include "world.h"

#include <dragon/channel.h>

enum { OTHER = 10, DEAD = 12, SOON_MS = 30 };

static struct world *world;
static struct local_channel channel;

static void make_of(struct object_spec spec)
{
    spec.kind = OBJECT_CHANNEL;
    local_channel_init(&channel, &world->waiter, (struct ring *)world_object(world, &spec));
}

static void set_up(void)
{
    world = world_create();
    make_of((struct object_spec){.capacity = 3, .inline_bytes = 100});
}

static void tear_down(void)
{
    world_destroy(world);
}

TestSuite(local, .init = set_up, .fini = tear_down, .timeout = 120);

static int64_t soon(void)
{
    return wait_deadline(SOON_MS);
}

static uint64_t blocks(void)
{
    return fake_keeper_stats(world->keeper, world->space).blocks;
}

static uint8_t pattern(size_t i, size_t bytes)
{
    return (uint8_t)(i * 31 + bytes + (i >> 8));
}

// ---- sizes

static void send_and_receive(size_t bytes)
{
    uint8_t *sent = malloc(bytes + 1), *got = malloc(bytes + 1);
    dragon_message_t message;
    for (size_t i = 0; i < bytes; i++)
        sent[i] = pattern(i, bytes);
    got[bytes] = 0xee;
    cr_assert_eq(local_send(&channel, bytes ? sent : NULL, bytes, ~bytes, 0), DRAGON_OK);
    cr_assert_eq(local_peek(&channel, got, bytes, &message, 0), DRAGON_OK);
    cr_assert_eq(memcmp(got, sent, bytes), 0);
    memset(got, 0, bytes);
    if (bytes > 0) {
        cr_assert_eq(local_receive(&channel, got, bytes - 1, &message, 0), DRAGON_ERR_TOO_BIG);
        cr_assert_eq(message.bytes, bytes);
    }
    message = (dragon_message_t){0};
    cr_assert_eq(local_receive(&channel, got, bytes, &message, 0), DRAGON_OK);
    cr_assert_eq(message.bytes, bytes);
    cr_assert_eq(message.tag, ~bytes);
    cr_assert_eq(memcmp(got, sent, bytes), 0);
    cr_assert_eq(got[bytes], 0xee);
    free(sent);
    free(got);
}

Test(local, messages_of_any_size_arrive_whole)
{
    uint32_t most = channel.ring->config.inline_bytes;
    size_t sizes[] = {0, 1, 8, 24, 25, 100, most, most + 1, 4096, 65536, 300000, 900000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        send_and_receive(sizes[i]);
    cr_assert_eq(blocks(), 0);
}

Test(local, memory_is_received_without_a_copy)
{
    static const size_t sizes[] = {1, 24, 100, 200, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t bytes = sizes[i];
        uint8_t *sent = malloc(bytes);
        memset(sent, (int)i, bytes);
        cr_assert_eq(local_send(&channel, sent, bytes, i, 0), DRAGON_OK);
        mem_ref block;
        void *data;
        dragon_message_t message;
        cr_assert_eq(local_receive_block(&channel, &block, &data, &message, 0), DRAGON_OK);
        cr_assert_eq(message.bytes, bytes);
        cr_assert_eq(message.tag, i);
        cr_assert_eq(memcmp(data, sent, bytes), 0);
        cr_assert_eq(space_owner(world->space, block), US);
        cr_assert_eq(space_ref(world->space, data), block);
        cr_assert(space_free(world->space, block, US));
        free(sent);
    }
    cr_assert_eq(local_send(&channel, NULL, 0, 7, 0), DRAGON_OK);
    mem_ref block = 1;
    void *data = &block;
    cr_assert_eq(local_receive_block(&channel, &block, &data, NULL, 0), DRAGON_OK);
    cr_assert_eq(block, 0);
    cr_assert_null(data);
    cr_assert_eq(blocks(), 0);
}

static mem_ref take_block(size_t bytes)
{
    mem_ref block;
    void *data;
    cr_assert_eq(space_alloc(world->space, bytes, channel.kind, &block, &data, NULL), DRAGON_OK);
    return block;
}

Test(local, only_memory_of_ours_is_handed_over)
{
    mem_ref block = take_block(1000);
    size_t bytes = space_block_bytes(world->space, block);
    cr_assert_eq(local_send_block(&channel, block, bytes + 1, 0, 0), DRAGON_ERR_INVAL);
    cr_assert_eq(local_send_block(&channel, block + 64, 1, 0, 0), DRAGON_ERR_INVAL);
    cr_assert_eq(local_send_block(&channel, ref_make(3333, 77), 1, 0, 0), DRAGON_ERR_INVAL);
    cr_assert(space_give(world->space, block, US, OTHER));
    cr_assert_eq(local_send_block(&channel, block, 1, 0, 0), DRAGON_ERR_INVAL);
    cr_assert(space_give(world->space, block, OTHER, SLOT_KEEPER));
    cr_assert_eq(local_send_block(&channel, block, 1, 0, 0), DRAGON_ERR_STATE);
    cr_assert(space_give(world->space, block, SLOT_KEEPER, US));
    cr_assert_eq(local_send_block(&channel, block, bytes, 0, 0), DRAGON_OK);
    mem_ref got;
    void *data;
    cr_assert_eq(local_receive_block(&channel, &got, &data, NULL, 0), DRAGON_OK);
    cr_assert_eq(got, block);
    cr_assert_eq(local_send_block(&channel, block, 0, 0, 0), DRAGON_OK);
    cr_assert_eq(local_receive_block(&channel, &got, &data, NULL, 0), DRAGON_OK);
    cr_assert_eq(got, 0); // there is nothing to be read of it
    cr_assert_null(data);
    cr_assert_eq(blocks(), 0);
}

// ---- errors, and what is true after them

static void fill(void)
{
    for (int i = 0; i < 3; i++)
        cr_assert_eq(local_send(&channel, "x", 1, 0, 0), DRAGON_OK);
}

static void expect_after(int64_t began, dragon_err_t err)
{
    cr_assert_eq(err, DRAGON_ERR_TIMEOUT);
    cr_assert_geq((int64_t)time_now_ns(), began + SOON_MS * 1000000);
}

Test(local, waits_as_long_as_it_was_told)
{
    char byte;
    static const dragon_wait_t modes[] = {DRAGON_WAIT_ADAPTIVE, DRAGON_WAIT_IDLE, DRAGON_WAIT_SPIN};
    for (int i = 0; i < 3; i++) {
        channel.wait = modes[i];
        cr_assert_eq(local_receive(&channel, &byte, 1, NULL, 0), DRAGON_ERR_AGAIN);
        cr_assert_eq(local_peek(&channel, &byte, 1, NULL, 0), DRAGON_ERR_AGAIN);
        int64_t began = (int64_t)time_now_ns();
        expect_after(began, local_receive(&channel, &byte, 1, NULL, soon()));
        began = (int64_t)time_now_ns();
        expect_after(began, local_peek(&channel, &byte, 1, NULL, soon()));
        fill();
        mem_ref block = take_block(3000);
        char large[3000] = "";
        cr_assert_eq(local_send(&channel, "x", 1, 0, 0), DRAGON_ERR_AGAIN);
        cr_assert_eq(local_send(&channel, large, sizeof large, 0, 0), DRAGON_ERR_AGAIN);
        cr_assert_eq(local_send_block(&channel, block, 1, 0, 0), DRAGON_ERR_AGAIN);
        began = (int64_t)time_now_ns();
        expect_after(began, local_send(&channel, "x", 1, 0, soon()));
        began = (int64_t)time_now_ns();
        expect_after(began, local_send(&channel, large, sizeof large, 0, soon()));
        began = (int64_t)time_now_ns();
        expect_after(began, local_send_block(&channel, block, 1, 0, soon()));
        cr_assert(space_free(world->space, block, US)); // it still is ours
        cr_assert_eq(waitset_count(&channel.ring->senders), 0);
        cr_assert_eq(waitset_count(&channel.ring->receivers), 0);
        for (int k = 0; k < 3; k++)
            cr_assert_eq(local_receive(&channel, &byte, 1, NULL, 0), DRAGON_OK);
    }
    cr_assert_eq(blocks(), 0);
}

Test(local, memory_that_is_out_sends_nothing_and_keeps_what_is_there)
{
    cr_assert_eq(local_send(&channel, "inline", 6, 1, 0), DRAGON_OK);
    mem_ref all[4096];
    size_t count = 0;
    for (size_t bytes = 512 << 10; bytes >= 128; bytes /= 2) {
        void *data;
        while (count < 4096 && space_alloc(world->space, bytes, channel.kind, &all[count], &data,
                                           NULL) == DRAGON_OK)
            count++;
    }
    cr_assert_lt(count, 4096);
    char large[3000] = "";
    mem_ref block;
    void *data;
    cr_assert_eq(local_send(&channel, large, sizeof large, 0, soon()), DRAGON_ERR_FULL);
    cr_assert_eq(local_receive_block(&channel, &block, &data, NULL, soon()), DRAGON_ERR_FULL);
    cr_assert_eq(ring_waiting(channel.ring), 1);
    cr_assert_eq(local_receive(&channel, large, sizeof large, NULL, 0), DRAGON_OK);
    while (count > 0)
        cr_assert(space_free(world->space, all[--count], US));
    cr_assert_eq(blocks(), 0);
}

Test(local, closed_and_destroyed)
{
    char text[5000] = "";
    int events = 0;
    cr_assert_eq(local_send(&channel, "x", 1, 0, 0), DRAGON_OK);
    object_close(&channel.ring->object, world->space);
    cr_assert_eq(local_send(&channel, "x", 1, 0, 0), DRAGON_ERR_CLOSED);
    cr_assert_eq(local_send(&channel, text, sizeof text, 0, soon()), DRAGON_ERR_CLOSED);
    cr_assert_eq(local_poll(&channel, 3, &events), DRAGON_OK);
    cr_assert_eq(events, 3);
    cr_assert_eq(local_receive(&channel, text, 8, NULL, 0), DRAGON_OK);
    cr_assert_eq(local_receive(&channel, text, 8, NULL, 0), DRAGON_ERR_CLOSED);
    cr_assert_eq(local_peek(&channel, text, 8, NULL, WAIT_FOREVER_NS), DRAGON_ERR_CLOSED);
    object_destroy(&channel.ring->object, world->space);
    cr_assert_eq(local_poll(&channel, 3, &events), DRAGON_ERR_CLOSED);
    mem_ref block;
    void *data;
    cr_assert_eq(local_receive_block(&channel, &block, &data, NULL, WAIT_FOREVER_NS),
                 DRAGON_ERR_CLOSED);
    cr_assert_eq(blocks(), 0);
}

Test(local, polls_for_messages_and_room)
{
    int events = 9;
    char byte;
    cr_assert_eq(local_poll(&channel, DRAGON_POLL_RECEIVE | DRAGON_POLL_SEND, &events), DRAGON_OK);
    cr_assert_eq(events, DRAGON_POLL_SEND);
    cr_assert_eq(local_poll(&channel, DRAGON_POLL_RECEIVE, &events), DRAGON_OK);
    cr_assert_eq(events, 0);
    fill();
    cr_assert_eq(local_poll(&channel, DRAGON_POLL_RECEIVE | DRAGON_POLL_SEND, &events), DRAGON_OK);
    cr_assert_eq(events, DRAGON_POLL_RECEIVE);
    struct awaited items[2];
    cr_assert_eq(local_awaited(&channel, DRAGON_POLL_RECEIVE | DRAGON_POLL_SEND, items), 2);
    cr_assert(items[0].ready(items[0].arg));
    cr_assert(!items[1].ready(items[1].arg));
    cr_assert_eq(local_receive(&channel, &byte, 1, NULL, 0), DRAGON_OK);
    cr_assert(items[1].ready(items[1].arg));
}

Test(local, one_receiver_when_it_was_made_so)
{
    char byte;
    make_of((struct object_spec){.capacity = 3, .inline_bytes = 100, .single = 1});
    fill();
    atomic_store(&channel.ring->receiver, OTHER);
    mem_ref block;
    void *data;
    cr_assert_eq(local_receive(&channel, &byte, 1, NULL, 0), DRAGON_ERR_DENIED);
    cr_assert_eq(local_receive_block(&channel, &block, &data, NULL, 0), DRAGON_ERR_DENIED);
    ring_recover(channel.ring, OTHER, world->space);
    cr_assert_eq(local_receive(&channel, &byte, 1, NULL, 0), DRAGON_OK);
    cr_assert_eq(atomic_load(&channel.ring->receiver), US);
    cr_assert_eq(local_claim(&channel), DRAGON_OK);
    local_unclaim(&channel);
    cr_assert_eq(atomic_load(&channel.ring->receiver), SLOT_NONE);
}

// ---- sends that wait for their receiver

static void receive_one(struct world *child, void *arg)
{
    struct local_channel as;
    char text[8];
    local_channel_init(&as, &child->waiter, arg);
    CHILD_CHECK(local_receive(&as, text, sizeof text, NULL, wait_deadline(20000)) == DRAGON_OK);
}

Test(local, returns_when_it_was_received)
{
    channel.mode = DRAGON_RETURN_RECEIVED;
    pid_t pid = world_child(world, OTHER, receive_one, channel.ring);
    cr_assert_eq(local_send(&channel, "x", 1, 0, wait_deadline(20000)), DRAGON_OK);
    cr_assert_eq(ring_waiting(channel.ring), 0);
    world_expect_good(world, pid, OTHER);
    // it was sent, also when nobody receives it in time
    cr_assert_eq(local_send(&channel, "y", 1, 0, soon()), DRAGON_ERR_TIMEOUT);
    cr_assert_eq(local_send(&channel, "z", 1, 0, 0), DRAGON_ERR_TIMEOUT);
    cr_assert_eq(ring_waiting(channel.ring), 2);
    channel.mode = DRAGON_RETURN_BUFFERED;
    cr_assert_eq(local_send(&channel, "x", 1, 0, 0), DRAGON_OK);
    channel.mode = DRAGON_RETURN_RECEIVED;
    cr_assert_eq(local_send(&channel, "x", 1, 0, 0), DRAGON_ERR_AGAIN); // that was not
}

static void send_told(struct world *child, void *arg)
{
    struct local_channel as;
    local_channel_init(&as, &child->waiter, arg);
    as.mode = DRAGON_RETURN_RECEIVED;
    as.wait = DRAGON_WAIT_IDLE;
    dragon_err_t err = local_send(&as, "x", 1, 0, wait_deadline(20000));
    _exit(err == DRAGON_ERR_PEER ? 50 : err == DRAGON_ERR_CLOSED ? 51 : 52);
}

static void wait_until_sent(void)
{
    uint64_t deadline = time_now_ms() + WORLD_DEADLINE_MS;
    while (!ring_readable(channel.ring)) { // one that is being written counts as waiting
        cr_assert_gt(time_left_ms(deadline), 0);
        sched_yield();
    }
}

static void expect_exit(pid_t pid, int code)
{
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), code);
}

Test(local, is_told_when_the_receiver_died_with_the_message)
{
    pid_t pid = world_child(world, OTHER, send_told, channel.ring);
    wait_until_sent();
    struct spot spot = ring_head(channel.ring);
    cr_assert(spot_change(&spot, cell_state(spot.state, DEAD, CELL_READING)));
    world_recover(world, DEAD);
    expect_exit(pid, 50);
}

Test(local, is_told_when_the_channel_is_destroyed_with_the_message)
{
    pid_t pid = world_child(world, OTHER, send_told, channel.ring);
    wait_until_sent();
    object_destroy(&channel.ring->object, world->space);
    expect_exit(pid, 51);
}

// ---- who sleeps is woken

static void wait_for_end(struct world *child, void *arg)
{
    struct local_channel as;
    char text[8];
    local_channel_init(&as, &child->waiter, arg);
    as.wait = DRAGON_WAIT_IDLE;
    dragon_err_t err;
    if (child->space->slot % 2)
        err = local_receive(&as, text, 8, NULL, WAIT_FOREVER_NS);
    else
        err = local_send(&as, text, 8, 0, WAIT_FOREVER_NS);
    CHILD_CHECK(err == DRAGON_ERR_CLOSED);
}

static void wake_all_by(void (*end)(struct object *object, struct space *space))
{
    enum { EACH = 4 };
    pid_t pids[EACH * 2];
    struct local_channel full = channel;
    fill();
    make_of((struct object_spec){.capacity = 1, .inline_bytes = 8});
    for (uint32_t i = 0; i < EACH * 2; i++)
        pids[i] = world_child(world, 20 + i, wait_for_end, i % 2 ? channel.ring : full.ring);
    uint64_t deadline = time_now_ms() + WORLD_DEADLINE_MS;
    while (waitset_count(&full.ring->senders) + waitset_count(&channel.ring->receivers) <
           EACH * 2) {
        cr_assert_gt(time_left_ms(deadline), 0);
        sched_yield();
    }
    end(&full.ring->object, world->space);
    end(&channel.ring->object, world->space);
    for (uint32_t i = 0; i < EACH * 2; i++)
        world_expect_good(world, pids[i], 20 + i);
}

Test(local, close_wakes_everybody)
{
    wake_all_by(object_close);
}

Test(local, destroy_wakes_everybody)
{
    wake_all_by(object_destroy);
}
