/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work for many. This process puts tasks into a queue, of which each is a range of numbers; the workers, on all nodes,
 * take one after the other and count the primes in it. Whoever is quicker does more. The results go to a channel; and
 * the queue knows when all is done, so that the workers can be told to end.
 *
 *     cc work_queue.c $(pkg-config --cflags --libs dragon) -o work_queue
 *     dragon-run ./work_queue 1000000
 *     dragon-run --test-hosts 2 ./work_queue 1000000
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 4, TASKS = 64 };

struct task {
    uint64_t from, to; /* to is not part of it */
};

struct result {
    uint32_t worker, tasks;
    uint64_t primes;
};

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "work_queue: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

static uint64_t count_primes(const struct task *task)
{
    uint64_t primes = 0;
    for (uint64_t number = task->from; number < task->to; number++) {
        int prime = number > 1;
        for (uint64_t i = 2; prime && i * i <= number; i++)
            prime = number % i != 0;
        primes += (uint64_t)prime;
    }
    return primes;
}

/* A rank: takes tasks until there are no more, then says what it did. */
static int work(dragon_runtime_t *runtime, const char *queue_descriptor, const char *results)
{
    struct result result = {(uint32_t)strtoul(getenv("DRAGON_RANK"), NULL, 10), 0, 0};
    dragon_queue_t *queue;
    dragon_channel_t *channel;
    dragon_error_t error;
    dragon_err_t err;
    struct task task;
    size_t bytes;
    must(dragon_queue_attach(runtime, queue_descriptor, &queue, &error), &error);
    must(dragon_channel_attach(runtime, results, &channel, &error), &error);
    while ((err = dragon_queue_get_into(queue, &task, sizeof task, &bytes, DRAGON_FOREVER)) ==
           DRAGON_OK) {
        result.primes += count_primes(&task);
        result.tasks++;
        must(dragon_queue_task_done(queue), NULL);
    }
    if (err != DRAGON_ERR_CLOSED)
        must(err, NULL);
    must(dragon_channel_send(channel, &result, sizeof result, 0, DRAGON_DEFAULT_TIMEOUT), NULL);
    must(dragon_channel_detach(channel), NULL);
    dragon_queue_detach(queue);
    return 0;
}

static dragon_group_t *start_workers(dragon_runtime_t *runtime, char **argv)
{
    dragon_template_t *program;
    dragon_policy_t *policy;
    dragon_group_t *group;
    dragon_error_t error;
    must(dragon_policy_create(&policy), NULL);
    must(dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC), NULL);
    must(dragon_template_create(argv, &program, &error), &error);
    must(dragon_template_set_policy(program, policy), NULL);
    must(dragon_group_create(runtime, &group, &error), &error);
    must(dragon_group_add(group, program, WORKERS, &error), &error);
    must(dragon_group_start(group, &error), &error);
    dragon_template_destroy(program);
    dragon_policy_destroy(policy);
    return group;
}

static int run(dragon_runtime_t *runtime, char *self, uint64_t limit)
{
    char queue_descriptor[300], results_descriptor[300];
    char *argv[] = {self, "work", queue_descriptor, results_descriptor, NULL};
    dragon_queue_t *queue;
    dragon_channel_t *results;
    dragon_error_t error;
    uint64_t primes = 0, lost = 0;
    must(dragon_queue_create(runtime, NULL, &queue, &error), &error);
    must(dragon_channel_create(runtime, NULL, &results, &error), &error);
    snprintf(queue_descriptor, sizeof queue_descriptor, "%s", dragon_queue_descriptor(queue));
    snprintf(results_descriptor, sizeof results_descriptor, "%s",
             dragon_channel_descriptor(results));
    dragon_group_t *group = start_workers(runtime, argv);

    for (uint64_t i = 0; i < TASKS; i++) {
        struct task task = {limit * i / TASKS, limit * (i + 1) / TASKS};
        must(dragon_queue_put(queue, &task, sizeof task, DRAGON_DEFAULT_TIMEOUT), NULL);
    }
    dragon_err_t err = dragon_queue_join(queue, &lost, DRAGON_FOREVER);
    if (err == DRAGON_ERR_PEER) /* a worker died with tasks that it had not done */
        fprintf(stderr, "work_queue: %llu tasks were lost\n", (unsigned long long)lost);
    else
        must(err, NULL);
    must(dragon_queue_close(queue, &error), &error);
    for (int i = 0; i < WORKERS; i++) {
        struct result result;
        must(dragon_channel_receive(results, &result, sizeof result, NULL, DRAGON_DEFAULT_TIMEOUT),
             NULL);
        printf("worker %u did %u tasks\n", result.worker, result.tasks);
        primes += result.primes;
    }
    printf("there are %llu primes below %llu\n", (unsigned long long)primes,
           (unsigned long long)limit);
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(group);
    dragon_group_destroy(group);
    dragon_queue_destroy(queue, NULL);
    dragon_channel_destroy(results, NULL);
    return code;
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_error_t error;
    int code;
    if (argc != 4 && (argc != 2 || strtoull(argv[1], NULL, 10) == 0)) {
        fprintf(stderr, "usage: work_queue LIMIT\n");
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    if (argc == 4)
        code = work(runtime, argv[2], argv[3]);
    else
        code = run(runtime, argv[0], strtoull(argv[1], NULL, 10));
    dragon_runtime_detach(runtime);
    return code;
}
