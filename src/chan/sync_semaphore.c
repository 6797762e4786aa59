// SPDX-License-Identifier: BSD-3-Clause
//
// Semaphores. The word's lower half is the value.
#include "config.h"

#include "chan/sync_object.h"

void sync_semaphore_init(struct sync *sync, const struct object_spec *spec)
{
    sync->limit = spec->capacity == 0 ? UINT32_MAX : spec->capacity;
    atomic_init(&sync->word, (uint32_t)spec->initial);
}

dragon_err_t sync_semaphore_acquire(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    for (;;) {
        if ((uint32_t)word > 0 && turn_allows(word, step->slot)) {
            uint64_t wanted = turn_none(word) - 1;
            if (atomic_compare_exchange_weak(&step->sync->word, &word, wanted)) {
                // those whom our turn kept out
                if (turn_of(word) != SLOT_NONE)
                    turn_wake(step, wanted, (uint32_t)wanted);
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

dragon_err_t sync_semaphore_release(struct sync_step *step)
{
    if (step->a == 0 || step->a > UINT32_MAX)
        return DRAGON_ERR_INVAL;
    uint64_t word = atomic_load(&step->sync->word);
    uint64_t wanted;
    do {
        if ((uint32_t)word + step->a > step->sync->limit)
            return DRAGON_ERR_FULL;
        wanted = word + step->a;
    } while (!atomic_compare_exchange_weak(&step->sync->word, &word, wanted));
    turn_wake(step, wanted, (uint32_t)step->a);
    return DRAGON_OK;
}

dragon_err_t sync_semaphore_leave(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    uint64_t wanted;
    do {
        if (turn_of(word) != step->slot)
            return DRAGON_OK;
        wanted = turn_none(word);
    } while (!atomic_compare_exchange_weak(&step->sync->word, &word, wanted));
    turn_wake(step, wanted, (uint32_t)wanted);
    return DRAGON_OK;
}

dragon_err_t sync_semaphore_value(struct sync_step *step)
{
    step->result = (uint32_t)atomic_load(&step->sync->word);
    return DRAGON_OK;
}

void sync_semaphore_recover(struct sync *sync, uint32_t dead)
{
    uint64_t word = atomic_load(&sync->word);
    while (turn_of(word) == dead &&
           !atomic_compare_exchange_weak(&sync->word, &word, turn_none(word)))
        ;
}
