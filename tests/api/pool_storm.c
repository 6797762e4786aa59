// SPDX-License-Identifier: BSD-3-Clause
//
// pool_storm SECONDS: three pools at once under a mix of tasks of all sizes, commands, limits, cancels, maps that are
// abandoned and pools inside tasks, while workers are killed at random. Each task ends once, with what it should say, and
// memory stays as it was. All nodes of the runtime are of this host.
#include "storm.h"

enum {
    OPEN_MOST = 48,
    LARGE_MOST = 2, // tasks at once
    LARGE_BYTES = 64 << 20,
    LIMIT_MS = 200,
    KILL_MS = 15,
    PIDS = 16,
    RAGING = 200,         // tasks done
    GROWTH_KB = 96 << 10, // of this process: what the heap keeps of large values
};

static dragon_runtime_t *runtime;
static dragon_error_t error;
static uint64_t seed = 88172645463325252u;

struct order {
    uint64_t key, reply_bytes, pause_us;
};

// ---- what workers run

static int work(dragon_task_t *task)
{
    size_t bytes, head = sizeof(struct order);
    const uint8_t *data = (const uint8_t *)dragon_task_data(task, &bytes);
    struct order order;
    memcpy(&order, data, head);
    if (!storm_whole(data + head, bytes - head, order.key))
        return dragon_task_fail(task, 1, "not what was sent");
    usleep((useconds_t)order.pause_us);
    size_t room = sizeof(uint64_t) + sizeof(struct record) + order.reply_bytes / 8 * 8;
    uint8_t *reply = (uint8_t *)dragon_task_room(task, room);
    uint64_t pid = (uint64_t)getpid();
    if (!reply)
        return dragon_task_fail(task, 1, "no room");
    memcpy(reply, &pid, sizeof pid);
    storm_write(reply + sizeof pid, order.key, 1, order.reply_bytes);
    return 0;
}

static int number(dragon_task_t *task)
{
    return dragon_task_return(task, dragon_task_data(task, NULL), sizeof(int)) != DRAGON_OK;
}

static dragon_pool_t *make(dragon_runtime_t *where, uint32_t workers, uint64_t limit_ms,
                           char *const *argv)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t *policy = NULL;
    dragon_pool_t *pool = NULL;
    chan_need(dragon_policy_create(&policy), NULL, "no policy");
    dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    spec.argv = argv;
    spec.workers = workers;
    spec.policy = policy;
    spec.retries = 1000000;
    spec.task_limit_ms = limit_ms;
    chan_need(dragon_pool_create(where, &spec, &pool, &error), &error, "no pool");
    dragon_policy_destroy(policy);
    return pool;
}

// A pool of a worker.
static int nested(dragon_task_t *task)
{
    enum { COUNT = 50 };
    int items[COUNT], results[COUNT], same = 0;
    dragon_pool_t *pool = make(dragon_task_runtime(task), 1, 0, NULL);
    for (int i = 0; i < COUNT; i++)
        items[i] = i;
    dragon_err_t err = dragon_pool_map(pool, "number", items, sizeof *items, COUNT, results,
                                       sizeof *results, TAP_WAIT_MS, &error);
    dragon_pool_destroy(pool);
    for (int i = 0; err == DRAGON_OK && i < COUNT; i++)
        same += results[i] == i;
    return same == COUNT ? 0 : dragon_task_fail(task, 1, "%d: %s", same, error.text);
}

static const dragon_function_t functions[] = {
    {"work", work}, {"number", number}, {"nested", nested}, {NULL, NULL}};

// ---- the head: single tasks

enum kind { WORK, LARGE, SLOW, NESTED, COMMAND, ENDLESS, KINDS };

struct job {
    uint64_t key, reply_bytes;
    enum kind kind;
    dragon_result_t *result; // NULL: told by a callback
};

struct storm {
    dragon_pool_t *plain, *limited, *commands;
    int open, large, given[KINDS], ended[KINDS], canceled, wrong, kills;
    uint64_t next_key;
    struct job *held[8]; // with results
    int pids[PIDS];      // of workers, lately
    bool over;
};

static struct storm storm;
static void give(bool inside);

static void complain(const struct job *job, dragon_err_t err, const char *text)
{
    if (storm.wrong++ < 10)
        printf("# kind %d: %s: %s\n", (int)job->kind, dragon_err_name(err), text);
}

