// SPDX-License-Identifier: BSD-3-Clause
//
// Scenes of a send or a receive: what there is before, what a process with slot DEAD does, and how others see how far it has
// come. It can be stopped after each of its instructions. A scene is tested in the memory of `world`, with `channel`.
#ifndef TESTS_UNIT_CHAN_RING_SCENES_H
#define TESTS_UNIT_CHAN_RING_SCENES_H

#include "chan/cell.h"
#include "chan/local.h"
#include "world.h"

#include <criterion/parameterized.h>

enum { DEAD = 12, MOST = 2000, SMALL = 8, LARGE = 90, BLOCK = 700, OWN = 1000 /* the tag */ };

static struct world *world;
static struct local_channel channel; // ours

// Shared with who is stopped: what it sends, and what its call brought.
static struct outcome {
    _Atomic int done;
    dragon_err_t err;
    uint64_t tag;
    uint32_t ticket;
    mem_ref block;
    uint8_t data[MOST];
} * outcome;

static void fill_message(uint8_t *data, size_t bytes, uint64_t tag)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(tag * 13 + i * 7 + bytes);
}

static void expect_message(const uint8_t *data, const dragon_message_t *message)
{
    uint8_t expected[MOST];
    fill_message(expected, message->bytes, message->tag);
    cr_assert_eq(memcmp(data, expected, message->bytes), 0, "message %lu",
                 (unsigned long)message->tag);
}

static dragon_err_t send_sized(struct local_channel *as, uint64_t tag, size_t bytes)
{
    uint8_t data[MOST];
    fill_message(data, bytes, tag);
    return local_send(as, data, bytes, tag, 0);
}

static size_t size_of(uint64_t tag)
{
    static const size_t sizes[] = {SMALL, LARGE, BLOCK};
    return sizes[tag % 3];
}

// The tag of the next message; 0: there is none.
static uint64_t receive(void)
{
    uint8_t data[MOST];
    dragon_message_t message;
    dragon_err_t err = local_receive(&channel, data, sizeof data, &message, 0);
    if (err != DRAGON_OK) {
        cr_assert_eq(err, DRAGON_ERR_AGAIN);
        return 0;
    }
    expect_message(data, &message);
    return message.tag;
}

static uint64_t blocks(void)
{
    return fake_keeper_stats(world->keeper, world->space).blocks;
}

// ---- what is done

static void as_dead(struct world *child, struct local_channel *as_out)
{
    local_channel_init(as_out, &child->waiter, channel.ring);
}

static void send_as(struct world *child, size_t bytes)
{
    struct local_channel as;
    as_dead(child, &as);
    outcome->err = local_send(&as, outcome->data, bytes, OWN, 0);
}

static void send_small(struct world *child, void *arg)
{
    (void)arg;
    send_as(child, SMALL);
}

static void send_large(struct world *child, void *arg)
{
    (void)arg;
    send_as(child, LARGE);
}

static void send_block(struct world *child, void *arg)
{
    (void)arg;
    send_as(child, BLOCK);
}

static void hand_over(struct world *child, void *arg)
{
    (void)arg;
    struct local_channel as;
    as_dead(child, &as);
    outcome->err = local_send_block(&as, outcome->block, BLOCK, OWN, 0);
}

static void receive_any(struct world *child, void *arg)
{
    (void)arg;
    struct local_channel as;
    dragon_message_t message;
    as_dead(child, &as);
    outcome->err = local_receive(&as, outcome->data, MOST, &message, 0);
    if (outcome->err == DRAGON_OK)
        outcome->tag = message.tag;
}

static void receive_memory(struct world *child, void *arg)
{
    (void)arg;
    struct local_channel as;
    mem_ref block;
    void *data;
    dragon_message_t message;
    as_dead(child, &as);
    outcome->err = local_receive_block(&as, &block, &data, &message, 0);
    if (outcome->err == DRAGON_OK)
        outcome->tag = message.tag;
}

static void peek(struct world *child, void *arg)
{
    (void)arg;
    struct local_channel as;
    dragon_message_t message;
    as_dead(child, &as);
    outcome->err = local_peek(&as, outcome->data, MOST, &message, 0);
}

