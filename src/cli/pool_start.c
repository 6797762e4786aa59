// SPDX-License-Identifier: BSD-3-Clause
//
// Starting tasks: as long as there are places for them, and arguments.
#include "config.h"

#include "cli/pool_run.h"

static bool is_held_up(const struct pool_run *run)
{
    return run->call->keep_order && (run->next_order - run->next_written >= POOL_HELD_TASKS ||
                                     run->held_bytes > POOL_HELD_BYTES);
}

static bool is_wanted(const struct pool_run *run)
{
    return run->state == RUN_ON && !run->input_ended && !run->input_waits &&
           run->busy < run->slots && !is_held_up(run);
}

int pool_start_wait_ms(const struct pool_run *run)
{
    return run->next_start_ms && is_wanted(run) ? time_left_ms(run->next_start_ms) : -1;
}

static void fail(struct pool_run *run, dragon_err_t err, const char *doing)
{
    dragon_error_t error;
    err_set(&error, err, "%s: %s", doing, dragon_err_text(err));
    pool_run_fail(run, &error);
}

// ---- one task

static void on_done(void *arg, dragon_result_t *result)
{
    struct pool_task *task = arg;
    struct pool_run *run = task->run;
    (void)result;
    task->next = NULL;
    *run->done_last = task;
    run->done_last = &task->next;
}

void pool_start_again(struct pool_run *run, struct pool_task *task)
{
    const struct pool_call *call = run->call;
    char seq[40], slot[40];
    char *env[] = {seq, slot, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    snprintf(seq, sizeof seq, "PARALLEL_SEQ=%llu", (unsigned long long)task->seq);
    snprintf(slot, sizeof slot, "PARALLEL_JOBSLOT=%u", task->slot);
    command.argv = task->line.argv;
    command.env = env;
    command.limit_ms = call->limit_ms;
    command.mpi_ranks = call->mpi_ranks;
    command.policy = run->policy;
    dragon_result_destroy(task->result);
    task->result = NULL;
    task->tries++;
    log_verbose("task %llu: %s", (unsigned long long)task->seq, task->line.text);
    dragon_err_t err = dragon_pool_run(run->pool, &command, &task->result);
    if (err != DRAGON_OK)
        fail(run, err, "a task cannot be given to the pool");
    else if (dragon_result_then(task->result, on_done, task) != DRAGON_OK)
        on_done(task, task->result);
}

static uint32_t take_slot(struct pool_run *run, struct pool_task *task)
{
    while (run->running[run->free_from])
        run->free_from++;
    run->running[run->free_from] = task;
    run->busy++;
    return run->free_from + 1;
}

static void start(struct pool_run *run, char **args)
{
    struct pool_task *task = calloc(1, sizeof *task);
    if (!task) {
        strv_free(args);
        fail(run, DRAGON_ERR_NOMEM, "a task");
        return;
    }
    task->run = run;
    task->args = args;
    task->seq = run->next_seq;
    task->order = run->next_order++;
    task->slot = take_slot(run, task);
    struct pool_place place = {.seq = task->seq, .slot = task->slot};
    if (!pool_template_expand(run->template, args, place, &task->line))
        fail(run, DRAGON_ERR_NOMEM, "a task");
    else
        pool_start_again(run, task);
}

// ---- the next ones

static bool is_blank(char *const *args)
{
    for (; *args; args++)
        if (**args)
            return false;
    return true;
}

// True: there are arguments, which may be of no task.
static bool next_args(struct pool_run *run, char ***args_out)
{
    dragon_error_t error;
    switch (pool_input_next(&run->input, args_out, &error)) {
    case NEXT_ARGS:
        return true;
    case NEXT_WAIT:
        run->input_waits = true;
        return false;
    case NEXT_END:
        run->input_ended = true;
        return false;
    default:
        run->input_ended = true;
        // What was begun before is no worse for it.
        log_error("%s", error.text);
        pool_run_stop(run, RUN_NO_MORE, POOL_EXIT_OURS);
        return false;
    }
}

void pool_start_more(struct pool_run *run)
{
    char **args;
    while (is_wanted(run) && (!run->next_start_ms || time_left_ms(run->next_start_ms) == 0)) {
        if (!next_args(run, &args))
            break;
        if (run->call->skip_empty && is_blank(args)) {
            strv_free(args);
            continue;
        }
        run->next_seq++;
        if (pool_log_has(&run->log, run->next_seq)) {
            run->skipped++;
            strv_free(args);
            continue;
        }
        if (run->call->delay_ms)
            run->next_start_ms = time_now_ms() + run->call->delay_ms;
        start(run, args);
    }
    uint64_t total = pool_input_total(&run->input);
    run->counts.total = total > run->skipped ? total - run->skipped : 0;
}
