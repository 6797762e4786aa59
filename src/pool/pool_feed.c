// SPDX-License-Identifier: BSD-3-Clause
//
// Feeding: what waits goes in chunks to the workers that want more, round and round; idle ones come first. Tasks that were
// lost go before others; then single ones; then what maps make, of which only so many are made as workers take.
//
// Sends never wait: a worker whose channel is full is left alone until something comes from it.
#include "config.h"

#include "pool/pool.h"

enum { RETRY_NS = 1000000 };

// ---- who wants tasks

static bool takes(const struct dragon_pool *pool, const struct worker *worker, uint64_t task_ns)
{
    return worker->state == WORKER_READY && !worker->full && worker->left > 0 && !worker->ending &&
           !pool->broken && chunk_wanted(&worker->ahead, task_ns);
}

void pool_unwant(struct dragon_pool *pool, struct worker *worker)
{
    if (!worker->listed)
        return;
    *(worker->prev ? &worker->prev->follow : &pool->hungry) = worker->follow;
    *(worker->follow ? &worker->follow->prev : &pool->hungry_last) = worker->prev;
    worker->prev = worker->follow = NULL;
    worker->listed = false;
}

// The one that became idle last comes first, also when it was listed as one that had tasks: it may not sleep yet.
void pool_want(struct dragon_pool *pool, struct worker *worker)
{
    bool idle = worker->ahead.tasks == 0;
    if (worker->listed && !idle)
        return;
    pool_unwant(pool, worker);
    if (!takes(pool, worker, 1))
        return;
    worker->prev = idle ? NULL : pool->hungry_last;
    worker->follow = idle ? pool->hungry : NULL;
    *(worker->prev ? &worker->prev->follow : &pool->hungry) = worker;
    *(worker->follow ? &worker->follow->prev : &pool->hungry_last) = worker;
    worker->listed = true;
}

// ---- what there is

void source_list(struct source *source)
{
    struct dragon_pool *pool = source->pool;
    if (source->listed)
        return;
    source->next = NULL;
    *pool->sources_last = source;
    pool->sources_last = &source->next;
    source->listed = true;
}

void source_unlist(struct source *source)
{
    struct dragon_pool *pool = source->pool;
    struct source **at = &pool->sources;
    if (!source->listed)
        return;
    while (*at != source)
        at = &(*at)->next;
    *at = source->next;
    if (!*at)
        pool->sources_last = at;
    source->listed = false;
}

// Makes one task that waits then. False: there is none.
static bool pull(struct dragon_pool *pool)
{
    struct source *source;
    while ((source = pool->sources)) {
        bool inside = pool->inside;
        pool->inside = true; // it may call its user
        struct dragon_result *task = source->make(source);
        pool->inside = inside;
        if (task) {
            task->source = source;
            source->open++;
            task_submit(task);
            return true;
        }
        source_unlist(source);
    }
    return false;
}

// The first queue that has a task which still waits; what was canceled there goes. NULL: none.
static struct task_queue *next_queue(struct dragon_pool *pool, bool from_sources)
{
    for (;;) {
        struct task_queue *queue = pool->again.first ? &pool->again : &pool->fresh;
        struct dragon_result *task = queue->first;
        if (!task) {
            if (!from_sources || !pull(pool))
                return NULL;
            continue;
        }
        bool dropped = task->source && task->source->abandoned;
        if (task->state == TASK_WAITS && !dropped && !task->no_memory)
            return queue;
        queue_take(queue);
        if (task->no_memory)
            task_give_up(task, DRAGON_ERR_NOMEM, "out of memory for its data");
        else
            task_give_up(task, DRAGON_ERR_CANCELED, "canceled");
    }
}

// ---- chunks

static uint64_t task_ns(const struct dragon_result *task)
{
    return task->function ? task->function->task_ns : 0;
}

static uint32_t size_for(const struct dragon_pool *pool, const struct worker *worker,
                         const struct dragon_result *task)
{
    if (task->alone)
        return 1;
    struct chunk_figures figures = {.asked = pool->chunk,
                                    .task_ns = task->function->task_ns,
                                    .left = pool->waiting,
                                    .workers = pool->ready};
    if (task->source)
        figures.left += task->source->left(task->source);
    uint32_t size = chunk_size(&figures);
    return size < worker->left ? size : (uint32_t)worker->left;
}

static bool goes_with(const struct dragon_result *task, const struct dragon_result *first)
{
    return !task->alone && task->function == first->function && task->lost == first->lost;
}

// Takes tasks that go together.
static struct chunk *collect(struct dragon_pool *pool, struct worker *worker,
                             struct task_queue *queue, bool from_sources)
{
    struct dragon_result *first = queue->first, *task = first;
    struct chunk *chunk = slab_take(pool->chunks);
    if (!chunk)
        return NULL;
    *chunk = (struct chunk){
        .number = pool->next_chunk++, .function = first->function, .limit_ms = first->limit_ms};
    queue_init(&chunk->tasks);
    uint32_t most = size_for(pool, worker, first);
    do {
        queue_take(queue);
        queue_add(&chunk->tasks, task);
        task->state = TASK_GIVEN;
        chunk->count++;
        chunk->bytes += task->bytes;
        if (chunk->count == most || (queue = next_queue(pool, from_sources)) == NULL)
            break;
        task = queue->first;
    } while (goes_with(task, first) && chunk->bytes + task->bytes <= POOL_CHUNK_BYTES);
    chunk->ns = task_ns(first) ? task_ns(first) * chunk->count : POOL_AHEAD_NS;
    pool->waiting -= chunk->count;
    pool->given += chunk->count;
    return chunk;
}

