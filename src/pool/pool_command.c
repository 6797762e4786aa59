// SPDX-License-Identifier: BSD-3-Clause
//
// Commands, as their users see them: tasks without a function, whose data is the command and whose value is its end.
#include "config.h"

#include "pool/command.h"
#include "pool/pool.h"

static dragon_err_t run(struct dragon_pool *pool, const dragon_command_t *command,
                        dragon_result_fn fn, void *arg, struct dragon_result **task_out)
{
    struct pack pack = PACK_EMPTY;
    dragon_err_t err = pool_check(pool);
    if (err == DRAGON_OK && pool->closed)
        err = DRAGON_ERR_CLOSED;
    if (err == DRAGON_OK && pool->worker_count == 0 && command && !command->mpi_ranks)
        err = DRAGON_ERR_STATE;
    if (err == DRAGON_OK)
        err = command_pack(&pack, command);
    if (err == DRAGON_OK && pack.failed)
        err = DRAGON_ERR_NOMEM;
    struct dragon_result *task = err == DRAGON_OK ? task_create(pool, NULL) : NULL;
    if (task) {
        task->fn = fn;
        task->arg = arg;
        task->held = task_out != NULL;
        task->limit_ms = command->limit_ms ? command->limit_ms : task->limit_ms;
        err = command->mpi_ranks ? mpi_submit(pool, task, pack.data, pack.length, command)
                                 : pool_submit(pool, task, pack.data, pack.length);
    } else if (err == DRAGON_OK) {
        err = DRAGON_ERR_NOMEM;
    }
    pack_fini(&pack);
    if (err == DRAGON_OK && task_out)
        *task_out = task;
    return err;
}

dragon_err_t dragon_pool_run(dragon_pool_t *pool, const dragon_command_t *command,
                             dragon_result_t **result_out)
{
    return result_out ? run(pool, command, NULL, NULL, result_out) : DRAGON_ERR_INVAL;
}

dragon_err_t dragon_pool_run_then(dragon_pool_t *pool, const dragon_command_t *command,
                                  dragon_result_fn fn, void *arg)
{
    return fn ? run(pool, command, fn, arg, NULL) : DRAGON_ERR_INVAL;
}

dragon_err_t dragon_result_command(const dragon_result_t *result, dragon_command_end_t *end_out)
{
    if (!result || !end_out)
        return DRAGON_ERR_INVAL;
    if (result->state != TASK_DONE || result->err != DRAGON_OK || result->function ||
        !command_end_read(result->data, result->bytes, end_out))
        return DRAGON_ERR_STATE;
    return DRAGON_OK;
}
