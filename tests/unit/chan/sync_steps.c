// SPDX-License-Identifier: BSD-3-Clause
//
// A process is killed after each instruction by which an operation changes something, and others; it is recovered, and the others go on. What
// the operation does happens at one instruction: before it nothing has, and from it on all has.
#include "config.h"

#include "world.h"

#include <dragon/sync.h>

enum { A = 10, B = 11, DEAD = 12 }; // slots

static struct world *world;
static struct object *object;

static dragon_err_t try(uint32_t slot, struct sync_call call)
{
    return world_try(world, object, slot, call, NULL);
}

static dragon_err_t op(uint32_t slot, enum sync_op op)
{
    return try(slot, (struct sync_call){.op = op});
}

static uint64_t result(uint32_t slot, struct sync_call call)
{
    uint64_t result = 0;
    cr_assert_eq(world_try(world, object, slot, call, &result), DRAGON_OK);
    return result;
}

struct scene {
    struct object_spec spec;
    void (*before)(void);
    struct sync_call call; // of the one who dies
    // How far it has come; it never looks as if it had not come as far after one instruction more.
    int (*after)(void);
    int last; // when all of it was done
};

static void run_call(struct world *child, void *arg)
{
    sync_try(object, child->space, DEAD, arg, NULL);
}

static void run_scene(struct scene scene)
{
    world = world_create();
    int stage = 0;
    for (struct steps steps = {0}; steps_go_on(&steps);) {
        object = world_object(world, &scene.spec);
        if (scene.before)
            scene.before();
        world_kill_next(world, DEAD, &steps, run_call, &scene.call);
        int now = scene.after();
        cr_assert_geq(now, stage, "after %lu steps", (unsigned long)steps.done);
        stage = now;
        world_drop_objects(world);
    }
    cr_assert_eq(stage, scene.last);
    world_destroy(world);
}

TestSuite(sync_steps, .timeout = 300);

// ---- locks

static const struct sync_call acquire = {.op = SYNC_LOCK_ACQUIRE};
static const struct sync_call acquire_in_turn = {.op = SYNC_LOCK_ACQUIRE, .a = 1};

// The lock can be had at once, and goes on as a lock does. Was it abandoned?
static int lock_is_fine(void)
{
    int abandoned = (int)result(A, acquire);
    cr_assert_eq(op(B, SYNC_LOCK_ACQUIRE), DRAGON_ERR_AGAIN);
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_OK);
    cr_assert_eq(result(B, acquire), 0);
    return abandoned;
}

static int lock_was_released(void)
{
    return !lock_is_fine();
}

static void dead_has_lock(void)
{
    cr_assert_eq(try(DEAD, acquire), DRAGON_OK);
}

static void a_has_lock(void)
{
    cr_assert_eq(try(A, acquire), DRAGON_OK);
}

static void dead_has_turn(void)
{
    a_has_lock();
    cr_assert_eq(try(DEAD, acquire_in_turn), DRAGON_ERR_AGAIN);
}

static void dead_has_turn_at_free_lock(void)
{
    dead_has_turn();
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_OK);
}

static void b_waits_for_dead(void)
{
    dead_has_lock();
    cr_assert_eq(try(B, acquire_in_turn), DRAGON_ERR_AGAIN);
}

static int lock_goes_on(void)
{
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_OK);
    lock_is_fine();
    return 0;
}

static int lock_goes_to_b(void)
{
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_ERR_AGAIN);
    return !result(B, acquire);
}

Test(sync_steps, lock_acquire)
{
    run_scene((struct scene){{.kind = OBJECT_LOCK}, NULL, acquire, lock_is_fine, 1});
}

Test(sync_steps, lock_acquire_that_asks_for_a_turn)
{
    run_scene((struct scene){{.kind = OBJECT_LOCK}, a_has_lock, acquire_in_turn, lock_goes_on, 0});
}

Test(sync_steps, lock_acquire_that_has_the_turn)
{
    run_scene((struct scene){
        {.kind = OBJECT_LOCK}, dead_has_turn_at_free_lock, acquire_in_turn, lock_is_fine, 1});
}

