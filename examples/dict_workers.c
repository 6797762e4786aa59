/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Workers that store what they find in a dictionary, and a head that lists it. The program starts itself as a group of
 * workers on all nodes; each puts one pair, host, rank and result, under a key that begins with "result/". When they
 * have ended, the head walks over these keys and lists them in the order of the ranks.
 *
 *     cc dict_workers.c $(pkg-config --cflags --libs dragon) -o dict_workers
 *     dragon-run ./dict_workers 8
 *     dragon-run --test-hosts 3 ./dict_workers 8
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct found { /* a value of the dictionary */
    char host[64];
    uint32_t rank, node;
    uint64_t result;
};

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "dict_workers: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

/* ---- a worker */

static int work(dragon_runtime_t *runtime, const char *descriptor)
{
    struct found found;
    dragon_dict_t *dict;
    dragon_error_t error;
    char key[32];
    must(dragon_dict_attach(runtime, descriptor, &dict, &error), &error);
    memset(&found, 0, sizeof found);
    gethostname(found.host, sizeof found.host - 1);
    found.rank = (uint32_t)strtoul(getenv("DRAGON_RANK"), NULL, 10);
    found.node = dragon_runtime_node(runtime);
    for (uint64_t i = 0; i <= 1000 * (found.rank + 1); i++)
        found.result += i;
    snprintf(key, sizeof key, "result/%u", found.rank);
    must(dragon_dict_put(dict, key, strlen(key), &found, sizeof found, DRAGON_DEFAULT_TIMEOUT),
         NULL);
    must(dragon_dict_detach(dict), NULL); /* the pair stays */
    return 0;
}

/* ---- the head */

static int start_workers(dragon_runtime_t *runtime, char **argv, uint32_t workers)
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
    must(dragon_group_add(group, program, workers, &error), &error);
    must(dragon_group_start(group, &error), &error);
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(group);
    dragon_group_destroy(group);
    dragon_template_destroy(program);
    dragon_policy_destroy(policy);
    return code;
}

static int by_rank(const void *one, const void *other)
{
    const struct found *a = one, *b = other;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

/* The cursor goes from manager to manager; what order there is comes from us. */
static void list(dragon_dict_t *dict)
{
    static const char prefix[] = "result/";
    dragon_dict_cursor_t *cursor;
    dragon_err_t err;
    const void *key, *value;
    size_t key_bytes, value_bytes, count = 0;
    uint64_t length;
    must(dragon_dict_length(dict, &length, DRAGON_DEFAULT_TIMEOUT), NULL);
    struct found *all = calloc(length + 1, sizeof *all);
    must(dragon_dict_cursor_create(dict, prefix, strlen(prefix), DRAGON_DICT_VALUES, &cursor),
         NULL);
    while ((err = dragon_dict_cursor_next(cursor, &key, &key_bytes, &value, &value_bytes,
                                          DRAGON_DEFAULT_TIMEOUT)) == DRAGON_OK)
        if (value_bytes == sizeof *all && count < length)
            memcpy(&all[count++], value, value_bytes);
    if (err != DRAGON_ERR_NOT_FOUND) /* there are no more */
        must(err, NULL);
    dragon_dict_cursor_destroy(cursor);
    qsort(all, count, sizeof *all, by_rank);
    for (size_t i = 0; i < count; i++)
        printf("rank %u on %s, node %u: %llu\n", all[i].rank, all[i].host, all[i].node,
               (unsigned long long)all[i].result);
    printf("%zu results of %u managers\n", count, dragon_dict_managers(dict));
    free(all);
}

static int run(dragon_runtime_t *runtime, char *self, uint32_t workers)
{
    dragon_dict_t *dict;
    dragon_error_t error;
    char descriptor[300];
    must(dragon_dict_create(runtime, NULL, &dict, &error), &error); /* a manager on each node */
    snprintf(descriptor, sizeof descriptor, "%s", dragon_dict_descriptor(dict));
    char *argv[] = {self, "work", descriptor, NULL};
    int code = start_workers(runtime, argv, workers);
    list(dict);
    must(dragon_dict_destroy(dict, &error), &error);
    return code;
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_error_t error;
    int code;
    if (argc != 3 && (argc != 2 || strtol(argv[1], NULL, 10) < 1)) {
        fprintf(stderr, "usage: dict_workers WORKERS\n");
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    if (argc == 3)
        code = work(runtime, argv[2]);
    else
        code = run(runtime, argv[0], (uint32_t)strtoul(argv[1], NULL, 10));
    dragon_runtime_detach(runtime);
    return code;
}
