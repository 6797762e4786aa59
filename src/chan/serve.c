// SPDX-License-Identifier: BSD-3-Clause
//
// The objects that are served, and the turn. An object of the node is opened at the keeper when a connection first asks
// for it, and left when no connection uses it any more.
//
// Waiting objects are in a list; a turn goes through it: sends that wait for room first, then what waits for messages
// or for its turn. Nothing here sleeps: the transport's loop enters the waitsets of what is waited for (serve_enter)
// before it does.
#include "config.h"

#include "chan/serve_parts.h"

#include <stdlib.h>

enum { MEMORY_AGAIN_MS = 50, END_MS = 2000 };

// ---- objects

static dragon_err_t open_object(struct serve *serve, uint64_t id, uint8_t kind,
                                struct served *served)
{
    struct space *space = serve->waiter->space;
    struct pack body = PACK_EMPTY;
    struct unpack answer;
    pack_u32(&body, space->node);
    pack_u64(&body, id);
    pack_u8(&body, kind);
    dragon_err_t err = space_ask(space, KC_OPEN, &body, KEEPER_ANSWER_MS, &answer, NULL, 0, NULL);
    struct object_opened opened;
    if (err != DRAGON_OK)
        return err;
    if (!object_opened_unpack(&answer, &opened))
        return DRAGON_ERR_PROTO;
    size_t bytes = object_bytes(&opened.spec);
    void *at = bytes && opened.block ? space_at(space, opened.block, bytes) : NULL;
    if (!at || !object_check(at, id, kind, bytes))
        return DRAGON_ERR_PROTO;
    served->object = at;
    served->spec = opened.spec;
    served->kind =
        (struct segment_kind){.numa = (int16_t)opened.spec.numa, .huge = opened.spec.huge};
    return DRAGON_OK;
}

static void leave_object(struct serve *serve, uint64_t id)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, id);
    (void)space_ask(serve->waiter->space, KC_LEAVE, &body, KEEPER_ANSWER_MS, NULL, NULL, 0, NULL);
}

dragon_err_t served_find(struct serve *serve, uint64_t id, uint8_t kind, struct served **served_out)
{
    struct served *served;
    HASH_FIND(hh, serve->objects, &id, sizeof id, served);
    if (!served) {
        if (!serve->all)
            return DRAGON_ERR_NOT_FOUND;
        served = calloc(1, sizeof *served);
        if (!served)
            return DRAGON_ERR_NOMEM;
        served->id = id;
        dragon_err_t err = open_object(serve, id, kind, served);
        if (err != DRAGON_OK) {
            free(served);
            return err;
        }
        HASH_ADD(hh, serve->objects, id, sizeof id, served);
    }
    if (served->spec.kind != kind) {
        if (served->uses == 0)
            served_unref(serve, served);
        return DRAGON_ERR_INVAL;
    }
    *served_out = served;
    return DRAGON_OK;
}

static void served_destroy(struct serve *serve, struct served *served)
{
    if (served->waits)
        DL_DELETE(serve->waiting, served);
    HASH_DELETE(hh, serve->objects, served);
    free(served);
}

void served_unref(struct serve *serve, struct served *served)
{
    if (served->uses > 0)
        served->uses--;
    if (served->uses > 0 || !serve->all)
        return;
    leave_object(serve, served->id);
    served_destroy(serve, served);
}

void served_waits(struct serve *serve, struct served *served)
{
    bool waits = served->blocked || served->parked || served->pairs;
    if (waits && !served->waits)
        DL_APPEND(serve->waiting, served);
    else if (!waits && served->waits)
        DL_DELETE(serve->waiting, served);
    served->waits = waits;
}

// ---- life cycle

struct serve *serve_create(const struct serve_options *options)
{
    struct serve *serve = calloc(1, sizeof *serve);
    if (!serve)
        return NULL;
    serve->waiter = options->waiter;
    serve->all = options->all;
    return serve;
}

void serve_destroy(struct serve *serve)
{
    if (!serve)
        return;
    struct served *served, *next;
    if (!serve->all)
        HASH_ITER (hh, serve->objects, served, next)
            serve_remove(serve, served->id);
    struct connection *connection, *next_connection;
    DL_FOREACH_SAFE(serve->connections, connection, next_connection)
    connection_close(serve, connection);
    DL_FOREACH_SAFE(serve->connections, connection, next_connection)
    connection_drop(connection);
    // The network has to let go of our memory; it does as soon as it knows that the connections are closed.
    uint64_t deadline = time_now_ms() + END_MS;
    while (serve->moving > 0 && time_left_ms(deadline) > 0)
        data_port_progress(serve->waiter->port);
    if (serve->moving > 0)
        return; // never seen; what it writes to is not to be given back
    HASH_ITER (hh, serve->objects, served, next)
        served_destroy(serve, served);
    free(serve);
}

dragon_err_t serve_add(struct serve *serve, struct local_channel *channel, uint64_t object)
{
    struct served *served = calloc(1, sizeof *served);
    if (!served)
        return DRAGON_ERR_NOMEM;
    served->id = object;
    served->object = &channel->ring->object;
    served->kind = channel->kind;
    served->spec = (struct object_spec){.kind = (uint8_t)served->object->kind, .single = true};
    HASH_ADD(hh, serve->objects, id, sizeof served->id, served);
    serve->waiter->port_uses++;
    return DRAGON_OK;
}

