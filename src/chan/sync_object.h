// SPDX-License-Identifier: BSD-3-Clause
//
// What the sync_*.c files share: how the objects look in memory, and the operations that sync.c dispatches to.
//
// All that counts of a lock, semaphore, barrier or flag is one word, changed by one compare-and-swap; waking comes
// after. Who is killed between the two wakes nobody, so the keeper rings everybody after a death.
#ifndef CHAN_SYNC_OBJECT_H
#define CHAN_SYNC_OBJECT_H

#include "chan/sync.h"

struct sync {
    struct object object;
    uint32_t limit; // never changes. semaphore: most; barrier: parties; value: how many numbers
    uint8_t room0[64 - 20];
    _Alignas(64) struct waitset waiters;
    _Alignas(64) _Atomic uint64_t word; // see the kind's file
    uint8_t room1[64 - 8];
};

enum { BARRIER_ROWS = BOARD_SLOTS / 16 };

struct sync_barrier {
    struct sync sync;
    _Atomic uint32_t used; // slots up to here have come
    uint8_t room[64 - 4];
    // Of each slot: the generation it came to last, see sync_barrier.c. By slot % BARRIER_ROWS, slot / BARRIER_ROWS,
    // so that neighbours do not share a cache line.
    _Atomic uint32_t came[BARRIER_ROWS][16];
};

struct sync_value {
    struct sync sync;
    _Atomic int64_t numbers[];
};

struct sync_step { // one operation that is tried
    struct sync *sync;
    struct space *space;
    uint32_t slot;
    uint64_t a, b, c;
    uint64_t result; // out
};

dragon_err_t sync_lock_acquire(struct sync_step *step);
dragon_err_t sync_lock_release(struct sync_step *step);
dragon_err_t sync_lock_leave(struct sync_step *step);
void sync_lock_recover(struct sync *sync, uint32_t dead);

void sync_semaphore_init(struct sync *sync, const struct object_spec *spec);
dragon_err_t sync_semaphore_acquire(struct sync_step *step);
dragon_err_t sync_semaphore_release(struct sync_step *step);
dragon_err_t sync_semaphore_leave(struct sync_step *step);
dragon_err_t sync_semaphore_value(struct sync_step *step);
void sync_semaphore_recover(struct sync *sync, uint32_t dead);

void sync_barrier_init(struct sync *sync);
dragon_err_t sync_barrier_arrive(struct sync_step *step);
dragon_err_t sync_barrier_wait(struct sync_step *step);
dragon_err_t sync_barrier_leave(struct sync_step *step);
dragon_err_t sync_barrier_abort(struct sync_step *step);
dragon_err_t sync_barrier_reset(struct sync_step *step);
dragon_err_t sync_barrier_state(struct sync_step *step);
dragon_err_t sync_barrier_detach(struct sync_step *step);
void sync_barrier_recover(struct sync *sync, uint32_t dead);

dragon_err_t sync_flag_set(struct sync_step *step);
dragon_err_t sync_flag_clear(struct sync_step *step);
dragon_err_t sync_flag_get(struct sync_step *step);
dragon_err_t sync_flag_wait(struct sync_step *step);

void sync_value_init(struct sync *sync, const struct object_spec *spec);
dragon_err_t sync_value_do(struct sync_step *step);
dragon_err_t sync_value_swap(struct sync_step *step);
dragon_err_t sync_value_change(struct sync_step *step);

// ---- turns: of locks and semaphores. In the upper half of the word: whose turn it is, and who is to be rung for him.
//
//     | 8 bits 0 | 12 bits: who is rung | 12 bits: whose turn | 32 bits: the owner, or the value |

enum { TURN_SHIFT = 32, TURN_RUNG_SHIFT = 44 };

static inline uint32_t turn_of(uint64_t word)
{
    return (uint32_t)(word >> TURN_SHIFT) & (BOARD_SLOTS - 1);
}

static inline uint64_t turn_none(uint64_t word)
{
    return (uint32_t)word;
}

static inline uint64_t turn_give(uint64_t word, uint32_t slot, const struct space *space)
{
    return turn_none(word) | (uint64_t)slot << TURN_SHIFT |
           (uint64_t)space->slot << TURN_RUNG_SHIFT;
}

// May `slot` have it, as far as turns go?
static inline bool turn_allows(uint64_t word, uint32_t slot)
{
    return turn_of(word) == SLOT_NONE || turn_of(word) == slot;
}

// There is something for `count` of those who wait.
static inline void turn_wake(struct sync_step *step, uint64_t word, uint32_t count)
{
    if (turn_of(word) != SLOT_NONE) {
        space_ring(step->space, (uint32_t)(word >> TURN_RUNG_SHIFT) & (BOARD_SLOTS - 1));
        return;
    }
    for (; count > 0 && waitset_any(&step->sync->waiters); count--)
        space_wake_one(step->space, &step->sync->waiters);
}

#endif
