// SPDX-License-Identifier: BSD-3-Clause
//
// Every call of pools that runs functions, with the workers on all nodes of the runtime.
#include "chan.h"

#include <poll.h>
#include <sys/resource.h>

static dragon_runtime_t *runtime;
static dragon_error_t error;

enum { WORKERS = 4 };

// ---- what workers run

static int square(dragon_task_t *task)
{
    size_t bytes;
    const double *x = (const double *)dragon_task_data(task, &bytes);
    if (bytes != sizeof *x)
        return dragon_task_fail(task, 7, "it has %zu bytes", bytes);
    double y = *x * *x;
    return dragon_task_return(task, &y, sizeof y) != DRAGON_OK;
}

static int echo(dragon_task_t *task)
{
    size_t bytes;
    const void *data = dragon_task_data(task, &bytes);
    void *room = dragon_task_room(task, bytes);
    if (room && bytes)
        memcpy(room, data, bytes);
    return room == NULL;
}

static int nap(dragon_task_t *task)
{
    size_t bytes;
    usleep(*(const unsigned *)dragon_task_data(task, &bytes) * 1000);
    return 0;
}

static int who(dragon_task_t *task)
{
    uint32_t me[3] = {dragon_task_worker(task), dragon_runtime_node(dragon_task_runtime(task)),
                      (uint32_t)getpid()};
    return dragon_task_return(task, me, sizeof me) != DRAGON_OK;
}

static int prepare(dragon_task_t *task)
{
    size_t bytes;
    const char *data = (const char *)dragon_task_data(task, &bytes);
    if (bytes == 3)
        return dragon_task_fail(task, 3, "no luck");
    static char state[16];
    snprintf(state, sizeof state, "%.*s", (int)bytes, data);
    dragon_task_set_state(task, state);
    return 0;
}

static int prepared(dragon_task_t *task)
{
    const char *state = (const char *)dragon_task_state(task);
    return state ? dragon_task_return(task, state, strlen(state)) != DRAGON_OK : 1;
}

static int crash(dragon_task_t *task)
{
    (void)task;
    fprintf(stderr, "about to fall\n");
    raise(SIGKILL);
    return 0;
}

static const dragon_function_t functions[] = {
    {"square", square},   {"echo", echo},         {"nap", nap},     {"who", who},
    {"prepare", prepare}, {"prepared", prepared}, {"crash", crash}, {NULL, NULL},
};

// ---- pools

static dragon_pool_t *make(const dragon_pool_spec_t *spec)
{
    dragon_pool_t *pool = NULL;
    chan_need(dragon_pool_create(runtime, spec, &pool, &error), &error, "no pool");
    return pool;
}

// Of all nodes in turn.
static dragon_pool_t *make_many(uint32_t workers)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy = NULL;
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    spec.workers = workers;
    spec.policy = policy;
    dragon_pool_t *pool = make(&spec);
    dragon_policy_destroy(policy);
    return pool;
}

static void finish(dragon_pool_t *pool, const char *what)
{
    dragon_pool_stats_t stats;
    tap_err(dragon_pool_join(pool, 0), DRAGON_ERR_STATE, "joined before it is closed");
    tap_err(dragon_pool_close(pool), DRAGON_OK, what);
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "joined");
    dragon_pool_stats(pool, &stats);
    tap_check(stats.waiting == 0 && stats.given == 0, "nothing waits");
    dragon_pool_destroy(pool);
}

// ---- single tasks

