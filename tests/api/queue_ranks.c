// SPDX-License-Identifier: BSD-3-Clause
//
// A queue and workers on all nodes, some of which die: `queue_ranks NODE WORKERS TASKS`. The queue is on that node.
#include "chan.h"

enum { BEGUN, ENDED, SUM, NUMBERS }; // of the value
enum { LARGE = 20000 };              // every 16th task

// ---- ranks

static int work(char **descriptors)
{
    dragon_runtime_t *runtime = tap_attach();
    dragon_queue_t *queue = NULL;
    dragon_value_t *value = NULL;
    dragon_error_t error;
    dragon_err_t err;
    void *data;
    size_t bytes;
    chan_need(dragon_queue_attach(runtime, descriptors[0], &queue, &error), &error, "no queue");
    chan_need(dragon_value_attach(runtime, descriptors[1], &value, &error), &error, "no value");
    while ((err = dragon_queue_get(queue, &data, &bytes, TAP_WAIT_MS)) == DRAGON_OK) {
        uint64_t task;
        CHAN_DEMAND(bytes == sizeof task || bytes == LARGE);
        memcpy(&task, data, sizeof task);
        free(data);
        dragon_value_do(value, SUM, DRAGON_ATOMIC_ADD, (int64_t)task, NULL);
        dragon_value_do(value, BEGUN, DRAGON_ATOMIC_ADD, 1, NULL);
        CHAN_DEMAND(dragon_queue_task_done(queue) == DRAGON_OK);
        dragon_value_do(value, ENDED, DRAGON_ATOMIC_ADD, 1, NULL);
    }
    CHAN_DEMAND(err == DRAGON_ERR_CLOSED);
    dragon_value_detach(value);
    CHAN_DEMAND(dragon_queue_detach(queue) == DRAGON_OK);
    dragon_runtime_detach(runtime);
    return 0;
}

static int take_and_die(char **descriptors)
{
    dragon_queue_t *queue = NULL;
    dragon_error_t error;
    void *data;
    chan_need(dragon_queue_attach(tap_attach(), descriptors[0], &queue, &error), &error,
              "no queue");
    for (int i = 0; i < 2; i++)
        CHAN_DEMAND(dragon_queue_get(queue, &data, NULL, TAP_WAIT_MS) == DRAGON_OK);
    raise(SIGKILL);
    return 1;
}

// ---- the head

struct job {
    dragon_runtime_t *runtime;
    dragon_queue_t *queue;
    dragon_value_t *value;
};

static int64_t number(struct job *job, uint32_t index)
{
    int64_t now = -1;
    chan_need(dragon_value_do(job->value, index, DRAGON_ATOMIC_LOAD, 0, &now), NULL, "no number");
    return now;
}

static dragon_group_t *start(struct job *job, const char *hosts, uint32_t ranks, const char *role)
{
    const char *const argv[] = {role, dragon_queue_descriptor(job->queue),
                                dragon_value_descriptor(job->value), NULL};
    return chan_ranks(job->runtime, hosts, ranks, argv);
}

static bool put_tasks(struct job *job, uint32_t tasks)
{
    char *data = calloc(1, LARGE);
    bool good = true;
    for (uint64_t task = 0; task < tasks && good; task++) {
        memcpy(data, &task, sizeof task);
        size_t bytes = task % 16 ? sizeof task : (size_t)LARGE;
        good = dragon_queue_put(job->queue, data, bytes, TAP_WAIT_MS) == DRAGON_OK;
    }
    free(data);
    return good;
}

static void check_work(struct job *job, uint32_t workers, uint32_t tasks)
{
    uint64_t lost = 9, unfinished = 9;
    uint32_t waiting = 9;
    dragon_group_t *group = start(job, NULL, workers, "work");
    long began = tap_now_ms();
    tap_check(put_tasks(job, tasks), "%u tasks for %u workers", tasks, workers);
    tap_err(dragon_queue_join(job->queue, &lost, TAP_WAIT_MS), DRAGON_OK, "joined");
    printf("# %ld ms\n", tap_now_ms() - began);
    tap_equal((long)lost, 0, "none is lost");
    tap_equal((long)number(job, BEGUN), tasks, "all were done");
    tap_equal((long)number(job, SUM), (long)((uint64_t)tasks * (tasks - 1) / 2), "each once");
    tap_err(dragon_queue_size(job->queue, &waiting, &unfinished), DRAGON_OK, "the queue");
    tap_check(waiting == 0 && unfinished == 0, "is empty and all is done");
    dragon_queue_close(job->queue, NULL);
    tap_check(chan_ranks_end(group), "the workers end when it is closed");
}

