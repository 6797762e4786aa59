// SPDX-License-Identifier: BSD-3-Clause
//
// Requests that are answered: receives, polls, operations. Each has a number and is answered once. When the deadline of
// a call is over it is cancelled, and then the one answer that comes counts: a message that was already taken for us is
// delivered.
#include "config.h"

#include "chan/far_parts.h"

enum { FIRST_BLOCK = 4096 }; // room that is asked for first, for a message of unknown size

// ---- answers

static void request_done(struct far_request *request, dragon_err_t err)
{
    ids_remove(&request->far->requests, request->id);
    request->id = 0;
    request->err = err;
    request->done = true;
    if (request->watch)
        far_woken(request->far);
}

static void on_received(void *arg, dragon_err_t err)
{
    struct far_request *request = arg;
    request->moving = false;
    request_done(request, err);
}

void far_requests_lost(struct far *far, struct far_peer *peer)
{
    for (uint32_t i = 0; i < far->requests.room; i++) {
        struct far_request *request = far->requests.entries[i].what;
        if (!request || request->peer != peer)
            continue;
        request->peer = NULL;
        if (!request->moving) // else the network tells when it has let go of the buffer
            request_done(request, DRAGON_ERR_PEER);
    }
}

void far_on_message_header(struct far *far, struct far_peer *peer, const struct cu_message *header,
                           struct data_message *message)
{
    struct far_request *request = ids_find(&far->requests, header->request);
    bool asked = request && request->peer == peer && !request->moving;
    if (!asked || header->error != DRAGON_OK || message->bytes > request->room) {
        if (message->incoming)
            data_refuse(far->port, message->incoming);
        if (asked && header->error == DRAGON_OK) { // more than we asked for
            far_peer_lost(peer);
        } else if (asked) {
            request->bytes = header->bytes;
            request_done(request, (dragon_err_t)header->error);
        }
        return;
    }
    request->tag = header->tag;
    request->bytes = header->bytes;
    if (message->incoming) {
        request->moving = true;
        if (data_receive(far->port, message->incoming, request->buffer, message->bytes, on_received,
                         request) != DRAGON_OK) {
            request->moving = false;
            far_peer_lost(peer);
        }
        return;
    }
    if (message->bytes > 0)
        memcpy(request->buffer, message->data, message->bytes);
    request_done(request, DRAGON_OK);
}

void far_on_answer(struct far *far, struct far_peer *peer, const struct cu_answer *answer)
{
    struct far_request *request = ids_find(&far->requests, answer->request);
    if (!request || request->peer != peer || request->moving)
        return;
    request->result = answer->result;
    request_done(request, (dragon_err_t)answer->error);
}

// ---- asking

static bool is_done(void *arg)
{
    return ((struct far_request *)arg)->done;
}

dragon_err_t far_request_start(struct far_object *object, struct far_request *request,
                               int64_t deadline_ns)
{
    dragon_err_t err = far_home(object, deadline_ns);
    if (err == DRAGON_ERR_TIMEOUT && deadline_ns == 0)
        return DRAGON_ERR_AGAIN;
    if (err != DRAGON_OK)
        return err;
    request->far = object->far;
    request->peer = object->home.peer;
    request->done = false;
    request->id = ids_add(&object->far->requests, request);
    return request->id ? DRAGON_OK : DRAGON_ERR_NOMEM;
}

void far_request_cancel(struct far_request *request)
{
    if (request->done || !request->peer)
        return;
    struct cu_cancel cancel = {.request = request->id};
    far_peer_send(request->peer, CU_CANCEL, &cancel, sizeof cancel);
}

void far_request_settle(struct far_request *request)
{
    struct far *far = request->far;
    if (!request->done && request->peer)
        far_peer_lost(request->peer);
    while (!request->done) // the network has our buffer still
        data_port_progress(far->port);
}

