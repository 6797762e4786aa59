// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of strings, environments, and numbers in text.
#include "config.h"

#include "base/base.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>

size_t strv_count(char *const *strings)
{
    size_t count = 0;
    while (strings && strings[count])
        count++;
    return count;
}

// Lists always have room for the next power of two above their count, which push_owned relies on.
char **strv_alloc(size_t count)
{
    size_t room = 2;
    while (room < count + 1)
        room *= 2;
    return calloc(room, sizeof(char *));
}

char **strv_copy(char *const *strings)
{
    size_t count = strv_count(strings);
    char **copy = strv_alloc(count);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(strings[i]);
        if (!copy[i]) {
            strv_free(copy);
            return NULL;
        }
    }
    return copy;
}

void strv_free(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        free(strings[i]);
    free(strings);
}

static bool push_owned(char ***strings, char *text)
{
    if (!text)
        return false;
    size_t count = strv_count(*strings);
    // Grown at powers of two only, so that a long list is not copied at each step.
    char **grown = *strings;
    if (!grown || (count & (count + 1)) == 0)
        grown = realloc(*strings, (2 * count + 2) * sizeof **strings);
    if (!grown) {
        free(text);
        return false;
    }
    grown[count] = text;
    grown[count + 1] = NULL;
    *strings = grown;
    return true;
}

bool strv_push(char ***strings, const char *text)
{
    return push_owned(strings, strdup(text));
}

__attribute__((format(printf, 1, 0))) static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        return NULL;
    return text;
}

bool strv_pushf(char ***strings, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    return push_owned(strings, text);
}

static char **env_find(char *const *env, const char *name)
{
    size_t length = strlen(name);
    for (char *const *at = env; at && *at; at++)
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return (char **)at;
    return NULL;
}

const char *env_get(char *const *env, const char *name)
{
    char **entry = env_find(env, name);
    return entry ? *entry + strlen(name) + 1 : NULL;
}

bool env_set(char ***env, const char *name, const char *value)
{
    return env_setf(env, name, "%s", value);
}

bool env_setf(char ***env, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *value = format_text(format, args);
    va_end(args);
    char *text = NULL;
    if (!value || asprintf(&text, "%s=%s", name, value) < 0)
        text = NULL;
    free(value);
    char **entry = env_find(*env, name);
    if (!entry)
        return push_owned(env, text);
    if (!text)
        return false;
    free(*entry);
    *entry = text;
    return true;
}

void env_unset(char **env, const char *name)
{
    // All of them: a list that comes from elsewhere may hold a name twice.
    for (char **entry; (entry = env_find(env, name));) {
        free(*entry);
        do
            entry[0] = entry[1];
        while (*entry++);
    }
}

bool parse_number(const char *text, long long low, long long high, long long *out)
{
    char *end;
    if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
        return false; // strtoll would take white space and a plus
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < low || value > high)
        return false;
    *out = value;
    return true;
}

bool parse_duration(const char *text, uint64_t *ms_out)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"", 1e3},    {"s", 1e3},  {"ms", 1},   {"m", 6e4},
                 {"min", 6e4}, {"h", 36e5}, {"d", 864e5}};
    char *end;
    double value = strtod(text, &end);
    // Digits and a point only: strtod would take "0x10", "1e3" and "nan" too.
    if (text[0] < '0' || text[0] > '9' || end != text + strspn(text, "0123456789."))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0)
            continue;
        double ms = value * units[i].ms;
        if (!isfinite(ms) || ms < 0 || ms > 1e13)
            return false;
        *ms_out = ms > 0 && ms < 1 ? 1 : (uint64_t)ms; // 0 means something else
        return true;
    }
    return false;
}
