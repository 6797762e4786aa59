// SPDX-License-Identifier: BSD-3-Clause
//
// Job maps: see map.h.
#include "config.h"

#include "pmi/map.h"

void pmi_map_fini(struct pmi_map *map)
{
    free(map->node_of_rank);
    free(map->app_first);
    strv_free(map->node_names);
    *map = (struct pmi_map){0};
}

bool pmi_map_copy(const struct pmi_map *from, struct pmi_map *to_out)
{
    struct pmi_map copy = *from;
    copy.node_names = strv_copy(from->node_names);
    copy.node_of_rank = calloc(from->size + 1u, sizeof *copy.node_of_rank);
    copy.app_first = from->app_first ? calloc(from->app_count, sizeof *copy.app_first) : NULL;
    if (!copy.node_names || !copy.node_of_rank || (from->app_first && !copy.app_first)) {
        pmi_map_fini(&copy);
        return false;
    }
    memcpy(copy.node_of_rank, from->node_of_rank, from->size * sizeof *copy.node_of_rank);
    if (copy.app_first)
        memcpy(copy.app_first, from->app_first, from->app_count * sizeof *copy.app_first);
    *to_out = copy;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_valid(const struct pmi_map *map)
{
    if (strv_count(map->node_names) != map->nodes)
        return false;
    for (uint32_t i = 0; i < map->nodes; i++)
        if (!*map->node_names[i] || strpbrk(map->node_names[i], " ,;:()[]\n"))
            return false;
    char **sorted = calloc(map->nodes, sizeof *sorted);
    if (!sorted)
        return false;
    memcpy(sorted, map->node_names, map->nodes * sizeof *sorted);
    qsort(sorted, map->nodes, sizeof *sorted, compare_names);
    bool unique = true;
    for (uint32_t i = 1; i < map->nodes; i++)
        unique = unique && strcmp(sorted[i - 1], sorted[i]) != 0;
    free(sorted);
    return unique;
}

static bool ranks_valid(const struct pmi_map *map)
{
    bool *used = calloc(map->nodes, sizeof *used);
    uint32_t used_count = 0;
    bool valid = used != NULL;
    for (uint32_t rank = 0; valid && rank < map->size; rank++) {
        uint32_t node = map->node_of_rank[rank];
        valid = node < map->nodes;
        if (valid && !used[node]) {
            used[node] = true;
            used_count++;
        }
    }
    free(used);
    return valid && used_count == map->nodes;
}

static bool apps_valid(const struct pmi_map *map)
{
    if (!map->app_first)
        return map->app_count <= 1;
    for (uint32_t app = 0; app < map->app_count; app++)
        if (app == 0 ? map->app_first[0] != 0 : map->app_first[app] <= map->app_first[app - 1])
            return false;
    return map->app_count > 0 && map->app_first[map->app_count - 1] < map->size;
}

bool pmi_map_valid(const struct pmi_map *map)
{
    return map->size > 0 && map->size <= PMI_RANKS_MAX && map->nodes > 0 &&
           map->nodes <= PMI_NODES_MAX && map->here < map->nodes && map->node_of_rank &&
           names_valid(map) && ranks_valid(map) && apps_valid(map);
}

uint32_t pmi_map_local_size(const struct pmi_map *map, uint32_t node)
{
    uint32_t count = 0;
    for (uint32_t rank = 0; rank < map->size; rank++)
        count += map->node_of_rank[rank] == node;
    return count;
}

uint32_t pmi_map_local_rank(const struct pmi_map *map, uint32_t rank)
{
    uint32_t before = 0;
    for (uint32_t i = 0; i < rank; i++)
        before += map->node_of_rank[i] == map->node_of_rank[rank];
    return before;
}

uint32_t *pmi_map_local_ranks(const struct pmi_map *map)
{
    uint32_t *locals = calloc(map->size, sizeof *locals);
    uint32_t *counts = calloc(map->nodes, sizeof *counts);
    if (!locals || !counts) {
        free(counts);
        free(locals);
        return NULL;
    }
    for (uint32_t rank = 0; rank < map->size; rank++)
        locals[rank] = counts[map->node_of_rank[rank]]++;
    free(counts);
    return locals;
}

uint32_t *pmi_map_ranks_of_node(const struct pmi_map *map, uint32_t node)
{
    uint32_t count = pmi_map_local_size(map, node);
    uint32_t *ranks = count ? calloc(count, sizeof *ranks) : NULL;
    for (uint32_t rank = 0, at = 0; ranks && rank < map->size; rank++)
        if (map->node_of_rank[rank] == node)
            ranks[at++] = rank;
    return ranks;
}

uint32_t pmi_map_apps(const struct pmi_map *map)
{
    return map->app_first ? map->app_count : 1;
}

uint32_t pmi_map_app_first(const struct pmi_map *map, uint32_t app)
{
    return map->app_first ? map->app_first[app] : 0;
}

uint32_t pmi_map_app_size(const struct pmi_map *map, uint32_t app)
{
    uint32_t end = app + 1 < pmi_map_apps(map) ? map->app_first[app + 1] : map->size;
    return end - pmi_map_app_first(map, app);
}

uint32_t pmi_map_app_of(const struct pmi_map *map, uint32_t rank)
{
    uint32_t low = 0, high = pmi_map_apps(map); // the last whose first rank is not behind this one
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (map->app_first[middle] <= rank)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// After how many ranks the sequence of nodes repeats itself (the last repetition may be cut); the
// number of ranks when it does not.
static uint32_t map_period(const struct pmi_map *map)
{
    const uint32_t *nodes = map->node_of_rank;
    uint32_t *border = calloc(map->size + 1u, sizeof *border); // longest proper one of each prefix
    if (!border)
        return map->size;
    uint32_t length = 0;
    for (uint32_t i = 1; i < map->size; i++) {
        while (length > 0 && nodes[i] != nodes[length])
            length = border[length];
        if (nodes[i] == nodes[length])
            length++;
        border[i + 1] = length;
    }
    uint32_t period = map->size - border[map->size];
    free(border);
    return period;
}

struct block {
    uint32_t first, nodes, each;
};

static void print_block(FILE *out, const struct block *block)
{
    if (block->nodes > 0)
        fprintf(out, ",(%u,%u,%u)", block->first, block->nodes, block->each);
}

static void print_blocks(FILE *out, const struct pmi_map *map)
{
    uint32_t period = map_period(map);
    struct block block = {0};
    for (uint32_t rank = 0, next; rank < period; rank = next) {
        uint32_t node = map->node_of_rank[rank];
        for (next = rank + 1; next < period && map->node_of_rank[next] == node;)
            next++;
        uint32_t count = next - rank;
        // The reader stops at the last rank, so the very last run may be short.
        bool fits = count == block.each || (count < block.each && next == map->size);
        if (block.nodes > 0 && node == block.first + block.nodes && fits) {
            block.nodes++;
            continue;
        }
        print_block(out, &block);
        block = (struct block){.first = node, .nodes = 1, .each = count};
    }
    print_block(out, &block);
}

static char *text_end(FILE *out, char **text)
{
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(*text);
        return NULL;
    }
    return *text;
}

char *pmi_map_process_mapping(const struct pmi_map *map)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    fputs("(vector", out);
    print_blocks(out, map);
    fputc(')', out);
    return text_end(out, &text);
}

