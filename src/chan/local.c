// SPDX-License-Identifier: BSD-3-Clause
//
// Each call tries, and waits until it is worth to try again. A message that is not inline is a block: made and filled
// before there is anything of it in the ring, and copied out after it has left it, so nobody waits for a copy.
#include "config.h"

#include "chan/local.h"

void local_channel_init(struct local_channel *channel, struct waiter *waiter, struct ring *ring)
{
    *channel = (struct local_channel){
        .waiter = waiter,
        .ring = ring,
        .kind = {.numa = DRAGON_ANY_NUMA},
    };
}

// ---- waiting

static bool readable(void *arg)
{
    struct local_channel *channel = arg;
    return ring_readable(channel->ring);
}

static bool writable(void *arg)
{
    struct local_channel *channel = arg;
    return ring_writable(channel->ring);
}

static struct awaited await_message(struct local_channel *channel)
{
    return (struct awaited){.set = &channel->ring->receivers, .ready = readable, .arg = channel};
}

static struct awaited await_room(struct local_channel *channel)
{
    return (struct awaited){.set = &channel->ring->senders, .ready = writable, .arg = channel};
}

static dragon_err_t wait_message(struct local_channel *channel, int64_t deadline_ns)
{
    if (deadline_ns <= 0)
        return DRAGON_ERR_AGAIN;
    struct awaited item = await_message(channel);
    return wait_for(channel->waiter, &item, 1, channel->wait, &channel->receive_spin, deadline_ns);
}

static dragon_err_t wait_room(struct local_channel *channel, int64_t deadline_ns)
{
    if (deadline_ns <= 0)
        return DRAGON_ERR_AGAIN;
    struct awaited item = await_room(channel);
    return wait_for(channel->waiter, &item, 1, channel->wait, &channel->send_spin, deadline_ns);
}

// ---- sending

// A send in mode RECEIVED, after it is in the ring.
struct receipt {
    struct local_channel *channel;
    uint32_t ticket;
};

static bool settled(void *arg)
{
    struct receipt *receipt = arg;
    struct space *space = receipt->channel->waiter->space;
    return ring_taken(space, space->slot, receipt->ticket) != 0 ||
           object_state(&receipt->channel->ring->object) == OBJECT_DESTROYED;
}

static dragon_err_t wait_receipt(struct local_channel *channel, uint32_t ticket,
                                 int64_t deadline_ns)
{
    struct receipt receipt = {channel, ticket};
    struct awaited item = {.ready = settled, .arg = &receipt};
    dragon_err_t err = wait_for(channel->waiter, &item, 1, channel->wait, &channel->send_spin,
                                deadline_ns); // TIMEOUT also with deadline 0: it was sent
    if (err != DRAGON_OK)
        return err;
    struct space *space = channel->waiter->space;
    switch (ring_taken(space, space->slot, ticket)) {
    case TAKEN_RECEIVED:
        return DRAGON_OK;
    case TAKEN_DIED:
        return DRAGON_ERR_PEER;
    default:
        return DRAGON_ERR_CLOSED;
    }
}

static dragon_err_t push(struct local_channel *channel, struct ring_message *message,
                         const void *data, int64_t deadline_ns)
{
    struct space *space = channel->waiter->space;
    bool tell = channel->mode == DRAGON_RETURN_RECEIVED;
    if (tell) {
        message->flags = RING_TELL;
        message->ticket = ring_ticket(space, space->slot);
    }
    for (;;) {
        dragon_err_t err = ring_push(channel->ring, space, message, data);
        if (err == DRAGON_OK)
            return DRAGON_OK;
        if (err == DRAGON_ERR_AGAIN)
            err = wait_room(channel, deadline_ns);
        if (err != DRAGON_OK)
            return err;
    }
}

static dragon_err_t finish(struct local_channel *channel, const struct ring_message *message,
                           int64_t deadline_ns)
{
    if (!(message->flags & RING_TELL))
        return DRAGON_OK;
    return wait_receipt(channel, message->ticket, deadline_ns);
}

static dragon_err_t send_large(struct local_channel *channel, const void *data,
                               struct ring_message *message, int64_t deadline_ns)
{
    struct space *space = channel->waiter->space;
    if (!ring_writable(channel->ring)) { // before the work is done
        dragon_err_t err = wait_room(channel, deadline_ns);
        if (err != DRAGON_OK)
            return err;
    }
    void *copy;
    dragon_err_t err =
        space_alloc(space, message->bytes, channel->kind, &message->block, &copy, NULL);
    if (err != DRAGON_OK)
        return err;
    memcpy(copy, data, message->bytes);
    err = push(channel, message, NULL, deadline_ns);
    if (err != DRAGON_OK)
        space_free(space, message->block, space->slot);
    return err;
}

dragon_err_t local_send(struct local_channel *channel, const void *data, size_t bytes, uint64_t tag,
                        int64_t deadline_ns)
{
    struct ring_message message = {.tag = tag, .bytes = bytes};
    dragon_err_t err = bytes <= channel->ring->config.inline_bytes
                           ? push(channel, &message, data, deadline_ns)
                           : send_large(channel, data, &message, deadline_ns);
    return err == DRAGON_OK ? finish(channel, &message, deadline_ns) : err;
}

dragon_err_t local_send_block(struct local_channel *channel, mem_ref block, size_t bytes,
                              uint64_t tag, int64_t deadline_ns)
{
    struct space *space = channel->waiter->space;
    uint32_t owner = space_owner(space, block);
    if (owner == SLOT_KEEPER)
        return DRAGON_ERR_STATE; // shared
    if (owner != space->slot || bytes > space_block_bytes(space, block))
        return DRAGON_ERR_INVAL;
    struct ring_message message = {.tag = tag, .bytes = bytes, .block = block};
    dragon_err_t err = push(channel, &message, NULL, deadline_ns);
    return err == DRAGON_OK ? finish(channel, &message, deadline_ns) : err;
}

