// SPDX-License-Identifier: BSD-3-Clause
//
// Synthetic hosts, which hwloc makes from a variable, their shares, and this host.
#include "config.h"

#include "place/topo.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdarg.h>

static struct topo *topo_with(const char *synthetic, const char *gpus)
{
    dragon_error_t error = {0};
    if (synthetic)
        setenv("HWLOC_SYNTHETIC", synthetic, 1);
    struct topo *topo = topo_create(gpus, &error);
    cr_assert_not_null(topo, "%s", error.text);
    return topo;
}

static struct topo_share share_of(const char *synthetic, const char *gpus, uint32_t index,
                                  uint32_t count)
{
    struct topo_share share;
    struct topo *topo = topo_with(synthetic, gpus);
    cr_assert_eq(topo_take_share(topo, index, count, &share, NULL), DRAGON_OK);
    topo_destroy(topo);
    return share;
}

__attribute__((format(printf, 3, 4))) static void add_text(char *text, size_t room,
                                                           const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, room - used, format, args);
    va_end(args);
}

// For each core its socket, NUMA node, L3 and threads: "0.0.0:0,1 ..."
static const char *cores_text(const struct machine *machine)
{
    static char text[4096];
    text[0] = 0;
    for (uint32_t i = 0; i < machine->core_count; i++) {
        const struct machine_core *core = &machine->cores[i];
        add_text(text, sizeof text, "%s%u.%u.%u:", i ? " " : "", core->socket, core->numa,
                 core->l3);
        for (uint32_t k = 0; k < core->thread_count; k++)
            add_text(text, sizeof text, "%s%u", k ? "," : "", core->threads[k]);
    }
    return text;
}

// For each GPU what shows it and its NUMA node: "0@1 1@-"
static const char *gpus_text(const struct machine *machine)
{
    static char text[4096];
    text[0] = 0;
    for (uint32_t i = 0; i < machine->gpu_count; i++) {
        const struct machine_gpu *gpu = &machine->gpus[i];
        add_text(text, sizeof text, "%s%s@", i ? " " : "", gpu->visible);
        if (gpu->numa == MACHINE_NO_NUMA)
            add_text(text, sizeof text, "-");
        else
            add_text(text, sizeof text, "%u", gpu->numa);
    }
    return text;
}

