// SPDX-License-Identifier: BSD-3-Clause
//
// Plans of a machine that is not here: 10,000 nodes of 64 cores and 4 GPUs, and what their messages would
// weigh. Computed, not launched.
#include "config.h"

#include "cli/bench.h"
#include "place/plan.h"

enum { NODES = 10000, CORES = 64, GPUS = 4, SPECKLE = 7 };

static bool make_machine(struct pack *packed)
{
    static struct machine_core cores[CORES];
    static struct machine_gpu gpus[GPUS];
    struct machine machine = {.core_count = CORES,
                              .gpu_count = GPUS,
                              .numa_count = 4,
                              .l3_count = 8,
                              .socket_count = 1,
                              .thread_count = CORES,
                              .cores = cores,
                              .gpus = gpus};
    for (uint16_t i = 0; i < CORES; i++)
        cores[i] =
            (struct machine_core){.numa = i / 16, .l3 = i / 8, .thread_count = 1, .threads = {i}};
    for (uint16_t i = 0; i < GPUS; i++) {
        gpus[i] = (struct machine_gpu){.vendor = GPU_NVIDIA, .tiles = 1, .numa = i};
        snprintf(gpus[i].visible, sizeof gpus[i].visible, "%u", i);
    }
    machine_pack(packed, &machine);
    return !packed->failed;
}

static struct ledger *make_ledger(void)
{
    struct ledger *ledger = ledger_create(NODES);
    struct pack packed = PACK_EMPTY;
    bool good = ledger && make_machine(&packed);
    for (uint32_t node = 0; good && node < NODES; node++)
        good = ledger_describe(ledger, node, "node", "node", packed.data, packed.length);
    pack_fini(&packed);
    if (good)
        return ledger;
    ledger_destroy(ledger);
    return NULL;
}

struct planned {
    double ms;
    double bytes; // that a node is sent at most: the common message and its own
    double all;   // that leave node 0 for one node, on the average
};

static void weigh(const struct plan *plan, struct planned *planned)
{
    struct pack common = PACK_EMPTY;
    size_t most = 0, total = 0;
    plan_pack_common(&common, plan);
    for (uint32_t node = 0; node < plan->nodes; node++) {
        struct pack slice = PACK_EMPTY;
        if (plan->count_on[node] == 0 || plan_slice_is_common(plan, node))
            continue;
        plan_pack_slice(&slice, plan, node);
        total += slice.length;
        if (slice.length > most)
            most = slice.length;
        pack_fini(&slice);
    }
    planned->bytes = (double)(common.length + most);
    planned->all = (double)common.length + (double)total / plan->nodes;
    pack_fini(&common);
}

static bool plan_once(struct ledger *ledger, uint32_t ranks, struct planned *planned,
                      struct figure *figure)
{
    struct policy policy = {.cores = 1, .bind = DRAGON_BIND_CORE};
    struct plan_template template = {.ranks = ranks, .policy = &policy};
    struct plan_request request = {.templates = &template, .count = 1};
    struct plan plan;
    dragon_error_t error;
    uint64_t before = time_now_ns();
    if (plan_make(&request, ledger, &plan, &error) != DRAGON_OK) {
        figure_fail(figure, "%.190s", error.text);
        return false;
    }
    planned->ms = (double)(time_now_ns() - before) / 1e6;
    weigh(&plan, planned);
    plan_give_all(&plan, ledger);
    plan_fini(&plan);
    return true;
}

// How many ranks each node takes can only be said in short when nodes are alike: the aim is for those.
static void plan_figures(struct bench *bench, struct ledger *ledger, uint32_t ranks,
                         const char *name, const char *state)
{
    bool alike = strcmp(name, "idle") == 0;
    struct figure time = {.unit = "ms", .aim = AIM_AT_MOST, .aim_value = 1000};
    struct figure bytes = {
        .unit = "bytes", .aim = alike ? AIM_AT_MOST : AIM_NONE, .aim_value = 4096};
    struct planned planned = {0};
    snprintf(time.name, sizeof time.name, "plan-%s", name);
    snprintf(time.what, sizeof time.what, "a plan of %u ranks, %d nodes %s", ranks, NODES, state);
    snprintf(bytes.name, sizeof bytes.name, "plan-%s-bytes", name);
    snprintf(bytes.what, sizeof bytes.what, "  its message to a node, at most");
    for (int i = 0; i < (bench->quick ? 3 : 11); i++) {
        if (!plan_once(ledger, ranks, &planned, &time))
            break;
        figure_add_ours(&time, planned.ms);
    }
    report_figure(bench->report, &time);
    if (time.failed)
        return;
    figure_add_ours(&bytes, planned.bytes);
    figure_note(&bytes, "%.0f bytes a node leave node 0, on the average", planned.all);
    report_figure(bench->report, &bytes);
}

// Other groups hold a core here and there, on no two neighbouring nodes the same.
static uint32_t speckle(struct ledger *ledger)
{
    uint32_t taken = 0;
    for (uint32_t node = 0; node < NODES; node++)
        for (uint16_t core = (uint16_t)(node % SPECKLE); core < CORES; core += SPECKLE + node % 5) {
            ledger_take_core(ledger, node, core);
            taken++;
        }
    return NODES * CORES - taken;
}

void bench_plan(struct bench *bench)
{
    struct ledger *ledger = make_ledger();
    if (!ledger) {
        struct figure figure = {.name = "plan", .unit = "ms"};
        figure_fail(&figure, "out of memory");
        report_figure(bench->report, &figure);
        return;
    }
    plan_figures(bench, ledger, NODES * CORES, "idle", "idle");
    plan_figures(bench, ledger, speckle(ledger), "used", "each partly in use");
    ledger_destroy(ledger);
}
