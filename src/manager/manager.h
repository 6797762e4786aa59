// SPDX-License-Identifier: BSD-3-Clause
//
// A manager of a dictionary: it owns the shard with its part of the pairs, and serves it to processes of other nodes; those
// of its node use the shard themselves. It ends with the dictionary, and the shard ends with it.
#ifndef MANAGER_MANAGER_H
#define MANAGER_MANAGER_H

#include <dragon/runtime.h>

struct manager;

struct manager_options {
    const char *descriptor; // of the dictionary
    uint32_t number;
    uint64_t bytes;
    int32_t numa;
    uint8_t huge;
};
// Makes its shard, and says in the root where it is. FULL: the node has not so much memory.
dragon_err_t manager_create(dragon_runtime_t *runtime, const struct manager_options *options,
                            struct manager **manager_out, dragon_error_t *error);
void manager_destroy(struct manager *manager); // NULL is fine

// Until the dictionary is destroyed, or the runtime ends.
dragon_err_t manager_run(struct manager *manager, dragon_error_t *error);

#endif
