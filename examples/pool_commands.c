/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands and MPI programs, as tasks of one pool. The commands are done by two workers, one after the other; each run of the
 * MPI program is a group of processes with cores of its own, and as many run at once as there is room for. Each is told of
 * when it ends; each may fail without harm for the others.
 *
 *     cc pool_commands.c $(pkg-config --cflags --libs dragon) -o pool_commands
 *     dragon-run ./pool_commands
 *     dragon-run ./pool_commands ./mpi_hello
 *     dragon-run --test-hosts 2 ./pool_commands ./mpi_hello
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 2, RUNS = 3, RANKS = 2 };

static char scripts[][50] = {
    "echo hello from $(hostname)",
    "seq 1 100 | awk '{ all += $1 } END { print all }'",
    "echo it cannot be done >&2; exit 3",
    "kill -9 $$",
    "exec sleep 1000", /* which has a second */
};
enum { SCRIPTS = sizeof scripts / sizeof *scripts };

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "pool_commands: %s\n", error ? error->text : dragon_err_text(err));
    exit(1); /* what was started ends with this process */
}

/* Called inside dragon_pool_join, as each of them ends. */
static void on_end(void *what, dragon_result_t *result)
{
    dragon_command_end_t end;
    dragon_error_t error;
    printf("%s\n", (const char *)what);
    if (dragon_result_error(result, &error) != DRAGON_OK) { /* it did not run, or too long */
        printf("    %s\n", error.text);
        return;
    }
    must(dragon_result_command(result, &end), NULL);
    if (end.output_bytes)
        printf("    it wrote: %.*s", (int)end.output_bytes, (const char *)end.output);
    if (end.error_bytes)
        printf("    its errors: %.*s", (int)end.error_bytes, (const char *)end.error);
    if (end.signal)
        printf("    signal %d\n", end.signal);
    else
        printf("    exit code %d\n", end.exit_code);
}

static void give_scripts(dragon_pool_t *pool)
{
    for (int i = 0; i < SCRIPTS; i++) {
        char shell[] = "sh", option[] = "-c", *argv[] = {shell, option, scripts[i], NULL};
        dragon_command_t command = DRAGON_COMMAND_INIT;
        command.argv = argv;
        command.limit_ms = 1000;
        must(dragon_pool_run_then(pool, &command, on_end, scripts[i]), NULL);
    }
}

/* A program for which there is never room would wait for ever. */
static void check_cores(dragon_runtime_t *runtime)
{
    dragon_system_t *system;
    dragon_error_t error;
    uint32_t cores = 0;
    must(dragon_system_look(runtime, &system, &error), &error);
    for (uint32_t i = 0; i < dragon_system_nodes(system); i++)
        cores += dragon_system_node(system, i)->cores;
    dragon_system_destroy(system);
    if (cores >= WORKERS + RANKS)
        return;
    fprintf(stderr, "pool_commands: %d workers and an MPI program of %d ranks need %d cores\n",
            WORKERS, RANKS, WORKERS + RANKS);
    exit(1);
}

static void give_programs(dragon_pool_t *pool, char **argv)
{
    for (int i = 0; i < RUNS; i++) {
        char variable[20], *env[] = {variable, NULL};
        dragon_command_t command = DRAGON_COMMAND_INIT;
        snprintf(variable, sizeof variable, "ROLE=run-%d", i);
        command.argv = argv;
        command.env = env;
        command.mpi_ranks = RANKS;
        must(dragon_pool_run_then(pool, &command, on_end, argv[0]), NULL);
    }
}

int main(int argc, char **argv)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy;
    dragon_runtime_t *runtime;
    dragon_pool_t *pool;
    dragon_error_t error;
    must(dragon_runtime_attach(&runtime, &error), &error);
    if (argc > 1)
        check_cores(runtime);
    must(dragon_policy_create(&policy), NULL); /* anywhere */
    spec.argv = DRAGON_POOL_COMMANDS;
    spec.workers = WORKERS;
    spec.policy = policy;
    must(dragon_pool_create(runtime, &spec, &pool, &error), &error);
    dragon_policy_destroy(policy);

    give_scripts(pool);
    if (argc > 1)
        give_programs(pool, argv + 1);
    must(dragon_pool_close(pool), NULL);
    must(dragon_pool_join(pool, DRAGON_FOREVER), NULL);
    printf("all have ended\n");
    dragon_pool_destroy(pool);
    dragon_runtime_detach(runtime);
    return 0;
}
