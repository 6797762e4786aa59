// SPDX-License-Identifier: BSD-3-Clause
//
// The agent of a node.
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "loop/loop.h"

#include <sys/resource.h>

struct agent;

struct agent_options {
    int control_fd;       // to dragon-run; taken over
    int board_fd;         // for the keeper; borrowed
    const char *run_dir;  // of the runtime on this host: exist, and are removed at the end, by us
    const char *shm_dir;  // or by dragon-run, whoever is last
    int stdio[3];         // for the head program
    struct rlimit nofile; // for all programs
};

struct agent *agent_create(struct loop *loop, const struct agent_options *options);
void agent_destroy(struct agent *agent); // NULL is fine

#endif
