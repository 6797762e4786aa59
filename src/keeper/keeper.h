// SPDX-License-Identifier: BSD-3-Clause
//
// The keeper: the part of the agent that has the shared memory of its node. It gives processes their slots and
// segments, makes objects and knows who is attached to them, puts right what a dead process left unfinished, keeps
// names (node 0), asks the keepers of other nodes on behalf of its processes, and starts dragon-transport when another
// node first wants something of this one. It is not in the way of any message. Nothing of it exists until the first
// process asks for shared memory.
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/base.h"
#include "loop/loop.h"
#include "net/tree.h"
#include "proc/children.h"

#include <sys/resource.h>

enum {
    KEEPER_FIRST_TYPE = 48,
    KEEPER_LAST_TYPE = 63
}; // of messages between agents: KN_* in keeper/proto.h

struct keeper_options {
    struct loop *loop;             // borrowed, as all here
    struct tree *tree;             //
    struct children *children;     // for dragon-transport
    int board_fd;                  // of board_memory
    const char *run_dir;           // where the socket goes
    const char *runtime;           // its name
    const char *transport_program; // NULL: not found
    uint64_t transport_ms;         // that it may take to come up; 0: 8 s
    const uint8_t *key;            // KEEPER_KEY bytes, the same on all nodes
    uint64_t node_limit_bytes;     // of shared memory; 0: not limited
    uint64_t runtime_limit_bytes;  // of all nodes together; 0
    const int *numa;               // the operating system's numbers of the node's NUMA nodes
    uint32_t numa_count;
    const struct rlimit *nofile; // for dragon-transport
};

struct keeper;
struct keeper *keeper_create(const struct keeper_options *options, dragon_error_t *error);
void keeper_destroy(struct keeper *keeper); // NULL is fine

// The runtime goes on without a node, as the tree knows: who asked it something or waits for something there is told, and
// what was kept for its processes goes.
void keeper_node_lost(struct keeper *keeper, uint32_t node);

// The runtime ends: everybody who waits is told.
void keeper_end(struct keeper *keeper);

// False: not understood.
bool keeper_on_node_message(struct keeper *keeper, const struct link_message *message);

#endif
