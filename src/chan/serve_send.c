// SPDX-License-Identifier: BSD-3-Clause
//
// Sends of other nodes. One that can goes into its channel at once; else it waits in the queue of its handle, and those behind it do:
// they keep their order. A large payload stays at its sender until there is room for its message, and is then moved into a block of
// this node. What the senders are told is in serve_credit.c.
#include "config.h"

#include "chan/serve_parts.h"

#include <stdlib.h>

// ---- one message

static dragon_err_t alloc_block(struct serve *serve, const struct served *served, size_t bytes,
                                mem_ref *block_out, void **at_out)
{
    return space_alloc(serve->waiter->space, bytes, served->kind, block_out, at_out, NULL);
}

// AGAIN, CLOSED, as ring_push. `block` 0: the message is at `data`. FULL: no slot to tell.
static dragon_err_t push(struct use *use, const struct cu_send *header, size_t bytes, mem_ref block,
                         const void *data, uint32_t *ticket_out)
{
    struct serve *serve = use->serve;
    struct space *space = serve->waiter->space;
    struct ring_message message = {.tag = header->tag, .bytes = bytes, .block = block};
    *ticket_out = 0;
    // From a connection that is gone nobody wants to know.
    if ((header->mode & SEND_TELL) && use->connection->peer) {
        // A direct receiver is the one who takes it: it needs no other slot to be told.
        uint32_t slot = space->slot;
        dragon_err_t err = serve->all ? connection_slot(serve, use->connection, &slot) : DRAGON_OK;
        if (err != DRAGON_OK)
            return err;
        message.flags = RING_TELL;
        message.sender = slot;
        message.ticket = *ticket_out = ring_ticket(space, slot);
    }
    return ring_push(served_ring(use->served), space, &message, data);
}

static void drop_data(struct inbound *inbound)
{
    if (inbound->data)
        inbound->use->held_bytes -= inbound->bytes;
    free(inbound->data);
    inbound->data = NULL;
}

static void inbound_free(struct serve *serve, struct inbound *inbound)
{
    struct space *space = serve->waiter->space;
    if (inbound->incoming)
        data_refuse(serve->waiter->port, inbound->incoming);
    if (inbound->block)
        space_free(space, inbound->block, space->slot);
    drop_data(inbound);
    free(inbound);
}

// Its sender has been told. What is still there it gets back now, however long others are before it.
static void give_up(struct serve *serve, struct inbound *inbound)
{
    if (inbound->incoming)
        data_refuse(serve->waiter->port, inbound->incoming);
    inbound->incoming = NULL;
    inbound->gone = true;
}

enum step { STEP_DONE, STEP_ROOM, STEP_MEMORY, STEP_MOVING };

static void run(struct use *use);

static void on_received(void *arg, dragon_err_t err)
{
    struct inbound *inbound = arg;
    struct use *use = inbound->use;
    struct serve *serve = use->serve;
    inbound->moving = false;
    serve->moving--;
    if (err != DRAGON_OK && !inbound->gone) { // then the connection is lost, too
        inbound->gone = true;
        send_credit(use, inbound->number, DRAGON_ERR_PEER);
    }
    run(use);
}

// It has a block, and its payload is there or on its way.
static enum step get_payload(struct use *use, struct inbound *inbound)
{
    struct serve *serve = use->serve;
    dragon_err_t err =
        alloc_block(serve, use->served, inbound->bytes, &inbound->block, &inbound->at);
    if (err != DRAGON_OK) {
        inbound->block = 0;
        if (!send_is_answered(inbound->mode, inbound->bytes)) {
            // It was promised that it will arrive. Who waits behind it can be told why.
            send_give_back(use);
            if (!use->lacks_memory)
                send_credit(use, use->acked, DRAGON_ERR_FULL);
            use->lacks_memory = serve->lacks_memory = true;
            return STEP_MEMORY;
        }
        inbound->gone = true;
        send_credit(use, inbound->number, err);
        return STEP_DONE;
    }
    use->lacks_memory = false;
    if (!inbound->incoming) {
        memcpy(inbound->at, inbound->data, inbound->bytes);
        drop_data(inbound);
        return STEP_DONE;
    }
    void *incoming = inbound->incoming;
    inbound->incoming = NULL;
    inbound->moving = true;
    serve->moving++;
    if (data_receive(serve->waiter->port, incoming, inbound->at, inbound->bytes, on_received,
                     inbound) == DRAGON_OK)
        return STEP_MOVING;
    serve->moving--;
    inbound->moving = false;
    inbound->gone = true;
    send_credit(use, inbound->number, DRAGON_ERR_PEER);
    return STEP_DONE;
}

