// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-bench channel: what messages cost on one host, against what the machine can do without any library.
#include "config.h"

#include "cli/bench_channel.h"

#include "cli/text.h"

// ---- latency

static double two_lines(struct versus *versus)
{
    return limit_line_ns(&versus->cores, true, versus->ms);
}

static double one_line(struct versus *versus)
{
    return limit_line_ns(&versus->cores, false, versus->ms);
}

static double futexes(struct versus *versus)
{
    return limit_futex_us(&versus->cores, 1, versus->ms);
}

static const struct latency {
    const char *name, *what, *peer, *unit;
    dragon_wait_t wait;
    double (*ours)(struct versus *versus);
    double (*limit)(struct versus *versus);
    double at_most; // 0: no aim
} latencies[] = {
    {"latency-spin", "8 bytes one way, both sides look", "2 cache lines, one written by each side",
     "ns", DRAGON_WAIT_SPIN, versus_ping_ns, two_lines, 2},
    {"latency-spin-line", "  the same", "1 cache line, written by both sides", "ns",
     DRAGON_WAIT_SPIN, versus_ping_ns, one_line, 0},
    {"latency-adaptive", "8 bytes one way, as by default",
     "2 cache lines, one written by each side", "ns", DRAGON_WAIT_ADAPTIVE, versus_ping_ns,
     two_lines, 0},
    {"latency-idle", "8 bytes one way, both sides sleep", "futex ping-pong", "us", DRAGON_WAIT_IDLE,
     versus_ping_us, futexes, 1.2},
};

static void bench_latency(struct bench *bench)
{
    for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++) {
        const struct latency *latency = &latencies[i];
        struct versus versus = versus_init(bench, 8);
        versus_name(&versus, "%s", latency->name);
        versus_what(&versus, "%s", latency->what);
        versus_peer(&versus, "%s", latency->peer);
        versus.figure.unit = latency->unit;
        versus.figure.aim = latency->at_most > 0 ? AIM_AT_MOST : AIM_NONE;
        versus.figure.aim_value = latency->at_most;
        versus.plan.wait = latency->wait;
        versus.ours = latency->ours;
        versus.peer = latency->limit;
        versus_run(&versus);
    }
}

// ---- copies
//
// A channel may hold as many messages as it has places, and so do the peers: it is a part of the figure whether they
// stay in a cache.

static const struct copy {
    const char *name;
    size_t bytes;
    uint32_t places;
    bool bare;  // against two processes
    double aim; // 0: none
} copies[] = {
    {"copy-64k", 64 << 10, DRAGON_CHANNEL_CAPACITY, false, 0.8},
    {"copy-64k-pipe", 64 << 10, DRAGON_CHANNEL_CAPACITY, true, 0},
    {"copy-64k-near", 64 << 10, 8, false, 0},
    {"copy-64k-near-pipe", 64 << 10, 8, true, 0},
    {"copy-1024k", 1 << 20, DRAGON_CHANNEL_CAPACITY, false, 0.8},
    {"copy-1024k-pipe", 1 << 20, DRAGON_CHANNEL_CAPACITY, true, 0},
    {"copy-1024k-near", 1 << 20, 8, false, 0},
    {"copy-1024k-near-pipe", 1 << 20, 8, true, 0},
};

static double memcpys(struct versus *versus)
{
    const struct copy *copy = versus->arg;
    return limit_memcpy_mbs(&versus->cores, copy->bytes, copy->places, versus->ms);
}

static double pipeline(struct versus *versus)
{
    const struct copy *copy = versus->arg;
    return limit_pipeline_mbs(&versus->cores, copy->bytes, copy->places, versus->ms);
}

static void bench_copy(struct bench *bench)
{
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        const struct copy *copy = &copies[i];
        struct versus versus = versus_init(bench, copy->bytes);
        char size[32];
        text_size(copy->bytes, size, sizeof size);
        versus_name(&versus, "%s", copy->name);
        versus_what(&versus, copy->bare ? "  the same" : "%s, copied in and out, %u places", size,
                    copy->places);
        versus_peer(&versus,
                    copy->bare ? "2 bare processes, in and out of %u places"
                               : "memcpy into %u places",
                    copy->places);
        versus.figure.unit = "MB/s";
        versus.figure.aim = copy->aim > 0 ? AIM_AT_LEAST : AIM_NONE;
        versus.figure.aim_value = copy->aim;
        versus.plan.capacity = copy->places;
        versus.plan.wait = DRAGON_WAIT_SPIN;
        versus.ours = versus_stream_mbs;
        versus.peer = copy->bare ? pipeline : memcpys;
        versus.arg = copy;
        versus_run(&versus);
    }
}

// ---- hand-over

static void bench_handover(struct bench *bench)
{
    static const size_t sizes[] = {4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct versus versus = versus_init(bench, sizes[i]);
        char size[32];
        text_size(sizes[i], size, sizeof size);
        versus_name(&versus, "handover-%zuk", sizes[i] >> 10);
        versus_what(&versus, "a block of %s is handed over", size);
        versus.figure.unit = "us";
        versus.figure.aim = AIM_AT_MOST;
        versus.figure.aim_value = 1.5;
        versus.plan.wait = DRAGON_WAIT_SPIN;
        versus.ours = versus_bounce_us;
        versus_run(&versus);
    }
}

const struct bench_part bench_channel_parts[] = {
    {"latency", "8 bytes between two processes, looking and sleeping", bench_latency},
    {"crowd", "the same with more processes than cores", bench_channel_crowd},
    {"copy", "messages of 64 KiB and 1 MiB, copied", bench_copy},
    {"handover", "blocks of 4 KiB to 64 MiB, without a copy", bench_handover},
    {"rate", "messages of 8 bytes a second, of one and of several", bench_channel_rate},
    {"idle", "a process that waits", bench_channel_idle},
    {"nodes", "between two nodes", bench_channel_nodes},
    {"zmq", "ZeroMQ", bench_channel_zmq},
    {"nng", "nng", bench_channel_nng},
    {"mpi", "Open MPI", bench_channel_mpi},
    {0},
};
