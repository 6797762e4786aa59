// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "chan/queue.h"

#include "chan/cell.h"

struct queue_slot {         // what one slot had
    _Atomic uint64_t taken; // how many values << 32 | the number of the latest one, from 1
    _Atomic uint64_t done;  // how many of them are done or lost << 32 | how many are lost
};

enum { QUEUE_ROWS = BOARD_SLOTS / 4 };

struct queue_tasks {
    _Atomic uint32_t used; // slots up to here have had any
    _Atomic uint32_t told; // lost values that a join has told of
    uint8_t room[64 - 8];
    // By slot % QUEUE_ROWS, slot / QUEUE_ROWS, so that neighbours do not share a cache line.
    struct queue_slot slots[QUEUE_ROWS][4];
};
_Static_assert(sizeof(struct queue_tasks) % 64 == 0, "whole cache lines");

// Counts are of 32 bits and go round; there are never so many values at once.

static uint64_t pair(uint32_t high, uint32_t low)
{
    return (uint64_t)high << 32 | low;
}

static uint32_t high(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint32_t low(uint64_t word)
{
    return (uint32_t)word;
}

static struct queue_slot *slot_of(struct queue_tasks *tasks, uint32_t slot)
{
    slot &= BOARD_SLOTS - 1;
    return &tasks->slots[slot % QUEUE_ROWS][slot / QUEUE_ROWS];
}

size_t queue_bytes(void)
{
    return sizeof(struct queue_tasks);
}

void queue_init(struct queue_tasks *tasks)
{
    atomic_init(&tasks->used, 0);
    atomic_init(&tasks->told, 0);
}

// Which value of the queue this is, from 1.
static uint32_t number_of(const struct ring *ring, uint64_t position)
{
    return (uint32_t)position_count(ring, position) + 1;
}

// Before anything of the slot is counted, so that sums do not miss it.
static void queue_use(struct queue_tasks *tasks, uint32_t slot)
{
    uint32_t used = atomic_load_explicit(&tasks->used, memory_order_relaxed);
    while (used <= slot && !atomic_compare_exchange_weak(&tasks->used, &used, slot + 1))
        ;
}

static void count_taken(struct queue_tasks *tasks, uint32_t slot, uint32_t number)
{
    queue_use(tasks, slot);
    struct queue_slot *own = slot_of(tasks, slot);
    uint64_t taken = atomic_load_explicit(&own->taken, memory_order_relaxed);
    atomic_store_explicit(&own->taken, pair(high(taken) + 1, number), memory_order_release);
}

void queue_take(struct ring *ring, uint32_t slot, uint64_t position)
{
    count_taken(ring_tasks(ring), slot, number_of(ring, position));
}

void queue_lose(struct ring *ring, uint32_t slot, uint64_t position)
{
    struct queue_tasks *tasks = ring_tasks(ring);
    uint32_t number = number_of(ring, position);
    if (low(atomic_load(&slot_of(tasks, slot)->taken)) != number)
        count_taken(tasks, slot, number);
}

struct sums {
    uint32_t done; // or lost
    uint32_t lost;
};

// Counts only grow, and what was sent is asked for after this: so when as many are done as were sent, all were done at the time
// of asking.
static struct sums queue_sums(struct queue_tasks *tasks)
{
    struct sums sums = {0};
    uint32_t used = atomic_load(&tasks->used);
    if (used > BOARD_SLOTS)
        used = BOARD_SLOTS;
    uint32_t rows = used < QUEUE_ROWS ? used : QUEUE_ROWS;
    uint32_t columns = (used + QUEUE_ROWS - 1) / QUEUE_ROWS;
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t column = 0; column < columns; column++) {
            uint64_t done = atomic_load(&tasks->slots[row][column].done);
            sums.done += high(done);
            sums.lost += low(done);
        }
    }
    return sums;
}

static uint32_t queue_unfinished(struct ring *ring, struct sums *sums_out)
{
    *sums_out = queue_sums(ring_tasks(ring));
    uint32_t over = sums_out->done + (uint32_t)atomic_load(&ring->done);
    return (uint32_t)ring_sent(ring) - over;
}

