// SPDX-License-Identifier: BSD-3-Clause
//
// One task, and what came of it.
#include "config.h"

#include "cli/pool.h"

void pool_task_destroy(struct pool_task *task)
{
    if (!task)
        return;
    dragon_result_destroy(task->result);
    pool_line_fini(&task->line);
    strv_free(task->args);
    free(task->error);
    free(task);
}

// What is said of a task that did not end by itself.
static void take_error(struct pool_task *task, dragon_err_t err, const char *words, int code)
{
    task->error = strdup(words);
    task->canceled = err == DRAGON_ERR_CANCELED;
    task->gone = err == DRAGON_ERR_PEER;
    task->code = err == DRAGON_ERR_TIMEOUT ? POOL_EXIT_TIME : code ? code : POOL_EXIT_OURS;
}

void pool_task_take(struct pool_task *task, const dragon_system_t *system)
{
    dragon_result_facts_t facts = {0};
    dragon_error_t error;
    free(task->error);
    task->error = NULL;
    task->host = NULL;
    task->started = task->seconds = 0;
    task->code = task->signal = 0;
    task->end = (dragon_command_end_t){0};
    if (dragon_result_facts(task->result, &facts) == DRAGON_OK) {
        const dragon_node_t *node = dragon_system_node(system, facts.node);
        task->host = node ? node->name : NULL;
        task->started = (double)facts.started_ns / 1e9;
        task->seconds = (double)facts.run_ns / 1e9;
        task->lost = facts.attempts > 1;
    }
    dragon_err_t err = dragon_result_error(task->result, &error);
    if (err == DRAGON_OK && (err = dragon_result_command(task->result, &task->end)) != DRAGON_OK)
        err_set(&error, err, "%s", dragon_err_text(err));
    if (err != DRAGON_OK) {
        take_error(task, err, error.text, facts.code);
        return;
    }
    task->code = task->end.exit_code;
    task->signal = task->end.signal;
}
