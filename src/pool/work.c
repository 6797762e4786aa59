// SPDX-License-Identifier: BSD-3-Clause
//
// The life of a worker: see work.h and proto.h. It sleeps in dragon_channel_receive when there is nothing to do.
#include "config.h"

#include "pool/work.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

static char worker_program[] = POOL_WORKER_PROGRAM;
char *const DRAGON_POOL_COMMANDS[] = {worker_program, NULL};
char *const DRAGON_POOL_MPI[] = {worker_program, NULL};

enum {
    CAPACITY = 256,
    INLINE_BYTES = 1024,     // a hundred tasks without data
    BUFFER_BYTES = 64 << 10, // larger messages come as blocks
    EXIT_FAILED = 1,
};

// ---- messages

dragon_err_t work_say(struct worker *worker, enum pool_kind kind, const void *data, size_t bytes)
{
    return dragon_channel_send(worker->results, data, bytes, kind, DRAGON_FOREVER);
}

static dragon_err_t receive_block(struct worker *worker, struct received *received)
{
    dragon_message_t message;
    dragon_err_t err =
        dragon_channel_receive_memory(worker->tasks, &received->block, &message, DRAGON_FOREVER);
    if (err != DRAGON_OK)
        return err;
    received->data = received->block;
    received->bytes = message.bytes;
    received->tag = message.tag;
    return DRAGON_OK;
}

// Where the node has no memory for it: this process may.
static dragon_err_t receive_grown(struct worker *worker, size_t bytes, dragon_message_t *message)
{
    uint8_t *buffer = realloc(worker->buffer, bytes);
    if (!buffer)
        return DRAGON_ERR_NOMEM;
    worker->buffer = buffer;
    worker->buffer_bytes = bytes;
    return dragon_channel_receive(worker->tasks, buffer, bytes, message, DRAGON_FOREVER);
}

static dragon_err_t receive_next(struct worker *worker, struct received *received)
{
    dragon_message_t message;
    dragon_err_t err = dragon_channel_receive(worker->tasks, worker->buffer, worker->buffer_bytes,
                                              &message, DRAGON_FOREVER);
    if (err == DRAGON_ERR_TOO_BIG) {
        size_t bytes = message.bytes;
        err = receive_block(worker, received);
        if (err == DRAGON_OK)
            return err;
        if (err == DRAGON_ERR_FULL)
            err = receive_grown(worker, bytes, &message);
    }
    if (err != DRAGON_OK)
        return err;
    received->data = worker->buffer;
    received->bytes = message.bytes;
    received->tag = message.tag;
    return DRAGON_OK;
}

dragon_err_t work_receive(struct worker *worker, struct received *received_out)
{
    struct later *later = worker->laters;
    *received_out = (struct received){0};
    if (!later)
        return receive_next(worker, received_out);
    worker->laters = later->next;
    if (!worker->laters)
        worker->laters_end = &worker->laters;
    *received_out = (struct received){.data = later->data,
                                      .bytes = later->bytes,
                                      .tag = later->tag,
                                      .later = later,
                                      .canceled = later->canceled};
    return DRAGON_OK;
}

void work_received_end(const struct worker *worker, struct received *received)
{
    if (received->block)
        dragon_memory_free(worker->runtime, received->block);
    free(received->later);
}

// ---- while a command runs

static void cancel_later(struct worker *worker, uint64_t number)
{
    for (struct later *later = worker->laters; later; later = later->next)
        if (later->tag == POOL_CHUNK && later->bytes >= sizeof(struct pool_chunk) &&
            ((const struct pool_chunk *)later->data)->chunk == number)
            later->canceled = true;
}

static dragon_err_t take_later(struct worker *worker, struct later **later_out)
{
    dragon_message_t message = {0};
    dragon_err_t err = dragon_channel_peek(worker->tasks, NULL, 0, &message, 0);
    if (err != DRAGON_OK)
        return err;
    struct later *later = malloc(sizeof *later + message.bytes);
    if (!later)
        return DRAGON_ERR_NOMEM;
    err = dragon_channel_receive(worker->tasks, later->data, message.bytes, &message, 0);
    if (err != DRAGON_OK) {
        free(later);
        return err;
    }
    later->next = NULL;
    later->bytes = message.bytes;
    later->tag = message.tag;
    later->canceled = false;
    *later_out = later;
    return DRAGON_OK;
}

dragon_err_t work_look(struct worker *worker, uint64_t number, bool *kill_out)
{
    for (;;) {
        struct later *later;
        dragon_err_t err = take_later(worker, &later);
        if (err == DRAGON_ERR_AGAIN)
            return DRAGON_OK;
        if (err != DRAGON_OK)
            return err;
        if (later->tag != POOL_KILL) {
            *worker->laters_end = later;
            worker->laters_end = &later->next;
            continue;
        }
        const struct pool_kill *order = (const void *)later->data;
        bool whole = later->bytes == sizeof *order;
        if (whole && order->chunk == number)
            *kill_out = true;
        else if (whole)
            cancel_later(worker, order->chunk);
        free(later);
        if (!whole)
            return DRAGON_ERR_PROTO;
    }
}

// ---- the loop

static dragon_err_t handle(struct worker *worker, const struct received *received)
{
    switch (received->tag) {
    case POOL_FUNCTION:
        return work_name(worker, received);
    case POOL_CHUNK:
        return work_chunk(worker, received);
    case POOL_KILL: // what it is about is over
        return DRAGON_OK;
    case POOL_END:
        worker->ending = true;
        return DRAGON_OK;
    default:
        return DRAGON_ERR_PROTO;
    }
}

