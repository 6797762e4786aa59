// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "mem/waitset.h"

enum { WORDS = BOARD_SLOTS / 64, PAIRS = WORDS / 2, PAIR = 128 }; // slots of a pair of words
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

// The first of [from, to), which are of one pair of words.
static uint32_t take_among(struct waitset *set, uint32_t from, uint32_t to)
{
    for (uint32_t word = from / 64; word * 64 < to; word++) {
        uint64_t mask = word == from / 64 ? ~0ull << (from & 63) : ~0ull;
        if (to - word * 64 < 64)
            mask &= bit_of(to) - 1;
        uint64_t bits;
        while ((bits = atomic_load(&set->words[word]) & mask)) {
            uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (waitset_leave(set, slot)) {
                atomic_store_explicit(&set->turn, slot + 1, memory_order_relaxed);
                return slot;
            }
        }
    }
    return SLOT_NONE;
}

// Bits of the summary below which there is nobody go off, unless somebody has entered since `summary` was read.
static void clear_empty(struct waitset *set, uint64_t summary)
{
    uint64_t cleared = summary;
    for (uint32_t bits = (uint32_t)summary; bits; bits &= bits - 1) {
        uint32_t pair = (uint32_t)__builtin_ctz(bits);
        bool empty = !atomic_load(&set->words[pair * 2]) && !atomic_load(&set->words[pair * 2 + 1]);
        if (empty)
            cleared &= ~(1ull << pair);
    }
    if (cleared != summary)
        atomic_compare_exchange_strong(&set->summary, &summary, cleared);
}

static uint32_t take_of_pairs(struct waitset *set, uint32_t pairs)
{
    uint32_t slot = SLOT_NONE;
    for (; pairs && slot == SLOT_NONE; pairs &= pairs - 1) {
        uint32_t begin = (uint32_t)__builtin_ctz(pairs) * PAIR;
        slot = take_among(set, begin, begin + PAIR);
    }
    return slot;
}

// From the slot whose turn it is all the way round to those before it in the same pair of words.
uint32_t waitset_take(struct waitset *set)
{
    uint64_t summary = atomic_load(&set->summary);
    uint32_t pairs = (uint32_t)summary;
    if (!pairs)
        return SLOT_NONE;
    uint32_t turn = atomic_load_explicit(&set->turn, memory_order_relaxed) % BOARD_SLOTS;
    uint32_t first = turn / PAIR, begin = first * PAIR, before = (1u << first) - 1;
    uint32_t slot = SLOT_NONE;
    if (pairs & 1u << first)
        slot = take_among(set, turn, begin + PAIR);
    if (slot == SLOT_NONE)
        slot = take_of_pairs(set, pairs & ~before & ~(1u << first));
    if (slot == SLOT_NONE)
        slot = take_of_pairs(set, pairs & before);
    if (slot == SLOT_NONE && pairs & 1u << first)
        slot = take_among(set, begin, turn);
    if (slot == SLOT_NONE)
        clear_empty(set, summary);
    return slot;
}

uint32_t waitset_count(struct waitset *set)
{
    uint32_t count = 0;
    for (uint32_t word = 0; word < WORDS; word++)
        count += (uint32_t)__builtin_popcountll(
            atomic_load_explicit(&set->words[word], memory_order_relaxed));
    return count;
}
