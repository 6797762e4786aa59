// SPDX-License-Identifier: BSD-3-Clause
//
// Queues: what counts as not done, whose it is, and what a join says; with workers that die, also after each instruction.
#include "config.h"

#include "chan/local.h"
#include "chan/queue.h"
#include "world.h"

enum { WORKER = 10, OTHER = 11, DEAD = 12 }; // slots

static struct world *world;
static struct object *object;
static struct local_channel queue; // ours

static void make(uint32_t capacity)
{
    struct object_spec spec = {.kind = OBJECT_QUEUE, .capacity = capacity, .inline_bytes = 64};
    object = world_object(world, &spec);
    local_channel_init(&queue, &world->waiter, (struct ring *)object);
}

static void set_up(void)
{
    world = world_create();
    make(4);
}

static void tear_down(void)
{
    world_destroy(world);
}

TestSuite(queue, .init = set_up, .fini = tear_down, .timeout = 300);

static void put(uint64_t value)
{
    cr_assert_eq(local_send(&queue, &value, sizeof value, 0, 0), DRAGON_OK);
}

// As the process with that slot would.
static dragon_err_t get_as(uint32_t slot, uint64_t *value_out)
{
    struct space *space = fake_space(world->keeper, slot);
    struct waiter waiter = {.space = space};
    struct local_channel as;
    dragon_message_t message;
    local_channel_init(&as, &waiter, (struct ring *)object);
    dragon_err_t err = local_receive(&as, value_out, sizeof *value_out, &message, 0);
    space_detach(space);
    return err;
}

static void expect_get(uint32_t slot, uint64_t expected)
{
    uint64_t value = 0;
    cr_assert_eq(get_as(slot, &value), DRAGON_OK);
    cr_assert_eq(value, expected);
}

static dragon_err_t op(uint32_t slot, enum sync_op op)
{
    return world_try(world, object, slot, (struct sync_call){.op = op}, NULL);
}

static void expect_state(uint32_t waiting, uint32_t unfinished)
{
    uint64_t state = 0;
    struct sync_call call = {.op = SYNC_QUEUE_STATE};
    cr_assert_eq(world_try(world, object, US, call, &state), DRAGON_OK);
    cr_assert_eq((uint32_t)state, waiting);
    cr_assert_eq(state >> 32, unfinished);
}

// All is done; so many were lost since it was asked last.
static void expect_joined(uint64_t expected)
{
    uint64_t lost = 0;
    struct sync_call call = {.op = SYNC_QUEUE_JOIN};
    cr_assert_eq(world_try(world, object, US, call, &lost), DRAGON_OK);
    cr_assert_eq(lost, expected, "%lu are lost, not %lu", (unsigned long)lost,
                 (unsigned long)expected);
}

// ---- counting

Test(queue, values_are_unfinished_until_they_are_done)
{
    expect_state(0, 0);
    expect_joined(0);
    put(1);
    put(2);
    expect_state(2, 2);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_ERR_STATE);
    expect_get(WORKER, 1);
    expect_state(1, 2);
    cr_assert_eq(op(OTHER, SYNC_QUEUE_DONE), DRAGON_ERR_STATE);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_ERR_STATE);
    expect_state(1, 1);
    cr_assert_eq(op(US, SYNC_QUEUE_JOIN), DRAGON_ERR_AGAIN);
    expect_get(OTHER, 2);
    expect_state(0, 1);
    cr_assert_eq(op(US, SYNC_QUEUE_JOIN), DRAGON_ERR_AGAIN);
    cr_assert_eq(op(OTHER, SYNC_QUEUE_DONE), DRAGON_OK);
    expect_joined(0);
}

Test(queue, who_joins_is_rung_when_the_last_value_is_done)
{
    struct sync_call join = {.op = SYNC_QUEUE_JOIN};
    struct slot *bell = board_slot(world->keeper->board, OTHER);
    for (uint64_t value = 0; value < 3; value++) {
        put(value);
        expect_get(WORKER, value);
    }
    waitset_enter(sync_set(object, &join), OTHER);
    uint32_t seen = bell_seen(bell);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    cr_assert_eq(bell_seen(bell), seen);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    cr_assert_neq(bell_seen(bell), seen);
}

Test(queue, what_is_refused_is_not_taken)
{
    char small[4];
    dragon_message_t message;
    put(1);
    cr_assert_eq(local_receive(&queue, small, sizeof small, &message, 0), DRAGON_ERR_TOO_BIG);
    cr_assert_eq(op(US, SYNC_QUEUE_DONE), DRAGON_ERR_STATE);
    cr_assert_eq(local_peek(&queue, small, sizeof small, &message, 0), DRAGON_OK);
    cr_assert_eq(op(US, SYNC_QUEUE_DONE), DRAGON_ERR_STATE);
    expect_state(1, 1);
}

