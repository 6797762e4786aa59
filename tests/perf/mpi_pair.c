// SPDX-License-Identifier: BSD-3-Clause
//
// MPI's send and receive between two ranks as the peer of dragon-bench channel:
//
//     mpiexec -n 2 dragon-bench-mpi latency|rate BYTES COUNT CORE CORE
//
// latency: COUNT turns, the time of one way in us. rate: COUNT messages, how many arrive in a second.
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS = 50, WARM = 16 };

struct pair {
    bool latency;
    int rank, bytes;
    long count;
    char *buffer;
};

static void send_one(const struct pair *pair)
{
    MPI_Send(pair->buffer, pair->bytes, MPI_BYTE, !pair->rank, 0, MPI_COMM_WORLD);
}

static void receive_one(const struct pair *pair)
{
    MPI_Recv(pair->buffer, pair->bytes, MPI_BYTE, !pair->rank, 0, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
}

static void run(const struct pair *pair, long turns)
{
    for (long i = 0; i < turns; i++) {
        if (pair->rank == 0 && pair->latency)
            send_one(pair);
        if (pair->rank == 0 || pair->latency)
            receive_one(pair);
        if (pair->rank == 1)
            send_one(pair);
    }
}

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char **argv)
{
    struct pair pair = {0};
    int size;
    alarm(SECONDS);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &pair.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc != 6 || size != 2) {
        fprintf(stderr, "mpiexec -n 2 %s latency|rate BYTES COUNT CORE CORE\n", argv[0]);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    pair.latency = strcmp(argv[1], "latency") == 0;
    pair.bytes = (int)strtol(argv[2], NULL, 10);
    pair.count = strtol(argv[3], NULL, 10);
    pair.buffer = calloc(1, (size_t)pair.bytes + 1);
    pin((int)strtol(argv[4 + pair.rank], NULL, 10));
    if (!pair.buffer)
        MPI_Abort(MPI_COMM_WORLD, 1);
    run(&pair, pair.count / WARM + 1);
    MPI_Barrier(MPI_COMM_WORLD);
    double begin = MPI_Wtime();
    run(&pair, pair.count);
    double end = MPI_Wtime();
    if (pair.rank == 0)
        printf("%.9g\n", pair.latency ? (end - begin) / 2 / (double)pair.count * 1e6
                                      : (double)pair.count / (end - begin));
    free(pair.buffer);
    MPI_Finalize();
    return 0;
}
