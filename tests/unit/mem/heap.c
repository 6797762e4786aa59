// SPDX-License-Identifier: BSD-3-Clause
//
// The heap as one process uses it.
#include "config.h"

#include "tests/unit/mem/heap_check.h"

enum { ME = 7, OTHER = 8 };

static struct heap heap;

static uint64_t take(size_t bytes)
{
    uint64_t offset = heap_alloc(&heap, bytes, ME);
    cr_assert_neq(offset, 0, "%zu bytes", bytes);
    cr_assert_eq(offset % HEAP_ALIGN, 0);
    cr_assert_geq(heap_block_bytes(&heap, offset), bytes);
    cr_assert_eq(heap_owner(&heap, offset), ME);
    return offset;
}

static void give_back(uint64_t offset)
{
    cr_assert(heap_free(&heap, offset, ME));
}

// ---- sizes

Test(heap, blocks_of_each_size_are_large_enough_and_not_much_larger)
{
    heap_make(&heap, 100);
    for (size_t bytes = 1; bytes <= 6 * HEAP_PAGE; bytes += bytes < 9000 ? 1 : 509) {
        uint64_t offset = take(bytes);
        size_t most = bytes <= 128    ? 128
                      : bytes <= 1152 ? bytes + HEAP_ALIGN - 1
                      : bytes <= 2688 ? bytes * 7 / 6 + 64
                      : bytes <= 8192 ? bytes * 3 / 2 + 64
                                      : bytes + HEAP_PAGE - 1;
        cr_assert_leq(heap_block_bytes(&heap, offset), most, "%zu bytes", bytes);
        give_back(offset);
    }
    check_words(&heap, ME);
    check_all_free(&heap);
}

Test(heap, no_larger_block_would_fit_as_often)
{
    for (uint32_t class = 0; class < HEAP_CLASSES; class ++)
        cr_expect_gt(class_blocks(class) * (heap_class_bytes[class] + HEAP_ALIGN), HEAP_PAGE);
}

Test(heap, all_of_it_can_be_had_in_any_size)
{
    heap_make(&heap, 20);
    for (uint32_t class = 0; class < HEAP_CLASSES; class ++) {
        uint32_t count = 0;
        size_t bytes = heap_class_bytes[class];
        while (heap_alloc(&heap, bytes, ME))
            count++;
        cr_assert_eq(count, heap.pages * class_blocks(class), "%zu bytes", bytes);
        cr_assert_eq(heap_alloc(&heap, HEAP_PAGE, ME), 0);
        cr_assert_eq(heap_recover(&heap, ME), count);
        check_words(&heap, ME);
    }
    check_all_free(&heap);
}

Test(heap, a_segment_for_a_block_holds_it)
{
    for (size_t bytes = 1; bytes < 1ull << 32; bytes += bytes / 3 + 1) {
        size_t room = heap_bytes_for(bytes);
        cr_assert_eq(room % HEAP_PAGE, 0);
        cr_assert_leq(room, bytes + bytes / 50 + 4 * HEAP_PAGE);
        void *base = heap_memory(room);
        cr_assert(heap_init(&heap, base, room));
        cr_assert_neq(heap_alloc(&heap, bytes, ME), 0, "%zu bytes in %zu", bytes, room);
        munmap(base, room);
    }
    cr_assert_eq(heap_bytes_for(1ull << 47), 0);
    cr_assert_eq(heap_bytes_for(SIZE_MAX), 0);
}

Test(heap, a_terabyte_costs_no_more_than_a_page)
{
    heap_make(&heap, 64 << 20);
    uint64_t large = take((size_t)512 << 30);
    uint64_t small = take(100);
    struct heap_stats stats;
    heap_stats(&heap, &stats);
    cr_assert_eq(stats.blocks, 2);
    cr_assert_eq(stats.used_bytes, ((uint64_t)512 << 30) + 128);
    give_back(small);
    give_back(large);
    check_all_free(&heap);
}

Test(heap, what_cannot_be_is_refused)
{
    heap_make(&heap, 4);
    size_t all = (size_t)heap.pages * HEAP_PAGE;
    cr_assert_eq(heap_alloc(&heap, 0, ME), 0);
    cr_assert_eq(heap_alloc(&heap, all + 1, ME), 0);
    cr_assert_eq(heap_alloc(&heap, SIZE_MAX, ME), 0);
    cr_assert_eq(heap_alloc(&heap, 1, SLOT_NONE), 0);
    cr_assert_eq(heap_alloc(&heap, 1, BOARD_SLOTS), 0);
    cr_assert_eq(heap_alloc(&heap, 1, BOARD_SLOTS + ME), 0);
    struct heap other;
    cr_assert_not(heap_init(&other, heap.base, HEAP_PAGE));
    cr_assert_not(heap_init(&other, heap.base, 0));
    cr_assert_not(heap_init(&other, heap.base, SIZE_MAX));
}

