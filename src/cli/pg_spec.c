// SPDX-License-Identifier: BSD-3-Clause
//
// A group as JSON: reading it. The keys are tables; nearly every value is turned into the text that the
// option of the same meaning takes, so that both accept the same and complain alike. What is unknown or of
// another type is refused with its place.
#include "config.h"

#include "cli/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SPEC_LIMIT = 16 << 20, KEYS_LIMIT = 32 };

struct reader {
    struct pg_command *command;
    struct options options;
    char place[64]; // "templates[1].policy"; "" at the top
    dragon_error_t *error;
};

enum type { TEXT = 1, WHOLE = 2, REAL = 4, LIST = 8, SWITCH = 16, OBJECT = 32, ARRAY = 64 };

struct key {
    const char *name;
    unsigned types; // that it may be of
    int option;     // that takes it; 0: `read` does
    bool (*read)(struct reader *reader, const char *key, json_t *value);
};

__attribute__((format(printf, 3, 4))) static bool fail(struct reader *reader, const char *key,
                                                       const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(reader->error, DRAGON_ERR_INVAL, "%s%s%s%s%s", reader->place,
            *reader->place && *key ? "." : "", key, *reader->place || *key ? ": " : "", text);
    return false;
}

static unsigned type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return TEXT;
    case JSON_INTEGER:
        return WHOLE;
    case JSON_REAL:
        return REAL;
    case JSON_ARRAY:
        return LIST | ARRAY;
    case JSON_OBJECT:
        return OBJECT;
    case JSON_TRUE:
    case JSON_FALSE:
        return SWITCH;
    default:
        return 0;
    }
}

static bool fail_type(struct reader *reader, const struct key *key)
{
    static const char *const names[] = {"a string",      "a whole number", "a number", "a list",
                                        "true or false", "an object",      "a list"};
    char text[100] = "";
    size_t used = 0;
    unsigned types = key->types & REAL ? key->types & ~(unsigned)WHOLE : key->types;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (types & 1u << i)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? " or " : "",
                                     names[i]);
    return fail(reader, key->name, "it is to be %s", text);
}

// ---- values

// The texts and numbers of a list, joined by commas. False: there is something else in it.
static bool join_list(const json_t *list, char **text_out)
{
    char *text = strdup("");
    for (size_t i = 0; text && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        char *longer = NULL;
        int length = -1;
        if (json_is_string(item) && *json_string_value(item))
            length = asprintf(&longer, "%s%s%s", text, i ? "," : "", json_string_value(item));
        else if (json_is_integer(item))
            length = asprintf(&longer, "%s%s%lld", text, i ? "," : "",
                              (long long)json_integer_value(item));
        free(text);
        text = length < 0 ? NULL : longer;
    }
    *text_out = text;
    return text != NULL;
}

static bool take_value(struct reader *reader, const struct key *key, const json_t *value)
{
    char number[64], *list = NULL;
    const char *text = number;
    dragon_error_t error = {0};
    if (json_is_false(value))
        return true;
    if (json_is_string(value))
        text = json_string_value(value);
    else if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.3f", json_real_value(value));
    else if (json_is_array(value)) {
        if (!join_list(value, &list))
            return fail(reader, key->name, "it is to be a list of strings");
        text = list;
    } else
        text = NULL;
    bool good = options_take(&reader->options, key->option, text, &error);
    if (!good && text)
        fail(reader, key->name, "\"%s\": %s", text, error.text);
    else if (!good)
        fail(reader, key->name, "%s", error.text);
    free(list);
    return good;
}

static bool fail_name(struct reader *reader, const struct key *keys, const char *name)
{
    const char *names[KEYS_LIMIT];
    char hint[80];
    size_t count = 0;
    for (const struct key *key = keys; key->name && count < KEYS_LIMIT; key++)
        names[count++] = key->name;
    return fail(reader, name, "no such key%s", word_hint(name, names, count, hint, sizeof hint));
}

static bool read_object(struct reader *reader, const struct key *keys, json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const struct key *key = keys;
        while (key->name && strcmp(key->name, name) != 0)
            key++;
        if (!key->name)
            return fail_name(reader, keys, name);
        if (!(type_of(value) & key->types))
            return fail_type(reader, key);
        if (key->option ? !take_value(reader, key, value) : !key->read(reader, name, value))
            return false;
    }
    return true;
}

