// SPDX-License-Identifier: BSD-3-Clause
//
// A node's cores and GPUs: sending them, and showing GPUs to a program through the variables of their vendors.
#include "config.h"

#include "place/machine.h"

#include <ctype.h>

static const struct vendor {
    const char *name, *variable;
} vendors[GPU_VENDORS] = {
    [GPU_NVIDIA] = {"nvidia", "CUDA_VISIBLE_DEVICES"},
    [GPU_AMD] = {"amd", "ROCR_VISIBLE_DEVICES"},
    [GPU_INTEL] = {"intel", "ZE_AFFINITY_MASK"},
};

const char *gpu_vendor_name(enum gpu_vendor vendor)
{
    return vendors[vendor].name;
}

const char *gpu_vendor_variable(enum gpu_vendor vendor)
{
    return vendors[vendor].variable;
}

void machine_fini(struct machine *machine)
{
    free(machine->gpus);
    free(machine->cores);
    *machine = (struct machine){0};
}

// ---- on the wire

enum { CORE_BYTES = 7, GPU_BYTES = 14 }; // the fewest that one takes

void machine_pack(struct pack *pack, const struct machine *machine)
{
    pack_u8(pack, machine->real);
    pack_u32(pack, machine->numa_count);
    pack_u32(pack, machine->l3_count);
    pack_u32(pack, machine->socket_count);
    pack_u32(pack, machine->thread_count);
    pack_u64(pack, machine->memory_bytes);
    pack_u32(pack, machine->core_count);
    for (uint32_t i = 0; i < machine->core_count; i++) {
        const struct machine_core *core = &machine->cores[i];
        pack_u16(pack, core->numa);
        pack_u16(pack, core->l3);
        pack_u16(pack, core->socket);
        pack_u8(pack, (uint8_t)core->thread_count);
        for (uint32_t k = 0; k < core->thread_count; k++)
            pack_u16(pack, core->threads[k]);
    }
    pack_u32(pack, machine->gpu_count);
    for (uint32_t i = 0; i < machine->gpu_count; i++) {
        const struct machine_gpu *gpu = &machine->gpus[i];
        pack_u8(pack, gpu->vendor);
        pack_u8(pack, gpu->tiles);
        pack_u16(pack, gpu->numa);
        pack_str(pack, gpu->visible);
        pack_str(pack, gpu->identity);
    }
}

static bool unpack_core(struct unpack *unpack, const struct machine *machine,
                        struct machine_core *core)
{
    core->numa = unpack_u16(unpack);
    core->l3 = unpack_u16(unpack);
    core->socket = unpack_u16(unpack);
    core->thread_count = unpack_u8(unpack);
    if (core->thread_count > MACHINE_THREADS)
        return false;
    for (uint32_t k = 0; k < core->thread_count; k++)
        core->threads[k] = unpack_u16(unpack);
    return core->numa < machine->numa_count && core->l3 < machine->l3_count &&
           core->socket < machine->socket_count;
}

static bool unpack_name(struct unpack *unpack, char *name, size_t room)
{
    int length = snprintf(name, room, "%s", unpack_str(unpack));
    return length >= 0 && (size_t)length < room;
}

static bool unpack_gpu(struct unpack *unpack, const struct machine *machine,
                       struct machine_gpu *gpu)
{
    gpu->vendor = unpack_u8(unpack);
    gpu->tiles = unpack_u8(unpack);
    gpu->numa = unpack_u16(unpack);
    return unpack_name(unpack, gpu->visible, sizeof gpu->visible) &&
           unpack_name(unpack, gpu->identity, sizeof gpu->identity) && gpu->vendor < GPU_VENDORS &&
           gpu->tiles >= 1 && gpu->tiles <= MACHINE_TILES &&
           (gpu->numa < machine->numa_count || gpu->numa == MACHINE_NO_NUMA);
}

// Memory is reserved for no more than the bytes that are there can hold.
static uint32_t unpack_count(struct unpack *unpack, uint32_t limit, size_t bytes_each)
{
    uint32_t count = unpack_u32(unpack);
    if (count > limit || count > unpack_left(unpack) / bytes_each)
        unpack->failed = true;
    return unpack->failed ? 0 : count;
}

static bool unpack_lists(struct unpack *unpack, struct machine *machine)
{
    machine->core_count = unpack_count(unpack, MACHINE_CORES_LIMIT, CORE_BYTES);
    if (machine->core_count == 0)
        return false;
    machine->cores = calloc(machine->core_count, sizeof *machine->cores);
    for (uint32_t i = 0; i < machine->core_count; i++)
        if (!machine->cores || !unpack_core(unpack, machine, &machine->cores[i]))
            return false;
    machine->gpu_count = unpack_count(unpack, MACHINE_GPUS_LIMIT, GPU_BYTES);
    if (machine->gpu_count == 0)
        return true;
    machine->gpus = calloc(machine->gpu_count, sizeof *machine->gpus);
    for (uint32_t i = 0; i < machine->gpu_count; i++)
        if (!machine->gpus || !unpack_gpu(unpack, machine, &machine->gpus[i]))
            return false;
    return true;
}

