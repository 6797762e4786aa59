// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include "pool/pool.h"

#include <criterion/criterion.h>

static struct dragon_pool *pool;
static struct function *function;

// A pool of which no worker has come.
static void set_up(void)
{
    dragon_err_t err;
    pool = calloc(1, sizeof *pool);
    pool->worker_count = 1;
    pool->next_function = POOL_FUNCTION_FIRST;
    pool->sources_last = &pool->sources;
    queue_init(&pool->again);
    queue_init(&pool->fresh);
    pool->tasks = slab_create(sizeof(struct dragon_result));
    pool->chunks = slab_create(sizeof(struct chunk));
    function = function_of(pool, "work", &err);
}

static void tear_down(void)
{
    functions_forget(pool);
    slab_destroy(pool->tasks);
    slab_destroy(pool->chunks);
    free(pool);
}

TestSuite(pool_tasks, .init = set_up, .fini = tear_down);

static struct dragon_result *make(const char *data)
{
    struct dragon_result *task = task_create(pool, function);
    cr_assert(task_set_data(task, data, strlen(data)));
    return task;
}

static void break_pool(void)
{
    pool->broken = true;
    err_set(&pool->why, DRAGON_ERR_PEER, "all gone");
}

// ---- queues

Test(pool_tasks, queues_keep_their_order)
{
    struct task_queue queue, more;
    struct dragon_result *a = make("a"), *b = make("b"), *c = make("c");
    queue_init(&queue);
    queue_init(&more);
    cr_expect_null(queue_take(&queue));
    queue_add(&queue, c);
    queue_add(&more, a);
    queue_add(&more, b);
    queue_put_first(&queue, &more);
    cr_expect_null(more.first);
    queue_put_first(&queue, &more);
    cr_expect_eq(queue_take(&queue), a);
    cr_expect_eq(queue_take(&queue), b);
    cr_expect_eq(queue_take(&queue), c);
    cr_expect_null(queue_take(&queue));
    queue_add(&more, a);
    queue_put_first(&queue, &more);
    queue_add(&queue, b);
    cr_expect_eq(queue_take(&queue), a);
    cr_expect_eq(queue_take(&queue), b);
}

// ---- functions

Test(pool_tasks, names_have_numbers)
{
    dragon_err_t err;
    cr_expect_eq(function->number, POOL_FUNCTION_FIRST);
    cr_expect_eq(function_of(pool, "work", &err), function);
    cr_expect_eq(function_of(pool, "lib/plugin.so:work", &err)->number, POOL_FUNCTION_FIRST + 1);
}

Test(pool_tasks, names_that_are_none)
{
    char longest[DRAGON_FUNCTION_NAME_MOST + 2];
    const char *const wrong[] = {NULL, "", ":", "a:", ":b", "a b", "a\n", longest};
    dragon_err_t err;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = DRAGON_OK;
        cr_expect_null(function_of(pool, wrong[i], &err), "%zu", i);
        cr_expect_eq(err, DRAGON_ERR_INVAL);
    }
    longest[DRAGON_FUNCTION_NAME_MOST] = 0;
    cr_expect_not_null(function_of(pool, longest, &err));
}

// ---- records

Test(pool_tasks, data_of_all_sizes)
{
    static char large[100000];
    struct dragon_result *task = make("");
    cr_expect_eq(task->bytes, 0);
    for (size_t bytes = 1; bytes < sizeof large; bytes = bytes * 3 + 1) {
        memset(large, (int)bytes, bytes);
        cr_assert(task_set_data(task, large, bytes));
        cr_expect_eq(task->bytes, bytes);
        cr_expect_eq(memcmp(task->data, large, bytes), 0);
        cr_expect_eq(task->owned, bytes > POOL_TASK_SMALL);
    }
    task_release(task);
}

static int calls;
static dragon_err_t told;

static void on_done(void *arg, dragon_result_t *result)
{
    cr_expect_eq(arg, pool);
    cr_expect(pool->inside);
    told = result->err;
    calls++;
}

Test(pool_tasks, one_that_nobody_has_goes_when_it_is_done)
{
    struct dragon_result *task = make("data");
    task->fn = on_done;
    task->arg = pool;
    task_submit(task);
    cr_expect_eq(pool->open, 1);
    cr_expect_eq(pool->waiting, 1);
    queue_take(&pool->fresh)->queued = false;
    task_finish(task, DRAGON_OK, "value", 5);
    cr_expect_eq(calls, 1);
    cr_expect_eq(told, DRAGON_OK);
    cr_expect_not(pool->inside);
    cr_expect_eq(pool->open + pool->waiting + pool->given, 0);
    cr_expect_eq(pool->done, 1);
    cr_expect_eq(task_create(pool, function), task, "the record is used again");
}

Test(pool_tasks, one_that_is_canceled_goes_when_its_turn_comes)
{
    struct dragon_result *task = make("data"), *other = make("more");
    dragon_error_t error;
    task->held = true;
    task_submit(task);
    task_submit(other);
    cr_expect_eq(dragon_result_cancel(task, false), DRAGON_OK);
    cr_expect_eq(dragon_result_cancel(task, false), DRAGON_ERR_STATE);
    cr_expect_eq(dragon_result_error(task, &error), DRAGON_ERR_CANCELED);
    cr_expect_eq(pool->canceled, 1);
    cr_expect_eq(pool->waiting, 1);
    dragon_result_destroy(task);
    break_pool();
    pool_feed(pool, true);
    cr_expect_eq(pool->failed, 1, "the other one");
    cr_expect_eq(pool->open + pool->waiting, 0);
    cr_expect_null(pool->fresh.first);
}

Test(pool_tasks, words_of_a_failure)
{
    struct dragon_result *task = make("data");
    dragon_error_t error;
    task->held = true;
    task_submit(task);
    break_pool();
    pool_feed(pool, false);
    cr_expect_eq(dragon_result_error(task, &error), DRAGON_ERR_PEER);
    cr_expect_str_eq(error.text, "all gone");
    cr_expect_null(dragon_result_value(task, NULL));
    dragon_result_destroy(task);
}

static void submit_again(void *arg, dragon_result_t *result)
{
    (void)result;
    dragon_pool_apply_then(pool, "work", NULL, 0, submit_again, arg);
    calls++;
}

Test(pool_tasks, failed_ones_that_make_others_come_to_an_end)
{
    break_pool();
    struct dragon_result *task = make("");
    task->fn = submit_again;
    task_submit(task);
    pool_feed(pool, true);
    cr_expect_leq(calls, 10);
}
