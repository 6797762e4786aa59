// SPDX-License-Identifier: BSD-3-Clause
//
// Barriers, tried by several slots from one process: who of a generation is told what, whatever comes after it.
#include "config.h"

#include "world.h"

#include <dragon/sync.h>

static struct world *world;
static struct object *object;

static void set_up(void)
{
    world = world_create();
}

static void tear_down(void)
{
    world_destroy(world);
}

TestSuite(sync_barrier, .init = set_up, .fini = tear_down, .timeout = 60);

enum { A = 10, B = 11, C = 12 }; // slots

static void make(uint32_t parties)
{
    object =
        world_object(world, &(struct object_spec){.kind = OBJECT_BARRIER, .capacity = parties});
}

static uint64_t arrive(uint32_t slot)
{
    uint64_t token = 0;
    struct sync_call call = {.op = SYNC_BARRIER_ARRIVE};
    cr_assert_eq(world_try(world, object, slot, call, &token), DRAGON_OK);
    return token;
}

static dragon_err_t op(uint32_t slot, enum sync_op op)
{
    return world_try(world, object, slot, (struct sync_call){.op = op}, NULL);
}

static dragon_err_t wait_with(uint32_t slot, uint64_t token)
{
    struct sync_call call = {.op = SYNC_BARRIER_WAIT, .a = token};
    return world_try(world, object, slot, call, NULL);
}

static dragon_err_t leave_with(uint32_t slot, uint64_t token, uint64_t *complete_out)
{
    struct sync_call call = {.op = SYNC_BARRIER_LEAVE, .a = token};
    return world_try(world, object, slot, call, complete_out);
}

static void expect_state(uint32_t waiting, bool broken)
{
    uint64_t state = 0;
    struct sync_call call = {.op = SYNC_BARRIER_STATE};
    cr_assert_eq(world_try(world, object, A, call, &state), DRAGON_OK);
    cr_assert_eq(state, (uint64_t)broken << 32 | waiting);
}

Test(sync_barrier, all_or_none)
{
    make(3);
    expect_state(0, false);
    for (int round = 0; round < 3; round++) {
        uint64_t a = arrive(A), b = arrive(B);
        cr_assert_eq(sync_token_index(a), 0);
        cr_assert_eq(sync_token_index(b), 1);
        cr_assert_eq(wait_with(A, a), DRAGON_ERR_AGAIN);
        expect_state(2, false);
        uint64_t c = arrive(C);
        cr_assert_eq(sync_token_index(c), 2);
        cr_assert_eq(wait_with(A, a), DRAGON_OK);
        cr_assert_eq(wait_with(B, b), DRAGON_OK);
        cr_assert_eq(wait_with(C, c), DRAGON_OK);
        expect_state(0, false);
    }
}

Test(sync_barrier, of_one_never_waits)
{
    make(1);
    for (int round = 0; round < 5; round++)
        cr_assert_eq(wait_with(A, arrive(A)), DRAGON_OK);
}

Test(sync_barrier, of_as_many_as_there_can_be)
{
    make(DRAGON_BARRIER_MOST);
    uint64_t first = arrive(SLOT_FIRST);
    for (uint32_t slot = SLOT_FIRST + 1; slot < BOARD_SLOTS - 1; slot++)
        arrive(slot);
    cr_assert_eq(wait_with(SLOT_FIRST, first), DRAGON_ERR_AGAIN);
    cr_assert_eq(sync_token_index(arrive(BOARD_SLOTS - 1)), DRAGON_BARRIER_MOST - 1);
    cr_assert_eq(wait_with(SLOT_FIRST, first), DRAGON_OK);
}

Test(sync_barrier, who_only_comes_last_does_not_come_before)
{
    make(2);
    struct sync_call last = {.op = SYNC_BARRIER_ARRIVE, .a = 1};
    cr_assert_eq(world_try(world, object, A, last, NULL), DRAGON_ERR_AGAIN);
    expect_state(0, false);
    object_recover(object, A, world->space); // he was never here
    expect_state(0, false);
    uint64_t b = arrive(B);
    cr_assert_eq(world_try(world, object, A, last, NULL), DRAGON_OK);
    cr_assert_eq(wait_with(B, b), DRAGON_OK);
}

