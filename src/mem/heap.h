// SPDX-License-Identifier: BSD-3-Clause
//
// The heap in a segment: blocks for any number of processes at once, without a lock. Whoever dies, at whatever
// instruction, leaves a heap that works: every step that counts is one atomic change of a word that names who makes it.
//
//     segment:  | head | a word for each page | 128 half words for each page | pages of 16 KiB ... |
//
// A page is free; or the first of a run of pages that are one large block; or a further one of such a run; or it is cut
// into blocks of one size, each with a half word that names its owner. Only the first page of a run, free or not, says
// how long it is, so that a large block costs no more than a small one. heap_recover gives back what a dead slot owned,
// finished or not.
//
// The words and half words take 1.6 % of the segment. They are never anything else, so a process that comes late, with
// what it read long ago, changes nothing but words. They are memory that others can write, too: what is read of them is
// checked before use, and sizes come from the view that each process has of the heap.
//
// The first that is free is taken, so that memory that was in use lately is used again. Looking for it passes eight
// pages or runs in the long run, however many there are. When there is none all words of pages are read, at most three
// times: 4096 for 64 MiB, some 10 us; some 10 ms in a heap of 64 GiB. heap_recover and heap_stats read the half words
// of all cut pages, too.
#ifndef MEM_HEAP_H
#define MEM_HEAP_H

#include "mem/board.h"

enum {
    HEAP_PAGE = 16 << 10,
    HEAP_LEAST = 128, // bytes of a block
    HEAP_ALIGN = 64,  // of each
    HEAP_MAGIC = 0x44524748,
    HEAP_VERSION = 1,
    HEAP_CLASSES = 29,                        // sizes of blocks of cut pages, up to half a page
    HEAP_CLASS_NUMBERS = 32,                  // that a word may have, damaged
    HEAP_RUN_HINTS = 32,                      // by the logarithm of the pages
    HEAP_HALF_WORDS = HEAP_PAGE / HEAP_LEAST, // for each page
};

// Where this process looks first, so that it gets what was given back last; one for each size.
struct heap_hint {
    uint32_t last, block; // the page, and the block in it, that was taken or given back last
    uint32_t from;        // where to look otherwise,
    uint32_t walks;       // so often, and then from the beginning again
};

// The view that one process has of a heap; nothing of it is shared.
struct heap {
    uint8_t *base;            // borrowed: of the segment
    _Atomic uint64_t *words;  // in the segment
    _Atomic uint16_t *blocks; // in the segment
    uint64_t first;           // offset of the first page
    uint32_t pages;
    struct heap_hint cut[HEAP_CLASS_NUMBERS], run[HEAP_RUN_HINTS];
};

// Makes a heap in `bytes` of zeroed memory, of which only the beginning is touched. False: too small, or too large.
bool heap_init(struct heap *heap, void *base, size_t bytes);
// False: what is there is no heap of ours of that size.
bool heap_attach(struct heap *heap, void *base, size_t bytes);
// A segment that holds one block of so many bytes is at least so large. 0: no segment can.
size_t heap_bytes_for(size_t block);
// The largest block that a heap in so many bytes can ever have.
size_t heap_block_most(size_t bytes);

// The offset of a block that is the owner's; 0: no room.
uint64_t heap_alloc(struct heap *heap, size_t bytes, uint32_t owner);
// False: it is no block of that owner, and nothing was changed.
bool heap_free(struct heap *heap, uint64_t offset, uint32_t owner);
// The block changes hands in one step. False: it is no block of `from`.
bool heap_give(struct heap *heap, uint64_t offset, uint32_t from, uint32_t to);
uint32_t heap_owner(struct heap *heap, uint64_t offset);     // SLOT_NONE: no block begins there
size_t heap_block_bytes(struct heap *heap, uint64_t offset); // 0: no block begins there

// Gives back all that a dead slot owned. How many blocks that were.
size_t heap_recover(struct heap *heap, uint32_t dead);

struct heap_stats {
    uint64_t bytes; // of all pages
    uint64_t used_bytes, free_bytes, largest_free_bytes, blocks;
};
void heap_stats(struct heap *heap, struct heap_stats *stats_out);

// For the keeper. Takes all pages out of use when every one is free (true), so that their memory, from `first` on, can
// be given back; and puts them in again, when it has been reserved again.
bool heap_retire(struct heap *heap);
void heap_revive(struct heap *heap);

#endif