static void drain(struct world *child, void *arg)
{
    (void)arg;
    ring_drain(channel.ring, child->space);
}

// ---- what there is before

static void nothing(void)
{
}

static void one_small(void)
{
    cr_assert_eq(send_sized(&channel, 3, SMALL), DRAGON_OK);
}

static void one_large(void)
{
    cr_assert_eq(send_sized(&channel, 3, LARGE), DRAGON_OK);
}

static void one_block(void)
{
    cr_assert_eq(send_sized(&channel, 3, BLOCK), DRAGON_OK);
}

static void two_blocks(void)
{
    one_block();
    cr_assert_eq(send_sized(&channel, 4, BLOCK), DRAGON_OK);
}

static void one_that_is_told(void)
{
    uint8_t data[BLOCK];
    fill_message(data, BLOCK, 3);
    channel.mode = DRAGON_RETURN_RECEIVED;
    cr_assert_eq(local_send(&channel, data, BLOCK, 3, 0), DRAGON_ERR_TIMEOUT); // but sent
    channel.mode = DRAGON_RETURN_BUFFERED;
    outcome->ticket = atomic_load(&world->space->own->ticket);
}

static void a_void(void)
{
    struct spot spot = ring_tail(channel.ring);
    cr_assert(spot_change(&spot, cell_state(spot.position, DEAD, CELL_WRITING)));
    ring_recover(channel.ring, DEAD, world->space);
}

static void a_void_and_one(void)
{
    a_void();
    one_large();
}

static void somebody_sleeps(void)
{
    waitset_enter(&channel.ring->receivers, 20);
    waitset_enter(&channel.ring->senders, 21);
    one_small();
}

static void a_block_of_the_dead(void)
{
    void *data;
    cr_assert_eq(space_alloc(world->space, BLOCK, channel.kind, &outcome->block, &data, NULL),
                 DRAGON_OK);
    fill_message(data, BLOCK, OWN);
    cr_assert(space_give(world->space, outcome->block, US, DEAD));
}

static void destroyed_with_blocks(void)
{
    two_blocks();
    atomic_store(&channel.ring->object.state, OBJECT_DESTROYED);
}

static void closed(void)
{
    object_close(&channel.ring->object, world->space);
}

// ---- and after: how far it has come

// What was there is there, in order; and perhaps the new one.
static int sent_or_not(void)
{
    uint64_t tag = receive();
    while (tag && tag != OWN)
        tag = receive();
    int sent = tag == OWN;
    cr_assert_eq(receive(), 0);
    return sent;
}

static int received_or_not(void)
{
    return receive() == 0;
}

static int first_received_or_not(void)
{
    int received = receive() == 4;
    cr_assert_eq(receive(), received ? 0 : 4);
    return received;
}

static int told_or_not(void)
{
    uint32_t answer = ring_taken(world->space, US, outcome->ticket);
    cr_assert_eq(receive(), answer ? 0 : 3);
    return answer == 0 ? 0 : answer == TAKEN_DIED ? 1 : 2;
}

static int still_there(void)
{
    cr_assert_eq(receive(), 3);
    return 0;
}

static int over(void)
{
    uint8_t data[MOST];
    cr_assert_eq(local_receive(&channel, data, MOST, NULL, 0), DRAGON_ERR_CLOSED);
    cr_assert_eq(send_sized(&channel, 1, SMALL), DRAGON_ERR_CLOSED);
    return 0;
}

