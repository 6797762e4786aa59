// SPDX-License-Identifier: BSD-3-Clause
//
// The workers: who they are, and what becomes of the tasks of one that is gone. The group starts a worker again on its
// node; here it is only waited for its HELLO. An end is handled after all that the worker said, so that what it had done
// counts.
#include "config.h"

#include "pool/pool.h"

#include <inttypes.h>
#include <signal.h>

enum { LAST_LINES = 250, SIGNALED = 128 };

// ---- states

static void enter(struct dragon_pool *pool, struct worker *worker, enum worker_state state)
{
    pool->ready += (state == WORKER_READY) - (worker->state == WORKER_READY);
    pool->unfit += (state == WORKER_UNFIT) - (worker->state == WORKER_UNFIT);
    worker->state = state;
    pool_unwant(pool, worker);
    pool_want(pool, worker);
}

static const char *host_of(const struct dragon_pool *pool, const struct worker *worker)
{
    return pool_node_name(pool, worker->node);
}

static void say_why(struct worker *worker, const char *why)
{
    free(worker->why);
    worker->why = strdup(why);
}

void crew_fail_all(struct dragon_pool *pool, dragon_err_t err, const char *why)
{
    struct dragon_result *task;
    struct chunk *chunk;
    if (!pool->broken)
        err_set(&pool->why, err, "%s", why);
    pool->broken = true;
    for (uint32_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        pool_unwant(pool, worker);
        while (worker->first &&
               (chunk = worker_take_chunk(pool, worker, worker->first->number)) != NULL) {
            while ((task = queue_take(&chunk->tasks)))
                task_give_up(task, pool->why.code, pool->why.text);
            slab_give(pool->chunks, chunk);
        }
    }
    mpi_fail_all(pool, pool->why.code, pool->why.text);
}

static void give_up(struct dragon_pool *pool, struct worker *worker, dragon_err_t err)
{
    char why[sizeof pool->why.text];
    enter(pool, worker, WORKER_UNFIT);
    if (dragon_group_state(pool->group) == DRAGON_GROUP_RUNNING)
        dragon_group_remove(pool->group, worker->rank);
    if (pool->unfit < pool->worker_count || pool->ending)
        return;
    snprintf(
        why, sizeof why, "none of %" PRIu32 " workers can be used; worker %" PRIu32 " on %s: %s",
        pool->worker_count, worker->rank, host_of(pool, worker), worker->why ? worker->why : "");
    crew_fail_all(pool, err, why);
}

// ---- ends

static void cause_of(const struct end *end, char *text, size_t room)
{
    if (end->lost)
        snprintf(text, room, "is lost with its node");
    else if (end->code > SIGNALED && end->code <= SIGNALED + SIGRTMAX)
        snprintf(text, room, "was killed by signal %d (%s)", end->code - SIGNALED,
                 strsignal(end->code - SIGNALED));
    else if (end->code < 0)
        snprintf(text, room, "is gone");
    else
        snprintf(text, room, "ended with code %d", end->code);
}

static void fail_lost(struct dragon_result *task, const struct worker *worker,
                      const struct end *end)
{
    char cause[100];
    cause_of(end, cause, sizeof cause);
    const char *lines = lines_last(worker, LAST_LINES);
    if (task->limit_ms && end->code == POOL_EXIT_LIMIT) {
        task_fail(task, DRAGON_ERR_TIMEOUT,
                  "it ran longer than %" PRIu64 " ms on worker %" PRIu32 " (%s, process %d)",
                  task->limit_ms, worker->rank, host_of(task->pool, worker), end->pid);
        return;
    }
    task_fail(task, DRAGON_ERR_PEER,
              "worker %" PRIu32 " on %s (process %d) %s while it ran it, in attempt %" PRIu32
              "%s%s",
              worker->rank, host_of(task->pool, worker), end->pid, cause, task->lost,
              *lines ? "; its last lines: " : "", lines);
}

