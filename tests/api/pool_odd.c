// SPDX-License-Identifier: BSD-3-Clause
//
// pool_odd THEME: functions that do to their worker what they should not. The pool goes on, and nothing stays.
#include "chan.h"

#include <fcntl.h>

static dragon_runtime_t *runtime;
static dragon_error_t error;
static int runs; // tasks of this life, which is told in the results

enum { WORKERS = 2, ITEMS = 400, LIMIT_MS = 300 };

// ---- what workers run

static int back(dragon_task_t *task)
{
    int pid = getpid();
    runs++;
    return dragon_task_return(task, &pid, sizeof pid) != DRAGON_OK;
}

static int stop(dragon_task_t *task)
{
    raise(SIGSTOP);
    return back(task);
}

// Its timer does not come.
static int deaf(dragon_task_t *task)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pause();
    return back(task);
}

static int leave(dragon_task_t *task)
{
    fprintf(stderr, "it leaves\n");
    exit(*(const int *)dragon_task_data(task, NULL));
}

static int give_up(dragon_task_t *task)
{
    (void)task;
    abort();
}

// The child returns, too, and is no worker.
static int fork_both(dragon_task_t *task)
{
    pid_t child = fork();
    int status;
    if (child < 0)
        return 1;
    if (child > 0)
        waitpid(child, &status, 0);
    return back(task);
}

// The child stays for ever.
static int fork_on(dragon_task_t *task)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    return dragon_task_return(task, &child, sizeof child) != DRAGON_OK;
}

static int write_part(dragon_task_t *task)
{
    putchar('+'); // the script counts them
    return back(task);
}

static int close_all(dragon_task_t *task)
{
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    return back(task);
}

static int change(dragon_task_t *task)
{
    return chdir("/") != 0 || back(task) != 0;
}

static const dragon_function_t functions[] = {{"back", back},
                                              {"stop", stop},
                                              {"deaf", deaf},
                                              {"leave", leave},
                                              {"give_up", give_up},
                                              {"fork_both", fork_both},
                                              {"fork_on", fork_on},
                                              {"write_part", write_part},
                                              {"close_all", close_all},
                                              {"change", change},
                                              {NULL, NULL}};

// ---- the head

static dragon_pool_t *make(uint64_t limit_ms, uint64_t tasks_per_worker, char *const *argv)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy = NULL;
    dragon_pool_t *pool = NULL;
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    spec.argv = argv;
    spec.workers = WORKERS;
    spec.policy = policy;
    spec.task_limit_ms = limit_ms;
    spec.tasks_per_worker = tasks_per_worker;
    chan_need(dragon_pool_create(runtime, &spec, &pool, &error), &error, "no pool");
    dragon_policy_destroy(policy);
    return pool;
}

static void finish(dragon_pool_t *pool)
{
    tap_err(dragon_pool_close(pool), DRAGON_OK, "closed");
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "joined");
    dragon_pool_destroy(pool);
}

static void check_map(dragon_pool_t *pool, const char *name, const char *what)
{
    static int items[ITEMS], results[ITEMS];
    int strange = 0;
    memset(results, 0, sizeof results);
    error.text[0] = 0;
    tap_err(dragon_pool_map(pool, name, items, sizeof *items, ITEMS, results, sizeof *results,
                            TAP_WAIT_MS, &error),
            DRAGON_OK, what);
    for (int i = 0; i < ITEMS; i++)
        strange += results[i] <= 0;
    tap_equal(strange, 0, "all have their results");
    if (error.text[0])
        printf("# %s\n", error.text);
}

static void check_fails(dragon_pool_t *pool, const char *name, int number, dragon_err_t wanted,
                        const char *words)
{
    error.text[0] = 0;
    dragon_err_t err =
        dragon_pool_apply(pool, name, &number, sizeof number, NULL, NULL, TAP_WAIT_MS, &error);
    tap_err(err, wanted, name);
    tap_has(error.text, words, "in words");
    check_map(pool, "back", "the pool goes on");
}

// A stopped worker sees no limit.
static void check_stopped(void)
{
    char shell[] = "sh", c[] = "-c", script[] = "kill -STOP $PPID; sleep 1000";
    char *argv[] = {shell, c, script, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    dragon_result_t *result = NULL;
    dragon_pool_stats_t stats;
    dragon_pool_t *pool = make(LIMIT_MS, 0, NULL);
    check_fails(pool, "stop", 0, DRAGON_ERR_TIMEOUT, "300 ms");
    check_fails(pool, "deaf", 0, DRAGON_ERR_TIMEOUT, "300 ms");
    command.argv = argv;
    command.limit_ms = 2 * LIMIT_MS;
    chan_need(dragon_pool_run(pool, &command, &result), NULL, "no command");
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "the worker of a command stopped");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_TIMEOUT, "that fails");
    tap_has(error.text, "600 ms", "by its own limit");
    dragon_result_destroy(result);
    dragon_pool_stats(pool, &stats);
    tap_equal((long)stats.replaced, 3, "three workers were replaced");
    finish(pool);
}

static void check_ends(void)
{
    dragon_pool_t *pool = make(0, 0, NULL);
    check_fails(pool, "leave", 0, DRAGON_ERR_PEER, "ended with code 0");
    check_fails(pool, "leave", 3, DRAGON_ERR_PEER, "it leaves");
    check_fails(pool, "give_up", 0, DRAGON_ERR_PEER, "signal 6");
    finish(pool);
}

static void check_forks(void)
{
    int *child = NULL;
    size_t bytes;
    dragon_pool_t *pool = make(0, 0, NULL);
    check_map(pool, "fork_both", "functions that fork");
    tap_err(
        dragon_pool_apply(pool, "fork_on", NULL, 0, (void **)&child, &bytes, TAP_WAIT_MS, &error),
        DRAGON_OK, "one whose child stays");
    finish(pool);
    tap_check(child && tap_ends(*child), "it has ended with the pool");
    free(child);
}

static void check_surroundings(void)
{
    dragon_pool_t *pool = make(0, 50, NULL);
    check_map(pool, "write_part", "parts of lines on standard output");
    check_map(pool, "change", "another directory");
    check_map(pool, "back", "and what comes then");
    finish(pool);
    pool = make(0, 0, NULL);
    for (int i = 0; i < 3; i++) {
        dragon_err_t err =
            dragon_pool_apply(pool, "close_all", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error);
        tap_check(err == DRAGON_OK || err == DRAGON_ERR_PEER, "all descriptors closed: %s",
                  dragon_err_name(err));
        check_map(pool, "back", "the pool goes on");
    }
    finish(pool);
}

int main(int argc, char **argv)
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    chan_be_empty(argc, argv);
    const char *theme = argc > 1 ? argv[1] : "";
    runtime = tap_attach();
    if (strcmp(theme, "stopped") == 0)
        check_stopped();
    else if (strcmp(theme, "ends") == 0)
        check_ends();
    else if (strcmp(theme, "forks") == 0)
        check_forks();
    else
        check_surroundings();
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
