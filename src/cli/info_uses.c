// SPDX-License-Identifier: BSD-3-Clause
//
// Who uses which core and GPU: the picture says for each rank what it was given, this turns it round.
#include "config.h"

#include "cli/info.h"

#include "cli/text.h"

struct filling {
    struct uses *uses;
    struct use use;
    bool failed; // memory ran out
};

static bool add(void *arg, uint32_t number)
{
    struct filling *filling = arg;
    struct uses *uses = filling->uses;
    if (uses->count == uses->room) {
        size_t room = uses->room ? 2 * uses->room : 64;
        struct use *grown = realloc(uses->entries, room * sizeof *grown);
        if (!grown) {
            filling->failed = true;
            return false;
        }
        uses->entries = grown;
        uses->room = room;
    }
    filling->use.number = number;
    uses->entries[uses->count++] = filling->use;
    return true;
}

// By kind, node and number: what uses_of looks for.
static int compare_thing(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    if (x->gpu != y->gpu)
        return x->gpu ? 1 : -1;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int compare(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    int order = compare_thing(a, b);
    if (order)
        return order;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

// A rank with two tiles of a GPU uses that once.
static void remove_twins(struct uses *uses)
{
    size_t kept = 0;
    for (size_t i = 0; i < uses->count; i++)
        if (kept == 0 || compare(&uses->entries[kept - 1], &uses->entries[i]) != 0)
            uses->entries[kept++] = uses->entries[i];
    uses->count = kept;
}

static bool fill_rank(struct uses *uses, const dragon_system_t *system, uint32_t group,
                      uint32_t rank)
{
    const dragon_rank_info_t *info = dragon_system_rank(system, group, rank);
    const dragon_node_t *node = info ? dragon_system_node(system, info->place.node) : NULL;
    if (!node || info->status.ended)
        return true;
    struct filling filling = {uses, {.node = node->number, .group = group, .rank = rank}, false};
    if (node->cores)
        numbers_each(info->place.cores, node->cores - 1, add, &filling);
    filling.use.gpu = true;
    if (node->gpus)
        numbers_each(info->place.gpus, node->gpus - 1, add, &filling);
    return !filling.failed;
}

bool uses_fill(struct uses *uses, const dragon_system_t *system)
{
    *uses = (struct uses){0};
    for (uint32_t group = 0; group < dragon_system_groups(system); group++) {
        uint32_t ranks = dragon_system_group(system, group)->ranks;
        for (uint32_t rank = 0; rank < ranks; rank++)
            if (!fill_rank(uses, system, group, rank))
                return false;
    }
    if (uses->count)
        qsort(uses->entries, uses->count, sizeof *uses->entries, compare);
    remove_twins(uses);
    return true;
}

void uses_fini(struct uses *uses)
{
    free(uses->entries);
    *uses = (struct uses){0};
}

const struct use *uses_of(const struct uses *uses, bool gpu, uint32_t node, uint32_t number,
                          size_t *count_out)
{
    struct use wanted = {.gpu = gpu, .node = node, .number = number};
    size_t low = 0, high = uses->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_thing(&uses->entries[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < uses->count && compare_thing(&uses->entries[end], &wanted) == 0)
        end++;
    *count_out = end - low;
    return end > low ? uses->entries + low : NULL;
}
