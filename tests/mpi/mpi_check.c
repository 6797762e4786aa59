// SPDX-License-Identifier: BSD-3-Clause
//
// One MPI program that tests whoever hosts MPI programs, with any MPI library. The first argument
// is the mode; see the_usage for the list. `all` sends, reduces, splits and shares memory, checks
// every value and prints, from rank 0 only and in rank order, text that a test can compare as it
// is. The other modes leave in one particular way each, so that a test can see what the host makes
// of it. It does not measure anything. A wrong value is told on standard error and ends the whole
// world with status 1.
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <mpi.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 1 << 20,
    SHARED_WORDS = 1000,
    LINE_BYTES = MPI_MAX_PROCESSOR_NAME + 120,
    WAIT_SECONDS = 600,
    // A host that fails to end a group must not leave ranks that spin for ever.
    LIFE_SECONDS = WAIT_SECONDS + 60,
};

static const char the_usage[] =
    "usage: mpi_check [MODE]\n"
    "  all               check messages, collectives, splits and shared memory (the default)\n"
    "  hello             one line from each rank\n"
    "  apps              check the programs of a job against each other, one line from each rank\n"
    "  abort RANK CODE   RANK calls MPI_Abort(CODE), the others wait in a barrier\n"
    "  exit RANK CODE    RANK calls _exit(CODE), no MPI_Finalize, the others wait in a barrier\n"
    "  early RANK        RANK exits 0 before MPI_Init, the others call MPI_Init\n"
    "  after RANK CODE   RANK exits with CODE after MPI_Finalize\n"
    "  wait              each rank prints its pid, then all wait to be killed\n";

static int the_rank, the_size;
static char the_host[MPI_MAX_PROCESSOR_NAME];

static void expect(const char *what, long expected, long got)
{
    if (expected == got)
        return;
    fprintf(stderr, "mpi_check: rank %d of %d on %s: %s: expected %ld, got %ld\n", the_rank,
            the_size, the_host, what, expected, got);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    _exit(1);
}

// A byte that differs between neighbours in a block and between ranks.
static unsigned char pattern(int rank, int i)
{
    return (unsigned char)(rank * 31 + i * 7 + (i >> 8));
}

static unsigned char *block_new(void)
{
    unsigned char *block = malloc(BLOCK_BYTES);
    expect("memory", 1, block != NULL);
    return block;
}

// Every rank sends `bytes` to its right and receives from its left, which needs a path between
// every pair of neighbours: over shared memory and over the network.
static void check_ring(int bytes)
{
    int right = (the_rank + 1) % the_size, left = (the_rank + the_size - 1) % the_size;
    unsigned char *out = block_new(), *in = block_new();
    for (int i = 0; i < bytes; i++) {
        out[i] = pattern(the_rank, i);
        in[i] = (unsigned char)~pattern(left, i);
    }
    MPI_Request request;
    MPI_Status status;
    MPI_Isend(out, bytes, MPI_BYTE, right, bytes, MPI_COMM_WORLD, &request);
    MPI_Recv(in, BLOCK_BYTES, MPI_BYTE, left, bytes, MPI_COMM_WORLD, &status);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    int count;
    MPI_Get_count(&status, MPI_BYTE, &count);
    expect("ring: source", left, status.MPI_SOURCE);
    expect("ring: bytes received", bytes, count);
    for (int i = 0; i < bytes; i++)
        expect("ring: byte", pattern(left, i), in[i]);
    free(in);
    free(out);
}

