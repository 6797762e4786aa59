// SPDX-License-Identifier: BSD-3-Clause
//
// Parts: the shards of the managers, and operations on them. A shard ends with its manager; whether that has died or the
// dictionary was destroyed, the root tells.
#include "config.h"

#include "client/dict.h"

enum {
    NODE_SHIFT = 40, // of an id
    LOOK_CALLS = 1024,
};

dragon_err_t dict_key(const void *key, size_t key_bytes, struct shard_key *key_out)
{
    if (!key && key_bytes > 0)
        return DRAGON_ERR_INVAL;
    if (key_bytes > DRAGON_DICT_KEY_MOST)
        return DRAGON_ERR_TOO_BIG;
    *key_out = shard_key(key ? key : "", key_bytes);
    return DRAGON_OK;
}

// ---- opening

static dragon_err_t shard_id(struct dragon_dict *dict, uint32_t manager, uint64_t *id_out)
{
    int64_t number;
    dragon_err_t err = dict_root_get(&dict->root, DICT_SHARDS + manager, &number);
    if (err != DRAGON_OK)
        return err;
    *id_out = (uint64_t)number;
    if (*id_out == 0 || *id_out >> NODE_SHIFT >= dict->root.shared->space->nodes)
        return DRAGON_ERR_PROTO;
    return DRAGON_OK;
}

dragon_err_t dict_node(struct dragon_dict *dict, uint32_t manager, uint32_t *node_out)
{
    uint64_t id = dict->parts[manager].handle.id;
    dragon_err_t err = id ? DRAGON_OK : shard_id(dict, manager, &id);
    if (err == DRAGON_OK)
        *node_out = (uint32_t)(id >> NODE_SHIFT);
    return err;
}

static dragon_err_t part_open(struct dragon_dict *dict, uint32_t manager)
{
    struct dict_part *part = &dict->parts[manager];
    struct shared *shared = dict->root.shared;
    uint64_t id;
    dragon_err_t err = shard_id(dict, manager, &id);
    if (err == DRAGON_OK)
        err = handle_open(&part->handle, &dict->root, (uint32_t)(id >> NODE_SHIFT), id,
                          OBJECT_SHARD, &shared->why);
    if (err != DRAGON_OK)
        return err;
    struct shard *shard = (struct shard *)(void *)part->handle.object;
    if (shard && !shard_open(&part->view, shard, shared->space)) {
        handle_leave(&part->handle);
        return DRAGON_ERR_PROTO;
    }
    part->open = true;
    return DRAGON_OK;
}

dragon_err_t dict_part(struct dragon_dict *dict, uint32_t manager, struct dict_part **part_out)
{
    *part_out = &dict->parts[manager];
    return (*part_out)->open ? DRAGON_OK : part_open(dict, manager);
}

dragon_err_t dict_failed(struct dragon_dict *dict, uint32_t manager, dragon_err_t err)
{
    int64_t state;
    if (err == DRAGON_ERR_CLOSED || err == DRAGON_ERR_PEER) {
        err = dict_root_get(&dict->root, DICT_STATE, &state);
        if (err != DRAGON_OK)
            return dict_refused(dict, err); // it is not about this manager
        dict->lost = manager;
        err = DRAGON_ERR_PEER;
    }
    dict->failure = (struct dict_failure){.err = err, .manager = manager};
    return err;
}

dragon_err_t dict_call_failed(struct dragon_dict *dict, uint32_t manager,
                              const struct pair_call *call, size_t bytes, int timeout_ms,
                              dragon_err_t err)
{
    err = dict_failed(dict, manager, err);
    struct dict_failure *failure = &dict->failure;
    if (failure->manager < 0)
        return err;
    failure->op = call->op;
    failure->wait = call->wait;
    failure->timeout_ms = timeout_ms;
    failure->bytes = bytes;
    return err;
}

dragon_err_t dict_refused(struct dragon_dict *dict, dragon_err_t err)
{
    if (dict && handle_is_ours(&dict->root))
        dict->failure = (struct dict_failure){.err = err, .manager = -1};
    return err;
}

dragon_err_t dict_part_state(struct dict_part *part)
{
    if (object_state(part->handle.object) != OBJECT_OPEN)
        return DRAGON_ERR_CLOSED;
    bool look = ++part->looks % LOOK_CALLS == 0;
    return space_ended(part->handle.shared->space, look) ? DRAGON_ERR_PEER : DRAGON_OK;
}

void dict_parts_leave(struct dragon_dict *dict)
{
    for (uint32_t i = 0; i < dict->managers; i++)
        if (dict->parts[i].open)
            handle_leave(&dict->parts[i].handle);
}

