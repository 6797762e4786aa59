// SPDX-License-Identifier: BSD-3-Clause
//
// The face of group/: all process groups as one agent sees them. On node 0 this is also their leader,
// which plans, collects exits and decides; on every node it is the host of the ranks that run there.
#ifndef GROUP_GROUPS_H
#define GROUP_GROUPS_H

#include "base/base.h"
#include "loop/loop.h"
#include "net/tree.h"
#include "place/machine.h"
#include "proc/children.h"

#include <sys/resource.h>

struct groups_options {
    struct loop *loop; // borrowed, as everything here
    struct tree *tree; // in which this node is up
    struct children *children;
    const char *socket_path;       // where clients of this node connect
    const char *run_dir;           // for what must be files
    const char *shm_dir;           // for shared memory of MPI libraries
    const char *pmix_program;      // the path of dragon-pmix; NULL: not there
    const char *nspace_stem;       // unguessable; the same on all nodes
    const struct machine *machine; // what this node has
    const char *cpuset;            // that its programs may use, "0-3"; "": not known
    const struct rlimit *nofile;   // for the programs started
    uint64_t start_timeout_ms;     // from the order to start until all nodes are ready
    // A message for a client of this node; one that is gone is ignored.
    void (*to_client)(void *arg, uint64_t session, uint16_t type, const void *body, size_t length);
    int (*client_pid)(void *arg, uint64_t session); // of a client of this node
    void (*on_rank_exit)(void *arg);                // a process of this node has ended
    void *arg;
};

struct groups;

struct groups *groups_create(const struct groups_options *options); // copied; NULL: out of memory
void groups_destroy(struct groups *groups); // NULL is fine; running ranks are left to the sweep

// At node 0: what a node has, as machine_pack wrote it; for each node once, before the first message.
// False: not well-formed.
bool groups_describe(struct groups *groups, uint32_t node, const void *packed, size_t length);

// The runtime goes on without a node; of which no message comes any more.
void groups_node_lost(struct groups *groups, uint32_t node, const char *why);

// A message of another node (or of this one) that the tree delivered. False: not well-formed.
bool groups_on_node_message(struct groups *groups, const struct link_message *message);

// A message GC_* of a client of this node. False: not well-formed, end its session.
bool groups_on_client_message(struct groups *groups, uint64_t session,
                              const struct link_message *message);

// A client is gone: its groups are stopped.
void groups_session_gone(struct groups *groups, uint64_t session);

// Sends `signal` to all ranks of this node; how many are still running is the answer.
size_t groups_signal_ranks(struct groups *groups, int signal);
size_t groups_running_ranks(const struct groups *groups);

#endif
