// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on a shard, in place: by a process of its node for itself, and by its manager for processes of others.
#include "config.h"

#include "ddict/pair.h"
#include "ddict/shard_parts.h"

#include <stdlib.h>

// ---- putting

// There may be room some day.
static dragon_err_t full(const struct shard_view *view, const struct pair_call *call)
{
    bool waits = call->wait && call->op == PAIR_PUT &&
                 shard_fits(view->shard->bytes, call->key.bytes, call->value_bytes);
    return waits ? DRAGON_ERR_AGAIN : DRAGON_ERR_FULL;
}

dragon_err_t pair_prepare(struct shard_view *view, const struct pair_call *call,
                          struct fresh *fresh_out)
{
    if (atomic_load(&view->shard->frozen))
        return DRAGON_ERR_DENIED;
    dragon_err_t err = shard_prepare(view, &call->key, call->value_bytes, fresh_out);
    return err == DRAGON_ERR_FULL ? full(view, call) : err;
}

dragon_err_t pair_store(struct shard_view *view, const struct pair_call *call, struct fresh *fresh)
{
    if (call->op == PAIR_SWAP)
        return shard_swap(view, &call->key, call->expected, call->expected_bytes, fresh);
    dragon_err_t err =
        shard_store(view, &call->key, fresh, call->op == PAIR_PUT ? SHARD_PUT : SHARD_PUT_ABSENT);
    return err == DRAGON_ERR_FULL ? full(view, call) : err;
}

static dragon_err_t put(struct shard_view *view, const struct pair_call *call)
{
    struct fresh fresh;
    dragon_err_t err = pair_prepare(view, call, &fresh);
    if (err != DRAGON_OK)
        return err;
    if (call->value_bytes > 0)
        memcpy(fresh.value, call->value, call->value_bytes);
    return pair_store(view, call, &fresh);
}

// ---- others

static dragon_err_t add(struct shard_view *view, const struct pair_call *call,
                        struct dict_result *result)
{
    int64_t before = 0;
    dragon_err_t err = shard_add(view, &call->key, call->number, &before);
    result->result = (uint64_t)before;
    return err;
}

static dragon_err_t append(struct shard_view *view, const struct pair_call *call,
                           struct dict_result *result)
{
    size_t bytes = 0;
    dragon_err_t err = shard_append(view, &call->key, call->value, call->value_bytes, &bytes);
    result->result = bytes;
    return err;
}

static dragon_err_t pop(struct shard_view *view, const struct pair_call *call,
                        struct dict_result *result)
{
    struct pinned pinned;
    dragon_err_t err = shard_pop_within(view, &call->key, result->room, &pinned);
    if (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG)
        result->bytes = pinned.bytes;
    if (err != DRAGON_OK)
        return err;
    if (pinned.bytes > 0)
        memcpy(result->buffer, pinned.data, pinned.bytes);
    shard_unpin(view, &pinned);
    return DRAGON_OK;
}

static dragon_err_t stats(struct shard_view *view, struct dict_result *result)
{
    struct shard_stats stats;
    result->bytes = sizeof stats;
    if (result->room < sizeof stats)
        return DRAGON_ERR_TOO_BIG;
    shard_stats(view, &stats);
    memcpy(result->buffer, &stats, sizeof stats);
    return DRAGON_OK;
}

// ---- walking

enum {
    WALK_FIRST = 4096, // room, when it grows
    WALK_LATER =
        64, // large values of a bin that are copied when its lock is free again; others are with it
};

struct walking {
    struct shard_view *view;
    const struct pair_call *call;
    struct pair_walk *walk;
    bool lost; // for want of memory
    uint32_t later_count;
    struct later {
        size_t at; // in the records
        struct pinned pinned;
    } later[WALK_LATER];
};

static bool grow(struct pair_walk *walk, size_t bytes)
{
    size_t room = walk->room ? walk->room : WALK_FIRST;
    while (room < bytes)
        room *= 2;
    if (room > walk->most)
        room = walk->most;
    uint8_t *data = realloc(walk->data, room);
    if (!data)
        return false;
    walk->data = data;
    walk->room = room;
    return true;
}

static void take_value(struct walking *walking, size_t at, const void *key, const void *value,
                       size_t bytes)
{
    struct later *later = &walking->later[walking->later_count];
    if (bytes >= READ_LARGE && walking->later_count < WALK_LATER &&
        shard_walk_pin(walking->view, key, &later->pinned)) {
        later->at = at;
        walking->later_count++;
    } else if (bytes > 0) {
        memcpy(walking->walk->data + at, value, bytes);
    }
}

