// SPDX-License-Identifier: BSD-3-Clause
//
// What the parts of dragon-run share.
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "agent/control.h"
#include "base/base.h"
#include "boot/boot.h"
#include "loop/loop.h"
#include "net/link.h"
#include "proc/children.h"

#include <sys/types.h>

struct run_options {
    long long test_hosts;                      // 0: not asked for
    const char *network;                       // "" : not chosen
    const char *gpus;                          // as declared; "": they are looked for
    uint64_t walltime_ms;                      // until the allocation ends; 0: not said
    uint64_t memory_bytes, memory_total_bytes; // shared; 0: not limited
    uint64_t up_timeout_ms, node_timeout_ms, grace_ms;
    const char *node_failure; // "end" or "continue"
    long long fanout;
    long long rank, size; // -1: not given
    const char *address, *secret_file;
    const char *base_dir, *shm_base_dir; // where our directories are made; NULL: the usual places
    char **program;                      // NULL-terminated words; empty: none
};

struct run {
    struct run_options options;
    struct loop *loop;
    struct children *children;
    struct boot *boot;
    struct link *control;
    struct loop_watch *signals;
    char *run_dir, *shm_dir; // owned
    uint64_t deadline_ms;    // of coming up
    uint64_t end_s;          // of the allocation, since the epoch; 0: nobody said
    pid_t agent;             // 0: it has ended, or was not started
    pid_t agent_was;         // the same, kept
    int agent_status;
    uint32_t rank, size;
    int board_fd; // shared memory of this node, by which who waits there is told of the end
    int signal_fd;
    int listen_fd;   // where --test-hosts meet, until they have; -1: none
    pid_t launcher;  // our parent, if its death is to end us; else 0
    bool foreground; // the head shares the terminal with us
    bool told;       // another rank says why the start failed
    bool up;
    bool launched; // by a launcher, which watches the exit codes of all
    bool goes_on;  // the runtime does, without a node that is lost
    bool ended;    // the agent has said how
    int exit_code;
    char cause[512];
    struct control_ready ready;
    bool is_ready;
    size_t peers; // other dragon-runs that --test-hosts started and that still run
};

// run_join.c: finds out who is in the run, and gives the agent the table of nodes.
// False with the reason in *error.
bool run_join(struct run *run, dragon_error_t *error);

// run_agent.c: the agent, and watching over it.
bool run_agent_start(struct run *run, dragon_error_t *error);
bool run_agent_setup(struct run *run, dragon_error_t *error); // asks it to listen; waits for READY
void run_agent_guard(struct run *run);                        // until the runtime has ended
void run_agent_end(struct run *run);                          // whatever the state: nothing is left

// run_hosts.c: --test-hosts, where this process becomes rank 0 and starts the others.
bool run_hosts_start(struct run *run, dragon_error_t *error);

#endif
