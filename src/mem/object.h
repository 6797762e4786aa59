// SPDX-License-Identifier: BSD-3-Clause
//
// What everything begins with that lives in shared memory and is used from all nodes. What can be done with all kinds of them is in
// chan/object.h.
#ifndef MEM_OBJECT_H
#define MEM_OBJECT_H

#include "base/base.h"

#include <stdatomic.h>

enum object_state { OBJECT_OPEN = 1, OBJECT_CLOSED, OBJECT_DESTROYED };

struct object {
    uint64_t id;
    uint32_t kind; // enum object_kind
    _Atomic uint32_t state;
};

static inline uint32_t object_state(struct object *object)
{
    return atomic_load_explicit(&object->state, memory_order_acquire);
}

#endif
