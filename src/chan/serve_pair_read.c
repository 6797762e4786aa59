// SPDX-License-Identifier: BSD-3-Clause
//
// Reading a shard for processes of other nodes: values go straight from their pairs, which are pinned until they are sent.
#include "config.h"

#include "chan/serve_pair.h"

#include <stdlib.h>

enum { WALK_FIRST = 4096 }; // room for records

// ---- values that are sent

struct outbound { // what the network reads from until it has sent it
    struct serve *serve;
    struct shard_view *view;
    struct pinned pinned;
    uint8_t *copy; // owned
};

static void outbound_free(struct outbound *outbound)
{
    shard_unpin(outbound->view, &outbound->pinned);
    free(outbound->copy);
    free(outbound);
}

static void on_sent(void *arg, dragon_err_t err)
{
    (void)err; // the connection is lost then, which we are told of
    struct outbound *outbound = arg;
    outbound->serve->moving--;
    outbound_free(outbound);
}

static struct outbound *outbound_create(const struct pair *pair)
{
    struct outbound *outbound = calloc(1, sizeof *outbound);
    if (!outbound)
        return NULL;
    outbound->serve = pair->serve;
    outbound->view = pair->view;
    return outbound;
}

static dragon_err_t send_message(const struct pair *pair, uint64_t tag, const void *data,
                                 size_t bytes, struct outbound *outbound)
{
    struct data_peer *peer = pair->use->connection->peer;
    struct cu_message header = {.request = pair->header.request, .tag = tag, .bytes = bytes};
    return data_send(peer, CU_MESSAGE, &header, sizeof header, data, bytes,
                     outbound ? on_sent : NULL, outbound);
}

static enum outcome send_small(const struct pair *pair, const void *data, size_t bytes)
{
    (void)send_message(pair, 0, data, bytes, NULL); // as reply
    return OVER;
}

// Takes it.
static enum outcome send_outbound(const struct pair *pair, uint64_t tag, const void *data,
                                  size_t bytes, struct outbound *outbound)
{
    bool copied = bytes <= DATA_COPIED;
    dragon_err_t err = send_message(pair, tag, data, bytes, copied ? NULL : outbound);
    if (err != DRAGON_OK || copied)
        outbound_free(outbound);
    else
        pair->serve->moving++;
    return OVER;
}

static enum outcome send_pinned(const struct pair *pair, struct outbound *outbound)
{
    const struct pinned *pinned = &outbound->pinned;
    const void *data = pinned->data;
    uint64_t number;
    if (pinned->bytes == sizeof number) { // it may be changed in place
        number = atomic_load((const _Atomic uint64_t *)data);
        data = &number;
    }
    return send_outbound(pair, 0, data, pinned->bytes, outbound);
}

// ---- reading

static enum outcome get_small(const struct pair *pair)
{
    uint8_t value[DATA_COPIED];
    size_t bytes = 0;
    size_t room = pair->header.room < sizeof value ? pair->header.room : sizeof value;
    dragon_err_t err = shard_get(pair->view, &pair->key, value, room, &bytes);
    if (err == DRAGON_OK)
        return send_small(pair, value, bytes);
    if (err == DRAGON_ERR_TOO_BIG && bytes <= pair->header.room)
        err = DRAGON_ERR_FULL; // no pin, see get
    return pair_answer(pair, err, err == DRAGON_ERR_TOO_BIG ? bytes : 0);
}

enum outcome pair_get(const struct pair *pair)
{
    if (pair->header.room <= DATA_COPIED)
        return get_small(pair);
    struct outbound *outbound = outbound_create(pair);
    if (!outbound)
        return pair_answer(pair, DRAGON_ERR_NOMEM, 0);
    size_t bytes = 0;
    dragon_err_t err = shard_hold(pair->view, &pair->key, &outbound->pinned);
    if (err == DRAGON_OK) {
        bytes = outbound->pinned.bytes;
        if (bytes <= pair->header.room)
            return send_pinned(pair, outbound);
        err = DRAGON_ERR_TOO_BIG;
    }
    outbound_free(outbound);
    return err == DRAGON_ERR_FULL ? get_small(pair) : pair_answer(pair, err, bytes);
}

