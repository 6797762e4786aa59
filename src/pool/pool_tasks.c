// SPDX-License-Identifier: BSD-3-Clause
//
// Tasks: their records, their functions, and what happens when one is done. A record goes when it is done, is in no
// queue or chunk, and nobody has it as a result.
#include "config.h"

#include "pool/pool.h"

#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>

// ---- functions

// A name of our own, or "plugin.so:name".
static bool is_name(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    const char *colon = name ? strrchr(name, ':') : NULL;
    const char *last = colon ? colon + 1 : name;
    if (length == 0 || *last == 0 || colon == name || strlen(last) > DRAGON_FUNCTION_NAME_MOST ||
        length > UINT16_MAX)
        return false;
    for (; *last; last++)
        if (isspace((unsigned char)*last))
            return false;
    return true;
}

struct function *function_of(struct dragon_pool *pool, const char *name, dragon_err_t *err_out)
{
    struct function *function;
    *err_out = DRAGON_ERR_INVAL;
    if (!is_name(name))
        return NULL;
    *err_out = DRAGON_ERR_STATE;
    if (pool->worker_count == 0) // it is for MPI programs
        return NULL;
    size_t length = strlen(name);
    HASH_FIND(hh, pool->functions, name, length, function);
    if (function)
        return function;
    *err_out = DRAGON_ERR_NOMEM;
    function = calloc(1, sizeof *function + length + 1);
    if (!function)
        return NULL;
    memcpy(function->name, name, length);
    function->number = pool->next_function++;
    HASH_ADD(hh, pool->functions, name, length, function);
    return function;
}

void functions_forget(struct dragon_pool *pool)
{
    struct function *function, *next;
    HASH_ITER (hh, pool->functions, function, next) {
        HASH_DEL(pool->functions, function);
        free(function);
    }
}

// ---- records

struct dragon_result *task_create(struct dragon_pool *pool, struct function *function)
{
    struct dragon_result *task = slab_take(pool->tasks);
    if (!task)
        return NULL;
    memset(task, 0, offsetof(struct dragon_result, small));
    task->pool = pool;
    task->function = function;
    task->data = task->small;
    task->alone = !function || pool->limit_ms;
    task->limit_ms = pool->limit_ms;
    return task;
}

static void drop_data(struct dragon_result *task)
{
    if (task->owned)
        free(task->data);
    task->owned = false;
    task->data = task->small;
    task->bytes = 0;
}

bool task_set_data(struct dragon_result *task, const void *data, size_t bytes)
{
    uint8_t *room = bytes > sizeof task->small ? malloc(bytes) : task->small;
    if (!room)
        return false;
    drop_data(task);
    if (bytes)
        memcpy(room, data, bytes);
    task->data = room;
    task->bytes = bytes;
    task->owned = room != task->small;
    return true;
}

void task_release(struct dragon_result *task)
{
    drop_data(task);
    slab_give(task->pool->tasks, task);
}

void task_submit(struct dragon_result *task)
{
    struct dragon_pool *pool = task->pool;
    task->queued = true;
    pool->open++;
    pool->waiting++;
    queue_add(&pool->fresh, task);
}

// ---- done

static void count(struct dragon_pool *pool, const struct dragon_result *task, dragon_err_t err)
{
    pool->open--;
    if (task->state == TASK_WAITS)
        pool->waiting--;
    else
        pool->given--;
    if (err == DRAGON_OK)
        pool->done++;
    else if (err == DRAGON_ERR_CANCELED)
        pool->canceled++;
    else
        pool->failed++;
}

static void tell(struct dragon_result *task)
{
    struct dragon_pool *pool = task->pool;
    bool inside = pool->inside;
    pool->inside = true;
    task->fn(task->arg, task);
    pool->inside = inside;
}

static void finish_source(struct dragon_result *task, const void *value, size_t bytes)
{
    struct source *source = task->source;
    source->open--;
    source->done(source, task, value, bytes);
    if (source->abandoned && source->open == 0)
        source->destroy(source);
}

void task_finish(struct dragon_result *task, dragon_err_t err, const void *value, size_t bytes)
{
    count(task->pool, task, err);
    task->state = TASK_DONE;
    task->err = err;
    if (task->source) {
        finish_source(task, value, bytes);
        return;
    }
    if (!task_set_data(task, value, bytes)) {
        drop_data(task);
        task->err = DRAGON_ERR_NOMEM;
    }
    if (task->fn)
        tell(task);
    if (!task->held && !task->queued)
        task_release(task);
}

void task_fail(struct dragon_result *task, dragon_err_t err, const char *format, ...)
{
    char text[sizeof((dragon_error_t *)NULL)->text];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    task_finish(task, err, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

void task_cancel(struct dragon_result *task)
{
    task_fail(task, DRAGON_ERR_CANCELED, "canceled");
}

void task_give_up(struct dragon_result *task, dragon_err_t err, const char *why)
{
    task->queued = false;
    if (task->state != TASK_DONE)
        task_fail(task, err, "%s", why);
    else if (!task->held)
        task_release(task);
}
