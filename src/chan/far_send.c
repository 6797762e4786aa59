// SPDX-License-Identifier: BSD-3-Clause
//
// Sends. A message up to CHAN_COPIED is copied and on its way, and uses up a credit and its bytes of the window until
// CU_CREDIT says that it is in. One that is answered, because it is larger, or in mode RECEIVED, is waited for: the
// answer is the result of the call.
//
// When the deadline of an answered one is over it is taken back. That crosses with its answer on the way, so the one
// answer that comes is what counts: nothing is lost in between.
#include "config.h"

#include "chan/far_parts.h"

#include <stdlib.h>

enum { PUSH_MS = 2 };

static uint32_t under_way(const struct far_way *way)
{
    return way->sent - way->acked;
}

static uint32_t *size_of(struct far_way *way, uint32_t number)
{
    return &way->sizes[number % (2 * CHAN_CREDITS_MOST)];
}

static uint32_t next_number(struct far_way *way, size_t bytes)
{
    uint32_t number = ++way->sent;
    *size_of(way, number) = (uint32_t)bytes;
    way->bytes += bytes;
    return number;
}

static void acknowledge(struct far_way *way, uint32_t number)
{
    while (wire_after(number, way->acked))
        way->bytes -= *size_of(way, ++way->acked);
}

static bool is_drained(void *arg) // an awaited's `ready`: nothing is under way
{
    const struct far_way *way = arg;
    return !way->open || under_way(way) == 0;
}

// A message that is to be sent, as soon as there are credits and room for it among what is under way.
struct sending {
    struct far_way *way;
    size_t bytes; // 0: it stays here until it is asked for
};

static bool may_send(void *arg)
{
    const struct sending *sending = arg;
    const struct far_way *way = sending->way;
    if (!way->open)
        return true; // it is lost
    return under_way(way) < way->credits && way->bytes + sending->bytes <= CHAN_WINDOW;
}

static bool way_answered(void *arg)
{
    const struct far_way *way = arg;
    return !way->awaited;
}

void far_sends_lost(struct far_way *way)
{
    // The call that waits for an answer tells it.
    if (way->open && under_way(way) > 0 && !way->awaited)
        way->object->failed = DRAGON_ERR_PEER;
}

bool far_can_send(const struct far_object *object)
{
    const struct far_way *way = object->direct.open ? &object->direct : &object->home;
    return !way->open || under_way(way) < way->credits;
}

void far_on_credit(struct far *far, struct far_peer *peer, const struct cu_credit *credit)
{
    struct far_way *way = ids_find(&far->ways, credit->handle);
    if (!way || way->peer != peer)
        return;
    if (wire_after(credit->number, way->sent)) { // it was never sent
        far_peer_lost(peer);
        return;
    }
    if (credit->error == DRAGON_OK) {
        way->full = false;
        acknowledge(way, credit->number);
        if (way->awaited && !wire_after(way->number, credit->number)) {
            way->awaited = false;
            way->answer = DRAGON_OK;
        }
    } else if (way->awaited && way->number == credit->number) {
        way->awaited = false;
        way->answer = (dragon_err_t)credit->error;
    } else if (credit->error == DRAGON_ERR_FULL && !wire_after(credit->number, way->acked)) {
        way->full = true;
    } else if (credit->error != DRAGON_ERR_TIMEOUT) { // its call has said so already
        way->object->failed = (dragon_err_t)credit->error;
    }
    if (way->object->watched & DRAGON_POLL_SEND)
        far_woken(far);
}

dragon_err_t far_wait_drained(struct far_way *way, dragon_wait_t mode, int64_t deadline_ns)
{
    struct far_object *object = way->object;
    if (is_drained(way))
        return DRAGON_OK;
    struct cu_handle flush = {.handle = way->handle};
    far_peer_send(way->peer, CU_FLUSH, &flush, sizeof flush);
    return far_wait(object->far, is_drained, way, mode, &object->spin, deadline_ns);
}

dragon_err_t far_drain(struct far_way *way, dragon_wait_t mode, int64_t deadline_ns)
{
    dragon_err_t err = far_wait_drained(way, mode, deadline_ns);
    return err == DRAGON_OK ? far_take_failed(way->object) : err;
}

