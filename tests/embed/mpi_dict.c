// SPDX-License-Identifier: BSD-3-Clause
//
// An MPI program that uses a dictionary beside its own messages, with any MPI library: what one rank has put before a message or a
// barrier all others see after it; counters, compare-and-swap and appending by all ranks at once lose nothing; views stay as they
// are while others write; and ranks wait for keys while MPI goes on. `mpi_dict [late]`: with `late` libdragon is left after
// MPI_Finalize. A wrong value is told on standard error and ends the world with status 1; else rank 0 says so in one line.
#include <mpi.h>

#include <dragon/dragon.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 50, LARGE = 300000, LINE = 256, WAIT_MS = 60000, COUNTS = 100 };

static int the_rank, the_size;
static dragon_dict_t *dict;

#define DEMAND(good)                                                                          \
    do {                                                                                      \
        if (!(good)) {                                                                        \
            fprintf(stderr, "mpi_dict: rank %d of %d: line %d: not %s\n", the_rank, the_size, \
                    __LINE__, #good);                                                         \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                     \
        }                                                                                     \
    } while (0)

#define K(text) text, strlen(text)

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

// A manager on each node; rank 0 makes it, the others hear of it through MPI.
static void open_all(dragon_runtime_t *runtime)
{
    char line[LINE] = "";
    dragon_error_t error;
    if (the_rank == 0) {
        if (dragon_dict_create(runtime, NULL, &dict, &error) != DRAGON_OK) {
            fprintf(stderr, "mpi_dict: %s\n", error.text);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        snprintf(line, sizeof line, "%s", dragon_dict_descriptor(dict));
    }
    MPI_Bcast(line, LINE, MPI_CHAR, 0, MPI_COMM_WORLD);
    if (the_rank != 0)
        DEMAND(dragon_dict_attach(runtime, line, &dict, NULL) == DRAGON_OK);
    DEMAND(dragon_dict_managers(dict) == dragon_runtime_nodes(runtime));
}

// In each round everybody overwrites its key, and reads that of all others, in the order that MPI made.
static void all_see_all(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        char key[32];
        int value[2] = {round, the_rank}, got[2], sum = 0, wanted;
        snprintf(key, sizeof key, "of rank %d", the_rank);
        DEMAND(dragon_dict_put(dict, K(key), value, sizeof value, WAIT_MS) == DRAGON_OK);
        MPI_Barrier(MPI_COMM_WORLD);
        for (int i = 0; i < the_size; i++) {
            size_t bytes = 0;
            snprintf(key, sizeof key, "of rank %d", i);
            DEMAND(dragon_dict_get(dict, K(key), got, sizeof got, &bytes, WAIT_MS) == DRAGON_OK);
            DEMAND(bytes == sizeof got && got[0] == round && got[1] == i);
            sum += got[0] + got[1];
        }
        MPI_Allreduce(&sum, &wanted, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
        DEMAND(sum == wanted); // and nobody begins the next round before
    }
}

// Large values around the ring: by MPI in one direction, through the dictionary in the other. Without a barrier: the reader waits for
// the key, and takes it away.
static void large_ring(void)
{
    unsigned char *out = malloc(LARGE), *in = malloc(LARGE);
    int next = (the_rank + 1) % the_size, last = (the_rank + the_size - 1) % the_size;
    for (int round = 0; round < ROUNDS / 5; round++) {
        MPI_Request requests[2];
        MPI_Status statuses[2];
        char key[64];
        void *value;
        size_t bytes = 0;
        fill(out, LARGE, the_rank + round);
        MPI_Irecv(in, LARGE, MPI_BYTE, last, round, MPI_COMM_WORLD, &requests[0]);
        MPI_Isend(out, LARGE, MPI_BYTE, next, round, MPI_COMM_WORLD, &requests[1]);
        snprintf(key, sizeof key, "round %d to %d", round, last);
        DEMAND(dragon_dict_put_wait(dict, K(key), out, LARGE, WAIT_MS) == DRAGON_OK);
        snprintf(key, sizeof key, "round %d to %d", round, the_rank);
        DEMAND(dragon_dict_wait(dict, K(key), WAIT_MS) == DRAGON_OK);
        DEMAND(dragon_dict_pop(dict, K(key), &value, &bytes, WAIT_MS) == DRAGON_OK);
        DEMAND(bytes == LARGE && has(value, LARGE, next + round));
        free(value);
        MPI_Waitall(2, requests, statuses);
        DEMAND(has(in, LARGE, last + round));
    }
    free(out);
    free(in);
}

// All at the same keys.
static void count_together(void)
{
    int64_t count = 0, before = 0, sum = 0, all = 0;
    char line[64] = "", fresh[64];
    size_t bytes = 0;
    if (the_rank == 0)
        DEMAND(dragon_dict_put(dict, K("swapped"), K("0"), WAIT_MS) == DRAGON_OK);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < COUNTS; i++) {
        DEMAND(dragon_dict_add(dict, K("count"), 1, &before, WAIT_MS) == DRAGON_OK);
        sum += before;
        DEMAND(dragon_dict_append(dict, K("appended"), K("x"), NULL, WAIT_MS) == DRAGON_OK);
        dragon_err_t err;
        do {
            memset(line, 0, sizeof line);
            DEMAND(dragon_dict_get(dict, K("swapped"), line, sizeof line - 1, &bytes, WAIT_MS) ==
                   DRAGON_OK);
            snprintf(fresh, sizeof fresh, "%ld", strtol(line, NULL, 10) + 1);
            err = dragon_dict_swap(dict, K("swapped"), line, bytes, K(fresh), WAIT_MS);
            DEMAND(err == DRAGON_OK || err == DRAGON_ERR_STATE);
        } while (err != DRAGON_OK);
    }
    MPI_Allreduce(&sum, &all, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    const int64_t wanted = (int64_t)COUNTS * the_size;
    DEMAND(all == wanted * (wanted - 1) / 2); // each number was seen by one
    DEMAND(dragon_dict_get(dict, K("count"), &count, sizeof count, &bytes, WAIT_MS) == DRAGON_OK);
    DEMAND(count == wanted);
    memset(line, 0, sizeof line);
    DEMAND(dragon_dict_get(dict, K("swapped"), line, sizeof line - 1, &bytes, WAIT_MS) ==
           DRAGON_OK);
    DEMAND(strtol(line, NULL, 10) == wanted);
    DEMAND(dragon_dict_get(dict, K("appended"), NULL, 0, &bytes, WAIT_MS) == DRAGON_ERR_TOO_BIG);
    DEMAND(bytes == (size_t)wanted);
}

// Everybody looks at one value while rank 0 overwrites and erases it.
static void look_together(void)
{
    unsigned char *value = malloc(LARGE);
    dragon_dict_view_t view;
    if (the_rank == 0) {
        fill(value, LARGE, 1);
        DEMAND(dragon_dict_put(dict, K("looked at"), value, LARGE, WAIT_MS) == DRAGON_OK);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    DEMAND(dragon_dict_view(dict, K("looked at"), &view, WAIT_MS) == DRAGON_OK);
    MPI_Barrier(MPI_COMM_WORLD);
    if (the_rank == 0) {
        for (int i = 2; i < ROUNDS; i++) {
            fill(value, LARGE, i);
            DEMAND(dragon_dict_put(dict, K("looked at"), value, LARGE, WAIT_MS) == DRAGON_OK);
        }
        DEMAND(dragon_dict_erase(dict, K("looked at"), WAIT_MS) == DRAGON_OK);
    }
    DEMAND(view.bytes == LARGE && has(view.data, LARGE, 1));
    MPI_Barrier(MPI_COMM_WORLD);
    DEMAND(has(view.data, LARGE, 1));
    dragon_dict_view_end(dict, &view);
    free(value);
}

// It stays until the runtime ends, or rank 0 destroys it, perhaps before others have left.
static int leave(dragon_runtime_t *runtime, int destroys)
{
    dragon_err_t err = destroys ? dragon_dict_destroy(dict, NULL) : dragon_dict_detach(dict);
    dragon_runtime_detach(runtime);
    return err != DRAGON_OK;
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime = NULL;
    dragon_error_t error;
    int late = argc > 1 && strcmp(argv[1], "late") == 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &the_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &the_size);
    if (dragon_runtime_attach(&runtime, &error) != DRAGON_OK) {
        fprintf(stderr, "mpi_dict: %s\n", error.text);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    open_all(runtime);
    all_see_all();
    large_ring();
    count_together();
    look_together();
    MPI_Barrier(MPI_COMM_WORLD);
    int nodes = (int)dragon_runtime_nodes(runtime);
    if (!late)
        DEMAND(leave(runtime, 0) == 0);
    MPI_Finalize();
    if (the_rank == 0)
        printf("mpi_dict: %d ranks, %d nodes, all ok\n", the_size, nodes);
    return late ? leave(runtime, the_rank == 0) : 0;
}