// Rank 0 exchanges one message with each other rank: pairs that no ring connects.
static void check_star(void)
{
    for (int peer = 1; peer < the_size; peer++) {
        int mine = the_rank * 1000 + peer, theirs = -1;
        if (the_rank == 0) {
            MPI_Send(&mine, 1, MPI_INT, peer, 1, MPI_COMM_WORLD);
            MPI_Recv(&theirs, 1, MPI_INT, peer, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            expect("star: from a leaf", peer * 1000 + peer, theirs);
        } else if (the_rank == peer) {
            MPI_Recv(&theirs, 1, MPI_INT, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(&mine, 1, MPI_INT, 0, 2, MPI_COMM_WORLD);
            expect("star: from rank 0", peer, theirs);
        }
    }
}

static void check_reduce_and_bcast(void)
{
    int mine = the_rank + 1, sum = 0, most = 0;
    MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    expect("allreduce: sum", (long)the_size * (the_size + 1) / 2, sum);
    MPI_Allreduce(&mine, &most, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    expect("allreduce: max", the_size, most);

    unsigned char *block = block_new();
    int root = the_size - 1;
    for (int i = 0; i < BLOCK_BYTES; i++)
        block[i] = the_rank == root ? pattern(root, i) : (unsigned char)~pattern(root, i);
    MPI_Bcast(block, BLOCK_BYTES, MPI_BYTE, root, MPI_COMM_WORLD);
    for (int i = 0; i < BLOCK_BYTES; i++)
        expect("bcast: byte", pattern(root, i), block[i]);
    free(block);
}

static void check_all_to_all(void)
{
    int *out = calloc((size_t)the_size, sizeof *out), *in = calloc((size_t)the_size, sizeof *in);
    expect("memory", 1, out && in);
    for (int i = 0; i < the_size; i++)
        out[i] = the_rank * 10000 + i;
    MPI_Alltoall(out, 1, MPI_INT, in, 1, MPI_INT, MPI_COMM_WORLD);
    for (int i = 0; i < the_size; i++)
        expect("alltoall", i * 10000 + the_rank, in[i]);

    int mine = the_rank * 3 + 1;
    memset(in, 0, (size_t)the_size * sizeof *in);
    MPI_Allgather(&mine, 1, MPI_INT, in, 1, MPI_INT, MPI_COMM_WORLD);
    for (int i = 0; i < the_size; i++)
        expect("allgather", i * 3 + 1, in[i]);
    free(in);
    free(out);
}

// Odd and even ranks, each in reverse order.
static void check_split(void)
{
    int colour = the_rank % 2, rank, size, sum = 0, members = 0, total = 0;
    MPI_Comm half;
    MPI_Comm_split(MPI_COMM_WORLD, colour, -the_rank, &half);
    MPI_Comm_rank(half, &rank);
    MPI_Comm_size(half, &size);
    for (int i = colour; i < the_size; i += 2) {
        members++;
        total += i;
    }
    expect("split: size", members, size);
    expect("split: rank", members - 1 - the_rank / 2, rank);
    MPI_Allreduce(&the_rank, &sum, 1, MPI_INT, MPI_SUM, half);
    expect("split: sum", total, sum);
    MPI_Comm_free(&half);
}

// Each rank writes its part of one shared segment and reads the parts of all neighbours.
static void check_shared_window(MPI_Comm shared, int rank, int size)
{
    int *mine;
    MPI_Win window;
    MPI_Win_allocate_shared(SHARED_WORDS * (MPI_Aint)sizeof *mine, sizeof *mine, MPI_INFO_NULL,
                            shared, &mine, &window);
    MPI_Win_fence(0, window);
    for (int i = 0; i < SHARED_WORDS; i++)
        mine[i] = (rank + 1) * 100000 + i;
    MPI_Win_fence(0, window);
    for (int peer = 0; peer < size; peer++) {
        MPI_Aint bytes;
        int unit, *theirs;
        MPI_Win_shared_query(window, peer, &bytes, &unit, &theirs);
        expect("shared window: bytes", SHARED_WORDS * (long)sizeof *mine, (long)bytes);
        for (int i = 0; i < SHARED_WORDS; i++)
            expect("shared window: word", (peer + 1) * 100000 + i, theirs[i]);
    }
    MPI_Win_fence(0, window);
    MPI_Win_free(&window);
}

// Returns the number of ranks on this node; writes the number of nodes of the world.
static int check_shared_memory(int *nodes_out)
{
    MPI_Comm shared;
    int rank, size;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, the_rank, MPI_INFO_NULL, &shared);
    MPI_Comm_rank(shared, &rank);
    MPI_Comm_size(shared, &size);
    check_shared_window(shared, rank, size);

    char host[MPI_MAX_PROCESSOR_NAME];
    memcpy(host, the_host, sizeof host);
    MPI_Bcast(host, sizeof host, MPI_CHAR, 0, shared);
    expect("shared: all have one host name", 0, strcmp(host, the_host));

    int leader = rank == 0;
    MPI_Allreduce(&leader, nodes_out, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Comm_free(&shared);
    return size;
}

// Rank 0 prints for all, as lines of several processes come in any order.
static void print_in_order(const char *line)
{
    char *all = NULL;
    if (the_rank == 0) {
        all = calloc((size_t)the_size, LINE_BYTES);
        expect("memory", 1, all != NULL);
    }
    MPI_Gather(line, LINE_BYTES, MPI_CHAR, all, LINE_BYTES, MPI_CHAR, 0, MPI_COMM_WORLD);
    for (int i = 0; all && i < the_size; i++)
        printf("%s\n", all + (size_t)i * LINE_BYTES);
    free(all);
}

static int run_all(void)
{
    static const int sizes[] = {0, 1, 8, 4000, 70000, BLOCK_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_ring(sizes[i]);
    check_star();
    check_reduce_and_bcast();
    check_all_to_all();
    check_split();
    int nodes = 0, shared = check_shared_memory(&nodes);

    char line[LINE_BYTES] = "";
    snprintf(line, sizeof line, "rank %d of %d on %s shared %d ok", the_rank, the_size, the_host,
             shared);
    print_in_order(line);
    if (the_rank == 0)
        printf("mpi_check: %d ranks, %d nodes, all ok\n", the_size, nodes);
    return 0;
}

static int app_number(void)
{
    int *number = NULL, found = 0;
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &number, &found);
    expect("apps: MPI_APPNUM is there", 1, found);
    return *number;
}

// Of the ranks that run this program; the same in each of them.
static void check_app_of(const int *apps, int app, MPI_Comm mine)
{
    int first = 0, members = 0, rank, size, sum = 0, total = 0;
    while (apps[first] != app)
        first++;
    for (int i = first; i < the_size && apps[i] == app; i++, members++)
        total += i;
    MPI_Comm_rank(mine, &rank);
    MPI_Comm_size(mine, &size);
    expect("apps: ranks of the program", members, size);
    expect("apps: rank in the program", the_rank - first, rank);
    MPI_Allreduce(&the_rank, &sum, 1, MPI_INT, MPI_SUM, mine);
    expect("apps: sum of the program", total, sum);
}

// The first ranks of all programs, which run on different nodes perhaps.
static void check_leaders(int app, int programs, int first)
{
    MPI_Comm leaders;
    MPI_Comm_split(MPI_COMM_WORLD, first ? 0 : MPI_UNDEFINED, app, &leaders);
    if (!first)
        return;
    int size, sum = 0;
    MPI_Comm_size(leaders, &size);
    expect("apps: programs", programs, size);
    MPI_Allreduce(&app, &sum, 1, MPI_INT, MPI_SUM, leaders);
    expect("apps: sum of the leaders", (long)programs * (programs - 1) / 2, sum);
    MPI_Comm_free(&leaders);
}

// The cores that this process may use, as the kernel lists them.
static void read_cores(char *text, size_t room)
{
    char line[256];
    FILE *in = fopen("/proc/self/status", "r");
    snprintf(text, room, "?");
    while (in && fgets(line, sizeof line, in))
        if (sscanf(line, "Cpus_allowed_list: %31s", text) == 1)
            break;
    if (in)
        fclose(in);
}

// Ranks are numbered in the order of their programs, and each program is a communicator.
static int run_apps(void)
{
    int app = app_number(), rank, *apps = calloc((size_t)the_size, sizeof *apps);
    char line[LINE_BYTES] = "", cores[32];
    expect("memory", 1, apps != NULL);
    MPI_Allgather(&app, 1, MPI_INT, apps, 1, MPI_INT, MPI_COMM_WORLD);
    expect("apps: the first program", 0, apps[0]);
    for (int i = 1; i < the_size; i++)
        expect("apps: in order", apps[i - 1] + (apps[i] != apps[i - 1]), apps[i]);
    MPI_Comm mine;
    MPI_Comm_split(MPI_COMM_WORLD, app, the_rank, &mine);
    check_app_of(apps, app, mine);
    MPI_Comm_rank(mine, &rank);
    check_leaders(app, apps[the_size - 1] + 1, rank == 0);
    check_ring(4000);
    MPI_Comm_free(&mine);
    read_cores(cores, sizeof cores);
    snprintf(line, sizeof line, "rank %d of %d on %s app %d rank %d cores %s", the_rank, the_size,
             the_host, app, rank, cores);
    print_in_order(line);
    if (the_rank == 0)
        printf("mpi_check: %d programs, all ok\n", apps[the_size - 1] + 1);
    free(apps);
    return 0;
}

// For ranks that wait for one which has gone: nothing but the host ends them.
static int wait_for_the_end(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
    fprintf(stderr, "mpi_check: rank %d left a barrier that cannot complete\n", the_rank);
    return 1;
}

static int run_abort(int rank, int code)
{
    MPI_Barrier(MPI_COMM_WORLD);
    if (the_rank == rank)
        MPI_Abort(MPI_COMM_WORLD, code);
    return wait_for_the_end();
}

static int run_exit(int rank, int code)
{
    MPI_Barrier(MPI_COMM_WORLD);
    if (the_rank == rank)
        _exit(code);
    return wait_for_the_end();
}

static int run_wait(void)
{
    printf("waiting rank %d of %d pid %ld\n", the_rank, the_size, (long)getpid());
    fflush(stdout);
    if (the_rank != 0)
        return wait_for_the_end();
    for (unsigned left = WAIT_SECONDS; left > 0;)
        left = sleep(left);
    fprintf(stderr, "mpi_check: nobody ended the wait\n");
    MPI_Abort(MPI_COMM_WORLD, 1);
    return 1;
}

static int parse_number(const char *word, int *number_out)
{
    char *end;
    errno = 0;
    long number = strtol(word, &end, 10);
    if (errno || end == word || *end || number < 0 || number > INT_MAX)
        return -1;
    *number_out = (int)number;
    return 0;
}

// The rank as the host told it, for one that must not call MPI_Init; -1 if it told nothing.
static int rank_before_init(void)
{
    static const char *const names[] = {"PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        int rank;
        if (value && parse_number(value, &rank) == 0)
            return rank;
    }
    return -1;
}

static const struct mode {
    const char *name;
    int numbers; // how many of RANK and CODE follow
} the_modes[] = {
    {"all", 0},  {"hello", 0}, {"apps", 0},  {"abort", 2},
    {"exit", 2}, {"early", 1}, {"after", 2}, {"wait", 0},
};

static const char *parse_arguments(int argc, char **argv, int *rank_out, int *code_out)
{
    const char *name = argc > 1 ? argv[1] : "all";
    for (size_t i = 0; i < sizeof the_modes / sizeof *the_modes; i++) {
        const struct mode *mode = &the_modes[i];
        if (strcmp(name, mode->name) != 0)
            continue;
        if ((argc > 2 ? argc - 2 : 0) != mode->numbers)
            return NULL;
        if (mode->numbers > 0 && parse_number(argv[2], rank_out) != 0)
            return NULL;
        if (mode->numbers > 1 && (parse_number(argv[3], code_out) != 0 || *code_out > 255))
            return NULL;
        return mode->name;
    }
    return NULL;
}

static int run_mode(const char *mode, int rank, int code)
{
    if (strcmp(mode, "all") == 0)
        return run_all();
    if (strcmp(mode, "apps") == 0)
        return run_apps();
    if (strcmp(mode, "abort") == 0)
        return run_abort(rank, code);
    if (strcmp(mode, "exit") == 0)
        return run_exit(rank, code);
    if (strcmp(mode, "wait") == 0)
        return run_wait();
    if (strcmp(mode, "hello") == 0)
        printf("rank %d of %d on %s\n", the_rank, the_size, the_host);
    if (strcmp(mode, "early") == 0) {
        fprintf(stderr, "mpi_check: rank %d left MPI_Init without rank %d\n", the_rank, rank);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int rank = 0, code = 0, length;
    const char *mode = parse_arguments(argc, argv, &rank, &code);
    if (!mode) {
        fputs(the_usage, stderr);
        return 2;
    }
    alarm(LIFE_SECONDS);
    if (strcmp(mode, "early") == 0) {
        int mine = rank_before_init();
        if (mine < 0) {
            fprintf(stderr, "mpi_check: neither PMIX_RANK nor PMI_RANK is set\n");
            return 2;
        }
        if (mine == rank)
            return 0;
    }
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &the_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &the_size);
    MPI_Get_processor_name(the_host, &length);
    int status = 2;
    if (rank < the_size)
        status = run_mode(mode, rank, code);
    else if (the_rank == 0)
        fprintf(stderr, "mpi_check: no rank %d in a world of %d\n", rank, the_size);
    fflush(NULL);
    MPI_Finalize();
    return strcmp(mode, "after") == 0 && the_rank == rank ? code : status;
}
