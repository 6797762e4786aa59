// SPDX-License-Identifier: BSD-3-Clause
//
// Connections. The first message of one has to show the runtime's key; then each message is checked before anything is
// done with it, and what is against the rules ends the connection, not the service. A connection that ends leaves what
// it has sent in full, and nothing else: what it owned here is put right by the keeper, like that of a process that
// died.
#include "config.h"

#include "chan/serve_parts.h"

#include <stdlib.h>

void reply(struct connection *connection, uint8_t type, const void *header, size_t bytes)
{
    // What cannot be sent is a connection that is lost, which we are told of.
    if (connection->peer)
        (void)data_send(connection->peer, type, header, bytes, NULL, 0, NULL, NULL);
}

// ---- uses

struct use *use_find(struct connection *connection, uint32_t handle)
{
    struct use *use = connection->last;
    if (use && use->handle == handle)
        return use;
    HASH_FIND(hh, connection->uses, &handle, sizeof handle, use);
    if (use)
        connection->last = use;
    return use;
}

static void connection_free(struct serve *serve, struct connection *connection)
{
    DL_DELETE(serve->connections, connection);
    free(connection->keys.data);
    free(connection);
}

static bool is_last_use(const struct use *use)
{
    struct use *other, *next;
    HASH_ITER (hh, use->connection->uses, other, next)
        if (other != use && other->served == use->served)
            return false;
    return true;
}

// What the process had of the object, a lock say, is nobody's when it has left.
static void let_go(struct use *use)
{
    struct connection *connection = use->connection;
    struct space *space = use->serve->waiter->space;
    if (!use->owns || !use->served || connection->slot == SLOT_NONE || !is_last_use(use))
        return;
    object_recover(use->served->object, connection->slot, space);
    if (served_is_ring(use->served)) {
        space_wake_all(space, &served_ring(use->served)->receivers);
        space_wake_all(space, &served_ring(use->served)->senders);
    }
    for (uint32_t op = 0; op < SYNC_OPS; op++) {
        struct waitset *set = sync_set(use->served->object, &(struct sync_call){.op = op});
        if (set)
            space_wake_all(space, set);
    }
}

void use_destroy(struct use *use)
{
    struct serve *serve = use->serve;
    struct connection *connection = use->connection;
    struct served *served = use->served;
    asks_drop(serve, connection, use);
    sends_drop(use, true);
    let_go(use);
    if (connection->last == use)
        connection->last = NULL;
    HASH_DELETE(hh, connection->uses, use);
    free(use);
    if (served) {
        served_waits(serve, served);
        served_unref(serve, served);
    }
}

void use_gone(struct use *use)
{
    struct connection *connection = use->connection;
    struct serve *serve = use->serve;
    use_destroy(use);
    if (!connection->peer && !connection->uses)
        connection_free(serve, connection);
}

static dragon_err_t use_open(struct serve *serve, struct connection *connection,
                             const struct cu_open *open)
{
    struct served *served;
    if (serve->all && open->kind == OBJECT_SHARD) // its manager serves it
        return DRAGON_ERR_UNSUPPORTED;
    if (HASH_COUNT(connection->uses) >= SERVE_USES_MOST)
        return DRAGON_ERR_FULL;
    dragon_err_t err = served_find(serve, open->object, open->kind, &served);
    if (err != DRAGON_OK)
        return err;
    served->uses++;
    struct use *use = calloc(1, sizeof *use);
    if (!use) {
        served_unref(serve, served);
        return DRAGON_ERR_NOMEM;
    }
    use->handle = open->handle;
    use->connection = connection;
    use->served = served;
    use->serve = serve;
    HASH_ADD(hh, connection->uses, handle, sizeof use->handle, use);
    return DRAGON_OK;
}

// ---- connections

dragon_err_t connection_slot(struct serve *serve, struct connection *connection, uint32_t *slot_out)
{
    if (connection->slot == SLOT_NONE) {
        struct pack body = PACK_EMPTY;
        struct unpack answer;
        pack_u32(&body, connection->node);
        pack_u32(&body, connection->process);
        dragon_err_t err = space_ask(serve->waiter->space, KC_PROXY, &body, KEEPER_ANSWER_MS,
                                     &answer, NULL, 0, NULL);
        pack_fini(&body);
        if (err != DRAGON_OK)
            return err;
        uint32_t slot = unpack_u32(&answer);
        if (!unpack_done(&answer) || slot < SLOT_FIRST || slot >= BOARD_SLOTS)
            return DRAGON_ERR_PROTO;
        connection->slot = slot;
    }
    *slot_out = connection->slot;
    return DRAGON_OK;
}

static void slot_gone(struct serve *serve, struct connection *connection)
{
    struct pack body = PACK_EMPTY;
    if (connection->slot == SLOT_NONE)
        return;
    pack_u32(&body, connection->slot);
    (void)space_ask(serve->waiter->space, KC_PROXY_GONE, &body, KEEPER_ANSWER_MS, NULL, NULL, 0,
                    NULL);
    connection->slot = SLOT_NONE;
}

// All of it but the sends that are here in full.
static void connection_lost(struct serve *serve, struct connection *connection)
{
    connection->peer = NULL;
    asks_drop(serve, connection, NULL);
    slot_gone(serve, connection);
    struct use *use, *next;
    HASH_ITER (hh, connection->uses, use, next) {
        sends_drop(use, false);
        use->leaving = true;
        if (!use->queue)
            use_destroy(use);
    }
    if (!connection->uses)
        connection_free(serve, connection);
}

void connection_close(struct serve *serve, struct connection *connection)
{
    if (connection->peer)
        data_peer_close(connection->peer, true);
    connection_lost(serve, connection);
}

