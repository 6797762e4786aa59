// SPDX-License-Identifier: BSD-3-Clause
//
// A dictionary whose manager is on another node, against what ucx_perftest measures between the two with active messages. An
// operation goes there and back: half of its time is what counts against the time of one way.
#include "config.h"

#include "cli/bench_dict.h"
#include "cli/command.h"

enum { FAR_SMALL = 128, FAR_KEYS = 1024 };

static const struct far_case {
    const char *name, *what;
    enum load_op op;
    size_t bytes;
    uint32_t keys;
    enum { FAR_LATENCY, FAR_BANDWIDTH, FAR_BATCH } kind;
    double aim;
} far_cases[] = {
    {"nodes-get", "128 bytes, half of a get", LOAD_GET, FAR_SMALL, FAR_KEYS, FAR_LATENCY, 1.3},
    {"nodes-put", "128 bytes, half of a put", LOAD_PUT, FAR_SMALL, FAR_KEYS, FAR_LATENCY, 1.3},
    {"nodes-batch-get", "gets of 128 bytes, 16 at once", LOAD_GET_MANY, FAR_SMALL, FAR_KEYS,
     FAR_BATCH, 1},
    {"nodes-batch-put", "puts of 128 bytes, 16 at once", LOAD_PUT_MANY, FAR_SMALL, FAR_KEYS,
     FAR_BATCH, 1},
    {"nodes-get-64k", "gets of 64 KiB", LOAD_GET, 64 << 10, 16, FAR_BANDWIDTH, 0},
    {"nodes-put-64k", "puts of 64 KiB", LOAD_PUT, 64 << 10, 16, FAR_BANDWIDTH, 0},
    {"nodes-get-1024k", "gets of 1 MiB", LOAD_GET, 1 << 20, 16, FAR_BANDWIDTH, 0.9},
    {"nodes-put-1024k", "puts of 1 MiB", LOAD_PUT, 1 << 20, 16, FAR_BANDWIDTH, 0.9},
    {"nodes-get-1024k-many", "  16 at once", LOAD_GET_MANY, 1 << 20, 16, FAR_BANDWIDTH, 0.9},
    {"nodes-put-1024k-many", "  16 at once", LOAD_PUT_MANY, 1 << 20, 16, FAR_BANDWIDTH, 0.9},
    {"nodes-get-65536k", "gets of 64 MiB", LOAD_GET, 64 << 20, 1, FAR_BANDWIDTH, 0.9},
    {"nodes-put-65536k", "puts of 64 MiB", LOAD_PUT, 64 << 20, 1, FAR_BANDWIDTH, 0.9},
};

enum { FAR_ROOM = 256 << 20 };

struct far {
    const struct far_case *which;
    struct perftest perftest;
    dragon_dict_t *dict; // NULL: there is no other node, or it failed
};

// ---- both

static double rate_of(struct versus *versus, enum load_op op)
{
    const struct far *far = versus->arg;
    struct load load = {.op = op,
                        .keys = far->which->keys,
                        .key_bytes = KEY_BYTES_LEAST,
                        .value_bytes = far->which->bytes,
                        .batch = DICT_BATCH,
                        .ms = (uint32_t)versus->ms};
    if (versus->pinned)
        cores_pin_to(versus->cores.a);
    double rate = load_rate(far->dict, &load, &versus->figure);
    if (versus->pinned)
        cores_unpin();
    return rate;
}

static double run_ours(struct versus *versus)
{
    const struct far_case *which = ((const struct far *)versus->arg)->which;
    double rate = rate_of(versus, which->op);
    if (rate <= 0 || which->kind == FAR_BATCH)
        return rate;
    return which->kind == FAR_LATENCY ? 1e6 / rate / 2 : rate * (double)which->bytes / 1e6;
}

static double run_perftest(struct versus *versus)
{
    const struct far *far = versus->arg;
    return perftest_run(versus, &far->perftest);
}

// One after the other, of ours.
static double run_single(struct versus *versus)
{
    const struct far_case *which = ((const struct far *)versus->arg)->which;
    return rate_of(versus, which->op == LOAD_GET_MANY ? LOAD_GET : LOAD_PUT);
}

// ---- the part

static void choose_peer(struct versus *versus, struct far *far)
{
    const struct far_case *which = far->which;
    far->perftest.test = which->kind == FAR_LATENCY ? "ucp_am_lat" : "ucp_am_bw";
    far->perftest.bytes = which->bytes;
    if (which->kind == FAR_BATCH) {
        versus_peer(versus, "one after the other");
        versus->peer = run_single;
    } else if (far->perftest.program) {
        versus_peer(versus, "ucx_perftest %s, polling", far->perftest.test);
        versus->peer = run_perftest;
    } else {
        figure_note(&versus->figure, "the peer was not measured: install ucx_perftest (ucx-utils)");
        versus->figure.aim = AIM_NONE;
    }
}

static bool fill(const struct far *far, struct figure *figure)
{
    struct partner_report report;
    struct load load = {.op = LOAD_FILL,
                        .keys = far->which->keys,
                        .key_bytes = KEY_BYTES_LEAST,
                        .value_bytes = far->which->bytes};
    dragon_err_t err = dragon_dict_clear(far->dict, BENCH_WAIT_MS);
    if (err == DRAGON_OK)
        err = load_run(far->dict, &load, &report);
    return err == DRAGON_OK || bench_channel_fail(figure, "the dictionary", err) > 0;
}

static void measure(struct bench *bench, struct far *far)
{
    const struct far_case *which = far->which;
    struct versus versus = versus_init(bench, which->bytes);
    versus_name(&versus, "%s", which->name);
    versus_what(&versus, "%s", which->what);
    versus.figure.unit = which->kind == FAR_LATENCY     ? "us"
                         : which->kind == FAR_BANDWIDTH ? "MB/s"
                                                        : "1/s";
    versus.figure.aim = which->aim == 0              ? AIM_NONE
                        : which->kind == FAR_LATENCY ? AIM_AT_MOST
                                                     : AIM_AT_LEAST;
    versus.figure.aim_value = which->aim;
    versus.pairs = bench->quick ? 1 : 7;
    versus.pinned = far->perftest.other.same_host;
    versus.ours = run_ours;
    versus.arg = far;
    if (far->perftest.other.node < 0) {
        versus_skip(&versus, "the runtime has one node; start it with dragon-run on two hosts, or "
                             "with --test-hosts 2");
        return;
    }
    choose_peer(&versus, far);
    if (fill(far, &versus.figure))
        versus_run(&versus);
    else
        report_figure(bench->report, &versus.figure);
}

void bench_dict_nodes(struct bench *bench)
{
    struct figure figure = {.name = "nodes", .what = "a manager of another node", .unit = ""};
    struct far far = {
        .perftest = {.other = bench_find_other(bench), .program = command_find("ucx_perftest")}};
    int node = far.perftest.other.node;
    if (node >= 0) {
        far.dict = bench_dict_make(bench, node, 1, FAR_ROOM, &figure);
        if (!far.dict)
            report_figure(bench->report, &figure);
    }
    for (size_t i = 0; (node < 0 || far.dict) && i < sizeof far_cases / sizeof *far_cases; i++) {
        far.which = &far_cases[i];
        measure(bench, &far);
    }
    if (far.dict)
        dragon_dict_destroy(far.dict, NULL);
    free(far.perftest.program);
}
