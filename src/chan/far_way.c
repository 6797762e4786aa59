// SPDX-License-Identifier: BSD-3-Clause
//
// Ways: an object that is open on a connection. Everything goes the way of the home node's transport, but for shards, which
// their managers serve. Of a channel with
// a single receiver the messages up to CHAN_COPIED go straight to that receiver, as soon as there is a way to it.
// Larger ones do not, because a receiver that computes would hold up their sender in the middle; the transport is
// always there.
//
// A sender changes from one way to the other only when everything it has sent is in, so its messages keep their order
// and none is sent twice. It goes on with the one until the other is open: that takes until the receiver is in a call
// of its own.
#include "config.h"

#include "chan/far_parts.h"

enum {
    MOVE_WAIT_MS = 20,    // for what is under way to be in
    MOVE_AGAIN = 256,     // sends later when it was not
    OPEN_LEAST_MS = 1000, // that the call waits with which it begins, whatever its deadline
    OPEN_TRIES = 6,
    OPEN_AGAIN_MS = 5, // then twice as long
};

void far_way_lost(struct far_way *way)
{
    struct far_object *object = way->object;
    bool waits = !way->known || way->awaited;
    far_sends_lost(way);
    ids_remove(&object->far->ways, way->handle);
    way->peer->ways--; // it is freed by who calls us
    *way = (struct far_way){.object = object};
    if (waits) { // calls that wait see it here
        way->known = true;
        way->answer = DRAGON_ERR_PEER;
    }
}

static bool way_known(void *arg)
{
    const struct far_way *way = arg;
    return way->known;
}

void far_on_opened(struct far *far, struct far_peer *peer, const struct cu_opened *opened)
{
    struct far_way *way = ids_find(&far->ways, opened->handle);
    if (!way || way->peer != peer || way->known)
        return; // given up in the meantime
    way->known = true;
    way->answer = (dragon_err_t)opened->error;
    way->open = opened->error == DRAGON_OK;
    // A single receiver may serve its channel itself by now: the first send asks.
    way->moved = way->open && way == &way->object->home && way->object->spec.single;
    way->credits = opened->credits;
}

static dragon_err_t way_begin(struct far_way *way, struct far_peer *peer)
{
    struct far_object *object = way->object;
    struct far *far = object->far;
    *way = (struct far_way){.object = object};
    way->handle = ids_add(&far->ways, way);
    if (way->handle == 0)
        return DRAGON_ERR_NOMEM;
    way->peer = peer;
    peer->ways++;
    struct cu_open open = {.handle = way->handle, .object = object->id, .kind = object->spec.kind};
    far_peer_send(peer, CU_OPEN, &open, sizeof open);
    return DRAGON_OK;
}

void far_way_leave(struct far_way *way)
{
    struct far_object *object = way->object;
    struct far_peer *peer = way->peer;
    if (!peer)
        return;
    struct cu_handle leave = {.handle = way->handle};
    if (way->open || !way->known)
        far_peer_send(peer, CU_LEAVE, &leave, sizeof leave);
    ids_remove(&object->far->ways, way->handle);
    *way = (struct far_way){.object = object};
    far_peer_unref(peer);
}

// A shard is only served by its manager.
static dragon_err_t find_manager(struct far_object *object, struct far_peer **peer_out)
{
    struct far *far = object->far;
    bool direct;
    dragon_err_t err = far_route(far, object->node, object->id, &direct, peer_out, far->why);
    if (err == DRAGON_OK && !direct)
        err = err_set(far->why, DRAGON_ERR_PEER, "the manager on node %u does not serve its shard",
                      object->node);
    return err;
}

static dragon_err_t begin_home(struct far_object *object)
{
    struct far_way *way = &object->home;
    struct far *far = object->far;
    struct far_peer *peer;
    dragon_err_t err = object->spec.kind == OBJECT_SHARD
                           ? find_manager(object, &peer)
                           : far_transport(far, object->node, &peer, far->why);
    if (err == DRAGON_OK)
        err = way_begin(way, peer);
    way->begun_ns = (int64_t)time_now_ns();
    return err;
}

