// SPDX-License-Identifier: BSD-3-Clause
//
// Edits of an environment: see edits.h.
#include "config.h"

#include "base/base.h"

bool edit_is_name(const char *name)
{
    return name && *name && !strchr(name, '=');
}

char *edit_split(const char *edit, const char **value_out)
{
    size_t length = strcspn(edit, "=");
    *value_out = edit[length] ? edit + length + 1 : NULL;
    return strndup(edit, length);
}

static bool is_of(const char *edit, const char *name)
{
    size_t length = strlen(name);
    return strncmp(edit, name, length) == 0 && (edit[length] == '=' || edit[length] == 0);
}

bool edits_set(char ***edits, const char *name, const char *value)
{
    char *edit = NULL;
    if (asprintf(&edit, "%s%s%s", name, value ? "=" : "", value ? value : "") < 0)
        return false;
    for (char **at = *edits; at && *at; at++)
        if (is_of(*at, name)) {
            free(*at);
            *at = edit;
            return true;
        }
    bool good = strv_push(edits, edit);
    free(edit);
    return good;
}

bool edits_merge(char ***edits, char *const *over)
{
    bool good = true;
    for (char *const *at = over; good && at && *at; at++) {
        const char *value;
        char *name = edit_split(*at, &value);
        good = name && edits_set(edits, name, value);
        free(name);
    }
    return good;
}

bool edits_apply(char *const *edits, char ***env)
{
    bool good = true;
    for (char *const *at = edits; good && at && *at; at++) {
        const char *value;
        char *name = edit_split(*at, &value);
        good = name && (!value || env_set(env, name, value));
        if (good && !value)
            env_unset(*env, name);
        free(name);
    }
    return good;
}
