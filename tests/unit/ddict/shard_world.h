// SPDX-License-Identifier: BSD-3-Clause
//
// A shard in memory that is shared with children made by fork, each with a slot of its own; the parent is the keeper as well.
#ifndef TESTS_UNIT_DDICT_SHARD_WORLD_H
#define TESTS_UNIT_DDICT_SHARD_WORLD_H

#include "ddict/shard.h"
#include "ddict/shard_parts.h"

#include "../mem/space.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { US = SLOT_FIRST };

struct shard_world {
    struct fake_keeper *keeper;
    struct shard *shard; // in shared memory
    size_t bytes;
    struct space *space;
    struct shard_view view;
};

static inline void shard_world_view(struct shard_world *world, uint32_t slot)
{
    world->space = fake_space(world->keeper, slot);
    cr_assert(shard_open(&world->view, world->shard, world->space));
}

static inline struct shard_world *shard_world_create(size_t bytes)
{
    struct shard_world *world = calloc(1, sizeof *world);
    world->keeper = fake_keeper_create(1, 1 << 20);
    world->bytes = bytes;
    world->shard = fake_shared_memory(bytes);
    shard_init(world->shard, 77, bytes);
    cr_assert(shard_check(world->shard, bytes));
    shard_world_view(world, US);
    return world;
}

static inline void shard_world_destroy(struct shard_world *world)
{
    space_detach(world->space);
    fake_keeper_destroy(world->keeper);
    munmap(world->shard, world->bytes);
    free(world);
}

static inline pid_t shard_world_child(struct shard_world *world, uint32_t slot,
                                      void (*work)(struct shard_world *world, void *arg), void *arg)
{
    pid_t parent = getpid(), pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    shard_world_view(world, slot);
    work(world, arg);
    _exit(0);
}

// The slot's process is gone: what the keeper does.
static inline void shard_world_recover(struct shard_world *world, uint32_t slot)
{
    shard_recover(world->shard, slot, world->space);
    fake_keeper_recover(world->keeper, world->space, slot);
}

static inline uint64_t shard_world_blocks(struct shard_world *world)
{
    struct heap_stats stats;
    heap_stats(&world->view.heap, &stats);
    return stats.blocks;
}

// What there ought to be: tables and pairs.
static inline uint64_t shard_world_expected(struct shard_world *world)
{
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < world->view.shard->bins; i++) {
        struct bin *bin = &world->view.shard->bin[i];
        blocks += (atomic_load(&bin->table) != 0) + bin->keys;
    }
    return blocks;
}

// ---- operations with strings

static inline struct shard_key text_key(const char *text)
{
    return shard_key(text, strlen(text));
}

static inline dragon_err_t put_text(struct shard_world *world, const char *key, const char *value)
{
    struct shard_key it = text_key(key);
    struct fresh fresh;
    dragon_err_t err = shard_prepare(&world->view, &it, strlen(value), &fresh);
    if (err != DRAGON_OK)
        return err;
    memcpy(fresh.value, value, strlen(value));
    return shard_store(&world->view, &it, &fresh, SHARD_PUT);
}

// The value, or "-" when there is none.
static inline const char *get_text(struct shard_world *world, const char *key)
{
    static char value[256];
    size_t bytes;
    struct shard_key it = text_key(key);
    dragon_err_t err = shard_get(&world->view, &it, value, sizeof value - 1, &bytes);
    if (err == DRAGON_ERR_NOT_FOUND)
        return "-";
    cr_assert_eq(err, DRAGON_OK, "%s: %s", key, dragon_err_name(err));
    value[bytes] = '\0';
    return value;
}

static inline dragon_err_t erase_text(struct shard_world *world, const char *key)
{
    struct shard_key it = text_key(key);
    return shard_erase(&world->view, &it);
}

#endif
