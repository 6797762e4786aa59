// SPDX-License-Identifier: BSD-3-Clause
//
// Requests of a port: taken from what is spare, told of when they are done, and spare again. In quiet times nothing is
// allocated; what a burst needed is given back but for a small stock.
#include "config.h"

#include "net/data_internal.h"

enum { STOCK_REQUESTS = 256, STOCK_COPIES = 32 };

struct data_request *request_take(struct data_peer *peer)
{
    struct data_port *port = peer->port;
    struct data_request *request = port->spare_requests;
    if (request) {
        port->spare_requests = request->next;
        port->spare_request_count--;
    } else if (!(request = malloc(sizeof *request)))
        return NULL;
    request->next = peer->requests;
    request->link = &peer->requests;
    if (request->next)
        request->next->link = &request->next;
    peer->requests = request;
    peer->unfinished++;
    port->unfinished++;
    request->peer = peer;
    request->on_done = NULL;
    request->descriptor = NULL;
    request->payload = NULL;
    request->bytes = 0;
    request->copy = NULL;
    return request;
}

bool request_copy(struct data_request *request, const void *payload, size_t bytes)
{
    struct data_port *port = request->peer->port;
    struct data_copy *copy = port->spare_copies;
    if (copy) {
        port->spare_copies = copy->next;
        port->spare_copy_count--;
    } else if (!(copy = malloc(sizeof *copy)))
        return false;
    memcpy(copy->bytes, payload, bytes);
    request->copy = copy;
    return true;
}

static void put_away(struct data_port *port, struct data_request *request)
{
    struct data_copy *copy = request->copy;
    if (copy && port->spare_copy_count < STOCK_COPIES) {
        copy->next = port->spare_copies;
        port->spare_copies = copy;
        port->spare_copy_count++;
    } else
        free(copy);
    if (port->spare_request_count < STOCK_REQUESTS) {
        request->next = port->spare_requests;
        port->spare_requests = request;
        port->spare_request_count++;
    } else
        free(request);
}

void request_finish(struct data_request *request, dragon_err_t err)
{
    struct data_port *port = request->peer->port;
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
    request->err = err;
    request->next = NULL;
    *port->done_end = request;
    port->done_end = &request->next;
}

void requests_tell(struct data_port *port)
{
    struct data_request *request;
    while ((request = port->done)) {
        struct data_peer *peer = request->peer;
        void (*on_done)(void *, dragon_err_t) = request->on_done;
        void *arg = request->arg;
        dragon_err_t err = request->err;
        if (!(port->done = request->next))
            port->done_end = &port->done;
        put_away(port, request);
        port->unfinished--;
        if (!--peer->unfinished && peer->is_closed)
            peer_touch(peer);
        if (on_done)
            on_done(arg, err);
    }
}

void requests_free(struct data_port *port)
{
    struct data_request *request;
    while ((request = port->spare_requests)) {
        port->spare_requests = request->next;
        free(request);
    }
    struct data_copy *copy;
    while ((copy = port->spare_copies)) {
        port->spare_copies = copy->next;
        free(copy);
    }
}
