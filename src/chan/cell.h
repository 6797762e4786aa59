// SPDX-License-Identifier: BSD-3-Clause
//
// A cell of a ring: a state word, what is said of the message, and the message when it is small. And positions in a
// ring. Both are words with the lap in the upper 40 bits, so that they are compared by subtracting.
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

static inline struct cell *cell_at(const struct ring *ring, uint64_t position)
{
    return (struct cell *)((uintptr_t)(ring + 1) +
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

// ---- walking

// A place in the ring, as it was a moment ago.
struct spot {
    uint64_t position, state;
    struct cell *cell;
};

static inline uint64_t ring_begin(const struct ring *ring, const _Atomic uint64_t *at)
{
    uint64_t position = atomic_load_explicit(at, memory_order_acquire);
    return position_valid(ring, position) ? position : 0;
}

// Those of others that come at the same time may win, and be older.
static inline void ring_move_on(_Atomic uint64_t *at, uint64_t position)
{
    if ((int64_t)(position - atomic_load_explicit(at, memory_order_relaxed)) > 0)
        atomic_store_explicit(at, position, memory_order_release);
}

// From a cell that was taken in that lap, perhaps a later one than we looked for, to the next.
static inline uint64_t position_after(const struct ring *ring, uint64_t position, uint64_t lap)
{
    return position_next(ring, (lap & CELL_LAP_MASK) | (position & (CELL_LAP - 1)));
}

// The first position that no sender has taken.
static inline struct spot ring_tail(const struct ring *ring)
{
    struct spot spot = {.position = ring_begin(ring, &ring->tail)};
    for (;;) {
        spot.cell = cell_at(ring, spot.position);
        spot.state = atomic_load(&spot.cell->state);
        int64_t ahead = cell_ahead(spot.state, spot.position);
        enum cell_phase phase = cell_phase(spot.state);
        bool untaken = phase == CELL_FREE || phase == CELL_END;
        if (ahead < 0 || (ahead == 0 && untaken))
            return spot;
        spot.position =
            position_after(ring, spot.position, untaken ? spot.state - CELL_LAP : spot.state);
    }
}

// The oldest position that no receiver has taken.
static inline struct spot ring_head(const struct ring *ring)
{
    struct spot spot = {.position = ring_begin(ring, &ring->head)};
    for (;;) {
        spot.cell = cell_at(ring, spot.position);
        spot.state = atomic_load(&spot.cell->state);
        int64_t ahead = cell_ahead(spot.state, spot.position);
        bool reading = cell_phase(spot.state) == CELL_READING;
        if (ahead < 0 || (ahead == 0 && !reading))
            return spot;
        spot.position =
            position_after(ring, spot.position, reading ? spot.state : spot.state - CELL_LAP);
    }
}

// False: it is not as it was.
static inline bool spot_change(const struct spot *spot, uint64_t to)
{
    uint64_t from = spot->state;
    return atomic_compare_exchange_strong(&spot->cell->state, &from, to);
}
static inline uint64_t spot_freed(const struct spot *spot)
{
    return cell_state(spot->state + CELL_LAP, 0, CELL_FREE);
}
// After something was read of its cell.
static inline bool spot_unchanged(const struct spot *spot)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&spot->cell->state, memory_order_relaxed) == spot->state;
}

// ---- the message

// Everything that the first line of a cell says: only worth something when its state is the same afterwards.
struct seen {
    struct ring_message message;
    uint64_t small[CELL_SMALL / 8];
};

enum { HOW_SENDER = 8, HOW_TICKET = 32 }; // shifts in `how`; below: flags

static inline void cell_look(const struct cell *cell, struct seen *seen)
{
    uint64_t how = atomic_load_explicit(&cell->how, memory_order_relaxed);
    seen->message.tag = atomic_load_explicit(&cell->tag, memory_order_relaxed);
    seen->message.bytes = atomic_load_explicit(&cell->bytes, memory_order_relaxed);
    seen->message.block = atomic_load_explicit(&cell->block, memory_order_relaxed);
    seen->message.flags = how & 0xff;
    seen->message.sender = (uint32_t)(how >> HOW_SENDER) & 0xffff;
    seen->message.ticket = (uint32_t)(how >> HOW_TICKET);
    for (size_t i = 0; i < CELL_SMALL / 8; i++)
        seen->small[i] = atomic_load_explicit(&cell->small[i], memory_order_relaxed);
}

// Up to CELL_SMALL bytes, without a call.
static inline void copy_small(void *to, const void *from, size_t bytes)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    uint64_t a, b;
    if (bytes >= 8) {
        memcpy(&a, in, 8);
        memcpy(&b, in + bytes - 8, 8);
        if (bytes > 16) {
            uint64_t c;
            memcpy(&c, in + 8, 8);
            memcpy(out + 8, &c, 8);
        }
        memcpy(out, &a, 8);
        memcpy(out + bytes - 8, &b, 8);
        return;
    }
    for (size_t i = 0; i < bytes; i++)
        out[i] = in[i];
}

// The first `bytes` of an inline message.
static inline void cell_copy(const struct cell *cell, const struct seen *seen, void *buffer,
                             size_t bytes)
{
    copy_small(buffer, seen->small, bytes < CELL_SMALL ? bytes : CELL_SMALL);
    if (bytes > CELL_SMALL)
        memcpy((uint8_t *)buffer + CELL_SMALL, cell->data, bytes - CELL_SMALL);
}

// What an inline message says of itself can be so.
static inline bool cell_sound(const struct ring *ring, const struct ring_message *message)
{
    return message->block ||
           (message->bytes <= ring->config.inline_bytes && !(message->flags & RING_BLOCK));
}

// The message at the head: OK. AGAIN, CLOSED. Passes by what was never finished, and ends a closed ring.
dragon_err_t ring_oldest(struct ring *ring, struct space *space, struct spot *spot_out);
// With RING_TELL: the answer to the sender, TAKEN_*. It is rung by the caller.
void ring_tell(struct space *space, uint64_t how, uint32_t taken);

// ---- lines that are about to come from another core: so many bytes behind the first line

static inline void cell_will_read(const struct cell *cell, size_t bytes)
{
    for (size_t at = CELL_SMALL; at < bytes; at += CELL_LINE)
        __builtin_prefetch(cell->data + at - CELL_SMALL);
}

static inline void cell_will_write(const struct cell *cell, size_t bytes)
{
    for (size_t at = CELL_SMALL; at < bytes; at += CELL_LINE) {
        const uint8_t *line = cell->data + at - CELL_SMALL;
#if defined(__x86_64__)
        __asm__ volatile("prefetchw %0" : : "m"(*line)); // the compiler takes it for reading only
#else
        __builtin_prefetch(line, 1);
#endif
    }
}

#endif
