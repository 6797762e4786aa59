// SPDX-License-Identifier: BSD-3-Clause
//
// Sending and receiving. A message begins with the key of its connection; it is by this that its sender is known.
#include "config.h"

#include "net/data_internal.h"

static void on_ucx_sent(void *ucx_request, ucs_status_t status, void *arg)
{
    struct data_request *request = (struct data_request *)arg;
    request->peer->port->ucx->ucp_request_free(ucx_request);
    request_finish(request, status == UCS_OK ? DRAGON_OK : DRAGON_ERR_PEER);
}

static size_t add_key(const struct data_peer *peer, uint8_t *out, const void *header,
                      size_t header_bytes)
{
    struct data_key key = {.port = peer->port->id, .number = peer->key.number};
    memcpy(out, &key, sizeof key);
    if (header_bytes)
        memcpy(out + sizeof key, header, header_bytes);
    return sizeof key + header_bytes;
}

// READY makes UCX pair the endpoints.
static unsigned flags_of(unsigned id)
{
    return id == MESSAGE_READY ? UCP_AM_SEND_FLAG_REPLY | UCP_AM_SEND_FLAG_EAGER
                               : UCP_AM_SEND_FLAG_EAGER;
}

// From the user's memory right into UCX's. AGAIN: it has no room now, or the peer is not connected yet.
static dragon_err_t send_at_once(struct data_peer *peer, unsigned id, const uint8_t *header,
                                 size_t header_bytes, const void *payload, size_t bytes)
{
    ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FLAG_FORCE_IMM_CMPL,
        .flags = flags_of(id),
    };
    ucs_status_ptr_t sending = peer->port->ucx->ucp_am_send_nbx(
        peer->endpoint, id, header, header_bytes, payload, bytes, &param);
    if (!sending)
        return DRAGON_OK;
    return UCS_PTR_STATUS(sending) == UCS_ERR_NO_RESOURCE ? DRAGON_ERR_AGAIN : DRAGON_ERR_PEER;
}

static void start_request(struct data_request *request)
{
    struct data_peer *peer = request->peer;
    const struct data_ucx *ucx = peer->port->ucx;
    ucp_request_param_t param = {
        .op_attr_mask =
            UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS,
        .cb.send = on_ucx_sent,
        .user_data = request,
        .flags = request->on_done ? 0 : flags_of(request->id),
    };
    ucs_status_ptr_t sending;
    if (request->id == MESSAGE_FLUSH) {
        param.op_attr_mask &= ~(uint32_t)UCP_OP_ATTR_FIELD_FLAGS;
        sending = ucx->ucp_ep_flush_nbx(peer->endpoint, &param);
    } else {
        sending =
            ucx->ucp_am_send_nbx(peer->endpoint, request->id, request->header,
                                 request->header_bytes, request->payload, request->bytes, &param);
    }
    if (!UCS_PTR_IS_PTR(sending))
        request_finish(request, sending ? DRAGON_ERR_PEER : DRAGON_OK);
}

static void hold(struct data_request *request)
{
    struct data_peer *peer = request->peer;
    request->next_held = NULL;
    *peer->held_end = request;
    peer->held_end = &request->next_held;
    peer->port->held++;
}

static bool holds(const struct data_peer *peer, unsigned id)
{
    return id != MESSAGE_READY && (peer->held || !peer->is_ready);
}

static struct data_request *take_held(struct data_peer *peer)
{
    struct data_request *request = peer->held;
    if (!request)
        return NULL;
    if (!(peer->held = request->next_held))
        peer->held_end = &peer->held;
    peer->port->held--;
    return request;
}

// These need no pair of endpoints if they go at once. (Nothing else may follow a HELLO before it is answered: UCX loses
// what it finds there, when an endpoint is made in between.)
static bool may_go(const struct data_peer *peer, unsigned id)
{
    return peer->is_ready || id == MESSAGE_HELLO || id == MESSAGE_WELCOME;
}

