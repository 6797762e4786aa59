// SPDX-License-Identifier: BSD-3-Clause
//
// A command that needs a runtime and finds none runs itself inside one of its own.
#ifndef CLI_PRIVATE_H
#define CLI_PRIVATE_H

#include <stdbool.h>

// Whether there is one: DRAGON_RUNTIME is set, and not empty.
bool is_inside_runtime(void);

// Becomes dragon-run with this very command as its head program, in a runtime of so many nodes on this host. Returns
// only when that fails, with the exit code, after having said why.
int run_privately(char **argv, int nodes);

#endif