bool machine_unpack(struct unpack *unpack, struct machine *machine_out)
{
    struct machine machine = {.real = unpack_u8(unpack) != 0};
    machine.numa_count = unpack_u32(unpack);
    machine.l3_count = unpack_u32(unpack);
    machine.socket_count = unpack_u32(unpack);
    machine.thread_count = unpack_u32(unpack);
    machine.memory_bytes = unpack_u64(unpack);
    // NUMA nodes may be without cores, but these numbers are also what tables are made for.
    if (machine.numa_count > MACHINE_CORES_LIMIT || machine.l3_count > MACHINE_CORES_LIMIT ||
        machine.socket_count > MACHINE_CORES_LIMIT || !unpack_lists(unpack, &machine) ||
        unpack->failed) {
        unpack->failed = true;
        machine_fini(&machine);
        return false;
    }
    *machine_out = machine;
    return true;
}

// ---- what a program sees

// Appends to a list that is separated by commas, unless the word is in it.
static bool add_word(char **list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = *list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0))
            return true;
    char *longer = NULL;
    if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? "," : "", word) < 0)
        return false;
    free(*list);
    *list = longer;
    return true;
}

// Intel's driver counts GPUs, and names tiles "gpu.tile", in its composite mode only; otherwise each
// tile is a device of its own.
static bool add_intel(char **list, const struct machine_gpu *gpu, uint32_t tile, bool composite)
{
    long long number;
    char word[sizeof gpu->visible + 16];
    if (gpu->tiles == 1 || !parse_number(gpu->visible, 0, UINT16_MAX, &number))
        return add_word(list, gpu->visible); // "1.0" from a mask in force stays what it is
    if (composite) {
        if (tile == GPU_WHOLE)
            return add_word(list, gpu->visible);
        snprintf(word, sizeof word, "%lld.%u", number, tile);
        return add_word(list, word);
    }
    uint32_t first = tile == GPU_WHOLE ? 0 : tile;
    uint32_t end = tile == GPU_WHOLE ? gpu->tiles : tile + 1;
    for (uint32_t i = first; i < end; i++) {
        snprintf(word, sizeof word, "%lld", number * gpu->tiles + i);
        if (!add_word(list, word))
            return false;
    }
    return true;
}

// The other vendors' drivers know no tiles: the whole device is named then.
static bool list_units(const struct machine *machine, enum gpu_vendor vendor, const uint16_t *units,
                       uint32_t count, bool composite, char **list)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = gpu_of_unit(units[i]);
        if (index >= machine->gpu_count || machine->gpus[index].vendor != vendor)
            continue;
        const struct machine_gpu *gpu = &machine->gpus[index];
        if (!(vendor == GPU_INTEL ? add_intel(list, gpu, tile_of_unit(units[i]), composite)
                                  : add_word(list, gpu->visible)))
            return false;
    }
    return true;
}

static bool list_is_numbers(const char *list)
{
    return list && *list && isdigit((unsigned char)*list) && list[strspn(list, "0123456789,")] == 0;
}

// An empty list hides everything from CUDA and ROCm. Intel's driver takes an empty mask for none at all,
// but leaves out what is not there: so a number that no GPU can have hides everything.
#define INTEL_NO_GPU "65535"

static bool set_variable(const struct machine *machine, enum gpu_vendor vendor, const char *list,
                         char ***env)
{
    if (!list)
        list = vendor == GPU_INTEL ? INTEL_NO_GPU : "";
    if (vendor == GPU_NVIDIA && list_is_numbers(list) &&
        !env_set(env, "CUDA_DEVICE_ORDER", "PCI_BUS_ID"))
        return false;
    if (vendor == GPU_AMD) {
        // HIP looks at these after ROCr, and would take them for numbers among what ROCr shows.
        bool cuda = false;
        for (uint32_t i = 0; i < machine->gpu_count; i++)
            cuda = cuda || machine->gpus[i].vendor == GPU_NVIDIA;
        env_unset(*env, "HIP_VISIBLE_DEVICES");
        env_unset(*env, "GPU_DEVICE_ORDINAL");
        if (!cuda)
            env_unset(*env, gpu_vendor_variable(GPU_NVIDIA));
    }
    return env_set(env, gpu_vendor_variable(vendor), list);
}

bool machine_show_gpus(const struct machine *machine, const uint16_t *units, uint32_t count,
                       char ***env)
{
    const char *hierarchy = env_get(*env, "ZE_FLAT_DEVICE_HIERARCHY");
    bool composite = hierarchy && strcmp(hierarchy, "COMPOSITE") == 0;
    bool done[GPU_VENDORS] = {false};
    for (uint32_t i = 0; i < machine->gpu_count; i++) {
        enum gpu_vendor vendor = machine->gpus[i].vendor;
        if (done[vendor])
            continue;
        done[vendor] = true;
        char *list = NULL;
        bool good = list_units(machine, vendor, units, count, composite, &list) &&
                    set_variable(machine, vendor, list, env);
        free(list);
        if (!good)
            return false;
    }
    return true;
}
