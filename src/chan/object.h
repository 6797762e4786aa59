// SPDX-License-Identifier: BSD-3-Clause
//
// What can be done with everything that lives in shared memory and is used from all nodes: channels, locks and so on. The
// keeper of the home node makes it, knows who is attached, puts it right when one of them dies, and gives its memory
// back when it was destroyed and nobody is attached any more.
#ifndef CHAN_OBJECT_H
#define CHAN_OBJECT_H

#include "mem/object.h"
#include "mem/space.h"

// For the keeper. How many bytes an object of that spec takes; 0: the spec makes no sense.
size_t object_bytes(const struct object_spec *spec);
// Makes it in zeroed memory of that size.
void object_init(struct object *object, uint64_t id, const struct object_spec *spec);
// What is mapped is such an object, whole: for who attaches. `bytes` from there on are mapped.
bool object_check(const struct object *object, uint64_t id, enum object_kind kind, size_t bytes);
// Channels and queues only: no more sends. Wakes who waits.
void object_close(struct object *object, struct space *space);
// Wakes everybody; channels: frees the blocks of what is in it. `space` is the keeper's.
void object_destroy(struct object *object, struct space *space);
// A process is gone that was attached: whatever it was doing here is finished or undone. Does not wake anybody: the
// keeper rings every bell afterwards. Called after the process is gone for certain, before its blocks are given back
// and its slot is reused.
void object_recover(struct object *object, uint32_t dead, struct space *space);
void object_stat(struct object *object, struct object_stat *stat_out); // all but `processes`

#endif