// All ranks ordered by node, ascending on each; NULL when memory is out.
static uint32_t *ranks_by_node(const struct pmi_map *map)
{
    uint32_t *ranks = calloc(map->size, sizeof *ranks);
    uint32_t *start = calloc(map->nodes + 1u, sizeof *start);
    if (!ranks || !start) {
        free(start);
        free(ranks);
        return NULL;
    }
    for (uint32_t rank = 0; rank < map->size; rank++)
        start[map->node_of_rank[rank] + 1]++;
    for (uint32_t node = 0; node < map->nodes; node++)
        start[node + 1] += start[node];
    for (uint32_t rank = 0; rank < map->size; rank++)
        ranks[start[map->node_of_rank[rank]]++] = rank;
    free(start);
    return ranks;
}

char *pmi_map_ppn(const struct pmi_map *map)
{
    char *text = NULL;
    size_t length;
    uint32_t *ranks = ranks_by_node(map);
    FILE *out = ranks ? open_memstream(&text, &length) : NULL;
    if (!out) {
        free(ranks);
        return NULL;
    }
    for (uint32_t i = 0; i < map->size; i++) {
        const char *before = "";
        if (i > 0)
            before = map->node_of_rank[ranks[i]] == map->node_of_rank[ranks[i - 1]] ? "," : ";";
        fprintf(out, "%s%u", before, ranks[i]);
    }
    free(ranks);
    return text_end(out, &text);
}

