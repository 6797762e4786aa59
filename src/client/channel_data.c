// SPDX-License-Identifier: BSD-3-Clause
//
// Sending and receiving: each call goes to shared memory when the channel is of this node, else over the network.
// Arguments are looked at here; what each call means is chan/'s business.
#include "config.h"

#include "client/channel.h"

// ---- how this handle behaves

dragon_err_t dragon_channel_set_wait(dragon_channel_t *channel, dragon_wait_t wait)
{
    if (!channel || (unsigned)wait > DRAGON_WAIT_SPIN)
        return DRAGON_ERR_INVAL;
    channel->wait = channel->local.wait = wait;
    return DRAGON_OK;
}

dragon_err_t dragon_channel_set_return(dragon_channel_t *channel, dragon_return_t mode)
{
    if (!channel || (unsigned)mode > DRAGON_RETURN_RECEIVED)
        return DRAGON_ERR_INVAL;
    channel->mode = channel->local.mode = mode;
    return DRAGON_OK;
}

static struct far_call how(const struct dragon_channel *channel, int64_t deadline_ns)
{
    return (struct far_call){
        .wait = channel->wait, .mode = channel->mode, .deadline_ns = deadline_ns};
}

// Whether a call goes on after it was tried. On this node each is tried first, because to read the clock, which waiting
// needs, takes about as long as a small message does.
static inline bool goes_on(dragon_err_t err, int timeout_ms)
{
    return err == DRAGON_ERR_AGAIN && !wait_tries(timeout_ms);
}

// ---- sending

dragon_err_t channel_send(struct dragon_channel *channel, const void *data, size_t bytes,
                          uint64_t tag, int64_t deadline_ns)
{
    struct far_object *far;
    if (channel->handle.object)
        return local_send(&channel->local, data, bytes, tag, deadline_ns);
    struct far_call call = how(channel, deadline_ns);
    dragon_err_t err = handle_far(&channel->handle, &far);
    return err == DRAGON_OK ? far_send(far, data, bytes, tag, &call) : err;
}

dragon_err_t dragon_channel_send(dragon_channel_t *channel, const void *data, size_t bytes,
                                 uint64_t tag, int timeout_ms)
{
    dragon_err_t err = channel_check(channel);
    if (err != DRAGON_OK)
        return err;
    if (!data && bytes > 0)
        return DRAGON_ERR_INVAL;
    if (channel->handle.object && channel->mode == DRAGON_RETURN_BUFFERED) {
        err = local_send(&channel->local, data, bytes, tag, 0);
        if (!goes_on(err, timeout_ms))
            return err;
    }
    return channel_send(channel, data, bytes, tag, wait_deadline(timeout_ms));
}

// A block of this node cannot be handed to another one: it is sent, and given back when it is on its way.
static dragon_err_t send_far_memory(struct dragon_channel *channel, mem_ref block, const void *data,
                                    size_t bytes, uint64_t tag, int64_t deadline_ns)
{
    struct space *space = channel->handle.shared->space;
    uint32_t owner = space_owner(space, block);
    if (owner == SLOT_KEEPER)
        return DRAGON_ERR_STATE;
    if (owner != space->slot || space_block_bytes(space, block) < bytes)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = channel_send(channel, data, bytes, tag, deadline_ns);
    if (err == DRAGON_OK)
        space_free(space, block, space->slot);
    return err;
}

dragon_err_t dragon_channel_send_memory(dragon_channel_t *channel, void *data, size_t bytes,
                                        uint64_t tag, int timeout_ms)
{
    dragon_err_t err = channel_check(channel);
    if (err != DRAGON_OK)
        return err;
    mem_ref block = data ? space_ref(channel->handle.shared->space, data) : 0;
    if (!block)
        return DRAGON_ERR_INVAL;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    if (channel->handle.object)
        return local_send_block(&channel->local, block, bytes, tag, deadline_ns);
    return send_far_memory(channel, block, data, bytes, tag, deadline_ns);
}

// ---- receiving

// Whether this process may: it becomes the single receiver with its first call.
static inline dragon_err_t may_receive(struct dragon_channel *channel)
{
    if (!channel->handle.spec.single || channel->claim)
        return DRAGON_OK;
    return claim_take(channel);
}

static inline void received(struct dragon_channel *channel, dragon_err_t err)
{
    if (err == DRAGON_OK && channel->claim)
        claim_received(channel->claim);
}

// A try that found nothing gives the network its chance, when we serve the channel: who only tries never waits.
static inline bool looks_again(struct dragon_channel *channel, dragon_err_t err)
{
    return err == DRAGON_ERR_AGAIN && channel->claim && claim_turn(channel->claim);
}

dragon_err_t channel_claim(struct dragon_channel *channel)
{
    dragon_message_t message;
    struct far_object *far;
    if (channel->handle.object)
        return may_receive(channel);
    // Who looks for the oldest message becomes it, at the home node.
    struct far_call call = how(channel, 0);
    dragon_err_t err = handle_far(&channel->handle, &far);
    if (err == DRAGON_OK)
        err = far_receive(far, NULL, 0, true, &message, &call);
    return err == DRAGON_ERR_AGAIN ? DRAGON_OK : err;
}

dragon_err_t channel_receive(struct dragon_channel *channel, void *buffer, size_t room,
                             dragon_message_t *message_out, int64_t deadline_ns)
{
    struct far_object *far;
    if (channel->handle.object) {
        dragon_err_t err = may_receive(channel);
        if (err == DRAGON_OK)
            err = local_receive(&channel->local, buffer, room, message_out, deadline_ns);
        if (looks_again(channel, err))
            err = local_receive(&channel->local, buffer, room, message_out, deadline_ns);
        received(channel, err);
        return err;
    }
    struct far_call call = how(channel, deadline_ns);
    dragon_err_t err = handle_far(&channel->handle, &far);
    return err == DRAGON_OK ? far_receive(far, buffer, room, false, message_out, &call) : err;
}

