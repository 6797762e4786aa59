// SPDX-License-Identifier: BSD-3-Clause
//
// A pool of very many workers, over all nodes: what the head still does quickly while they are connected, and the memory
// that they take in it. All of them sleep but the one that has a task.
#include "config.h"

#include "cli/bench_pool.h"
#include "cli/command.h"

#include <unistd.h>

enum { CROWD = 512, CROWD_QUICK = 64, LOOKS = 20 };

static const double slower_aim = 2, memory_aim_mb = 20;

struct crowd {
    struct bench *bench;
    uint32_t workers;
    dragon_pool_t *pool;
    char *program; // owned
    struct usage before;
    struct samples group_before, look_before;
};

static struct figure figure_of(const char *name, const char *what, const char *unit,
                               const char *peer)
{
    struct figure figure = {.unit = unit};
    snprintf(figure.name, sizeof figure.name, "crowd-%s", name);
    snprintf(figure.what, sizeof figure.what, "%s", what);
    snprintf(figure.peer, sizeof figure.peer, "%s", peer);
    return figure;
}

// ---- calls

static double group_ms(const struct crowd *crowd, struct figure *figure)
{
    char *argv[] = {crowd->program, NULL};
    struct group_run run = {.argv = argv, .ranks = 1};
    return group_run_ms(crowd->bench, &run, figure);
}

static double look_ms(const struct crowd *crowd, struct figure *figure)
{
    dragon_system_t *system = NULL;
    dragon_error_t error;
    uint64_t begin = time_now_ns();
    if (dragon_system_look(crowd->bench->runtime, &system, &error) != DRAGON_OK) {
        figure_fail(figure, "%.190s", error.text);
        return -1;
    }
    double ms = (double)(time_now_ns() - begin) / 1e6;
    dragon_system_destroy(system);
    return ms;
}

static bool take_samples(const struct crowd *crowd,
                         double (*call)(const struct crowd *crowd, struct figure *figure),
                         struct samples *samples, struct figure *figure)
{
    for (int i = 0; i < LOOKS; i++) {
        double ms = call(crowd, figure);
        if (ms < 0)
            return false;
        samples->values[samples->count++] = ms;
    }
    return true;
}

// ---- figures

static void report_start(const struct crowd *crowd, uint64_t ns)
{
    struct figure figure = figure_of("start", "all workers are connected", "ms", "");
    figure_add_ours(&figure, (double)ns / 1e6);
    figure_note(&figure, "%u workers", crowd->workers);
    report_figure(crowd->bench->report, &figure);
}

// Where the worker is that gets a task when all are idle: it is always the same. Below 0: the figure has the reason.
static int find_node(const struct crowd *crowd, struct figure *figure)
{
    dragon_result_t *result = NULL;
    dragon_result_facts_t facts = {0};
    dragon_err_t err = dragon_pool_apply_async(crowd->pool, "nothing", NULL, 0, &result);
    if (err == DRAGON_OK)
        err = dragon_result_wait(result, BENCH_WAIT_MS);
    if (err == DRAGON_OK)
        err = dragon_result_facts(result, &facts);
    dragon_result_destroy(result);
    return err == DRAGON_OK ? (int)facts.node : (int)bench_channel_fail(figure, "a task", err);
}

static void measure_task(const struct crowd *crowd, dragon_pool_t *single, struct figure *figure)
{
    int ms = crowd->bench->quick ? 30 : 200, pairs = crowd->bench->quick ? 3 : 15;
    double ours = pool_apply_us(crowd->pool, ms, figure);
    double peer = ours < 0 ? -1 : pool_apply_us(single, ms, figure);
    for (int i = 0; i < pairs && peer >= 0; i++) {
        ours = pool_apply_us(crowd->pool, ms, figure);
        peer = ours < 0 ? -1 : pool_apply_us(single, ms, figure);
        if (peer >= 0)
            figure_add(figure, ours, peer);
    }
}

static void report_task(const struct crowd *crowd)
{
    struct figure figure =
        figure_of("task", "a task, there and back", "us", "a pool of one worker on that node");
    int node = find_node(crowd, &figure);
    struct pool_plan one = {.workers = 1, .node = node};
    dragon_pool_t *single = node < 0 ? NULL : bench_pool_make(crowd->bench, &one, &figure);
    figure.aim = AIM_AT_MOST;
    figure.aim_value = slower_aim;
    if (single) {
        measure_task(crowd, single, &figure);
        figure_note(&figure, "the worker is on %s node",
                    (uint32_t)node == dragon_runtime_node(crowd->bench->runtime) ? "this"
                                                                                 : "another");
    }
    report_figure(crowd->bench->report, &figure);
    dragon_pool_destroy(single);
}

static void report_call(const struct crowd *crowd, struct figure *figure,
                        double (*call)(const struct crowd *crowd, struct figure *figure),
                        const struct samples *before)
{
    struct samples during = {0};
    if (take_samples(crowd, call, &during, figure))
        for (int i = 0; i < LOOKS; i++)
            figure_add(figure, during.values[i], before->values[i]);
    report_figure(crowd->bench->report, figure);
}

static void report_memory(const struct crowd *crowd)
{
    struct figure figure = figure_of("memory", "memory of the head, its own", "MB", "");
    struct usage usage;
    figure.aim = AIM_AT_MOST;
    figure.aim_value = memory_aim_mb;
    if (usage_read(getpid(), &usage)) {
        figure_add_ours(&figure, usage.own_mb);
        figure_note(&figure, "%.1f MB before; %ld descriptors, %ld before", crowd->before.own_mb,
                    usage.descriptors, crowd->before.descriptors);
    } else
        figure_fail(&figure, "this process cannot be looked at in /proc");
    report_figure(crowd->bench->report, &figure);
}

static void measure(struct crowd *crowd, struct figure *figure)
{
    struct pool_plan all = {.workers = crowd->workers, .node = POOL_EVERYWHERE};
    if (!take_samples(crowd, group_ms, &crowd->group_before, figure) ||
        !take_samples(crowd, look_ms, &crowd->look_before, figure))
        return;
    usage_read(getpid(), &crowd->before);
    uint64_t begin = time_now_ns();
    crowd->pool = bench_pool_make(crowd->bench, &all, figure);
    uint64_t end = time_now_ns();
    if (!crowd->pool)
        return;
    report_start(crowd, end - begin);
    report_task(crowd);
    struct figure group = figure_of("group", "a group of one true", "ms", "before they were there");
    group.aim = AIM_AT_MOST;
    group.aim_value = slower_aim;
    report_call(crowd, &group, group_ms, &crowd->group_before);
    // Its answer names every rank.
    struct figure look =
        figure_of("look", "a look at the whole runtime", "ms", "before they were there");
    report_call(crowd, &look, look_ms, &crowd->look_before);
    report_memory(crowd);
}

void bench_pool_crowd(struct bench *bench)
{
    struct crowd crowd = {.bench = bench, .program = command_find("true")};
    struct figure figure = figure_of("start", "all workers are connected", "ms", "");
    crowd.workers = bench->quick ? CROWD_QUICK : CROWD;
    if (crowd.program)
        measure(&crowd, &figure);
    else
        figure_fail(&figure, "there is no program true");
    if (figure.failed)
        report_figure(bench->report, &figure);
    dragon_pool_destroy(crowd.pool);
    free(crowd.program);
}
