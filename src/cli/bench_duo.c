// SPDX-License-Identifier: BSD-3-Clause
//
// What is measured between this process and a partner. Each takes about the time that it is given, after a short
// warming; below 0: the figure has the reason.
#include "config.h"

#include "cli/bench_channel.h"

enum { WARM_PART = 8, CHUNK = 32 };

// A turn to the partner and back.
struct turn {
    dragon_err_t (*take)(struct duo *duo, struct turn *turn);
    void *data;
    size_t bytes;
};

static dragon_err_t take_copy(struct duo *duo, struct turn *turn)
{
    dragon_err_t err = dragon_channel_send(duo->to, turn->data, turn->bytes, 0, BENCH_WAIT_MS);
    return err == DRAGON_OK
               ? dragon_channel_receive(duo->from, turn->data, turn->bytes, NULL, BENCH_WAIT_MS)
               : err;
}

// The same block comes back. Its first word is written and read, its other pages are left alone.
static dragon_err_t take_block(struct duo *duo, struct turn *turn)
{
    uint64_t *word = turn->data, wanted = ++*word;
    dragon_err_t err =
        dragon_channel_send_memory(duo->to, turn->data, turn->bytes, 0, BENCH_WAIT_MS);
    if (err != DRAGON_OK)
        return err;
    turn->data = NULL;
    err = dragon_channel_receive_memory(duo->from, &turn->data, NULL, BENCH_WAIT_MS);
    if (err != DRAGON_OK)
        return err;
    return *(uint64_t *)turn->data == wanted ? DRAGON_OK : DRAGON_ERR_PROTO;
}

// One way, in ns, over about so many milliseconds.
static double take_turns(struct duo *duo, struct turn *turn, int ms, struct figure *figure)
{
    uint64_t begin = time_now_ns(), end = begin, turns = 0, limit_ns = (uint64_t)ms * 1000000;
    while (end - begin < limit_ns) {
        for (int i = 0; i < CHUNK; i++) {
            dragon_err_t err = turn->take(duo, turn);
            if (err != DRAGON_OK)
                return bench_channel_fail(figure, "no answer from the partner", err);
        }
        turns += CHUNK;
        end = time_now_ns();
    }
    return (double)(end - begin) / 2 / (double)turns;
}

static double take_warm_turns(struct duo *duo, struct turn *turn, int ms, struct figure *figure)
{
    double warm = take_turns(duo, turn, ms / WARM_PART, figure);
    return warm < 0 ? warm : take_turns(duo, turn, ms, figure);
}

double duo_ping_ns(struct duo *duo, size_t bytes, int ms, struct figure *figure)
{
    struct turn turn = {.take = take_copy, .data = calloc(1, bytes), .bytes = bytes};
    double ns = -1;
    if (turn.data)
        ns = take_warm_turns(duo, &turn, ms, figure);
    else
        figure_fail(figure, "out of memory");
    free(turn.data);
    return ns;
}

double duo_bounce_ns(struct duo *duo, size_t bytes, int ms, struct figure *figure)
{
    dragon_runtime_t *runtime = duo->crew.bench->runtime;
    struct turn turn = {.take = take_block, .bytes = bytes};
    dragon_error_t error;
    if (dragon_memory_alloc(runtime, bytes, &turn.data, &error) != DRAGON_OK) {
        figure_fail(figure, "%.190s", error.text);
        return -1;
    }
    *(uint64_t *)turn.data = 0;
    double ns = take_warm_turns(duo, &turn, ms, figure);
    dragon_memory_free(runtime, turn.data);
    return ns;
}

// ---- in one direction

// Sends to a sink for a while, then waits until it has everything. The messages of a second.
static dragon_err_t pour(struct duo *duo, const void *data, size_t bytes, int ms, double *rate_out)
{
    uint64_t begin = time_now_ns(), now = begin, count = 1, limit_ns = (uint64_t)ms * 1000000;
    dragon_err_t err = DRAGON_OK;
    char answer;
    while (err == DRAGON_OK && now - begin < limit_ns) {
        for (int i = 0; err == DRAGON_OK && i < CHUNK; i++)
            err = dragon_channel_send(duo->to, data, bytes, TAG_DATA, BENCH_WAIT_MS);
        count += CHUNK;
        now = time_now_ns();
    }
    if (err == DRAGON_OK)
        err = dragon_channel_send(duo->to, data, bytes, TAG_ANSWER, BENCH_WAIT_MS);
    if (err == DRAGON_OK)
        err = dragon_channel_receive(duo->from, &answer, sizeof answer, NULL, BENCH_WAIT_MS);
    *rate_out = (double)count * 1e9 / (double)(time_now_ns() - begin);
    return err;
}

static double pour_for(struct duo *duo, const void *data, size_t bytes, int ms,
                       struct figure *figure)
{
    double rate = -1;
    dragon_err_t err = pour(duo, data, bytes, ms / WARM_PART, &rate);
    if (err == DRAGON_OK)
        err = pour(duo, data, bytes, ms, &rate);
    return err == DRAGON_OK ? rate
                            : bench_channel_fail(figure, "the partner does not receive", err);
}

double duo_stream_rate(struct duo *duo, size_t bytes, int ms, struct figure *figure)
{
    void *data = calloc(1, bytes);
    double rate = -1;
    if (data)
        rate = pour_for(duo, data, bytes, ms, figure);
    else
        figure_fail(figure, "out of memory");
    free(data);
    return rate;
}

double duo_stream_mbs(struct duo *duo, size_t bytes, int ms, struct figure *figure)
{
    double rate = duo_stream_rate(duo, bytes, ms, figure);
    return rate < 0 ? rate : rate * (double)bytes / 1e6;
}
