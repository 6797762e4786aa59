// SPDX-License-Identifier: BSD-3-Clause
//
// It waits for the root to change or to end, for ever. Whatever the network brings is done in between, and what the dead have left
// is given back: after a death every bell is rung, ours too.
#include "config.h"

#include "manager/manager.h"

#include "chan/serve.h"
#include "client/dict.h"
#include "ddict/shard_parts.h"

#include <dragon/dict.h>

enum {
    LOOK_MS = 10000, // for what somebody could not do who found a bin locked
    AGAIN_MS = 100,  // when the node of the root did not answer
};

struct manager {
    struct handle root;
    struct dict_part part;
    struct serve *serve;          // borrowed; NULL: other nodes are not served
    void (*next_turn)(void *arg); // of serving
    void *next_arg;
};

static dragon_err_t make_shard(struct manager *manager, dragon_runtime_t *runtime,
                               const struct manager_options *options, dragon_error_t *error)
{
    struct object_spec spec = {.kind = OBJECT_SHARD,
                               .single = SINGLE_ONE,
                               .owned = OWNED_BY_MAKER,
                               .huge = options->huge,
                               .numa = options->numa,
                               .initial = (int64_t)options->bytes};
    struct dict_part *part = &manager->part;
    dragon_err_t err = handle_create(&part->handle, runtime, DRAGON_HERE, &spec, error);
    if (err == DRAGON_ERR_TOO_BIG) // for this node
        err = error->code = DRAGON_ERR_FULL;
    if (err != DRAGON_OK)
        return err;
    part->open = true;
    if (!shard_open(&part->view, (struct shard *)(void *)part->handle.object,
                    part->handle.shared->space))
        return err_set(error, DRAGON_ERR_PROTO, "the memory of the shard is damaged");
    return DRAGON_OK;
}

// Without a network library only processes of this node can use the shard; others are told when they try.
static dragon_err_t serve(struct manager *manager, dragon_error_t *error)
{
    struct shared *shared = manager->root.shared;
    uint64_t id = manager->part.handle.id;
    struct far *far;
    if (shared->space->nodes < 2)
        return DRAGON_OK;
    dragon_err_t err = shared_far(shared, &far, error);
    if (err == DRAGON_ERR_UNSUPPORTED)
        return DRAGON_OK;
    if (err != DRAGON_OK)
        return err;
    struct serve *serve = far_serve(far);
    if (!serve || serve_add_shard(serve, &manager->part.view) != DRAGON_OK)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    manager->serve = serve;
    err = shared_serves(shared, id, true);
    return err == DRAGON_OK
               ? err
               : err_set(error, err, "other nodes cannot be served: %s", dragon_err_text(err));
}

// ---- what the dead have left

static void on_turn(void *arg)
{
    struct manager *manager = arg;
    if (manager->next_turn)
        manager->next_turn(manager->next_arg);
    if (atomic_load_explicit(&manager->part.view.shard->pins_left, memory_order_relaxed))
        pins_sweep(&manager->part.view);
}

static void sweep_start(struct manager *manager)
{
    struct waiter *waiter = &manager->root.shared->waiter;
    manager->next_turn = waiter->on_turn;
    manager->next_arg = waiter->arg;
    waiter->on_turn = on_turn;
    waiter->arg = manager;
}

static void sweep_stop(struct manager *manager)
{
    struct waiter *waiter = &manager->root.shared->waiter;
    if (waiter->arg != manager)
        return;
    waiter->on_turn = manager->next_turn;
    waiter->arg = manager->next_arg;
}

// ---- life cycle

dragon_err_t manager_create(dragon_runtime_t *runtime, const struct manager_options *options,
                            struct manager **manager_out, dragon_error_t *error)
{
    struct manager *manager = calloc(1, sizeof *manager);
    if (!manager)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    dragon_err_t err = handle_attach_as(&manager->root, runtime, DICT_WHAT, options->descriptor,
                                        OBJECT_VALUE, error);
    if (err != DRAGON_OK) {
        free(manager);
        return err;
    }
    err = make_shard(manager, runtime, options, error);
    if (err == DRAGON_OK)
        err = serve(manager, error);
    if (err == DRAGON_OK) {
        sweep_start(manager);
        err = dict_root_set(&manager->root, DICT_SHARDS + options->number,
                            (int64_t)manager->part.handle.id);
        if (err != DRAGON_OK)
            err_set(error, err, "the dictionary cannot be reached: %s",
                    shared_why(manager->root.shared, err));
    }
    if (err != DRAGON_OK) {
        manager_destroy(manager);
        return err;
    }
    *manager_out = manager;
    return DRAGON_OK;
}

void manager_destroy(struct manager *manager)
{
    if (!manager)
        return;
    sweep_stop(manager);
    if (manager->serve)
        serve_remove(manager->serve, manager->part.handle.id);
    if (manager->part.open)
        handle_end(&manager->part.handle, NULL);
    handle_leave(&manager->root);
    free(manager);
}

// ---- waiting for the end

static bool never(void *arg)
{
    (void)arg;
    return false;
}

// The node of the root did not answer; others are served meanwhile. PEER: the runtime has ended.
static dragon_err_t wait_again(struct manager *manager)
{
    struct waiter *waiter = &manager->root.shared->waiter;
    struct awaited item = {.ready = never};
    if (space_ended(waiter->space, true))
        return DRAGON_ERR_PEER;
    dragon_err_t err = wait_for(waiter, &item, 1, DRAGON_WAIT_IDLE, NULL, wait_deadline(AGAIN_MS));
    return err == DRAGON_ERR_TIMEOUT ? DRAGON_OK : err;
}

dragon_err_t manager_run(struct manager *manager, dragon_error_t *error)
{
    uint64_t state = DICT_COMING;
    while (state != DICT_FAILED) {
        struct sync_call call = {.op = SYNC_VALUE_CHANGE, .a = DICT_STATE, .b = state};
        dragon_err_t err = handle_sync(&manager->root, &call, &state, LOOK_MS);
        if (err == DRAGON_ERR_PEER)
            err = wait_again(manager);
        if (err == DRAGON_ERR_CLOSED || err == DRAGON_ERR_PEER)
            return DRAGON_OK;
        if (err != DRAGON_OK && err != DRAGON_ERR_TIMEOUT)
            return err_set(error, err, "the dictionary cannot be reached: %s",
                           shared_why(manager->root.shared, err));
    }
    return DRAGON_OK;
}