// One that the worker was running, with others or alone.
static void lose_begun(struct dragon_result *task, const struct worker *worker,
                       const struct end *end, bool alone, struct task_queue *back)
{
    struct dragon_pool *pool = task->pool;
    bool limit = task->limit_ms && end->code == POOL_EXIT_LIMIT;
    task->lost++;
    task->charged += alone;
    pool->retried++;
    if (alone && (limit || task->charged > pool->retries)) {
        task->queued = false;
        fail_lost(task, worker, end);
        return;
    }
    task->alone = true;
    queue_add(back, task);
}

static void lose_chunk(struct dragon_pool *pool, struct chunk *chunk, const struct worker *worker,
                       const struct end *end, bool begun, struct task_queue *back)
{
    struct dragon_result *task;
    bool alone = chunk->count == 1;
    for (uint32_t place = 0; (task = queue_take(&chunk->tasks)); place++) {
        if (task->state == TASK_DONE) { // it was canceled
            task->queued = false;
            if (!task->held)
                task_release(task);
            continue;
        }
        task->lost_chunk = chunk->number;
        task->lost_place = place;
        if (begun)
            lose_begun(task, worker, end, alone, back);
        else
            queue_add(back, task);
    }
    slab_give(pool->chunks, chunk);
}

// What it had goes back: to the front, in its order. The oldest chunk was begun.
static void lose_chunks(struct dragon_pool *pool, struct worker *worker, const struct end *end,
                        bool begun)
{
    struct task_queue back;
    struct chunk *chunk;
    queue_init(&back);
    while (worker->first && (chunk = worker_take_chunk(pool, worker, worker->first->number))) {
        lose_chunk(pool, chunk, worker, end, begun, &back);
        begun = false;
    }
    for (struct dragon_result *task = back.first; task; task = task->next) {
        task->state = TASK_WAITS;
        pool->waiting++;
        pool->given--;
    }
    queue_put_first(&pool->again, &back);
}

static void forget_life(struct worker *worker)
{
    dragon_channel_destroy(worker->channel, NULL);
    worker->channel = NULL;
    worker->gone_pid = worker->pid;
    worker->pid = 0;
    worker->life = 0;
    worker->overdue = 0;
    worker->full = worker->ending = worker->pardoned = false;
}

static void on_bad_start(struct dragon_pool *pool, struct worker *worker, const struct end *end)
{
    char cause[100], why[300 + LAST_LINES];
    cause_of(end, cause, sizeof cause);
    const char *lines = lines_last(worker, LAST_LINES);
    if (!worker->why || worker->bad_starts == 0) {
        snprintf(why, sizeof why,
                 "process %d %s before it was ready (does it call dragon_pool_work?)%s%s", end->pid,
                 cause, *lines ? "; its last lines: " : "", lines);
        say_why(worker, why);
    }
    if (++worker->bad_starts >= POOL_BAD_STARTS)
        give_up(pool, worker, DRAGON_ERR_PEER);
}

// One that was killed for a limit ends as if it had seen that itself; unless it was quicker, and then it is killed for no fault.
static void lose_all(struct dragon_pool *pool, struct worker *worker, const struct end *end)
{
    struct end limited = *end;
    limited.code = POOL_EXIT_LIMIT;
    if (!worker->overdue)
        lose_chunks(pool, worker, end, !worker->pardoned && !end->lost);
    else
        lose_chunks(pool, worker, &limited,
                    worker->first && worker->first->number == worker->overdue);
}

static void on_gone(struct dragon_pool *pool, struct worker *worker, const struct end *end)
{
    bool was_ready = worker->state == WORKER_READY;
    lose_all(pool, worker, end);
    forget_life(worker);
    pool->replaced += end->again;
    if (worker->state == WORKER_UNFIT)
        return;
    enter(pool, worker, WORKER_COMING);
    if (!was_ready)
        on_bad_start(pool, worker, end);
}