unsigned message_try_held(struct data_peer *peer)
{
    unsigned count = 0;
    struct data_request *request;
    while ((request = peer->held) && !request->on_done && may_go(peer, request->id)) {
        dragon_err_t err = send_at_once(peer, request->id, request->header, request->header_bytes,
                                        request->payload, request->bytes);
        if (err == DRAGON_ERR_AGAIN)
            break;
        request_finish(take_held(peer), err);
        count++;
    }
    return count;
}

void message_send_held(struct data_peer *peer)
{
    struct data_request *request;
    peer->port->is_busy = true;
    while ((request = take_held(peer)))
        start_request(request);
}

void message_drop_held(struct data_peer *peer)
{
    struct data_request *request;
    while ((request = take_held(peer)))
        request_finish(request, DRAGON_ERR_PEER);
}

static dragon_err_t send_request(struct data_peer *peer, unsigned id, const void *header,
                                 size_t header_bytes, const void *payload, size_t bytes,
                                 void (*on_sent)(void *arg, dragon_err_t err), void *arg)
{
    struct data_request *request = request_take(peer);
    if (!request)
        return DRAGON_ERR_NOMEM;
    request->id = id;
    request->header_bytes = add_key(peer, request->header, header, header_bytes);
    if (!on_sent && bytes) {
        if (!request_copy(request, payload, bytes)) {
            request_finish(request, DRAGON_ERR_NOMEM);
            return DRAGON_ERR_NOMEM;
        }
        payload = request->copy->bytes;
    }
    request->payload = payload;
    request->bytes = bytes;
    request->on_done = on_sent;
    request->arg = arg;
    if (holds(peer, id))
        hold(request);
    else
        start_request(request);
    return DRAGON_OK;
}

dragon_err_t message_send(struct data_peer *peer, unsigned id, const void *header,
                          size_t header_bytes, const void *payload, size_t bytes,
                          void (*on_sent)(void *arg, dragon_err_t err), void *arg)
{
    peer->port->is_busy = true;
    if (id != MESSAGE_READY && !on_sent && !peer->held && may_go(peer, id)) {
        uint8_t whole[sizeof(struct data_key) + DATA_HEADER];
        size_t whole_bytes = add_key(peer, whole, header, header_bytes);
        dragon_err_t err = send_at_once(peer, id, whole, whole_bytes, payload, bytes);
        if (err != DRAGON_ERR_AGAIN)
            return err;
    }
    return send_request(peer, id, header, header_bytes, payload, bytes, on_sent, arg);
}

dragon_err_t message_flush(struct data_peer *peer, void (*on_done)(void *arg, dragon_err_t err),
                           void *arg)
{
    struct data_request *request = request_take(peer);
    if (!request)
        return DRAGON_ERR_NOMEM;
    request->id = MESSAGE_FLUSH;
    request->on_done = on_done;
    request->arg = arg;
    if (peer->held)
        hold(request);
    else
        start_request(request);
    return DRAGON_OK;
}

dragon_err_t data_send(struct data_peer *peer, uint8_t type, const void *header,
                       size_t header_bytes, const void *payload, size_t bytes,
                       void (*on_sent)(void *arg, dragon_err_t err), void *arg)
{
    if (header_bytes > DATA_HEADER || (!on_sent && bytes > DATA_COPIED))
        return DRAGON_ERR_INVAL;
    if (peer->state != PEER_OPEN || peer->is_closed)
        return peer->is_closed ? DRAGON_ERR_CLOSED : DRAGON_ERR_PEER;
    return message_send(peer, type, header, header_bytes, payload, bytes, on_sent, arg);
}

// ---------------------------------------------------------------- receiving

// A message whose payload is still at its sender is kept until it is received or refused.
static ucs_status_t keep_incoming(struct data_peer *peer, uint8_t type,
                                  struct data_message *message, void *descriptor)
{
    struct data_port *port = peer->port;
    struct data_request *request = request_take(peer);
    if (!request) {
        peer_set_state(peer,
                       PEER_BROKEN); // a message that is passed over in silence would be worse
        return UCS_OK;
    }
    request->descriptor = descriptor;
    request->bytes = message->bytes;
    message->incoming = request;
    port->arriving = request;
    port->handler.on_message(port->handler_arg, peer, type, message);
    bool refused = !port->arriving;
    port->arriving = NULL;
    return refused ? UCS_OK : UCS_INPROGRESS;
}

