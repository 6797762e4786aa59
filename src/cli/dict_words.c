// SPDX-License-Identifier: BSD-3-Clause
//
// The words and options of dragon-dict as tables, and whether a call of them makes sense.
#include "config.h"

#include "cli/dict.h"

enum {
    OPTION_ABSENT = 256,
    OPTION_MANAGERS,
    OPTION_PER_NODE,
    OPTION_NODES,
    OPTION_NUMA,
    OPTION_HUGE,
    OPTION_LOCAL,
    OPTION_JSON,
    OPTION_RUNTIME,
    MOST_NAMES = 1000,
    MOST_PARTS = 1 << 20, // managers, or nodes
};

#define IN_GENERAL " runtime quiet verbose "
#define OF_KEYS " timeout escapes" IN_GENERAL

const struct word dict_words[] = {
    {"create", "", "makes a dictionary of that name",
     " managers managers-per-node nodes host bytes numa huge timeout" IN_GENERAL, 0, 0, WORD_PROMPT,
     do_create},
    {"put", "KEY [VALUE]", "the value of the key is this from now on", " absent wait" OF_KEYS, 1, 2,
     WORD_KEY, do_put},
    {"get", "KEY", "writes the value, as it is", " wait" OF_KEYS, 1, 1, WORD_KEY, do_get},
    {"pop", "KEY", "writes the value, and erases the key", " wait" OF_KEYS, 1, 1, WORD_KEY, do_pop},
    {"exists", "KEY...", "whether all these keys are there", " wait" OF_KEYS, 1, MOST_NAMES,
     WORD_KEY, do_exists},
    {"contains", "KEY...", "as exists", " wait" OF_KEYS, 1, MOST_NAMES, WORD_KEY | WORD_ALIAS,
     do_exists},
    {"erase", "KEY...", "these keys are there no more", OF_KEYS, 1, MOST_NAMES, WORD_KEY, do_erase},
    {"append", "KEY [VALUE]", "puts it behind the value", OF_KEYS, 1, 2, WORD_KEY, do_append},
    {"add", "KEY [N]", "adds to a number (1), and prints what it was before", OF_KEYS, 1, 2,
     WORD_KEY, do_add},
    {"swap", "KEY OLD NEW", "puts NEW if the value is OLD", OF_KEYS, 3, 3, WORD_KEY, do_swap},
    {"keys", "[PREFIX]", "the keys that begin so, one a line", " null local long" OF_KEYS, 0, 1, 0,
     do_keys},
    {"length", "", "how many keys there are", " timeout" IN_GENERAL, 0, 0, 0, do_length},
    {"clear", "", "erases all keys", " timeout" IN_GENERAL, 0, 0, 0, do_clear},
    {"freeze", "", "nothing can be changed any more, and reading is free", " timeout" IN_GENERAL, 0,
     0, 0, do_freeze},
    {"unfreeze", "", "it can be changed again", " timeout" IN_GENERAL, 0, 0, 0, do_unfreeze},
    {"stat", "", "its managers: their keys, memory and work", " json timeout" IN_GENERAL, 0,
     MOST_NAMES, WORD_NAMES, do_stat},
    {"destroy", "", "it ends, with all that is in it", IN_GENERAL, 0, MOST_NAMES,
     WORD_NAMES | WORD_PROMPT, do_destroy},
    {"prompt", "", "these words without NAME, line by line", " wait timeout" IN_GENERAL, 0, 0,
     WORD_PROMPT, do_prompt},
    {0},
};

