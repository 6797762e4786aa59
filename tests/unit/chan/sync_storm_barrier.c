// SPDX-License-Identifier: BSD-3-Clause
//
// Many processes at one barrier, some of them killed at any moment: all are told the same of each round.
#include "config.h"

#include "storms.h"

static void set_up(void)
{
    world = world_create();
    state = fake_shared_memory(sizeof *state);
}

static void tear_down(void)
{
    munmap(state, sizeof *state);
    world_destroy(world);
}

TestSuite(sync_storm_barrier, .init = set_up, .fini = tear_down, .timeout = 300);

static dragon_err_t child_barrier(struct world *child, struct spin *spin)
{
    uint64_t token;
    dragon_err_t err = child_do(child, (struct sync_call){.op = SYNC_BARRIER_ARRIVE}, &token, NULL);
    if (err != DRAGON_OK)
        return err;
    return child_do(child, (struct sync_call){.op = SYNC_BARRIER_WAIT, .a = token}, NULL, spin);
}

static void many_rounds(struct world *child, void *arg)
{
    struct spin spin = {0};
    int process = (int)(intptr_t)arg;
    for (uint32_t round = 1; round <= 3000; round++) {
        atomic_store(&state->rounds[process], round);
        CHILD_CHECK(child_barrier(child, &spin) == DRAGON_OK);
        for (int i = 0; i < PROCESSES; i++) {
            uint32_t other = atomic_load(&state->rounds[i]);
            CHILD_CHECK(other == round || other == round + 1);
        }
    }
}

Test(sync_storm_barrier, a_barrier_keeps_all_in_step)
{
    make((struct object_spec){.kind = OBJECT_BARRIER, .capacity = PROCESSES});
    start_all(many_rounds);
    expect_all_good();
}

static void rounds_until_broken(struct world *child, void *arg)
{
    struct spin spin = {0};
    int process = (int)(intptr_t)arg;
    dragon_err_t err;
    while ((err = child_barrier(child, &spin)) == DRAGON_OK)
        atomic_fetch_add(&state->rounds[process], 1);
    CHILD_CHECK(err == DRAGON_ERR_CANCELED);
}

Test(sync_storm_barrier, a_barrier_lets_go_of_everybody_when_one_is_killed)
{
    make((struct object_spec){.kind = OBJECT_BARRIER, .capacity = PROCESSES});
    for (int kills = 0; kills < 50; kills++) {
        int dead = kills % PROCESSES;
        uint32_t before = atomic_load(&state->rounds[dead]);
        start_all(rounds_until_broken);
        wait_for_rounds(dead, before + 1 + (uint32_t)kills % 5);
        world_kill(world, pids[dead], FIRST + (uint32_t)dead);
        for (int i = 0; i < PROCESSES; i++)
            if (i != dead)
                world_expect_good(world, pids[i], FIRST + (uint32_t)i);
        struct sync_call reset = {.op = SYNC_BARRIER_RESET};
        cr_assert_eq(world_try(world, object, US, reset, NULL), DRAGON_OK);
    }
}

// One leaves now and then before all have come, and resets: each round either all are told that it was complete, or
// none is.
static void leave_and_reset(struct world *child, void *arg)
{
    struct spin spin = {0};
    (void)arg;
    for (unsigned i = 0; i < 600; i++) {
        uint64_t token, complete;
        struct sync_call arrive = {.op = SYNC_BARRIER_ARRIVE};
        CHILD_CHECK(child_do(child, arrive, &token, NULL) == DRAGON_OK);
        struct sync_call wait = {.op = SYNC_BARRIER_WAIT, .a = token};
        struct sync_call leave = {.op = SYNC_BARRIER_LEAVE, .a = token};
        if (i % 3 == 0) {
            CHILD_CHECK(child_do(child, wait, NULL, &spin) == DRAGON_OK);
            complete = 1;
        } else {
            for (unsigned k = 0; k < i % 7; k++)
                sched_yield();
            CHILD_CHECK(child_do(child, leave, &complete, NULL) == DRAGON_OK);
        }
        if (complete)
            atomic_fetch_add(&state->rounds[0], 1);
        else
            CHILD_CHECK(child_do(child, (struct sync_call){.op = SYNC_BARRIER_RESET}, NULL, NULL) ==
                        DRAGON_OK);
    }
    atomic_store(&state->stop, 1);
    CHILD_CHECK(child_do(child, (struct sync_call){.op = SYNC_BARRIER_ABORT}, NULL, NULL) ==
                DRAGON_OK);
}

static void count_complete_rounds(struct world *child, void *arg)
{
    struct spin spin = {0};
    int process = (int)(intptr_t)arg;
    while (!atomic_load(&state->stop)) {
        dragon_err_t err = child_barrier(child, &spin);
        CHILD_CHECK(err == DRAGON_OK || err == DRAGON_ERR_CANCELED);
        if (err == DRAGON_OK)
            atomic_fetch_add(&state->rounds[process], 1);
    }
}

Test(sync_storm_barrier, a_barrier_is_complete_for_all_or_for_none)
{
    make((struct object_spec){.kind = OBJECT_BARRIER, .capacity = PROCESSES});
    start(0, leave_and_reset);
    for (int i = 1; i < PROCESSES; i++)
        start(i, count_complete_rounds);
    expect_all_good();
    cr_assert_geq(atomic_load(&state->rounds[0]), 200);
    for (int i = 1; i < PROCESSES; i++)
        cr_assert_eq(atomic_load(&state->rounds[i]), atomic_load(&state->rounds[0]));
}
