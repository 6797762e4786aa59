// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of strings that end in NULL, as argv and environ do; numbers and names in text.
#ifndef BASE_STRV_H
#define BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t strv_count(char *const *strings); // NULL counts as empty
char **strv_alloc(size_t count);         // an empty list with room for `count`; the caller frees
char **strv_copy(char *const *strings);  // NULL when out of memory; the caller frees
void strv_free(char **strings);          // NULL is fine

// Appends a copy of `text`. *strings may be NULL (empty). False when out of memory: then nothing
// has changed.
bool strv_push(char ***strings, const char *text);
__attribute__((format(printf, 2, 3))) bool strv_pushf(char ***strings, const char *format, ...);

// The list as an environment: "NAME=value" entries.
const char *env_get(char *const *env, const char *name);
bool env_set(char ***env, const char *name, const char *value); // replaces
__attribute__((format(printf, 3, 4))) bool env_setf(char ***env, const char *name,
                                                    const char *format, ...);
void env_unset(char **env, const char *name);

// A whole decimal number from `low` to `high`; false for anything else, and *out is untouched.
bool parse_number(const char *text, long long low, long long high, long long *out);

// A duration: "90", "90s", "1.5h", "2d", "250ms", to milliseconds. False for anything else.
bool parse_duration(const char *text, uint64_t *ms_out);

#endif