Test(queue, many_laps_of_the_smallest)
{
    make(1);
    for (uint64_t value = 0; value < 1000; value++) {
        put(value);
        uint64_t same;
        dragon_message_t message;
        cr_assert_eq(local_receive(&queue, &same, sizeof same, &message, 0), DRAGON_OK);
        if (value % 2)
            cr_assert_eq(op(US, SYNC_QUEUE_DONE), DRAGON_OK);
    }
    expect_state(0, 500);
    object_recover(object, US, world->space);
    expect_joined(500);
}

Test(queue, slots_of_the_whole_board_are_summed_up)
{
    uint64_t value;
    for (uint32_t slot = FAKE_SLOTS - 1; slot < BOARD_SLOTS; slot += 499) {
        put(slot);
        expect_get(FAKE_SLOTS - 1, slot);
        cr_assert_eq(
            world_try(world, object, slot, (struct sync_call){.op = SYNC_QUEUE_TAKEN}, NULL),
            slot == US ? DRAGON_OK : DRAGON_ERR_STATE); // we took nothing
    }
    uint32_t unfinished = (BOARD_SLOTS - FAKE_SLOTS) / 499 + 1;
    expect_state(0, unfinished);
    object_recover(object, FAKE_SLOTS - 1, world->space);
    expect_joined(unfinished);
    cr_assert_eq(get_as(WORKER, &value), DRAGON_ERR_AGAIN);
}

// ---- death, and the like

Test(queue, what_a_dead_worker_had_is_lost_and_said_once)
{
    for (uint64_t value = 0; value < 3; value++)
        put(value);
    expect_get(WORKER, 0);
    expect_get(WORKER, 1);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    object_recover(object, WORKER, world->space);
    expect_state(1, 1);
    // the next one with the slot has nothing of his
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_ERR_STATE);
    expect_get(WORKER, 2);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    expect_joined(1);
    expect_joined(0);
    object_recover(object, WORKER, world->space);
    expect_joined(0);
}

Test(queue, what_is_given_up_is_lost)
{
    put(1);
    put(2);
    expect_get(WORKER, 1);
    expect_get(WORKER, 2);
    struct sync_call give_up = {.op = SYNC_QUEUE_GIVE_UP, .a = 3};
    cr_assert_eq(world_try(world, object, WORKER, give_up, NULL), DRAGON_ERR_STATE);
    give_up.a = UINT64_MAX;
    cr_assert_eq(world_try(world, object, WORKER, give_up, NULL), DRAGON_ERR_STATE);
    give_up.a = 2;
    cr_assert_eq(world_try(world, object, WORKER, give_up, NULL), DRAGON_OK);
    expect_joined(2);
}

Test(queue, what_the_transport_takes_is_the_slots_for_which_it_does)
{
    put(1);
    put(2);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_TAKEN), DRAGON_ERR_STATE); // nothing was
    expect_get(US, 1);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_TAKEN), DRAGON_OK);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_TAKEN), DRAGON_ERR_STATE);
    cr_assert_eq(op(US, SYNC_QUEUE_DONE), DRAGON_ERR_STATE);
    expect_get(US, 2);
    cr_assert_eq(op(OTHER, SYNC_QUEUE_TAKEN), DRAGON_OK);
    object_recover(object, US, world->space);
    expect_state(0, 2);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    object_recover(object, OTHER, world->space);
    expect_joined(1);
}

Test(queue, a_closed_one_is_joined_like_another_and_a_destroyed_one_is_closed)
{
    put(1);
    object_close(object, world->space);
    cr_assert_eq(local_send(&queue, NULL, 0, 0, 0), DRAGON_ERR_CLOSED);
    cr_assert_eq(op(US, SYNC_QUEUE_JOIN), DRAGON_ERR_AGAIN);
    expect_get(WORKER, 1);
    uint64_t value;
    cr_assert_eq(get_as(WORKER, &value), DRAGON_ERR_CLOSED);
    cr_assert_eq(op(WORKER, SYNC_QUEUE_DONE), DRAGON_OK);
    expect_joined(0);
    object_destroy(object, world->space);
    cr_assert_eq(op(US, SYNC_QUEUE_JOIN), DRAGON_ERR_CLOSED);
}

// ---- after each instruction

