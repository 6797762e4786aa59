// SPDX-License-Identifier: BSD-3-Clause
//
// The connection of this process to the agent of its node, and what is known through it.
//
//   runtime         the connection to the agent            runtime.c
//   request         something that was asked of node 0     request.c
//   run             one start of a group                   run.c
//   group           a user's handle on a group             group*.c
//
// A handle describes a group; a run is what the runtime makes of it. Several handles may be on one run: that of
// who started it, its owner, and any number that were attached. Messages change runs, runs tell handles.
#ifndef CLIENT_RUNTIME_H
#define CLIENT_RUNTIME_H

#include "client/stream.h"
#include "group/proto.h"
#include "loop/loop.h"
#include "net/link.h"

#include <dragon/runtime.h>

enum { CLIENT_BODY_LIMIT = 64 << 20 }; // of a message to and from the agent

struct dragon_runtime {
    struct loop *loop;
    struct link *link; // NULL: lost
    uint32_t node, nodes;
    uint64_t end_s;    // of the allocation, since 1970; 0: nobody said
    char *path;        // owned
    char *node_name;   // owned; NULL: not welcomed yet
    char *name;        // owned: of the runtime, in descriptors
    char refusal[200]; // why it was not welcomed, or is no more
    bool not_understood;
    struct run *runs;         // owned: those that have a number
    struct request *requests; // owned: those that were not answered
    uint32_t last_request;
    struct event *events, **events_end; // owned: not told yet
    struct policy *defaults;            // owned: what was pushed, the innermost last
    size_t default_count;
    struct open_line {
        uint64_t group;
        uint32_t rank;
        bool open; // the last that it wrote was no end of a line
    } err_line;
    struct sink out, err;  // of all groups, so that their lines do not mix
    uint32_t writers;      // groups that use them; 0: they are not open
    struct shared *shared; // owned: NULL: nothing of shared memory was used yet
};

void runtime_send(struct dragon_runtime *runtime, uint16_t type, struct pack *body);

// Turns the loop once, and tells the events that this brought. `deadline_ms` DRAGON_FOREVER: waits without
// limit. TIMEOUT: it is over already.
dragon_err_t runtime_turn(struct dragon_runtime *runtime, int64_t deadline_ms);
int64_t deadline_in(int timeout_ms); // negative: DRAGON_FOREVER

bool runtime_open_output(struct dragon_runtime *runtime);
void runtime_close_output(struct dragon_runtime *runtime);

#endif
