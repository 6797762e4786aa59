// SPDX-License-Identifier: BSD-3-Clause
//
// Which hardware threads a rank is bound to.
#ifndef GROUP_BIND_H
#define GROUP_BIND_H

#include "place/machine.h"
#include "place/plan.h"

#include <sched.h>

// The threads for a slot of this node. *set_out is NULL when it is not to be bound; else the caller ends it
// with CPU_FREE. False: out of memory.
bool bind_threads(const struct machine *machine, const struct plan_slot *slot, cpu_set_t **set_out,
                  size_t *size_out);

// The same as a list, "0-3,8"; "" when it is not to be bound. NULL: out of memory. The caller frees.
char *bind_text(const struct machine *machine, const struct plan_slot *slot);

#endif
