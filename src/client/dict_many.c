// SPDX-License-Identifier: BSD-3-Clause
//
// Many pairs at once: those of this node in place, one after the other; those of others are under way together. Each
// item gets its error where it is, and what only the root can tell (is a manager gone, or the dictionary?) is asked once
// for each manager, at the end.
#include "config.h"

#include "client/dict.h"

// One call.
struct many {
    struct dragon_dict *dict;
    dragon_dict_put_item_t *puts; // of the caller: these
    dragon_dict_get_item_t *gets; // or these
    size_t count;
    struct far_many *far; // NULL: not needed yet
    int timeout_ms;
    int64_t deadline_ns;
    bool failed; // some
    bool again;  // some are to be asked for alone
};

static dragon_err_t *err_of(const struct many *many, size_t i)
{
    return many->puts ? &many->puts[i].err : &many->gets[i].err;
}

static dragon_err_t key_of(const struct many *many, size_t i, struct shard_key *key_out)
{
    return many->puts ? dict_key(many->puts[i].key, many->puts[i].key_bytes, key_out)
                      : dict_key(many->gets[i].key, many->gets[i].key_bytes, key_out);
}

static bool is_loss(dragon_err_t err)
{
    return err == DRAGON_ERR_PEER || err == DRAGON_ERR_CLOSED;
}

// The others of this manager are not tried any more.
static void give_up_manager(struct many *many, size_t i, dragon_err_t err)
{
    struct shard_key key;
    if (key_of(many, i, &key) == DRAGON_OK)
        many->dict->parts[dict_manager(many->dict, key.hash)].gone = err;
}

static void told(void *arg, size_t i, dragon_err_t err, size_t bytes)
{
    struct many *many = arg;
    *err_of(many, i) = err;
    if (many->gets && (err == DRAGON_OK || err == DRAGON_ERR_TOO_BIG))
        many->gets[i].bytes = bytes;
    if (err == DRAGON_OK)
        return;
    many->failed = true;
    many->again |= err == DRAGON_ERR_AGAIN;
    if (is_loss(err))
        give_up_manager(many, i, err);
}

static void ask_far(struct many *many, struct dict_part *part, const struct pair_call *call,
                    const struct dict_result *result, size_t i, bool alone)
{
    struct far_object *object;
    dragon_err_t err = handle_far(&part->handle, &object);
    if (err == DRAGON_OK && !many->far)
        err = far_many_begin(part->handle.shared->far, many->deadline_ns, told, many, &many->far);
    if (err == DRAGON_OK) {
        far_many_ask(many->far, object, call, result->buffer, result->room, i, alone);
    } else {
        part->gone = err;
        told(many, i, err, 0);
    }
}

static dragon_err_t make_call(const struct many *many, size_t i, struct pair_call *call,
                              struct dict_result *result)
{
    dragon_err_t err = key_of(many, i, &call->key);
    if (err != DRAGON_OK)
        return err;
    if (many->puts) {
        call->op = PAIR_PUT;
        call->value = many->puts[i].value;
        call->value_bytes = many->puts[i].value_bytes;
        return !call->value && call->value_bytes > 0 ? DRAGON_ERR_INVAL : DRAGON_OK;
    }
    call->op = PAIR_GET;
    result->buffer = many->gets[i].buffer;
    result->room = many->gets[i].room;
    return !result->buffer && result->room > 0 ? DRAGON_ERR_INVAL : DRAGON_OK;
}

static void start(struct many *many, size_t i, bool alone)
{
    struct dragon_dict *dict = many->dict;
    struct pair_call call = {.op = PAIR_GET};
    struct dict_result result = {0};
    struct dict_part *part = NULL;
    dragon_err_t err = make_call(many, i, &call, &result);
    if (err == DRAGON_OK) {
        uint32_t manager = dict_manager(dict, call.key.hash);
        err = dict->parts[manager].gone;
        if (err == DRAGON_OK)
            err = dict->parts[manager].gone = dict_part(dict, manager, &part);
    }
    if (err == DRAGON_OK && !part->handle.object) {
        ask_far(many, part, &call, &result, i, alone);
        return;
    }
    if (err == DRAGON_OK)
        err = dict_here(part, &call, &result);
    told(many, i, err, result.bytes);
}