void connections_look_for_losses(struct serve *serve)
{
    const struct board *board = serve->waiter->space->board;
    struct connection *connection, *next;
    serve->losses = atomic_load(&board->losses);
    DL_FOREACH_SAFE(serve->connections, connection, next)
    {
        if (!connection->peer || !board_is_lost(board, connection->node))
            continue;
        data_peer_close(connection->peer, false);
        connection_lost(serve, connection);
    }
}

void connection_drop(struct connection *connection)
{
    struct use *use, *next;
    HASH_ITER (hh, connection->uses, use, next) {
        sends_drop(use, true);
        if (!use->queue)
            use_gone(use);
    }
}

static void greet(struct serve *serve, struct data_peer *peer, uint8_t type,
                  const struct cu_hello *hello)
{
    struct space *space = serve->waiter->space;
    struct connection *connection = NULL;
    bool good = type == CU_HELLO && hello->version == CHAN_WIRE_VERSION &&
                wire_same_key(hello->key, space->key);
    if (good)
        connection = calloc(1, sizeof *connection);
    if (!connection) {
        data_peer_close(peer, true);
        return;
    }
    connection->wire.side = WIRE_SERVED;
    connection->peer = peer;
    connection->node = hello->node;
    connection->process = hello->process;
    DL_APPEND(serve->connections, connection);
    data_peer_set_arg(peer, connection);
}

void serve_on_lost(struct serve *serve, struct data_peer *peer)
{
    struct connection *connection = data_peer_arg(peer);
    data_peer_close(peer, false);
    if (connection)
        connection_lost(serve, connection);
}

// ---- messages

static bool on_open(struct serve *serve, struct connection *connection, const struct cu_open *open)
{
    if (use_find(connection, open->handle))
        return false;
    dragon_err_t err = use_open(serve, connection, open);
    struct cu_opened opened = {
        .handle = open->handle, .error = err, .credits = err == DRAGON_OK ? SERVE_CREDITS : 0};
    reply(connection, CU_OPENED, &opened, sizeof opened);
    return true;
}

static bool on_receive(struct serve *serve, struct use *use, const struct cu_receive *receive)
{
    if (use->served && !served_is_ring(use->served))
        return false;
    struct parked request = {.type = CU_RECEIVE,
                             .request = receive->request,
                             .room = receive->room,
                             .peek = receive->peek};
    ask(serve, use, &request, receive->wait);
    return true;
}

static bool on_poll(struct serve *serve, struct use *use, const struct cu_poll *poll)
{
    if (use->served && !served_is_ring(use->served))
        return false;
    struct parked request = {.type = CU_POLL, .request = poll->request, .events = poll->events};
    ask(serve, use, &request, poll->wait);
    return true;
}

static bool on_call(struct serve *serve, struct use *use, const struct cu_call *call)
{
    struct parked request = {.type = CU_CALL, .request = call->request};
    request.call = (struct sync_call){.op = call->op, .a = call->a, .b = call->b, .c = call->c};
    ask(serve, use, &request, call->wait && sync_waits(call->op));
    return true;
}

static bool on_leave(struct use *use)
{
    use->leaving = true;
    asks_drop(use->serve, use->connection, use);
    if (!use->queue)
        use_destroy(use);
    return true;
}

// All of these begin with the handle.
static bool on_use_message(struct serve *serve, struct connection *connection, uint8_t type,
                           struct data_message *message)
{
    const void *header = message->header;
    struct use *use = use_find(connection, ((const struct cu_handle *)header)->handle);
    if (!use && type == CU_LEAVE)
        return true; // it crossed with our answer that it cannot be opened
    if (!use || use->leaving)
        return false;
    switch (type) {
    case CU_LEAVE:
        return on_leave(use);
    case CU_RECEIVE:
        return on_receive(serve, use, header);
    case CU_POLL:
        return on_poll(serve, use, header);
    case CU_CALL:
        return on_call(serve, use, header);
    case CU_TAKE_BACK:
        send_take_back(use, ((const struct cu_take_back *)header)->number);
        return true;
    case CU_FLUSH:
        send_flush(use);
        return true;
    case CU_PAIR:
        return pair_arrived(use, header, message);
    case CU_PAIR_KEY:
        return pair_key_arrived(use, header, message);
    case CU_PAIRS:
        return pairs_arrived(use, header, message);
    }
    return false;
}

static bool on_message(struct serve *serve, struct connection *connection, uint8_t type,
                       struct data_message *message)
{
    const void *header = message->header;
    switch (type) {
    case CU_SEND:
        return send_arrived(serve, connection, header, message);
    case CU_OPEN:
        return on_open(serve, connection, header);
    case CU_CANCEL:
        ask_cancel(serve, connection, ((const struct cu_cancel *)header)->request);
        return true;
    }
    return on_use_message(serve, connection, type, message);
}

void serve_on_message(struct serve *serve, struct data_peer *peer, uint8_t type,
                      struct data_message *message)
{
    struct connection *connection = data_peer_arg(peer);
    serve->waiter->served++;
    bool good = wire_is_request(type) &&
                wire_check(type, message->header, message->header_bytes, message->bytes);
    if (good && !connection) {
        if (message->incoming)
            data_refuse(serve->waiter->port, message->incoming);
        greet(serve, peer, type, (const struct cu_hello *)message->header);
        return;
    }
    if (good && on_message(serve, connection, type, message))
        return;
    if (message->incoming)
        data_refuse(serve->waiter->port, message->incoming);
    data_peer_close(peer, true); // it is told
    if (connection)
        connection_lost(serve, connection);
}
