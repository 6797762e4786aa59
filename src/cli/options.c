// SPDX-License-Identifier: BSD-3-Clause
//
// Options: see options.h. Parsing, and the values that several options have.
#include "config.h"

#include "cli/options.h"

#include <dragon/runtime.h>

#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>

enum { EXIT_OURS = 125, NAMES_LIMIT = 128, WORDS_LIMIT = 16, WORD_ROOM = 32 };

void options_refuse(const struct options *options, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_error("%s", text);
    fprintf(stderr, "usage: %s %s\n       %s --help says more\n", options->command, options->usage,
            options->command);
    exit(EXIT_OURS);
}

const struct option_row *options_row(const struct options *options, int id)
{
    for (const struct option_row *row = options->rows; !options_is_end(row); row++)
        if (row->name && row->id == id)
            return row;
    return NULL;
}

// ---- words of an option

const char *option_word(const char *argument, size_t index, int *length_out)
{
    for (const char *at = argument; *at; at += strcspn(at, "|"), at += *at == '|') {
        at += strspn(at, "[=");
        int length = (int)strcspn(at, "|[],");
        if (!islower((unsigned char)*at) || index-- > 0)
            continue;
        *length_out = length;
        return at;
    }
    return NULL;
}

static bool is_closed(const char *argument)
{
    while (*argument && !isupper((unsigned char)*argument))
        argument++;
    return *argument == 0;
}

// "there are core and node; did you mean node?"
static void tell_words(const char *value, const char *const *words, size_t count,
                       dragon_error_t *error)
{
    char text[300], hint[80];
    words_join(words, count, text, sizeof text);
    err_set(error, DRAGON_ERR_INVAL, "there %s %s%s", count == 1 ? "is" : "are", text,
            word_hint(value, words, count, hint, sizeof hint));
}

bool option_choice(const char *value, const char *const *words, size_t count, size_t *index_out,
                   dragon_error_t *error)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], value) != 0)
            continue;
        *index_out = i;
        return true;
    }
    tell_words(value, words, count, error);
    return false;
}

static bool check_words(const char *argument, const char *value, dragon_error_t *error)
{
    char room[WORDS_LIMIT][WORD_ROOM], item[WORD_ROOM];
    const char *words[WORDS_LIMIT];
    size_t count = 0, index;
    int length;
    for (const char *word; count < WORDS_LIMIT && (word = option_word(argument, count, &length));) {
        snprintf(room[count], WORD_ROOM, "%.*s", length, word);
        words[count] = room[count];
        count++;
    }
    if (!strstr(argument, ",..."))
        return option_choice(value, words, count, &index, error);
    for (const char *at = value;; at++) {
        length = (int)strcspn(at, ",");
        snprintf(item, sizeof item, "%.*s", length, at);
        if (!option_choice(item, words, count, &index, error))
            return false;
        at += length;
        if (!*at)
            return true;
    }
}

bool options_take(const struct options *options, int id, const char *value, dragon_error_t *error)
{
    const struct option_row *row = options_row(options, id);
    if (row && row->argument && value && is_closed(row->argument) &&
        !check_words(row->argument, value, error))
        return false;
    return options->take(options->arg, id, value, error);
}

// ---- parsing

static void take(const struct options *options, const struct option_row *row, const char *value,
                 const char *source)
{
    dragon_error_t error = {0};
    if (options_take(options, row->id, value, &error))
        return;
    if (value)
        options_refuse(options, "%s: \"%s\": %s", source, value, error.text);
    options_refuse(options, "%s: %s", source, error.text);
}

static void take_variables(const struct options *options)
{
    for (const struct option_row *row = options->rows; !options_is_end(row); row++) {
        const char *value = row->variable ? getenv(row->variable) : NULL;
        if (value && *value)
            take(options, row, value, row->variable);
    }
}

static bool is_name(const char *name, const char *word, size_t length)
{
    return strlen(name) == length && strncmp(name, word, length) == 0;
}

