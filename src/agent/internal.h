// SPDX-License-Identifier: BSD-3-Clause
//
// What agent.c (life), agent_control.c (what dragon-run says) and agent_end.c (its end) share.
#ifndef AGENT_INTERNAL_H
#define AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/head.h"
#include "agent/sessions.h"
#include "group/groups.h"
#include "keeper/keeper.h"
#include "net/tree.h"
#include "place/topo.h"

enum {
    // Messages between agents that are not of groups; those are from GROUP_FIRST_TYPE on.
    AGENT_STOP = 8,  // from node 0 to all: u32 grace time in ms
    AGENT_ASK = 9,   // to node 0: u32 signal to stop with, 0: something broke; text why
    AGENT_LOST = 10, // from node 0 to all: u32 node without which the runtime goes on, text why
};

enum phase { PHASE_SETUP, PHASE_JOINING, PHASE_UP, PHASE_STOPPING, PHASE_LEAVING };

struct agent {
    struct loop *loop; // borrowed
    struct agent_options options;
    struct link *control; // NULL: dragon-run is gone
    struct children *children;
    struct topo *topo;
    struct topo_share share; // what this node has; empty before it joins
    struct pack card;        // the machine, packed: what node 0 is told; until this node is up
    struct tree_node *nodes; // owned
    struct tree *tree;
    struct sessions *sessions;
    struct groups *groups;
    struct keeper *keeper;
    uint8_t data_key[AUTH_KEY_BYTES]; // what processes show each other over the data network
    struct head head;
    struct loop_timer *limit; // of the present phase
    struct loop_later check;  // of the end of stopping
    char *socket_path;        // owned
    char *pmix_program;       // owned
    char *transport_program;  // owned
    struct control_start start;
    uint8_t *start_bytes; // owned: what `start` points into
    int listen_fd;        // until the tree takes it
    enum phase phase;
    bool was_up;
    int exit_code;
    char cause[512];
};

static inline bool agent_leads(const struct agent *agent)
{
    return agent->start.here == 0;
}

void agent_tell_run(struct agent *agent, uint16_t type,
                    struct pack *body); // dragon-run, if it is there

// Takes this node's place in the table: it links up, and clients may come. False with the reason.
bool agent_join(struct agent *agent, dragon_error_t *error);

// agent_control.c

extern const struct link_handler agent_control_handler; // of the link to dragon-run

// agent_lost.c

// True: the runtime goes on without other nodes than 0.
bool agent_goes_on(const struct agent *agent);
// At node 0, where that is so: all nodes are told, and nothing waits for it any more.
void agent_go_on_without(struct agent *agent, uint32_t node, const char *why);
bool agent_on_lost(struct agent *agent, const struct link_message *message); // AGENT_LOST

// agent_end.c

// The first cause counts.
void agent_set_cause(struct agent *agent, int code, const char *cause);

// Node 0 stops the runtime; the others ask it to, and end by themselves if it does not. `signal` 0: a
// part of the runtime is gone.
void agent_ask_stop(struct agent *agent, int signal, const char *why);

// On node 0: the whole runtime ends. Everything is told to, and gets `grace_ms` for it.
void agent_stop_all(struct agent *agent, int signal, uint32_t grace_ms);
void agent_stop_here(struct agent *agent, int signal, uint32_t grace_ms);

void agent_leave(struct agent *agent);     // kills what is left, says goodbye
void agent_say_ended(struct agent *agent); // everybody below has said goodbye
void agent_on_limit(void *agent);          // the time of the present phase is over
void agent_on_check(void *agent);          // something has ended that the end may wait for

#endif
