// SPDX-License-Identifier: BSD-3-Clause
//
// Reading the host's cores with hwloc and dividing them among the nodes that share it. A load keeps
// cores and hardware threads only: that is a few milliseconds and little memory.
#include "config.h"

#include "place/topo.h"

#include "place/plan.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>

struct topo {
    hwloc_topology_t topology;
    uint32_t cores;
};

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
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0)
        return NULL;
    // It goes through all hardware threads in turn, to learn what the kernel has told already.
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        return NULL;
    }
    return topology;
}

struct topo *topo_create(dragon_error_t *error)
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
    int depth = hwloc_get_type_or_below_depth(topo->topology, HWLOC_OBJ_CORE);
    topo->cores = (uint32_t)hwloc_get_nbobjs_by_depth(topo->topology, depth);
    return topo;
}

void topo_destroy(struct topo *topo)
{
    if (!topo)
        return;
    hwloc_topology_destroy(topo->topology);
    free(topo);
}

uint32_t topo_cores(const struct topo *topo)
{
    return topo->cores;
}

static hwloc_bitmap_t cores_set(const struct topo *topo, uint32_t first, uint32_t count)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    int depth = hwloc_get_type_or_below_depth(topo->topology, HWLOC_OBJ_CORE);
    for (uint32_t i = first; set && i < first + count && i < topo->cores; i++)
        hwloc_bitmap_or(set, set, hwloc_get_obj_by_depth(topo->topology, depth, i)->cpuset);
    return set;
}

dragon_err_t topo_take_share(const struct topo *topo, uint32_t index, uint32_t count,
                             struct topo_share *share_out, dragon_error_t *error)
{
    uint32_t first;
    struct topo_share share = {.cores = plan_divide_cores(topo->cores, index, count, &first)};
    hwloc_bitmap_t set = cores_set(topo, first, share.cores);
    if (!set)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    int length = hwloc_bitmap_list_snprintf(share.cpuset, sizeof share.cpuset, set);
    if (length < 0 || length >= (int)sizeof share.cpuset)
        share.cpuset[0] = 0;
    if (count > 1 && topo->cores >= count)
        hwloc_set_cpubind(topo->topology, set, HWLOC_CPUBIND_PROCESS);
    hwloc_bitmap_free(set);
    *share_out = share;
    return DRAGON_OK;
}

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
