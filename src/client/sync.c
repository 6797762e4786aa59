// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "client/sync.h"

enum { ANSWER_MS = 30000 }; // of the home node, for what does not wait

static dragon_err_t make(size_t bytes, void *sync_out, struct handle **handle_out,
                         dragon_error_t *error)
{
    if (!sync_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    *handle_out = calloc(1, bytes);
    return *handle_out ? DRAGON_OK : err_set(error, DRAGON_ERR_NOMEM, "out of memory");
}

static dragon_err_t made(dragon_err_t err, struct handle *handle, void *sync_out)
{
    if (err == DRAGON_OK)
        memcpy(sync_out, &handle, sizeof handle); // a pointer, of whatever kind
    else
        free(handle);
    return err;
}

dragon_err_t sync_create(size_t bytes, dragon_runtime_t *runtime, int node,
                         const struct object_spec *spec, void *sync_out, dragon_error_t *error)
{
    struct handle *handle;
    struct object_spec full = *spec;
    full.numa = DRAGON_ANY_NUMA;
    dragon_err_t err = make(bytes, sync_out, &handle, error);
    if (err != DRAGON_OK)
        return err;
    return made(handle_create(handle, runtime, node, &full, error), handle, sync_out);
}

dragon_err_t sync_attach(size_t bytes, dragon_runtime_t *runtime, const char *descriptor,
                         enum object_kind kind, void *sync_out, dragon_error_t *error)
{
    struct handle *handle;
    dragon_err_t err = make(bytes, sync_out, &handle, error);
    if (err != DRAGON_OK)
        return err;
    return made(handle_attach(handle, runtime, descriptor, kind, error), handle, sync_out);
}

dragon_err_t sync_find(size_t bytes, dragon_runtime_t *runtime, const char *name,
                       enum object_kind kind, int timeout_ms, void *sync_out, dragon_error_t *error)
{
    char *descriptor;
    if (!sync_out)
        return err_set(error, DRAGON_ERR_INVAL, "there is nowhere to put the handle");
    dragon_err_t err =
        name_find_object(runtime, name, object_kind_names[kind], timeout_ms, &descriptor, error);
    if (err != DRAGON_OK)
        return err;
    err = sync_attach(bytes, runtime, descriptor, kind, sync_out, error);
    free(descriptor);
    return err;
}

void sync_leave(void *sync)
{
    if (sync)
        handle_leave(sync);
    free(sync);
}

dragon_err_t sync_end(void *sync, dragon_error_t *error)
{
    dragon_err_t err = sync ? handle_end(sync, error) : DRAGON_OK;
    free(sync);
    return err;
}

const char *sync_descriptor(const void *sync)
{
    const struct handle *handle = sync;
    return handle ? handle->descriptor : "";
}

dragon_err_t sync_wait(void *sync, struct sync_call call, uint64_t *result_out, int timeout_ms)
{
    return sync ? handle_sync(sync, &call, result_out, timeout_ms) : DRAGON_ERR_INVAL;
}

dragon_err_t sync_now(void *sync, struct sync_call call, uint64_t *result_out)
{
    return sync_wait(sync, call, result_out, ANSWER_MS);
}
