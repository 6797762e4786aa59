// SPDX-License-Identifier: BSD-3-Clause
//
// The heap as others see it: its layout, and blocks of all sizes. Small ones come from cut pages (heap_cut.c), large
// ones are runs of pages (heap_runs.c); what the dead leave is in heap_recover.c.
#include "config.h"

#include "mem/heap_words.h"

#include <sched.h>

struct head { // at the beginning of the segment; read once, by heap_attach
    uint32_t magic, version;
    uint64_t bytes;
    uint8_t room[48];
};
_Static_assert(sizeof(struct head) == 64, "the words begin with a cache line");

enum {
    PAGE_COST = sizeof(uint64_t) + HEAP_HALF_WORDS * sizeof(uint16_t), // beside the page itself
    CUT_MOST = HEAP_PAGE / 2,                                          // bytes of a block
    MANY = 8,         // that are in use may be passed on the way to one that is free
    PATIENCE = 16,    // times to look again because somebody is changing pages
    PATIENCE_MS = 10, // and as long, leaving the core to others
};

// ---- layout

static bool lay_out(struct heap *heap, void *base, size_t bytes)
{
    memset(heap, 0, sizeof *heap);
    if (bytes < 2 * HEAP_PAGE || bytes >= 1ull << 48)
        return false;
    // Pages begin at multiples of their size: that may leave room for one less.
    uint64_t pages = (bytes - sizeof(struct head)) / (HEAP_PAGE + PAGE_COST);
    uint64_t first =
        (sizeof(struct head) + pages * PAGE_COST + HEAP_PAGE - 1) / HEAP_PAGE * HEAP_PAGE;
    if (first + pages * HEAP_PAGE > bytes)
        pages--;
    if (pages == 0 || pages >= RUN_NONE)
        return false;
    heap->base = base;
    heap->first = first;
    heap->pages = (uint32_t)pages;
    if (!base)
        return true;
    heap->words = (_Atomic uint64_t *)(heap->base + sizeof(struct head));
    heap->blocks = (_Atomic uint16_t *)(heap->words + pages);
    return true;
}

bool heap_init(struct heap *heap, void *base, size_t bytes)
{
    if (!lay_out(heap, base, bytes))
        return false;
    struct head *head = base;
    page_set(heap, 0, word_run(PAGE_FREE, 0, heap->pages));
    head->version = HEAP_VERSION;
    head->bytes = bytes;
    head->magic = HEAP_MAGIC;
    return true;
}

bool heap_attach(struct heap *heap, void *base, size_t bytes)
{
    const struct head *head = base;
    return lay_out(heap, base, bytes) && head->magic == HEAP_MAGIC &&
           head->version == HEAP_VERSION && head->bytes == bytes;
}

size_t heap_bytes_for(size_t block)
{
    if (block >= 1ull << 47)
        return 0;
    size_t pages = (block + HEAP_PAGE - 1) / HEAP_PAGE;
    size_t words = (sizeof(struct head) + (pages + 1) * PAGE_COST + HEAP_PAGE - 1) / HEAP_PAGE;
    return (words + pages + 1) * HEAP_PAGE;
}

size_t heap_block_most(size_t bytes)
{
    struct heap heap;
    return lay_out(&heap, NULL, bytes) ? (size_t)heap.pages * HEAP_PAGE : 0;
}

// ---- small blocks

// By multiples of 64 bytes.
static uint32_t class_of(size_t bytes)
{
    static const uint8_t classes[CUT_MOST / 64 + 1] = {
#define UP_TO(least, most, class) [(least) / 64 + 1 ...(most) / 64] = class
        UP_TO(0, 128, 0),      UP_TO(128, 192, 1),    UP_TO(192, 256, 2),    UP_TO(256, 320, 3),
        UP_TO(320, 384, 4),    UP_TO(384, 448, 5),    UP_TO(448, 512, 6),    UP_TO(512, 576, 7),
        UP_TO(576, 640, 8),    UP_TO(640, 704, 9),    UP_TO(704, 768, 10),   UP_TO(768, 832, 11),
        UP_TO(832, 896, 12),   UP_TO(896, 960, 13),   UP_TO(960, 1024, 14),  UP_TO(1024, 1088, 15),
        UP_TO(1088, 1152, 16), UP_TO(1152, 1216, 17), UP_TO(1216, 1344, 18), UP_TO(1344, 1472, 19),
        UP_TO(1472, 1600, 20), UP_TO(1600, 1792, 21), UP_TO(1792, 2048, 22), UP_TO(2048, 2304, 23),
        UP_TO(2304, 2688, 24), UP_TO(2688, 3264, 25), UP_TO(3264, 4096, 26), UP_TO(4096, 5440, 27),
        UP_TO(5440, 8192, 28),
#undef UP_TO
    };
    return classes[(bytes + 63) / 64];
}

