// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-bench launch: how long it takes to start things. A run of ours and one of the peer's make a
// pair; both return milliseconds, which become rates where a rate is what people know.
#include "config.h"

#include "cli/bench.h"
#include "cli/command.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_MS = 60000, HANG_MS = 5000, HANG_QUICK_MS = 2000 };

// ---- pairs

struct hangs {
    int runs, hung, limit_ms;
};

struct pair {
    struct bench *bench;
    struct figure *figure;
    double (*ours)(struct pair *pair); // ms; below 0: the figure has the reason
    double (*peer)(struct pair *pair);
    int count;  // ranks or processes
    bool rates; // of `count`, not times
    int at_once;
    char *const *argv;      // ours
    char *const *peer_argv; // the peer's
    char *const *env;       // of a command; NULL: our own
    struct hangs *hangs;    // of a peer that may hang
};

static bool pair_run(struct pair *pair, bool ours_first, bool counts)
{
    double ours = ours_first ? pair->ours(pair) : 0;
    double peer = ours < 0 ? -1 : pair->peer(pair);
    if (!ours_first && peer >= 0)
        ours = pair->ours(pair);
    if (ours < 0 || peer < 0)
        return false;
    if (counts && pair->rates)
        figure_add(pair->figure, pair->count * 1e3 / ours, pair->count * 1e3 / peer);
    else if (counts)
        figure_add(pair->figure, ours, peer);
    return true;
}

// The first pair only warms the caches.
static void measure(struct pair *pair, int pairs)
{
    bool good = pair_run(pair, true, false);
    for (int i = 0; good && i < pairs; i++)
        good = pair_run(pair, i % 2 == 0, true);
    report_figure(pair->bench->report, pair->figure);
}

static void skip(struct bench *bench, struct figure *figure, const char *why)
{
    figure_note(figure, "skipped: %s", why);
    report_figure(bench->report, figure);
}

// ---- runs

static double run_command(struct pair *pair, char *const *argv)
{
    struct command command = {.argv = argv, .env = pair->env, .output = -1, .limit_ms = COMMAND_MS};
    struct command_end end;
    if (!command_run(&command, &end))
        figure_fail(pair->figure, "%.120s: %s", argv[0], strerror(errno));
    else if (end.timed_out)
        figure_fail(pair->figure, "%.120s did not end", argv[0]);
    else if (end.status != 0)
        figure_fail(pair->figure, "%.120s ended with status 0x%x", argv[0], (unsigned)end.status);
    else
        return end.ms;
    return -1;
}

static double run_our_command(struct pair *pair)
{
    return run_command(pair, pair->argv);
}

static double run_peer_command(struct pair *pair)
{
    return run_command(pair, pair->peer_argv);
}

static double run_our_group(struct pair *pair)
{
    struct group_run run = {.argv = pair->argv, .ranks = (uint32_t)pair->count};
    return group_run_ms(pair->bench, &run, pair->figure);
}

// One core for each rank, bound to it, and a variable.
static double run_our_bound_group(struct pair *pair)
{
    struct group_run run = {.argv = pair->argv, .ranks = (uint32_t)pair->count};
    dragon_policy_t *policy;
    double ms = -1;
    if (dragon_policy_create(&policy) != DRAGON_OK) {
        figure_fail(pair->figure, "out of memory");
        return -1;
    }
    if (dragon_policy_set_cores(policy, 1) == DRAGON_OK &&
        dragon_policy_set_bind(policy, DRAGON_BIND_CORE) == DRAGON_OK &&
        dragon_policy_set_env(policy, "POLICY", "1") == DRAGON_OK) {
        run.policy = policy;
        ms = group_run_ms(pair->bench, &run, pair->figure);
    } else
        figure_fail(pair->figure, "the policy cannot be made");
    dragon_policy_destroy(policy);
    return ms;
}

static double run_plain_group(struct pair *pair)
{
    struct group_run run = {.argv = pair->peer_argv, .ranks = (uint32_t)pair->count};
    return group_run_ms(pair->bench, &run, pair->figure);
}

static double run_our_mpi_group(struct pair *pair)
{
    struct group_run run = {.argv = pair->argv, .ranks = (uint32_t)pair->count, .pmi = true};
    return group_run_ms(pair->bench, &run, pair->figure);
}

static double run_bare(struct pair *pair)
{
    struct command command = {.argv = pair->peer_argv, .output = -1};
    double ms = command_run_many(&command, pair->count, pair->at_once);
    if (ms < 0)
        figure_fail(pair->figure, "%.120s: %s", pair->peer_argv[0], strerror(errno));
    return ms;
}

