// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-pg: runs programs as one process group and waits for it. Uses the library's public headers alone,
// as any client. Outside a runtime it calls dragon-run, which brings one up around it.
//
// The command line becomes a command (pg_parts.c, pg_options.c, pg_spec.c), which becomes a group
// (pg_group.c), which is submitted and watched here until it has ended.
#include "config.h"

#include "cli/pg.h"
#include "cli/private.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

struct run {
    const struct pg_command *command;
    dragon_runtime_t *runtime;
    dragon_group_t *group;
    struct pg_signals signals;
    struct pg_times times;
    char **nodes; // owned: hosts, for the status file
    bool told_queue, told_again;
    bool started, seen; // the ranks are there; and what follows from that was done
    bool left;          // detached: it goes on without us
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// ---- what happens to the group

static void on_again(struct run *run, const dragon_event_t *event)
{
    static const char format[] = "rank %u ended with code %d and is started again";
    if (run->told_again)
        log_verbose(format, event->rank, event->code);
    else
        log_notice(format, event->rank, event->code);
    run->told_again = true;
}

// Only notes what happened: what is to be done about it may call the library, see on_started.
static void on_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct run *run = arg;
    (void)group;
    if (event->kind == DRAGON_EVENT_QUEUED && !run->told_queue) {
        log_notice("waiting for room: %s; dragon-info shows who has it, --on-full share takes it "
                   "all the same",
                   event->text);
        run->told_queue = true;
    } else if (event->kind == DRAGON_EVENT_STARTED && !run->started) {
        run->started = true;
        run->times.started = now();
        run->times.started_ms = time_now_ms();
    } else if (event->kind == DRAGON_EVENT_RANK_AGAIN) {
        on_again(run, event);
    }
}

static void display(const struct run *run)
{
    dragon_error_t error;
    struct pg_view view = {.bind = run->command->display_bind, .json = run->command->json};
    if (!run->command->display_map && !run->command->display_bind)
        return;
    char *text = pg_show_plan(run->command, run->runtime, run->group, view, &error);
    if (text)
        fputs(text, stderr);
    else
        log_error("%s", error.text);
    free(text);
}

// How many ranks there are is not known before.
static void check_reader(const struct run *run)
{
    int rank = run->command->input_said ? run->command->input_rank : 0;
    if (rank > 0 && (uint32_t)rank >= dragon_group_size(run->group))
        log_notice("--stdin %d: the last rank is %u, so nobody reads", rank,
                   dragon_group_size(run->group) - 1);
}

static void on_started(struct run *run)
{
    run->seen = true;
    uint32_t ranks = dragon_group_size(run->group);
    log_verbose("group %llu: %u rank%s", (unsigned long long)dragon_group_id(run->group), ranks,
                ranks == 1 ? "" : "s");
    pg_signals_started(&run->signals, run->group);
    pg_show_sharing(run->command, run->group);
    check_reader(run);
    display(run);
    if (run->command->status_file)
        run->nodes = pg_status_nodes(run->runtime);
    if (!run->command->detach)
        return;
    run->left = true;
    puts(dragon_group_descriptor(run->group));
}

// ---- its end

static void tell_end(const struct run *run)
{
    const char *lines = dragon_group_last_lines(run->group);
    log_error("%s", dragon_group_cause(run->group));
    if (!*lines)
        return;
    fprintf(stderr, "dragon-pg: the last lines of its output:\n");
    while (*lines) {
        int length = (int)strcspn(lines, "\n");
        fprintf(stderr, "    %.*s\n", length, lines);
        lines += length;
        lines += *lines == '\n';
    }
}

// False: it was said why it cannot be written.
static bool write_status(struct run *run, int code, const char *cause)
{
    if (!run->command->status_file || run->command->dry_run)
        return true;
    run->times.ended = now();
    run->times.ended_ms = time_now_ms();
    return pg_status_write(run->command, run->group, run->nodes, &run->times, code, cause);
}

// A third Ctrl-C: what becomes of the group is the runtime's business, which ends it with us.
__attribute__((noreturn)) static void leave(struct run *run)
{
    write_status(run, 128 + SIGINT, "interrupted three times");
    _exit(128 + SIGINT);
}

