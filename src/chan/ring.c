// SPDX-License-Identifier: BSD-3-Clause
//
// The ring in use: push and pop. ring_look.c looks only; ring_life.c makes it, closes it and puts it right.
//
// Positions. `tail` and `head` of the ring are only where to begin to look: a position up to which all cells have been
// taken, perhaps more. The cells are walked from there. So they are plain stores, and one that comes late does no harm.
//
// Who wakes whom. A message wakes one receiver, room wakes one sender. A cell may be ready behind one that is not: then
// whoever was woken finds nothing, and whoever takes the first finds the next ready and wakes for it.
#include "config.h"

#include "chan/cell.h"
#include "chan/queue.h"

// ---- push

static dragon_err_t take_cell(struct ring *ring, uint32_t slot, struct spot *spot_out)
{
    for (;;) {
        if (object_state(&ring->object) != OBJECT_OPEN)
            return DRAGON_ERR_CLOSED;
        struct spot spot = ring_tail(ring);
        enum cell_phase phase = cell_phase(spot.state);
        if (cell_ahead(spot.state, spot.position) != 0) {
            // Full; but a message that never came is the oldest, and nobody has to wait for it.
            if (phase != CELL_VOID)
                return DRAGON_ERR_AGAIN;
            spot_change(&spot, spot_freed(&spot));
        } else if (phase == CELL_END) {
            return DRAGON_ERR_CLOSED;
        } else if (spot_change(&spot, cell_state(spot.position, slot, CELL_WRITING))) {
            *spot_out = spot;
            return DRAGON_OK;
        }
    }
}

// All but the block.
static void write_message(struct cell *cell, const struct ring_message *message, const void *data,
                          uint32_t slot)
{
    uint64_t how = message->flags | (message->block ? RING_BLOCK : 0);
    how |= (uint64_t)(message->sender ? message->sender : slot) << HOW_SENDER;
    how |= (uint64_t)message->ticket << HOW_TICKET;
    atomic_store_explicit(&cell->how, how, memory_order_relaxed);
    atomic_store_explicit(&cell->tag, message->tag, memory_order_relaxed);
    atomic_store_explicit(&cell->bytes, message->bytes, memory_order_relaxed);
    if (message->block)
        return;
    uint64_t small[CELL_SMALL / 8] = {0};
    copy_small(small, data, message->bytes < CELL_SMALL ? message->bytes : CELL_SMALL);
    for (size_t i = 0; i < CELL_SMALL / 8; i++)
        atomic_store_explicit(&cell->small[i], small[i], memory_order_relaxed);
    if (message->bytes > CELL_SMALL)
        memcpy(cell->data, (const uint8_t *)data + CELL_SMALL, message->bytes - CELL_SMALL);
}

static void after_push(struct ring *ring, struct space *space)
{
    if (waitset_any(&ring->receivers))
        space_wake_one(space, &ring->receivers);
    if (waitset_any(&ring->senders) && ring_writable(ring))
        space_wake_one(space, &ring->senders);
    if (object_state(&ring->object) == OBJECT_DESTROYED)
        ring_drain(ring, space); // it was destroyed meanwhile, and perhaps looked through before
}

dragon_err_t ring_push(struct ring *ring, struct space *space, const struct ring_message *message,
                       const void *data)
{
    struct spot spot;
    dragon_err_t err = take_cell(ring, space->slot, &spot);
    if (err != DRAGON_OK)
        return err;
    uint64_t next = position_next(ring, spot.position);
    ring_move_on(&ring->tail, next);
    struct cell *cell = spot.cell;
    uint64_t state = cell_state(spot.position, space->slot, CELL_FULL);
    write_message(cell, message, data, space->slot);
    if (message->block) {
        // The cell names it before it is nobody's.
        atomic_store_explicit(&cell->block, message->block, memory_order_release);
        if (!space_give(space, message->block, space->slot, SLOT_MESSAGE)) {
            atomic_store_explicit(&cell->block, 0, memory_order_relaxed);
            atomic_fetch_add(&ring->lost, 1);
            state = cell_state(spot.position, 0, CELL_VOID);
            err = DRAGON_ERR_INVAL;
        }
    }
    atomic_exchange(&cell->state, state);
    if (message->bytes > CELL_SMALL && message->bytes <= ring->config.inline_bytes)
        cell_will_write(cell_at(ring, next), message->bytes); // the next one is probably like this
    after_push(ring, space);
    return err;
}

// ---- pop

uint32_t ring_ticket(struct space *space, uint32_t slot)
{
    return atomic_fetch_add(&board_slot(space->board, slot)->ticket, 1) + 1;
}

uint32_t ring_taken(struct space *space, uint32_t slot, uint32_t ticket)
{
    uint64_t taken = atomic_load(&board_slot(space->board, slot)->taken);
    return (uint32_t)(taken >> 32) == ticket ? (uint32_t)taken : 0;
}

// An answer to an older send never hides one to a newer, nor the second answer the first.
void ring_tell(struct space *space, uint64_t how, uint32_t taken)
{
    if (!(how & RING_TELL))
        return;
    uint32_t ticket = (uint32_t)(how >> HOW_TICKET);
    struct slot *sender = board_slot(space->board, (uint32_t)(how >> HOW_SENDER) & 0xffff);
    uint64_t old = atomic_load(&sender->taken);
    while ((int32_t)(ticket - (uint32_t)(old >> 32)) > 0)
        if (atomic_compare_exchange_weak(&sender->taken, &old, (uint64_t)ticket << 32 | taken))
            return;
}

