// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "client/sync.h"

#include <dragon/sync.h>

struct dragon_value {
    struct handle handle;
};

dragon_err_t dragon_value_create(dragon_runtime_t *runtime, int node, uint32_t count,
                                 int64_t initial, dragon_value_t **value_out, dragon_error_t *error)
{
    struct object_spec spec = {.kind = OBJECT_VALUE, .capacity = count, .initial = initial};
    if (sync_bytes(&spec) == 0)
        return err_set(error, DRAGON_ERR_INVAL, "a shared value has 1 to %d numbers, not %u",
                       DRAGON_VALUE_MOST, count);
    return sync_create(sizeof(struct dragon_value), runtime, node, &spec, value_out, error);
}

dragon_err_t dragon_value_attach(dragon_runtime_t *runtime, const char *descriptor,
                                 dragon_value_t **value_out, dragon_error_t *error)
{
    return sync_attach(sizeof(struct dragon_value), runtime, descriptor, OBJECT_VALUE, value_out,
                       error);
}

dragon_err_t dragon_value_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                               dragon_value_t **value_out, dragon_error_t *error)
{
    return sync_find(sizeof(struct dragon_value), runtime, name, OBJECT_VALUE, timeout_ms,
                     value_out, error);
}

void dragon_value_detach(dragon_value_t *value)
{
    sync_leave(value);
}

dragon_err_t dragon_value_destroy(dragon_value_t *value, dragon_error_t *error)
{
    return sync_end(value, error);
}

const char *dragon_value_descriptor(const dragon_value_t *value)
{
    return sync_descriptor(value);
}

uint32_t dragon_value_count(const dragon_value_t *value)
{
    return value ? value->handle.spec.capacity : 0;
}

dragon_err_t dragon_value_do(dragon_value_t *value, uint32_t index, dragon_atomic_t what,
                             int64_t operand, int64_t *before_out)
{
    uint64_t before;
    if ((unsigned)what > DRAGON_ATOMIC_SWAP)
        return DRAGON_ERR_INVAL;
    struct sync_call call = {
        .op = SYNC_VALUE_DO, .a = (uint64_t)index << 8 | what, .b = (uint64_t)operand};
    dragon_err_t err = sync_now(value, call, &before);
    if (err == DRAGON_OK && before_out)
        *before_out = (int64_t)before;
    return err;
}

dragon_err_t dragon_value_compare_swap(dragon_value_t *value, uint32_t index, int64_t expected,
                                       int64_t wanted, int64_t *before_out)
{
    uint64_t before;
    struct sync_call call = {
        .op = SYNC_VALUE_SWAP, .a = index, .b = (uint64_t)expected, .c = (uint64_t)wanted};
    dragon_err_t err = sync_now(value, call, &before);
    if (err != DRAGON_OK)
        return err;
    if (before_out)
        *before_out = (int64_t)before;
    return (int64_t)before == expected ? DRAGON_OK : DRAGON_ERR_AGAIN;
}

dragon_err_t dragon_value_wait_change(dragon_value_t *value, uint32_t index, int64_t known,
                                      int64_t *now_out, int timeout_ms)
{
    uint64_t now;
    struct sync_call call = {.op = SYNC_VALUE_CHANGE, .a = index, .b = (uint64_t)known};
    dragon_err_t err = sync_wait(value, call, &now, timeout_ms);
    if (err == DRAGON_OK && now_out)
        *now_out = (int64_t)now;
    return err;
}
