// SPDX-License-Identifier: BSD-3-Clause
//
// A ring is made, closed, destroyed, and put right when somebody died at it. All but ring_drain is called by the
// keeper, which does one thing at a time and does not die: the runtime would end with it.
#include "config.h"

#include "chan/cell.h"
#include "chan/queue.h"

#include <dragon/channel.h>

static uint32_t cell_bytes(uint32_t inline_bytes)
{
    return (CELL_HEADER + inline_bytes + CELL_LINE - 1) & ~(uint32_t)(CELL_LINE - 1);
}

size_t ring_bytes(const struct object_spec *spec)
{
    if (spec->capacity < 1 || spec->capacity > DRAGON_CHANNEL_CAPACITY_MOST ||
        spec->inline_bytes > DRAGON_CHANNEL_INLINE_MOST)
        return 0;
    size_t bytes = sizeof(struct ring) + (size_t)spec->capacity * cell_bytes(spec->inline_bytes);
    return spec->kind == OBJECT_QUEUE ? bytes + queue_bytes() : bytes;
}

void ring_init(struct ring *ring, uint64_t id, const struct object_spec *spec)
{
    uint32_t bytes = cell_bytes(spec->inline_bytes);
    ring->config = (struct ring_config){
        .capacity = spec->capacity,
        .inline_bytes = bytes - CELL_HEADER,
        .cell_bytes = bytes,
        .single = spec->single,
    };
    waitset_init(&ring->receivers);
    waitset_init(&ring->senders);
    waitset_init(&ring->joiners);
    ring->object.id = id;
    ring->object.kind = spec->kind;
    if (spec->kind == OBJECT_QUEUE)
        queue_init(queue_of(ring));
    atomic_store(&ring->object.state, OBJECT_OPEN);
}

bool ring_check(const struct ring *ring, size_t bytes)
{
    if (bytes < sizeof(*ring))
        return false;
    const struct ring_config *config = &ring->config;
    struct object_spec spec = {
        .kind = (uint8_t)ring->object.kind,
        .capacity = config->capacity,
        .inline_bytes = config->inline_bytes,
    };
    // Inline bytes are rounded up to what fills the cell, which may be a little more than a spec can say.
    if (spec.inline_bytes > DRAGON_CHANNEL_INLINE_MOST)
        spec.inline_bytes = DRAGON_CHANNEL_INLINE_MOST;
    size_t need = ring_bytes(&spec);
    return need > 0 && need <= bytes && config->cell_bytes == cell_bytes(spec.inline_bytes) &&
           config->inline_bytes == config->cell_bytes - CELL_HEADER;
}

static void wake_everybody(struct ring *ring, struct space *space)
{
    space_wake_all(space, &ring->receivers);
    space_wake_all(space, &ring->senders);
    space_wake_all(space, &ring->joiners);
}

void ring_close(struct ring *ring, struct space *space)
{
    uint32_t open = OBJECT_OPEN;
    if (atomic_compare_exchange_strong(&ring->object.state, &open, OBJECT_CLOSED))
        wake_everybody(ring, space);
}

void ring_destroy(struct ring *ring, struct space *space)
{
    atomic_store(&ring->object.state, OBJECT_DESTROYED);
    ring_drain(ring, space);
    wake_everybody(ring, space);
}

// Also called by a sender whose message came too late, which may die here like anywhere else: the block is taken as a
// receiver would.
void ring_drain(struct ring *ring, struct space *space)
{
    for (;;) {
        struct spot spot = ring_head(ring);
        enum cell_phase phase = cell_phase(spot.state);
        if (cell_ahead(spot.state, spot.position) < 0 || (phase != CELL_FULL && phase != CELL_VOID))
            return;
        if (phase == CELL_VOID) {
            spot_change(&spot, spot_freed(&spot));
            continue;
        }
        if (!spot_change(&spot, cell_state(spot.state, space->slot, CELL_READING)))
            continue;
        mem_ref block = atomic_load(&spot.cell->block);
        bool ours = block && space_give(space, block, SLOT_MESSAGE, space->slot);
        bool tell = atomic_load(&spot.cell->how) & RING_TELL;
        atomic_store(&spot.cell->block, 0);
        atomic_store(&spot.cell->state, spot_freed(&spot));
        if (ours)
            space_free(space, block, space->slot);
        if (tell) // it finds out by itself that nobody will receive it
            space_ring(space, cell_slot(spot.state));
    }
}

// What a dead process was doing with a cell. True: it was reading it.
static bool recover_cell(struct ring *ring, struct cell *cell, uint64_t state, struct space *space)
{
    mem_ref block = atomic_load(&cell->block);
    if (block && space_owner(space, block) == SLOT_MESSAGE)
        space_free(space, block, SLOT_MESSAGE);
    atomic_store(&cell->block, 0);
    if (cell_phase(state) == CELL_WRITING) {
        atomic_fetch_add(&ring->lost, 1);
        atomic_store(&cell->state, cell_state(state, 0, CELL_VOID));
        return false;
    }
    ring_tell(space, atomic_load(&cell->how), TAKEN_DIED);
    atomic_store(&cell->state, cell_state(state + CELL_LAP, 0, CELL_FREE));
    return true;
}

void ring_recover(struct ring *ring, uint32_t dead, struct space *space)
{
    uint64_t position, *receiving = NULL;
    for (uint32_t i = 0; i < ring->config.capacity; i++) {
        struct cell *cell = cell_at(ring, i);
        uint64_t state = atomic_load(&cell->state);
        bool busy = cell_phase(state) == CELL_WRITING || cell_phase(state) == CELL_READING;
        if (busy && cell_slot(state) == dead && recover_cell(ring, cell, state, space)) {
            position = (state & CELL_LAP_MASK) | i;
            receiving = &position;
        }
    }
    if (ring->object.kind == OBJECT_QUEUE)
        queue_recover(ring, dead, receiving);
    waitset_leave(&ring->receivers, dead);
    waitset_leave(&ring->senders, dead);
    waitset_leave(&ring->joiners, dead);
    uint32_t receiver = dead;
    if (atomic_compare_exchange_strong(&ring->receiver, &receiver, SLOT_NONE) &&
        ring->config.single == SINGLE_END)
        atomic_store(&ring->object.state, OBJECT_DESTROYED);
    if (object_state(&ring->object) == OBJECT_DESTROYED)
        ring_drain(ring, space);
}
