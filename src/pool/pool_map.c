// SPDX-License-Identifier: BSD-3-Clause
//
// Map: a task for each item of an array, and a place for each result. Tasks are made when workers can have them, and their
// data stays where it is, so that the number of items costs nothing.
#include "config.h"

#include "pool/pool.h"

#include <inttypes.h>

struct map {
    struct source source;
    const uint8_t *items; // borrowed, as results: not looked at when it is abandoned
    size_t item_bytes;
    uint64_t count, next, done;
    uint8_t *results;
    size_t result_bytes;
    uint64_t first_failed;
    dragon_error_t why; // of that one
};

static struct dragon_result *map_make(struct source *source)
{
    struct map *map = (struct map *)source;
    if (map->next == map->count || source->pool->broken)
        return NULL;
    struct dragon_result *task = task_create(source->pool, source->function);
    if (!task)
        return NULL;
    if (map->items)
        task->data = (uint8_t *)map->items + map->next * map->item_bytes;
    task->bytes = map->item_bytes;
    task->index = map->next++;
    return task;
}

static uint64_t map_left(const struct source *source)
{
    const struct map *map = (const struct map *)source;
    return map->count - map->next;
}

static void note_failed(struct map *map, uint64_t index, dragon_err_t err, const void *words,
                        size_t bytes)
{
    if (map->why.code != DRAGON_OK && map->first_failed < index)
        return;
    map->first_failed = index;
    err_set(&map->why, err, "item %" PRIu64 ": %.*s", index, (int)bytes, (const char *)words);
}

static void map_done(struct source *source, struct dragon_result *task, const void *value,
                     size_t bytes)
{
    struct map *map = (struct map *)source;
    uint64_t index = task->index;
    dragon_err_t err = task->err;
    task_release(task);
    map->done++;
    if (source->abandoned)
        return;
    if (err != DRAGON_OK) {
        note_failed(map, index, err, value, bytes);
        return;
    }
    if (bytes > map->result_bytes && map->results) {
        char words[100];
        int length = snprintf(words, sizeof words, "its result has %zu bytes, not %zu", bytes,
                              map->result_bytes);
        note_failed(map, index, DRAGON_ERR_TOO_BIG, words, (size_t)length);
        return;
    }
    if (!map->results)
        return;
    uint8_t *result = map->results + index * map->result_bytes;
    if (bytes)
        memcpy(result, value, bytes);
    memset(result + bytes, 0, map->result_bytes - bytes);
}

static void map_destroy(struct source *source)
{
    source_unlist(source);
    free(source);
}

static bool map_is_done(void *arg)
{
    struct map *map = arg;
    struct dragon_pool *pool = map->source.pool;
    if (pool->broken && map->source.open == 0 && map->next < map->count) { // the rest is not made
        note_failed(map, map->next, pool->why.code, pool->why.text, strlen(pool->why.text));
        pool->failed += map->count - map->next;
        map->done += map->count - map->next;
        map->next = map->count;
    }
    return map->done == map->count;
}

static dragon_err_t make_map(struct dragon_pool *pool, const char *function, struct map **map_out,
                             dragon_error_t *error)
{
    dragon_err_t err = pool_check(pool);
    if (err == DRAGON_OK && pool->inside)
        err = DRAGON_ERR_STATE;
    else if (err == DRAGON_OK && pool->closed)
        err = DRAGON_ERR_CLOSED;
    if (err != DRAGON_OK)
        return err_set(error, err, "no map: %s", dragon_err_text(err));
    struct function *found = function_of(pool, function, &err);
    struct map *map = found ? calloc(1, sizeof *map) : NULL;
    if (!map)
        return err_set(error, found ? DRAGON_ERR_NOMEM : err, "no map of \"%.100s\": %s",
                       function ? function : "", dragon_err_text(found ? DRAGON_ERR_NOMEM : err));
    map->source = (struct source){.pool = pool,
                                  .function = found,
                                  .make = map_make,
                                  .left = map_left,
                                  .done = map_done,
                                  .destroy = map_destroy};
    *map_out = map;
    return DRAGON_OK;
}

// What workers have of it is not looked at any more.
static void leave(struct map *map)
{
    source_unlist(&map->source);
    map->source.abandoned = true;
    map->source.pool->canceled += map->count - map->next;
    if (map->source.open == 0)
        map_destroy(&map->source);
}

dragon_err_t dragon_pool_map(dragon_pool_t *pool, const char *function, const void *items,
                             size_t item_bytes, size_t count, void *results, size_t result_bytes,
                             int timeout_ms, dragon_error_t *error)
{
    struct map *map = NULL;
    if ((!items && item_bytes && count) || (!results && result_bytes))
        return err_set(error, DRAGON_ERR_INVAL, "bytes of items or results, but no array");
    dragon_err_t err = make_map(pool, function, &map, error);
    if (err != DRAGON_OK)
        return err;
    map->items = items;
    map->item_bytes = item_bytes;
    map->count = count;
    map->results = results;
    map->result_bytes = result_bytes;
    source_list(&map->source);
    err = pool_wait(pool, map_is_done, map, timeout_ms);
    if (err != DRAGON_OK)
        err_set(error, err, "%" PRIu64 " of %zu items are done: %s", map->done, count,
                dragon_err_text(err));
    else if ((err = map->why.code) != DRAGON_OK)
        err_set(error, err, "%s", map->why.text);
    leave(map);
    return err;
}
