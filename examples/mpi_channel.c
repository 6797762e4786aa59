/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A simulation with MPI, and somebody who looks at it while it runs. The program starts itself as an MPI job: its ranks
 * compute step by step, talk to each other by MPI, and send each step's part into a channel of this process, which adds
 * the parts up as they come. The MPI ranks need not know who reads, nor on which node; any MPI library will do.
 *
 *     mpicc mpi_channel.c $(pkg-config --cflags --libs dragon) -o mpi_channel
 *     dragon-run ./mpi_channel 4 10
 *     dragon-run --test-hosts 2 ./mpi_channel 4 10
 */
#include <dragon/dragon.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 20000 };

struct part { /* of a step; the values follow */
    int step, rank;
};

static void must(dragon_err_t err, const dragon_error_t *error)
{
    if (err == DRAGON_OK)
        return;
    fprintf(stderr, "mpi_channel: %s\n", error ? error->text : dragon_err_text(err));
    exit(1);
}

/* ---- a rank */

static int simulate(char *descriptor, int steps)
{
    dragon_runtime_t *runtime;
    dragon_channel_t *channel;
    dragon_error_t error;
    double border = 0, from_left = 0;
    int rank, size;
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    must(dragon_runtime_attach(&runtime, &error), &error);
    must(dragon_channel_attach(runtime, descriptor, &channel, &error), &error);
    for (int step = 0; step < steps; step++) {
        /* Straight into shared memory: on this node nobody copies it any more. */
        size_t bytes = sizeof(struct part) + CELLS * sizeof(double);
        struct part *part;
        must(dragon_memory_alloc(runtime, bytes, (void **)&part, &error), &error);
        double *cells = (double *)(part + 1);
        MPI_Sendrecv(&border, 1, MPI_DOUBLE, (rank + 1) % size, 0, &from_left, 1, MPI_DOUBLE,
                     (rank + size - 1) % size, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        *part = (struct part){step, rank};
        for (int i = 0; i < CELLS; i++)
            cells[i] = from_left + rank + step;
        border = 1;
        must(dragon_channel_send_memory(channel, part, bytes, 0, DRAGON_DEFAULT_TIMEOUT), NULL);
    }
    must(dragon_channel_detach(channel), NULL);
    dragon_runtime_detach(runtime);
    MPI_Finalize();
    return 0;
}

/* ---- the head */

static void look(dragon_runtime_t *runtime, dragon_channel_t *channel, int parts)
{
    double *sums = calloc((size_t)parts, sizeof *sums);
    for (int i = 0; i < parts; i++) {
        dragon_message_t message;
        void *data;
        must(dragon_channel_receive_memory(channel, &data, &message, DRAGON_DEFAULT_TIMEOUT), NULL);
        const struct part *part = data;
        const double *cells = (const double *)(part + 1);
        for (int k = 0; k < CELLS; k++)
            sums[part->step] += cells[k];
        must(dragon_memory_free(runtime, data), NULL);
    }
    for (int step = 0; step < parts && sums[step] > 0; step++)
        printf("step %d: %.0f\n", step, sums[step] / CELLS);
    free(sums);
}

static int run(char *self, char *ranks, char *steps)
{
    dragon_runtime_t *runtime;
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    dragon_channel_t *channel;
    dragon_template_t *program;
    dragon_group_t *group;
    dragon_error_t error;
    int count = (int)strtol(ranks, NULL, 10);
    must(dragon_runtime_attach(&runtime, &error), &error);
    spec.single_receiver = 1; /* ranks of other nodes reach this process directly */
    spec.capacity = 8;        /* and do not run far ahead of it */
    must(dragon_channel_create(runtime, &spec, &channel, &error), &error);
    char descriptor[300];
    snprintf(descriptor, sizeof descriptor, "%s", dragon_channel_descriptor(channel));
    char *argv[] = {self, "rank", descriptor, steps, NULL};
    must(dragon_template_create(argv, &program, &error), &error);
    must(dragon_group_create(runtime, &group, &error), &error);
    must(dragon_group_set_pmi(group, 1), NULL);
    must(dragon_group_add(group, program, (uint32_t)count, &error), &error);
    must(dragon_group_start(group, &error), &error);
    look(runtime, channel, count * (int)strtol(steps, NULL, 10));
    must(dragon_group_wait(group, DRAGON_FOREVER), NULL);
    int code = dragon_group_exit_code(group);
    dragon_group_destroy(group);
    dragon_template_destroy(program);
    dragon_channel_destroy(channel, NULL);
    dragon_runtime_detach(runtime);
    return code;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "rank") == 0)
        return simulate(argv[2], (int)strtol(argv[3], NULL, 10));
    if (argc != 3 || strtol(argv[1], NULL, 10) < 1 || strtol(argv[2], NULL, 10) < 1) {
        fprintf(stderr, "usage: mpi_channel RANKS STEPS\n");
        return 2;
    }
    return run(argv[0], argv[1], argv[2]);
}
