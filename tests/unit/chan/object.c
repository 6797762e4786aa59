// SPDX-License-Identifier: BSD-3-Clause
//
// What the keeper does with objects of all kinds, and what others can check of them.
#include "config.h"

#include "chan/cell.h"
#include "ddict/shard.h"
#include "world.h"

#include <dragon/channel.h>

static struct world *world;

static void set_up(void)
{
    world = world_create();
}

static void tear_down(void)
{
    world_destroy(world);
}

TestSuite(object, .init = set_up, .fini = tear_down, .timeout = 60);

static const struct object_spec channel = {
    .kind = OBJECT_CHANNEL, .capacity = 5, .inline_bytes = 100, .single = 1};

Test(object, specs_that_make_no_sense_have_no_size)
{
    struct object_spec spec = channel;
    cr_assert_gt(object_bytes(&spec), 0);
    spec.capacity = 0;
    cr_assert_eq(object_bytes(&spec), 0);
    spec.capacity = DRAGON_CHANNEL_CAPACITY_MOST;
    cr_assert_gt(object_bytes(&spec), 0);
    spec.capacity++;
    cr_assert_eq(object_bytes(&spec), 0);
    spec = channel;
    spec.inline_bytes = DRAGON_CHANNEL_INLINE_MOST + 1;
    cr_assert_eq(object_bytes(&spec), 0);
    spec.kind = OBJECT_NONE;
    cr_assert_eq(object_bytes(&spec), 0);
    spec.kind = OBJECT_KINDS;
    cr_assert_eq(object_bytes(&spec), 0);
}

Test(object, is_what_it_was_made_as_and_nothing_else)
{
    for (uint32_t inline_bytes = 0; inline_bytes <= DRAGON_CHANNEL_INLINE_MOST;
         inline_bytes += 254) {
        struct object_spec spec = channel;
        spec.inline_bytes = inline_bytes;
        size_t bytes = object_bytes(&spec);
        struct ring *ring = (struct ring *)world_object(world, &spec);
        uint64_t id = ring->object.id;
        cr_assert_geq(ring->config.inline_bytes, inline_bytes);
        cr_assert(!object_check(&ring->object, id + 1, OBJECT_CHANNEL, bytes));
        cr_assert(!object_check(&ring->object, id, OBJECT_QUEUE, bytes));
        cr_assert(!object_check(&ring->object, id, OBJECT_CHANNEL, bytes - 1));
        cr_assert(!object_check(&ring->object, id, OBJECT_CHANNEL, 8));
        ring->config.capacity += 1;
        cr_assert(!object_check(&ring->object, id, OBJECT_CHANNEL, bytes));
        ring->config.capacity -= 1;
        ring->config.cell_bytes -= 64;
        cr_assert(!object_check(&ring->object, id, OBJECT_CHANNEL, bytes));
        world->count = 0;
    }
}

Test(object, of_any_kind_is_made_closed_and_destroyed)
{
    for (int kind = OBJECT_CHANNEL; kind < OBJECT_KINDS; kind++) {
        struct object_spec spec = {.kind = (uint8_t)kind,
                                   .capacity = 2,
                                   .inline_bytes = 8,
                                   .initial = kind == OBJECT_SHARD ? SHARD_LEAST : 0};
        struct object *object = world_object(world, &spec);
        cr_assert_eq(object_state(object), OBJECT_OPEN);
        object_close(object, world->space);
        object_recover(object, 20, world->space);
        object_destroy(object, world->space);
        cr_assert_eq(object_state(object), OBJECT_DESTROYED);
        object_close(object, world->space);
        cr_assert_eq(object_state(object), OBJECT_DESTROYED);
    }
}

Test(object, tells_how_a_channel_is)
{
    struct object *object = world_object(world, &channel);
    struct ring *ring = (struct ring *)object;
    struct ring_message message = {.bytes = 3};
    struct object_stat stat;
    char text[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(ring_push(ring, world->space, &message, "abc"), DRAGON_OK);
    cr_assert_eq(ring_pop(ring, world->space, false, text, 4, &message), DRAGON_OK);
    struct spot tail = ring_tail(ring);
    cr_assert(spot_change(&tail, cell_state(tail.position, 20, CELL_WRITING)));
    object_recover(object, 20, world->space);
    waitset_enter(&ring->receivers, 21);
    waitset_enter(&ring->senders, 22);
    waitset_enter(&ring->senders, 23);
    object_stat(object, &stat);
    cr_assert_eq(stat.waiting_receivers, 1);
    cr_assert_eq(stat.waiting_senders, 2);
    object_close(object, world->space);
    object_stat(object, &stat);
    cr_assert_eq(stat.spec.kind, OBJECT_CHANNEL);
    cr_assert_eq(stat.spec.capacity, 5);
    cr_assert_geq(stat.spec.inline_bytes, 100);
    cr_assert_eq(stat.spec.single, 1);
    cr_assert_eq(stat.sent, 4);
    cr_assert_eq(stat.received, 1);
    cr_assert_eq(stat.lost, 1);
    cr_assert_eq(stat.waiting, 3);
    cr_assert_eq(stat.closed, 1);
    cr_assert_eq(stat.waiting_senders, 0); // they were told
    cr_assert_eq(stat.waiting_receivers, 0);
}
