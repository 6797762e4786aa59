// SPDX-License-Identifier: BSD-3-Clause
//
// `true` as a task, beside as many bare processes at a time, and beside GNU parallel.
#include "config.h"

#include "cli/bench_pool.h"
#include "cli/command.h"

#include <errno.h>

enum { PARALLEL_MS = 60000, MANY_WORKERS = 8, PARALLEL_PART = 4 };

struct commands {
    uint32_t workers, count;
    char *program;  // owned
    char *parallel; // owned; NULL: not installed
    dragon_pool_t *pool;
};

static double run_ours(struct versus *versus)
{
    const struct commands *commands = versus->arg;
    char *argv[] = {commands->program, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    command.argv = argv;
    return pool_command_rate(commands->pool, &command, commands->count, commands->count,
                             &versus->figure);
}

static double run_bare(struct versus *versus)
{
    const struct commands *commands = versus->arg;
    char *argv[] = {commands->program, NULL};
    struct command command = {.argv = argv, .output = -1};
    double ms = command_run_many(&command, (int)commands->count, (int)commands->workers);
    if (ms < 0)
        figure_fail(&versus->figure, "%.120s: %s", argv[0], strerror(errno));
    return ms < 0 ? -1 : commands->count * 1e3 / ms;
}

// It writes what it has found out of the machine below PARALLEL_HOME, which goes with it. Its start counts.
static const char parallel_script[] = "PARALLEL_HOME=$(mktemp -d) || exit\n"
                                      "export PARALLEL_HOME\n"
                                      "trap 'rm -rf \"$PARALLEL_HOME\"' EXIT\n"
                                      "trap 'exit 1' TERM\n"
                                      "seq \"$3\" | \"$1\" --will-cite -N0 -j \"$2\" \"$4\"\n";

static double run_parallel(struct versus *versus)
{
    const struct commands *commands = versus->arg;
    char workers[16], count[16];
    uint32_t part = commands->count / PARALLEL_PART;
    snprintf(workers, sizeof workers, "%u", commands->workers);
    snprintf(count, sizeof count, "%u", part);
    char *argv[] = {"/bin/sh", "-c",  (char *)parallel_script, "sh", commands->parallel,
                    workers,   count, commands->program,       NULL};
    struct command command = {.argv = argv, .output = -1, .limit_ms = PARALLEL_MS};
    struct command_end end = {0};
    if (!command_run(&command, &end) || end.timed_out || end.status != 0)
        return -1;
    return part * 1e3 / end.ms;
}

static struct versus versus_of(struct bench *bench, const struct commands *commands,
                               const char *against)
{
    struct versus versus = versus_init(bench, 0);
    versus_name(&versus, "commands-%u%s", commands->workers, against);
    versus_what(&versus, "%u of true, %u workers", commands->count, commands->workers);
    versus.pairs = bench->quick ? 1 : 7;
    versus.figure.unit = "1/s";
    versus.ours = run_ours;
    versus.arg = commands;
    return versus;
}

static void against_bare(struct bench *bench, const struct commands *commands)
{
    struct versus versus = versus_of(bench, commands, "");
    versus_peer(&versus, "posix_spawn, %u at a time", commands->workers);
    versus.figure.aim = AIM_AT_LEAST;
    versus.figure.aim_value = 0.8;
    versus.peer = run_bare;
    versus_run(&versus);
}

static void against_parallel(struct bench *bench, const struct commands *commands)
{
    struct versus versus = versus_of(bench, commands, "-parallel");
    if (commands->parallel) {
        versus_peer(&versus, "GNU parallel -j %u, %u of true", commands->workers,
                    commands->count / PARALLEL_PART);
        versus.figure.aim = AIM_AT_LEAST;
        versus.figure.aim_value = 5;
        versus.peer = run_parallel;
    } else
        figure_note(&versus.figure, "the peer was not measured: install parallel");
    versus_run(&versus);
}

static void measure(struct bench *bench, struct commands *commands)
{
    struct figure figure = {.name = "commands", .what = "true as a task", .unit = "1/s"};
    struct pool_plan plan = {.workers = commands->workers, .node = DRAGON_HERE};
    commands->pool = bench_pool_make(bench, &plan, &figure);
    if (commands->pool) {
        against_bare(bench, commands);
        against_parallel(bench, commands);
    } else
        report_figure(bench->report, &figure);
    dragon_pool_destroy(commands->pool);
}

void bench_pool_commands(struct bench *bench)
{
    struct commands commands = {.workers = POOL_WORKERS,
                                .count = bench->quick ? 200 : 2000,
                                .program = command_find("true"),
                                .parallel = command_find("parallel")};
    if (!commands.program)
        commands.program =
            strdup("/bin/true"); // a path in which nothing is: it is said when it is run
    measure(bench, &commands);
    commands.workers = MANY_WORKERS;
    measure(bench, &commands);
    free(commands.parallel);
    free(commands.program);
}
