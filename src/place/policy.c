// SPDX-License-Identifier: BSD-3-Clause
//
// Policies: merging and sending.
#include "config.h"

#include "place/policy.h"
#include "place/machine.h"

enum { HOSTS_LIMIT = 1 << 20, LISTS_LIMIT = MACHINE_CORES_LIMIT, ENV_LIMIT = 1 << 16 };

void policy_fini(struct policy *policy)
{
    strv_free(policy->env);
    strv_free(policy->gpu_lists);
    strv_free(policy->core_lists);
    strv_free(policy->hosts);
    *policy = (struct policy){0};
}

// NULL stays NULL: nothing is said.
static bool copy_list(char *const *list, char ***copy_out)
{
    if (!list)
        return true;
    *copy_out = strv_copy(list);
    return *copy_out != NULL;
}

bool policy_copy(const struct policy *policy, struct policy *copy_out)
{
    struct policy copy = *policy;
    copy.hosts = copy.core_lists = copy.gpu_lists = copy.env = NULL;
    if (!copy_list(policy->hosts, &copy.hosts) ||
        !copy_list(policy->core_lists, &copy.core_lists) ||
        !copy_list(policy->gpu_lists, &copy.gpu_lists) || !copy_list(policy->env, &copy.env)) {
        policy_fini(&copy);
        return false;
    }
    *copy_out = copy;
    return true;
}

// ---- merging

static bool said(char *const *list)
{
    return list && list[0];
}

static bool replace_list(char ***list, char *const *over)
{
    if (!said(over))
        return true;
    char **copy = strv_copy(over);
    if (!copy)
        return false;
    strv_free(*list);
    *list = copy;
    return true;
}

static void drop_list(char ***list)
{
    strv_free(*list);
    *list = NULL;
}

// A number and a list of the same thing are two ways of saying it, so either takes the other's place.
static void drop_what_is_replaced(struct policy *policy, const struct policy *over)
{
    if (over->cores || said(over->core_lists)) {
        policy->cores = 0;
        drop_list(&policy->core_lists);
    }
    if (over->gpus_said || said(over->gpu_lists)) {
        policy->gpus = 0;
        policy->gpus_said = false;
        drop_list(&policy->gpu_lists);
    }
}

static void merge_numbers(struct policy *policy, const struct policy *over)
{
    if (over->map)
        policy->map = over->map;
    if (over->bind)
        policy->bind = over->bind;
    if (over->ppn)
        policy->ppn = over->ppn;
    if (over->cores)
        policy->cores = over->cores;
    if (over->gpus_said) {
        policy->gpus_said = true;
        policy->gpus = over->gpus;
    }
    if (over->memory_bytes)
        policy->memory_bytes = over->memory_bytes;
}

bool policy_merge(struct policy *policy, const struct policy *over)
{
    struct policy merged;
    if (!policy_copy(policy, &merged))
        return false;
    drop_what_is_replaced(&merged, over);
    merge_numbers(&merged, over);
    if (!replace_list(&merged.hosts, over->hosts) ||
        !replace_list(&merged.core_lists, over->core_lists) ||
        !replace_list(&merged.gpu_lists, over->gpu_lists) || !edits_merge(&merged.env, over->env)) {
        policy_fini(&merged);
        return false;
    }
    policy_fini(policy);
    *policy = merged;
    return true;
}

bool policy_asks(const struct policy *policy)
{
    return policy->cores || said(policy->core_lists) || (policy->gpus_said && policy->gpus) ||
           said(policy->gpu_lists) || policy->memory_bytes || policy->bind > DRAGON_BIND_NONE;
}

dragon_bind_t policy_bind(const struct policy *policy)
{
    if (policy->bind != DRAGON_BIND_UNSET)
        return (dragon_bind_t)policy->bind;
    return policy->cores || said(policy->core_lists) ? DRAGON_BIND_CORE : DRAGON_BIND_NONE;
}

// ---- on the wire

void policy_pack(struct pack *pack, const struct policy *policy)
{
    pack_u8(pack, policy->map);
    pack_u8(pack, policy->bind);
    pack_u8(pack, policy->gpus_said);
    pack_u32(pack, policy->ppn);
    pack_u32(pack, policy->cores);
    pack_u32(pack, policy->gpus);
    pack_u64(pack, policy->memory_bytes);
    pack_strv(pack, policy->hosts);
    pack_strv(pack, policy->core_lists);
    pack_strv(pack, policy->gpu_lists);
    pack_strv(pack, policy->env);
}

// An empty list is one that says nothing.
static char **unpack_list(struct unpack *unpack, size_t limit)
{
    char **list = unpack_strv(unpack, limit);
    if (said(list))
        return list;
    strv_free(list);
    return NULL;
}

bool policy_unpack(struct unpack *unpack, struct policy *policy_out)
{
    struct policy policy = {0};
    policy.map = unpack_u8(unpack);
    policy.bind = unpack_u8(unpack);
    policy.gpus_said = unpack_u8(unpack) != 0;
    policy.ppn = unpack_u32(unpack);
    policy.cores = unpack_u32(unpack);
    policy.gpus = unpack_u32(unpack);
    policy.memory_bytes = unpack_u64(unpack);
    policy.hosts = unpack_list(unpack, HOSTS_LIMIT);
    policy.core_lists = unpack_list(unpack, LISTS_LIMIT);
    policy.gpu_lists = unpack_list(unpack, LISTS_LIMIT);
    policy.env = unpack_list(unpack, ENV_LIMIT);
    if (unpack->failed || policy.map > DRAGON_MAP_CYCLIC || policy.bind > DRAGON_BIND_SOCKET) {
        unpack->failed = true;
        policy_fini(&policy);
        return false;
    }
    *policy_out = policy;
    return true;
}
