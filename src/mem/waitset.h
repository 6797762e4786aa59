// SPDX-License-Identifier: BSD-3-Clause
//
// Waitset: who sleeps until something happens to an object in shared memory. A set of slots, in two levels: a bit in
// `words` for each slot, and a bit in `summary` for each pair of words that may have any. It is changed by single
// atomic steps, so it is never wrong when somebody dies in between, but for a bit that was taken and not rung: so the
// keeper rings every bell of the node after a death. Before, object_recover takes the dead one out (waitset_leave): a
// ring meant for one of those who wait must not go to a slot where nobody is.
//
// Whoever makes something true that others wait for does so with a sequentially consistent store (or a locked
// instruction), and then looks at `summary`, once: nobody waits, nothing more to do.
//
// A bit of `summary` is cleared by whoever finds no bit below it. The upper half of `summary` counts the entries, so
// that this fails when somebody entered meanwhile: at no instant is the bit off for one who is in.
#ifndef MEM_WAITSET_H
#define MEM_WAITSET_H

#include "mem/board.h"

struct waitset {
    _Atomic uint64_t summary; // entries << 32 | a bit for each pair of words
    _Atomic uint64_t words[BOARD_SLOTS / 64];
    _Atomic uint32_t turn; // the slot after the one that was taken last
    uint8_t room[52];
};
_Static_assert(sizeof(struct waitset) == 576, "nine cache lines");

// All calls are for slots below BOARD_SLOTS; others are nobody.
void waitset_init(struct waitset *set);
void waitset_enter(struct waitset *set, uint32_t slot);
// False: it was taken out by somebody who rings, or rang.
bool waitset_leave(struct waitset *set, uint32_t slot);
uint32_t waitset_take(struct waitset *set); // one, in turns; SLOT_NONE: nobody
uint32_t waitset_count(struct waitset *set);

static inline bool waitset_any(struct waitset *set)
{
    return (uint32_t)atomic_load_explicit(&set->summary, memory_order_seq_cst) != 0;
}

#endif
