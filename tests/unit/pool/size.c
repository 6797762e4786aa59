// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "pool/pool.h"

#include <criterion/criterion.h>

static uint32_t size(uint32_t asked, uint64_t task_ns, uint64_t left, uint32_t workers)
{
    struct chunk_figures figures = {
        .asked = asked, .task_ns = task_ns, .left = left, .workers = workers};
    return chunk_size(&figures);
}

Test(pool_size, what_was_asked_for)
{
    cr_expect_eq(size(17, 0, 0, 0), 17);
    cr_expect_eq(size(1, 10, 1000000, 1), 1);
}

Test(pool_size, by_how_long_they_take)
{
    cr_expect_eq(size(0, 0, 1000000, 1), 1, "nobody knows");
    cr_expect_eq(size(0, POOL_CHUNK_NS / 50, 1000000, 1), 50);
    cr_expect_eq(size(0, POOL_CHUNK_NS * 10, 1000000, 1), 1, "long ones go alone");
    cr_expect_leq(size(0, 1, 1000000000, 1), 1000, "short ones have a limit");
}

Test(pool_size, a_share_of_what_is_left)
{
    cr_expect_eq(size(0, 1000, 800, 10), 20);
    cr_expect_eq(size(0, 1000, 39, 10), 1);
    cr_expect_eq(size(0, 1000, 0, 10), 1);
    cr_expect_eq(size(0, 1000, 400, 0), 100, "no worker yet");
}

Test(pool_size, an_idle_worker_gets_anything)
{
    struct chunk_ahead none = {0};
    cr_expect(chunk_wanted(&none, 0));
    cr_expect(chunk_wanted(&none, UINT64_MAX));
}

Test(pool_size, a_busy_one_what_is_short)
{
    struct chunk_ahead ahead = {.tasks = 1, .chunks = 1, .ns = 1000};
    cr_expect(chunk_wanted(&ahead, 1000));
    cr_expect_not(chunk_wanted(&ahead, 0), "nobody knows how long it takes");
    cr_expect_not(chunk_wanted(&ahead, POOL_AHEAD_NS), "long ones wait for a worker");
    ahead.ns = POOL_AHEAD_NS;
    cr_expect_not(chunk_wanted(&ahead, 1), "it has enough to do");
}

Test(pool_size, a_busy_one_has_limits)
{
    struct chunk_ahead ahead = {.tasks = POOL_AHEAD_TASKS, .chunks = 1, .ns = 1000};
    cr_expect(chunk_wanted(&ahead, 1), "few chunks");
    ahead.chunks = POOL_AHEAD_CHUNKS;
    cr_expect_not(chunk_wanted(&ahead, 1), "many tasks and chunks");
    ahead.tasks = POOL_AHEAD_TASKS - 1;
    cr_expect(chunk_wanted(&ahead, 1), "few tasks");
    ahead.bytes = POOL_AHEAD_BYTES;
    cr_expect_not(chunk_wanted(&ahead, 1), "much data");
}

Test(pool_size, what_was_measured_counts_in_the_end)
{
    uint64_t ns = chunk_measured(0, 1000, 10);
    cr_expect_eq(ns, 100, "the first time is all that is known");
    cr_expect_eq(chunk_measured(100, 5000, 10), 200);
    for (int i = 0; i < 50; i++)
        ns = chunk_measured(ns, 100000, 10);
    cr_expect(ns > 9900 && ns <= 10000);
    cr_expect_eq(chunk_measured(0, 0, 5), 1, "0 would say that nobody knows");
}
