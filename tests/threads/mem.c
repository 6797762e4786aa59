// SPDX-License-Identifier: BSD-3-Clause
//
// Threads at the same heap, and at the same waitset: a program without Criterion, so that it runs under ThreadSanitizer
// (./configure --enable-sanitizer=thread). Each thread is what a process is elsewhere: it has a slot, and views of its own.
#include "config.h"

#include "tests/unit/mem/space.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>

enum {
    THREADS = 4,
    HEAP_BYTES = 4 << 20,
    HEAP_TURNS = 30000,
    BOXES = 8,
    TOKENS = 20000, // of each who gives some
    SLICE_NS = 1000000000,
};

static int failures;

static void tell(int number, bool good, const char *what)
{
    printf("%sok %d - %s\n", good ? "" : "not ", number, what);
    failures += !good;
}

static bool run_all(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    bool good = true;
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good &= result == NULL;
    }
    return good;
}
static char bad[1]; // what a thread returns when something was wrong

// ---- the heap

static void *heap_base;
static _Atomic uint64_t boxes[BOXES]; // blocks on their way

// Everything in a block is written by who has it, and read by who has it then.
static void fill(struct heap *heap, uint64_t offset, uint32_t value)
{
    memset(heap->base + offset, (int)(value & 0xff), heap_block_bytes(heap, offset));
}

static bool is_filled(struct heap *heap, uint64_t offset)
{
    const uint8_t *data = heap->base + offset;
    size_t bytes = heap_block_bytes(heap, offset);
    for (size_t i = 1; i < bytes; i++) {
        if (data[i] != data[0])
            return false;
    }
    return bytes > 0;
}

static void *use_heap(void *arg)
{
    static const size_t most[] = {128, 1000, 8192, 60000};
    uint32_t slot = SLOT_FIRST + (uint32_t)(uintptr_t)arg;
    unsigned seed = slot;
    struct heap heap;
    bool good = heap_attach(&heap, heap_base, HEAP_BYTES);
    for (uint32_t turn = 0; turn < HEAP_TURNS && good; turn++) {
        size_t bytes = 1 + (size_t)rand_r(&seed) % most[(uint32_t)rand_r(&seed) % 4];
        uint64_t offset = heap_alloc(&heap, bytes, slot);
        if (!offset)
            continue; // the others have it all
        fill(&heap, offset, turn);
        good = heap_give(&heap, offset, slot, SLOT_MESSAGE);
        offset = atomic_exchange(&boxes[(uint32_t)rand_r(&seed) % BOXES], offset);
        if (offset)
            good &= heap_give(&heap, offset, SLOT_MESSAGE, slot) && is_filled(&heap, offset) &&
                    heap_free(&heap, offset, slot);
    }
    return good ? NULL : bad;
}

static bool heap_is_right(void)
{
    struct heap heap;
    struct heap_stats stats;
    heap_base = fake_shared_memory(HEAP_BYTES);
    bool good = heap_init(&heap, heap_base, HEAP_BYTES) && run_all(use_heap);
    for (int i = 0; i < BOXES; i++) {
        uint64_t offset = atomic_load(&boxes[i]);
        good &= !offset || heap_free(&heap, offset, SLOT_MESSAGE);
    }
    heap_stats(&heap, &stats);
    good &= stats.blocks == 0 && stats.largest_free_bytes == stats.bytes;
    munmap(heap_base, HEAP_BYTES);
    return good;
}

// ---- waiting
//
// Two give tokens, one at a time, and ring for each; two take them, one asleep on its futex, one on its eventfd.

static struct fake_keeper *keeper;
static struct waitset *set;
static _Atomic int tokens, taken;
enum { ALL_TOKENS = THREADS / 2 * TOKENS };

static bool take_token(void)
{
    int have = atomic_load(&tokens);
    while (have > 0) {
        if (atomic_compare_exchange_weak(&tokens, &have, have - 1)) {
            atomic_fetch_add(&taken, 1);
            return true;
        }
    }
    return false;
}

static bool sleep_once(struct space *space, uint32_t seen, bool by_fd)
{
    if (!by_fd)
        return bell_sleep(space->own, seen, SLICE_NS);
    if (!bell_sleep_fd(space->own, seen))
        return true;
    struct pollfd bell = {.fd = space->bell_fd, .events = POLLIN};
    bool rung = poll(&bell, 1, SLICE_NS / 1000000) == 1;
    uint64_t count;
    if (rung && read(bell.fd, &count, sizeof count) < 0)
        rung = false;
    bell_awake(space->own);
    return rung;
}

// False: it slept through a whole slice although there was something to take at its end.
static bool wait_token(struct space *space, bool by_fd)
{
    uint32_t seen = bell_seen(space->own);
    waitset_enter(set, space->slot);
    bool ready = take_token() || atomic_load(&taken) == ALL_TOKENS;
    bool in_time = ready || sleep_once(space, seen, by_fd);
    // Who was rung for a token, and got one without, rings for the next.
    if (!waitset_leave(set, space->slot) && ready)
        space_wake_one(space, set);
    return in_time || atomic_load(&tokens) == 0;
}

static void *use_bells(void *arg)
{
    uintptr_t number = (uintptr_t)arg;
    struct space *space = fake_space(keeper, SLOT_FIRST + (uint32_t)number);
    bool good = true;
    if (number % 2) {
        for (int i = 0; i < TOKENS; i++) {
            atomic_fetch_add(&tokens, 1);
            space_wake_one(space, set);
            if (i % 16 == 0)
                sched_yield();
        }
    } else {
        while (good && atomic_load(&taken) < ALL_TOKENS) {
            if (!take_token())
                good = wait_token(space, number % 4 == 0);
        }
        space_ring_all(space); // the last one was taken
    }
    space_detach(space);
    return good ? NULL : bad;
}

static bool no_ring_is_lost(void)
{
    keeper = fake_keeper_create(1, 1 << 20);
    set = fake_shared_memory(sizeof *set);
    waitset_init(set);
    bool good = run_all(use_bells) && atomic_load(&taken) == ALL_TOKENS;
    munmap(set, sizeof *set);
    fake_keeper_destroy(keeper);
    return good;
}

int main(void)
{
    printf("1..2\n");
    tell(1, heap_is_right(), "threads use one heap");
    tell(2, no_ring_is_lost(), "who waits is rung for each thing that comes");
    return failures != 0;
}
