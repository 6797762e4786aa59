// SPDX-License-Identifier: BSD-3-Clause
//
// What a queue has beside its ring: how many values each process has taken and not done. In shared memory, behind the cells.
//
// A value counts as its taker's from before its cell is given back, so nobody can die between the two: whoever dies with the
// cell in its hands has it counted, or queue_recover is told of the position and counts it then.
#ifndef CHAN_QUEUE_H
#define CHAN_QUEUE_H

#include "chan/ring.h"

struct queue_tasks;

size_t queue_bytes(void);
void queue_init(struct queue_tasks *tasks);

// `slot` is taking the value at this position of the ring, a number that no other value has. The cell is still its.
void queue_take(struct ring *ring, uint32_t slot, uint64_t position);
// `slot` is dead and had that cell: its value is lost, once, whether it was counted as taken or not.
void queue_lose(struct ring *ring, uint32_t slot, uint64_t position);
// After that: all that `dead` has taken is lost.
void queue_recover(struct ring *ring, uint32_t dead);

#endif
