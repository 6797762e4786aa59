// SPDX-License-Identifier: BSD-3-Clause
//
// From what each rank was given to the slices of a plan: what the ranks of one node have, written one after another,
// is the key under which nodes that have the same share a slice.
#include "config.h"

#include "place/internal.h"

#include <uthash.h>

enum { HEAD = 3 }; // numbers before a rank's own: flags, cores, units

struct known {
    uint16_t *key;         // owned
    uint32_t index, nodes; // how many have it
    UT_hash_handle hh;
};

struct slicer {
    struct planner *planner;
    struct known *table; // owned
    uint16_t *key;       // owned, of the node in work
    size_t length, room; // in numbers
    uint32_t slot_count, slice_room;
};

// ---- one slice

static uint32_t hash_numbers(const uint16_t *numbers, uint32_t count)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < count; i++)
        hash = (hash ^ numbers[i]) * 16777619u;
    return hash ^ hash >> 15;
}

// The set with these numbers, a new one if there is none yet. `table` holds sets + 1 and is less than half full.
static uint32_t find_set(struct plan_slice *slice, uint32_t *table, uint32_t mask,
                         const uint16_t *head)
{
    uint32_t count = (uint32_t)head[1] + head[2];
    const uint16_t *numbers = head + HEAD;
    uint32_t at = hash_numbers(numbers, count) & mask;
    for (; table[at]; at = (at + 1) & mask) {
        const struct plan_set *set = &slice->sets[table[at] - 1];
        if (set->core_count == head[1] && set->unit_count == head[2] &&
            memcmp(slice->numbers + set->first, numbers, count * sizeof *numbers) == 0)
            return table[at] - 1;
    }
    slice->sets[slice->set_count] = (struct plan_set){slice->number_count, head[1], head[2]};
    memcpy(slice->numbers + slice->number_count, numbers, count * sizeof *numbers);
    slice->number_count += count;
    table[at] = ++slice->set_count;
    return slice->set_count - 1;
}

static void fill_slice(struct plan_slice *slice, uint32_t *table, uint32_t mask,
                       const uint16_t *head)
{
    for (uint32_t i = 0; i < slice->slot_count; i++) {
        slice->slots[i] = find_set(slice, table, mask, head) | (uint32_t)head[0]
                                                                   << SLOT_FLAGS_SHIFT;
        head += HEAD + head[1] + head[2];
    }
}

static struct plan_slice *slice_create(const struct slicer *slicer)
{
    uint32_t entries = 4;
    while (entries < 2 * slicer->slot_count)
        entries *= 2;
    struct plan_slice *slice = calloc(1, sizeof *slice);
    uint32_t *table = calloc(entries, sizeof *table);
    if (!slice || !table)
        goto error;
    slice->slot_count = slicer->slot_count;
    slice->slots = malloc(slicer->slot_count * sizeof *slice->slots);
    slice->sets = malloc(slicer->slot_count * sizeof *slice->sets);
    slice->numbers = malloc(slicer->length * sizeof *slice->numbers);
    if (!slice->slots || !slice->sets || !slice->numbers)
        goto error;
    fill_slice(slice, table, entries - 1, slicer->key);
    free(table);
    return slice;
error:
    free(table);
    plan_slice_destroy(slice);
    return NULL;
}

// ---- all of them

static bool has_another_user(const struct planner *planner, uint32_t node,
                             const struct given *given)
{
    const uint16_t *numbers = planner->numbers + given->first;
    for (uint32_t i = 0; i < given->core_count; i++)
        if (planner->ledger->nodes[node].core_users[numbers[i]] > 1)
            return true;
    for (uint32_t i = 0; i < given->unit_count; i++)
        if (ledger_unit_users(planner->ledger, node, numbers[given->core_count + i]) > 1)
            return true;
    return false;
}

