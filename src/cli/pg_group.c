// SPDX-License-Identifier: BSD-3-Clause
//
// From a command to a process group, with the public calls alone. Templates and policies need no runtime, so
// what the library finds wrong with them is known before one is started.
#include "config.h"

#include "cli/pg.h"

#include <unistd.h>

// The steps of making something: after the first that fails the others are passed over, and it is named.
struct steps {
    dragon_err_t err;
    const char *what;
};

static void step(struct steps *steps, const char *what, dragon_err_t err)
{
    if (steps->err != DRAGON_OK)
        return;
    steps->err = err;
    steps->what = what;
}

static dragon_err_t end_steps(const struct steps *steps, dragon_error_t *error)
{
    if (steps->err == DRAGON_OK)
        return DRAGON_OK;
    return err_set(error, steps->err, "%s: %s", steps->what, dragon_err_text(steps->err));
}

static void set_policy_env(struct steps *steps, dragon_policy_t *policy, char *const *env)
{
    for (char *const *entry = env; entry && *entry; entry++) {
        const char *value;
        char *name = edit_split(*entry, &value);
        step(steps, "--env", name ? dragon_policy_set_env(policy, name, value) : DRAGON_ERR_NOMEM);
        free(name);
    }
}

static dragon_err_t make_policy(const struct pg_policy *said, char *const *env,
                                dragon_policy_t **policy_out, dragon_error_t *error)
{
    dragon_policy_t *policy = NULL;
    struct steps steps = {.err = dragon_policy_create(&policy), .what = "policy"};
    if (steps.err != DRAGON_OK)
        return end_steps(&steps, error);
    if (said->hosts)
        step(&steps, "--hosts", dragon_policy_set_hosts(policy, said->hosts));
    if (said->map)
        step(&steps, "--map-by", dragon_policy_set_map(policy, said->map));
    if (said->bind)
        step(&steps, "--bind", dragon_policy_set_bind(policy, said->bind));
    step(&steps, "--ppn", dragon_policy_set_ppn(policy, said->ppn));
    step(&steps, "--cpus-per-rank", dragon_policy_set_cores(policy, said->cores));
    if (said->core_list)
        step(&steps, "--cores", dragon_policy_set_core_list(policy, said->core_list));
    if (said->gpus >= 0)
        step(&steps, "--gpus-per-rank", dragon_policy_set_gpus(policy, said->gpus));
    if (said->gpu_list)
        step(&steps, "--gpu-list", dragon_policy_set_gpu_list(policy, said->gpu_list));
    if (said->memory_bytes)
        step(&steps, "--memory", dragon_policy_set_memory(policy, said->memory_bytes));
    set_policy_env(&steps, policy, env);
    if (steps.err == DRAGON_OK)
        *policy_out = policy;
    else
        dragon_policy_destroy(policy);
    return end_steps(&steps, error);
}

// ---- templates

static const char *stream_of(const char *where)
{
    if (strcmp(where, "inherit") == 0)
        return DRAGON_STREAM_INHERIT;
    if (strcmp(where, "none") == 0)
        return DRAGON_STREAM_DISCARD;
    return strcmp(where, "merge") == 0 ? DRAGON_STREAM_MERGE : where;
}

static void set_streams(struct steps *steps, dragon_template_t *process_template,
                        const struct pg_part *part, bool detached)
{
    const char *unsaid = detached ? "none" : "inherit";
    const char *input = part->input ? part->input : "inherit";
    step(steps, "--output",
         dragon_template_set_output(process_template,
                                    stream_of(part->output ? part->output : unsaid)));
    step(
        steps, "--error",
        dragon_template_set_error(process_template, stream_of(part->error ? part->error : unsaid)));
    step(steps, "--stdin", dragon_template_set_input(process_template, stream_of(input)));
}

static void set_env(struct steps *steps, dragon_template_t *process_template, char *const *env)
{
    for (char *const *entry = env; entry && *entry; entry++) {
        const char *value;
        char *name = edit_split(*entry, &value);
        step(steps, "--env",
             name ? dragon_template_set_env(process_template, name, value) : DRAGON_ERR_NOMEM);
        free(name);
    }
}

static dragon_err_t make_template(const struct pg_part *part, bool detached,
                                  dragon_template_t **template_out, dragon_error_t *error)
{
    dragon_template_t *process_template;
    dragon_policy_t *policy;
    struct steps steps = {.err = DRAGON_OK};
    dragon_err_t err = dragon_template_create(part->program, &process_template, error);
    if (err != DRAGON_OK)
        return err;
    err = make_policy(&part->policy, NULL, &policy, error);
    if (err == DRAGON_OK) {
        step(&steps, "policy", dragon_template_set_policy(process_template, policy));
        dragon_policy_destroy(policy);
        if (part->cwd)
            step(&steps, "--cwd", dragon_template_set_cwd(process_template, part->cwd));
        set_env(&steps, process_template, part->env);
        set_streams(&steps, process_template, part, detached);
        err = end_steps(&steps, error);
    }
    if (err == DRAGON_OK)
        *template_out = process_template;
    else
        dragon_template_destroy(process_template);
    return err;
}

