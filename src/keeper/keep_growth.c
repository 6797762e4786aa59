// SPDX-License-Identifier: BSD-3-Clause
//
// One growth, step by step:
//
//     plan      how large: what is needed, or twice as much as the last; a retired segment that fits; within the limits
//     asked     node 0, when the runtime has a limit
//     reserve   a few milliseconds at a time
//
// What does not fit is tried again as small as possible, and then after everything that is free was given back; then it
// fails with the figures. What it is going to reserve counts as reserved from the plan on.
#include "config.h"

#include "keeper/internal.h"

#include <unistd.h>

#define STEP ((size_t)4 << 20) // reserved at once, and again until
#define STEP_MS 4              // the loop has been held up for so long
#define LEAST ((size_t)1 << 20)
#define DOUBLED 6 // times, to 64 MiB

static bool of_kind(const struct keep_segment *segment, const struct keep_growth *growth)
{
    return segment->kind.numa == growth->kind.numa && segment->kind.huge == growth->kind.huge;
}

static size_t usual_bytes(const struct keeper *keeper, const struct keep_growth *growth)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < keeper->segment_count; i++)
        count += !keeper->segments[i].retired && of_kind(&keeper->segments[i], growth);
    size_t bytes = LEAST << (count < DOUBLED ? count : DOUBLED);
    return bytes > growth->need ? bytes : growth->need;
}

// A retired segment of the kind that is large enough and no waste.
static uint32_t find_retired(const struct keeper *keeper, const struct keep_growth *growth,
                             size_t most)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < keeper->segment_count; i++) {
        const struct keep_segment *segment = &keeper->segments[i];
        if (!segment->retired || segment->reviving || !of_kind(segment, growth) ||
            segment->bytes < growth->need || segment->bytes > most)
            continue;
        if (!best || segment->bytes < keeper->segments[best - 1].bytes)
            best = i + 1;
    }
    return best;
}

static dragon_err_t choose(struct keeper *keeper, struct keep_growth *growth, dragon_error_t *error)
{
    size_t bytes = growth->least ? growth->need : usual_bytes(keeper, growth);
    growth->retired = find_retired(keeper, growth, growth->least ? bytes : 2 * bytes);
    if (growth->retired) {
        keeper->segments[growth->retired - 1].reviving = true;
        growth->segment = keeper->segments[growth->retired - 1];
        growth->reserved = growth->segment.heap.first;
        growth->cost = growth->segment.bytes - growth->reserved;
        return DRAGON_OK;
    }
    growth->segment = (struct keep_segment){.fd = -1, .kind = growth->kind};
    growth->reserved = 0;
    dragon_err_t err = segment_create(keep_kind_of_system(keeper, growth->kind), bytes,
                                      &growth->segment.fd, &growth->segment.bytes, error);
    growth->cost = growth->segment.bytes;
    return err;
}

static void undo(struct keeper *keeper, struct keep_growth *growth)
{
    if (growth->counted)
        keeper->reserved -= growth->cost;
    growth->counted = false;
    if (growth->phase == GROWTH_RESERVE)
        keep_return(keeper, growth->cost);
    if (growth->retired) {
        segment_give_back(growth->segment.fd, growth->segment.heap.first, growth->segment.bytes);
        keeper->segments[growth->retired - 1].reviving = false;
    } else if (growth->segment.fd >= 0) {
        close(growth->segment.fd);
    }
    growth->segment.fd = -1;
    growth->retired = 0;
    growth->phase = GROWTH_PLAN;
}

static enum keep_outcome try_smaller(struct keeper *keeper, struct keep_growth *growth)
{
    undo(keeper, growth);
    if (!growth->least) {
        growth->least = true;
        return GROWTH_GOES_ON;
    }
    if (growth->collected || keep_segments_retire(keeper) == 0)
        return GROWTH_FAILED;
    growth->collected = true;
    return GROWTH_GOES_ON;
}