Test(sync_barrier, breaks_when_a_party_has_no_more_time)
{
    make(3);
    uint64_t a = arrive(A), b = arrive(B), complete = 9;
    cr_assert_eq(leave_with(A, a, &complete), DRAGON_OK);
    cr_assert_eq(complete, 0);
    expect_state(0, true);
    cr_assert_eq(wait_with(B, b), DRAGON_ERR_CANCELED);
    cr_assert_eq(leave_with(B, b, &complete), DRAGON_ERR_CANCELED);
    cr_assert_eq(op(C, SYNC_BARRIER_ARRIVE), DRAGON_ERR_CANCELED);
}

Test(sync_barrier, does_not_break_when_the_last_party_came_before_the_time_was_over)
{
    make(2);
    uint64_t a = arrive(A), complete = 0;
    arrive(B);
    cr_assert_eq(leave_with(A, a, &complete), DRAGON_OK);
    cr_assert_eq(complete, 1);
    expect_state(0, false);
}

Test(sync_barrier, who_was_complete_is_told_so_even_if_it_is_broken_right_after)
{
    make(2);
    uint64_t a = arrive(A);
    arrive(B);
    uint64_t b = arrive(B);
    cr_assert_eq(op(C, SYNC_BARRIER_ABORT), DRAGON_OK);
    cr_assert_eq(wait_with(A, a), DRAGON_OK);
    cr_assert_eq(wait_with(B, b), DRAGON_ERR_CANCELED);
    cr_assert_eq(op(C, SYNC_BARRIER_RESET), DRAGON_OK);
    cr_assert_eq(wait_with(A, a), DRAGON_OK);
    cr_assert_eq(wait_with(B, b), DRAGON_ERR_CANCELED);
    expect_state(0, false);
    uint64_t a2 = arrive(A);
    cr_assert_eq(wait_with(B, arrive(B)), DRAGON_OK);
    cr_assert_eq(wait_with(A, a2), DRAGON_OK);
    cr_assert_eq(wait_with(A, a), DRAGON_ERR_INVAL); // that was long ago
}

Test(sync_barrier, a_reset_sends_away_who_waits_and_is_nothing_when_nobody_does)
{
    make(2);
    cr_assert_eq(op(C, SYNC_BARRIER_RESET), DRAGON_OK);
    uint64_t a = arrive(A);
    cr_assert_eq(op(C, SYNC_BARRIER_RESET), DRAGON_OK);
    expect_state(0, false);
    cr_assert_eq(wait_with(A, a), DRAGON_ERR_CANCELED);
    uint64_t complete;
    cr_assert_eq(leave_with(A, a, &complete), DRAGON_ERR_CANCELED);
    expect_state(0, false); // leaving what was sent away breaks nothing
}

Test(sync_barrier, breaks_when_one_dies_who_has_ever_been_here)
{
    make(2);
    uint64_t b = arrive(B);
    arrive(A);
    object_recover(object, C, world->space); // who has not
    expect_state(0, false);
    object_recover(object, A, world->space);
    expect_state(0, true);
    cr_assert_eq(wait_with(B, b), DRAGON_OK);
    cr_assert_eq(op(C, SYNC_BARRIER_RESET), DRAGON_OK);
    object_recover(object, A, world->space); // the next one with the slot, who has not been here
    expect_state(0, false);
}

Test(sync_barrier, does_not_break_when_one_dies_who_had_left)
{
    make(2);
    arrive(A);
    arrive(B);
    cr_assert_eq(op(A, SYNC_BARRIER_DETACH), DRAGON_OK);
    object_recover(object, A, world->space);
    expect_state(0, false);
}

Test(sync_barrier, tokens_that_were_never_given_are_refused)
{
    make(2);
    cr_assert_eq(wait_with(A, UINT64_MAX), DRAGON_ERR_INVAL);
    cr_assert_eq(leave_with(A, arrive(A) + (1ull << 20), NULL), DRAGON_ERR_INVAL);
}

// However many generations come and are broken while somebody sleeps, he is told what became of his.
Test(sync_barrier, long_sleepers)
{
    make(2);
    uint64_t a = arrive(A);
    arrive(B);
    uint64_t b = arrive(B);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(op(C, SYNC_BARRIER_RESET), DRAGON_OK);
        cr_assert_eq(wait_with(A, a), DRAGON_OK);
        cr_assert_eq(wait_with(B, b), DRAGON_ERR_CANCELED);
        arrive(C);
    }
}
