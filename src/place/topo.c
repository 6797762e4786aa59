// SPDX-License-Identifier: BSD-3-Clause
//
// Reading the host with hwloc and dividing it among the nodes that share it. A load keeps cores, last-level
// caches, NUMA nodes, packages and hardware threads only: that is a few milliseconds and little memory.
#include "config.h"

#include "place/topo.h"

#include "place/gpus.h"
#include "place/plan.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <unistd.h>

// Nothing here asks for these, and each reads files of every core or NUMA node.
#if HWLOC_API_VERSION >= 0x00020800
#define LEAVE_OUT                                                         \
    (HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS | \
     HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS)
#else
#define LEAVE_OUT 0
#endif

struct topo {
    hwloc_topology_t topology;
    uint32_t cores;
    int depth; // of the cores
    bool real;
    struct gpu_found *gpus; // owned
    size_t gpu_count;
};

// ---- loading

static void leave_binding(void)
{
    // More bits than any kernel has; it keeps those that this process may use.
    enum { BITS = 8192 };
    cpu_set_t *every = CPU_ALLOC(BITS);
    if (!every)
        return;
    size_t size = CPU_ALLOC_SIZE(BITS);
    memset(every, 0xff, size);
    sched_setaffinity(0, size, every);
    CPU_FREE(every);
}

static hwloc_topology_t load_cores(void)
{
    static const hwloc_obj_type_t kept[] = {HWLOC_OBJ_CORE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_PACKAGE};
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0)
        return NULL;
    // It goes through all hardware threads in turn, to learn what the kernel has told already.
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    hwloc_topology_set_flags(topology, LEAVE_OUT);
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        hwloc_topology_set_type_filter(topology, kept[i], HWLOC_TYPE_FILTER_KEEP_ALL);
    // NUMA nodes that are no whole package or cache hang on these; without, cores are near all of them.
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    if (hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        return NULL;
    }
    return topology;
}

dragon_err_t topo_declare(struct topo *topo, const char *gpus, dragon_error_t *error)
{
    int numas[MACHINE_GPUS_LIMIT];
    size_t count = 0, declared_count;
    struct gpu_found *declared;
    for (hwloc_obj_t node = NULL; count < sizeof numas / sizeof *numas; count++) {
        node = hwloc_get_next_obj_by_type(topo->topology, HWLOC_OBJ_NUMANODE, node);
        if (!node)
            break;
        numas[count] = (int)node->os_index;
    }
    dragon_err_t err = gpus_declare(gpus, environ, numas, count, &declared, &declared_count, error);
    if (err != DRAGON_OK)
        return err;
    free(topo->gpus);
    topo->gpus = declared;
    topo->gpu_count = declared_count;
    return DRAGON_OK;
}

static dragon_err_t read_gpus(struct topo *topo, const char *declared, dragon_error_t *error)
{
    if (declared && *declared)
        return topo_declare(topo, declared, error);
    return gpus_find("", environ, &topo->gpus, &topo->gpu_count, error);
}

struct topo *topo_create(const char *gpus, dragon_error_t *error)
{
    leave_binding();
    struct topo *topo = calloc(1, sizeof *topo);
    if (topo)
        topo->topology = load_cores();
    if (!topo || !topo->topology) {
        err_set_errno(error, errno, "hwloc cannot read this host's cores");
        free(topo);
        return NULL;
    }
    topo->real = hwloc_topology_is_thissystem(topo->topology);
    topo->depth = hwloc_get_type_or_below_depth(topo->topology, HWLOC_OBJ_CORE);
    topo->cores = (uint32_t)hwloc_get_nbobjs_by_depth(topo->topology, topo->depth);
    if (topo->cores > MACHINE_CORES_LIMIT)
        topo->cores = MACHINE_CORES_LIMIT;
    if (read_gpus(topo, gpus, error) == DRAGON_OK)
        return topo;
    topo_destroy(topo);
    return NULL;
}

void topo_destroy(struct topo *topo)
{
    if (!topo)
        return;
    free(topo->gpus);
    hwloc_topology_destroy(topo->topology);
    free(topo);
}

uint32_t topo_cores(const struct topo *topo)
{
    return topo->cores;
}

// ---- shares

// Numbers things in the order in which they are seen first.
struct numbers {
    uint64_t keys[MACHINE_CORES_LIMIT];
    uint32_t count;
};

struct numbering {
    struct numbers numas, l3s, sockets;
};

static uint16_t number_of(struct numbers *numbers, uint64_t key)
{
    for (uint32_t i = numbers->count; i > 0; i--) // most often it is that of the core before
        if (numbers->keys[i - 1] == key)
            return (uint16_t)(i - 1);
    numbers->keys[numbers->count] = key;
    return (uint16_t)numbers->count++;
}

static uint64_t key_above(const struct topo *topo, hwloc_obj_t core, hwloc_obj_type_t type)
{
    hwloc_obj_t object = hwloc_get_ancestor_obj_by_type(topo->topology, type, core);
    return object ? object->gp_index : UINT64_MAX;
}

