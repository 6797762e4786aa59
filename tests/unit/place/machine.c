// SPDX-License-Identifier: BSD-3-Clause
//
// Machines on the wire, and the variables that show GPUs to a program.
#include "config.h"

#include "made.h"
#include "place/lists.h"

#include <criterion/criterion.h>

// ---- on the wire

static const struct made rich = {
    .cores = 6, .l3 = 2, .numa = 3, .socket = 6, .gpus = 3, .tiles = 2, .vendor = GPU_INTEL};

static struct machine rich_machine(void)
{
    struct machine machine = made_machine(&rich);
    machine.real = true;
    machine.thread_count = 12;
    machine.memory_bytes = UINT64_C(1) << 40;
    machine.cores[2].thread_count = 2;
    machine.cores[2].threads[1] = 8;
    machine.gpus[1].numa = MACHINE_NO_NUMA;
    snprintf(machine.gpus[2].visible, sizeof machine.gpus[2].visible, "1.0");
    snprintf(machine.gpus[2].identity, sizeof machine.gpus[2].identity,
             "GPU-01234567-89ab-cdef-0123-456789abcdef");
    return machine;
}

Test(place_machine, round_trip)
{
    struct machine machine = rich_machine(), back;
    struct pack pack = PACK_EMPTY;
    machine_pack(&pack, &machine);
    pack_u8(&pack, 99); // what follows is another's
    struct unpack unpack = unpack_start(pack.data, pack.length);
    cr_assert(machine_unpack(&unpack, &back));
    cr_expect_eq(unpack_left(&unpack), 1);
    cr_expect(back.real && back.core_count == 6 && back.gpu_count == 3 && back.numa_count == 2 &&
              back.l3_count == 3 && back.socket_count == 1 && back.thread_count == 12 &&
              back.memory_bytes == UINT64_C(1) << 40);
    cr_expect_eq(memcmp(back.cores, machine.cores, 6 * sizeof *back.cores), 0);
    cr_expect_eq(memcmp(back.gpus, machine.gpus, 3 * sizeof *back.gpus), 0);
    machine_fini(&back);
    machine_fini(&machine);
    machine_fini(&machine); // as often as one likes
    pack_fini(&pack);
}

static bool try_machine(const uint8_t *data, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1); // of exactly its length: reads beyond are seen
    struct machine machine;
    if (length)
        memcpy(copy, data, length);
    struct unpack unpack = unpack_start(copy, length);
    bool good = machine_unpack(&unpack, &machine);
    if (good) {
        cr_assert(machine.core_count >= 1 && machine.core_count <= MACHINE_CORES_LIMIT);
        for (uint32_t i = 0; i < machine.core_count; i++) {
            const struct machine_core *core = &machine.cores[i];
            cr_assert(core->numa < machine.numa_count && core->l3 < machine.l3_count &&
                      core->socket < machine.socket_count && core->thread_count <= MACHINE_THREADS);
        }
        for (uint32_t i = 0; i < machine.gpu_count; i++) {
            const struct machine_gpu *gpu = &machine.gpus[i];
            cr_assert(gpu->vendor < GPU_VENDORS && gpu->tiles >= 1 && gpu->tiles <= MACHINE_TILES);
            cr_assert(gpu->numa < machine.numa_count || gpu->numa == MACHINE_NO_NUMA);
            cr_assert(memchr(gpu->visible, 0, sizeof gpu->visible) &&
                      memchr(gpu->identity, 0, sizeof gpu->identity));
        }
        machine_fini(&machine);
    }
    free(copy);
    return good;
}

