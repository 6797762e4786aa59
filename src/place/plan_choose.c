// SPDX-License-Identifier: BSD-3-Clause
//
// Which cores and GPUs the ranks of one template get on one node.
//
// Only cores with the fewest users are candidates. A rank gets its cores from the first L3 that has enough of
// them, else from the first such NUMA node, else socket, else from anywhere, in the order of cores. When
// fewer candidates are left than a rank needs it gets these, and the nearest of those with more users. With
// GPUs the first NUMA node that has both comes before that, and the GPUs with the fewest users nearest to the
// cores are taken.
//
// Candidates only become fewer, so the search goes on where it ended; a node costs as much as it has cores
// and ranks.
#include "config.h"

#include "place/internal.h"

enum kind { KIND_L3, KIND_NUMA, KIND_SOCKET, KINDS };
enum { NO_SOCKET = 0xffff };
enum { OTHER, CANDIDATE, CHOSEN }; // by the rank in work

struct picker {
    struct planner *planner;
    const struct wanted *wanted;
    const struct machine *machine;
    uint32_t node;
    bool stale;                // candidates have to be looked for again
    uint32_t candidates, next; // before `next` there is none
    uint32_t cursor[KINDS];    // before it no domain has enough
    uint8_t candidate[MACHINE_CORES_LIMIT];
    uint16_t count[KINDS][MACHINE_CORES_LIMIT]; // candidates in each domain
    uint16_t first[KINDS][MACHINE_CORES_LIMIT]; // before it the domain has none
    uint16_t numa_socket[MACHINE_CORES_LIMIT];
    uint16_t l3_count[MACHINE_CORES_LIMIT]; // within one NUMA node
    // of the rank in work
    uint32_t core_count, unit_count;
    uint16_t cores[MACHINE_CORES_LIMIT];
    uint16_t units[MACHINE_CORES_LIMIT];
    uint8_t chosen_gpu[MACHINE_GPUS_LIMIT];
};

static uint32_t domain_of(const struct picker *picker, uint32_t core, enum kind kind)
{
    const struct machine_core *it = &picker->machine->cores[core];
    return kind == KIND_L3 ? it->l3 : kind == KIND_NUMA ? it->numa : it->socket;
}

static uint32_t domains(const struct picker *picker, enum kind kind)
{
    const struct machine *machine = picker->machine;
    return kind == KIND_L3     ? machine->l3_count
           : kind == KIND_NUMA ? machine->numa_count
                               : machine->socket_count;
}

// ---- candidates

static uint16_t fewest_users(const struct picker *picker)
{
    const uint16_t *users = picker->planner->ledger->nodes[picker->node].core_users;
    uint16_t fewest = UINT16_MAX;
    for (uint32_t i = 0; i < picker->machine->core_count; i++)
        if (users[i] < fewest && picker->candidate[i] != CHOSEN)
            fewest = users[i];
    return fewest;
}

// Looks for the cores that have the fewest users, leaving out what the rank in work has already.
static void find_candidates(struct picker *picker)
{
    const uint16_t *users = picker->planner->ledger->nodes[picker->node].core_users;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        memset(picker->count[kind], 0, domains(picker, kind) * sizeof *picker->count[kind]);
        picker->cursor[kind] = 0;
    }
    memset(picker->candidate, 0, picker->machine->core_count);
    for (uint32_t i = 0; i < picker->core_count; i++)
        picker->candidate[picker->cores[i]] = CHOSEN;
    uint16_t fewest = fewest_users(picker);
    picker->candidates = picker->next = 0;
    picker->stale = false;
    for (uint32_t i = picker->machine->core_count; i-- > 0;) { // the lowest is the first in the end
        if (users[i] != fewest || picker->candidate[i] == CHOSEN)
            continue;
        picker->candidate[i] = CANDIDATE;
        picker->candidates++;
        for (enum kind kind = 0; kind < KINDS; kind++) {
            uint32_t domain = domain_of(picker, i, kind);
            picker->count[kind][domain]++;
            picker->first[kind][domain] = (uint16_t)i;
        }
    }
}

