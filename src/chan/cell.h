// SPDX-License-Identifier: BSD-3-Clause
//
// A cell of a ring: a state word, what is said of the message, and the message when it is small. And positions in a ring.
// Both are words with the lap in the upper 40 bits, so that they are compared by subtracting.
//
//     state:     lap 40 | slot 16 | phase 8          position:  lap 40 | index 24
#ifndef CHAN_CELL_H
#define CHAN_CELL_H

#include "chan/ring.h"

enum cell_phase {
    CELL_FREE, // 0, as the memory of a new ring is
    CELL_WRITING,
    CELL_FULL,
    CELL_READING,
    CELL_VOID,
    CELL_END,
};

enum { CELL_HEADER = 40, CELL_SMALL = 24, CELL_LINE = 64 };
#define CELL_LAP (1ull << 24)
#define CELL_LAP_MASK (~(CELL_LAP - 1))

// What lies in the first cache line is also read by receivers that may come too late, so all of it is atomic words.
struct cell {
    _Atomic uint64_t state;
    _Atomic uint64_t tag, bytes;
    _Atomic uint64_t block; // 0 but while it is being written, full or read
    _Atomic uint64_t how;   // flags, ticket, sender
    _Atomic uint64_t small[CELL_SMALL / 8];
    uint8_t data[]; // the rest of the message
};
_Static_assert(sizeof(struct cell) == CELL_LINE, "the header is a cache line");

static inline uint64_t cell_state(uint64_t lap, uint32_t slot, enum cell_phase phase)
{
    return (lap & CELL_LAP_MASK) | (uint64_t)slot << 8 | phase;
}
static inline enum cell_phase cell_phase(uint64_t state)
{
    return (enum cell_phase)(state & 0xff);
}
static inline uint32_t cell_slot(uint64_t state)
{
    return (uint32_t)(state >> 8) & 0xffff;
}
// How many laps the cell is before the position, times CELL_LAP.
static inline int64_t cell_ahead(uint64_t state, uint64_t position)
{
    return (int64_t)((state & CELL_LAP_MASK) - (position & CELL_LAP_MASK));
}

static inline struct cell *cell_at(struct ring *ring, uint64_t position)
{
    return (struct cell *)((uint8_t *)(ring + 1) +
                           (position & (CELL_LAP - 1)) * ring->config.cell_bytes);
}
static inline bool position_valid(const struct ring *ring, uint64_t position)
{
    return (position & (CELL_LAP - 1)) < ring->config.capacity;
}
static inline uint64_t position_next(const struct ring *ring, uint64_t position)
{
    uint64_t index = (position & (CELL_LAP - 1)) + 1;
    return index < ring->config.capacity ? position + 1 : (position & CELL_LAP_MASK) + CELL_LAP;
}
static inline uint64_t position_count(const struct ring *ring, uint64_t position)
{
    return (position >> 24) * ring->config.capacity + (position & (CELL_LAP - 1));
}

// A place in the ring, as it was a moment ago.
struct spot {
    uint64_t position, state;
    struct cell *cell;
};
struct spot ring_tail(struct ring *ring); // the first that no sender has taken
struct spot ring_head(struct ring *ring); // the oldest that no receiver has taken
// False: it is none of `from` any more.
static inline bool spot_change(const struct spot *spot, uint64_t to)
{
    uint64_t from = spot->state;
    return atomic_compare_exchange_strong(&spot->cell->state, &from, to);
}
static inline bool spot_skip_void(const struct spot *spot)
{
    return spot_change(spot, cell_state(spot->state + CELL_LAP, 0, CELL_FREE));
}

enum { HOW_SENDER = 8, HOW_TICKET = 32 }; // shifts in `how`; below: flags
// With RING_TELL: the answer to the sender, TAKEN_*. It is rung by the caller.
void ring_tell(struct space *space, uint64_t how, uint32_t taken);

#endif
