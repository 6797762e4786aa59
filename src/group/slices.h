// SPDX-License-Identifier: BSD-3-Clause
//
// Slices of plans that came to this node before the plan itself, which is sent to all nodes alike.
#ifndef GROUP_SLICES_H
#define GROUP_SLICES_H

#include "base/base.h"

struct slices;

struct slices *slices_create(void);         // NULL: out of memory
void slices_destroy(struct slices *slices); // NULL is fine

// Keeps a copy, instead of an earlier one of the same part. Of too many the oldest is forgotten: its group is long
// gone, or will say that it misses it.
void slices_keep(struct slices *slices, uint64_t group, uint32_t part, const void *data,
                 size_t length);

// NULL: none has come. *data_out is the caller's to free.
void *slices_take(struct slices *slices, uint64_t group, uint32_t part, size_t *length_out);

// Forgets those of a part, or of all with GROUP_ALL_PARTS.
void slices_forget(struct slices *slices, uint64_t group, uint32_t part);

#endif
