// SPDX-License-Identifier: BSD-3-Clause
//
// What a task can ask and say. Its result is written where it is sent from, at the end of the answer; a second one takes
// the place of the first.
#include "config.h"

#include "pool/work.h"

#include <stdarg.h>

enum { ANSWER_ROOM = 4096, WORDS_ROOM = 401 };

uint8_t *answer_room(struct answer *answer, size_t bytes)
{
    if (bytes > answer->room - answer->length) {
        size_t room = answer->room ? answer->room : ANSWER_ROOM;
        while (room - answer->length < bytes) {
            if (room > SIZE_MAX / 2)
                return NULL;
            room *= 2;
        }
        uint8_t *data = realloc(answer->data, room);
        if (!data)
            return NULL;
        answer->data = data;
        answer->room = room;
    }
    uint8_t *at = answer->data + answer->length;
    answer->length += bytes;
    return at;
}

void task_begin(dragon_task_t *task, struct worker *worker, const void *data, size_t bytes)
{
    task->worker = worker;
    task->data = data;
    task->bytes = bytes;
    task->begin = worker->answer.length;
    task->value_bytes = 0;
    task->failed = false;
}

const void *dragon_task_data(const dragon_task_t *task, size_t *bytes_out)
{
    if (bytes_out)
        *bytes_out = task->bytes;
    return task->data;
}

void *dragon_task_room(dragon_task_t *task, size_t bytes)
{
    struct answer *answer = &task->worker->answer;
    size_t before = answer->length, whole = pool_aligned(bytes);
    answer->length = task->begin;
    uint8_t *at = whole < bytes ? NULL : answer_room(answer, whole ? whole : POOL_ALIGN);
    if (!at) {
        answer->length = before;
        return NULL;
    }
    answer->length = task->begin + whole;
    task->value_bytes = bytes;
    task->failed = false;
    return at;
}

dragon_err_t dragon_task_return(dragon_task_t *task, const void *data, size_t bytes)
{
    const struct answer *answer = &task->worker->answer;
    const uint8_t *from = data, *old = answer->data;
    if (!data && bytes > 0)
        return DRAGON_ERR_INVAL;
    // It may lie in what dragon_task_room gave, which moves.
    bool inside = old && from >= old && from < old + answer->room;
    size_t offset = inside ? (size_t)(from - old) : 0;
    uint8_t *at = dragon_task_room(task, bytes);
    if (!at)
        return DRAGON_ERR_NOMEM;
    if (bytes > 0)
        memmove(at, inside ? answer->data + offset : from, bytes);
    return DRAGON_OK;
}

__attribute__((format(printf, 2, 0))) static void write_words(dragon_task_t *task,
                                                              const char *format, va_list args)
{
    char text[WORDS_ROOM];
    vsnprintf(text, sizeof text, format, args);
    if (dragon_task_return(task, text, strlen(text)) != DRAGON_OK)
        (void)dragon_task_return(task, NULL, 0);
    task->failed = true;
}

void task_words(dragon_task_t *task, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_words(task, format, args);
    va_end(args);
}

int dragon_task_fail(dragon_task_t *task, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_words(task, format, args);
    va_end(args);
    return code;
}

void dragon_task_set_state(dragon_task_t *task, void *state)
{
    task->worker->state = state;
}

void *dragon_task_state(const dragon_task_t *task)
{
    return task->worker->state;
}

dragon_runtime_t *dragon_task_runtime(const dragon_task_t *task)
{
    return task->worker->runtime;
}

uint32_t dragon_task_worker(const dragon_task_t *task)
{
    return task->worker->number;
}

uint32_t dragon_task_attempt(const dragon_task_t *task)
{
    return task->attempt;
}
