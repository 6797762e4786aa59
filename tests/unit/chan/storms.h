// SPDX-License-Identifier: BSD-3-Clause
//
// Many processes at one object, and what they share beside it.
#ifndef TESTS_UNIT_CHAN_STORMS_H
#define TESTS_UNIT_CHAN_STORMS_H

#include "world.h"

enum { PROCESSES = 8, FIRST = 10 };

// What the processes share beside the object.
struct shared_state {
    _Atomic uint32_t started;
    _Atomic uint32_t left; // rounds
    _Atomic uint32_t rounds[PROCESSES];
    _Atomic int32_t inside;
    volatile uint64_t first, second; // always equal, for who has the lock
    _Atomic uint32_t abandoned, stop;
};

static struct world *world;
static struct object *object;
static struct shared_state *state;
static pid_t pids[PROCESSES];

static inline void make(struct object_spec spec)
{
    object = world_object(world, &spec);
}

static inline void start(int process, void (*work)(struct world *child, void *arg))
{
    pids[process] = world_child(world, FIRST + (uint32_t)process, work, (void *)(intptr_t)process);
}

static inline void start_all(void (*work)(struct world *child, void *arg))
{
    for (int i = 0; i < PROCESSES; i++)
        start(i, work);
}

static inline void expect_all_good(void)
{
    for (int i = 0; i < PROCESSES; i++)
        world_expect_good(world, pids[i], FIRST + (uint32_t)i);
}

static inline dragon_err_t child_do(struct world *child, struct sync_call call,
                                    uint64_t *result_out, struct spin *spin)
{
    return world_do(child, object, call, result_out, spin, WORLD_DEADLINE_MS);
}

static inline void wait_for_rounds(int process, uint32_t rounds)
{
    uint64_t deadline_ms = time_now_ms() + WORLD_DEADLINE_MS;
    while (atomic_load(&state->rounds[process]) < rounds) {
        cr_assert_lt(time_now_ms(), deadline_ms, "process %d is held up", process);
        sched_yield();
    }
}

#endif
