// SPDX-License-Identifier: BSD-3-Clause
//
// An MPI group on this node, between its one part and the MPI side: the map of its ranks and programs there, what
// the PMI servers tell back.
#include "config.h"

#include "group/bind.h"
#include "group/hosted.h"

static void on_ready(void *arg, const char *error)
{
    struct hosted *hosted = arg;
    if (hosted->parts)
        hosted_part_ready(hosted->parts, error);
}

static void on_settled(void *arg, uint32_t number)
{
    struct rank *rank = hosted_find_rank(arg, number, NULL);
    if (rank && rank->exited)
        rank_set_settled(rank);
}

static void on_abort(void *arg, uint32_t number, int32_t code, const char *text)
{
    struct hosted *hosted = arg;
    struct rank *rank = hosted_find_rank(hosted, number, NULL);
    struct pack body = PACK_EMPTY;
    pack_u64(&body, hosted->group);
    pack_u32(&body, number);
    pack_i32(&body, rank ? rank->pid : 0);
    pack_i32(&body, code);
    pack_str(&body, text);
    tree_send(hosted->host->options.tree, 0, GN_ABORT, &body);
}

static void on_broken(void *arg, const char *text)
{
    struct hosted *hosted = arg;
    struct pack body = PACK_EMPTY;
    pack_u64(&body, hosted->group);
    pack_str(&body, text);
    tree_send(hosted->host->options.tree, 0, GN_BROKEN, &body);
}

static void on_family(void *arg, uint32_t rank, enum pmi_family family)
{
    struct hosted *hosted = arg;
    struct pack body = PACK_EMPTY;
    pack_u64(&body, hosted->group);
    pack_u32(&body, rank);
    pack_u8(&body, (uint8_t)family);
    tree_send(hosted->host->options.tree, 0, GN_FAMILY, &body);
}

static const struct mpi_job_handler handler = {
    .on_ready = on_ready,
    .on_settled = on_settled,
    .on_abort = on_abort,
    .on_broken = on_broken,
    .on_family = on_family,
};

// The plan's nodes that have ranks, numbered from 0; the leader's node may have none. `nodes` has room for all.
static bool map_nodes(struct pmi_map *map, const struct plan *plan, struct tree *tree,
                      uint32_t *nodes)
{
    uint32_t *number = calloc(plan->nodes, sizeof *number);
    bool good = number != NULL;
    for (uint32_t node = 0; good && node < plan->nodes; node++) {
        if (plan->count_on[node] == 0)
            continue;
        if (node == tree_here(tree))
            map->here = map->nodes;
        number[node] = map->nodes;
        nodes[map->nodes++] = node;
        good = strv_push(&map->node_names, tree_node(tree, node)->name);
    }
    for (uint32_t rank = 0; good && rank < map->size; rank++)
        map->node_of_rank[rank] = number[plan->node_of_rank[rank]];
    free(number);
    return good;
}

// Each template that has ranks is a program of its own. The ranks are numbered in the order of the templates.
static void map_apps(struct pmi_map *map, struct pmi_app *apps, const struct hosted_part *part)
{
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < part->plan.size; i++) {
        uint32_t number = plan_template_of(&part->plan, part->plan.first_rank + i);
        if (number == last || map->app_count == part->spec.template_count)
            continue;
        const struct template_spec *template = &part->spec.templates[number];
        last = number;
        map->app_first[map->app_count] = i;
        apps[map->app_count++] = (struct pmi_app){.cwd = template->cwd, .argv = template->argv};
    }
}

// What the ranks of this node are bound to, or an empty list when none is; and whether they share cores.
static bool read_slots(const struct hosted_part *part, struct mpi_job_options *options,
                       char ***bound_out)
{
    const struct machine *machine = part->hosted->host->options.machine;
    bool good = true, any = false;
    // The cores of a made-up machine, and of one that shares the host's with others, are fewer than it says.
    options->oversubscribed =
        part->place.count > machine->core_count || !machine->real || machine->crowded;
    *bound_out = strv_alloc(0);
    for (uint32_t i = 0; good && i < part->place.count; i++) {
        struct plan_slot slot;
        good = plan_slot(&part->plan, part->ranks[i].number, &slot);
        char *text = good ? bind_text(machine, &slot) : NULL;
        good = text && strv_push(bound_out, text);
        any = any || (good && *text);
        options->oversubscribed = options->oversubscribed || (good && slot.shared);
        free(text);
    }
    if (good && !any) {
        strv_free(*bound_out);
        *bound_out = NULL;
    }
    return good;
}

bool hosted_prepare_mpi(struct hosted *hosted, struct hosted_part *part, dragon_error_t *error)
{
    struct host *host = hosted->host;
    const struct plan *plan = &part->plan;
    struct pmi_map map = {.size = plan->size};
    struct mpi_job_options options = {.group = hosted->group, .map = &map};
    char **bound = NULL;
    uint32_t *nodes = calloc(part->node_count, sizeof *nodes);
    map.node_of_rank = calloc(map.size, sizeof *map.node_of_rank);
    map.app_first = calloc(part->spec.template_count, sizeof *map.app_first);
    free(hosted->apps);
    hosted->apps = calloc(part->spec.template_count, sizeof *hosted->apps);
    if (nodes && map.node_of_rank && map.app_first && hosted->apps &&
        map_nodes(&map, plan, host->options.tree, nodes) && read_slots(part, &options, &bound)) {
        map_apps(&map, hosted->apps, part);
        options.nodes = nodes;
        options.apps = hosted->apps;
        options.bound = bound;
        hosted->mpi_job = mpi_job_create(host->mpi, &options, &handler, hosted, error);
    } else
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    free(nodes);
    strv_free(bound);
    pmi_map_fini(&map);
    return hosted->mpi_job != NULL;
}
