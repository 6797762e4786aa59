// SPDX-License-Identifier: BSD-3-Clause
//
// Calls for one key.
#include "config.h"

#include "client/dict.h"

enum {
    ROOM_LEAST = 256,   // of what is fetched before its size is known
    ROOM_MOST = 1 << 20 //
};

static dragon_err_t begin(struct dragon_dict *dict, const void *key, size_t key_bytes,
                          struct shard_key *key_out)
{
    dragon_err_t err = dict_check(dict);
    if (err == DRAGON_OK)
        err = dict_key(key, key_bytes, key_out);
    return err == DRAGON_OK ? DRAGON_OK : dict_refused(dict, err);
}

static dragon_err_t run(struct dragon_dict *dict, const void *key, size_t key_bytes,
                        struct pair_call *call, struct dict_result *result, int timeout_ms)
{
    dragon_err_t err = begin(dict, key, key_bytes, &call->key);
    if (err != DRAGON_OK)
        return err;
    if ((!call->value && call->value_bytes > 0) || (!call->expected && call->expected_bytes > 0))
        return dict_refused(dict, DRAGON_ERR_INVAL);
    return dict_call(dict, dict_manager(dict, call->key.hash), call, result, timeout_ms);
}

// ---- putting

static dragon_err_t put(struct dragon_dict *dict, enum pair_op op, bool wait, const void *key,
                        size_t key_bytes, const void *value, size_t value_bytes, int timeout_ms)
{
    struct dict_result result = {0};
    struct pair_call call = {.op = op, .wait = wait, .value = value, .value_bytes = value_bytes};
    return run(dict, key, key_bytes, &call, &result, timeout_ms);
}

dragon_err_t dragon_dict_put(dragon_dict_t *dict, const void *key, size_t key_bytes,
                             const void *value, size_t value_bytes, int timeout_ms)
{
    return put(dict, PAIR_PUT, false, key, key_bytes, value, value_bytes, timeout_ms);
}

dragon_err_t dragon_dict_put_wait(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                  const void *value, size_t value_bytes, int timeout_ms)
{
    return put(dict, PAIR_PUT, true, key, key_bytes, value, value_bytes, timeout_ms);
}

dragon_err_t dragon_dict_put_absent(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                    const void *value, size_t value_bytes, int timeout_ms)
{
    return put(dict, PAIR_PUT_ABSENT, false, key, key_bytes, value, value_bytes, timeout_ms);
}

// ---- getting

dragon_err_t dragon_dict_get(dragon_dict_t *dict, const void *key, size_t key_bytes, void *buffer,
                             size_t room, size_t *bytes_out, int timeout_ms)
{
    struct dict_result result = {.buffer = buffer, .room = room};
    struct pair_call call = {.op = PAIR_GET};
    if (!buffer && room > 0)
        return dict_refused(dict, DRAGON_ERR_INVAL);
    dragon_err_t err = run(dict, key, key_bytes, &call, &result, timeout_ms);
    if (bytes_out && (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG))
        *bytes_out = result.bytes;
    return err;
}

// Into memory of its own, which has room for what came last. TOO_BIG: result->bytes says how large it is.
static dragon_err_t fetch(struct dragon_dict *dict, const void *key, size_t key_bytes,
                          enum pair_op op, struct dict_result *result, int timeout_ms)
{
    struct pair_call call = {.op = op};
    result->buffer = malloc(result->room);
    if (!result->buffer)
        return DRAGON_ERR_NOMEM;
    dragon_err_t err = run(dict, key, key_bytes, &call, result, timeout_ms);
    if (err != DRAGON_OK)
        free(result->buffer);
    return err;
}

// What was more than needed is given back when it is much.
static void *fit(const struct dict_result *result)
{
    bool much = result->room - result->bytes > 4096;
    void *less = much ? realloc(result->buffer, result->bytes > 0 ? result->bytes : 1) : NULL;
    return less ? less : result->buffer;
}

static dragon_err_t fetch_any(struct dragon_dict *dict, enum pair_op op, const void *key,
                              size_t key_bytes, void **value_out, size_t *bytes_out, int timeout_ms)
{
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (!value_out)
        return dict_refused(dict, DRAGON_ERR_INVAL);
    struct dict_failure before = dict->failure;
    struct dict_result result = {.room = dict->room > ROOM_LEAST ? dict->room : ROOM_LEAST};
    // Somebody may make it larger in between, again and again.
    while ((err = fetch(dict, key, key_bytes, op, &result, timeout_ms)) == DRAGON_ERR_TOO_BIG &&
           result.bytes > result.room)
        result.room = result.bytes;
    if (err != DRAGON_OK)
        return err;
    dict->failure = before; // that it was too big is nobody's business
    dict->room = result.bytes < ROOM_MOST ? result.bytes : ROOM_MOST;
    *value_out = fit(&result);
    if (bytes_out)
        *bytes_out = result.bytes;
    return DRAGON_OK;
}

dragon_err_t dragon_dict_get_new(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                 void **value_out, size_t *bytes_out, int timeout_ms)
{
    return fetch_any(dict, PAIR_GET, key, key_bytes, value_out, bytes_out, timeout_ms);
}

dragon_err_t dragon_dict_pop(dragon_dict_t *dict, const void *key, size_t key_bytes,
                             void **value_out, size_t *bytes_out, int timeout_ms)
{
    return fetch_any(dict, PAIR_POP, key, key_bytes, value_out, bytes_out, timeout_ms);
}

// ---- views