static const struct scene {
    const char *name;
    uint32_t capacity;
    void (*before)(void);
    size_t bytes; // of what is sent
    void (*act)(struct world *child, void *arg);
    int (*after)(void);
    int last; // what `after` says in the end
} scenes[] = {
    {"send, the only cell", 1, nothing, SMALL, send_small, sent_or_not, 1},
    {"send behind another", 2, one_small, SMALL, send_small, sent_or_not, 1},
    {"send, more than a line", 4, one_large, LARGE, send_large, sent_or_not, 1},
    {"send where one was never finished", 1, a_void, LARGE, send_large, sent_or_not, 1},
    {"send, others sleep", 4, somebody_sleeps, SMALL, send_small, sent_or_not, 1},
    {"send a block", 2, one_block, BLOCK, send_block, sent_or_not, 1},
    {"hand a block over", 1, a_block_of_the_dead, BLOCK, hand_over, sent_or_not, 1},
    {"send, it is full", 1, one_large, LARGE, send_large, sent_or_not, 0},
    {"receive, the only cell", 1, one_small, 0, receive_any, received_or_not, 1},
    {"receive more than a line", 2, one_large, 0, receive_any, received_or_not, 1},
    {"receive a block", 2, one_block, 0, receive_any, received_or_not, 1},
    {"receive one of two", 2, two_blocks, 0, receive_any, first_received_or_not, 1},
    {"receive memory", 4, one_block, 0, receive_memory, received_or_not, 1},
    {"receive as memory what is inline", 4, one_large, 0, receive_memory, received_or_not, 1},
    {"receive behind one that was never finished", 4, a_void_and_one, 0, receive_any,
     received_or_not, 1},
    {"receive, others sleep", 4, somebody_sleeps, 0, receive_any, received_or_not, 1},
    {"receive what tells its sender", 2, one_that_is_told, 0, receive_any, told_or_not, 2},
    {"peek", 2, one_block, 0, peek, still_there, 0},
    {"receive, it is closed", 2, closed, 0, receive_any, over, 0},
    {"drain", 2, destroyed_with_blocks, 0, drain, over, 0},
};
enum { SCENES = sizeof scenes / sizeof scenes[0] };

static struct criterion_test_params all_scenes(void)
{
    static int numbers[SCENES];
    for (int i = 0; i < SCENES; i++)
        numbers[i] = i;
    return cr_make_param_array(int, numbers, SCENES);
}

static void make(const struct scene *scene)
{
    struct object_spec spec = {
        .kind = OBJECT_CHANNEL, .capacity = scene->capacity, .inline_bytes = 100};
    struct ring *ring = (struct ring *)world_object(world, &spec);
    local_channel_init(&channel, &world->waiter, ring);
    if (!outcome)
        outcome = fake_shared_memory(sizeof *outcome);
    *outcome = (struct outcome){.err = DRAGON_ERR_STATE};
    fill_message(outcome->data, scene->bytes, OWN);
    one_block(); // so that there is a segment, and the ring has been round
    for (uint32_t i = 1; i < scene->capacity; i++)
        one_small();
    while (receive())
        ;
    scene->before();
}

static inline void unmake(void)
{
    struct ring *ring = channel.ring;
    munmap(ring, sizeof *ring + (size_t)ring->config.capacity * ring->config.cell_bytes);
    world->count = 0;
}

// Every cell works, in each lap, with all kinds of messages; and no block is left.
static void expect_whole(void)
{
    struct ring *ring = channel.ring;
    for (uint64_t i = 1; object_state(&ring->object) == OBJECT_OPEN && i < 10; i++) {
        for (uint32_t k = 0; k < ring->config.capacity; k++)
            cr_assert_eq(send_sized(&channel, i * 10 + k, size_of(i + k)), DRAGON_OK);
        cr_assert_eq(send_sized(&channel, 1, SMALL), DRAGON_ERR_AGAIN);
        for (uint32_t k = 0; k < ring->config.capacity; k++)
            cr_assert_eq(receive(), i * 10 + k);
        cr_assert_eq(receive(), 0);
    }
    cr_assert_eq(blocks(), 0);
}

// ---- stepping

static inline pid_t start(const struct scene *scene)
{
    int status;
    struct stepped stepped = {scene->act, NULL, &outcome->done};
    pid_t pid = world_child(world, DEAD, stepped_work, &stepped);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSTOPPED(status));
    return pid;
}

// False: it was over before.
static inline bool step(pid_t pid, uint64_t steps)
{
    int status;
    for (uint64_t i = 0; i < steps && !atomic_load(&outcome->done); i++) {
        cr_assert_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSTOPPED(status));
    }
    return !atomic_load(&outcome->done);
}

static inline void let_finish(pid_t pid)
{
    uint64_t deadline = time_now_ms() + WORLD_DEADLINE_MS;
    cr_assert_eq(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    while (!atomic_load(&outcome->done)) {
        cr_assert_gt(time_left_ms(deadline), 0);
        sched_yield();
    }
}

#endif
