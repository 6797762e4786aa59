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
    int stdio[3];         // for the head program
    struct rlimit nofile; // for all programs
};

struct agent *agent_create(struct loop *loop, const struct agent_options *options);
void agent_destroy(struct agent *agent); // NULL is fine

#endif
