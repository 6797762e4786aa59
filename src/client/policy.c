// SPDX-License-Identifier: BSD-3-Clause
//
// Policies as users make them, the defaults that are pushed, and lists of policies for all GPUs or hosts. What
// a text says is checked here as far as it can be without knowing the nodes.
#include "config.h"

#include "client/runtime.h"
#include "client/template.h"
#include "place/lists.h"

#include <dragon/system.h>

dragon_err_t dragon_policy_create(dragon_policy_t **policy_out)
{
    struct dragon_policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return DRAGON_ERR_NOMEM;
    *policy_out = policy;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_copy(const dragon_policy_t *policy, dragon_policy_t **policy_out)
{
    struct dragon_policy *copy = calloc(1, sizeof *copy);
    if (!copy)
        return DRAGON_ERR_NOMEM;
    if (!policy_copy(&policy->policy, &copy->policy)) {
        free(copy);
        return DRAGON_ERR_NOMEM;
    }
    *policy_out = copy;
    return DRAGON_OK;
}

void dragon_policy_destroy(dragon_policy_t *policy)
{
    if (!policy)
        return;
    policy_fini(&policy->policy);
    free(policy);
}

// ---- what it says

static bool is_core_list(const char *text)
{
    uint16_t cores[MACHINE_CORES_LIMIT];
    return lists_parse_cores(text, MACHINE_CORES_LIMIT - 1, cores, MACHINE_CORES_LIMIT) > 0;
}

static bool is_gpu_list(const char *text)
{
    uint16_t units[MACHINE_GPUS_LIMIT * MACHINE_TILES];
    return lists_parse_units(text, units, MACHINE_GPUS_LIMIT * MACHINE_TILES) > 0;
}

static bool is_host(const char *text)
{
    return *text != 0;
}

// Replaces a list by the parts of `text`; NULL or "" leaves it open.
static dragon_err_t set_list(char ***list, const char *text, char separator,
                             bool (*is_good)(const char *part))
{
    char **parts = NULL, *copy = strdup(text ? text : "");
    dragon_err_t err = copy ? DRAGON_OK : DRAGON_ERR_NOMEM;
    char *at = copy && *copy ? copy : NULL;
    while (at && err == DRAGON_OK) {
        char *end = strchr(at, separator);
        if (end)
            *end = 0;
        if (!is_good(at))
            err = DRAGON_ERR_INVAL;
        else if (!strv_push(&parts, at))
            err = DRAGON_ERR_NOMEM;
        at = end ? end + 1 : NULL;
    }
    free(copy);
    if (err != DRAGON_OK) {
        strv_free(parts);
        return err;
    }
    strv_free(*list);
    *list = parts;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_set_hosts(dragon_policy_t *policy, const char *hosts)
{
    return set_list(&policy->policy.hosts, hosts, ',', is_host);
}

dragon_err_t dragon_policy_set_map(dragon_policy_t *policy, dragon_map_t map)
{
    if ((unsigned)map > DRAGON_MAP_CYCLIC)
        return DRAGON_ERR_INVAL;
    policy->policy.map = (uint8_t)map;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_set_ppn(dragon_policy_t *policy, uint32_t ranks)
{
    if (ranks > PLAN_RANK_LIMIT)
        return DRAGON_ERR_INVAL;
    policy->policy.ppn = ranks;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_set_cores(dragon_policy_t *policy, uint32_t cores)
{
    if (cores > MACHINE_CORES_LIMIT)
        return DRAGON_ERR_INVAL;
    policy->policy.cores = cores;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_set_core_list(dragon_policy_t *policy, const char *cores)
{
    return set_list(&policy->policy.core_lists, cores, ':', is_core_list);
}

dragon_err_t dragon_policy_set_bind(dragon_policy_t *policy, dragon_bind_t bind)
{
    if ((unsigned)bind > DRAGON_BIND_SOCKET)
        return DRAGON_ERR_INVAL;
    policy->policy.bind = (uint8_t)bind;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_set_gpus(dragon_policy_t *policy, int gpus)
{
    if (gpus < -1 || gpus > MACHINE_GPUS_LIMIT)
        return DRAGON_ERR_INVAL;
    policy->policy.gpus_said = gpus >= 0;
    policy->policy.gpus = gpus >= 0 ? (uint32_t)gpus : 0;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_set_gpu_list(dragon_policy_t *policy, const char *gpus)
{
    return set_list(&policy->policy.gpu_lists, gpus, ':', is_gpu_list);
}

dragon_err_t dragon_policy_set_memory(dragon_policy_t *policy, uint64_t bytes)
{
    policy->policy.memory_bytes = bytes;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_set_env(dragon_policy_t *policy, const char *name, const char *value)
{
    if (!edit_is_name(name))
        return DRAGON_ERR_INVAL;
    return edits_set(&policy->policy.env, name, value) ? DRAGON_OK : DRAGON_ERR_NOMEM;
}

// ---- defaults for a block of code

dragon_err_t dragon_policy_push(dragon_runtime_t *runtime, const dragon_policy_t *policy)
{
    struct policy copy;
    if (!policy_copy(&policy->policy, &copy))
        return DRAGON_ERR_NOMEM;
    struct policy *grown = realloc(runtime->defaults, (runtime->default_count + 1) * sizeof *grown);
    if (!grown) {
        policy_fini(&copy);
        return DRAGON_ERR_NOMEM;
    }
    grown[runtime->default_count++] = copy;
    runtime->defaults = grown;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_pop(dragon_runtime_t *runtime)
{
    if (runtime->default_count == 0)
        return DRAGON_ERR_STATE;
    policy_fini(&runtime->defaults[--runtime->default_count]);
    return DRAGON_OK;
}

// ---- one for each

// A policy for this node alone, and for this GPU of it unless -1.
static dragon_err_t make_policy(uint32_t node, int gpu, dragon_policy_t **policy_out)
{
    struct dragon_policy *policy;
    char text[16];
    dragon_err_t err = dragon_policy_create(&policy);
    if (err != DRAGON_OK)
        return err;
    snprintf(text, sizeof text, "%u", node);
    err = dragon_policy_set_hosts(policy, text);
    if (err == DRAGON_OK && gpu >= 0) {
        snprintf(text, sizeof text, "%d", gpu);
        err = dragon_policy_set_gpu_list(policy, text);
    }
    if (err != DRAGON_OK)
        dragon_policy_destroy(policy);
    else
        *policy_out = policy;
    return err;
}

static dragon_err_t make_policies(const dragon_system_t *system, bool gpus,
                                  dragon_policy_t **policies, size_t *count)
{
    dragon_err_t err = DRAGON_OK;
    for (uint32_t node = 0; node < dragon_system_nodes(system) && err == DRAGON_OK; node++) {
        int ends = gpus ? (int)dragon_system_node(system, node)->gpus : 1;
        for (int i = 0; i < ends && err == DRAGON_OK; i++) {
            err = make_policy(node, gpus ? i : -1, &policies[*count]);
            *count += err == DRAGON_OK;
        }
    }
    return err;
}

static dragon_err_t list_policies(dragon_runtime_t *runtime, bool gpus,
                                  dragon_policy_t ***policies_out, size_t *count_out,
                                  dragon_error_t *error)
{
    dragon_system_t *system;
    dragon_err_t err = dragon_system_look(runtime, &system, error);
    if (err != DRAGON_OK)
        return err;
    size_t room = 1, count = 0;
    for (uint32_t node = 0; node < dragon_system_nodes(system); node++)
        room += gpus ? dragon_system_node(system, node)->gpus : 1;
    dragon_policy_t **policies = calloc(room, sizeof *policies);
    err = policies ? make_policies(system, gpus, policies, &count) : DRAGON_ERR_NOMEM;
    dragon_system_destroy(system);
    if (err != DRAGON_OK) {
        dragon_policy_free_list(policies, count);
        return err_set(error, err, "%s", dragon_err_text(err));
    }
    *policies_out = policies;
    *count_out = count;
    return DRAGON_OK;
}

dragon_err_t dragon_policy_gpus(dragon_runtime_t *runtime, dragon_policy_t ***policies_out,
                                size_t *count_out, dragon_error_t *error)
{
    return list_policies(runtime, true, policies_out, count_out, error);
}

dragon_err_t dragon_policy_hosts(dragon_runtime_t *runtime, dragon_policy_t ***policies_out,
                                 size_t *count_out, dragon_error_t *error)
{
    return list_policies(runtime, false, policies_out, count_out, error);
}

void dragon_policy_free_list(dragon_policy_t **policies, size_t count)
{
    for (size_t i = 0; policies && i < count; i++)
        dragon_policy_destroy(policies[i]);
    free(policies);
}
