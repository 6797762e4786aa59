// SPDX-License-Identifier: BSD-3-Clause
//
// Locks. In shared memory the process has it (exactly: its runtime handle); which of its handles on the lock, only
// this knows.
#include "config.h"

#include "client/sync.h"

#include <dragon/sync.h>

struct dragon_lock {
    struct handle handle;
    bool held;
};

dragon_err_t dragon_lock_create(dragon_runtime_t *runtime, int node, dragon_lock_t **lock_out,
                                dragon_error_t *error)
{
    struct object_spec spec = {.kind = OBJECT_LOCK};
    return sync_create(sizeof(struct dragon_lock), runtime, node, &spec, lock_out, error);
}

dragon_err_t dragon_lock_attach(dragon_runtime_t *runtime, const char *descriptor,
                                dragon_lock_t **lock_out, dragon_error_t *error)
{
    return sync_attach(sizeof(struct dragon_lock), runtime, descriptor, OBJECT_LOCK, lock_out,
                       error);
}

dragon_err_t dragon_lock_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                              dragon_lock_t **lock_out, dragon_error_t *error)
{
    return sync_find(sizeof(struct dragon_lock), runtime, name, OBJECT_LOCK, timeout_ms, lock_out,
                     error);
}

void dragon_lock_detach(dragon_lock_t *lock)
{
    if (lock && lock->held)
        dragon_lock_release(lock);
    sync_leave(lock);
}

dragon_err_t dragon_lock_destroy(dragon_lock_t *lock, dragon_error_t *error)
{
    return sync_end(lock, error);
}

const char *dragon_lock_descriptor(const dragon_lock_t *lock)
{
    return sync_descriptor(lock);
}

dragon_err_t dragon_lock_acquire(dragon_lock_t *lock, int *abandoned_out, int timeout_ms)
{
    uint64_t abandoned;
    struct sync_call call = {.op = SYNC_LOCK_ACQUIRE};
    dragon_err_t err = sync_wait(lock, call, &abandoned, timeout_ms);
    if (err != DRAGON_OK)
        return err;
    lock->held = true;
    if (abandoned_out)
        *abandoned_out = abandoned != 0;
    return DRAGON_OK;
}

dragon_err_t dragon_lock_release(dragon_lock_t *lock)
{
    if (lock && !lock->held)
        return DRAGON_ERR_STATE;
    dragon_err_t err = sync_now(lock, (struct sync_call){.op = SYNC_LOCK_RELEASE}, NULL);
    if (err != DRAGON_ERR_INVAL && err != DRAGON_ERR_TIMEOUT)
        lock->held = false;
    return err;
}
