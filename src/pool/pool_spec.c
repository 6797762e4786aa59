// SPDX-License-Identifier: BSD-3-Clause
//
// From the spec of a pool to its group of workers.
#include "config.h"

#include "pool/pool.h"

#include <inttypes.h>
#include <unistd.h>

enum { GRACE_MS = 1000, BACKOFF_MS = 1 };

dragon_err_t spec_check(const dragon_pool_spec_t *spec, dragon_error_t *error)
{
    if (spec->policy_count && (spec->policy || spec->workers_per_node || !spec->policies))
        return err_set(error, DRAGON_ERR_INVAL,
                       "a list of policies goes without a policy and workers_per_node");
    for (uint32_t i = 0; i < spec->policy_count; i++)
        if (!spec->policies[i])
            return err_set(error, DRAGON_ERR_INVAL, "policy %" PRIu32 " of the list is NULL", i);
    if (spec->policies && !spec->policy_count)
        return err_set(error, DRAGON_ERR_INVAL, "the list of policies is empty");
    if (spec->workers && spec->workers_per_node)
        return err_set(error, DRAGON_ERR_INVAL,
                       "either workers or workers_per_node, one of them 0");
    if (spec->argv && !spec->argv[0])
        return err_set(error, DRAGON_ERR_INVAL, "argv is empty");
    if (spec->initial_bytes && (!spec->initial || !spec->initializer))
        return err_set(error, DRAGON_ERR_INVAL,
                       "initial_bytes without initial, or without an initializer");
    if (spec->initializer && (!*spec->initializer || strlen(spec->initializer) > UINT16_MAX))
        return err_set(error, DRAGON_ERR_INVAL, "this is no name of an initializer");
    return DRAGON_OK;
}

// The program of the workers.
static dragon_err_t make_template(struct dragon_pool *pool, const dragon_pool_spec_t *spec,
                                  dragon_template_t **made_out, dragon_error_t *error)
{
    char *self = spec->argv ? NULL : self_path();
    char *mine[] = {self, NULL};
    if (!spec->argv && !self)
        return err_set(error, DRAGON_ERR_SYS, "it cannot be told which program this is");
    dragon_template_t *made = NULL;
    dragon_err_t err = dragon_template_create(spec->argv ? spec->argv : mine, &made, error);
    free(self);
    if (err != DRAGON_OK)
        return err;
    err = dragon_template_set_env(made, POOL_WORKER_ENV, dragon_channel_descriptor(pool->results));
    if (err == DRAGON_OK)
        err = dragon_template_set_error(made, DRAGON_STREAM_PIPE);
    if (err == DRAGON_OK) {
        *made_out = made;
        return DRAGON_OK;
    }
    dragon_template_destroy(made);
    return err_set(error, err, "the workers cannot be described: %s", dragon_err_text(err));
}

static dragon_err_t set_up(dragon_group_t *group, const dragon_pool_spec_t *spec)
{
    dragon_err_t err = dragon_group_set_name(group, spec->name ? spec->name : "pool");
    if (err == DRAGON_OK)
        err = dragon_group_set_failure(group, DRAGON_FAILURE_CONTINUE);
    if (err == DRAGON_OK)
        err = dragon_group_set_restart(group, DRAGON_RESTART_ALWAYS, UINT32_MAX, BACKOFF_MS);
    if (err == DRAGON_OK)
        err = dragon_group_set_grace(group, GRACE_MS);
    return err;
}

// `ranks` of the policy (may be NULL); ppn 0: as the policy says.
static dragon_err_t add_ranks(dragon_group_t *group, dragon_template_t *made,
                              const dragon_policy_t *policy, uint32_t ppn, uint32_t ranks,
                              dragon_error_t *error)
{
    dragon_policy_t *mine = NULL;
    dragon_err_t err = policy ? dragon_policy_copy(policy, &mine) : dragon_policy_create(&mine);
    if (err == DRAGON_OK && ppn)
        err = dragon_policy_set_ppn(mine, ppn);
    if (err == DRAGON_OK)
        err = dragon_template_set_policy(made, mine);
    dragon_policy_destroy(mine);
    if (err != DRAGON_OK)
        return err_set(error, err, "the workers' policy: %s", dragon_err_text(err));
    return dragon_group_add(group, made, ranks, error);
}

// How many workers there are with one for each core: as many as an MPI program would have ranks.
static dragon_err_t count_cores(struct dragon_pool *pool, dragon_template_t *made,
                                const dragon_policy_t *policy, uint32_t *count_out,
                                dragon_error_t *error)
{
    dragon_group_t *group = NULL;
    dragon_err_t err = dragon_group_create(pool->runtime, &group, error);
    if (err != DRAGON_OK)
        return err;
    err = add_ranks(group, made, policy, 0, 0, error);
    if (err == DRAGON_OK)
        err = dragon_group_set_pmi(group, true);
    if (err == DRAGON_OK)
        err = dragon_group_plan(group, error);
    if (err == DRAGON_OK)
        *count_out = dragon_group_size(group);
    dragon_group_destroy(group);
    return err;
}

static dragon_err_t add_workers(struct dragon_pool *pool, const dragon_pool_spec_t *spec,
                                dragon_template_t *made, dragon_error_t *error)
{
    dragon_err_t err = DRAGON_OK;
    uint32_t count = spec->workers;
    for (uint32_t i = 0; err == DRAGON_OK && i < spec->policy_count; i++)
        err = add_ranks(pool->group, made, spec->policies[i], 0, count ? count : 1, error);
    if (spec->policy_count)
        return err;
    if (count == 0 && spec->workers_per_node == 0)
        err = count_cores(pool, made, spec->policy, &count, error);
    if (err != DRAGON_OK)
        return err;
    return add_ranks(pool->group, made, spec->policy, spec->workers_per_node, count, error);
}

dragon_err_t spec_start(struct dragon_pool *pool, const dragon_pool_spec_t *spec,
                        dragon_error_t *error)
{
    dragon_template_t *made = NULL;
    dragon_err_t err = dragon_group_create(pool->runtime, &pool->group, error);
    if (spec->argv == DRAGON_POOL_MPI) // a group that is never started
        return err;
    if (err == DRAGON_OK && (err = set_up(pool->group, spec)) != DRAGON_OK)
        err_set(error, err, "the workers cannot be described: %s", dragon_err_text(err));
    if (err == DRAGON_OK)
        err = make_template(pool, spec, &made, error);
    if (err == DRAGON_OK)
        err = add_workers(pool, spec, made, error);
    dragon_template_destroy(made);
    if (err != DRAGON_OK)
        return err;
    dragon_group_on_event(pool->group, crew_on_event, pool);
    return dragon_group_start(pool->group, error);
}
