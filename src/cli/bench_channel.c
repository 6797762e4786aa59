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

enum { PLACES = 8 }; // messages that are there at once, in the channel as at the peers

static double memcpys(struct versus *versus)
{
    return limit_memcpy_mbs(&versus->cores, versus->bytes, PLACES, versus->ms);
}

static double pipeline(struct versus *versus)
{
    return limit_pipeline_mbs(&versus->cores, versus->bytes, PLACES, versus->ms);
}

static void copy_against(struct bench *bench, size_t bytes, bool bare)
{
    struct versus versus = versus_init(bench, bytes);
    char size[32];
    text_size(bytes, size, sizeof size);
    versus_name(&versus, "copy-%zuk%s", bytes >> 10, bare ? "-pipe" : "");
    versus_what(&versus, bare ? "  the same" : "messages of %s, copied in and out", size);
    versus_peer(&versus,
                bare ? "bare copies in and out of %d places, 2 processes" : "memcpy into %d places",
                PLACES);
    versus.figure.unit = "MB/s";
    versus.figure.aim = bare ? AIM_NONE : AIM_AT_LEAST;
    versus.figure.aim_value = 0.8;
    versus.plan.capacity = PLACES;
    versus.plan.wait = DRAGON_WAIT_SPIN;
    versus.ours = versus_stream_mbs;
    versus.peer = bare ? pipeline : memcpys;
    versus_run(&versus);
}

static void bench_copy(struct bench *bench)
{
    static const size_t sizes[] = {64 << 10, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        copy_against(bench, sizes[i], false);
        copy_against(bench, sizes[i], true);
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