dragon_err_t dragon_channel_receive(dragon_channel_t *channel, void *buffer, size_t room,
                                    dragon_message_t *message_out, int timeout_ms)
{
    dragon_err_t err = channel_check(channel);
    if (err != DRAGON_OK)
        return err;
    if (!buffer && room > 0)
        return DRAGON_ERR_INVAL;
    if (channel->handle.object) {
        err = channel_receive(channel, buffer, room, message_out, 0);
        if (!goes_on(err, timeout_ms))
            return err;
    }
    return channel_receive(channel, buffer, room, message_out, wait_deadline(timeout_ms));
}

dragon_err_t channel_receive_memory(struct dragon_channel *channel, void **data_out,
                                    dragon_message_t *message_out, int64_t deadline_ns)
{
    struct far_object *far;
    mem_ref block;
    if (channel->handle.object) {
        dragon_err_t err = may_receive(channel);
        if (err == DRAGON_OK)
            err = local_receive_block(&channel->local, &block, data_out, message_out, deadline_ns);
        if (looks_again(channel, err))
            err = local_receive_block(&channel->local, &block, data_out, message_out, deadline_ns);
        received(channel, err);
        return err;
    }
    struct far_call call = how(channel, deadline_ns);
    dragon_err_t err = handle_far(&channel->handle, &far);
    return err == DRAGON_OK ? far_receive_block(far, &block, data_out, message_out, &call) : err;
}

dragon_err_t dragon_channel_receive_memory(dragon_channel_t *channel, void **data_out,
                                           dragon_message_t *message_out, int timeout_ms)
{
    dragon_err_t err = channel_check(channel);
    if (err != DRAGON_OK)
        return err;
    if (!data_out)
        return DRAGON_ERR_INVAL;
    if (channel->handle.object) {
        err = channel_receive_memory(channel, data_out, message_out, 0);
        if (!goes_on(err, timeout_ms))
            return err;
    }
    return channel_receive_memory(channel, data_out, message_out, wait_deadline(timeout_ms));
}

dragon_err_t dragon_channel_peek(dragon_channel_t *channel, void *buffer, size_t room,
                                 dragon_message_t *message_out, int timeout_ms)
{
    struct far_object *far;
    dragon_err_t err = channel_check(channel);
    if (err != DRAGON_OK)
        return err;
    if (!buffer && room > 0)
        return DRAGON_ERR_INVAL;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    if (channel->handle.object) {
        err = may_receive(channel);
        if (err == DRAGON_OK)
            err = local_peek(&channel->local, buffer, room, message_out, deadline_ns);
        if (looks_again(channel, err))
            err = local_peek(&channel->local, buffer, room, message_out, deadline_ns);
        return err;
    }
    struct far_call call = how(channel, deadline_ns);
    err = handle_far(&channel->handle, &far);
    return err == DRAGON_OK ? far_receive(far, buffer, room, true, message_out, &call) : err;
}

// ---- looking

dragon_err_t channel_look(struct dragon_channel *channel, int events, int *events_out)
{
    struct far_object *far;
    if (channel->handle.object)
        return local_poll(&channel->local, events, events_out);
    dragon_err_t err = handle_far(&channel->handle, &far);
    if (err == DRAGON_OK)
        err = far_watch(far, events);
    return err == DRAGON_OK ? far_events(far, events_out) : err;
}

size_t channel_awaited(struct dragon_channel *channel, int events,
                       struct awaited items_out[CHANNEL_AWAITED])
{
    if (channel->handle.object)
        return local_awaited(&channel->local, events, items_out);
    items_out[0] = (struct awaited){.ready = far_told, .arg = channel->handle.far};
    return 1;
}

static dragon_err_t poll_local(struct dragon_channel *channel, int events, int *events_out,
                               int64_t deadline_ns)
{
    struct waiter *waiter = &channel->handle.shared->waiter;
    struct awaited items[CHANNEL_AWAITED];
    int found;
    for (;;) {
        dragon_err_t err = local_poll(&channel->local, events, &found);
        if (err != DRAGON_OK)
            return err;
        if (found) {
            *events_out = found;
            return DRAGON_OK;
        }
        size_t count = local_awaited(&channel->local, events, items);
        err = wait_for(waiter, items, count, channel->wait, &channel->handle.spin, deadline_ns);
        // To look is not to take: another may want what we were woken for.
        wait_pass_on(waiter, items, count);
        if (err != DRAGON_OK)
            return err == DRAGON_ERR_TIMEOUT && deadline_ns == 0 ? DRAGON_ERR_AGAIN : err;
    }
}

dragon_err_t dragon_channel_poll(dragon_channel_t *channel, int events, int *events_out,
                                 int timeout_ms)
{
    struct far_object *far;
    dragon_err_t err = channel_check(channel);
    if (err != DRAGON_OK)
        return err;
    if (!events_out || !channel_events_fit(events))
        return DRAGON_ERR_INVAL;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    if (channel->handle.object)
        return poll_local(channel, events, events_out, deadline_ns);
    struct far_call call = how(channel, deadline_ns);
    err = handle_far(&channel->handle, &far);
    return err == DRAGON_OK ? far_poll(far, events, events_out, &call) : err;
}
