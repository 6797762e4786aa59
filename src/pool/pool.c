// SPDX-License-Identifier: BSD-3-Clause
//
// Pools: their life. What they do is in the other files; pool.h has the way of a task through them.
#include "config.h"

#include "pool/pool.h"

#include <dragon/system.h>

#include <pthread.h>

enum { END_MS = 10000, RESULTS_INLINE = 2016 };

// ---- a child of fork has no pool

static unsigned forks;

static void on_forked(void)
{
    forks++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, on_forked);
}

dragon_err_t pool_check(const struct dragon_pool *pool)
{
    if (!pool)
        return DRAGON_ERR_INVAL;
    return pool->forks == forks ? DRAGON_OK : DRAGON_ERR_STATE;
}

// ---- making one

static dragon_err_t make_channel(struct dragon_pool *pool, dragon_error_t *error)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    spec.capacity = POOL_RESULTS_CAPACITY;
    spec.inline_bytes = RESULTS_INLINE;
    spec.single_receiver = spec.owned = true;
    dragon_err_t err = dragon_channel_create(pool->runtime, &spec, &pool->results, error);
    if (err != DRAGON_OK)
        return err;
    err = dragon_channel_set_create(pool->runtime, &pool->set);
    if (err == DRAGON_OK)
        err = dragon_channel_set_add(pool->set, pool->results, DRAGON_POLL_RECEIVE, NULL);
    return err == DRAGON_OK
               ? err
               : err_set(error, err, "no channel for results: %s", dragon_err_text(err));
}

// Names of nodes are for the words of errors: without them it works, too.
static void name_nodes(struct dragon_pool *pool)
{
    dragon_system_t *system;
    if (dragon_system_look(pool->runtime, &system, NULL) != DRAGON_OK)
        return;
    pool->node_names = strv_alloc(dragon_system_nodes(system));
    for (uint32_t i = 0; pool->node_names && i < dragon_system_nodes(system); i++)
        pool->node_names[i] = strdup(dragon_system_node(system, i)->name);
    dragon_system_destroy(system);
}

const char *pool_node_name(const struct dragon_pool *pool, uint32_t node)
{
    if (!pool->node_names || node >= dragon_runtime_nodes(pool->runtime) || !pool->node_names[node])
        return "its node";
    return pool->node_names[node];
}

static bool keep_spec(struct dragon_pool *pool, const dragon_pool_spec_t *spec)
{
    pool->chunk = spec->chunk;
    pool->retries = spec->retries;
    pool->tasks_per_worker = spec->tasks_per_worker;
    pool->limit_ms = spec->task_limit_ms;
    pool->initializer = spec->initializer ? strdup(spec->initializer) : NULL;
    pool->initial = spec->initial_bytes ? malloc(spec->initial_bytes) : NULL;
    if (pool->initial)
        memcpy(pool->initial, spec->initial, spec->initial_bytes);
    pool->initial_bytes = spec->initial_bytes;
    return (pool->initializer || !spec->initializer) && (pool->initial || !spec->initial_bytes);
}

static struct dragon_pool *make(dragon_runtime_t *runtime, const dragon_pool_spec_t *spec)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct dragon_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pthread_once(&once, watch_forks);
    pool->runtime = runtime;
    pool->forks = forks;
    pool->epoll = pool->timer = -1;
    pool->next_function = POOL_FUNCTION_FIRST;
    pool->next_chunk = 1;
    pool->sources_last = &pool->sources;
    queue_init(&pool->again);
    queue_init(&pool->fresh);
    pool->tasks = slab_create(sizeof(struct dragon_result));
    pool->chunks = slab_create(sizeof(struct chunk));
    pool->message = malloc(POOL_MESSAGE_BYTES);
    if (pool->tasks && pool->chunks && pool->message && keep_spec(pool, spec))
        return pool;
    dragon_pool_destroy(pool);
    return NULL;
}

dragon_err_t dragon_pool_create(dragon_runtime_t *runtime, const dragon_pool_spec_t *spec,
                                dragon_pool_t **pool_out, dragon_error_t *error)
{
    const dragon_pool_spec_t defaults = DRAGON_POOL_SPEC_INIT;
    spec = spec ? spec : &defaults;
    if (!runtime || !pool_out)
        return err_set(error, DRAGON_ERR_INVAL, "no runtime, or nowhere to put the pool");
    dragon_err_t err = spec_check(spec, error);
    if (err != DRAGON_OK)
        return err;
    struct dragon_pool *pool = make(runtime, spec);
    if (!pool)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    err = make_channel(pool, error);
    if (err == DRAGON_OK)
        err = pool_wait_init(pool, error);
    if (err == DRAGON_OK)
        err = spec_start(pool, spec, error);
    if (err == DRAGON_OK && crew_create(pool) != DRAGON_OK)
        err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    if (err == DRAGON_OK) {
        name_nodes(pool);
        *pool_out = pool;
        return DRAGON_OK;
    }
    dragon_pool_destroy(pool);
    return err;
}