static void take_candidate(struct picker *picker, uint32_t core)
{
    picker->candidate[core] = OTHER;
    picker->candidates--;
    for (enum kind kind = 0; kind < KINDS; kind++)
        picker->count[kind][domain_of(picker, core, kind)]--;
    picker->cores[picker->core_count++] = (uint16_t)core;
}

// The rank takes up to `count` candidates of a domain.
static void take_in(struct picker *picker, enum kind kind, uint32_t domain, uint32_t count)
{
    uint32_t core = picker->first[kind][domain];
    for (; count > 0 && picker->count[kind][domain] > 0; core++)
        if (picker->candidate[core] == CANDIDATE && domain_of(picker, core, kind) == domain) {
            take_candidate(picker, core);
            count--;
        }
    picker->first[kind][domain] = (uint16_t)core;
}

static void take_anywhere(struct picker *picker, uint32_t count)
{
    for (; count > 0 && picker->candidates > 0; picker->next++)
        if (picker->candidate[picker->next] == CANDIDATE) {
            take_candidate(picker, picker->next);
            count--;
        }
}

// ---- cores of a rank

// There are enough candidates.
static void choose_together(struct picker *picker, uint32_t each)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        uint32_t *at = &picker->cursor[kind], end = domains(picker, kind);
        while (*at < end && picker->count[kind][*at] < each)
            (*at)++;
        if (*at < end) {
            take_in(picker, kind, *at, each);
            return;
        }
    }
    take_anywhere(picker, each);
}

// There are not: all of them, and then those near the first.
static void choose_in_turns(struct picker *picker, uint32_t each)
{
    take_anywhere(picker, each);
    while (picker->core_count < each) {
        find_candidates(picker);
        if (picker->candidates == 0)
            break; // cannot be: a node has as many cores as a rank asks for
        for (enum kind kind = 0; picker->core_count > 0 && kind < KINDS; kind++)
            take_in(picker, kind, domain_of(picker, picker->cores[0], kind),
                    each - picker->core_count);
        take_anywhere(picker, each - picker->core_count);
    }
    picker->stale = true;
}

