// SPDX-License-Identifier: BSD-3-Clause
//
// Taking what workers say. Everything in it is checked against what the pool knows: a worker that says what makes no
// sense is killed. What a life says after its end has been seen still counts for tasks that wait to be tried again.
#include "config.h"

#include "pool/pool.h"

enum { WORDS_MOST = 400 };

// ---- results

// One piece after the other of what is behind the heads.
struct values {
    const struct pool_results *said;
    const struct pool_done *done;
    const uint8_t *at;
    size_t left;
};

// False: it makes no sense.
static bool values_open(struct values *values, const uint8_t *body, size_t bytes)
{
    const struct pool_results *said = (const struct pool_results *)body;
    if (bytes < sizeof *said || said->count > (bytes - sizeof *said) / sizeof(struct pool_done))
        return false;
    size_t head = pool_aligned(sizeof *said + said->count * sizeof(struct pool_done));
    *values = (struct values){.said = said, .done = (const struct pool_done *)(said + 1)};
    if (head < bytes) {
        values->at = body + head;
        values->left = bytes - head;
    }
    for (uint32_t i = 0; i < said->count; i++) {
        uint64_t most = bytes - (head < bytes ? head : bytes);
        if (values->done[i].bytes > most)
            return false;
    }
    return true;
}

// The next value; `none` where it has no bytes. False: it is not all there.
static bool values_next(struct values *values, const struct pool_done **done_out,
                        const uint8_t **value_out)
{
    const struct pool_done *done = values->done++;
    size_t room = pool_aligned(done->bytes);
    if (done->bytes > values->left)
        return false;
    room = room < values->left ? room : values->left; // the last one may end earlier
    *done_out = done;
    *value_out = values->at;
    if (values->at)
        values->at += room;
    values->left -= room;
    return true;
}

static bool is_error(int32_t err)
{
    return err < 0 && strcmp(dragon_err_name((dragon_err_t)err), "unknown error") != 0;
}

static void fail(struct dragon_result *task, const struct pool_done *done, const uint8_t *words)
{
    dragon_err_t err = is_error(done->err) ? (dragon_err_t)done->err : DRAGON_ERR_PROTO;
    const char *name = task->function ? task->function->name : "the command";
    int length = (int)(done->bytes < WORDS_MOST ? done->bytes : WORDS_MOST);
    const char *colon = length ? ": " : "", *text = length ? (const char *)words : "";
    const char *where = pool_node_name(task->pool, task->node);
    if (err == DRAGON_ERR_FAILED)
        task_fail(task, err, "%.100s on worker %u (%s) said %d%s%.*s", name, task->worker, where,
                  (int)done->code, colon, length, text);
    else
        task_fail(task, err, "%.100s on worker %u (%s): %s%s%.*s", name, task->worker, where,
                  dragon_err_text(err), colon, length, text);
}

static void finish(struct dragon_result *task, const struct pool_results *said,
                   const struct pool_done *done, const uint8_t *value)
{
    task->queued = false;
    if (task->state == TASK_DONE) { // it was canceled
        if (!task->held)
            task_release(task);
        return;
    }
    task->code = done->code;
    task->started_ns = said->started_ns;
    task->run_ns = said->run_ns / said->count;
    if (done->err == DRAGON_OK)
        task_finish(task, DRAGON_OK, value, done->bytes);
    else
        fail(task, done, value);
}

// The tasks of a life that is over and wait again are done after all.
static struct dragon_result *take_lost(struct dragon_pool *pool, uint64_t chunk, uint32_t place)
{
    struct dragon_result **at = &pool->again.first, *task;
    for (; (task = *at); at = &task->next) {
        if (task->lost_chunk != chunk || task->lost_place != place)
            continue;
        *at = task->next;
        if (!*at)
            pool->again.last = at;
        return task;
    }
    return NULL;
}

static void on_late(struct dragon_pool *pool, struct values *values)
{
    const struct pool_results *said = values->said;
    const struct pool_done *done;
    const uint8_t *value;
    for (uint32_t i = 0; i < said->count && values_next(values, &done, &value); i++) {
        struct dragon_result *task = take_lost(pool, said->chunk, i);
        if (task)
            finish(task, said, done, value);
    }
}

static void measure(struct function *function, const struct pool_results *said)
{
    if (function && said->count)
        function->task_ns = chunk_measured(function->task_ns, said->run_ns, said->count);
}

static void take_chunk(struct dragon_pool *pool, struct values *values, struct chunk *chunk)
{
    const struct pool_results *said = values->said;
    const struct pool_done *done = NULL, nothing = {.err = DRAGON_ERR_PROTO};
    const uint8_t *value = NULL;
    struct dragon_result *task;
    bool good = said->count == chunk->count;
    if (good)
        measure(chunk->function, said);
    while ((task = queue_take(&chunk->tasks))) {
        good = good && values_next(values, &done, &value);
        finish(task, said, good ? done : &nothing, value);
    }
    slab_give(pool->chunks, chunk);
}

static void on_results(struct dragon_pool *pool, const uint8_t *body, size_t bytes)
{
    struct values values;
    if (!values_open(&values, body, bytes) || values.said->worker >= pool->worker_count)
        return;
    const struct pool_results *said = values.said;
    struct worker *worker = &pool->workers[said->worker];
    struct chunk *chunk =
        worker->life == said->life ? worker_take_chunk(pool, worker, said->chunk) : NULL;
    if (!chunk) {
        on_late(pool, &values);
        return;
    }
    if (said->left != UINT64_MAX)
        worker->left = said->left > worker->ahead.tasks ? said->left - worker->ahead.tasks : 0;
    worker->full = false;
    worker->bad_starts = 0;
    take_chunk(pool, &values, chunk);
    pool_want(pool, worker);
}

// ---- messages

static void on_message(struct dragon_pool *pool, const dragon_message_t *message,
                       const uint8_t *body)
{
    pool->happened++;
    if (message->tag == POOL_RESULTS)
        on_results(pool, body, message->bytes);
    else if (message->tag == POOL_HELLO)
        crew_on_hello(pool, body, message->bytes);
    else if (message->tag == POOL_READY)
        crew_on_ready(pool, body, message->bytes);
}

// Where it is, if the node has memory for that.
static dragon_err_t take_large(struct dragon_pool *pool, size_t bytes)
{
    dragon_message_t message;
    void *block;
    dragon_err_t err = dragon_channel_receive_memory(pool->results, &block, &message, 0);
    if (err == DRAGON_OK) {
        on_message(pool, &message, block);
        dragon_memory_free(pool->runtime, block);
    }
    if (err != DRAGON_ERR_FULL)
        return err;
    uint8_t *body = malloc(bytes);
    if (!body)
        return DRAGON_ERR_NOMEM;
    err = dragon_channel_receive(pool->results, body, bytes, &message, 0);
    if (err == DRAGON_OK)
        on_message(pool, &message, body);
    free(body);
    return err;
}

dragon_err_t pool_take(struct dragon_pool *pool, int timeout_ms)
{
    dragon_message_t message;
    dragon_err_t err = dragon_channel_receive(pool->results, pool->message, POOL_MESSAGE_BYTES,
                                              &message, timeout_ms);
    if (err == DRAGON_ERR_TOO_BIG)
        return take_large(pool, message.bytes);
    if (err == DRAGON_OK)
        on_message(pool, &message, pool->message);
    return err;
}