// Appends what the ranks of a piece have to the key.
static bool add_piece(struct slicer *slicer, const struct piece *piece)
{
    struct planner *planner = slicer->planner;
    bool look = planner->plan.shared || planner->own_sharing;
    for (uint32_t i = 0; i < piece->count; i++) {
        const struct given *given = &planner->given[piece->first + i];
        uint32_t count = (uint32_t)given->core_count + given->unit_count;
        if (!planner_grow(&slicer->key, &slicer->room, slicer->length + HEAD + count,
                          sizeof *slicer->key))
            return false;
        uint16_t *at = slicer->key + slicer->length;
        bool shared = look && has_another_user(planner, piece->node, given);
        at[0] = (uint16_t)(given->flags | (shared ? SLOT_SHARED : 0));
        at[1] = given->core_count;
        at[2] = given->unit_count;
        memcpy(at + HEAD, planner->numbers + given->first, count * sizeof *at);
        slicer->length += HEAD + count;
    }
    slicer->slot_count += piece->count;
    return true;
}

static struct known *add_known(struct slicer *slicer, size_t bytes)
{
    struct plan *plan = &slicer->planner->plan;
    struct known *known = calloc(1, sizeof *known);
    size_t room = slicer->slice_room;
    if (!known)
        return NULL;
    known->key = malloc(bytes);
    if (!known->key ||
        !planner_grow(&plan->slices, &room, plan->slice_count + 1, sizeof(struct plan_slice *)))
        goto error;
    slicer->slice_room = (uint32_t)room;
    plan->slices[plan->slice_count] = slice_create(slicer);
    if (!plan->slices[plan->slice_count])
        goto error;
    memcpy(known->key, slicer->key, bytes);
    known->index = plan->slice_count++;
    HASH_ADD_KEYPTR(hh, slicer->table, known->key, bytes, known);
    return known;
error:
    free(known->key);
    free(known);
    return NULL;
}

// The key is complete.
static bool end_node(struct slicer *slicer, uint32_t node)
{
    struct known *known;
    size_t bytes = slicer->length * sizeof *slicer->key;
    HASH_FIND(hh, slicer->table, slicer->key, bytes, known);
    if (!known)
        known = add_known(slicer, bytes);
    if (!known)
        return false;
    known->nodes++;
    slicer->planner->plan.slice_of_node[node] = known->index;
    slicer->length = 0;
    slicer->slot_count = 0;
    return true;
}

// What most nodes have becomes the first.
static void put_common_first(struct slicer *slicer)
{
    struct plan *plan = &slicer->planner->plan;
    const struct known *known, *next, *common = NULL;
    HASH_ITER (hh, slicer->table, known, next)
        if (!common || known->nodes > common->nodes)
            common = known;
    if (!common || common->index == 0)
        return;
    struct plan_slice *slice = plan->slices[common->index];
    plan->slices[common->index] = plan->slices[0];
    plan->slices[0] = slice;
    for (uint32_t i = 0; i < plan->nodes; i++) {
        if (plan->slice_of_node[i] == common->index)
            plan->slice_of_node[i] = 0;
        else if (plan->slice_of_node[i] == 0)
            plan->slice_of_node[i] = common->index;
    }
}

// By node; those of one node stay in the order of templates, which is that of what was given.
static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

dragon_err_t planner_slice(struct planner *planner)
{
    struct slicer slicer = {.planner = planner};
    struct known *known, *next;
    bool good = true;
    qsort(planner->pieces, planner->piece_count, sizeof *planner->pieces, compare_pieces);
    for (size_t i = 0; good && i < planner->piece_count; i++) {
        const struct piece *piece = &planner->pieces[i];
        good = add_piece(&slicer, piece);
        if (good && (i + 1 == planner->piece_count || piece[1].node != piece->node))
            good = end_node(&slicer, piece->node);
    }
    if (good)
        put_common_first(&slicer);
    HASH_ITER (hh, slicer.table, known, next) {
        HASH_DEL(slicer.table, known);
        free(known->key);
        free(known);
    }
    free(slicer.key);
    return good ? DRAGON_OK : planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
}
