// SPDX-License-Identifier: BSD-3-Clause
//
// Handles on objects. To make or find an object the keeper is asked, once; what is done with it afterwards goes to
// shared memory, or over the network to who serves it, and is the business of chan/.
#include "config.h"

#include "client/shared.h"

#include <errno.h>
#include <inttypes.h>

enum {
    LEAVE_MS = 5000,          // for what was sent to arrive
    SHARD_ANSWER_MS = 600000, // for memory that may be most of what the node has
};

static dragon_err_t ask_object(struct handle *handle, enum keeper_message type,
                               struct unpack *unpack_out, dragon_error_t *error)
{
    struct pack body = PACK_EMPTY;
    if (type != KC_LEAVE)
        pack_u32(&body, handle->node);
    pack_u64(&body, handle->id);
    if (type == KC_OPEN)
        pack_u8(&body, handle->spec.kind);
    return space_ask(handle->shared->space, type, &body, KEEPER_ANSWER_MS, unpack_out, NULL, 0,
                     error);
}

static dragon_err_t map_object(struct handle *handle, dragon_error_t *error)
{
    struct space *space = handle->shared->space;
    size_t bytes = space_block_bytes(space, handle->block);
    struct object *object = bytes ? space_at(space, handle->block, bytes) : NULL;
    if (!object)
        return err_set(error, DRAGON_ERR_NOMEM, "the %s cannot be mapped: %s",
                       object_kind_names[handle->spec.kind], strerror(errno));
    if (!object_check(object, handle->id, handle->spec.kind, bytes))
        return err_set(error, DRAGON_ERR_PROTO, "what is in memory is no %s of this release",
                       object_kind_names[handle->spec.kind]);
    handle->object = object;
    return DRAGON_OK;
}

