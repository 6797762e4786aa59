// SPDX-License-Identifier: BSD-3-Clause
//
// Connections, and the ways that use them. The keeper knows who serves an object (KC_ROUTE); a connection begins with the
// runtime's key, and an object is opened on it before it is used. A lost connection is forgotten with all that hangs on it, and
// the next call that needs it asks for the route again: by then there may be a new transport.
//
// A sender moves between the transport and a single receiver only when everything it has sent is in, so its messages
// keep their order and none is sent twice.
#include "config.h"

#include "chan/far_parts.h"

#include <stdlib.h>
#include <utlist.h>

enum {
    MOVE_WAIT_MS = 20, // for what is under way to be in
    MOVE_AGAIN = 256,  // sends later when it was not
};

void far_peer_send(struct far_peer *peer, uint8_t type, const void *header, size_t bytes)
{
    // What cannot be sent is a connection that is lost, which we are told of.
    (void)data_send(peer->data, type, header, bytes, NULL, 0, NULL, NULL);
}

static void way_forget(struct far_way *way)
{
    struct far_object *object = way->object;
    ids_remove(&object->far->ways, way->handle);
    way->peer->ways--;
    *way = (struct far_way){.object = object};
}

static void way_lost(struct far_way *way)
{
    bool opening = !way->known;
    bool awaited = way->awaited;
    far_sends_lost(way);
    way_forget(way);
    // Calls that wait see it here.
    if (opening)
        way->known = true;
    way->awaited = false;
    if (opening || awaited)
        way->answer = DRAGON_ERR_PEER;
}

void far_peer_lost(struct far_peer *peer)
{
    struct far *far = peer->far;
    far_requests_lost(far, peer);
    struct far_object *object;
    DL_FOREACH(far->objects, object)
    {
        if (object->home.peer == peer)
            way_lost(&object->home);
        if (object->direct.peer == peer)
            way_lost(&object->direct);
    }
    data_peer_close(peer->data, false);
    DL_DELETE(far->peers, peer);
    free(peer);
}

static struct far_peer *peer_find_transport(struct far *far, uint32_t node)
{
    struct far_peer *peer;
    DL_FOREACH(far->peers, peer)
    {
        if (peer->node == node && peer->transport)
            return peer;
    }
    return NULL;
}

static struct far_peer *peer_find(struct far *far, const void *address, size_t bytes)
{
    struct far_peer *peer;
    DL_FOREACH(far->peers, peer)
    {
        if (peer->address_bytes == bytes && memcmp(peer->address, address, bytes) == 0)
            return peer;
    }
    return NULL;
}

static dragon_err_t peer_connect(struct far *far, uint32_t node, bool transport,
                                 const void *address, size_t bytes, struct far_peer **peer_out,
                                 dragon_error_t *error)
{
    struct far_peer *peer = calloc(1, sizeof *peer + bytes);
    if (!peer)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    peer->wire.side = WIRE_ASKED;
    peer->far = far;
    peer->node = node;
    peer->transport = transport;
    peer->address_bytes = bytes;
    memcpy(peer->address, address, bytes);
    dragon_err_t err = data_peer_connect(far->port, peer->address, bytes, peer, &peer->data, error);
    if (err != DRAGON_OK) {
        free(peer);
        return err;
    }
    DL_APPEND(far->peers, peer);
    const struct space *space = far->waiter->space;
    struct cu_hello hello = {
        .version = CHAN_WIRE_VERSION, .node = space->node, .process = space->slot};
    memcpy(hello.key, space->key, sizeof hello.key);
    far_peer_send(peer, CU_HELLO, &hello, sizeof hello);
    *peer_out = peer;
    return DRAGON_OK;
}

// Who serves the object now. `object` 0: the transport of the node.
static dragon_err_t route(struct far *far, uint32_t node, uint64_t object, bool *direct_out,
                          struct far_peer **peer_out, dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    struct unpack answer;
    pack_u32(&body, node);
    pack_u64(&body, object);
    dragon_err_t err =
        space_ask(far->waiter->space, KC_ROUTE, &body, KEEPER_ANSWER_MS, &answer, NULL, 0, error);
    if (err != DRAGON_OK)
        return err;
    bool direct = unpack_u8(&answer) != 0;
    size_t bytes;
    const void *address = unpack_bytes(&answer, &bytes);
    if (!unpack_done(&answer) || bytes == 0)
        return err_set(error, DRAGON_ERR_PROTO, "the agent's answer is not understood");
    *direct_out = direct;
    *peer_out = peer_find(far, address, bytes);
    if (*peer_out)
        return DRAGON_OK;
    return peer_connect(far, node, !direct, address, bytes, peer_out, error);
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
    way->credits = opened->credits;
}