// Does what is left to be done, and says how much that was.
static uint64_t finish_the_rest(void)
{
    uint64_t value, count = 0;
    while (get_as(OTHER, &value) == DRAGON_OK) {
        cr_assert_eq(op(OTHER, SYNC_QUEUE_DONE), DRAGON_OK);
        count++;
    }
    return count;
}

static void get_one(struct world *child, void *arg)
{
    (void)arg;
    struct local_channel own;
    dragon_message_t message;
    uint8_t buffer[1000];
    local_channel_init(&own, &child->waiter, (struct ring *)object);
    local_receive(&own, buffer, sizeof buffer, &message, 0);
}

static void killed_in_get(size_t bytes)
{
    static const uint8_t data[1000];
    bool killed = true;
    uint64_t lost = 0;
    for (uint64_t steps = 0; killed; steps++) {
        for (int i = 0; i < 2; i++)
            cr_assert_eq(local_send(&queue, data, bytes, 0, 0), DRAGON_OK);
        killed = world_kill_after(world, DEAD, steps, get_one, NULL);
        uint8_t buffer[1000];
        dragon_message_t message;
        uint64_t left = 0;
        while (local_receive(&queue, buffer, sizeof buffer, &message, 0) == DRAGON_OK) {
            cr_assert_eq(op(US, SYNC_QUEUE_DONE), DRAGON_OK);
            left++;
        }
        cr_assert(left == 2 - lost || (lost == 0 && left == 1), "after %lu", (unsigned long)steps);
        lost = 2 - left;
        expect_joined(lost);
    }
    cr_assert_eq(lost, 1);
    cr_assert_eq(fake_keeper_stats(world->keeper, world->space).blocks, 0);
}

Test(queue, killed_in_get)
{
    killed_in_get(8);
}

Test(queue, killed_in_get_of_a_block)
{
    killed_in_get(1000);
}

static void put_one(struct world *child, void *arg)
{
    struct local_channel own;
    local_channel_init(&own, &child->waiter, (struct ring *)object);
    local_send(&own, arg, 8, 0, 0);
}

Test(queue, killed_in_put)
{
    bool killed = true;
    uint64_t count = 0;
    for (uint64_t steps = 0; killed; steps++) {
        uint64_t value = 7;
        killed = world_kill_after(world, DEAD, steps, put_one, &value);
        uint64_t now = finish_the_rest();
        cr_assert_geq(now, count);
        count = now;
        expect_joined(0);
    }
    cr_assert_eq(count, 1);
}

static void call_as_dead(struct world *child, void *arg)
{
    sync_try(object, child->space, DEAD, arg, NULL);
}

Test(queue, killed_in_done)
{
    bool killed = true;
    uint64_t lost = 1;
    struct sync_call done = {.op = SYNC_QUEUE_DONE};
    for (uint64_t steps = 0; killed; steps++) {
        put(1);
        expect_get(DEAD, 1);
        killed = world_kill_after(world, DEAD, steps, call_as_dead, &done);
        uint64_t now = 9;
        struct sync_call join = {.op = SYNC_QUEUE_JOIN};
        cr_assert_eq(world_try(world, object, US, join, &now), DRAGON_OK);
        cr_assert_leq(now, lost);
        lost = now;
    }
    cr_assert_eq(lost, 0);
}

Test(queue, killed_in_give_up)
{
    bool killed = true;
    struct sync_call give_up = {.op = SYNC_QUEUE_GIVE_UP, .a = 2};
    for (uint64_t steps = 0; killed; steps++) {
        put(1);
        put(2);
        expect_get(DEAD, 1);
        expect_get(DEAD, 2);
        killed = world_kill_after(world, DEAD, steps, call_as_dead, &give_up);
        expect_joined(2);
    }
}

// The dead one is a transport, which has just received a value for WORKER.
static void hand_over(struct world *child, void *arg)
{
    sync_try(object, child->space, WORKER, arg, NULL);
}

Test(queue, killed_in_taken)
{
    bool killed = true;
    struct sync_call taken = {.op = SYNC_QUEUE_TAKEN};
    for (uint64_t steps = 0; killed; steps++) {
        put(1);
        expect_get(DEAD, 1);
        killed = world_kill_after(world, DEAD, steps, hand_over, &taken);
        // it was lost with the transport, or the worker has it
        if (op(WORKER, SYNC_QUEUE_DONE) == DRAGON_OK) {
            expect_joined(0);
        } else {
            expect_joined(1);
            cr_assert(killed);
        }
    }
}

