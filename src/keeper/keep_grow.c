// SPDX-License-Identifier: BSD-3-Clause
//
// Growing. Whoever finds no room for a block joins a growth of that kind, or begins one; one is under way at a time:
//
//     plan      how large: what is needed, or twice what there is; a retired segment that fits; within the limits
//     permit    node 0 is asked, when the runtime has a limit
//     reserve   step by step, so that the loop is never held up for long
//     done      everybody who waits for it goes on
//
// What does not fit is tried again as small as possible, and then after everything that is free was given back; then it fails
// with the figures.
#include "config.h"

#include "keeper/internal.h"

#include <unistd.h>

#define STEP ((size_t)4 << 20) // reserved at once, and again until
#define STEP_MS 4              // the loop has been held up for so long
#define LEAST_GROWTH ((size_t)1 << 20)
#define MOST_GROWTH ((size_t)64 << 20) // unless more is asked for

struct keep_growth {
    struct segment_kind kind;
    size_t need;     // bytes of a segment that would do
    size_t reserved; // so far
    bool least;      // no more than that is tried
    bool collected;  // what is free was given back
    bool permitted;
    bool begun;
    uint32_t retired; // the number of the segment that is to be revived; 0: a new one
    struct keep_segment segment;
    uint64_t cost;           // bytes that are new
    struct keep_wait *waits; // owned
    struct keep_growth *next;
};

static void plan(struct keeper *keeper);
static void reserve(struct keeper *keeper);

// ---- beginning and ending

static void growth_free(struct keep_growth *growth)
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

// It is in the list no more. The next in line begins in a turn of its own.
static void growth_over(struct keeper *keeper, struct keep_growth *growth)
{
    growth_free(growth);
    if (keeper->growths)
        loop_timer_start(keeper->grow, 1);
}

static void wait_done(struct keeper *keeper, const struct keep_wait *wait, uint32_t number,
                      bool fresh)
{
    struct pack body = PACK_EMPTY;
    if (wait->creation) {
        keep_creation_go_on(keeper, wait->creation, fresh ? number : 0);
        return;
    }
    pack_u32(&body, number);
    keep_answer(keeper, &wait->asker, DRAGON_OK, "", &body);
}

static void wait_fail(struct keeper *keeper, const struct keep_wait *wait,
                      const dragon_error_t *error)
{
    if (wait->creation)
        keep_creation_fail(keeper, wait->creation, error);
    else
        keep_answer(keeper, &wait->asker, error->code, error->text, NULL);
}

static void growth_fail(struct keeper *keeper, struct keep_growth *growth,
                        const dragon_error_t *error)
{
    struct keep_wait *wait;
    LL_DELETE(keeper->growths, growth);
    LL_FOREACH(growth->waits, wait)
    {
        wait_fail(keeper, wait, error);
    }
    growth_over(keeper, growth);
}

static void growth_done(struct keeper *keeper, struct keep_growth *growth, uint32_t number)
{
    struct keep_wait *wait;
    LL_DELETE(keeper->growths, growth);
    // The keeper's own blocks first: nobody else knows of the room yet.
    LL_FOREACH(growth->waits, wait)
    {
        if (wait->creation)
            wait_done(keeper, wait, number, !growth->retired);
    }
    LL_FOREACH(growth->waits, wait)
    {
        if (!wait->creation)
            wait_done(keeper, wait, number, !growth->retired);
    }
    growth_over(keeper, growth);
}

// A growth before this one may have made enough room.
static bool has_room(struct keeper *keeper, struct keep_growth *growth)
{
    struct keep_wait *wait, *next;
    LL_FOREACH_SAFE(growth->waits, wait, next)
    {
        mem_ref room = keep_alloc(keeper, growth->kind, wait->bytes);
        if (!room)
            continue;
        keep_free(keeper, room);
        LL_DELETE(growth->waits, wait);
        wait_done(keeper, wait, ref_segment(room), false);
        free(wait);
    }
    return !growth->waits;
}

static void on_step(void *arg)
{
    struct keeper *keeper = arg;
    struct keep_growth *growth = keeper->growths;
    if (!growth)
        return;
    if (!growth->begun) {
        growth->begun = true;
        if (has_room(keeper, growth)) {
            LL_DELETE(keeper->growths, growth);
            growth_over(keeper, growth);
            return;
        }
    }
    if (growth->permitted)
        reserve(keeper);
    else
        plan(keeper);
}

