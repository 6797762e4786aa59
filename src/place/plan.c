// SPDX-License-Identifier: BSD-3-Clause
//
// Plans: see plan.h. When there are more ranks than cores, every node takes its cores' worth as often
// as that fits before any node takes more, so that no node has twice the load of another.
#include "config.h"

#include "place/plan.h"

static uint64_t total_of(const uint32_t *numbers, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += numbers[i];
    return total;
}

static dragon_err_t decide_size(const struct plan_request *request, uint64_t cores, uint32_t nodes,
                                uint32_t *size_out, dragon_error_t *error)
{
    uint64_t room = request->ppn ? (uint64_t)request->ppn * nodes : PLAN_RANK_LIMIT;
    uint64_t size = 1;
    if (request->ranks >= 0)
        size = (uint64_t)request->ranks;
    else if (request->ppn)
        size = room;
    else if (request->per_core)
        size = cores;
    if (size == 0)
        return err_set(error, DRAGON_ERR_INVAL, "a group of no ranks was asked for");
    if (size > PLAN_RANK_LIMIT)
        return err_set(error, DRAGON_ERR_INVAL, "%llu ranks were asked for, the limit is %d",
                       (unsigned long long)size, PLAN_RANK_LIMIT);
    if (size > room)
        return err_set(error, DRAGON_ERR_INVAL,
                       "%llu ranks with at most %u on a node need %llu nodes, this runtime has %u",
                       (unsigned long long)size, request->ppn,
                       (unsigned long long)((size + request->ppn - 1) / request->ppn), nodes);
    *size_out = (uint32_t)size;
    return DRAGON_OK;
}

// Adds up to `room_of(i)` ranks to each node in order until none is left.
static uint32_t fill(uint32_t *count, const uint32_t *room, uint32_t nodes, uint32_t left)
{
    for (uint32_t i = 0; i < nodes && left > 0; i++) {
        uint32_t take = room[i] < left ? room[i] : left;
        count[i] += take;
        left -= take;
    }
    return left;
}

static void fill_evenly(const struct plan_request *request, const uint32_t *cores,
                        uint64_t all_cores, struct plan *plan)
{
    uint32_t left = plan->size;
    if (request->order == PLAN_CYCLIC) { // never above ppn: the size fits all nodes' ppn
        for (uint32_t i = 0; i < plan->nodes; i++)
            plan->count[i] = left / plan->nodes + (i < left % plan->nodes);
        return;
    }
    if (request->ppn) {
        for (uint32_t i = 0; i < plan->nodes && left > 0; i++) {
            plan->count[i] = request->ppn < left ? request->ppn : left;
            left -= plan->count[i];
        }
        return;
    }
    uint32_t rounds = (uint32_t)(left / all_cores);
    for (uint32_t i = 0; i < plan->nodes; i++)
        plan->count[i] = rounds * cores[i];
    left -= (uint32_t)(rounds * all_cores);
    fill(plan->count, cores, plan->nodes, left);
}

dragon_err_t plan_make(const struct plan_request *request, const uint32_t *cores, uint32_t nodes,
                       struct plan *plan_out, dragon_error_t *error)
{
    struct plan plan = {.order = request->order, .nodes = nodes};
    uint64_t all_cores = total_of(cores, nodes);
    dragon_err_t err = decide_size(request, all_cores, nodes, &plan.size, error);
    if (err != DRAGON_OK)
        return err;
    plan.count = calloc(nodes, sizeof *plan.count);
    if (!plan.count)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    fill_evenly(request, cores, all_cores, &plan);
    *plan_out = plan;
    return DRAGON_OK;
}

void plan_fini(struct plan *plan)
{
    free(plan->count);
    *plan = (struct plan){0};
}

static void number_blocks(const struct plan *plan, uint32_t *node_of_rank)
{
    uint32_t rank = 0;
    for (uint32_t node = 0; node < plan->nodes; node++)
        for (uint32_t i = 0; i < plan->count[node]; i++)
            node_of_rank[rank++] = node;
}

static void number_cyclic(const struct plan *plan, uint32_t *node_of_rank)
{
    uint32_t rank = 0;
    for (uint32_t round = 0; rank < plan->size; round++)
        for (uint32_t node = 0; node < plan->nodes; node++)
            if (plan->count[node] > round)
                node_of_rank[rank++] = node;
}

uint32_t *plan_node_of_rank(const struct plan *plan)
{
    uint32_t *node_of_rank = calloc(plan->size, sizeof *node_of_rank);
    if (!node_of_rank)
        return NULL;
    if (plan->order == PLAN_CYCLIC)
        number_cyclic(plan, node_of_rank);
    else
        number_blocks(plan, node_of_rank);
    return node_of_rank;
}

uint32_t plan_divide_cores(uint32_t cores, uint32_t index, uint32_t count, uint32_t *first_out)
{
    uint32_t first = (uint32_t)((uint64_t)cores * index / count);
    uint32_t end = (uint32_t)((uint64_t)cores * (index + 1) / count);
    *first_out = first;
    return end > first ? end - first : 1;
}

void plan_pack(struct pack *pack, const struct plan *plan)
{
    pack_u8(pack, plan->order);
    pack_u32(pack, plan->size);
    for (uint32_t node = 0, run; node < plan->nodes; node += run) {
        for (run = 1; node + run < plan->nodes && plan->count[node + run] == plan->count[node];)
            run++;
        pack_u32(pack, run);
        pack_u32(pack, plan->count[node]);
    }
}

bool plan_unpack(struct unpack *unpack, uint32_t nodes, struct plan *plan_out)
{
    struct plan plan = {.nodes = nodes};
    plan.order = unpack_u8(unpack);
    plan.size = unpack_u32(unpack);
    if (unpack->failed || plan.order > PLAN_CYCLIC || plan.size == 0 || plan.size > PLAN_RANK_LIMIT)
        return false;
    plan.count = calloc(nodes, sizeof *plan.count);
    uint64_t total = 0;
    uint32_t node = 0;
    while (plan.count && node < nodes && !unpack->failed) {
        uint32_t run = unpack_u32(unpack);
        uint32_t count = unpack_u32(unpack);
        if (run == 0 || run > nodes - node || count > plan.size)
            break;
        total += (uint64_t)run * count;
        for (; run > 0; run--)
            plan.count[node++] = count;
    }
    if (!plan.count || unpack->failed || node != nodes || total != plan.size) {
        plan_fini(&plan);
        return false;
    }
    *plan_out = plan;
    return true;
}
