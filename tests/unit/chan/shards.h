// SPDX-License-Identifier: BSD-3-Clause
//
// A shard at home on node 0, served by a process of its own as by its manager, and seen from both nodes.
#ifndef TESTS_UNIT_CHAN_SHARDS_H
#define TESTS_UNIT_CHAN_SHARDS_H

#include "ddict/pair.h"
#include "nodes.h"

struct manager {
    pid_t pid;
    struct shard_view view; // at home, of another process than the manager's
};

static inline bool manager_never(void *arg)
{
    (void)arg;
    return false;
}

// In a child: another process at home, with the shard. It uses no assertions, and ends with its parent.
static inline void manager_open(struct nodes *nodes, struct shard_view *view)
{
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    struct object_opened opened;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (space_attach(nodes->keepers->path[0], ROLE_PROCESS, &nodes->home, NULL) != DRAGON_OK)
        _exit(101);
    pack_u32(&body, 0);
    pack_u64(&body, nodes->id);
    pack_u8(&body, OBJECT_SHARD);
    if (space_ask(nodes->home, KC_OPEN, &body, SOON, &unpack, NULL, 0, NULL) != DRAGON_OK ||
        !object_opened_unpack(&unpack, &opened))
        _exit(102);
    void *at = space_at(nodes->home, opened.block, object_bytes(&opened.spec));
    if (!at || !shard_open(view, at, nodes->home))
        _exit(103);
}

// In a child: as dragon-dict-manager does.
static inline void manager_run(struct nodes *nodes, int ready)
{
    static struct shard_view view;
    struct far *here;
    size_t length;
    manager_open(nodes, &view);
    nodes->home_waiter = (struct waiter){.space = nodes->home};
    if (far_create(&nodes->home_waiter, &here, NULL) != DRAGON_OK || !far_serve(here) ||
        serve_add_shard(far_serve(here), &view) != DRAGON_OK)
        _exit(104);
    const void *address = data_port_address(nodes->home_waiter.port, &length);
    struct pack body = PACK_EMPTY;
    pack_u64(&body, nodes->id);
    pack_bytes(&body, address, length);
    if (space_ask(nodes->home, KC_SERVE, &body, SOON, NULL, NULL, 0, NULL) != DRAGON_OK)
        _exit(105);
    if (write(ready, "r", 1) != 1)
        _exit(106);
    struct awaited item = {.ready = manager_never}; // its questions are answered meanwhile
    (void)wait_for(&nodes->home_waiter, &item, 1, DRAGON_WAIT_ADAPTIVE, NULL, WAIT_FOREVER_NS);
    _exit(0);
}

// The child comes before the network library, whose threads it would not have.
static inline void manager_home(struct nodes *nodes, struct manager *manager, int64_t bytes)
{
    int pipes[2];
    char byte;
    struct object *object;
    nodes_home(nodes);
    struct object_spec spec = {
        .kind = OBJECT_SHARD, .single = SINGLE_ONE, .numa = DRAGON_ANY_NUMA, .initial = bytes};
    nodes_make_home(nodes, &spec);
    object = nodes->object;
    cr_assert(shard_open(&manager->view, (struct shard *)(void *)object, nodes->home));
    cr_assert_eq(pipe(pipes), 0);
    manager->pid = fork();
    cr_assert_geq(manager->pid, 0);
    if (manager->pid == 0)
        manager_run(nodes, pipes[1]);
    close(pipes[1]);
    cr_assert_eq(read(pipes[0], &byte, 1), 1, "there is no manager");
    close(pipes[0]);
}

static inline void manager_up(struct nodes *nodes, struct manager *manager, int64_t bytes)
{
    manager_home(nodes, manager, bytes);
    nodes_far(nodes);
    nodes_open_far(nodes);
}

static inline uint64_t manager_blocks_expected(struct manager *manager)
{
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < manager->view.shard->bins; i++) {
        struct bin *bin = &manager->view.shard->bin[i];
        blocks += (atomic_load(&bin->table) != 0) + bin->keys;
    }
    return blocks;
}

// Soon there is nothing left but what is in tables: no pin, no block, nobody in a waitset.
static inline void manager_expect_clean(struct manager *manager)
{
    struct shard_stats stats;
    uint64_t deadline = time_now_ms() + SOON, expected;
    do {
        shard_stats(&manager->view, &stats);
        expected = manager_blocks_expected(manager);
    } while ((stats.pins > 0 || stats.heap.blocks != expected || stats.waiting > 0) &&
             time_left_ms(deadline) > 0 && usleep(1000) == 0);
    cr_expect_eq(stats.pins, 0);
    cr_expect_eq(stats.heap.blocks, expected);
    cr_expect_eq(stats.waiting, 0);
}

static inline void manager_kill(struct manager *manager)
{
    cr_assert_eq(kill(manager->pid, SIGKILL), 0);
    cr_assert_eq(waitpid(manager->pid, NULL, 0), manager->pid);
    manager->pid = 0;
}

static inline void manager_down(struct nodes *nodes, struct manager *manager)
{
    if (manager->pid)
        manager_kill(manager);
    nodes_down(nodes);
}

#endif
