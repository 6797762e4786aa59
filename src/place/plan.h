// SPDX-License-Identifier: BSD-3-Clause
//
// Which rank goes where, and which cores and GPUs it gets: a pure function of the ledger and of what is
// asked. The same input gives the same plan.
//
// On the wire a plan is a rule and how many ranks each node takes, in runs of equal counts, and one *slice* for
// each different set of cores and GPUs; so the plan of many equal nodes is small.
#ifndef PLACE_PLAN_H
#define PLACE_PLAN_H

#include "place/ledger.h"
#include "place/policy.h"

enum { PLAN_RANK_LIMIT = 1 << 20, PLAN_TEMPLATES_LIMIT = 1 << 16 };
#define PLAN_NO_SLICE 0xffffffffu

struct plan_template {
    uint32_t ranks;              // 0: as many as fit
    const struct policy *policy; // with nothing left to merge
};

struct plan_request {
    const struct plan_template *templates;
    uint32_t count;
    uint32_t first_rank; // the number of the first
    bool per_core;       // "as many as fit" without a ppn: one for each core, not one alone
    bool share;          // cores and GPUs that are in use may be given too, the least used first
    bool possible; // known to fit when nothing else runs: after FULL that is not looked into again
};

// What one rank has on its node.
struct plan_slot {
    const uint16_t *cores, *units; // cores and GPU units, both of the node
    uint16_t core_count, unit_count;
    uint8_t bind;   // dragon_bind_t, not UNSET
    bool hide_gpus; // it asked for none: it is to see none
    bool shared;    // one of them had another user when the plan was made, be it of the same list
};

struct plan_part;  // the ranks of one template
struct plan_slice; // the slots of one node

struct plan {
    uint32_t first_rank, size; // numbers first_rank .. first_rank + size - 1
    uint32_t nodes;            // of the runtime
    uint32_t part_count;
    struct plan_part *parts; // owned
    uint32_t slice_count;
    struct plan_slice **slices; // owned: the different ones; the first is what most nodes have
    uint32_t *slice_of_node; // owned: index into slices; PLAN_NO_SLICE: no ranks, or not known here
    uint32_t *node_of_rank;  // owned, by rank - first_rank
    uint32_t *local_of_rank; // owned: its place among the ranks of its node, in rank order
    uint32_t *count_on;      // owned: ranks on each node
    // Some core or GPU has more users than the ranks of one template that were given it by its own lists.
    bool shared;
};

// Makes the plan and takes what it gives away from the ledger.
//
// INVAL: it can never be done here, with the reason. FULL: not now; the text says what is missing and how much
// there is, or that nodes have not been described yet. NOMEM. After an error the ledger is as before.
dragon_err_t plan_make(const struct plan_request *request, struct ledger *ledger,
                       struct plan *plan_out, dragon_error_t *error);
void plan_fini(struct plan *plan);

// Gives back what one rank, or all, have. Each rank once.
void plan_give_rank(const struct plan *plan, uint32_t rank, struct ledger *ledger);
void plan_give_all(const struct plan *plan, struct ledger *ledger);

static inline bool plan_has(const struct plan *plan, uint32_t rank)
{
    return rank >= plan->first_rank && rank - plan->first_rank < plan->size;
}
uint32_t plan_node(const struct plan *plan, uint32_t rank);
uint32_t plan_template_of(const struct plan *plan, uint32_t rank);
// False: the slice of its node is not known here.
bool plan_slot(const struct plan *plan, uint32_t rank, struct plan_slot *slot_out);

// How many of a host's `cores` the `index`-th of `count` nodes on it gets, at least one, and the number
// of the first. With fewer cores than nodes some share one.
uint32_t plan_divide_cores(uint32_t cores, uint32_t index, uint32_t count, uint32_t *first_out);

// Everything. What was unpacked may be asked, not given back.
void plan_pack(struct pack *pack, const struct plan *plan);
// The map of ranks, and of the slices only the one that most nodes have; the nodes for which
// plan_slice_is_common says false need their own.
void plan_pack_common(struct pack *pack, const struct plan *plan);
bool plan_slice_is_common(const struct plan *plan, uint32_t node);
void plan_pack_slice(struct pack *pack, const struct plan *plan, uint32_t node);

// Takes what either of the first two wrote.
bool plan_unpack(struct unpack *unpack, uint32_t nodes, struct plan *plan_out);
// What plan_pack_slice wrote becomes the slice of `node`. False: not well-formed, not of this plan, or it has one.
bool plan_unpack_slice(struct unpack *unpack, struct plan *plan, uint32_t node);

#endif
