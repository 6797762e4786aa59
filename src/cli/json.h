// SPDX-License-Identifier: BSD-3-Clause
//
// What the JSON of several commands needs.
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "cli/text.h"

#include <jansson.h>

// JSON is UTF-8; what comes from users may be anything, and is shown without its odd bytes then. NULL: out of memory.
static inline json_t *json_of_text(const char *text)
{
    json_t *string = json_string(text);
    char *plain = string ? NULL : text_plain(text);
    if (plain)
        string = json_string(plain);
    free(plain);
    return string;
}

#endif
