/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An MPI program for mpi_policies: each rank tells where it runs and what it was given; rank 0 gathers the
 * lines and prints them in the order of the ranks. The last rank then exits with CODE.
 *
 *     mpicc mpi_hello.c -o mpi_hello
 *     dragon-pg --pmi -n 2 ./mpi_hello
 *     dragon-run ./mpi_policies ./mpi_hello
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE = 300 };

static const char *value_of(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "unset";
}

int main(int argc, char **argv)
{
    char host[MPI_MAX_PROCESSOR_NAME], line[LINE] = "", *lines = NULL;
    int rank, size, length;
    cpu_set_t threads;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(host, &length);

    CPU_ZERO(&threads);
    sched_getaffinity(0, sizeof threads, &threads);
    snprintf(line, sizeof line, "%d of %d on %.100s: %s, cores %s, %d hardware threads, GPU %s",
             rank, size, host, value_of("ROLE"), value_of("DRAGON_CORES"), CPU_COUNT(&threads),
             value_of("CUDA_VISIBLE_DEVICES"));

    if (rank == 0)
        lines = calloc((size_t)size, LINE);
    if (rank == 0 && !lines)
        MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Gather(line, LINE, MPI_CHAR, lines, LINE, MPI_CHAR, 0, MPI_COMM_WORLD);
    for (int i = 0; lines && i < size; i++)
        puts(lines + (size_t)i * LINE);
    free(lines);

    MPI_Finalize();
    return argc > 1 && rank == size - 1 ? (int)strtol(argv[1], NULL, 10) : 0;
}
