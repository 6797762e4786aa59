/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A data set in the memory of all nodes. The program starts itself twice: first as loaders, each of which reads every fourth
 * shard of the data set (here it makes one up) and puts its samples into a dictionary; then, when that is frozen, as trainers
 * on all nodes, each of which goes through all samples in an order of its own, batch after batch.
 *
 * What a manager of its own node has a trainer reads where it lies, without a copy; nobody can change it. The rest of a batch it
 * gets from the other nodes with one call.
 *
 *     cc dict_loader.c $(pkg-config --cflags --libs dragon) -o dict_loader
 *     dragon-run ./dict_loader 2000
 *     dragon-run --test-hosts 2 ./dict_loader 2000
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOADERS = 4, TRAINERS = 4, SHARD = 64, BATCH = 32, VALUES = 512 };

struct sample {
    uint32_t number;
    float values[VALUES];
};

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "dict_loader: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

static uint32_t my_rank(void)
{
    return (uint32_t)strtoul(getenv("DRAGON_RANK"), NULL, 10);
}

/* ---- a loader */

static void read_sample(uint32_t number, struct sample *sample)
{
    sample->number = number;
    for (int i = 0; i < VALUES; i++)
        sample->values[i] = (float)(number % 10);
}

/* The samples of a shard, all under way together. */
static void load_shard(dragon_dict_t *dict, uint32_t begin, uint32_t end)
{
    static struct sample samples[SHARD];
    dragon_dict_put_item_t items[SHARD];
    uint32_t count = end - begin;
    for (uint32_t i = 0; i < count; i++) {
        read_sample(begin + i, &samples[i]);
        items[i] = (dragon_dict_put_item_t){&samples[i].number, sizeof samples[i].number,
                                            &samples[i], sizeof samples[i], DRAGON_OK};
    }
    must(dragon_dict_put_many(dict, items, count, DRAGON_DEFAULT_TIMEOUT), NULL);
}

static int load(dragon_dict_t *dict, uint32_t count)
{
    for (uint32_t begin = my_rank() * SHARD; begin < count; begin += LOADERS * SHARD)
        load_shard(dict, begin, begin + SHARD < count ? begin + SHARD : count);
    return 0;
}

/* ---- a trainer */

struct trainer {
    dragon_runtime_t *runtime;
    dragon_dict_t *dict;
    uint32_t seen, in_place;
    double sum;
};

static void learn(struct trainer *trainer, uint32_t number, const struct sample *sample)
{
    if (sample->number != number)
        must(DRAGON_ERR_PROTO, NULL);
    for (int i = 0; i < VALUES; i++)
        trainer->sum += (double)sample->values[i] / VALUES;
    trainer->seen++;
}

static int is_here(struct trainer *trainer, const uint32_t *number)
{
    uint32_t node, manager = dragon_dict_manager_of(trainer->dict, number, sizeof *number);
    must(dragon_dict_manager_node(trainer->dict, manager, &node), NULL);
    return node == dragon_runtime_node(trainer->runtime);
}

static void train_batch(struct trainer *trainer, const uint32_t *numbers, uint32_t count)
{
    static struct sample samples[BATCH];
    dragon_dict_get_item_t items[BATCH];
    uint32_t far = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *number = &numbers[i];
        dragon_dict_view_t view;
        if (!is_here(trainer, number)) {
            items[far] = (dragon_dict_get_item_t){.key = number,
                                                  .key_bytes = sizeof *number,
                                                  .buffer = &samples[far],
                                                  .room = sizeof samples[far]};
            far++;
            continue;
        }
        must(dragon_dict_view(trainer->dict, number, sizeof *number, &view, DRAGON_DEFAULT_TIMEOUT),
             NULL);
        learn(trainer, *number, view.data);
        dragon_dict_view_end(trainer->dict, &view);
        trainer->in_place++;
    }
    must(dragon_dict_get_many(trainer->dict, items, far, DRAGON_DEFAULT_TIMEOUT), NULL);
    for (uint32_t i = 0; i < far; i++)
        learn(trainer, *(const uint32_t *)items[i].key, &samples[i]);
}

static int train(dragon_runtime_t *runtime, dragon_dict_t *dict, uint32_t count)
{
    struct trainer trainer = {.runtime = runtime, .dict = dict};
    uint32_t *order = calloc(count, sizeof *order);
    srand(my_rank() + 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t other = (uint32_t)rand() % (i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    for (uint32_t i = 0; i < count; i += BATCH)
        train_batch(&trainer, order + i, count - i < BATCH ? count - i : BATCH);
    printf("trainer %u on node %u: %u samples, %u of them without a copy, mean %.2f\n", my_rank(),
           dragon_runtime_node(runtime), trainer.seen, trainer.in_place, trainer.sum / count);
    free(order);
    return 0;
}

/* ---- the head */

static int run_ranks(dragon_runtime_t *runtime, char **argv, uint32_t ranks)
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
    must(dragon_group_add(group, program, ranks, &error), &error);
    must(dragon_group_start(group, &error), &error);
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(group);
    dragon_group_destroy(group);
    dragon_template_destroy(program);
    dragon_policy_destroy(policy);
    return code;
}

static int run(dragon_runtime_t *runtime, char *self, char *count)
{
    dragon_dict_t *dict;
    dragon_error_t error;
    uint64_t length;
    char descriptor[300];
    must(dragon_dict_create(runtime, NULL, &dict, &error), &error);
    snprintf(descriptor, sizeof descriptor, "%s", dragon_dict_descriptor(dict));
    char *load_argv[] = {self, "load", descriptor, count, NULL};
    char *train_argv[] = {self, "train", descriptor, count, NULL};
    int code = run_ranks(runtime, load_argv, LOADERS);
    must(dragon_dict_freeze(dict, DRAGON_DEFAULT_TIMEOUT), NULL);
    must(dragon_dict_length(dict, &length, DRAGON_DEFAULT_TIMEOUT), NULL);
    printf("%llu samples are loaded\n", (unsigned long long)length);
    fflush(stdout); /* before what the trainers say */
    if (code == 0)
        code = run_ranks(runtime, train_argv, TRAINERS);
    must(dragon_dict_destroy(dict, &error), &error);
    return code;
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_dict_t *dict;
    dragon_error_t error;
    int code;
    if ((argc != 2 && argc != 4) || strtol(argv[argc - 1], NULL, 10) < 1) {
        fprintf(stderr, "usage: dict_loader SAMPLES\n");
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    if (argc == 2) {
        code = run(runtime, argv[0], argv[1]);
    } else {
        uint32_t count = (uint32_t)strtoul(argv[3], NULL, 10);
        must(dragon_dict_attach(runtime, argv[2], &dict, &error), &error);
        code = strcmp(argv[1], "load") == 0 ? load(dict, count) : train(runtime, dict, count);
        dragon_dict_detach(dict);
    }
    dragon_runtime_detach(runtime);
    return code;
}
