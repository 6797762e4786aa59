// SPDX-License-Identifier: BSD-3-Clause
//
// One rank on this node: its process, its streams, and the moment when all is known of its end.
#ifndef GROUP_RANK_H
#define GROUP_RANK_H

#include "group/files.h"
#include "group/input.h"
#include "group/output.h"
#include "group/proto.h"
#include "proc/children.h"
#include "proc/spawn.h"

// What is to happen to a rank at a later time.
enum rank_due { DUE_NOTHING, DUE_START, DUE_KILL, DUE_STUCK };

struct rank {
    struct rank_place *place; // borrowed
    uint32_t number;
    pid_t pid;  // 0: not started
    int status; // of wait(2), when exited
    struct outlet out, err;
    struct input *input;              // owned; NULL: it gets none from the client
    struct file *out_file, *err_file; // references; NULL: not to a file
    char *cgroup;                     // owned: the control group that limits its memory; NULL: none
    uint64_t due_ms;
    uint8_t due;      // enum rank_due
    int early_signal; // came before it was started: it gets it then; 0: none
    bool exited;
    bool settled;  // the PMI servers have told all about it, too
    bool told;     // we have sent it a signal to stop
    bool reported; // its group has been told of the end
};

// What ranks that are started together share. Embedded in their part of the group.
struct rank_place {
    struct loop *loop; // borrowed, as the next three
    struct children *children;
    struct output *output; // of the group
    const struct rlimit *nofile;
    struct loop_timer *drain; // ends pipes that something outside the rank's group holds open
    struct rank *ranks;       // borrowed from the part: ascending
    uint32_t count;
    // It has exited; the MPI side may want to know. To be answered by setting `settled`.
    void (*on_exited)(void *arg, struct rank *rank);
    // It has exited, is settled, and its output has been passed on. Once a start.
    void (*on_over)(void *arg, struct rank *rank);
    void *arg;
};

bool rank_place_init(struct rank_place *place);
void rank_place_fini(struct rank_place *place);

// In place of a descriptor.
enum {
    RANK_PIPE = -1,   // from or to us; output line by line
    RANK_MERGED = -2, // errors: where the output goes
    RANK_RAW = -3     // output to us as it comes
};

struct rank_start {
    const char *path;
    char *const *argv;
    char *const *env;
    const char *cwd;
    int fd3;               // -1: none
    int streams[3];        // descriptors, which stay the caller's, or of the above
    const cpu_set_t *cpus; // see spawn.h, as the two below
    size_t cpus_size;
    const char *cgroup_procs;
};

// 0, or the errno of what failed and at which step. May be called again when it is over.
int rank_start(struct rank *rank, const struct rank_start *start, enum spawn_step *step_out);

// NULL: it is not here.
struct rank *rank_find(struct rank_place *place, uint32_t number);

static inline bool rank_is_running(const struct rank *rank)
{
    return rank->pid > 0 && !rank->exited;
}

// To the rank's process group. False when it is not running.
bool rank_signal(struct rank *rank, int signal);

void rank_set_settled(struct rank *rank);
void rank_output_ended(struct rank *rank); // one of its outlets has closed
void rank_close(struct rank *rank);        // releases all that it holds, whatever its state

#endif
