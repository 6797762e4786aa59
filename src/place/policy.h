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
    char **env;        // "NAME=value", or "NAME" to remove it
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

// Sets an entry of a list like `env` above: replaces an earlier one of the same name.
bool policy_env_set(char ***env, const char *name, const char *value);
// Applies such a list to an environment. False: out of memory.
bool policy_env_apply(char ***env, char *const *edits);

// "0-3,8": writes the numbers, in the order given, at most `limit`. Returns how many, -1 when it is no such
// list or it has more, names one twice, or one above `most`.
int core_list_parse(const char *text, uint32_t most, uint16_t *cores, size_t limit);
void core_list_format(const uint16_t *cores, size_t count, char *text, size_t room);
// "0,1.0": the same for GPU units.
int gpu_list_parse(const char *text, uint16_t *units, size_t limit);
void gpu_list_format(const uint16_t *units, size_t count, char *text, size_t room);

#endif
