/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A pipeline over nodes. The program starts itself as a producer on the last node and as filters on all of them. The
 * producer sends numbers into a channel, filters take them from there, and what they make of them goes to a channel
 * of this process, which adds up.
 *
 *     producer --> [numbers] --> filter, filter, ... --> [squares] --> sum
 *
 * A channel that is full holds its senders up, so nobody has to slow down by itself; and each number is taken by one
 * filter, whichever is free. Channels are found by the names under which they are published.
 *
 *     cc pipeline.c $(pkg-config --cflags --libs dragon) -o pipeline
 *     dragon-run ./pipeline 100000
 *     dragon-run --test-hosts 3 ./pipeline 100000
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILTERS = 4, END = 1 }; /* END: the tag of the last message */

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "pipeline: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

static dragon_channel_t *find(dragon_runtime_t *runtime, const char *name)
{
    dragon_channel_t *channel;
    dragon_error_t error;
    must(dragon_channel_find(runtime, name, DRAGON_DEFAULT_TIMEOUT, &channel, &error), &error);
    return channel;
}

static dragon_channel_t *publish(dragon_runtime_t *runtime, const char *name, int node)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_channel_t *channel;
    dragon_error_t error;
    spec.node = node;
    must(dragon_channel_create(runtime, &spec, &channel, &error), &error);
    must(dragon_name_publish(runtime, name, dragon_channel_descriptor(channel), &error), &error);
    return channel;
}

/* ---- the ranks */

static int produce(dragon_runtime_t *runtime, uint64_t count)
{
    dragon_channel_t *numbers = find(runtime, "numbers");
    for (uint64_t i = 1; i <= count; i++)
        must(dragon_channel_send(numbers, &i, sizeof i, 0, DRAGON_DEFAULT_TIMEOUT), NULL);
    must(dragon_channel_detach(numbers), NULL); /* all have arrived */
    return 0;
}

static int filter(dragon_runtime_t *runtime)
{
    dragon_channel_t *numbers = find(runtime, "numbers"), *squares = find(runtime, "squares");
    dragon_err_t err;
    uint64_t number;
    while ((err = dragon_channel_receive(numbers, &number, sizeof number, NULL, DRAGON_FOREVER)) ==
           DRAGON_OK) {
        number *= number;
        must(dragon_channel_send(squares, &number, sizeof number, 0, DRAGON_DEFAULT_TIMEOUT), NULL);
    }
    if (err != DRAGON_ERR_CLOSED) /* no more come */
        must(err, NULL);
    must(dragon_channel_send(squares, NULL, 0, END, DRAGON_DEFAULT_TIMEOUT), NULL);
    must(dragon_channel_detach(squares), NULL);
    dragon_channel_detach(numbers);
    return 0;
}

/* ---- the head */

static dragon_group_t *start(dragon_runtime_t *runtime, char **argv, uint32_t ranks,
                             const char *hosts)
{
    dragon_template_t *program;
    dragon_policy_t *policy;
    dragon_group_t *group;
    dragon_error_t error;
    must(dragon_policy_create(&policy), NULL);
    must(dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC), NULL);
    must(dragon_policy_set_hosts(policy, hosts), NULL);
    must(dragon_template_create(argv, &program, &error), &error);
    must(dragon_template_set_policy(program, policy), NULL);
    must(dragon_group_create(runtime, &group, &error), &error);
    must(dragon_group_add(group, program, ranks, &error), &error);
    must(dragon_group_start(group, &error), &error);
    dragon_template_destroy(program);
    dragon_policy_destroy(policy);
    return group;
}

static int run(dragon_runtime_t *runtime, char *self, char *count)
{
    char *produce_argv[] = {self, "produce", count, NULL}, *filter_argv[] = {self, "filter", NULL};
    uint64_t sum = 0, numbers_taken = 0, square;
    int filters = FILTERS;
    char last[12];
    dragon_message_t message;

    dragon_channel_t *numbers = publish(runtime, "numbers", DRAGON_HERE);
    dragon_channel_t *squares = publish(runtime, "squares", DRAGON_HERE);
    snprintf(last, sizeof last, "%u", dragon_runtime_nodes(runtime) - 1);
    dragon_group_t *group = start(runtime, filter_argv, FILTERS, NULL);
    dragon_group_t *producer = start(runtime, produce_argv, 1, last);

    while (filters > 0) {
        must(dragon_channel_receive(squares, &square, sizeof square, &message, DRAGON_FOREVER),
             NULL);
        if (message.tag == END) {
            filters--;
            continue;
        }
        sum += square;
        if (++numbers_taken == strtoull(count, NULL, 10))
            must(dragon_channel_close(numbers, NULL), NULL); /* the filters end */
    }
    must(dragon_group_wait(producer, DRAGON_FOREVER), NULL);
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(producer) | dragon_group_exit_code(group);
    printf("the squares of 1 to %s add up to %llu\n", count, (unsigned long long)sum);
    dragon_group_destroy(producer);
    dragon_group_destroy(group);
    dragon_channel_destroy(numbers, NULL);
    dragon_channel_destroy(squares, NULL);
    return code;
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_error_t error;
    int code;
    if (argc < 2 || (strcmp(argv[1], "filter") != 0 && strtoull(argv[argc - 1], NULL, 10) == 0)) {
        fprintf(stderr, "usage: pipeline COUNT\n");
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    if (strcmp(argv[1], "produce") == 0)
        code = produce(runtime, strtoull(argv[2], NULL, 10));
    else if (strcmp(argv[1], "filter") == 0)
        code = filter(runtime);
    else
        code = run(runtime, argv[0], argv[1]);
    dragon_runtime_detach(runtime);
    return code;
}
