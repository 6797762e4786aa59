// SPDX-License-Identifier: BSD-3-Clause
//
// The JSON of dragon-info: one object for each word, "schema" naming it and "version" growing when a
// member changes its meaning or goes away. Members are called as in the public headers.
//
// json_pack takes the references it is given also when it fails, and gives NULL when one of them is NULL,
// so that the one check at the end is enough.
#include "config.h"

#include "cli/info.h"

#include "cli/json.h"

enum { JSON_VERSION = 1 };

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

// Appends, and makes of the array nothing when that fails.
static json_t *append(json_t *array, json_t *value)
{
    if (array && json_array_append_new(array, value) == 0)
        return array;
    if (!array)
        json_decref(value);
    json_decref(array);
    return NULL;
}

static bool print(json_t *root)
{
    bool good = root && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n';
    json_decref(root);
    return good;
}

// ---- parts

static json_t *users_of(const struct info *info, bool gpu, uint32_t node, uint32_t thing)
{
    size_t count;
    const struct use *use = uses_of(&info->uses, gpu, node, thing, &count);
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        array = append(array, json_pack("{s:o, s:o}", "group",
                                        number(dragon_system_group(info->system, use[i].group)->id),
                                        "rank", number(use[i].rank)));
    return array;
}

static json_t *core_object(const struct info *info, const dragon_node_t *node, uint32_t core)
{
    const dragon_core_t *what = &node->core[core];
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "core", number(core), "threads",
                     json_of_text(what->threads), "socket", number(what->socket), "numa",
                     number(what->numa), "l3", number(what->l3), "users", number(what->users),
                     "used_by", users_of(info, false, node->number, core));
}

static json_t *gpu_object(const struct info *info, const dragon_node_t *node, uint32_t gpu)
{
    const dragon_gpu_t *what = &node->gpu[gpu];
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "node", number(node->number), "gpu",
        number(gpu), "vendor", json_of_text(what->vendor), "identity", json_of_text(what->identity),
        "variable", json_of_text(what->variable), "visible", json_of_text(what->visible), "tiles",
        number(what->tiles), "numa", what->numa < 0 ? json_null() : number((uint64_t)what->numa),
        "users", number(what->users), "used_by", users_of(info, true, node->number, gpu));
}

static json_t *node_object(const dragon_node_t *node)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "number",
                     number(node->number), "name", json_of_text(node->name), "host",
                     json_of_text(node->host), "cores", number(node->cores), "free_cores",
                     number(node->free_cores), "threads", number(node->threads), "sockets",
                     number(node->sockets), "numa", number(node->numa), "l3", number(node->l3),
                     "memory_bytes", number(node->memory_bytes), "gpus", number(node->gpus),
                     "free_gpus", number(node->free_gpus), "lost", node->lost);
}

static json_t *full_node_object(const struct info *info, const dragon_node_t *node)
{
    json_t *cores = json_array(), *gpus = json_array(), *object = node_object(node);
    for (uint32_t i = 0; cores && i < node->cores; i++)
        cores = append(cores, core_object(info, node, i));
    for (uint32_t i = 0; gpus && i < node->gpus; i++)
        gpus = append(gpus, gpu_object(info, node, i));
    bool good = json_object_set_new(object, "core", cores) == 0;
    good = json_object_set_new(object, "gpu", gpus) == 0 && good;
    if (good)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *rank_object(uint64_t group, uint32_t rank, const dragon_rank_info_t *what)
{
    const dragon_rank_place_t *place = &what->place;
    const dragon_rank_status_t *status = &what->status;
    char state[32];
    info_rank_state(what, state, sizeof state);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:o}",
                     "group", number(group), "rank", number(rank), "node", number(place->node),
                     "pid", json_integer(status->pid), "state", json_of_text(state), "ended",
                     status->ended, "removed", status->removed, "lost", status->lost, "exit_code",
                     status->exit_code < 0 ? json_null() : json_integer(status->exit_code),
                     "template", number(place->process_template), "cores",
                     json_of_cores(place->cores), "gpus", json_of_gpus(place->gpus), "bind",
                     json_of_text(text_bind(place->bind)), "shared", place->shared, "restarts",
                     number(status->restarts));
}

static json_t *append_ranks(json_t *array, const struct info *info, uint32_t group)
{
    const dragon_group_info_t *what = dragon_system_group(info->system, group);
    for (uint32_t i = 0; array && i < what->ranks; i++) {
        const dragon_rank_info_t *rank = dragon_system_rank(info->system, group, i);
        if (rank)
            array = append(array, rank_object(what->id, i, rank));
    }
    return array;
}

