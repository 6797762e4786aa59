// SPDX-License-Identifier: BSD-3-Clause
//
// What one template asks for, with its policy's lists and hosts read, how many ranks "as many as fit" is, and whether a
// node has what is listed.
#include "config.h"

#include "place/internal.h"
#include "place/lists.h"

static void lists_fini(struct number_lists *lists)
{
    free(lists->numbers);
    free(lists->first);
    *lists = (struct number_lists){0};
}

void want_fini(struct wanted *wanted)
{
    free(wanted->nodes);
    lists_fini(&wanted->unit_lists);
    lists_fini(&wanted->core_lists);
}

static int parse_cores(const char *text, uint16_t *numbers, size_t limit)
{
    return lists_parse_cores(text, MACHINE_CORES_LIMIT - 1, numbers, limit);
}

static dragon_err_t read_lists(struct planner *planner, char *const *texts, const char *what,
                               int (*parse)(const char *text, uint16_t *numbers, size_t limit),
                               struct number_lists *lists)
{
    uint16_t numbers[MACHINE_CORES_LIMIT];
    size_t count = strv_count(texts), used = 0, room = 0;
    if (count == 0)
        return DRAGON_OK;
    if (count > MACHINE_CORES_LIMIT)
        return planner_error(planner, DRAGON_ERR_INVAL, "%zu lists of %s, the limit is %d", count,
                             what, MACHINE_CORES_LIMIT);
    lists->first = calloc(count + 1, sizeof *lists->first);
    if (!lists->first)
        return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        int length = parse(texts[i], numbers, MACHINE_CORES_LIMIT);
        if (length <= 0)
            return planner_error(planner, DRAGON_ERR_INVAL, "\"%.64s\" is no list of %s", texts[i],
                                 what);
        if (!planner_grow(&lists->numbers, &room, used + (size_t)length, sizeof *lists->numbers))
            return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
        memcpy(lists->numbers + used, numbers, (size_t)length * sizeof *numbers);
        used += (size_t)length;
        lists->first[++lists->count] = (uint32_t)used;
    }
    return DRAGON_OK;
}

static uint64_t one_for_each_core(const struct planner *planner, const struct wanted *wanted)
{
    uint64_t ranks = 0;
    for (uint32_t i = 0; i < wanted->node_count; i++) {
        const struct machine *machine = planner->ledger->nodes[wanted_node(wanted, i)].machine;
        uint32_t room = machine->core_count / wanted->cores;
        if (wanted->gpus && machine->gpu_count / wanted->gpus < room)
            room = machine->gpu_count / wanted->gpus;
        ranks += room;
    }
    return ranks ? ranks : 1; // one that does not fit has a better reason than none
}

static dragon_err_t decide_ranks(struct planner *planner, uint32_t asked, struct wanted *wanted)
{
    uint64_t ranks = 1, room = (uint64_t)wanted->ppn * wanted->node_count;
    bool lists = wanted->core_lists.count || wanted->unit_lists.count;
    if (asked)
        ranks = asked;
    else if (wanted->ppn)
        ranks = room;
    else if (planner->request->per_core && !lists)
        ranks = one_for_each_core(planner, wanted);
    if (ranks + planner->plan.size > PLAN_RANK_LIMIT)
        return planner_error(planner, DRAGON_ERR_INVAL,
                             "%llu ranks were asked for, the limit is %d",
                             (unsigned long long)ranks + planner->plan.size, PLAN_RANK_LIMIT);
    if (wanted->ppn && ranks > room)
        return planner_error(planner, DRAGON_ERR_INVAL,
                             "%llu ranks with at most %u on a node need %llu nodes, %s %u",
                             (unsigned long long)ranks, wanted->ppn,
                             (unsigned long long)((ranks + wanted->ppn - 1) / wanted->ppn),
                             planner->ledger->lost ? "there are left"
                             : wanted->nodes       ? "its policy allows"
                                                   : "this runtime has",
                             wanted->node_count);
    wanted->ranks = (uint32_t)ranks;
    return DRAGON_OK;
}

// Of the nodes allowed those are left that the runtime still has.
static dragon_err_t leave_out_lost(struct planner *planner, struct wanted *wanted)
{
    const struct ledger *ledger = planner->ledger;
    uint32_t *left = calloc(wanted->node_count ? wanted->node_count : 1, sizeof *left);
    uint32_t count = 0;
    if (!left)
        return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
    for (uint32_t i = 0; i < wanted->node_count; i++)
        if (!ledger->nodes[wanted_node(wanted, i)].lost)
            left[count++] = wanted_node(wanted, i);
    if (count == 0) { // all of those that the policy names: node 0 is never lost
        free(left);
        return planner_error(planner, DRAGON_ERR_INVAL, "node %.80s is lost%s",
                             ledger->nodes[wanted_node(wanted, 0)].name,
                             wanted->node_count > 1 ? ", as all others that its policy allows"
                                                    : "");
    }
    free(wanted->nodes);
    wanted->nodes = left;
    wanted->node_count = count;
    return DRAGON_OK;
}