// ---- one node, from nothing to its end

// Ours without what a runtime adds.
static char **outer_env(void)
{
    char **env = strv_copy(environ);
    if (env)
        env_unset(env, "DRAGON_RUNTIME");
    return env;
}

static void bench_one_node(struct bench *bench)
{
    struct figure figure = {.name = "one-node",
                            .what = "dragon-run true",
                            .peer = "mpiexec -n 1 true",
                            .unit = "ms",
                            .aim = AIM_AT_MOST,
                            .aim_value = 1};
    struct mpi_setup setup;
    mpi_setup_find(bench, &setup);
    char *run = self_beside("dragon-run"), *program = command_find("true");
    if (!run)
        run = command_find("dragon-run");
    char **env = outer_env();
    char **peer = program && setup.mpiexec ? mpi_setup_command(&setup, 1, program, NULL) : NULL;
    if (!run || !program || !env)
        figure_fail(&figure, "there is no dragon-run, or no program true");
    if (figure.failed)
        report_figure(bench->report, &figure);
    else if (!peer)
        skip(bench, &figure, "there is no mpiexec; install Open MPI");
    else {
        struct pair pair = {.bench = bench,
                            .figure = &figure,
                            .ours = run_our_command,
                            .peer = run_peer_command,
                            .argv = (char *[]){run, program, NULL},
                            .peer_argv = peer,
                            .env = env};
        measure(&pair, bench->quick ? 5 : 25);
    }
    strv_free(peer);
    strv_free(env);
    free(run);
    free(program);
    mpi_setup_fini(&setup);
}

// ---- many processes as one group

static void spawn_against_bare(struct bench *bench, char *program, int count, int at_once)
{
    struct figure figure = {.unit = "1/s"};
    char *argv[] = {program, NULL};
    snprintf(figure.name, sizeof figure.name, "spawn-%d%s", count, at_once ? "-two" : "");
    snprintf(figure.what, sizeof figure.what, "%d ranks of true, one group", count);
    snprintf(figure.peer, sizeof figure.peer, "posix_spawn, %s, to /dev/null",
             at_once ? "2 at a time" : "all at once");
    if (!at_once) {
        figure.aim = AIM_AT_LEAST;
        figure.aim_value = 0.8;
    }
    struct pair pair = {.bench = bench,
                        .figure = &figure,
                        .ours = run_our_group,
                        .peer = run_bare,
                        .count = count,
                        .rates = true,
                        .at_once = at_once,
                        .argv = argv,
                        .peer_argv = argv};
    measure(&pair, bench->quick ? 3 : 21);
}

static void spawn_with_policy(struct bench *bench, char *program, int count)
{
    struct figure figure = {.unit = "1/s", .aim = AIM_AT_LEAST, .aim_value = 0.9};
    char *argv[] = {program, NULL};
    snprintf(figure.name, sizeof figure.name, "spawn-%d-policy", count);
    snprintf(figure.what, sizeof figure.what, "%d ranks of true, each bound to a core", count);
    snprintf(figure.peer, sizeof figure.peer, "the same without a policy");
    struct pair pair = {.bench = bench,
                        .figure = &figure,
                        .ours = run_our_bound_group,
                        .peer = run_plain_group,
                        .count = count,
                        .rates = true,
                        .argv = argv,
                        .peer_argv = argv};
    measure(&pair, bench->quick ? 3 : 41);
}

// Open MPI 4.1's mpiexec misses the end of ranks that end while it still starts others, and then waits for
// ever: such runs do not count, and are told of.
static double run_peer_that_may_hang(struct pair *pair)
{
    struct hangs *hangs = pair->hangs;
    struct command command = {.argv = pair->peer_argv, .output = -1, .limit_ms = hangs->limit_ms};
    struct command_end end = {.timed_out = true};
    for (int tries = 0; end.timed_out && tries < 3; tries++) {
        if (!command_run(&command, &end)) {
            figure_fail(pair->figure, "%.120s: %s", pair->peer_argv[0], strerror(errno));
            return -1;
        }
        hangs->runs++;
        hangs->hung += end.timed_out;
    }
    return end.timed_out ? -1 : end.ms;
}

