// SPDX-License-Identifier: BSD-3-Clause
//
// Edits of an environment: a list of "NAME=value", and "NAME" where the variable is removed. Each name is in it once;
// NULL is an empty list.
#ifndef BASE_EDITS_H
#define BASE_EDITS_H

#include <stdbool.h>

bool edit_is_name(const char *name); // false: NULL, "", or there is a '=' in it

// The name, which the caller frees, and the value, which points into the edit; NULL: removed. NULL: out of memory.
char *edit_split(const char *edit, const char **value_out);

// All false when out of memory. Sets one, in the place of an earlier one of the same name.
bool edits_set(char ***edits, const char *name, const char *value);
// Sets all of `over`.
bool edits_merge(char ***edits, char *const *over);
bool edits_apply(char *const *edits, char ***env);

#endif
