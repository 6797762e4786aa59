// SPDX-License-Identifier: BSD-3-Clause
//
// The memory limits of ranks on this node: one control group each (proc/cgroup.h), removed when its rank has ended
// and the kernel lets go of it.
#ifndef GROUP_MEMORY_H
#define GROUP_MEMORY_H

#include "base/base.h"
#include "loop/loop.h"
#include "proc/cgroup.h"

struct memory;

struct memory *memory_create(struct loop *loop); // NULL: out of memory
void memory_destroy(
    struct memory *memory); // NULL is fine; what is still in use is left to the sweep

// Whether such a limit can be set here, found out by setting it. UNSUPPORTED with the reason, NOMEM.
dragon_err_t memory_check(struct memory *memory, uint64_t limit_bytes, dragon_error_t *error);

// The control group of a rank. *path_out is the caller's. Errors as above.
dragon_err_t memory_limit(struct memory *memory, uint64_t group, uint32_t rank,
                          uint64_t limit_bytes, char **path_out, dragon_error_t *error);
// The rank has ended: what is left in it is killed. Takes the path; NULL is fine.
void memory_release(struct memory *memory, char *path);

#endif