static int compare_numbers(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static void choose_cores(struct picker *picker, uint32_t each)
{
    if (picker->candidates >= each)
        choose_together(picker, each);
    else
        choose_in_turns(picker, each);
    if (each > 1)
        qsort(picker->cores, picker->core_count, sizeof *picker->cores, compare_numbers);
}

// The candidates of a NUMA node, those of its first L3 that has enough, if one has.
static void choose_in_numa(struct picker *picker, uint32_t numa, uint32_t each)
{
    const struct machine *machine = picker->machine;
    uint32_t l3 = UINT32_MAX;
    memset(picker->l3_count, 0, machine->l3_count * sizeof *picker->l3_count);
    for (uint32_t i = 0; i < machine->core_count && l3 == UINT32_MAX; i++)
        if (picker->candidate[i] == CANDIDATE && machine->cores[i].numa == numa &&
            ++picker->l3_count[machine->cores[i].l3] == each)
            l3 = machine->cores[i].l3;
    for (uint32_t i = 0; i < machine->core_count && picker->core_count < each; i++)
        if (picker->candidate[i] == CANDIDATE && machine->cores[i].numa == numa &&
            (l3 == UINT32_MAX || machine->cores[i].l3 == l3))
            take_candidate(picker, i);
}

// ---- GPUs of a rank

static uint32_t fewest_gpu_users(const struct picker *picker)
{
    uint32_t fewest = UINT32_MAX;
    for (uint32_t i = 0; i < picker->machine->gpu_count; i++) {
        uint32_t users = ledger_gpu_users(picker->planner->ledger, picker->node, i);
        fewest = users < fewest ? users : fewest;
    }
    return fewest;
}

// The first NUMA node with a GPU among those used least, and enough candidates.
static uint32_t find_numa(const struct picker *picker, uint32_t each)
{
    const struct machine *machine = picker->machine;
    uint32_t fewest = fewest_gpu_users(picker), numa = MACHINE_NO_NUMA;
    for (uint32_t i = 0; i < machine->gpu_count; i++) {
        uint32_t other = machine->gpus[i].numa;
        if (other < numa && picker->count[KIND_NUMA][other] >= each &&
            ledger_gpu_users(picker->planner->ledger, picker->node, i) == fewest)
            numa = other;
    }
    return numa;
}

// Cores near the first GPU of the rank's list, or near one that it may get. False: there are none.
static bool choose_cores_near(struct picker *picker, uint32_t each)
{
    uint32_t numa = MACHINE_NO_NUMA;
    if (picker->unit_count)
        numa = picker->machine->gpus[gpu_of_unit(picker->units[0])].numa;
    else if (picker->wanted->gpus)
        numa = find_numa(picker, each);
    if (numa == MACHINE_NO_NUMA || picker->count[KIND_NUMA][numa] < each)
        return false;
    choose_in_numa(picker, numa, each);
    return true;
}

// 0: a chosen core has its NUMA node, 1: its socket, 2: neither, or it is not known.
static uint32_t distance_of(const struct picker *picker, uint32_t gpu)
{
    const struct machine *machine = picker->machine;
    uint32_t numa = machine->gpus[gpu].numa, distance = 2;
    if (numa == MACHINE_NO_NUMA)
        return distance;
    for (uint32_t i = 0; i < picker->core_count && distance > 0; i++) {
        const struct machine_core *core = &machine->cores[picker->cores[i]];
        if (core->numa == numa)
            distance = 0;
        else if (core->socket == picker->numa_socket[numa])
            distance = 1;
    }
    return distance;
}

static void choose_gpus(struct picker *picker, uint32_t each)
{
    const struct machine *machine = picker->machine;
    uint32_t price[MACHINE_GPUS_LIMIT]; // users first, then distance
    for (uint32_t i = 0; i < machine->gpu_count; i++)
        price[i] =
            ledger_gpu_users(picker->planner->ledger, picker->node, i) * 4 + distance_of(picker, i);
    memset(picker->chosen_gpu, 0, machine->gpu_count);
    for (; each > 0; each--) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < machine->gpu_count; i++)
            if (!picker->chosen_gpu[i] && (best == UINT32_MAX || price[i] < price[best]))
                best = i;
        if (best == UINT32_MAX)
            return; // cannot be: the node has as many as a rank asks for
        picker->chosen_gpu[best] = 1;
        picker->units[picker->unit_count++] = gpu_unit(best, GPU_WHOLE);
    }
    qsort(picker->units, picker->unit_count, sizeof *picker->units, compare_numbers);
}

// ---- lists

static uint32_t read_list(const struct number_lists *lists, uint32_t rank, uint16_t *numbers)
{
    uint32_t list = rank % lists->count;
    uint32_t count = lists->first[list + 1] - lists->first[list];
    memcpy(numbers, lists->numbers + lists->first[list], count * sizeof *numbers);
    return count;
}

// ---- a rank

static void choose_for_rank(struct picker *picker, uint32_t rank)
{
    const struct wanted *wanted = picker->wanted;
    picker->core_count = picker->unit_count = 0;
    if (wanted->unit_lists.count)
        picker->unit_count = read_list(&wanted->unit_lists, rank, picker->units);
    if (wanted->core_lists.count)
        picker->core_count = read_list(&wanted->core_lists, rank, picker->cores);
    else {
        if (picker->stale || picker->candidates == 0)
            find_candidates(picker);
        if (!choose_cores_near(picker, wanted->cores))
            choose_cores(picker, wanted->cores);
    }
    if (wanted->unit_lists.count == 0)
        choose_gpus(picker, wanted->gpus);
}

// Notes in the plan what happens to a core or GPU with so many users. False: they are too many.
static bool note_users(struct planner *planner, uint32_t users, bool listed)
{
    if (users >= LEDGER_USERS_LIMIT)
        return false;
    if (users > 0 && listed)
        planner->own_sharing = true;
    else if (users > 0)
        planner->plan.shared = true;
    return true;
}

