// SPDX-License-Identifier: BSD-3-Clause
//
// Barriers. The word:
//
//     | 47 bits: generation, from 1 | 1 bit: broken | 16 bits: how many have come |
//
// The last who comes begins the next generation with the same step, so nobody can be late for it. A broken barrier
// stays in its generation until it is reset. Who waits has a token, which is his generation and how many had come
// before him. When the barrier is in another generation, his was complete, or it was broken and reset. Which of the
// two is written beside his slot, however long he sleeps:
//
//     | lower 30 bits of the generation it came to last | 1 bit: which was broken | 1 bit: it is a member |
//
// Whoever comes writes it before he is counted, and a reset marks all of the broken generation before it begins the
// next.
#include "config.h"

#include "chan/sync_object.h"

enum { COUNT_BITS = 16, BROKEN_BIT = 1 << COUNT_BITS, GENERATION_SHIFT = COUNT_BITS + 1 };

static uint64_t generation_of(uint64_t word)
{
    return word >> GENERATION_SHIFT;
}

static uint32_t count_of(uint64_t word)
{
    return (uint32_t)word & (BROKEN_BIT - 1);
}

static uint64_t token_generation(uint64_t token)
{
    return token >> COUNT_BITS;
}

enum { CAME_MEMBER = 1, CAME_BROKEN = 2, CAME_SHIFT = 2 };

static uint32_t came_to(uint64_t generation)
{
    return (uint32_t)generation << CAME_SHIFT | CAME_MEMBER;
}

static struct sync_barrier *barrier_of(struct sync *sync)
{
    return (struct sync_barrier *)sync;
}

static _Atomic uint32_t *came_of(struct sync *sync, uint32_t slot)
{
    return &barrier_of(sync)->came[slot % BARRIER_ROWS][slot / BARRIER_ROWS];
}

void sync_barrier_init(struct sync *sync)
{
    atomic_init(&sync->word, 1ull << GENERATION_SHIFT);
}

static void barrier_use(struct sync *sync, uint32_t slot)
{
    _Atomic uint32_t *used = &barrier_of(sync)->used;
    uint32_t before = atomic_load(used);
    while (before <= slot && !atomic_compare_exchange_weak(used, &before, slot + 1))
        ;
}

dragon_err_t sync_barrier_arrive(struct sync_step *step)
{
    _Atomic uint32_t *came = came_of(step->sync, step->slot);
    uint32_t before = atomic_load(came);
    uint64_t word = atomic_load(&step->sync->word);
    uint64_t wanted;
    bool last;
    barrier_use(step->sync, step->slot);
    do {
        last = count_of(word) + 1 >= step->sync->limit;
        if ((word & BROKEN_BIT) || (step->a != 0 && !last)) {
            atomic_store(came, before);
            return word & BROKEN_BIT ? DRAGON_ERR_CANCELED : DRAGON_ERR_AGAIN;
        }
        // from here on he is missed when he dies
        atomic_store(came, came_to(generation_of(word)));
        wanted = last ? (generation_of(word) + 1) << GENERATION_SHIFT : word + 1;
    } while (!atomic_compare_exchange_weak(&step->sync->word, &word, wanted));
    if (last)
        space_wake_all(step->space, &step->sync->waiters);
    step->result = generation_of(word) << COUNT_BITS | count_of(word);
    return DRAGON_OK;
}

// What became of the generation of a token. AGAIN: it is still open.
static dragon_err_t barrier_look(struct sync_step *step, uint64_t word)
{
    uint64_t generation = token_generation(step->a);
    if (generation == generation_of(word))
        return word & BROKEN_BIT ? DRAGON_ERR_CANCELED : DRAGON_ERR_AGAIN;
    uint32_t came = atomic_load(came_of(step->sync, step->slot));
    if (generation > generation_of(word) || (came & ~CAME_BROKEN) != came_to(generation))
        return DRAGON_ERR_INVAL;
    return came & CAME_BROKEN ? DRAGON_ERR_CANCELED : DRAGON_OK;
}

dragon_err_t sync_barrier_wait(struct sync_step *step)
{
    return barrier_look(step, atomic_load(&step->sync->word));
}

dragon_err_t sync_barrier_leave(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    do {
        dragon_err_t err = barrier_look(step, word);
        step->result = err == DRAGON_OK;
        if (err != DRAGON_ERR_AGAIN)
            return err;
    } while (!atomic_compare_exchange_weak(&step->sync->word, &word, word | BROKEN_BIT));
    space_wake_all(step->space, &step->sync->waiters);
    return DRAGON_OK;
}

dragon_err_t sync_barrier_abort(struct sync_step *step)
{
    atomic_fetch_or(&step->sync->word, BROKEN_BIT);
    space_wake_all(step->space, &step->sync->waiters);
    return DRAGON_OK;
}

// The barrier is in this generation and broken, and stays so until all of it are marked. Several may do it at once,
// and one who was held up may come late: he finds nobody of it who is not marked, but for who is about to come and
// will see that it is over.
static void barrier_mark(struct sync *sync, uint64_t generation)
{
    uint32_t used = atomic_load(&barrier_of(sync)->used);
    for (uint32_t slot = 0; slot < used && slot < BOARD_SLOTS; slot++) {
        uint32_t came = came_to(generation);
        if (atomic_load(came_of(sync, slot)) == came)
            atomic_compare_exchange_strong(came_of(sync, slot), &came, came | CAME_BROKEN);
    }
}

dragon_err_t sync_barrier_reset(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    for (;;) {
        if (!(word & BROKEN_BIT)) {
            if (count_of(word) == 0)
                return DRAGON_OK;
            if (!atomic_compare_exchange_weak(&step->sync->word, &word, word | BROKEN_BIT))
                continue;
            word |= BROKEN_BIT;
        }
        barrier_mark(step->sync, generation_of(word));
        if (atomic_compare_exchange_weak(&step->sync->word, &word,
                                         (generation_of(word) + 1) << GENERATION_SHIFT))
            break;
    }
    space_wake_all(step->space, &step->sync->waiters);
    return DRAGON_OK;
}

dragon_err_t sync_barrier_state(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    step->result = word & BROKEN_BIT ? 1ull << 32 : count_of(word);
    return DRAGON_OK;
}

dragon_err_t sync_barrier_detach(struct sync_step *step)
{
    atomic_store(came_of(step->sync, step->slot), 0);
    return DRAGON_OK;
}

void sync_barrier_recover(struct sync *sync, uint32_t dead)
{
    if (atomic_exchange(came_of(sync, dead), 0) != 0)
        atomic_fetch_or(&sync->word, BROKEN_BIT);
}
