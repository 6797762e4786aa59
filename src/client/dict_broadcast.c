// SPDX-License-Identifier: BSD-3-Clause
//
// Pairs that every manager has: put and erased at all of them, under way together; got from one, which a handle chooses
// once: of its node if there is one, and not the same one for all processes.
#include "config.h"

#include "client/dict.h"

// ---- to all

struct cast {
    struct dragon_dict *dict;
    struct pair_call call;
    struct far_many *far; // NULL: not needed yet
    int timeout_ms;
    int64_t deadline_ns;
};

static void told(void *arg, size_t manager, dragon_err_t err, size_t bytes)
{
    struct cast *cast = arg;
    (void)bytes;
    cast->dict->parts[manager].gone = err;
}

static void start(struct cast *cast, uint32_t manager)
{
    struct dict_result result = {0};
    struct far_object *object = NULL;
    struct dict_part *part;
    dragon_err_t err = dict_part(cast->dict, manager, &part);
    if (err == DRAGON_OK && part->handle.object) {
        told(cast, manager, dict_here(part, &cast->call, &result), 0);
        return;
    }
    if (err == DRAGON_OK)
        err = handle_far(&part->handle, &object);
    if (err == DRAGON_OK && !cast->far)
        err = far_many_begin(part->handle.shared->far, cast->deadline_ns, told, cast, &cast->far);
    if (err == DRAGON_OK)
        far_many_ask(cast->far, object, &cast->call, NULL, 0, manager, true);
    else
        told(cast, manager, err, 0);
}

// The first error; but of what is not there, only when it is nowhere.
static dragon_err_t end(struct cast *cast, struct dict_range range)
{
    struct dragon_dict *dict = cast->dict;
    struct dict_failure failure = dict->failure;
    dragon_err_t first = DRAGON_OK;
    uint32_t missing = 0;
    for (uint32_t i = range.begin; i < range.end; i++) {
        dragon_err_t err = dict->parts[i].gone;
        dict->parts[i].gone = DRAGON_OK;
        missing += err == DRAGON_ERR_NOT_FOUND;
        if (err == DRAGON_OK || err == DRAGON_ERR_NOT_FOUND)
            continue;
        if (err == DRAGON_ERR_TIMEOUT && cast->deadline_ns == 0)
            err = DRAGON_ERR_AGAIN;
        err = dict_call_failed(dict, i, &cast->call, cast->call.value_bytes, cast->timeout_ms, err);
        if (first != DRAGON_OK)
            continue;
        first = err;
        failure = dict->failure;
    }
    dict->failure = failure; // what is told is told of the first one
    if (first == DRAGON_OK && missing == range.end - range.begin)
        return dict_refused(dict, DRAGON_ERR_NOT_FOUND);
    return first;
}

static dragon_err_t run(struct dragon_dict *dict, const void *key, size_t key_bytes,
                        struct pair_call call, int timeout_ms)
{
    struct cast cast = {.dict = dict, .call = call};
    dragon_err_t err = dict_check(dict);
    if (err == DRAGON_OK)
        err = dict_key(key, key_bytes, &cast.call.key);
    if (err != DRAGON_OK)
        return dict_refused(dict, err);
    if (!call.value && call.value_bytes > 0)
        return dict_refused(dict, DRAGON_ERR_INVAL);
    struct dict_range range = dict_range(dict);
    cast.timeout_ms = timeout_ms;
    cast.deadline_ns = dict_deadline(dict, timeout_ms);
    for (uint32_t i = range.begin; i < range.end; i++)
        start(&cast, i);
    if (cast.far)
        far_many_flush(cast.far);
    return end(&cast, range);
}

dragon_err_t dragon_dict_broadcast_put(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                       const void *value, size_t value_bytes, int timeout_ms)
{
    struct pair_call call = {.op = PAIR_PUT, .value = value, .value_bytes = value_bytes};
    return run(dict, key, key_bytes, call, timeout_ms);
}

dragon_err_t dragon_dict_broadcast_erase(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                         int timeout_ms)
{
    return run(dict, key, key_bytes, (struct pair_call){.op = PAIR_ERASE}, timeout_ms);
}

// ---- from the nearest

// How many there are that are here, or anywhere, and not known to be lost; and the one of them with that number.
static dragon_err_t look_around(struct dragon_dict *dict, bool here, uint32_t wanted,
                                uint32_t *count_out, uint32_t *manager_out)
{
    struct dict_range range = dict_range(dict);
    uint32_t node = 0;
    *count_out = 0;
    for (uint32_t i = range.begin; i < range.end; i++) {
        dragon_err_t err = dict_node(dict, i, &node);
        if (err != DRAGON_OK)
            return err;
        if (dict->parts[i].lost || (here && node != dict->root.shared->space->node))
            continue;
        if (*count_out == wanted)
            *manager_out = i;
        ++*count_out;
    }
    return DRAGON_OK;
}

static dragon_err_t choose(struct dragon_dict *dict)
{
    uint32_t count = 0, chosen = 0;
    bool here = true;
    dragon_err_t err = look_around(dict, true, UINT32_MAX, &count, &chosen);
    if (err == DRAGON_OK && count == 0) {
        here = false;
        err = look_around(dict, false, UINT32_MAX, &count, &chosen);
    }
    if (err == DRAGON_OK && count == 0)
        err = DRAGON_ERR_PEER; // all are lost
    if (err == DRAGON_OK)
        err = look_around(dict, here, dict->root.shared->space->slot % count, &count, &chosen);
    if (err == DRAGON_OK)
        dict->nearest = chosen;
    return err;
}

dragon_err_t dragon_dict_broadcast_get(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                       void *buffer, size_t room, size_t *bytes_out, int timeout_ms)
{
    struct dict_result result = {.buffer = buffer, .room = room};
    struct pair_call call = {.op = PAIR_GET};
    dragon_err_t err = dict_check(dict);
    if (err == DRAGON_OK)
        err = dict_key(key, key_bytes, &call.key);
    if (err == DRAGON_OK && !buffer && room > 0)
        err = DRAGON_ERR_INVAL;
    if (err != DRAGON_OK)
        return dict_refused(dict, err);
    while (err == DRAGON_OK) {
        err = dict->nearest < 0 ? choose(dict) : DRAGON_OK;
        if (err != DRAGON_OK)
            return err;
        err = dict_call(dict, (uint32_t)dict->nearest, &call, &result, timeout_ms);
        if (err != DRAGON_ERR_PEER)
            break;
        dict->parts[dict->nearest].lost = true; // the next has it, too
        dict->nearest = -1;
        err = DRAGON_OK;
    }
    if (bytes_out && (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG))
        *bytes_out = result.bytes;
    return err;
}