static void describe_core(const struct topo *topo, hwloc_obj_t object, struct numbering *numbering,
                          struct machine_core *core)
{
    unsigned thread;
    uint64_t l3 = key_above(topo, object, HWLOC_OBJ_L3CACHE);
    core->socket = number_of(&numbering->sockets, key_above(topo, object, HWLOC_OBJ_PACKAGE));
    // Of several kinds of memory that are equally near, the first.
    core->numa = number_of(&numbering->numas, (uint64_t)hwloc_bitmap_first(object->nodeset));
    // Where there are none, what shares memory is taken to share a cache.
    if (l3 == UINT64_MAX)
        l3 = (uint64_t)1 << 63 | (uint64_t)core->numa << 16 | core->socket;
    core->l3 = number_of(&numbering->l3s, l3);
    hwloc_bitmap_foreach_begin(thread, object->cpuset)
    {
        if (core->thread_count < MACHINE_THREADS && thread <= UINT16_MAX)
            core->threads[core->thread_count++] = (uint16_t)thread;
    }
    hwloc_bitmap_foreach_end();
}

static bool describe_cores(const struct topo *topo, uint32_t first, struct topo_share *share)
{
    struct machine *machine = &share->machine;
    struct numbering *numbering = calloc(1, sizeof *numbering);
    machine->cores = calloc(machine->core_count, sizeof *machine->cores);
    if (!numbering || !machine->cores) {
        free(numbering);
        return false;
    }
    for (uint32_t i = 0; i < machine->core_count; i++) {
        hwloc_obj_t object = hwloc_get_obj_by_depth(topo->topology, topo->depth, first + i);
        describe_core(topo, object, numbering, &machine->cores[i]);
        machine->thread_count += machine->cores[i].thread_count;
    }
    machine->numa_count = numbering->numas.count;
    for (uint32_t i = 0; i < TOPO_NUMAS && i < machine->numa_count; i++)
        share->numas[i] = topo->real ? (int)numbering->numas.keys[i] : -1;
    machine->l3_count = numbering->l3s.count;
    machine->socket_count = numbering->sockets.count;
    free(numbering);
    return true;
}

// The number in the share of one of the system's NUMA nodes.
static uint16_t numa_in_share(const struct topo *topo, uint32_t first, int system_numa,
                              const struct machine *machine)
{
    for (uint32_t i = 0; system_numa >= 0 && i < machine->core_count; i++) {
        hwloc_obj_t object = hwloc_get_obj_by_depth(topo->topology, topo->depth, first + i);
        if (hwloc_bitmap_isset(object->nodeset, (unsigned)system_numa))
            return machine->cores[i].numa;
    }
    return MACHINE_NO_NUMA;
}

static bool describe_gpus(const struct topo *topo, uint32_t index, uint32_t count,
                          uint32_t first_core, struct machine *machine)
{
    size_t first = topo->gpu_count * index / count;
    size_t end = topo->gpu_count * (index + 1) / count;
    machine->gpus = calloc(end - first + 1, sizeof *machine->gpus);
    for (size_t i = first; machine->gpus && i < end; i++) {
        struct machine_gpu *gpu = &machine->gpus[machine->gpu_count++];
        *gpu = topo->gpus[i].gpu;
        gpu->numa = numa_in_share(topo, first_core, topo->gpus[i].system_numa, machine);
    }
    return machine->gpus != NULL;
}

static hwloc_bitmap_t cores_set(const struct topo *topo, uint32_t first, uint32_t count)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (uint32_t i = first; set && i < first + count && i < topo->cores; i++)
        hwloc_bitmap_or(set, set, hwloc_get_obj_by_depth(topo->topology, topo->depth, i)->cpuset);
    return set;
}

dragon_err_t topo_take_share(const struct topo *topo, uint32_t index, uint32_t count,
                             struct topo_share *share_out, dragon_error_t *error)
{
    uint32_t first;
    struct topo_share share = {.machine = {.real = topo->real, .crowded = topo->cores < count}};
    share.machine.core_count = plan_divide_cores(topo->cores, index, count, &first);
    share.machine.memory_bytes = hwloc_get_root_obj(topo->topology)->total_memory / count;
    hwloc_bitmap_t set = cores_set(topo, first, share.machine.core_count);
    if (!set || !describe_cores(topo, first, &share) ||
        !describe_gpus(topo, index, count, first, &share.machine)) {
        machine_fini(&share.machine);
        hwloc_bitmap_free(set);
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    }
    int length = hwloc_bitmap_list_snprintf(share.cpuset, sizeof share.cpuset, set);
    if (length < 0 || length >= (int)sizeof share.cpuset)
        share.cpuset[0] = 0;
    share.held = topo->real && count == 1;
    if (topo->real && count > 1 && topo->cores >= count)
        share.held = hwloc_set_cpubind(topo->topology, set, HWLOC_CPUBIND_PROCESS) == 0;
    hwloc_bitmap_free(set);
    *share_out = share;
    return DRAGON_OK;
}

// ---- for MPI libraries

dragon_err_t topo_export(const char *path, dragon_error_t *error)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    bool done =
        hwloc_topology_load(topology) == 0 && hwloc_topology_export_xml(topology, path, 0) == 0;
    int problem = errno;
    hwloc_topology_destroy(topology);
    if (done)
        return DRAGON_OK;
    return err_set_errno(error, problem, "hwloc cannot write this host's topology to %s", path);
}
