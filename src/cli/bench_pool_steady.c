// SPDX-License-Identifier: BSD-3-Clause
//
// Very many tasks with one pool: whether speed and memory at the end are what they were at the beginning. A hundred slices
// of them; the first and the last ten of these are looked at, and their medians, as a slice takes a moment that anything
// else on the machine may disturb.
#include "config.h"

#include "cli/bench_pool.h"

#include <unistd.h>

enum {
    SLICES = 100,
    LOOKED_AT = 10,
    AHEAD = 2000,
    AHEAD_MANY = 20000,
    LOOK_TASKS = 8 * POOL_WORKERS
};

static const double growth_aim = 1.05;

struct steady {
    struct bench *bench;
    const char *name, *what;
    double (*slice)(dragon_pool_t *pool, size_t count, struct figure *figure); // tasks a second
    size_t count;                                                              // of a slice
    dragon_pool_t *pool;
    struct figure rate;
    double head_mb[2], worker_mb[2]; // at the beginning, at the end
};

// ---- a slice

static void on_done(void *arg, dragon_result_t *result)
{
    size_t *done = arg;
    *done += dragon_result_error(result, NULL) == DRAGON_OK;
}

// Single ones, of which many are under way.
static double apply_ahead(dragon_pool_t *pool, size_t count, size_t ahead, struct figure *figure)
{
    size_t done = 0;
    dragon_err_t err = DRAGON_OK;
    uint64_t begin = time_now_ns();
    for (size_t given = 0; err == DRAGON_OK && done < count;) {
        for (; err == DRAGON_OK && given < count && given - done < ahead; given++)
            err = dragon_pool_apply_then(pool, "nothing", &given, sizeof given, on_done, &done);
        if (err == DRAGON_OK)
            err = dragon_pool_progress(pool, BENCH_WAIT_MS);
    }
    if (err == DRAGON_OK)
        return (double)count * 1e9 / (double)(time_now_ns() - begin);
    dragon_pool_terminate(pool); // tells on_done of those that are left
    return bench_channel_fail(figure, "the tasks", err);
}

static double apply_slice(dragon_pool_t *pool, size_t count, struct figure *figure)
{
    return apply_ahead(pool, count, AHEAD, figure);
}

// Their records are more than the caches of a core hold.
static double apply_many_slice(dragon_pool_t *pool, size_t count, struct figure *figure)
{
    return apply_ahead(pool, count, AHEAD_MANY, figure);
}

// ---- all

static bool look_at_memory(struct steady *steady, int end)
{
    double all[LOOK_TASKS] = {0};
    struct usage usage;
    dragon_error_t error;
    if (dragon_pool_map(steady->pool, "memory", NULL, 0, LOOK_TASKS, all, sizeof *all,
                        BENCH_WAIT_MS, &error) != DRAGON_OK) {
        figure_fail(&steady->rate, "%.190s", error.text);
        return false;
    }
    if (!usage_read(getpid(), &usage)) {
        figure_fail(&steady->rate, "this process cannot be looked at in /proc");
        return false;
    }
    steady->head_mb[end] = usage.own_mb;
    for (int i = 0; i < LOOK_TASKS; i++)
        if (all[i] > steady->worker_mb[end])
            steady->worker_mb[end] = all[i];
    return true;
}

static bool run_slices(struct steady *steady)
{
    double first[LOOKED_AT] = {0};
    for (int i = -1; i < SLICES; i++) { // one to get warm
        double rate = steady->slice(steady->pool, steady->count, &steady->rate);
        if (rate < 0)
            return false;
        if (i >= 0 && i < LOOKED_AT)
            first[i] = rate;
        if (i >= SLICES - LOOKED_AT)
            figure_add(&steady->rate, rate, first[i - (SLICES - LOOKED_AT)]);
        if (i == LOOKED_AT - 1 && !look_at_memory(steady, 0))
            return false;
    }
    return look_at_memory(steady, 1);
}

static void report_growth(struct steady *steady, const char *whose, const double *mb)
{
    struct figure figure = {.unit = "MB", .aim = AIM_AT_MOST, .aim_value = growth_aim};
    snprintf(figure.name, sizeof figure.name, "%s-%s-memory", steady->name, whose);
    snprintf(figure.what, sizeof figure.what, "  memory of the %s at the end", whose);
    snprintf(figure.peer, sizeof figure.peer, "after the first tenth");
    figure_add(&figure, mb[1], mb[0]);
    report_figure(steady->bench->report, &figure);
}

static void measure(struct steady *steady)
{
    struct figure *rate = &steady->rate;
    struct pool_plan plan = {.workers = POOL_WORKERS, .node = DRAGON_HERE};
    *rate = (struct figure){.unit = "1/s", .aim = AIM_AT_LEAST, .aim_value = 0.95};
    snprintf(rate->name, sizeof rate->name, "%s", steady->name);
    snprintf(rate->what, sizeof rate->what, "%s, the last tenth of %zu", steady->what,
             steady->count * SLICES);
    snprintf(rate->peer, sizeof rate->peer, "the first tenth");
    steady->pool = bench_pool_make(steady->bench, &plan, rate);
    bool good = steady->pool && run_slices(steady);
    report_figure(steady->bench->report, rate);
    if (good) {
        report_growth(steady, "head", steady->head_mb);
        report_growth(steady, "worker", steady->worker_mb);
    }
    dragon_pool_destroy(steady->pool);
}

void bench_pool_steady(struct bench *bench)
{
    size_t count = bench->quick ? 5000 : 100000;
    struct steady map = {bench, "steady-map", "maps", pool_map_rate, count, .pool = NULL};
    struct steady apply = {bench,       "steady-apply", "2,000 under way",
                           apply_slice, count,          .pool = NULL};
    struct steady many = {bench, "steady-many", "20,000 under way", apply_many_slice,
                          count, .pool = NULL};
    measure(&map);
    measure(&apply);
    measure(&many);
}
