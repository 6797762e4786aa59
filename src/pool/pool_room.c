// SPDX-License-Identifier: BSD-3-Clause
//
// Whether an MPI program can ever have cores beside the pool's own workers, which keep theirs. Otherwise it would wait for
// cores that nobody gives back.
#include "config.h"

#include "pool/pool_mpi.h"

#include <dragon/system.h>
#include <inttypes.h>

// Those of a list like "0-3,8" that are marked for the first time.
static uint32_t mark(uint8_t *marks, uint32_t count, const char *list)
{
    uint32_t fresh = 0;
    for (char *at = (char *)list; *at;) {
        unsigned long first = strtoul(at, &at, 10),
                      last = *at == '-' ? strtoul(at + 1, &at, 10) : first;
        for (unsigned long core = first; core <= last && core < count; core++) {
            fresh += !marks[core];
            marks[core] = 1;
        }
        if (*at != ',')
            break;
        at++;
    }
    return fresh;
}

// Cores of the node that workers of ours have.
static uint32_t taken_on(const struct dragon_pool *pool, const dragon_node_t *node)
{
    dragon_rank_place_t place;
    uint8_t *marks = calloc(node->cores ? node->cores : 1, 1);
    uint32_t taken = 0;
    for (uint32_t i = 0; marks && i < pool->worker_count; i++)
        if (dragon_group_rank_place(pool->group, i, &place) == DRAGON_OK &&
            place.node == node->number)
            taken += mark(marks, node->cores, place.cores);
    free(marks);
    return taken;
}

dragon_err_t mpi_check_room(const struct mpi_task *mine, dragon_error_t *error)
{
    const struct dragon_pool *pool = mine->task->pool;
    dragon_system_t *system;
    uint64_t cores = 0, taken = 0;
    if (!mine->anywhere || pool->worker_count == 0)
        return DRAGON_OK;
    if (dragon_system_look(pool->runtime, &system, NULL) != DRAGON_OK)
        return DRAGON_OK; // that nobody tells is no reason to refuse it
    for (uint32_t i = 0; i < dragon_system_nodes(system); i++) {
        const dragon_node_t *node = dragon_system_node(system, i);
        cores += node->lost ? 0 : node->cores;
        taken += node->lost ? 0 : taken_on(pool, node);
    }
    dragon_system_destroy(system);
    if (mine->ranks <= cores - taken || mine->ranks > cores) // the runtime says that of too many
        return DRAGON_OK;
    return err_set(error, DRAGON_ERR_INVAL,
                   "%" PRIu32 " ranks need a core each, and the workers of this pool leave %" PRIu64
                   " of %" PRIu64 "; give it fewer workers, or none (DRAGON_POOL_MPI)",
                   mine->ranks, cores - taken, cores);
}
