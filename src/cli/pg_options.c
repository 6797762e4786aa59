// SPDX-License-Identifier: BSD-3-Clause
//
// Taking the value of one option of dragon-pg. A spec file's values come through here too.
#include "config.h"

#include "cli/pg.h"

#include <fnmatch.h>
#include <unistd.h>

// ---- values

static bool out_of_memory(dragon_error_t *error)
{
    err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    return false;
}

static bool wrong(dragon_error_t *error, const char *text)
{
    err_set(error, DRAGON_ERR_INVAL, "%s", text);
    return false;
}

static bool take_text(char **text, const char *value, dragon_error_t *error)
{
    return pg_set_text(text, value) || out_of_memory(error);
}

static bool take_u32(const char *value, uint32_t *out, dragon_error_t *error)
{
    long long number;
    if (!option_number(value, 1, PG_RANKS_LIMIT, &number, error))
        return false;
    *out = (uint32_t)number;
    return true;
}

// Whether a policy takes the list is asked of one that is thrown away, so that a wrong one is found at once.
static bool take_list(char **text, const char *value,
                      dragon_err_t (*set)(dragon_policy_t *, const char *), const char *help,
                      dragon_error_t *error)
{
    dragon_policy_t *policy;
    if (!*value)
        return wrong(error, help);
    if (dragon_policy_create(&policy) != DRAGON_OK)
        return out_of_memory(error);
    dragon_err_t err = set(policy, value);
    dragon_policy_destroy(policy);
    if (err == DRAGON_ERR_INVAL)
        return wrong(error, help);
    return err == DRAGON_OK ? take_text(text, value, error) : out_of_memory(error);
}

// What dragon-info shows in a column.
static bool take_name(char **text, const char *value, dragon_error_t *error)
{
    enum { NAME_LIMIT = 64 };
    bool good = *value && strlen(value) <= NAME_LIMIT;
    for (const char *at = value; good && *at; at++)
        good = (unsigned char)*at >= ' ' && *at != 0x7f;
    if (!good)
        return wrong(error, "a name has 1 to 64 bytes, none of them a control character");
    return take_text(text, value, error);
}

static bool take_env(char ***env, const char *value, dragon_error_t *error)
{
    const char *equals = strchr(value, '=');
    if (!*value || equals == value)
        return wrong(error, "a variable needs a name");
    const char *own = equals ? equals + 1 : getenv(value);
    if (!own)
        return wrong(error, "it is not set here; give NAME=VALUE");
    char *name = strndup(value, strcspn(value, "="));
    bool good = name && edits_set(env, name, own);
    free(name);
    return good || out_of_memory(error);
}

// Of what is set here, and of what was set before this.
static bool take_env_remove(char ***env, const char *glob, dragon_error_t *error)
{
    char **entries = strv_copy(environ);
    bool good = entries != NULL;
    for (char **entry = *env; good && entry && *entry; entry++)
        good = strv_push(&entries, *entry);
    for (char **entry = entries; good && *entry; entry++) {
        (*entry)[strcspn(*entry, "=")] = 0;
        if (**entry && fnmatch(glob, *entry, 0) == 0)
            good = edits_set(env, *entry, NULL);
    }
    strv_free(entries);
    return good || out_of_memory(error);
}

// The length of a {word} for a file's name; 0: it is none.
static size_t word_in_braces(const char *text, dragon_error_t *error)
{
    static const char *const names[] = {"rank", "node", "host", "group", "template"};
    char name[16];
    size_t index, length = strspn(text + 1, "abcdefghijklmnopqrstuvwxyz");
    if (*text == '{' && text[1 + length] == '}') {
        snprintf(name, sizeof name, "%.*s", (int)length, text + 1);
        return option_choice(name, names, sizeof names / sizeof *names, &index, error) ? length + 2
                                                                                       : 0;
    }
    wrong(error, "braces are for {rank}, {node}, {host}, {group} and {template}");
    return 0;
}

// srun's letters for the same; NULL: it is none.
static const char *word_of_letter(const char *text)
{
    static const char *const words[] = {"%t", "{rank}", "%N", "{host}", "%j", "{group}", "%%", "%"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i += 2)
        if (strncmp(text, words[i], 2) == 0)
            return words[i + 1];
    return NULL;
}

