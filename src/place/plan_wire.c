// SPDX-License-Identifier: BSD-3-Clause
//
// Plans as they are sent: first rank, size, shared, parts (map, size, runs), slices, and which node has which slice,
// in runs. The maps of ranks are worked out on each side from the parts.
#include "config.h"

#include "place/internal.h"

enum { RUN_BYTES = 12, PART_BYTES = 9, SET_BYTES = 4 }; // the fewest that one takes

// ---- writing

static void pack_parts(struct pack *pack, const struct plan *plan)
{
    pack_u32(pack, plan->first_rank);
    pack_u32(pack, plan->size);
    pack_u8(pack, plan->shared);
    pack_u32(pack, plan->part_count);
    for (uint32_t i = 0; i < plan->part_count; i++) {
        const struct plan_part *part = &plan->parts[i];
        pack_u8(pack, part->map);
        pack_u32(pack, part->size);
        pack_u32(pack, part->run_count);
        for (uint32_t k = 0; k < part->run_count; k++) {
            pack_u32(pack, part->runs[k].first);
            pack_u32(pack, part->runs[k].nodes);
            pack_u32(pack, part->runs[k].count);
        }
    }
}

// Slots that use one set after another go as one entry: flags, set, how many.
static void pack_slots(struct pack *pack, const struct plan_slice *slice)
{
    for (uint32_t i = 0, run; i < slice->slot_count; i += run) {
        uint32_t slot = slice->slots[i];
        for (run = 1; i + run < slice->slot_count && slice->slots[i + run] == slot + run;)
            run++;
        pack_u8(pack, (uint8_t)(slot >> SLOT_FLAGS_SHIFT));
        pack_u32(pack, slot & ((1u << SLOT_FLAGS_SHIFT) - 1));
        pack_u32(pack, run);
    }
}

static void pack_slice(struct pack *pack, const struct plan_slice *slice)
{
    pack_u32(pack, slice->slot_count);
    pack_u32(pack, slice->set_count);
    pack_u32(pack, slice->number_count);
    for (uint32_t i = 0; i < slice->set_count; i++) {
        const struct plan_set *set = &slice->sets[i];
        pack_u16(pack, set->core_count);
        pack_u16(pack, set->unit_count);
        for (uint32_t k = 0; k < (uint32_t)set->core_count + set->unit_count; k++)
            pack_u16(pack, slice->numbers[set->first + k]);
    }
    pack_slots(pack, slice);
}

// The first `known` slices, and who has them.
static void pack_slices(struct pack *pack, const struct plan *plan, uint32_t known)
{
    pack_u32(pack, known);
    for (uint32_t i = 0; i < known; i++)
        pack_slice(pack, plan->slices[i]);
    for (uint32_t node = 0, run; node < plan->nodes; node += run) {
        uint32_t slice = plan->slice_of_node[node];
        uint32_t written = slice < known ? slice : PLAN_NO_SLICE;
        for (run = 1; node + run < plan->nodes; run++) {
            slice = plan->slice_of_node[node + run];
            if ((slice < known ? slice : PLAN_NO_SLICE) != written)
                break;
        }
        pack_u32(pack, run);
        pack_u32(pack, written);
    }
}

void plan_pack(struct pack *pack, const struct plan *plan)
{
    pack_parts(pack, plan);
    pack_slices(pack, plan, plan->slice_count);
}

void plan_pack_common(struct pack *pack, const struct plan *plan)
{
    pack_parts(pack, plan);
    pack_slices(pack, plan, plan->slice_count ? 1 : 0);
}

bool plan_slice_is_common(const struct plan *plan, uint32_t node)
{
    return plan->count_on[node] == 0 || plan->slice_of_node[node] == 0;
}

void plan_pack_slice(struct pack *pack, const struct plan *plan, uint32_t node)
{
    uint32_t slice = plan->slice_of_node[node];
    if (slice == PLAN_NO_SLICE)
        pack->failed = true; // the caller's mistake must not become another node's slice
    else
        pack_slice(pack, plan->slices[slice]);
}

