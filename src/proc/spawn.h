// SPDX-License-Identifier: BSD-3-Clause
//
// Starting a program: vfork and exec, so that the cost does not grow with the parent. The child has
// default signal handling, an empty signal mask, and only the descriptors named here (every other
// descriptor of ours is close-on-exec from birth).
#ifndef PROC_SPAWN_H
#define PROC_SPAWN_H

#include "base/base.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/types.h>

struct spawn {
    const char *path;  // as spawn_find gives it
    char *const *argv; // argv[0] is the name the program sees
    char *const *env;
    const char *cwd;             // NULL: ours
    int stdio[3];                // what becomes 0, 1, 2
    int fd3;                     // becomes descriptor 3; -1: none
    int fd4;                     // becomes descriptor 4, beside that one; 0: none
    pid_t process_group;         // 0: one of its own; else the one to join
    bool die_with_parent;        // SIGKILL when the thread that starts it ends
    const struct rlimit *nofile; // NULL: ours
    const cpu_set_t *cpus;       // what it is bound to, of cpus_size bytes; NULL: what we are
    size_t cpus_size;
    const char *cgroup_procs; // the file by which it enters a control group; NULL: it stays in ours
};

// The steps of a start, for messages.
enum spawn_step {
    SPAWN_FORK,
    SPAWN_GROUP,
    SPAWN_CGROUP,
    SPAWN_BIND,
    SPAWN_CWD,
    SPAWN_STDIO,
    SPAWN_EXEC,
    SPAWN_STEPS,
};
const char *spawn_step_name(enum spawn_step step); // "bind it to its cores": what could not be done

// Returns 0 and *pid_out, or an errno value and, in *step_out, what failed.
int spawn_start(const struct spawn *spawn, pid_t *pid_out, enum spawn_step *step_out);

// Finds a program as a shell does: a name with a slash is taken as it is (from `cwd` when relative),
// others are looked for along `path_list` (NULL: the system's default). Returns 0 and the path in
// *path_out (the caller frees), ENOENT, or EACCES for what is there but cannot be run.
int spawn_find(const char *name, const char *path_list, const char *cwd, char **path_out);

#endif
