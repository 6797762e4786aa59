// SPDX-License-Identifier: BSD-3-Clause
//
// Many processes at one object, some of them killed at any moment: what it protects stays right, and nobody waits for
// what has come already (each wait that takes WORLD_DEADLINE_MS fails).
#include "config.h"

#include "storms.h"

#include <dragon/sync.h>

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

TestSuite(sync_storm, .init = set_up, .fini = tear_down, .timeout = 300);

// All of them run when the first begins.
static void begin_together(void)
{
    atomic_fetch_add(&state->started, 1);
    while (atomic_load(&state->started) < PROCESSES)
        sched_yield();
}

static bool another_round(void)
{
    uint32_t left = atomic_load(&state->left);
    while (left > 0)
        if (atomic_compare_exchange_weak(&state->left, &left, left - 1))
            return true;
    return false;
}

// ---- locks

static const struct sync_call acquire = {.op = SYNC_LOCK_ACQUIRE};
static const struct sync_call release = {.op = SYNC_LOCK_RELEASE};

static void count_under_lock(struct world *child, void *arg)
{
    struct spin spin = {0};
    uint64_t abandoned;
    (void)arg;
    begin_together();
    while (another_round()) {
        CHILD_CHECK(child_do(child, acquire, &abandoned, &spin) == DRAGON_OK);
        CHILD_CHECK(!abandoned);
        CHILD_CHECK(state->first == state->second);
        state->first = state->first + 1;
        state->second = state->second + 1;
        CHILD_CHECK(child_do(child, release, NULL, NULL) == DRAGON_OK);
    }
}

Test(sync_storm, a_lock_lets_in_one_at_a_time)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    atomic_store(&state->left, 400000);
    start_all(count_under_lock);
    expect_all_good();
    cr_assert_eq(state->first, 400000);
    cr_assert_eq(state->second, 400000);
}

// Whoever is told that the lock was abandoned puts right what it protects.
static void count_and_repair(struct world *child, void *arg)
{
    struct spin spin = {0};
    uint64_t abandoned;
    int process = (int)(intptr_t)arg;
    while (!atomic_load(&state->stop)) {
        CHILD_CHECK(child_do(child, acquire, &abandoned, &spin) == DRAGON_OK);
        CHILD_CHECK(abandoned || state->first == state->second);
        if (abandoned) {
            atomic_fetch_add(&state->abandoned, 1);
            state->second = state->first;
        }
        state->first = state->first + 1;
        state->second = state->second + 1;
        atomic_fetch_add(&state->rounds[process], 1);
        CHILD_CHECK(child_do(child, release, NULL, NULL) == DRAGON_OK);
    }
}

Test(sync_storm, a_lock_survives_whoever_has_it_or_wants_it)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    start_all(count_and_repair);
    for (int kills = 0; kills < 50; kills++) {
        int process = kills % PROCESSES;
        // somebody else goes on, so each kill is at another place
        int other = (process + 3) % PROCESSES;
        wait_for_rounds(other, atomic_load(&state->rounds[other]) + 1);
        world_kill(world, pids[process], FIRST + (uint32_t)process);
        start(process, count_and_repair);
    }
    atomic_store(&state->stop, 1);
    expect_all_good();
    uint64_t abandoned;
    cr_assert_eq(world_try(world, object, US, acquire, &abandoned), DRAGON_OK);
    cr_assert_not(abandoned);
    cr_assert_eq(state->first, state->second);
    cr_log_info("%u of 50 had the lock", atomic_load(&state->abandoned));
}

// One that lets go and takes again at once does not keep the others out.
static void hog_lock(struct world *child, void *arg)
{
    struct spin spin = {0};
    (void)arg;
    while (!atomic_load(&state->stop)) {
        CHILD_CHECK(child_do(child, acquire, NULL, &spin) == DRAGON_OK);
        atomic_fetch_add(&state->rounds[0], 1);
        CHILD_CHECK(child_do(child, release, NULL, NULL) == DRAGON_OK);
    }
}

Test(sync_storm, nobody_starves_at_a_lock)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    start(0, hog_lock);
    wait_for_rounds(0, 1000);
    struct spin spin = {0};
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(world_do(world, object, acquire, NULL, &spin, WORLD_DEADLINE_MS), DRAGON_OK);
        cr_assert_eq(world_do(world, object, release, NULL, NULL, 0), DRAGON_OK);
    }
    atomic_store(&state->stop, 1);
    world_expect_good(world, pids[0], FIRST);
}

// ---- semaphores

enum { INSIDE_MOST = 3 };

static const struct sync_call take = {.op = SYNC_SEMAPHORE_ACQUIRE};
static const struct sync_call give = {.op = SYNC_SEMAPHORE_RELEASE, .a = 1};

static void come_and_go(struct world *child, void *arg)
{
    struct spin spin = {0};
    (void)arg;
    begin_together();
    while (another_round()) {
        CHILD_CHECK(child_do(child, take, NULL, &spin) == DRAGON_OK);
        CHILD_CHECK(atomic_fetch_add(&state->inside, 1) < INSIDE_MOST);
        atomic_fetch_sub(&state->inside, 1);
        CHILD_CHECK(child_do(child, give, NULL, NULL) == DRAGON_OK);
    }
}