// The oldest of a queue. DONE: it is not there any more.
static enum step step(struct use *use)
{
    struct serve *serve = use->serve;
    struct inbound *inbound = use->queue;
    struct ring *ring = served_ring(use->served);
    if (inbound->moving)
        return STEP_MOVING;
    if (!inbound->gone && inbound->mode & SEND_TRY && !ring_writable(ring)) {
        inbound->gone = true;
        send_credit(use, inbound->number, DRAGON_ERR_AGAIN);
    }
    bool needs_block =
        !inbound->block && (inbound->incoming || inbound->bytes > ring->config.inline_bytes);
    if (!inbound->gone && needs_block) {
        if (!ring_writable(ring))
            return STEP_ROOM;
        enum step got = get_payload(use, inbound);
        if (got != STEP_DONE)
            return got;
    }
    dragon_err_t err = DRAGON_OK;
    uint32_t ticket = 0;
    if (!inbound->gone) {
        struct cu_send header = {.tag = inbound->tag, .mode = inbound->mode};
        err = push(use, &header, inbound->bytes, inbound->block, inbound->data, &ticket);
        if (err == DRAGON_ERR_AGAIN)
            return STEP_ROOM;
    }
    serve->did = true;
    use->queue = inbound->next;
    if (err == DRAGON_OK && !inbound->gone) {
        inbound->block = 0; // the message's
        send_is_in(use, inbound->number, ticket ? inbound->mode : inbound->mode & ~SEND_TELL,
                   inbound->bytes, ticket);
    } else {
        send_is_not_in(use, inbound->number, err);
    }
    inbound_free(serve, inbound);
    return STEP_DONE;
}

static void set_blocked(struct use *use, bool blocked)
{
    struct served *served = use->served;
    if (blocked && !use->blocked)
        DL_APPEND(served->blocked, use);
    else if (!blocked && use->blocked)
        DL_DELETE(served->blocked, use);
    use->blocked = blocked;
    served_waits(use->serve, served);
}

// As far as it goes.
static void run(struct use *use)
{
    enum step how = STEP_DONE;
    if (!use->served) {
        sends_drop(use, true);
    } else {
        while (use->queue && how == STEP_DONE)
            how = step(use);
        set_blocked(use, use->queue && how != STEP_MOVING);
        if (use->blocked) // whoever is held up here has all credits that there are
            send_give_back(use);
    }
    if (!use->queue && use->leaving)
        use_gone(use);
}

void sends_turn(struct serve *serve, struct served *served)
{
    (void)serve;
    // In turns, one message each, as long as there is room; those that lack memory are passed over.
    uint32_t idle = 0, count = 0;
    struct use *use;
    DL_FOREACH(served->blocked, use)
    count++;
    while (served->blocked && idle < count) {
        use = served->blocked;
        enum step how = step(use);
        if (how == STEP_ROOM)
            return;
        idle = how == STEP_MEMORY ? idle + 1 : 0;
        set_blocked(use, false);
        if (use->queue && how != STEP_MOVING)
            set_blocked(use, true);
        else if (!use->queue && use->leaving)
            use_gone(use);
    }
}

// ---- arriving

static struct inbound *make_inbound(struct use *use, const struct cu_send *header,
                                    const struct data_message *message)
{
    struct inbound *inbound = calloc(1, sizeof *inbound);
    if (!inbound)
        return NULL;
    inbound->use = use;
    inbound->number = header->number;
    inbound->mode = header->mode;
    inbound->tag = header->tag;
    inbound->bytes = message->bytes;
    if (message->data) {
        inbound->data = malloc(message->bytes);
        if (!inbound->data) {
            free(inbound);
            return NULL;
        }
        memcpy(inbound->data, message->data, message->bytes);
        use->held_bytes += message->bytes;
    }
    inbound->incoming = message->incoming;
    return inbound;
}

