// SPDX-License-Identifier: BSD-3-Clause
//
// Why ranks do not fit, with figures: whether they never can (INVAL) or only not now (FULL). "Never" is found out by
// planning all templates on an empty runtime.
#include "config.h"

#include "place/internal.h"
#include "place/lists.h"

#include <inttypes.h>

struct figures {
    struct {
        uint64_t all, unused, fit; // of all nodes allowed; how many ranks these hold
        uint32_t most;             // on one node
    } cores, gpus;
    uint64_t fit; // with both
};

static uint64_t ranks_of(const struct wanted *wanted, uint32_t unused, uint32_t each)
{
    uint64_t ranks = each ? unused / each : PLAN_RANK_LIMIT;
    return wanted->ppn && ranks > wanted->ppn ? wanted->ppn : ranks;
}

static struct figures count_figures(const struct planner *planner, const struct wanted *wanted)
{
    struct figures figures = {0};
    for (uint32_t i = 0; i < wanted->node_count; i++) {
        const struct ledger_node *node = &planner->ledger->nodes[wanted_node(wanted, i)];
        const struct machine *machine = node->machine;
        uint64_t by_cores = ranks_of(wanted, node->free_cores, wanted->cores);
        uint64_t by_gpus = ranks_of(wanted, node->free_gpus, wanted->gpus);
        figures.cores.all += machine->core_count;
        figures.cores.unused += node->free_cores;
        figures.cores.fit += by_cores;
        figures.gpus.all += machine->gpu_count;
        figures.gpus.unused += node->free_gpus;
        figures.gpus.fit += by_gpus;
        figures.fit += by_cores < by_gpus ? by_cores : by_gpus;
        if (machine->core_count > figures.cores.most)
            figures.cores.most = machine->core_count;
        if (machine->gpu_count > figures.gpus.most)
            figures.gpus.most = machine->gpu_count;
    }
    return figures;
}

// "node nid1", "the 4 nodes", "the 4 nodes allowed".
static const char *nodes_text(const struct planner *planner, const struct wanted *wanted,
                              char text[96])
{
    if (wanted->node_count == 1)
        snprintf(text, 96, "node %.80s", planner->ledger->nodes[wanted_node(wanted, 0)].name);
    else
        snprintf(text, 96, "the %u nodes%s", wanted->node_count,
                 planner->ledger->lost ? " left"
                 : wanted->nodes       ? " allowed"
                                       : "");
    return text;
}

static dragon_err_t too_large(struct planner *planner, const struct wanted *wanted,
                              const char *what, uint32_t each, uint32_t most)
{
    char nodes[96];
    nodes_text(planner, wanted, nodes);
    if (most == 0)
        return planner_error(planner, DRAGON_ERR_INVAL, "a rank is to have %u %s%s, %s ha%s none",
                             each, what, plural(each), nodes, wanted->node_count == 1 ? "s" : "ve");
    return planner_error(planner, DRAGON_ERR_INVAL, "a rank is to have %u %s%s, %s ha%s %u%s", each,
                         what, plural(each), nodes, wanted->node_count == 1 ? "s" : "ve", most,
                         wanted->node_count == 1 ? "" : " each at most");
}

// The rest of the sentence: what is there.
static void available_text(const struct planner *planner, const struct wanted *wanted, uint64_t all,
                           uint64_t unused, char *text, size_t room)
{
    char nodes[96];
    nodes_text(planner, wanted, nodes);
    if (!planner->trial)
        snprintf(text, room, "%" PRIu64 " of %" PRIu64 " %s free on %s", unused, all,
                 unused == 1 ? "is" : "are", nodes);
    else if (unused < all)
        snprintf(text, room, "other templates leave %" PRIu64 " of %" PRIu64 " on %s", unused, all,
                 nodes);
    else
        snprintf(text, room, "%s ha%s %" PRIu64, nodes, wanted->node_count == 1 ? "s" : "ve", all);
}

