// SPDX-License-Identifier: BSD-3-Clause
//
// The first message to a worker: how long it lives, and its initialiser, a function that is run like a task.
#include "config.h"

#include "pool/work.h"

struct setup {
    const struct pool_setup *head; // in the message, as the next
    char *initializer;             // owned; NULL: none
    const uint8_t *initial;
};

static dragon_err_t setup_read(struct setup *setup, const struct received *received)
{
    const struct pool_setup *head = (const void *)received->data;
    *setup = (struct setup){.head = head, .initial = received->data};
    if (received->tag != POOL_SETUP || received->bytes < sizeof *head)
        return DRAGON_ERR_PROTO;
    size_t left = received->bytes - sizeof *head, name = head->initializer_bytes;
    if (name > left)
        return DRAGON_ERR_PROTO;
    size_t at = pool_aligned(sizeof *head + name);
    if (head->initial_bytes > 0) {
        if (at > received->bytes || head->initial_bytes > received->bytes - at)
            return DRAGON_ERR_PROTO;
        setup->initial = received->data + at;
    }
    if (name == 0)
        return DRAGON_OK;
    setup->initializer = strndup((const char *)(head + 1), name);
    return setup->initializer ? DRAGON_OK : DRAGON_ERR_NOMEM;
}

static dragon_err_t initialize(struct worker *worker, const struct setup *setup, int *code_out,
                               dragon_task_t *task)
{
    char *why = NULL;
    dragon_task_fn run = work_find(worker, setup->initializer, &why);
    *code_out = 0;
    task_begin(task, worker, setup->initial, setup->head->initial_bytes);
    if (!run) {
        task_words(task, "%s", why ? why : "out of memory");
        free(why);
        return DRAGON_ERR_NOT_FOUND;
    }
    *code_out = run(task);
    if (*code_out != 0 && !task->failed)
        (void)dragon_task_room(task, 0);
    return *code_out == 0 ? DRAGON_OK : DRAGON_ERR_FAILED;
}

static dragon_err_t say_ready(struct worker *worker, const struct setup *setup)
{
    struct answer *answer = &worker->answer;
    struct dragon_task task = {0};
    struct pool_ready ready = {.life = worker->life, .worker = worker->number};
    answer->length = 0;
    if (!answer_room(answer, pool_aligned(sizeof ready)))
        return DRAGON_ERR_NOMEM;
    dragon_err_t err = initialize(worker, setup, &ready.code, &task);
    ready.err = err;
    // What an initialiser that did well returns is not wanted.
    ready.text_bytes = err == DRAGON_OK ? 0 : (uint32_t)task.value_bytes;
    memmove(answer->data + sizeof ready, answer->data + task.begin, ready.text_bytes);
    memcpy(answer->data, &ready, sizeof ready);
    dragon_err_t said = work_say(worker, POOL_READY, answer->data, sizeof ready + ready.text_bytes);
    return said == DRAGON_OK ? err : said;
}

dragon_err_t work_setup(struct worker *worker, const struct received *received)
{
    struct setup setup;
    dragon_err_t err = setup_read(&setup, received);
    if (err != DRAGON_OK)
        return err;
    worker->tasks_per_worker = setup.head->tasks_per_worker;
    if (worker->tasks_per_worker == 0) {
        life_forget(worker->first);
        worker->first = NULL;
    }
    if (setup.initializer)
        err = say_ready(worker, &setup);
    free(setup.initializer);
    return err;
}
