// SPDX-License-Identifier: BSD-3-Clause
//
// Pools of this very program, and what their workers do.
#include "config.h"

#include "cli/bench_pool.h"

#include <unistd.h>

// ---- in a worker

static int nothing(dragon_task_t *task)
{
    (void)task;
    return 0;
}

static int sleep_us(dragon_task_t *task)
{
    size_t bytes;
    const uint32_t *us = dragon_task_data(task, &bytes);
    if (bytes != sizeof *us)
        return dragon_task_fail(task, 1, "%zu bytes", bytes);
    struct timespec time = {.tv_sec = *us / 1000000, .tv_nsec = *us % 1000000 * 1000L};
    nanosleep(&time, NULL);
    return 0;
}

// It takes a moment, so that every worker has one.
static int memory(dragon_task_t *task)
{
    struct usage usage;
    struct timespec moment = {.tv_nsec = 10000000};
    nanosleep(&moment, NULL);
    if (!usage_read(getpid(), &usage))
        return dragon_task_fail(task, 1, "/proc cannot be read");
    return dragon_task_return(task, &usage.own_mb, sizeof usage.own_mb) != DRAGON_OK;
}

static const dragon_function_t functions[] = {
    {"nothing", nothing},
    {"sleep", sleep_us},
    {"memory", memory},
    {NULL, NULL},
};

// A node that shares its host has a part of the cores. This is to be before the library looks which there are.
bool bench_pool_work(int argc, char **argv, int *code_out)
{
    if (argc == 2 && strcmp(argv[1], WORKER_WORD) == 0)
        cores_widen();
    return dragon_pool_work(functions, code_out);
}

// ---- the head's side

// It asks for no cores of its own.
static dragon_policy_t *make_policy(struct bench *bench, int node, struct figure *figure)
{
    dragon_policy_t *policy = NULL;
    char number[16];
    snprintf(number, sizeof number, "%d",
             node == DRAGON_HERE ? (int)dragon_runtime_node(bench->runtime) : node);
    dragon_err_t err = dragon_policy_create(&policy);
    if (err == DRAGON_OK && node != POOL_EVERYWHERE)
        err = dragon_policy_set_hosts(policy, number);
    if (err == DRAGON_OK && node == POOL_EVERYWHERE)
        err = dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    if (err == DRAGON_OK)
        err = dragon_policy_set_bind(policy, DRAGON_BIND_NONE);
    if (err == DRAGON_OK)
        return policy;
    figure_fail(figure, "no policy: %s", dragon_err_text(err));
    dragon_policy_destroy(policy);
    return NULL;
}

static dragon_err_t await_workers(dragon_pool_t *pool, uint32_t count)
{
    dragon_pool_stats_t stats = {0};
    dragon_err_t err = DRAGON_OK;
    for (uint64_t deadline_ms = time_now_ms() + BENCH_WAIT_MS; err == DRAGON_OK;) {
        dragon_pool_stats(pool, &stats);
        if (stats.workers >= count)
            return DRAGON_OK;
        err = dragon_pool_progress(pool, time_left_ms(deadline_ms));
    }
    return err == DRAGON_ERR_AGAIN ? DRAGON_ERR_TIMEOUT : err;
}

dragon_pool_t *bench_pool_make(struct bench *bench, const struct pool_plan *plan,
                               struct figure *figure)
{
    dragon_pool_t *pool = NULL;
    dragon_error_t error;
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    char *self = self_path(), *argv[] = {self, WORKER_WORD, NULL};
    dragon_policy_t *policy = make_policy(bench, plan->node, figure);
    if (!self || !policy) {
        figure_fail(figure, "out of memory");
        free(self);
        return NULL;
    }
    spec.argv = argv;
    spec.workers = plan->workers;
    spec.policy = policy;
    spec.chunk = plan->chunk;
    dragon_err_t err = dragon_pool_create(bench->runtime, &spec, &pool, &error);
    dragon_policy_destroy(policy);
    free(self);
    if (err != DRAGON_OK) {
        figure_fail(figure, "%.190s", error.text);
        return NULL;
    }
    err = await_workers(pool, plan->workers);
    if (err == DRAGON_OK)
        return pool;
    bench_channel_fail(figure, "the workers did not come up", err);
    dragon_pool_destroy(pool);
    return NULL;
}
