// SPDX-License-Identifier: BSD-3-Clause
//
// Commands that one of ours runs and waits for, with posix_spawn and without a shell.
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/base.h"

struct command {
    char *const *argv; // argv[0] is a path
    char *const *env;  // NULL: ours
    int output;        // descriptor for its standard output; -1: /dev/null
    bool errors;       // its standard error goes there too; else to /dev/null
    int limit_ms;      // then it is killed, with what it started
};

struct command_end {
    double ms;  // from before the start to after the end
    int status; // of waitpid
    bool timed_out;
};

// False: it could not be started (errno).
bool command_run(const struct command *command, struct command_end *end_out);
// Starts `count` of them and waits for all, at most `at_once` at a time (0: all), without a limit; in ms, below 0
// when one could not be started.
double command_run_many(const struct command *command, int count, int at_once);

// What it writes, as text, the caller's to free; NULL: it could not be run, took too long, or memory is out. `output`
// is not looked at; *status_out (may be NULL) is that of waitpid.
char *command_text(const struct command *command, int *status_out);

// The first line of it. False: there is none within 5 s.
bool command_first_line(char *const *argv, char *line, size_t room);

char *command_find(const char *name); // along PATH; NULL: not there; the caller frees

#endif
