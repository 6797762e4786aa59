// SPDX-License-Identifier: BSD-3-Clause
//
// Calls for all keys, and the figures of managers.
#include "config.h"

#include "client/dict.h"

#include <inttypes.h>

static dragon_err_t run_all(struct dragon_dict *dict, struct pair_call call, uint64_t *sum_out,
                            int timeout_ms)
{
    dragon_err_t err = dict_check(dict);
    return err == DRAGON_OK ? dict_call_all(dict, &call, sum_out, timeout_ms) : err;
}

dragon_err_t dragon_dict_length(dragon_dict_t *dict, uint64_t *length_out, int timeout_ms)
{
    if (!length_out)
        return DRAGON_ERR_INVAL;
    return run_all(dict, (struct pair_call){.op = PAIR_LENGTH}, length_out, timeout_ms);
}

dragon_err_t dragon_dict_clear(dragon_dict_t *dict, int timeout_ms)
{
    return run_all(dict, (struct pair_call){.op = PAIR_CLEAR}, NULL, timeout_ms);
}

dragon_err_t dragon_dict_freeze(dragon_dict_t *dict, int timeout_ms)
{
    return run_all(dict, (struct pair_call){.op = PAIR_FREEZE, .number = 1}, NULL, timeout_ms);
}

dragon_err_t dragon_dict_unfreeze(dragon_dict_t *dict, int timeout_ms)
{
    return run_all(dict, (struct pair_call){.op = PAIR_FREEZE}, NULL, timeout_ms);
}

dragon_err_t dragon_dict_is_frozen(dragon_dict_t *dict, int *frozen_out, int timeout_ms)
{
    uint64_t frozen;
    if (!frozen_out)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = run_all(dict, (struct pair_call){.op = PAIR_FROZEN}, &frozen, timeout_ms);
    if (err != DRAGON_OK)
        return err;
    struct dict_range range = dict_range(dict);
    *frozen_out = frozen == range.end - range.begin;
    return DRAGON_OK;
}

// ---- figures

static dragon_err_t look(struct dragon_dict *dict, uint32_t manager, struct shard_stats *stats_out,
                         bool *frozen_out, int timeout_ms)
{
    struct dict_result result = {.buffer = stats_out, .room = sizeof *stats_out};
    struct pair_call call = {.op = PAIR_STATS};
    dragon_err_t err = dict_call(dict, manager, &call, &result, timeout_ms);
    if (err == DRAGON_OK && result.bytes != sizeof *stats_out)
        err = DRAGON_ERR_PROTO;
    if (err != DRAGON_OK)
        return err;
    call.op = PAIR_FROZEN;
    err = dict_call(dict, manager, &call, &result, timeout_ms);
    if (err == DRAGON_OK)
        *frozen_out = result.result != 0;
    return err;
}

static uint32_t fragmentation(const struct heap_stats *heap)
{
    uint64_t bytes = heap->free_bytes, whole = heap->largest_free_bytes;
    return whole < bytes ? (uint32_t)((bytes - whole) * 1000 / bytes) : 0;
}

dragon_err_t dragon_dict_stats(dragon_dict_t *dict, uint32_t manager,
                               dragon_dict_stats_t *stats_out, int timeout_ms)
{
    struct shard_stats shard;
    uint32_t node;
    bool frozen;
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (!stats_out)
        return DRAGON_ERR_INVAL;
    if (manager >= dict->managers)
        return DRAGON_ERR_NOT_FOUND;
    err = look(dict, manager, &shard, &frozen, timeout_ms);
    if (err == DRAGON_OK)
        err = dict_node(dict, manager, &node);
    if (err != DRAGON_OK)
        return err;
    *stats_out = (dragon_dict_stats_t){
        .manager = manager,
        .node = node,
        .frozen = frozen,
        .total_bytes = shard.heap.bytes,
        .used_bytes = shard.heap.used_bytes,
        .free_bytes = shard.heap.free_bytes,
        .largest_bytes = shard.heap.largest_free_bytes,
        .fragmentation = fragmentation(&shard.heap),
        .keys = shard.keys,
        .puts = shard.counts[COUNT_PUT],
        .gets = shard.counts[COUNT_GET],
        .misses = shard.counts[COUNT_MISSED],
        .erases = shard.counts[COUNT_ERASE],
        .changes = shard.counts[COUNT_SWAP],
        .full = shard.counts[COUNT_FULL],
        .waiting = shard.waiting,
        .views = shard.pins,
    };
    return DRAGON_OK;
}

static bool write_stats(FILE *to, const dragon_dict_stats_t *stats)
{
    return fprintf(to,
                   "{\"manager\":%" PRIu32 ",\"node\":%" PRIu32
                   ",\"frozen\":%s,\"total_bytes\":%" PRIu64 ",\"used_bytes\":%" PRIu64
                   ",\"free_bytes\":%" PRIu64 ",\"largest_bytes\":%" PRIu64
                   ",\"fragmentation\":%" PRIu32 ",\"keys\":%" PRIu64 ",\"puts\":%" PRIu64
                   ",\"gets\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"erases\":%" PRIu64
                   ",\"changes\":%" PRIu64 ",\"full\":%" PRIu64 ",\"waiting\":%" PRIu32
                   ",\"views\":%" PRIu32 "}",
                   stats->manager, stats->node, stats->frozen ? "true" : "false",
                   stats->total_bytes, stats->used_bytes, stats->free_bytes, stats->largest_bytes,
                   stats->fragmentation, stats->keys, stats->puts, stats->gets, stats->misses,
                   stats->erases, stats->changes, stats->full, stats->waiting, stats->views) > 0;
}

static dragon_err_t write_all(struct dragon_dict *dict, FILE *to, int timeout_ms)
{
    struct dict_range range = dict_range(dict);
    fprintf(to, "{\"managers\":[");
    for (uint32_t i = range.begin; i < range.end; i++) {
        dragon_dict_stats_t stats;
        dragon_err_t err = dragon_dict_stats(dict, i, &stats, timeout_ms);
        if (err != DRAGON_OK)
            return err;
        if (i > range.begin)
            fputc(',', to);
        if (!write_stats(to, &stats))
            return DRAGON_ERR_NOMEM;
    }
    fprintf(to, "]}\n");
    return DRAGON_OK;
}

dragon_err_t dragon_dict_stats_json(dragon_dict_t *dict, char **json_out, int timeout_ms)
{
    char *json = NULL;
    size_t bytes;
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (!json_out)
        return DRAGON_ERR_INVAL;
    FILE *to = open_memstream(&json, &bytes);
    if (!to)
        return DRAGON_ERR_NOMEM;
    err = write_all(dict, to, timeout_ms);
    if (fclose(to) != 0 && err == DRAGON_OK)
        err = DRAGON_ERR_NOMEM;
    if (err == DRAGON_OK)
        *json_out = json;
    else
        free(json);
    return err;
}
