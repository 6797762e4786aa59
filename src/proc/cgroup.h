// SPDX-License-Identifier: BSD-3-Clause
//
// Memory limits: one control group of the kernel for each process that has one, of version 1 or 2, whichever has
// the memory controller. They are made where this process may make them: below its own group, or with
// version 2, where a group with processes cannot have limited ones below it, beside it.
//
// Their names begin with "dragon-" and the number of the process that makes them, so that whoever is left
// can find and remove them.
#ifndef PROC_CGROUP_H
#define PROC_CGROUP_H

#include "base/base.h"

#include <sys/types.h>

struct cgroup_place {
    char *directory; // owned: where groups are made
    int version;
};

// Reads from below `root` ("" in life) where groups can be made. UNSUPPORTED with the reason: nowhere.
// INVAL, NOMEM.
dragon_err_t cgroup_place_find(const char *root, struct cgroup_place *place_out,
                               dragon_error_t *error);
void cgroup_place_fini(struct cgroup_place *place); // an empty struct is fine

// Makes the group "dragon-<our number>-<name>" with the limit, on swap too where that is counted. *path_out
// is the caller's to free. UNSUPPORTED, with the reason, NOMEM; then nothing was made.
dragon_err_t cgroup_create(const struct cgroup_place *place, const char *name, uint64_t limit_bytes,
                           char **path_out, dragon_error_t *error);

// The file by which a process enters it; the caller frees. NULL: out of memory.
char *cgroup_procs(const char *path);

// The kernel has killed a process in it because of the limit.
bool cgroup_ran_out(const char *path);

// Kills what is in it and removes it. False: it is not empty yet, to be tried again.
bool cgroup_remove(const char *path);

// Removes all groups that the process `maker` has made and left; what is in them is killed. False: some are
// still there at the deadline.
bool cgroup_sweep(pid_t maker, uint64_t deadline_ms);

#endif
