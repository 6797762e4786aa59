// SPDX-License-Identifier: BSD-3-Clause
//
// Numbers for what we have asked others: each stands for a pointer as long as it is in the table, and is not used again
// soon, so that an answer that comes late meets nothing.
#ifndef CHAN_IDS_H
#define CHAN_IDS_H

#include "base/base.h"

#include <stddef.h>

struct ids { // zeroed at first
    struct id_entry {
        uint32_t id;
        void *what; // NULL: free
    } * entries;    // owned: `room` of them, an id being at its remainder
    uint32_t room, used, next;
};

void ids_fini(struct ids *ids);
// 0: out of memory. `what` is not NULL.
uint32_t ids_add(struct ids *ids, void *what);
void ids_remove(struct ids *ids, uint32_t id); // 0 and unknown ones are fine

static inline void *ids_find(const struct ids *ids, uint32_t id)
{
    if (ids->room == 0)
        return NULL;
    const struct id_entry *entry = &ids->entries[id & (ids->room - 1)];
    return entry->id == id ? entry->what : NULL;
}

#endif
