// SPDX-License-Identifier: BSD-3-Clause
//
// Objects in memory that is shared with children made by fork; each child has a slot of its own, and the parent is
// the keeper as well. A child reports by its end: 0, or it has said what went wrong.
//
//     struct world *world = world_create();
//     struct object *object = world_object(world, &(struct object_spec){.kind = OBJECT_LOCK});
//     pid_t pid = world_child(world, 5, work, object);
//     world_expect_good(world, pid, 5);
#ifndef TESTS_UNIT_CHAN_WORLD_H
#define TESTS_UNIT_CHAN_WORLD_H

#include "chan/object.h"
#include "chan/sync.h"
#include "chan/wait.h"

#include "../mem/space.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { US = SLOT_FIRST, WORLD_DEADLINE_MS = 30000 };

struct world {
    struct fake_keeper *keeper;
    struct space *space; // of this process, whose slot is US in the parent
    struct waiter waiter;
    struct object *objects[8]; // that there are, for recovery
    size_t bytes[8];           // of each
    size_t count;
};

static inline mem_ref world_block(struct world *world)
{
    mem_ref block;
    void *data;
    struct segment_kind any = {.numa = DRAGON_ANY_NUMA};
    cr_assert_eq(space_alloc(world->space, 64, any, &block, &data, NULL), DRAGON_OK);
    return block;
}

// A keeper would say that there is a segment with room; the fake one only knows new ones. So all use the first, and
// it is mapped.
static inline void world_map(struct world *world)
{
    if (atomic_load(&world->keeper->grown) == 0)
        space_free(world->space, world_block(world), world->space->slot);
    space_at(world->space, ref_make(1, world->keeper->bytes - HEAP_PAGE), 1);
}

static inline struct world *world_create(void)
{
    struct world *world = calloc(1, sizeof *world);
    world->keeper = fake_keeper_create(1, 1 << 20);
    world->space = fake_space(world->keeper, US);
    world->waiter.space = world->space;
    world_map(world);
    return world;
}

static inline void world_destroy(struct world *world)
{
    space_detach(world->space);
    fake_keeper_destroy(world->keeper);
    free(world);
}

static inline struct object *world_object(struct world *world, const struct object_spec *spec)
{
    size_t bytes = object_bytes(spec);
    cr_assert_gt(bytes, 0);
    cr_assert_lt(world->count, 8);
    struct object *object = fake_shared_memory(bytes);
    object_init(object, world->count + 1, spec);
    cr_assert(object_check(object, world->count + 1, spec->kind, bytes));
    world->bytes[world->count] = bytes;
    world->objects[world->count++] = object;
    return object;
}

// All objects that there are.
static inline void world_drop_objects(struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        munmap(world->objects[i], world->bytes[i]);
        world->bytes[i] = 0;
    }
    world->count = 0;
}

// ---- children

// In a child; Criterion's macros are for the parent.
#define CHILD_CHECK(condition)                                                                  \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            fprintf(stderr, "child %d: %s:%d: %s\n", getpid(), __FILE__, __LINE__, #condition); \
            _exit(1);                                                                           \
        }                                                                                       \
    } while (0)

static inline pid_t world_child(struct world *world, uint32_t slot,
                                void (*work)(struct world *world, void *arg), void *arg)
{
    pid_t parent = getpid(), pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    world->space = fake_space(world->keeper, slot);
    world->waiter.space = world->space;
    world_map(world);
    work(world, arg);
    _exit(0);
}

// The slot's process is gone: what the keeper does.
static inline void world_recover(struct world *world, uint32_t slot)
{
    for (size_t i = 0; i < world->count; i++)
        object_recover(world->objects[i], slot, world->space);
    fake_keeper_recover(world->keeper, world->space, slot);
}

static inline void world_kill(struct world *world, pid_t pid, uint32_t slot)
{
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    world_recover(world, slot);
}

// It ends by itself, well.
static inline void world_expect_good(struct world *world, pid_t pid, uint32_t slot)
{
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "slot %u ended with status %x", slot,
              (unsigned)status);
    world_recover(world, slot);
}

