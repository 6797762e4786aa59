// SPDX-License-Identifier: BSD-3-Clause
//
// A group as JSON: writing it, so that reading it gives the same group. Only what was said is written.
#include "config.h"

#include "cli/pg.h"

#include "cli/text.h"

#include <jansson.h>

// Takes the value, also a NULL, which is a failure.
static bool put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool put_text(json_t *object, const char *key, const char *text)
{
    return !text || !*text || put(object, key, json_string(text));
}

// A % that stands for itself is taken as "%%".
static bool put_file(json_t *object, const char *key, const char *name)
{
    char *text = name ? malloc(2 * strlen(name) + 1) : NULL, *end = text;
    if (!name)
        return true;
    for (const char *at = name; text && *at; at++) {
        if (*at == '%')
            *end++ = '%';
        *end++ = *at;
    }
    if (text)
        *end = 0;
    bool good = text && put_text(object, key, text);
    free(text);
    return good;
}

static bool put_number(json_t *object, const char *key, long long number, long long unsaid)
{
    return number == unsaid || put(object, key, json_integer(number));
}

static bool put_ms(json_t *object, const char *key, uint64_t ms, uint64_t unsaid)
{
    char text[32];
    if (ms == unsaid)
        return true;
    if (ms % 1000)
        snprintf(text, sizeof text, "%llums", (unsigned long long)ms);
    else
        snprintf(text, sizeof text, "%llus", (unsigned long long)ms / 1000);
    return put(object, key, json_string(text));
}

static bool put_env(json_t *object, char *const *env)
{
    json_t *variables = json_object();
    bool good = variables != NULL;
    for (char *const *entry = env; good && entry && *entry; entry++) {
        const char *value;
        char *name = edit_split(*entry, &value);
        good = name && put(variables, name, value ? json_string(value) : json_null());
        free(name);
    }
    if (good && json_object_size(variables) > 0)
        return put(object, "env", variables);
    json_decref(variables);
    return good;
}

// "a,b" as a list.
static bool put_hosts(json_t *object, const char *hosts)
{
    json_t *list = hosts ? json_array() : NULL;
    if (!hosts)
        return true;
    bool good = list != NULL;
    for (const char *at = hosts; good && *at; at += strcspn(at, ","), at += *at == ',')
        good = json_array_append_new(list, json_stringn(at, strcspn(at, ","))) == 0;
    if (good)
        return put(object, "hosts", list);
    json_decref(list);
    return false;
}

static bool put_policy(json_t *object, const struct pg_policy *policy, char *const *env)
{
    json_t *said = json_object();
    bool good =
        said && put_hosts(said, policy->hosts) && put_text(said, "map", pg_map_name(policy->map)) &&
        put_number(said, "ppn", policy->ppn, 0) && put_number(said, "cores", policy->cores, 0) &&
        put_text(said, "core_list", policy->core_list) &&
        put_text(said, "bind", text_bind(policy->bind)) &&
        put_number(said, "gpus", policy->gpus, -1) &&
        put_text(said, "gpu_list", policy->gpu_list) &&
        put_number(said, "memory", (long long)policy->memory_bytes, 0) && put_env(said, env);
    if (good && json_object_size(said) > 0)
        return put(object, "policy", said);
    json_decref(said);
    return good;
}

static json_t *make_list(char *const *words)
{
    json_t *list = json_array();
    for (char *const *word = words; list && word && *word; word++) {
        if (json_array_append_new(list, json_string(*word)) == 0)
            continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *make_template(const struct pg_part *part)
{
    json_t *object = json_object();
    bool good = object && put(object, "program", make_list(part->program)) &&
                put_number(object, "ranks", part->ranks, 0) && put_text(object, "cwd", part->cwd) &&
                put_env(object, part->env) && put_file(object, "output", part->output) &&
                put_file(object, "error", part->error) && put_file(object, "input", part->input) &&
                put_policy(object, &part->policy, NULL);
    if (good)
        return object;
    json_decref(object);
    return NULL;
}

static bool put_templates(json_t *root, const struct pg_command *command)
{
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; good && i < command->count; i++)
        good = json_array_append_new(list, make_template(&command->parts[i])) == 0;
    if (good)
        return put(root, "templates", list);
    json_decref(list);
    return false;
}

static bool put_failure(json_t *root, const struct pg_command *command)
{
    char text[40];
    snprintf(text, sizeof text, "%s", pg_failure_name(command->failure));
    if (command->failure == PG_FAILURE_RESTART)
        snprintf(text, sizeof text, "restart:%d", command->failure_restarts);
    return put_text(root, "on_failure", text);
}

static bool put_warning(json_t *root, const struct pg_command *command)
{
    char text[64];
    const char *name = sigabbrev_np(command->warn_signal);
    if (!command->warn_signal)
        return true;
    if (name)
        snprintf(text, sizeof text, "%s@%llums", name, (unsigned long long)command->warn_ms);
    else
        snprintf(text, sizeof text, "%d@%llums", command->warn_signal,
                 (unsigned long long)command->warn_ms);
    return put_text(root, "signal", text);
}

static bool put_reader(json_t *root, const struct pg_command *command)
{
    if (!command->input_said)
        return true;
    if (command->input_rank >= 0)
        return put(root, "stdin", json_integer(command->input_rank));
    return put_text(root, "stdin", command->input_rank == DRAGON_NO_RANK ? "none" : "all");
}

static bool put_switch(json_t *root, const char *key, bool on)
{
    return !on || put(root, key, json_true());
}

char *pg_spec_format(const struct pg_command *command)
{
    json_t *root = json_object();
    bool good =
        root && put_text(root, "schema", "dragon-pg-spec") && put_number(root, "version", 1, 0) &&
        put_text(root, "name", command->name) && put_switch(root, "pmi", command->pmi) &&
        put_switch(root, "label", command->label) && put_switch(root, "detach", command->detach) &&
        put_ms(root, "timeout", command->limit_ms, 0) && put_warning(root, command) &&
        put_ms(root, "grace", command->grace_ms, 5000) && put_failure(root, command) &&
        put_number(root, "restart", command->restarts, -1) &&
        put_text(root, "on_full", pg_full_name(command->full)) &&
        put_ms(root, "wait", command->wait_ms, 0) && put_reader(root, command) &&
        put_policy(root, &command->all.policy, command->all.env) && put_templates(root, command);
    char *text = good ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    return text;
}
