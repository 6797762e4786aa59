// SPDX-License-Identifier: BSD-3-Clause
//
// Operations on a shard of this node, done in place.
#include "config.h"

#include "client/dict.h"

static dragon_err_t prepare(struct shard_view *view, const struct pair_call *call,
                            struct fresh *fresh_out)
{
    dragon_err_t err = shard_prepare(view, &call->key, call->value_bytes, fresh_out);
    if (err == DRAGON_OK && call->value_bytes > 0)
        memcpy(fresh_out->value, call->value, call->value_bytes);
    return err;
}

static dragon_err_t put(struct shard_view *view, const struct pair_call *call, enum shard_how how)
{
    struct fresh fresh;
    dragon_err_t err = prepare(view, call, &fresh);
    return err == DRAGON_OK ? shard_store(view, &call->key, &fresh, how) : err;
}

// There may be room some day.
static bool may_wait(const struct shard_view *view, const struct pair_call *call)
{
    return call->wait && call->value_bytes < view->shard->bytes;
}

static dragon_err_t swap(struct shard_view *view, const struct pair_call *call)
{
    struct fresh fresh;
    dragon_err_t err = prepare(view, call, &fresh);
    if (err != DRAGON_OK)
        return err;
    return shard_swap(view, &call->key, call->expected, call->expected_bytes, &fresh);
}

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
    shard_stats(view, &stats);
    result->bytes = sizeof stats;
    if (result->room < sizeof stats)
        return DRAGON_ERR_TOO_BIG;
    memcpy(result->buffer, &stats, sizeof stats);
    return DRAGON_OK;
}

// ---- walking

struct walk {
    const struct pair_call *call;
    struct dict_result *result;
};

// Goes on when there is no more room, to know how much it takes.
static bool take(void *arg, const void *key, size_t key_bytes, const void *value,
                 size_t value_bytes)
{
    struct walk *walk = arg;
    struct dict_result *result = walk->result;
    const struct shard_key *prefix = &walk->call->key;
    if (key_bytes < prefix->bytes ||
        (prefix->bytes > 0 && memcmp(key, prefix->data, prefix->bytes) != 0))
        return true;
    struct pair_record record = {.key_bytes = (uint32_t)key_bytes, .value_bytes = value_bytes};
    size_t copied = walk->call->expected_bytes ? value_bytes : 0;
    size_t begin = result->bytes;
    result->bytes += sizeof record + key_bytes + copied;
    if (result->bytes > result->room)
        return true;
    uint8_t *at = (uint8_t *)result->buffer + begin;
    memcpy(at, &record, sizeof record);
    memcpy(at + sizeof record, key, key_bytes);
    if (copied > 0)
        memcpy(at + sizeof record + key_bytes, value, copied);
    return true;
}

static dragon_err_t walk(struct shard_view *view, const struct pair_call *call,
                         struct dict_result *result)
{
    struct walk walk = {call, result};
    result->bytes = 0;
    if (call->number < 0 || call->number >= view->shard->bins)
        return DRAGON_ERR_NOT_FOUND;
    result->result = (uint64_t)call->number + 1;
    dragon_err_t err = shard_walk(view, (uint32_t)call->number, take, &walk);
    return err == DRAGON_OK && result->bytes > result->room ? DRAGON_ERR_TOO_BIG : err;
}

// ---- all of them

dragon_err_t pair_here(struct shard_view *view, const struct pair_call *call,
                       struct dict_result *result)
{
    dragon_err_t err = DRAGON_OK;
    switch (call->op) {
    case PAIR_GET:
        return shard_get(view, &call->key, result->buffer, result->room, &result->bytes);
    case PAIR_POP:
        return pop(view, call, result);
    case PAIR_PUT:
        err = put(view, call, SHARD_PUT);
        return err == DRAGON_ERR_FULL && may_wait(view, call) ? DRAGON_ERR_AGAIN : err;
    case PAIR_PUT_ABSENT:
        return put(view, call, SHARD_PUT_ABSENT);
    case PAIR_SWAP:
        return swap(view, call);
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
        shard_freeze(view, call->number != 0);
        return DRAGON_OK;
    case PAIR_FROZEN:
        result->result = atomic_load(&view->shard->frozen) != 0;
        return DRAGON_OK;
    case PAIR_WALK:
        return walk(view, call, result);
    case PAIR_STATS:
        return stats(view, result);
    case PAIR_OPS:
        break;
    }
    return DRAGON_ERR_UNSUPPORTED;
}
