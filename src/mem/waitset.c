// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "mem/waitset.h"

enum { WORDS = BOARD_SLOTS / 64, PAIRS = WORDS / 2 };
static const uint64_t one_entry = 1ull << 32;

static uint64_t bit_of(uint32_t slot)
{
    return 1ull << (slot & 63);
}

void waitset_init(struct waitset *set)
{
    memset(set, 0, sizeof *set);
}

void waitset_enter(struct waitset *set, uint32_t slot)
{
    if (slot >= BOARD_SLOTS)
        return;
    uint32_t word = slot / 64;
    atomic_fetch_or(&set->words[word], bit_of(slot));
    uint64_t summary = atomic_load(&set->summary);
    while (!atomic_compare_exchange_weak(&set->summary, &summary,
                                         (summary + one_entry) | 1ull << word / 2))
        ;
}

bool waitset_leave(struct waitset *set, uint32_t slot)
{
    if (slot >= BOARD_SLOTS)
        return false;
    return atomic_fetch_and(&set->words[slot / 64], ~bit_of(slot)) & bit_of(slot);
}

// One of a word's bits that are set in `mask`.
static uint32_t take_from(struct waitset *set, uint32_t word, uint64_t mask)
{
    uint64_t bits = atomic_load(&set->words[word]) & mask;
    while (bits) {
        uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
        if (waitset_leave(set, slot)) {
            atomic_store_explicit(&set->turn, slot + 1, memory_order_relaxed);
            return slot;
        }
        bits = atomic_load(&set->words[word]) & mask;
    }
    return SLOT_NONE;
}

// Bits of the summary below which there is nobody go off, unless somebody has entered since `summary` was read.
static void clear_empty(struct waitset *set, uint64_t summary)
{
    uint64_t cleared = summary;
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        bool empty = !atomic_load(&set->words[pair * 2]) && !atomic_load(&set->words[pair * 2 + 1]);
        if (empty)
            cleared &= ~(1ull << pair);
    }
    if (cleared != summary)
        atomic_compare_exchange_strong(&set->summary, &summary, cleared);
}

uint32_t waitset_take(struct waitset *set)
{
    uint64_t summary = atomic_load(&set->summary);
    if (!(uint32_t)summary)
        return SLOT_NONE;
    uint32_t turn = atomic_load_explicit(&set->turn, memory_order_relaxed) % BOARD_SLOTS;
    uint64_t from_turn = ~0ull << (turn & 63);
    // From the slot whose turn it is, all the way round to those before it in the same word.
    for (uint32_t i = 0; i <= WORDS; i++) {
        uint32_t word = (turn / 64 + i) % WORDS;
        if (!(summary & 1ull << word / 2))
            continue;
        uint32_t slot = take_from(set, word, i == 0 ? from_turn : i == WORDS ? ~from_turn : ~0ull);
        if (slot != SLOT_NONE)
            return slot;
    }
    clear_empty(set, summary);
    return SLOT_NONE;
}

uint32_t waitset_count(struct waitset *set)
{
    uint32_t count = 0;
    for (uint32_t word = 0; word < WORDS; word++)
        count += (uint32_t)__builtin_popcountll(
            atomic_load_explicit(&set->words[word], memory_order_relaxed));
    return count;
}