// Without a detour: nothing of the handle waits, and what there is of the message is here.
static dragon_err_t push_now(struct use *use, const struct cu_send *header,
                             const struct data_message *message)
{
    struct serve *serve = use->serve;
    struct space *space = serve->waiter->space;
    struct ring *ring = served_ring(use->served);
    mem_ref block = 0;
    void *at;
    if (message->bytes > ring->config.inline_bytes) {
        if (!ring_writable(ring))
            return DRAGON_ERR_AGAIN;
        dragon_err_t err = alloc_block(serve, use->served, message->bytes, &block, &at);
        if (err != DRAGON_OK)
            return send_is_answered(header->mode, message->bytes) ? err : DRAGON_ERR_AGAIN;
        memcpy(at, message->data, message->bytes);
    }
    uint32_t ticket;
    dragon_err_t err = push(use, header, message->bytes, block, message->data, &ticket);
    if (err == DRAGON_OK)
        send_is_in(use, header->number, header->mode, message->bytes, ticket);
    else if (block)
        space_free(space, block, space->slot);
    return err;
}

static bool wait_for_room(struct use *use, const struct cu_send *header,
                          const struct data_message *message)
{
    struct inbound *inbound = make_inbound(use, header, message);
    if (!inbound)
        return false;
    struct inbound **end = &use->queue;
    while (*end)
        end = &(*end)->next;
    *end = inbound;
    if (inbound != use->queue && header->mode & SEND_TRY) { // not now: others are before it
        send_credit(use, header->number, DRAGON_ERR_AGAIN);
        give_up(use->serve, inbound);
    } else if (inbound == use->queue) {
        run(use);
    }
    return true;
}

bool send_arrived(struct serve *serve, struct connection *connection, const struct cu_send *header,
                  struct data_message *message)
{
    struct use *use = use_find(connection, header->handle);
    if (!use || use->leaving || header->number != use->received + 1)
        return false;
    if (use->served && !served_is_ring(use->served))
        return false;
    // One that is answered may be on its way beside those with credits.
    if (header->number - use->acked > SERVE_CREDITS + 1 ||
        (message->data && use->held_bytes + message->bytes > CHAN_WINDOW + CHAN_COPIED))
        return false;
    use->received = header->number;
    dragon_err_t err = DRAGON_ERR_PEER; // we serve it no longer
    if (use->served) {
        send_tell_moved(use);
        err = use->queue || message->incoming ? DRAGON_ERR_AGAIN : push_now(use, header, message);
        if (err == DRAGON_OK)
            return true;
        if (err == DRAGON_ERR_AGAIN)
            return wait_for_room(use, header, message);
    }
    if (message->incoming)
        data_refuse(serve->waiter->port, message->incoming);
    send_is_not_in(use, header->number, err);
    return true;
}

void send_take_back(struct use *use, uint32_t number)
{
    for (struct inbound *inbound = use->queue; inbound; inbound = inbound->next) {
        if (inbound->number != number)
            continue;
        if (inbound->bytes <= CHAN_COPIED) { // it goes in, but nobody waits for it to be received
            inbound->mode &= ~SEND_TELL;
            return;
        }
        if (!inbound->gone)
            send_credit(use, number, DRAGON_ERR_AGAIN);
        give_up(use->serve, inbound);
        run(use);
        return;
    }
    if (use->telling && use->tell_number == number) {
        send_tell_no_longer(use);
        send_credit(use, number, DRAGON_ERR_TIMEOUT);
        send_give_back(use);
    }
}

// ---- the end

void sends_drop(struct use *use, bool whole)
{
    struct serve *serve = use->serve;
    send_tell_no_longer(use);
    if (use->served && use->blocked)
        set_blocked(use, false);
    struct inbound **at = &use->queue;
    while (*at) {
        struct inbound *inbound = *at;
        bool here = !inbound->incoming && !inbound->moving && !inbound->gone;
        if (inbound->moving) { // the network tells when it has let go of it
            if (!inbound->gone)
                send_credit(use, inbound->number, DRAGON_ERR_PEER);
            inbound->gone = true;
            at = &inbound->next;
        } else if (here && !whole) {
            at = &inbound->next;
        } else {
            if (!inbound->gone)
                send_credit(use, inbound->number, DRAGON_ERR_PEER);
            *at = inbound->next;
            inbound_free(serve, inbound);
        }
    }
    if (whole) {
        use->in = use->received;
        send_give_back(use);
    } else if (use->queue && use->served && !use->queue->moving) {
        set_blocked(use, true);
    }
}
