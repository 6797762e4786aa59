// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "client/sync.h"

#include <dragon/sync.h>

struct dragon_semaphore {
    struct handle handle;
};

dragon_err_t dragon_semaphore_create(dragon_runtime_t *runtime, int node, uint32_t value,
                                     uint32_t most, dragon_semaphore_t **semaphore_out,
                                     dragon_error_t *error)
{
    if (most > 0 && value > most)
        return err_set(error, DRAGON_ERR_INVAL,
                       "a semaphore that has at most %u cannot begin with %u", most, value);
    struct object_spec spec = {.kind = OBJECT_SEMAPHORE, .capacity = most, .initial = value};
    return sync_create(sizeof(struct dragon_semaphore), runtime, node, &spec, semaphore_out, error);
}

dragon_err_t dragon_semaphore_attach(dragon_runtime_t *runtime, const char *descriptor,
                                     dragon_semaphore_t **semaphore_out, dragon_error_t *error)
{
    return sync_attach(sizeof(struct dragon_semaphore), runtime, descriptor, OBJECT_SEMAPHORE,
                       semaphore_out, error);
}

dragon_err_t dragon_semaphore_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                                   dragon_semaphore_t **semaphore_out, dragon_error_t *error)
{
    return sync_find(sizeof(struct dragon_semaphore), runtime, name, OBJECT_SEMAPHORE, timeout_ms,
                     semaphore_out, error);
}

void dragon_semaphore_detach(dragon_semaphore_t *semaphore)
{
    sync_leave(semaphore);
}

dragon_err_t dragon_semaphore_destroy(dragon_semaphore_t *semaphore, dragon_error_t *error)
{
    return sync_end(semaphore, error);
}

const char *dragon_semaphore_descriptor(const dragon_semaphore_t *semaphore)
{
    return sync_descriptor(semaphore);
}

dragon_err_t dragon_semaphore_acquire(dragon_semaphore_t *semaphore, int timeout_ms)
{
    return sync_wait(semaphore, (struct sync_call){.op = SYNC_SEMAPHORE_ACQUIRE}, NULL, timeout_ms);
}

dragon_err_t dragon_semaphore_release(dragon_semaphore_t *semaphore, uint32_t count)
{
    return sync_now(semaphore, (struct sync_call){.op = SYNC_SEMAPHORE_RELEASE, .a = count}, NULL);
}

dragon_err_t dragon_semaphore_value(dragon_semaphore_t *semaphore, uint32_t *value_out)
{
    uint64_t value;
    if (!value_out)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = sync_now(semaphore, (struct sync_call){.op = SYNC_SEMAPHORE_VALUE}, &value);
    if (err == DRAGON_OK)
        *value_out = (uint32_t)value;
    return err;
}