const struct option_row dict_rows[] = {
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Pairs and keys"},
    {OPTION_ABSENT, 0, "absent", NULL, NULL, "put: only if the key is not there"},
    {'w', 'w', "wait", NULL, NULL,
     "wait for the dictionary; get, pop, exists: for the key; put: for room"},
    {'t', 't', "timeout", "TIME|off", NULL,
     "wait at most so long (60s); create: what the dictionary's calls wait if they do not say"},
    {'e', 'e', "escapes", NULL, NULL,
     "keys and values here have \\n, \\t, \\\\ and \\xHH; keys: print them so"},
    {'0', '0', "null", NULL, NULL, "keys: each ended by a zero byte"},
    {'l', 'l', "long", NULL, NULL, "keys: with the size of the value, and the manager"},
    {OPTION_LOCAL, 0, "local", NULL, NULL, "keys: of the managers of this node only"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "Making a dictionary"},
    {OPTION_MANAGERS, 0, "managers", "N", NULL, "so many in all (one on each node)"},
    {OPTION_PER_NODE, 0, "managers-per-node", "N", NULL, "so many on each node"},
    {OPTION_NODES, 0, "nodes", "N", NULL, "on so many nodes (all)"},
    {'H', 'H', "host", "LIST", NULL, "on these hosts or nodes"},
    {'b', 'b', "bytes", "SIZE", NULL, "memory, in all (64M for each manager)"},
    {OPTION_NUMA, 0, "numa", "N", NULL, "memory of this NUMA node"},
    {OPTION_HUGE, 0, "huge", "try|require", NULL, "huge pages"},
    {OPTIONS_SECTION, 0, NULL, NULL, NULL, "In general"},
    {OPTION_JSON, 0, "json", NULL, NULL, "stat: one JSON object, for programs"},
    {OPTION_RUNTIME, 0, "runtime", "DIR", NULL, "this runtime, by its directory or its socket"},
    {'q', 'q', "quiet", NULL, NULL, "no notices"},
    {'v', 'v', "verbose", NULL, NULL, "say what is done"},
    {0},
};

const struct word *word_find(const char *name)
{
    for (const struct word *word = dict_words; word->name; word++)
        if (strcmp(word->name, name) == 0)
            return word;
    return NULL;
}

// ---- a call

void call_init(struct call *call, struct session *session)
{
    *call = (struct call){
        .session = session, .timeout_ms = DRAGON_DEFAULT_TIMEOUT, .spec = DRAGON_DICT_SPEC_INIT};
}

void call_fini(struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        free(call->operands[i].data);
    free(call->operands);
    call->operands = NULL;
    call->count = 0;
}

bool call_push(struct call *call, const void *data, size_t bytes)
{
    struct bytes *grown = realloc(call->operands, (call->count + 1) * sizeof *grown);
    if (grown)
        call->operands = grown;
    char *copy = grown ? malloc(bytes + 1) : NULL;
    if (!copy)
        return false;
    if (bytes > 0)
        memcpy(copy, data, bytes);
    copy[bytes] = 0;
    call->operands[call->count++] = (struct bytes){.data = copy, .count = bytes};
    return true;
}

// ---- taking options

static bool take_of_create(struct call *call, int id, const char *value, dragon_error_t *error)
{
    uint32_t number;
    switch (id) {
    case OPTION_MANAGERS:
        return option_count(value, 1, DRAGON_DICT_MANAGERS_MOST, &call->spec.managers, error);
    case OPTION_PER_NODE:
        return option_count(value, 1, DRAGON_DICT_MANAGERS_MOST, &call->spec.managers_per_node,
                            error);
    case OPTION_NODES:
        return option_count(value, 1, MOST_PARTS, &call->spec.nodes, error);
    case 'H':
        return option_text(value, &call->hosts, error);
    case 'b':
        return option_size(value, &call->spec.total_bytes, error);
    case OPTION_NUMA:
        if (!option_count(value, 0, INT32_MAX, &number, error))
            return false;
        call->spec.memory.numa = (int)number;
        return true;
    default:
        call->spec.memory.huge = *value == 't' ? DRAGON_HUGE_TRY : DRAGON_HUGE_REQUIRE;
        return true;
    }
}

static bool take_flag(struct call *call, int id)
{
    bool *flag = id == OPTION_ABSENT  ? &call->absent
                 : id == 'w'          ? &call->wait
                 : id == 'e'          ? &call->escapes
                 : id == '0'          ? &call->null
                 : id == 'l'          ? &call->details
                 : id == OPTION_LOCAL ? &call->local
                                      : &call->json;
    *flag = true;
    return true;
}