// ---- reading

static bool unpack_run(struct unpack *unpack, uint32_t nodes, uint64_t left, struct plan_run *run)
{
    run->first = unpack_u32(unpack);
    run->nodes = unpack_u32(unpack);
    run->count = unpack_u32(unpack);
    return run->nodes > 0 && run->count > 0 && run->first < nodes &&
           run->nodes <= nodes - run->first && (uint64_t)run->nodes * run->count <= left;
}

static bool unpack_part(struct unpack *unpack, const struct plan *plan, struct plan_part *part)
{
    part->map = unpack_u8(unpack);
    part->size = unpack_u32(unpack);
    uint32_t runs = unpack_u32(unpack);
    if ((part->map != DRAGON_MAP_BLOCK && part->map != DRAGON_MAP_CYCLIC) || runs == 0 ||
        part->size > plan->size - part->first || runs > unpack_left(unpack) / RUN_BYTES)
        return false;
    part->runs = calloc(runs, sizeof *part->runs);
    part->run_count = part->runs ? runs : 0;
    uint64_t left = part->size;
    for (uint32_t i = 0; i < part->run_count; i++) {
        if (!unpack_run(unpack, plan->nodes, left, &part->runs[i]))
            return false;
        left -= (uint64_t)part->runs[i].nodes * part->runs[i].count;
    }
    return part->runs && left == 0;
}

static bool unpack_parts(struct unpack *unpack, struct plan *plan)
{
    plan->first_rank = unpack_u32(unpack);
    plan->size = unpack_u32(unpack);
    plan->shared = unpack_u8(unpack) != 0;
    uint32_t parts = unpack_u32(unpack), first = 0;
    if (unpack->failed || plan->size == 0 || plan->size > PLAN_RANK_LIMIT ||
        plan->first_rank > INT32_MAX - plan->size || parts == 0 || parts > PLAN_TEMPLATES_LIMIT ||
        parts > unpack_left(unpack) / PART_BYTES)
        return false;
    plan->parts = calloc(parts, sizeof *plan->parts);
    plan->part_count = plan->parts ? parts : 0;
    for (uint32_t i = 0; i < plan->part_count; i++) {
        plan->parts[i].first = first;
        if (!unpack_part(unpack, plan, &plan->parts[i]))
            return false;
        first += plan->parts[i].size;
    }
    return plan->parts && first == plan->size && !unpack->failed;
}

static bool unit_is_sane(uint16_t unit)
{
    return gpu_of_unit(unit) < MACHINE_GPUS_LIMIT &&
           (tile_of_unit(unit) < MACHINE_TILES || tile_of_unit(unit) == GPU_WHOLE);
}

static bool unpack_sets(struct unpack *unpack, struct plan_slice *slice)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < slice->set_count; i++) {
        struct plan_set *set = &slice->sets[i];
        set->first = next;
        set->core_count = unpack_u16(unpack);
        set->unit_count = unpack_u16(unpack);
        uint32_t numbers = (uint32_t)set->core_count + set->unit_count;
        if (set->core_count == 0 || numbers > slice->number_count - next)
            return false;
        for (uint32_t k = 0; k < numbers; k++) {
            uint16_t number = unpack_u16(unpack);
            if (k < set->core_count ? number >= MACHINE_CORES_LIMIT : !unit_is_sane(number))
                return false;
            slice->numbers[next++] = number;
        }
    }
    return next == slice->number_count;
}

static bool unpack_slots(struct unpack *unpack, struct plan_slice *slice)
{
    for (uint32_t i = 0; i < slice->slot_count;) {
        uint32_t flags = unpack_u8(unpack);
        uint32_t set = unpack_u32(unpack);
        uint32_t run = unpack_u32(unpack);
        if (unpack->failed || flags > SLOT_FLAGS || (flags & SLOT_BIND) < DRAGON_BIND_NONE ||
            (flags & SLOT_BIND) > DRAGON_BIND_SOCKET || run == 0 || run > slice->slot_count - i ||
            set >= slice->set_count || run > slice->set_count - set)
            return false;
        for (; run > 0; run--)
            slice->slots[i++] = set++ | flags << SLOT_FLAGS_SHIFT;
    }
    return true;
}

