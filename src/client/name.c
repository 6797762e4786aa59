// SPDX-License-Identifier: BSD-3-Clause
//
// Names in the runtime. They are kept by node 0; the keeper of this node asks it for us, and waits for a name for as
// long as it takes.
#include "config.h"

#include "client/shared.h"

#include <dragon/name.h>

static dragon_err_t check_name(const char *name, dragon_error_t *error)
{
    size_t length = name ? strlen(name) : 0;
    if (length == 0 || length > DRAGON_NAME_MOST)
        return err_set(error, DRAGON_ERR_INVAL, "a name has 1 to %d bytes, this has %zu",
                       DRAGON_NAME_MOST, length);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return err_set(error, DRAGON_ERR_INVAL, "a name has no control characters");
    return DRAGON_OK;
}

dragon_err_t dragon_name_publish(dragon_runtime_t *runtime, const char *name, const char *text,
                                 dragon_error_t *error)
{
    struct shared *shared;
    struct pack body = PACK_EMPTY;
    uint32_t node = 0;
    uint64_t id = 0;
    dragon_err_t err = check_name(name, error);
    if (err != DRAGON_OK)
        return err;
    if (!text || strlen(text) > KEEPER_TEXT)
        return err_set(error, DRAGON_ERR_INVAL, "what a name stands for has at most %d bytes",
                       KEEPER_TEXT);
    err = shared_get(runtime, &shared, error);
    if (err != DRAGON_OK)
        return err;
    // The name of an object ends with it.
    descriptor_find_object(text, shared->space->runtime, &node, &id);
    pack_str(&body, name);
    pack_str(&body, text);
    pack_u32(&body, node);
    pack_u64(&body, id);
    return space_ask(shared->space, KC_PUBLISH, &body, KEEPER_ANSWER_MS, NULL, NULL, 0, error);
}

// How long to wait, in milliseconds; -1: without limit.
static int64_t name_wait_ms(int timeout_ms)
{
    int64_t deadline_ns = wait_deadline(timeout_ms), now_ns = (int64_t)time_now_ns();
    if (deadline_ns == WAIT_FOREVER_NS)
        return -1;
    return deadline_ns > now_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 0;
}

dragon_err_t dragon_name_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                              char **text_out, dragon_error_t *error)
{
    struct shared *shared;
    struct pack body = PACK_EMPTY;
    struct unpack unpack;
    if (!text_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the text");
    dragon_err_t err = check_name(name, error);
    if (err == DRAGON_OK)
        err = shared_get(runtime, &shared, error);
    if (err != DRAGON_OK)
        return err;
    int64_t wait_ms = name_wait_ms(timeout_ms);
    pack_str(&body, name);
    pack_u64(&body, (uint64_t)wait_ms);
    err = space_ask(shared->space, KC_FIND, &body, wait_ms < 0 ? -1 : wait_ms + KEEPER_ANSWER_MS,
                    &unpack, NULL, 0, error);
    if (err == DRAGON_ERR_TIMEOUT && wait_tries(timeout_ms))
        return err_set(error, DRAGON_ERR_AGAIN, "nobody has published \"%s\" yet", name);
    if (err != DRAGON_OK)
        return err;
    const char *text = unpack_str(&unpack);
    if (!unpack_done(&unpack))
        return shared_err_answer(error);
    char *copy = strdup(text);
    if (!copy)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    *text_out = copy;
    return DRAGON_OK;
}

dragon_err_t name_find_object(struct dragon_runtime *runtime, const char *name, const char *what,
                              int timeout_ms, char **descriptor_out, dragon_error_t *error)
{
    uint64_t numbers[OBJECT_NUMBERS];
    char *text;
    dragon_err_t err = dragon_name_find(runtime, name, timeout_ms, &text, error);
    if (err != DRAGON_OK)
        return err;
    if (descriptor_read(text, what, runtime->name, numbers, OBJECT_NUMBERS, NULL) ==
        DRAGON_ERR_INVAL) {
        err_set(error, DRAGON_ERR_INVAL, "the name \"%s\" stands for no %s: %.100s", name, what,
                text);
        free(text);
        return DRAGON_ERR_INVAL;
    }
    *descriptor_out = text;
    return DRAGON_OK;
}

dragon_err_t dragon_name_withdraw(dragon_runtime_t *runtime, const char *name,
                                  dragon_error_t *error)
{
    struct shared *shared;
    struct pack body = PACK_EMPTY;
    dragon_err_t err = check_name(name, error);
    if (err == DRAGON_OK)
        err = shared_get(runtime, &shared, error);
    if (err != DRAGON_OK)
        return err;
    pack_str(&body, name);
    return space_ask(shared->space, KC_WITHDRAW, &body, KEEPER_ANSWER_MS, NULL, NULL, 0, error);
}
