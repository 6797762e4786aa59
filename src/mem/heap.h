// SPDX-License-Identifier: BSD-3-Clause
//
// The heap in a segment: blocks for any number of processes at once, without a lock. Whoever dies, at whatever
// instruction, leaves a heap that works: every step that counts is one compare-and-swap of a word that names the owner.
//
//     segment:  | struct heap | a word for each page | pages of 16 KiB ... |
//
// A page is free; or the first of a run of pages that are one large block; or a further one of such a run; or it is cut into
// blocks of one size, with a word for each at its beginning. A word names the slot that owns the block, or that is
// just changing the page. heap_recover gives back what a dead slot owned, finished or not.
//
// The heap is memory that others can write: offsets and words read from it are checked before use.
#ifndef MEM_HEAP_H
#define MEM_HEAP_H

#include "mem/board.h"

enum {
    HEAP_PAGE = 16 << 10,
    HEAP_LEAST = 64, // bytes of a block, and what each is aligned to
    HEAP_MAGIC = 0x44524748,
};

struct heap; // at the start of its segment

// Where this process looks first, so that it gets what it gave back last. One for each heap; zeroed at first.
enum { HEAP_CLASSES = 12 };
struct heap_hint {
    uint32_t page[HEAP_CLASSES]; // a page of that class
    uint32_t run;                // where runs are looked for
};

// Makes a heap in `bytes` of zeroed memory, a multiple of HEAP_PAGE.
bool heap_init(struct heap *heap, size_t bytes);
// What came from elsewhere is a heap of ours, of that size.
bool heap_check(const struct heap *heap, size_t bytes);
// A segment that holds one block of so many bytes is at least so large.
size_t heap_bytes_for(size_t block);

// The offset of a block that is the owner's; 0: no room.
uint64_t heap_alloc(struct heap *heap, size_t bytes, uint32_t owner, struct heap_hint *hint);
// False: it is no block of that owner, and nothing was changed.
bool heap_free(struct heap *heap, uint64_t offset, uint32_t owner, struct heap_hint *hint);
// The block changes hands in one step. False: it is no block of `from`.
bool heap_give(struct heap *heap, uint64_t offset, uint32_t from, uint32_t to);
uint32_t heap_owner(struct heap *heap, uint64_t offset);     // SLOT_NONE: no block begins there
size_t heap_block_bytes(struct heap *heap, uint64_t offset); // 0: no block begins there

// Gives back all that a dead slot owned. How many blocks that were.
size_t heap_recover(struct heap *heap, uint32_t dead);

struct heap_stats {
    uint64_t bytes, used_bytes, free_bytes, largest_free_bytes, blocks;
};
void heap_stats(struct heap *heap, struct heap_stats *stats_out);

// Takes all pages out of use when every one is free (true), so that their memory can be given back; and puts them in again.
bool heap_retire(struct heap *heap);
void heap_revive(struct heap *heap);

#endif
