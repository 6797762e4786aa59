// SPDX-License-Identifier: BSD-3-Clause
//
// The ring in use: push, pop, peek and look. ring_life.c makes it, closes it and puts it right.
//
// Positions. `tail` and `head` of the ring are only where to begin to look: a position up to which all cells have been
// taken, perhaps more. The cells are walked from there. So they are plain stores, and one that comes late does no harm.
//
// Who wakes whom. A message wakes one receiver, room wakes one sender. A cell may be ready behind one that is not: then
// whoever was woken finds nothing, and whoever takes the first finds the next ready and wakes for it.
#include "config.h"

#include "chan/cell.h"
#include "chan/queue.h"

static uint64_t begin(const struct ring *ring, const _Atomic uint64_t *at)
{
    uint64_t position = atomic_load_explicit(at, memory_order_acquire);
    return position_valid(ring, position) ? position : 0;
}

// Those of others that come at the same time may win, and be older.
static void move_on(_Atomic uint64_t *at, uint64_t position)
{
    if ((int64_t)(position - atomic_load_explicit(at, memory_order_relaxed)) > 0)
        atomic_store_explicit(at, position, memory_order_release);
}

static uint64_t index_of(uint64_t position)
{
    return position & (CELL_LAP - 1);
}

struct spot ring_tail(struct ring *ring)
{
    struct spot spot = {.position = begin(ring, &ring->tail)};
    for (;;) {
        spot.cell = cell_at(ring, spot.position);
        spot.state = atomic_load(&spot.cell->state);
        int64_t ahead = cell_ahead(spot.state, spot.position);
        enum cell_phase phase = cell_phase(spot.state);
        bool untaken = phase == CELL_FREE || phase == CELL_END;
        if (ahead < 0 || (ahead == 0 && untaken))
            return spot;
        uint64_t taken = (spot.state & CELL_LAP_MASK) - (untaken ? CELL_LAP : 0);
        spot.position = position_next(ring, taken | index_of(spot.position));
    }
}

struct spot ring_head(struct ring *ring)
{
    struct spot spot = {.position = begin(ring, &ring->head)};
    for (;;) {
        spot.cell = cell_at(ring, spot.position);
        spot.state = atomic_load(&spot.cell->state);
        int64_t ahead = cell_ahead(spot.state, spot.position);
        bool reading = cell_phase(spot.state) == CELL_READING;
        if (ahead < 0 || (ahead == 0 && !reading))
            return spot;
        uint64_t taken = (spot.state & CELL_LAP_MASK) - (reading ? 0 : CELL_LAP);
        spot.position = position_next(ring, taken | index_of(spot.position));
    }
}

bool ring_readable(struct ring *ring)
{
    uint32_t state = object_state(&ring->object);
    if (state == OBJECT_DESTROYED)
        return true;
    struct spot head = ring_head(ring);
    if (cell_ahead(head.state, head.position) < 0)
        return false;
    enum cell_phase phase = cell_phase(head.state);
    return phase == CELL_FREE ? state != OBJECT_OPEN : phase != CELL_WRITING;
}

bool ring_writable(struct ring *ring)
{
    if (object_state(&ring->object) != OBJECT_OPEN)
        return true;
    struct spot tail = ring_tail(ring);
    return cell_ahead(tail.state, tail.position) == 0 || cell_phase(tail.state) == CELL_VOID;
}

uint32_t ring_waiting(struct ring *ring)
{
    uint64_t received = position_count(ring, ring_head(ring).position);
    uint64_t sent = position_count(ring, ring_tail(ring).position);
    uint64_t waiting = sent > received ? sent - received : 0;
    return waiting > ring->config.capacity ? ring->config.capacity : (uint32_t)waiting;
}

uint64_t ring_sent(struct ring *ring)
{
    return position_count(ring, ring_tail(ring).position) - atomic_load(&ring->lost);
}