// ---- where to look
//
// From the beginning, when that does not pass many that are in use; else from where there was room, for as many times
// as make up for the long way.

static uint32_t walk_start(struct heap *heap, struct heap_hint *hint)
{
    if (hint->walks == 0 || word_state(page_word(heap, 0)) == PAGE_RETIRED)
        return 0;
    hint->walks--;
    return hint->from;
}

static void walk_done(struct heap_hint *hint, uint32_t start, uint32_t page, uint32_t skipped)
{
    hint->from = page;
    if (start == 0)
        hint->walks = skipped / MANY;
}

// Also pages that are cut and not in use, when there is nothing else.
static uint32_t run_find(struct heap *heap, struct heap_hint *hint, struct run_search *search)
{
    uint32_t start = walk_start(heap, hint);
    uint32_t page = run_take(heap, search, start, heap->pages);
    if (page == RUN_NONE && start)
        page = run_take(heap, search, 0, start);
    if (page == RUN_NONE && search->cut) {
        search->close = true;
        page = run_take(heap, search, 0, heap->pages);
    }
    if (page != RUN_NONE)
        walk_done(hint, start, page, search->skipped);
    return page;
}

// ---- small blocks

struct cut_search {
    uint32_t class, owner;
    uint32_t block;   // out
    uint32_t skipped; // the rest is as in struct run_search
    bool busy, cut;
};

// A page of the class with room, or a free one, which is cut; the first in [from, to).
static uint32_t cut_take(struct heap *heap, struct cut_search *search, uint32_t from, uint32_t to)
{
    struct run_search run = {
        .pages = 1, .taken = word_run(PAGE_BUSY, search->owner, 1), .owner = search->owner};
    for (uint32_t page = from; page < to; search->skipped++) {
        uint64_t word = page_word(heap, page);
        enum page_state state = word_state(word);
        if (state == PAGE_CUT && word_class(word) == search->class && !(word & PAGE_FULL)) {
            // Not all at the first block, which would be in each other's way.
            uint32_t start = search->owner % class_blocks(search->class);
            int block = page_take(heap, page, search->class, start, search->owner);
            if (block >= 0) {
                search->block = (uint32_t)block;
                return page;
            }
        } else if (state == PAGE_FREE && run_take_at(heap, &run, page)) {
            page_cut(heap, page, search->class, search->owner);
            return page;
        }
        bool changed = page_word(heap, page) != word;
        search->busy |= changed || state == PAGE_BUSY || state == PAGE_CHANGING;
        search->cut |= state == PAGE_CUT && !(word & PAGE_FULL);
        page += changed ? 1 : run_step(heap, page, word);
    }
    return RUN_NONE;
}

static uint32_t cut_find(struct heap *heap, struct heap_hint *hint, struct cut_search *search)
{
    uint32_t start = walk_start(heap, hint);
    uint32_t page = cut_take(heap, search, start, heap->pages);
    if (page == RUN_NONE && start)
        page = cut_take(heap, search, 0, start);
    if (page == RUN_NONE && search->cut) {
        struct run_search run = {.pages = 1,
                                 .taken = word_run(PAGE_BUSY, search->owner, 1),
                                 .owner = search->owner,
                                 .close = true};
        page = run_take(heap, &run, 0, heap->pages);
        search->busy |= run.busy;
        if (page != RUN_NONE)
            page_cut(heap, page, search->class, search->owner);
    }
    if (page != RUN_NONE)
        walk_done(hint, start, page, search->skipped);
    return page;
}

static uint64_t cut_alloc(struct heap *heap, uint32_t class, uint32_t owner, bool *busy_out)
{
    struct heap_hint *hint = &heap->cut[class];
    int taken = page_take(heap, hint->last, class, hint->block, owner);
    if (taken >= 0) {
        // Who takes many without giving any back does not look at all of them each time.
        if ((uint32_t)taken > hint->block + MANY)
            hint->block = (uint32_t)taken;
    } else {
        struct cut_search search = {.class = class, .owner = owner};
        uint32_t page = cut_find(heap, hint, &search);
        *busy_out = search.busy;
        if (page == RUN_NONE)
            return 0;
        hint->last = page;
        hint->block = search.block;
        taken = (int)search.block;
    }
    return page_offset(heap, hint->last) + (uint64_t)taken * heap_class_bytes[class];
}

// ---- large blocks

static struct heap_hint *run_hint(struct heap *heap, uint32_t pages)
{
    return &heap->run[31 - __builtin_clz(pages)];
}

static uint64_t run_alloc(struct heap *heap, uint32_t pages, uint32_t owner, bool *busy_out)
{
    struct heap_hint *hint = run_hint(heap, pages);
    struct run_search search = {
        .pages = pages, .taken = word_run(PAGE_BLOCK, owner, pages), .owner = owner};
    if (!run_take_at(heap, &search, hint->last)) {
        uint32_t page = run_find(heap, hint, &search);
        *busy_out = search.busy;
        if (page == RUN_NONE)
            return 0;
        hint->last = page;
    }
    return page_offset(heap, hint->last);
}

