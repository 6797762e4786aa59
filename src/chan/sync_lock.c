// SPDX-License-Identifier: BSD-3-Clause
//
// Locks. The word's lower half is the slot of the owner, or 0; a free one may be marked as abandoned by the owner
// before.
#include "config.h"

#include "chan/sync_object.h"

static const uint64_t LOCK_ABANDONED = 1u << 31;

static uint32_t lock_owner(uint64_t word)
{
    return (uint32_t)word & (BOARD_SLOTS - 1);
}

dragon_err_t sync_lock_acquire(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    for (;;) {
        if (lock_owner(word) == step->slot)
            return DRAGON_ERR_STATE;
        if (lock_owner(word) == SLOT_NONE && turn_allows(word, step->slot)) {
            if (atomic_compare_exchange_weak(&step->sync->word, &word, step->slot)) {
                step->result = (word & LOCK_ABANDONED) != 0;
                return DRAGON_OK;
            }
        } else {
            if (step->a == 0 || turn_of(word) != SLOT_NONE ||
                atomic_compare_exchange_weak(&step->sync->word, &word,
                                             turn_give(word, step->slot, step->space)))
                return DRAGON_ERR_AGAIN;
        }
    }
}

dragon_err_t sync_lock_release(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    uint64_t wanted;
    do {
        if (lock_owner(word) != step->slot)
            return DRAGON_ERR_STATE;
        wanted = word - step->slot;
    } while (!atomic_compare_exchange_weak(&step->sync->word, &word, wanted));
    turn_wake(step, wanted, 1);
    return DRAGON_OK;
}

dragon_err_t sync_lock_leave(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    uint64_t wanted;
    do {
        if (turn_of(word) != step->slot)
            return DRAGON_OK;
        wanted = turn_none(word);
    } while (!atomic_compare_exchange_weak(&step->sync->word, &word, wanted));
    if (lock_owner(wanted) == SLOT_NONE)
        turn_wake(step, wanted, 1);
    return DRAGON_OK;
}

void sync_lock_recover(struct sync *sync, uint32_t dead)
{
    uint64_t word = atomic_load(&sync->word);
    uint64_t wanted;
    do {
        wanted = turn_of(word) == dead ? turn_none(word) : word;
        if (lock_owner(word) == dead)
            wanted = (wanted - dead) | LOCK_ABANDONED;
    } while (!atomic_compare_exchange_weak(&sync->word, &word, wanted));
}
