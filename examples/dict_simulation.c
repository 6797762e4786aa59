/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A simulation with MPI that feeds a consumer through a dictionary. The program starts itself as an MPI job; its ranks compute
 * step by step, talk to each other by MPI, and put their part of each step under "step/N/rank/R". The consumer, outside MPI,
 * waits for the keys, reduces the values where they lie, and erases them.
 *
 *     rank 0 --> step/0/rank/0 --.
 *     rank 1 --> step/0/rank/1 ---+--> sum of step 0, then of step 1, ...
 *
 * The dictionary has room for a few steps alone: when it is full the ranks wait for the consumer (dragon_dict_put_wait). So
 * that they do not wait for ever each manager has room for a whole step, and no rank begins the next one before all have put this
 * one. Any MPI library will do.
 *
 *     mpicc dict_simulation.c $(pkg-config --cflags --libs dragon) -o dict_simulation
 *     dragon-run ./dict_simulation 4 100
 *     dragon-run --test-hosts 2 ./dict_simulation 4 100
 */
#include <dragon/dragon.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 20000, STEPS_STORED = 2 };

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "dict_simulation: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

static size_t key_of(int step, int rank, char key[40])
{
    return (size_t)snprintf(key, 40, "step/%d/rank/%d", step, rank);
}

/* ---- a rank */

static int simulate(const char *descriptor, int steps)
{
    static double cells[CELLS];
    dragon_runtime_t *runtime;
    dragon_dict_t *dict;
    dragon_error_t error;
    double border = 0, from_left = 0;
    char key[40];
    int rank, size;
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    must(dragon_runtime_attach(&runtime, &error), &error);
    must(dragon_dict_attach(runtime, descriptor, &dict, &error), &error);
    for (int step = 0; step < steps; step++) {
        MPI_Sendrecv(&border, 1, MPI_DOUBLE, (rank + 1) % size, 0, &from_left, 1, MPI_DOUBLE,
                     (rank + size - 1) % size, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        for (int i = 0; i < CELLS; i++)
            cells[i] = from_left + rank + step;
        border = 1;
        must(dragon_dict_put_wait(dict, key, key_of(step, rank, key), cells, sizeof cells,
                                  DRAGON_DEFAULT_TIMEOUT),
             NULL);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    must(dragon_dict_detach(dict), NULL);
    dragon_runtime_detach(runtime);
    MPI_Finalize();
    return 0;
}

/* ---- the consumer */

static double take(dragon_dict_t *dict, int step, int rank)
{
    dragon_dict_view_t view;
    double sum = 0;
    char key[40];
    size_t key_bytes = key_of(step, rank, key);
    must(dragon_dict_wait(dict, key, key_bytes, DRAGON_DEFAULT_TIMEOUT), NULL);
    /* Without a copy, when its manager is on this node. */
    must(dragon_dict_view(dict, key, key_bytes, &view, DRAGON_DEFAULT_TIMEOUT), NULL);
    const double *cells = view.data;
    for (size_t i = 0; i < view.bytes / sizeof *cells; i++)
        sum += cells[i];
    dragon_dict_view_end(dict, &view);
    must(dragon_dict_erase(dict, key, key_bytes, DRAGON_DEFAULT_TIMEOUT), NULL);
    return sum;
}

static dragon_group_t *start_ranks(dragon_runtime_t *runtime, char **argv, uint32_t ranks)
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
    must(dragon_group_set_pmi(group, 1), NULL);
    must(dragon_group_add(group, program, ranks, &error), &error);
    must(dragon_group_start(group, &error), &error);
    dragon_template_destroy(program);
    dragon_policy_destroy(policy);
    return group;
}

static int run(char *self, int ranks, char *steps)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_runtime_t *runtime;
    dragon_dict_t *dict;
    dragon_error_t error;
    char descriptor[300];
    uint64_t step_bytes = (uint64_t)ranks * (CELLS * sizeof(double) + 4096);
    must(dragon_runtime_attach(&runtime, &error), &error);
    spec.managers = dragon_runtime_nodes(runtime);
    spec.total_bytes = spec.managers * (DRAGON_DICT_BYTES_LEAST + STEPS_STORED * step_bytes);
    must(dragon_dict_create(runtime, &spec, &dict, &error), &error);
    snprintf(descriptor, sizeof descriptor, "%s", dragon_dict_descriptor(dict));
    char *argv[] = {self, "rank", descriptor, steps, NULL};
    dragon_group_t *group = start_ranks(runtime, argv, (uint32_t)ranks);
    for (int step = 0; step < (int)strtol(steps, NULL, 10); step++) {
        double sum = 0;
        for (int rank = 0; rank < ranks; rank++)
            sum += take(dict, step, rank);
        printf("step %d: %.0f\n", step, sum / CELLS);
    }
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(group);
    dragon_group_destroy(group);
    must(dragon_dict_destroy(dict, &error), &error);
    dragon_runtime_detach(runtime);
    return code;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "rank") == 0)
        return simulate(argv[2], (int)strtol(argv[3], NULL, 10));
    if (argc != 3 || strtol(argv[1], NULL, 10) < 1 || strtol(argv[2], NULL, 10) < 1) {
        fprintf(stderr, "usage: dict_simulation RANKS STEPS\n");
        return 2;
    }
    return run(argv[0], (int)strtol(argv[1], NULL, 10), argv[2]);
}
