// SPDX-License-Identifier: BSD-3-Clause
//
// Runs of free pages. They are joined when that makes one that is large enough, not before: so a large block that was
// freed is there, whole, for the next that asks for one of that size.
//
// Taking a run: its first word goes from FREE to BUSY by compare-and-swap; it is ours now, all of it, and so are the
// runs behind it that are taken in the same way and joined. What is too much is split off:
//
//     BUSY n . . . . . . .          taken
//     BUSY n . . . . BUSY n-k .     the word of the rest, still inside the run
//     taken k . . .  BUSY n-k .     the first word says how long: two runs now
//     taken k . . .  FREE n-k .
//
// At each point a death leaves runs that say whose they are (heap_recover), of which one may have words of the same
// owner inside.
#include "config.h"

#include "mem/heap_words.h"

static bool is_open(uint64_t word)
{
    return word_state(word) == PAGE_CUT && !(word & PAGE_FULL);
}

// How many pages could be had that begin there; 0: none.
static uint32_t available(struct heap *heap, const struct run_search *search, uint32_t page)
{
    uint64_t word = page_word(heap, page);
    if (word_state(word) == PAGE_FREE)
        return run_pages(heap, page, word);
    if (search->close && is_open(word) && page_unused(heap, page, word_class(word)))
        return 1;
    return 0;
}

// Makes the run that begins there BUSY and ours. Its pages; 0: it could not be had.
static uint32_t seize(struct heap *heap, const struct run_search *search, uint32_t page)
{
    uint64_t word = page_word(heap, page);
    if (word_state(word) == PAGE_FREE) {
        uint32_t pages = run_pages(heap, page, word);
        uint64_t busy = word_run(PAGE_BUSY, search->owner, pages);
        return pages && page_change(heap, page, word, busy) ? pages : 0;
    }
    if (search->close && word_state(word) == PAGE_CUT)
        return page_close(heap, page, word, search->owner) ? 1 : 0;
    return 0;
}

bool run_take_at(struct heap *heap, struct run_search *search, uint32_t page)
{
    uint32_t wanted = search->pages, owner = search->owner;
    uint32_t have = seize(heap, search, page);
    if (!have)
        return false;
    while (have < wanted && have < heap->pages - page) {
        uint32_t next = page + have;
        uint32_t more = seize(heap, search, next);
        if (!more)
            break;
        have += more;
        page_set(heap, page, word_run(PAGE_BUSY, owner, have));
        page_set(heap, next, PAGE_BODY);
    }
    if (have < wanted) {
        page_set(heap, page, word_run(PAGE_FREE, 0, have));
        return false;
    }
    if (have > wanted)
        page_set(heap, page + wanted, word_run(PAGE_BUSY, owner, have - wanted));
    page_set(heap, page, search->taken);
    if (have > wanted)
        page_set(heap, page + wanted, word_run(PAGE_FREE, 0, have - wanted));
    return true;
}

uint32_t run_take(struct heap *heap, struct run_search *search, uint32_t from, uint32_t to)
{
    uint32_t page = from;
    while (page < to) {
        uint32_t have = 0, more;
        while (have < search->pages && have < heap->pages - page &&
               (more = available(heap, search, page + have)))
            have += more;
        if (have >= search->pages) {
            if (run_take_at(heap, search, page))
                return page;
            search->busy = true;
        }
        if (have) {
            page += have;
        } else {
            uint64_t word = page_word(heap, page);
            enum page_state state = word_state(word);
            search->busy |= state == PAGE_BUSY || state == PAGE_CHANGING;
            search->cut |= is_open(word);
            page += run_step(heap, page, word);
        }
        search->skipped++;
    }
    return RUN_NONE;
}
