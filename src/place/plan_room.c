// SPDX-License-Identifier: BSD-3-Clause
//
// How many ranks each node takes.
//
// Ranks are laid out in steps: all nodes take their share of a step before any takes of the next one. For blocks
// the share of step n is every core that has fewer than n users; so when there are more ranks than cores, no
// node has twice the load of another, and what is used least is used first. Where nothing may be shared there is
// no second step, unless the ranks' cores were listed: ranks of one template may use the same list. For cyclic
// the share of a step is one rank.
//
// A node that may take `ppn` ranks takes them at once, whatever its cores: its steps begin at the one that
// allows it.
#include "config.h"

#include "place/internal.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int compare_users(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

// The sum, over the steps up to `step`, of how many times `each` things have fewer users than the step.
static uint64_t things_room(const uint16_t *users, uint32_t count, uint32_t unused, uint32_t each,
                            uint32_t step)
{
    uint16_t sorted[MACHINE_CORES_LIMIT];
    uint64_t room = 0;
    if (step == 1)
        return unused / each;
    if (unused == count)
        return (uint64_t)step * (count / each);
    if (each == 1) {
        for (uint32_t i = 0; i < count; i++)
            room += users[i] < step ? step - users[i] : 0;
        return room;
    }
    memcpy(sorted, users, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_users);
    for (uint32_t i = 0; i < count && sorted[i] < step; i++) {
        uint32_t next = i + 1 < count ? (uint32_t)least(sorted[i + 1], step) : step;
        room += (uint64_t)(next - sorted[i]) * ((i + 1) / each);
    }
    return room;
}

// The most users of a thing in the list; what the node does not have is found out later.
static uint32_t list_users(const struct ledger *ledger, uint32_t node,
                           const struct number_lists *lists, uint32_t list, bool units)
{
    const struct machine *machine = ledger->nodes[node].machine;
    uint32_t most = 0;
    for (uint32_t i = lists->first[list]; i < lists->first[list + 1]; i++) {
        uint16_t number = lists->numbers[i];
        uint32_t users = 0;
        if (!units)
            users = number < machine->core_count ? ledger->nodes[node].core_users[number] : 0;
        else if (gpu_of_unit(number) < machine->gpu_count)
            users = ledger_unit_users(ledger, node, number);
        most = users > most ? users : most;
    }
    return most;
}

// Rank i of a node has list i, so an unshared node ends before the first list in use.
static uint64_t lists_room(const struct planner *planner, uint32_t node,
                           const struct number_lists *lists, bool units, uint32_t step)
{
    uint64_t room = 0;
    for (uint32_t i = 0; i < lists->count; i++) {
        uint32_t users = list_users(planner->ledger, node, lists, i, units);
        if (planner->request->share)
            room += users < step ? step - users : 0;
        else if (users)
            return i;
    }
    return planner->request->share ? room : (uint64_t)lists->count * step;
}

static uint64_t steps_for(uint64_t ppn, uint64_t each, uint64_t count)
{
    return count ? (ppn * each + count - 1) / count : 1;
}

// The step at which an unused node has room for ppn ranks.
static uint64_t first_step(const struct wanted *wanted, const struct machine *machine)
{
    uint64_t step = 1, other;
    if (wanted->ppn <= 1)
        return 1;
    step = wanted->cores ? steps_for(wanted->ppn, wanted->cores, machine->core_count)
                         : steps_for(wanted->ppn, 1, wanted->core_lists.count);
    other = wanted->gpus ? steps_for(wanted->ppn, wanted->gpus, machine->gpu_count)
                         : steps_for(wanted->ppn, 1, wanted->unit_lists.count);
    return step > other ? step : other;
}

static uint32_t block_room(const struct planner *planner, const struct wanted *wanted,
                           uint32_t index, uint32_t from)
{
    const struct ledger_node *node = &planner->ledger->nodes[index];
    const struct machine *machine = node->machine;
    uint32_t step = (uint32_t)least(from - 1 + first_step(wanted, machine), LEDGER_USERS_LIMIT);
    uint32_t shared_step = planner->request->share ? step : 1;
    uint64_t room = wanted->ppn ? wanted->ppn : PLAN_RANK_LIMIT;
    if (wanted->core_lists.count)
        room = least(room, lists_room(planner, index, &wanted->core_lists, false, step));
    else
        room = least(room, things_room(node->core_users, machine->core_count, node->free_cores,
                                       wanted->cores, shared_step));
    if (wanted->unit_lists.count)
        room = least(room, lists_room(planner, index, &wanted->unit_lists, true, step));
    else if (wanted->gpus)
        room = least(room, things_room(node->gpu_users, machine->gpu_count, node->free_gpus,
                                       wanted->gpus, shared_step));
    return (uint32_t)room;
}

// Cores that are shared do not run out.
static uint32_t cyclic_room(const struct planner *planner, const struct wanted *wanted,
                            uint32_t index, uint32_t step)
{
    const struct machine *machine = planner->ledger->nodes[index].machine;
    if (!planner->request->share)
        return (uint32_t)least(step, block_room(planner, wanted, index, LEDGER_USERS_LIMIT));
    if (wanted->cores > machine->core_count || wanted->gpus > machine->gpu_count)
        return 0;
    return (uint32_t)least(step, wanted->ppn ? wanted->ppn : PLAN_RANK_LIMIT);
}

uint32_t room_until(const struct planner *planner, const struct wanted *wanted, uint32_t node,
                    uint32_t step)
{
    if (step == 0)
        return 0;
    return wanted->cyclic ? cyclic_room(planner, wanted, node, step)
                          : block_room(planner, wanted, node, step);
}

static bool step_does(const struct planner *planner, const struct wanted *wanted, uint32_t step)
{
    uint64_t room = 0;
    for (uint32_t i = 0; i < wanted->node_count && room < wanted->ranks; i++)
        room += room_until(planner, wanted, wanted_node(wanted, i), step);
    return room >= wanted->ranks;
}

dragon_err_t room_find_step(struct planner *planner, const struct wanted *wanted,
                            uint32_t *step_out)
{
    bool many = planner->request->share || wanted->core_lists.count || wanted->unit_lists.count;
    uint32_t last = wanted->cyclic ? PLAN_RANK_LIMIT : many ? LEDGER_USERS_LIMIT : 1;
    uint32_t low = 0, high = 1; // `low` does not do
    while (!step_does(planner, wanted, high)) {
        if (high == last)
            return room_explain(planner, wanted);
        low = high;
        high = (uint32_t)least(2 * (uint64_t)high, last);
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (step_does(planner, wanted, middle))
            high = middle;
        else
            low = middle;
    }
    *step_out = high;
    return DRAGON_OK;
}