dragon_err_t serve_add_shard(struct serve *serve, struct shard_view *view)
{
    struct served *served = calloc(1, sizeof *served);
    if (!served)
        return DRAGON_ERR_NOMEM;
    served->object = &view->shard->object;
    served->id = served->object->id;
    served->spec = (struct object_spec){.kind = OBJECT_SHARD, .single = SINGLE_ONE};
    served->view = view;
    HASH_ADD(hh, serve->objects, id, sizeof served->id, served);
    serve->waiter->port_uses++;
    return DRAGON_OK;
}

void serve_remove(struct serve *serve, uint64_t object)
{
    enum { ROUNDS = 1000 };
    struct served *served;
    for (int i = 0; i < ROUNDS && data_port_progress(serve->waiter->port); i++)
        serve_turn(serve);
    HASH_FIND(hh, serve->objects, &object, sizeof object, served);
    if (!served)
        return;
    struct connection *connection, *next_connection;
    DL_FOREACH_SAFE(serve->connections, connection, next_connection)
    {
        struct use *use, *next;
        HASH_ITER (hh, connection->uses, use, next) {
            if (use->served != served)
                continue;
            sends_drop(use, true);
            pairs_drop(connection, use, DRAGON_ERR_PEER);
            use->served = NULL;
            struct cu_handle moved = {.handle = use->handle};
            reply(connection, CU_MOVED, &moved, sizeof moved);
            if (use->leaving)
                use_gone(use);
        }
    }
    served_destroy(serve, served);
    serve->waiter->port_uses--;
}

// ---- turns

static bool ring_may_go_on(const struct served *served, const struct waitset *set)
{
    struct ring *ring = served_ring(served);
    if (!served_is_ring(served))
        return true; // whoever is woken for nothing looks and sleeps again
    if (set == &ring->receivers)
        return ring_readable(ring);
    return set != &ring->senders || ring_writable(ring);
}

// Whoever rang us may have meant one of those who sleep here instead.
static void pass_on(struct serve *serve, struct served *served)
{
    for (uint32_t i = 0; i < served->entered_count; i++) {
        if (served->rung[i] && ring_may_go_on(served, served->entered[i]))
            space_wake_one(serve->waiter->space, served->entered[i]);
    }
    served->entered_count = 0;
}

bool serve_turn(struct serve *serve)
{
    serve->did = serve->lacks_memory = false;
    if (!serve->all)
        serve->waiter->nap_ns = 0;
    if (serve->losses != atomic_load(&serve->waiter->space->board->losses))
        connections_look_for_losses(serve);
    if (!serve->waiting && !serve->telling)
        return false;
    struct served *served, *next;
    DL_FOREACH_SAFE(serve->waiting, served, next)
    {
        if (served->blocked)
            sends_turn(serve, served);
        if (served->parked)
            asks_turn(serve, served);
        if (served->pairs)
            pairs_turn(serve, served);
        served_waits(serve, served);
    }
    sends_tell(serve);
    if (!serve->all && serve->lacks_memory)
        serve->waiter->nap_ns = MEMORY_AGAIN_MS * INT64_C(1000000);
    return serve->did;
}

void serve_received(struct serve *serve)
{
    if (serve->telling)
        sends_tell(serve);
}

bool serve_parked(const struct serve *serve)
{
    return serve->waiting || serve->telling;
}

static void enter_set(struct serve *serve, struct served *served, struct waitset *set)
{
    if (!set || served->entered_count == SERVE_SETS)
        return;
    for (uint32_t i = 0; i < served->entered_count; i++)
        if (served->entered[i] == set)
            return;
    waitset_enter(set, serve->waiter->space->slot);
    served->rung[served->entered_count] = false;
    served->entered[served->entered_count++] = set;
}

static struct waitset *parked_set(const struct served *served, const struct parked *parked)
{
    if (parked->type == CU_CALL)
        return sync_set(served->object, &parked->call);
    return &served_ring(served)->receivers;
}

void serve_enter(struct serve *serve)
{
    struct served *served;
    DL_FOREACH(serve->waiting, served)
    {
        served->entered_count = 0;
        if (served->blocked)
            enter_set(serve, served, &served_ring(served)->senders);
        struct parked *parked;
        DL_FOREACH(served->parked, parked)
        {
            enter_set(serve, served, parked_set(served, parked));
            if (parked->type == CU_POLL && (parked->events & DRAGON_POLL_SEND))
                enter_set(serve, served, &served_ring(served)->senders);
        }
    }
}

void serve_leave(struct serve *serve)
{
    uint32_t slot = serve->waiter->space->slot;
    struct served *served, *next;
    HASH_ITER (hh, serve->objects, served, next) {
        for (uint32_t i = 0; i < served->entered_count; i++)
            served->rung[i] = !waitset_leave(served->entered[i], slot);
        if (served->entered_count > 0) {
            if (served->blocked)
                sends_turn(serve, served);
            if (served->parked)
                asks_turn(serve, served);
            served_waits(serve, served);
            pass_on(serve, served);
        }
    }
}

int64_t serve_sleep_ns(const struct serve *serve)
{
    return serve->lacks_memory ? MEMORY_AGAIN_MS * INT64_C(1000000) : -1;
}
