// SPDX-License-Identifier: BSD-3-Clause
//
// What dragon-run and the agent it started say to each other, over a Unix socketpair that is descriptor
// 3 of the agent; descriptor 4 is the memory of the node's board (mem/board.h), so that dragon-run can end the waits of
// whoever sleeps there should the agent die. The runtime's two directories are the agent's arguments, so that it can remove them
// whenever dragon-run dies. Either end takes the closing of it as the death of the other.
#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include "base/base.h"
#include "net/auth.h"

enum { CONTROL_FD = 3, BOARD_FD = 4, CONTROL_BODY_LIMIT = 256 << 20 };

enum control_type {
    CONTROL_SETUP = 1, // run to agent, first: struct control_setup
    CONTROL_READY,     // agent to run: struct control_ready
    CONTROL_START,     // run to agent: struct control_start
    CONTROL_UP,        // agent to run: this node and all below it are up; empty
    CONTROL_SIGNAL,    // run to agent: u32 signal, for the head program
    CONTROL_STOP,      // run to agent: u32 signal, text why: end the whole runtime
    CONTROL_ENDED,     // agent to run, last: i32 exit code, text of the cause or empty
};

struct control_setup {
    bool listen;         // other nodes are to connect
    bool local;          // all on this host: loopback will do
    const char *network; // "": not chosen
    const char *gpus;    // as declared; "": they are looked for
};
void control_setup_pack(struct pack *pack, const struct control_setup *setup);
bool control_setup_unpack(struct unpack *unpack, struct control_setup *setup_out);

struct control_ready {
    uint32_t cores;   // of the host
    char **addresses; // owned; empty when not listening
};
void control_ready_pack(struct pack *pack, const struct control_ready *ready);
bool control_ready_unpack(struct unpack *unpack,
                          struct control_ready *ready_out); // addresses owned

struct control_node {
    const char *name, *host_key;
    char **addresses; // owned when unpacked
};

struct control_start {
    uint8_t secret[AUTH_SECRET_BYTES];
    const char *name; // of the runtime: the same on all nodes, and no other has it
    const char *stem; // of PMIx namespaces: unguessable, the same on all nodes
    uint32_t here, count;
    uint32_t fanout;
    bool goes_on;                      // without nodes that are lost
    uint32_t share_index, share_count; // of the nodes on this host
    uint32_t up_timeout_ms, node_timeout_ms, grace_ms;
    const char *gpus; // as declared for all hosts; "": nothing was, or not for this one
    uint64_t memory_bytes, memory_total_bytes; // shared memory of a node, of all; 0: not limited
    uint64_t end_s;             // when the allocation ends, since the epoch; 0: nobody said
    int32_t head_group;         // the process group that the head joins; 0: its own
    const char *cwd;            // of the head
    char **head;                // owned when unpacked; empty but on node 0
    struct control_node *nodes; // owned when unpacked, `count` of them
};
void control_start_pack(struct pack *pack, const struct control_start *start);
bool control_start_unpack(struct unpack *unpack, struct control_start *start_out);
void control_start_fini(struct control_start *start); // of an unpacked one

#endif
