// SPDX-License-Identifier: BSD-3-Clause
//
// A process dies after each single instruction of a send or a receive: the message is there whole or not at all, nothing is lost
// but what it had in its hands, and the others go on. It is not killed again and again: whenever it has changed memory
// that others see, a copy of that memory is what it would leave.
#include "config.h"

#include "ring_scenes.h"

// Memory that the processes share: the ring, the slots, the segments.
struct piece {
    uint8_t *live, *copy, *last;
    size_t bytes;
};
enum { PIECES = 6 };

static struct world *live, *copied;
static struct piece pieces[PIECES];
static size_t piece_count;

static void add_piece(void *from, void *to, size_t bytes)
{
    cr_assert_lt(piece_count, PIECES);
    pieces[piece_count++] = (struct piece){from, to, malloc(bytes), bytes};
}

static struct world *other_world(const struct scene *scene)
{
    struct world *other = world_create();
    struct object_spec spec = {
        .kind = OBJECT_CHANNEL, .capacity = scene->capacity, .inline_bytes = 100};
    world_object(other, &spec);
    add_piece(live->objects[0], other->objects[0], object_bytes(&spec));
    add_piece(live->keeper->board, other->keeper->board,
              offsetof(struct board, slots) + FAKE_SLOTS * sizeof(struct slot));
    uint32_t grown = atomic_load(&live->keeper->grown);
    atomic_store(&other->keeper->grown, grown);
    for (uint32_t i = 1; i <= grown; i++) {
        mem_ref first = ref_make(i, live->keeper->bytes - HEAP_PAGE);
        cr_assert(space_at(live->space, first, 1) && space_at(other->space, first, 1));
        add_piece(live->space->segments[i]->base, other->space->segments[i]->base,
                  live->keeper->bytes);
    }
    return other;
}

static bool has_changed(void)
{
    bool changed = false;
    for (size_t i = 0; i < piece_count; i++) {
        struct piece *piece = &pieces[i];
        if (memcmp(piece->last, piece->live, piece->bytes) == 0)
            continue;
        memcpy(piece->last, piece->live, piece->bytes);
        changed = true;
    }
    return changed;
}

static void be(struct world *other)
{
    world = other;
    channel.ring = (struct ring *)other->objects[0];
    channel.waiter = &other->waiter;
}

static int die_now(const struct scene *scene)
{
    for (size_t i = 0; i < piece_count; i++)
        memcpy(pieces[i].copy, pieces[i].last, pieces[i].bytes);
    be(copied);
    world_recover(world, DEAD);
    int stage = scene->after();
    expect_whole();
    be(live);
    return stage;
}

ParameterizedTestParameters(ring_steps, dies)
{
    return all_scenes();
}

ParameterizedTest(int *number, ring_steps, dies, .timeout = 300)
{
    const struct scene *scene = &scenes[*number];
    int stage = 0, states = 0;
    live = world = world_create();
    make(scene);
    copied = other_world(scene);
    pid_t pid = start(scene);
    for (bool going = true; going; going = step(pid, 1)) {
        if (!has_changed())
            continue;
        states++;
        int now = die_now(scene);
        cr_assert_geq(now, stage, "%s: %d after %d", scene->name, now, stage);
        stage = now;
    }
    cr_assert_eq(stage, scene->last, "%s: %d", scene->name, stage);
    cr_assert(states > 2 || scene->last == 0, "%s: %d states", scene->name, states);
    world_kill(world, pid, DEAD);
    for (size_t i = 0; i < piece_count; i++)
        free(pieces[i].last);
    world_destroy(copied);
    world_destroy(live);
}
