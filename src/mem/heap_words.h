// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the heap share: the words.
//
// Of a page:
//     FREE       the first of a run of free pages. Only this is ever taken, by compare-and-swap, and it is always
//                what it says.
//     BUSY       the first of a run that its owner is just taking, splitting or joining. Others leave it alone.
//     BLOCK      the first of a run that is one block of its owner.
//     CUT        cut into blocks of a class. FULL is a hint, put there by who found no block free, and taken away by
//                who frees one.
//     CHANGING   being cut by its owner, or being closed. Its half words come from CLOSED, or are on the way there.
//     BODY       inside a run. Its value means nothing to others; a run that is not BUSY has no other words inside.
//     RETIRED    the first of all pages.
// Of a block of a cut page: CLOSED, the page is not cut; FREE; or its owner's slot.
#ifndef MEM_HEAP_WORDS_H
#define MEM_HEAP_WORDS_H

#include "mem/heap.h"

enum page_state {
    PAGE_BODY,
    PAGE_FREE,
    PAGE_BUSY,
    PAGE_BLOCK,
    PAGE_CUT,
    PAGE_CHANGING,
    PAGE_RETIRED,
};
enum { PAGE_FULL = 1 << 4 }; // with PAGE_CUT

//     bits   0-3 state, 4 full, 8-15 class, 16-27 owner, 32-63 pages of the run
static inline uint64_t word_run(enum page_state state, uint32_t owner, uint32_t pages)
{
    return (uint64_t)pages << 32 | (uint64_t)owner << 16 | state;
}
static inline uint64_t word_cut(enum page_state state, uint32_t owner, uint32_t class)
{
    return 1ull << 32 | (uint64_t)owner << 16 | (uint64_t) class << 8 | state;
}
static inline enum page_state word_state(uint64_t word)
{
    return word & 15;
}
static inline uint32_t word_owner(uint64_t word)
{
    return word >> 16 & (BOARD_SLOTS - 1);
}
static inline uint32_t word_class(uint64_t word)
{
    return word >> 8 & (HEAP_CLASS_NUMBERS - 1);
}

enum { HALF_CLOSED = 0, HALF_FREE = BOARD_SLOTS }; // else the owner

enum { RUN_NONE = UINT32_MAX };

extern const uint16_t heap_class_bytes[HEAP_CLASS_NUMBERS];
static inline uint32_t class_blocks(uint32_t class)
{
    return HEAP_PAGE / heap_class_bytes[class];
}

static inline uint64_t page_word(struct heap *heap, uint32_t page)
{
    return atomic_load_explicit(&heap->words[page], memory_order_acquire);
}
static inline void page_set(struct heap *heap, uint32_t page, uint64_t word)
{
    atomic_store_explicit(&heap->words[page], word, memory_order_release);
}
static inline bool page_change(struct heap *heap, uint32_t page, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(&heap->words[page], &from, to);
}
static inline _Atomic uint16_t *page_halves(struct heap *heap, uint32_t page)
{
    return heap->blocks + (size_t)page * HEAP_HALF_WORDS;
}
static inline uint64_t page_offset(struct heap *heap, uint32_t page)
{
    return heap->first + (uint64_t)page * HEAP_PAGE;
}
// The pages of a run that begins there; 0: the word says something that cannot be.
static inline uint32_t run_pages(struct heap *heap, uint32_t page, uint64_t word)
{
    uint64_t pages = word >> 32;
    return pages <= heap->pages - page ? (uint32_t)pages : 0;
}

// How far it is to where the next word may be that counts: nothing is inside these runs. Of others one page is passed
// at a time.
static inline uint32_t run_step(struct heap *heap, uint32_t page, uint64_t word)
{
    enum page_state state = word_state(word);
    bool whole = state == PAGE_FREE || state == PAGE_BLOCK || state == PAGE_RETIRED;
    uint32_t pages = whole ? run_pages(heap, page, word) : 1;
    return pages ? pages : 1;
}

// ---- runs (heap_runs.c)

struct run_search {
    uint32_t pages;   // so many
    uint64_t taken;   // what the word of the first page becomes
    uint32_t owner;   //
    bool close;       // pages that are cut, without a block in use, count as free
    bool busy;        // out: somebody is changing pages, which may be free again at once
    bool cut;         // out: there are cut pages of which a block is free
    uint32_t skipped; // out: pages and runs that were looked at in vain
};
// Takes the first run that fits, of those that begin in [from, to). RUN_NONE.
uint32_t run_take(struct heap *heap, struct run_search *search, uint32_t from, uint32_t to);
// The one that begins at `page`. False: it does not fit, or is not free.
bool run_take_at(struct heap *heap, struct run_search *search, uint32_t page);

// ---- cut pages (heap_cut.c)

// Cuts a page that is BUSY and ours. Its first block is ours.
void page_cut(struct heap *heap, uint32_t page, uint32_t class, uint32_t owner);
// A block of a page of that class, looked for from `start` on; its number, -1: there is none.
int page_take(struct heap *heap, uint32_t page, uint32_t class, uint32_t start, uint32_t owner);
// Some are free now, so it is not full.
void page_not_full(struct heap *heap, uint32_t page);
uint32_t page_used(struct heap *heap, uint32_t page, uint32_t class); // blocks
bool page_unused(struct heap *heap, uint32_t page, uint32_t class);
// Makes it a run of one page, BUSY and ours. False: a block is in use, and nothing has changed.
bool page_close(struct heap *heap, uint32_t page, uint64_t word, uint32_t owner);
// What a dead slot did not finish: it is cut then.
void page_finish(struct heap *heap, uint32_t page, uint64_t word);

#endif
