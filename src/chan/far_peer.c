// SPDX-License-Identifier: BSD-3-Clause
//
// Connections. The keeper knows who serves an object (KC_ROUTE); a connection begins with the runtime's key. A lost one
// is forgotten with all that hangs on it, and the next call that needs it asks for the route again: by then there may
// be a new transport.
#include "config.h"

#include "chan/far_parts.h"

#include <stdlib.h>
#include <utlist.h>

void far_peer_send(struct far_peer *peer, uint8_t type, const void *header, size_t bytes)
{
    // What cannot be sent is a connection that is lost, which we are told of.
    (void)data_send(peer->data, type, header, bytes, NULL, 0, NULL, NULL);
}

void far_peer_lost(struct far_peer *peer)
{
    struct far *far = peer->far;
    far_requests_lost(far, peer);
    struct far_object *object;
    DL_FOREACH(far->objects, object)
    {
        if (object->home.peer == peer)
            far_way_lost(&object->home);
        if (object->direct.peer == peer)
            far_way_lost(&object->direct);
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

dragon_err_t far_route(struct far *far, uint32_t node, uint64_t object, bool *direct_out,
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

dragon_err_t far_transport(struct far *far, uint32_t node, struct far_peer **peer_out,
                           dragon_error_t *error)
{
    bool direct;
    *peer_out = peer_find_transport(far, node);
    return *peer_out ? DRAGON_OK : far_route(far, node, 0, &direct, peer_out, error);
}

void far_peer_unref(struct far_peer *peer)
{
    if (--peer->ways > 0 || peer->transport)
        return;
    data_peer_close(peer->data, true);
    DL_DELETE(peer->far->peers, peer);
    free(peer);
}