static void check_apply(dragon_pool_t *pool)
{
    double x = 3;
    void *value = NULL;
    size_t bytes = 0;
    tap_err(dragon_pool_apply(pool, "square", &x, sizeof x, &value, &bytes, TAP_WAIT_MS, &error),
            DRAGON_OK, "apply");
    tap_check(bytes == sizeof x && *(double *)value == 9, "its value");
    free(value);
    tap_err(dragon_pool_apply(pool, "echo", NULL, 0, &value, &bytes, TAP_WAIT_MS, &error),
            DRAGON_OK, "apply without data");
    tap_check(value && bytes == 0, "a value without bytes");
    free(value);
    tap_err(dragon_pool_apply(pool, "square", &x, 3, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_FAILED, "a function that fails");
    tap_has(error.text, "it has 3 bytes", "its words");
    tap_has(error.text, "7", "its code");
    tap_err(dragon_pool_apply(pool, "nobody", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_NOT_FOUND, "no such function");
    tap_has(error.text, "nobody", "its name");
    tap_err(dragon_pool_apply(pool, "two words", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_INVAL, "no name");
    tap_err(dragon_pool_apply(pool, "", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error), DRAGON_ERR_INVAL,
            "no name at all");
    unsigned ms = 300;
    tap_err(dragon_pool_apply(pool, "nap", &ms, sizeof ms, NULL, NULL, 20, &error),
            DRAGON_ERR_TIMEOUT, "one that takes too long for us");
}

static void check_sizes(dragon_pool_t *pool)
{
    static const size_t sizes[] = {1, 63, 64, 65, 4000, 70000, 300000, 5000000, 30000000};
    uint8_t *data = (uint8_t *)malloc(30000000);
    int wrong = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *value = NULL;
        size_t bytes = 0;
        chan_fill(data, sizes[i], i);
        if (dragon_pool_apply(pool, "echo", data, sizes[i], &value, &bytes, TAP_WAIT_MS, &error) !=
            DRAGON_OK) {
            printf("# %zu: %s\n", sizes[i], error.text);
            wrong++;
            continue;
        }
        wrong += bytes != sizes[i] || !chan_has(value, bytes, i);
        free(value);
    }
    free(data);
    tap_equal(wrong, 0, "data of all sizes comes back");
}

// Which worker it was; -1: none.
static int worker_of_one(dragon_pool_t *pool)
{
    void *value = NULL;
    int worker = -1;
    if (dragon_pool_apply(pool, "who", NULL, 0, &value, NULL, TAP_WAIT_MS, &error) == DRAGON_OK)
        worker = (int)*(const uint32_t *)value;
    free(value);
    return worker;
}

// One that has just worked need not be woken up.
static void check_one_by_one(dragon_pool_t *pool)
{
    dragon_pool_stats_t stats;
    int others = 0;
    do
        dragon_pool_stats(pool, &stats);
    while ((stats.workers < WORKERS || stats.busy > 0) &&
           dragon_pool_progress(pool, TAP_WAIT_MS) == DRAGON_OK);
    int first = worker_of_one(pool);
    for (int i = 0; i < 3 * WORKERS; i++)
        others += worker_of_one(pool) != first;
    tap_check(first >= 0 && others == 0, "tasks one by one go to the same worker");
}

static void check_results(dragon_pool_t *pool)
{
    enum { COUNT = 50 };
    dragon_result_t *results[COUNT];
    dragon_result_facts_t facts;
    int wrong = 0;
    size_t bytes;
    for (int i = 0; i < COUNT; i++) {
        double x = i;
        chan_need(dragon_pool_apply_async(pool, "square", &x, sizeof x, &results[i]), NULL,
                  "no task");
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        wrong += dragon_result_wait(results[i], TAP_WAIT_MS) != DRAGON_OK;
        wrong += !dragon_result_is_done(results[i]);
        const double *y = (const double *)dragon_result_value(results[i], &bytes);
        wrong += !y || bytes != sizeof *y || *y != i * i;
    }
    tap_equal(wrong, 0, "results in any order");
    tap_err(dragon_result_facts(results[0], &facts), DRAGON_OK, "facts");
    tap_check(facts.attempts == 1 && facts.worker < WORKERS && facts.code == 0 &&
                  facts.node < dragon_runtime_nodes(runtime) && facts.started_ns > 0,
              "that make sense");
    for (int i = 0; i < COUNT; i++)
        dragon_result_destroy(results[i]);
    unsigned ms = 300;
    chan_need(dragon_pool_apply_async(pool, "nap", &ms, sizeof ms, &results[0]), NULL, "no task");
    tap_err(dragon_result_error(results[0], &error), DRAGON_ERR_STATE, "not done yet");
    tap_check(dragon_result_value(results[0], &bytes) == NULL, "no value yet");
    tap_err(dragon_result_facts(results[0], &facts), DRAGON_ERR_STATE, "no facts yet");
    tap_err(dragon_result_wait(results[0], 0), DRAGON_ERR_AGAIN, "a try");
    tap_err(dragon_result_wait(results[0], 1), DRAGON_ERR_TIMEOUT, "a moment");
    dragon_result_destroy(results[0]); // it goes on
}

static void check_cancel(dragon_pool_t *pool)
{
    enum { COUNT = 40 };
    dragon_result_t *results[COUNT], *waits = NULL;
    unsigned ms = 20, long_ms = 600000;
    double x = 2;
    int canceled = 0;
    for (int i = 0; i < COUNT; i++)
        dragon_pool_apply_async(pool, "nap", &ms, sizeof ms, &results[i]);
    tap_err(dragon_result_cancel(results[COUNT - 1], 0), DRAGON_OK, "cancel of one that waits");
    tap_err(dragon_result_wait(results[COUNT - 1], 0), DRAGON_OK, "it is done");
    tap_err(dragon_result_error(results[COUNT - 1], &error), DRAGON_ERR_CANCELED, "canceled");
    for (int i = 0; i < COUNT; i++)
        if (dragon_result_wait(results[i], TAP_WAIT_MS) == DRAGON_OK)
            canceled += dragon_result_error(results[i], NULL) == DRAGON_ERR_CANCELED;
    tap_equal(canceled, 1, "the others are done");
    tap_err(dragon_result_cancel(results[0], 0), DRAGON_ERR_STATE, "cancel of one that is done");
    for (int i = 0; i < COUNT; i++)
        dragon_result_destroy(results[i]);
    for (int i = 0; i < WORKERS; i++)
        dragon_pool_apply_async(pool, "nap", &long_ms, sizeof long_ms, &results[i]);
    dragon_pool_apply_async(pool, "square", &x, sizeof x, &waits);
    tap_err(dragon_result_wait(waits, 50), DRAGON_ERR_TIMEOUT, "all workers are asleep");
    for (int i = 0; i < WORKERS; i++) {
        dragon_result_cancel(results[i], 1);
        dragon_result_destroy(results[i]);
    }
    tap_err(dragon_result_wait(waits, TAP_WAIT_MS), DRAGON_OK, "they are killed and replaced");
    tap_err(dragon_result_error(waits, &error), DRAGON_OK, "which costs others nothing");
    dragon_result_destroy(waits);
}

struct called {
    dragon_pool_t *pool;
    int calls, wrong, left;
};

static void on_result(void *arg, dragon_result_t *result)
{
    struct called *called = (struct called *)arg;
    double x = 4;
    called->calls++;
    called->wrong += dragon_result_error(result, NULL) != DRAGON_OK;
    called->wrong += dragon_result_wait(result, 0) != DRAGON_OK;
    called->wrong += dragon_pool_progress(called->pool, 0) != DRAGON_ERR_STATE;
    if (called->left-- > 0)
        called->wrong += dragon_pool_apply_then(called->pool, "square", &x, sizeof x, on_result,
                                                called) != DRAGON_OK;
}

static void check_then(dragon_pool_t *pool)
{
    struct called called = {pool, 0, 0, 99};
    double x = 1;
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    struct pollfd poller = {dragon_pool_fd(pool), POLLIN, 0};
    tap_check(poller.fd >= 0, "a descriptor");
    dragon_pool_apply_then(pool, "square", &x, sizeof x, on_result, &called);
    while (called.calls < 100 && tap_now_ms() < deadline)
        if (dragon_pool_progress(pool, 0) == DRAGON_ERR_AGAIN)
            poll(&poller, 1, 1000);
    tap_equal(called.calls, 100, "tasks that make tasks, in an event loop");
    tap_equal(called.wrong, 0, "no call waits in there");
    dragon_err_t err; // workers may still come up
    while ((err = dragon_pool_progress(pool, 30)) == DRAGON_OK && tap_now_ms() < deadline)
        ;
    tap_err(err, DRAGON_ERR_TIMEOUT, "then nothing happens");
}

// A result that is held, and tells.
static void check_held(dragon_pool_t *pool)
{
    struct called called = {pool, 0, 0, 0};
    double x = 3;
    dragon_result_t *result;
    tap_err(dragon_pool_apply_async(pool, "square", &x, sizeof x, &result), DRAGON_OK, "a task");
    tap_err(dragon_result_then(result, NULL, NULL), DRAGON_ERR_INVAL, "nothing to be called");
    tap_err(dragon_result_then(result, on_result, &called), DRAGON_OK, "it is to call");
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "its end");
    tap_equal(called.calls, 1, "it did, once");
    tap_err(dragon_result_then(result, on_result, &called), DRAGON_ERR_STATE, "too late");
    dragon_result_destroy(result);
}

// Without workers there is nobody for other tasks.
static void check_mpi_alone(void)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_pool_t *pool;
    dragon_result_t *result;
    char *argv[] = {(char *)"true", NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    command.argv = argv;
    spec.argv = DRAGON_POOL_MPI;
    tap_err(dragon_pool_create(runtime, &spec, &pool, &error), DRAGON_OK,
            "a pool for MPI programs");
    tap_err(dragon_pool_run(pool, &command, &result), DRAGON_ERR_STATE, "no command in it");
    tap_err(dragon_pool_apply_async(pool, "square", "", 1, &result), DRAGON_ERR_STATE,
            "and no function");
    dragon_pool_close(pool);
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "it ends");
    dragon_pool_destroy(pool);
}

