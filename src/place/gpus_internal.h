// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of gpus.h share: gpus.c (the face, declarations), gpus_scan.c (sysfs), gpus_mask.c.
#ifndef PLACE_GPUS_INTERNAL_H
#define PLACE_GPUS_INTERNAL_H

#include "place/gpus.h"

struct gpu_list {
    struct gpu_found *items; // owned, room for MACHINE_GPUS_LIMIT
    size_t count;
};

bool gpu_list_init(struct gpu_list *list); // false: out of memory
void gpu_list_fini(struct gpu_list *list);
// What is above the limit is left out. NULL: it was.
struct gpu_found *gpu_list_add(struct gpu_list *list, const struct gpu_found *found);
size_t gpu_list_count_of(const struct gpu_list *list, enum gpu_vendor vendor);

// What the drivers have below `root`, each with the number that its vendor's variable counts it by.
// False: out of memory.
bool gpus_scan(const char *root, struct gpu_list *list);

// Leaves what the variables of `env` show, in their order, behind the GPUs of vendors that have no
// variable in it. False: out of memory.
bool gpus_mask(struct gpu_list *list, char *const *env);

#endif