bool call_take(void *arg, int id, const char *value, dragon_error_t *error)
{
    struct call *call = arg;
    for (size_t i = 0; dict_rows[i].help; i++)
        if (dict_rows[i].id == id && dict_rows[i].name)
            call->given |= 1ull << i;
    switch (id) {
    case OPTION_RUNTIME:
        return option_text(value, &call->session->path, error);
    case 'q':
    case 'v':
        log_set_level(id == 'q' ? LOG_LEVEL_QUIET : LOG_LEVEL_VERBOSE);
        return true;
    case 't':
        return option_timeout(value, &call->timeout_ms, error);
    default:
        return value ? take_of_create(call, id, value, error) : take_flag(call, id);
    }
}

// ---- what fits together

static bool was_given(const struct call *call, const char *name)
{
    for (size_t i = 0; dict_rows[i].help; i++)
        if (dict_rows[i].name && strcmp(dict_rows[i].name, name) == 0)
            return call->given >> i & 1;
    return false;
}

static bool refuse(dragon_error_t *error, const char *text)
{
    err_set(error, DRAGON_ERR_INVAL, "%s", text);
    return false;
}

static bool check_options(const struct call *call, dragon_error_t *error)
{
    char name[40];
    for (size_t i = 0; dict_rows[i].help; i++) {
        if (!(call->given >> i & 1))
            continue;
        snprintf(name, sizeof name, " %s ", dict_rows[i].name);
        if (strstr(call->word->options, name) &&
            !(call->session->prompt && strstr(IN_GENERAL, name)))
            continue;
        err_set(error, DRAGON_ERR_INVAL, "%s takes no --%s", call->word->name, dict_rows[i].name);
        return false;
    }
    return true;
}

static bool check_operands(const struct call *call, dragon_error_t *error)
{
    const struct word *word = call->word;
    // There is no input beside the lines.
    int least = call->session->prompt && word->run != do_add && word->most == 2 ? 2 : word->least;
    char text[80];
    if (call->count < (size_t)least) {
        err_set(error, DRAGON_ERR_INVAL, "%s what? give %s%s", word->name,
                call->session->prompt ? "" : "NAME and ",
                least == 2 && word->least == 1 ? "KEY and VALUE" : word->operands);
        return false;
    }
    if (call->count > (size_t)word->most) {
        err_set(error, DRAGON_ERR_INVAL, "too many words: \"%s\"",
                text_brief(&call->operands[word->most], text, sizeof text));
        return false;
    }
    return true;
}

static bool unescape_all(struct call *call, dragon_error_t *error)
{
    for (size_t i = 0; call->escapes && !call->session->prompt && i < call->count; i++)
        if (!text_unescape(&call->operands[i], error))
            return false;
    return true;
}

static bool check_keys(const struct call *call, dragon_error_t *error)
{
    // Of a word with one key what follows it are values.
    size_t keys = !(call->word->flags & WORD_KEY) ? 0 : call->word->most > 3 ? call->count : 1;
    for (size_t i = 0; i < keys; i++) {
        if (call->operands[i].count <= DRAGON_DICT_KEY_MOST)
            continue;
        err_set(error, DRAGON_ERR_INVAL, "a key has at most %d bytes, and this one %zu",
                DRAGON_DICT_KEY_MOST, call->operands[i].count);
        return false;
    }
    return true;
}

bool call_check(struct call *call, dragon_error_t *error)
{
    if (!check_options(call, error) || !check_operands(call, error) || !unescape_all(call, error) ||
        !check_keys(call, error))
        return false;
    if (call->absent && call->wait)
        return refuse(error, "--absent and --wait exclude each other");
    if (call->null && call->escapes)
        return refuse(error, "--null and --escapes exclude each other");
    if (call->spec.managers && call->spec.managers_per_node)
        return refuse(error, "--managers and --managers-per-node exclude each other");
    if (call->word->run == do_create && was_given(call, "timeout") && call->timeout_ms == 0)
        return refuse(error, "a dictionary whose calls do not wait at all makes no sense");
    return true;
}
