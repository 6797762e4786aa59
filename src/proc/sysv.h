// SPDX-License-Identifier: BSD-3-Clause
//
// System V shared memory that a killed process left: MPI libraries make a private segment for a moment, to see
// whether they can, and a rank that is killed just then leaves it to the host for good.
#ifndef PROC_SYSV_H
#define PROC_SYSV_H

#include <sys/types.h>

// Removes the private segments that `pid`, which is dead, made and nobody is attached to.
void sysv_remove_of(pid_t pid);

#endif
