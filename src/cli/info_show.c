// SPDX-License-Identifier: BSD-3-Clause
//
// The tables of dragon-info.
#include "config.h"

#include "cli/info.h"

#include "cli/table.h"
#include "cli/text.h"

enum { OVERVIEW_NODES = 16, USERS_SHOWN = 4 };

static bool print_table(struct table *table)
{
    bool good = table_print(table, stdout);
    table_destroy(table);
    return good;
}

// ---- nodes and what they have

static void add_node(struct table *table, const dragon_node_t *node)
{
    char memory[32];
    text_size(node->memory_bytes, memory, sizeof memory);
    table_add(table, "%u", node->number);
    table_add(table, "%s", node->name);
    table_add(table, "%s", node->host);
    if (node->lost)
        table_add(table, "lost");
    else
        table_add(table, "%u/%u", node->free_cores, node->cores);
    table_add(table, "%u", node->threads);
    table_add(table, "%u", node->sockets);
    table_add(table, "%u", node->numa);
    table_add(table, "%u", node->l3);
    table_add(table, "%s", memory);
    table_add(table, "%u/%u", node->free_gpus, node->gpus);
}

static bool show_node_table(const dragon_system_t *system, uint32_t most)
{
    static const char *const headers[] = {">NODE",    "NAME",       "HOST",  ">FREE CORES",
                                          ">THREADS", ">SOCKETS",   ">NUMA", ">L3",
                                          ">MEMORY",  ">FREE GPUS", NULL};
    struct table *table = table_create(headers);
    if (!table)
        return false;
    uint32_t nodes = dragon_system_nodes(system);
    for (uint32_t i = 0; i < nodes && i < most; i++)
        add_node(table, dragon_system_node(system, i));
    bool good = print_table(table);
    if (nodes > most)
        printf("... and %u more: dragon-info nodes\n", nodes - most);
    return good;
}

// "12:0 12:1", group and rank of each that uses the core or GPU, or of the first few.
static void users_text(const struct info *info, bool gpu, uint32_t node, uint32_t number,
                       char *text, size_t room)
{
    size_t count, used = 0;
    const struct use *use = uses_of(&info->uses, gpu, node, number, &count);
    text[0] = 0;
    for (size_t i = 0; i < count && i < USERS_SHOWN && used < room; i++) {
        const dragon_group_info_t *group = dragon_system_group(info->system, use[i].group);
        used += (size_t)snprintf(text + used, room - used, "%s%llu:%u", i ? " " : "",
                                 (unsigned long long)group->id, use[i].rank);
    }
    if (count > USERS_SHOWN && used < room)
        snprintf(text + used, room - used, " +%zu", count - USERS_SHOWN);
}

static bool show_cores(const struct info *info)
{
    static const char *const headers[] = {">NODE", ">CORE",  "THREADS", ">SOCKET", ">NUMA",
                                          ">L3",   ">USERS", "USED BY", NULL};
    struct table *table = table_create(headers);
    if (!table)
        return false;
    for (uint32_t i = 0; i < dragon_system_nodes(info->system); i++) {
        const dragon_node_t *node = dragon_system_node(info->system, i);
        for (uint32_t k = 0; k < node->cores; k++) {
            const dragon_core_t *core = &node->core[k];
            char users[200];
            users_text(info, false, i, k, users, sizeof users);
            table_add(table, "%u", i);
            table_add(table, "%u", k);
            table_add(table, "%s", core->threads);
            table_add(table, "%u", core->socket);
            table_add(table, "%u", core->numa);
            table_add(table, "%u", core->l3);
            table_add(table, "%u", core->users);
            table_add(table, "%s", users);
        }
    }
    return print_table(table);
}

bool show_nodes(const struct info *info)
{
    if (!show_node_table(info->system, UINT32_MAX))
        return false;
    if (!info->verbose)
        return true;
    printf("\n");
    return show_cores(info);
}

static void add_gpu(struct table *table, const struct info *info, const dragon_node_t *node,
                    uint32_t number)
{
    const dragon_gpu_t *gpu = &node->gpu[number];
    char users[200];
    users_text(info, true, node->number, number, users, sizeof users);
    table_add(table, "%u", node->number);
    table_add(table, "%u", number);
    table_add(table, "%s", gpu->vendor);
    table_add(table, "%s", gpu->identity);
    table_add(table, "%s=%s", gpu->variable, gpu->visible);
    table_add(table, "%u", gpu->tiles);
    if (gpu->numa < 0)
        table_add(table, "%s", "");
    else
        table_add(table, "%d", gpu->numa);
    table_add(table, "%u", gpu->users);
    table_add(table, "%s", users);
}

bool show_gpus(const struct info *info)
{
    static const char *const headers[] = {">NODE",  ">GPU",  "VENDOR", "IDENTITY", "VISIBLE AS",
                                          ">TILES", ">NUMA", ">USERS", "USED BY",  NULL};
    struct table *table = table_create(headers);
    if (!table)
        return false;
    for (uint32_t i = 0; i < dragon_system_nodes(info->system); i++) {
        const dragon_node_t *node = dragon_system_node(info->system, i);
        for (uint32_t k = 0; k < node->gpus; k++)
            add_gpu(table, info, node, k);
    }
    return print_table(table);
}

// ---- groups and ranks