static bool has_lived(const struct worker *worker)
{
    return worker->tasks_per_worker && worker->done >= worker->tasks_per_worker;
}

static dragon_err_t work(struct worker *worker)
{
    struct received received;
    dragon_err_t err = work_receive(worker, &received);
    if (err == DRAGON_OK)
        err = work_setup(worker, &received);
    work_received_end(worker, &received);
    while (err == DRAGON_OK && !worker->ending) {
        err = work_receive(worker, &received);
        if (err != DRAGON_OK)
            break;
        err = handle(worker, &received);
        work_received_end(worker, &received);
        if (err == DRAGON_OK && has_lived(worker))
            err = work_again(worker);
    }
    return err;
}

// ---- coming up

static dragon_err_t say_hello(struct worker *worker, const dragon_error_t *error)
{
    const char *text = error->code ? error->text : dragon_channel_descriptor(worker->tasks);
    struct pool_hello *hello;
    size_t bytes = strlen(text);
    uint8_t *data = calloc(1, sizeof *hello + bytes);
    if (!data)
        return DRAGON_ERR_NOMEM;
    hello = (void *)data;
    hello->version = POOL_VERSION;
    hello->worker = worker->number;
    hello->life = worker->life;
    hello->pid = getpid();
    hello->node = dragon_runtime_node(worker->runtime);
    hello->err = error->code;
    hello->text_bytes = (uint32_t)bytes;
    memcpy(data + sizeof *hello, text, bytes);
    dragon_err_t err = work_say(worker, POOL_HELLO, data, sizeof *hello + bytes);
    free(data);
    return err;
}

static dragon_err_t come_up(struct worker *worker, dragon_error_t *error)
{
    const char *rank = getenv("DRAGON_RANK");
    long long number;
    if (!rank || !parse_number(rank, 0, UINT32_MAX, &number))
        return err_set(error, DRAGON_ERR_STATE, "this is no rank of a pool");
    worker->number = (uint32_t)number;
    if (getrandom(&worker->life, sizeof worker->life, 0) != sizeof worker->life)
        return err_set_errno(error, errno, "no random numbers");
    dragon_err_t err = dragon_runtime_attach(&worker->runtime, error);
    if (err == DRAGON_OK)
        err = dragon_channel_attach(worker->runtime, worker->pool, &worker->results, error);
    if (err != DRAGON_OK)
        return err;
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_error_t none = {.code = DRAGON_OK};
    spec.capacity = CAPACITY;
    spec.inline_bytes = INLINE_BYTES;
    spec.single_receiver = true;
    spec.owned = true; // before the pool knows of it, too
    err = dragon_channel_create(worker->runtime, &spec, &worker->tasks, error);
    if (err == DRAGON_OK && !(worker->buffer = malloc(BUFFER_BYTES)))
        err = err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    worker->buffer_bytes = BUFFER_BYTES;
    dragon_err_t said = say_hello(worker, err == DRAGON_OK ? &none : error);
    return err == DRAGON_OK && said != DRAGON_OK
               ? err_set(error, said, "the pool cannot be told: %s", dragon_err_text(said))
               : err;
}

static void worker_fini(struct worker *worker)
{
    while (worker->laters) {
        struct later *later = worker->laters;
        worker->laters = later->next;
        free(later);
    }
    work_names_fini(worker);
    life_forget(worker->first);
    dragon_channel_set_destroy(worker->set);
    dragon_channel_destroy(worker->tasks, NULL);
    dragon_channel_detach(worker->results);
    dragon_runtime_detach(worker->runtime);
    if (worker->null_fd >= 0)
        close(worker->null_fd);
    free(worker->answer.data);
    free(worker->buffer);
    free(worker->pool);
}

const char *work_place(const struct worker *worker, char *text, size_t room)
{
    snprintf(text, room, "node %u (%s)", dragon_runtime_node(worker->runtime),
             dragon_runtime_node_name(worker->runtime));
    return text;
}

// The pool is gone, or has no use for this worker and knows why.
static bool is_quiet(dragon_err_t err)
{
    return err == DRAGON_OK || err == DRAGON_ERR_CLOSED || err == DRAGON_ERR_PEER ||
           err == DRAGON_ERR_FAILED || err == DRAGON_ERR_NOT_FOUND;
}

int dragon_pool_work(const dragon_function_t *functions, int *code_out)
{
    const char *pool = getenv(POOL_WORKER_ENV);
    dragon_error_t error;
    if (!pool)
        return 0;
    struct worker worker = {.functions = functions, .null_fd = -1};
    worker.laters_end = &worker.laters;
    worker.pool = strdup(pool);
    worker.first = life_remember(); // before anything is opened
    unsetenv(POOL_WORKER_ENV);      // programs that tasks start are no workers
    dragon_err_t err = worker.pool && worker.first
                           ? come_up(&worker, &error)
                           : err_set(&error, DRAGON_ERR_NOMEM, "out of memory");
    if (err == DRAGON_OK) {
        err = work(&worker);
        err_set(&error, err, "%s", dragon_err_text(err));
    }
    if (!is_quiet(err))
        fprintf(stderr, "dragon: worker %u of a pool: %s\n", worker.number, error.text);
    worker_fini(&worker);
    *code_out = err == DRAGON_OK ? 0 : EXIT_FAILED;
    return 1;
}