// ---- many

static void check_map(dragon_pool_t *pool)
{
    enum { COUNT = 20000 };
    double *x = (double *)calloc(COUNT, sizeof *x), *y = (double *)calloc(COUNT, sizeof *y);
    int wrong = 0;
    for (int i = 0; i < COUNT; i++)
        x[i] = i;
    tap_err(dragon_pool_map(pool, "square", x, sizeof *x, COUNT, y, sizeof *y, TAP_WAIT_MS, &error),
            DRAGON_OK, "map");
    for (int i = 0; i < COUNT; i++)
        wrong += y[i] != x[i] * x[i];
    tap_equal(wrong, 0, "its results");
    tap_err(dragon_pool_map(pool, "square", x, 8, 0, y, 8, TAP_WAIT_MS, &error), DRAGON_OK,
            "map of nothing");
    tap_err(dragon_pool_map(pool, "square", x, 8, 100, NULL, 0, TAP_WAIT_MS, &error), DRAGON_OK,
            "map without results");
    memset(y, 1, 100 * sizeof *y);
    tap_err(dragon_pool_map(pool, "echo", x, 3, 10, y, 16, TAP_WAIT_MS, &error), DRAGON_OK,
            "map with short results");
    tap_check(((uint8_t *)y)[3] == 0 && ((uint8_t *)y)[15] == 0, "they are filled up with zeros");
    tap_err(dragon_pool_map(pool, "echo", x, 16, 10, y, 8, TAP_WAIT_MS, &error), DRAGON_ERR_TOO_BIG,
            "map with results that do not fit");
    tap_has(error.text, "item 0", "the first is told");
    tap_err(dragon_pool_map(pool, "square", x, 4, 1000, y, 8, TAP_WAIT_MS, &error),
            DRAGON_ERR_FAILED, "map of items that fail");
    tap_has(error.text, "item 0", "the first of them is told");
    unsigned naps[64];
    for (int i = 0; i < 64; i++)
        naps[i] = 200;
    tap_err(dragon_pool_map(pool, "nap", naps, sizeof *naps, 64, NULL, 0, 30, &error),
            DRAGON_ERR_TIMEOUT, "map that takes too long");
    free(x);
    free(y);
}