Test(heap, only_a_heap_is_attached_to)
{
    heap_make(&heap, 4);
    size_t bytes = heap.first + (size_t)heap.pages * HEAP_PAGE;
    struct heap other;
    cr_assert(heap_attach(&other, heap.base, bytes));
    cr_assert_eq(other.pages, heap.pages);
    cr_assert_eq(other.first, heap.first);
    cr_assert_not(heap_attach(&other, heap.base, bytes - HEAP_PAGE));
    for (int i = 0; i < 16; i++) { // magic, version, size
        heap.base[i] ^= 1;
        cr_assert_not(heap_attach(&other, heap.base, bytes));
        heap.base[i] ^= 1;
    }
    cr_assert(heap_attach(&other, heap.base, bytes));
}

// ---- whose it is

static void check_only_of(uint64_t offset, uint32_t owner)
{
    for (uint32_t slot = 0; slot < BOARD_SLOTS + 20; slot++) {
        if (slot != owner) {
            cr_assert_not(heap_free(&heap, offset, slot), "slot %u", slot);
            cr_assert_not(heap_give(&heap, offset, slot, ME), "slot %u", slot);
        }
    }
    cr_assert_eq(heap_owner(&heap, offset), owner);
}

static void check_life(size_t bytes)
{
    uint64_t offset = take(bytes);
    size_t real = heap_block_bytes(&heap, offset);
    check_only_of(offset, ME);
    cr_assert(heap_give(&heap, offset, ME, SLOT_MESSAGE));
    check_only_of(offset, SLOT_MESSAGE);
    cr_assert_not(heap_give(&heap, offset, SLOT_MESSAGE, SLOT_NONE));
    cr_assert_not(heap_give(&heap, offset, SLOT_MESSAGE, BOARD_SLOTS));
    cr_assert(heap_give(&heap, offset, SLOT_MESSAGE, BOARD_SLOTS - 1));
    cr_assert_eq(heap_block_bytes(&heap, offset), real);
    cr_assert(heap_free(&heap, offset, BOARD_SLOTS - 1));
    check_only_of(offset, SLOT_NONE);
    cr_assert_eq(heap_block_bytes(&heap, offset), 0);
}

Test(heap, a_block_is_of_one_slot)
{
    heap_make(&heap, 8);
    check_life(100);
    check_life(8192);
    check_life(3 * HEAP_PAGE);
    check_all_free(&heap);
}

// Where no block begins nothing can be freed, given, or seen.
Test(heap, only_where_a_block_begins_there_is_one)
{
    heap_make(&heap, 8);
    uint64_t offsets[] = {take(100), take(5000), take(8192), take(3 * HEAP_PAGE)};
    uint64_t end = heap.first + (uint64_t)heap.pages * HEAP_PAGE;
    for (uint64_t at = 0; at < end + 3 * HEAP_PAGE; at++) {
        bool begins = false;
        for (int i = 0; i < 4; i++)
            begins |= offsets[i] == at;
        if (begins)
            continue;
        cr_assert_not(heap_free(&heap, at, ME));
        cr_assert_not(heap_give(&heap, at, ME, OTHER));
        cr_assert_eq(heap_owner(&heap, at), SLOT_NONE);
        cr_assert_eq(heap_block_bytes(&heap, at), 0);
    }
    cr_assert_not(heap_free(&heap, UINT64_MAX, ME));
    cr_assert_not(heap_free(&heap, (1ull << 63) + heap.first, ME));
    for (int i = 0; i < 4; i++)
        give_back(offsets[i]);
    check_all_free(&heap);
}

Test(heap, a_block_of_a_page_that_was_given_back_is_gone)
{
    heap_make(&heap, 4);
    uint64_t small = take(8192);
    give_back(small);
    uint64_t all = take((size_t)heap.pages * HEAP_PAGE); // closes the cut page
    cr_assert_not(heap_free(&heap, small + 8192, ME));
    memset(heap.base + all, 0xff, heap_block_bytes(&heap, all));
    give_back(all);
    cr_assert_not(heap_free(&heap, small, ME));
    check_words(&heap, ME);
    check_all_free(&heap);
}

Test(heap, the_dead_leave_nothing_and_others_keep_what_they_have)
{
    heap_make(&heap, 40);
    static const size_t sizes[] = {1, 300, 4096, 8192, 20000, 70000};
    uint64_t kept[12];
    for (int i = 0; i < 12; i++) {
        take(sizes[i % 6]);
        kept[i] = heap_alloc(&heap, sizes[i % 6], OTHER);
        cr_assert_neq(kept[i], 0);
    }
    cr_assert_eq(heap_recover(&heap, SLOT_NONE), 0);
    cr_assert_eq(heap_recover(&heap, BOARD_SLOTS), 0);
    cr_assert_eq(heap_recover(&heap, ME), 12);
    cr_assert_eq(heap_recover(&heap, ME), 0);
    check_words(&heap, ME);
    for (int i = 0; i < 12; i++)
        cr_assert(heap_free(&heap, kept[i], OTHER));
    check_all_free(&heap);
}

// ---- which one is taken

static void check_last_comes_first(size_t bytes)
{
    uint64_t a = take(bytes), b = take(bytes), c = take(bytes);
    give_back(c);
    give_back(a);
    cr_assert_eq(take(bytes), a);
    give_back(b);
    cr_assert_eq(take(bytes), b);
    give_back(a);
    give_back(b);
}