static void on_end(struct dragon_pool *pool, const struct end *end)
{
    struct worker *worker = &pool->workers[end->rank];
    if (end->pid == worker->pid && worker->pid)
        on_gone(pool, worker, end);
    else if (!worker->pid && worker->state == WORKER_COMING && end->pid != worker->gone_pid) {
        worker->gone_pid = end->pid; // its HELLO may still come
        on_bad_start(pool, worker, end);
    }
    if (!end->again && worker->state != WORKER_UNFIT && !pool->ending) {
        if (!worker->why)
            say_why(worker, "it was ended, and is not started again");
        give_up(pool, worker, DRAGON_ERR_PEER);
    }
    lines_end(worker);
}

void crew_take_ends(struct dragon_pool *pool)
{
    char why[sizeof pool->why.text];
    for (uint32_t i = 0; i < pool->end_count; i++)
        if (pool->ends[i].rank < pool->worker_count)
            on_end(pool, &pool->ends[i]);
    pool->end_count = 0;
    if (!pool->group_ended || pool->broken)
        return;
    snprintf(why, sizeof why, "the workers have ended: %.400s", dragon_group_cause(pool->group));
    crew_fail_all(pool, pool->closed ? DRAGON_ERR_CANCELED : DRAGON_ERR_PEER, why);
}

void crew_on_event(void *arg, dragon_group_t *group, const dragon_event_t *event)
{
    struct dragon_pool *pool = arg;
    (void)group;
    pool->group_ended |= event->kind == DRAGON_EVENT_ENDED;
    pool->happened++;
    pool_wake(pool);
    if (event->kind != DRAGON_EVENT_RANK_DOWN && event->kind != DRAGON_EVENT_RANK_AGAIN)
        return;
    if (pool->end_count == pool->end_room) {
        uint32_t room = pool->end_room ? 2 * pool->end_room : 16;
        struct end *more = realloc(pool->ends, room * sizeof *more);
        if (!more)
            return;
        pool->ends = more;
        pool->end_room = room;
    }
    pool->ends[pool->end_count++] = (struct end){.rank = event->rank,
                                                 .pid = event->pid,
                                                 .code = event->code,
                                                 .again = event->kind == DRAGON_EVENT_RANK_AGAIN,
                                                 .lost = event->lost != 0};
}

// ---- beginnings

void crew_kill(struct dragon_pool *pool, struct worker *worker, const char *why)
{
    say_why(worker, why);
    worker->bad_starts += worker->bad_starts == 0;
    enter(pool, worker, WORKER_SETUP);
    worker->pardoned = true;
    dragon_group_signal(pool->group, (int)worker->rank, SIGKILL);
}

void crew_end(struct dragon_pool *pool, struct worker *worker)
{
    (void)pool;
    if (worker->channel && !worker->ending)
        worker->ending = dragon_channel_send(worker->channel, NULL, 0, POOL_END, 0) == DRAGON_OK;
}

static bool send_setup(struct dragon_pool *pool, struct worker *worker)
{
    size_t name = pool->initializer ? strlen(pool->initializer) : 0;
    size_t head = pool_aligned(sizeof(struct pool_setup) + name);
    uint8_t *out = pool_out(pool, head + pool->initial_bytes);
    if (!out)
        return false;
    *(struct pool_setup *)out = (struct pool_setup){.tasks_per_worker = pool->tasks_per_worker,
                                                    .initializer_bytes = (uint32_t)name,
                                                    .initial_bytes = pool->initial_bytes};
    if (name)
        memcpy(out + sizeof(struct pool_setup), pool->initializer, name);
    if (pool->initial_bytes)
        memcpy(out + head, pool->initial, pool->initial_bytes);
    return dragon_channel_send(worker->channel, out, head + pool->initial_bytes, POOL_SETUP, 0) ==
           DRAGON_OK;
}