Test(sync_storm, a_semaphore_lets_in_no_more_than_it_has)
{
    make((struct object_spec){
        .kind = OBJECT_SEMAPHORE, .capacity = INSIDE_MOST, .initial = INSIDE_MOST});
    atomic_store(&state->left, 400000);
    start_all(come_and_go);
    expect_all_good();
    uint64_t value;
    struct sync_call look = {.op = SYNC_SEMAPHORE_VALUE};
    cr_assert_eq(world_try(world, object, US, look, &value), DRAGON_OK);
    cr_assert_eq(value, INSIDE_MOST);
}

// Takes what we give, a little at a time and much at once.
static void take_only(struct world *child, void *arg)
{
    struct spin spin = {0};
    int process = (int)(intptr_t)arg;
    for (;;) {
        CHILD_CHECK(child_do(child, take, NULL, &spin) == DRAGON_OK);
        atomic_fetch_add(&state->rounds[process], 1);
    }
}

static uint64_t all_rounds(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < PROCESSES; i++)
        sum += atomic_load(&state->rounds[i]);
    return sum;
}

Test(sync_storm, what_a_semaphore_is_given_is_taken_while_who_waits_is_killed)
{
    make((struct object_spec){.kind = OBJECT_SEMAPHORE});
    start_all(take_only);
    uint64_t given = 0;
    for (int kills = 0; kills < 200; kills++) {
        int process = kills % PROCESSES;
        struct sync_call some = {.op = SYNC_SEMAPHORE_RELEASE, .a = 1 + (uint64_t)kills % 9};
        cr_assert_eq(world_try(world, object, US, some, NULL), DRAGON_OK);
        given += some.a;
        world_kill(world, pids[process], FIRST + (uint32_t)process);
        start(process, take_only);
        // all is taken in the end; what a dead one took it may not have counted
        uint64_t value = 1, deadline_ms = time_now_ms() + WORLD_DEADLINE_MS;
        while (value > 0) {
            struct sync_call look = {.op = SYNC_SEMAPHORE_VALUE};
            cr_assert_eq(world_try(world, object, US, look, &value), DRAGON_OK);
            cr_assert_lt(time_now_ms(), deadline_ms, "%lu are left after %d kills",
                         (unsigned long)value, kills);
            sched_yield();
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        world_kill(world, pids[i], FIRST + (uint32_t)i);
    cr_assert_leq(all_rounds(), given);
    cr_assert_geq(all_rounds() + 200 + PROCESSES, given);
}

// ---- flags and values

// Back and forth between two: one ring that is lost, and both wait for ever.
static void count_up_in_turns(struct world *child, void *arg)
{
    struct spin spin = {0};
    uint64_t now = 0;
    for (uint64_t mine = (uint64_t)(intptr_t)arg; mine < 20000; mine += 2) {
        while (now != mine) {
            struct sync_call change = {.op = SYNC_VALUE_CHANGE, .b = now};
            CHILD_CHECK(child_do(child, change, &now, &spin) == DRAGON_OK);
        }
        struct sync_call add = {.op = SYNC_VALUE_DO, .a = DRAGON_ATOMIC_ADD, .b = 1};
        CHILD_CHECK(child_do(child, add, &now, NULL) == DRAGON_OK);
        CHILD_CHECK(now++ == mine);
    }
}

Test(sync_storm, a_change_of_a_value_is_never_slept_through)
{
    make((struct object_spec){.kind = OBJECT_VALUE, .capacity = 1});
    start(0, count_up_in_turns);
    start(1, count_up_in_turns);
    world_expect_good(world, pids[0], FIRST);
    world_expect_good(world, pids[1], FIRST + 1);
}

static void wait_for_pulses(struct world *child, void *arg)
{
    struct spin spin = {0};
    int process = (int)(intptr_t)arg;
    for (int i = 0; i < 1000; i++) {
        uint64_t known;
        CHILD_CHECK(child_do(child, (struct sync_call){.op = SYNC_FLAG_GET}, &known, NULL) ==
                    DRAGON_OK);
        atomic_fetch_add(&state->rounds[process], 1);
        if (known & 1)
            continue;
        struct sync_call wait = {.op = SYNC_FLAG_WAIT, .a = known >> 1};
        CHILD_CHECK(child_do(child, wait, NULL, &spin) == DRAGON_OK);
    }
    atomic_fetch_add(&state->rounds[process], 1);
}

Test(sync_storm, a_flag_that_is_cleared_at_once_still_lets_everybody_go)
{
    make((struct object_spec){.kind = OBJECT_FLAG});
    start_all(wait_for_pulses);
    for (uint32_t round = 1; round <= 1000; round++) {
        for (int i = 0; i < PROCESSES; i++)
            wait_for_rounds(i, round);
        cr_assert_eq(world_try(world, object, US, (struct sync_call){.op = SYNC_FLAG_SET}, NULL),
                     DRAGON_OK);
        cr_assert_eq(world_try(world, object, US, (struct sync_call){.op = SYNC_FLAG_CLEAR}, NULL),
                     DRAGON_OK);
    }
    expect_all_good();
}