// ---- what has a form of its own

static bool read_env(struct reader *reader, const char *key, json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!edit_is_name(name))
            return fail(reader, key, "\"%s\" is no name of a variable", name);
        if (!json_is_string(value) && !json_is_null(value))
            return fail(reader, key, "\"%s\" is to be a string, or null to remove it", name);
        if (!edits_set(&reader->command->at->env, name, json_string_value(value)))
            return fail(reader, key, "out of memory");
    }
    return true;
}

static bool has_env(char *const *env, const char *name)
{
    size_t length = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, length) == 0 && (!(*env)[length] || (*env)[length] == '='))
            return true;
    return false;
}

// What the template itself says wins, wherever in the text it is.
static bool read_policy_env(struct reader *reader, const char *key, json_t *object)
{
    const char *name;
    void *next;
    json_t *value;
    json_object_foreach_safe(object, next, name, value)
    {
        if (has_env(reader->command->at->env, name))
            json_object_del(object, name);
    }
    return read_env(reader, key, object);
}

static bool read_program(struct reader *reader, const char *key, json_t *list)
{
    struct pg_part *part = reader->command->at;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        if (!word || (i == 0 && !*word))
            return fail(reader, key, "it is to be a list of strings, the program first");
        if (!strv_push(&part->program, word))
            return fail(reader, key, "out of memory");
    }
    return part->program || fail(reader, key, "it is to be a list of strings, the program first");
}

static bool read_input(struct reader *reader, const char *key, json_t *value)
{
    char *text = NULL;
    dragon_error_t error = {0};
    const char *word = json_string_value(value);
    if (strcmp(word, "inherit") == 0)
        return true;
    if (asprintf(&text, "%s%s", strcmp(word, "none") == 0 ? "" : "file:", word) < 0)
        return fail(reader, key, "out of memory");
    bool good = options_take(&reader->options, PG_STDIN, text, &error);
    free(text);
    return good || fail(reader, key, "\"%s\": %s", word, error.text);
}

static bool read_stdin(struct reader *reader, const char *key, json_t *value)
{
    struct key row = {key, TEXT | WHOLE, PG_STDIN, NULL};
    if (!take_value(reader, &row, value))
        return false;
    return !reader->command->all.input || fail(reader, key, "give a rank, all or none");
}

static bool read_version(struct reader *reader, const char *key, json_t *value)
{
    return json_integer_value(value) == 1 || fail(reader, key, "this release knows version 1");
}

static bool read_schema(struct reader *reader, const char *key, json_t *value)
{
    return strcmp(json_string_value(value), "dragon-pg-spec") == 0 ||
           fail(reader, key, "it is to be \"dragon-pg-spec\"");
}

static const struct key policy_keys[] = {
    {"hosts", TEXT | LIST, 'H', NULL},
    {"map", TEXT, PG_MAP_BY, NULL},
    {"ppn", WHOLE, PG_PPN, NULL},
    {"cores", WHOLE, 'c', NULL},
    {"core_list", TEXT, PG_CORES, NULL},
    {"bind", TEXT, PG_BIND, NULL},
    {"gpus", WHOLE, 'g', NULL},
    {"gpu_list", TEXT, PG_GPU_LIST, NULL},
    {"memory", TEXT | WHOLE, PG_MEMORY, NULL},
    {"env", OBJECT, 0, read_policy_env},
    {0},
};

// Its keys in the object, their places in the text below `key`.
static bool read_below(struct reader *reader, const char *key, const struct key *keys,
                       json_t *object)
{
    size_t length = strlen(reader->place);
    snprintf(reader->place + length, sizeof reader->place - length, "%s%s", length ? "." : "", key);
    bool good = read_object(reader, keys, object);
    reader->place[length] = 0;
    return good;
}

static bool read_policy(struct reader *reader, const char *key, json_t *object)
{
    return read_below(reader, key, policy_keys, object);
}