static void check_lost(struct job *job, const char *host)
{
    uint64_t lost = 0;
    tap_check(put_tasks(job, 3), "three tasks");
    dragon_group_t *group = start(job, host, 1, "take-and-die");
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);
    void *data = NULL;
    tap_err(dragon_queue_get(job->queue, &data, NULL, TAP_WAIT_MS), DRAGON_OK,
            "a worker takes two and dies, the third is ours");
    free(data);
    tap_err(dragon_queue_join(job->queue, &lost, 0), DRAGON_ERR_AGAIN, "it is not done");
    tap_err(dragon_queue_task_done(job->queue), DRAGON_OK, "now it is");
    tap_err(dragon_queue_join(job->queue, &lost, TAP_WAIT_MS), DRAGON_ERR_PEER, "joined");
    tap_equal((long)lost, 2, "two are lost");
    tap_err(dragon_queue_join(job->queue, &lost, TAP_WAIT_MS), DRAGON_OK, "which is said once");
}

// Workers are killed while they work; others go on.
static void check_killed(struct job *job, uint32_t workers, uint32_t tasks)
{
    uint64_t lost = 0;
    dragon_group_t *killed = start(job, NULL, workers, "work");
    dragon_group_t *others = start(job, NULL, workers, "work");
    bool good = put_tasks(job, tasks / 2);
    dragon_value_wait_change(job->value, ENDED, 0, NULL, TAP_WAIT_MS);
    dragon_group_signal(killed, DRAGON_ALL_RANKS, SIGKILL);
    good = put_tasks(job, tasks - tasks / 2) && good;
    tap_check(good, "%u tasks, and half of the workers are killed", tasks);
    dragon_err_t err = dragon_queue_join(job->queue, &lost, TAP_WAIT_MS);
    tap_check(err == (lost ? DRAGON_ERR_PEER : DRAGON_OK), "joined");
    printf("# %s, %llu are lost\n", dragon_err_name(err), (unsigned long long)lost);
    // a worker may have been killed between doing its task and saying so
    tap_check((int64_t)lost >= tasks - number(job, BEGUN) - workers &&
                  (int64_t)lost <= tasks - number(job, ENDED),
              "what was not done is lost");
    dragon_group_wait(killed, TAP_WAIT_MS);
    dragon_group_destroy(killed);
    dragon_queue_close(job->queue, NULL);
    tap_check(chan_ranks_end(others), "the others end when it is closed");
}

static struct job make_job(dragon_runtime_t *runtime, int node)
{
    struct job job = {runtime, NULL, NULL};
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_error_t error;
    spec.node = node;
    spec.capacity = 64;
    chan_need(dragon_queue_create(runtime, &spec, &job.queue, &error), &error, "no queue");
    chan_need(dragon_value_create(runtime, node, NUMBERS, 0, &job.value, &error), &error,
              "no value");
    return job;
}

static void destroy_job(struct job *job)
{
    dragon_queue_destroy(job->queue, NULL);
    dragon_value_destroy(job->value, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "work") == 0)
        return work(argv + 2);
    if (argc > 3 && strcmp(argv[1], "take-and-die") == 0)
        return take_and_die(argv + 2);
    if (argc < 4)
        return 2;
    dragon_runtime_t *runtime = tap_attach();
    dragon_memory_stats_t before = chan_memory(runtime);
    int node = (int)strtol(argv[1], NULL, 10);
    uint32_t workers = (uint32_t)strtol(argv[2], NULL, 10);
    uint32_t tasks = (uint32_t)strtol(argv[3], NULL, 10);
    struct job job = make_job(runtime, node);
    check_work(&job, workers, tasks);
    destroy_job(&job);
    job = make_job(runtime, node);
    for (uint32_t host = 0; host < dragon_runtime_nodes(runtime); host++) {
        char name[12];
        snprintf(name, sizeof name, "%u", host);
        check_lost(&job, name);
    }
    destroy_job(&job);
    job = make_job(runtime, node);
    check_killed(&job, workers, tasks);
    destroy_job(&job);
    tap_check(chan_memory_returns(runtime, &before), "no memory is left");
    dragon_runtime_detach(runtime);
    return tap_finish();
}