static dragon_err_t way_open(struct far_way *way, struct far_peer *peer, dragon_error_t *error)
{
    struct far_object *object = way->object;
    struct far *far = object->far;
    *way = (struct far_way){.object = object};
    way->handle = ids_add(&far->ways, way);
    if (way->handle == 0)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    way->peer = peer;
    peer->ways++;
    struct cu_open open = {.handle = way->handle, .object = object->id, .kind = object->spec.kind};
    far_peer_send(peer, CU_OPEN, &open, sizeof open);
    dragon_err_t err =
        far_wait(far, way_known, way, DRAGON_WAIT_ADAPTIVE, NULL, far_deadline(FAR_ANSWER_MS));
    if (err == DRAGON_OK)
        err = way->answer;
    if (err == DRAGON_OK)
        return DRAGON_OK;
    if (way->peer && err == DRAGON_ERR_TIMEOUT)
        far_peer_lost(way->peer); // it does not answer: not to be tried for every call again
    else if (way->peer)
        far_way_leave(way);
    return err_set(error, err, "node %u does not let us use the %s there: %s", object->node,
                   object_kind_names[object->spec.kind], dragon_err_text(err));
}

void far_way_leave(struct far_way *way)
{
    struct far_peer *peer = way->peer;
    if (!peer)
        return;
    struct cu_handle leave = {.handle = way->handle};
    far_peer_send(peer, CU_LEAVE, &leave, sizeof leave);
    way_forget(way);
    if (peer->ways == 0 && !peer->transport) {
        data_peer_close(peer->data, true);
        DL_DELETE(peer->far->peers, peer);
        free(peer);
    }
}

dragon_err_t far_home(struct far_object *object, dragon_error_t *error)
{
    struct far *far = object->far;
    struct far_way *way = &object->home;
    if (way->open)
        return DRAGON_OK;
    struct far_peer *peer = peer_find_transport(far, object->node);
    bool direct;
    if (!peer) {
        dragon_err_t err = route(far, object->node, 0, &direct, &peer, error);
        if (err != DRAGON_OK)
            return err;
    }
    dragon_err_t err = way_open(way, peer, error);
    // A single receiver may serve its channel itself by now: the first send asks.
    way->moved = way->open && object->spec.single;
    return err;
}

void far_on_moved(struct far *far, struct far_peer *peer, const struct cu_handle *moved)
{
    struct far_way *way = ids_find(&far->ways, moved->handle);
    if (way && way->peer == peer) {
        way->moved = true;
        way->move_at = way->sent;
    }
}

// Looks for a direct way. Without one the sends go on to the home node's transport.
static void look_for_direct(struct far_object *object)
{
    struct far_peer *peer;
    bool direct;
    object->home.moved = false;
    if (route(object->far, object->node, object->id, &direct, &peer, NULL) == DRAGON_OK && direct)
        (void)way_open(&object->direct, peer, NULL);
}

dragon_err_t far_send_way(struct far_object *object, const struct far_call *how,
                          struct far_way **way_out)
{
    struct far_way *direct = &object->direct, *home = &object->home;
    if (direct->open && direct->moved) {
        // The receiver leaves: it takes no more.
        dragon_err_t err = far_drain(direct, how->wait, how->deadline_ns);
        if (err != DRAGON_OK)
            return err;
        far_way_leave(direct);
        look_for_direct(object);
    } else if (!direct->open && home->moved && !wire_after(home->move_at, home->sent)) {
        int64_t limit = far_deadline(MOVE_WAIT_MS);
        if (limit > how->deadline_ns)
            limit = how->deadline_ns;
        if (far_drain(home, how->wait, limit) == DRAGON_OK)
            look_for_direct(object);
        else
            home->move_at = home->sent + MOVE_AGAIN; // the channel is full: it goes on here
        dragon_err_t err = far_take_failed(object);
        if (err != DRAGON_OK)
            return err;
    }
    if (direct->open) {
        *way_out = direct;
        return DRAGON_OK;
    }
    dragon_err_t err = far_home(object, NULL);
    if (err == DRAGON_OK)
        *way_out = home;
    return err;
}