// ---- all blocks

uint64_t heap_alloc(struct heap *heap, size_t bytes, uint32_t owner)
{
    if (bytes == 0 || owner == SLOT_NONE || owner >= BOARD_SLOTS ||
        bytes > (uint64_t)heap->pages * HEAP_PAGE)
        return 0;
    uint64_t deadline = 0;
    for (unsigned round = 0;; round++) {
        bool busy = false;
        uint64_t offset =
            bytes <= CUT_MOST
                ? cut_alloc(heap, class_of(bytes), owner, &busy)
                : run_alloc(heap, (uint32_t)((bytes + HEAP_PAGE - 1) / HEAP_PAGE), owner, &busy);
        if (offset || !busy)
            return offset;
        if (round < PATIENCE)
            continue;
        // Somebody was stopped in the middle of it, or died there.
        if (!deadline)
            deadline = time_now_ms() + PATIENCE_MS;
        if (time_now_ms() >= deadline)
            return 0;
        sched_yield();
    }
}

// A block that may begin at an offset.
struct found {
    uint32_t page;
    uint64_t word;          // of the page
    _Atomic uint16_t *half; // of a cut page; NULL: a run
    uint32_t block;
};

static bool block_at(struct heap *heap, uint64_t offset, struct found *found)
{
    if (offset < heap->first || offset % HEAP_ALIGN)
        return false;
    uint64_t page = (offset - heap->first) / HEAP_PAGE;
    if (page >= heap->pages)
        return false;
    uint32_t inside = offset % HEAP_PAGE; // pages begin at multiples of their size
    found->page = (uint32_t)page;
    found->word = page_word(heap, found->page);
    found->half = NULL;
    if (word_state(found->word) == PAGE_BLOCK)
        return inside == 0 && run_pages(heap, found->page, found->word);
    // Somebody may just try to close the page: the half word decides.
    if (word_state(found->word) != PAGE_CUT && word_state(found->word) != PAGE_CHANGING)
        return false;
    uint32_t bytes = heap_class_bytes[word_class(found->word)];
    found->block = inside / bytes;
    if (found->block * bytes != inside || found->block >= HEAP_PAGE / bytes)
        return false;
    found->half = page_halves(heap, found->page) + found->block;
    return true;
}

static bool block_change(struct heap *heap, struct found *found, uint32_t from, uint16_t half,
                         uint64_t word)
{
    if (from == SLOT_NONE || from >= BOARD_SLOTS)
        return false;
    if (found->half) {
        uint16_t expected = (uint16_t)from;
        return atomic_compare_exchange_strong(found->half, &expected, half);
    }
    return word_owner(found->word) == from && page_change(heap, found->page, found->word, word);
}

bool heap_free(struct heap *heap, uint64_t offset, uint32_t owner)
{
    struct found found;
    if (!block_at(heap, offset, &found))
        return false;
    uint32_t pages = (uint32_t)(found.word >> 32);
    if (!block_change(heap, &found, owner, HALF_FREE, word_run(PAGE_FREE, 0, pages)))
        return false;
    if (found.half) {
        page_not_full(heap, found.page);
        struct heap_hint *hint = &heap->cut[word_class(found.word)];
        hint->last = found.page;
        hint->block = found.block;
    } else {
        run_hint(heap, pages)->last = found.page;
    }
    return true;
}

bool heap_give(struct heap *heap, uint64_t offset, uint32_t from, uint32_t to)
{
    struct found found;
    return to != SLOT_NONE && to < BOARD_SLOTS && block_at(heap, offset, &found) &&
           block_change(heap, &found, from, (uint16_t)to,
                        word_run(PAGE_BLOCK, to, (uint32_t)(found.word >> 32)));
}

uint32_t heap_owner(struct heap *heap, uint64_t offset)
{
    struct found found;
    if (!block_at(heap, offset, &found))
        return SLOT_NONE;
    if (!found.half)
        return word_owner(found.word);
    uint16_t half = atomic_load_explicit(found.half, memory_order_acquire);
    return half < BOARD_SLOTS ? half : SLOT_NONE;
}

size_t heap_block_bytes(struct heap *heap, uint64_t offset)
{
    struct found found;
    if (!block_at(heap, offset, &found))
        return 0;
    if (!found.half)
        return (size_t)(found.word >> 32) * HEAP_PAGE;
    uint16_t half = atomic_load_explicit(found.half, memory_order_acquire);
    return half != HALF_CLOSED && half < HALF_FREE ? heap_class_bytes[word_class(found.word)] : 0;
}
