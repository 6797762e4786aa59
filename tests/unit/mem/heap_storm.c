// SPDX-License-Identifier: BSD-3-Clause
//
// Several processes at one heap, each with blocks of all sizes, which they hand to each other; and now and then one is killed.
#include "config.h"

#include "tests/unit/mem/heap_check.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    FIRST = 10, // slot of the first
    HELD = 24,  // blocks that a worker has at most
    BOXES = 16,
    KILLS = 40,
    TURNS = 20000, // of each worker in the storm without killing
    PATIENCE_MS = 50000,
};

static struct sky {
    _Atomic bool over;
    _Atomic uint64_t turns[WORKERS];
    _Atomic uint64_t boxes[BOXES]; // blocks on their way
} * sky;
static struct heap heap;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

// What is in a block says how long it is, so that whoever has it can check it.
static void fill(uint64_t offset, uint64_t bytes, uint64_t mark)
{
    uint64_t *words = (uint64_t *)(heap.base + offset);
    words[0] = bytes;
    for (uint64_t i = 1; i < bytes / 8; i++)
        words[i] = mark ^ i;
    words[1] = mark;
}

static bool is_filled(uint64_t offset)
{
    const uint64_t *words = (const uint64_t *)(heap.base + offset);
    uint64_t bytes = words[0], mark = words[1];
    if (bytes > heap_block_bytes(&heap, offset))
        return false;
    for (uint64_t i = 2; i < bytes / 8; i++) {
        if (words[i] != (mark ^ i))
            return false;
    }
    return true;
}

static uint64_t random_bytes(uint64_t *random)
{
    static const uint32_t most[] = {128, 512, 4096, 8192, 20000, 100000, 400000};
    return 16 + next_random(random) % most[next_random(random) % 7];
}

enum wrong { NOT_FILLED = 10, NOT_FREED, NOT_GIVEN, NOT_MINE };
static void check(bool good, enum wrong wrong)
{
    if (!good)
        _exit(wrong);
}

static void give_back(uint64_t offset, uint32_t slot)
{
    check(is_filled(offset), NOT_FILLED);
    check(heap_owner(&heap, offset) == slot, NOT_MINE);
    check(heap_free(&heap, offset, slot), NOT_FREED);
}

// Puts a block in a box, and takes out what was there.
static void pass_on(uint64_t offset, uint32_t slot, uint32_t box)
{
    check(heap_give(&heap, offset, slot, SLOT_MESSAGE), NOT_GIVEN);
    uint64_t found = atomic_exchange(&sky->boxes[box], offset);
    if (!found)
        return;
    check(heap_give(&heap, found, SLOT_MESSAGE, slot), NOT_GIVEN);
    give_back(found, slot);
}

static void work(int worker, uint64_t seed, uint64_t most_turns)
{
    uint64_t held[HELD] = {0};
    uint32_t slot = FIRST + (uint32_t)worker;
    while (!atomic_load(&sky->over) && most_turns--) {
        uint64_t *one = &held[next_random(&seed) % HELD];
        if (!*one) {
            uint64_t bytes = random_bytes(&seed);
            *one = heap_alloc(&heap, bytes, slot);
            if (*one)
                fill(*one, bytes, next_random(&seed) << 32 | slot);
        } else {
            if (next_random(&seed) % 3)
                give_back(*one, slot);
            else
                pass_on(*one, slot, next_random(&seed) % BOXES);
            *one = 0;
        }
        atomic_fetch_add(&sky->turns[worker], 1);
    }
    for (int i = 0; i < HELD; i++) {
        if (held[i])
            give_back(held[i], slot);
    }
    _exit(0);
}

static pid_t start(int worker, uint64_t seed, uint64_t most_turns)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // when an assertion fails
        work(worker, seed * 7919 + (uint64_t)worker, most_turns);
    }
    return child;
}

static void wait_well(pid_t child)
{
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

static void begin(uint32_t pages)
{
    sky = heap_memory(sizeof *sky);
    heap_make(&heap, pages);
}

// What is left in boxes, and what lies nowhere because its sender was killed between the steps.
static void check_end(void)
{
    heap_recover(&heap, SLOT_MESSAGE);
    check_words(&heap, SLOT_MESSAGE);
    check_all_free(&heap);
}

static void storm(uint32_t pages)
{
    begin(pages);
    pid_t children[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        children[i] = start(i, 1, TURNS);
    for (int i = 0; i < WORKERS; i++)
        wait_well(children[i]);
    check_end();
}

Test(heap_storm, nothing_is_lost_or_mixed_up)
{
    storm(400);
}

// Pages are cut and closed all the time, and most large blocks are not to be had.
Test(heap_storm, nor_in_a_heap_that_is_nearly_full)
{
    storm(30);
}

static void wait_turns(int worker, pid_t child, uint64_t turns)
{
    int status;
    uint64_t deadline = time_now_ms() + PATIENCE_MS;
    while (atomic_load(&sky->turns[worker]) < turns) {
        cr_assert(time_left_ms(deadline) > 0, "worker %d stands still", worker);
        cr_assert_eq(waitpid(child, &status, WNOHANG), 0, "worker %d said %x", worker,
                     (unsigned)status);
        sched_yield();
    }
}

Test(heap_storm, killing_harms_nobody_else)
{
    begin(60);
    pid_t children[WORKERS];
    uint64_t random = 4711;
    for (int i = 0; i < WORKERS; i++)
        children[i] = start(i, 2, UINT64_MAX);
    for (int kills = 0; kills < KILLS; kills++) {
        int worker = (int)(next_random(&random) % WORKERS);
        uint64_t turns = atomic_load(&sky->turns[worker]) + next_random(&random) % 300;
        wait_turns(worker, children[worker], turns);
        int status;
        kill(children[worker], SIGKILL);
        cr_assert_eq(waitpid(children[worker], &status, 0), children[worker]);
        cr_assert(WIFSIGNALED(status), "worker %d said %x", worker, (unsigned)status);
        heap_recover(&heap, FIRST + (uint32_t)worker);
        cr_assert_eq(heap_recover(&heap, FIRST + (uint32_t)worker), 0);
        children[worker] = start(worker, (uint64_t)kills + 3, UINT64_MAX);
    }
    atomic_store(&sky->over, true);
    for (int i = 0; i < WORKERS; i++)
        wait_well(children[i]);
    check_end();
}