static json_t *group_nodes(const struct info *info, uint32_t group)
{
    bool *flags = info_group_nodes(info->system, group);
    json_t *array = flags ? json_array() : NULL;
    for (uint32_t i = 0; array && i < dragon_system_nodes(info->system); i++)
        if (flags[i])
            array = append(array, number(i));
    free(flags);
    return array;
}

static json_t *group_object(const struct info *info, uint32_t index)
{
    const dragon_group_info_t *group = dragon_system_group(info->system, index);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "id",
                     number(group->id), "name", json_of_text(group->name), "state",
                     json_of_text(dragon_group_state_name(group->state)), "ranks",
                     number(group->ranks), "running", number(group->running), "nodes",
                     group_nodes(info, index), "owner_node", number(group->owner_node), "owner_pid",
                     json_integer(group->owner_pid), "age_ms", number(group->age_ms), "waits_for",
                     json_of_text(group->waits_for), "mpi", group->pmi, "detached", group->detached,
                     "descriptor", json_of_text(group->descriptor));
}

static json_t *group_array(const struct info *info, bool ranks)
{
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < dragon_system_groups(info->system); i++) {
        if (!info_wants(info, dragon_system_group(info->system, i)))
            continue;
        json_t *object = group_object(info, i);
        if (ranks &&
            json_object_set_new(object, "rank", append_ranks(json_array(), info, i)) != 0) {
            json_decref(object);
            object = NULL;
        }
        array = append(array, object);
    }
    return array;
}

// The member of this name, in the object of the schema.
static json_t *answer(const char *schema, const struct info *info, const char *name, json_t *array)
{
    return json_pack("{s:s, s:i, s:o, s:o}", "schema", schema, "version", JSON_VERSION, "runtime",
                     json_of_text(dragon_runtime_path(info->runtime)), name, array);
}

// ---- words

bool json_nodes(const struct info *info)
{
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < dragon_system_nodes(info->system); i++)
        array = append(array, full_node_object(info, dragon_system_node(info->system, i)));
    return print(answer("dragon-info-nodes", info, "nodes", array));
}

bool json_gpus(const struct info *info)
{
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < dragon_system_nodes(info->system); i++) {
        const dragon_node_t *node = dragon_system_node(info->system, i);
        for (uint32_t k = 0; array && k < node->gpus; k++)
            array = append(array, gpu_object(info, node, k));
    }
    return print(answer("dragon-info-gpus", info, "gpus", array));
}

bool json_groups(const struct info *info)
{
    return print(answer("dragon-info-groups", info, "groups", group_array(info, true)));
}

bool json_ranks(const struct info *info)
{
    json_t *array = json_array();
    for (uint32_t i = 0; array && i < dragon_system_groups(info->system); i++)
        if (info_wants(info, dragon_system_group(info->system, i)))
            array = append_ranks(array, info, i);
    return print(answer("dragon-info-ranks", info, "ranks", array));
}

bool json_overview(const struct info *info)
{
    json_t *array = json_array();
    uint64_t left_ms;
    bool limited = dragon_runtime_time_left(info->runtime, &left_ms) == DRAGON_OK;
    for (uint32_t i = 0; array && i < dragon_system_nodes(info->system); i++)
        array = append(array, node_object(dragon_system_node(info->system, i)));
    json_t *root = answer("dragon-info", info, "nodes", array);
    bool good =
        json_object_set_new(root, "node", number(dragon_runtime_node(info->runtime))) == 0 &&
        json_object_set_new(root, "time_left_ms", limited ? number(left_ms) : json_null()) == 0 &&
        json_object_set_new(root, "groups", group_array(info, false)) == 0;
    if (good)
        return print(root);
    json_decref(root);
    return false;
}

static json_t *found_object(const struct found *found)
{
    const dragon_runtime_t *up = found->runtime;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "directory",
                     json_of_text(found->directory), "socket", json_of_text(found->socket), "state",
                     json_of_text(found_state_name(found->state)), "since",
                     json_integer(found->since), "nodes",
                     up ? number(dragon_runtime_nodes(up)) : json_null(), "node",
                     up ? number(dragon_runtime_node(up)) : json_null(), "name",
                     up ? json_of_text(dragon_runtime_node_name(up)) : json_null(), "reason",
                     json_of_text(found->text));
}

bool json_runtimes(const struct found_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < list->count; i++)
        array = append(array, found_object(&list->entries[i]));
    return print(json_pack("{s:s, s:i, s:o}", "schema", "dragon-info-runtimes", "version",
                           JSON_VERSION, "runtimes", array));
}