static dragon_err_t timed_out(const struct far_call *how)
{
    return how->deadline_ns == 0 ? DRAGON_ERR_AGAIN : DRAGON_ERR_TIMEOUT;
}

// The connection does not take it any more. This call tells what is lost with it.
static dragon_err_t send_failed(struct far_way *way)
{
    struct far_object *object = way->object;
    far_peer_lost(way->peer);
    object->failed = DRAGON_OK;
    return DRAGON_ERR_PEER;
}

// ---- copies

static uint32_t copy_kind(size_t bytes)
{
    uint32_t kind = 0;
    while ((size_t)FAR_COPY_LEAST << kind < bytes)
        kind++;
    return kind;
}

static size_t copy_room(uint32_t kind)
{
    return (size_t)FAR_COPY_LEAST << kind;
}

static struct far_copy *copy_take(struct far *far, const void *data, size_t bytes)
{
    uint32_t kind = copy_kind(bytes);
    struct far_copy *copy = far->spare[kind];
    if (copy) {
        far->spare[kind] = copy->next;
        far->spare_bytes -= copy_room(kind);
    } else if (!(copy = malloc(sizeof *copy + copy_room(kind)))) {
        return NULL;
    }
    copy->far = far;
    copy->kind = kind;
    memcpy(copy->data, data, bytes);
    return copy;
}

static void copy_give_back(struct far *far, struct far_copy *copy)
{
    if (far->spare_bytes + copy_room(copy->kind) > FAR_SPARE_MOST) {
        free(copy);
        return;
    }
    copy->next = far->spare[copy->kind];
    far->spare[copy->kind] = copy;
    far->spare_bytes += copy_room(copy->kind);
}

void far_copies_fini(struct far *far)
{
    for (uint32_t kind = 0; kind < FAR_COPY_KINDS; kind++) {
        while (far->spare[kind]) {
            struct far_copy *copy = far->spare[kind];
            far->spare[kind] = copy->next;
            free(copy);
        }
    }
}

static void on_copy_sent(void *arg, dragon_err_t err)
{
    (void)err; // a loss is told otherwise
    struct far_copy *copy = arg;
    copy->far->copies--;
    copy_give_back(copy->far, copy);
}

// ---- large ones

void far_on_moved_out(void *arg, dragon_err_t err)
{
    (void)err; // a loss is told otherwise
    ((struct far_moving *)arg)->done = true;
}

static bool moving_done(void *arg)
{
    return ((struct far_moving *)arg)->done;
}

void far_wait_moved_out(struct far *far, struct far_moving *moving)
{
    while (!moving->done) {
        if (far_wait(far, moving_done, moving, DRAGON_WAIT_ADAPTIVE, NULL, WAIT_FOREVER_NS))
            data_port_progress(far->port); // the runtime has ended: UCX still has our bytes
    }
}

static dragon_err_t send_large(struct far_way *way, struct cu_send *header, const void *data,
                               size_t bytes, const struct far_call *how)
{
    struct far_object *object = way->object;
    struct far *far = object->far;
    struct far_moving moving = {.done = false};
    header->number = next_number(way, 0); // its bytes stay here until they are asked for
    way->awaited = true;
    way->number = header->number;
    if (data_send(way->peer->data, CU_SEND, header, sizeof *header, data, bytes, far_on_moved_out,
                  &moving) != DRAGON_OK)
        return send_failed(way);
    int64_t deadline = header->mode & SEND_TRY ? far_deadline(FAR_ANSWER_MS) : how->deadline_ns;
    dragon_err_t err = far_wait(far, way_answered, way, how->wait, &object->spin, deadline);
    if (err == DRAGON_ERR_TIMEOUT && way->awaited && !(header->mode & SEND_TRY)) {
        struct cu_take_back back = {.handle = way->handle, .number = header->number};
        far_peer_send(way->peer, CU_TAKE_BACK, &back, sizeof back);
        (void)far_wait(far, way_answered, way, how->wait, NULL, far_deadline(FAR_CANCEL_MS));
    }
    if (way->awaited) // there is no answer: the connection counts as lost
        far_peer_lost(way->peer);
    far_wait_moved_out(far, &moving);
    err = way->answer;
    return err == DRAGON_ERR_AGAIN ? timed_out(how) : err;
}

