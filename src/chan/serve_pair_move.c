// SPDX-License-Identifier: BSD-3-Clause
//
// A large value that is still at its sender: it is only asked for when there is memory for it, the block that becomes the pair,
// and of what is appended a copy.
#include "config.h"

#include "chan/serve_pair.h"

#include <stdlib.h>

static void on_received(void *arg, dragon_err_t err);

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

static enum outcome receive_copy(struct pair *pair)
{
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

enum outcome pair_receive(struct pair *pair)
{
    struct pair_call call = pair_call_of(pair);
    switch (call.op) {
    case PAIR_PUT:
    case PAIR_PUT_ABSENT:
    case PAIR_SWAP:
        break;
    case PAIR_APPEND:
        return receive_copy(pair);
    default: // has no use for a value
        return pair_answer(pair, DRAGON_ERR_UNSUPPORTED, 0);
    }
    dragon_err_t err = pair_prepare(pair->view, &call, &pair->fresh);
    if (err == DRAGON_ERR_AGAIN)
        return WAITS;
    return err == DRAGON_OK ? move(pair, pair->fresh.value) : pair_answer(pair, err, 0);
}

// All of it is here.
static void finish(struct pair *pair)
{
    struct pair_call call = pair_call_of(pair);
    struct dict_result result = {0};
    dragon_err_t err = call.op == PAIR_APPEND ? pair_here(pair->view, &call, &result)
                                              : pair_store(pair->view, &call, &pair->fresh);
    // What was moved is gone with its block: who wants to wait sends it again.
    if (err == DRAGON_ERR_AGAIN)
        err = DRAGON_ERR_FULL;
    pair_answer(pair, err, err == DRAGON_OK ? result.result : 0);
}

static void on_received(void *arg, dragon_err_t err)
{
    struct pair *pair = arg;
    pair->serve->moving--;
    if (pair->use && err != DRAGON_OK)
        pair_answer(pair, DRAGON_ERR_PEER, 0); // the connection is lost, too
    else if (pair->use)
        finish(pair);
    pair_end(pair);
}
