// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of "dragon-bench pool" share.
//
// This process is the head; workers are the same program, see dragon_pool_work in main. All may use all cores of their
// host.
#ifndef CLI_BENCH_POOL_H
#define CLI_BENCH_POOL_H

#include "cli/bench_channel.h"

#include <dragon/pool.h>

enum { POOL_WORKERS = 2 };

// ---- pools (bench_pool_make.c)

// A worker's command line. It can do "nothing"; "sleep", of a uint32_t of microseconds; "memory", which returns a double of
// MB that are its own.
#define WORKER_WORD "worker"
// As dragon_pool_work, with these.
bool bench_pool_work(int argc, char **argv, int *code_out);

enum { POOL_EVERYWHERE = -2 }; // as a node: evenly over all

struct pool_plan {
    uint32_t workers;
    int node; // its number, DRAGON_HERE, or POOL_EVERYWHERE
    uint32_t chunk;
};

// With all of its workers there; NULL: the figure has the reason.
dragon_pool_t *bench_pool_make(struct bench *bench, const struct pool_plan *plan,
                               struct figure *figure);

// ---- what is measured (bench_pool_run.c)
//
// Below 0: the figure has the reason.

// Tasks of "nothing" with 8 bytes each, in one map; tasks a second.
double pool_map_rate(dragon_pool_t *pool, size_t count, struct figure *figure);
// One such task from its giving to its result, again and again for so long.
double pool_apply_us(dragon_pool_t *pool, int ms, struct figure *figure);
// Commands that are to end with 0, so many at a time; commands a second.
double pool_command_rate(dragon_pool_t *pool, const dragon_command_t *command, uint32_t count,
                         uint32_t at_once, struct figure *figure);

// ---- the parts

void bench_pool_python(struct bench *bench);   // bench_pool_python.c
void bench_pool_task(struct bench *bench);     // bench_pool_task.c
void bench_pool_commands(struct bench *bench); // bench_pool_commands.c
void bench_pool_mpi(struct bench *bench);      // bench_pool_mpi.c
void bench_pool_sleep(struct bench *bench);    // bench_pool_sleep.c
void bench_pool_steady(struct bench *bench);   // bench_pool_steady.c
void bench_pool_crowd(struct bench *bench);    // bench_pool_crowd.c

#endif