// ---- the others

// We may not be back soon, so the network gets all of it now, unless the other side does not read.
static void push_out(struct far *far)
{
    int64_t limit = far_deadline(PUSH_MS);
    do {
        data_port_progress(far->port);
    } while (far->copies > 0 && (int64_t)time_now_ns() < limit);
}

static dragon_err_t send_copied(struct far_way *way, struct cu_send *header, const void *data,
                                size_t bytes)
{
    struct far *far = way->object->far;
    struct far_copy *copy = NULL;
    if (bytes > CHAN_SMALL) {
        copy = copy_take(far, data, bytes);
        if (!copy)
            return DRAGON_ERR_NOMEM;
        data = copy->data;
    }
    header->number = next_number(way, bytes);
    way->awaited = header->mode & SEND_TELL;
    way->number = header->number;
    if (data_send(way->peer->data, CU_SEND, header, sizeof *header, data, bytes,
                  copy ? on_copy_sent : NULL, copy) != DRAGON_OK) {
        if (copy)
            copy_give_back(far, copy);
        return send_failed(way);
    }
    far->copies += copy != NULL;
    if (copy)
        push_out(far);
    else if (under_way(way) >= way->credits / 2) // who only sends takes its credits in here
        data_port_progress(far->port);
    return DRAGON_OK;
}

// In mode RECEIVED, after it was sent. Whoever gives up waiting leaves it on its way.
static dragon_err_t wait_received(struct far_way *way, const struct far_call *how)
{
    struct far_object *object = way->object;
    if (how->deadline_ns == 0) // it is not received yet: nobody can be so quick
        return DRAGON_ERR_TIMEOUT;
    dragon_err_t err =
        far_wait(object->far, way_answered, way, how->wait, &object->spin, how->deadline_ns);
    if (!way->awaited)
        return way->answer;
    struct cu_take_back back = {.handle = way->handle, .number = way->number};
    far_peer_send(way->peer, CU_TAKE_BACK, &back, sizeof back);
    way->awaited = false;
    return err;
}

static dragon_err_t wait_to_send(struct sending *sending, const struct far_call *how)
{
    struct far_way *way = sending->way;
    struct far_object *object = way->object;
    if (may_send(sending))
        return DRAGON_OK;
    dragon_err_t err =
        far_wait(object->far, may_send, sending, how->wait, &object->spin, how->deadline_ns);
    if (object->failed != DRAGON_OK)
        return far_take_failed(object);
    if (err == DRAGON_ERR_TIMEOUT)
        return way->full ? DRAGON_ERR_FULL : timed_out(how);
    return err == DRAGON_OK && !way->open ? DRAGON_ERR_PEER : err;
}

dragon_err_t far_send(struct far_object *object, const void *data, size_t bytes, uint64_t tag,
                      const struct far_call *how)
{
    dragon_err_t err = far_take_failed(object);
    if (err != DRAGON_OK)
        return err;
    struct sending sending = {.bytes = bytes <= CHAN_COPIED ? bytes : 0};
    err = far_send_way(object, bytes > CHAN_COPIED, how, &sending.way);
    if (err != DRAGON_OK)
        return err == DRAGON_ERR_TIMEOUT ? timed_out(how) : err;
    err = wait_to_send(&sending, how);
    if (err != DRAGON_OK)
        return err;
    struct far_way *way = sending.way;
    struct cu_send header = {.handle = way->handle, .tag = tag};
    if (how->mode == DRAGON_RETURN_RECEIVED && how->deadline_ns != 0)
        header.mode |= SEND_TELL;
    if (bytes <= CHAN_COPIED) {
        err = send_copied(way, &header, data, bytes);
        return err == DRAGON_OK && how->mode == DRAGON_RETURN_RECEIVED ? wait_received(way, how)
                                                                       : err;
    }
    if (how->deadline_ns == 0)
        header.mode |= SEND_TRY;
    return send_large(way, &header, data, bytes, how);
}
