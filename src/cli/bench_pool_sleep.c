// SPDX-License-Identifier: BSD-3-Clause
//
// Tasks that sleep, so there may be more workers than cores: all alike, and of one to eight times as long in no order. The
// ideal is what they sleep, shared by the workers; it leaves out that at the end some workers have nothing to do while
// the last tasks run. Of tasks that are not alike there are so many that half of the longest is a hundredth of it.
#include "config.h"

#include "cli/bench_pool.h"

enum { SLEEP_US = 10000, LONGEST = 8, ALIKE_EACH = 100, UNLIKE_EACH = 96, QUICK_PART = 8 };

struct sleeps {
    uint32_t workers, count;
    bool alike;
    uint32_t *us; // owned
    uint64_t sum_us;
    int node;
    dragon_pool_t *pool;
};

// Each length as often as any other, in an order that is always the same.
static bool make_items(struct sleeps *sleeps, bool quick)
{
    uint32_t each = sleeps->alike ? ALIKE_EACH : UNLIKE_EACH, random = 1;
    sleeps->count = sleeps->workers * (quick ? each / QUICK_PART : each);
    sleeps->us = calloc(sleeps->count, sizeof *sleeps->us);
    if (!sleeps->us)
        return false;
    for (uint32_t i = 0; i < sleeps->count; i++) {
        sleeps->us[i] = SLEEP_US * (sleeps->alike ? 1 : 1 + i % LONGEST);
        sleeps->sum_us += sleeps->us[i];
    }
    for (uint32_t i = sleeps->count - 1; i > 0; i--) {
        random = random * 1664525 + 1013904223;
        uint32_t other = (uint32_t)((uint64_t)random * (i + 1) >> 32), us = sleeps->us[i];
        sleeps->us[i] = sleeps->us[other];
        sleeps->us[other] = us;
    }
    return true;
}

static double run_ours(struct versus *versus)
{
    const struct sleeps *sleeps = versus->arg;
    dragon_error_t error;
    uint64_t begin = time_now_ns();
    if (dragon_pool_map(sleeps->pool, "sleep", sleeps->us, sizeof *sleeps->us, sleeps->count, NULL,
                        0, BENCH_WAIT_MS, &error) == DRAGON_OK)
        return sleeps->count * 1e9 / (double)(time_now_ns() - begin);
    figure_fail(&versus->figure, "%.190s", error.text);
    return -1;
}

static double ideal(struct versus *versus)
{
    const struct sleeps *sleeps = versus->arg;
    return sleeps->count * 1e6 * sleeps->workers / (double)sleeps->sum_us;
}

static void measure(struct bench *bench, struct sleeps *sleeps)
{
    struct versus versus = versus_init(bench, 0);
    struct pool_plan plan = {.workers = sleeps->workers, .node = sleeps->node};
    bool far = sleeps->node == POOL_EVERYWHERE;
    versus_name(&versus, "sleep-%u%s%s", sleeps->workers, sleeps->alike ? "" : "-unlike",
                far ? "-nodes" : "");
    versus_what(&versus, "%s, %u workers%s", sleeps->alike ? "10 ms each" : "10 to 80 ms",
                sleeps->workers, far ? ", all nodes" : "");
    versus_peer(&versus, "the ideal");
    versus.figure.unit = "1/s";
    versus.figure.aim = AIM_AT_LEAST;
    versus.figure.aim_value = 0.95;
    versus.pairs = bench->quick ? 1 : 3;
    versus.ours = run_ours;
    versus.peer = ideal;
    versus.arg = sleeps;
    if (make_items(sleeps, bench->quick))
        sleeps->pool = bench_pool_make(bench, &plan, &versus.figure);
    else
        figure_fail(&versus.figure, "out of memory");
    if (sleeps->pool)
        versus_run(&versus);
    else
        report_figure(bench->report, &versus.figure);
    dragon_pool_destroy(sleeps->pool);
    free(sleeps->us);
}

void bench_pool_sleep(struct bench *bench)
{
    static const uint32_t workers[] = {2, 8, 32};
    for (int far = 0; far < 2; far++)
        for (size_t i = 0; i < sizeof workers / sizeof *workers; i++)
            for (int unlike = 0; unlike < 2; unlike++) {
                struct sleeps sleeps = {.workers = workers[i],
                                        .alike = !unlike,
                                        .node = far ? POOL_EVERYWHERE : DRAGON_HERE};
                if (!far || dragon_runtime_nodes(bench->runtime) > 1)
                    measure(bench, &sleeps);
            }
}
