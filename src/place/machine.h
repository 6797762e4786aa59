// SPDX-License-Identifier: BSD-3-Clause
//
// What one node has: its share of a host's cores and GPUs. Cores and GPUs are numbered within the node.
#ifndef PLACE_MACHINE_H
#define PLACE_MACHINE_H

#include "base/base.h"

enum {
    MACHINE_CORES_LIMIT = 4096,
    MACHINE_GPUS_LIMIT = 256,
    MACHINE_THREADS = 8, // of a core, at most
    MACHINE_TILES = 8,   // of a GPU, at most
    MACHINE_NO_NUMA = 0xffff
};

enum gpu_vendor { GPU_NVIDIA, GPU_AMD, GPU_INTEL, GPU_VENDORS };

struct machine_core {
    uint16_t numa, l3, socket; // numbered within the node, from 0
    uint16_t thread_count;
    uint16_t threads[MACHINE_THREADS]; // the system's numbers
};

struct machine_gpu {
    uint8_t vendor;    // enum gpu_vendor
    uint8_t tiles;     // at least 1
    uint16_t numa;     // of the node; MACHINE_NO_NUMA: not known, or not of this node
    char visible[64];  // what the vendor's variable holds for it: "0", "GPU-...", "1.0"
    char identity[64]; // UUID, or PCI address, or ""
};

struct machine {
    uint32_t core_count, gpu_count; // core_count is at least 1
    uint32_t numa_count, l3_count, socket_count, thread_count;
    uint64_t memory_bytes;
    bool crowded; // other nodes of its host have the same cores; only the node itself knows
    bool real;    // false: a made-up topology, to whose cores nothing can be bound
    struct machine_core *cores; // owned
    struct machine_gpu *gpus;   // owned
};

void machine_fini(struct machine *machine);
void machine_pack(struct pack *pack, const struct machine *machine);
bool machine_unpack(struct unpack *unpack, struct machine *machine_out); // fini is the caller's

const char *gpu_vendor_name(enum gpu_vendor vendor);     // "nvidia"
const char *gpu_vendor_variable(enum gpu_vendor vendor); // "CUDA_VISIBLE_DEVICES"

// Names a GPU or a tile of one, in plans and in text: tile GPU_WHOLE is all of it.
enum { GPU_WHOLE = 15 };
static inline uint16_t gpu_unit(uint32_t gpu, uint32_t tile)
{
    return (uint16_t)(gpu << 4 | tile);
}
static inline uint32_t gpu_of_unit(uint16_t unit)
{
    return unit >> 4;
}
static inline uint32_t tile_of_unit(uint16_t unit)
{
    return unit & 15;
}

// Adds to an environment what makes exactly these units of the node visible, in this order; none: hides all.
// Each vendor that has GPUs here gets its variable, so that of a mixed node no others are seen: an empty one hides
// all, for Intel a number that no GPU has, because its driver takes an empty mask for none. With AMD's the
// variables are removed that HIP would apply to what is left. ZE_FLAT_DEVICE_HIERARCHY in the environment decides
// whether Intel's tiles are counted as devices. A tile of another vendor's GPU shows all of it.
// A machine without GPUs changes nothing. False: out of memory.
bool machine_show_gpus(const struct machine *machine, const uint16_t *units, uint32_t count,
                       char ***env);

#endif