static bool take_file(char **text, const char *value, dragon_error_t *error)
{
    size_t room = 8 * strlen(value) + 1, used = 0, length;
    char *result;
    if (!*value || *value == '|' || *value == '&')
        return wrong(error, *value ? "put ./ before the name of this file" : "a file needs a name");
    if (!(result = malloc(room)))
        return out_of_memory(error);
    for (const char *at = value; *at; at += length) {
        const char *word = word_of_letter(at);
        length = word ? 2 : *at == '{' || *at == '}' ? word_in_braces(at, error) : 1;
        if (length == 0) {
            free(result);
            return false;
        }
        used += (size_t)snprintf(result + used, room - used, "%.*s",
                                 word ? (int)strlen(word) : (int)length, word ? word : at);
    }
    free(*text);
    *text = result;
    return true;
}

// A file has a slash in its name once it is taken, so that it is none of the words.
static bool take_input_file(struct pg_command *command, const char *name, dragon_error_t *error)
{
    char *text = NULL;
    if (!*name)
        return wrong(error, "a file needs a name");
    if (asprintf(&text, "%s%s", strchr(name, '/') ? "" : "./", name) < 0)
        return out_of_memory(error);
    bool good = take_file(&command->at->input, text, error);
    free(text);
    return good;
}

static bool take_input(struct pg_command *command, const char *value, dragon_error_t *error)
{
    bool none = strcmp(value, "none") == 0, all = strcmp(value, "all") == 0;
    long long rank = DRAGON_ALL_RANKS;
    if (strncmp(value, "file:", 5) == 0)
        return take_input_file(command, value + 5, error);
    if (strchr(value, '/'))
        return take_input_file(command, value, error);
    if (!none && !all && !parse_number(value, 0, PG_RANKS_LIMIT, &rank))
        return wrong(error, "give a rank, all, none, or a file as ./NAME");
    // Of a later program: it reads nothing, whatever the others do.
    if (none && !command->is_first)
        return take_text(&command->at->input, value, error);
    if (!command->is_first)
        return wrong(error, "who reads is said before the first program");
    command->input_said = true;
    command->input_rank = none ? DRAGON_NO_RANK : (int)rank;
    free(command->at->input);
    command->at->input = NULL;
    return true;
}

static bool take_warning(struct pg_command *command, const char *value, dragon_error_t *error)
{
    const char *at = strchr(value, '@');
    uint64_t ms;
    int number;
    if (!at)
        return wrong(error, "give a signal and a time: USR1@60s");
    char *name = strndup(value, (size_t)(at - value));
    if (!name)
        return out_of_memory(error);
    bool good = option_signal(name, &number, error) && option_duration(at + 1, &ms, error);
    free(name);
    if (good) {
        command->warn_signal = number;
        command->warn_ms = ms;
    }
    return good;
}

static bool take_failure(struct pg_command *command, const char *value, dragon_error_t *error)
{
    static const char *const words[] = {"stop", "continue", "restart"};
    enum { RESTARTS = 3 };
    long long count = RESTARTS;
    size_t index = 2;
    bool counted = strncmp(value, "restart:", 8) == 0;
    if (counted ? !option_number(value + 8, 0, PG_RANKS_LIMIT, &count, error)
                : !option_choice(value, words, 3, &index, error))
        return false;
    command->failure = pg_failure_value(words[index]);
    command->failure_restarts = (int)count;
    return true;
}

// ---- one option

static bool take_policy(struct pg_policy *policy, int id, const char *value, dragon_error_t *error)
{
    long long number;
    switch (id) {
    case PG_PPN:
        return take_u32(value, &policy->ppn, error);
    case 'c':
        return take_u32(value, &policy->cores, error);
    case 'H':
        return take_list(&policy->hosts, value, dragon_policy_set_hosts,
                         "give names or numbers of nodes: a,b", error);
    case PG_CORES:
        return take_list(&policy->core_list, value, dragon_policy_set_core_list,
                         "give cores as 0-3,8, or several such lists as 0-3:4-7", error);
    case PG_GPU_LIST:
        return take_list(&policy->gpu_list, value, dragon_policy_set_gpu_list,
                         "give GPUs as 0,1, tiles as 0.1, or several such lists as 0:1", error);
    case PG_BIND:
        policy->bind = pg_bind_value(value);
        return true;
    case PG_MAP_BY:
        policy->map = pg_map_value(value);
        return true;
    case PG_MEMORY:
        return option_size(value, &policy->memory_bytes, error);
    default:
        if (!option_number(value, 0, PG_RANKS_LIMIT, &number, error))
            return false;
        policy->gpus = (int)number;
        return true;
    }
}

