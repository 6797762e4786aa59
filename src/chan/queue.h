// SPDX-License-Identifier: BSD-3-Clause
//
// Queue: what a queue has beyond the ring it is: who took how many values, and how many of them are done, so that a
// join knows when all are, and values that a dead worker had are not waited for.
//
//     | struct ring | cells | struct queue |
//
// Each slot counts for itself, in words that only it and the recovery of its death change. How many values are not
// done is what was sent less what all slots have done; no total is kept that could be wrong when somebody dies
// between two steps. The sum is only made for who asks, and by a worker whose last value is done while somebody waits
// for all.
//
// A value counts as taken while its cell is still being read in the name of who takes it (queue_taken), and which
// value it was is in the same word. So whoever dies has counted that value or not, and the recovery knows which.
#ifndef CHAN_QUEUE_H
#define CHAN_QUEUE_H

#include "chan/ring.h"

struct queue_slot {         // what one slot had
    _Atomic uint64_t taken; // how many values << 32 | the number of the latest one
    _Atomic uint64_t done;  // how many of them are done or lost << 32 | how many are lost
};

enum { QUEUE_ROWS = BOARD_SLOTS / 4 };

struct queue {
    _Atomic uint32_t used; // slots up to here have had any
    _Atomic uint32_t told; // lost values that a join has told of
    uint8_t room[64 - 8];
    // By slot % QUEUE_ROWS, slot / QUEUE_ROWS, so that neighbours do not share a cache line.
    struct queue_slot slots[QUEUE_ROWS][4];
};
_Static_assert(sizeof(struct queue) % 64 == 0, "whole cache lines");

// Behind the cells, whose size is a multiple of 64.
static inline struct queue *queue_of(struct ring *ring)
{
    return (struct queue *)(void *)((uint8_t *)ring + sizeof(struct ring) +
                                    (size_t)ring->config.capacity * ring->config.cell_bytes);
}

// ---- for ring.c, when the object is a queue

static inline size_t queue_bytes(void) // beyond those of the ring
{
    return sizeof(struct queue);
}
// In zeroed memory.
void queue_init(struct queue *queue);
// By ring_pop, between taking the cell at `position` in the name of `slot` and freeing it.
void queue_taken(struct ring *ring, uint32_t slot, uint64_t position);
// By ring_recover. `receiving`: the position of the cell that was being read in the name of `dead`; NULL: none. What
// it took and did not do is lost.
void queue_recover(struct ring *ring, uint32_t dead, const uint64_t *receiving);

// ---- SYNC_QUEUE_*, for sync.c; see sync.h

dragon_err_t queue_state(struct ring *ring, uint64_t *result_out);
dragon_err_t queue_take_over(struct ring *ring, struct space *space, uint32_t slot);
dragon_err_t queue_done(struct ring *ring, struct space *space, uint32_t slot);
dragon_err_t queue_give_up(struct ring *ring, struct space *space, uint32_t slot, uint64_t count);
dragon_err_t queue_join(struct ring *ring, uint64_t *lost_out); // AGAIN

#endif
