// SPDX-License-Identifier: BSD-3-Clause
//
// Every call and error of queues, of a node: `queue_calls NODE`. The process is attached to the runtime twice, and so
// is two workers.
#include "chan.h"

static dragon_runtime_t *one, *two;
static int home;
static dragon_error_t error;

static dragon_queue_t *make(uint32_t capacity)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_queue_t *queue = NULL;
    spec.node = home;
    spec.capacity = capacity;
    chan_need(dragon_queue_create(one, &spec, &queue, &error), &error, "no queue");
    return queue;
}

static dragon_queue_t *find(dragon_runtime_t *runtime, dragon_queue_t *queue)
{
    dragon_queue_t *found = NULL;
    chan_need(dragon_queue_attach(runtime, dragon_queue_descriptor(queue), &found, &error), &error,
              "no queue");
    return found;
}

static void expect_size(dragon_queue_t *queue, uint32_t waiting, uint64_t unfinished)
{
    uint32_t has = 99;
    uint64_t undone = 99;
    dragon_err_t err = dragon_queue_size(queue, &has, &undone);
    if (!tap_check(err == DRAGON_OK && has == waiting && undone == unfinished,
                   "%u are in it, %u are not done", waiting, (unsigned)unfinished))
        printf("# %s, %u, %llu\n", dragon_err_name(err), has, (unsigned long long)undone);
}

static void check_values(void)
{
    static const size_t sizes[] = {0, 1, 100, 224, 225, 4096, 100000, 3000000};
    dragon_queue_t *a = make(0), *b = find(two, a);
    char *data = calloc(1, 3000000);
    bool good = true;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        chan_fill(data, sizes[i], i);
        good = good && dragon_queue_put(a, data, sizes[i], TAP_WAIT_MS) == DRAGON_OK;
    }
    tap_check(good, "values of all sizes are put");
    expect_size(b, sizeof sizes / sizeof *sizes, sizeof sizes / sizeof *sizes);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *got = NULL;
        size_t bytes = 99;
        dragon_err_t err = dragon_queue_get(b, &got, &bytes, TAP_WAIT_MS);
        good = good && err == DRAGON_OK && got && bytes == sizes[i] && chan_has(got, bytes, i);
        free(got);
        good = good && dragon_queue_task_done(b) == DRAGON_OK;
    }
    tap_check(good, "got as they were, and done");
    expect_size(a, 0, 0);
    tap_err(dragon_queue_join(a, NULL, 0), DRAGON_OK, "joined");
    free(data);
    dragon_queue_detach(b);
    dragon_queue_destroy(a, NULL);
}

static void check_counts(void)
{
    dragon_queue_t *a = make(4), *b = find(two, a), *again = find(two, a);
    char buffer[8];
    void *got = NULL;
    size_t bytes = 0;
    uint64_t lost = 99;
    tap_err(dragon_queue_join(a, &lost, 0), DRAGON_OK, "nothing was put, so all is done");
    tap_equal((long)lost, 0, "and nothing is lost");
    tap_err(dragon_queue_task_done(b), DRAGON_ERR_STATE, "done before anything was got");
    tap_err(dragon_queue_get(b, &got, &bytes, 0), DRAGON_ERR_AGAIN, "there is nothing");
    tap_err(dragon_queue_get_into(b, buffer, sizeof buffer, &bytes, 20), DRAGON_ERR_TIMEOUT,
            "however long one waits");
    for (int i = 0; i < 4; i++)
        chan_need(dragon_queue_put(a, "12345", 6, TAP_WAIT_MS), NULL, "not put");
    dragon_err_t full = dragon_queue_put(a, "12345", 6, 0);
    tap_check(full == DRAGON_ERR_AGAIN || home != (int)dragon_runtime_node(one),
              "there is no more room");
    uint32_t put = full == DRAGON_OK ? 5 : 4;
    tap_err(dragon_queue_get_into(b, buffer, 3, &bytes, TAP_WAIT_MS), DRAGON_ERR_TOO_BIG,
            "too large for a buffer");
    tap_equal((long)bytes, 6, "the size is said");
    tap_err(dragon_queue_task_done(b), DRAGON_ERR_STATE, "it was not got");
    tap_err(dragon_queue_get_into(b, buffer, sizeof buffer, &bytes, TAP_WAIT_MS), DRAGON_OK,
            "got into a larger one");
    tap_text(buffer, "12345", "it is that");
    expect_size(a, put - 1, put);
    tap_err(dragon_queue_join(a, NULL, 20), DRAGON_ERR_TIMEOUT, "not all is done");
    tap_err(dragon_queue_join(a, NULL, 0), DRAGON_ERR_AGAIN, "not all is done");
    tap_err(dragon_queue_task_done(again), DRAGON_ERR_STATE, "another handle has got nothing");
    tap_err(dragon_queue_task_done(b), DRAGON_OK, "done");
    tap_err(dragon_queue_task_done(b), DRAGON_ERR_STATE, "twice");
    expect_size(a, put - 1, put - 1);
    for (uint32_t i = 1; i < put; i++) {
        chan_need(dragon_queue_get(again, &got, NULL, TAP_WAIT_MS), NULL, "not got");
        free(got);
    }
    expect_size(a, 0, put - 1);
    tap_err(dragon_queue_detach(again), DRAGON_OK, "left with values that are not done");
    tap_err(dragon_queue_join(a, &lost, TAP_WAIT_MS), DRAGON_ERR_PEER, "joined all the same");
    tap_equal((long)lost, put - 1, "and it is said that they are lost");
    tap_err(dragon_queue_join(a, &lost, TAP_WAIT_MS), DRAGON_OK, "once");
    dragon_queue_detach(b);
    dragon_queue_destroy(a, NULL);
}

