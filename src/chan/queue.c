// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "chan/queue.h"

#include "chan/cell.h"

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

static struct queue_slot *slot_of(struct queue *queue, uint32_t slot)
{
    slot &= BOARD_SLOTS - 1;
    return &queue->slots[slot % QUEUE_ROWS][slot / QUEUE_ROWS];
}

void queue_init(struct queue *queue)
{
    atomic_init(&queue->used, 0);
    atomic_init(&queue->told, 0);
}

// In the number of a value: it was taken over from the slot that took it from the ring.
static const uint32_t TAKEN_OVER = 1u << 31;

// Which value of the queue this is.
static uint32_t number_of(const struct ring *ring, uint64_t position)
{
    return (uint32_t)position_count(ring, position) & ~TAKEN_OVER;
}

// Before anything of the slot is counted, so that sums do not miss it.
static void queue_use(struct queue *queue, uint32_t slot)
{
    uint32_t used = atomic_load_explicit(&queue->used, memory_order_relaxed);
    while (used <= slot && !atomic_compare_exchange_weak(&queue->used, &used, slot + 1))
        ;
}

static void count_taken(struct queue *queue, uint32_t slot, uint32_t number)
{
    queue_use(queue, slot);
    struct queue_slot *own = slot_of(queue, slot);
    uint64_t taken = atomic_load_explicit(&own->taken, memory_order_relaxed);
    atomic_store_explicit(&own->taken, pair(high(taken) + 1, number), memory_order_release);
}

void queue_taken(struct ring *ring, uint32_t slot, uint64_t position)
{
    count_taken(queue_of(ring), slot, number_of(ring, position));
}

struct sums {
    uint32_t done; // or lost
    uint32_t lost;
};

static struct sums queue_sums(struct queue *queue)
{
    struct sums sums = {0};
    uint32_t used = atomic_load(&queue->used);
    if (used > BOARD_SLOTS)
        used = BOARD_SLOTS;
    uint32_t rows = used < QUEUE_ROWS ? used : QUEUE_ROWS;
    uint32_t columns = (used + QUEUE_ROWS - 1) / QUEUE_ROWS;
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t column = 0; column < columns; column++) {
            uint64_t done = atomic_load(&queue->slots[row][column].done);
            sums.done += high(done);
            sums.lost += low(done);
        }
    }
    return sums;
}

// Counts only grow, and what was begun is counted last: so when nothing of it is left, nothing was at that moment.
static uint32_t queue_unfinished(struct ring *ring, struct sums *sums_out)
{
    *sums_out = queue_sums(queue_of(ring));
    uint32_t never_came = (uint32_t)atomic_load(&ring->lost);
    uint32_t begun = (uint32_t)position_count(ring, ring_tail(ring).position);
    return begun - never_came - sums_out->done;
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
    struct queue_slot *own = slot_of(queue_of(ring), slot);
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

// The transport took the value from the ring, so it was counted as the transport's: now it is the slot's. Its number
// goes with it: whoever recovers the transport sees from it that the value is not the transport's any more.
dragon_err_t queue_take_over(struct ring *ring, struct space *space, uint32_t slot)
{
    if (slot == space->slot)
        return DRAGON_OK;
    struct queue *queue = queue_of(ring);
    struct queue_slot *from = slot_of(queue, space->slot);
    uint64_t taken = atomic_load_explicit(&from->taken, memory_order_relaxed);
    if (high(taken) == high(atomic_load_explicit(&from->done, memory_order_relaxed)))
        return DRAGON_ERR_STATE;
    count_taken(queue, slot, low(taken) | TAKEN_OVER);
    atomic_store_explicit(&from->taken, pair(high(taken) - 1, low(taken)), memory_order_release);
    return DRAGON_OK;
}

// Another slot has taken over the value with this number.
static bool taken_over(struct queue *queue, uint32_t number)
{
    for (uint32_t slot = 0; slot < BOARD_SLOTS; slot++)
        if (low(atomic_load(&slot_of(queue, slot)->taken)) == (number | TAKEN_OVER))
            return true;
    return false;
}

void queue_recover(struct ring *ring, uint32_t dead, const uint64_t *receiving)
{
    struct queue *queue = queue_of(ring);
    struct queue_slot *own = slot_of(queue, dead);
    uint64_t taken = atomic_load(&own->taken);
    uint64_t done = atomic_load(&own->done);
    bool any = high(taken) != high(done); // else the number says nothing
    if (receiving && !(any && low(taken) == number_of(ring, *receiving))) {
        queue_taken(ring, dead, *receiving);
        taken = atomic_load(&own->taken);
    }
    uint32_t lost = high(taken) - high(done);
    if (lost == 0)
        return;
    if (!(low(taken) & TAKEN_OVER) && taken_over(queue, low(taken)))
        lost--;
    uint32_t over = high(done) + lost;
    atomic_store(&own->taken, pair(over, low(taken)));
    atomic_store(&own->done, pair(over, low(done) + lost));
}

dragon_err_t queue_join(struct ring *ring, uint64_t *lost_out)
{
    struct queue *queue = queue_of(ring);
    uint32_t told = atomic_load(&queue->told);
    struct sums sums;
    do {
        if (queue_unfinished(ring, &sums) != 0)
            return DRAGON_ERR_AGAIN;
    } while (!atomic_compare_exchange_strong(&queue->told, &told, sums.lost));
    *lost_out = sums.lost - told;
    return DRAGON_OK;
}