// What is between the ports, and no message of their users.
static void about_connection(struct data_peer *peer, unsigned id)
{
    if (id == MESSAGE_BYE)
        peer_set_state(peer, PEER_LEFT);
    else if (id == MESSAGE_WELCOME)
        peer_pair(peer);
    else
        peer_ready(peer);
}

ucs_status_t message_arrived(void *arg, const void *header, size_t header_bytes, void *data,
                             size_t bytes, const ucp_am_recv_param_t *param)
{
    const struct data_handler_arg *handler_arg = (const struct data_handler_arg *)arg;
    struct data_port *port = handler_arg->port;
    bool is_elsewhere = param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV;
    struct data_key key;
    if (header_bytes < sizeof key)
        return UCS_OK;
    memcpy(&key, header, sizeof key);
    if (handler_arg->id == MESSAGE_HELLO) {
        if (!is_elsewhere)
            peer_welcome(port, &key, data, bytes);
        return UCS_OK;
    }
    struct data_peer *peer = peer_find(port, &key);
    if (!peer || peer->state > PEER_LEAVING)
        return UCS_OK;
    if (handler_arg->id >= MESSAGE_HELLO) {
        about_connection(peer, handler_arg->id);
        return UCS_OK;
    }
    if (peer->is_closed)
        return UCS_OK;
    peer->is_shown = true;
    struct data_message message = {.header = (const uint8_t *)header + sizeof key,
                                   .header_bytes = header_bytes - sizeof key,
                                   .bytes = bytes,
                                   .data = bytes && !is_elsewhere ? data : NULL};
    if (is_elsewhere)
        return keep_incoming(peer, (uint8_t)handler_arg->id, &message, data);
    port->handler.on_message(port->handler_arg, peer, (uint8_t)handler_arg->id, &message);
    return UCS_OK;
}

static void on_ucx_received(void *ucx_request, ucs_status_t status, size_t length, void *arg)
{
    (void)length;
    struct data_request *request = (struct data_request *)arg;
    request->peer->port->ucx->ucp_request_free(ucx_request);
    request_finish(request, status == UCS_OK ? DRAGON_OK : DRAGON_ERR_PEER);
}

// Gives back what UCX has of a payload that nobody wants.
void incoming_drop(struct data_request *request)
{
    struct data_port *port = request->peer->port;
    if (port->arriving == request)
        port->arriving = NULL;
    else
        port->ucx->ucp_am_data_release(port->worker, request->descriptor);
    port->is_busy = true;
    request->descriptor = NULL;
}

dragon_err_t data_receive(struct data_port *port, void *incoming, void *buffer, size_t bytes,
                          void (*on_received)(void *arg, dragon_err_t err), void *arg)
{
    struct data_request *request = (struct data_request *)incoming;
    if (bytes < request->bytes)
        return DRAGON_ERR_TOO_BIG;
    request->on_done = on_received;
    request->arg = arg;
    if (request->peer->state > PEER_LEAVING) {
        incoming_drop(request);
        request_finish(request, DRAGON_ERR_PEER);
        return DRAGON_OK;
    }
    ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .cb.recv_am = on_ucx_received,
        .user_data = request,
    };
    void *descriptor = request->descriptor;
    request->descriptor = NULL;
    port->is_busy = true;
    ucs_status_ptr_t receiving =
        port->ucx->ucp_am_recv_data_nbx(port->worker, descriptor, buffer, request->bytes, &param);
    if (!UCS_PTR_IS_PTR(receiving))
        request_finish(request, receiving ? DRAGON_ERR_PEER : DRAGON_OK);
    return DRAGON_OK;
}

void data_refuse(struct data_port *port, void *incoming)
{
    (void)port;
    struct data_request *request = (struct data_request *)incoming;
    incoming_drop(request);
    request_finish(request, DRAGON_OK);
}