Test(sync_steps, lock_release)
{
    struct sync_call release = {.op = SYNC_LOCK_RELEASE};
    run_scene((struct scene){{.kind = OBJECT_LOCK}, dead_has_lock, release, lock_was_released, 1});
}

Test(sync_steps, lock_release_to_whose_turn_it_is)
{
    struct sync_call release = {.op = SYNC_LOCK_RELEASE};
    run_scene((struct scene){{.kind = OBJECT_LOCK}, b_waits_for_dead, release, lock_goes_to_b, 1});
}

Test(sync_steps, lock_leave)
{
    struct sync_call leave = {.op = SYNC_LOCK_LEAVE};
    run_scene((struct scene){{.kind = OBJECT_LOCK}, dead_has_turn, leave, lock_goes_on, 0});
}

// ---- semaphores

static const struct sync_call take = {.op = SYNC_SEMAPHORE_ACQUIRE};
static const struct sync_call take_in_turn = {.op = SYNC_SEMAPHORE_ACQUIRE, .a = 1};

static int semaphore_left(void)
{
    int left = 0;
    while (try(A, take) == DRAGON_OK)
        left++;
    return left;
}

static int semaphore_taken(void)
{
    return 2 - semaphore_left();
}

static void dead_has_turn_at_two(void)
{
    cr_assert_eq(try(DEAD, take_in_turn), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(A, (struct sync_call){.op = SYNC_SEMAPHORE_RELEASE, .a = 2}), DRAGON_OK);
}

static int two_are_left(void)
{
    cr_assert_eq(semaphore_left(), 2);
    return 0;
}

Test(sync_steps, semaphore_acquire)
{
    struct object_spec spec = {.kind = OBJECT_SEMAPHORE, .initial = 2};
    run_scene((struct scene){spec, NULL, take, semaphore_taken, 1});
}

Test(sync_steps, semaphore_acquire_that_has_the_turn)
{
    struct object_spec spec = {.kind = OBJECT_SEMAPHORE};
    run_scene((struct scene){spec, dead_has_turn_at_two, take_in_turn, semaphore_taken, 1});
}

Test(sync_steps, semaphore_leave)
{
    struct object_spec spec = {.kind = OBJECT_SEMAPHORE};
    struct sync_call leave = {.op = SYNC_SEMAPHORE_LEAVE};
    run_scene((struct scene){spec, dead_has_turn_at_two, leave, two_are_left, 0});
}

Test(sync_steps, semaphore_release)
{
    struct object_spec spec = {.kind = OBJECT_SEMAPHORE, .capacity = 3};
    struct sync_call release = {.op = SYNC_SEMAPHORE_RELEASE, .a = 3};
    run_scene((struct scene){spec, NULL, release, semaphore_left, 3});
}

// ---- barriers

static const struct object_spec barrier_of_two = {.kind = OBJECT_BARRIER, .capacity = 2};
static uint64_t token;

static void a_has_come(void)
{
    token = result(A, (struct sync_call){.op = SYNC_BARRIER_ARRIVE});
}

static dragon_err_t a_looks(void)
{
    return try(A, (struct sync_call){.op = SYNC_BARRIER_WAIT, .a = token});
}

static bool barrier_is_broken(void)
{
    return result(A, (struct sync_call){.op = SYNC_BARRIER_STATE}) >> 32;
}

// After a reset it is as new.
static void barrier_works(void)
{
    cr_assert_eq(op(A, SYNC_BARRIER_RESET), DRAGON_OK);
    a_has_come();
    cr_assert_eq(a_looks(), DRAGON_ERR_AGAIN);
    cr_assert_eq(op(B, SYNC_BARRIER_ARRIVE), DRAGON_OK);
    cr_assert_eq(a_looks(), DRAGON_OK);
}

static int barrier_broke(void)
{
    int broken = barrier_is_broken();
    uint64_t state = result(A, (struct sync_call){.op = SYNC_BARRIER_STATE});
    cr_assert(broken || state == 0); // who is counted is missed
    barrier_works();
    return broken;
}