Test(place_machine, cut_and_bent)
{
    struct machine machine = rich_machine();
    struct pack pack = PACK_EMPTY;
    uint32_t random = 1;
    machine_pack(&pack, &machine);
    cr_expect(try_machine(pack.data, pack.length));
    for (size_t length = 0; length < pack.length; length++)
        cr_expect(!try_machine(pack.data, length), "cut to %zu", length);
    for (size_t at = 0; at < pack.length; at++)
        for (unsigned int bit = 0; bit < 8; bit++) {
            pack.data[at] ^= (uint8_t)(1u << bit);
            try_machine(pack.data, pack.length);
            pack.data[at] ^= (uint8_t)(1u << bit);
        }
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        uint8_t *byte = &pack.data[(random >> 8) % pack.length], was = *byte;
        *byte = (uint8_t)(random >> 24);
        try_machine(pack.data, pack.length);
        *byte = was;
    }
    pack_fini(&pack);
    machine_fini(&machine);
}

// The pack of a machine of one core and one GPU in which one thing is wrong.
Test(place_machine, what_is_refused)
{
    static const struct {
        uint32_t numas, l3s, sockets, cores, numa, l3, socket, threads, gpus, vendor, tiles, near;
        int name;
        bool good;
    } rows[] = {
        {1, 1, 1, 1, 0, 0, 0, 1, 1, 2, 1, 0, 63, true},
        {2, 3, 4, 1, 1, 2, 3, 1, 1, 0, 8, 0xffff, 0, true},
        {1, 1, 1, 0, 0, 0, 0, 1, 1, 2, 1, 0, 1, false},     // no cores
        {1, 1, 1, 4097, 0, 0, 0, 1, 1, 2, 1, 0, 1, false},  // too many
        {1, 1, 1, 1, 1, 0, 0, 1, 1, 2, 1, 0, 1, false},     // a core of no NUMA node
        {1, 1, 1, 1, 0, 1, 0, 1, 1, 2, 1, 0, 1, false},     // of no L3
        {1, 1, 1, 1, 0, 0, 1, 1, 1, 2, 1, 0, 1, false},     // of no socket
        {1, 1, 1, 1, 0, 0, 0, 9, 1, 2, 1, 0, 1, false},     // too many threads
        {1, 1, 1, 1, 0, 0, 0, 1, 257, 2, 1, 0, 1, false},   // too many GPUs
        {1, 1, 1, 1, 0, 0, 0, 1, 1, 3, 1, 0, 1, false},     // of no vendor
        {1, 1, 1, 1, 0, 0, 0, 1, 1, 2, 0, 0, 1, false},     // no tile
        {1, 1, 1, 1, 0, 0, 0, 1, 1, 2, 9, 0, 1, false},     // too many
        {1, 1, 1, 1, 0, 0, 0, 1, 1, 2, 1, 1, 1, false},     // near no NUMA node
        {1, 1, 1, 1, 0, 0, 0, 1, 1, 2, 1, 0, 64, false},    // a long name
        {4097, 1, 1, 1, 0, 0, 0, 1, 1, 2, 1, 0, 1, false},  // many NUMA nodes
        {1, 99999, 1, 1, 0, 0, 0, 1, 1, 2, 1, 0, 1, false}, // L3s
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pack pack = PACK_EMPTY;
        char name[80] = "";
        memset(name, 'x', (size_t)rows[i].name);
        pack_u8(&pack, 1);
        pack_u32(&pack, rows[i].numas);
        pack_u32(&pack, rows[i].l3s);
        pack_u32(&pack, rows[i].sockets);
        pack_u32(&pack, 1);
        pack_u64(&pack, 1);
        pack_u32(&pack, rows[i].cores);
        for (uint32_t k = 0; k < rows[i].cores; k++) {
            pack_u16(&pack, (uint16_t)rows[i].numa);
            pack_u16(&pack, (uint16_t)rows[i].l3);
            pack_u16(&pack, (uint16_t)rows[i].socket);
            pack_u8(&pack, (uint8_t)rows[i].threads);
            for (uint32_t n = 0; n < rows[i].threads; n++)
                pack_u16(&pack, 0);
        }
        pack_u32(&pack, rows[i].gpus);
        for (uint32_t k = 0; k < rows[i].gpus; k++) {
            pack_u8(&pack, (uint8_t)rows[i].vendor);
            pack_u8(&pack, (uint8_t)rows[i].tiles);
            pack_u16(&pack, (uint16_t)rows[i].near);
            pack_str(&pack, name);
            pack_str(&pack, "");
        }
        cr_expect_eq(try_machine(pack.data, pack.length), rows[i].good, "row %zu", i);
        pack_fini(&pack);
    }
}

