// SPDX-License-Identifier: BSD-3-Clause
//
// Each operation of locks, semaphores, barriers, flags and values, tried by several slots from one process.
#include "config.h"

#include "world.h"

#include <dragon/sync.h>

static struct world *world;

static void set_up(void)
{
    world = world_create();
}

static void tear_down(void)
{
    world_destroy(world);
}

TestSuite(sync, .init = set_up, .fini = tear_down, .timeout = 60);

enum { A = 10, B = 11, C = 12 }; // slots

static struct object *object;

static void make(struct object_spec spec)
{
    object = world_object(world, &spec);
}

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

// Somebody sleeps at the object: is he rung?
static bool rings(uint32_t slot, struct sync_call waiting, uint32_t who, struct sync_call call)
{
    struct waitset *set = sync_set(object, &waiting);
    uint32_t seen = bell_seen(board_slot(world->keeper->board, slot));
    waitset_enter(set, slot);
    cr_assert_eq(try(who, call), DRAGON_OK);
    waitset_leave(set, slot);
    return bell_seen(board_slot(world->keeper->board, slot)) != seen;
}

// ---- locks

Test(sync, a_lock_has_one_owner)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_ERR_STATE);
    cr_assert_eq(result(A, (struct sync_call){.op = SYNC_LOCK_ACQUIRE}), 0);
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_ERR_STATE);
    cr_assert_eq(op(B, SYNC_LOCK_ACQUIRE), DRAGON_ERR_AGAIN);
    cr_assert_eq(op(B, SYNC_LOCK_RELEASE), DRAGON_ERR_STATE);
    cr_assert(rings(B, (struct sync_call){.op = SYNC_LOCK_ACQUIRE}, A,
                    (struct sync_call){.op = SYNC_LOCK_RELEASE}));
    cr_assert_eq(op(B, SYNC_LOCK_ACQUIRE), DRAGON_OK);
}

Test(sync, who_gets_an_abandoned_lock_is_told_and_nobody_else)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    struct sync_call acquire = {.op = SYNC_LOCK_ACQUIRE};
    result(A, acquire);
    object_recover(object, B, world->space);
    cr_assert_eq(op(B, SYNC_LOCK_ACQUIRE), DRAGON_ERR_AGAIN);
    object_recover(object, A, world->space);
    cr_assert_eq(result(B, acquire), 1);
    cr_assert_eq(op(B, SYNC_LOCK_RELEASE), DRAGON_OK);
    cr_assert_eq(result(C, acquire), 0);
}

Test(sync, a_lock_goes_to_whose_turn_it_is)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    struct sync_call in_turn = {.op = SYNC_LOCK_ACQUIRE, .a = 1};
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_OK);
    cr_assert_eq(try(B, in_turn), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(C, in_turn), DRAGON_ERR_AGAIN);
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_OK);
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(C, in_turn), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(B, in_turn), DRAGON_OK);
    cr_assert_eq(try(C, in_turn), DRAGON_ERR_AGAIN); // now it is C's
    cr_assert_eq(op(B, SYNC_LOCK_RELEASE), DRAGON_OK);
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_ERR_AGAIN);
    // C wants it no more, and whoever waits is told
    cr_assert(rings(A, in_turn, C, (struct sync_call){.op = SYNC_LOCK_LEAVE}));
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_OK);
}

Test(sync, whose_turn_it_is_is_rung_in_the_name_of_who_asked_for_him)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    struct slot *bell = board_slot(world->keeper->board, US);
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_OK);
    cr_assert_eq(try(B, (struct sync_call){.op = SYNC_LOCK_ACQUIRE, .a = 1}), DRAGON_ERR_AGAIN);
    uint32_t seen = bell_seen(bell);
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_OK);
    cr_assert_neq(bell_seen(bell), seen); // B is a slot for which this process asks
}

Test(sync, the_turn_of_a_dead_one_is_nobodys)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_OK);
    cr_assert_eq(try(B, (struct sync_call){.op = SYNC_LOCK_ACQUIRE, .a = 1}), DRAGON_ERR_AGAIN);
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_OK);
    cr_assert_eq(op(C, SYNC_LOCK_ACQUIRE), DRAGON_ERR_AGAIN);
    object_recover(object, B, world->space);
    cr_assert_eq(result(C, (struct sync_call){.op = SYNC_LOCK_ACQUIRE}), 0);
}

// ---- semaphores

