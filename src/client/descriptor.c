// SPDX-License-Identifier: BSD-3-Clause
//
// The lines of text that name an object or a block of shared memory: "dragon-WHAT:RUNTIME:NUMBER:NUMBER". They are read
// exactly as they are written, so that a line that was cut off or typed is not taken for another object.
#include "config.h"

#include "client/shared.h"

#include <errno.h>
#include <inttypes.h>

static const char prefix[] = "dragon-";

char *descriptor_write(const char *what, const char *runtime, const uint64_t *numbers, size_t count)
{
    struct pack text = PACK_EMPTY;
    char number[24];
    pack_raw(&text, prefix, strlen(prefix));
    pack_raw(&text, what, strlen(what));
    pack_raw(&text, ":", 1);
    pack_raw(&text, runtime, strlen(runtime));
    for (size_t i = 0; i < count; i++)
        pack_raw(&text, number, (size_t)snprintf(number, sizeof number, ":%" PRIu64, numbers[i]));
    pack_u8(&text, 0);
    if (text.failed)
        pack_fini(&text);
    return (char *)text.data;
}

// A number as it is written: no sign, no blank, no leading zero.
static bool read_number(const char *text, const char *end, uint64_t *number_out)
{
    size_t length = (size_t)(end - text);
    char *stop;
    if (length == 0 || strspn(text, "0123456789") < length || (length > 1 && text[0] == '0'))
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &stop, 10);
    if (errno != 0 || stop != end)
        return false;
    *number_out = number;
    return true;
}

// The numbers at the end; `runtime_out` and `end_out` are what is before them.
static bool read_fields(const char *text, const char *what, uint64_t *numbers_out, size_t count,
                        const char **runtime_out, const char **end_out)
{
    size_t start = strlen(prefix) + strlen(what) + 1;
    if (!text || strncmp(text, prefix, strlen(prefix)) != 0 ||
        strncmp(text + strlen(prefix), what, strlen(what)) != 0 || text[start - 1] != ':')
        return false;
    const char *runtime = text + start, *end = text + strlen(text);
    for (size_t i = count; i-- > 0;) {
        const char *colon = memrchr(runtime, ':', (size_t)(end - runtime));
        if (!colon || !read_number(colon + 1, end, &numbers_out[i]))
            return false;
        end = colon;
    }
    *runtime_out = runtime;
    *end_out = end;
    return end > runtime;
}

dragon_err_t descriptor_read(const char *text, const char *what, const char *runtime,
                             uint64_t *numbers_out, size_t count, dragon_error_t *error)
{
    const char *name, *end;
    if (!read_fields(text, what, numbers_out, count, &name, &end))
        return err_set(error, DRAGON_ERR_INVAL, "this is no %s descriptor: %.100s", what,
                       text ? text : "NULL");
    size_t length = (size_t)(end - name);
    if (length != strlen(runtime) || memcmp(name, runtime, length) != 0)
        return err_set(error, DRAGON_ERR_NOT_FOUND, "the %s belongs to another runtime: %.100s",
                       what, text);
    return DRAGON_OK;
}

bool descriptor_find_object(const char *text, const char *runtime, uint32_t *node_out,
                            uint64_t *id_out)
{
    uint64_t numbers[OBJECT_NUMBERS];
    // What begins the list is not the name of a kind.
    for (int kind = OBJECT_NONE; kind < OBJECT_KINDS; kind++) {
        const char *what = kind == OBJECT_NONE ? DICT_WHAT : object_kind_names[kind];
        if (descriptor_read(text, what, runtime, numbers, OBJECT_NUMBERS, NULL) != DRAGON_OK ||
            numbers[0] > UINT32_MAX)
            continue;
        *node_out = (uint32_t)numbers[0];
        *id_out = numbers[1];
        return true;
    }
    return false;
}
