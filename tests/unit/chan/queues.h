// SPDX-License-Identifier: BSD-3-Clause
//
// A queue, and what any slot does with it, from one process.
#ifndef TESTS_UNIT_CHAN_QUEUES_H
#define TESTS_UNIT_CHAN_QUEUES_H

#include "chan/local.h"
#include "chan/queue.h"
#include "world.h"

enum { WORKER = 10, OTHER = 11, DEAD = 12 }; // slots

static struct world *world;
static struct object *object;
static struct local_channel queue; // ours

static inline void make(uint32_t capacity)
{
    struct object_spec spec = {.kind = OBJECT_QUEUE, .capacity = capacity, .inline_bytes = 64};
    object = world_object(world, &spec);
    local_channel_init(&queue, &world->waiter, (struct ring *)object);
}

static inline void put(uint64_t value)
{
    cr_assert_eq(local_send(&queue, &value, sizeof value, 0, 0), DRAGON_OK);
}

// As the process with that slot would.
static inline dragon_err_t get_as(uint32_t slot, uint64_t *value_out)
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

static inline void expect_get(uint32_t slot, uint64_t expected)
{
    uint64_t value = 0;
    cr_assert_eq(get_as(slot, &value), DRAGON_OK);
    cr_assert_eq(value, expected);
}

static inline dragon_err_t op(uint32_t slot, enum sync_op op)
{
    return world_try(world, object, slot, (struct sync_call){.op = op}, NULL);
}

static inline void expect_state(uint32_t waiting, uint32_t unfinished)
{
    uint64_t state = 0;
    struct sync_call call = {.op = SYNC_QUEUE_STATE};
    cr_assert_eq(world_try(world, object, US, call, &state), DRAGON_OK);
    cr_assert_eq((uint32_t)state, waiting);
    cr_assert_eq(state >> 32, unfinished);
}

// All is done; so many were lost since it was asked last.
static inline void expect_joined(uint64_t expected)
{
    uint64_t lost = 0;
    struct sync_call call = {.op = SYNC_QUEUE_JOIN};
    cr_assert_eq(world_try(world, object, US, call, &lost), DRAGON_OK);
    cr_assert_eq(lost, expected, "%lu are lost, not %lu", (unsigned long)lost,
                 (unsigned long)expected);
}

#endif
