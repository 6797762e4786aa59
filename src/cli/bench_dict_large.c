// SPDX-License-Identifier: BSD-3-Clause
//
// Large values of this node: copied in and out, against memcpy of the same size between as many places, so that both find
// as much in the caches; and views of a frozen dictionary, which are not to depend on the size.
#include "config.h"

#include "cli/bench_dict.h"
#include "cli/text.h"

enum { FROZEN_SMALL = 128 };

// ---- copies

static const struct large_case {
    const char *name;
    enum load_op op;
    size_t bytes;
    uint32_t places; // keys, or places of memcpy
} large_cases[] = {
    {"large-get-1024k", LOAD_GET, 1 << 20, 16},
    {"large-put-1024k", LOAD_PUT, 1 << 20, 16},
    {"large-get-65536k", LOAD_GET, 64 << 20, 2},
    {"large-put-65536k", LOAD_PUT, 64 << 20, 2},
};

struct large {
    const struct large_case *which;
    dragon_dict_t *dict;
    char *places, *buffer; // of memcpy; owned
};

static struct load load_of(const struct large_case *which, int ms)
{
    return (struct load){.op = which->op,
                         .keys = which->places,
                         .key_bytes = KEY_BYTES_LEAST,
                         .value_bytes = which->bytes,
                         .batch = 1,
                         .ms = (uint32_t)ms};
}

static double run_dict(struct versus *versus)
{
    const struct large *large = versus->arg;
    struct load load = load_of(large->which, versus->ms);
    cores_pin_to(versus->cores.a);
    double rate = load_rate(large->dict, &load, &versus->figure);
    cores_unpin();
    return rate < 0 ? rate : rate * (double)large->which->bytes / 1e6;
}

static void copy_all(const struct large *large)
{
    const struct large_case *which = large->which;
    for (uint32_t i = 0; i < which->places; i++) {
        char *place = large->places + i * which->bytes;
        if (which->op == LOAD_PUT)
            memcpy(place, large->buffer, which->bytes);
        else
            memcpy(large->buffer, place, which->bytes);
        __asm__ volatile(""
                         :
                         : "r"(place), "r"(large->buffer)
                         : "memory"); // they are all to be made
    }
}

static double run_memcpy(struct versus *versus)
{
    const struct large *large = versus->arg;
    uint64_t limit_ns = (uint64_t)versus->ms * 1000000, copies = 0;
    cores_pin_to(versus->cores.a);
    copy_all(large);
    uint64_t begin = time_now_ns(), end = begin;
    while (end - begin < limit_ns) {
        copy_all(large);
        copies += large->which->places;
        end = time_now_ns();
    }
    cores_unpin();
    return (double)copies * (double)large->which->bytes * 1e3 / (double)(end - begin);
}

static bool prepare(struct large *large, struct bench *bench, struct figure *figure)
{
    const struct large_case *which = large->which;
    struct partner_report report;
    struct load fill = load_of(which, 0);
    size_t all = which->bytes * which->places;
    fill.op = LOAD_FILL;
    large->dict = bench_dict_make(bench, (int)dragon_runtime_node(bench->runtime), 1,
                                  all + 2 * which->bytes + (32 << 20), figure);
    large->places = malloc(all);
    large->buffer = malloc(which->bytes);
    if (!large->dict)
        return false;
    dragon_err_t err = DRAGON_ERR_NOMEM;
    if (large->places && large->buffer) {
        memset(large->places, 1, all);
        memset(large->buffer, 1, which->bytes);
        err = load_run(large->dict, &fill, &report);
    }
    return err == DRAGON_OK || bench_channel_fail(figure, "the dictionary", err) > 0;
}