// ---- what a program sees

struct shown {
    uint8_t vendor, tiles;
    const char *visible; // of each, by blanks
    const char *before;  // one variable of the environment, or ""
    const char *units;   // "": none
    const char *variable, *wanted;
};

static struct machine machine_of(const struct shown *row)
{
    struct made made = {.cores = 1, .tiles = row->tiles, .vendor = row->vendor};
    for (const char *at = row->visible; at; at = strchr(at, ' '), at = at ? at + 1 : NULL)
        made.gpus++;
    struct machine machine = made_machine(&made);
    const char *at = row->visible;
    for (uint32_t i = 0; i < made.gpus; i++) {
        size_t length = strcspn(at, " ");
        memcpy(machine.gpus[i].visible, at, length);
        machine.gpus[i].visible[length] = 0;
        at += length + 1;
    }
    return machine;
}

Test(place_machine, shown_gpus)
{
    static const struct shown rows[] = {
        {GPU_NVIDIA, 1, "0 1 2 3", "", "1,3", "CUDA_VISIBLE_DEVICES", "1,3"},
        {GPU_NVIDIA, 1, "0 1 2 3", "", "3,1", "CUDA_VISIBLE_DEVICES", "3,1"},
        {GPU_NVIDIA, 1, "0 1 2 3", "", "3,1", "CUDA_DEVICE_ORDER", "PCI_BUS_ID"},
        {GPU_NVIDIA, 1, "0", "CUDA_DEVICE_ORDER=FASTEST_FIRST", "0", "CUDA_DEVICE_ORDER",
         "PCI_BUS_ID"},
        {GPU_NVIDIA, 1, "4 6", "CUDA_VISIBLE_DEVICES=4,6", "1", "CUDA_VISIBLE_DEVICES", "6"},
        {GPU_NVIDIA, 1, "0 1", "", "", "CUDA_VISIBLE_DEVICES", ""},
        {GPU_NVIDIA, 1, "0 1", "", "", "CUDA_DEVICE_ORDER", NULL},
        {GPU_NVIDIA, 1, "GPU-8a MIG-77", "", "1,0", "CUDA_VISIBLE_DEVICES", "MIG-77,GPU-8a"},
        {GPU_NVIDIA, 1, "GPU-8a MIG-77", "", "1,0", "CUDA_DEVICE_ORDER", NULL},
        {GPU_NVIDIA, 1, "0 1", "", "1", "ROCR_VISIBLE_DEVICES", NULL},
        {GPU_NVIDIA, 2, "0 1", "", "0.0,0.1", "CUDA_VISIBLE_DEVICES", "0"},
        {GPU_AMD, 1, "0 1 2", "", "0,2", "ROCR_VISIBLE_DEVICES", "0,2"},
        {GPU_AMD, 1, "0 1 2", "", "", "ROCR_VISIBLE_DEVICES", ""},
        {GPU_AMD, 1, "0 1 2", "HIP_VISIBLE_DEVICES=2", "2", "HIP_VISIBLE_DEVICES", NULL},
        {GPU_AMD, 1, "0 1 2", "CUDA_VISIBLE_DEVICES=2", "2", "CUDA_VISIBLE_DEVICES", NULL},
        // every tile a device, as Intel's driver has it unless it is told otherwise
        {GPU_INTEL, 2, "0 1 2", "", "1", "ZE_AFFINITY_MASK", "2,3"},
        {GPU_INTEL, 2, "0 1 2", "", "1.1,0.0", "ZE_AFFINITY_MASK", "3,0"},
        {GPU_INTEL, 2, "0 1 2", "ZE_FLAT_DEVICE_HIERARCHY=FLAT", "2.0", "ZE_AFFINITY_MASK", "4"},
        {GPU_INTEL, 2, "0 1 2", "ZE_FLAT_DEVICE_HIERARCHY=COMBINED", "2.0", "ZE_AFFINITY_MASK",
         "4"},
        {GPU_INTEL, 2, "0 1 2", "ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE", "2,0.1", "ZE_AFFINITY_MASK",
         "2,0.1"},
        {GPU_INTEL, 2, "3", "ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE", "0", "ZE_AFFINITY_MASK", "3"},
        {GPU_INTEL, 2, "3", "", "0.1", "ZE_AFFINITY_MASK", "7"},
        {GPU_INTEL, 1, "0 1", "", "1", "ZE_AFFINITY_MASK", "1"},
        {GPU_INTEL, 1, "0 1", "", "1.0", "ZE_AFFINITY_MASK", "1"},
        {GPU_INTEL, 1, "0.1 1.0", "", "1,0", "ZE_AFFINITY_MASK", "1.0,0.1"},
        {GPU_INTEL, 1, "0 1", "", "", "ZE_AFFINITY_MASK", "65535"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct machine machine = machine_of(&rows[i]);
        uint16_t units[8];
        int count = *rows[i].units ? lists_parse_units(rows[i].units, units, 8) : 0;
        char **env = NULL;
        cr_assert(count >= 0 && strv_push(&env, "HOME=/"));
        cr_assert(!*rows[i].before || strv_push(&env, rows[i].before));
        cr_assert(machine_show_gpus(&machine, units, (uint32_t)count, &env));
        const char *value = env_get(env, rows[i].variable);
        if (rows[i].wanted && value)
            cr_expect_str_eq(value, rows[i].wanted, "row %zu: %s", i, value);
        cr_expect_eq(!value, !rows[i].wanted, "row %zu", i);
        strv_free(env);
        machine_fini(&machine);
    }
}

Test(place_machine, every_vendor_has_its_own_variable)
{
    const struct made made = {.cores = 1, .gpus = 3};
    struct machine machine = made_machine(&made);
    const uint16_t units[] = {gpu_unit(1, GPU_WHOLE), gpu_unit(0, GPU_WHOLE)};
    char **env = NULL;
    for (uint8_t i = 0; i < 3; i++)
        machine.gpus[i].vendor = i;
    snprintf(machine.gpus[1].visible, sizeof machine.gpus[1].visible, "0");
    cr_assert(machine_show_gpus(&machine, units, 2, &env));
    cr_expect_str_eq(env_get(env, "CUDA_VISIBLE_DEVICES"), "0");
    cr_expect_str_eq(env_get(env, "ROCR_VISIBLE_DEVICES"), "0");
    cr_expect_str_eq(env_get(env, "ZE_AFFINITY_MASK"), "65535");
    strv_free(env);
    machine_fini(&machine);
}

Test(place_machine, without_gpus_nothing_changes)
{
    const struct made made = {.cores = 1};
    struct machine machine = made_machine(&made);
    char **env = NULL;
    cr_assert(strv_push(&env, "CUDA_VISIBLE_DEVICES=7"));
    cr_assert(machine_show_gpus(&machine, NULL, 0, &env));
    cr_expect_eq(strv_count(env), 1);
    cr_expect_str_eq(env[0], "CUDA_VISIBLE_DEVICES=7");
    strv_free(env);
    machine_fini(&machine);
}

Test(place_machine, vendors)
{
    cr_expect_str_eq(gpu_vendor_name(GPU_NVIDIA), "nvidia");
    cr_expect_str_eq(gpu_vendor_name(GPU_AMD), "amd");
    cr_expect_str_eq(gpu_vendor_name(GPU_INTEL), "intel");
    cr_expect_str_eq(gpu_vendor_variable(GPU_NVIDIA), "CUDA_VISIBLE_DEVICES");
}
