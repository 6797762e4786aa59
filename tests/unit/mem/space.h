// SPDX-License-Identifier: BSD-3-Clause
//
// A keeper for tests of shared memory, without a socket: the board, the segments and the eventfds are made at once, and
// children made by fork have them all. Each process makes a space of its own, with a slot of its own:
//
//     struct fake_keeper *keeper = fake_keeper_create(8, 1 << 20);
//     if (fork() == 0) {
//         struct space *space = fake_space(keeper, 4);
//         ...
//     }
//     struct space *space = fake_space(keeper, 3);
//     ...
//     fake_keeper_recover(keeper, space, 4);    the child is gone: reaped
#ifndef TESTS_UNIT_MEM_SPACE_H
#define TESTS_UNIT_MEM_SPACE_H

#include "mem/space.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FAKE_SEGMENTS = 64, FAKE_SLOTS = 100 };

struct fake_keeper { // shared with the children
    struct board *board;
    int fds[FAKE_SEGMENTS + 1]; // by number, from 1
    size_t bytes;               // of each
    uint32_t segments;
    _Atomic uint32_t grown; // how many have been given out
    _Atomic uint32_t asked; // how often a bell was fetched
    int bells[FAKE_SLOTS];
};

static inline void *fake_shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(memory != MAP_FAILED);
    return memory;
}

static inline dragon_err_t fake_segment(void *arg, uint32_t number, int *fd_out, size_t *bytes_out,
                                        struct segment_kind *kind_out, dragon_error_t *error)
{
    struct fake_keeper *keeper = arg;
    if (number == 0 || number > atomic_load(&keeper->grown))
        return err_set(error, DRAGON_ERR_NOT_FOUND, "there is no segment %u", number);
    *fd_out = fcntl(keeper->fds[number], F_DUPFD_CLOEXEC, 3);
    *bytes_out = keeper->bytes;
    *kind_out = (struct segment_kind){.numa = DRAGON_ANY_NUMA};
    return *fd_out < 0 ? err_set(error, DRAGON_ERR_SYS, "no descriptor is left") : DRAGON_OK;
}

static inline dragon_err_t fake_grow(void *arg, size_t block_bytes, struct segment_kind kind,
                                     uint32_t *number_out, dragon_error_t *error)
{
    struct fake_keeper *keeper = arg;
    uint32_t grown = atomic_load(&keeper->grown);
    bool fits = heap_bytes_for(block_bytes) <= keeper->bytes && kind.huge != DRAGON_HUGE_REQUIRE;
    while (fits && grown < keeper->segments) {
        if (atomic_compare_exchange_weak(&keeper->grown, &grown, grown + 1)) {
            *number_out = grown + 1;
            return DRAGON_OK;
        }
    }
    return err_set(error, DRAGON_ERR_FULL, "the limit of %u segments of %zu bytes is reached",
                   keeper->segments, keeper->bytes);
}

static inline int fake_bell(void *arg, uint32_t slot, uint32_t *generation_out)
{
    struct fake_keeper *keeper = arg;
    if (slot >= FAKE_SLOTS)
        return -1;
    atomic_fetch_add(&keeper->asked, 1);
    *generation_out = atomic_load(&board_slot(keeper->board, slot)->generation);
    return fcntl(keeper->bells[slot], F_DUPFD_CLOEXEC, 3);
}

// `segments` of `bytes` (a multiple of HEAP_PAGE) at most; they take memory only as they are used.
static inline struct fake_keeper *fake_keeper_create(uint32_t segments, size_t bytes)
{
    struct fake_keeper *keeper = fake_shared_memory(sizeof *keeper);
    assert(segments <= FAKE_SEGMENTS);
    keeper->board = fake_shared_memory(board_bytes());
    board_init(keeper->board, 0);
    keeper->segments = segments;
    keeper->bytes = bytes;
    for (uint32_t i = 1; i <= segments; i++) {
        keeper->fds[i] = memfd_create("fake", MFD_CLOEXEC);
        int failed = ftruncate(keeper->fds[i], (off_t)bytes);
        assert(!failed);
        void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, keeper->fds[i], 0);
        struct heap heap;
        bool good = base != MAP_FAILED && heap_init(&heap, base, bytes);
        assert(good);
        munmap(base, bytes);
        (void)failed, (void)good;
    }
    for (uint32_t i = 0; i < FAKE_SLOTS; i++) {
        keeper->bells[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        atomic_store(&board_slot(keeper->board, i)->generation, 1);
    }
    return keeper;
}

static inline void fake_keeper_destroy(struct fake_keeper *keeper)
{
    for (uint32_t i = 1; i <= keeper->segments; i++)
        close(keeper->fds[i]);
    for (uint32_t i = 0; i < FAKE_SLOTS; i++)
        close(keeper->bells[i]);
    munmap(keeper->board, board_bytes());
    munmap(keeper, sizeof *keeper);
}

// For the process that calls it, which ends it with space_detach. Slots from SLOT_FIRST to below FAKE_SLOTS; SLOT_KEEPER
// for what keepers do.
static inline struct space *fake_space(struct fake_keeper *keeper, uint32_t slot)
{
    static const struct space_source source = {fake_segment, fake_grow, fake_bell};
    int bell = fcntl(keeper->bells[slot], F_DUPFD_CLOEXEC, 3);
    atomic_store(&board_slot(keeper->board, slot)->pid, (uint32_t)getpid());
    struct space *space = space_create(keeper->board, slot, bell, &source, keeper);
    assert(space);
    return space;
}

// Blocks of a slot whose process is gone are given back. How many there were.
static inline size_t fake_keeper_recover_blocks(struct fake_keeper *keeper, struct space *space,
                                                uint32_t dead)
{
    size_t count = 0;
    uint32_t grown = atomic_load(&keeper->grown);
    for (uint32_t i = 1; i <= grown; i++) {
        if (space_at(space, ref_make(i, keeper->bytes - HEAP_PAGE), 1)) // maps it
            count += heap_recover(&space->segments[i]->heap, dead);
    }
    return count;
}

// The same, and everybody looks again. The slot can be used by another one then. Objects come first: object_recover.
static inline size_t fake_keeper_recover(struct fake_keeper *keeper, struct space *space,
                                         uint32_t dead)
{
    size_t count = fake_keeper_recover_blocks(keeper, space, dead);
    struct slot *slot = board_slot(keeper->board, dead);
    bell_awake(slot);
    atomic_store(&slot->pid, 0);
    atomic_fetch_add(&slot->generation, 1);
    space_ring_all(space);
    return count;
}

// Blocks in use in all segments, and what lies in them.
static inline struct heap_stats fake_keeper_stats(struct fake_keeper *keeper, struct space *space)
{
    struct heap_stats sum = {0};
    uint32_t grown = atomic_load(&keeper->grown);
    for (uint32_t i = 1; i <= grown; i++) {
        struct heap_stats stats;
        if (!space_at(space, ref_make(i, keeper->bytes - HEAP_PAGE), 1))
            continue;
        heap_stats(&space->segments[i]->heap, &stats);
        sum.bytes += stats.bytes;
        sum.used_bytes += stats.used_bytes;
        sum.free_bytes += stats.free_bytes;
        sum.blocks += stats.blocks;
        if (stats.largest_free_bytes > sum.largest_free_bytes)
            sum.largest_free_bytes = stats.largest_free_bytes;
    }
    return sum;
}

#endif