uint64_t ring_received(struct ring *ring)
{
    uint64_t sent = ring_sent(ring), waiting = ring_waiting(ring);
    return sent > waiting ? sent - waiting : 0;
}

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
            spot_skip_void(&spot);
        } else if (phase == CELL_END) {
            return DRAGON_ERR_CLOSED;
        } else if (spot_change(&spot, cell_state(spot.position, slot, CELL_WRITING))) {
            *spot_out = spot;
            return DRAGON_OK;
        }
    }
}

static void write_words(struct cell *cell, const struct ring_message *message, const void *data,
                        uint32_t slot)
{
    uint64_t small[CELL_SMALL / 8] = {0};
    size_t head = message->bytes < CELL_SMALL ? message->bytes : CELL_SMALL;
    uint64_t how = message->flags;
    if (message->block) {
        how |= RING_BLOCK;
    } else {
        if (head)
            memcpy(small, data, head);
        for (size_t i = 0; i < CELL_SMALL / 8; i++)
            atomic_store_explicit(&cell->small[i], small[i], memory_order_relaxed);
        if (message->bytes > head)
            memcpy(cell->data, (const uint8_t *)data + head, message->bytes - head);
    }
    how |= (uint64_t)(message->sender ? message->sender : slot) << HOW_SENDER;
    how |= (uint64_t)message->ticket << HOW_TICKET;
    atomic_store_explicit(&cell->how, how, memory_order_relaxed);
    atomic_store_explicit(&cell->tag, message->tag, memory_order_relaxed);
    atomic_store_explicit(&cell->bytes, message->bytes, memory_order_relaxed);
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
    move_on(&ring->tail, position_next(ring, spot.position));
    struct cell *cell = spot.cell;
    enum cell_phase phase = CELL_FULL;
    write_words(cell, message, data, space->slot);
    if (message->block) {
        // The cell names it before it is nobody's.
        atomic_store_explicit(&cell->block, message->block, memory_order_release);
        if (!space_give(space, message->block, space->slot, SLOT_MESSAGE)) {
            atomic_store_explicit(&cell->block, 0, memory_order_relaxed);
            atomic_fetch_add(&ring->lost, 1);
            phase = CELL_VOID;
        }
    }
    atomic_exchange(&cell->state,
                    cell_state(spot.position, phase == CELL_FULL ? space->slot : 0, phase));
    __asm__ volatile("cldemote %0" ::"m"(cell->state));
    __asm__ volatile("prefetchw %0" ::"m"(cell_at(ring, position_next(ring, spot.position))->state));
    after_push(ring, space);
    return phase == CELL_FULL ? DRAGON_OK : DRAGON_ERR_INVAL;
}

// ---- pop

// Everything that the first line of the cell says. Only worth something when its state is the same afterwards.
struct seen {
    struct ring_message message;
    uint64_t small[CELL_SMALL / 8];
};

static void look(struct cell *cell, struct seen *seen)
{
    uint64_t how = atomic_load_explicit(&cell->how, memory_order_relaxed);
    seen->message.tag = atomic_load_explicit(&cell->tag, memory_order_relaxed);
    seen->message.bytes = atomic_load_explicit(&cell->bytes, memory_order_relaxed);
    seen->message.block = atomic_load_explicit(&cell->block, memory_order_relaxed);
    seen->message.flags = how & 0xff;
    seen->message.sender = (uint32_t)(how >> HOW_SENDER) & 0xffff;
    seen->message.ticket = (uint32_t)(how >> HOW_TICKET);
    for (size_t i = 0; i < CELL_SMALL / 8; i++)
        seen->small[i] = atomic_load_explicit(&cell->small[i], memory_order_relaxed);
}

static bool unchanged(const struct spot *spot)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&spot->cell->state, memory_order_relaxed) == spot->state;
}

static void copy_inline(const struct cell *cell, const struct seen *seen, void *buffer,
                        size_t bytes)
{
    size_t head = bytes < CELL_SMALL ? bytes : CELL_SMALL;
    if (head)
        memcpy(buffer, seen->small, head);
    if (bytes > head)
        memcpy((uint8_t *)buffer + head, cell->data, bytes - head);
}

