// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-bench pool: what tasks cost, against Python's pools, bare processes, GNU parallel and mpiexec, and against what
// they would take if the pool itself took no time.
#include "config.h"

#include "cli/bench_pool.h"

const struct bench_part bench_pool_parts[] = {
    {"python", "functions that do nothing, against multiprocessing.Pool", bench_pool_python},
    {"task", "the round trip of one task, against that of a message", bench_pool_task},
    {"commands", "true as a task, against posix_spawn and GNU parallel", bench_pool_commands},
    {"sleep", "tasks that sleep, alike and not, against the ideal", bench_pool_sleep},
    {"mpi", "MPI jobs of two ranks, against mpiexec in a shell's loop", bench_pool_mpi},
    {"steady", "10 million tasks: speed and memory at the end and the beginning",
     bench_pool_steady},
    {"crowd", "the head with 512 workers", bench_pool_crowd},
    {0},
};