static int end_group(struct run *run, dragon_err_t err)
{
    const char *cause = dragon_group_cause(run->group);
    int code = dragon_group_exit_code(run->group);
    bool lost = err == DRAGON_ERR_PEER;
    if (code < 0 || (code == 0 && err != DRAGON_OK))
        code = PG_EXIT_OURS;
    // When the runtime itself has ended, dragon-run says why.
    if (code != 0 && *cause && !run->signals.stop && !lost)
        tell_end(run);
    else if (code != 0 && err != DRAGON_OK && !lost)
        log_error("waiting for the group: %s", dragon_err_text(err));
    bool written = write_status(run, code, lost && !*cause ? "the runtime has ended" : cause);
    return code == 0 && !written ? PG_EXIT_OURS : code;
}

// ---- its life

static int watch(struct run *run)
{
    dragon_err_t err;
    for (;;) {
        err = dragon_group_wait(run->group, 0);
        // What this does may meet further events, so it is looked again before the next poll.
        if (run->started && !run->seen) {
            on_started(run);
            continue;
        }
        if (run->left)
            return 0;
        if (err != DRAGON_ERR_TIMEOUT)
            return end_group(run, err);
        struct pollfd fds[] = {{.fd = dragon_runtime_fd(run->runtime), .events = POLLIN},
                               {.fd = run->signals.fd, .events = POLLIN}};
        poll(fds, 2, dragon_runtime_wait_ms(run->runtime));
        pg_signals_take(&run->signals, run->runtime, run->group);
        if (run->signals.leave)
            leave(run);
    }
}

static int fail(struct run *run, const dragon_error_t *error)
{
    log_error("%s", error->text);
    write_status(run, PG_EXIT_OURS, error->text);
    return PG_EXIT_OURS;
}

static int run_group(struct run *run)
{
    dragon_error_t error;
    dragon_group_on_event(run->group, on_event, run);
    if (!pg_signals_open(&run->signals)) {
        err_set(&error, DRAGON_ERR_SYS, "there are no descriptors left");
        return fail(run, &error);
    }
    int code =
        dragon_group_submit(run->group, &error) == DRAGON_OK ? watch(run) : fail(run, &error);
    pg_signals_close(&run->signals);
    return code;
}

static int show_plan(struct run *run)
{
    dragon_error_t error;
    struct pg_view view = {.bind = true, .json = run->command->json};
    if (dragon_group_plan(run->group, &error) != DRAGON_OK)
        return fail(run, &error);
    char *text = pg_show_plan(run->command, run->runtime, run->group, view, &error);
    if (!text)
        return fail(run, &error);
    fputs(text, stdout);
    free(text);
    return 0;
}

static int run_command(const struct pg_command *command)
{
    struct run run = {.command = command};
    dragon_error_t error;
    int code;
    if (dragon_runtime_attach(&run.runtime, &error) != DRAGON_OK)
        return fail(&run, &error);
    if (pg_group_create(command, run.runtime, &run.group, &error) != DRAGON_OK)
        code = fail(&run, &error);
    else
        code = command->dry_run ? show_plan(&run) : run_group(&run);
    dragon_group_destroy(run.group);
    dragon_runtime_detach(run.runtime);
    strv_free(run.nodes);
    return code;
}

// ---- the command

static int print_spec(const struct pg_command *command)
{
    char *text = pg_spec_format(command);
    if (text)
        puts(text);
    else
        log_error("this cannot be said as JSON: a text is not UTF-8, or memory is out");
    free(text);
    return text ? 0 : PG_EXIT_OURS;
}

// What is wrong is found before a runtime is started.
static int run_outside(const struct pg_command *command, char **argv)
{
    struct run run = {.command = command};
    dragon_error_t error;
    if (command->detach && !command->dry_run) {
        err_set(&error, DRAGON_ERR_INVAL,
                "--detach: there is no runtime here in which the group could go on");
        return fail(&run, &error);
    }
    if (pg_group_create(command, NULL, NULL, &error) != DRAGON_OK)
        return fail(&run, &error);
    return run_privately(argv, 1);
}

static int run_somewhere(const struct pg_command *command, char **argv)
{
    if (command->print_spec)
        return print_spec(command);
    if (command->status_file && !command->dry_run && !pg_status_prepare(command->status_file))
        return PG_EXIT_OURS;
    return is_inside_runtime() ? run_command(command) : run_outside(command, argv);
}

int main(int argc, char **argv)
{
    struct pg_command command;
    self_fill_streams();
    log_open("dragon-pg", "");
    pg_command_init(&command);
    pg_command_take(&command, argc, argv);
    int code = run_somewhere(&command, argv);
    pg_command_fini(&command);
    if (fflush(stdout) != 0 && code == 0)
        code = PG_EXIT_OURS;
    return code;
}
