// SPDX-License-Identifier: BSD-3-Clause
//
// A run of dragon-pool: what pool_run.c, pool_start.c and pool_end.c share.
#ifndef CLI_POOL_RUN_H
#define CLI_POOL_RUN_H

#include "cli/pool.h"

enum pool_state {
    RUN_ON,
    RUN_NO_MORE, // what runs goes on, nothing is started
    RUN_STOP,    // what runs is ended
    RUN_KILL,    // at once
};

struct pool_run {
    const struct pool_call *call; // borrowed
    dragon_runtime_t *runtime;
    dragon_system_t *system;
    dragon_pool_t *pool;
    dragon_policy_t *policy; // of MPI programs; NULL: none
    struct pool_template *template;
    struct pool_input input;
    struct pool_log log;
    struct pool_output output;
    struct pool_progress progress;
    struct pool_counts counts;
    enum pool_state state;
    int code; // of the exit; -1: what the tasks say
    int signal_fd, signals;
    // starting
    struct pool_task **running; // owned: by slot; NULL: it is free
    uint32_t slots, busy, free_from;
    uint64_t next_seq, next_order, skipped, next_start_ms;
    bool input_ended, input_waits;
    // ending
    struct pool_task *done, **done_last; // were told of, not looked at
    struct pool_task **held;             // owned: with --keep-order, a ring by order
    uint64_t next_written, held_bytes;
    char *same_error; // owned: what was said last
    uint64_t same_count;
    uint32_t told;
};

// ---- pool_run.c

void pool_run_stop(struct pool_run *run, enum pool_state state, int code);
void pool_run_fail(struct pool_run *run, const dragon_error_t *error);
void pool_run_take_signals(struct pool_run *run);

// ---- pool_start.c

void pool_start_more(struct pool_run *run);
void pool_start_again(struct pool_run *run, struct pool_task *task);
int pool_start_wait_ms(
    const struct pool_run *run); // until the next may start; -1: that is no matter of time

// ---- pool_end.c

enum { POOL_HELD_TASKS = 1 << 16, POOL_HELD_BYTES = 256 << 20 }; // for --keep-order
bool pool_end_init(struct pool_run *run);
void pool_end_fini(struct pool_run *run);
// What was told of.
void pool_end_take(struct pool_run *run);
// What is held back for tasks that will not come.
void pool_end_flush(struct pool_run *run);

#endif