// 0: A waits still. 1: he was told that it is broken. 2: that all have come.
static int what_a_is_told(void)
{
    dragon_err_t err = a_looks();
    barrier_works();
    return err == DRAGON_ERR_AGAIN ? 0 : err == DRAGON_ERR_CANCELED ? 1 : 2;
}

static void both_have_been_here(void)
{
    a_has_come();
    cr_assert_eq(op(DEAD, SYNC_BARRIER_ARRIVE), DRAGON_OK);
}

static int barrier_is_whole(void)
{
    return !barrier_broke();
}

static int a_is_sent_away(void)
{
    cr_assert_eq(a_looks(), DRAGON_ERR_CANCELED);
    cr_assert_eq(op(A, SYNC_BARRIER_RESET), DRAGON_OK);
    cr_assert_eq(a_looks(), DRAGON_ERR_CANCELED);
    return 0;
}

Test(sync_steps, barrier_arrive)
{
    struct sync_call arrive = {.op = SYNC_BARRIER_ARRIVE};
    run_scene((struct scene){barrier_of_two, NULL, arrive, barrier_broke, 1});
}

Test(sync_steps, barrier_arrive_as_the_last)
{
    struct sync_call arrive = {.op = SYNC_BARRIER_ARRIVE};
    run_scene((struct scene){barrier_of_two, a_has_come, arrive, what_a_is_told, 2});
}

Test(sync_steps, barrier_leave)
{
    // the first generation, second to come
    struct sync_call leave = {.op = SYNC_BARRIER_LEAVE, .a = 1 << 16 | 1};
    struct object_spec of_three = {.kind = OBJECT_BARRIER, .capacity = 3};
    run_scene((struct scene){of_three, both_have_been_here, leave, a_is_sent_away, 0});
}

Test(sync_steps, barrier_abort)
{
    struct sync_call abort = {.op = SYNC_BARRIER_ABORT};
    run_scene((struct scene){barrier_of_two, a_has_come, abort, what_a_is_told, 1});
}

Test(sync_steps, barrier_reset)
{
    struct sync_call reset = {.op = SYNC_BARRIER_RESET};
    run_scene((struct scene){barrier_of_two, a_has_come, reset, what_a_is_told, 1});
}

Test(sync_steps, barrier_detach)
{
    struct sync_call detach = {.op = SYNC_BARRIER_DETACH};
    run_scene((struct scene){barrier_of_two, both_have_been_here, detach, barrier_is_whole, 1});
}

// ---- flags and values

static int flag_is_set(void)
{
    return result(A, (struct sync_call){.op = SYNC_FLAG_GET}) & 1;
}

static void flag_set(void)
{
    cr_assert_eq(op(A, SYNC_FLAG_SET), DRAGON_OK);
}

static int flag_is_clear(void)
{
    return !flag_is_set();
}

static int number(void)
{
    return (int)result(A, (struct sync_call){.op = SYNC_VALUE_DO});
}

Test(sync_steps, flag_set)
{
    struct sync_call set = {.op = SYNC_FLAG_SET};
    run_scene((struct scene){{.kind = OBJECT_FLAG}, NULL, set, flag_is_set, 1});
}

Test(sync_steps, flag_clear)
{
    struct sync_call clear = {.op = SYNC_FLAG_CLEAR};
    run_scene((struct scene){{.kind = OBJECT_FLAG}, flag_set, clear, flag_is_clear, 1});
}

Test(sync_steps, value_add)
{
    struct sync_call add = {.op = SYNC_VALUE_DO, .a = DRAGON_ATOMIC_ADD, .b = 5};
    run_scene((struct scene){{.kind = OBJECT_VALUE, .capacity = 1}, NULL, add, number, 5});
}

Test(sync_steps, value_swap)
{
    struct sync_call swap = {.op = SYNC_VALUE_SWAP, .b = 0, .c = 7};
    run_scene((struct scene){{.kind = OBJECT_VALUE, .capacity = 1}, NULL, swap, number, 7});
}