// Those that had no room beside others. Of puts one after the other: each may need what the one before has given back.
static void start_again(struct many *many)
{
    for (size_t i = 0; i < many->count; i++) {
        if (*err_of(many, i) != DRAGON_ERR_AGAIN)
            continue;
        start(many, i, true);
        if (many->puts)
            far_many_flush(many->far);
    }
    far_many_flush(many->far);
}

// What the items of a manager that is gone are told.
static dragon_err_t loss_of(struct many *many, size_t i, dragon_err_t err)
{
    struct dragon_dict *dict = many->dict;
    struct shard_key key;
    (void)key_of(many, i, &key);
    uint32_t manager = dict_manager(dict, key.hash);
    struct dict_part *part = &dict->parts[manager];
    if (!part->asked) {
        part->gone = dict_failed(dict, manager, err);
        part->asked = true;
    }
    return part->gone;
}

// For dragon_dict_why.
static dragon_err_t put_down(struct many *many, size_t i, dragon_err_t err)
{
    struct dragon_dict *dict = many->dict;
    struct pair_call call = {.op = PAIR_GET};
    struct dict_result result = {0};
    if (make_call(many, i, &call, &result) != DRAGON_OK)
        return dict_refused(dict, err);
    size_t bytes = many->puts ? call.value_bytes : many->gets[i].bytes;
    return dict_call_failed(dict, dict_manager(dict, call.key.hash), &call, bytes, many->timeout_ms,
                            err);
}

// The first error.
static dragon_err_t look_at_errors(struct many *many)
{
    dragon_err_t first = DRAGON_OK;
    size_t first_at = 0;
    for (size_t i = 0; i < many->count; i++) {
        dragon_err_t *err = err_of(many, i);
        if (is_loss(*err))
            *err = loss_of(many, i, *err);
        else if (*err == DRAGON_ERR_TIMEOUT && many->deadline_ns == 0)
            *err = DRAGON_ERR_AGAIN;
        if (first != DRAGON_OK || *err == DRAGON_OK)
            continue;
        first = *err;
        first_at = i;
    }
    for (uint32_t i = 0; i < many->dict->managers; i++) {
        many->dict->parts[i].gone = DRAGON_OK;
        many->dict->parts[i].asked = false;
    }
    return put_down(many, first_at, first);
}

static dragon_err_t run(struct many *many, int timeout_ms)
{
    dragon_err_t err = dict_check(many->dict);
    if (err != DRAGON_OK)
        return err;
    if (!many->puts && !many->gets)
        return many->count == 0 ? DRAGON_OK : dict_refused(many->dict, DRAGON_ERR_INVAL);
    many->timeout_ms = timeout_ms;
    many->deadline_ns = dict_deadline(many->dict, timeout_ms);
    for (size_t i = 0; i < many->count; i++)
        start(many, i, false);
    if (many->far)
        far_many_flush(many->far);
    if (many->again && many->far)
        start_again(many);
    return many->failed ? look_at_errors(many) : DRAGON_OK;
}

dragon_err_t dragon_dict_put_many(dragon_dict_t *dict, dragon_dict_put_item_t *items, size_t count,
                                  int timeout_ms)
{
    struct many many = {.dict = dict, .puts = items, .count = count};
    return run(&many, timeout_ms);
}

dragon_err_t dragon_dict_get_many(dragon_dict_t *dict, dragon_dict_get_item_t *items, size_t count,
                                  int timeout_ms)
{
    struct many many = {.dict = dict, .gets = items, .count = count};
    return run(&many, timeout_ms);
}