dragon_err_t queue_state(struct ring *ring, uint64_t *result_out)
{
    struct sums sums;
    uint32_t unfinished = queue_unfinished(ring, &sums);
    *result_out = pair(unfinished, ring_waiting(ring));
    return DRAGON_OK;
}

// `count` of what the slot took are done, or lost. STATE: it has not so many.
static dragon_err_t queue_count_done(struct ring *ring, struct space *space, uint32_t slot,
                                     uint64_t count, bool lost)
{
    struct queue_slot *own = slot_of(ring_tasks(ring), slot);
    uint32_t taken = high(atomic_load_explicit(&own->taken, memory_order_relaxed));
    uint64_t done = atomic_load_explicit(&own->done, memory_order_relaxed);
    uint32_t left = taken - high(done);
    if (count > left)
        return DRAGON_ERR_STATE;
    uint32_t some = (uint32_t)count;
    // seq_cst: who waits for it has told so before it looked, or we see it now
    atomic_store(&own->done, pair(high(done) + some, low(done) + (lost ? some : 0)));
    if (left == some && waitset_any(&ring->joiners)) {
        struct sums sums;
        if (queue_unfinished(ring, &sums) == 0)
            space_wake_all(space, &ring->joiners);
    }
    return DRAGON_OK;
}

dragon_err_t queue_done(struct ring *ring, struct space *space, uint32_t slot)
{
    return queue_count_done(ring, space, slot, 1, false);
}

dragon_err_t queue_give_up(struct ring *ring, struct space *space, uint32_t slot, uint64_t count)
{
    return queue_count_done(ring, space, slot, count, true);
}

// The transport took the value from the ring, so it was counted as the transport's: now it is the slot's. Its number goes with it:
// whoever recovers the transport sees from it that the value is not the transport's any more.
dragon_err_t queue_take_over(struct ring *ring, struct space *space, uint32_t slot)
{
    if (slot == space->slot)
        return DRAGON_OK;
    struct queue_tasks *tasks = ring_tasks(ring);
    struct queue_slot *from = slot_of(tasks, space->slot);
    uint64_t taken = atomic_load_explicit(&from->taken, memory_order_relaxed);
    if (high(taken) == high(atomic_load_explicit(&from->done, memory_order_relaxed)))
        return DRAGON_ERR_STATE;
    count_taken(tasks, slot, low(taken));
    atomic_store_explicit(&from->taken, pair(high(taken) - 1, low(taken)), memory_order_release);
    return DRAGON_OK;
}

// Another slot has taken over the value that `dead` took last.
static bool taken_over(struct queue_tasks *tasks, const struct queue_slot *dead)
{
    uint32_t number = low(atomic_load(&dead->taken));
    for (uint32_t slot = 0; slot < BOARD_SLOTS; slot++) {
        struct queue_slot *other = slot_of(tasks, slot);
        uint64_t taken = atomic_load(&other->taken);
        if (other != dead && taken != 0 && low(taken) == number)
            return true;
    }
    return false;
}

void queue_recover(struct ring *ring, uint32_t dead)
{
    struct queue_tasks *tasks = ring_tasks(ring);
    struct queue_slot *own = slot_of(tasks, dead);
    uint64_t taken = atomic_load(&own->taken);
    uint64_t done = atomic_load(&own->done);
    uint32_t lost = high(taken) - high(done);
    if (lost == 0)
        return;
    if (taken_over(tasks, own))
        lost--;
    uint32_t over = high(done) + lost;
    atomic_store(&own->taken, pair(over, low(taken)));
    atomic_store(&own->done, pair(over, low(done) + lost));
}

dragon_err_t queue_join(struct ring *ring, uint64_t *lost_out)
{
    struct queue_tasks *tasks = ring_tasks(ring);
    uint32_t told = atomic_load(&tasks->told);
    struct sums sums;
    do {
        if (queue_unfinished(ring, &sums) != 0)
            return DRAGON_ERR_AGAIN;
    } while (!atomic_compare_exchange_strong(&tasks->told, &told, sums.lost));
    *lost_out = sums.lost - told;
    return DRAGON_OK;
}