static bool add_group(struct table *table, const struct info *info, uint32_t index)
{
    const dragon_group_info_t *group = dragon_system_group(info->system, index);
    bool *flags = info_group_nodes(info->system, index);
    char *nodes = flags ? text_ranges(flags, dragon_system_nodes(info->system)) : NULL;
    char age[32];
    free(flags);
    if (!nodes)
        return false;
    text_age(group->age_ms, age, sizeof age);
    table_add(table, "%llu", (unsigned long long)group->id);
    table_add(table, "%s", dragon_group_state_name(group->state));
    table_add(table, "%s", group->name);
    table_add(table, "%u/%u", group->running, group->ranks);
    table_add(table, "%s", nodes);
    if (group->owner_pid)
        table_add(table, "%u:%d", group->owner_node, group->owner_pid);
    else
        table_add(table, "%u:gone", group->owner_node);
    table_add(table, "%s", age);
    table_add(table, "%s", group->pmi ? "yes" : "no");
    table_add(table, "%s", group->waits_for);
    free(nodes);
    return true;
}

bool show_groups(const struct info *info)
{
    static const char *const headers[] = {">ID",   "STATE", "NAME", ">RUNNING",  "NODES",
                                          "OWNER", ">AGE",  "MPI",  "WAITS FOR", NULL};
    struct table *table = table_create(headers);
    bool good = table != NULL;
    for (uint32_t i = 0; good && i < dragon_system_groups(info->system); i++)
        if (info_wants(info, dragon_system_group(info->system, i)))
            good = add_group(table, info, i);
    if (good)
        return print_table(table);
    table_destroy(table);
    return false;
}

static void add_rank(struct table *table, uint64_t group, uint32_t number,
                     const dragon_rank_info_t *rank)
{
    char state[32];
    info_rank_state(rank, state, sizeof state);
    table_add(table, "%llu", (unsigned long long)group);
    table_add(table, "%u", number);
    table_add(table, "%u", rank->place.node);
    if (rank->status.pid)
        table_add(table, "%d", rank->status.pid);
    else
        table_add(table, "%s", "");
    table_add(table, "%s", state);
    table_add(table, "%s", rank->place.cores);
    table_add(table, "%s", rank->place.gpus);
    table_add(table, "%s", text_bind(rank->place.bind));
    table_add(table, "%s", rank->place.shared ? "yes" : "no");
    table_add(table, "%u", rank->status.restarts);
}

bool show_ranks(const struct info *info)
{
    static const char *const headers[] = {">GROUP", ">RANK",     ">NODE", ">PID",
                                          "STATE",  "CORES",     "GPUS",  "BOUND TO",
                                          "SHARED", ">RESTARTS", NULL};
    struct table *table = table_create(headers);
    if (!table)
        return false;
    for (uint32_t i = 0; i < dragon_system_groups(info->system); i++) {
        const dragon_group_info_t *group = dragon_system_group(info->system, i);
        if (!info_wants(info, group))
            continue;
        for (uint32_t k = 0; k < group->ranks; k++) {
            const dragon_rank_info_t *rank = dragon_system_rank(info->system, i, k);
            if (rank) // one that waits for room has no place
                add_rank(table, group->id, k, rank);
        }
    }
    return print_table(table);
}

// ---- all at one glance

static void show_sums(const struct info *info)
{
    uint64_t cores = 0, free_cores = 0, gpus = 0, free_gpus = 0, left_ms;
    uint32_t nodes = dragon_system_nodes(info->system);
    for (uint32_t i = 0; i < nodes; i++) {
        const dragon_node_t *node = dragon_system_node(info->system, i);
        if (node->lost)
            continue;
        cores += node->cores;
        free_cores += node->free_cores;
        gpus += node->gpus;
        free_gpus += node->free_gpus;
    }
    printf("runtime    %s\n", dragon_runtime_path(info->runtime));
    printf("this node  %u of %u, %s\n", dragon_runtime_node(info->runtime), nodes,
           dragon_runtime_node_name(info->runtime));
    printf("cores      %llu of %llu free\n", (unsigned long long)free_cores,
           (unsigned long long)cores);
    printf("GPUs       %llu of %llu free\n", (unsigned long long)free_gpus,
           (unsigned long long)gpus);
    printf("groups     %u\n", dragon_system_groups(info->system));
    if (dragon_runtime_time_left(info->runtime, &left_ms) == DRAGON_OK) {
        char left[32];
        text_age(left_ms, left, sizeof left);
        printf("time left  %s\n", left);
    }
}

bool show_overview(const struct info *info)
{
    show_sums(info);
    printf("\n");
    if (!show_node_table(info->system, OVERVIEW_NODES))
        return false;
    if (dragon_system_groups(info->system) == 0)
        return true;
    printf("\n");
    return show_groups(info);
}

bool show_runtimes(const struct found_list *list)
{
    static const char *const headers[] = {"DIRECTORY", "STATE", ">AGE", ">NODES",
                                          ">NODE",     "NAME",  NULL};
    struct table *table = table_create(headers);
    if (!table)
        return false;
    time_t now = time(NULL);
    for (size_t i = 0; i < list->count; i++) {
        const struct found *found = &list->entries[i];
        char age[32];
        text_age(now > found->since ? (uint64_t)(now - found->since) * 1000 : 0, age, sizeof age);
        table_add(table, "%s", found->directory);
        table_add(table, "%s", found_state_name(found->state));
        table_add(table, "%s", age);
        if (found->runtime) {
            table_add(table, "%u", dragon_runtime_nodes(found->runtime));
            table_add(table, "%u", dragon_runtime_node(found->runtime));
        } else {
            table_add(table, "%s", "");
            table_add(table, "%s", "");
        }
        table_add(table, "%s", found->runtime ? dragon_runtime_node_name(found->runtime) : "");
    }
    return print_table(table);
}