enum outcome pair_pop(const struct pair *pair)
{
    struct outbound *outbound = outbound_create(pair);
    if (!outbound)
        return pair_answer(pair, DRAGON_ERR_NOMEM, 0);
    struct pinned *pinned = &outbound->pinned;
    size_t room = pair->header.room < SIZE_MAX ? (size_t)pair->header.room : SIZE_MAX;
    dragon_err_t err = shard_pop_within(pair->view, &pair->key, room, pinned);
    if (err == DRAGON_OK)
        return send_pinned(pair, outbound);
    pair_answer(pair, err, err == DRAGON_ERR_TOO_BIG ? pinned->bytes : 0);
    outbound_free(outbound);
    return OVER;
}

enum outcome pair_contains(const struct pair *pair)
{
    if (shard_contains(pair->view, &pair->key))
        return pair_answer(pair, DRAGON_OK, 0);
    return pair->header.wait ? WAITS : pair_answer(pair, DRAGON_ERR_NOT_FOUND, 0);
}

struct walk {
    const struct pair *pair;
    uint8_t *data; // owned
    size_t bytes;  // of all records, those that have no room, too
    size_t room;
    bool lost; // for want of memory
};

static bool walk_grow(struct walk *walk, size_t bytes)
{
    size_t room = walk->room ? walk->room : WALK_FIRST;
    while (room < bytes)
        room *= 2;
    if (room == walk->room)
        return true;
    uint8_t *data = realloc(walk->data, room);
    if (!data)
        return false;
    walk->data = data;
    walk->room = room;
    return true;
}

static void walk_add(struct walk *walk, const void *data, size_t bytes)
{
    if (bytes > 0)
        memcpy(walk->data + walk->bytes, data, bytes);
    walk->bytes += bytes;
}

static bool on_pair(void *arg, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
    struct walk *walk = arg;
    const struct pair *pair = walk->pair;
    const struct shard_key *prefix = &pair->key;
    if (key_bytes < prefix->bytes ||
        (prefix->bytes > 0 && memcmp(key, prefix->data, prefix->bytes) != 0))
        return true;
    struct pair_record record = {.key_bytes = (uint32_t)key_bytes, .value_bytes = value_bytes};
    size_t values = pair->header.expected_bytes ? value_bytes : 0;
    size_t bytes = sizeof record + key_bytes + values;
    if (walk->bytes + bytes > pair->header.room) {
        walk->bytes += bytes;
        return true;
    }
    if (!walk_grow(walk, walk->bytes + bytes)) {
        walk->lost = true;
        return false;
    }
    walk_add(walk, &record, sizeof record);
    walk_add(walk, key, key_bytes);
    walk_add(walk, value, values);
    return true;
}

static uint64_t next_bin(const struct pair *pair, uint64_t bin)
{
    const struct shard *shard = pair->view->shard;
    do
        bin++;
    while (bin < shard->bins &&
           atomic_load_explicit(&shard->bin[bin].table, memory_order_relaxed) == 0);
    return bin;
}

enum outcome pair_walk(const struct pair *pair)
{
    struct walk walk = {.pair = pair};
    uint64_t bin = (uint64_t)pair->header.number;
    if (bin >= pair->view->shard->bins)
        return pair_answer(pair, DRAGON_ERR_NOT_FOUND, 0);
    struct outbound *outbound = outbound_create(pair);
    if (!outbound)
        return pair_answer(pair, DRAGON_ERR_NOMEM, 0);
    dragon_err_t err = shard_walk(pair->view, (uint32_t)bin, on_pair, &walk);
    outbound->copy = walk.data;
    if (err == DRAGON_OK && walk.lost)
        err = DRAGON_ERR_NOMEM;
    else if (err == DRAGON_OK && walk.bytes > pair->header.room)
        err = DRAGON_ERR_TOO_BIG;
    if (err == DRAGON_OK)
        return send_outbound(pair, next_bin(pair, bin), walk.data, walk.bytes, outbound);
    pair_answer(pair, err, err == DRAGON_ERR_TOO_BIG ? walk.bytes : 0);
    outbound_free(outbound);
    return OVER;
}

enum outcome pair_stats(const struct pair *pair)
{
    struct shard_stats stats;
    _Static_assert(sizeof stats <= DATA_COPIED, "it is copied");
    if (pair->header.room < sizeof stats)
        return pair_answer(pair, DRAGON_ERR_TOO_BIG, sizeof stats);
    shard_stats(pair->view, &stats);
    return send_small(pair, &stats, sizeof stats);
}
