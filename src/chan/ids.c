// SPDX-License-Identifier: BSD-3-Clause
//
// The table of ids.h: an open array whose size is a power of two. Ids are given out in turn from a random start,
// leaving out those whose place is taken; it grows when it is half full, and then no two ids share a place, since they
// did not before.
#include "config.h"

#include "chan/ids.h"

#include <stdlib.h>
#include <sys/random.h>

enum { FIRST_ROOM = 16 };

void ids_fini(struct ids *ids)
{
    free(ids->entries);
    *ids = (struct ids){0};
}

static bool ids_grow(struct ids *ids)
{
    uint32_t room = ids->room ? ids->room * 2 : FIRST_ROOM;
    struct id_entry *entries = calloc(room, sizeof *entries);
    if (!entries)
        return false;
    for (uint32_t i = 0; i < ids->room; i++) {
        if (ids->entries[i].what)
            entries[ids->entries[i].id & (room - 1)] = ids->entries[i];
    }
    if (ids->room == 0 && getrandom(&ids->next, sizeof ids->next, GRND_NONBLOCK) < 0)
        ids->next = (uint32_t)time_now_ns();
    free(ids->entries);
    ids->entries = entries;
    ids->room = room;
    return true;
}

uint32_t ids_add(struct ids *ids, void *what)
{
    if (ids->used * 2 >= ids->room && !ids_grow(ids))
        return 0;
    uint32_t id = ids->next;
    while (id == 0 || ids->entries[id & (ids->room - 1)].what)
        id++;
    ids->entries[id & (ids->room - 1)] = (struct id_entry){id, what};
    ids->used++;
    ids->next = id + 1;
    return id;
}

void ids_remove(struct ids *ids, uint32_t id)
{
    if (!ids_find(ids, id))
        return;
    ids->entries[id & (ids->room - 1)].what = NULL;
    ids->used--;
}
