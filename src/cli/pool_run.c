// SPDX-License-Identifier: BSD-3-Clause
//
// The run: as many tasks are given to the pool as it has places for; what has ended is written, noted and forgotten, and its
// place is for the next. So memory stays flat however long the input is.
//
// It ends when the input has ended and all is done; or early: by --halt, by a signal, when nobody reads the output, or by an
// error. Then tasks that run are ended (TERM, and KILL after a moment), and are in no job log, so that --resume runs them.
#include "config.h"

#include "cli/pool_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    END_MS = 5000, // for tasks that are told to end
    LOOK_MS = 1000,
};

// ---- ending early

void pool_run_stop(struct pool_run *run, enum pool_state state, int code)
{
    if (state > run->state)
        run->state = state;
    if (run->code < 0)
        run->code = code;
}

void pool_run_fail(struct pool_run *run, const dragon_error_t *error)
{
    pool_progress_hide(&run->progress);
    log_error("%s", error->text);
    pool_run_stop(run, RUN_STOP, POOL_EXIT_OURS);
}

static void on_signal(struct pool_run *run, int signal)
{
    pool_progress_hide(&run->progress);
    if (run->signals++ == 0 && run->state < RUN_STOP) {
        log_notice("%s: ending %u task%s; once more kills",
                   signal == SIGINT ? "interrupted" : "told to end", run->busy,
                   run->busy == 1 ? "" : "s");
        pool_run_stop(run, RUN_STOP, POOL_EXIT_SIGNAL + signal);
    } else {
        pool_run_stop(run, RUN_KILL, POOL_EXIT_SIGNAL + signal);
    }
}

static bool open_signals(struct pool_run *run)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    run->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd >= 0;
}

void pool_run_take_signals(struct pool_run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        on_signal(run, (int)info.ssi_signo);
}

// ---- waiting

static int sooner(int a, int b) // -1: never
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

// For a reader of our output. After a signal it has some seconds more.
static bool wait_for_reader(void *arg, int fd)
{
    struct pool_run *run = arg;
    uint64_t until_ms = 0;
    while (true) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLOUT},
                               {.fd = run->signal_fd, .events = POLLIN}};
        if (poll(fds, 2, LOOK_MS) > 0 && fds[0].revents)
            return true;
        pool_run_take_signals(run);
        dragon_pool_progress(run->pool, 0);
        if (run->state >= RUN_STOP && !until_ms)
            until_ms = time_now_ms() + END_MS;
        if (run->state == RUN_KILL || (until_ms && time_left_ms(until_ms) == 0))
            return false;
    }
}

static void read_input(struct pool_run *run)
{
    dragon_error_t error;
    run->input_waits = false;
    if (pool_input_read(&run->input, &error))
        return;
    run->input_ended = true;
    pool_progress_hide(&run->progress);
    log_error("%s", error.text);
    pool_run_stop(run, RUN_NO_MORE, POOL_EXIT_OURS);
}

// Its descriptor tells of what comes only when nothing was left.
static void progress_pool(struct pool_run *run)
{
    dragon_error_t error;
    dragon_err_t err;
    while ((err = dragon_pool_progress(run->pool, 0)) == DRAGON_OK)
        ;
    if (err != DRAGON_ERR_PEER)
        return;
    err_set(&error, err, "the runtime has ended");
    pool_run_fail(run, &error);
}

static void wait_for_something(struct pool_run *run)
{
    int input = run->state == RUN_ON && !run->input_ended ? pool_input_fd(&run->input) : -1;
    struct pollfd fds[] = {{.fd = dragon_pool_fd(run->pool), .events = POLLIN},
                           {.fd = run->signal_fd, .events = POLLIN},
                           {.fd = input, .events = POLLIN}};
    int wait_ms = sooner(pool_start_wait_ms(run), pool_progress_wait_ms(&run->progress));
    progress_pool(run);
    if (poll(fds, 3, run->done || run->state >= RUN_STOP ? 0 : wait_ms) <= 0)
        return;
    if (fds[1].revents)
        pool_run_take_signals(run);
    if (fds[2].revents)
        read_input(run);
}

