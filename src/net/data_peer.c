// SPDX-License-Identifier: BSD-3-Clause
//
// Peers, and how they come and go.
//
// Who connects says HELLO with its own address. The other side asks UCX for an endpoint to that address, and says
// WELCOME. Only then, when TCP's connection stands in both directions, the endpoints are paired (READY), so that UCX's
// greeting is answered in the same moment: an answer that has to wait ends the process that gives it, if the other one
// dies just then (an assertion in UCX before 1.14). Until then everything else is held. Where both sides connect at the
// same time, each takes the HELLO of the other one for its WELCOME. With RDMA UCX pairs endpoints by other means.
//
// Who closes says BYE behind everything that was sent; the other side tells its user, says BYE in turn, and both close
// the connection.
#include "config.h"

#include "net/data_internal.h"

static void on_failure(void *arg, ucp_ep_h endpoint, ucs_status_t status)
{
    (void)endpoint, (void)status;
    peer_set_state((struct data_peer *)arg, PEER_BROKEN);
}

static struct data_peer *peer_create(struct data_port *port, void *arg)
{
    struct data_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->port = port;
    peer->arg = arg;
    peer->held_end = &peer->held;
    peer->is_ready = port->has_rdma;
    peer->next = port->peers;
    if (peer->next)
        peer->next->previous = peer;
    port->peers = peer;
    return peer;
}

static void peer_free(struct data_peer *peer)
{
    if (peer->previous)
        peer->previous->next = peer->next;
    else
        peer->port->peers = peer->next;
    if (peer->next)
        peer->next->previous = peer->previous;
    free(peer);
}

static struct data_remote *remote_find(struct data_port *port, uint64_t id)
{
    struct data_remote *remote;
    HASH_FIND(hh, port->remotes, &id, sizeof id, remote);
    if (remote || !(remote = calloc(1, sizeof *remote)))
        return remote;
    remote->port = id;
    HASH_ADD(hh, port->remotes, port, sizeof remote->port, remote);
    return remote;
}

void peers_forget(struct data_port *port)
{
    struct data_remote *remote, *next;
    HASH_ITER (hh, port->remotes, remote, next) {
        HASH_DEL(port->remotes, remote);
        free(remote);
    }
}

static ucs_status_t open_endpoint(struct data_peer *peer, struct data_remote *remote,
                                  const ucp_address_t *address)
{
    struct data_port *port = peer->port;
    ucp_ep_params_t params = {
        .field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER,
        .address = address,
        .err_mode = UCP_ERR_HANDLING_MODE_PEER,
        .err_handler = {.cb = on_failure, .arg = peer},
    };
    ucs_status_t status = port->ucx->ucp_ep_create(port->worker, &params, &peer->endpoint);
    peer->key = (struct data_key){.port = remote->port, .number = remote->count++};
    if (status == UCS_OK)
        HASH_ADD(hh, port->by_key, key, sizeof peer->key, peer);
    else
        peer->endpoint = NULL;
    return status;
}

static void forget_endpoint(struct data_peer *peer)
{
    struct data_port *port = peer->port;
    if (!peer->endpoint)
        return;
    HASH_DELETE(hh, port->by_key, peer);
    if (port->recent == peer)
        port->recent = NULL;
    peer->endpoint = NULL;
}

// What is still under way on it ends with an error, some turns later.
static void close_endpoint(struct data_peer *peer)
{
    const struct data_ucx *ucx = peer->port->ucx;
    ucp_ep_h endpoint = peer->endpoint;
    ucp_request_param_t param = {.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS,
                                 .flags = UCP_EP_CLOSE_FLAG_FORCE};
    forget_endpoint(peer);
    message_drop_held(peer);
    peer->state = PEER_CUT;
    ucs_status_ptr_t closing = ucx->ucp_ep_close_nbx(endpoint, &param);
    if (UCS_PTR_IS_PTR(closing))
        ucx->ucp_request_free(closing);
}

static bool keys_equal(const struct data_key *a, const struct data_key *b)
{
    return a->port == b->port && a->number == b->number;
}

struct data_peer *peer_find(struct data_port *port, const struct data_key *key)
{
    if (port->recent && keys_equal(&port->recent->key, key))
        return port->recent;
    struct data_peer *peer;
    HASH_FIND(hh, port->by_key, key, sizeof *key, peer);
    if (peer)
        port->recent = peer;
    return peer;
}

void peer_touch(struct data_peer *peer)
{
    if (peer->is_touched)
        return;
    peer->is_touched = true;
    peer->next_touched = peer->port->touched;
    peer->port->touched = peer;
}

void peer_set_state(struct data_peer *peer, enum peer_state state)
{
    peer->state = state;
    peer_touch(peer);
}

// Its end comes in a moment even if the other side does not answer.
static void limit(struct data_peer *peer)
{
    enum { MOMENT_MS = 1000 };
    struct data_port *port = peer->port;
    if (peer->cut_ms)
        return;
    peer->cut_ms = time_now_ms() + MOMENT_MS;
    if (!port->next_cut_ms)
        port->next_cut_ms = peer->cut_ms;
}

void peers_cut(struct data_port *port)
{
    uint64_t now = time_now_ms();
    if (now < port->next_cut_ms)
        return;
    port->next_cut_ms = 0;
    for (struct data_peer *peer = port->peers; peer; peer = peer->next) {
        if (!peer->cut_ms || peer->state == PEER_CUT)
            continue;
        if (peer->cut_ms <= now)
            peer_set_state(peer, PEER_BROKEN);
        else if (!port->next_cut_ms || peer->cut_ms < port->next_cut_ms)
            port->next_cut_ms = peer->cut_ms;
    }
}