char *pmi_map_node_list(const struct pmi_map *map)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    for (uint32_t node = 0; node < map->nodes; node++)
        fprintf(out, "%s%s", node ? "," : "", map->node_names[node]);
    return text_end(out, &text);
}

char *pmi_map_peers(const struct pmi_map *map, uint32_t node)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    const char *before = "";
    for (uint32_t rank = 0; rank < map->size; rank++) {
        if (map->node_of_rank[rank] != node)
            continue;
        fprintf(out, "%s%u", before, rank);
        before = ",";
    }
    return text_end(out, &text);
}

static uint32_t run_end(const struct pmi_map *map, uint32_t rank)
{
    uint32_t end = rank + 1;
    while (end < map->size && map->node_of_rank[end] == map->node_of_rank[rank])
        end++;
    return end;
}

void pack_pmi_map(struct pack *pack, const struct pmi_map *map)
{
    pack_u32(pack, map->size);
    pack_u32(pack, map->here);
    pack_strv(pack, map->node_names);
    for (uint32_t rank = 0, end; rank < map->size; rank = end) {
        end = run_end(map, rank);
        pack_u32(pack, map->node_of_rank[rank]);
        pack_u32(pack, end - rank);
    }
    pack_u32(pack, pmi_map_apps(map));
    for (uint32_t app = 0; app < pmi_map_apps(map); app++)
        pack_u32(pack, pmi_map_app_first(map, app));
}

static bool unpack_runs(struct unpack *unpack, struct pmi_map *map)
{
    for (uint32_t rank = 0; rank < map->size;) {
        uint32_t node = unpack_u32(unpack), count = unpack_u32(unpack);
        if (unpack->failed || count == 0 || count > map->size - rank)
            return false;
        for (; count > 0; count--)
            map->node_of_rank[rank++] = node;
    }
    return true;
}

static bool unpack_apps(struct unpack *unpack, struct pmi_map *map)
{
    uint32_t count = unpack_u32(unpack);
    if (unpack->failed || count == 0 || count > map->size || count > unpack_left(unpack) / 4)
        return false;
    map->app_first = calloc(count, sizeof *map->app_first);
    if (!map->app_first)
        return false;
    map->app_count = count;
    for (uint32_t app = 0; app < count; app++)
        map->app_first[app] = unpack_u32(unpack);
    return !unpack->failed;
}

bool unpack_pmi_map(struct unpack *unpack, struct pmi_map *map_out)
{
    struct pmi_map map = {.size = unpack_u32(unpack)};
    map.here = unpack_u32(unpack);
    map.node_names = unpack_strv(unpack, PMI_NODES_MAX);
    map.nodes = (uint32_t)strv_count(map.node_names);
    if (!unpack->failed && map.size <= PMI_RANKS_MAX)
        map.node_of_rank = calloc(map.size + 1u, sizeof *map.node_of_rank);
    if (!map.node_of_rank || !unpack_runs(unpack, &map) || !unpack_apps(unpack, &map) ||
        !pmi_map_valid(&map)) {
        unpack->failed = true;
        pmi_map_fini(&map);
        return false;
    }
    *map_out = map;
    return true;
}
