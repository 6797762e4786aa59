// SPDX-License-Identifier: BSD-3-Clause
//
// A process is killed after each instruction by which it changes a queue, and others; it is recovered, and the count is
// right.
#include "config.h"

#include "queues.h"

static void set_up(void)
{
    world = world_create();
    make(4);
}

static void tear_down(void)
{
    world_destroy(world);
}

TestSuite(queue_steps, .init = set_up, .fini = tear_down, .timeout = 300);

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
    uint64_t lost = 0;
    for (struct steps steps = {0}; steps_go_on(&steps);) {
        for (int i = 0; i < 2; i++)
            cr_assert_eq(local_send(&queue, data, bytes, 0, 0), DRAGON_OK);
        world_kill_next(world, DEAD, &steps, get_one, NULL);
        uint8_t buffer[1000];
        dragon_message_t message;
        uint64_t left = 0;
        while (local_receive(&queue, buffer, sizeof buffer, &message, 0) == DRAGON_OK) {
            cr_assert_eq(op(US, SYNC_QUEUE_DONE), DRAGON_OK);
            left++;
        }
        cr_assert(left == 2 - lost || (lost == 0 && left == 1), "after %lu",
                  (unsigned long)steps.done);
        lost = 2 - left;
        expect_joined(lost);
    }
    cr_assert_eq(lost, 1);
    cr_assert_eq(fake_keeper_stats(world->keeper, world->space).blocks, 0);
}

Test(queue_steps, get)
{
    killed_in_get(8);
}

Test(queue_steps, get_of_a_block)
{
    killed_in_get(100);
}

static void put_one(struct world *child, void *arg)
{
    struct local_channel own;
    local_channel_init(&own, &child->waiter, (struct ring *)object);
    local_send(&own, arg, 8, 0, 0);
}

Test(queue_steps, put)
{
    uint64_t count = 0;
    for (struct steps steps = {0}; steps_go_on(&steps);) {
        uint64_t value = 7;
        world_kill_next(world, DEAD, &steps, put_one, &value);
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

Test(queue_steps, done)
{
    uint64_t lost = 1;
    struct sync_call done = {.op = SYNC_QUEUE_DONE};
    for (struct steps steps = {0}; steps_go_on(&steps);) {
        put(1);
        expect_get(DEAD, 1);
        world_kill_next(world, DEAD, &steps, call_as_dead, &done);
        uint64_t now = 9;
        struct sync_call join = {.op = SYNC_QUEUE_JOIN};
        cr_assert_eq(world_try(world, object, US, join, &now), DRAGON_OK);
        cr_assert_leq(now, lost);
        lost = now;
    }
    cr_assert_eq(lost, 0);
}

Test(queue_steps, give_up)
{
    struct sync_call give_up = {.op = SYNC_QUEUE_GIVE_UP, .a = 2};
    for (struct steps steps = {0}; steps_go_on(&steps);) {
        put(1);
        put(2);
        expect_get(DEAD, 1);
        expect_get(DEAD, 2);
        world_kill_next(world, DEAD, &steps, call_as_dead, &give_up);
        expect_joined(2);
    }
}

// The dead one is a transport, which has just received a value for WORKER.
static void hand_over(struct world *child, void *arg)
{
    sync_try(object, child->space, WORKER, arg, NULL);
}

Test(queue_steps, taken)
{
    struct sync_call taken = {.op = SYNC_QUEUE_TAKEN};
    for (struct steps steps = {0}; steps_go_on(&steps);) {
        put(1);
        expect_get(DEAD, 1);
        world_kill_next(world, DEAD, &steps, hand_over, &taken);
        // it was lost with the transport, or the worker has it
        if (op(WORKER, SYNC_QUEUE_DONE) == DRAGON_OK) {
            expect_joined(0);
        } else {
            expect_joined(1);
            cr_assert_not(steps.over);
        }
    }
}

// All for whom a transport works are gone with it: before it, or after it.
Test(queue_steps, taken_with_the_workers)
{
    for (int before = 0; before < 2; before++) {
        struct sync_call taken = {.op = SYNC_QUEUE_TAKEN};
        for (struct steps steps = {0}; steps_go_on(&steps);) {
            put(1);
            expect_get(DEAD, 1);
            world->count = before ? 0 : 1; // the object is recovered below
            world_kill_next(world, DEAD, &steps, hand_over, &taken);
            world->count = 1;
            object_recover(object, WORKER, world->space);
            object_recover(object, DEAD, world->space);
            expect_joined(1);
        }
    }
}
