// SPDX-License-Identifier: BSD-3-Clause
//
// One group on this node. The way of a group here:
//
//     create    look at the program, the directory and, for MPI, register with the PMI servers;
//               then join the start exchange, with a text when something is missing
//     exchanged nobody is missing anything: start the ranks of this node, a few each turn;
//               else the leader, who has seen the same, ends the group
//     running   output, input and signals pass; ends of ranks are reported, many in one message
//     destroy   kill what is left, forget
#ifndef GROUP_HOSTED_H
#define GROUP_HOSTED_H

#include "group/host.h"
#include "group/mpi.h"
#include "group/proto.h"
#include "group/rank.h"

#include <uthash.h>

struct hosted {
    struct host *host; // borrowed
    uint64_t group;
    struct group_spec spec;
    struct plan plan;
    uint32_t *node_of_rank; // owned
    uint32_t *nodes;        // owned: those of the plan that take ranks, ascending
    uint32_t node_count;
    struct rank_place place;
    struct rank *ranks; // owned: of this node, ascending; place.count of them
    uint32_t started;
    struct mpi_job *mpi_job; // NULL: no MPI group
    char *path;              // owned: the program as found here
    struct loop_timer *next_starts;
    struct loop_timer *killed; // how long ago
    struct loop_later report;
    struct pack exits; // not yet sent
    UT_hash_handle hh;
};

struct host {
    struct groups_options options;
    struct exchanges *exchanges; // borrowed
    struct mpi *mpi;
    struct hosted *groups; // owned, by number
    void (*on_started)(void *arg, uint64_t group, const struct exchange_piece *pieces,
                       size_t count);
    void *arg;
};

struct hosted_order {
    uint64_t group, session;
    uint32_t owner_node;
    struct plan plan;       // taken over, also on failure
    struct group_spec spec; // taken over, also on failure
};

// Enters the group in the host's table and prepares it. Out of memory: it is forgotten, and the leader's
// time limit will tell.
void hosted_create(struct host *host, const struct hosted_order *order);
void hosted_destroy(struct hosted *hosted); // NULL is fine

// To end the group: ranks that have not been started will not be. One that survives SIGKILL for long is
// reported as stuck.
void hosted_signal(struct hosted *hosted, int32_t rank, int signal, enum signal_why why);

#endif
