// SPDX-License-Identifier: BSD-3-Clause
//
// Maps over what a function gives, taken one by one: a window of tasks, of which the oldest is the next that is wanted.
// Results lie in a ring by their number, or in a queue in the order of their coming.
#include "config.h"

#include "pool/pool.h"

enum {
    WINDOW_OF_WORKER = 512, // tasks: a power of two
    WINDOW_BYTES = 32 << 20,
};

struct dragon_map_run {
    struct source source;
    dragon_next_fn next;
    void *arg;
    bool unordered, exhausted;
    uint64_t made, taken; // items
    uint64_t bytes;       // of items and results that are not taken
    uint64_t window;
    struct dragon_result **ring; // owned: by number; what is not done is NULL
    struct task_queue ready;     // unordered
    struct dragon_result *last;  // what was taken
};

static uint64_t room(const struct dragon_map_run *run)
{
    uint64_t used = run->made - run->taken;
    if (run->exhausted || used >= run->window)
        return 0;
    if (run->bytes >= WINDOW_BYTES && used >= 2 * (uint64_t)run->source.pool->worker_count)
        return 0;
    return run->window - used;
}

static struct dragon_result *run_make(struct source *source)
{
    struct dragon_map_run *run = (struct dragon_map_run *)source;
    const void *data = NULL;
    size_t bytes = 0;
    if (room(run) == 0)
        return NULL;
    struct dragon_result *task = task_create(source->pool, source->function);
    if (!task)
        return NULL;
    if (!run->next(run->arg, &data, &bytes)) {
        run->exhausted = true;
        task_release(task);
        return NULL;
    }
    task->index = run->made++;
    if (!task_set_data(task, data, bytes))
        task->no_memory = true;
    run->bytes += task->bytes;
    return task;
}

// Of a window: a chunk should not be small only because few results were taken since.
static uint64_t run_left(const struct source *source)
{
    const struct dragon_map_run *run = (const struct dragon_map_run *)source;
    return room(run) ? run->window : 0;
}

static void run_done(struct source *source, struct dragon_result *task, const void *value,
                     size_t bytes)
{
    struct dragon_map_run *run = (struct dragon_map_run *)source;
    if (source->abandoned) {
        task_release(task);
        return;
    }
    run->bytes -= task->bytes;
    if (!task_set_data(task, value, bytes))
        task->err = DRAGON_ERR_NOMEM;
    run->bytes += task->bytes;
    if (run->unordered)
        queue_add(&run->ready, task);
    else
        run->ring[task->index % run->window] = task;
}

static void run_destroy(struct source *source)
{
    struct dragon_map_run *run = (struct dragon_map_run *)source;
    struct dragon_result *task;
    source_unlist(source);
    for (uint64_t i = 0; run->ring && i < run->window; i++)
        if (run->ring[i])
            task_release(run->ring[i]);
    while ((task = queue_take(&run->ready)))
        task_release(task);
    if (run->last)
        task_release(run->last);
    free(run->ring);
    free(run);
}

dragon_err_t dragon_pool_imap(dragon_pool_t *pool, const char *function, dragon_next_fn next,
                              void *arg, int flags, dragon_map_run_t **run_out)
{
    dragon_err_t err = pool_check(pool);
    if (err != DRAGON_OK)
        return err;
    if (!next || !run_out || (flags & ~DRAGON_MAP_UNORDERED))
        return DRAGON_ERR_INVAL;
    if (pool->closed)
        return DRAGON_ERR_CLOSED;
    struct function *found = function_of(pool, function, &err);
    if (!found)
        return err;
    struct dragon_map_run *run = calloc(1, sizeof *run);
    if (!run)
        return DRAGON_ERR_NOMEM;
    run->source = (struct source){.pool = pool,
                                  .function = found,
                                  .make = run_make,
                                  .left = run_left,
                                  .done = run_done,
                                  .destroy = run_destroy};
    run->next = next;
    run->arg = arg;
    run->unordered = flags & DRAGON_MAP_UNORDERED;
    run->window = (uint64_t)pool->worker_count * WINDOW_OF_WORKER;
    queue_init(&run->ready);
    run->ring = run->unordered ? NULL : calloc(run->window, sizeof *run->ring);
    if (!run->unordered && !run->ring) {
        free(run);
        return DRAGON_ERR_NOMEM;
    }
    source_list(&run->source);
    *run_out = run;
    return DRAGON_OK;
}

// ---- taking

static struct dragon_result **oldest(struct dragon_map_run *run)
{
    return run->unordered ? &run->ready.first : &run->ring[run->taken % run->window];
}

static bool run_has(void *arg)
{
    struct dragon_map_run *run = arg;
    return *oldest(run) || (run->exhausted && run->taken == run->made);
}

static struct dragon_result *take(struct dragon_map_run *run)
{
    struct dragon_result **at = oldest(run), *task = *at;
    if (run->unordered)
        queue_take(&run->ready);
    else
        *at = NULL;
    run->taken++;
    run->bytes -= task->bytes;
    return task;
}

// When workers could soon be without tasks, not for each that is taken.
static void go_on(struct dragon_map_run *run)
{
    struct dragon_pool *pool = run->source.pool;
    if (run->source.listed || run->exhausted)
        return;
    if (pool->hungry || room(run) >= run->window / 2)
        source_list(&run->source);
}

dragon_err_t dragon_map_run_next(dragon_map_run_t *run, uint64_t *index_out, const void **value_out,
                                 size_t *bytes_out, int timeout_ms, dragon_error_t *error)
{
    dragon_err_t err = run ? pool_check(run->source.pool) : DRAGON_ERR_INVAL;
    if (err == DRAGON_OK && run->source.pool->inside)
        err = DRAGON_ERR_STATE;
    if (err != DRAGON_OK)
        return err_set(error, err, "no result: %s", dragon_err_text(err));
    if (run->last)
        task_release(run->last);
    run->last = NULL;
    go_on(run);
    if (!run_has(run))
        err = pool_wait(run->source.pool, run_has, run, timeout_ms);
    if (err != DRAGON_OK)
        return err_set(error, err, "no result: %s", dragon_err_text(err));
    if (!*oldest(run))
        return err_set(error, DRAGON_ERR_NOT_FOUND, "that was all");
    struct dragon_result *task = run->last = take(run);
    if (index_out)
        *index_out = task->index;
    if (value_out)
        *value_out = task->err == DRAGON_OK ? task->data : NULL;
    if (bytes_out)
        *bytes_out = task->err == DRAGON_OK ? task->bytes : 0;
    return dragon_result_error(task, error);
}

void dragon_map_run_destroy(dragon_map_run_t *run)
{
    if (!run || pool_check(run->source.pool) != DRAGON_OK)
        return;
    source_unlist(&run->source);
    run->source.abandoned = true;
    if (run->source.open == 0)
        run_destroy(&run->source);
}
