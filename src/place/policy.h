// SPDX-License-Identifier: BSD-3-Clause
//
// Policies as they are merged, sent and planned by: see <dragon/policy.h> for what each field means.
#ifndef PLACE_POLICY_H
#define PLACE_POLICY_H

#include "base/base.h"

#include <dragon/policy.h>

// All zero: nothing is said. Lists are owned, NULL when nothing is said.
struct policy {
    uint8_t map;  // dragon_map_t
    uint8_t bind; // dragon_bind_t
    bool gpus_said;
    uint32_t ppn, cores, gpus; // 0: not said; for gpus when gpus_said is not set
    uint64_t memory_bytes;
    char **hosts;      // names or numbers
    char **core_lists; // "0-3"; one for each rank on a node, round and round
    char **gpu_lists;  // "0,1.0"
    char **env;        // edits, see base/edits.h
};

void policy_fini(struct policy *policy);
bool policy_copy(const struct policy *policy, struct policy *copy_out); // false: out of memory

// What `over` says wins, environment variable by variable. False: out of memory.
bool policy_merge(struct policy *policy, const struct policy *over);

// It asks for cores, GPUs, memory or a binding.
bool policy_asks(const struct policy *policy);

// BIND_UNSET resolved.
dragon_bind_t policy_bind(const struct policy *policy);

void policy_pack(struct pack *pack, const struct policy *policy);
bool policy_unpack(struct unpack *unpack, struct policy *policy_out); // fini is the caller's

#endif
