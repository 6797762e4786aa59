// SPDX-License-Identifier: BSD-3-Clause
//
// Every call of pools that runs functions.
#include "chan.h"

static dragon_runtime_t *runtime;
static dragon_error_t error;

static int square(dragon_task_t *task)
{
    size_t bytes;
    const double *x = (const double *)dragon_task_data(task, &bytes);
    if (bytes != sizeof *x)
        return dragon_task_fail(task, 1, "it has %zu bytes", bytes);
    double y = *x * *x;
    return dragon_task_return(task, &y, sizeof y) != DRAGON_OK;
}

static int nothing(dragon_task_t *task)
{
    (void)task;
    return 0;
}

static const dragon_function_t functions[] = {
    {"square", square}, {"nothing", nothing}, {NULL, NULL}};

static void check_apply(dragon_pool_t *pool)
{
    double x = 3;
    void *value = NULL;
    size_t bytes = 0;
    tap_err(dragon_pool_apply(pool, "square", &x, sizeof x, &value, &bytes, TAP_WAIT_MS, &error),
            DRAGON_OK, "apply");
    tap_check(bytes == sizeof x && *(double *)value == 9, "its value");
    free(value);
}

int main(int argc, char **argv)
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    (void)argc;
    (void)argv;
    dragon_pool_t *pool = NULL;
    runtime = tap_attach();
    tap_err(dragon_pool_create(runtime, NULL, &pool, &error), DRAGON_OK, "a pool");
    check_apply(pool);
    enum { COUNT = 1000 };
    double x[COUNT], y[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = i;
    tap_err(dragon_pool_map(pool, "square", x, sizeof *x, COUNT, y, sizeof *y, TAP_WAIT_MS, &error),
            DRAGON_OK, "map");
    int wrong = 0;
    for (int i = 0; i < COUNT; i++)
        wrong += y[i] != x[i] * x[i];
    tap_equal(wrong, 0, "results");
    tap_err(dragon_pool_close(pool), DRAGON_OK, "close");
    tap_err(dragon_pool_join(pool, TAP_WAIT_MS), DRAGON_OK, "join");
    dragon_pool_destroy(pool);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
