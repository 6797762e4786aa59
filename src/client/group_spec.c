// SPDX-License-Identifier: BSD-3-Clause
//
// What is asked for of a group, and how it is made one specification for the runtime: each template's policy
// over the group's, over the defaults that were pushed.
#include "config.h"

#include "client/group.h"

#include <signal.h>

enum { WAIT_MS = 3600 * 1000 };

static bool was_started(const struct dragon_group *group)
{
    return group->attached || group->run;
}

// A plan that was made before is of something else now.
void group_forget_plan(struct dragon_group *group)
{
    plan_fini(&group->planned);
    group->planned = (struct plan){0};
}

// ---- setters

dragon_err_t dragon_group_set_name(dragon_group_t *group, const char *name)
{
    if (!name || !*name || strchr(name, '\n'))
        return DRAGON_ERR_INVAL;
    if (was_started(group))
        return DRAGON_ERR_STATE;
    char *copy = strdup(name);
    if (!copy)
        return DRAGON_ERR_NOMEM;
    free(group->asked.name);
    group->asked.name = copy;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_policy(dragon_group_t *group, const dragon_policy_t *policy)
{
    struct policy copy = {0};
    if (was_started(group))
        return DRAGON_ERR_STATE;
    if (policy && !policy_copy(&policy->policy, &copy))
        return DRAGON_ERR_NOMEM;
    policy_fini(&group->policy);
    group->policy = copy;
    group_forget_plan(group);
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_pmi(dragon_group_t *group, int on)
{
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.pmi = on != 0;
    group_forget_plan(group);
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_label(dragon_group_t *group, int on)
{
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->label = on != 0;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_input(dragon_group_t *group, int fd, int rank)
{
    if (rank < DRAGON_NO_RANK)
        return DRAGON_ERR_INVAL;
    if (was_started(group))
        return DRAGON_ERR_STATE;
    bool none = fd < 0 || rank == DRAGON_NO_RANK;
    group->input_fd = none ? -1 : fd;
    group->asked.input_rank = none ? GROUP_NO_RANK : rank;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_time_limit(dragon_group_t *group, uint64_t ms)
{
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.limit_ms = ms;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_warning(dragon_group_t *group, int signal, uint64_t ms_before)
{
    if (signal < 0 || signal >= NSIG)
        return DRAGON_ERR_INVAL;
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.warn_signal = (uint32_t)signal;
    group->asked.warn_ms = signal ? ms_before : 0;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_grace(dragon_group_t *group, uint32_t ms)
{
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.grace_ms = ms;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_full(dragon_group_t *group, dragon_full_t full, uint64_t wait_ms)
{
    if ((unsigned)full > DRAGON_FULL_FAIL)
        return DRAGON_ERR_INVAL;
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.full = (uint8_t)full;
    group->asked.wait_ms = wait_ms;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_failure(dragon_group_t *group, dragon_failure_t failure)
{
    if ((unsigned)failure > DRAGON_FAILURE_CONTINUE)
        return DRAGON_ERR_INVAL;
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.failure = (uint8_t)failure;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_restart(dragon_group_t *group, dragon_restart_t when, uint32_t most,
                                      uint32_t backoff_ms)
{
    if ((unsigned)when > DRAGON_RESTART_ALWAYS)
        return DRAGON_ERR_INVAL;
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.restart = (uint8_t)when;
    group->asked.restart_most = most;
    group->asked.backoff_ms = backoff_ms;
    return DRAGON_OK;
}

dragon_err_t dragon_group_set_detached(dragon_group_t *group, int on)
{
    if (was_started(group))
        return DRAGON_ERR_STATE;
    group->asked.detached = on != 0;
    return DRAGON_OK;
}

// ---- the specification

const struct dragon_template *group_template_of(const struct dragon_group *group, uint32_t rank)
{
    uint32_t base;
    const struct plan *part = run_part_of(group->run, rank, &base);
    if (!part)
        return NULL;
    uint32_t number = base + plan_template_of(part, rank);
    return number < group->member_count ? group->members[number].process_template : NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static bool copy_stream(const struct stream_spec *from, struct stream_spec *copy_out)
{
    *copy_out = (struct stream_spec){.kind = from->kind, .path = strdup(from->path)};
    return copy_out->path;
}

// Edits in the order in which they win: what all share (unless the group's environment has it already), the
// template's policy, the template.
static bool merge_env(const struct policy *shared, const struct dragon_template *from,
                      char ***env_out)
{
    *env_out = strv_alloc(0);
    return *env_out && edits_merge(env_out, shared ? shared->env : NULL) &&
           edits_merge(env_out, from->policy.env) && edits_merge(env_out, from->env);
}

static bool build_template(const struct member *member, const struct policy *base, bool added,
                           struct template_spec *spec)
{
    const struct dragon_template *from = member->process_template;
    spec->ranks = member->ranks;
    spec->cwd = strdup(from->cwd);
    spec->argv = strv_copy(from->argv);
    bool good = spec->cwd && spec->argv && merge_env(added ? base : NULL, from, &spec->env) &&
                policy_copy(base, &spec->policy) && policy_merge(&spec->policy, &from->policy) &&
                copy_stream(&from->in, &spec->in) && copy_stream(&from->out, &spec->out) &&
                copy_stream(&from->err, &spec->err);
    strv_free(spec->policy.env); // it is in the edits
    spec->policy.env = NULL;
    return good;
}

static bool merge_base(const struct dragon_group *group, struct policy *base)
{
    const struct dragon_runtime *runtime = group->runtime;
    bool good = true;
    for (size_t i = 0; good && i < runtime->default_count; i++)
        good = policy_merge(base, &runtime->defaults[i]);
    return good && policy_merge(base, &group->policy);
}

static void resolve(struct group_spec *spec)
{
    bool asks = false;
    for (uint32_t i = 0; i < spec->template_count; i++)
        asks = asks || policy_asks(&spec->templates[i].policy);
    if (spec->full == DRAGON_FULL_UNSET)
        spec->full = asks ? DRAGON_FULL_WAIT : DRAGON_FULL_SHARE;
    if (spec->failure == DRAGON_FAILURE_UNSET)
        spec->failure = spec->pmi ? DRAGON_FAILURE_STOP : DRAGON_FAILURE_CONTINUE;
    if (spec->wait_ms == 0)
        spec->wait_ms = WAIT_MS;
}

bool group_spec_build(const struct dragon_group *group, const struct member *members,
                      uint32_t count, bool added, struct group_spec *spec_out)
{
    struct group_spec spec = group->asked; // its numbers
    struct policy base = {0};
    spec.name = strdup(group->asked.name ? group->asked.name
                                         : base_name(group->members[0].process_template->argv[0]));
    spec.env = strv_copy(group->asked.env);
    spec.templates = calloc(count, sizeof *spec.templates);
    bool good = spec.name && spec.env && spec.templates && merge_base(group, &base) &&
                edits_apply(base.env, &spec.env);
    for (uint32_t i = 0; good && i < count; i++) {
        spec.template_count = i + 1;
        good = build_template(&members[i], &base, added, &spec.templates[i]);
    }
    policy_fini(&base);
    if (!good) {
        group_spec_fini(&spec);
        return false;
    }
    resolve(&spec);
    *spec_out = spec;
    return true;
}
