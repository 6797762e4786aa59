// SPDX-License-Identifier: BSD-3-Clause
//
// The network of one runtime handle: its port, and who gets what the port brings. Answers go to the ways and requests
// that they belong to (far_peer.c, far_send.c, far_ask.c); requests of others to the part that serves, when this
// process is a single receiver. Connections that we asked for and those that we serve are told apart by the argument of
// their data_peer.
#include "config.h"

#include "chan/far_parts.h"
#include "chan/serve.h"

#include <stdlib.h>
#include <utlist.h>

static void on_message(void *arg, struct data_peer *data, uint8_t type,
                       struct data_message *message)
{
    struct far *far = arg;
    struct wire_peer *wire = data_peer_arg(data);
    if (!wire || wire->side == WIRE_SERVED) {
        if (far->serve) {
            serve_on_message(far->serve, data, type, message);
            return;
        }
        if (message->incoming)
            data_refuse(far->port, message->incoming);
        data_peer_close(data, true); // a stranger: we serve nobody
        return;
    }
    struct far_peer *peer = (struct far_peer *)wire;
    if (wire_is_request(type) ||
        !wire_check(type, message->header, message->header_bytes, message->bytes)) {
        if (message->incoming)
            data_refuse(far->port, message->incoming);
        far_peer_lost(peer);
        return;
    }
    const void *header = message->header;
    switch (type) {
    case CU_OPENED:
        far_on_opened(far, peer, header);
        break;
    case CU_CREDIT:
        far_on_credit(far, peer, header);
        break;
    case CU_MESSAGE:
        far_on_message_header(far, peer, header, message);
        break;
    case CU_ANSWER:
        far_on_answer(far, peer, header);
        break;
    case CU_MOVED:
        far_on_moved(far, peer, header);
        break;
    }
}

static void on_lost(void *arg, struct data_peer *data)
{
    struct far *far = arg;
    struct wire_peer *wire = data_peer_arg(data);
    if (wire && wire->side == WIRE_ASKED)
        far_peer_lost((struct far_peer *)wire);
    else if (wire && far->serve)
        serve_on_lost(far->serve, data);
    else
        data_peer_close(data, false);
}

// A silent node's connections would stay until the network gives them up.
static void on_losses(void *arg)
{
    struct far *far = arg;
    const struct board *board = far->waiter->space->board;
    struct far_peer *peer, *next;
    far->waiter->losses = atomic_load(&board->losses);
    DL_FOREACH_SAFE(far->peers, peer, next)
    {
        if (board_is_lost(board, peer->node))
            far_peer_lost(peer);
    }
}

dragon_err_t far_create(struct waiter *waiter, struct far **far_out, dragon_error_t *error)
{
    static const struct data_handler handler = {.on_message = on_message, .on_lost = on_lost};
    struct far *far = calloc(1, sizeof *far);
    if (!far)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    far->waiter = waiter;
    dragon_err_t err = data_port_create(&handler, far, &far->port, error);
    if (err != DRAGON_OK) {
        free(far);
        return err;
    }
    waiter->port = far->port;
    waiter->on_losses = on_losses;
    waiter->losses_arg = far;
    *far_out = far;
    return DRAGON_OK;
}

void far_explain(struct far *far, dragon_error_t *why)
{
    far->why = why;
}

void far_destroy(struct far *far)
{
    if (!far)
        return;
    struct far_object *object, *next_object;
    DL_FOREACH_SAFE(far->objects, object, next_object)
    free(object); // as if we had died
    struct far_peer *peer, *next_peer;
    DL_FOREACH_SAFE(far->peers, peer, next_peer)
    {
        data_peer_close(peer->data, true);
        DL_DELETE(far->peers, peer);
        free(peer);
    }
    serve_destroy(far->serve);
    far->waiter->port = NULL;
    far->waiter->on_turn = NULL;
    far->waiter->on_losses = NULL;
    data_port_destroy(far->port);
    far_copies_fini(far);
    ids_fini(&far->ways);
    ids_fini(&far->requests);
    free(far->many);
    free(far);
}

static void on_turn(void *arg)
{
    (void)serve_turn(arg);
}

struct serve *far_serve(struct far *far)
{
    if (!far->serve) {
        far->serve = serve_create(&(struct serve_options){.waiter = far->waiter});
        if (far->serve) {
            far->waiter->on_turn = on_turn;
            far->waiter->arg = far->serve;
        }
    }
    return far->serve;
}

dragon_err_t far_wait(struct far *far, bool (*ready)(void *arg), void *arg, dragon_wait_t mode,
                      struct spin *spin, int64_t deadline_ns)
{
    struct awaited item = {.ready = ready, .arg = arg};
    far->waiter->port_uses++;
    dragon_err_t err = wait_for(far->waiter, &item, 1, mode, spin, deadline_ns);
    far->waiter->port_uses--;
    return err;
}

int64_t far_deadline(int64_t ms)
{
    return (int64_t)time_now_ns() + ms * 1000000;
}

dragon_err_t far_take_failed(struct far_object *object)
{
    dragon_err_t err = object->failed;
    object->failed = DRAGON_OK;
    return err;
}

struct far_object *far_open(struct far *far, uint32_t node, uint64_t id,
                            const struct object_spec *spec)
{
    struct far_object *object = calloc(1, sizeof *object);
    if (!object)
        return NULL;
    object->far = far;
    object->node = node;
    object->id = id;
    object->spec = *spec;
    object->home.object = object->direct.object = object;
    DL_APPEND(far->objects, object);
    return object;
}

dragon_err_t far_close(struct far_object *object, int64_t deadline_ns)
{
    struct far *far = object->far;
    struct far_way *ways[] = {&object->direct, &object->home};
    dragon_err_t err = DRAGON_OK;
    for (size_t i = 0; i < 2; i++) {
        if (!ways[i]->peer)
            continue;
        dragon_err_t drained = far_drain(ways[i], DRAGON_WAIT_ADAPTIVE, deadline_ns);
        if (err == DRAGON_OK)
            err = drained;
        far_way_leave(ways[i]);
    }
    if (object->failed != DRAGON_OK)
        err = object->failed;
    ids_remove(&far->requests, object->watch.id);
    DL_DELETE(far->objects, object);
    free(object);
    return err;
}
