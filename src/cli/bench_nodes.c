// SPDX-License-Identifier: BSD-3-Clause
//
// Between two nodes, against what UCX's own test measures between the same two, with active messages and the same way
// of waiting. Which transport is taken is left to UCX in both, and can be said to both with UCX_TLS.
#include "config.h"

#include "cli/bench_channel.h"
#include "cli/command.h"

struct far_case {
    const char *name, *what;
    bool direct, bandwidth;
    size_t bytes;
    dragon_wait_t wait;
    double aim; // 0: none
};

static const struct far_case far_cases[] = {
    {"nodes-latency-spin", "8 bytes one way, both sides look", false, false, 8, DRAGON_WAIT_SPIN,
     0},
    {"nodes-latency-spin-direct", "  to a single receiver", true, false, 8, DRAGON_WAIT_SPIN, 1.2},
    {"nodes-latency-idle", "8 bytes one way, both sides sleep", false, false, 8, DRAGON_WAIT_IDLE,
     0},
    {"nodes-latency-idle-direct", "  to a single receiver", true, false, 8, DRAGON_WAIT_IDLE, 1.2},
    {"nodes-64k", "messages of 64 KiB", false, true, 64 << 10, DRAGON_WAIT_SPIN, 0},
    {"nodes-64k-direct", "  to a single receiver", true, true, 64 << 10, DRAGON_WAIT_SPIN, 0.9},
    {"nodes-1024k", "messages of 1 MiB", false, true, 1 << 20, DRAGON_WAIT_SPIN, 0},
    {"nodes-1024k-direct", "  to a single receiver", true, true, 1 << 20, DRAGON_WAIT_SPIN, 0.9},
};

struct far {
    const struct far_case *which;
    struct perftest perftest;
};

static double run_peer(struct versus *versus)
{
    const struct far *far = versus->arg;
    return perftest_run(versus, &far->perftest);
}

// ---- the part

static void measure(struct bench *bench, struct far *far)
{
    const struct far_case *which = far->which;
    struct versus versus = versus_init(bench, which->bytes);
    versus_name(&versus, "%s", which->name);
    versus_what(&versus, "%s", which->what);
    versus.figure.unit = which->bandwidth ? "MB/s" : "us";
    versus.figure.aim = which->aim == 0 ? AIM_NONE : which->bandwidth ? AIM_AT_LEAST : AIM_AT_MOST;
    versus.figure.aim_value = which->aim;
    versus.pairs = bench->quick ? 1 : 7;
    versus.plan.wait = which->wait;
    versus.plan.direct = which->direct;
    versus.plan.node = far->perftest.other.node;
    versus.ours = which->bandwidth ? versus_stream_mbs : versus_ping_us;
    versus.pinned = far->perftest.other.same_host;
    versus.arg = far;
    if (far->perftest.other.node < 0) {
        versus_skip(&versus, "the runtime has one node; start it with dragon-run on two hosts, or "
                             "with --test-hosts 2");
        return;
    }
    far->perftest.test = which->bandwidth ? "ucp_am_bw" : "ucp_am_lat";
    far->perftest.bytes = which->bytes;
    far->perftest.sleeps = which->wait == DRAGON_WAIT_IDLE;
    if (far->perftest.program) {
        versus_peer(&versus, "ucx_perftest %s, %s", far->perftest.test,
                    far->perftest.sleeps ? "sleeping" : "polling");
        versus.peer = run_peer;
    } else
        figure_note(&versus.figure, "the peer was not measured: install ucx_perftest (ucx-utils)");
    versus_run(&versus);
}

void bench_channel_nodes(struct bench *bench)
{
    struct far far = {
        .perftest = {.other = bench_find_other(bench), .program = command_find("ucx_perftest")}};
    for (size_t i = 0; i < sizeof far_cases / sizeof *far_cases; i++) {
        far.which = &far_cases[i];
        measure(bench, &far);
    }
    free(far.perftest.program);
}
