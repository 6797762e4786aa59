// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of plans share: the insides of a plan, and the planner's state while it makes one.
#ifndef PLACE_INTERNAL_H
#define PLACE_INTERNAL_H

#include "place/plan.h"

// ---- inside a plan

// `nodes` nodes from `first` on, each with `count` ranks.
struct plan_run {
    uint32_t first, nodes, count;
};

// Ranks are numbered along the runs: all of a node, or round and round.
struct plan_part {
    uint8_t map;          // dragon_map_t, not UNSET
    uint32_t first, size; // its ranks, the first counted from the plan's first
    uint32_t run_count;
    struct plan_run *runs; // owned
};

// Equal slots are one set, so that a slice is small however many ranks share its cores.
struct plan_set {
    uint32_t first; // in `numbers`: cores, then units
    uint16_t core_count, unit_count;
};

enum {
    SLOT_BIND = 7, // dragon_bind_t
    SLOT_HIDE_GPUS = 8,
    SLOT_SHARED = 16,
    SLOT_FLAGS = 31,
    SLOT_FLAGS_SHIFT = 24, // above the number of a set
};

struct plan_slice {
    uint32_t slot_count, set_count, number_count;
    uint32_t *slots;       // owned: set | flags << SLOT_FLAGS_SHIFT
    struct plan_set *sets; // owned
    uint16_t *numbers;     // owned
};

void plan_slice_destroy(struct plan_slice *slice); // NULL is fine
// Fills what follows from the parts: the maps of ranks, the counts, and no slices. False: out of memory.
bool plan_number(struct plan *plan);

// ---- the planner

// Lists of numbers one after another: list i is numbers[first[i]] up to numbers[first[i + 1]].
struct number_lists {
    uint32_t count;
    uint32_t *first;   // owned
    uint16_t *numbers; // owned
};

// One template, read.
struct wanted {
    uint32_t ranks, ppn;  // ppn 0: no limit
    uint32_t cores, gpus; // for each rank; 0: its lists say, or none
    struct number_lists core_lists, unit_lists;
    uint32_t *nodes; // owned: allowed and not lost, in their order; NULL: all
    uint32_t node_count;
    bool cyclic;
    uint8_t flags; // of its slots
};

// What one rank was given.
struct given {
    uint32_t first; // in `numbers`: cores, then units
    uint16_t core_count, unit_count;
    uint8_t flags;
};

// What one node's ranks of one template were given, in their order.
struct piece {
    uint32_t node, first, count; // entries of `given`
};

struct planner {
    const struct plan_request *request;
    struct ledger *ledger;
    bool trial;     // on an empty runtime: what cannot be done here never can
    uint32_t index; // the template in work
    struct plan plan;
    struct given *given; // owned
    size_t given_count, given_room;
    uint16_t *numbers; // owned
    size_t number_count, number_room;
    struct piece *pieces; // owned
    size_t piece_count, piece_room;
    bool own_sharing;      // ranks of one template share a list
    struct picker *picker; // owned, see plan_choose.c
    dragon_error_t *error;
};

// Sets the error's text, with the template's number where there are several.
__attribute__((format(printf, 3, 4))) dragon_err_t planner_error(struct planner *planner,
                                                                 dragon_err_t code,
                                                                 const char *format, ...);
// More room in an array that doubles; `array` points to the pointer to it. False: out of memory.
bool planner_grow(void *array, size_t *room, size_t wanted, size_t bytes_each);

static inline uint32_t wanted_node(const struct wanted *wanted, uint32_t index)
{
    return wanted->nodes ? wanted->nodes[index] : index;
}
static inline const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

// plan_make.c: plans everything on an empty runtime; INVAL with the reason when it does not fit there either.
dragon_err_t planner_try_empty(struct planner *planner);

// plan_want.c: reads a template: what its lists and hosts mean here. `wanted` is zero; fini it also after an error.
dragon_err_t want_read(struct planner *planner, const struct plan_template *asked,
                       struct wanted *wanted);
void want_fini(struct wanted *wanted);
// Whether the node has what the lists of its first `ranks` ranks name; notes it when others use some of it.
dragon_err_t want_check_lists(struct planner *planner, const struct wanted *wanted, uint32_t node,
                              uint32_t ranks);

// plan_hosts.c: the nodes that `hosts` names, each once. The caller frees.
dragon_err_t hosts_find(struct planner *planner, char *const *hosts, uint32_t **nodes_out,
                        uint32_t *count_out);

// plan_room.c
//
// How many ranks a node takes until the given step, step 1 being the first: for blocks a step is one more user
// on its cores, for cyclic it is a rank.
uint32_t room_until(const struct planner *planner, const struct wanted *wanted, uint32_t node,
                    uint32_t step);
// The step at which all ranks have a place; FULL or INVAL when there is none.
dragon_err_t room_find_step(struct planner *planner, const struct wanted *wanted,
                            uint32_t *step_out);
// plan_reason.c: why there is none.
dragon_err_t room_explain(struct planner *planner, const struct wanted *wanted);

// plan_choose.c: gives so many ranks their cores and GPUs on a node.
dragon_err_t choose_on_node(struct planner *planner, const struct wanted *wanted, uint32_t node,
                            uint32_t count);

// plan_slices.c: makes the slices of the plan of all that was given.
dragon_err_t planner_slice(struct planner *planner);

#endif
