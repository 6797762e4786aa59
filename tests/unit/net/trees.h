// SPDX-License-Identifier: BSD-3-Clause
//
// For the tests of net/ and group/: all nodes of a runtime as trees in one process and one loop, linked
// over loopback.
#ifndef TESTS_UNIT_NET_TREES_H
#define TESTS_UNIT_NET_TREES_H

#include "net/address.h"
#include "net/tree.h"

#include <criterion/criterion.h>
#include <unistd.h>

enum { TREES_LIMIT = 24, TREES_PATIENCE_MS = 10000, TREES_FIRST_TYPE = 16 };

struct trees;

struct trees_node {
    struct trees *trees; // borrowed
    uint32_t here;
    struct tree *tree; // owned; NULL: never started, or destroyed
    const uint8_t *secret;
    int listen_fd;
    bool up, failed, left;
    bool leave_when_lost;
    char reason[512];
    uint32_t lost[TREES_LIMIT], lost_count;
    uint32_t heard; // messages
    char card[16];
};

struct trees {
    struct loop *loop;
    struct trees_node at[TREES_LIMIT];
    struct tree_node nodes[TREES_LIMIT];
    uint32_t count, fanout;
    uint64_t timeout_ms;
    void (*on_message)(struct trees_node *node, const struct link_message *message); // may be NULL
    bool (*on_card)(struct trees_node *node, uint32_t from, const void *card, size_t length); // too
};

static const uint8_t trees_secret[AUTH_SECRET_BYTES] = "the secret of these trees......";

static inline void trees_on_up(void *arg)
{
    struct trees_node *node = arg;
    cr_expect(!node->up && !node->failed, "node %u", node->here);
    node->up = true;
}

static inline void trees_on_failed(void *arg, const char *reason)
{
    struct trees_node *node = arg;
    cr_expect(!node->up && !node->failed, "node %u", node->here);
    node->failed = true;
    snprintf(node->reason, sizeof node->reason, "%s", reason);
}

static inline void trees_on_message(void *arg, const struct link_message *message)
{
    struct trees_node *node = arg;
    node->heard++;
    cr_expect_geq(message->type, TREES_FIRST_TYPE);
    if (node->trees->on_message)
        node->trees->on_message(node, message);
}

static inline bool trees_on_card(void *arg, uint32_t from, const void *card, size_t length)
{
    struct trees_node *node = arg;
    cr_expect(node->here == 0 && !node->up);
    return !node->trees->on_card || node->trees->on_card(node, from, card, length);
}

static inline void trees_on_lost(void *arg, uint32_t lost, const char *reason)
{
    struct trees_node *node = arg;
    cr_assert_lt(node->lost_count, TREES_LIMIT);
    node->lost[node->lost_count++] = lost;
    snprintf(node->reason, sizeof node->reason, "%s", reason);
    if (node->leave_when_lost)
        tree_leave(node->tree);
}

static inline void trees_on_left(void *arg)
{
    struct trees_node *node = arg;
    cr_expect(!node->left, "node %u", node->here);
    node->left = true;
}

static const struct tree_handler trees_handler = {.on_up = trees_on_up,
                                                  .on_card = trees_on_card,
                                                  .on_failed = trees_on_failed,
                                                  .on_message = trees_on_message,
                                                  .on_lost = trees_on_lost,
                                                  .on_left = trees_on_left};

// All nodes have an address; none is started.
static inline void trees_init(struct trees *trees, uint32_t count, uint32_t fanout)
{
    cr_assert(auth_open() && count <= TREES_LIMIT);
    *trees = (struct trees){
        .loop = loop_create(), .count = count, .fanout = fanout, .timeout_ms = TREES_PATIENCE_MS};
    for (uint32_t i = 0; i < count; i++) {
        struct trees_node *node = &trees->at[i];
        *node =
            (struct trees_node){.trees = trees, .here = i, .secret = trees_secret, .listen_fd = -1};
        trees->nodes[i] = (struct tree_node){.host_key = "host"};
        cr_assert(asprintf(&trees->nodes[i].name, "n%u", i) > 0);
        if (count > 1)
            node->listen_fd = address_listen(NULL, true, &trees->nodes[i].addresses, NULL);
        cr_assert(count == 1 || node->listen_fd >= 0);
    }
}

static inline void trees_start(struct trees *trees, uint32_t here)
{
    struct trees_node *node = &trees->at[here];
    struct tree_options options = {
        .nodes = trees->nodes,
        .count = trees->count,
        .here = here,
        .fanout = trees->fanout,
        .secret = node->secret,
        .listen_fd = node->listen_fd,
        .card = node->card,
        .card_length = (size_t)snprintf(node->card, sizeof node->card, "card %u", here),
        .timeout_ms = trees->timeout_ms,
        .silence_ms = 10000,
        .first_type = TREES_FIRST_TYPE};
    node->listen_fd = -1;
    node->tree = tree_create(trees->loop, &options, &trees_handler, node);
    cr_assert_not_null(node->tree);
}

static inline void trees_stop(struct trees *trees, uint32_t here)
{
    tree_destroy(trees->at[here].tree);
    trees->at[here].tree = NULL;
}

static inline void trees_fini(struct trees *trees)
{
    for (uint32_t i = 0; i < trees->count; i++) {
        trees_stop(trees, i);
        if (trees->at[i].listen_fd >= 0)
            close(trees->at[i].listen_fd);
        strv_free(trees->nodes[i].addresses);
        free(trees->nodes[i].name);
    }
    loop_destroy(trees->loop);
}

// Turns until `is_so` says so of every started node, or the patience is over.
static inline bool trees_wait(struct trees *trees, bool (*is_so)(const struct trees_node *node))
{
    uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;
    for (;;) {
        bool all = true;
        for (uint32_t i = 0; i < trees->count; i++)
            all = all && (!trees->at[i].tree || is_so(&trees->at[i]));
        if (all || time_left_ms(deadline) == 0)
            return all;
        loop_turn(trees->loop, time_left_ms(deadline));
    }
}

static inline bool trees_is_up(const struct trees_node *node)
{
    return node->up;
}

static inline bool trees_has_left(const struct trees_node *node)
{
    return node->left;
}

static inline void trees_turn_for(struct trees *trees, int ms)
{
    uint64_t deadline = time_now_ms() + (uint64_t)ms;
    while (time_left_ms(deadline) > 0)
        loop_turn(trees->loop, time_left_ms(deadline));
}

static inline void trees_up(struct trees *trees, uint32_t count, uint32_t fanout)
{
    trees_init(trees, count, fanout);
    for (uint32_t i = 0; i < count; i++)
        trees_start(trees, i);
    cr_assert(trees_wait(trees, trees_is_up), "%u nodes, fanout %u", count, fanout);
}

#endif