// The managers would do so, too; but when the call returns nobody is to use them any more.
void dict_parts_destroy(struct dragon_dict *dict)
{
    for (uint32_t i = 0; i < dict->managers; i++)
        if (dict->parts[i].open)
            handle_end(&dict->parts[i].handle, NULL);
}

// ---- operations

// One that waits, on this node.
struct waiting {
    struct dict_part *part;
    const struct pair_call *call;
    struct dict_result *result;
    dragon_err_t err;
};

dragon_err_t dict_here(struct dict_part *part, const struct pair_call *call,
                       struct dict_result *result)
{
    dragon_err_t err = dict_part_state(part);
    return err == DRAGON_OK ? pair_here(&part->view, call, result) : err;
}

static bool is_done(void *arg)
{
    struct waiting *waiting = arg;
    struct shard_view *view = &waiting->part->view;
    view->again = true;
    waiting->err = dict_here(waiting->part, waiting->call, waiting->result);
    view->again = false;
    return waiting->err != DRAGON_ERR_AGAIN;
}

static dragon_err_t call_here(struct dict_part *part, const struct pair_call *call,
                              struct dict_result *result, int timeout_ms)
{
    dragon_err_t err = dict_here(part, call, result);
    if (err != DRAGON_ERR_AGAIN || wait_tries(timeout_ms))
        return err;
    struct waiting waiting = {.part = part, .call = call, .result = result};
    bool room = call->op == PAIR_PUT;
    struct awaited item = {.set =
                               room ? &part->view.shard->space : shard_set(&part->view, &call->key),
                           .ready = is_done,
                           .arg = &waiting};
    // Looking for room takes the locks of the heap from those who make some.
    err = wait_for(&part->handle.shared->waiter, &item, 1,
                   room ? DRAGON_WAIT_IDLE : DRAGON_WAIT_ADAPTIVE, &part->handle.spin,
                   wait_deadline(timeout_ms));
    return err == DRAGON_OK ? waiting.err : err;
}

static dragon_err_t call_there(struct dict_part *part, const struct pair_call *call,
                               struct dict_result *result, int timeout_ms)
{
    struct far_object *far;
    struct far_call how = {.deadline_ns = wait_deadline(timeout_ms)};
    dragon_err_t err = handle_far(&part->handle, &far);
    if (err != DRAGON_OK)
        return err;
    err = far_pair(far, call, result->buffer, result->room, &result->bytes, &result->result, &how);
    bool is_not_yet = err == DRAGON_ERR_NOT_FOUND || err == DRAGON_ERR_FULL;
    return call->wait && is_not_yet && wait_tries(timeout_ms) ? DRAGON_ERR_AGAIN : err;
}

static int timeout_of(const struct dragon_dict *dict, int timeout_ms)
{
    return timeout_ms == DRAGON_DEFAULT_TIMEOUT && dict->timeout_ms != 0 ? dict->timeout_ms
                                                                         : timeout_ms;
}

int64_t dict_deadline(const struct dragon_dict *dict, int timeout_ms)
{
    return wait_deadline(timeout_of(dict, timeout_ms));
}

dragon_err_t dict_call(struct dragon_dict *dict, uint32_t manager, const struct pair_call *call,
                       struct dict_result *result, int timeout_ms)
{
    struct dict_part *part;
    timeout_ms = timeout_of(dict, timeout_ms);
    dragon_err_t err = dict_part(dict, manager, &part);
    if (err == DRAGON_OK)
        err = part->handle.object ? call_here(part, call, result, timeout_ms)
                                  : call_there(part, call, result, timeout_ms);
    if (err == DRAGON_OK)
        return DRAGON_OK;
    size_t bytes = err == DRAGON_ERR_TOO_BIG ? result->bytes : call->value_bytes;
    return dict_call_failed(dict, manager, call, bytes, timeout_ms, err);
}

dragon_err_t dict_call_all(struct dragon_dict *dict, const struct pair_call *call,
                           uint64_t *sum_out, int timeout_ms)
{
    struct dict_range range = dict_range(dict);
    dragon_err_t err = DRAGON_OK;
    uint64_t sum = 0;
    for (uint32_t i = range.begin; i < range.end; i++) {
        struct dict_result result = {0};
        dragon_err_t one = dict_call(dict, i, call, &result, timeout_ms);
        if (err == DRAGON_OK)
            err = one;
        sum += result.result;
    }
    if (err == DRAGON_OK && sum_out)
        *sum_out = sum;
    return err;
}