static const struct option_row *find_long(const struct options *options, const char *word,
                                          size_t length)
{
    for (const struct option_row *row = options->rows; !options_is_end(row); row++)
        if (row->name && is_name(row->name, word, length))
            return row;
    for (const struct option_alias *alias = options->aliases; alias && alias->name; alias++)
        if (is_name(alias->name, word, length))
            return options_row(options, alias->id);
    return NULL;
}

static const struct option_row *find_letter(const struct options *options, char letter)
{
    for (const struct option_row *row = options->rows; !options_is_end(row); row++)
        if (row->name && row->letter == letter)
            return row;
    return NULL;
}

__attribute__((noreturn)) static void refuse_unknown(const struct options *options,
                                                     const char *word, size_t length)
{
    const char *names[NAMES_LIMIT] = {"help", "version"};
    char name[WORD_ROOM];
    size_t count = 2;
    for (const struct option_row *row = options->rows; !options_is_end(row); row++)
        if (row->name && count < NAMES_LIMIT)
            names[count++] = row->name;
    for (const struct option_alias *alias = options->aliases; alias && alias->name; alias++)
        if (count < NAMES_LIMIT)
            names[count++] = alias->name;
    snprintf(name, sizeof name, "%.*s", (int)length, word);
    // What was cut short is more likely than what was misspelt.
    const char *near = NULL;
    for (size_t i = 0; !near && length > 1 && i < count; i++)
        if (strncmp(names[i], word, length) == 0)
            near = names[i];
    if (!near)
        near = word_nearest(name, names, count);
    if (near)
        options_refuse(options, "no option --%.*s; did you mean --%s?", (int)length, word, near);
    options_refuse(options, "no option --%.*s", (int)length, word);
}

// The two that every command has.
__attribute__((noreturn)) static void inform(const struct options *options, char letter,
                                             const char *what)
{
    static const char *const topics[] = {"all", "man", "bash"};
    dragon_error_t error;
    if (letter == 'V' && !what) {
        printf("%s %s\n", options->command, PACKAGE_VERSION);
    } else if (letter == 'V') {
        options_refuse(options, "--version takes no value");
    } else if (!options_print(options, what)) {
        tell_words(what, topics, sizeof topics / sizeof *topics, &error);
        options_refuse(options, "--help: \"%s\": %s", what, error.text);
    }
    exit(fflush(stdout) == 0 ? 0 : EXIT_OURS);
}

// How many words were its value: 0 or 1. `next` NULL: there is no further word.
static int take_long(const struct options *options, const char *word, const char *next)
{
    size_t length = strcspn(word, "=");
    const char *value = word[length] ? word + length + 1 : NULL;
    char source[64];
    if (is_name("help", word, length))
        inform(options, 'h', value);
    if (is_name("version", word, length))
        inform(options, 'V', value);
    const struct option_row *row = find_long(options, word, length);
    if (!row)
        refuse_unknown(options, word, length);
    snprintf(source, sizeof source, "--%.*s", (int)length, word);
    if (value && !row->argument)
        options_refuse(options, "option %s takes no value", source);
    bool from_next = row->argument && !value && !options_is_optional(row);
    if (from_next && !next)
        options_refuse(options, "option %s needs a value: %s", source, row->argument);
    take(options, row, from_next ? next : value, source);
    return from_next;
}

static int take_letters(const struct options *options, const char *word, const char *next)
{
    char source[8];
    // "-np 4" is a habit of many.
    if (word[1] && find_long(options, word, strlen(word)))
        options_refuse(options, "no option -%s; did you mean --%s?", word, word);
    for (const char *at = word; *at; at++) {
        const struct option_row *row = find_letter(options, *at);
        if (!row && (*at == 'h' || *at == 'V'))
            inform(options, *at, NULL);
        if (!row)
            options_refuse(options, "no option -%c", *at);
        snprintf(source, sizeof source, "-%c", *at);
        if (!row->argument || options_is_optional(row)) {
            take(options, row, NULL, source);
            continue;
        }
        if (!at[1] && !next)
            options_refuse(options, "option %s needs a value: %s", source, row->argument);
        take(options, row, at[1] ? at + 1 : next, source);
        return !at[1];
    }
    return 0;
}

