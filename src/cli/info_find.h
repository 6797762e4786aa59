// SPDX-License-Identifier: BSD-3-Clause
//
// The runtimes of this user on this host, and which of them a command means: dragon-info shows it, dragon-chan
// uses it.
#ifndef CLI_INFO_FIND_H
#define CLI_INFO_FIND_H

#include "base/base.h"

#include <dragon/runtime.h>
#include <sys/types.h>

enum { INFO_EXIT_NOTHING = 1, INFO_EXIT_OURS = 125 };

enum found_state {
    FOUND_UP,
    FOUND_DEAD,   // nobody listens: its processes were killed, and could not clean up
    FOUND_SILENT, // its agent does not answer
    FOUND_OTHER,  // of another release
    FOUND_STATES,
};

struct found {
    char *directory;           // owned
    char *socket;              // owned
    dragon_runtime_t *runtime; // owned; NULL unless UP
    enum found_state state;
    time_t since;   // when its socket was made, seconds since 1970
    char text[512]; // why it is not up
};

struct found_list {
    struct found *entries; // owned
    size_t count;
    size_t up; // how many of them
};

// Looks in the places of runtimes, and at `path` (a directory or a socket; NULL: none) too, and tries each. Nodes
// of one runtime that share this host are one entry, that of the lowest number. False: out of memory.
bool found_list_fill(struct found_list *list, const char *path);
void found_list_fini(struct found_list *list);
const char *found_state_name(enum found_state state);

// The path of the agent's socket for what a user named: a directory or a socket. The caller frees.
// NULL with the reason.
char *found_socket(const char *path, dragon_error_t *error);

// ---- which one is meant (info_choose.c)

// Attaches to the runtime at `path`; NULL: to the only one that this user has here. 0, or the exit code after having
// said why not: NOTHING when there is none.
int found_attach(const char *path, const char *command, dragon_runtime_t **runtime_out);

// Says why none is up, and names those that are dead. The exit code.
int found_say_none(const struct found_list *list);
void found_say_dead(const struct found_list *list);

#endif
