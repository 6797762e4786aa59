// SPDX-License-Identifier: BSD-3-Clause
//
// Chunks as messages. A worker is told of a function before its first chunk of it.
#include "config.h"

#include "pool/pool.h"

enum { OUT_LEAST = 64 << 10, LARGE = 64 << 10 };

uint8_t *pool_out(struct dragon_pool *pool, size_t bytes)
{
    if (bytes <= pool->out_room)
        return pool->out;
    size_t room = bytes < OUT_LEAST ? OUT_LEAST : bytes + bytes / 2;
    uint8_t *more = realloc(pool->out, room);
    if (!more)
        return NULL;
    pool->out = more;
    pool->out_room = room;
    return more;
}

static size_t message_bytes(const struct chunk *chunk)
{
    size_t bytes =
        pool_aligned(sizeof(struct pool_chunk) + chunk->count * sizeof(struct pool_item));
    for (const struct dragon_result *task = chunk->tasks.first; task; task = task->next)
        bytes += pool_aligned(task->bytes);
    return bytes;
}

static void compose(const struct chunk *chunk, uint8_t *out)
{
    struct pool_chunk *said = (struct pool_chunk *)out;
    struct pool_item *item = (struct pool_item *)(said + 1);
    uint8_t *at = out + pool_aligned(sizeof *said + chunk->count * sizeof *item);
    *said = (struct pool_chunk){.chunk = chunk->number,
                                .function = chunk->function ? chunk->function->number
                                                            : POOL_FUNCTION_COMMAND,
                                .count = chunk->count,
                                .limit_ms = chunk->limit_ms,
                                .attempt = chunk->tasks.first->lost};
    for (const struct dragon_result *task = chunk->tasks.first; task; task = task->next) {
        (item++)->bytes = task->bytes;
        if (task->bytes)
            memcpy(at, task->data, task->bytes);
        at += pool_aligned(task->bytes);
    }
}

// A large one is written where the worker will read it.
static dragon_err_t send_large(struct dragon_pool *pool, struct worker *worker,
                               const struct chunk *chunk, size_t bytes)
{
    void *block;
    dragon_err_t err = dragon_memory_alloc(pool->runtime, bytes, &block, NULL);
    if (err != DRAGON_OK)
        return err;
    compose(chunk, block);
    err = dragon_channel_send_memory(worker->channel, block, bytes, POOL_CHUNK, 0);
    if (err != DRAGON_OK)
        dragon_memory_free(pool->runtime, block);
    return err;
}

static dragon_err_t tell_function(struct worker *worker, const struct function *function)
{
    struct {
        struct pool_function said;
        char name[UINT16_MAX];
    } message;
    size_t length = strlen(function->name);
    message.said =
        (struct pool_function){.function = function->number, .name_bytes = (uint32_t)length};
    memcpy(message.name, function->name, length);
    dragon_err_t err = dragon_channel_send(worker->channel, &message, sizeof message.said + length,
                                           POOL_FUNCTION, 0);
    if (err == DRAGON_OK)
        worker->told = function->number + 1;
    return err;
}

// Functions are told in the order of their numbers.
static dragon_err_t tell_functions(struct dragon_pool *pool, struct worker *worker,
                                   const struct function *wanted)
{
    dragon_err_t err = DRAGON_OK;
    if (!wanted || wanted->number < worker->told)
        return DRAGON_OK;
    for (const struct function *f = pool->functions; f && err == DRAGON_OK; f = f->hh.next)
        if (f->number >= worker->told)
            err = tell_function(worker, f);
    return err;
}

dragon_err_t pool_send_chunk(struct dragon_pool *pool, struct worker *worker,
                             const struct chunk *chunk)
{
    dragon_err_t err = tell_functions(pool, worker, chunk->function);
    if (err != DRAGON_OK)
        return err;
    size_t bytes = message_bytes(chunk);
    if (bytes > LARGE)
        return send_large(pool, worker, chunk, bytes);
    uint8_t *out = pool_out(pool, bytes);
    if (!out)
        return DRAGON_ERR_NOMEM;
    compose(chunk, out);
    return dragon_channel_send(worker->channel, out, bytes, POOL_CHUNK, 0);
}
