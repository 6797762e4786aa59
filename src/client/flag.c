// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "client/sync.h"

#include <dragon/sync.h>

struct dragon_event_flag {
    struct handle handle;
};

dragon_err_t dragon_event_flag_create(dragon_runtime_t *runtime, int node,
                                      dragon_event_flag_t **signal_out, dragon_error_t *error)
{
    struct object_spec spec = {.kind = OBJECT_FLAG};
    return sync_create(sizeof(struct dragon_event_flag), runtime, node, &spec, signal_out, error);
}

dragon_err_t dragon_event_flag_attach(dragon_runtime_t *runtime, const char *descriptor,
                                      dragon_event_flag_t **signal_out, dragon_error_t *error)
{
    return sync_attach(sizeof(struct dragon_event_flag), runtime, descriptor, OBJECT_FLAG,
                       signal_out, error);
}

dragon_err_t dragon_event_flag_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                                    dragon_event_flag_t **signal_out, dragon_error_t *error)
{
    return sync_find(sizeof(struct dragon_event_flag), runtime, name, OBJECT_FLAG, timeout_ms,
                     signal_out, error);
}

void dragon_event_flag_detach(dragon_event_flag_t *signal)
{
    sync_leave(signal);
}

dragon_err_t dragon_event_flag_destroy(dragon_event_flag_t *signal, dragon_error_t *error)
{
    return sync_end(signal, error);
}

const char *dragon_event_flag_descriptor(const dragon_event_flag_t *signal)
{
    return sync_descriptor(signal);
}

dragon_err_t dragon_event_flag_set(dragon_event_flag_t *signal)
{
    return sync_now(signal, (struct sync_call){.op = SYNC_FLAG_SET}, NULL);
}

dragon_err_t dragon_event_flag_clear(dragon_event_flag_t *signal)
{
    return sync_now(signal, (struct sync_call){.op = SYNC_FLAG_CLEAR}, NULL);
}

dragon_err_t dragon_event_flag_is_set(dragon_event_flag_t *signal, int *set_out)
{
    uint64_t state;
    if (!set_out)
        return DRAGON_ERR_INVAL;
    dragon_err_t err = sync_now(signal, (struct sync_call){.op = SYNC_FLAG_GET}, &state);
    if (err == DRAGON_OK)
        *set_out = state & 1;
    return err;
}

// What is waited for is that it is set after we looked: then nobody who waits misses one that is cleared at once.
dragon_err_t dragon_event_flag_wait(dragon_event_flag_t *signal, int timeout_ms)
{
    uint64_t state;
    dragon_err_t err = sync_now(signal, (struct sync_call){.op = SYNC_FLAG_GET}, &state);
    if (err != DRAGON_OK || (state & 1))
        return err;
    return sync_wait(signal, (struct sync_call){.op = SYNC_FLAG_WAIT, .a = state >> 1}, NULL,
                     timeout_ms);
}
