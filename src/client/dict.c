// SPDX-License-Identifier: BSD-3-Clause
//
// The life of dictionaries, and what their root says.
#include "config.h"

#include "client/dict.h"

#include <dragon/sync.h>

#include <inttypes.h>

enum { ANSWER_MS = 30000 }; // of the root's node, for what does not wait

// ---- the root

dragon_err_t dict_root_get(struct handle *root, uint32_t index, int64_t *number_out)
{
    uint64_t number;
    struct sync_call call = {.op = SYNC_VALUE_DO, .a = (uint64_t)index << 8 | DRAGON_ATOMIC_LOAD};
    dragon_err_t err = handle_sync(root, &call, &number, ANSWER_MS);
    if (err == DRAGON_OK)
        *number_out = (int64_t)number;
    return err;
}

dragon_err_t dict_root_set(struct handle *root, uint32_t index, int64_t number)
{
    struct sync_call call = {.op = SYNC_VALUE_DO,
                             .a = (uint64_t)index << 8 | DRAGON_ATOMIC_STORE,
                             .b = (uint64_t)number};
    return handle_sync(root, &call, NULL, ANSWER_MS);
}

// Until all managers are up.
static dragon_err_t wait_up(struct handle *root, dragon_error_t *error)
{
    uint64_t state;
    struct sync_call call = {.op = SYNC_VALUE_CHANGE, .a = DICT_STATE, .b = DICT_COMING};
    dragon_err_t err = handle_sync(root, &call, &state, DRAGON_DEFAULT_TIMEOUT);
    if (err == DRAGON_ERR_TIMEOUT)
        return err_set(error, err, "the managers of the dictionary did not come up");
    if (err == DRAGON_OK && state != DICT_UP)
        err = DRAGON_ERR_CLOSED;
    if (err != DRAGON_OK)
        return err_set(error, err, "the dictionary cannot be used: %s",
                       shared_why(root->shared, err));
    return DRAGON_OK;
}

static dragon_err_t read_root(struct dragon_dict *dict, dragon_error_t *error)
{
    struct handle *root = &dict->root;
    int64_t version = 0, managers = 0, timeout_ms = 0;
    dragon_err_t err = dict_root_get(root, DICT_VERSION, &version);
    if (err == DRAGON_OK)
        err = dict_root_get(root, DICT_MANAGERS, &managers);
    if (err == DRAGON_OK)
        err = dict_root_get(root, DICT_TIMEOUT_MS, &timeout_ms);
    if (err != DRAGON_OK)
        return err_set(error, err, "the dictionary cannot be used: %s",
                       shared_why(root->shared, err));
    if (version != DICT_LAYOUT || managers < 1 || managers > DRAGON_DICT_MANAGERS_MOST ||
        root->spec.capacity != DICT_SHARDS + managers || timeout_ms < INT32_MIN ||
        timeout_ms > INT32_MAX)
        return err_set(error, DRAGON_ERR_PROTO, "this is no dictionary of this release");
    dict->managers = (uint32_t)managers;
    dict->timeout_ms = (int)timeout_ms;
    return DRAGON_OK;
}

static void dict_free(struct dragon_dict *dict)
{
    free(dict->descriptor);
    free(dict->parts);
    free(dict);
}

