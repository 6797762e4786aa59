// SPDX-License-Identifier: BSD-3-Clause
//
// Queue: what a queue has beside its ring: who took how many values, and how many of them are done, so that a join knows when all
// are, and values that a dead worker had are not waited for. In shared memory, behind the cells.
//
// Each slot counts for itself, in words that only it and the recovery of its death change. How many values are not done is what was
// sent less what all slots have done; no total is kept that could be wrong when somebody dies between two steps. The sum is
// only made for who asks, and by a worker whose last value is done while somebody waits for all.
//
// A value counts as its taker's from before its cell is given back, and the word says which one was counted last. So whoever dies
// with the cell in its hands has it counted or not, and queue_lose knows which.
#ifndef CHAN_QUEUE_H
#define CHAN_QUEUE_H

#include "chan/ring.h"

struct queue_tasks;

size_t queue_bytes(void);
void queue_init(struct queue_tasks *tasks); // in zeroed memory

// `slot` is taking the value at this position of the ring. The cell is still its.
void queue_take(struct ring *ring, uint32_t slot, uint64_t position);
// `slot` is dead and had that cell: its value counts as taken, if it did not already.
void queue_lose(struct ring *ring, uint32_t slot, uint64_t position);
// After that: all that `dead` has taken and not done is lost.
void queue_recover(struct ring *ring, uint32_t dead);

// ---- SYNC_QUEUE_*, for sync.c; see sync.h

dragon_err_t queue_state(struct ring *ring, uint64_t *result_out);
dragon_err_t queue_take_over(struct ring *ring, struct space *space, uint32_t slot);
dragon_err_t queue_done(struct ring *ring, struct space *space, uint32_t slot);
dragon_err_t queue_give_up(struct ring *ring, struct space *space, uint32_t slot, uint64_t count);
dragon_err_t queue_join(struct ring *ring, uint64_t *lost_out); // AGAIN

#endif
