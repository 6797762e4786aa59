// SPDX-License-Identifier: BSD-3-Clause
//
// Plans as they are asked: see plan.h. How they are sent is in plan_wire.c, how they are made in plan_make.c, which
// libdragon does without.
#include "config.h"

#include "place/internal.h"

void plan_slice_destroy(struct plan_slice *slice)
{
    if (!slice)
        return;
    free(slice->numbers);
    free(slice->sets);
    free(slice->slots);
    free(slice);
}

void plan_fini(struct plan *plan)
{
    free(plan->count_on);
    free(plan->local_of_rank);
    free(plan->node_of_rank);
    free(plan->slice_of_node);
    for (uint32_t i = 0; i < plan->slice_count; i++)
        plan_slice_destroy(plan->slices[i]);
    free(plan->slices);
    for (uint32_t i = 0; plan->parts && i < plan->part_count; i++)
        free(plan->parts[i].runs);
    free(plan->parts);
    *plan = (struct plan){0};
}

// ---- the map of ranks

static void number_rank(struct plan *plan, uint32_t index, uint32_t node)
{
    plan->node_of_rank[index] = node;
    plan->local_of_rank[index] = plan->count_on[node]++;
}

static void number_block(struct plan *plan, const struct plan_part *part)
{
    uint32_t rank = part->first;
    for (uint32_t i = 0; i < part->run_count; i++)
        for (uint32_t k = 0; k < part->runs[i].nodes; k++)
            for (uint32_t n = 0; n < part->runs[i].count; n++)
                number_rank(plan, rank++, part->runs[i].first + k);
}

// Nodes that have all their ranks leave the round, so that this takes as long as there are ranks.
static bool number_cyclic(struct plan *plan, const struct plan_part *part)
{
    struct turn {
        uint32_t node, count;
    } *turns = malloc(part->size * sizeof *turns); // every node has a rank at least
    uint32_t left = 0, rank = part->first;
    if (!turns)
        return false;
    for (uint32_t i = 0; i < part->run_count; i++)
        for (uint32_t k = 0; k < part->runs[i].nodes; k++)
            turns[left++] = (struct turn){part->runs[i].first + k, part->runs[i].count};
    for (uint32_t round = 1; left > 0; round++) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < left; i++) {
            number_rank(plan, rank++, turns[i].node);
            if (turns[i].count > round)
                turns[kept++] = turns[i];
        }
        left = kept;
    }
    free(turns);
    return true;
}

bool plan_number(struct plan *plan)
{
    plan->node_of_rank = malloc(plan->size * sizeof *plan->node_of_rank);
    plan->local_of_rank = malloc(plan->size * sizeof *plan->local_of_rank);
    plan->count_on = calloc(plan->nodes, sizeof *plan->count_on);
    plan->slice_of_node = malloc(plan->nodes * sizeof *plan->slice_of_node);
    if (!plan->node_of_rank || !plan->local_of_rank || !plan->count_on || !plan->slice_of_node)
        return false;
    for (uint32_t i = 0; i < plan->nodes; i++)
        plan->slice_of_node[i] = PLAN_NO_SLICE;
    for (uint32_t i = 0; i < plan->part_count; i++) {
        if (plan->parts[i].map != DRAGON_MAP_CYCLIC)
            number_block(plan, &plan->parts[i]);
        else if (!number_cyclic(plan, &plan->parts[i]))
            return false;
    }
    return true;
}

uint32_t plan_node(const struct plan *plan, uint32_t rank)
{
    return plan->node_of_rank[rank - plan->first_rank];
}

uint32_t plan_template_of(const struct plan *plan, uint32_t rank)
{
    uint32_t low = 0, high = plan->part_count, index = rank - plan->first_rank;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (plan->parts[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool plan_slot(const struct plan *plan, uint32_t rank, struct plan_slot *slot_out)
{
    uint32_t index = rank - plan->first_rank;
    uint32_t which = plan->slice_of_node[plan->node_of_rank[index]];
    if (which == PLAN_NO_SLICE)
        return false;
    const struct plan_slice *slice = plan->slices[which];
    uint32_t slot = slice->slots[plan->local_of_rank[index]];
    uint32_t flags = slot >> SLOT_FLAGS_SHIFT;
    const struct plan_set *set = &slice->sets[slot & ((1u << SLOT_FLAGS_SHIFT) - 1)];
    *slot_out = (struct plan_slot){
        .cores = slice->numbers + set->first,
        .units = slice->numbers + set->first + set->core_count,
        .core_count = set->core_count,
        .unit_count = set->unit_count,
        .bind = flags & SLOT_BIND,
        .hide_gpus = flags & SLOT_HIDE_GPUS,
        .shared = flags & SLOT_SHARED,
    };
    return true;
}

uint32_t plan_divide_cores(uint32_t cores, uint32_t index, uint32_t count, uint32_t *first_out)
{
    uint32_t first = (uint32_t)((uint64_t)cores * index / count);
    uint32_t end = (uint32_t)((uint64_t)cores * (index + 1) / count);
    *first_out = first;
    return end > first ? end - first : 1;
}