// ---- operations

static inline dragon_err_t world_try(struct world *world, struct object *object, uint32_t slot,
                                     struct sync_call call, uint64_t *result_out)
{
    return sync_try(object, world->space, slot, &call, result_out);
}

static inline dragon_err_t world_do(struct world *world, struct object *object,
                                    struct sync_call call, uint64_t *result_out, struct spin *spin,
                                    int timeout_ms)
{
    return sync_do(object, &world->waiter, &call, result_out, spin, wait_deadline(timeout_ms));
}

// ---- single steps

// A child is killed again and again, each time somewhat later. What it leaves is what is in memory that others see, so it is killed
// behind each instruction that has changed that, and now and then in between: with every instruction the others
// would only find the same again.
//
//     for (struct steps steps = {0}; steps_go_on(&steps);) {
//         ...
//         world_kill_next(world, DEAD, &steps, work, arg);
enum { STEPS_UNCHANGED = 200 };

struct steps {
    uint64_t done; // instructions of the latest child
    bool over;     // it was done before it could be killed
    // Owned: how the memory looked
    uint8_t *seen;
    size_t room;
};

static inline bool steps_go_on(struct steps *steps)
{
    if (!steps->over)
        return true;
    free(steps->seen);
    return false;
}

static inline void see_piece(struct steps *steps, size_t *at, const void *from, size_t bytes,
                             bool *changed)
{
    if (*at + bytes > steps->room) {
        steps->seen = realloc(steps->seen, *at + bytes);
        memset(steps->seen + steps->room, 0, *at + bytes - steps->room);
        steps->room = *at + bytes;
    }
    if (memcmp(steps->seen + *at, from, bytes) != 0) {
        memcpy(steps->seen + *at, from, bytes);
        *changed = true;
    }
    *at += bytes;
}

// Whether objects, slots or segments have changed since the last time.
static inline bool steps_see(struct steps *steps, struct world *world)
{
    bool changed = false;
    size_t at = 0;
    for (size_t i = 0; i < 8; i++)
        if (world->bytes[i])
            see_piece(steps, &at, world->objects[i], world->bytes[i], &changed);
    see_piece(steps, &at, world->keeper->board,
              offsetof(struct board, slots) + FAKE_SLOTS * sizeof(struct slot), &changed);
    for (uint32_t i = 1; i <= atomic_load(&world->keeper->grown); i++)
        see_piece(steps, &at, world->space->segments[i]->base, world->keeper->bytes, &changed);
    return changed;
}

struct stepped {
    void (*work)(struct world *world, void *arg);
    void *arg;
    _Atomic int *over; // shared
};

static inline void stepped_work(struct world *world, void *arg)
{
    struct stepped *stepped = arg;
    CHILD_CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    raise(SIGSTOP);
    stepped->work(world, stepped->arg);
    atomic_store(stepped->over, 1);
    for (;;)
        pause();
}

static inline void step_child(pid_t pid)
{
    int status;
    cr_assert_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "status %x", (unsigned)status);
}

// Lets a child with that slot go somewhat further into `work` than the last one, and kills it there; the first one at its
// beginning.
static inline void world_kill_next(struct world *world, uint32_t slot, struct steps *steps,
                                   void (*work)(struct world *world, void *arg), void *arg)
{
    static _Atomic int *over;
    if (!over)
        over = fake_shared_memory(sizeof *over);
    atomic_store(over, 0);
    struct stepped stepped = {work, arg, over};
    pid_t pid = world_child(world, slot, stepped_work, &stepped);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "status %x", (unsigned)status);
    uint64_t before = steps->done, done = 0;
    for (; done < before && !atomic_load(over); done++)
        step_child(pid);
    steps_see(steps, world);
    for (bool changed = before == 0; !changed && !atomic_load(over); done++) {
        step_child(pid);
        changed = steps_see(steps, world) || done == before + STEPS_UNCHANGED;
    }
    steps->done = done + (before == 0);
    steps->over = atomic_load(over);
    world_kill(world, pid, slot);
}

#endif
