// SPDX-License-Identifier: BSD-3-Clause
//
// Reading a shard for processes of other nodes: values go straight from their pairs, which are pinned until they are sent.
#include "config.h"

#include "chan/serve_pair.h"

#include <stdlib.h>

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

static enum outcome get(const struct pair *pair)
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

static enum outcome pop(const struct pair *pair)
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

static enum outcome walk(const struct pair *pair)
{
    const struct pair_call call = pair_call_of(pair);
    struct pair_walk walk = {.most = pair->header.room < SIZE_MAX ? (size_t)pair->header.room
                                                                  : SIZE_MAX};
    uint64_t next = 0;
    struct outbound *outbound = outbound_create(pair);
    if (!outbound)
        return pair_answer(pair, DRAGON_ERR_NOMEM, 0);
    dragon_err_t err = pair_walk(pair->view, &call, &walk, &next);
    outbound->copy = walk.data;
    if (err == DRAGON_OK)
        return send_outbound(pair, next, walk.data, walk.bytes, outbound);
    pair_answer(pair, err, err == DRAGON_ERR_TOO_BIG ? walk.bytes : 0);
    outbound_free(outbound);
    return OVER;
}

static enum outcome stats(const struct pair *pair)
{
    struct shard_stats stats;
    _Static_assert(sizeof stats <= DATA_COPIED, "it is copied");
    if (pair->header.room < sizeof stats)
        return pair_answer(pair, DRAGON_ERR_TOO_BIG, sizeof stats);
    shard_stats(pair->view, &stats);
    return send_small(pair, &stats, sizeof stats);
}

enum outcome pair_send(const struct pair *pair)
{
    switch (pair->header.op) {
    case PAIR_GET:
        return get(pair);
    case PAIR_POP:
        return pop(pair);
    case PAIR_WALK:
        return walk(pair);
    default:
        return stats(pair);
    }
}