Test(heap, what_was_given_back_last_is_taken_first)
{
    heap_make(&heap, 40);
    check_last_comes_first(200);
    check_last_comes_first(8000);
    check_last_comes_first(HEAP_PAGE);
    check_last_comes_first(5 * HEAP_PAGE);
    // Sizes do not take from each other.
    uint64_t large = take(6 * HEAP_PAGE);
    give_back(large);
    give_back(take(100));
    give_back(take(2 * HEAP_PAGE));
    cr_assert_eq(take(6 * HEAP_PAGE), large);
}

// Another process frees what we send it: we do not go through the whole heap.
static void check_stays_near(size_t bytes, uint32_t window)
{
    struct heap receiver;
    cr_assert(heap_attach(&receiver, heap.base, heap.first + (size_t)heap.pages * HEAP_PAGE));
    uint64_t on_the_way[64] = {0}, highest = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        uint64_t *oldest = &on_the_way[i % window];
        cr_assert(!*oldest || heap_free(&receiver, *oldest, OTHER));
        *oldest = take(bytes);
        cr_assert(heap_give(&heap, *oldest, ME, OTHER));
        highest = *oldest > highest ? *oldest : highest;
    }
    uint64_t least = (uint64_t)window * heap_block_bytes(&heap, on_the_way[0]);
    cr_assert_leq(highest - heap.first, 2 * least + 4 * HEAP_PAGE);
    for (uint32_t i = 0; i < window; i++)
        cr_assert(heap_free(&receiver, on_the_way[i], OTHER));
}

Test(heap, memory_that_others_give_back_is_used_again_soon)
{
    for (uint32_t window = 1; window <= 64; window *= 4) {
        heap_make(&heap, 4000);
        check_stays_near(4096, window);
        heap_make(&heap, 4000);
        check_stays_near(3 * HEAP_PAGE, window);
    }
}

// ---- joining

Test(heap, runs_of_all_lengths_become_one_again)
{
    heap_make(&heap, 60);
    uint64_t offsets[60];
    uint32_t count = 0;
    while ((offsets[count] = heap_alloc(&heap, (1 + count % 4) * HEAP_PAGE, ME)))
        count++;
    for (uint32_t i = 0; i < count; i += 2)
        give_back(offsets[i]);
    for (uint32_t i = 1; i < count; i += 2)
        give_back(offsets[i]);
    check_all_free(&heap);
}

Test(heap, small_blocks_do_not_stand_in_the_way_of_large_ones)
{
    heap_make(&heap, 30);
    uint64_t one = 0;
    for (uint32_t class = 0; class < HEAP_CLASSES; class ++) {
        while (heap_alloc(&heap, heap_class_bytes[class], OTHER))
            ;
        cr_assert(heap_recover(&heap, OTHER) > 0);
        one = take(heap_class_bytes[class]);
        cr_assert_eq(heap_alloc(&heap, (size_t)heap.pages * HEAP_PAGE, ME), 0);
        uint64_t rest = take((size_t)(heap.pages - 1) * HEAP_PAGE);
        give_back(rest);
        give_back(one);
    }
    check_all_free(&heap);
}

// ---- figures, and out of use

Test(heap, figures_are_right)
{
    heap_make(&heap, 16);
    take(100);
    take(8192);
    uint64_t large = take(4 * HEAP_PAGE);
    struct heap_stats stats;
    heap_stats(&heap, &stats);
    cr_assert_eq(stats.bytes, (uint64_t)heap.pages * HEAP_PAGE);
    cr_assert_eq(stats.blocks, 3);
    cr_assert_eq(stats.used_bytes, 128 + 8192 + 4 * HEAP_PAGE);
    cr_assert_eq(stats.free_bytes, stats.bytes - stats.used_bytes);
    cr_assert_eq(stats.largest_free_bytes, (uint64_t)(heap.pages - 6) * HEAP_PAGE);
    give_back(large);
    heap_stats(&heap, &stats);
    cr_assert_eq(stats.largest_free_bytes, (uint64_t)(heap.pages - 2) * HEAP_PAGE);
}

Test(heap, out_of_use_it_gives_nothing)
{
    heap_make(&heap, 16);
    uint64_t offset = take(100);
    cr_assert_not(heap_retire(&heap));
    give_back(offset);
    give_back(take(5 * HEAP_PAGE));
    give_back(take(5000));
    cr_assert(heap_retire(&heap));
    cr_assert_not(heap_retire(&heap));
    cr_assert_eq(heap_alloc(&heap, 1, ME), 0);
    cr_assert_eq(heap_alloc(&heap, HEAP_PAGE, ME), 0);
    cr_assert_not(heap_free(&heap, offset, ME));
    struct heap_stats stats;
    heap_stats(&heap, &stats);
    cr_assert_eq(stats.free_bytes, 0);
    cr_assert_eq(stats.used_bytes, 0);
    heap_revive(&heap);
    check_words(&heap, ME);
    check_all_free(&heap);
    heap_revive(&heap);
    take(100);
}
