// SPDX-License-Identifier: BSD-3-Clause
//
// Channels beside the messages of other libraries on one host: each is a program of its own (tests/perf), built when
// its library was there.
#include "config.h"

#include "cli/bench_channel.h"
#include "cli/command.h"
#include "cli/text.h"

#include <unistd.h>

enum { PEER_MS = 60000 };

struct peer {
    const char *label;     // "ZeroMQ, ipc"
    const char *transport; // "ipc", "tcp"; NULL: of MPI, which has none
    char *program;         // owned; NULL: not built
    char *mpiexec;         // owned
    bool latency;
    // What it can do in a millisecond, about: turns of 8 bytes and messages of them, messages of 64 KiB.
    long turns, small, large;
};

static bool push_mpiexec(char ***list, const struct peer *peer)
{
    bool good = strv_push(list, peer->mpiexec);
    if (good && geteuid() == 0)
        good = strv_push(list, "--allow-run-as-root");
    return good && strv_push(list, "--oversubscribe") && strv_push(list, "--bind-to") &&
           strv_push(list, "none") && strv_push(list, "--mca") && strv_push(list, "pml") &&
           strv_push(list, "ob1") && strv_push(list, "--mca") && strv_push(list, "btl") &&
           strv_push(list, "self,vader") && strv_push(list, "-n") && strv_push(list, "2");
}

static char **command_of(const struct versus *versus)
{
    const struct peer *peer = versus->arg;
    char **list = NULL;
    long count = versus->bytes > 8 ? peer->large : peer->latency ? peer->turns : peer->small;
    bool good = (!peer->mpiexec || push_mpiexec(&list, peer)) && strv_push(&list, peer->program) &&
                strv_push(&list, peer->latency ? "latency" : "rate") &&
                (!peer->transport || strv_push(&list, peer->transport)) &&
                strv_pushf(&list, "%zu", versus->bytes) &&
                strv_pushf(&list, "%ld", count * versus->ms);
    if (good && peer->mpiexec)
        good = strv_pushf(&list, "%d", versus->cores.a) && strv_pushf(&list, "%d", versus->cores.b);
    else
        good = good && strv_push(&list, versus->cores.both);
    if (good)
        return list;
    strv_free(list);
    return NULL;
}

// Its number: us, or messages in a second.
static double run_peer(struct versus *versus)
{
    const struct peer *peer = versus->arg;
    char **list = command_of(versus);
    struct command command = {.argv = list, .limit_ms = PEER_MS};
    char *text = list ? command_text(&command, NULL) : NULL, *end = text;
    double number = text ? strtod(text, &end) : -1;
    if (!text || end == text || number <= 0)
        number = -1;
    free(text);
    strv_free(list);
    if (number > 0 && !peer->latency && versus->bytes > 8)
        number *= (double)versus->bytes / 1e6;
    return number;
}

static void against(struct bench *bench, struct peer *peer, const char *name, size_t bytes,
                    bool latency)
{
    struct versus versus = versus_init(bench, bytes);
    char size[32];
    bool small = bytes == 8;
    peer->latency = latency;
    text_size(bytes, size, sizeof size);
    versus_name(&versus, "%s-%s-%zu", name, latency ? "latency" : "rate", bytes);
    versus_what(&versus, latency ? "%s one way, %s" : "messages of %s, %s", size,
                peer->mpiexec ? "both sides look" : "as by default");
    versus_peer(&versus, "%s", peer->label);
    versus.figure.unit = latency ? "us" : small ? "1/s" : "MB/s";
    if (small && strncmp(name, "zmq", 3) == 0) {
        versus.figure.aim = latency ? AIM_AT_MOST : AIM_AT_LEAST;
        versus.figure.aim_value = latency ? 0.1 : 10;
    }
    versus.pairs = bench->quick ? 1 : 7;
    versus.ours = latency ? versus_ping_us : small ? versus_stream_rate : versus_stream_mbs;
    versus.peer = run_peer;
    versus.arg = peer;
    if (peer->mpiexec) // whose ranks look for messages all the time
        versus.plan.wait = DRAGON_WAIT_SPIN;
    versus_run(&versus);
}

static void against_all(struct bench *bench, struct peer *peer, const char *name)
{
    static const size_t sizes[] = {8, 64 << 10};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        against(bench, peer, name, sizes[i], true);
        against(bench, peer, name, sizes[i], false);
    }
}

static void skip(struct bench *bench, const char *name, const char *why)
{
    struct versus versus = versus_init(bench, 8);
    versus_name(&versus, "%s", name);
    versus_what(&versus, "channels beside it");
    versus_skip(&versus, why);
}

static void bench_library(struct bench *bench, const struct peer *library, const char *program,
                          const char *name, const char *missing)
{
    static const char *const transports[] = {"ipc", "tcp"};
    char *path = self_beside(program), peer_name[32], peer_label[60];
    struct peer peer = *library;
    for (size_t i = 0; path && i < sizeof transports / sizeof *transports; i++) {
        snprintf(peer_name, sizeof peer_name, "%s-%s", name, transports[i]);
        snprintf(peer_label, sizeof peer_label, "%s, %s://", library->label, transports[i]);
        peer.label = peer_label;
        peer.transport = transports[i];
        peer.program = path;
        against_all(bench, &peer, peer_name);
    }
    if (!path)
        skip(bench, name, missing);
    free(path);
}

void bench_channel_zmq(struct bench *bench)
{
    static const struct peer zmq = {.label = "ZeroMQ", .turns = 50, .small = 5000, .large = 20};
    bench_library(bench, &zmq, "dragon-bench-zmq", "zmq", "install libzmq3-dev and build again");
}

void bench_channel_nng(struct bench *bench)
{
    static const struct peer nng = {.label = "nng", .turns = 10, .small = 100, .large = 10};
    bench_library(bench, &nng, "dragon-bench-nng", "nng", "install libnng-dev and build again");
}

void bench_channel_mpi(struct bench *bench)
{
    struct mpi_setup setup;
    mpi_setup_find(bench, &setup);
    struct peer peer = {.label = "Open MPI, vader", .turns = 1000, .small = 5000, .large = 100};
    peer.program = self_beside("dragon-bench-mpi");
    peer.mpiexec = setup.mpiexec;
    if (!peer.mpiexec)
        skip(bench, "mpi", "install Open MPI");
    else if (!peer.program)
        skip(bench, "mpi", "install libopenmpi-dev and build again");
    else
        against_all(bench, &peer, "mpi");
    free(peer.program);
    mpi_setup_fini(&setup);
}
