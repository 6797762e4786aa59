// SPDX-License-Identifier: BSD-3-Clause
//
// Where runtimes have their directories, unless dragon-run is told otherwise: dragon-run makes them there and
// dragon-info finds them there.
#ifndef CLI_PLACES_H
#define CLI_PLACES_H

#include <stdbool.h>
#include <stddef.h>

struct stat;

// A directory is called so, followed by six letters; the agent's socket in it is named after it.
#define PLACES_PREFIX "dragon-"
#define PLACES_SOCKET "agent.sock"
enum { PLACES_LIMIT = 3, PLACES_LETTERS = 6 };

// Writes the places that are set, each once, in the order of trying. Returns how many; they belong to the
// environment.
size_t places_list(const char *places_out[PLACES_LIMIT]);

// Whether a runtime's directory may be called so, and whether it is as dragon-run makes it: a directory of this user,
// closed to all others. Anybody may make things in /tmp.
bool places_is_name(const char *name);
bool places_is_ours(const struct stat *info);

// Tries the socket of an agent: 0 when somebody listens, else an errno; ECONNREFUSED: nobody does any more.
int places_try(const char *socket_path);

#endif