static enum keep_outcome plan(struct keeper *keeper, struct keep_growth *growth,
                              dragon_error_t *error)
{
    if (choose(keeper, growth, error) != DRAGON_OK ||
        keep_limits_check(keeper, growth->kind, growth->cost, error) != DRAGON_OK)
        return try_smaller(keeper, growth);
    keeper->reserved += growth->cost;
    growth->counted = true;
    if (!keeper->options.runtime_limit_bytes) {
        growth->phase = GROWTH_RESERVE;
        return GROWTH_GOES_ON;
    }
    growth->phase = GROWTH_ASKED;
    growth->ask = ++keeper->asks;
    keep_far_say(keeper, 0, KN_ROOM, growth->cost);
    return GROWTH_GOES_ON;
}

enum keep_outcome keep_growth_granted(struct keeper *keeper, struct keep_growth *growth,
                                      bool granted, uint64_t used, dragon_error_t *error)
{
    if (granted) {
        growth->phase = GROWTH_RESERVE;
        return GROWTH_GOES_ON;
    }
    keep_limits_refused(keeper, growth->cost, used, error);
    return try_smaller(keeper, growth);
}

static uint32_t add_segment(struct keeper *keeper, struct keep_growth *growth)
{
    struct keep_segment *segment = &growth->segment;
    void *base =
        segment_map(segment->fd, segment->bytes, keep_kind_of_system(keeper, segment->kind));
    if (!base)
        return 0;
    uint32_t number =
        heap_init(&segment->heap, base, segment->bytes) ? keep_segment_add(keeper, segment) : 0;
    if (number)
        segment->fd = -1;
    else
        segment_unmap(base, segment->bytes);
    return number;
}

static enum keep_outcome finish(struct keeper *keeper, struct keep_growth *growth,
                                dragon_error_t *error)
{
    growth->number = growth->retired;
    if (growth->retired)
        keep_segment_revive(keeper, growth->retired);
    else
        growth->number = add_segment(keeper, growth);
    if (growth->number) {
        log_debug("segment %u bytes %zu reserved %llu", growth->number, growth->segment.bytes,
                  (unsigned long long)keeper->reserved);
        return GROWTH_DONE;
    }
    err_set(error, DRAGON_ERR_FULL,
            "%s cannot map a segment of %s of shared memory beside the %u that it has",
            keeper->host, keep_size(growth->segment.bytes).text, keeper->segment_count);
    undo(keeper, growth);
    return GROWTH_FAILED;
}

static enum keep_outcome reserve(struct keeper *keeper, struct keep_growth *growth,
                                 dragon_error_t *error)
{
    const struct keep_segment *segment = &growth->segment;
    struct segment_kind kind = keep_kind_of_system(keeper, segment->kind);
    uint64_t end_ms = time_now_ms() + STEP_MS;
    dragon_error_t why = {0};
    do {
        size_t left = segment->bytes - growth->reserved, step = left < STEP ? left : STEP;
        if (segment_reserve(segment->fd, kind, growth->reserved, growth->reserved + step, &why) !=
            DRAGON_OK) {
            err_set(error, DRAGON_ERR_FULL,
                    "%s has no %s more of shared memory (%s are shared already): %s", keeper->host,
                    keep_size(growth->cost).text, keep_size(keeper->reserved - growth->cost).text,
                    why.text);
            return try_smaller(keeper, growth);
        }
        growth->reserved += step;
    } while (growth->reserved < segment->bytes && time_left_ms(end_ms) > 0);
    return growth->reserved < segment->bytes ? GROWTH_GOES_ON : finish(keeper, growth, error);
}

enum keep_outcome keep_growth_step(struct keeper *keeper, struct keep_growth *growth,
                                   dragon_error_t *error)
{
    if (growth->phase == GROWTH_PLAN) {
        enum keep_outcome outcome = plan(keeper, growth, error);
        if (outcome != GROWTH_GOES_ON || growth->phase != GROWTH_RESERVE)
            return outcome;
    }
    return reserve(keeper, growth, error);
}

void keep_growth_destroy(struct keep_growth *growth)
{
    while (growth->waits) {
        struct keep_wait *wait = growth->waits;
        LL_DELETE(growth->waits, wait);
        free(wait);
    }
    if (!growth->retired && growth->segment.fd >= 0)
        close(growth->segment.fd);
    free(growth);
}
