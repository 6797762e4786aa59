// SPDX-License-Identifier: BSD-3-Clause
//
// Orphans of one process. What a child of a subreaper has left behind becomes the subreaper's, and nothing in the
// system says any more whose it was; but it still has the environment that it was started with.
#ifndef PROC_HUNT_H
#define PROC_HUNT_H

#include "base/base.h"

#include <sys/types.h>

struct hunts {
    struct hunt *first; // owned
};

// Processes with all of these entries ("NAME=VALUE") in their environment are to end, with all below them. `marks` is taken,
// also on failure, which is that memory is out.
bool hunts_add(struct hunts *hunts, char **marks);

// Kills what is hunted among the children of this process, but for those of which `is_known` says so. To be called again
// when a child has ended, until it returns false: no hunt has found anything any more, and all are over.
bool hunts_run(struct hunts *hunts, bool (*is_known)(void *arg, pid_t pid), void *arg);

void hunts_fini(struct hunts *hunts);

#endif
