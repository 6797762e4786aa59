// SPDX-License-Identifier: BSD-3-Clause
//
// `pool_many COUNT`: so many small tasks in each way to give them; memory stays what it was after the first of them.
#include "chan.h"

static dragon_runtime_t *runtime;
static dragon_error_t error;

enum { WORKERS = 2, FIRST = 100000, AHEAD = 20000, GROWTH = 8192 /* KiB */ };

static int next_number(dragon_task_t *task)
{
    size_t bytes;
    uint64_t number = *(const uint64_t *)dragon_task_data(task, &bytes) + 1;
    return dragon_task_return(task, &number, sizeof number) != DRAGON_OK;
}

static int memory(dragon_task_t *task);

static const dragon_function_t functions[] = {
    {"next", next_number}, {"memory", memory}, {NULL, NULL}};

// In KiB.
static long resident(void)
{
    char line[200];
    long found = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "RssAnon:", 8) == 0)
            found = strtol(line + 8, NULL, 10);
    if (file)
        fclose(file);
    return found;
}

static int memory(dragon_task_t *task)
{
    long kib = resident();
    usleep(10000); // so that all have one
    return dragon_task_return(task, &kib, sizeof kib) != DRAGON_OK;
}

static long worst_worker(dragon_pool_t *pool)
{
    long all[4 * WORKERS] = {0}, most = 0;
    chan_need(dragon_pool_map(pool, "memory", NULL, 0, sizeof all / sizeof *all, all, sizeof *all,
                              TAP_WAIT_MS, &error),
              &error, "no map");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        most = all[i] > most ? all[i] : most;
    return most;
}

// ---- ways

static uint64_t *items, *results;

static void by_map(dragon_pool_t *pool, uint64_t count)
{
    uint64_t wrong = 0;
    memset(results, 0, count * sizeof *results);
    chan_need(dragon_pool_map(pool, "next", items, sizeof *items, count, results, sizeof *results,
                              DRAGON_FOREVER, &error),
              &error, "no map");
    for (uint64_t i = 0; i < count; i++)
        wrong += results[i] != i + 1;
    if (wrong)
        tap_equal((long)wrong, 0, "results of a map");
}

struct items {
    uint64_t next, count;
};

static int next_item(void *arg, const void **data_out, size_t *bytes_out)
{
    struct items *from = (struct items *)arg;
    if (from->next == from->count)
        return 0;
    *data_out = &items[from->next++];
    *bytes_out = sizeof *items;
    return 1;
}

static void by_imap(dragon_pool_t *pool, uint64_t count)
{
    struct items from = {0, count};
    dragon_map_run_t *run = NULL;
    const void *value;
    uint64_t index, taken = 0, wrong = 0;
    chan_need(dragon_pool_imap(pool, "next", next_item, &from, 0, &run), NULL, "no imap");
    while (dragon_map_run_next(run, &index, &value, NULL, DRAGON_FOREVER, &error) == DRAGON_OK) {
        wrong += index != taken || *(const uint64_t *)value != index + 1;
        taken++;
    }
    dragon_map_run_destroy(run);
    if (wrong || taken != count)
        tap_check(false, "%llu of an imap, %llu wrong", (unsigned long long)taken,
                  (unsigned long long)wrong);
}

static uint64_t done;

static void on_done(void *arg, dragon_result_t *result)
{
    (void)arg;
    done += dragon_result_error(result, NULL) == DRAGON_OK;
}

static void by_apply(dragon_pool_t *pool, uint64_t count)
{
    done = 0;
    for (uint64_t i = 0; i < count; i++) {
        chan_need(dragon_pool_apply_then(pool, "next", &i, sizeof i, on_done, NULL), NULL,
                  "no task");
        while (i - done > AHEAD && dragon_pool_progress(pool, TAP_WAIT_MS) == DRAGON_OK)
            ;
    }
    while (done < count && dragon_pool_progress(pool, TAP_WAIT_MS) == DRAGON_OK)
        ;
    if (done < count)
        tap_equal((long)done, (long)count, "tasks");
}

static void check_way(dragon_pool_t *pool, const char *name,
                      void (*way)(dragon_pool_t *pool, uint64_t count), uint64_t count)
{
    way(pool, FIRST);
    long before = resident(), worker_before = worst_worker(pool), began = tap_now_ms();
    way(pool, count);
    long ms = tap_now_ms() - began;
    printf("# %s: %.0f tasks/s\n", name, (double)count * 1e3 / (double)(ms ? ms : 1));
    long grown = resident() - before, worker_grown = worst_worker(pool) - worker_before;
    tap_check(grown < GROWTH, "%s: the head grows by %ld KiB", name, grown);
    tap_check(worker_grown < GROWTH, "%s: a worker by %ld KiB", name, worker_grown);
}

int main(int argc, char **argv)
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_pool_t *pool = NULL;
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : FIRST;
    items = (uint64_t *)malloc(count * sizeof *items);
    results = (uint64_t *)malloc(count * sizeof *results);
    memset(results, 1, count * sizeof *results); // it is counted before
    for (uint64_t i = 0; i < count; i++)
        items[i] = i;
    runtime = tap_attach();
    spec.workers = WORKERS;
    chan_need(dragon_pool_create(runtime, &spec, &pool, &error), &error, "no pool");
    check_way(pool, "map", by_map, count);
    check_way(pool, "imap", by_imap, count);
    check_way(pool, "apply", by_apply, count);
    dragon_pool_close(pool);
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "joined");
    dragon_pool_destroy(pool);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