static size_t usual_growth(const struct keeper *keeper, const struct keep_growth *growth)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < keeper->segment_count; i++) {
        const struct keep_segment *segment = &keeper->segments[i];
        if (!segment->retired && segment->kind.numa == growth->kind.numa &&
            segment->kind.huge == growth->kind.huge)
            bytes += segment->bytes;
    }
    if (bytes < LEAST_GROWTH)
        bytes = LEAST_GROWTH;
    if (bytes > MOST_GROWTH)
        bytes = MOST_GROWTH;
    return bytes;
}

// ---- the steps

// A retired segment of the kind that is large enough and no waste.
static uint32_t find_retired(const struct keeper *keeper, const struct keep_growth *growth,
                             size_t most)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < keeper->segment_count; i++) {
        const struct keep_segment *segment = &keeper->segments[i];
        if (!segment->retired || segment->kind.numa != growth->kind.numa ||
            segment->kind.huge != growth->kind.huge || segment->bytes < growth->need ||
            segment->bytes > most)
            continue;
        if (!best || segment->bytes < keeper->segments[best - 1].bytes)
            best = i + 1;
    }
    return best;
}

static dragon_err_t choose(struct keeper *keeper, struct keep_growth *growth, dragon_error_t *error)
{
    size_t usual = usual_growth(keeper, growth);
    size_t bytes = growth->least || usual < growth->need ? growth->need : usual;
    growth->retired =
        find_retired(keeper, growth, growth->least ? bytes : 2 * bytes + LEAST_GROWTH);
    if (growth->retired) {
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

static void undo(struct keep_growth *growth)
{
    if (growth->retired)
        segment_give_back(growth->segment.fd, growth->segment.heap.first, growth->segment.bytes);
    else if (growth->segment.fd >= 0)
        close(growth->segment.fd);
    growth->segment.fd = -1;
    growth->retired = 0;
}

// It did not work that way. What is asked of node 0 was given back by the caller.
static void try_smaller(struct keeper *keeper, struct keep_growth *growth,
                        const dragon_error_t *error)
{
    bool was_least = growth->least;
    undo(growth);
    growth->permitted = false;
    growth->least = true;
    if (was_least && !growth->collected) {
        growth->collected = true;
        was_least = keep_segments_retire(keeper) == 0;
    }
    if (was_least)
        growth_fail(keeper, growth, error);
    else
        loop_timer_start(keeper->grow, 1);
}

static void plan(struct keeper *keeper)
{
    struct keep_growth *growth = keeper->growths;
    dragon_error_t error = {0};
    if (choose(keeper, growth, &error) != DRAGON_OK ||
        keep_limits_check(keeper, growth->kind, growth->cost, &error) != DRAGON_OK) {
        try_smaller(keeper, growth, &error);
        return;
    }
    if (keeper->options.runtime_limit_bytes) {
        keep_far_say(keeper, 0, KN_ROOM, growth->cost);
        return;
    }
    growth->permitted = true;
    reserve(keeper);
}

void keep_on_granted(struct keeper *keeper, bool granted, uint64_t used)
{
    struct keep_growth *growth = keeper->growths;
    dragon_error_t error;
    if (!growth || growth->permitted || growth->segment.fd < 0)
        return; // nothing was asked
    if (granted) {
        growth->permitted = true;
        reserve(keeper);
        return;
    }
    keep_limits_refused(keeper, growth->cost, used, &error);
    try_smaller(keeper, growth, &error);
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
        growth->segment.fd = -1;
    else
        segment_unmap(base, segment->bytes);
    return number;
}

static void finish(struct keeper *keeper, struct keep_growth *growth)
{
    uint32_t number = growth->retired;
    dragon_error_t error;
    if (number)
        keep_segment_revive(keeper, number);
    else
        number = add_segment(keeper, growth);
    if (number) {
        log_debug("segment %u bytes %zu reserved %llu", number, growth->segment.bytes,
                  (unsigned long long)keeper->reserved);
        growth_done(keeper, growth, number);
        return;
    }
    keep_return(keeper, growth->cost);
    err_set(&error, DRAGON_ERR_FULL,
            "%s cannot map a segment of %s of shared memory beside the %u that it has",
            keeper->host, keep_size(growth->segment.bytes).text, keeper->segment_count);
    growth_fail(keeper, growth, &error);
}

static dragon_err_t reserve_some(const struct keeper *keeper, struct keep_growth *growth,
                                 dragon_error_t *error)
{
    const struct keep_segment *segment = &growth->segment;
    uint64_t end_ms = time_now_ms() + STEP_MS;
    do {
        size_t left = segment->bytes - growth->reserved, step = left < STEP ? left : STEP;
        dragon_err_t err = segment_reserve(segment->fd, keep_kind_of_system(keeper, segment->kind),
                                           growth->reserved, growth->reserved + step, error);
        if (err != DRAGON_OK)
            return err;
        growth->reserved += step;
    } while (growth->reserved < segment->bytes && time_left_ms(end_ms) > 0);
    return DRAGON_OK;
}

static void reserve(struct keeper *keeper)
{
    struct keep_growth *growth = keeper->growths;
    dragon_error_t error, why = {0};
    if (reserve_some(keeper, growth, &why) != DRAGON_OK) {
        err_set(&error, DRAGON_ERR_FULL,
                "%s has no %s more of shared memory (%s are shared already): %s", keeper->host,
                keep_size(growth->cost).text, keep_size(keeper->reserved).text, why.text);
        keep_return(keeper, growth->cost);
        try_smaller(keeper, growth, &error);
    } else if (growth->reserved < growth->segment.bytes) {
        loop_timer_start(keeper->grow, 1); // others have their turn in between
    } else {
        finish(keeper, growth);
    }
}

// ---- asking

static bool add_wait(struct keep_growth *growth, const struct keep_wait *wait)
{
    struct keep_wait *copy = malloc(sizeof *copy);
    if (!copy)
        return false;
    *copy = *wait;
    LL_APPEND(growth->waits, copy);
    return true;
}

// One under way that will have room for such a block.
static struct keep_growth *find_growth(struct keeper *keeper, struct segment_kind kind, size_t need)
{
    struct keep_growth *growth;
    LL_FOREACH(keeper->growths, growth)
    {
        if (growth->kind.numa == kind.numa && growth->kind.huge == kind.huge &&
            need <= growth->need)
            return growth;
    }
    return NULL;
}

static struct keep_growth *begin(struct keeper *keeper, struct segment_kind kind, size_t need)
{
    if (!keeper->grow)
        keeper->grow = loop_timer_create(keeper->options.loop, on_step, keeper);
    struct keep_growth *growth = keeper->grow ? calloc(1, sizeof *growth) : NULL;
    if (!growth)
        return NULL;
    growth->kind = kind;
    growth->need = need;
    growth->segment.fd = -1;
    return growth;
}

void keep_grow(struct keeper *keeper, struct segment_kind kind, const struct keep_wait *wait)
{
    dragon_error_t error;
    size_t need = wait->bytes > 0 ? heap_bytes_for(wait->bytes) : 0;
    if (need == 0) {
        err_set(&error, wait->bytes ? DRAGON_ERR_TOO_BIG : DRAGON_ERR_INVAL,
                "no segment can hold a block of %s", keep_size(wait->bytes).text);
        wait_fail(keeper, wait, &error);
        return;
    }
    struct keep_growth *growth = find_growth(keeper, kind, need);
    if (growth && add_wait(growth, wait))
        return;
    growth = growth ? NULL : begin(keeper, kind, need);
    if (!growth || !add_wait(growth, wait)) {
        free(growth);
        err_set(&error, DRAGON_ERR_NOMEM, "out of memory on %s", keeper->host);
        wait_fail(keeper, wait, &error);
        return;
    }
    LL_APPEND(keeper->growths, growth);
    // Those who ask in the same turn share it.
    if (keeper->growths == growth)
        loop_timer_start(keeper->grow, 0);
}

void keep_grow_close(struct keeper *keeper)
{
    while (keeper->growths) {
        struct keep_growth *growth = keeper->growths;
        LL_DELETE(keeper->growths, growth);
        growth_free(growth);
    }
    loop_timer_destroy(keeper->grow);
    keeper->grow = NULL;
}
