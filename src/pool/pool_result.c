// SPDX-License-Identifier: BSD-3-Clause
//
// Single tasks, and what users see of them.
#include "config.h"

#include "pool/pool.h"

#include <signal.h>

// ---- giving one to the pool

dragon_err_t pool_submit(struct dragon_pool *pool, struct dragon_result *task, const void *data,
                         size_t bytes)
{
    if (!task)
        return DRAGON_ERR_NOMEM;
    if (!task_set_data(task, data, bytes)) {
        task_release(task);
        return DRAGON_ERR_NOMEM;
    }
    task_submit(task);
    pool_feed(pool, false);
    return DRAGON_OK;
}

static dragon_err_t apply(struct dragon_pool *pool, const char *name, const void *data,
                          size_t bytes, dragon_result_fn fn, void *arg,
                          struct dragon_result **task_out)
{
    dragon_err_t err = pool_check(pool);
    if (err != DRAGON_OK)
        return err;
    if (bytes && !data)
        return DRAGON_ERR_INVAL;
    if (pool->closed)
        return DRAGON_ERR_CLOSED;
    struct function *function = function_of(pool, name, &err);
    if (!function)
        return err;
    struct dragon_result *task = task_create(pool, function);
    if (task) {
        task->fn = fn;
        task->arg = arg;
        task->held = task_out != NULL;
    }
    err = pool_submit(pool, task, data, bytes);
    if (err == DRAGON_OK && task_out)
        *task_out = task;
    return err;
}

dragon_err_t dragon_pool_apply_async(dragon_pool_t *pool, const char *function, const void *data,
                                     size_t bytes, dragon_result_t **result_out)
{
    return result_out ? apply(pool, function, data, bytes, NULL, NULL, result_out)
                      : DRAGON_ERR_INVAL;
}

dragon_err_t dragon_pool_apply_then(dragon_pool_t *pool, const char *function, const void *data,
                                    size_t bytes, dragon_result_fn fn, void *arg)
{
    return fn ? apply(pool, function, data, bytes, fn, arg, NULL) : DRAGON_ERR_INVAL;
}

static dragon_err_t hand_out(struct dragon_result *task, void **value_out, size_t *bytes_out)
{
    if (value_out) {
        *value_out = malloc(task->bytes ? task->bytes : 1);
        if (!*value_out)
            return DRAGON_ERR_NOMEM;
        memcpy(*value_out, task->data, task->bytes);
    }
    if (bytes_out)
        *bytes_out = task->bytes;
    return DRAGON_OK;
}

dragon_err_t dragon_pool_apply(dragon_pool_t *pool, const char *function, const void *data,
                               size_t bytes, void **value_out, size_t *bytes_out, int timeout_ms,
                               dragon_error_t *error)
{
    struct dragon_result *task;
    dragon_err_t err = pool_check(pool);
    if (err == DRAGON_OK && pool->inside)
        err = DRAGON_ERR_STATE;
    if (err == DRAGON_OK)
        err = apply(pool, function, data, bytes, NULL, NULL, &task);
    if (err != DRAGON_OK)
        return err_set(error, err, "the task was not taken: %s", dragon_err_text(err));
    err = dragon_result_wait(task, timeout_ms);
    if (err != DRAGON_OK && task->state != TASK_DONE) {
        dragon_result_cancel(task, false);
        err_set(error, err, "the task is not done: %s", dragon_err_text(err));
    } else if ((err = dragon_result_error(task, error)) == DRAGON_OK) {
        err = hand_out(task, value_out, bytes_out);
        if (err != DRAGON_OK)
            err_set(error, err, "out of memory for the result");
    }
    dragon_result_destroy(task);
    return err;
}

// ---- results

static dragon_err_t check(const struct dragon_result *result)
{
    return result ? pool_check(result->pool) : DRAGON_ERR_INVAL;
}

