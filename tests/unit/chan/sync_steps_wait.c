// SPDX-License-Identifier: BSD-3-Clause
//
// A process is killed at each stage of a wait: with the turn asked for or not, in the waitset or not. What
// becomes free afterwards goes to somebody else who waits, and he is rung.
#include "config.h"

#include "world.h"

enum { OWNER = 10, OTHER = 11, DEAD = 12 }; // slots

static struct world *world;
static struct object *object;

TestSuite(sync_steps_wait, .timeout = 300);

// Sleeps at once: looking for a while has never paid. `arg` is the operation.
static void wait_a_moment(struct world *child, void *arg)
{
    struct spin spin = {.limit_ns = 1, .missed = 5};
    struct sync_call *call = arg;
    int64_t deadline_ns = (int64_t)time_now_ns() + SYNC_TURN_NS + 500000;
    sync_do(object, &child->waiter, call, NULL, &spin, deadline_ns);
}

static void run(struct object_spec spec, struct sync_call acquire, struct sync_call release)
{
    world = world_create();
    struct slot *bell = board_slot(world->keeper->board, OTHER);
    for (struct steps steps = {0}; steps_go_on(&steps);) {
        object = world_object(world, &spec);
        cr_assert_eq(world_try(world, object, OWNER, acquire, NULL), DRAGON_OK);
        waitset_enter(sync_set(object, &acquire), OTHER);
        world_kill_next(world, DEAD, &steps, wait_a_moment, &acquire);
        cr_assert_eq(waitset_count(sync_set(object, &acquire)), 1);
        uint32_t seen = bell_seen(bell);
        cr_assert_eq(world_try(world, object, OWNER, release, NULL), DRAGON_OK);
        cr_assert_neq(bell_seen(bell), seen, "after %lu steps", (unsigned long)steps.done);
        cr_assert_eq(world_try(world, object, OTHER, acquire, NULL), DRAGON_OK);
        world_drop_objects(world);
    }
    world_destroy(world);
}

Test(sync_steps_wait, for_a_lock)
{
    run((struct object_spec){.kind = OBJECT_LOCK}, (struct sync_call){.op = SYNC_LOCK_ACQUIRE},
        (struct sync_call){.op = SYNC_LOCK_RELEASE});
}

Test(sync_steps_wait, for_a_semaphore)
{
    run((struct object_spec){.kind = OBJECT_SEMAPHORE, .initial = 1},
        (struct sync_call){.op = SYNC_SEMAPHORE_ACQUIRE},
        (struct sync_call){.op = SYNC_SEMAPHORE_RELEASE, .a = 1});
}
