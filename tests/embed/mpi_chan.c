// SPDX-License-Identifier: BSD-3-Clause
//
// An MPI program that uses channels beside its own messages, with any MPI library: all to all over both at the same time, many to
// one, a queue, a lock and a shared value. `mpi_chan [late]`: with `late` libdragon is left after MPI_Finalize. A wrong
// value is told on standard error and ends the world with status 1; else rank 0 says so in one line.
#include <mpi.h>

#include <dragon/dragon.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 50, LARGE = 300000, LINE = 256, WAIT_MS = 60000, ITEMS = 40 };

static int the_rank, the_size;

#define DEMAND(good)                                                                          \
    do {                                                                                      \
        if (!(good)) {                                                                        \
            fprintf(stderr, "mpi_chan: rank %d of %d: line %d: not %s\n", the_rank, the_size, \
                    __LINE__, #good);                                                         \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                     \
        }                                                                                     \
    } while (0)

static void fill(unsigned char *data, size_t bytes, int number)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (unsigned char)(i * 7 + (i >> 8) + (size_t)number * 31);
}

static int has(const unsigned char *data, size_t bytes, int number)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != (unsigned char)(i * 7 + (i >> 8) + (size_t)number * 31))
            return 0;
    return 1;
}

// Everybody's channel, each on the node of its rank, known to all through MPI.
static void open_all(dragon_runtime_t *runtime, dragon_channel_t **own, dragon_channel_t **others)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    char line[LINE] = "", *lines = malloc((size_t)the_size * LINE);
    spec.single_receiver = 1;
    DEMAND(dragon_channel_create(runtime, &spec, own, NULL) == DRAGON_OK);
    snprintf(line, sizeof line, "%s", dragon_channel_descriptor(*own));
    MPI_Allgather(line, LINE, MPI_CHAR, lines, LINE, MPI_CHAR, MPI_COMM_WORLD);
    for (int i = 0; i < the_size; i++)
        DEMAND(dragon_channel_attach(runtime, lines + i * LINE, &others[i], NULL) == DRAGON_OK);
    free(lines);
}

// In each round a number goes from everybody to everybody, by MPI and by channels.
static void all_to_all(dragon_channel_t *own, dragon_channel_t **others)
{
    int *sent = malloc((size_t)the_size * sizeof *sent),
        *got = malloc((size_t)the_size * sizeof *got);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < the_size; i++) {
            sent[i] = round * 10000 + the_rank * 100 + i;
            DEMAND(dragon_channel_send(others[i], &sent[i], sizeof sent[i], (uint64_t)the_rank,
                                       WAIT_MS) == DRAGON_OK);
        }
        MPI_Alltoall(sent, 1, MPI_INT, got, 1, MPI_INT, MPI_COMM_WORLD);
        for (int i = 0; i < the_size; i++) {
            dragon_message_t message;
            int value;
            DEMAND(dragon_channel_receive(own, &value, sizeof value, &message, WAIT_MS) ==
                   DRAGON_OK);
            // Rounds of others may be mixed, but for the barrier below.
            DEMAND(message.bytes == sizeof value && value == got[message.tag]);
        }
        MPI_Barrier(MPI_COMM_WORLD);
    }
    free(sent);
    free(got);
}

// Around the ring, by MPI in one direction and by channels in the other.
static void large_ring(dragon_channel_t *own, dragon_channel_t **others)
{
    unsigned char *out = malloc(LARGE), *in = malloc(LARGE), *by_channel = malloc(LARGE);
    int next = (the_rank + 1) % the_size, last = (the_rank + the_size - 1) % the_size;
    dragon_message_t message;
    for (int round = 0; round < ROUNDS / 5; round++) {
        MPI_Request requests[2];
        MPI_Status statuses[2];
        fill(out, LARGE, the_rank + round);
        MPI_Irecv(in, LARGE, MPI_BYTE, last, round, MPI_COMM_WORLD, &requests[0]);
        MPI_Isend(out, LARGE, MPI_BYTE, next, round, MPI_COMM_WORLD, &requests[1]);
        // Ring against ring: somebody has to receive first where a send waits for the receiver to be in a call.
        for (int turn = 0; turn < 2; turn++) {
            if (turn == the_rank % 2)
                DEMAND(dragon_channel_send(others[last], out, LARGE, (uint64_t)the_rank, WAIT_MS) ==
                       DRAGON_OK);
            else
                DEMAND(dragon_channel_receive(own, by_channel, LARGE, &message, WAIT_MS) ==
                       DRAGON_OK);
        }
        MPI_Waitall(2, requests, statuses);
        DEMAND(has(in, LARGE, last + round));
        DEMAND(message.bytes == LARGE && message.tag == (uint64_t)next);
        DEMAND(has(by_channel, LARGE, next + round));
        MPI_Barrier(MPI_COMM_WORLD);
    }
    free(out);
    free(in);
    free(by_channel);
}

