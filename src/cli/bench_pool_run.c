// SPDX-License-Identifier: BSD-3-Clause
//
// What is measured with a pool that is there. Below 0: the figure has the reason.
#include "config.h"

#include "cli/bench_pool.h"

enum { CHUNK = 32, COMMAND_MS = 60000 };

double pool_map_rate(dragon_pool_t *pool, size_t count, struct figure *figure)
{
    dragon_error_t error;
    uint64_t *items = calloc(count, sizeof *items);
    if (!items) {
        figure_fail(figure, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        items[i] = i;
    uint64_t begin = time_now_ns();
    dragon_err_t err = dragon_pool_map(pool, "nothing", items, sizeof *items, count, NULL, 0,
                                       BENCH_WAIT_MS, &error);
    uint64_t end = time_now_ns();
    free(items);
    if (err == DRAGON_OK)
        return (double)count * 1e9 / (double)(end - begin);
    figure_fail(figure, "%.190s", error.text);
    return -1;
}

double pool_apply_us(dragon_pool_t *pool, int ms, struct figure *figure)
{
    dragon_error_t error;
    uint64_t begin = time_now_ns(), end = begin, count = 0, limit_ns = (uint64_t)ms * 1000000;
    while (end - begin < limit_ns) {
        for (int i = 0; i < CHUNK; i++)
            if (dragon_pool_apply(pool, "nothing", &count, sizeof count, NULL, NULL, BENCH_WAIT_MS,
                                  &error) != DRAGON_OK) {
                figure_fail(figure, "%.190s", error.text);
                return -1;
            }
        count += CHUNK;
        end = time_now_ns();
    }
    return (double)(end - begin) / 1e3 / (double)count;
}

// ---- commands

struct commands {
    uint32_t done;
    struct figure *figure;
};

static void on_command(void *arg, dragon_result_t *result)
{
    struct commands *commands = arg;
    dragon_command_end_t end = {0};
    dragon_error_t error;
    commands->done++;
    if (commands->figure->failed) // it is the first that tells why
        return;
    if (dragon_result_error(result, &error) != DRAGON_OK)
        figure_fail(commands->figure, "%.190s", error.text);
    else if (dragon_result_command(result, &end) != DRAGON_OK || end.exit_code != 0)
        figure_fail(commands->figure, "a command ended with %d: %.*s", end.exit_code,
                    end.error_bytes < 120 ? (int)end.error_bytes : 120, (const char *)end.error);
}

double pool_command_rate(dragon_pool_t *pool, const dragon_command_t *command, uint32_t count,
                         uint32_t at_once, struct figure *figure)
{
    struct commands commands = {.figure = figure};
    dragon_err_t err = DRAGON_OK;
    uint32_t given = 0;
    uint64_t begin = time_now_ns();
    while (err == DRAGON_OK && commands.done < count && !figure->failed) {
        for (; err == DRAGON_OK && given < count && given - commands.done < at_once; given++)
            err = dragon_pool_run_then(pool, command, on_command, &commands);
        if (err == DRAGON_OK)
            err = dragon_pool_progress(pool, COMMAND_MS);
    }
    uint64_t end = time_now_ns();
    if (err != DRAGON_OK)
        bench_channel_fail(figure, "the commands", err);
    if (figure->failed)
        dragon_pool_terminate(pool); // those that are left are told of before this is over
    return figure->failed ? -1 : (double)count * 1e9 / (double)(end - begin);
}
