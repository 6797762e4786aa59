// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-dict put, get, pop, exists, erase, append, add and swap: the words for keys.
#include "config.h"

#include "cli/dict.h"

#include <inttypes.h>

static const struct bytes *key_of(const struct call *call)
{
    return &call->operands[0];
}

static dragon_dict_t *dict_of(const struct call *call)
{
    return call->session->dict;
}

// ---- putting

// One operand for another, which is owned then.
static bool set_value(struct call *call, struct bytes *value)
{
    bool good = call_push(call, "", 0);
    if (good) {
        free(call->operands[call->count - 1].data);
        call->operands[call->count - 1] = *value;
    } else {
        free(value->data);
        log_error("out of memory");
    }
    return good;
}

// Behind the key there is the value then, from the input if nowhere else. False: it was said why not.
static bool need_value(struct call *call)
{
    struct bytes value;
    return call->count > 1 || (input_all(call->session, &value) && set_value(call, &value));
}

static dragon_err_t put_once(const struct call *call, int timeout_ms)
{
    const struct bytes *key = key_of(call), *value = &call->operands[1];
    return (call->wait     ? dragon_dict_put_wait
            : call->absent ? dragon_dict_put_absent
                           : dragon_dict_put)(dict_of(call), key->data, key->count, value->data,
                                              value->count, timeout_ms);
}

int do_put(struct call *call)
{
    // All that is needed to try again has to be there.
    if (call->count < 2 && !call->wait && !call->absent)
        return input_write(call);
    if (!need_value(call))
        return DICT_EXIT_OURS;
    return call_end(call,
                    call->wait ? call_wait(call, put_once) : put_once(call, call->timeout_ms));
}

int do_append(struct call *call)
{
    if (!need_value(call))
        return DICT_EXIT_OURS;
    const struct bytes *key = key_of(call), *value = &call->operands[1];
    return call_end(call, dragon_dict_append(dict_of(call), key->data, key->count, value->data,
                                             value->count, NULL, call->timeout_ms));
}

int do_swap(struct call *call)
{
    const struct bytes *key = key_of(call), *old = &call->operands[1], *new = &call->operands[2];
    dragon_err_t err = dragon_dict_swap(dict_of(call), key->data, key->count, old->data, old->count,
                                        new->data, new->count, call->timeout_ms);
    char text[100];
    if (err != DRAGON_ERR_STATE)
        return call_end(call, err);
    log_error("\"%s\" in \"%s\" has another value", text_brief(key, text, sizeof text),
              call->session->name);
    return DICT_EXIT_MISSING;
}

int do_add(struct call *call)
{
    const struct bytes *key = key_of(call);
    long long number = 1;
    int64_t before;
    char text[100];
    if (call->count > 1 && !parse_number(call->operands[1].data, INT64_MIN, INT64_MAX, &number)) {
        log_error("\"%s\" is no whole number", text_brief(&call->operands[1], text, sizeof text));
        return DICT_EXIT_OURS;
    }
    dragon_err_t err =
        dragon_dict_add(dict_of(call), key->data, key->count, number, &before, call->timeout_ms);
    if (err == DRAGON_ERR_INVAL) {
        log_error("\"%s\" in \"%s\" is no number (of eight bytes, as add makes it)",
                  text_brief(key, text, sizeof text), call->session->name);
        return DICT_EXIT_OURS;
    }
    if (err != DRAGON_OK)
        return call_fail(call, err);
    printf("%" PRId64 "\n", before);
    return print_end(call->session);
}

// ---- getting

static dragon_err_t wait_once(const struct call *call, int timeout_ms)
{
    return dragon_dict_wait(dict_of(call), key_of(call)->data, key_of(call)->count, timeout_ms);
}

// Calls `take` until it finds the key; somebody else may take it as soon as it is there.
static dragon_err_t take_waiting(const struct call *call,
                                 dragon_err_t (*take)(const struct call *call, void *out),
                                 void *out)
{
    dragon_err_t err;
    while ((err = take(call, out)) == DRAGON_ERR_NOT_FOUND && call->wait)
        if ((err = call_wait(call, wait_once)) != DRAGON_OK)
            break;
    return err;
}

static dragon_err_t take_view(const struct call *call, void *out)
{
    const struct bytes *key = key_of(call);
    return dragon_dict_view(dict_of(call), key->data, key->count, out, call->timeout_ms);
}

int do_get(struct call *call)
{
    dragon_dict_view_t view;
    int code = print_can(call->session);
    if (code)
        return code;
    dragon_err_t err = take_waiting(call, take_view, &view);
    if (err != DRAGON_OK)
        return call_fail(call, err);
    code = print_value(call->session, view.data, view.bytes);
    dragon_dict_view_end(dict_of(call), &view);
    return code;
}

static dragon_err_t take_out(const struct call *call, void *out)
{
    const struct bytes *key = key_of(call);
    struct bytes *value = out;
    void *data;
    dragon_err_t err = dragon_dict_pop(dict_of(call), key->data, key->count, &data, &value->count,
                                       call->timeout_ms);
    if (err == DRAGON_OK)
        value->data = data;
    return err;
}

int do_pop(struct call *call)
{
    struct bytes value;
    int code = print_can(call->session); // what is taken would be lost
    if (code)
        return code;
    dragon_err_t err = take_waiting(call, take_out, &value);
    if (err != DRAGON_OK)
        return call_fail(call, err);
    code = print_value(call->session, value.data, value.count);
    free(value.data);
    return code;
}

// ---- one key after the other

// The operand `index` as the first one, for what is done and said of it.
static struct call call_for(const struct call *call, size_t index)
{
    struct call one = *call;
    one.operands = call->operands + index;
    one.count = 1;
    return one;
}

static dragon_err_t look_for(const struct call *call, int timeout_ms)
{
    const struct bytes *key = key_of(call);
    int there;
    if (call->wait)
        return dragon_dict_wait(dict_of(call), key->data, key->count, timeout_ms);
    dragon_err_t err =
        dragon_dict_contains(dict_of(call), key->data, key->count, &there, timeout_ms);
    return err == DRAGON_OK && !there ? DRAGON_ERR_NOT_FOUND : err;
}

// Says nothing but by its code; at a prompt that would be nothing at all.
int do_exists(struct call *call)
{
    bool all = true;
    for (size_t i = 0; i < call->count; i++) {
        struct call one = call_for(call, i);
        dragon_err_t err = one.wait ? call_wait(&one, look_for) : look_for(&one, one.timeout_ms);
        if (err != DRAGON_OK && err != DRAGON_ERR_NOT_FOUND)
            return call_fail(&one, err);
        all = all && err == DRAGON_OK;
    }
    if (!call->session->prompt)
        return all ? 0 : DICT_EXIT_MISSING;
    puts(all ? "yes" : "no");
    return print_end(call->session);
}

int do_erase(struct call *call)
{
    int worst = 0;
    for (size_t i = 0; i < call->count; i++) {
        struct call one = call_for(call, i);
        dragon_err_t err = dragon_dict_erase(dict_of(&one), key_of(&one)->data, key_of(&one)->count,
                                             one.timeout_ms);
        int code = call_end(&one, err);
        if (code > worst)
            worst = code;
    }
    return worst;
}