static bool take_chosen(struct picker *picker)
{
    struct planner *planner = picker->planner;
    struct ledger *ledger = planner->ledger;
    const struct ledger_node *node = &ledger->nodes[picker->node];
    bool listed_cores = picker->wanted->core_lists.count, good = true;
    bool listed_units = picker->wanted->unit_lists.count;
    for (uint32_t i = 0; i < picker->core_count; i++)
        good = good && note_users(planner, node->core_users[picker->cores[i]], listed_cores);
    for (uint32_t i = 0; i < picker->unit_count; i++) {
        uint16_t unit = picker->units[i];
        // Tiles are counted each by itself; their sum, which is the largest number, has the limit.
        good = good && node->gpu_users[gpu_of_unit(unit)] < LEDGER_USERS_LIMIT - MACHINE_TILES &&
               note_users(planner, ledger_unit_users(ledger, picker->node, unit), listed_units);
    }
    if (!good)
        return false;
    for (uint32_t i = 0; i < picker->core_count; i++)
        ledger_take_core(ledger, picker->node, picker->cores[i]);
    for (uint32_t i = 0; i < picker->unit_count; i++)
        ledger_take_gpu(ledger, picker->node, picker->units[i]);
    return true;
}

// There is room in the planner's arrays.
static void record(struct picker *picker)
{
    struct planner *planner = picker->planner;
    planner->given[planner->given_count++] = (struct given){
        .first = (uint32_t)planner->number_count,
        .core_count = (uint16_t)picker->core_count,
        .unit_count = (uint16_t)picker->unit_count,
        .flags = picker->wanted->flags,
    };
    uint16_t *at = planner->numbers + planner->number_count;
    memcpy(at, picker->cores, picker->core_count * sizeof *at);
    memcpy(at + picker->core_count, picker->units, picker->unit_count * sizeof *at);
    planner->number_count += picker->core_count + picker->unit_count;
}

static bool make_room(struct picker *picker)
{
    struct planner *planner = picker->planner;
    return planner_grow(&planner->numbers, &planner->number_room,
                        planner->number_count + picker->core_count + picker->unit_count,
                        sizeof *planner->numbers) &&
           planner->number_count < UINT32_MAX - 2 * MACHINE_CORES_LIMIT;
}

static void start_node(struct picker *picker, uint32_t node)
{
    const struct machine *machine = picker->planner->ledger->nodes[node].machine;
    picker->node = node;
    picker->machine = machine;
    picker->stale = true;
    if (picker->wanted->gpus == 0)
        return;
    for (uint32_t i = 0; i < machine->numa_count; i++)
        picker->numa_socket[i] = NO_SOCKET;
    for (uint32_t i = machine->core_count; i-- > 0;)
        picker->numa_socket[machine->cores[i].numa] = machine->cores[i].socket;
}

dragon_err_t choose_on_node(struct planner *planner, const struct wanted *wanted, uint32_t node,
                            uint32_t count)
{
    if (!planner->picker)
        planner->picker = malloc(sizeof *planner->picker);
    struct picker *picker = planner->picker;
    if (!picker ||
        !planner_grow(&planner->pieces, &planner->piece_room, planner->piece_count + 1,
                      sizeof *planner->pieces) ||
        !planner_grow(&planner->given, &planner->given_room, planner->given_count + count,
                      sizeof *planner->given))
        return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
    picker->planner = planner;
    picker->wanted = wanted;
    start_node(picker, node);
    dragon_err_t err = want_check_lists(planner, wanted, node, count);
    if (err != DRAGON_OK)
        return err;
    struct piece *piece = &planner->pieces[planner->piece_count++];
    *piece = (struct piece){.node = node, .first = (uint32_t)planner->given_count};
    for (uint32_t i = 0; i < count; i++) {
        choose_for_rank(picker, i);
        if (!make_room(picker))
            return planner_error(planner, DRAGON_ERR_NOMEM, "out of memory");
        if (!take_chosen(picker))
            return planner_error(planner, DRAGON_ERR_INVAL,
                                 "a core or GPU of node %.64s would have more than %d users",
                                 planner->ledger->nodes[node].name, LEDGER_USERS_LIMIT);
        record(picker);
        piece->count++;
    }
    return DRAGON_OK;
}