static const struct key template_keys[] = {
    {"program", ARRAY, 0, read_program},
    {"ranks", WHOLE, 'n', NULL},
    {"cwd", TEXT, PG_CWD, NULL},
    {"env", OBJECT, 0, read_env},
    {"output", TEXT, PG_OUTPUT, NULL},
    {"error", TEXT, PG_ERROR, NULL},
    {"input", TEXT, 0, read_input},
    {"policy", OBJECT, 0, read_policy},
    {0},
};

static bool read_templates(struct reader *reader, const char *key, json_t *list)
{
    struct pg_command *command = reader->command;
    bool good = json_array_size(list) > 0 || fail(reader, key, "there is none");
    command->is_first = false;
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        char name[32];
        json_t *object = json_array_get(list, i);
        snprintf(name, sizeof name, "templates[%zu]", i);
        if (!json_is_object(object))
            good = fail(reader, name, "it is to be an object");
        else if (!pg_command_add_part(command))
            good = fail(reader, name, "out of memory");
        else if (!read_below(reader, name, template_keys, object))
            good = false;
        else if (!command->at->program)
            good = fail(reader, name, "it has no program");
    }
    command->is_first = true;
    command->at = &command->all;
    return good;
}

static const struct key group_keys[] = {
    {"schema", TEXT, 0, read_schema},
    {"version", WHOLE, 0, read_version},
    {"name", TEXT, PG_NAME, NULL},
    {"pmi", SWITCH, PG_PMI, NULL},
    {"label", SWITCH, 'l', NULL},
    {"detach", SWITCH, PG_DETACH, NULL},
    {"timeout", TEXT | WHOLE | REAL, 't', NULL},
    {"signal", TEXT, PG_SIGNAL, NULL},
    {"grace", TEXT | WHOLE | REAL, PG_GRACE, NULL},
    {"on_failure", TEXT, PG_ON_FAILURE, NULL},
    {"restart", WHOLE, PG_RESTART, NULL},
    {"on_full", TEXT, PG_ON_FULL, NULL},
    {"wait", TEXT | WHOLE | REAL, PG_WAIT, NULL},
    {"stdin", TEXT | WHOLE, 0, read_stdin},
    {"policy", OBJECT, 0, read_policy},
    {"templates", ARRAY, 0, read_templates},
    {0},
};

bool pg_spec_read(struct pg_command *command, const char *text, size_t length,
                  dragon_error_t *error)
{
    struct reader reader = {.command = command, .options = pg_options, .error = error};
    json_error_t problem;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    reader.options.arg = command;
    if (!root) {
        err_set(error, DRAGON_ERR_INVAL, "line %d, column %d: %s", problem.line, problem.column,
                problem.text);
        return false;
    }
    bool good = json_is_object(root) ? read_object(&reader, group_keys, root)
                                     : fail(&reader, "", "a group is an object, { ... }");
    if (good && command->count == 0)
        good = fail(&reader, "templates", "it says what to run, and is not there");
    json_decref(root);
    return good;
}

// ---- the file

static bool read_all(int fd, char **text_out, size_t *length_out)
{
    char *text = NULL;
    size_t length = 0, room = 0;
    for (;;) {
        if (length == room) {
            room = room ? 2 * room : 8192;
            char *longer = room > SPEC_LIMIT ? NULL : realloc(text, room);
            errno = longer ? errno : EFBIG;
            if (!longer)
                break;
            text = longer;
        }
        ssize_t got = read(fd, text + length, room - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        if (got == 0) {
            *text_out = text;
            *length_out = length;
            return true;
        }
        length += (size_t)got;
    }
    free(text);
    return false;
}

bool pg_spec_load(const char *name, char **text_out, size_t *length_out, dragon_error_t *error)
{
    bool is_input = strcmp(name, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && read_all(fd, text_out, length_out);
    if (!good)
        err_set_errno(error, errno, "--spec: cannot read %s", name);
    if (fd >= 0 && !is_input)
        close(fd);
    return good;
}

bool pg_spec_hand_over(const char *text, size_t length)
{
    int fd = memfd_create("spec", MFD_CLOEXEC);
    bool good = fd >= 0;
    for (size_t done = 0; good && done < length;) {
        ssize_t put = write(fd, text + done, length - done);
        good = put > 0;
        done += good ? (size_t)put : 0;
    }
    good = good && lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO;
    if (fd >= 0)
        close(fd);
    return good;
}