static void spawn_against_mpiexec(struct bench *bench, const struct mpi_setup *setup, char *program,
                                  char *argument)
{
    struct figure figure = {
        .unit = "1/s", .aim = argument ? AIM_NONE : AIM_AT_LEAST, .aim_value = 10};
    const char *short_name = argument ? "sleep 0.01" : "true";
    snprintf(figure.name, sizeof figure.name, "spawn-64-%s", argument ? "sleep" : "mpiexec");
    snprintf(figure.what, sizeof figure.what, "64 ranks of %s, one group", short_name);
    snprintf(figure.peer, sizeof figure.peer, "mpiexec -n 64 %s", short_name);
    struct hangs hangs = {.limit_ms = bench->quick ? HANG_QUICK_MS : HANG_MS};
    char **peer =
        setup->mpiexec && program ? mpi_setup_command(setup, 64, program, argument) : NULL;
    if (!peer) {
        skip(bench, &figure, "there is no mpiexec; install Open MPI");
        return;
    }
    struct pair pair = {.bench = bench,
                        .figure = &figure,
                        .ours = run_our_group,
                        .peer = run_peer_that_may_hang,
                        .count = 64,
                        .rates = true,
                        .argv = (char *[]){program, argument, NULL},
                        .peer_argv = peer,
                        .hangs = &hangs};
    bool good = pair_run(&pair, true, false);
    for (int i = 0; good && i < (bench->quick ? 1 : 9); i++)
        good = pair_run(&pair, i % 2 == 0, true);
    if (hangs.hung)
        figure_note(&figure,
                    "mpiexec hung in %d of %d runs, which were ended after %d s and do not count",
                    hangs.hung, hangs.runs, hangs.limit_ms / 1000);
    report_figure(bench->report, &figure);
    strv_free(peer);
}

static void bench_spawn(struct bench *bench)
{
    char *program = command_find("true");
    if (!program) {
        struct figure figure = {.name = "spawn-64", .unit = "1/s"};
        figure_fail(&figure, "there is no program true");
        report_figure(bench->report, &figure);
        return;
    }
    spawn_against_bare(bench, program, 64, 0);
    spawn_against_bare(bench, program, 256, 0);
    spawn_against_bare(bench, program, 64, 2);
    spawn_against_bare(bench, program, 256, 2);
    spawn_with_policy(bench, program, 64);
    spawn_with_policy(bench, program, 256);
    struct mpi_setup setup;
    char *sleeper = command_find("sleep");
    mpi_setup_find(bench, &setup);
    spawn_against_mpiexec(bench, &setup, program, NULL);
    spawn_against_mpiexec(bench, &setup, sleeper, "0.01");
    mpi_setup_fini(&setup);
    free(sleeper);
    free(program);
}

// ---- MPI programs

static void mpi_against_mpiexec(struct bench *bench, const struct mpi_setup *setup, int ranks)
{
    struct figure figure = {.unit = "ms", .aim = AIM_AT_MOST, .aim_value = ranks == 2 ? 0.75 : 1};
    snprintf(figure.name, sizeof figure.name, "mpi-%d", ranks);
    snprintf(figure.what, sizeof figure.what, "an MPI hello of %d ranks", ranks);
    snprintf(figure.peer, sizeof figure.peer, "mpiexec -n %d, same settings", ranks);
    if (setup->missing[0]) {
        skip(bench, &figure, setup->missing);
        return;
    }
    char **peer = mpi_setup_command(setup, ranks, setup->program, "hello");
    struct pair pair = {.bench = bench,
                        .figure = &figure,
                        .ours = run_our_mpi_group,
                        .peer = run_peer_command,
                        .count = ranks,
                        .argv = (char *[]){setup->program, "hello", NULL},
                        .peer_argv = peer};
    if (peer)
        measure(&pair, bench->quick ? 1 : 15);
    strv_free(peer);
}

static void bench_mpi(struct bench *bench)
{
    struct mpi_setup setup;
    mpi_setup_find(bench, &setup);
    mpi_against_mpiexec(bench, &setup, 2);
    mpi_against_mpiexec(bench, &setup, 8);
    mpi_against_mpiexec(bench, &setup, 16);
    mpi_setup_fini(&setup);
}

static void bench_series(struct bench *bench)
{
    bench_series_true(bench);
    bench_series_mpi(bench);
}

// An idle agent first, before it has worked.
const struct bench_part bench_launch_parts[] = {
    {"idle", "memory and wake-ups of an agent that has nothing to do", bench_idle},
    {"one-node", "a runtime of one node that runs true", bench_one_node},
    {"spawn", "many ranks of true as one group", bench_spawn},
    {"mpi", "MPI programs in a running runtime", bench_mpi},
    {"plan", "plans of 10,000 nodes, computed and weighed", bench_plan},
    {"series", "many groups one after another", bench_series},
    {0},
};
