// SPDX-License-Identifier: BSD-3-Clause
//
// Sends. A small one is copied and on its way, and uses up a credit until CU_CREDIT says that it is in. One that is answered, because it
// is large, tried only, or in mode RECEIVED, is waited for: the answer is the result of the call.
//
// When the deadline of an answered one is over it is taken back. That crosses with its answer on the way, so the one answer
// that comes is what counts: nothing is lost in between.
#include "config.h"

#include "chan/far_parts.h"

static uint32_t under_way(const struct far_way *way)
{
    return way->sent - way->acked;
}

bool far_way_drained(void *arg)
{
    const struct far_way *way = arg;
    return !way->open || under_way(way) == 0;
}

static bool way_has_credits(void *arg)
{
    const struct far_way *way = arg;
    return !way->open || under_way(way) < way->credits;
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
    if (wire_after(credit->number, way->acked))
        way->acked = credit->number;
    if (way->awaited && !wire_after(way->number, credit->number)) {
        way->awaited = false;
        way->answer = (dragon_err_t)credit->error;
    } else if (credit->error != DRAGON_OK) {
        way->object->failed = (dragon_err_t)credit->error;
    }
}

dragon_err_t far_drain(struct far_way *way, dragon_wait_t mode, int64_t deadline_ns)
{
    struct far_object *object = way->object;
    if (!far_way_drained(way)) {
        struct cu_handle flush = {.handle = way->handle};
        far_peer_send(way->peer, CU_FLUSH, &flush, sizeof flush);
        dragon_err_t err =
            far_wait(object->far, far_way_drained, way, mode, &object->spin, deadline_ns);
        if (err != DRAGON_OK)
            return err;
    }
    return far_take_failed(object);
}

static dragon_err_t timed_out(const struct far_call *how)
{
    return how->deadline_ns == 0 ? DRAGON_ERR_AGAIN : DRAGON_ERR_TIMEOUT;
}

// The caller's bytes, while the network moves them.
struct moving {
    bool done;
};

static void on_sent(void *arg, dragon_err_t err)
{
    (void)err; // a loss is told otherwise
    ((struct moving *)arg)->done = true;
}

static bool moving_done(void *arg)
{
    return ((struct moving *)arg)->done;
}

// For an answer that does not come: the connection counts as lost.
static void give_up(struct far_way *way)
{
    if (way->awaited)
        far_peer_lost(way->peer);
}

static dragon_err_t send_answered(struct far_way *way, const struct cu_send *header,
                                  const void *data, size_t bytes, const struct far_call *how)
{
    struct far_object *object = way->object;
    struct far *far = object->far;
    struct moving moving = {.done = bytes <= CHAN_SMALL};
    way->awaited = true;
    way->number = header->number;
    dragon_err_t err = data_send(way->peer->data, CU_SEND, header, sizeof *header, data, bytes,
                                 moving.done ? NULL : on_sent, &moving);
    if (err != DRAGON_OK) {
        moving.done = true; // nothing was taken
        far_peer_lost(way->peer);
    } else {
        int64_t deadline =
            header->mode & SEND_TRY ? far_deadline(FAR_ANSWER_MS) : how->deadline_ns;
        err = far_wait(far, way_answered, way, how->wait, &object->spin, deadline);
        if (err == DRAGON_ERR_TIMEOUT && way->awaited) {
            struct cu_take_back back = {.handle = way->handle, .number = header->number};
            far_peer_send(way->peer, CU_TAKE_BACK, &back, sizeof back);
            (void)far_wait(far, way_answered, way, how->wait, NULL, far_deadline(FAR_CANCEL_MS));
        }
        give_up(way);
        while (!moving.done) {
            if (far_wait(far, moving_done, &moving, how->wait, NULL, far_deadline(FAR_CANCEL_MS)))
                data_port_progress(far->port); // the runtime has ended: UCX still has our bytes
        }
    }
    err = way->answer;
    return err == DRAGON_ERR_AGAIN ? timed_out(how) : err;
}

static dragon_err_t send_small(struct far_way *way, const struct cu_send *header, const void *data,
                               size_t bytes)
{
    struct far *far = way->object->far;
    dragon_err_t err = data_send(way->peer->data, CU_SEND, header, sizeof *header, data, bytes,
                                 NULL, NULL);
    if (err != DRAGON_OK) {
        struct far_object *object = way->object;
        way->sent--;
        far_peer_lost(way->peer);
        object->failed = DRAGON_OK; // this call tells it
        return DRAGON_ERR_PEER;
    }
    // Credits are taken in now and then also by those who only send.
    if (under_way(way) >= way->credits / 2)
        data_port_progress(far->port);
    return DRAGON_OK;
}

dragon_err_t far_send(struct far_object *object, const void *data, size_t bytes, uint64_t tag,
                      const struct far_call *how)
{
    dragon_err_t err = far_take_failed(object);
    if (err != DRAGON_OK)
        return err;
    struct far_way *way;
    err = far_send_way(object, how, &way);
    if (err != DRAGON_OK)
        return err == DRAGON_ERR_TIMEOUT ? timed_out(how) : err;
    if (!way_has_credits(way)) {
        err = far_wait(object->far, way_has_credits, way, how->wait, &object->spin,
                       how->deadline_ns);
        if (err != DRAGON_OK)
            return err == DRAGON_ERR_TIMEOUT ? timed_out(how) : err;
        if (object->failed != DRAGON_OK)
            return far_take_failed(object);
        if (!way->open)
            return DRAGON_ERR_PEER;
    }
    struct cu_send header = {.handle = way->handle, .number = ++way->sent, .tag = tag};
    if (how->mode == DRAGON_RETURN_RECEIVED)
        header.mode |= SEND_TELL;
    bool answered = bytes > CHAN_SMALL || header.mode != 0;
    if (!answered)
        return send_small(way, &header, data, bytes);
    if (how->deadline_ns == 0)
        header.mode |= SEND_TRY;
    return send_answered(way, &header, data, bytes, how);
}
