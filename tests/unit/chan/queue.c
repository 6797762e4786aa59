// SPDX-License-Identifier: BSD-3-Clause
//
// Queues: what counts as not done, whose it is, and what a join says.
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

TestSuite(queue, .init = set_up, .fini = tear_down, .timeout = 300);

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