// ---- from begin to end

static void work(struct pool_run *run)
{
    while (true) {
        pool_start_more(run);
        if (run->state >= RUN_STOP)
            break;
        if (run->busy == 0 && (run->input_ended || run->state != RUN_ON))
            break;
        pool_progress_show(&run->progress, &run->counts, run->busy);
        wait_for_something(run);
        pool_end_take(run);
    }
}

static void cancel_all(struct pool_run *run)
{
    for (uint32_t i = 0; i < run->slots && run->busy > 0; i++)
        if (run->running[i] && run->running[i]->result)
            dragon_result_cancel(run->running[i]->result, true);
    pool_end_take(run);
}

// A second signal does not wait for those that were told to end.
static void end_workers(struct pool_run *run)
{
    uint64_t until_ms = time_now_ms() + END_MS;
    if (run->state >= RUN_STOP)
        cancel_all(run);
    dragon_pool_close(run->pool);
    while (run->state != RUN_KILL && dragon_pool_join(run->pool, 0) != DRAGON_OK &&
           time_left_ms(until_ms) > 0) {
        struct pollfd fds[] = {{.fd = dragon_pool_fd(run->pool), .events = POLLIN},
                               {.fd = run->signal_fd, .events = POLLIN}};
        poll(fds, 2, time_left_ms(until_ms));
        pool_run_take_signals(run);
    }
}

static int exit_code(const struct pool_run *run)
{
    uint64_t failed = run->counts.failed;
    if (run->code >= 0)
        return run->code;
    return failed > POOL_EXIT_MANY ? POOL_EXIT_MANY : (int)failed;
}

static int go(struct pool_run *run)
{
    pool_progress_init(&run->progress, run->call->progress);
    run->output = (struct pool_output){.call = run->call, .wait = wait_for_reader, .arg = run};
    work(run);
    end_workers(run);
    pool_end_flush(run);
    pool_progress_end(&run->progress, &run->counts);
    if (run->counts.failed > 0 && run->signals == 0)
        log_notice("%llu of %llu tasks failed", (unsigned long long)run->counts.failed,
                   (unsigned long long)run->counts.done);
    return exit_code(run);
}

// ---- making ready

static dragon_err_t open_input(struct pool_run *run, dragon_error_t *error)
{
    if (!(run->template = pool_template_create(run->call)))
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (!pool_input_open(&run->input, run->call, error) ||
        !pool_log_open(&run->log, run->call, error))
        return DRAGON_ERR_INVAL;
    int fd = pool_input_fd(&run->input);
    if (fd >= 0 && isatty(fd))
        log_notice("arguments are read from the terminal, one a line; Ctrl-D ends them");
    // When there is little of it, it needs few workers.
    struct pollfd fds = {.fd = fd, .events = POLLIN};
    while ((fds.fd = pool_input_fd(&run->input)) >= 0 && poll(&fds, 1, 0) > 0)
        if (!pool_input_read(&run->input, error))
            return DRAGON_ERR_INVAL;
    return DRAGON_OK;
}

static dragon_err_t make_mpi_policy(struct pool_run *run)
{
    const struct pool_call *call = run->call;
    if (!call->mpi_ranks)
        return DRAGON_OK;
    dragon_err_t err = dragon_policy_create(&run->policy);
    if (err == DRAGON_OK)
        err = dragon_policy_set_cores(run->policy, call->cores ? call->cores : 1);
    if (err == DRAGON_OK && call->gpus >= 0)
        err = dragon_policy_set_gpus(run->policy, call->gpus);
    if (err == DRAGON_OK && call->hosts)
        err = dragon_policy_set_hosts(run->policy, call->hosts);
    return err;
}

