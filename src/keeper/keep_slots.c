// SPDX-License-Identifier: BSD-3-Clause
//
// The slots of the board: given out in turns, so that a number is not used again soon. What a slot held was put right
// when it comes to rest; it is free after every bell was rung, once a turn of the loop however many have died.
#include "config.h"

#include "keeper/internal.h"

#include <unistd.h>

static int keeper_bell(void *arg, uint32_t slot, uint32_t *generation_out)
{
    struct keeper *keeper = arg;
    struct keep_session *session = keep_slot_session(keeper, slot);
    if (!session)
        return -1;
    *generation_out = atomic_load(&board_slot(keeper->board, slot)->generation);
    return dup(session->bell_fd);
}

static dragon_err_t keeper_segment(void *arg, uint32_t number, int *fd_out, size_t *bytes_out,
                                   struct segment_kind *kind_out, dragon_error_t *error)
{
    struct keeper *keeper = arg;
    if (!keep_heap(keeper, number))
        return err_set(error, DRAGON_ERR_NOT_FOUND, "no segment %u", number);
    const struct keep_segment *segment = &keeper->segments[number - 1];
    *fd_out = dup(segment->fd);
    *bytes_out = segment->bytes;
    *kind_out = segment->kind;
    return *fd_out >= 0 ? DRAGON_OK : err_set(error, DRAGON_ERR_SYS, "out of descriptors");
}

// The keeper waits for nobody, itself least: what it makes waits for keep_grow.
static dragon_err_t keeper_grow(void *arg, size_t block_bytes, struct segment_kind kind,
                                uint32_t *number_out, dragon_error_t *error)
{
    (void)arg;
    (void)block_bytes;
    (void)kind;
    (void)number_out;
    return err_set(error, DRAGON_ERR_FULL, "no room");
}

static const struct space_source keeper_source = {
    .segment = keeper_segment, .grow = keeper_grow, .bell = keeper_bell};

bool keep_slots_open(struct keeper *keeper)
{
    keeper->slots = calloc(BOARD_SLOTS, sizeof *keeper->slots);
    keeper->space = space_create(keeper->board, SLOT_KEEPER, -1, &keeper_source, keeper);
    keeper->next_slot = SLOT_FIRST;
    keeper->settle = (struct loop_later){.fn = keep_slots_settle, .arg = keeper};
    return keeper->slots && keeper->space;
}

void keep_slots_close(struct keeper *keeper)
{
    if (keeper->slots)
        loop_later_cancel(keeper->options.loop, &keeper->settle);
    space_detach(keeper->space);
    keeper->space = NULL;
    free(keeper->slots);
    keeper->slots = NULL;
}

static uint32_t find_free(struct keeper *keeper)
{
    for (uint32_t i = SLOT_FIRST; i < BOARD_SLOTS; i++) {
        uint32_t slot = keeper->next_slot++;
        if (keeper->next_slot == BOARD_SLOTS)
            keeper->next_slot = SLOT_FIRST;
        if (!keeper->slots[slot].session && !keeper->slots[slot].resting)
            return slot;
    }
    return SLOT_NONE;
}

uint32_t keep_slot_take(struct keeper *keeper, struct keep_session *session, bool proxy,
                        uint32_t pid)
{
    uint32_t slot = find_free(keeper);
    if (slot == SLOT_NONE) {
        keep_slots_settle(keeper);
        slot = find_free(keeper);
    }
    if (slot == SLOT_NONE)
        return SLOT_NONE;
    keeper->slots[slot] = (struct keep_slot){.session = session, .proxy = proxy};
    struct slot *shared = board_slot(keeper->board, slot);
    atomic_store(&shared->sleep, BELL_AWAKE);
    atomic_store(&shared->pid, pid);
    atomic_fetch_add(&shared->generation, 1);
    return slot;
}

void keep_slot_rest(struct keeper *keeper, uint32_t slot)
{
    struct slot *shared = board_slot(keeper->board, slot);
    atomic_store(&shared->pid, 0);
    atomic_store(&shared->sleep, BELL_AWAKE);
    keeper->slots[slot] = (struct keep_slot){.resting = true};
    loop_later_add(keeper->options.loop, &keeper->settle);
}

void keep_slots_settle(void *arg)
{
    struct keeper *keeper = arg;
    loop_later_cancel(keeper->options.loop, &keeper->settle);
    space_ring_all(keeper->space);
    for (uint32_t slot = SLOT_FIRST; slot < BOARD_SLOTS; slot++)
        keeper->slots[slot].resting = false;
}

struct keep_session *keep_slot_session(struct keeper *keeper, uint32_t slot)
{
    return keeper->slots && slot >= SLOT_FIRST && slot < BOARD_SLOTS ? keeper->slots[slot].session
                                                                     : NULL;
}

bool keep_on_bell(struct keeper *keeper, struct keep_request *request)
{
    uint32_t slot = unpack_u32(&request->body);
    if (!unpack_done(&request->body))
        return false;
    // A proxy has its transport's bell.
    struct keep_session *whose = keep_slot_session(keeper, slot);
    if (!whose) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOT_FOUND, "nobody has slot %u", slot);
        return true;
    }
    struct pack body = PACK_EMPTY;
    pack_u32(&body, atomic_load(&board_slot(keeper->board, slot)->generation));
    keep_session_answer(request->session, request->asker.request, DRAGON_OK, "", &body,
                        &whose->bell_fd, 1);
    return true;
}

bool keep_on_proxy(struct keeper *keeper, struct keep_request *request)
{
    uint32_t node = unpack_u32(&request->body), process = unpack_u32(&request->body);
    if (!unpack_done(&request->body) || node >= keeper->nodes)
        return false;
    uint32_t slot = keep_slot_take(keeper, request->session, true, process);
    if (slot == SLOT_NONE) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_FULL,
                    "no slot for a process of node %u: %u processes of %s and those of other nodes "
                    "that use its objects have all %d",
                    node, keeper->processes, keeper->host, BOARD_SLOTS - SLOT_FIRST);
        return true;
    }
    struct pack body = PACK_EMPTY;
    pack_u32(&body, slot);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", &body);
    return true;
}

bool keep_on_proxy_gone(struct keeper *keeper, struct keep_request *request)
{
    uint32_t slot = unpack_u32(&request->body);
    if (!unpack_done(&request->body))
        return false;
    if (keep_slot_session(keeper, slot) != request->session || !keeper->slots[slot].proxy) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_INVAL, "slot %u is no proxy", slot);
        return true;
    }
    keep_recover_proxy(keeper, slot);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", NULL);
    return true;
}