static void on_flushed(void *arg, dragon_err_t err)
{
    (void)err;
    struct data_peer *peer = (struct data_peer *)arg;
    if (peer->state == PEER_PARTED)
        peer_set_state(peer, PEER_BROKEN);
}

static bool say_bye(struct data_peer *peer)
{
    if (!peer->said_bye && message_send(peer, MESSAGE_BYE, NULL, 0, NULL, 0, NULL, NULL))
        return false;
    peer->said_bye = true;
    return true;
}

static void part(struct data_peer *peer)
{
    peer->state = PEER_PARTED;
    limit(peer);
    if (!say_bye(peer) || message_flush(peer, on_flushed, peer))
        peer->state = PEER_BROKEN;
}

static void leave(struct data_peer *peer)
{
    peer->state = PEER_LEAVING;
    if (!peer->flush)
        limit(peer);
    if (!say_bye(peer))
        peer_set_state(peer, PEER_BROKEN);
}

static void tell_lost(struct data_peer *peer)
{
    struct data_port *port = peer->port;
    peer->is_told = true;
    if (peer->is_shown)
        port->handler.on_lost(port->handler_arg, peer);
    else
        peer->is_closed = true; // nobody else will
}

static void drop_incoming(struct data_peer *peer)
{
    struct data_request *next;
    for (struct data_request *request = peer->requests; request; request = next) {
        next = request->next;
        if (request->descriptor) {
            incoming_drop(request);
            request_finish(request, DRAGON_ERR_PEER);
        }
    }
}

// Brings a peer to where it has to be.
void peer_settle(struct data_peer *peer)
{
    if (peer->state == PEER_LEFT)
        part(peer);
    if (peer->state == PEER_BROKEN)
        close_endpoint(peer);
    if (peer->state > PEER_LEAVING && !peer->is_told && !peer->is_closed)
        tell_lost(peer);
    if (!peer->is_closed || peer->is_touched)
        return;
    if (peer->port->ending)
        drop_incoming(peer);
    if (peer->state == PEER_OPEN && (!peer->flush || !peer->unfinished))
        leave(peer);
    if (peer->state == PEER_CUT && !peer->unfinished)
        peer_free(peer);
}

void peer_end(struct data_peer *peer)
{
    while (peer->requests)
        request_finish(peer->requests, DRAGON_ERR_PEER);
    requests_tell(peer->port);
    forget_endpoint(peer);
    peer_free(peer);
}

// Where both sides connect at the same time there is one connection. Otherwise ours may have a number whose HELLO is
// still to come, or none any more: all up to it are opened.
void peer_welcome(struct data_port *port, const struct data_key *key, const void *address,
                  size_t length)
{
    enum { AHEAD = 64 };
    const ucp_address_t *inner;
    uint64_t id;
    if (port->ending || address_check(port->ucx, address, length, &id, &inner, NULL) ||
        id != key->port)
        return;
    struct data_remote *remote = remote_find(port, id);
    if (!remote || key->number >= remote->count + AHEAD)
        return;
    while (remote->count <= key->number) {
        struct data_peer *peer = peer_create(port, NULL);
        if (!peer)
            return;
        if (open_endpoint(peer, remote, inner) != UCS_OK) {
            peer_free(peer);
            return;
        }
    }
    sockets_accepted(&port->sockets);
    struct data_peer *peer = peer_find(port, key);
    if (peer && peer->connects)
        peer_pair(peer);
    else if (peer && message_send(peer, MESSAGE_WELCOME, NULL, 0, NULL, 0, NULL, NULL))
        peer_set_state(peer, PEER_BROKEN);
}

// Also when we do not need it: the other side waits for it, and may be without RDMA where we have it.
void peer_pair(struct data_peer *peer)
{
    if (message_send(peer, MESSAGE_READY, NULL, 0, NULL, 0, NULL, NULL))
        peer_set_state(peer, PEER_BROKEN);
    else
        peer_ready(peer);
}

void peer_ready(struct data_peer *peer)
{
    if (peer->is_ready || peer->state >= PEER_BROKEN)
        return;
    peer->is_ready = true;
    message_send_held(peer);
}

dragon_err_t data_peer_connect(struct data_port *port, const void *address, size_t length,
                               void *arg, struct data_peer **peer_out, dragon_error_t *error)
{
    const ucp_address_t *inner;
    uint64_t id;
    dragon_err_t err = address_check(port->ucx, address, length, &id, &inner, error);
    if (err)
        return err;
    struct data_remote *remote = remote_find(port, id);
    struct data_peer *peer = remote ? peer_create(port, arg) : NULL;
    if (!peer)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    sockets_before(&port->sockets);
    ucs_status_t status = open_endpoint(peer, remote, inner);
    sockets_after(&port->sockets);
    if (status != UCS_OK) {
        peer_free(peer);
        return err_set(error, data_err(status), "UCX cannot reach the other node: %s",
                       port->ucx->ucs_status_string(status));
    }
    peer->connects = true;
    err = message_send(peer, MESSAGE_HELLO, NULL, 0, port->address.data, port->address.length, NULL,
                       NULL);
    if (err) {
        data_peer_close(peer, false);
        return err_set(error, err, "UCX cannot reach the other node");
    }
    peer->is_shown = true;
    *peer_out = peer;
    return DRAGON_OK;
}

void data_peer_close(struct data_peer *peer, bool flush)
{
    peer->is_closed = true;
    peer->flush = flush;
    peer_touch(peer);
}

void data_peer_set_arg(struct data_peer *peer, void *arg)
{
    peer->arg = arg;
}

void *data_peer_arg(const struct data_peer *peer)
{
    return peer->arg;
}
