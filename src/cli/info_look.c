// SPDX-License-Identifier: BSD-3-Clause
//
// What tables and JSON of dragon-info have in common: words for what the picture of the system says.
#include "config.h"

#include "cli/info.h"

bool info_wants(const struct info *info, const dragon_group_info_t *group)
{
    long long id;
    if (!info->group || strcmp(info->group, group->name) == 0)
        return true;
    return parse_number(info->group, 0, INT64_MAX, &id) && (uint64_t)id == group->id;
}

void info_rank_state(const dragon_rank_info_t *rank, char *state, size_t room)
{
    const dragon_rank_status_t *status = &rank->status;
    if (status->lost)
        snprintf(state, room, "lost");
    else if (status->removed && status->ended)
        snprintf(state, room, "removed");
    else if (status->ended && status->pid == 0)
        snprintf(state, room, "not started");
    else if (status->ended)
        snprintf(state, room, "exit %d", status->exit_code);
    else if (status->removed)
        snprintf(state, room, "stopping");
    else
        snprintf(state, room, "%s", status->pid ? "running" : "starting");
}

bool *info_group_nodes(const dragon_system_t *system, uint32_t group)
{
    uint32_t nodes = dragon_system_nodes(system);
    uint32_t ranks = dragon_system_group(system, group)->ranks;
    bool *flags = calloc(nodes ? nodes : 1, sizeof *flags);
    for (uint32_t rank = 0; flags && rank < ranks; rank++) {
        const dragon_rank_info_t *info = dragon_system_rank(system, group, rank);
        if (info && info->place.node < nodes)
            flags[info->place.node] = true;
    }
    return flags;
}
