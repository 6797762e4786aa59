// SPDX-License-Identifier: BSD-3-Clause
//
// The end of a subreaper: kill everything below, whatever it did to get away (setsid, a double
// fork, ignoring signals), and remove the runtime's directories.
#ifndef PROC_SWEEP_H
#define PROC_SWEEP_H

#include "base/base.h"

#include <sys/types.h>

// Sends `signal` to each child of this process. Returns how many there were.
size_t sweep_signal(int signal);

// Kills and reaps until no child is left: the orphans that each death hands up to us too. SIGCHLD
// must be blocked. False when some are left at the deadline (they hang in the kernel).
bool sweep_all(uint64_t deadline_ms);

// Makes a directory of mode 0700 named dragon-XXXXXX in the first place of the list where it can be
// made and where a socket path still fits. `places` may hold NULLs at will, up to `count`.
// Returns the path (the caller frees), NULL on failure.
char *sweep_make_directory(const char *const *places, size_t count, dragon_error_t *error);

// The same for a path that is to be new. False with errno on failure.
bool sweep_make_private(const char *path);

// Removes it with all that is in it; no symbolic link is followed. NULL, or gone already, is fine.
void sweep_remove_directory(const char *path);

#endif