static void look_at_value(const struct job *job, dragon_result_t *result)
{
    dragon_command_end_t end;
    char *text;
    size_t bytes;
    const uint8_t *value = (const uint8_t *)dragon_result_value(result, &bytes);
    if (job->kind == COMMAND) {
        if (dragon_result_command(result, &end) != DRAGON_OK || end.exit_code != 3 ||
            strtoull((const char *)end.output, &text, 10) != job->key)
            complain(job, DRAGON_OK, "another end");
        else
            storm.pids[storm_random(&seed) % PIDS] = (int)strtol(text, NULL, 10);
    } else if (job->kind == SLOW || job->kind == ENDLESS) {
        complain(job, DRAGON_OK, "in spite of its limit");
    } else if (job->kind != NESTED) {
        uint64_t pid = 0;
        if (bytes < sizeof pid || !storm_whole(value + sizeof pid, bytes - sizeof pid, job->key)) {
            complain(job, DRAGON_OK, "another value");
            return;
        }
        memcpy(&pid, value, sizeof pid);
        storm.pids[storm_random(&seed) % PIDS] = (int)pid;
    }
}

static void on_end(void *arg, dragon_result_t *result)
{
    struct job *job = (struct job *)arg;
    dragon_error_t why;
    why.text[0] = 0;
    dragon_err_t err = dragon_result_error(result, &why);
    storm.open--;
    storm.large -= job->kind == LARGE;
    storm.ended[job->kind]++;
    if (err == DRAGON_OK)
        look_at_value(job, result);
    else if (err == DRAGON_ERR_CANCELED && job->result)
        storm.canceled++;
    else if (err != DRAGON_ERR_TIMEOUT || (job->kind != SLOW && job->kind != ENDLESS))
        complain(job, err, why.text);
    bool held = job->result != NULL;
    enum kind job_kind = job->kind;
    free(job);
    if (storm.ended[WORK] == RAGING && job_kind == WORK) {
        printf("# process %d rages\n", getpid()); // it may be killed now
        fflush(stdout);
    }
    if (!held && !storm.over && storm_random(&seed) % 2)
        give(true);
}

static dragon_err_t give_work(struct job *job, bool hold)
{
    bool slow = job->kind == SLOW;
    dragon_pool_t *pool = slow ? storm.limited : storm.plain;
    struct order order = {job->key, job->reply_bytes, storm_random(&seed) % 2000};
    size_t room = job->kind == LARGE ? storm_random(&seed) % LARGE_BYTES : storm_size(&seed);
    uint8_t *data = (uint8_t *)malloc(sizeof order + sizeof(struct record) + room);
    order.pause_us = slow ? 20 * LIMIT_MS * 1000 : order.pause_us;
    memcpy(data, &order, sizeof order);
    size_t bytes = sizeof order + storm_write(data + sizeof order, job->key, 0, room);
    const char *name = job->kind == NESTED ? "nested" : "work";
    dragon_err_t err = hold ? dragon_pool_apply_async(pool, name, data, bytes, &job->result)
                            : dragon_pool_apply_then(pool, name, data, bytes, on_end, job);
    free(data);
    return err;
}

static dragon_err_t give_command(struct job *job, bool hold)
{
    char shell[] = "sh", c[] = "-c", script[80], *argv[] = {shell, c, script, NULL};
    dragon_command_t command = DRAGON_COMMAND_INIT;
    snprintf(script, sizeof script, "echo %llu $PPID; %s", (unsigned long long)job->key,
             job->kind == ENDLESS ? "sleep 1000 & setsid sleep 1000" : "sleep 0.003; exit 3");
    command.argv = argv;
    command.limit_ms = job->kind == ENDLESS ? LIMIT_MS : 0;
    return hold ? dragon_pool_run(storm.commands, &command, &job->result)
                : dragon_pool_run_then(storm.commands, &command, on_end, job);
}

static enum kind any_kind(void)
{
    uint64_t any = storm_random(&seed) % 1000;
    if (any < 5)
        return storm.large < LARGE_MOST ? LARGE : WORK;
    return any < 20 ? SLOW : any < 23 ? NESTED : any < 80 ? COMMAND : any < 85 ? ENDLESS : WORK;
}

static void give(bool inside)
{
    int place = (int)(storm_random(&seed) % 32);
    bool hold = !inside && place < 8 && !storm.held[place];
    struct job *job = (struct job *)calloc(1, sizeof *job);
    job->key = storm.next_key++;
    job->kind = any_kind();
    job->reply_bytes = job->kind == LARGE ? storm_random(&seed) % LARGE_BYTES : storm_size(&seed);
    storm.open++;
    storm.large += job->kind == LARGE;
    storm.given[job->kind]++;
    dragon_err_t err = job->kind == COMMAND || job->kind == ENDLESS ? give_command(job, hold)
                                                                    : give_work(job, hold);
    chan_need(err, NULL, "a task was not taken");
    if (hold)
        storm.held[place] = job;
}

// Some of those that are held are done, some are not done any more.
static void look_at_held(bool all)
{
    for (int i = 0; i < 8; i++) {
        struct job *job = storm.held[i];
        uint64_t any = storm_random(&seed) % 400;
        if (!job)
            continue;
        dragon_result_t *result = job->result;
        if (!all && any < 2)
            dragon_result_cancel(result, any == 1);
        if (!dragon_result_is_done(result))
            continue;
        on_end(job, result);
        dragon_result_destroy(result);
        storm.held[i] = NULL;
    }
}

