// SPDX-License-Identifier: BSD-3-Clause
//
// What is done with a whole heap: giving back what the dead owned, counting, and taking it out of use.
#include "config.h"

#include "mem/heap_words.h"

// ---- recovery
//
// Pages are gone through in order, while others go on. A dead slot's words change no more, and a run of it is only
// entered by its first page: what is read as FREE or BLOCK ends where another run begins, and of everything else one
// page is passed at a time.

// A run that was not finished: nothing is left inside that says that it was his.
static void clear_inside(struct heap *heap, uint32_t page, uint32_t pages, uint32_t dead)
{
    for (uint32_t i = page + 1; i < page + pages; i++) {
        uint64_t word = page_word(heap, i);
        if (word_state(word) == PAGE_BUSY && word_owner(word) == dead)
            page_set(heap, i, PAGE_BODY);
    }
}

static size_t recover_halves(struct heap *heap, uint32_t page, uint32_t class, uint32_t dead)
{
    _Atomic uint16_t *halves = page_halves(heap, page);
    size_t count = 0;
    bool free = false;
    for (uint32_t i = 0; i < class_blocks(class); i++) {
        uint16_t half = (uint16_t)dead;
        if (atomic_load_explicit(&halves[i], memory_order_relaxed) == dead)
            count += atomic_compare_exchange_strong(&halves[i], &half, HALF_FREE);
        free |= atomic_load_explicit(&halves[i], memory_order_relaxed) == HALF_FREE;
    }
    // Also when he died between saying that it is full and looking again.
    if (free)
        page_not_full(heap, page);
    return count;
}

size_t heap_recover(struct heap *heap, uint32_t dead)
{
    if (dead == SLOT_NONE || dead >= BOARD_SLOTS)
        return 0;
    size_t count = 0;
    for (uint32_t page = 0; page < heap->pages;) {
        uint64_t word = page_word(heap, page);
        enum page_state state = word_state(word);
        bool his = word_owner(word) == dead;
        uint32_t pages = run_pages(heap, page, word), step = run_step(heap, page, word);
        if (his && pages && state == PAGE_BUSY) {
            clear_inside(heap, page, pages, dead);
            page_set(heap, page, word_run(PAGE_FREE, 0, pages));
            step = pages;
        }
        if (his && pages && state == PAGE_BLOCK)
            count += page_change(heap, page, word, word_run(PAGE_FREE, 0, pages));
        if (his && state == PAGE_CHANGING)
            page_finish(heap, page, word);
        if (state == PAGE_CUT || state == PAGE_CHANGING)
            count += recover_halves(heap, page, word_class(word), dead);
        page += step;
    }
    return count;
}

// ---- figures

void heap_stats(struct heap *heap, struct heap_stats *stats_out)
{
    struct heap_stats stats = {.bytes = (uint64_t)heap->pages * HEAP_PAGE};
    uint64_t together = 0; // free pages side by side
    for (uint32_t page = 0; page < heap->pages;) {
        uint64_t word = page_word(heap, page);
        enum page_state state = word_state(word);
        uint32_t pages = run_step(heap, page, word), free_pages = 0;
        if (state == PAGE_FREE) {
            free_pages = pages;
        } else if (state == PAGE_BLOCK) {
            stats.used_bytes += (uint64_t)pages * HEAP_PAGE;
            stats.blocks++;
        } else if (state == PAGE_CUT || state == PAGE_CHANGING) {
            uint32_t class = word_class(word), used = page_used(heap, page, class);
            stats.used_bytes += (uint64_t)used * heap_class_bytes[class];
            stats.blocks += used;
            if (used == 0)
                free_pages = 1;
            else
                stats.free_bytes +=
                    (uint64_t)(class_blocks(class) - used) * heap_class_bytes[class];
        }
        together = free_pages ? together + free_pages : 0;
        stats.free_bytes += (uint64_t)free_pages * HEAP_PAGE;
        if (together * HEAP_PAGE > stats.largest_free_bytes)
            stats.largest_free_bytes = together * HEAP_PAGE;
        page += pages;
    }
    *stats_out = stats;
}

// ---- out of use

bool heap_retire(struct heap *heap)
{
    struct run_search search = {.pages = heap->pages,
                                .taken = word_run(PAGE_RETIRED, SLOT_KEEPER, heap->pages),
                                .owner = SLOT_KEEPER,
                                .close = true};
    return run_take(heap, &search, 0, 1) == 0;
}

void heap_revive(struct heap *heap)
{
    page_change(heap, 0, word_run(PAGE_RETIRED, SLOT_KEEPER, heap->pages),
                word_run(PAGE_FREE, 0, heap->pages));
}
