// SPDX-License-Identifier: BSD-3-Clause
//
// Waitset: who sleeps until something happens to an object in shared memory. A set of slots, in two levels: a bit in
// `words` for each slot, and a bit in `summary` for each word that may have any. It is changed by single atomic steps, so it
// is never wrong when somebody dies in between, but for a bit that was taken and not rung: so the keeper rings every bell
// of the node after a death.
//
// Whoever makes something true that others wait for does so with a sequentially consistent store (or a locked
// instruction), and then looks at `summary`, once: nobody waits, nothing more to do.
#ifndef MEM_WAITSET_H
#define MEM_WAITSET_H

#include "mem/board.h"

struct waitset {
    _Atomic uint64_t summary;
    _Atomic uint64_t words[BOARD_SLOTS / 64];
    uint8_t room[56];
};
_Static_assert(sizeof(struct waitset) == 576, "nine cache lines");

void waitset_init(struct waitset *set);
void waitset_enter(struct waitset *set, uint32_t slot);
// False: it was taken out by somebody who rings, or rang.
bool waitset_leave(struct waitset *set, uint32_t slot);
uint32_t waitset_take(struct waitset *set); // one, in turns; SLOT_NONE: nobody
uint32_t waitset_count(struct waitset *set);

static inline bool waitset_any(struct waitset *set)
{
    return atomic_load_explicit(&set->summary, memory_order_seq_cst) != 0;
}

#endif