// The cell is ours: takes the message out of it, and gives it back. False: the message was not sound.
static bool take_out(struct ring *ring, struct space *space, const struct spot *spot,
                     struct seen *seen, void *buffer)
{
    struct cell *cell = spot->cell;
    struct ring_message *message = &seen->message;
    bool good = cell_sound(ring, message);
    if (message->block) {
        good = space_give(space, message->block, SLOT_MESSAGE, space->slot);
        atomic_store_explicit(&cell->block, 0, memory_order_release);
    } else if (good) {
        cell_copy(cell, seen, buffer, message->bytes);
    }
    if (ring->object.kind == OBJECT_QUEUE)
        queue_taken(ring, space->slot, spot->position);
    ring_tell(space, atomic_load_explicit(&cell->how, memory_order_relaxed), TAKEN_RECEIVED);
    atomic_exchange(&cell->state, spot_freed(spot));
    if (message->flags & RING_TELL)
        space_ring(space, cell_slot(spot->state));
    return good;
}

static void after_pop(struct ring *ring, struct space *space)
{
    if (waitset_any(&ring->senders))
        space_wake_one(space, &ring->senders);
    if (waitset_any(&ring->receivers) && ring_readable(ring))
        space_wake_one(space, &ring->receivers);
}

// It can be taken like this. AGAIN: somebody else has taken it.
static dragon_err_t check_full(struct space *space, const struct spot *spot,
                               const struct ring_message *message, bool blocks, size_t room,
                               struct ring_message *message_out)
{
    bool fits = message->bytes <= room || (blocks && message->block);
    bool mapped = message->block == 0 || space_at(space, message->block, message->bytes);
    if (fits && mapped)
        return DRAGON_OK;
    if (!spot_unchanged(spot))
        return DRAGON_ERR_AGAIN;
    if (fits) // not to be had in this process, so it stays for others
        return space_ended(space, false) ? DRAGON_ERR_PEER : DRAGON_ERR_NOMEM;
    *message_out = *message;
    return DRAGON_ERR_TOO_BIG;
}

// AGAIN: somebody else was quicker.
static dragon_err_t pop_full(struct ring *ring, struct space *space, const struct spot *spot,
                             bool blocks, void *buffer, size_t room,
                             struct ring_message *message_out)
{
    struct seen seen;
    cell_look(spot->cell, &seen);
    const struct ring_message *message = &seen.message;
    dragon_err_t err = check_full(space, spot, message, blocks, room, message_out);
    if (err != DRAGON_OK)
        return err;
    if (message->bytes <= CELL_SMALL && message->flags == 0 &&
        ring->object.kind == OBJECT_CHANNEL) { // we have seen all of it: one step does it
        if (!spot_change(spot, spot_freed(spot)))
            return DRAGON_ERR_AGAIN;
        copy_small(buffer, seen.small, message->bytes);
    } else {
        if (message->block == 0 && cell_sound(ring, message))
            cell_will_read(spot->cell, message->bytes);
        if (!spot_change(spot, cell_state(spot->state, space->slot, CELL_READING)))
            return DRAGON_ERR_AGAIN;
        if (!take_out(ring, space, spot, &seen, buffer)) {
            atomic_fetch_add(&ring->lost, 1);
            err = DRAGON_ERR_AGAIN;
        }
    }
    ring_move_on(&ring->head, position_next(ring, spot->position));
    after_pop(ring, space);
    *message_out = *message;
    return err;
}

// What is at the head, and what is to be done with it: OK: a message. AGAIN, CLOSED.
dragon_err_t ring_oldest(struct ring *ring, struct space *space, struct spot *spot_out)
{
    for (;;) {
        if (object_state(&ring->object) == OBJECT_DESTROYED)
            return DRAGON_ERR_CLOSED;
        struct spot spot = ring_head(ring);
        if (cell_ahead(spot.state, spot.position) < 0)
            return DRAGON_ERR_AGAIN; // somebody still reads there; nothing can have been sent
        switch (cell_phase(spot.state)) {
        case CELL_FULL:
            *spot_out = spot;
            return DRAGON_OK;
        case CELL_VOID:
            if (spot_change(&spot, spot_freed(&spot)))
                after_pop(ring, space);
            break;
        case CELL_FREE:
            if (object_state(&ring->object) == OBJECT_OPEN)
                return DRAGON_ERR_AGAIN;
            // A send that began before it was closed comes before this, or finds it.
            if (spot_change(&spot, cell_state(spot.state, 0, CELL_END)))
                space_wake_all(space, &ring->receivers);
            break;
        case CELL_END:
            return DRAGON_ERR_CLOSED;
        default:
            return DRAGON_ERR_AGAIN;
        }
    }
}

dragon_err_t ring_pop(struct ring *ring, struct space *space, bool blocks, void *buffer,
                      size_t room, struct ring_message *message_out)
{
    for (;;) {
        struct spot spot;
        dragon_err_t err = ring_oldest(ring, space, &spot);
        if (err != DRAGON_OK)
            return err;
        err = pop_full(ring, space, &spot, blocks, buffer, room, message_out);
        if (err != DRAGON_ERR_AGAIN)
            return err;
    }
}
