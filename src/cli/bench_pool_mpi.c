// SPDX-License-Identifier: BSD-3-Clause
//
// MPI jobs of two ranks, one after the other and all at once, of which as many run as there are cores for, beside a shell
// that runs mpiexec as often in one loop and in several.
#include "config.h"

#include "cli/bench_pool.h"
#include "cli/command.h"

enum { RANKS = 2, LOOPS = 4, LOOP_MS = 120000, JOB_MS = 30000 };

struct jobs {
    struct mpi_setup setup;
    char **env;  // owned
    char **peer; // owned
    uint32_t count, loops;
    dragon_pool_t *pool;
};

static double run_ours(struct versus *versus)
{
    const struct jobs *jobs = versus->arg;
    char *argv[] = {jobs->setup.program, "hello", NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    command.argv = argv;
    command.env = jobs->env;
    command.mpi_ranks = RANKS;
    command.limit_ms = JOB_MS;
    uint32_t at_once = jobs->loops > 1 ? jobs->count : 1;
    return pool_command_rate(jobs->pool, &command, jobs->count, at_once, &versus->figure);
}

// LOOPS COUNT COMMAND...: so many loops side by side, each of so many.
static const char loop_script[] = "loops=$1 count=$2 pids=\n"
                                  "shift 2\n"
                                  "trap 'kill $pids; exit 1' TERM\n"
                                  "while [ $loops -gt 0 ]; do\n"
                                  "    loops=$((loops - 1))\n"
                                  "    (for i in $(seq $count); do \"$@\" || exit; done) &\n"
                                  "    pids=\"$pids $!\"\n"
                                  "done\n"
                                  "for pid in $pids; do wait $pid || exit; done\n";

static double run_peer(struct versus *versus)
{
    const struct jobs *jobs = versus->arg;
    struct command command = {.argv = jobs->peer, .output = -1, .limit_ms = LOOP_MS};
    struct command_end end = {0};
    if (!command_run(&command, &end) || end.timed_out || end.status != 0)
        return -1;
    return jobs->count * 1e3 / end.ms;
}

// `mpiexec` in its loops.
static char **peer_of(const struct jobs *jobs)
{
    char **mpiexec = mpi_setup_command(&jobs->setup, RANKS, jobs->setup.program, "hello");
    char **list = NULL;
    bool good = mpiexec && strv_push(&list, "/bin/sh") && strv_push(&list, "-c") &&
                strv_push(&list, loop_script) && strv_push(&list, "sh") &&
                strv_pushf(&list, "%u", jobs->loops) &&
                strv_pushf(&list, "%u", jobs->count / jobs->loops);
    for (char **word = mpiexec; good && *word; word++)
        good = strv_push(&list, *word);
    strv_free(mpiexec);
    if (good)
        return list;
    strv_free(list);
    return NULL;
}

static char **env_of_jobs(void)
{
    char **list = NULL;
    for (const char *const *at = mpi_settings; *at; at += 2)
        if (!strv_pushf(&list, "%s=%s", at[0], at[1])) {
            strv_free(list);
            return NULL;
        }
    return list;
}

// Cores that no rank has; the pool's worker has one. Jobs wait for theirs.
static uint32_t free_cores(struct bench *bench)
{
    dragon_system_t *system = NULL;
    uint32_t cores = 0;
    if (dragon_system_look(bench->runtime, &system, NULL) != DRAGON_OK)
        return 0;
    for (uint32_t i = 0; i < dragon_system_nodes(system); i++)
        cores += dragon_system_node(system, i)->free_cores;
    dragon_system_destroy(system);
    return cores;
}

static void run(struct bench *bench, struct jobs *jobs, struct versus *versus)
{
    uint32_t cores = free_cores(bench);
    char why[120];
    snprintf(why, sizeof why, "%u cores are free beside the pool's worker, jobs wait for %d", cores,
             RANKS);
    jobs->env = env_of_jobs();
    jobs->peer = peer_of(jobs);
    if (cores < RANKS)
        versus_skip(versus, why);
    else if (jobs->env && jobs->peer)
        versus_run(versus);
    else {
        figure_fail(&versus->figure, "out of memory");
        report_figure(bench->report, &versus->figure);
    }
    strv_free(jobs->peer);
    strv_free(jobs->env);
}

static void measure(struct bench *bench, struct jobs *jobs)
{
    struct versus versus = versus_init(bench, 0);
    bool side = jobs->loops > 1;
    struct pool_plan plan = {.workers = 1, .node = DRAGON_HERE};
    versus_name(&versus, side ? "mpi-side" : "mpi-series");
    if (side)
        versus_what(&versus, "MPI hellos of 2 ranks, all at once");
    else
        versus_what(&versus, "MPI hellos of 2 ranks, back to back");
    versus.figure.unit = "1/s";
    versus.figure.aim = AIM_AT_LEAST;
    versus.figure.aim_value = 1;
    versus.pairs = bench->quick ? 1 : 5;
    versus.ours = run_ours;
    versus.peer = run_peer;
    versus.arg = jobs;
    if (jobs->setup.missing[0]) {
        versus_skip(&versus, jobs->setup.missing);
        return;
    }
    versus_peer(&versus, "mpiexec -n 2, %u loop%s of a shell", jobs->loops, side ? "s" : "");
    // A node that shares its host may have a core for one rank alone.
    if (dragon_runtime_nodes(bench->runtime) > 1)
        figure_note(&versus.figure, "ours may be on two nodes, the peer is on one");
    jobs->pool = bench_pool_make(bench, &plan, &versus.figure);
    if (jobs->pool)
        run(bench, jobs, &versus);
    else
        report_figure(bench->report, &versus.figure);
    dragon_pool_destroy(jobs->pool);
}

void bench_pool_mpi(struct bench *bench)
{
    for (uint32_t loops = 1; loops <= LOOPS; loops += LOOPS - 1) {
        struct jobs jobs = {.count = bench->quick ? LOOPS : 40, .loops = loops};
        mpi_setup_find(bench, &jobs.setup);
        measure(bench, &jobs);
        mpi_setup_fini(&jobs.setup);
    }
}
