// SPDX-License-Identifier: BSD-3-Clause
//
// The ledger: what every node has, and how many ranks use each core and each tile of a GPU.
#ifndef PLACE_LEDGER_H
#define PLACE_LEDGER_H

#include "place/machine.h"

struct ledger_node {
    const char *name, *host; // borrowed
    // Owned by the ledger, shared by nodes that are alike; NULL: not described.
    const struct machine *machine;
    uint16_t *core_users; // owned, one a core
    uint16_t *tile_users; // in the same memory, MACHINE_TILES a GPU
    uint16_t *gpu_users;  // in the same memory: how often it or a tile of it was given away
    uint32_t free_cores, free_gpus; // without users
    bool lost;                      // it is given to nobody any more
};

enum { LEDGER_USERS_LIMIT = UINT16_MAX }; // of a core or a GPU

struct ledger {
    struct ledger_node *nodes; // owned
    uint32_t count;
    uint32_t described; // nodes that have been
    uint32_t lost;      // of these
    uint64_t all_cores, all_gpus, free_cores, free_gpus;
    struct ledger_machine *machines; // owned: the different ones
    struct ledger_name *names;       // owned, sorted; NULL: not made yet
    size_t name_count;
};

struct ledger *ledger_create(uint32_t nodes); // NULL: out of memory
void ledger_destroy(struct ledger *ledger);   // NULL is fine

// `packed` is what machine_pack wrote. `name` and `host` are kept by the caller. False: not well-formed,
// described before, or out of memory.
bool ledger_describe(struct ledger *ledger, uint32_t node, const char *name, const char *host,
                     const void *packed, size_t length);

// A node that was described is gone for good: nothing of it counts as free or as there. What is given back of it later
// is only counted down.
void ledger_lose(struct ledger *ledger, uint32_t node);

// The same nodes without any user, which borrows from this one. NULL: out of memory.
struct ledger *ledger_empty_copy(const struct ledger *ledger);

// One user more or less. A unit is a whole GPU or a tile. Units and cores are known to exist, and nobody
// has taken them LEDGER_USERS_LIMIT times.
void ledger_take_core(struct ledger *ledger, uint32_t node, uint16_t core);
void ledger_give_core(struct ledger *ledger, uint32_t node, uint16_t core);
void ledger_take_gpu(struct ledger *ledger, uint32_t node, uint16_t unit);
void ledger_give_gpu(struct ledger *ledger, uint32_t node, uint16_t unit);

// How often the GPU or a tile of it was given away; the most users of any tile of a unit.
uint32_t ledger_gpu_users(const struct ledger *ledger, uint32_t node, uint32_t gpu);
uint32_t ledger_unit_users(const struct ledger *ledger, uint32_t node, uint16_t unit);

// The nodes that a name stands for: a node's own, or that of a host, whole or up to its first dot, whose nodes
// come in their order.
enum ledger_kind { LEDGER_NODE, LEDGER_HOST, LEDGER_BRIEF_HOST };
struct ledger_found {
    const struct ledger_name *names; // borrowed, until a node is described
    size_t count;                    // 0: nothing has this name
    enum ledger_kind kind;
};
// False: out of memory.
bool ledger_find(struct ledger *ledger, const char *name, struct ledger_found *found_out);
uint32_t ledger_found_node(const struct ledger_found *found, size_t index);

#endif
