// SPDX-License-Identifier: BSD-3-Clause
//
// One rank on this node: its process, its streams, and the moment when all is known of its end.
#ifndef GROUP_RANK_H
#define GROUP_RANK_H

#include "group/input.h"
#include "group/output.h"
#include "group/proto.h"
#include "proc/children.h"
#include "proc/spawn.h"

struct rank {
    struct rank_place *place; // borrowed
    uint32_t number;
    pid_t pid;  // 0: not started
    int status; // of wait(2), when exited
    struct outlet out, err;
    bool exited;
    bool settled;  // the PMI servers have told all about it, too
    bool told;     // we have sent it a signal to stop
    bool reported; // its group has been told of the end
};

// What the ranks of one group on this node share. Embedded in the group.
struct rank_place {
    struct loop *loop;         // borrowed
    struct children *children; // borrowed
    struct loop_timer *drain;  // ends pipes that something outside the rank's group holds open
    struct output output;
    struct input input;          // of rank 0
    const struct rlimit *nofile; // borrowed
    struct rank *ranks;          // borrowed from the group
    uint32_t count;
    // It has exited; the MPI side may want to know. To be answered by setting `settled`.
    void (*on_exited)(void *arg, struct rank *rank);
    // It has exited, is settled, and its output has been passed on. Once.
    void (*on_over)(void *arg, struct rank *rank);
    void *arg;
};

bool rank_place_init(struct rank_place *place);
void rank_place_fini(struct rank_place *place);

struct rank_start {
    const char *path;
    char *const *argv;
    char *const *env;
    const char *cwd;
    int fd3;    // -1: none
    bool input; // its standard input is the place's input
};

// 0, or the errno of what failed.
int rank_start(struct rank *rank, const struct rank_start *start);

// To the rank's process group. False when it is not running.
bool rank_signal(struct rank *rank, int signal);

void rank_set_settled(struct rank *rank);
void rank_close(struct rank *rank); // releases its descriptors, whatever its state

#endif
