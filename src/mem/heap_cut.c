// SPDX-License-Identifier: BSD-3-Clause
//
// Pages that are cut into blocks of one class. Whoever takes a block swaps its half word from FREE to the own slot, and
// looks at the word of the page again: when the page is no longer what it was, the block is given back at once. A page
// is only closed when all its half words went from FREE to CLOSED one by one, so from then on nobody takes a block of
// it, however late; and a block that was taken before keeps it from being closed.
#include "config.h"

#include "mem/heap_words.h"

// For each number of blocks in a page the largest that fit, so nothing between them would be of use. The last three
// are of no class.
const uint16_t heap_class_bytes[HEAP_CLASS_NUMBERS] = {
    128,  192,  256,  320,  384,  448,  512,  576,  640,  704,  768,  832,  896,  960,  1024, 1088,
    1152, 1216, 1344, 1472, 1600, 1792, 2048, 2304, 2688, 3264, 4096, 5440, 8192, 8192, 8192, 8192,
};

static inline bool half_change(_Atomic uint16_t *half, uint16_t from, uint16_t to)
{
    return atomic_compare_exchange_strong(half, &from, to);
}

static inline bool is_cut(uint64_t word, uint32_t class)
{
    return word_state(word) == PAGE_CUT && word_class(word) == class;
}

// The first of [from, to) that could be taken.
static int take_among(_Atomic uint16_t *halves, uint32_t from, uint32_t to, uint32_t owner)
{
    for (uint32_t i = from; i < to; i++) {
        if (atomic_load(&halves[i]) == HALF_FREE &&
            half_change(&halves[i], HALF_FREE, (uint16_t)owner))
            return (int)i;
    }
    return -1;
}

static int take_any(_Atomic uint16_t *halves, uint32_t count, uint32_t start, uint32_t owner)
{
    int block = take_among(halves, start, count, owner);
    return block >= 0 ? block : take_among(halves, 0, start, owner);
}

void page_not_full(struct heap *heap, uint32_t page)
{
    uint64_t word = atomic_load(&heap->words[page]);
    while (word_state(word) == PAGE_CUT && word & PAGE_FULL) {
        if (page_change(heap, page, word, word & ~(uint64_t)PAGE_FULL))
            return;
        word = page_word(heap, page);
    }
}

int page_take(struct heap *heap, uint32_t page, uint32_t class, uint32_t start, uint32_t owner)
{
    uint64_t word = page_word(heap, page);
    if (!is_cut(word, class) || word & PAGE_FULL)
        return -1;
    _Atomic uint16_t *halves = page_halves(heap, page);
    uint32_t count = class_blocks(class);
    start = start < count ? start : 0;
    int block = take_any(halves, count, start, owner);
    if (block < 0) {
        // Who frees one looks for FULL afterwards, so it is said first, and looked again.
        if (!page_change(heap, page, word, word | PAGE_FULL))
            return -1;
        block = take_any(halves, count, start, owner);
        if (block < 0)
            return -1;
        page_not_full(heap, page);
    }
    if (is_cut(page_word(heap, page), class))
        return block;
    half_change(&halves[block], (uint16_t)owner, HALF_FREE);
    return -1;
}

void page_cut(struct heap *heap, uint32_t page, uint32_t class, uint32_t owner)
{
    _Atomic uint16_t *halves = page_halves(heap, page);
    uint32_t count = class_blocks(class);
    page_set(heap, page, word_cut(PAGE_CHANGING, owner, class));
    atomic_store(&halves[0], (uint16_t)owner);
    for (uint32_t i = 1; i < count; i++)
        atomic_store_explicit(&halves[i], HALF_FREE, memory_order_release);
    page_set(heap, page, word_cut(PAGE_CUT, 0, class));
}

bool page_unused(struct heap *heap, uint32_t page, uint32_t class)
{
    _Atomic uint16_t *halves = page_halves(heap, page);
    uint32_t count = class_blocks(class);
    for (uint32_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&halves[i], memory_order_relaxed) != HALF_FREE)
            return false;
    }
    return true;
}

uint32_t page_used(struct heap *heap, uint32_t page, uint32_t class)
{
    _Atomic uint16_t *halves = page_halves(heap, page);
    uint32_t count = class_blocks(class);
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t half = atomic_load_explicit(&halves[i], memory_order_relaxed);
        used += half != HALF_FREE && half != HALF_CLOSED;
    }
    return used;
}

void page_finish(struct heap *heap, uint32_t page, uint64_t word)
{
    _Atomic uint16_t *halves = page_halves(heap, page);
    uint32_t class = word_class(word);
    for (uint32_t i = 0; i < class_blocks(class); i++)
        half_change(&halves[i], HALF_CLOSED, HALF_FREE);
    page_set(heap, page, word_cut(PAGE_CUT, 0, class));
}

bool page_close(struct heap *heap, uint32_t page, uint64_t word, uint32_t owner)
{
    uint32_t class = word_class(word);
    uint64_t changing = word_cut(PAGE_CHANGING, owner, class);
    if (!page_change(heap, page, word, changing))
        return false;
    _Atomic uint16_t *halves = page_halves(heap, page);
    for (uint32_t i = 0; i < class_blocks(class); i++) {
        if (!half_change(&halves[i], HALF_FREE, HALF_CLOSED)) {
            page_finish(heap, page, changing);
            return false;
        }
    }
    page_set(heap, page, word_run(PAGE_BUSY, owner, 1));
    return true;
}
