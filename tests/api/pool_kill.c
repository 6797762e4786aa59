// SPDX-License-Identifier: BSD-3-Clause
//
// Workers that are killed at random, and tasks that kill them: nothing is lost, and each result counts once. All nodes of
// the runtime are of this host.
#include "chan.h"

#include <sys/mman.h>

static dragon_runtime_t *runtime;
static dragon_error_t error;

enum { WORKERS = 4, TASKS = 20000, ITEMS = 200000, POISON = 0x7ffffff };

// ---- what workers run

// Says who did it, after a while.
static int work(dragon_task_t *task)
{
    size_t bytes;
    int32_t number = *(const int32_t *)dragon_task_data(task, &bytes);
    int32_t said[2] = {number, getpid()};
    for (volatile int i = 0; i < 10000; i++)
        ;
    if (number == POISON) {
        fprintf(stderr, "it was the task\n");
        raise(SIGKILL);
    }
    return dragon_task_return(task, said, sizeof said) != DRAGON_OK;
}

static const dragon_function_t functions[] = {{"work", work}, {NULL, NULL}};

static dragon_pool_t *make(uint32_t retries)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy = NULL;
    dragon_pool_t *pool = NULL;
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    spec.workers = WORKERS;
    spec.retries = retries;
    spec.policy = policy;
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

// ---- single tasks

struct storm {
    uint8_t *seen;
    int done, failed, twice, strange, kills;
};

static void on_result(void *arg, dragon_result_t *result)
{
    struct storm *storm = (struct storm *)arg;
    size_t bytes;
    const int32_t *said = (const int32_t *)dragon_result_value(result, &bytes);
    dragon_err_t err = dragon_result_error(result, &error);
    storm->failed += err == DRAGON_ERR_PEER;
    storm->strange += err != DRAGON_ERR_PEER && err != DRAGON_OK;
    if (err != DRAGON_OK)
        return;
    storm->done++;
    storm->twice += storm->seen[said[0]]++ > 0;
    if (storm->done % 400 == 200 && kill(said[1], SIGKILL) == 0)
        storm->kills++;
}

static void check_single(uint32_t retries)
{
    struct storm storm = {(uint8_t *)calloc(TASKS, 1), 0, 0, 0, 0, 0};
    dragon_pool_t *pool = make(retries);
    dragon_pool_stats_t stats;
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    int refused = 0;
    for (int32_t i = 0; i < TASKS; i++)
        refused += dragon_pool_apply_then(pool, "work", &i, sizeof i, on_result, &storm) != 0;
    while (storm.done + storm.failed < TASKS && tap_now_ms() < deadline)
        dragon_pool_progress(pool, 1000);
    tap_equal(storm.done + storm.failed + refused, TASKS, "all tasks are done or failed");
    tap_equal(storm.twice, 0, "none twice");
    tap_equal(storm.strange, 0, "for no other reason");
    tap_check(storm.failed <= (retries ? 0 : storm.kills), "%d failed", storm.failed);
    dragon_pool_stats(pool, &stats);
    tap_check(stats.done == (uint64_t)storm.done && stats.failed == (uint64_t)storm.failed,
              "as the figures say");
    printf("# %d kills, %d failed, %llu attempts lost, %llu workers replaced\n", storm.kills,
           storm.failed, (unsigned long long)stats.retried, (unsigned long long)stats.replaced);
    finish(pool);
    free(storm.seen);
}

// ---- maps

// A process of its own, that kills who is named in the results.
static pid_t start_killer(const int32_t (*results)[2])
{
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    srand(7);
    while (getppid() == parent) {
        int pid = results[rand() % ITEMS][1];
        if (pid > 0)
            kill(pid, SIGKILL);
        usleep(5000);
    }
    _exit(0);
}

static void check_map(void)
{
    int32_t *items = (int32_t *)malloc(ITEMS * sizeof *items);
    size_t bytes = ITEMS * 2 * sizeof(int32_t);
    int32_t(*results)[2] =
        (int32_t(*)[2])mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int wrong = 0;
    dragon_pool_stats_t stats;
    dragon_pool_t *pool = make(1000);
    for (int32_t i = 0; i < ITEMS; i++)
        items[i] = i;
    pid_t killer = start_killer((const int32_t(*)[2])results);
    tap_err(dragon_pool_map(pool, "work", items, sizeof *items, ITEMS, results, sizeof *results,
                            2 * TAP_WAIT_MS, &error),
            DRAGON_OK, "map with workers that are killed");
    kill(killer, SIGKILL);
    waitpid(killer, NULL, 0);
    for (int32_t i = 0; i < ITEMS; i++)
        wrong += results[i][0] != i || results[i][1] <= 0;
    tap_equal(wrong, 0, "each has its result");
    dragon_pool_stats(pool, &stats);
    tap_check(stats.done == ITEMS, "once");
    tap_check(stats.replaced > 0, "%llu workers were replaced", (unsigned long long)stats.replaced);
    finish(pool);
    free(items);
    munmap(results, bytes);
}

// ---- tasks that kill

static void check_poison(void)
{
    enum { COUNT = 2000, RETRIES = 2 };
    static int32_t items[COUNT], results[COUNT][2];
    dragon_pool_t *pool = make(RETRIES);
    dragon_pool_stats_t stats;
    dragon_result_facts_t facts = {0, 0, 0, 0, 0, 0};
    dragon_result_t *result = NULL;
    int32_t poison = POISON;
    int wrong = 0;
    chan_need(dragon_pool_apply_async(pool, "work", &poison, sizeof poison, &result), NULL,
              "no task");
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "a task that kills");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_PEER, "has failed");
    tap_has(error.text, "it was the task", "with its last words");
    tap_err(dragon_result_facts(result, &facts), DRAGON_OK, "facts");
    tap_equal(facts.attempts, 1 + RETRIES, "it was tried as often as said");
    dragon_result_destroy(result);
    for (int32_t i = 0; i < COUNT; i++)
        items[i] = i % 500 == 250 ? POISON : i;
    tap_err(dragon_pool_map(pool, "work", items, sizeof *items, COUNT, results, sizeof *results,
                            TAP_WAIT_MS, &error),
            DRAGON_ERR_PEER, "some in a map");
    tap_has(error.text, "item 250:", "the first is told");
    tap_has(error.text, "signal 9", "and the signal");
    for (int32_t i = 0; i < COUNT; i++)
        wrong += items[i] != POISON && (results[i][0] != i || results[i][1] <= 0);
    tap_equal(wrong, 0, "the others are done");
    dragon_pool_stats(pool, &stats);
    tap_equal((long)stats.failed, 1 + COUNT / 500, "only those failed");
    tap_check(stats.retried >= (1 + COUNT / 500) * (1 + RETRIES), "after their attempts");
    finish(pool);
}

int main(int argc, char **argv)
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    chan_be_empty(argc, argv);
    runtime = tap_attach();
    check_single(1000);
    check_single(0);
    check_map();
    check_poison();
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