// All for whom a transport works are gone with it: before it, or after it.
Test(queue, killed_in_taken_with_the_workers)
{
    for (int before = 0; before < 2; before++) {
        bool killed = true;
        struct sync_call taken = {.op = SYNC_QUEUE_TAKEN};
        for (uint64_t steps = 0; killed; steps++) {
            put(1);
            expect_get(DEAD, 1);
            world->count = before ? 0 : 1; // the object is recovered below
            killed = world_kill_after(world, DEAD, steps, hand_over, &taken);
            world->count = 1;
            object_recover(object, WORKER, world->space);
            object_recover(object, DEAD, world->space);
            expect_joined(1);
        }
    }
}

// ---- storms

enum { PRODUCERS = 2, WORKERS = 5, PROCESSES = PRODUCERS + WORKERS };

static struct storm {
    _Atomic uint64_t done_begun, done_ended, got;
    _Atomic uint32_t stop;
} * storm;

static void produce(struct world *child, void *arg)
{
    struct local_channel own;
    uint8_t data[200] = {0};
    (void)arg;
    local_channel_init(&own, &child->waiter, (struct ring *)object);
    for (uint64_t i = 0; !atomic_load(&storm->stop); i++) {
        int64_t deadline_ns = wait_deadline(WORLD_DEADLINE_MS);
        CHILD_CHECK(local_send(&own, data, i % 3 ? 8 : 200, 0, deadline_ns) == DRAGON_OK);
    }
}

static void consume(struct world *child, void *arg)
{
    struct local_channel own;
    uint8_t data[200];
    dragon_message_t message;
    (void)arg;
    local_channel_init(&own, &child->waiter, (struct ring *)object);
    for (;;) {
        int64_t deadline_ns = wait_deadline(WORLD_DEADLINE_MS);
        dragon_err_t err = local_receive(&own, data, sizeof data, &message, deadline_ns);
        if (err == DRAGON_ERR_CLOSED)
            return;
        CHILD_CHECK(err == DRAGON_OK);
        atomic_fetch_add(&storm->got, 1);
        atomic_fetch_add(&storm->done_begun, 1);
        struct sync_call done = {.op = SYNC_QUEUE_DONE};
        CHILD_CHECK(world_do(child, object, done, NULL, NULL, 0) == DRAGON_OK);
        atomic_fetch_add(&storm->done_ended, 1);
    }
}

static void start(pid_t *pids, int process)
{
    pids[process] =
        world_child(world, 20 + (uint32_t)process, process < PRODUCERS ? produce : consume, NULL);
}

static void wait_for_some(uint64_t count)
{
    uint64_t aim = atomic_load(&storm->got) + count;
    uint64_t deadline_ms = time_now_ms() + WORLD_DEADLINE_MS;
    while (atomic_load(&storm->got) < aim) {
        cr_assert_lt(time_now_ms(), deadline_ms, "nobody goes on");
        sched_yield();
    }
}

Test(queue, producers_and_workers_are_killed_at_any_moment)
{
    storm = fake_shared_memory(sizeof *storm);
    make(16);
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        start(pids, i);
    for (int kills = 0; kills < 150; kills++) {
        int process = kills % PROCESSES;
        wait_for_some((uint64_t)kills % 20);
        world_kill(world, pids[process], 20 + (uint32_t)process);
        start(pids, process);
    }
    atomic_store(&storm->stop, 1);
    for (int i = 0; i < PRODUCERS; i++)
        world_expect_good(world, pids[i], 20 + (uint32_t)i);
    uint64_t lost;
    struct sync_call join = {.op = SYNC_QUEUE_JOIN};
    cr_assert_eq(world_do(world, object, join, &lost, NULL, WORLD_DEADLINE_MS), DRAGON_OK);
    expect_state(0, 0);
    object_close(object, world->space);
    for (int i = PRODUCERS; i < PROCESSES; i++)
        world_expect_good(world, pids[i], 20 + (uint32_t)i);
    expect_joined(0);
    struct ring *ring = (struct ring *)object;
    uint64_t sent = ring_sent(ring) - atomic_load(&ring->lost);
    // what was not done is lost; of a few it is not known on which side of the step they were killed
    cr_assert_geq(lost + atomic_load(&storm->done_begun), sent);
    cr_assert_leq(lost + atomic_load(&storm->done_ended), sent);
    cr_assert_eq(fake_keeper_stats(world->keeper, world->space).blocks, 0);
    cr_log_info("%lu of %lu values were lost", (unsigned long)lost, (unsigned long)sent);
}
