// SPDX-License-Identifier: BSD-3-Clause
//
// A process is stopped somewhere in a send or a receive, and goes on when others have sent and received all they could, or have
// destroyed the channel: each message is received once, in order, and no block is left.
#include "config.h"

#include "ring_scenes.h"

enum { RUNS = 25 };

// Each of the steps, or some of them.
static uint64_t stride_of(const struct scene *scene)
{
    make(scene);
    pid_t pid = start(scene);
    uint64_t steps = 0;
    while (step(pid, 1))
        steps++;
    world_kill(world, pid, DEAD);
    object_destroy(&channel.ring->object, world->space);
    unmake();
    return 1 + steps / RUNS;
}

// What was sent and received by all: each message once, ours in order.
struct tally {
    uint64_t sent, received; // the latest of ours
    int own;                 // how often the other's was received
};

static void take_in(struct tally *tally, uint64_t tag)
{
    if (tag == OWN) {
        tally->own++;
    } else {
        cr_assert_gt(tag, tally->received);
        tally->received = tag;
    }
}

static void meanwhile(struct tally *tally)
{
    uint64_t tag;
    for (int lap = 0; lap < 3; lap++) {
        while (send_sized(&channel, tally->sent + 1, size_of(tally->sent)) == DRAGON_OK)
            tally->sent++;
        for (int i = lap; i < 4 && (tag = receive()); i++)
            take_in(tally, tag);
    }
}

// Counts all of ours that were received by anybody.
static void expect_all(struct tally *tally, uint64_t first, bool sends)
{
    uint64_t tag;
    uint64_t missing = outcome->err == DRAGON_OK && !sends ? outcome->tag : 0;
    while ((tag = receive()))
        take_in(tally, tag);
    cr_assert_eq(tally->own, sends && outcome->err == DRAGON_OK);
    cr_assert_leq(missing, tally->sent);
    cr_assert(missing == 0 || missing >= first);
    uint64_t last = missing == tally->sent ? tally->sent - 1 : tally->sent;
    if (last >= first)
        cr_assert_eq(tally->received, last);
}

ParameterizedTestParameters(ring_overtaken, is_overtaken)
{
    return all_scenes();
}

ParameterizedTest(int *number, ring_overtaken, is_overtaken, .timeout = 300)
{
    const struct scene *scene = &scenes[*number];
    bool open = scene->before != closed && scene->before != destroyed_with_blocks;
    bool sends = scene->after == sent_or_not, stopped = true;
    world = world_create();
    uint64_t stride = stride_of(scene);
    for (uint64_t steps = 0; open && stopped; steps += stride) {
        make(scene);
        uint64_t sent = 2 + ring_waiting(channel.ring); // from 3 on
        struct tally tally = {.sent = sent, .received = 2};
        pid_t pid = start(scene);
        stopped = step(pid, steps);
        meanwhile(&tally);
        let_finish(pid);
        world_kill(world, pid, DEAD);
        expect_all(&tally, 3, sends);
        expect_whole();
        unmake();
    }
    world_destroy(world);
}

// It is destroyed meanwhile, and who was stopped dies or goes on: no block is left.
ParameterizedTestParameters(ring_overtaken, is_destroyed_meanwhile)
{
    return all_scenes();
}

ParameterizedTest(int *number, ring_overtaken, is_destroyed_meanwhile, .timeout = 300)
{
    const struct scene *scene = &scenes[*number];
    bool stopped = true, dies = false;
    world = world_create();
    uint64_t stride = stride_of(scene);
    for (uint64_t steps = 0; stopped; steps += stride, dies = !dies) {
        make(scene);
        pid_t pid = start(scene);
        stopped = step(pid, steps);
        object_destroy(&channel.ring->object, world->space);
        if (!dies) {
            let_finish(pid);
            cr_assert_eq(ring_waiting(channel.ring), 0); // nobody would ever free it
        }
        world_kill(world, pid, DEAD);
        expect_whole();
        unmake();
    }
    world_destroy(world);
}