struct items {
    uint64_t next, count;
};

static int next_item(void *arg, const void **data_out, size_t *bytes_out)
{
    struct items *items = (struct items *)arg;
    if (items->next == items->count)
        return 0;
    items->next++;
    *data_out = &items->next;
    *bytes_out = sizeof items->next;
    return 1;
}

static void check_imap(dragon_pool_t *pool, int flags, uint64_t count)
{
    struct items items = {0, count};
    dragon_map_run_t *run = NULL;
    uint64_t index, sum = 0, taken = 0;
    const void *value;
    size_t bytes;
    int wrong = 0;
    dragon_err_t err;
    tap_err(dragon_pool_imap(pool, "echo", next_item, &items, flags, &run), DRAGON_OK, "imap");
    while ((err = dragon_map_run_next(run, &index, &value, &bytes, TAP_WAIT_MS, &error)) ==
           DRAGON_OK) {
        wrong += !flags && index != taken;
        wrong += bytes != sizeof index || *(const uint64_t *)value != index + 1;
        sum += index;
        taken++;
        if (count == UINT64_MAX && taken == 5000)
            break;
    }
    if (count != UINT64_MAX) {
        tap_err(err, DRAGON_ERR_NOT_FOUND, "until that was all");
        tap_check(sum == count * (count - 1) / 2 && taken == count, "each once");
    }
    tap_equal(wrong, 0, flags ? "all right" : "in order");
    dragon_map_run_destroy(run);
}

