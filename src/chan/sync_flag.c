// SPDX-License-Identifier: BSD-3-Clause
//
// Flags (events). The word is how often it was set, and in its lowest bit whether it is: who waits goes on when it was
// set meanwhile, even if it was cleared again before he could look.
#include "config.h"

#include "chan/sync_object.h"

enum { FLAG_SET = 1, FLAG_TIMES = 2 };

dragon_err_t sync_flag_set(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    do {
        if (word & FLAG_SET)
            return DRAGON_OK;
    } while (
        !atomic_compare_exchange_weak(&step->sync->word, &word, (word + FLAG_TIMES) | FLAG_SET));
    space_wake_all(step->space, &step->sync->waiters);
    return DRAGON_OK;
}

dragon_err_t sync_flag_clear(struct sync_step *step)
{
    atomic_fetch_and(&step->sync->word, ~(uint64_t)FLAG_SET);
    return DRAGON_OK;
}

dragon_err_t sync_flag_get(struct sync_step *step)
{
    step->result = atomic_load(&step->sync->word);
    return DRAGON_OK;
}

dragon_err_t sync_flag_wait(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    bool over = (word & FLAG_SET) || word / FLAG_TIMES != step->a;
    return over ? DRAGON_OK : DRAGON_ERR_AGAIN;
}
