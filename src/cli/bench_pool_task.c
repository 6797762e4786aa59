// SPDX-License-Identifier: BSD-3-Clause
//
// The round trip of one task beside that of one message, each with another process of this node, and waiting as by
// default. Nothing is pinned: a process with one core alone does not look for messages before it sleeps.
#include "config.h"

#include "cli/bench_pool.h"

enum { WARM_PART = 8 };

static double run_task(struct versus *versus)
{
    double us = -1;
    struct pool_plan plan = {.workers = 1, .node = DRAGON_HERE};
    dragon_pool_t *pool = bench_pool_make(versus->bench, &plan, &versus->figure);
    if (pool && pool_apply_us(pool, versus->ms / WARM_PART, &versus->figure) >= 0)
        us = pool_apply_us(pool, versus->ms, &versus->figure);
    dragon_pool_destroy(pool);
    return us;
}

static double run_message(struct versus *versus)
{
    double ns = versus_ping_ns(versus);
    return ns < 0 ? ns : ns * 2 / 1e3;
}

void bench_pool_task(struct bench *bench)
{
    struct versus versus = versus_init(bench, 8);
    versus_name(&versus, "task");
    versus_what(&versus, "a task of 8 bytes, there and back");
    versus_peer(&versus, "a message of 8 bytes, there and back");
    versus.figure.unit = "us";
    versus.figure.aim = AIM_AT_MOST;
    versus.figure.aim_value = 3;
    versus.pinned = false;
    versus.plan.direct = true; // as the channels of a pool are
    versus.ours = run_task;
    versus.peer = run_message;
    versus_run(&versus);
}
