// SPDX-License-Identifier: BSD-3-Clause
//
// Sending and receiving. Requests come from a list of spare ones.
#include "config.h"

#include "net/data_internal.h"

struct data_request *request_take(struct data_peer *peer)
{
    struct data_port *port = peer->port;
    struct data_request *request = port->spare;
    if (request)
        port->spare = request->next;
    else if (!(request = malloc(sizeof *request)))
        return NULL;
    request->peer = peer;
    request->next = peer->requests;
    request->link = &peer->requests;
    if (request->next)
        request->next->link = &request->next;
    peer->requests = request;
    request->on_done = NULL;
    request->err = DRAGON_OK;
    request->descriptor = NULL;
    peer->unfinished++;
    port->unfinished++;
    return request;
}

static void request_give_back(struct data_request *request)
{
    struct data_peer *peer = request->peer;
    struct data_port *port = peer->port;
    port->unfinished--;
    if (!--peer->unfinished && (peer->closed || peer->lost))
        peer_touch(peer);
    request->next = port->spare;
    port->spare = request;
}

void request_finish(struct data_request *request, dragon_err_t err)
{
    struct data_requests *done = &request->peer->port->done;
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
    request->err = err;
    request->next = NULL;
    *done->end = request;
    done->end = &request->next;
}

void requests_tell(struct data_port *port)
{
    struct data_request *request;
    while ((request = port->done.first)) {
        port->done.first = request->next;
        if (!request->next)
            port->done.end = &port->done.first;
        void (*on_done)(void *, dragon_err_t) = request->on_done;
        void *arg = request->arg;
        dragon_err_t err = request->err;
        request_give_back(request);
        if (on_done)
            on_done(arg, err);
    }
}

static void on_ucx_sent(void *ucx_request, ucs_status_t status, void *arg)
{
    struct data_request *request = (struct data_request *)arg;
    request->peer->port->ucx->ucp_request_free(ucx_request);
    request_finish(request, status == UCS_OK ? DRAGON_OK : DRAGON_ERR_PEER);
}

dragon_err_t message_send(struct data_peer *peer, unsigned id, const void *header,
                          size_t header_bytes, const void *payload, size_t bytes,
                          void (*on_sent)(void *arg, dragon_err_t err), void *arg)
{
    const struct data_ucx *ucx = peer->port->ucx;
    if (peer->lost)
        return DRAGON_ERR_PEER;
    struct data_request *request = request_take(peer);
    if (!request)
        return DRAGON_ERR_NOMEM;
    request->on_done = on_sent;
    request->arg = arg;
    if (header_bytes)
        memcpy(request->header, header, header_bytes);
    if (bytes && !on_sent)
        payload = memcpy(request->copy, payload, bytes);
    ucp_request_param_t param = {
        .op_attr_mask =
            UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS,
        .cb.send = on_ucx_sent,
        .user_data = request,
        .flags = UCP_AM_SEND_FLAG_REPLY,
    };
    ucs_status_ptr_t sending = ucx->ucp_am_send_nbx(peer->endpoint, id, request->header,
                                                    header_bytes, payload, bytes, &param);
    if (UCS_PTR_IS_ERR(sending))
        request_finish(request, DRAGON_ERR_PEER);
    else if (!sending)
        request_finish(request, DRAGON_OK);
    return DRAGON_OK;
}

dragon_err_t data_send(struct data_peer *peer, uint8_t type, const void *header,
                       size_t header_bytes, const void *payload, size_t bytes,
                       void (*on_sent)(void *arg, dragon_err_t err), void *arg)
{
    if (header_bytes > DATA_HEADER || (!on_sent && bytes > DATA_COPIED))
        return DRAGON_ERR_INVAL;
    return message_send(peer, type, header, header_bytes, payload, bytes, on_sent, arg);
}

// A message whose payload is still at its sender is kept until it is received or refused.
static ucs_status_t keep_incoming(struct data_peer *peer, uint8_t type,
                                  struct data_message *message, void *descriptor)
{
    struct data_port *port = peer->port;
    struct data_request *request = request_take(peer);
    if (!request)
        return UCS_ERR_NO_MEMORY;
    request->descriptor = descriptor;
    request->bytes = message->bytes;
    message->incoming = request;
    port->given = request;
    port->handler.on_message(port->handler_arg, peer, type, message);
    bool refused = !port->given;
    port->given = NULL;
    return refused ? UCS_OK : UCS_INPROGRESS;
}

ucs_status_t message_arrived(void *arg, const void *header, size_t header_bytes, void *data,
                             size_t bytes, const ucp_am_recv_param_t *param)
{
    const struct data_handler_arg *handler = (const struct data_handler_arg *)arg;
    struct data_port *port = handler->port;
    bool elsewhere = param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV;
    if (!(param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP))
        return UCS_OK;
    if (handler->id == MESSAGE_HELLO) {
        if (!elsewhere)
            peer_welcome(port, param->reply_ep, data, bytes);
        return UCS_OK;
    }
    struct data_peer *peer = peer_find(port, param->reply_ep);
    if (!peer || peer->lost)
        return UCS_OK;
    if (handler->id == MESSAGE_BYE) {
        peer_lose(peer);
        return UCS_OK;
    }
    if (peer->closed)
        return UCS_OK;
    struct data_message message = {.header = (const uint8_t *)header,
                                   .header_bytes = header_bytes,
                                   .bytes = bytes,
                                   .data = bytes && !elsewhere ? data : NULL};
    if (elsewhere)
        return keep_incoming(peer, (uint8_t)handler->id, &message, data);
    port->handler.on_message(port->handler_arg, peer, (uint8_t)handler->id, &message);
    return UCS_OK;
}

static void on_ucx_received(void *ucx_request, ucs_status_t status, size_t length, void *arg)
{
    (void)length;
    struct data_request *request = (struct data_request *)arg;
    request->peer->port->ucx->ucp_request_free(ucx_request);
    request_finish(request, status == UCS_OK ? DRAGON_OK : DRAGON_ERR_PEER);
}

dragon_err_t data_receive(struct data_port *port, void *incoming, void *buffer, size_t bytes,
                          void (*on_received)(void *arg, dragon_err_t err), void *arg)
{
    struct data_request *request = (struct data_request *)incoming;
    if (bytes < request->bytes)
        return DRAGON_ERR_TOO_BIG;
    request->on_done = on_received;
    request->arg = arg;
    ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .cb.recv_am = on_ucx_received,
        .user_data = request,
    };
    ucs_status_ptr_t receiving = port->ucx->ucp_am_recv_data_nbx(port->worker, request->descriptor,
                                                                 buffer, request->bytes, &param);
    if (UCS_PTR_IS_ERR(receiving))
        request_finish(request, DRAGON_ERR_PEER);
    else if (!receiving)
        request_finish(request, DRAGON_OK);
    return DRAGON_OK;
}

void data_refuse(struct data_port *port, void *incoming)
{
    struct data_request *request = (struct data_request *)incoming;
    if (port->given == request)
        port->given = NULL;
    else
        port->ucx->ucp_am_data_release(port->worker, request->descriptor);
    request_finish(request, DRAGON_OK);
}