// ---- specs

static void check_wrong_specs(void)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_pool_t *pool = NULL;
    const dragon_policy_t *none[] = {NULL};
    spec.workers = 1;
    spec.workers_per_node = 1;
    tap_err(dragon_pool_create(runtime, &spec, &pool, &error), DRAGON_ERR_INVAL, "both counts");
    spec.workers_per_node = 0;
    spec.policies = none;
    tap_err(dragon_pool_create(runtime, &spec, &pool, &error), DRAGON_ERR_INVAL, "an empty list");
    spec.policy_count = 1;
    tap_err(dragon_pool_create(runtime, &spec, &pool, &error), DRAGON_ERR_INVAL, "a policy NULL");
    spec = (dragon_pool_spec_t)DRAGON_POOL_SPEC_INIT;
    char missing[] = "/no/such/program";
    char *argv[] = {missing, NULL};
    spec.workers = 1;
    spec.argv = argv;
    tap_err(dragon_pool_create(runtime, &spec, &pool, &error), DRAGON_ERR_LAUNCH, "no program");
}

static void check_initializer(void)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    void *value = NULL;
    size_t bytes = 0;
    spec.workers = 2;
    spec.initializer = "prepare";
    spec.initial = "hello";
    spec.initial_bytes = 5;
    dragon_pool_t *pool = make(&spec);
    tap_err(dragon_pool_apply(pool, "prepared", NULL, 0, &value, &bytes, TAP_WAIT_MS, &error),
            DRAGON_OK, "a task after the initialiser");
    tap_check(bytes == 5 && memcmp(value, "hello", 5) == 0, "has its state");
    free(value);
    finish(pool, "closed with initialiser");
    spec.initial_bytes = 3;
    pool = make(&spec);
    tap_err(dragon_pool_apply(pool, "prepared", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_FAILED, "an initialiser that fails everywhere");
    tap_has(error.text, "no luck", "its words");
    tap_err(dragon_pool_apply(pool, "prepared", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_FAILED, "further tasks fail, too");
    double x[10] = {0};
    tap_err(dragon_pool_map(pool, "square", x, 8, 10, x, 8, TAP_WAIT_MS, &error), DRAGON_ERR_FAILED,
            "and maps");
    dragon_pool_destroy(pool);
}

static void check_no_worker(void)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    char sh[] = "sh", c[] = "-c", script[] = "echo cannot work >&2; exit 3";
    char *argv[] = {sh, c, script, NULL};
    spec.workers = 1;
    spec.argv = argv;
    dragon_pool_t *pool = make(&spec);
    tap_err(dragon_pool_apply(pool, "echo", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_PEER, "a program that is no worker");
    tap_has(error.text, "ended with code 3", "its code");
    tap_has(error.text, "cannot work", "its last line");
    dragon_pool_destroy(pool);
}

static void check_policies(void)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t **hosts = NULL;
    size_t count = 0;
    uint32_t me[64][3] = {{0}}, seen = 0;
    chan_need(dragon_policy_hosts(runtime, &hosts, &count, &error), &error, "no policies");
    spec.policies = (const dragon_policy_t *const *)hosts;
    spec.policy_count = (uint32_t)count;
    spec.workers = 2;
    spec.chunk = 1;
    dragon_pool_t *pool = make(&spec);
    dragon_policy_free_list(hosts, count);
    tap_err(dragon_pool_map(pool, "who", NULL, 0, 64, me, sizeof *me, TAP_WAIT_MS, &error),
            DRAGON_OK, "workers by a list of policies");
    for (int i = 0; i < 64; i++)
        seen |= me[i][0] / 2 == me[i][1] ? 0u : 1u;
    tap_equal(seen, 0, "each where its policy says");
    finish(pool, "closed with policies");
}