// NULL: not well-formed, or out of memory. `most` is the number of slots that there can be.
static struct plan_slice *unpack_slice(struct unpack *unpack, uint32_t most)
{
    struct plan_slice *slice = calloc(1, sizeof *slice);
    if (!slice)
        return NULL;
    slice->slot_count = unpack_u32(unpack);
    slice->set_count = unpack_u32(unpack);
    slice->number_count = unpack_u32(unpack);
    if (unpack->failed || slice->slot_count == 0 || slice->slot_count > most ||
        slice->set_count == 0 || slice->set_count > slice->slot_count ||
        slice->set_count > unpack_left(unpack) / SET_BYTES || slice->number_count == 0 ||
        slice->number_count > unpack_left(unpack) / sizeof *slice->numbers)
        goto error;
    slice->slots = malloc(slice->slot_count * sizeof *slice->slots);
    slice->sets = calloc(slice->set_count, sizeof *slice->sets);
    slice->numbers = malloc(slice->number_count * sizeof *slice->numbers);
    if (!slice->slots || !slice->sets || !slice->numbers || !unpack_sets(unpack, slice) ||
        !unpack_slots(unpack, slice))
        goto error;
    return slice;
error:
    plan_slice_destroy(slice);
    return NULL;
}

// Room for one more is made at powers of two.
static bool add_slice(struct plan *plan, struct plan_slice *slice)
{
    uint32_t count = plan->slice_count;
    if (slice && (count & (count - 1)) == 0) {
        struct plan_slice **grown =
            realloc(plan->slices, (count ? 2 * (size_t)count : 1) * sizeof(struct plan_slice *));
        if (grown)
            plan->slices = grown;
        else {
            plan_slice_destroy(slice);
            slice = NULL;
        }
    }
    if (!slice)
        return false;
    plan->slices[plan->slice_count++] = slice;
    return true;
}

static bool unpack_slices(struct unpack *unpack, struct plan *plan)
{
    uint32_t known = unpack_u32(unpack), left = plan->size;
    if (unpack->failed || known > plan->nodes)
        return false;
    for (uint32_t i = 0; i < known; i++) {
        // Each is some node's, so together they have no more slots than there are ranks.
        if (!add_slice(plan, unpack_slice(unpack, left)))
            return false;
        left -= plan->slices[i]->slot_count;
    }
    for (uint32_t node = 0; node < plan->nodes;) {
        uint32_t run = unpack_u32(unpack);
        uint32_t slice = unpack_u32(unpack);
        if (unpack->failed || run == 0 || run > plan->nodes - node ||
            (slice >= known && slice != PLAN_NO_SLICE))
            return false;
        for (; run > 0; run--, node++) {
            if (slice != PLAN_NO_SLICE && plan->slices[slice]->slot_count != plan->count_on[node])
                return false;
            plan->slice_of_node[node] = slice;
        }
    }
    return true;
}

bool plan_unpack(struct unpack *unpack, uint32_t nodes, struct plan *plan_out)
{
    struct plan plan = {.nodes = nodes};
    if (!unpack_parts(unpack, &plan) || !plan_number(&plan) || !unpack_slices(unpack, &plan)) {
        unpack->failed = true;
        plan_fini(&plan);
        return false;
    }
    *plan_out = plan;
    return true;
}

bool plan_unpack_slice(struct unpack *unpack, struct plan *plan, uint32_t node)
{
    if (node >= plan->nodes || plan->count_on[node] == 0 ||
        plan->slice_of_node[node] != PLAN_NO_SLICE)
        return false;
    struct plan_slice *slice = unpack_slice(unpack, plan->count_on[node]);
    if (slice && slice->slot_count != plan->count_on[node]) {
        plan_slice_destroy(slice);
        slice = NULL;
    }
    if (!add_slice(plan, slice))
        return false;
    plan->slice_of_node[node] = plan->slice_count - 1;
    return true;
}