void bench_dict_large(struct bench *bench)
{
    for (size_t i = 0; i < sizeof large_cases / sizeof *large_cases; i++) {
        const struct large_case *which = &large_cases[i];
        struct versus versus = versus_init(bench, which->bytes);
        struct large large = {.which = which};
        char size[32];
        text_size(which->bytes, size, sizeof size);
        versus_name(&versus, "%s", which->name);
        versus_what(&versus, "%s, %u keys, %s", size, which->places,
                    which->op == LOAD_PUT ? "copied in" : "copied out");
        versus_peer(&versus, "memcpy %s %u places", which->op == LOAD_PUT ? "into" : "out of",
                    which->places);
        versus.figure.unit = "MB/s";
        versus.figure.aim = AIM_AT_LEAST;
        versus.figure.aim_value = 0.8;
        versus.ours = run_dict;
        versus.peer = run_memcpy;
        versus.arg = &large;
        if (prepare(&large, bench, &versus.figure))
            versus_run(&versus);
        else
            report_figure(bench->report, &versus.figure);
        free(large.buffer);
        free(large.places);
        if (large.dict)
            dragon_dict_destroy(large.dict, NULL);
    }
}

// ---- frozen

static const size_t frozen_sizes[] = {FROZEN_SMALL, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20};
enum { FROZEN_SIZES = sizeof frozen_sizes / sizeof *frozen_sizes };

struct frozen {
    dragon_dict_t *dict;
    int size;
};

// Each size has a key of its own.
static struct load frozen_load(enum load_op op, int size, int ms)
{
    return (struct load){.op = op,
                         .client = (uint32_t)size,
                         .keys = 1,
                         .key_bytes = KEY_BYTES_LEAST,
                         .value_bytes = frozen_sizes[size],
                         .batch = 1,
                         .ms = (uint32_t)ms};
}

static double view_us(struct versus *versus, int size)
{
    const struct frozen *frozen = versus->arg;
    struct load load = frozen_load(LOAD_VIEW, size, versus->ms);
    cores_pin_to(versus->cores.a);
    double rate = load_rate(frozen->dict, &load, &versus->figure);
    cores_unpin();
    return rate > 0 ? 1e6 / rate : -1;
}

static double run_view(struct versus *versus)
{
    return view_us(versus, ((const struct frozen *)versus->arg)->size);
}

static double run_small_view(struct versus *versus)
{
    return view_us(versus, 0);
}

static dragon_dict_t *make_frozen(struct bench *bench, struct figure *figure)
{
    dragon_dict_t *dict =
        bench_dict_make(bench, (int)dragon_runtime_node(bench->runtime), 1, 128 << 20, figure);
    dragon_err_t err = dict ? DRAGON_OK : DRAGON_ERR_FULL;
    for (int i = 0; err == DRAGON_OK && i < FROZEN_SIZES; i++) {
        struct partner_report report;
        struct load fill = frozen_load(LOAD_FILL, i, 0);
        err = load_run(dict, &fill, &report);
    }
    if (err == DRAGON_OK)
        err = dragon_dict_freeze(dict, BENCH_WAIT_MS);
    if (!dict || err == DRAGON_OK)
        return dict;
    bench_channel_fail(figure, "the dictionary", err);
    dragon_dict_destroy(dict, NULL);
    return NULL;
}

void bench_dict_frozen(struct bench *bench)
{
    struct figure figure = {.name = "frozen", .what = "views of a frozen dictionary", .unit = "us"};
    struct frozen frozen = {.dict = make_frozen(bench, &figure)};
    if (!frozen.dict)
        report_figure(bench->report, &figure);
    for (int i = 0; frozen.dict && i < FROZEN_SIZES; i++) {
        struct versus versus = versus_init(bench, frozen_sizes[i]);
        char size[32];
        frozen.size = i;
        text_size(frozen_sizes[i], size, sizeof size);
        versus_name(&versus, "frozen-%zu", frozen_sizes[i]);
        versus_what(&versus, "a view of %s, frozen", size);
        versus_peer(&versus, "a view of %d bytes", FROZEN_SMALL);
        versus.figure.unit = "us";
        versus.figure.aim = AIM_AT_MOST;
        versus.figure.aim_value = 1.2;
        versus.ours = run_view;
        versus.peer = run_small_view;
        versus.arg = &frozen;
        versus_run(&versus);
    }
    if (frozen.dict)
        dragon_dict_destroy(frozen.dict, NULL);
}
