// SPDX-License-Identifier: BSD-3-Clause
//
// The ring, looked at: nothing of it changes, but for a message that was never finished, and the end of a closed one.
#include "config.h"

#include "chan/cell.h"

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

// Those of the dead are not counted; they are looked for only when there have been any.
uint32_t ring_waiting(struct ring *ring)
{
    uint64_t at = ring_head(ring).position, end = ring_tail(ring).position;
    if ((int64_t)(end - at) <= 0)
        return 0;
    if (atomic_load(&ring->lost) == 0)
        return (uint32_t)(position_count(ring, end) - position_count(ring, at));
    uint32_t count = 0;
    for (uint32_t i = 0; i < ring->config.capacity && at != end; i++) {
        count += cell_phase(atomic_load(&cell_at(ring, at)->state)) != CELL_VOID;
        at = position_next(ring, at);
    }
    return count;
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

// What we have of a message that is taken while we copy is worth nothing, but can be read: segments stay mapped.
static dragon_err_t copy_of(const struct ring *ring, struct space *space, const struct spot *spot,
                            const struct seen *seen, void *buffer, size_t room)
{
    const struct ring_message *message = &seen->message;
    size_t bytes = message->bytes < room ? message->bytes : room;
    if (!cell_sound(ring, message))
        return DRAGON_ERR_PROTO;
    if (!message->block) {
        cell_copy(spot->cell, seen, buffer, bytes);
        return DRAGON_OK;
    }
    const void *data = space_at(space, message->block, message->bytes);
    if (!data)
        return space_ended(space, false) ? DRAGON_ERR_PEER : DRAGON_ERR_NOMEM;
    if (bytes)
        memcpy(buffer, data, bytes);
    return DRAGON_OK;
}

dragon_err_t ring_peek(struct ring *ring, struct space *space, void *buffer, size_t room,
                       struct ring_message *message_out)
{
    for (;;) {
        struct spot spot;
        struct seen seen;
        dragon_err_t err = ring_oldest(ring, space, &spot);
        if (err != DRAGON_OK)
            return err;
        cell_look(spot.cell, &seen);
        if (!spot_unchanged(&spot))
            continue;
        err = copy_of(ring, space, &spot, &seen, buffer, room);
        if (!spot_unchanged(&spot))
            continue;
        if (err == DRAGON_OK)
            *message_out = seen.message;
        return err;
    }
}