int options_parse(const struct options *options, int argc, char **argv)
{
    int at = 1;
    take_variables(options);
    while (at < argc) {
        const char *word = argv[at], *next = at + 1 < argc ? argv[at + 1] : NULL;
        if (word[0] != '-' || !word[1])
            return at;
        at++;
        if (strcmp(word, "--") == 0)
            return at;
        if (word[1] == '-')
            at += take_long(options, word + 2, next);
        else
            at += take_letters(options, word + 1, next);
    }
    return at;
}

// ---- values

bool option_number(const char *value, long long low, long long high, long long *out,
                   dragon_error_t *error)
{
    if (parse_number(value, low, high, out))
        return true;
    err_set(error, DRAGON_ERR_INVAL, "give a whole number from %lld to %lld", low, high);
    return false;
}

bool option_count(const char *value, uint32_t low, uint32_t high, uint32_t *out,
                  dragon_error_t *error)
{
    long long number;
    if (!option_number(value, low, high, &number, error))
        return false;
    *out = (uint32_t)number;
    return true;
}

bool option_text(const char *value, const char **out, dragon_error_t *error)
{
    *out = value;
    if (*value)
        return true;
    err_set(error, DRAGON_ERR_INVAL, "it is empty");
    return false;
}

bool option_duration(const char *value, uint64_t *ms_out, dragon_error_t *error)
{
    if (parse_duration(value, ms_out))
        return true;
    err_set(error, DRAGON_ERR_INVAL, "give a time: 90, 90s, 500ms, 1.5h, 2d");
    return false;
}

bool option_timeout(const char *value, int *timeout_ms_out, dragon_error_t *error)
{
    uint64_t ms;
    if (strcmp(value, "off") == 0) {
        *timeout_ms_out = DRAGON_FOREVER;
        return true;
    }
    if (!option_duration(value, &ms, error))
        return false;
    *timeout_ms_out = ms > INT32_MAX ? INT32_MAX : (int)ms;
    return true;
}

bool option_size(const char *value, uint64_t *bytes_out, dragon_error_t *error)
{
    static const char units[] = "KMGT";
    size_t digits = strspn(value, "0123456789.");
    const char *end = value + digits;
    char *after;
    double bytes = strtod(value, &after);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        bytes = ldexp(bytes, 10 * (int)(unit - units + 1));
        end++;
    }
    if (!isdigit((unsigned char)*value) || after != value + digits || bytes < 1 ||
        bytes > ldexp(1, 60) || (*end && strcmp(end, "B") != 0 && strcmp(end, "iB") != 0)) {
        err_set(error, DRAGON_ERR_INVAL, "give a size: 512M, 4G, 1.5T");
        return false;
    }
    *bytes_out = (uint64_t)bytes;
    return true;
}

bool option_signal(const char *value, int *signal_out, dragon_error_t *error)
{
    const char *name = strncasecmp(value, "SIG", 3) == 0 ? value + 3 : value;
    const char *names[NSIG];
    char upper[WORD_ROOM], hint[80];
    size_t count = 0;
    long long number;
    if (parse_number(value, 1, NSIG - 1, &number)) {
        *signal_out = (int)number;
        return true;
    }
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known && strcasecmp(known, name) == 0) {
            *signal_out = i;
            return true;
        }
        if (known)
            names[count++] = known;
    }
    snprintf(upper, sizeof upper, "%s", name);
    for (char *at = upper; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    err_set(error, DRAGON_ERR_INVAL, "give a signal, USR1 say, or its number%s",
            word_hint(upper, names, count, hint, sizeof hint));
    return false;
}
