// SPDX-License-Identifier: BSD-3-Clause
//
// Shared memory and the data network of a runtime handle, each made when something first needs it: a program that uses
// groups alone has neither.
#include "config.h"

#include "client/shared.h"

#include <pthread.h>

enum { LEAVE_MS = 5000 }; // for what was sent to arrive

// How often this process is a child of one that had loaded the library: a child has none of its parent's shared memory.
_Atomic uint32_t shared_forks;

static void on_forked(void)
{
    shared_forks++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, on_forked);
}

dragon_err_t shared_err_forked(dragon_error_t *error)
{
    return err_set(error, DRAGON_ERR_STATE,
                   "a child made by fork cannot use its parent's handles; let it start a program, "
                   "or attach to the runtime itself");
}

dragon_err_t shared_err_answer(dragon_error_t *error)
{
    return err_set(error, DRAGON_ERR_PROTO, "the agent's answer is not understood");
}

dragon_err_t shared_get(struct dragon_runtime *runtime, struct shared **shared_out,
                        dragon_error_t *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!runtime)
        return err_set(error, DRAGON_ERR_INVAL, "the runtime handle is NULL");
    if (runtime->shared) {
        if (!shared_is_ours(runtime->shared))
            return shared_err_forked(error);
        *shared_out = runtime->shared;
        return DRAGON_OK;
    }
    pthread_once(&once, watch_forks);
    struct shared *shared = calloc(1, sizeof *shared);
    if (!shared)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = space_attach(runtime->path, ROLE_PROCESS, &shared->space, error);
    if (err != DRAGON_OK) {
        free(shared);
        return err;
    }
    shared->forks = shared_forks;
    shared->waiter.space = shared->space;
    *shared_out = runtime->shared = shared;
    return DRAGON_OK;
}

dragon_err_t shared_far(struct shared *shared, struct far **far_out, dragon_error_t *error)
{
    dragon_err_t err = shared->far ? DRAGON_OK : far_create(&shared->waiter, &shared->far, error);
    if (err != DRAGON_OK)
        return err;
    far_explain(shared->far, &shared->why);
    *far_out = shared->far;
    return DRAGON_OK;
}

dragon_err_t shared_serves(struct shared *shared, uint64_t object, bool serves)
{
    struct pack body = PACK_EMPTY;
    size_t length = 0;
    const void *address = serves ? data_port_address(shared->waiter.port, &length) : NULL;
    pack_u64(&body, object);
    pack_bytes(&body, address, length);
    return space_ask(shared->space, KC_SERVE, &body, KEEPER_ANSWER_MS, NULL, NULL, 0, NULL);
}

const char *shared_why(const struct shared *shared, dragon_err_t err)
{
    return shared->why.code == err ? shared->why.text : dragon_err_text(err);
}

const char *dragon_runtime_network_error(const dragon_runtime_t *runtime)
{
    const struct shared *shared = runtime ? runtime->shared : NULL;
    return shared && shared->why.code != DRAGON_OK ? shared->why.text : "";
}

void shared_destroy(struct shared *shared)
{
    if (!shared)
        return;
    shared->abandoned = true;
    // A child made by fork leaves it alone: nothing of it is mapped there, and the connections are its parent's.
    if (shared->handles > 0 || !shared_is_ours(shared))
        return;
    far_destroy(shared->far);
    shared_blocks_forget(shared);
    space_detach(shared->space);
    free(shared);
}

void shared_unref(struct shared *shared)
{
    if (--shared->handles == 0 && shared->abandoned)
        shared_destroy(shared);
}