// handle->node, id and spec.kind are known.
static dragon_err_t open_object(struct handle *handle, dragon_error_t *error)
{
    struct unpack unpack;
    struct object_opened opened;
    enum object_kind kind = handle->spec.kind;
    dragon_err_t err = ask_object(handle, KC_OPEN, &unpack, error);
    if (err != DRAGON_OK)
        return err;
    bool here = handle->node == handle->shared->space->node;
    if (!object_opened_unpack(&unpack, &opened) || !unpack_done(&unpack) ||
        opened.spec.kind != kind || (opened.block != 0) != here)
        return shared_err_answer(error);
    handle->spec = opened.spec;
    handle->block = opened.block;
    err = here ? map_object(handle, error) : DRAGON_OK;
    if (err == DRAGON_OK) {
        handle->descriptor =
            descriptor_write(object_kind_names[kind], handle->shared->space->runtime,
                             (uint64_t[OBJECT_NUMBERS]){handle->node, handle->id}, OBJECT_NUMBERS);
        if (!handle->descriptor)
            err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    if (err != DRAGON_OK && here)
        ask_object(handle, KC_LEAVE, NULL, NULL);
    return err;
}

static dragon_err_t create_object(struct handle *handle, const struct object_spec *spec,
                                  dragon_error_t *error)
{
    struct unpack unpack;
    struct pack body = PACK_EMPTY;
    pack_u32(&body, handle->node);
    object_spec_pack(&body, spec);
    int64_t answer_ms = spec->kind == OBJECT_SHARD ? SHARD_ANSWER_MS : KEEPER_ANSWER_MS;
    dragon_err_t err =
        space_ask(handle->shared->space, KC_CREATE, &body, answer_ms, &unpack, NULL, 0, error);
    if (err != DRAGON_OK)
        return err;
    handle->id = unpack_u64(&unpack);
    if (!unpack_done(&unpack) || handle->id == 0)
        return shared_err_answer(error);
    return DRAGON_OK;
}

dragon_err_t handle_create(struct handle *handle, struct dragon_runtime *runtime, int node,
                           const struct object_spec *spec, dragon_error_t *error)
{
    struct shared *shared;
    dragon_err_t err = shared_get(runtime, &shared, error);
    if (err != DRAGON_OK)
        return err;
    if (node < 0 && node != DRAGON_HERE)
        return err_set(error, DRAGON_ERR_INVAL, "%d is no number of a node", node);
    if (node >= 0 && (uint32_t)node >= shared->space->nodes)
        return err_set(error, DRAGON_ERR_NOT_FOUND, "there is no node %d, the runtime has %" PRIu32,
                       node, shared->space->nodes);
    *handle = (struct handle){
        .runtime = runtime,
        .shared = shared,
        .node = node == DRAGON_HERE ? shared->space->node : (uint32_t)node,
        .spec = *spec,
    };
    err = create_object(handle, spec, error);
    if (err != DRAGON_OK)
        return err;
    err = open_object(handle, error);
    if (err != DRAGON_OK) {
        ask_object(handle, KC_DESTROY, NULL, NULL);
        return err;
    }
    shared->handles++;
    return DRAGON_OK;
}

static dragon_err_t open_known(struct handle *handle, struct dragon_runtime *runtime,
                               struct shared *shared, uint32_t node, uint64_t id,
                               enum object_kind kind, dragon_error_t *error)
{
    *handle = (struct handle){
        .runtime = runtime,
        .shared = shared,
        .node = node,
        .id = id,
        .spec.kind = (uint8_t)kind,
    };
    dragon_err_t err = open_object(handle, error);
    if (err == DRAGON_OK)
        shared->handles++;
    return err;
}

dragon_err_t handle_open(struct handle *handle, const struct handle *beside, uint32_t node,
                         uint64_t id, enum object_kind kind, dragon_error_t *error)
{
    return open_known(handle, beside->runtime, beside->shared, node, id, kind, error);
}

dragon_err_t handle_attach_as(struct handle *handle, struct dragon_runtime *runtime,
                              const char *what, const char *descriptor, enum object_kind kind,
                              dragon_error_t *error)
{
    struct shared *shared;
    uint64_t numbers[OBJECT_NUMBERS];
    if (!runtime)
        return err_set(error, DRAGON_ERR_INVAL, "the runtime handle is NULL");
    dragon_err_t err =
        descriptor_read(descriptor, what, runtime->name, numbers, OBJECT_NUMBERS, error);
    if (err == DRAGON_OK)
        err = shared_get(runtime, &shared, error);
    if (err != DRAGON_OK)
        return err;
    if (numbers[0] >= shared->space->nodes || numbers[1] == 0)
        return err_set(error, DRAGON_ERR_INVAL, "this is no %s descriptor: %.100s", what,
                       descriptor);
    return open_known(handle, runtime, shared, (uint32_t)numbers[0], numbers[1], kind, error);
}

dragon_err_t handle_attach(struct handle *handle, struct dragon_runtime *runtime,
                           const char *descriptor, enum object_kind kind, dragon_error_t *error)
{
    return handle_attach_as(handle, runtime, object_kind_names[kind], descriptor, kind, error);
}

static dragon_err_t leave(struct handle *handle, int64_t deadline_ns)
{
    dragon_err_t err = handle->far ? far_close(handle->far, deadline_ns) : DRAGON_OK;
    if (handle->object)
        ask_object(handle, KC_LEAVE, NULL, NULL);
    free(handle->descriptor);
    shared_unref(handle->shared);
    *handle = (struct handle){0};
    return err;
}

dragon_err_t handle_leave(struct handle *handle)
{
    return handle_is_ours(handle) ? leave(handle, wait_deadline(LEAVE_MS)) : DRAGON_ERR_STATE;
}

dragon_err_t handle_close(struct handle *handle, dragon_error_t *error)
{
    return handle_is_ours(handle) ? ask_object(handle, KC_CLOSE, NULL, error)
                                  : shared_err_forked(error);
}

dragon_err_t handle_end(struct handle *handle, dragon_error_t *error)
{
    if (!handle_is_ours(handle))
        return shared_err_forked(error);
    dragon_err_t err = ask_object(handle, KC_DESTROY, NULL, error);
    leave(handle, 0);
    return err;
}

dragon_err_t handle_stat(struct handle *handle, struct object_stat *stat_out, dragon_error_t *error)
{
    struct unpack unpack;
    struct object_stat stat;
    if (!handle_is_ours(handle))
        return shared_err_forked(error);
    dragon_err_t err = ask_object(handle, KC_STAT, &unpack, error);
    if (err != DRAGON_OK)
        return err;
    if (!object_stat_unpack(&unpack, &stat) || !unpack_done(&unpack))
        return shared_err_answer(error);
    *stat_out = stat;
    return DRAGON_OK;
}

dragon_err_t handle_far(struct handle *handle, struct far_object **far_out)
{
    struct far *far;
    if (!handle->far) {
        dragon_err_t err = shared_far(handle->shared, &far, &handle->shared->why);
        if (err != DRAGON_OK)
            return err;
        handle->far = far_open(far, handle->node, handle->id, &handle->spec);
        if (!handle->far)
            return DRAGON_ERR_NOMEM;
    }
    *far_out = handle->far;
    return DRAGON_OK;
}

dragon_err_t handle_sync(struct handle *handle, const struct sync_call *call, uint64_t *result_out,
                         int timeout_ms)
{
    struct far_object *far;
    if (!handle_is_ours(handle))
        return DRAGON_ERR_STATE;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    if (handle->object)
        return sync_do(handle->object, &handle->shared->waiter, call, result_out, &handle->spin,
                       deadline_ns);
    dragon_err_t err = handle_far(handle, &far);
    if (err != DRAGON_OK)
        return err;
    struct far_call how = {.deadline_ns = deadline_ns};
    return far_sync(far, call, result_out, &how);
}
