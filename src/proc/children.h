// SPDX-License-Identifier: BSD-3-Clause
//
// The children of this process in a loop: who ended, and how. With them come the orphans of their
// descendants, which a subreaper inherits: they are reaped and forgotten.
#ifndef PROC_CHILDREN_H
#define PROC_CHILDREN_H

#include "base/base.h"
#include "loop/loop.h"

#include <sys/types.h>

struct children;

// Makes this process the subreaper of all below it and blocks SIGCHLD. One per process.
struct children *children_create(struct loop *loop, dragon_error_t *error);
void children_destroy(struct children *children); // NULL is fine; the children themselves live on

// `fn` is called once with the status of wait(2) when `pid` has ended. What is left of the process
// group that `pid` leads is killed first: a rank takes its background processes with it.
// False when memory is out: then `fn` will not be called.
bool children_add(struct children *children, pid_t pid,
                  void (*fn)(void *arg, pid_t pid, int status), void *arg);
// That one takes everything with it that it started, into whatever process group or session it went, and what that
// started: they are found by these entries of their environment. False when memory is out, or there is no such child.
bool children_take_all(struct children *children, pid_t pid, char *const *marks);
void children_forget(struct children *children, pid_t pid);

#endif