// Goes on when there is no more room, to know how much it takes.
static bool take(void *arg, const void *key, size_t key_bytes, const void *value,
                 size_t value_bytes)
{
    struct walking *walking = arg;
    struct pair_walk *walk = walking->walk;
    const struct shard_key *prefix = &walking->call->key;
    if (key_bytes < prefix->bytes ||
        (prefix->bytes > 0 && memcmp(key, prefix->data, prefix->bytes) != 0))
        return true;
    struct pair_record record = {.key_bytes = (uint32_t)key_bytes, .value_bytes = value_bytes};
    size_t copied = walking->call->expected_bytes ? value_bytes : 0;
    size_t begin = walk->bytes;
    walk->bytes += sizeof record + key_bytes + copied;
    if (walk->bytes > walk->most)
        return true;
    if (walk->bytes > walk->room && !grow(walk, walk->bytes)) {
        walking->lost = true;
        return false;
    }
    uint8_t *at = walk->data + begin;
    memcpy(at, &record, sizeof record);
    if (key_bytes > 0)
        memcpy(at + sizeof record, key, key_bytes);
    take_value(walking, begin + sizeof record + key_bytes, key, value, copied);
    return true;
}

static void take_later(struct walking *walking, bool good)
{
    for (uint32_t i = 0; i < walking->later_count; i++) {
        struct later *later = &walking->later[i];
        if (good)
            memcpy(walking->walk->data + later->at, later->pinned.data, later->pinned.bytes);
        shard_unpin(walking->view, &later->pinned);
    }
}

static uint64_t next_bin(const struct shard_view *view, uint64_t bin)
{
    do
        bin++;
    while (bin < view->bins &&
           atomic_load_explicit(&view->shard->bin[bin].table, memory_order_relaxed) == 0);
    return bin;
}

dragon_err_t pair_walk(struct shard_view *view, const struct pair_call *call,
                       struct pair_walk *walk, uint64_t *next_out)
{
    struct walking walking;
    walking.view = view;
    walking.call = call;
    walking.walk = walk;
    walking.lost = false;
    walking.later_count = 0;
    walk->bytes = 0;
    if (call->number < 0 || call->number >= view->bins)
        return DRAGON_ERR_NOT_FOUND;
    dragon_err_t err = shard_walk(view, (uint32_t)call->number, take, &walking);
    if (err == DRAGON_OK && walking.lost)
        err = DRAGON_ERR_NOMEM;
    else if (err == DRAGON_OK && walk->bytes > walk->most)
        err = DRAGON_ERR_TOO_BIG;
    take_later(&walking, err == DRAGON_OK);
    *next_out = next_bin(view, (uint64_t)call->number);
    return err;
}

static dragon_err_t walk_here(struct shard_view *view, const struct pair_call *call,
                              struct dict_result *result)
{
    struct pair_walk walk = {.data = result->buffer, .room = result->room, .most = result->room};
    dragon_err_t err = pair_walk(view, call, &walk, &result->result);
    result->bytes = walk.bytes;
    return err;
}

// ---- all of them

dragon_err_t pair_here(struct shard_view *view, const struct pair_call *call,
                       struct dict_result *result)
{
    switch (call->op) {
    case PAIR_GET:
        return shard_get(view, &call->key, result->buffer, result->room, &result->bytes);
    case PAIR_POP:
        return pop(view, call, result);
    case PAIR_PUT:
    case PAIR_PUT_ABSENT:
    case PAIR_SWAP:
        return put(view, call);
    case PAIR_ADD:
        return add(view, call, result);
    case PAIR_APPEND:
        return append(view, call, result);
    case PAIR_ERASE:
        return shard_erase(view, &call->key);
    case PAIR_CONTAINS:
        if (shard_contains(view, &call->key))
            return DRAGON_OK;
        return call->wait ? DRAGON_ERR_AGAIN : DRAGON_ERR_NOT_FOUND;
    case PAIR_LENGTH:
        result->result = shard_length(view);
        return DRAGON_OK;
    case PAIR_CLEAR:
        return shard_clear(view);
    case PAIR_FREEZE:
        return shard_freeze(view, call->number != 0);
    case PAIR_FROZEN:
        result->result = atomic_load(&view->shard->frozen) != 0;
        return DRAGON_OK;
    case PAIR_WALK:
        return walk_here(view, call, result);
    case PAIR_STATS:
        return stats(view, result);
    case PAIR_OPS:
        break;
    }
    return DRAGON_ERR_UNSUPPORTED;
}