static dragon_err_t too_few(struct planner *planner, const struct wanted *wanted, const char *what,
                            uint32_t each, uint64_t all, uint64_t unused, uint64_t fit)
{
    char available[192], size[48] = "", limit[48] = "", pieces[64] = "";
    uint64_t need = (uint64_t)wanted->ranks * each;
    available_text(planner, wanted, all, unused, available, sizeof available);
    if (each > 1 || what[0] == 'G')
        snprintf(size, sizeof size, " of %u %s%s", each, what, plural(each));
    if (wanted->ppn)
        snprintf(limit, sizeof limit, ", at most %u on a node,", wanted->ppn);
    if (need <= unused)
        snprintf(pieces, sizeof pieces, ", in parts that hold %" PRIu64 " rank%s", fit,
                 plural(fit));
    return planner_error(planner, planner->trial ? DRAGON_ERR_INVAL : DRAGON_ERR_FULL,
                         "%u rank%s%s%s need%s %" PRIu64 " %s%s, %s%s", wanted->ranks,
                         plural(wanted->ranks), size, limit, wanted->ranks == 1 ? "s" : "", need,
                         what, plural(need), available, pieces);
}

static bool used_number(const struct ledger *ledger, uint32_t node, uint16_t number, bool units)
{
    const struct machine *machine = ledger->nodes[node].machine;
    if (!units)
        return number < machine->core_count && ledger->nodes[node].core_users[number] > 0;
    return gpu_of_unit(number) < machine->gpu_count && ledger_unit_users(ledger, node, number) > 0;
}

// The first thing listed that has a user already.
static dragon_err_t list_in_use(struct planner *planner, const struct wanted *wanted,
                                const struct number_lists *lists, bool units, bool *found_out)
{
    for (uint32_t i = 0; i < wanted->node_count; i++) {
        uint32_t node = wanted_node(wanted, i);
        for (uint32_t k = 0; lists->count && k < lists->first[lists->count]; k++) {
            uint16_t number = lists->numbers[k];
            char name[16];
            if (!used_number(planner->ledger, node, number, units))
                continue;
            *found_out = true;
            if (units)
                lists_format_units(&number, 1, name, sizeof name);
            else
                lists_format_cores(&number, 1, name, sizeof name);
            return planner_error(planner, planner->trial ? DRAGON_ERR_INVAL : DRAGON_ERR_FULL,
                                 "%u rank%s on listed %s: %s %s of node %.64s is %s", wanted->ranks,
                                 plural(wanted->ranks), units ? "GPUs" : "cores",
                                 units ? "GPU" : "core", name, planner->ledger->nodes[node].name,
                                 planner->trial ? "listed by two templates" : "in use");
        }
    }
    *found_out = false;
    return DRAGON_OK;
}

static dragon_err_t does_not_fit(struct planner *planner, const struct wanted *wanted,
                                 const struct figures *figures)
{
    bool found;
    char nodes[96];
    if (wanted->cores && figures->cores.fit < wanted->ranks)
        return too_few(planner, wanted, "core", wanted->cores, figures->cores.all,
                       figures->cores.unused, figures->cores.fit);
    if (wanted->gpus && figures->gpus.fit < wanted->ranks)
        return too_few(planner, wanted, "GPU", wanted->gpus, figures->gpus.all,
                       figures->gpus.unused, figures->gpus.fit);
    dragon_err_t err = list_in_use(planner, wanted, &wanted->core_lists, false, &found);
    if (!found)
        err = list_in_use(planner, wanted, &wanted->unit_lists, true, &found);
    if (found)
        return err;
    return planner_error(planner, planner->trial ? DRAGON_ERR_INVAL : DRAGON_ERR_FULL,
                         "%u rank%s of %u core%s and %u GPU%s: %s %s both for %" PRIu64,
                         wanted->ranks, plural(wanted->ranks), wanted->cores, plural(wanted->cores),
                         wanted->gpus, plural(wanted->gpus), nodes_text(planner, wanted, nodes),
                         wanted->node_count == 1 ? "has" : "have", figures->fit);
}

dragon_err_t room_explain(struct planner *planner, const struct wanted *wanted)
{
    struct figures figures = count_figures(planner, wanted);
    char nodes[96];
    if (wanted->cores > figures.cores.most)
        return too_large(planner, wanted, "core", wanted->cores, figures.cores.most);
    if (wanted->gpus > figures.gpus.most)
        return too_large(planner, wanted, "GPU", wanted->gpus, figures.gpus.most);
    if (planner->request->share) // some nodes are too small, or a core cannot have so many users
        return planner_error(planner, DRAGON_ERR_INVAL, "%u rank%s cannot be placed on %s",
                             wanted->ranks, plural(wanted->ranks),
                             nodes_text(planner, wanted, nodes));
    if (!planner->trial && !planner->request->possible) {
        dragon_err_t err = planner_try_empty(planner);
        if (err != DRAGON_OK)
            return err;
    }
    return does_not_fit(planner, wanted, &figures);
}