static struct sync_call release_of(uint64_t count)
{
    return (struct sync_call){.op = SYNC_SEMAPHORE_RELEASE, .a = count};
}

static uint64_t semaphore_value(void)
{
    return result(A, (struct sync_call){.op = SYNC_SEMAPHORE_VALUE});
}

Test(sync, a_semaphore_counts_within_its_bounds)
{
    make((struct object_spec){.kind = OBJECT_SEMAPHORE, .capacity = 3, .initial = 1});
    cr_assert_eq(op(A, SYNC_SEMAPHORE_ACQUIRE), DRAGON_OK);
    cr_assert_eq(op(A, SYNC_SEMAPHORE_ACQUIRE), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(A, release_of(0)), DRAGON_ERR_INVAL);
    cr_assert_eq(try(A, release_of(1ull << 32)), DRAGON_ERR_INVAL);
    cr_assert_eq(try(A, release_of(4)), DRAGON_ERR_FULL);
    cr_assert_eq(try(A, release_of(3)), DRAGON_OK);
    cr_assert_eq(try(A, release_of(1)), DRAGON_ERR_FULL);
    cr_assert_eq(semaphore_value(), 3);
    object_recover(object, A, world->space);
    cr_assert_eq(semaphore_value(), 3);
}

Test(sync, a_semaphore_without_a_bound_has_that_of_its_number)
{
    make((struct object_spec){.kind = OBJECT_SEMAPHORE, .initial = 5});
    cr_assert_eq(try(A, release_of(UINT32_MAX - 5)), DRAGON_OK);
    cr_assert_eq(try(A, release_of(1)), DRAGON_ERR_FULL);
    cr_assert_eq(semaphore_value(), UINT32_MAX);
}

Test(sync, a_release_of_several_rings_several)
{
    make((struct object_spec){.kind = OBJECT_SEMAPHORE});
    struct sync_call acquire = {.op = SYNC_SEMAPHORE_ACQUIRE};
    for (uint32_t slot = A; slot <= C; slot++)
        waitset_enter(sync_set(object, &acquire), slot);
    cr_assert_eq(try(US, release_of(2)), DRAGON_OK);
    cr_assert_eq(waitset_count(sync_set(object, &acquire)), 1);
}

Test(sync, those_whom_a_turn_kept_out_of_a_semaphore_are_let_in_after_it)
{
    make((struct object_spec){.kind = OBJECT_SEMAPHORE});
    struct sync_call in_turn = {.op = SYNC_SEMAPHORE_ACQUIRE, .a = 1};
    cr_assert_eq(try(A, in_turn), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(US, release_of(2)), DRAGON_OK);
    cr_assert_eq(op(B, SYNC_SEMAPHORE_ACQUIRE), DRAGON_ERR_AGAIN);
    cr_assert(rings(B, in_turn, A, in_turn));
    cr_assert_eq(op(B, SYNC_SEMAPHORE_ACQUIRE), DRAGON_OK);
    // the same when he gives up
    cr_assert_eq(try(A, in_turn), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(US, release_of(1)), DRAGON_OK);
    cr_assert_eq(op(B, SYNC_SEMAPHORE_ACQUIRE), DRAGON_ERR_AGAIN);
    cr_assert(rings(B, in_turn, A, (struct sync_call){.op = SYNC_SEMAPHORE_LEAVE}));
    cr_assert_eq(op(B, SYNC_SEMAPHORE_ACQUIRE), DRAGON_OK);
    // and when he dies
    cr_assert_eq(try(A, in_turn), DRAGON_ERR_AGAIN);
    cr_assert_eq(try(US, release_of(1)), DRAGON_OK);
    object_recover(object, A, world->space);
    cr_assert_eq(op(B, SYNC_SEMAPHORE_ACQUIRE), DRAGON_OK);
}

// ---- flags

Test(sync, a_flag_is_set_and_cleared)
{
    make((struct object_spec){.kind = OBJECT_FLAG});
    struct sync_call get = {.op = SYNC_FLAG_GET};
    cr_assert_eq(result(A, get), 0);
    struct sync_call wait = {.op = SYNC_FLAG_WAIT};
    cr_assert_eq(try(A, wait), DRAGON_ERR_AGAIN);
    cr_assert(rings(A, wait, B, (struct sync_call){.op = SYNC_FLAG_SET}));
    cr_assert_eq(op(B, SYNC_FLAG_SET), DRAGON_OK);
    cr_assert_eq(result(A, get) & 1, 1);
    cr_assert_eq(try(A, wait), DRAGON_OK);
    cr_assert_eq(op(B, SYNC_FLAG_CLEAR), DRAGON_OK);
    cr_assert_eq(result(A, get) & 1, 0);
    // who waited when it was set goes on, who comes now does not
    cr_assert_eq(try(A, wait), DRAGON_OK);
    cr_assert_eq(try(A, (struct sync_call){.op = SYNC_FLAG_WAIT, .a = result(A, get) >> 1}),
                 DRAGON_ERR_AGAIN);
}