// On another node the first of them may be on its way when that is said, and a later call is told.
static void expect_closed(dragon_queue_t *queue, const char *what)
{
    dragon_err_t err;
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    do
        err = dragon_queue_put(queue, "y", 1, TAP_WAIT_MS);
    while (err == DRAGON_OK && home != (int)dragon_runtime_node(one) && tap_now_ms() < deadline);
    tap_err(err, DRAGON_ERR_CLOSED, what);
}

static void check_ends(void)
{
    dragon_queue_t *a = make(0);
    dragon_queue_t *b = find(two, a);
    void *got = NULL;
    uint64_t lost = 0;
    for (int i = 0; i < 3; i++)
        chan_need(dragon_queue_put(a, "x", 1, TAP_WAIT_MS), NULL, "not put");
    for (int i = 0; i < 2; i++) {
        chan_need(dragon_queue_get(b, &got, NULL, TAP_WAIT_MS), NULL, "not got");
        free(got);
    }
    dragon_queue_detach(b);
    tap_err(dragon_queue_close(a, &error), DRAGON_OK, "closed, after a worker has gone");
    expect_closed(a, "nothing can be put");
    tap_err(dragon_queue_get(a, &got, NULL, TAP_WAIT_MS), DRAGON_OK, "what is there can be got");
    free(got);
    tap_err(dragon_queue_get(a, &got, NULL, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "then no more");
    tap_err(dragon_queue_task_done(a), DRAGON_OK, "done");
    tap_err(dragon_queue_join(a, &lost, TAP_WAIT_MS), DRAGON_ERR_PEER, "joined");
    tap_equal((long)lost, 2, "two were the worker's");
    dragon_queue_t *c = find(two, a);
    tap_err(dragon_queue_destroy(a, &error), DRAGON_OK, "destroyed");
    expect_closed(c, "put after that");
    tap_err(dragon_queue_get(c, &got, NULL, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "got after that");
    tap_err(dragon_queue_join(c, NULL, TAP_WAIT_MS), DRAGON_ERR_CLOSED, "joined after that");
    tap_err(dragon_queue_size(c, NULL, NULL), DRAGON_ERR_CLOSED, "looked at after that");
    dragon_queue_detach(c);
}

static void check_arguments(void)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_queue_t *queue = NULL;
    void *got;
    size_t bytes;
    spec.single_receiver = 1;
    tap_err(dragon_queue_create(one, &spec, &queue, &error), DRAGON_ERR_INVAL, "for one worker");
    tap_err(dragon_queue_create(one, NULL, NULL, &error), DRAGON_ERR_INVAL, "no result");
    tap_err(dragon_queue_create(NULL, NULL, &queue, &error), DRAGON_ERR_INVAL, "no runtime");
    tap_err(dragon_queue_attach(one, "dragon-queue", &queue, &error), DRAGON_ERR_INVAL,
            "no descriptor");
    dragon_channel_t *channel = chan_at(one, home, 0);
    tap_err(dragon_queue_attach(one, dragon_channel_descriptor(channel), &queue, &error),
            DRAGON_ERR_INVAL, "that of a channel");
    dragon_channel_destroy(channel, NULL);
    queue = make(0);
    tap_err(dragon_queue_put(queue, NULL, 1, 0), DRAGON_ERR_INVAL, "no data");
    tap_err(dragon_queue_get(queue, NULL, &bytes, 0), DRAGON_ERR_INVAL, "nowhere to put it");
    tap_err(dragon_queue_get_into(queue, NULL, 1, &bytes, 0), DRAGON_ERR_INVAL, "no buffer");
    dragon_queue_destroy(queue, NULL);
    tap_err(dragon_queue_put(NULL, NULL, 0, 0), DRAGON_ERR_INVAL, "no queue");
    tap_err(dragon_queue_get(NULL, &got, &bytes, 0), DRAGON_ERR_INVAL, "no queue");
    tap_err(dragon_queue_task_done(NULL), DRAGON_ERR_INVAL, "no queue");
    tap_err(dragon_queue_join(NULL, NULL, 0), DRAGON_ERR_INVAL, "no queue");
    tap_err(dragon_queue_size(NULL, NULL, NULL), DRAGON_ERR_INVAL, "no queue");
    tap_err(dragon_queue_close(NULL, &error), DRAGON_ERR_INVAL, "no queue");
    tap_err(dragon_queue_destroy(NULL, &error), DRAGON_OK, "nothing is destroyed");
    tap_err(dragon_queue_detach(NULL), DRAGON_OK, "nothing is left");
    tap_text(dragon_queue_descriptor(NULL), "", "and has no descriptor");
}

int main(int argc, char **argv)
{
    home = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    one = tap_attach();
    two = tap_attach();
    chan_memory(two); // both are attached to the memory from here on
    dragon_memory_stats_t before = chan_memory(one);
    check_values();
    check_counts();
    check_ends();
    check_arguments();
    tap_check(chan_memory_returns(one, &before), "no memory is left");
    dragon_runtime_detach(two);
    dragon_runtime_detach(one);
    return tap_finish();
}