static dragon_err_t open_pool(struct pool_run *run, dragon_error_t *error)
{
    dragon_err_t err = dragon_runtime_attach(&run->runtime, error);
    if (err == DRAGON_OK)
        err = dragon_system_look(run->runtime, &run->system, error);
    if (err == DRAGON_OK && (err = make_mpi_policy(run)) != DRAGON_OK)
        err_set(error, err, "the ranks' policy: %s", dragon_err_text(err));
    if (err == DRAGON_OK)
        err = pool_crew_start(run->call, run->runtime, run->system, pool_input_total(&run->input),
                              &run->pool, &run->slots, error);
    if (err != DRAGON_OK)
        return err;
    run->running = calloc((size_t)run->slots + 1, sizeof(struct pool_task *));
    if (!run->running || !pool_end_init(run) || !open_signals(run))
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory or descriptors");
    return DRAGON_OK;
}

static void run_fini(struct pool_run *run)
{
    for (uint32_t i = 0; run->running && i < run->slots; i++)
        pool_task_destroy(run->running[i]);
    free(run->running);
    pool_end_fini(run);
    dragon_pool_destroy(run->pool);
    dragon_policy_destroy(run->policy);
    dragon_system_destroy(run->system);
    dragon_runtime_detach(run->runtime);
    pool_log_close(&run->log);
    pool_input_close(&run->input);
    pool_template_destroy(run->template);
    if (run->signal_fd >= 0)
        close(run->signal_fd);
}

int pool_run(const struct pool_call *call)
{
    struct pool_run run = {.call = call, .code = -1, .signal_fd = -1, .log = {.fd = -1}};
    dragon_error_t error;
    int code = POOL_EXIT_OURS;
    dragon_err_t err = open_input(&run, &error);
    bool nothing =
        err == DRAGON_OK && run.input.sources[0].eof && pool_input_total(&run.input) == 0;
    if (err == DRAGON_OK && nothing)
        code = 0;
    else if (err == DRAGON_OK && (err = open_pool(&run, &error)) == DRAGON_OK)
        code = go(&run);
    if (err != DRAGON_OK)
        log_error("%s", error.text);
    run_fini(&run);
    return code;
}

int pool_dry_run(const struct pool_call *call)
{
    struct pool_run run = {.call = call, .log = {.fd = -1}};
    struct pool_line line = {0};
    dragon_error_t error;
    char **args = NULL;
    enum pool_next next = NEXT_FAILED;
    run.template = pool_template_create(call);
    if (!run.template)
        err_set(&error, DRAGON_ERR_NOMEM, "out of memory");
    else if (pool_input_open(&run.input, call, &error) &&
             (!(call->resume || call->resume_failed) || pool_log_open(&run.log, call, &error)))
        next = NEXT_ARGS;
    while (next == NEXT_ARGS || next == NEXT_WAIT) {
        next = pool_input_next(&run.input, &args, &error);
        if (next == NEXT_WAIT && !pool_input_read(&run.input, &error))
            next = NEXT_FAILED;
        if (next != NEXT_ARGS)
            continue;
        struct pool_place place = {.seq = ++run.next_seq, .slot = 1};
        if (!pool_log_has(&run.log, place.seq) &&
            pool_template_expand(run.template, args, place, &line))
            puts(line.text);
        pool_line_fini(&line);
        strv_free(args);
    }
    if (next == NEXT_END && (fflush(stdout) != 0 || call->no_output)) {
        err_set_errno(&error, call->no_output ? EBADF : errno, "cannot write to standard output");
        next = NEXT_FAILED;
    }
    if (next == NEXT_FAILED)
        log_error("%s", error.text);
    pool_log_close(&run.log);
    pool_input_close(&run.input);
    pool_template_destroy(run.template);
    return next == NEXT_END ? 0 : POOL_EXIT_OURS;
}
