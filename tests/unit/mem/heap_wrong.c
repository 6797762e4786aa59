// SPDX-License-Identifier: BSD-3-Clause
//
// The words of a heap may hold anything: then what it gives may be nonsense, but it lies in the heap, no call touches anything outside, and
// each comes to an end.
#include "config.h"

#include "tests/unit/mem/heap_check.h"

#include <stdlib.h>

enum { ME = 7, PAGES = 12, ROUNDS = 150, CALLS = 12 };

static struct heap heap;
static size_t bytes;

// With nothing before and behind that could be touched.
static void make_alone(void)
{
    bytes = (PAGES + 1) * HEAP_PAGE;
    uint8_t *room = mmap(NULL, bytes + 2 * HEAP_PAGE, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(room, MAP_FAILED);
    cr_assert_eq(mprotect(room + HEAP_PAGE, bytes, PROT_READ | PROT_WRITE), 0);
    cr_assert(heap_init(&heap, room + HEAP_PAGE, bytes));
}

static uint64_t random_word(unsigned *seed)
{
    uint64_t word =
        (uint64_t)rand_r(seed) << 33 ^ (uint64_t)rand_r(seed) << 10 ^ (uint64_t)rand_r(seed) >> 8;
    switch (rand_r(seed) % 4) {
    case 0:
        return word;
    case 1: // nearly right
        return word_run((enum page_state)(word % 8), word >> 8 & 15, (uint32_t)(word >> 40) % 20);
    case 2:
        return word_cut(PAGE_CUT, 0, word >> 20 & 15);
    default:
        return word & 0xffffffff0000000full;
    }
}

static void disturb(unsigned *seed)
{
    int count = rand_r(seed) % 6;
    for (int i = 0; i < count; i++)
        atomic_store(&heap.words[(uint32_t)rand_r(seed) % heap.pages], random_word(seed));
    for (int i = 0; i < count * 20; i++)
        atomic_store(&heap.blocks[(uint32_t)rand_r(seed) % (heap.pages * HEAP_HALF_WORDS)],
                     (uint16_t)(rand_r(seed) % 3 ? rand_r(seed) : HALF_FREE));
}

static void check_inside(uint64_t offset, size_t wanted)
{
    cr_assert(offset >= heap.first && offset + wanted <= bytes, "%zu bytes at %lu", wanted, offset);
}

static void call(unsigned *seed, uint64_t *offset)
{
    size_t wanted = 1 + (size_t)rand_r(seed) % (rand_r(seed) % 2 ? 8192 : 5 * HEAP_PAGE);
    struct heap_stats stats;
    switch (rand_r(seed) % 8) {
    case 0:
        heap_free(&heap, *offset, ME);
        break;
    case 1:
        heap_give(&heap, *offset, ME, SLOT_MESSAGE);
        break;
    case 2:
        heap_recover(&heap, ME);
        break;
    case 3:
        heap_stats(&heap, &stats);
        break;
    case 4:
        *offset = (uint64_t)rand_r(seed) % (2 * bytes);
        heap_owner(&heap, *offset);
        heap_block_bytes(&heap, *offset);
        break;
    case 5:
        heap_retire(&heap);
        heap_revive(&heap);
        break;
    default:
        *offset = heap_alloc(&heap, wanted, ME);
        if (*offset)
            check_inside(*offset, wanted);
    }
}

Test(heap_wrong, nothing_outside_is_touched)
{
    unsigned seed = 42;
    make_alone();
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t offset = heap.first;
        for (int i = 0; i < CALLS; i++) {
            disturb(&seed);
            call(&seed, &offset);
        }
        if (round % 16 == 0) {
            memset(heap.base, 0, heap.first);
            cr_assert(heap_init(&heap, heap.base, bytes));
        }
    }
}