// ---- values

static int64_t value_do(dragon_atomic_t what, int64_t operand)
{
    struct sync_call call = {.op = SYNC_VALUE_DO, .a = 1 << 8 | what, .b = (uint64_t)operand};
    return (int64_t)result(A, call);
}

Test(sync, values_are_changed_in_one_step)
{
    make((struct object_spec){.kind = OBJECT_VALUE, .capacity = 2, .initial = -7});
    static const struct {
        dragon_atomic_t what;
        int64_t operand, before;
    } steps[] = {
        {DRAGON_ATOMIC_LOAD, 99, -7},      {DRAGON_ATOMIC_STORE, 12, -7},
        {DRAGON_ATOMIC_ADD, -2, 12},       {DRAGON_ATOMIC_AND, 6, 10},
        {DRAGON_ATOMIC_OR, 9, 2},          {DRAGON_ATOMIC_XOR, 3, 11},
        {DRAGON_ATOMIC_MIN, 9, 8},         {DRAGON_ATOMIC_MIN, -9, 8},
        {DRAGON_ATOMIC_MAX, -10, -9},      {DRAGON_ATOMIC_MAX, INT64_MAX, -9},
        {DRAGON_ATOMIC_ADD, 1, INT64_MAX}, {DRAGON_ATOMIC_SWAP, 5, INT64_MIN},
        {DRAGON_ATOMIC_LOAD, 0, 5},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        cr_assert_eq(value_do(steps[i].what, steps[i].operand), steps[i].before, "step %zu", i);
    cr_assert_eq(result(A, (struct sync_call){.op = SYNC_VALUE_DO}), (uint64_t)-7); // the other one
}

Test(sync, values_are_swapped_when_they_are_what_was_expected)
{
    make((struct object_spec){.kind = OBJECT_VALUE, .capacity = 1, .initial = 4});
    struct sync_call swap = {.op = SYNC_VALUE_SWAP, .b = 3, .c = 9};
    cr_assert_eq(result(A, swap), 4);
    cr_assert_eq(result(A, (struct sync_call){.op = SYNC_VALUE_DO}), 4);
    swap.b = 4;
    cr_assert_eq(result(A, swap), 4);
    cr_assert_eq(result(A, (struct sync_call){.op = SYNC_VALUE_DO}), 9);
}

Test(sync, a_change_of_a_value_rings)
{
    make((struct object_spec){.kind = OBJECT_VALUE, .capacity = 2, .initial = 1});
    struct sync_call change = {.op = SYNC_VALUE_CHANGE, .a = 1, .b = 1};
    cr_assert_eq(try(A, change), DRAGON_ERR_AGAIN);
    cr_assert(
        rings(A, change, B,
              (struct sync_call){.op = SYNC_VALUE_DO, .a = 1 << 8 | DRAGON_ATOMIC_ADD, .b = 1}));
    cr_assert_eq(result(A, change), 2);
    cr_assert(
        rings(A, change, B, (struct sync_call){.op = SYNC_VALUE_SWAP, .a = 1, .b = 2, .c = 3}));
    cr_assert_not(rings(A, change, B, (struct sync_call){.op = SYNC_VALUE_DO, .a = 1 << 8}));
}

Test(sync, numbers_and_operations_that_do_not_exist_are_refused)
{
    make((struct object_spec){.kind = OBJECT_VALUE, .capacity = 2});
    cr_assert_eq(try(A, (struct sync_call){.op = SYNC_VALUE_DO, .a = 2 << 8}), DRAGON_ERR_INVAL);
    cr_assert_eq(try(A, (struct sync_call){.op = SYNC_VALUE_DO, .a = 9}), DRAGON_ERR_INVAL);
    cr_assert_eq(try(A, (struct sync_call){.op = SYNC_VALUE_DO, .a = UINT64_MAX}),
                 DRAGON_ERR_INVAL);
    cr_assert_eq(try(A, (struct sync_call){.op = SYNC_VALUE_SWAP, .a = 2}), DRAGON_ERR_INVAL);
    cr_assert_eq(try(A, (struct sync_call){.op = SYNC_VALUE_CHANGE, .a = UINT64_MAX}),
                 DRAGON_ERR_INVAL);
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_ERR_UNSUPPORTED);
    cr_assert_eq(op(A, SYNC_QUEUE_JOIN), DRAGON_ERR_UNSUPPORTED);
    cr_assert_eq(op(A, SYNC_OPS), DRAGON_ERR_UNSUPPORTED);
    cr_assert_eq(op(A, (enum sync_op)UINT32_MAX), DRAGON_ERR_UNSUPPORTED);
}

