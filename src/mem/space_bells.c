// SPDX-License-Identifier: BSD-3-Clause
//
// Ringing. A process that sleeps on its futex is woken by one system call that names no descriptor; one that sleeps in
// poll by its eventfd, of which the latest ones that were needed are kept. A slot may have been given out anew since:
// then its generation has grown, and the eventfd is fetched again.
#include "config.h"

#include "mem/space.h"

#include <unistd.h>

enum { KEPT = 64 };

static uint32_t generation_of(struct space *space, uint32_t slot)
{
    return atomic_load_explicit(&board_slot(space->board, slot)->generation, memory_order_acquire);
}

// Room for one more: new, or that of the one that was fetched longest ago.
static struct kept_bell *room_for_bell(struct space *space)
{
    if (!space->bells)
        space->bells = calloc(KEPT, sizeof(struct kept_bell));
    if (!space->bells)
        return NULL;
    if (space->bell_count < KEPT)
        return &space->bells[space->bell_count++];
    struct kept_bell *bell = &space->bells[space->bell_next];
    space->bell_next = (space->bell_next + 1) % KEPT;
    close(bell->fd);
    return bell;
}

// -1: nobody has the slot.
static int bell_of(struct space *space, uint32_t slot)
{
    struct kept_bell *bell = NULL;
    for (uint32_t i = 0; i < space->bell_count && !bell; i++) {
        if (space->bells[i].slot == slot)
            bell = &space->bells[i];
    }
    if (bell && bell->generation == generation_of(space, slot))
        return bell->fd;
    uint32_t generation = 0;
    int fd = space->source->bell(space->source_arg, slot, &generation);
    if (fd < 0)
        return -1;
    if (bell)
        close(bell->fd);
    else
        bell = room_for_bell(space);
    if (!bell) {
        close(fd);
        return -1;
    }
    *bell = (struct kept_bell){.slot = slot, .generation = generation, .fd = fd};
    return fd;
}

void space_ring(struct space *space, uint32_t slot)
{
    if (slot == SLOT_NONE || slot >= BOARD_SLOTS || !bell_ring(board_slot(space->board, slot)))
        return;
    int fd = slot == space->slot ? space->bell_fd : bell_of(space, slot);
    uint64_t one = 1;
    // It is full only when it was rung 2^64 times and nobody looked: then it is readable as well.
    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        return;
}

void space_ring_all(struct space *space)
{
    // Also those who do not sleep yet: they may be just about to.
    for (uint32_t slot = SLOT_KEEPER; slot < BOARD_SLOTS; slot++) {
        if (generation_of(space, slot))
            space_ring(space, slot);
    }
}

void space_wake_one(struct space *space, struct waitset *set)
{
    if (waitset_any(set))
        space_ring(space, waitset_take(set));
}

void space_wake_all(struct space *space, struct waitset *set)
{
    // At most as many as there can be: who comes in again meanwhile has looked again.
    for (uint32_t i = 0; i < BOARD_SLOTS && waitset_any(set); i++)
        space_ring(space, waitset_take(set));
}
