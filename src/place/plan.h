// SPDX-License-Identifier: BSD-3-Clause
//
// Which rank goes where: a pure function of the nodes and of what was asked. A plan is a rule and
// how many ranks each node takes, never one record per rank, so that its message stays small.
#ifndef PLACE_PLAN_H
#define PLACE_PLAN_H

#include "base/base.h"

enum plan_order {
    PLAN_BLOCK, // ranks follow each other on a node, then on the next
    PLAN_CYCLIC // rank after rank on node after node, round and round
};

struct plan_request {
    int64_t ranks; // -1: not said
    uint32_t ppn;  // ranks a node at most; 0: not said
    bool per_core; // without a number: one rank for each core, not one alone
    uint8_t order; // enum plan_order
};

enum { PLAN_RANK_LIMIT = 1 << 20 };

struct plan {
    uint8_t order;
    uint32_t size;   // ranks
    uint32_t nodes;  // entries of `count`: the runtime's nodes
    uint32_t *count; // owned: ranks on each node, 0 for those that take none
};

// `cores` has `nodes` entries. INVAL with the reason when it cannot be done.
dragon_err_t plan_make(const struct plan_request *request, const uint32_t *cores, uint32_t nodes,
                       struct plan *plan_out, dragon_error_t *error);
void plan_fini(struct plan *plan);

// The node of every rank: `size` entries, the caller frees; NULL when out of memory.
uint32_t *plan_node_of_rank(const struct plan *plan);

// How many of a host's `cores` the `index`-th of `count` nodes on it gets, at least one, and the number
// of the first. With fewer cores than nodes some share one.
uint32_t plan_divide_cores(uint32_t cores, uint32_t index, uint32_t count, uint32_t *first_out);

// Runs of equal counts go as one entry.
void plan_pack(struct pack *pack, const struct plan *plan);
bool plan_unpack(struct unpack *unpack, uint32_t nodes, struct plan *plan_out);

#endif