// ---- receiving

static dragon_err_t check_receiver(struct local_channel *channel)
{
    return channel->ring->config.single ? local_claim(channel) : DRAGON_OK;
}

static dragon_err_t pop(struct local_channel *channel, bool blocks, void *buffer, size_t room,
                        struct ring_message *message_out, int64_t deadline_ns)
{
    for (;;) {
        dragon_err_t err =
            ring_pop(channel->ring, channel->waiter->space, blocks, buffer, room, message_out);
        if (err == DRAGON_ERR_AGAIN)
            err = wait_message(channel, deadline_ns);
        else
            return err;
        if (err != DRAGON_OK)
            return err;
    }
}

static void say(const struct ring_message *message, dragon_message_t *message_out)
{
    if (message_out)
        *message_out = (dragon_message_t){.bytes = message->bytes, .tag = message->tag};
}

dragon_err_t local_receive(struct local_channel *channel, void *buffer, size_t room,
                           dragon_message_t *message_out, int64_t deadline_ns)
{
    struct space *space = channel->waiter->space;
    struct ring_message message;
    dragon_err_t err = check_receiver(channel);
    if (err == DRAGON_OK)
        err = pop(channel, false, buffer, room, &message, deadline_ns);
    if (err != DRAGON_OK && err != DRAGON_ERR_TOO_BIG)
        return err;
    say(&message, message_out);
    if (err != DRAGON_OK || message.block == 0)
        return err;
    if (message.bytes)
        memcpy(buffer, space_at(space, message.block, message.bytes), message.bytes);
    space_free(space, message.block, space->slot);
    return DRAGON_OK;
}

// The message was inline when we looked: into a block of ours, unless another one is the oldest by then.
static dragon_err_t receive_copy(struct local_channel *channel, struct ring_message *message_out)
{
    struct space *space = channel->waiter->space;
    size_t room = channel->ring->config.inline_bytes;
    mem_ref block;
    void *data;
    dragon_err_t err = space_alloc(space, room, channel->kind, &block, &data, NULL);
    if (err != DRAGON_OK)
        return err;
    err = ring_pop(channel->ring, space, true, data, room, message_out);
    if (err == DRAGON_OK && message_out->block == 0)
        message_out->block = block;
    else
        space_free(space, block, space->slot);
    return err;
}

dragon_err_t local_receive_block(struct local_channel *channel, mem_ref *block_out, void **data_out,
                                 dragon_message_t *message_out, int64_t deadline_ns)
{
    struct space *space = channel->waiter->space;
    struct ring_message message;
    dragon_err_t err = check_receiver(channel);
    if (err != DRAGON_OK)
        return err;
    do {
        err = pop(channel, true, NULL, 0, &message, deadline_ns);
        if (err == DRAGON_ERR_TOO_BIG)
            err = receive_copy(channel, &message);
    } while (err == DRAGON_ERR_AGAIN && deadline_ns > 0);
    if (err != DRAGON_OK)
        return err;
    if (message.block && message.bytes == 0) {
        space_free(space, message.block, space->slot);
        message.block = 0;
    }
    *block_out = message.block;
    *data_out = message.block ? space_at(space, message.block, message.bytes) : NULL;
    say(&message, message_out);
    return DRAGON_OK;
}

dragon_err_t local_peek(struct local_channel *channel, void *buffer, size_t room,
                        dragon_message_t *message_out, int64_t deadline_ns)
{
    for (;;) {
        struct ring_message message;
        dragon_err_t err = ring_peek(channel->ring, channel->waiter->space, buffer, room, &message);
        if (err == DRAGON_OK)
            say(&message, message_out);
        if (err != DRAGON_ERR_AGAIN)
            return err;
        err = wait_message(channel, deadline_ns);
        if (err != DRAGON_OK)
            return err;
    }
}

// ---- polling

dragon_err_t local_poll(struct local_channel *channel, int events, int *events_out)
{
    struct ring *ring = channel->ring;
    if (object_state(&ring->object) == OBJECT_DESTROYED)
        return DRAGON_ERR_CLOSED;
    int found = 0;
    if ((events & DRAGON_POLL_RECEIVE) && ring_readable(ring))
        found |= DRAGON_POLL_RECEIVE;
    if ((events & DRAGON_POLL_SEND) && ring_writable(ring))
        found |= DRAGON_POLL_SEND;
    *events_out = found;
    return DRAGON_OK;
}

size_t local_awaited(struct local_channel *channel, int events, struct awaited items_out[2])
{
    size_t count = 0;
    if (events & DRAGON_POLL_RECEIVE)
        items_out[count++] = await_message(channel);
    if (events & DRAGON_POLL_SEND)
        items_out[count++] = await_room(channel);
    return count;
}

// ---- the single receiver

dragon_err_t local_claim(struct local_channel *channel)
{
    uint32_t slot = channel->waiter->space->slot, has = SLOT_NONE;
    if (atomic_load_explicit(&channel->ring->receiver, memory_order_acquire) == slot ||
        atomic_compare_exchange_strong(&channel->ring->receiver, &has, slot))
        return DRAGON_OK;
    return DRAGON_ERR_DENIED;
}

void local_unclaim(struct local_channel *channel)
{
    uint32_t slot = channel->waiter->space->slot;
    atomic_compare_exchange_strong(&channel->ring->receiver, &slot, SLOT_NONE);
}
