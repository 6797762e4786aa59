// SPDX-License-Identifier: BSD-3-Clause
//
// The heap as one process uses it.
#include "config.h"

#include "mem/heap_words.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

static struct heap heap;

static void make(size_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(base, MAP_FAILED);
    cr_assert(heap_init(&heap, base, bytes));
}

Test(heap, gives_a_block_and_takes_it_back)
{
    make(1 << 20);
    uint64_t offset = heap_alloc(&heap, 100, 7);
    cr_assert_neq(offset, 0);
    cr_assert_eq(heap_owner(&heap, offset), 7);
    cr_assert_eq(heap_block_bytes(&heap, offset), 128);
    cr_assert_not(heap_free(&heap, offset, 8));
    cr_assert(heap_give(&heap, offset, 7, SLOT_MESSAGE));
    cr_assert_not(heap_free(&heap, offset, 7));
    cr_assert(heap_free(&heap, offset, SLOT_MESSAGE));
    cr_assert_not(heap_free(&heap, offset, SLOT_MESSAGE));
    cr_assert_eq(heap_owner(&heap, offset), SLOT_NONE);
}