static void begin_life(struct dragon_pool *pool, struct worker *worker,
                       const struct pool_hello *hello, const char *text)
{
    dragon_error_t error;
    worker->pid = hello->pid;
    worker->life = hello->life;
    worker->node = hello->node;
    worker->told = POOL_FUNCTION_FIRST;
    worker->left = pool->tasks_per_worker ? pool->tasks_per_worker : UINT64_MAX;
    if (hello->err != DRAGON_OK)
        crew_kill(pool, worker, text);
    else if (dragon_channel_attach(pool->runtime, text, &worker->channel, &error) != DRAGON_OK)
        crew_kill(pool, worker, error.text);
    else if (!send_setup(pool, worker))
        crew_kill(pool, worker, "its channel takes nothing");
    else
        enter(pool, worker, pool->initializer ? WORKER_SETUP : WORKER_READY);
    if (pool->ending)
        crew_end(pool, worker);
}

// How the present life ended, if that is known already.
static struct end find_end(struct dragon_pool *pool, const struct worker *worker)
{
    dragon_runtime_progress(pool->runtime, 0); // which notes ends
    lines_read(pool);
    for (uint32_t i = 0; i < pool->end_count; i++)
        if (pool->ends[i].rank == worker->rank && pool->ends[i].pid == worker->pid)
            return pool->ends[i];
    return (struct end){.rank = worker->rank, .pid = worker->pid, .code = -1, .again = true};
}

void crew_on_hello(struct dragon_pool *pool, const uint8_t *body, size_t bytes)
{
    const struct pool_hello *hello = (const struct pool_hello *)body;
    if (bytes < sizeof *hello || hello->version != POOL_VERSION ||
        hello->worker >= pool->worker_count || hello->text_bytes > bytes - sizeof *hello)
        return;
    struct worker *worker = &pool->workers[hello->worker];
    if (worker->state == WORKER_UNFIT || hello->pid == worker->gone_pid || hello->pid <= 0 ||
        hello->life == worker->life)
        return;
    char *text = strndup((const char *)(hello + 1), hello->text_bytes);
    if (!text)
        return;
    if (worker->pid == hello->pid) { // it has begun anew
        lose_chunks(pool, worker, &(struct end){.code = -1}, false);
        forget_life(worker);
        worker->gone_pid = 0;
        pool->replaced++;
    } else if (worker->pid) { // its end comes behind this
        struct end end = find_end(pool, worker);
        on_gone(pool, worker, &end);
    }
    begin_life(pool, worker, hello, text);
    free(text);
}

void crew_on_ready(struct dragon_pool *pool, const uint8_t *body, size_t bytes)
{
    const struct pool_ready *ready = (const struct pool_ready *)body;
    char why[500];
    if (bytes < sizeof *ready || ready->worker >= pool->worker_count ||
        ready->text_bytes > bytes - sizeof *ready)
        return;
    struct worker *worker = &pool->workers[ready->worker];
    if (worker->life != ready->life || worker->state != WORKER_SETUP)
        return;
    if (ready->err == DRAGON_OK) {
        enter(pool, worker, WORKER_READY);
        return;
    }
    int length = (int)(ready->text_bytes < 300 ? ready->text_bytes : 300);
    snprintf(why, sizeof why, "the initialiser %.100s failed (%s, code %d)%s%.*s",
             pool->initializer ? pool->initializer : "", dragon_err_text((dragon_err_t)ready->err),
             (int)ready->code, length ? ": " : "", length, (const char *)(ready + 1));
    say_why(worker, why);
    give_up(pool, worker, DRAGON_ERR_FAILED);
}

// ---- all of them

dragon_err_t crew_create(struct dragon_pool *pool)
{
    dragon_rank_place_t place;
    uint32_t count = dragon_group_size(pool->group);
    pool->workers = calloc(count ? count : 1, sizeof *pool->workers);
    if (!pool->workers)
        return DRAGON_ERR_NOMEM;
    pool->worker_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = &pool->workers[i];
        worker->rank = i;
        worker->last = &worker->first;
        if (dragon_group_rank_place(pool->group, i, &place) == DRAGON_OK)
            worker->node = place.node;
    }
    return DRAGON_OK;
}

void crew_destroy(struct dragon_pool *pool)
{
    for (uint32_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        dragon_channel_destroy(worker->channel, NULL);
        lines_destroy(worker);
        free(worker->why);
    }
    free(pool->workers);
    free(pool->ends);
}