dragon_err_t far_request_finish(struct far_object *object, struct far_request *request,
                                const struct far_call *how)
{
    struct far *far = object->far;
    bool at_once = how->deadline_ns == 0; // then there is nothing to cancel
    int64_t deadline = at_once ? far_deadline(FAR_ANSWER_MS) : how->deadline_ns;
    dragon_err_t err = far_wait(far, is_done, request, how->wait, &object->spin, deadline);
    if (err == DRAGON_ERR_TIMEOUT && !at_once && !request->done && request->peer) {
        far_request_cancel(request);
        (void)far_wait(far, is_done, request, how->wait, NULL, far_deadline(FAR_CANCEL_MS));
    }
    far_request_settle(request);
    if (request->err == DRAGON_ERR_AGAIN && how->deadline_ns != 0)
        return DRAGON_ERR_TIMEOUT;
    return request->err;
}

dragon_err_t far_receive(struct far_object *object, void *buffer, size_t room, bool peek,
                         dragon_message_t *message_out, const struct far_call *how)
{
    dragon_err_t err = far_take_failed(object);
    if (err != DRAGON_OK)
        return err;
    struct far_request request = {.buffer = buffer, .room = room};
    err = far_request_start(object, &request, how->deadline_ns);
    if (err != DRAGON_OK)
        return err;
    struct cu_receive header = {.handle = object->home.handle,
                                .request = request.id,
                                .room = room,
                                .peek = peek,
                                .wait = how->deadline_ns != 0};
    far_peer_send(request.peer, CU_RECEIVE, &header, sizeof header);
    err = far_request_finish(object, &request, how);
    if (message_out && (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG))
        *message_out = (dragon_message_t){.bytes = (size_t)request.bytes, .tag = request.tag};
    return err;
}

static dragon_err_t get_block(struct space *space, size_t bytes, mem_ref *block_out,
                              void **data_out)
{
    struct segment_kind kind = {.numa = DRAGON_ANY_NUMA};
    return space_alloc(space, bytes, kind, block_out, data_out, NULL);
}

// A small message does not keep a large block.
static void shrink(struct space *space, size_t bytes, mem_ref *block, void **data)
{
    mem_ref smaller;
    void *to;
    if (bytes == 0) {
        space_free(space, *block, space->slot);
        *block = 0;
        *data = NULL;
    } else if (bytes <= FIRST_BLOCK / 2 &&
               space_try_alloc(space, bytes, &smaller, &to) == DRAGON_OK) {
        memcpy(to, *data, bytes);
        space_free(space, *block, space->slot);
        *block = smaller;
        *data = to;
    }
}

dragon_err_t far_receive_block(struct far_object *object, mem_ref *block_out, void **data_out,
                               dragon_message_t *message_out, const struct far_call *how)
{
    struct space *space = object->far->waiter->space;
    if (object->block_bytes < FIRST_BLOCK)
        object->block_bytes = FIRST_BLOCK;
    for (;;) {
        size_t room = object->block_bytes;
        mem_ref block;
        void *data;
        dragon_message_t message;
        dragon_err_t err = get_block(space, room, &block, &data);
        if (err == DRAGON_ERR_FULL && room > FIRST_BLOCK) {
            object->block_bytes = FIRST_BLOCK; // what comes may be smaller than the last one
            continue;
        }
        if (err != DRAGON_OK)
            return err;
        err = far_receive(object, data, room, false, &message, how);
        if (err != DRAGON_OK) {
            space_free(space, block, space->slot);
            if (err != DRAGON_ERR_TOO_BIG)
                return err;
            // It is still the oldest. Memory for it is found before it is asked for again: without, it stays there.
            object->block_bytes = message.bytes;
            err = get_block(space, message.bytes, &block, &data);
            if (err != DRAGON_OK)
                return err;
            space_free(space, block, space->slot);
            continue;
        }
        object->block_bytes = message.bytes;
        shrink(space, message.bytes, &block, &data);
        *block_out = block;
        *data_out = data;
        if (message_out)
            *message_out = message;
        return DRAGON_OK;
    }
}