static void put_back(struct dragon_pool *pool, struct chunk *chunk)
{
    for (struct dragon_result *task = chunk->tasks.first; task; task = task->next)
        task->state = TASK_WAITS;
    pool->waiting += chunk->count;
    pool->given -= chunk->count;
    queue_put_first(&pool->again, &chunk->tasks);
    slab_give(pool->chunks, chunk);
}

// ---- to whom

static void hand_over(struct dragon_pool *pool, struct worker *worker, struct chunk *chunk)
{
    pool->busy += worker->ahead.tasks == 0;
    chunk->next = NULL;
    *worker->last = chunk;
    worker->last = &chunk->next;
    worker->ahead.chunks++;
    worker->ahead.tasks += chunk->count;
    worker->ahead.ns += chunk->ns;
    worker->ahead.bytes += chunk->bytes;
    if (worker->left != UINT64_MAX)
        worker->left -= chunk->count;
    for (struct dragon_result *task = chunk->tasks.first; task; task = task->next) {
        task->given = true;
        task->worker = worker->rank;
        task->node = worker->node;
    }
    if (worker->first == chunk)
        limit_begin(pool, worker);
}

struct chunk *worker_take_chunk(struct dragon_pool *pool, struct worker *worker, uint64_t number)
{
    struct chunk **at = &worker->first, *chunk;
    while ((chunk = *at) && chunk->number != number)
        at = &chunk->next;
    if (!chunk)
        return NULL;
    *at = chunk->next;
    if (!*at)
        worker->last = at;
    worker->ahead.chunks--;
    worker->ahead.tasks -= chunk->count;
    worker->ahead.ns -= chunk->ns;
    worker->ahead.bytes -= chunk->bytes;
    pool->busy -= worker->ahead.tasks == 0;
    if (at == &worker->first)
        limit_begin(pool, worker);
    return chunk;
}

// Later, when there is room again: something comes from it, or some time has passed.
static void leave_alone(struct dragon_pool *pool, struct worker *worker)
{
    worker->full = true;
    if (worker->ahead.tasks == 0 && pool->retry_ns == 0)
        pool->retry_ns = time_now_ns() + RETRY_NS;
}

// There is no memory for the message.
static void on_no_room(struct dragon_pool *pool, struct worker *worker, struct chunk *chunk,
                       dragon_err_t err)
{
    struct dragon_result *first = chunk->tasks.first;
    bool idle = worker->ahead.tasks == 0, single = chunk->count == 1;
    if (idle)
        for (struct dragon_result *task = first; task; task = task->next)
            task->alone = true;
    put_back(pool, chunk);
    if (!idle || (pool->busy > 0 && err != DRAGON_ERR_TOO_BIG)) {
        leave_alone(pool, worker);
        return;
    }
    if (single) {
        queue_take(&pool->again);
        first->queued = false;
        task_fail(first, err, "%llu bytes for worker %u: %s", (unsigned long long)first->bytes,
                  worker->rank, dragon_err_text(err));
    }
}

static void on_unsent(struct dragon_pool *pool, struct worker *worker, struct chunk *chunk,
                      dragon_err_t err)
{
    char why[300];
    if (err == DRAGON_ERR_FULL || err == DRAGON_ERR_NOMEM || err == DRAGON_ERR_TOO_BIG) {
        on_no_room(pool, worker, chunk, err);
        return;
    }
    put_back(pool, chunk);
    if (err == DRAGON_ERR_AGAIN || err == DRAGON_ERR_TIMEOUT) {
        leave_alone(pool, worker);
        return;
    }
    snprintf(why, sizeof why, "its channel: %s %.200s", dragon_err_text(err),
             dragon_runtime_network_error(pool->runtime));
    crew_kill(pool, worker, why);
}

// Gives the first hungry one a chunk of what is first in the queue.
static void give(struct dragon_pool *pool, struct task_queue *queue, bool from_sources)
{
    struct worker *worker = pool->hungry;
    pool_unwant(pool, worker);
    if (!takes(pool, worker, task_ns(queue->first)))
        return;
    struct chunk *chunk = collect(pool, worker, queue, from_sources);
    if (!chunk) {
        leave_alone(pool, worker);
        return;
    }
    dragon_err_t err = pool_send_chunk(pool, worker, chunk);
    if (err == DRAGON_OK)
        hand_over(pool, worker, chunk);
    else
        on_unsent(pool, worker, chunk, err);
    pool_want(pool, worker);
}

static void retry_full(struct dragon_pool *pool)
{
    if (pool->retry_ns == 0 || time_now_ns() < pool->retry_ns)
        return;
    pool->retry_ns = 0;
    for (uint32_t i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].full && pool->workers[i].ahead.tasks == 0) {
            pool->workers[i].full = false;
            pool_want(pool, &pool->workers[i]);
        }
}

// Not those that come by this.
static void fail_waiting(struct dragon_pool *pool, bool from_sources)
{
    struct task_queue *queue;
    for (uint64_t left = pool->waiting + 1;
         left > 0 && (queue = next_queue(pool, from_sources)) != NULL; left--) {
        struct dragon_result *task = queue_take(queue);
        task_give_up(task, pool->why.code, pool->why.text);
    }
}

void pool_feed(struct dragon_pool *pool, bool from_sources)
{
    struct task_queue *queue;
    retry_full(pool);
    while (pool->hungry && (queue = next_queue(pool, from_sources)))
        give(pool, queue, from_sources);
    if (pool->broken && !pool->inside) // a callback that makes tasks would be called by them
        fail_waiting(pool, from_sources);
}
