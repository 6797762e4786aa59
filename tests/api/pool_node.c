// SPDX-License-Identifier: BSD-3-Clause
//
// A node is lost while a pool works, in a runtime that goes on without it: its tasks are done elsewhere. `pool_node
// [MPI_PROGRAM]`, the head of a runtime of three nodes.
#include "chan.h"

static dragon_runtime_t *runtime;
static dragon_error_t error;

enum { TASKS = 300, DOOMED = 2, BEFORE = 5, NODES = 3 };

// ---- what workers run

static uint32_t here(void)
{
    return (uint32_t)strtoul(getenv("DRAGON_NODE"), NULL, 10);
}

// The number back, and where that was. The doomed node's agent, our parent, is killed in the sixth task there.
static int nap(dragon_task_t *task)
{
    static int done;
    size_t bytes;
    uint32_t said[2] = {*(const uint32_t *)dragon_task_data(task, &bytes), here()};
    usleep(10000);
    if (here() == DOOMED && done++ == BEFORE) {
        kill(getppid(), SIGKILL);
        pause();
    }
    return dragon_task_return(task, said, sizeof said) != DRAGON_OK;
}

static const dragon_function_t functions[] = {{"nap", nap}, {NULL, NULL}};

// ---- tests

struct seen {
    int times[TASKS], done, wrong, on_doomed;
};

static void on_result(void *arg, dragon_result_t *result)
{
    struct seen *seen = (struct seen *)arg;
    size_t bytes;
    const uint32_t *said = (const uint32_t *)dragon_result_value(result, &bytes);
    seen->done++;
    if (dragon_result_error(result, &error) != DRAGON_OK || !said || said[0] >= TASKS) {
        printf("# %s\n", error.text);
        seen->wrong++;
        return;
    }
    seen->times[said[0]]++;
    seen->on_doomed += said[1] == DOOMED;
}

static void check_functions(void)
{
    static struct seen seen;
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_pool_stats_t stats;
    dragon_pool_t *pool = NULL;
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    int once = 0;
    spec.workers_per_node = 2;
    spec.retries = 0; // the loss of a node is no fault of a task
    chan_need(dragon_pool_create(runtime, &spec, &pool, &error), &error, "no pool");
    for (uint32_t i = 0; i < TASKS; i++)
        chan_need(dragon_pool_apply_then(pool, "nap", &i, sizeof i, on_result, &seen), NULL,
                  "no task");
    while (seen.done < TASKS && tap_now_ms() < deadline)
        dragon_pool_progress(pool, 1000);
    for (int i = 0; i < TASKS; i++)
        once += seen.times[i] == 1;
    tap_equal(once, TASKS, "each task is done once");
    tap_equal(seen.wrong, 0, "none failed");
    dragon_pool_stats(pool, &stats);
    printf("# %d on the lost node, %llu attempts lost\n", seen.on_doomed,
           (unsigned long long)stats.retried);
    tap_check(seen.on_doomed < TASKS / 2, "most of them elsewhere");
    tap_equal((int)stats.workers, 4, "the other workers are there");
    uint32_t more = 7;
    tap_err(dragon_pool_apply(pool, "nap", &more, sizeof more, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_OK, "and work");
    tap_err(dragon_pool_close(pool), DRAGON_OK, "closed");
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "joined");
    dragon_pool_destroy(pool);
}

// Its first attempt kills the agent of the second of its nodes.
static void check_mpi(char *program)
{
    char script[] =
        "if [ \"$DRAGON_NODE\" = 1 ] && mkdir first 2>/dev/null; then kill -KILL $PPID; "
        "exec sleep 600; fi; exec \"$0\" hello",
         shell[] = "/bin/sh", option[] = "-c";
    char *argv[] = {shell, option, script, program, NULL};
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_command_t command = DRAGON_COMMAND_INIT;
    dragon_policy_t *policy = NULL;
    dragon_pool_t *pool = NULL;
    dragon_result_t *result = NULL;
    dragon_command_end_t end = {0};
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    dragon_policy_set_ppn(policy, 1);
    spec.argv = DRAGON_POOL_COMMANDS;
    spec.workers = 1;
    command.argv = argv;
    command.mpi_ranks = 2;
    command.policy = policy;
    chan_need(dragon_pool_create(runtime, &spec, &pool, &error), &error, "no pool");
    chan_need(dragon_pool_run(pool, &command, &result), NULL, "no task");
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "an MPI program is done");
    tap_err(dragon_result_error(result, &error), DRAGON_OK, "well");
    tap_err(dragon_result_command(result, &end), DRAGON_OK, "it ended");
    tap_equal(end.exit_code, 0, "with 0");
    tap_check(access("first", F_OK) == 0, "in a second attempt");
    dragon_result_destroy(result);
    dragon_policy_destroy(policy);
    tap_err(dragon_pool_close(pool), DRAGON_OK, "closed");
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "joined");
    dragon_pool_destroy(pool);
}

int main(int argc, char **argv)
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    runtime = tap_attach();
    tap_equal((int)dragon_runtime_nodes(runtime), NODES, "three nodes");
    if (argc > 1)
        check_mpi(argv[1]);
    else
        check_functions();
    dragon_runtime_detach(runtime);
    return tap_finish();
}
