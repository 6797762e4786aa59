// SPDX-License-Identifier: BSD-3-Clause
//
// Barriers. The word:
//
//     | 47 bits: generation, from 1 | 1 bit: broken | 16 bits: how many have come |
//
// The last who comes begins the next generation with the same step, so nobody can be late for it. A broken barrier stays in its
// generation until it is reset. Who waits has a token, which is his generation and how many had come before him. When
// the barrier is in another generation, his was complete, or it was broken and reset since: a reset writes the broken
// generation down before it begins a new one. There is room for BARRIER_BROKEN_KEPT of them, each in its place; a process that
// sleeps through so many generations that its place has a younger one gets CANCELED, as nobody knows any more.
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

static struct sync_barrier *barrier_of(struct sync *sync)
{
    return (struct sync_barrier *)sync;
}

void sync_barrier_init(struct sync *sync)
{
    atomic_init(&sync->word, 1ull << GENERATION_SHIFT);
}

// Whoever was here once is missed when he dies.
static void barrier_join(struct sync_barrier *barrier, uint32_t slot)
{
    _Atomic uint64_t *members = &barrier->members[slot / 64];
    uint64_t bit = 1ull << slot % 64;
    if (!(atomic_load(members) & bit))
        atomic_fetch_or(members, bit);
}

dragon_err_t sync_barrier_arrive(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    uint64_t wanted;
    bool last;
    do {
        if (word & BROKEN_BIT)
            return DRAGON_ERR_CANCELED;
        last = count_of(word) + 1 >= step->sync->limit;
        if (step->a != 0 && !last)
            return DRAGON_ERR_AGAIN;
        barrier_join(barrier_of(step->sync), step->slot);
        wanted = last ? (generation_of(word) + 1) << GENERATION_SHIFT : word + 1;
    } while (!atomic_compare_exchange_weak(&step->sync->word, &word, wanted));
    if (last)
        space_wake_all(step->space, &step->sync->waiters);
    step->result = generation_of(word) << COUNT_BITS | count_of(word);
    return DRAGON_OK;
}

// What became of a generation that is over.
static dragon_err_t barrier_outcome(struct sync_barrier *barrier, uint64_t generation)
{
    uint64_t broken = atomic_load(&barrier->broken[generation % BARRIER_BROKEN_KEPT]);
    return broken >= generation ? DRAGON_ERR_CANCELED : DRAGON_OK;
}

// AGAIN: it is still open.
static dragon_err_t barrier_look(struct sync_barrier *barrier, uint64_t word, uint64_t token)
{
    uint64_t generation = token_generation(token);
    if (generation > generation_of(word))
        return DRAGON_ERR_INVAL;
    if (generation < generation_of(word))
        return barrier_outcome(barrier, generation);
    return word & BROKEN_BIT ? DRAGON_ERR_CANCELED : DRAGON_ERR_AGAIN;
}

dragon_err_t sync_barrier_wait(struct sync_step *step)
{
    return barrier_look(barrier_of(step->sync), atomic_load(&step->sync->word), step->a);
}

dragon_err_t sync_barrier_leave(struct sync_step *step)
{
    uint64_t word = atomic_load(&step->sync->word);
    do {
        dragon_err_t err = barrier_look(barrier_of(step->sync), word, step->a);
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

// The barrier is in this generation and broken, and stays so until this is written down. Several may do it at once, and one who was
// held up may come late: he finds a younger one in its place, or the barrier gone on.
static void barrier_write_down(struct sync_barrier *barrier, uint64_t word)
{
    uint64_t generation = generation_of(word);
    _Atomic uint64_t *place = &barrier->broken[generation % BARRIER_BROKEN_KEPT];
    uint64_t kept = atomic_load(place);
    if (kept < generation)
        atomic_compare_exchange_strong(place, &kept, generation);
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
        barrier_write_down(barrier_of(step->sync), word);
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
    atomic_fetch_and(&barrier_of(step->sync)->members[step->slot / 64], ~(1ull << step->slot % 64));
    return DRAGON_OK;
}

void sync_barrier_recover(struct sync *sync, uint32_t dead)
{
    uint64_t bit = 1ull << dead % 64;
    if (atomic_fetch_and(&barrier_of(sync)->members[dead / 64], ~bit) & bit)
        atomic_fetch_or(&sync->word, BROKEN_BIT);
}
