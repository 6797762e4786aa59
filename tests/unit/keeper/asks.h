// SPDX-License-Identifier: BSD-3-Clause
//
// For the tests of keeper/: what a process asks, each in one line.
#ifndef TESTS_UNIT_KEEPER_ASKS_H
#define TESTS_UNIT_KEEPER_ASKS_H

#include "keepers.h"

#include <stdarg.h>

static inline struct space *ask_attach(const struct keepers *keepers, uint32_t node)
{
    struct space *space = NULL;
    dragon_error_t error = {0};
    dragon_err_t err = space_attach(keepers->path[node], ROLE_PROCESS, &space, &error);
    cr_assert_eq(err, DRAGON_OK, "%s", error.text);
    return space;
}

// What is asked: "4" u32, "8" u64, "1" u8, "s" text, each with its argument.
static inline struct pack ask_body(const char *fields, va_list args)
{
    struct pack body = PACK_EMPTY;
    for (; *fields; fields++) {
        if (*fields == '1')
            pack_u8(&body, (uint8_t)va_arg(args, int));
        else if (*fields == '4')
            pack_u32(&body, va_arg(args, uint32_t));
        else if (*fields == '8')
            pack_u64(&body, va_arg(args, uint64_t));
        else
            pack_str(&body, va_arg(args, const char *));
    }
    return body;
}

static dragon_error_t ask_error; // of the latest
static struct unpack ask_unpack;

__attribute__((unused)) static dragon_err_t ask(struct space *space, enum keeper_message type,
                                                const char *fields, ...)
{
    va_list args;
    va_start(args, fields);
    struct pack body = ask_body(fields, args);
    va_end(args);
    ask_error = (dragon_error_t){0};
    return space_ask(space, type, &body, KEEPERS_PATIENCE_MS, &ask_unpack, NULL, 0, &ask_error);
}

#define CHANNEL_SPEC                                                                        \
    (struct object_spec)                                                                    \
    {                                                                                       \
        .kind = OBJECT_CHANNEL, .numa = DRAGON_ANY_NUMA, .capacity = 16, .inline_bytes = 32 \
    }

static inline dragon_err_t ask_create(struct space *space, uint32_t node,
                                      const struct object_spec *spec, uint64_t *id_out)
{
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    pack_u32(&body, node);
    object_spec_pack(&body, spec);
    ask_error = (dragon_error_t){0};
    dragon_err_t err =
        space_ask(space, KC_CREATE, &body, KEEPERS_PATIENCE_MS, &unpack, NULL, 0, &ask_error);
    if (err == DRAGON_OK)
        *id_out = unpack_u64(&unpack);
    return err;
}

static inline dragon_err_t ask_open(struct space *space, uint32_t node, uint64_t id,
                                    enum object_kind kind, struct object_opened *opened_out)
{
    dragon_err_t err = ask(space, KC_OPEN, "481", node, id, (int)kind);
    if (err == DRAGON_OK)
        cr_assert(object_opened_unpack(&ask_unpack, opened_out) && unpack_done(&ask_unpack));
    return err;
}

static inline struct memory_stat ask_memory(struct space *space)
{
    struct memory_stat stat = {0};
    cr_assert_eq(ask(space, KC_MEMORY, ""), DRAGON_OK, "%s", ask_error.text);
    cr_assert(memory_stat_unpack(&ask_unpack, &stat) && unpack_done(&ask_unpack));
    return stat;
}

static inline struct object_stat ask_stat(struct space *space, uint32_t node, uint64_t id)
{
    struct object_stat stat = {0};
    cr_assert_eq(ask(space, KC_STAT, "48", node, id), DRAGON_OK, "%s", ask_error.text);
    cr_assert(object_stat_unpack(&ask_unpack, &stat) && unpack_done(&ask_unpack));
    return stat;
}

#endif