static bool result_is_done(void *arg)
{
    const struct dragon_result *result = arg;
    return result->state == TASK_DONE;
}

dragon_err_t dragon_result_wait(dragon_result_t *result, int timeout_ms)
{
    dragon_err_t err = check(result);
    if (err != DRAGON_OK || result->state == TASK_DONE)
        return err;
    return pool_wait(result->pool, result_is_done, result, timeout_ms);
}

int dragon_result_is_done(const dragon_result_t *result)
{
    return result && result->state == TASK_DONE;
}

dragon_err_t dragon_result_then(dragon_result_t *result, dragon_result_fn fn, void *arg)
{
    dragon_err_t err = fn ? check(result) : DRAGON_ERR_INVAL;
    if (err == DRAGON_OK && result->state == TASK_DONE)
        err = DRAGON_ERR_STATE;
    if (err != DRAGON_OK)
        return err;
    result->fn = fn;
    result->arg = arg;
    return DRAGON_OK;
}

dragon_err_t dragon_result_error(const dragon_result_t *result, dragon_error_t *error)
{
    if (!result)
        return err_set(error, DRAGON_ERR_INVAL, "no result");
    if (result->state != TASK_DONE)
        return err_set(error, DRAGON_ERR_STATE, "the task is not done yet");
    if (result->err == DRAGON_OK)
        return DRAGON_OK;
    if (result->bytes == 0)
        return err_set(error, result->err, "%s", dragon_err_text(result->err));
    return err_set(error, result->err, "%.*s", (int)result->bytes, (const char *)result->data);
}

const void *dragon_result_value(const dragon_result_t *result, size_t *bytes_out)
{
    bool good = result && result->state == TASK_DONE && result->err == DRAGON_OK;
    if (bytes_out)
        *bytes_out = good ? result->bytes : 0;
    return good ? result->data : NULL;
}

dragon_err_t dragon_result_facts(const dragon_result_t *result, dragon_result_facts_t *facts_out)
{
    if (!result || !facts_out)
        return DRAGON_ERR_INVAL;
    if (result->state != TASK_DONE || !result->given)
        return DRAGON_ERR_STATE;
    bool lost = result->err == DRAGON_ERR_PEER || result->err == DRAGON_ERR_TIMEOUT;
    *facts_out = (dragon_result_facts_t){.worker = result->worker,
                                         .node = result->node,
                                         .attempts = result->lost + !(lost && result->lost),
                                         .code = result->code,
                                         .started_ns = result->started_ns,
                                         .run_ns = result->run_ns};
    return DRAGON_OK;
}

static void kill_worker(struct dragon_pool *pool, const struct dragon_result *task)
{
    struct worker *worker = &pool->workers[task->worker];
    const struct chunk *chunk = worker->first; // what it runs
    const struct dragon_result *in = chunk ? chunk->tasks.first : NULL;
    while (in && in != task)
        in = in->next;
    if (!in)
        return;
    if (task->function) {
        worker->pardoned = true;
        dragon_group_signal(pool->group, (int)worker->rank, SIGKILL);
    } else {
        struct pool_kill said = {.chunk = chunk->number};
        dragon_channel_send(worker->channel, &said, sizeof said, POOL_KILL, 0);
    }
}

dragon_err_t dragon_result_cancel(dragon_result_t *result, int kill)
{
    dragon_err_t err = check(result);
    if (err != DRAGON_OK)
        return err;
    if (result->state == TASK_DONE)
        return DRAGON_ERR_STATE;
    if (result->mpi)
        mpi_cancel(result, kill);
    else if (kill && result->state == TASK_GIVEN)
        kill_worker(result->pool, result);
    task_cancel(result);
    return DRAGON_OK;
}

void dragon_result_destroy(dragon_result_t *result)
{
    if (check(result) != DRAGON_OK || !result->held)
        return;
    result->held = false;
    if (result->state == TASK_DONE && !result->queued)
        task_release(result);
}
