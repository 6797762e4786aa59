// SPDX-License-Identifier: BSD-3-Clause
//
// What becomes of a task that is done: tried again, or written, noted and counted. With --keep-order it is held back until
// those before it have been.
#include "config.h"

#include "cli/pool_run.h"

#include <errno.h>

enum {
    SHOWN_MOST = 100, // bytes of a command line
    TOLD_MOST = 50,   // errors of tasks
};

bool pool_end_init(struct pool_run *run)
{
    run->done_last = &run->done;
    if (run->call->keep_order)
        run->held = calloc(POOL_HELD_TASKS, sizeof(struct pool_task *));
    return !run->call->keep_order || run->held;
}

void pool_end_fini(struct pool_run *run)
{
    for (size_t i = 0; run->held && i < POOL_HELD_TASKS; i++)
        pool_task_destroy(run->held[i]);
    free(run->held);
    free(run->same_error);
}

// ---- what is said

static void tell_same(struct pool_run *run)
{
    if (run->same_count == 0)
        return;
    pool_progress_hide(&run->progress);
    log_error("%s happened to %llu more task%s", run->told < TOLD_MOST ? "the same" : "the like",
              (unsigned long long)run->same_count, run->same_count == 1 ? "" : "s");
    run->same_count = 0;
}

// What many tasks have in common is said once.
static void tell_error(struct pool_run *run, const struct pool_task *task)
{
    size_t length = strcspn(task->line.text, "\n");
    const char *why = strchr(task->error, ':'); // behind the worker's number
    why = why ? why : task->error;
    if (run->told == TOLD_MOST || (run->same_error && strcmp(run->same_error, why) == 0)) {
        run->same_count++;
        return;
    }
    tell_same(run);
    run->told++;
    free(run->same_error);
    run->same_error = strdup(why);
    pool_progress_hide(&run->progress);
    log_error("task %llu (%.*s%s): %s", (unsigned long long)task->seq,
              (int)(length < SHOWN_MOST ? length : SHOWN_MOST), task->line.text,
              task->line.text[length < SHOWN_MOST ? length : SHOWN_MOST] ? "..." : "", task->error);
}

static void tell(struct pool_run *run, const struct pool_task *task)
{
    unsigned long long seq = task->seq;
    if (task->error)
        tell_error(run, task);
    if (!task->lost && !task->end.truncated)
        return;
    pool_progress_hide(&run->progress);
    if (task->lost && !task->error)
        log_notice("task %llu was run again on %s: its worker was lost", seq,
                   task->host ? task->host : "?");
    if (task->end.truncated)
        log_error("task %llu: of what it wrote only the first %d MiB are there", seq,
                  DRAGON_COMMAND_OUTPUT_MOST >> 20);
}

// ---- what is written

static void output_failed(struct pool_run *run, int problem)
{
    dragon_error_t error;
    if (problem == EPIPE) { // who read it has enough
        pool_run_stop(run, RUN_STOP, POOL_EXIT_PIPE);
        return;
    }
    if (problem == ECANCELED) // it was said before why we end
        return;
    err_set_errno(&error, problem, "cannot write to standard output");
    pool_run_fail(run, &error);
}

// The job log last: what it has is not run again.
static void write_task(struct pool_run *run, struct pool_task *task)
{
    dragon_error_t error;
    tell(run, task);
    if (task->end.output_bytes > 0 || task->end.error_bytes > 0)
        pool_progress_hide(&run->progress);
    if (!pool_results_write(run->call, task, &error)) {
        pool_run_fail(run, &error);
        return;
    }
    int problem = pool_output_write(&run->output, task);
    if (problem)
        output_failed(run, problem);
    else if (!pool_log_write(&run->log, task, &error))
        pool_run_fail(run, &error);
}

static void release(struct pool_run *run, struct pool_task *task)
{
    if (!run->held) {
        write_task(run, task);
        pool_task_destroy(task);
        return;
    }
    run->held[task->order % POOL_HELD_TASKS] = task;
    run->held_bytes += task->end.output_bytes + task->end.error_bytes;
    // Nothing behind what could not be written.
    while (run->state <= RUN_NO_MORE &&
           (task = run->held[run->next_written % POOL_HELD_TASKS]) != NULL) {
        run->held[run->next_written++ % POOL_HELD_TASKS] = NULL;
        run->held_bytes -= task->end.output_bytes + task->end.error_bytes;
        write_task(run, task);
        pool_task_destroy(task);
    }
}

void pool_end_flush(struct pool_run *run)
{
    for (uint64_t i = run->next_written; run->held && i < run->next_order; i++) {
        struct pool_task *task = run->held[i % POOL_HELD_TASKS];
        run->held[i % POOL_HELD_TASKS] = NULL;
        if (task && run->code != POOL_EXIT_OURS && run->code != POOL_EXIT_PIPE)
            write_task(run, task);
        pool_task_destroy(task);
    }
    tell_same(run);
}

// ---- what follows

static void check_halt(struct pool_run *run, const struct pool_task *task)
{
    const struct pool_halt *halt = &run->call->halt;
    static const char *const whats[] = {"", "fail", "success", "done"};
    bool counts = halt->what == HALT_DONE || (halt->what == HALT_FAIL) == (task->code != 0);
    if (run->state != RUN_ON || !counts || !pool_halt_reached(halt, &run->counts))
        return;
    pool_progress_hide(&run->progress);
    log_notice("task %llu ended with code %d: stopping, as --halt says (%s=%u%s)",
               (unsigned long long)task->seq, task->code, whats[halt->what], halt->limit,
               halt->percent ? "%" : "");
    pool_run_stop(run, halt->now ? RUN_STOP : RUN_NO_MORE, task->code);
}

static void free_slot(struct pool_run *run, const struct pool_task *task)
{
    run->running[task->slot - 1] = NULL;
    run->busy--;
    if (task->slot - 1 < run->free_from)
        run->free_from = task->slot - 1;
}

static void take(struct pool_run *run, struct pool_task *task)
{
    pool_task_take(task, run->system);
    // A runtime that ends takes workers with it: --resume is to run their tasks.
    if (task->canceled || (task->gone && run->state >= RUN_STOP)) {
        free_slot(run, task);
        pool_task_destroy(task);
        return;
    }
    if (task->code != 0 && task->tries < run->call->tries && run->state == RUN_ON) {
        log_verbose("task %llu ended with code %d, and is tried again",
                    (unsigned long long)task->seq, task->code);
        pool_start_again(run, task);
        return;
    }
    free_slot(run, task);
    run->counts.done++;
    run->counts.failed += task->code != 0;
    check_halt(run, task);
    release(run, task);
}

void pool_end_take(struct pool_run *run)
{
    struct pool_task *task;
    while ((task = run->done)) {
        run->done = task->next;
        if (!run->done)
            run->done_last = &run->done;
        take(run, task);
    }
}
