// SPDX-License-Identifier: BSD-3-Clause
//
// What senders of other nodes are told. Credits are given back in batches, at once to a sender that has used up all; sends with an
// answer are answered when their fate is known: a large one when it is in its channel, one in mode RECEIVED when it was taken out.
// Sending itself is in serve_send.c.
#include "config.h"

#include "chan/serve_parts.h"

void send_credit(struct use *use, uint32_t number, dragon_err_t err)
{
    struct cu_credit header = {.handle = use->handle, .number = number, .error = err};
    reply(use->connection, CU_CREDIT, &header, sizeof header);
}

// All that are in. One in mode RECEIVED only counts when it is received.
void send_give_back(struct use *use)
{
    uint32_t number = use->telling ? use->tell_number - 1 : use->in;
    if (number == use->acked)
        return;
    use->acked = number;
    use->bytes = 0;
    send_credit(use, number, DRAGON_OK);
}

bool send_is_answered(uint8_t mode, uint64_t bytes)
{
    return mode != 0 || bytes > CHAN_COPIED;
}

void send_tell_no_longer(struct use *use)
{
    if (!use->telling)
        return;
    use->telling = false;
    DL_DELETE2(use->serve->telling, use, prev_tell, next_tell);
}

static void tell_later(struct use *use, uint32_t number, uint32_t ticket)
{
    struct serve *serve = use->serve;
    send_tell_no_longer(use); // of an older one
    use->telling = true;
    use->tell_number = number;
    use->ticket = ticket;
    use->position = ring_sent(served_ring(use->served));
    DL_APPEND2(serve->telling, use, prev_tell, next_tell);
}

void send_is_in(struct use *use, uint32_t number, uint8_t mode, uint64_t bytes, uint32_t ticket)
{
    use->in = number;
    use->bytes += bytes;
    if (mode & SEND_TELL)
        tell_later(use, number, ticket);
    else if (send_is_answered(mode, bytes) || use->in - use->acked >= SERVE_BATCH ||
             use->bytes >= CHAN_WINDOW / 2 || use->received - use->acked >= SERVE_CREDITS ||
             (use->flushing && use->in == use->flush))
        send_give_back(use);
    if (use->flushing && use->in == use->flush)
        use->flushing = false;
}

void send_is_not_in(struct use *use, uint32_t number, dragon_err_t err)
{
    if (err != DRAGON_OK)
        send_credit(use, number, err);
    use->in = number; // nothing more comes of it
    send_give_back(use);
}

void send_flush(struct use *use)
{
    if (use->in == use->received) {
        send_give_back(use);
        return;
    }
    use->flushing = true;
    use->flush = use->received;
}

// The single receiver may serve the channel itself, by now or soon: the sender is told when there is another one than it
// was told of, and again after twice as many messages, because the receiver is there before it serves.
void send_tell_moved(struct use *use)
{
    struct ring *ring = served_ring(use->served);
    if (!ring->config.single || !use->serve->all)
        return;
    uint32_t receiver = atomic_load_explicit(&ring->receiver, memory_order_relaxed);
    if (receiver != use->receiver)
        use->move_at = use->received;
    use->receiver = receiver;
    if (receiver == SLOT_NONE || use->move_at != use->received)
        return;
    use->move_at = use->received * 2;
    struct cu_handle moved = {.handle = use->handle};
    reply(use->connection, CU_MOVED, &moved, sizeof moved);
}

// ---- being received

// What has become of it. A direct receiver sees it also from how far its channel was read.
static uint32_t fate(struct use *use)
{
    struct serve *serve = use->serve;
    struct space *space = serve->waiter->space;
    uint32_t slot = serve->all ? use->connection->slot : space->slot;
    uint32_t taken = ring_taken(space, slot, use->ticket);
    if (taken == 0 && !serve->all && ring_received(served_ring(use->served)) >= use->position)
        return TAKEN_RECEIVED;
    return taken;
}

void sends_tell(struct serve *serve)
{
    struct use *use, *next;
    DL_FOREACH_SAFE2(serve->telling, use, next, next_tell)
    {
        uint32_t taken = fate(use);
        bool destroyed = object_state(use->served->object) == OBJECT_DESTROYED;
        if (taken == 0 && !destroyed)
            continue;
        uint32_t number = use->tell_number;
        send_tell_no_longer(use);
        serve->did = true;
        if (taken != TAKEN_RECEIVED)
            send_credit(use, number, taken ? DRAGON_ERR_PEER : DRAGON_ERR_CLOSED);
        send_give_back(use);
    }
}
