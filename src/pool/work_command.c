// SPDX-License-Identifier: BSD-3-Clause
//
// A command as a task: the worker waits for its pipes, its end, its limit, and for the pool, which may want it to end.
#include "config.h"

#include "pool/command_run.h"
#include "pool/work.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    GRACE_MS = 2000,  // between TERM and KILL
    NO_PIDFD_MS = 10, // how long its end is not seen where the system has no pidfds
    EXIT_LIMIT = 124,
    SIGNAL_CODE = 128,
    LAST_BYTES = 200, // of what it wrote, in the words of an error
};

struct job {
    struct worker *worker; // borrowed
    struct command_run run;
    uint64_t number;                            // of its chunk
    uint64_t limit_ms, limit_at_ms, kill_at_ms; // 0: none
    dragon_err_t why;                           // it is to end
};

// ---- waiting

static void stop(struct job *job, dragon_err_t why)
{
    if (job->why != DRAGON_OK)
        return;
    job->why = why;
    job->kill_at_ms = time_now_ms() + GRACE_MS;
    command_signal(&job->run, SIGTERM);
    command_signal(&job->run, SIGCONT); // one that is stopped ends, too
}

// Its descriptor is quiet until something comes when this has found nothing.
static void look_at_channel(struct job *job)
{
    struct worker *worker = job->worker;
    dragon_ready_t ready;
    size_t count;
    bool killed = false;
    dragon_err_t err;
    while ((err = dragon_channel_set_wait_any(worker->set, &ready, 1, &count, 0)) == DRAGON_OK) {
        err = work_look(worker, job->number, &killed);
        if (err != DRAGON_OK)
            break;
    }
    if (killed)
        stop(job, DRAGON_ERR_CANCELED);
    else if (err != DRAGON_ERR_AGAIN) // the pool is gone
        stop(job, err);
}

static int wait_ms(const struct job *job)
{
    uint64_t next_ms = job->why ? job->kill_at_ms : job->limit_at_ms;
    int left_ms = next_ms ? time_left_ms(next_ms) : -1;
    if (job->run.pidfd < 0 && (left_ms < 0 || left_ms > NO_PIDFD_MS))
        left_ms = NO_PIDFD_MS;
    return left_ms;
}

static void look_at_clock(struct job *job)
{
    if (!job->why && job->limit_at_ms && time_left_ms(job->limit_at_ms) == 0)
        stop(job, DRAGON_ERR_TIMEOUT);
    if (!job->why || time_left_ms(job->kill_at_ms) > 0)
        return;
    command_signal(&job->run, SIGKILL);
    job->kill_at_ms = time_now_ms() + GRACE_MS;
}

static void wait_for_it(struct job *job)
{
    struct pollfd fds[COMMAND_FDS + 1];
    look_at_channel(job);
    fds[COMMAND_FDS] =
        (struct pollfd){.fd = dragon_channel_set_fd(job->worker->set), .events = POLLIN};
    while (!command_is_over(&job->run)) {
        command_watch(&job->run, fds);
        if (job->why) // it is told once
            fds[COMMAND_FDS].fd = -1;
        if (poll(fds, COMMAND_FDS + 1, wait_ms(job)) < 0 && errno != EINTR)
            stop(job, err_from_errno(errno));
        command_move(&job->run, fds);
        if (fds[COMMAND_FDS].revents && !job->why)
            look_at_channel(job);
        look_at_clock(job);
    }
}

// ---- what came of it

static void tell_end(struct job *job, dragon_task_t *task, struct pool_done *done_out)
{
    const struct command_run *run = &job->run;
    int signal = WIFSIGNALED(run->status) ? WTERMSIG(run->status) : 0;
    const struct rusage *usage = &run->usage;
    dragon_command_end_t end = {
        .exit_code = signal ? SIGNAL_CODE + signal : WEXITSTATUS(run->status),
        .signal = signal,
        .output = run->gathered[0].data,
        .output_bytes = run->gathered[0].length,
        .error = run->gathered[1].data,
        .error_bytes = run->gathered[1].length,
        .truncated = run->gathered[0].more || run->gathered[1].more,
        .user_us = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec,
        .system_us = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec,
        .memory_bytes = (uint64_t)usage->ru_maxrss * 1024,
    };
    void *at = dragon_task_room(task, command_end_bytes(&end));
    if (at) {
        command_end_write(at, &end);
        return;
    }
    done_out->err = DRAGON_ERR_NOMEM;
    task_words(task, "no memory for what the command wrote");
}

static void tell_stopped(struct job *job, dragon_task_t *task, struct pool_done *done_out)
{
    char place[128];
    const struct gathered *last = &job->run.gathered[1];
    size_t bytes = last->length < LAST_BYTES ? last->length : LAST_BYTES;
    done_out->err = job->why;
    if (job->why != DRAGON_ERR_TIMEOUT)
        return;
    done_out->code = EXIT_LIMIT;
    task_words(task, "it ran longer than %" PRIu64 " ms on %s%s%.*s", job->limit_ms,
               work_place(job->worker, place, sizeof place), bytes ? "; it wrote: " : "",
               (int)bytes, bytes ? (const char *)last->data + last->length - bytes : "");
}

static dragon_err_t prepare(struct worker *worker)
{
    dragon_err_t err = DRAGON_OK;
    if (worker->null_fd < 0)
        worker->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (worker->null_fd < 0)
        return err_from_errno(errno);
    if (worker->set)
        return DRAGON_OK;
    err = dragon_channel_set_create(worker->runtime, &worker->set);
    if (err == DRAGON_OK)
        err = dragon_channel_set_add(worker->set, worker->tasks, DRAGON_POLL_RECEIVE, NULL);
    return err;
}

static void run(struct job *job, const struct command *command, dragon_task_t *task,
                struct pool_done *done_out)
{
    char place[128];
    struct command_failure failure;
    dragon_err_t err = command_start(&job->run, command, job->worker->null_fd,
                                     work_place(job->worker, place, sizeof place), &failure);
    if (err != DRAGON_OK) {
        *done_out = (struct pool_done){.err = err, .code = failure.code};
        task_words(task, "%s", failure.text);
        return;
    }
    job->limit_ms = command->limit_ms ? command->limit_ms : job->limit_ms;
    job->limit_at_ms = job->limit_ms ? time_now_ms() + job->limit_ms : 0;
    wait_for_it(job);
    command_finish(&job->run);
    if (job->why == DRAGON_OK)
        tell_end(job, task, done_out);
    else
        tell_stopped(job, task, done_out);
}

void work_command(dragon_task_t *task, const struct pool_chunk *chunk, struct pool_done *done_out)
{
    struct command command;
    struct job job = {.worker = task->worker, .number = chunk->chunk, .limit_ms = chunk->limit_ms};
    dragon_err_t err = prepare(task->worker);
    if (err != DRAGON_OK) {
        done_out->err = err;
        task_words(task, "the worker cannot run commands: %s", dragon_err_text(err));
    } else if (!command_unpack(task->data, task->bytes, &command)) {
        done_out->err = DRAGON_ERR_PROTO;
        task_words(task, "the command is not understood");
    } else {
        run(&job, &command, task, done_out);
        command_run_fini(&job.run);
        command_fini(&command);
    }
}