dragon_err_t dict_wrap(struct handle *root, struct dragon_dict **dict_out, dragon_error_t *error)
{
    struct dragon_dict *dict = calloc(1, sizeof *dict);
    if (!dict)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    *dict = (struct dragon_dict){.root = *root, .bound = -1, .lost = -1, .nearest = -1};
    dragon_err_t err = read_root(dict, error);
    if (err == DRAGON_OK) {
        dict->descriptor =
            descriptor_write(DICT_WHAT, root->shared->space->runtime,
                             (uint64_t[OBJECT_NUMBERS]){root->node, root->id}, OBJECT_NUMBERS);
        dict->parts = calloc(dict->managers, sizeof *dict->parts);
        if (!dict->descriptor || !dict->parts)
            err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    *root = dict->root; // with the way to it
    if (err != DRAGON_OK) {
        dict_free(dict);
        return err;
    }
    *dict_out = dict;
    return DRAGON_OK;
}

// ---- life cycle

dragon_err_t dragon_dict_create(dragon_runtime_t *runtime, const dragon_dict_spec_t *spec,
                                dragon_dict_t **dict_out, dragon_error_t *error)
{
    static const dragon_dict_spec_t defaults = DRAGON_DICT_SPEC_INIT;
    struct handle root;
    if (!dict_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    if (!runtime)
        return err_set(error, DRAGON_ERR_INVAL, "the runtime handle is NULL");
    if (!spec)
        spec = &defaults;
    dragon_err_t err = dict_start(runtime, spec, &root, error);
    if (err != DRAGON_OK)
        return err;
    err = dict_wrap(&root, dict_out, error);
    if (err != DRAGON_OK)
        handle_end(&root, NULL);
    return err;
}

dragon_err_t dragon_dict_attach(dragon_runtime_t *runtime, const char *descriptor,
                                dragon_dict_t **dict_out, dragon_error_t *error)
{
    struct handle root;
    if (!dict_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    dragon_err_t err = handle_attach_as(&root, runtime, DICT_WHAT, descriptor, OBJECT_VALUE, error);
    if (err != DRAGON_OK)
        return err;
    err = wait_up(&root, error);
    if (err == DRAGON_OK)
        err = dict_wrap(&root, dict_out, error);
    if (err != DRAGON_OK)
        handle_leave(&root);
    return err;
}

dragon_err_t dragon_dict_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                              dragon_dict_t **dict_out, dragon_error_t *error)
{
    char *descriptor;
    if (!dict_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    dragon_err_t err = name_find_object(runtime, name, DICT_WHAT, timeout_ms, &descriptor, error);
    if (err != DRAGON_OK)
        return err;
    err = dragon_dict_attach(runtime, descriptor, dict_out, error);
    free(descriptor);
    return err;
}

dragon_err_t dragon_dict_detach(dragon_dict_t *dict)
{
    if (!dict)
        return DRAGON_OK;
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    dict_parts_leave(dict);
    err = handle_leave(&dict->root);
    dict_free(dict);
    return err;
}

dragon_err_t dragon_dict_destroy(dragon_dict_t *dict, dragon_error_t *error)
{
    struct dict_part *part;
    if (!dict)
        return DRAGON_OK;
    if (dict_check(dict) != DRAGON_OK)
        return shared_err_forked(error);
    // Where they are only the root knows.
    for (uint32_t i = 0; i < dict->managers; i++)
        (void)dict_part(dict, i, &part);
    dragon_err_t err = handle_end(&dict->root, error);
    if (err == DRAGON_OK)
        dict_parts_destroy(dict);
    else
        dict_parts_leave(dict);
    dict_free(dict);
    return err;
}

dragon_err_t dragon_dict_bind(dragon_dict_t *dict, uint32_t manager, dragon_dict_t **dict_out,
                              dragon_error_t *error)
{
    struct handle root;
    if (!dict || !dict_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is no dictionary, or nowhere to put it");
    if (dict_check(dict) != DRAGON_OK)
        return shared_err_forked(error);
    if (manager >= dict->managers)
        return err_set(error, DRAGON_ERR_NOT_FOUND,
                       "there is no manager %" PRIu32 ", the dictionary has %" PRIu32, manager,
                       dict->managers);
    dragon_err_t err =
        handle_open(&root, &dict->root, dict->root.node, dict->root.id, OBJECT_VALUE, error);
    if (err != DRAGON_OK)
        return err;
    err = dict_wrap(&root, dict_out, error);
    if (err == DRAGON_OK)
        (*dict_out)->bound = manager;
    else
        handle_leave(&root);
    return err;
}

// ---- what is known

const char *dragon_dict_descriptor(const dragon_dict_t *dict)
{
    return dict ? dict->descriptor : "";
}

uint32_t dragon_dict_managers(const dragon_dict_t *dict)
{
    return dict ? dict->managers : 0;
}

uint32_t dragon_dict_manager_of(const dragon_dict_t *dict, const void *key, size_t key_bytes)
{
    struct shard_key hashed;
    if (!dict || dict_key(key, key_bytes, &hashed) != DRAGON_OK)
        return 0;
    return dict_manager(dict, hashed.hash);
}

dragon_err_t dragon_dict_manager_node(dragon_dict_t *dict, uint32_t manager, uint32_t *node_out)
{
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (!node_out)
        return DRAGON_ERR_INVAL;
    return manager < dict->managers ? dict_node(dict, manager, node_out) : DRAGON_ERR_NOT_FOUND;
}

dragon_err_t dragon_dict_lost(dragon_dict_t *dict, uint32_t *manager_out, uint32_t *node_out)
{
    uint32_t node;
    dragon_err_t err = dict_check(dict);
    if (err != DRAGON_OK)
        return err;
    if (dict->lost < 0)
        return DRAGON_ERR_NOT_FOUND;
    err = dict_node(dict, (uint32_t)dict->lost, &node);
    if (err != DRAGON_OK)
        return err;
    if (manager_out)
        *manager_out = (uint32_t)dict->lost;
    if (node_out)
        *node_out = node;
    return DRAGON_OK;
}