// ---- all kinds

Test(sync, specs_that_make_no_sense_have_no_size)
{
    static const struct object_spec bad[] = {
        {.kind = OBJECT_NONE},
        {.kind = OBJECT_CHANNEL},
        {.kind = OBJECT_KINDS},
        {.kind = OBJECT_SEMAPHORE, .capacity = 2, .initial = 3},
        {.kind = OBJECT_SEMAPHORE, .initial = -1},
        {.kind = OBJECT_SEMAPHORE, .initial = 1ll << 32},
        {.kind = OBJECT_BARRIER, .capacity = 0},
        {.kind = OBJECT_BARRIER, .capacity = DRAGON_BARRIER_MOST + 1},
        {.kind = OBJECT_VALUE, .capacity = 0},
        {.kind = OBJECT_VALUE, .capacity = DRAGON_VALUE_MOST + 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(sync_bytes(&bad[i]), 0, "spec %zu", i);
}

Test(sync, what_is_no_whole_object_is_not_taken_for_one)
{
    struct object_spec spec = {.kind = OBJECT_VALUE, .capacity = 1000};
    make(spec);
    size_t bytes = object_bytes(&spec);
    cr_assert(object_check(object, object->id, OBJECT_VALUE, bytes));
    cr_assert_not(object_check(object, object->id, OBJECT_VALUE, bytes - 64));
    cr_assert_not(object_check(object, object->id, OBJECT_VALUE, 0));
    cr_assert_not(object_check(object, object->id, OBJECT_LOCK, bytes));
    cr_assert_not(object_check(object, object->id + 1, OBJECT_VALUE, bytes));
}

Test(sync, a_destroyed_object_is_closed_and_wakes_everybody)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    struct sync_call acquire = {.op = SYNC_LOCK_ACQUIRE};
    cr_assert_eq(try(A, acquire), DRAGON_OK);
    waitset_enter(sync_set(object, &acquire), B);
    uint32_t seen = bell_seen(board_slot(world->keeper->board, B));
    object_destroy(object, world->space);
    cr_assert_neq(bell_seen(board_slot(world->keeper->board, B)), seen);
    cr_assert_eq(try(B, acquire), DRAGON_ERR_CLOSED);
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_ERR_CLOSED);
}

Test(sync, what_does_not_wait_has_no_waitset)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    cr_assert_not_null(sync_set(object, &(struct sync_call){.op = SYNC_LOCK_ACQUIRE}));
    cr_assert_null(sync_set(object, &(struct sync_call){.op = SYNC_LOCK_RELEASE}));
    cr_assert_null(sync_set(object, &(struct sync_call){.op = SYNC_FLAG_WAIT})); // of another kind
    cr_assert_null(sync_set(object, &(struct sync_call){.op = UINT32_MAX}));
}

Test(sync, time_outs)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    cr_assert_eq(op(A, SYNC_LOCK_ACQUIRE), DRAGON_OK);
    struct sync_call acquire = {.op = SYNC_LOCK_ACQUIRE};
    cr_assert_eq(world_do(world, object, acquire, NULL, NULL, 0), DRAGON_ERR_AGAIN);
    cr_assert_eq(world_do(world, object, acquire, NULL, NULL, 1), DRAGON_ERR_TIMEOUT);
    // it waited for so long that it asked for a turn, and gave it up
    cr_assert_eq(world_do(world, object, acquire, NULL, NULL, 5), DRAGON_ERR_TIMEOUT);
    cr_assert_eq(op(A, SYNC_LOCK_RELEASE), DRAGON_OK);
    cr_assert_eq(op(B, SYNC_LOCK_ACQUIRE), DRAGON_OK);
    cr_assert_eq(waitset_count(sync_set(object, &acquire)), 0);
}
