// SPDX-License-Identifier: BSD-3-Clause
//
// The agents of a runtime as a tree, and messages along it. Node 0 is the root; each node keeps one
// link to its parent and one to each of at most `fanout` children. Every message between nodes travels
// along these links, so a node never holds more of them, whatever the size of the runtime.
//
// Messages between the same two nodes keep their order, and a message that takes a part of another's
// way keeps its place behind it there.
#ifndef NET_TREE_H
#define NET_TREE_H

#include "base/base.h"
#include "loop/loop.h"
#include "net/auth.h"
#include "net/link.h"

enum { TREE_EVERYBODY = 0xffffffff };

struct tree_node {
    char *name;       // unique in the runtime
    char *host_key;   // equal for nodes of one host
    char **addresses; // see net/address.h
};

struct tree_options {
    const struct tree_node *nodes; // borrowed
    uint32_t count;
    uint32_t here;
    uint32_t fanout;
    const uint8_t *secret;
    int listen_fd;    // taken over; -1 with one node
    const void *card; // what this node has to tell node 0 of itself; borrowed until it is up
    size_t card_length;
    uint64_t timeout_ms; // for coming up
    uint64_t silence_ms; // a peer that answers nothing for so long is lost
    uint16_t first_type; // types from here on are for the handler; those below are the tree's
};

// None of these may destroy the tree.
struct tree_handler {
    // This node and everything below it are linked. At node 0: the whole tree is.
    void (*on_up)(void *arg);
    // At node 0, just before on_up: the card of each node, its own too. False: it makes no sense. May be NULL.
    bool (*on_card)(void *arg, uint32_t node, const void *card, size_t length);
    // Coming up failed.
    void (*on_failed)(void *arg, const char *reason);
    // A message for this node. `message->source` is who sent it.
    void (*on_message)(void *arg, const struct link_message *message);
    // A neighbour is gone that has not said goodbye.
    void (*on_lost)(void *arg, uint32_t node, const char *reason);
    // Every node below has said goodbye, and we have been told to (tree_leave).
    void (*on_left)(void *arg);
};

struct tree;
struct tree *tree_create(struct loop *loop, const struct tree_options *options,
                         const struct tree_handler *handler, void *arg);
void tree_destroy(struct tree *tree); // NULL is fine; sends what is queued

// To one node (also ourselves: delivered in a later turn), or, from node 0 only, to everybody
// including node 0. The body is left empty.
void tree_send(struct tree *tree, uint32_t node, uint16_t type, struct pack *body);

// From now on the runtime goes on without the node: what is sent there is dropped, and its goodbye is not waited for.
// At node 0 its link ends, so that it learns of it if it lives. Only where all nodes are children of node 0.
void tree_lose(struct tree *tree, uint32_t node);
bool tree_is_lost(const struct tree *tree, uint32_t node);

// Says goodbye to the parent once all below have done so; then on_left comes, and the tree can be
// destroyed without anybody calling us lost.
void tree_leave(struct tree *tree);

uint32_t tree_here(const struct tree *tree);
uint32_t tree_count(const struct tree *tree);
uint32_t tree_fanout(const struct tree *tree);
const struct tree_node *tree_node(const struct tree *tree, uint32_t node);

// The shape, for others who gather and spread along a tree of the same kind.
static inline uint32_t tree_parent(uint32_t place, uint32_t fanout)
{
    return (place - 1) / fanout;
}

#endif
