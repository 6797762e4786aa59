// SPDX-License-Identifier: BSD-3-Clause
//
// What is asked and answered: receives, polls, operations. Each is tried when it comes; what is to wait is parked with
// its object, in order, and tried again when the object has changed.
//
// A message that was taken out for somebody is his: if he is gone before it arrives it went with him.
#include "config.h"

#include "chan/serve_parts.h"

#include <stdlib.h>

// ---- answers

static void answer(struct use *use, const struct parked *request, dragon_err_t err, uint64_t result)
{
    if (request->type == CU_RECEIVE) {
        struct cu_message header = {.request = request->request, .error = err, .bytes = result};
        reply(use->connection, CU_MESSAGE, &header, sizeof header);
    } else {
        struct cu_answer header = {.request = request->request, .error = err, .result = result};
        reply(use->connection, CU_ANSWER, &header, sizeof header);
    }
}

// Memory that the network reads from until it has sent it.
struct outbound {
    struct serve *serve;
    mem_ref block;
    void *copy;
};

static void outbound_free(struct outbound *outbound)
{
    struct space *space = outbound->serve->waiter->space;
    if (outbound->block)
        space_free(space, outbound->block, space->slot);
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

// Takes the block, or the copy.
static void send_message(struct use *use, const struct cu_message *header, mem_ref block,
                         void *copy, const void *data, size_t bytes)
{
    struct serve *serve = use->serve;
    struct connection *connection = use->connection;
    struct outbound *outbound = malloc(sizeof *outbound);
    if (!outbound) {
        if (block)
            space_free(serve->waiter->space, block, serve->waiter->space->slot);
        free(copy);
        struct cu_message failed = {.request = header->request, .error = DRAGON_ERR_NOMEM};
        reply(connection, CU_MESSAGE, &failed, sizeof failed);
        return;
    }
    *outbound = (struct outbound){.serve = serve, .block = block, .copy = copy};
    bool copied = bytes <= DATA_COPIED;
    dragon_err_t err = DRAGON_ERR_PEER;
    if (connection->peer)
        err = data_send(connection->peer, CU_MESSAGE, header, sizeof *header, data, bytes,
                        copied ? NULL : on_sent, outbound);
    if (err != DRAGON_OK || copied)
        outbound_free(outbound);
    else
        serve->moving++;
}

// ---- receives

static dragon_err_t claim(struct serve *serve, struct use *use)
{
    struct ring *ring = served_ring(use->served);
    uint32_t slot, nobody = SLOT_NONE;
    if (!ring->config.single)
        return DRAGON_OK;
    dragon_err_t err = connection_slot(serve, use->connection, &slot);
    if (err != DRAGON_OK)
        return err;
    use->owns = true;
    if (!atomic_compare_exchange_strong(&ring->receiver, &nobody, slot) && nobody != slot)
        return DRAGON_ERR_DENIED;
    return DRAGON_OK;
}

static dragon_err_t peek(struct serve *serve, struct use *use, const struct parked *request)
{
    struct space *space = serve->waiter->space;
    struct ring *ring = served_ring(use->served);
    struct ring_message message;
    uint8_t nothing;
    dragon_err_t err = ring_peek(ring, space, &nothing, 0, &message);
    if (err != DRAGON_OK)
        return err;
    uint64_t bytes = message.bytes < request->room ? message.bytes : request->room;
    void *copy = malloc(bytes + 1);
    if (!copy)
        return DRAGON_ERR_NOMEM;
    err = ring_peek(ring, space, copy, bytes, &message);
    if (err != DRAGON_OK) {
        free(copy);
        return err;
    }
    struct cu_message header = {
        .request = request->request, .tag = message.tag, .bytes = message.bytes};
    if (bytes > message.bytes) // another one is the oldest now
        bytes = message.bytes;
    send_message(use, &header, 0, copy, copy, bytes);
    return DRAGON_OK;
}

// The value counts as taken by the process that asked.
static dragon_err_t hand_over(struct serve *serve, struct use *use)
{
    uint32_t slot;
    struct sync_call taken = {.op = SYNC_QUEUE_TAKEN};
    dragon_err_t err = connection_slot(serve, use->connection, &slot);
    use->owns = true;
    if (err == DRAGON_OK)
        err = sync_try(use->served->object, serve->waiter->space, slot, &taken, NULL);
    return err;
}

static dragon_err_t pop(struct serve *serve, struct use *use, const struct parked *request)
{
    struct space *space = serve->waiter->space;
    struct ring *ring = served_ring(use->served);
    uint8_t small[DRAGON_CHANNEL_INLINE_MOST + 32];
    struct ring_message message;
    uint32_t slot;
    dragon_err_t err = DRAGON_OK;
    if (use->served->spec.kind == OBJECT_QUEUE) // first: without, nothing is taken
        err = connection_slot(serve, use->connection, &slot);
    if (err == DRAGON_OK)
        err = ring_pop(ring, space, false, small, request->room, &message);
    if (err == DRAGON_ERR_TOO_BIG)
        answer(use, request, err, message.bytes);
    if (err != DRAGON_OK)
        return err;
    if (use->served->spec.kind == OBJECT_QUEUE)
        (void)hand_over(serve, use);
    struct cu_message header = {
        .request = request->request, .tag = message.tag, .bytes = message.bytes};
    const void *data = message.block ? space_at(space, message.block, message.bytes) : small;
    if (!message.block) {
        if (use->connection->peer)
            (void)data_send(use->connection->peer, CU_MESSAGE, &header, sizeof header, data,
                            message.bytes, NULL, NULL);
    } else if (data) {
        send_message(use, &header, message.block, NULL, data, message.bytes);
    } else {
        err = DRAGON_ERR_PROTO; // a block that is none
    }
    return err;
}

// ---- all of them

static dragon_err_t poll_now(struct use *use, const struct parked *request, uint64_t *result_out)
{
    struct ring *ring = served_ring(use->served);
    uint64_t events = 0;
    if (object_state(use->served->object) == OBJECT_DESTROYED)
        return DRAGON_ERR_CLOSED;
    if ((request->events & DRAGON_POLL_RECEIVE) && ring_readable(ring))
        events |= DRAGON_POLL_RECEIVE;
    if ((request->events & DRAGON_POLL_SEND) && ring_writable(ring))
        events |= DRAGON_POLL_SEND;
    *result_out = events;
    return events ? DRAGON_OK : DRAGON_ERR_AGAIN;
}

static dragon_err_t call_now(struct serve *serve, struct use *use, const struct parked *request,
                             uint64_t *result_out)
{
    uint32_t slot;
    // What the process put before counts, also while it waits for room here.
    if (request->call.op == SYNC_QUEUE_JOIN && use->in != use->received)
        return DRAGON_ERR_AGAIN;
    dragon_err_t err = connection_slot(serve, use->connection, &slot);
    use->owns = true;
    if (err == DRAGON_OK)
        err = sync_try(use->served->object, serve->waiter->space, slot, &request->call, result_out);
    return err;
}

// AGAIN: not now, and nothing was answered.
static dragon_err_t try_now(struct serve *serve, struct use *use, const struct parked *request)
{
    uint64_t result = 0;
    dragon_err_t err = DRAGON_ERR_UNSUPPORTED;
    if (!use->served)
        err = DRAGON_ERR_PEER;
    else if (!serve->all)
        ;
    else if (request->type == CU_POLL)
        err = poll_now(use, request, &result);
    else if (request->type == CU_CALL)
        err = call_now(serve, use, request, &result);
    else if ((err = claim(serve, use)) == DRAGON_OK)
        err = request->peek ? peek(serve, use, request) : pop(serve, use, request);
    bool answered = request->type == CU_RECEIVE && (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG);
    if (err != DRAGON_ERR_AGAIN && !answered)
        answer(use, request, err, result);
    return err;
}

static void unpark(struct parked *request)
{
    struct connection *connection = request->use->connection;
    DL_DELETE(request->use->served->parked, request);
    DL_DELETE2(connection->parked, request, prev_peer, next_peer);
    connection->parked_count--;
    free(request);
}

// An operation that waits on another node asks for its turn.
static void ask_for_turn(struct sync_call *call)
{
    if (call->op == SYNC_LOCK_ACQUIRE || call->op == SYNC_SEMAPHORE_ACQUIRE)
        call->a = 1;
}

static void give_up_turn(struct serve *serve, const struct parked *request)
{
    struct sync_call leave = {.op = SYNC_OPS};
    if (request->type == CU_CALL && request->call.op == SYNC_LOCK_ACQUIRE)
        leave.op = SYNC_LOCK_LEAVE;
    else if (request->type == CU_CALL && request->call.op == SYNC_SEMAPHORE_ACQUIRE)
        leave.op = SYNC_SEMAPHORE_LEAVE;
    else
        return;
    uint32_t slot = request->use->connection->slot;
    (void)sync_try(request->use->served->object, serve->waiter->space, slot, &leave, NULL);
}

void ask(struct serve *serve, struct use *use, struct parked *request, bool wait)
{
    struct connection *connection = use->connection;
    if (try_now(serve, use, request) != DRAGON_ERR_AGAIN)
        return;
    if (wait && request->type == CU_CALL) {
        ask_for_turn(&request->call);
        if (try_now(serve, use, request) != DRAGON_ERR_AGAIN)
            return;
    }
    struct parked *parked = NULL;
    if (wait && connection->parked_count < SERVE_PARKED_MOST)
        parked = malloc(sizeof *parked);
    if (!parked) {
        answer(use, request, wait ? DRAGON_ERR_NOMEM : DRAGON_ERR_AGAIN, 0);
        return;
    }
    *parked = *request;
    parked->use = use;
    DL_APPEND(use->served->parked, parked);
    DL_APPEND2(connection->parked, parked, prev_peer, next_peer);
    connection->parked_count++;
    served_waits(serve, use->served);
}

void ask_cancel(struct serve *serve, struct connection *connection, uint32_t request)
{
    struct parked *parked;
    DL_FOREACH2(connection->parked, parked, next_peer)
    {
        if (parked->request != request)
            continue;
        struct served *served = parked->use->served;
        give_up_turn(serve, parked);
        answer(parked->use, parked, DRAGON_ERR_AGAIN, 0);
        unpark(parked);
        served_waits(serve, served);
        return;
    }
    pair_cancel(connection, request);
}

void asks_turn(struct serve *serve, struct served *served)
{
    struct parked *parked, *next;
    // What nobody can receive now, none of those who wait to receive can.
    bool empty = served_is_ring(served) && !ring_readable(served_ring(served));
    DL_FOREACH_SAFE(served->parked, parked, next)
    {
        if (empty && parked->type == CU_RECEIVE)
            continue;
        dragon_err_t err = try_now(serve, parked->use, parked);
        if (err == DRAGON_ERR_AGAIN) {
            empty = served_is_ring(served) && !ring_readable(served_ring(served));
            continue;
        }
        serve->did = true;
        unpark(parked);
    }
}

void asks_drop(struct serve *serve, struct connection *connection, struct use *use)
{
    struct parked *parked, *next;
    DL_FOREACH_SAFE2(connection->parked, parked, next, next_peer)
    {
        if (use && parked->use != use)
            continue;
        struct served *served = parked->use->served;
        give_up_turn(serve, parked);
        unpark(parked);
        served_waits(serve, served);
    }
    pairs_drop(connection, use, DRAGON_OK);
}