Test(place_topo, shares_of_synthetic_hosts)
{
    static const struct {
        const char *host;
        uint32_t cores, index, count, share;
        const char *cpuset;
    } rows[] = {
        {"pack:2 core:4 pu:1", 8, 0, 1, 8, "0-7"},
        {"pack:2 core:4 pu:1", 8, 1, 2, 4, "4-7"},
        {"pack:2 core:4 pu:1", 8, 2, 3, 3, "5-7"},
        {"pack:2 core:2 pu:2", 4, 0, 2, 2, "0-3"}, // a core comes with its threads
        {"pack:1 core:2 pu:2", 2, 1, 2, 1, "2-3"},
        {"pack:1 core:2 pu:1", 2, 2, 4, 1, "1"}, // fewer cores than nodes
        {"pack:1 core:1 pu:1", 1, 63, 64, 1, "0"},
        {"core:2 pu:2(indexes=0,2,1,3)", 2, 0, 2, 1, "0,2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct topo *topo = topo_with(rows[i].host, "none");
        struct topo_share share;
        cr_expect_eq(topo_cores(topo), rows[i].cores, "%s", rows[i].host);
        cr_expect_eq(topo_take_share(topo, rows[i].index, rows[i].count, &share, NULL), DRAGON_OK);
        cr_expect_eq(share.machine.core_count, rows[i].share, "%s", rows[i].host);
        cr_expect_str_eq(share.cpuset, rows[i].cpuset, "%s, %u of %u: %s", rows[i].host,
                         rows[i].index, rows[i].count, share.cpuset);
        cr_expect_not(share.machine.real);
        machine_fini(&share.machine);
        topo_destroy(topo);
    }
}

Test(place_topo, cores_lie_in_caches_numa_nodes_and_sockets)
{
    static const struct {
        const char *host;
        uint32_t index, count;
        const char *cores;
    } rows[] = {
        {"pack:2 numa:2 l3:1 core:2 pu:2", 0, 1,
         "0.0.0:0,1 0.0.0:2,3 0.1.1:4,5 0.1.1:6,7 1.2.2:8,9 1.2.2:10,11 1.3.3:12,13 1.3.3:14,15"},
        // Numbered from 0 in each share.
        {"pack:2 numa:2 l3:1 core:2 pu:2", 1, 2, "0.0.0:8,9 0.0.0:10,11 0.1.1:12,13 0.1.1:14,15"},
        {"pack:2 numa:2 l3:1 core:2 pu:2", 1, 3, "0.0.0:4,5 0.0.0:6,7 1.1.1:8,9"},
        {"pack:2 numa:1 l3:2 core:2 pu:1", 0, 1,
         "0.0.0:0 0.0.0:1 0.0.1:2 0.0.1:3 1.1.2:4 1.1.2:5 1.1.3:6 1.1.3:7"},
        // Without an L3 that of the NUMA node, or of the socket.
        {"pack:2 numa:2 core:1 pu:1", 0, 1, "0.0.0:0 0.1.1:1 1.2.2:2 1.3.3:3"},
        {"pack:2 core:2 pu:1", 0, 1, "0.0.0:0 0.0.0:1 1.0.1:2 1.0.1:3"},
        // Two sockets in one NUMA node, two NUMA nodes in one L3.
        {"numa:1 pack:2 l3:1 core:1 pu:1", 0, 1, "0.0.0:0 1.0.1:1"},
        {"pack:1 l3:1 numa:2 core:1 pu:1", 0, 1, "0.0.0:0 0.1.0:1"},
        {"core:1 pu:1", 0, 1, "0.0.0:0"},
        {"pu:3", 0, 1, "0.0.0:0 0.0.0:1 0.0.0:2"},
        {"pu:3", 4, 5, "0.0.0:2"},
        // As Linux numbers the second threads of cores.
        {"core:2 pu:2(indexes=0,2,1,3)", 0, 1, "0.0.0:0,2 0.0.0:1,3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct topo_share share = share_of(rows[i].host, NULL, rows[i].index, rows[i].count);
        cr_expect_str_eq(cores_text(&share.machine), rows[i].cores, "%s, %u of %u: %s",
                         rows[i].host, rows[i].index, rows[i].count, cores_text(&share.machine));
        machine_fini(&share.machine);
    }
}

Test(place_topo, what_a_share_has_is_counted)
{
    struct topo_share share = share_of("pack:2 numa:2(memory=4GB) l3:2 core:4 pu:2", "none", 0, 1);
    const struct machine *machine = &share.machine;
    cr_expect_eq(machine->core_count, 32);
    cr_expect_eq(machine->thread_count, 64);
    cr_expect_eq(machine->l3_count, 8);
    cr_expect_eq(machine->numa_count, 4);
    cr_expect_eq(machine->socket_count, 2);
    cr_expect_eq(machine->gpu_count, 0);
    uint64_t memory_bytes = machine->memory_bytes;
    cr_expect_gt(memory_bytes, 0);
    machine_fini(&share.machine);

    share = share_of("pack:2 numa:2(memory=4GB) l3:2 core:4 pu:2", "none", 3, 4);
    cr_expect_eq(share.machine.core_count, 8);
    cr_expect_eq(share.machine.l3_count, 2);
    cr_expect_eq(share.machine.numa_count, 1);
    cr_expect_eq(share.machine.socket_count, 1);
    cr_expect_eq(share.machine.memory_bytes, memory_bytes / 4);
    machine_fini(&share.machine);
}

Test(place_topo, more_threads_than_a_core_can_have_here)
{
    struct topo_share share = share_of("core:1 pu:16", "none", 0, 1);
    cr_expect_eq(share.machine.cores[0].thread_count, MACHINE_THREADS);
    cr_expect_eq(share.machine.thread_count, MACHINE_THREADS);
    machine_fini(&share.machine);
}

Test(place_topo, a_host_above_the_limit_is_cut_off)
{
    struct topo_share share = share_of("pack:8 core:1024 pu:1", "none", 0, 1);
    cr_expect_eq(share.machine.core_count, MACHINE_CORES_LIMIT);
    cr_expect_eq(share.machine.socket_count, 4);
    cr_expect_str_eq(share.cpuset, "0-4095");
    machine_fini(&share.machine);
}

Test(place_topo, gpus_are_divided_and_never_shared)
{
    static const struct {
        const char *host, *gpus;
        uint32_t index, count;
        const char *expected;
    } rows[] = {
        // Spread over the NUMA nodes in order when it is not said where they are.
        {"numa:4 core:2 pu:1", "nvidia:4", 0, 1, "0@0 1@1 2@2 3@3"},
        {"numa:2 core:2 pu:1", "nvidia:4", 0, 1, "0@0 1@0 2@1 3@1"},
        {"numa:2 core:2 pu:1", "nvidia:3", 0, 1, "0@0 1@0 2@1"},
        {"numa:4 core:2 pu:1", "nvidia:2", 0, 1, "0@0 1@2"},
        {"core:2 pu:1", "nvidia:2", 0, 1, "0@0 1@0"},
        {"numa:2 core:2 pu:1", "nvidia:4@1,1,0,0", 0, 1, "0@1 1@1 2@0 3@0"},
        // With the node's own numbers; no number when it is another node's memory.
        {"numa:2 core:2 pu:1", "nvidia:4", 1, 2, "2@0 3@0"},
        {"numa:2 core:2 pu:1", "nvidia:4@1,1,0,0", 1, 2, "2@- 3@-"},
        {"numa:2(indexes=4,9) core:2 pu:1", "nvidia:2@9,4", 0, 1, "0@1 1@0"},
        // Some nodes get none, none gets a part.
        {"core:8 pu:1", "amd:2", 0, 3, ""},
        {"core:8 pu:1", "amd:2", 1, 3, "0@0"},
        {"core:8 pu:1", "amd:2", 2, 3, "1@0"},
        {"core:1 pu:1", "amd:2", 0, 4, ""},
        {"core:1 pu:1", "amd:2", 3, 4, "1@0"},
        {"core:1 pu:1", "none", 0, 1, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct topo_share share =
            share_of(rows[i].host, rows[i].gpus, rows[i].index, rows[i].count);
        cr_expect_str_eq(gpus_text(&share.machine), rows[i].expected, "%s %s, %u of %u: %s",
                         rows[i].host, rows[i].gpus, rows[i].index, rows[i].count,
                         gpus_text(&share.machine));
        machine_fini(&share.machine);
    }
}

Test(place_topo, a_declaration_of_gpus_must_fit_the_host)
{
    dragon_error_t error = {0};
    setenv("HWLOC_SYNTHETIC", "numa:2 core:2 pu:1", 1);
    cr_expect_null(topo_create("nvidia:1@2", &error));
    cr_expect_eq(error.code, DRAGON_ERR_INVAL);
    cr_expect_not_null(strstr(error.text, "NUMA node 2"), "%s", error.text);
    cr_expect_null(topo_create("nvidia", &error));
    cr_expect_eq(error.code, DRAGON_ERR_INVAL);
}

static int cores_bound(void)
{
    cpu_set_t set;
    cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
    return CPU_COUNT(&set);
}

Test(place_topo, nothing_is_bound_to_what_is_made_up)
{
    // All that is allowed, as topo_create leaves it; the made-up host has none of the real cores but 0.
    topo_destroy(topo_with("core:4 pu:1", "none"));
    int before = cores_bound();
    struct topo_share share = share_of("core:4 pu:1", "none", 0, 4);
    cr_expect_eq(cores_bound(), before);
    machine_fini(&share.machine);
}

Test(place_topo, this_host)
{
    struct topo *topo = topo_with(NULL, NULL);
    struct topo_share share;
    uint32_t cores = topo_cores(topo);
    cr_expect_geq(cores, 1);
    cr_assert_eq(topo_take_share(topo, 0, 1, &share, NULL), DRAGON_OK);
    cr_expect_eq(share.machine.core_count, cores);
    cr_expect(share.machine.real);
    cr_expect_geq(share.machine.thread_count, cores);
    cr_expect_geq(share.machine.l3_count, 1);
    cr_expect_geq(share.machine.numa_count, 1);
    cr_expect_geq(share.machine.socket_count, 1);
    cr_expect_gt(share.machine.memory_bytes, 0);
    int before = cores_bound();
    machine_fini(&share.machine);
    if (cores > 1) {
        cr_assert_eq(topo_take_share(topo, 0, 2, &share, NULL), DRAGON_OK);
        cr_expect_lt(cores_bound(), before);
        machine_fini(&share.machine);
    }
    topo_destroy(topo);
    topo_destroy(NULL);
}
