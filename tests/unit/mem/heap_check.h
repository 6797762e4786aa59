// SPDX-License-Identifier: BSD-3-Clause
//
// What must be true of a heap that nobody is just changing.
#ifndef TESTS_UNIT_MEM_HEAP_CHECK_H
#define TESTS_UNIT_MEM_HEAP_CHECK_H

#include "mem/heap_words.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

// Zeroed, for children made by fork too.
static inline void *heap_memory(size_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(base, MAP_FAILED);
    return base;
}

static inline void heap_make(struct heap *heap, uint32_t pages)
{
    size_t bytes = (size_t)(pages + 1 + pages / 62) * HEAP_PAGE;
    cr_assert(heap_init(heap, heap_memory(bytes), bytes));
    cr_assert_geq(heap->pages, pages);
}

static inline void check_cut(struct heap *heap, uint32_t page, uint64_t word, uint32_t dead)
{
    uint32_t count = class_blocks(word_class(word)), free = 0;
    for (uint32_t i = 0; i < HEAP_HALF_WORDS; i++) {
        uint16_t half = atomic_load(&page_halves(heap, page)[i]);
        if (i >= count)
            cr_assert_eq(half, HALF_CLOSED, "page %u half %u", page, i);
        else
            cr_assert(half != HALF_CLOSED && half != dead && half <= HALF_FREE,
                      "page %u half %u is %u", page, i, half);
        free += half == HALF_FREE;
    }
    cr_assert(free == 0 || !(word & PAGE_FULL), "page %u is not full", page);
}

// Each word says what can be; nothing is left of the slot, and nothing half done.
static inline void check_words(struct heap *heap, uint32_t dead)
{
    for (uint32_t page = 0; page < heap->pages;) {
        uint64_t word = page_word(heap, page);
        enum page_state state = word_state(word);
        if (state == PAGE_CUT) {
            check_cut(heap, page++, word, dead);
            continue;
        }
        cr_assert(state == PAGE_FREE || state == PAGE_BLOCK, "page %u is in state %d", page, state);
        cr_assert(state == PAGE_FREE || word_owner(word) != dead);
        uint32_t pages = run_pages(heap, page, word);
        cr_assert_neq(pages, 0);
        for (uint32_t i = 0; i < pages; i++) {
            cr_assert(i == 0 || page_word(heap, page + i) == PAGE_BODY, "page %u of %u at %u", i,
                      pages, page);
            for (uint32_t k = 0; k < HEAP_HALF_WORDS; k++)
                cr_assert_eq(atomic_load(&page_halves(heap, page + i)[k]), HALF_CLOSED);
        }
        page += pages;
    }
}

// Nobody has anything, and all of it can be had at once.
static inline void check_all_free(struct heap *heap)
{
    struct heap_stats stats;
    heap_stats(heap, &stats);
    cr_assert_eq(stats.used_bytes, 0);
    cr_assert_eq(stats.blocks, 0);
    cr_assert_eq(stats.bytes, (uint64_t)heap->pages * HEAP_PAGE);
    cr_assert(stats.free_bytes <= stats.bytes);
    cr_assert_eq(stats.largest_free_bytes, stats.bytes);
    uint64_t all = heap_alloc(heap, stats.bytes, SLOT_KEEPER);
    cr_assert_eq(all, heap->first);
    cr_assert(heap_free(heap, all, SLOT_KEEPER));
}

#endif
