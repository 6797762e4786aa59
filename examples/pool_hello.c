/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hello from each worker of a pool, with its host and GPU. Where there are GPUs each worker gets one, by a list of
 * policies; where there are none, there is a worker for each core of each node. The program starts itself as these workers.
 *
 *     cc pool_hello.c $(pkg-config --cflags --libs dragon) -o pool_hello
 *
 * On a laptop, the second time as two nodes with two made-up GPUs each; then in a PBS job, and in one of
 * Slurm (jobs/pool_hello.pbs and jobs/pool_hello.slurm are complete scripts):
 *
 *     dragon-run ./pool_hello
 *     dragon-run --test-hosts 2 --gpus nvidia:4 ./pool_hello
 *     mpiexec -n 2 --map-by ppr:1:node --hostfile $PBS_NODEFILE dragon-run ./pool_hello
 *     srun --mpi=pmix -N2 -n2 dragon-run ./pool_hello
 */
#include <dragon/dragon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct hello {
    uint32_t worker, node;
    char host[64], gpus[64];
};

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "pool_hello: %s\n", error ? error->text : dragon_err_text(err));
    exit(1); /* the workers end with this process */
}

/* ---- in the workers */

static int hello(dragon_task_t *task)
{
    static const char *const masks[] = {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
                                        "ZE_AFFINITY_MASK"};
    struct hello said;
    memset(&said, 0, sizeof said);
    said.worker = dragon_task_worker(task);
    said.node = dragon_runtime_node(dragon_task_runtime(task));
    gethostname(said.host, sizeof said.host - 1);
    for (int i = 0; i < 3; i++)
        if (getenv(masks[i]))
            snprintf(said.gpus, sizeof said.gpus, "%s=%s", masks[i], getenv(masks[i]));
    return dragon_task_return(task, &said, sizeof said) != DRAGON_OK;
}

static const dragon_function_t functions[] = {{"hello", hello}, {NULL, NULL}};

/* ---- the head */

static dragon_pool_t *create_pool(dragon_runtime_t *runtime)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_policy_t **policies;
    dragon_pool_t *pool;
    dragon_error_t error;
    size_t count;
    must(dragon_policy_gpus(runtime, &policies, &count, &error), &error);
    if (count > 0) {
        spec.policies = (const dragon_policy_t *const *)policies;
        spec.policy_count = (uint32_t)count;
    }
    must(dragon_pool_create(runtime, &spec, &pool, &error), &error);
    dragon_policy_free_list(policies, count);
    return pool;
}

static uint32_t count_workers(const dragon_pool_t *pool)
{
    dragon_pool_stats_t stats;
    dragon_pool_stats(pool, &stats);
    return stats.workers + stats.coming;
}

/* Tasks without data, for ever. */
static int once_more(void *arg, const void **data_out, size_t *bytes_out)
{
    (void)arg;
    *data_out = NULL;
    *bytes_out = 0;
    return 1;
}

/* Which worker does a task is up to the pool: we go on until each has done one, and drop the rest. */
static void greet(dragon_pool_t *pool)
{
    uint32_t all = count_workers(pool), heard = 0;
    struct hello *hellos = calloc(all, sizeof *hellos);
    char *known = calloc(all, 1);
    dragon_map_run_t *run;
    dragon_error_t error;
    const void *value;
    if (!hellos || !known)
        must(DRAGON_ERR_NOMEM, NULL);
    must(dragon_pool_imap(pool, "hello", once_more, NULL, DRAGON_MAP_UNORDERED, &run), NULL);
    while (heard < count_workers(pool)) { /* fewer when one cannot be used */
        must(dragon_map_run_next(run, NULL, &value, NULL, DRAGON_DEFAULT_TIMEOUT, &error), &error);
        const struct hello *said = value;
        if (known[said->worker])
            continue;
        hellos[said->worker] = *said;
        known[said->worker] = 1;
        heard++;
    }
    dragon_map_run_destroy(run);
    for (uint32_t i = 0; i < all; i++)
        if (known[i])
            printf("hello from worker %u of %u on %s, node %u, %s\n", i, all, hellos[i].host,
                   hellos[i].node, hellos[i].gpus[0] ? hellos[i].gpus : "no GPU");
    free(hellos);
    free(known);
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_error_t error;
    int code;
    if (dragon_pool_work(functions, &code)) /* a worker */
        return code;
    if (argc > 1) {
        fprintf(stderr, "usage: dragon-run %s\n", argv[0]);
        return 2;
    }
    must(dragon_runtime_attach(&runtime, &error), &error);
    dragon_pool_t *pool = create_pool(runtime);
    greet(pool);
    must(dragon_pool_close(pool), NULL);
    must(dragon_pool_join(pool, DRAGON_DEFAULT_TIMEOUT), NULL);
    dragon_pool_destroy(pool);
    dragon_runtime_detach(runtime);
    return 0;
}
