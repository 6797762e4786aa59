// SPDX-License-Identifier: BSD-3-Clause
//
// A chunk of tasks, from the message to the message with its results. Per task there is a call of the function and some
// numbers written; nothing is allocated once the answer has grown to what the chunks of the pool need.
#include "config.h"

#include "pool/work.h"

#include <time.h>

enum {
    FULL_FIRST_MS = 1,
    FULL_MOST_MS = 100,
    FULL_MS = 60000,             // to wait for memory of the pool's node
    ANSWER_KEPT_BYTES = 4 << 20, // of a larger one the memory goes back to the system
};

struct chunk {
    const struct pool_chunk *head; // in the message, as the next
    const struct pool_item *items;
    const uint8_t *data;
    size_t bytes;       // of the message
    size_t at;          // where the data of the next task is
    dragon_task_fn run; // NULL: there is none
    const char *why;    // not
};

// Everything that the message says of its own size is looked at here.
static bool chunk_read(struct chunk *chunk, const struct received *received)
{
    *chunk = (struct chunk){
        .head = (const void *)received->data, .data = received->data, .bytes = received->bytes};
    if (received->bytes < sizeof *chunk->head || chunk->head->count == 0)
        return false;
    size_t room = received->bytes - sizeof *chunk->head, count = chunk->head->count;
    if (count > room / sizeof *chunk->items)
        return false;
    chunk->items = (const void *)(received->data + sizeof *chunk->head);
    chunk->at = pool_aligned(sizeof *chunk->head + count * sizeof *chunk->items);
    size_t at = chunk->at;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = chunk->items[i].bytes;
        if (bytes == 0)
            continue;
        if (at > chunk->bytes || bytes > chunk->bytes - at)
            return false;
        at = pool_aligned(at + bytes);
    }
    return true;
}

static bool chunk_function(const struct worker *worker, struct chunk *chunk)
{
    uint32_t number = chunk->head->function;
    if (number == POOL_FUNCTION_COMMAND)
        return chunk->head->count == 1;
    if (number - POOL_FUNCTION_FIRST >= worker->named_count)
        return false;
    const struct named *named = &worker->named[number - POOL_FUNCTION_FIRST];
    chunk->run = named->run;
    chunk->why = named->why;
    return named->told;
}

static uint64_t real_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct pool_done *done_of(struct worker *worker, size_t i)
{
    return (struct pool_done *)(worker->answer.data + sizeof(struct pool_results)) + i;
}

static void run_limited(const struct chunk *chunk, dragon_task_t *task, struct pool_done *done)
{
    if (!work_limit_begin(chunk->head->limit_ms)) {
        task_words(task, "no timer for its limit");
        done->err = DRAGON_ERR_SYS;
        return;
    }
    done->code = chunk->run(task);
    work_limit_end();
}

// Not through a pointer into the answer: that may move while the task runs.
static struct pool_done run_one(const struct chunk *chunk, dragon_task_t *task)
{
    struct pool_done done = {0};
    if (chunk->head->function == POOL_FUNCTION_COMMAND) {
        work_command(task, chunk->head, &done);
    } else if (!chunk->run) {
        task_words(task, "%s", chunk->why ? chunk->why : "out of memory");
        done.err = DRAGON_ERR_NOT_FOUND;
    } else if (chunk->head->limit_ms) {
        run_limited(chunk, task, &done);
    } else {
        done.code = chunk->run(task);
    }
    if (done.err == DRAGON_OK && done.code != 0) {
        done.err = DRAGON_ERR_FAILED;
        if (!task->failed)
            (void)dragon_task_room(task, 0); // a result that is none
    }
    done.bytes = task->value_bytes;
    return done;
}

static void run_all(struct worker *worker, struct chunk *chunk, bool canceled)
{
    struct dragon_task task = {.attempt = chunk->head->attempt};
    size_t at = chunk->at;
    for (uint32_t i = 0; i < chunk->head->count; i++) {
        size_t bytes = chunk->items[i].bytes;
        // An empty one has an address, too.
        task_begin(&task, worker, chunk->data + (bytes ? at : 0), bytes);
        if (canceled)
            *done_of(worker, i) = (struct pool_done){.err = DRAGON_ERR_CANCELED};
        else {
            struct pool_done done = run_one(chunk, &task);
            *done_of(worker, i) = done;
        }
        at = pool_aligned(at + bytes);
    }
}

// ---- the answer

static bool answer_begin(struct worker *worker, uint32_t count)
{
    size_t head = sizeof(struct pool_results) + (size_t)count * sizeof(struct pool_done);
    worker->answer.length = 0;
    return answer_room(&worker->answer, pool_aligned(head)) != NULL;
}

static uint64_t tasks_left(const struct worker *worker)
{
    if (worker->tasks_per_worker == 0)
        return UINT64_MAX;
    return worker->done < worker->tasks_per_worker ? worker->tasks_per_worker - worker->done : 0;
}

static dragon_err_t send_answer(struct worker *worker)
{
    uint64_t deadline_ms = time_now_ms() + FULL_MS;
    struct timespec wait = {.tv_nsec = FULL_FIRST_MS * 1000000L};
    for (;;) {
        dragon_err_t err =
            work_say(worker, POOL_RESULTS, worker->answer.data, worker->answer.length);
        // There is nothing to wait for: it is the memory of another node that has to become free.
        if (err != DRAGON_ERR_FULL || time_left_ms(deadline_ms) == 0)
            return err;
        nanosleep(&wait, NULL);
        if (wait.tv_nsec < FULL_MOST_MS * 1000000L)
            wait.tv_nsec *= 2;
    }
}

// What was made cannot be sent: that is said of each task instead.
static dragon_err_t send_failure(struct worker *worker, uint32_t count, dragon_err_t err)
{
    char words[300];
    size_t bytes = worker->answer.length;
    snprintf(words, sizeof words, "its results of %zu bytes cannot be sent: %s", bytes,
             dragon_err_text(err));
    worker->answer.length =
        pool_aligned(sizeof(struct pool_results) + (size_t)count * sizeof(struct pool_done));
    for (uint32_t i = 0; i < count; i++) {
        struct dragon_task task = {0};
        task_begin(&task, worker, NULL, 0);
        task_words(&task, "%s", words);
        *done_of(worker, i) = (struct pool_done){.err = err, .bytes = task.value_bytes};
    }
    return send_answer(worker);
}

static void answer_trim(struct answer *answer)
{
    if (answer->room <= ANSWER_KEPT_BYTES)
        return;
    free(answer->data);
    *answer = (struct answer){0};
}

dragon_err_t work_chunk(struct worker *worker, const struct received *received)
{
    struct chunk chunk;
    if (!chunk_read(&chunk, received) || !chunk_function(worker, &chunk))
        return DRAGON_ERR_PROTO;
    uint32_t count = chunk.head->count;
    if (!answer_begin(worker, count))
        return DRAGON_ERR_NOMEM;
    uint64_t started_ns = real_ns(), begun_ns = time_now_ns();
    run_all(worker, &chunk, received->canceled);
    worker->done += count;
    *(struct pool_results *)worker->answer.data =
        (struct pool_results){.chunk = chunk.head->chunk,
                              .life = worker->life,
                              .worker = worker->number,
                              .count = count,
                              .started_ns = started_ns,
                              .run_ns = time_now_ns() - begun_ns,
                              .left = tasks_left(worker)};
    dragon_err_t err = send_answer(worker);
    if (err == DRAGON_ERR_FULL || err == DRAGON_ERR_TOO_BIG)
        err = send_failure(worker, count, err);
    answer_trim(&worker->answer);
    return err;
}