// The message can be what it says.
static bool sound(const struct ring *ring, const struct ring_message *message)
{
    bool block = message->flags & RING_BLOCK;
    return block ? message->block != 0 : message->bytes <= ring->config.inline_bytes;
}

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
    bool good = sound(ring, message);
    if (message->block) {
        good = space_give(space, message->block, SLOT_MESSAGE, space->slot) && good;
        atomic_store_explicit(&cell->block, 0, memory_order_release);
    } else if (good) {
        copy_inline(cell, seen, buffer, message->bytes);
    }
    if (ring->object.kind == OBJECT_QUEUE)
        queue_taken(ring, space->slot, spot->position);
    ring_tell(space, atomic_load_explicit(&cell->how, memory_order_relaxed), TAKEN_RECEIVED);
    atomic_exchange(&cell->state, cell_state(spot->state + CELL_LAP, 0, CELL_FREE));
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

// AGAIN: somebody else was quicker.
static dragon_err_t pop_full(struct ring *ring, struct space *space, const struct spot *spot,
                             bool blocks, void *buffer, size_t room,
                             struct ring_message *message_out)
{
    struct seen seen;
    look(spot->cell, &seen);
    struct ring_message *message = &seen.message;
    if (message->bytes > room && !(blocks && message->block)) {
        if (!unchanged(spot))
            return DRAGON_ERR_AGAIN;
        *message_out = *message;
        return DRAGON_ERR_TOO_BIG;
    }
    bool good = true;
    if (message->bytes <= CELL_SMALL && message->flags == 0 &&
        ring->object.kind == OBJECT_CHANNEL) { // known in full: one step does it
        if (!spot_change(spot, cell_state(spot->state + CELL_LAP, 0, CELL_FREE)))
            return DRAGON_ERR_AGAIN;
        copy_inline(spot->cell, &seen, buffer, message->bytes);
    } else {
        if (!spot_change(spot, cell_state(spot->state, space->slot, CELL_READING)))
            return DRAGON_ERR_AGAIN;
        good = take_out(ring, space, spot, &seen, buffer);
    }
    move_on(&ring->head, position_next(ring, spot->position));
    after_pop(ring, space);
    if (!good) {
        atomic_fetch_add(&ring->lost, 1);
        return DRAGON_ERR_AGAIN;
    }
    *message_out = *message;
    return DRAGON_OK;
}

// What is at the head, and what is to be done with it: OK: a message. AGAIN, CLOSED.
static dragon_err_t find_message(struct ring *ring, struct space *space, struct spot *spot_out)
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
            if (spot_skip_void(&spot))
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
        dragon_err_t err = find_message(ring, space, &spot);
        if (err != DRAGON_OK)
            return err;
        err = pop_full(ring, space, &spot, blocks, buffer, room, message_out);
        if (err != DRAGON_ERR_AGAIN)
            return err;
    }
}

dragon_err_t ring_peek(struct ring *ring, struct space *space, void *buffer, size_t room,
                       struct ring_message *message_out)
{
    for (;;) {
        struct spot spot;
        struct seen seen;
        dragon_err_t err = find_message(ring, space, &spot);
        if (err != DRAGON_OK)
            return err;
        look(spot.cell, &seen);
        size_t bytes = seen.message.bytes < room ? seen.message.bytes : room;
        if (!unchanged(&spot))
            continue;
        // From here on it may be taken while we copy: then what we have is worth nothing, but can be read.
        if (seen.message.block) {
            const void *data = space_at(space, seen.message.block, seen.message.bytes);
            if (data && bytes)
                memcpy(buffer, data, bytes);
            err = data ? DRAGON_OK : DRAGON_ERR_PROTO;
        } else if (sound(ring, &seen.message)) {
            copy_inline(spot.cell, &seen, buffer, bytes);
        } else {
            err = DRAGON_ERR_PROTO;
        }
        if (!unchanged(&spot))
            continue;
        if (err == DRAGON_OK)
            *message_out = seen.message;
        return err;
    }
}
