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

static inline bool json_append_number(void *array, uint32_t number)
{
    return json_array_append_new(array, json_integer(number)) == 0;
}

// The cores of a rank, "0-3,8", as an array of numbers. NULL: out of memory.
static inline json_t *json_of_cores(const char *list)
{
    json_t *array = json_array();
    if (array)
        numbers_each(list, UINT32_MAX - 1, json_append_number, array);
    return array;
}

// The GPUs of a rank, "0,1.1", as an array of texts, because of the tiles.
static inline json_t *json_of_gpus(const char *list)
{
    json_t *array = json_array();
    for (; array && *list; list += strcspn(list, ","), list += *list == ',')
        json_array_append_new(array, json_stringn(list, strcspn(list, ",")));
    return array;
}

#endif