static dragon_err_t add_templates(const struct pg_command *command, dragon_group_t *group,
                                  dragon_error_t *error)
{
    dragon_err_t err = DRAGON_OK;
    for (size_t i = 0; err == DRAGON_OK && i < command->count; i++) {
        dragon_template_t *process_template = NULL;
        err = make_template(&command->parts[i], command->detach, &process_template, error);
        if (err == DRAGON_OK && group)
            err = dragon_group_add(group, process_template, command->parts[i].ranks, error);
        dragon_template_destroy(process_template);
    }
    return err;
}

// ---- the group

static void set_failures(struct steps *steps, dragon_group_t *group,
                         const struct pg_command *command)
{
    if (command->failure == PG_FAILURE_STOP || command->failure == PG_FAILURE_CONTINUE)
        step(steps, "--on-failure",
             dragon_group_set_failure(group, command->failure == PG_FAILURE_STOP
                                                 ? DRAGON_FAILURE_STOP
                                                 : DRAGON_FAILURE_CONTINUE));
    if (command->failure == PG_FAILURE_RESTART && command->failure_restarts > 0)
        step(steps, "--on-failure",
             dragon_group_set_restart(group, DRAGON_RESTART_FAILED,
                                      (uint32_t)command->failure_restarts, 0));
    if (command->restarts > 0)
        step(
            steps, "--restart",
            dragon_group_set_restart(group, DRAGON_RESTART_ALWAYS, (uint32_t)command->restarts, 0));
}

// Without --timeout a warning comes before the end of the allocation, which is then the limit.
static dragon_err_t set_limit(struct steps *steps, dragon_group_t *group, dragon_runtime_t *runtime,
                              const struct pg_command *command, dragon_error_t *error)
{
    uint64_t limit_ms = command->limit_ms;
    if (command->warn_signal && !limit_ms) {
        if (dragon_runtime_time_left(runtime, &limit_ms) != DRAGON_OK)
            return err_set(error, DRAGON_ERR_INVAL,
                           "--signal needs --timeout: the end of the allocation is not known");
        if (limit_ms <= command->warn_ms)
            return err_set(error, DRAGON_ERR_INVAL,
                           "--signal: only %llu s of the allocation are left",
                           (unsigned long long)limit_ms / 1000);
    }
    step(steps, "--timeout", dragon_group_set_time_limit(group, limit_ms));
    if (command->warn_signal)
        step(steps, "--signal",
             dragon_group_set_warning(group, command->warn_signal, command->warn_ms));
    return DRAGON_OK;
}

static int reader_of(const struct pg_command *command)
{
    bool is_taken = command->spec && strcmp(command->spec, "-") == 0;
    if (command->detach || is_taken)
        return DRAGON_NO_RANK;
    return command->input_said ? command->input_rank : 0;
}

static dragon_err_t set_group(dragon_group_t *group, dragon_runtime_t *runtime,
                              const struct pg_command *command, dragon_error_t *error)
{
    struct steps steps = {.err = DRAGON_OK};
    dragon_policy_t *policy;
    dragon_err_t err = make_policy(&command->all.policy, command->all.env, &policy, error);
    if (err != DRAGON_OK)
        return err;
    step(&steps, "policy", dragon_group_set_policy(group, policy));
    dragon_policy_destroy(policy);
    if (command->name)
        step(&steps, "--name", dragon_group_set_name(group, command->name));
    step(&steps, "--pmi", dragon_group_set_pmi(group, command->pmi));
    step(&steps, "--label", dragon_group_set_label(group, command->label));
    step(&steps, "--grace", dragon_group_set_grace(group, (uint32_t)command->grace_ms));
    step(&steps, "--on-full", dragon_group_set_full(group, command->full, command->wait_ms));
    step(&steps, "--detach", dragon_group_set_detached(group, command->detach));
    set_failures(&steps, group, command);
    if (reader_of(command) != DRAGON_NO_RANK)
        step(&steps, "--stdin", dragon_group_set_input(group, STDIN_FILENO, reader_of(command)));
    err = set_limit(&steps, group, runtime, command, error);
    return err == DRAGON_OK ? end_steps(&steps, error) : err;
}

dragon_err_t pg_group_create(const struct pg_command *command, dragon_runtime_t *runtime,
                             dragon_group_t **group_out, dragon_error_t *error)
{
    dragon_group_t *group = NULL;
    // The runtime that dragon-run will start knows the allocation's end from these.
    bool has_end = command->limit_ms || getenv("DRAGON_WALLTIME") || getenv("SLURM_JOB_END_TIME");
    if (!runtime && command->warn_signal && !has_end)
        return err_set(error, DRAGON_ERR_INVAL, "--signal needs --timeout outside a runtime");
    dragon_err_t err = runtime ? dragon_group_create(runtime, &group, error) : DRAGON_OK;
    if (err == DRAGON_OK && runtime)
        err = set_group(group, runtime, command, error);
    if (err == DRAGON_OK)
        err = add_templates(command, group, error);
    if (err == DRAGON_OK && runtime)
        *group_out = group;
    else
        dragon_group_destroy(group);
    return err;
}

const char *pg_program(const struct pg_command *command, uint32_t number)
{
    return number < command->count ? command->parts[number].program[0] : "?";
}
