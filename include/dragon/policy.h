/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Policies: where ranks go, and which cores and GPUs they may use.
 *
 *     dragon_policy_t *policy;
 *     dragon_policy_create(&policy);
 *     dragon_policy_set_cores(policy, 4);
 *     dragon_policy_set_gpus(policy, 1);
 *     dragon_policy_set_bind(policy, DRAGON_BIND_CORE);
 *     dragon_template_set_policy(template, policy);
 *     dragon_policy_destroy(policy);
 *
 * A policy says some things and leaves others open. What a template's policy leaves open is taken from its
 * group's, then from the defaults that were pushed on the runtime handle, the innermost first, then from
 * these: every node, block by block, one core a rank, no GPU, no binding.
 *
 * Cores and GPUs are numbered within their node, from 0, as `dragon-info` shows them. Numbers of the machine
 * (hardware threads, PCI addresses) are never asked for.
 *
 * Whoever is given a policy copies it. Threads: one at a time for each handle.
 */
#ifndef DRAGON_POLICY_H
#define DRAGON_POLICY_H

#include <dragon/runtime.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_policy dragon_policy_t;

/* How ranks are laid out over the nodes. */
typedef enum dragon_map {
    DRAGON_MAP_UNSET = 0,
    DRAGON_MAP_BLOCK = 1, /* a node is filled before the next one is used */
    DRAGON_MAP_CYCLIC = 2 /* rank after rank on node after node, round and round */
} dragon_map_t;

/* What a rank is bound to: all cores of that kind that hold the cores it was given. */
typedef enum dragon_bind {
    DRAGON_BIND_UNSET = 0, /* DRAGON_BIND_CORE when cores were asked for, else DRAGON_BIND_NONE */
    DRAGON_BIND_NONE = 1,
    DRAGON_BIND_CORE = 2,
    DRAGON_BIND_L3 = 3, /* cores that share a last-level cache */
    DRAGON_BIND_NUMA = 4,
    DRAGON_BIND_SOCKET = 5
} dragon_bind_t;

/* ---- life cycle ---- */

/* Makes one that says nothing. NOMEM. */
DRAGON_API dragon_err_t dragon_policy_create(dragon_policy_t **policy_out);
/* A copy. NOMEM. */
DRAGON_API dragon_err_t dragon_policy_copy(const dragon_policy_t *policy,
                                           dragon_policy_t **policy_out);
DRAGON_API void dragon_policy_destroy(dragon_policy_t *policy); /* NULL is fine */

/* ---- what it says ----
 *
 * INVAL: the value makes no sense; NOMEM. The policy is unchanged then. */

/* Ranks go to these nodes only, in this order. Each is a node's name, the name of a host (all its nodes; with or
 * without its domain), or a node's number; several are separated by commas. NULL or "": every node. Whether they
 * exist is looked at when the group starts. */
DRAGON_API dragon_err_t dragon_policy_set_hosts(dragon_policy_t *policy, const char *hosts);

DRAGON_API dragon_err_t dragon_policy_set_map(dragon_policy_t *policy, dragon_map_t map);
/* At most so many ranks on a node; 0: left open. */
DRAGON_API dragon_err_t dragon_policy_set_ppn(dragon_policy_t *policy, uint32_t ranks);

/* Each rank gets so many cores for itself; 0: left open. */
DRAGON_API dragon_err_t dragon_policy_set_cores(dragon_policy_t *policy, uint32_t cores);
/* These cores, as "0-3,8". Several lists separated by colons, "0-3:4-7", are for the first, second, ...
 * rank of the template on each node, round and round. NULL or "": left open. */
DRAGON_API dragon_err_t dragon_policy_set_core_list(dragon_policy_t *policy, const char *cores);

DRAGON_API dragon_err_t dragon_policy_set_bind(dragon_policy_t *policy, dragon_bind_t bind);

/* Each rank gets so many GPUs for itself, the nearest to its cores. 0: it is to see none. -1: left open. */
DRAGON_API dragon_err_t dragon_policy_set_gpus(dragon_policy_t *policy, int gpus);
/* These GPUs, as "0,1"; a tile of one as "0.1". Lists separated by colons as for cores. Cores that are not
 * said are taken near the first GPU of the rank's list. */
DRAGON_API dragon_err_t dragon_policy_set_gpu_list(dragon_policy_t *policy, const char *gpus);

/* A rank that takes more memory than this is killed; 0: left open. Needs memory cgroups that the user may
 * write on the nodes; where they are missing the group does not start, and says so. With control groups of
 * version 1 a rank of several processes loses the one that took it, and goes on if it can. */
DRAGON_API dragon_err_t dragon_policy_set_memory(dragon_policy_t *policy, uint64_t bytes);

/* A variable for the ranks' environment; value NULL: it is removed from it. */
DRAGON_API dragon_err_t dragon_policy_set_env(dragon_policy_t *policy, const char *name,
                                              const char *value);

/* ---- defaults for a block of code ---- */

/* Until it is popped, groups that are started through this handle take from it what their own policies
 * leave open. NOMEM. */
DRAGON_API dragon_err_t dragon_policy_push(dragon_runtime_t *runtime,
                                           const dragon_policy_t *policy);
/* STATE: nothing was pushed. */
DRAGON_API dragon_err_t dragon_policy_pop(dragon_runtime_t *runtime);

/* ---- one for each ----
 *
 * Both give an array of *count_out policies in the order of the nodes' numbers, which the caller ends with
 * dragon_policy_free_list. Errors as of dragon_system_look. */

/* One for each GPU of the runtime: its node and that GPU. None when there are none. */
DRAGON_API dragon_err_t dragon_policy_gpus(dragon_runtime_t *runtime,
                                           dragon_policy_t ***policies_out, size_t *count_out,
                                           dragon_error_t *error);
/* One for each node. */
DRAGON_API dragon_err_t dragon_policy_hosts(dragon_runtime_t *runtime,
                                            dragon_policy_t ***policies_out, size_t *count_out,
                                            dragon_error_t *error);
DRAGON_API void dragon_policy_free_list(dragon_policy_t **policies, size_t count);

#ifdef __cplusplus
}
#endif

#endif