static void check_renewal(void)
{
    enum { COUNT = 30 };
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_pool_stats_t stats;
    double x[COUNT] = {0}, y[COUNT];
    spec.workers = 2;
    spec.tasks_per_worker = 5;
    dragon_pool_t *pool = make(&spec);
    tap_err(dragon_pool_map(pool, "square", x, 8, COUNT, y, 8, TAP_WAIT_MS, &error), DRAGON_OK,
            "workers of five tasks each");
    dragon_pool_stats(pool, &stats);
    tap_check(stats.replaced >= COUNT / 5 - 2 && stats.retried == 0, "are replaced");
    finish(pool, "closed with renewal");
}

static void check_limit(void)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    unsigned ms = 600000;
    double x = 2;
    spec.workers = 1;
    spec.task_limit_ms = 100;
    dragon_pool_t *pool = make(&spec);
    tap_err(dragon_pool_apply(pool, "nap", &ms, sizeof ms, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_TIMEOUT, "a task that runs too long");
    tap_has(error.text, "longer than 100 ms", "its words");
    tap_err(dragon_pool_apply(pool, "square", &x, sizeof x, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_OK, "the next one");
    finish(pool, "closed with a limit");
}

static void check_crash(void)
{
    dragon_pool_t *pool = make_many(1);
    dragon_result_t *result = NULL;
    dragon_result_facts_t facts = {0, 0, 0, 0, 0, 0};
    double x = 2;
    dragon_pool_apply_async(pool, "crash", NULL, 0, &result);
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "a task that kills its worker");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_PEER, "fails");
    tap_has(error.text, "signal 9", "the signal");
    tap_has(error.text, "about to fall", "the last line");
    tap_has(error.text, dragon_runtime_node_name(runtime), "the host");
    dragon_result_facts(result, &facts);
    tap_equal(facts.attempts, 2, "after two attempts");
    dragon_result_destroy(result);
    tap_err(dragon_pool_apply(pool, "square", &x, sizeof x, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_OK, "the next one");
    finish(pool, "closed after a crash");
}