// Work for all from a queue, counted under a lock and in a shared value.
static void share_work(dragon_runtime_t *runtime)
{
    dragon_queue_t *queue = NULL;
    dragon_lock_t *lock = NULL;
    dragon_value_t *value = NULL;
    char lines[3][LINE] = {"", "", ""};
    int64_t done = 0;
    size_t bytes;
    int item;
    if (the_rank == 0) {
        DEMAND(dragon_queue_create(runtime, NULL, &queue, NULL) == DRAGON_OK);
        DEMAND(dragon_lock_create(runtime, DRAGON_HERE, &lock, NULL) == DRAGON_OK);
        DEMAND(dragon_value_create(runtime, DRAGON_HERE, 2, 0, &value, NULL) == DRAGON_OK);
        snprintf(lines[0], LINE, "%s", dragon_queue_descriptor(queue));
        snprintf(lines[1], LINE, "%s", dragon_lock_descriptor(lock));
        snprintf(lines[2], LINE, "%s", dragon_value_descriptor(value));
        for (item = 0; item < ITEMS; item++)
            DEMAND(dragon_queue_put(queue, &item, sizeof item, WAIT_MS) == DRAGON_OK);
        DEMAND(dragon_queue_close(queue, NULL) == DRAGON_OK);
    }
    MPI_Bcast(lines, (int)sizeof lines, MPI_CHAR, 0, MPI_COMM_WORLD);
    if (the_rank != 0) {
        DEMAND(dragon_queue_attach(runtime, lines[0], &queue, NULL) == DRAGON_OK);
        DEMAND(dragon_lock_attach(runtime, lines[1], &lock, NULL) == DRAGON_OK);
        DEMAND(dragon_value_attach(runtime, lines[2], &value, NULL) == DRAGON_OK);
    }
    while (dragon_queue_get_into(queue, &item, sizeof item, &bytes, WAIT_MS) == DRAGON_OK) {
        int64_t before;
        DEMAND(dragon_lock_acquire(lock, NULL, WAIT_MS) == DRAGON_OK);
        // Read and written in two steps: the lock makes them one.
        DEMAND(dragon_value_do(value, 0, DRAGON_ATOMIC_LOAD, 0, &before) == DRAGON_OK);
        DEMAND(dragon_value_do(value, 0, DRAGON_ATOMIC_STORE, before + item, NULL) == DRAGON_OK);
        DEMAND(dragon_lock_release(lock) == DRAGON_OK);
        DEMAND(dragon_value_do(value, 1, DRAGON_ATOMIC_ADD, 1, NULL) == DRAGON_OK);
        DEMAND(dragon_queue_task_done(queue) == DRAGON_OK);
    }
    DEMAND(dragon_queue_join(queue, NULL, WAIT_MS) == DRAGON_OK);
    DEMAND(dragon_value_do(value, 0, DRAGON_ATOMIC_LOAD, 0, &done) == DRAGON_OK);
    DEMAND(done == ITEMS * (ITEMS - 1) / 2);
    DEMAND(dragon_value_do(value, 1, DRAGON_ATOMIC_LOAD, 0, &done) == DRAGON_OK);
    DEMAND(done == ITEMS);
    MPI_Barrier(MPI_COMM_WORLD);
    dragon_queue_detach(queue);
    dragon_lock_detach(lock);
    dragon_value_detach(value);
}

static void leave(dragon_runtime_t *runtime, dragon_channel_t *own, dragon_channel_t **others)
{
    for (int i = 0; i < the_size; i++)
        dragon_channel_detach(others[i]);
    dragon_channel_destroy(own, NULL);
    dragon_runtime_detach(runtime);
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime = NULL;
    dragon_channel_t *own = NULL;
    dragon_error_t error;
    int late = argc > 1 && strcmp(argv[1], "late") == 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &the_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &the_size);
    dragon_channel_t **others = calloc((size_t)the_size, sizeof(dragon_channel_t *));
    if (dragon_runtime_attach(&runtime, &error) != DRAGON_OK) {
        fprintf(stderr, "mpi_chan: %s\n", error.text);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    open_all(runtime, &own, others);
    all_to_all(own, others);
    if (the_size % 2 == 0)
        large_ring(own, others);
    share_work(runtime);
    MPI_Barrier(MPI_COMM_WORLD);
    int nodes = (int)dragon_runtime_nodes(runtime);
    if (!late)
        leave(runtime, own, others);
    MPI_Finalize();
    if (late)
        leave(runtime, own, others);
    free(others);
    if (the_rank == 0)
        printf("mpi_chan: %d ranks, %d nodes, all ok\n", the_size, nodes);
    return 0;
}