dragon_err_t far_sync(struct far_object *object, const struct sync_call *call, uint64_t *result_out,
                      const struct far_call *how)
{
    dragon_err_t err = far_take_failed(object);
    if (err != DRAGON_OK)
        return err;
    struct far_request request = {.result = 0};
    bool waits = sync_waits(call->op);
    // What does not wait is answered at once, whatever the caller's deadline.
    err = far_request_start(object, &request, waits ? how->deadline_ns : (int64_t)WAIT_FOREVER_NS);
    if (err != DRAGON_OK)
        return err;
    struct cu_call header = {.handle = object->home.handle,
                             .request = request.id,
                             .op = call->op,
                             .a = call->a,
                             .b = call->b,
                             .c = call->c,
                             .wait = waits && how->deadline_ns != 0};
    far_peer_send(request.peer, CU_CALL, &header, sizeof header);
    struct far_call once = *how;
    if (!waits)
        once.deadline_ns = 0;
    err = far_request_finish(object, &request, &once);
    if (result_out && (err == DRAGON_OK || err == DRAGON_ERR_AGAIN))
        *result_out = request.result;
    return err;
}

// ---- polls

dragon_err_t far_poll(struct far_object *object, int events, int *events_out,
                      const struct far_call *how)
{
    dragon_err_t err = far_take_failed(object);
    if (err != DRAGON_OK)
        return err;
    bool connected = object->home.open;
    if ((events & DRAGON_POLL_SEND) && connected && far_can_send(object)) {
        *events_out = DRAGON_POLL_SEND;
        return DRAGON_OK;
    }
    struct far_request request = {.result = 0};
    err = far_request_start(object, &request, how->deadline_ns);
    if (err != DRAGON_OK)
        return err;
    struct cu_poll header = {.handle = object->home.handle,
                             .request = request.id,
                             .events = (uint8_t)events,
                             .wait = how->deadline_ns != 0};
    far_peer_send(request.peer, CU_POLL, &header, sizeof header);
    err = far_request_finish(object, &request, how);
    if (err == DRAGON_OK)
        *events_out = (int)request.result & events;
    return err;
}

dragon_err_t far_watch(struct far_object *object, int events)
{
    object->watched = events;
    struct far_request *watch = &object->watch;
    if (!(events & DRAGON_POLL_RECEIVE) || watch->id != 0 || watch->done)
        return DRAGON_OK;
    watch->watch = true;
    dragon_err_t err = far_request_start(object, watch, 0);
    object->watch_later = err == DRAGON_ERR_AGAIN;
    if (object->watch_later)
        return DRAGON_OK; // far_told says when we are connected
    if (err != DRAGON_OK)
        return err;
    struct cu_poll header = {.handle = object->home.handle,
                             .request = watch->id,
                             .events = DRAGON_POLL_RECEIVE,
                             .wait = true};
    far_peer_send(watch->peer, CU_POLL, &header, sizeof header);
    return DRAGON_OK;
}

bool far_told(void *arg)
{
    const struct far_object *object = arg;
    return object->failed != DRAGON_OK || object->watch.done ||
           (object->watch_later && object->home.known) ||
           ((object->watched & DRAGON_POLL_SEND) && far_can_send(object));
}

dragon_err_t far_events(struct far_object *object, int *events_out)
{
    dragon_err_t err = far_take_failed(object);
    struct far_request *watch = &object->watch;
    int events = 0;
    if (watch->done) {
        watch->done = false;
        if (err == DRAGON_OK)
            err = watch->err;
        events = (int)watch->result & object->watched;
    }
    if ((object->watched & DRAGON_POLL_SEND) && far_can_send(object))
        events |= DRAGON_POLL_SEND;
    if (err == DRAGON_OK)
        *events_out = events;
    return err;
}