// ---- ending it

dragon_err_t dragon_pool_close(dragon_pool_t *pool)
{
    dragon_err_t err = pool_check(pool);
    if (err == DRAGON_OK)
        pool->closed = true;
    return err;
}

static bool is_done(void *arg)
{
    const struct dragon_pool *pool = arg;
    return pool->open == 0 && !pool->sources;
}

static bool is_ended(void *arg)
{
    const struct dragon_pool *pool = arg;
    return pool->group_ended || pool->worker_count == 0;
}

static void begin_end(struct dragon_pool *pool)
{
    if (pool->ending)
        return;
    pool->ending = true;
    dragon_group_stop_restart(pool->group);
    for (uint32_t i = 0; i < pool->worker_count; i++)
        crew_end(pool, &pool->workers[i]);
}

dragon_err_t dragon_pool_join(dragon_pool_t *pool, int timeout_ms)
{
    dragon_err_t err = pool_check(pool);
    if (err != DRAGON_OK)
        return err;
    if (!pool->closed)
        return DRAGON_ERR_STATE;
    timeout_ms = timeout_ms == DRAGON_DEFAULT_TIMEOUT ? POOL_DEFAULT_MS : timeout_ms;
    uint64_t deadline_ms = timeout_ms > 0 ? time_now_ms() + (uint64_t)timeout_ms : 0;
    err = pool_wait(pool, is_done, pool, timeout_ms);
    if (err != DRAGON_OK)
        return err;
    begin_end(pool);
    err = pool_wait(pool, is_ended, pool, timeout_ms > 0 ? time_left_ms(deadline_ms) : timeout_ms);
    return err == DRAGON_ERR_AGAIN && timeout_ms > 0 ? DRAGON_ERR_TIMEOUT : err;
}

dragon_err_t dragon_pool_terminate(dragon_pool_t *pool)
{
    dragon_err_t err = pool_check(pool);
    if (err != DRAGON_OK)
        return err;
    if (pool->inside)
        return DRAGON_ERR_STATE;
    pool->closed = pool->ending = true;
    crew_fail_all(pool, DRAGON_ERR_CANCELED, "the pool was terminated");
    pool_feed(pool, false);
    err = dragon_group_stop(pool->group);
    return err == DRAGON_ERR_STATE ? DRAGON_OK : err; // it has ended
}

// Workers that were not told to end are.
static void stop(struct dragon_pool *pool)
{
    if (!pool->group)
        return;
    if (pool->workers)
        dragon_pool_terminate(pool);
    dragon_group_on_event(pool->group, NULL, NULL);
    if (dragon_group_state(pool->group) == DRAGON_GROUP_RUNNING)
        dragon_group_stop(pool->group);
    if (pool->worker_count > 0 && !pool->group_ended)
        while (dragon_group_wait(pool->group, END_MS) == DRAGON_ERR_FULL)
            lines_read(pool);
}

void dragon_pool_destroy(dragon_pool_t *pool)
{
    if (!pool || pool->forks != forks)
        return;
    stop(pool);
    crew_destroy(pool);
    mpi_destroy(pool);
    dragon_group_destroy(pool->group);
    pool_wait_fini(pool);
    dragon_channel_set_destroy(pool->set);
    dragon_channel_destroy(pool->results, NULL);
    functions_forget(pool);
    slab_destroy(pool->tasks);
    slab_destroy(pool->chunks);
    strv_free(pool->node_names);
    free(pool->initializer);
    free(pool->initial);
    free(pool->message);
    free(pool->out);
    free(pool);
}

// ---- figures

void dragon_pool_stats(const dragon_pool_t *pool, dragon_pool_stats_t *stats_out)
{
    *stats_out = (dragon_pool_stats_t){.workers = pool->ready,
                                       .coming = pool->worker_count - pool->ready - pool->unfit,
                                       .busy = pool->busy,
                                       .waiting = pool->waiting,
                                       .given = pool->given,
                                       .done = pool->done,
                                       .failed = pool->failed,
                                       .canceled = pool->canceled,
                                       .retried = pool->retried,
                                       .replaced = pool->replaced};
    for (const struct source *source = pool->sources; source; source = source->next)
        stats_out->waiting += source->left(source);
}
