/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A pool whose workers put what they find into a dictionary. Its descriptor goes to the workers through an initialiser, which
 * attaches to it once in each; a task then puts its result under a key of its own, and returns nothing. The head, when
 * all is done, reads the results from the dictionary.
 *
 *     cc pool_dict.c $(pkg-config --cflags --libs dragon) -o pool_dict
 *     dragon-run ./pool_dict 1000
 *     dragon-run --test-hosts 2 ./pool_dict 1000
 *
 * A task may run twice, when the worker dies that has it: so it puts what it would put again.
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct found { /* a value of the dictionary */
    uint32_t node;
    uint32_t steps; /* until the number has become 1 */
    uint64_t most;  /* that it was */
};

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "pool_dict: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

static size_t key_of(uint64_t number, char key[32])
{
    return (size_t)snprintf(key, 32, "number/%llu", (unsigned long long)number);
}

/* ---- in the workers */

static int attach(dragon_task_t *task)
{
    dragon_dict_t *dict;
    dragon_error_t error;
    if (dragon_dict_attach(dragon_task_runtime(task), dragon_task_data(task, NULL), &dict,
                           &error) != DRAGON_OK)
        return dragon_task_fail(task, 1, "%s", error.text);
    dragon_task_set_state(task, dict);
    return 0;
}

/* An even number is halved, of an odd one three times as much and one is taken, and so on. */
static int follow(dragon_task_t *task)
{
    uint64_t number;
    char key[32];
    memcpy(&number, dragon_task_data(task, NULL), sizeof number);
    struct found found = {dragon_runtime_node(dragon_task_runtime(task)), 0, number};
    size_t key_bytes = key_of(number, key);
    for (; number != 1; found.steps++) {
        number = number % 2 ? 3 * number + 1 : number / 2;
        found.most = number > found.most ? number : found.most;
    }
    dragon_err_t err = dragon_dict_put(dragon_task_state(task), key, key_bytes, &found,
                                       sizeof found, DRAGON_DEFAULT_TIMEOUT);
    return err == DRAGON_OK ? 0 : dragon_task_fail(task, 1, "%s: %s", key, dragon_err_text(err));
}

static const dragon_function_t functions[] = {{"attach", attach}, {"follow", follow}, {NULL, NULL}};

/* ---- the head */

static void follow_all(dragon_runtime_t *runtime, dragon_dict_t *dict, uint64_t count)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_pool_t *pool;
    dragon_error_t error;
    uint64_t *numbers = malloc(count * sizeof *numbers);
    if (!numbers)
        must(DRAGON_ERR_NOMEM, NULL);
    for (uint64_t i = 0; i < count; i++)
        numbers[i] = i + 1;
    spec.initializer = "attach";
    spec.initial = dragon_dict_descriptor(dict);
    spec.initial_bytes = strlen(dragon_dict_descriptor(dict)) + 1;
    must(dragon_pool_create(runtime, &spec, &pool, &error), &error);
    must(dragon_pool_map(pool, "follow", numbers, sizeof *numbers, count, NULL, 0, DRAGON_FOREVER,
                         &error),
         &error);
    must(dragon_pool_close(pool), NULL);
    must(dragon_pool_join(pool, DRAGON_DEFAULT_TIMEOUT), NULL);
    dragon_pool_destroy(pool);
    free(numbers);
}

static void tell(dragon_dict_t *dict, uint64_t count)
{
    struct found found;
    uint64_t longest = 0, length;
    uint32_t steps = 0;
    char key[32];
    size_t bytes;
    must(dragon_dict_length(dict, &length, DRAGON_DEFAULT_TIMEOUT), NULL);
    printf("%llu results\n", (unsigned long long)length);
    for (uint64_t number = 1; number <= count; number++) {
        must(dragon_dict_get(dict, key, key_of(number, key), &found, sizeof found, &bytes,
                             DRAGON_DEFAULT_TIMEOUT),
             NULL);
        if (found.steps < steps)
            continue;
        longest = number;
        steps = found.steps;
    }
    printf("%llu takes %u steps\n", (unsigned long long)longest, steps);
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_dict_t *dict;
    dragon_error_t error;
    int code;
    if (dragon_pool_work(functions, &code)) /* a worker */
        return code;
    uint64_t count = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (count < 1 || count > 1000000) {
        fprintf(stderr, "usage: dragon-run %s NUMBERS\n", argv[0]);
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    must(dragon_dict_create(runtime, NULL, &dict, &error), &error); /* a manager on each node */
    follow_all(runtime, dict, count);
    tell(dict, count);
    must(dragon_dict_destroy(dict, &error), &error);
    dragon_runtime_detach(runtime);
    return 0;
}
