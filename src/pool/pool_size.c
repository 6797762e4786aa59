// SPDX-License-Identifier: BSD-3-Clause
//
// How many tasks go together, and how much a worker is given ahead. Arithmetic alone.
#include "config.h"

#include "pool/pool.h"

enum { CHUNK_TASKS_MOST = 256, OLD_SHARE = 3 };

uint32_t chunk_size(const struct chunk_figures *figures)
{
    if (figures->asked)
        return figures->asked;
    if (figures->task_ns == 0) // nobody knows: it may take hours
        return 1;
    uint64_t size = POOL_CHUNK_NS / figures->task_ns;
    uint64_t share = figures->left / POOL_CHUNK_SHARE / (figures->workers ? figures->workers : 1);
    size = size < share ? size : share;
    size = size < CHUNK_TASKS_MOST ? size : CHUNK_TASKS_MOST;
    return size ? (uint32_t)size : 1;
}

bool chunk_wanted(const struct chunk_ahead *ahead, uint64_t task_ns)
{
    if (ahead->tasks == 0)
        return true;
    if (ahead->tasks >= POOL_AHEAD_TASKS && ahead->chunks >= POOL_AHEAD_CHUNKS)
        return false;
    // Behind others goes only what is known to be short.
    return task_ns > 0 && ahead->ns + task_ns <= POOL_AHEAD_NS && ahead->bytes < POOL_AHEAD_BYTES;
}

uint64_t chunk_measured(uint64_t task_ns, uint64_t run_ns, uint64_t count)
{
    uint64_t now = count ? run_ns / count : run_ns;
    if (task_ns)
        now = (task_ns * OLD_SHARE + now) / (OLD_SHARE + 1);
    return now ? now : 1;
}