dragon_err_t want_read(struct planner *planner, const struct plan_template *asked,
                       struct wanted *wanted)
{
    const struct policy *policy = asked->policy;
    wanted->ppn = policy->ppn;
    wanted->cyclic = policy->map == DRAGON_MAP_CYCLIC;
    wanted->node_count = planner->ledger->count;
    wanted->flags = (uint8_t)policy_bind(policy);
    dragon_err_t err =
        read_lists(planner, policy->core_lists, "cores", parse_cores, &wanted->core_lists);
    if (err == DRAGON_OK)
        err =
            read_lists(planner, policy->gpu_lists, "GPUs", lists_parse_units, &wanted->unit_lists);
    if (err == DRAGON_OK && policy->hosts && policy->hosts[0])
        err = hosts_find(planner, policy->hosts, &wanted->nodes, &wanted->node_count);
    if (err == DRAGON_OK && planner->ledger->lost)
        err = leave_out_lost(planner, wanted);
    if (err != DRAGON_OK)
        return err;
    // A list wins over a number.
    if (wanted->core_lists.count == 0)
        wanted->cores = policy->cores ? policy->cores : 1;
    if (wanted->unit_lists.count == 0 && policy->gpus_said) {
        wanted->gpus = policy->gpus;
        wanted->flags |= policy->gpus == 0 ? SLOT_HIDE_GPUS : 0;
    }
    return decide_ranks(planner, asked->ranks, wanted);
}

// ---- its lists on one node

static dragon_err_t check_core(struct planner *planner, const struct ledger_node *node,
                               uint16_t core)
{
    uint32_t count = node->machine->core_count;
    if (core < count)
        return DRAGON_OK;
    return planner_error(planner, DRAGON_ERR_INVAL,
                         "core %u is not there: node %.64s has %u core%s, from 0", core, node->name,
                         count, plural(count));
}

static dragon_err_t check_unit(struct planner *planner, const struct ledger_node *node,
                               uint16_t unit)
{
    const struct machine *machine = node->machine;
    uint32_t gpu = gpu_of_unit(unit), tile = tile_of_unit(unit);
    if (machine->gpu_count == 0)
        return planner_error(planner, DRAGON_ERR_INVAL, "GPU %u is not there: node %.64s has none",
                             gpu, node->name);
    if (gpu >= machine->gpu_count)
        return planner_error(planner, DRAGON_ERR_INVAL,
                             "GPU %u is not there: node %.64s has %u GPU%s, from 0", gpu,
                             node->name, machine->gpu_count, plural(machine->gpu_count));
    uint32_t tiles = machine->gpus[gpu].tiles;
    if (tile == GPU_WHOLE || tile < tiles)
        return DRAGON_OK;
    return planner_error(planner, DRAGON_ERR_INVAL,
                         "GPU %u.%u is not there: GPU %u of node %.64s has %u tile%s, from 0", gpu,
                         tile, gpu, node->name, tiles, plural(tiles));
}

// How many numbers of the lists `ranks` ranks use.
static uint32_t numbers_used(const struct number_lists *lists, uint32_t ranks)
{
    return lists->count ? lists->first[ranks < lists->count ? ranks : lists->count] : 0;
}

dragon_err_t want_check_lists(struct planner *planner, const struct wanted *wanted, uint32_t node,
                              uint32_t ranks)
{
    const struct ledger_node *here = &planner->ledger->nodes[node];
    uint32_t cores = numbers_used(&wanted->core_lists, ranks);
    uint32_t units = numbers_used(&wanted->unit_lists, ranks);
    dragon_err_t err = DRAGON_OK;
    for (uint32_t i = 0; err == DRAGON_OK && i < cores; i++) {
        uint16_t core = wanted->core_lists.numbers[i];
        err = check_core(planner, here, core);
        if (err == DRAGON_OK && here->core_users[core])
            planner->plan.shared = true;
    }
    for (uint32_t i = 0; err == DRAGON_OK && i < units; i++) {
        uint16_t unit = wanted->unit_lists.numbers[i];
        err = check_unit(planner, here, unit);
        if (err == DRAGON_OK && ledger_unit_users(planner->ledger, node, unit))
            planner->plan.shared = true;
    }
    return err;
}
