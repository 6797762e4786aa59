// SPDX-License-Identifier: BSD-3-Clause
//
// What runs below a process, as the system tells it at the moment.
#ifndef PROC_BELOW_H
#define PROC_BELOW_H

#include "base/base.h"

#include <sys/types.h>

// Calls with each child of the process `parent`, also those that have ended and are not reaped. Returns how many there are.
size_t below_each(pid_t parent, void (*fn)(void *arg, pid_t pid), void *arg);

// Kills the process and all that is below it. Each is stopped before its children are looked for, so that it makes no more.
void below_kill(pid_t top);

#endif