static void check_terminate(void)
{
    dragon_pool_t *pool = make_many(2);
    dragon_result_t *results[10];
    unsigned ms = 600000;
    int canceled = 0;
    for (int i = 0; i < 10; i++)
        dragon_pool_apply_async(pool, "nap", &ms, sizeof ms, &results[i]);
    dragon_pool_progress(pool, 100);
    tap_err(dragon_pool_terminate(pool), DRAGON_OK, "terminate");
    for (int i = 0; i < 10; i++) {
        canceled += dragon_result_error(results[i], NULL) == DRAGON_ERR_CANCELED;
        dragon_result_destroy(results[i]);
    }
    tap_equal(canceled, 10, "all are canceled");
    tap_err(dragon_pool_apply(pool, "echo", NULL, 0, NULL, NULL, 0, &error), DRAGON_ERR_CLOSED,
            "no more tasks");
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "join of a terminated one");
    dragon_pool_destroy(pool);
    dragon_pool_destroy(make_many(2)); // before its workers are up
}

// Somebody else ends the group of workers.
static void check_stopped(void)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_system_t *system = NULL;
    dragon_group_t *group = NULL;
    dragon_result_t *result = NULL;
    unsigned ms = 600000;
    spec.workers = 2;
    spec.name = "victims";
    dragon_pool_t *pool = make(&spec);
    dragon_pool_apply_async(pool, "nap", &ms, sizeof ms, &result);
    chan_need(dragon_system_look(runtime, &system, &error), &error, "no picture");
    for (uint32_t i = 0; i < dragon_system_groups(system); i++) {
        const dragon_group_info_t *info = dragon_system_group(system, i);
        if (strcmp(info->name, "victims") == 0)
            chan_need(dragon_group_attach(runtime, info->descriptor, &group, &error), &error,
                      "not attached");
    }
    dragon_system_destroy(system);
    tap_check(group != NULL, "the group has the pool's name");
    tap_err(dragon_group_stop(group), DRAGON_OK, "it is stopped");
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "the task");
    tap_err(dragon_result_error(result, &error), DRAGON_ERR_PEER, "has failed");
    dragon_result_destroy(result);
    tap_err(dragon_pool_apply(pool, "echo", NULL, 0, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_ERR_PEER, "and those that come");
    dragon_group_destroy(group);
    finish(pool, "closed when its workers have ended");
}

static long wake_ups(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

// Who waits for a long task sleeps.
static void check_idle(dragon_pool_t *pool)
{
    dragon_err_t err;
    unsigned ms = 500;
    while ((err = dragon_pool_progress(pool, 100)) == DRAGON_OK)
        ;
    tap_err(err, DRAGON_ERR_TIMEOUT, "all workers are up");
    long before = wake_ups();
    tap_err(dragon_pool_apply(pool, "nap", &ms, sizeof ms, NULL, NULL, TAP_WAIT_MS, &error),
            DRAGON_OK, "a long task");
    long count = wake_ups() - before;
    tap_check(count < 30, "the head wakes up %ld times meanwhile", count);
}

static void check_fork(dragon_pool_t *pool)
{
    pid_t child = fork();
    if (child == 0)
        _exit(dragon_pool_progress(pool, 0) != DRAGON_ERR_STATE);
    int status = 1;
    waitpid(child, &status, 0);
    tap_equal(status, 0, "a child of fork has no pool");
}

int main(int argc, char **argv)
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    chan_be_empty(argc, argv);
    runtime = tap_attach();
    dragon_pool_t *pool = make_many(WORKERS);
    check_apply(pool);
    check_sizes(pool);
    check_one_by_one(pool);
    check_results(pool);
    check_cancel(pool);
    check_then(pool);
    check_held(pool);
    check_map(pool);
    check_imap(pool, 0, 3000);
    check_imap(pool, DRAGON_MAP_UNORDERED, 3000);
    check_imap(pool, 0, UINT64_MAX);
    check_idle(pool);
    check_fork(pool);
    finish(pool, "closed");
    check_mpi_alone();
    check_wrong_specs();
    check_initializer();
    check_no_worker();
    check_policies();
    check_renewal();
    check_limit();
    check_crash();
    check_terminate();
    check_stopped();
    finish(make(NULL), "closed with all defaults");
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