// In room[]: memory of our own; or the pin, and the part that it is of.
enum { VIEW_OWN, VIEW_PIN, VIEW_PART };

static dragon_err_t view_here(struct dragon_dict *dict, struct dict_part *part,
                              const struct shard_key *key, dragon_dict_view_t *view_out)
{
    struct pinned pinned = {0};
    dragon_err_t err = dict_part_state(part);
    if (err == DRAGON_OK)
        err = shard_pin(&part->view, key, &pinned);
    if (err != DRAGON_OK)
        return dict_call_failed(dict, dict_manager(dict, key->hash),
                                &(struct pair_call){.op = PAIR_GET}, 0, 0, err);
    *view_out = (dragon_dict_view_t){.data = pinned.data, .bytes = pinned.bytes};
    view_out->room[VIEW_PIN] = pinned.pin;
    view_out->room[VIEW_PART] = part;
    return DRAGON_OK;
}

dragon_err_t dragon_dict_view(dragon_dict_t *dict, const void *key, size_t key_bytes,
                              dragon_dict_view_t *view_out, int timeout_ms)
{
    struct shard_key hashed;
    struct dict_part *part;
    void *value;
    size_t bytes;
    dragon_err_t err = begin(dict, key, key_bytes, &hashed);
    if (err != DRAGON_OK)
        return err;
    if (!view_out)
        return dict_refused(dict, DRAGON_ERR_INVAL);
    uint32_t manager = dict_manager(dict, hashed.hash);
    err = dict_part(dict, manager, &part);
    if (err != DRAGON_OK)
        return dict_failed(dict, manager, err);
    if (part->handle.object)
        return view_here(dict, part, &hashed, view_out);
    err = fetch_any(dict, PAIR_GET, key, key_bytes, &value, &bytes, timeout_ms);
    if (err != DRAGON_OK)
        return err;
    *view_out = (dragon_dict_view_t){.data = value, .bytes = bytes};
    view_out->room[VIEW_OWN] = value;
    return DRAGON_OK;
}

void dragon_dict_view_end(dragon_dict_t *dict, dragon_dict_view_t *view)
{
    if (dict_check(dict) != DRAGON_OK || !view)
        return;
    struct dict_part *part = view->room[VIEW_PART];
    struct pinned pinned = {.pin = view->room[VIEW_PIN]};
    if (part)
        shard_unpin(&part->view, &pinned);
    free(view->room[VIEW_OWN]);
    *view = (dragon_dict_view_t){0};
}

// ---- whether it is there

dragon_err_t dragon_dict_contains(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                  int *there_out, int timeout_ms)
{
    struct dict_result result = {0};
    struct pair_call call = {.op = PAIR_CONTAINS};
    dragon_err_t err = begin(dict, key, key_bytes, &call.key);
    if (err != DRAGON_OK)
        return err;
    if (!there_out)
        return dict_refused(dict, DRAGON_ERR_INVAL);
    struct dict_failure before = dict->failure;
    err = dict_call(dict, dict_manager(dict, call.key.hash), &call, &result, timeout_ms);
    if (err != DRAGON_OK && err != DRAGON_ERR_NOT_FOUND)
        return err;
    dict->failure = before; // not being there is an answer
    *there_out = err == DRAGON_OK;
    return DRAGON_OK;
}

dragon_err_t dragon_dict_wait(dragon_dict_t *dict, const void *key, size_t key_bytes,
                              int timeout_ms)
{
    struct dict_result result = {0};
    struct pair_call call = {.op = PAIR_CONTAINS, .wait = true};
    return run(dict, key, key_bytes, &call, &result, timeout_ms);
}

// ---- changing it

dragon_err_t dragon_dict_erase(dragon_dict_t *dict, const void *key, size_t key_bytes,
                               int timeout_ms)
{
    struct dict_result result = {0};
    struct pair_call call = {.op = PAIR_ERASE};
    return run(dict, key, key_bytes, &call, &result, timeout_ms);
}

dragon_err_t dragon_dict_swap(dragon_dict_t *dict, const void *key, size_t key_bytes,
                              const void *expected, size_t expected_bytes, const void *value,
                              size_t value_bytes, int timeout_ms)
{
    struct dict_result result = {0};
    struct pair_call call = {.op = PAIR_SWAP,
                             .value = value,
                             .value_bytes = value_bytes,
                             .expected = expected,
                             .expected_bytes = expected_bytes};
    return run(dict, key, key_bytes, &call, &result, timeout_ms);
}

dragon_err_t dragon_dict_add(dragon_dict_t *dict, const void *key, size_t key_bytes, int64_t number,
                             int64_t *before_out, int timeout_ms)
{
    struct dict_result result = {0};
    struct pair_call call = {.op = PAIR_ADD, .number = number};
    dragon_err_t err = run(dict, key, key_bytes, &call, &result, timeout_ms);
    if (err == DRAGON_OK && before_out)
        *before_out = (int64_t)result.result;
    return err;
}

dragon_err_t dragon_dict_append(dragon_dict_t *dict, const void *key, size_t key_bytes,
                                const void *data, size_t bytes, size_t *bytes_out, int timeout_ms)
{
    struct dict_result result = {0};
    struct pair_call call = {.op = PAIR_APPEND, .value = data, .value_bytes = bytes};
    dragon_err_t err = run(dict, key, key_bytes, &call, &result, timeout_ms);
    if (err == DRAGON_OK && bytes_out)
        *bytes_out = result.result;
    return err;
}