// ---- maps

static int next_number(void *arg, const void **data_out, size_t *bytes_out)
{
    int *next = (int *)arg;
    ++*next;
    *data_out = next;
    *bytes_out = sizeof *next;
    return 1;
}

// One without end, of which some are taken.
static void check_map(void)
{
    int next = -1, any = (int)(storm_random(&seed) % 300);
    dragon_map_run_t *run = NULL;
    const void *value;
    uint64_t index;
    size_t bytes;
    struct job job = {0, 0, KINDS, NULL};
    chan_need(dragon_pool_imap(storm.plain, "number", next_number, &next, any & 1, &run), NULL,
              "no map");
    for (int i = 0; i < any; i++) {
        error.text[0] = 0;
        dragon_err_t err = dragon_map_run_next(run, &index, &value, &bytes, TAP_WAIT_MS, &error);
        if (err != DRAGON_OK || bytes != sizeof(int) || (uint64_t) * (const int *)value != index ||
            (!(any & 1) && index != (uint64_t)i))
            complain(&job, err, error.text);
    }
    dragon_map_run_destroy(run);
}

// ---- rounds

static void kill_one(void)
{
    int *pid = &storm.pids[storm_random(&seed) % PIDS];
    if (*pid <= 0)
        return;
    storm.kills += kill(*pid, storm_random(&seed) % 4 ? SIGKILL : SIGTERM) == 0;
    *pid = 0;
}

static void rage(long until)
{
    long next_kill = tap_now_ms() + KILL_MS;
    while (tap_now_ms() < until) {
        while (storm.open < OPEN_MOST)
            give(false);
        dragon_pool_progress(storm.plain, 1);
        dragon_pool_progress(storm.limited, 0);
        dragon_pool_progress(storm.commands, 0);
        look_at_held(false);
        if (storm_random(&seed) % 200 == 0)
            check_map();
        if (tap_now_ms() < next_kill)
            continue;
        kill_one();
        next_kill = tap_now_ms() + KILL_MS;
    }
}

static void calm_down(void)
{
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    storm.over = true;
    while (storm.open > 0 && tap_now_ms() < deadline) {
        dragon_pool_progress(storm.plain, 1);
        dragon_pool_progress(storm.limited, 1);
        dragon_pool_progress(storm.commands, 1);
        look_at_held(true);
    }
}

static void end(dragon_pool_t *pool, const char *what)
{
    dragon_pool_stats_t stats;
    dragon_pool_stats(pool, &stats);
    printf(
        "# %s: %llu done, %llu failed, %llu canceled, %llu attempts lost, %llu workers replaced\n",
        what, (unsigned long long)stats.done, (unsigned long long)stats.failed,
        (unsigned long long)stats.canceled, (unsigned long long)stats.retried,
        (unsigned long long)stats.replaced);
    tap_equal((long)(stats.waiting + stats.given), 0, "nothing waits");
    dragon_pool_close(pool);
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, what);
    dragon_pool_destroy(pool);
}

static void check_round(long ms)
{
    int given = 0, ended = 0;
    memset(&storm, 0, sizeof storm);
    storm.plain = make(runtime, 3, 0, NULL);
    storm.limited = make(runtime, 2, LIMIT_MS, NULL);
    storm.commands = make(runtime, 2, 0, DRAGON_POOL_COMMANDS);
    rage(tap_now_ms() + ms);
    calm_down();
    for (int i = 0; i < KINDS; i++) {
        given += storm.given[i];
        ended += storm.ended[i];
    }
    printf("# %d tasks, %d canceled, %d kills\n", given, storm.canceled, storm.kills);
    tap_equal(ended, given, "each task ended once");
    tap_equal(storm.wrong, 0, "as it should");
    tap_check(storm.kills > 0, "workers were killed");
    end(storm.plain, "the plain pool");
    end(storm.limited, "the one with limits");
    end(storm.commands, "the one of commands");
}

static long memory_kb(void)
{
    char text[4096];
    tap_read_file("/proc/self/status", text, sizeof text);
    const char *line = strstr(text, "RssAnon:");
    return line ? strtol(line + strlen("RssAnon:"), NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    chan_be_empty(argc, argv);
    runtime = tap_attach();
    long ms = argc > 1 ? 1000 * strtol(argv[1], NULL, 10) : 5000;
    check_round(ms / 2);
    long before = memory_kb();
    check_round(ms / 2);
    long after = memory_kb();
    if (!tap_check(after < before + GROWTH_KB, "memory does not grow"))
        printf("# from %ld to %ld KiB\n", before, after);
    tap_check(chan_nodes_empty(runtime), "nothing is left on any node");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
