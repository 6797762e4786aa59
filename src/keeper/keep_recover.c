// SPDX-License-Identifier: BSD-3-Clause
//
// After a process is gone for certain: what it was in the middle of is finished or undone, in this order. Objects
// first, which need to know what blocks it had; then its blocks; then every bell is rung, so that nobody sleeps on a
// ring that it owed; and only then its slot is free again (keep_slots.c). What others wait for because of it follows
// from the objects.
#include "config.h"

#include "keeper/internal.h"

// `session` is attached to all that the slot can have been at.
static void recover_slot(struct keep_session *session, uint32_t slot)
{
    struct keeper *keeper = session->keeper;
    for (struct keep_attachment *at = session->attached; at; at = at->hh.next)
        if (keep_object_sound(at->object))
            object_recover(at->object->object, slot, keeper->space);
    keep_segments_recover(keeper, slot);
    keep_slot_rest(keeper, slot);
}

void keep_recover_proxy(struct keeper *keeper, uint32_t slot)
{
    recover_slot(keeper->slots[slot].session, slot);
}

void keep_recover_session(struct keep_session *session)
{
    struct keeper *keeper = session->keeper;
    if (session->slot == SLOT_NONE)
        return;
    recover_slot(session, session->slot);
    if (session->role == ROLE_TRANSPORT) {
        for (uint32_t slot = SLOT_FIRST; slot < BOARD_SLOTS; slot++)
            if (keeper->slots[slot].session == session)
                recover_slot(session, slot);
        keep_transport_session_gone(session);
    }
    keep_share_leave_all(session);
    keep_objects_leave_all(session);
    keep_far_gone(session);
    keep_session_gone(keeper, keeper->here, session->number);
}
