// SPDX-License-Identifier: BSD-3-Clause
//
// The library's side: what runtime.c and group.c share. The public face is include/dragon/.
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "base/base.h"
#include "client/stream.h"
#include "group/proto.h"
#include "loop/loop.h"
#include "net/link.h"

#include <dragon/dragon.h>

struct dragon_runtime {
    struct loop *loop;
    struct link *link; // NULL: lost
    uint32_t node, nodes;
    char *node_name;             // owned; NULL: not welcomed yet
    char refusal[200];           // why it was not
    struct dragon_group *groups; // by number, each owned by its user
    struct open_line {
        uint64_t group;
        uint32_t rank;
        bool open; // the last that it wrote was no end of a line
    } err_line;
    struct sink out, err;          // of all groups, so that their lines do not mix
    uint32_t writers;              // groups that use them; 0: they are not open
    bool not_understood;           // why the link was lost
    struct dragon_group *starting; // the one that waits for GC_STARTED
    uint32_t next_request;
};

void runtime_send(struct dragon_runtime *runtime, uint16_t type, struct pack *body);

// Turns the loop once. `deadline_ms` DRAGON_FOREVER: waits without limit.
// TIMEOUT: it is over already; PEER: the connection is lost.
dragon_err_t runtime_turn(struct dragon_runtime *runtime, int64_t deadline_ms);

// group.c, called from runtime.c
bool group_on_message(struct dragon_runtime *runtime, const struct link_message *message);
void groups_on_runtime_lost(struct dragon_runtime *runtime);
void groups_on_written(struct dragon_runtime *runtime);

// runtime.c, for groups: the sinks, open while somebody uses them.
bool runtime_open_output(struct dragon_runtime *runtime);
void runtime_close_output(struct dragon_runtime *runtime);

#endif
