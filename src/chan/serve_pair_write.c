// SPDX-License-Identifier: BSD-3-Clause
//
// Changing a shard for processes of other nodes: a large value is only asked for when there is a block for it.
#include "config.h"

#include "chan/serve_pair.h"

#include <stdlib.h>

static void on_received(void *arg, dragon_err_t err);

// The value, to where it is wanted.
static enum outcome move(struct pair *pair, void *to)
{
    struct serve *serve = pair->serve;
    void *incoming = pair->incoming;
    pair->incoming = NULL;
    pair->moving = true;
    serve->moving++;
    if (data_receive(serve->waiter->port, incoming, to, pair->header.value_bytes, on_received,
                     pair) == DRAGON_OK)
        return MOVES;
    serve->moving--;
    pair->moving = false;
    return pair_answer(pair, DRAGON_ERR_PEER, 0);
}

// There may be room for it some time.
static bool may_wait(const struct pair *pair)
{
    // What was moved is gone with its block.
    return !pair->moving && pair->header.wait &&
           pair->header.value_bytes < pair->view->shard->bytes;
}

static enum outcome store(struct pair *pair)
{
    dragon_err_t err;
    if (pair->header.op == PAIR_SWAP)
        err = shard_swap(pair->view, &pair->key, pair->expected, pair->header.expected_bytes,
                         &pair->fresh);
    else
        err = shard_store(pair->view, &pair->key, &pair->fresh,
                          pair->header.op == PAIR_PUT ? SHARD_PUT : SHARD_PUT_ABSENT);
    return err == DRAGON_ERR_FULL && may_wait(pair) ? WAITS : pair_answer(pair, err, 0);
}

enum outcome pair_put(struct pair *pair)
{
    size_t bytes = pair->header.value_bytes;
    if (atomic_load(&pair->view->shard->frozen))
        return pair_answer(pair, DRAGON_ERR_DENIED, 0);
    dragon_err_t err = shard_prepare(pair->view, &pair->key, bytes, &pair->fresh);
    if (err == DRAGON_ERR_FULL && may_wait(pair))
        return WAITS;
    if (err != DRAGON_OK)
        return pair_answer(pair, err, 0);
    if (pair->incoming)
        return move(pair, pair->fresh.value);
    if (bytes > 0)
        memcpy(pair->fresh.value, pair->value, bytes);
    return store(pair);
}

static enum outcome append_now(struct pair *pair)
{
    size_t bytes = 0;
    dragon_err_t err =
        shard_append(pair->view, &pair->key, pair->value, pair->header.value_bytes, &bytes);
    return pair_answer(pair, err, err == DRAGON_OK ? bytes : 0);
}

// A large one goes behind the value when all of it is here.
enum outcome pair_append(struct pair *pair)
{
    if (!pair->incoming)
        return append_now(pair);
    if (atomic_load(&pair->view->shard->frozen))
        return pair_answer(pair, DRAGON_ERR_DENIED, 0);
    if (pair->header.value_bytes > pair->view->shard->bytes)
        return pair_answer(pair, DRAGON_ERR_FULL, 0);
    pair->copy = malloc(pair->header.value_bytes);
    if (!pair->copy)
        return pair_answer(pair, DRAGON_ERR_NOMEM, 0);
    pair->value = pair->copy;
    return move(pair, pair->copy);
}

static void on_received(void *arg, dragon_err_t err)
{
    struct pair *pair = arg;
    pair->serve->moving--;
    if (pair->use && err != DRAGON_OK)
        pair_answer(pair, DRAGON_ERR_PEER, 0); // the connection is lost, too
    else if (pair->use && pair->header.op == PAIR_APPEND)
        append_now(pair);
    else if (pair->use)
        store(pair);
    pair_end(pair);
}

enum outcome pair_add(const struct pair *pair)
{
    int64_t before = 0;
    dragon_err_t err = shard_add(pair->view, &pair->key, pair->header.number, &before);
    return pair_answer(pair, err, err == DRAGON_OK ? (uint64_t)before : 0);
}

enum outcome pair_freeze(const struct pair *pair)
{
    shard_freeze(pair->view, pair->header.number != 0);
    return pair_answer(pair, DRAGON_OK, 0);
}
