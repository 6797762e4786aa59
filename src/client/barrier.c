// SPDX-License-Identifier: BSD-3-Clause
//
// Barriers. A wait is to arrive, which gives a token, and to wait until all have; when the time is over it is left,
// which breaks it.
#include "config.h"

#include "client/sync.h"

#include <dragon/sync.h>

#include <limits.h>

struct dragon_barrier {
    struct handle handle;
    bool came; // its home counts on this process
};

dragon_err_t dragon_barrier_create(dragon_runtime_t *runtime, int node, uint32_t parties,
                                   dragon_barrier_t **barrier_out, dragon_error_t *error)
{
    struct object_spec spec = {.kind = OBJECT_BARRIER, .capacity = parties};
    if (sync_bytes(&spec) == 0)
        return err_set(error, DRAGON_ERR_INVAL, "a barrier has 1 to %d parties, not %u",
                       DRAGON_BARRIER_MOST, parties);
    return sync_create(sizeof(struct dragon_barrier), runtime, node, &spec, barrier_out, error);
}

dragon_err_t dragon_barrier_attach(dragon_runtime_t *runtime, const char *descriptor,
                                   dragon_barrier_t **barrier_out, dragon_error_t *error)
{
    return sync_attach(sizeof(struct dragon_barrier), runtime, descriptor, OBJECT_BARRIER,
                       barrier_out, error);
}

dragon_err_t dragon_barrier_find(dragon_runtime_t *runtime, const char *name, int timeout_ms,
                                 dragon_barrier_t **barrier_out, dragon_error_t *error)
{
    return sync_find(sizeof(struct dragon_barrier), runtime, name, OBJECT_BARRIER, timeout_ms,
                     barrier_out, error);
}

void dragon_barrier_detach(dragon_barrier_t *barrier)
{
    if (barrier && barrier->came)
        sync_now(barrier, (struct sync_call){.op = SYNC_BARRIER_DETACH}, NULL);
    sync_leave(barrier);
}

dragon_err_t dragon_barrier_destroy(dragon_barrier_t *barrier, dragon_error_t *error)
{
    return sync_end(barrier, error);
}

const char *dragon_barrier_descriptor(const dragon_barrier_t *barrier)
{
    return sync_descriptor(barrier);
}

static int left_ms(int64_t deadline_ns)
{
    int64_t ns = deadline_ns - (int64_t)time_now_ns();
    if (deadline_ns == WAIT_FOREVER_NS)
        return DRAGON_FOREVER;
    if (ns <= 0)
        return 0;
    return ns / 1000000 >= INT_MAX ? INT_MAX : (int)(ns / 1000000) + 1;
}

// Until all have come.
static dragon_err_t wait_for_all(struct dragon_barrier *barrier, uint64_t token,
                                 int64_t deadline_ns)
{
    struct sync_call wait = {.op = SYNC_BARRIER_WAIT, .a = token};
    dragon_err_t err = sync_wait(barrier, wait, NULL, left_ms(deadline_ns));
    if (err != DRAGON_ERR_TIMEOUT && err != DRAGON_ERR_AGAIN)
        return err;
    uint64_t complete;
    err = sync_now(barrier, (struct sync_call){.op = SYNC_BARRIER_LEAVE, .a = token}, &complete);
    if (err == DRAGON_OK && !complete)
        err = DRAGON_ERR_TIMEOUT;
    return err;
}

dragon_err_t dragon_barrier_wait(dragon_barrier_t *barrier, uint32_t *index_out, int timeout_ms)
{
    uint64_t token;
    if (!barrier)
        return DRAGON_ERR_INVAL;
    int64_t deadline_ns = wait_deadline(timeout_ms);
    struct sync_call arrive = {.op = SYNC_BARRIER_ARRIVE, .a = timeout_ms == 0};
    dragon_err_t err = sync_now(barrier, arrive, &token);
    if (err == DRAGON_OK || err == DRAGON_ERR_TIMEOUT)
        barrier->came = true;
    if (err == DRAGON_OK && sync_token_index(token) + 1 < barrier->handle.spec.capacity)
        err = wait_for_all(barrier, token, deadline_ns);
    if (err == DRAGON_OK && index_out)
        *index_out = sync_token_index(token);
    return err;
}

dragon_err_t dragon_barrier_abort(dragon_barrier_t *barrier)
{
    return sync_now(barrier, (struct sync_call){.op = SYNC_BARRIER_ABORT}, NULL);
}

dragon_err_t dragon_barrier_reset(dragon_barrier_t *barrier)
{
    return sync_now(barrier, (struct sync_call){.op = SYNC_BARRIER_RESET}, NULL);
}

dragon_err_t dragon_barrier_state(dragon_barrier_t *barrier, uint32_t *waiting_out, int *broken_out)
{
    uint64_t state;
    dragon_err_t err = sync_now(barrier, (struct sync_call){.op = SYNC_BARRIER_STATE}, &state);
    if (err != DRAGON_OK)
        return err;
    if (waiting_out)
        *waiting_out = (uint32_t)state;
    if (broken_out)
        *broken_out = state >> 32 != 0;
    return DRAGON_OK;
}
