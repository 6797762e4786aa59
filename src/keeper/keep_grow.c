// SPDX-License-Identifier: BSD-3-Clause
//
// Growing. Whoever finds no room for a block joins a growth of that kind, or begins one. Those that are under way take
// turns, so that a small one does not wait for a huge one.
#include "config.h"

#include "keeper/internal.h"

#define SMALL ((size_t)64 << 20) // a block of any size may wait for a growth for one of this size

static void on_turn(void *keeper);

// ---- ends

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

// Out of the list first: who goes on may have to begin another.
static void growth_fail(struct keeper *keeper, struct keep_growth *growth,
                        const dragon_error_t *error)
{
    struct keep_wait *wait;
    LL_DELETE(keeper->growths, growth);
    LL_FOREACH(growth->waits, wait)
    {
        wait_fail(keeper, wait, error);
    }
    keep_growth_destroy(growth);
}

static void growth_done(struct keeper *keeper, struct keep_growth *growth)
{
    struct keep_wait *wait;
    bool fresh = !growth->retired;
    LL_DELETE(keeper->growths, growth);
    // The keeper's own blocks first: nobody else knows of the room yet.
    LL_FOREACH(growth->waits, wait)
    {
        if (wait->creation)
            wait_done(keeper, wait, growth->number, fresh);
    }
    LL_FOREACH(growth->waits, wait)
    {
        if (!wait->creation)
            wait_done(keeper, wait, growth->number, fresh);
    }
    keep_growth_destroy(growth);
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

// ---- turns

static struct keep_growth *next_in_turn(struct keeper *keeper)
{
    struct keep_growth *growth;
    LL_FOREACH(keeper->growths, growth)
    {
        if (growth->phase != GROWTH_ASKED)
            return growth;
    }
    return NULL;
}

static void settle(struct keeper *keeper, struct keep_growth *growth, enum keep_outcome outcome,
                   const dragon_error_t *error)
{
    if (outcome == GROWTH_DONE)
        growth_done(keeper, growth);
    else if (outcome == GROWTH_FAILED)
        growth_fail(keeper, growth, error);
    if (next_in_turn(keeper))
        loop_timer_start(keeper->grow, 1); // others have their turn in between
}

static void on_turn(void *arg)
{
    struct keeper *keeper = arg;
    struct keep_growth *growth = next_in_turn(keeper);
    dragon_error_t error = {0};
    if (!growth)
        return;
    LL_DELETE(keeper->growths, growth);
    LL_APPEND(keeper->growths, growth);
    bool enough = !growth->begun && has_room(keeper, growth);
    growth->begun = true;
    settle(keeper, growth, enough ? GROWTH_DONE : keep_growth_step(keeper, growth, &error), &error);
}

// Node 0 answers in the order in which it was asked.
void keep_on_granted(struct keeper *keeper, bool granted, uint64_t used)
{
    struct keep_growth *growth, *asked = NULL;
    dragon_error_t error = {0};
    LL_FOREACH(keeper->growths, growth)
    {
        if (growth->phase == GROWTH_ASKED && (!asked || growth->ask < asked->ask))
            asked = growth;
    }
    if (asked)
        settle(keeper, asked, keep_growth_granted(keeper, asked, granted, used, &error), &error);
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

// One under way that will have room for such a block, and is not much more.
static struct keep_growth *find_growth(struct keeper *keeper, struct segment_kind kind, size_t need)
{
    struct keep_growth *growth;
    LL_FOREACH(keeper->growths, growth)
    {
        if (growth->kind.numa == kind.numa && growth->kind.huge == kind.huge &&
            need <= growth->need && (growth->need <= SMALL || growth->need / 2 <= need))
            return growth;
    }
    return NULL;
}

static struct keep_growth *begin(struct keeper *keeper, struct segment_kind kind, size_t need)
{
    if (!keeper->grow)
        keeper->grow = loop_timer_create(keeper->options.loop, on_turn, keeper);
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
        keep_growth_destroy(growth);
    }
    loop_timer_destroy(keeper->grow);
    keeper->grow = NULL;
}
