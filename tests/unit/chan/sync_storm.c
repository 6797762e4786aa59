// SPDX-License-Identifier: BSD-3-Clause
//
// Many processes at one object, some of them killed at any moment: what it protects stays right, and nobody waits for what has
// come already (each wait that takes WORLD_DEADLINE_MS fails).
#include "config.h"

#include "world.h"

#include <dragon/sync.h>

enum { PROCESSES = 8, FIRST = 10 };

// What the processes share beside the object.
struct shared_state {
    _Atomic uint32_t started;
    _Atomic uint32_t left; // rounds
    _Atomic uint32_t rounds[PROCESSES];
    _Atomic int32_t inside, most_inside;
    volatile uint64_t first, second; // always equal, for who has the lock
    _Atomic uint32_t abandoned, stop;
};

static struct world *world;
static struct object *object;
static struct shared_state *state;
static pid_t pids[PROCESSES];

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

static void make(struct object_spec spec)
{
    object = world_object(world, &spec);
}

static void start(int process, void (*work)(struct world *child, void *arg))
{
    pids[process] = world_child(world, FIRST + (uint32_t)process, work, (void *)(intptr_t)process);
}

static void start_all(void (*work)(struct world *child, void *arg))
{
    for (int i = 0; i < PROCESSES; i++)
        start(i, work);
}

static void expect_all_good(void)
{
    for (int i = 0; i < PROCESSES; i++)
        world_expect_good(world, pids[i], FIRST + (uint32_t)i);
}

static dragon_err_t child_do(struct world *child, struct sync_call call, uint64_t *result_out,
                             struct spin *spin)
{
    return world_do(child, object, call, result_out, spin, WORLD_DEADLINE_MS);
}

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

static void wait_for_rounds(int process, uint32_t rounds)
{
    uint64_t deadline_ms = time_now_ms() + WORLD_DEADLINE_MS;
    while (atomic_load(&state->rounds[process]) < rounds) {
        cr_assert_lt(time_now_ms(), deadline_ms, "process %d is held up", process);
        sched_yield();
    }
}

Test(sync_storm, a_lock_survives_whoever_has_it_or_wants_it)
{
    make((struct object_spec){.kind = OBJECT_LOCK});
    start_all(count_and_repair);
    for (int kills = 0; kills < 100; kills++) {
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
    cr_log_info("%u of 100 had the lock", atomic_load(&state->abandoned));
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

// ---- barriers

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
    for (uint32_t round = 1; round <= 10000; round++) {
        atomic_store(&state->rounds[process], round);
        CHILD_CHECK(child_barrier(child, &spin) == DRAGON_OK);
        for (int i = 0; i < PROCESSES; i++) {
            uint32_t other = atomic_load(&state->rounds[i]);
            CHILD_CHECK(other == round || other == round + 1);
        }
    }
}

Test(sync_storm, a_barrier_keeps_all_in_step)
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

Test(sync_storm, a_barrier_lets_go_of_everybody_when_one_is_killed)
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

// One leaves now and then before all have come, and resets: each round either all are told that it was complete, or none is.
static void leave_and_reset(struct world *child, void *arg)
{
    struct spin spin = {0};
    (void)arg;
    for (unsigned i = 0; i < 1200; i++) {
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

Test(sync_storm, a_barrier_is_complete_for_all_or_for_none)
{
    make((struct object_spec){.kind = OBJECT_BARRIER, .capacity = PROCESSES});
    start(0, leave_and_reset);
    for (int i = 1; i < PROCESSES; i++)
        start(i, count_complete_rounds);
    expect_all_good();
    cr_assert_geq(atomic_load(&state->rounds[0]), 400);
    for (int i = 1; i < PROCESSES; i++)
        cr_assert_eq(atomic_load(&state->rounds[i]), atomic_load(&state->rounds[0]));
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
