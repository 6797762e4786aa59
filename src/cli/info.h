// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-info share. A look (struct info) holds the runtime and its picture; a word of the
// command ("nodes") is one table in info_show.c and one object in info_json.c.
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include "cli/info_find.h"

#include <dragon/dragon.h>

// ---- who uses what (info_uses.c)

struct use {
    bool gpu; // else a core
    uint32_t node, number;
    uint32_t group; // index in the picture
    uint32_t rank;
};

struct uses {
    struct use *entries; // owned; by kind, node, number, group and rank
    size_t count, room;
};

bool uses_fill(struct uses *uses, const dragon_system_t *system); // false: out of memory
void uses_fini(struct uses *uses);
// Those of one core or GPU: *count_out of them from what is returned on.
const struct use *uses_of(const struct uses *uses, bool gpu, uint32_t node, uint32_t number,
                          size_t *count_out);

// ---- a look at a runtime (info_look.c)

struct info {
    dragon_runtime_t *runtime; // borrowed
    dragon_system_t *system;   // borrowed
    struct uses uses;
    const char *group; // a group's number or name; NULL: all
    bool verbose;
};

// Whether the group was asked for.
bool info_wants(const struct info *info, const dragon_group_info_t *group);
// What a rank does: "running", "exit 3". `room` bytes are written.
void info_rank_state(const dragon_rank_info_t *rank, char *state, size_t room);
// The nodes that have ranks of the group, a flag for each node of the picture; NULL: out of memory.
bool *info_group_nodes(const dragon_system_t *system, uint32_t group);

// ---- the words of the command (info_show.c, info_json.c)

// All return false when memory or the output failed.
bool show_overview(const struct info *info);
bool show_nodes(const struct info *info);
bool show_gpus(const struct info *info);
bool show_groups(const struct info *info);
bool show_ranks(const struct info *info);
bool show_runtimes(const struct found_list *list);

bool json_overview(const struct info *info);
bool json_nodes(const struct info *info);
bool json_gpus(const struct info *info);
bool json_groups(const struct info *info);
bool json_ranks(const struct info *info);
bool json_runtimes(const struct found_list *list);

#endif