// A call that cannot wait so long leaves it to the next one to wait on. The one that begins may be late.
static dragon_err_t open_home(struct far_object *object, int64_t deadline_ns)
{
    struct far_way *way = &object->home;
    dragon_err_t err = way->peer ? DRAGON_OK : begin_home(object);
    if (err != DRAGON_OK)
        return err;
    int64_t least = way->begun_ns + OPEN_LEAST_MS * INT64_C(1000000);
    int64_t most = way->begun_ns + FAR_ANSWER_MS * INT64_C(1000000);
    int64_t limit = deadline_ns < least ? least : deadline_ns < most ? deadline_ns : most;
    err = far_wait(object->far, way_known, way, DRAGON_WAIT_ADAPTIVE, NULL, limit);
    if (err == DRAGON_ERR_TIMEOUT && limit < most)
        return err;
    if (err == DRAGON_OK)
        err = way->answer;
    if (err == DRAGON_OK) {
        if (object->far->why)
            object->far->why->code = DRAGON_OK;
        return DRAGON_OK;
    }
    if (way->peer && err == DRAGON_ERR_TIMEOUT)
        far_peer_lost(way->peer); // it does not answer: not to be tried for every call again
    else
        far_way_leave(way);
    return err_set(object->far->why, err, "node %u does not let us use the %s there: %s",
                   object->node, object_kind_names[object->spec.kind], dragon_err_text(err));
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

dragon_err_t far_home(struct far_object *object, int64_t deadline_ns)
{
    struct far_way *way = &object->home;
    dragon_err_t err = DRAGON_OK;
    wait_look_for_losses(object->far->waiter);
    // When a transport has just died, the keeper there may still tell its address.
    for (int try = 0; !way->open && try < OPEN_TRIES; try++) {
        if (err == DRAGON_ERR_PEER)
            (void)far_wait(object->far, never, NULL, DRAGON_WAIT_IDLE, NULL,
                           far_deadline(OPEN_AGAIN_MS << try));
        err = open_home(object, deadline_ns);
        if (err != DRAGON_ERR_PEER ||
            board_is_lost(object->far->waiter->space->board, object->node))
            break;
    }
    return err;
}

void far_on_moved(struct far *far, struct far_peer *peer, const struct cu_handle *moved)
{
    struct far_way *way = ids_find(&far->ways, moved->handle);
    if (way && way->peer == peer)
        way->moved = true;
}

// ---- the direct way

// Asks who serves the channel, and begins to open the way when it is the receiver.
static void look_for_direct(struct far_object *object)
{
    struct far_peer *peer;
    bool direct;
    object->home.moved = false;
    if (object->direct.peer ||
        far_route(object->far, object->node, object->id, &direct, &peer, NULL) != DRAGON_OK ||
        !direct)
        return;
    object->move_at = object->home.sent;
    (void)way_begin(&object->direct, peer);
}

// The receiver leaves, or is none: it takes no more.
static dragon_err_t leave_direct(struct far_object *object, const struct far_call *how)
{
    struct far_way *way = &object->direct;
    dragon_err_t err = DRAGON_OK;
    if (way->open)
        err = far_drain(way, how->wait, how->deadline_ns);
    if (err != DRAGON_ERR_TIMEOUT)
        far_way_leave(way);
    return err;
}

// When the way is open, or nearly, and what went the other way is in, or nearly, it is taken.
static void try_direct(struct far_object *object, const struct far_call *how)
{
    struct far_way *way = &object->direct;
    if (wire_after(object->move_at, object->home.sent))
        return;
    int64_t limit = far_deadline(MOVE_WAIT_MS);
    if (limit > how->deadline_ns)
        limit = how->deadline_ns;
    dragon_err_t err = far_wait(object->far, way_known, way, how->wait, NULL, limit);
    if (err == DRAGON_OK && way->open)
        err = far_wait_drained(&object->home, how->wait, limit);
    if (err != DRAGON_OK)
        object->move_at = object->home.sent + MOVE_AGAIN; // it computes, or the channel is full
    else
        way->used = way->open;
}

dragon_err_t far_send_way(struct far_object *object, bool large, const struct far_call *how,
                          struct far_way **way_out)
{
    struct far_way *direct = &object->direct, *home = &object->home;
    dragon_err_t err = DRAGON_OK;
    wait_look_for_losses(object->far->waiter);
    if (direct->moved || (direct->peer && direct->known && !direct->open))
        err = leave_direct(object, how);
    if (err == DRAGON_OK && home->moved)
        look_for_direct(object);
    if (err == DRAGON_OK && direct->peer && !direct->used && !large)
        try_direct(object, how);
    if (err == DRAGON_OK && direct->used && large)
        err = far_wait_drained(direct, how->wait, how->deadline_ns);
    if (err == DRAGON_OK)
        err = far_take_failed(object);
    if (err != DRAGON_OK)
        return err;
    *way_out = direct->used && !large ? direct : home;
    return *way_out == direct ? DRAGON_OK : far_home(object, how->deadline_ns);
}