// Those that each program has for itself. False in *known_out: it is none of them.
static bool take_rank_option(struct pg_command *command, int id, const char *value, bool *known_out,
                             dragon_error_t *error)
{
    struct pg_part *part = command->at;
    *known_out = true;
    switch (id) {
    case 'n':
        return take_u32(value, &part->ranks, error);
    case PG_PPN:
    case 'c':
    case 'H':
    case PG_CORES:
    case PG_GPU_LIST:
    case PG_BIND:
    case PG_MAP_BY:
    case PG_MEMORY:
    case 'g':
        return take_policy(&part->policy, id, value, error);
    case PG_ENV:
        return take_env(&part->env, value, error);
    case PG_ENV_REMOVE:
        return take_env_remove(&part->env, value, error);
    case PG_CWD:
        return *value ? take_text(&part->cwd, value, error)
                      : wrong(error, "a directory needs a name");
    case PG_OUTPUT:
        if (strcmp(value, "merge") == 0)
            return wrong(error, "that is for --error; a file of that name is ./merge");
        return take_file(&part->output, value, error);
    case PG_ERROR:
        return take_file(&part->error, value, error);
    case PG_STDIN:
        return take_input(command, value, error);
    default:
        *known_out = false;
        return true;
    }
}

// Those that only say something is so. False: it is none of them.
static bool take_switch(struct pg_command *command, int id)
{
    switch (id) {
    case PG_PMI:
        return command->pmi = true;
    case 'l':
        return command->label = true;
    case PG_DETACH:
        return command->detach = true;
    case PG_DRY_RUN:
        return command->dry_run = true;
    case PG_JSON:
        return command->json = true;
    case PG_PRINT_SPEC:
        return command->print_spec = true;
    case PG_OVERSUBSCRIBE:
        command->full = DRAGON_FULL_SHARE;
        return true;
    case 'q':
        log_set_level(LOG_LEVEL_QUIET);
        return true;
    case 'v':
        log_set_level(LOG_LEVEL_VERBOSE);
        return true;
    default:
        return false;
    }
}

bool pg_take_option(void *arg, int id, const char *value, dragon_error_t *error)
{
    struct pg_command *command = arg;
    bool known;
    if (!take_rank_option(command, id, value, &known, error))
        return false;
    if (known)
        return true;
    if (!command->is_first)
        return wrong(error, "it is for the whole group: give it before the first program");
    long long number;
    switch (id) {
    case 't':
        return option_duration(value, &command->limit_ms, error);
    case PG_GRACE:
        return option_duration(value, &command->grace_ms, error);
    case PG_WAIT:
        if (option_duration(value, &command->wait_ms, error) && command->wait_ms == 0)
            return wrong(error, "not to wait is --on-full fail");
        return command->wait_ms > 0;
    case PG_SIGNAL:
        return take_warning(command, value, error);
    case PG_RESTART:
        if (!option_number(value, 0, PG_RANKS_LIMIT, &number, error))
            return false;
        command->restarts = (int)number;
        return true;
    case PG_ON_FAILURE:
        return take_failure(command, value, error);
    case PG_ON_FULL:
        command->full = pg_full_value(value);
        return true;
    case PG_DISPLAY:
        command->display_map = strstr(value, "map");
        command->display_bind = strstr(value, "bind");
        return true;
    case PG_NAME:
        return take_name(&command->name, value, error);
    case PG_STATUS_FILE:
        return *value ? take_text(&command->status_file, value, error)
                      : wrong(error, "a file needs a name");
    case PG_SPEC:
        return *value ? take_text(&command->spec, value, error)
                      : wrong(error, "a file needs a name");
    default:
        return take_switch(command, id);
    }
}
