// SPDX-License-Identifier: BSD-3-Clause
//
// A command while it runs: a process with a process group of its own, pipes, and what came out of them.
//
//     command_start -> command_watch, poll, command_move ... until command_is_over -> command_finish -> command_run_fini
//
// This process is the subreaper of the command: what it leaves behind, in whatever session, becomes our child, and
// ends with it.
#ifndef POOL_COMMAND_RUN_H
#define POOL_COMMAND_RUN_H

#include "pool/command.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/types.h>

struct gathered {
    uint8_t *data; // owned
    size_t length, room;
    bool more; // it wrote more than is kept
};

struct command_run {
    const struct command *command; // borrowed
    pid_t pid;                     // 0: it was not started
    int pidfd;                     // -1: the system has none
    int in, out[2];                // our ends of its pipes; -1: none, or at its end
    size_t written;                // of its input
    struct gathered gathered[2];   // output, errors
    pid_t *before;                 // owned: our children that are not of it
    size_t before_count;
    int status; // of wait(2), once finished
    struct rusage usage;
};

enum { COMMAND_FDS = 4 };

// Why it could not be started: what a shell would exit with, and words.
struct command_failure {
    int code;
    char text[400];
};

// null_fd: what it reads when there is no input. To be ended with command_run_fini in any case.
dragon_err_t command_start(struct command_run *run, const struct command *command, int null_fd,
                           const char *place, struct command_failure *failure_out);

// What to poll for, and what to do then.
void command_watch(const struct command_run *run, struct pollfd fds[COMMAND_FDS]);
void command_move(struct command_run *run, const struct pollfd fds[COMMAND_FDS]);
bool command_is_over(const struct command_run *run);
void command_signal(const struct command_run *run, int signal); // to its process group

// Kills what is left of it, and takes what it wrote. Its end is known then.
void command_finish(struct command_run *run);
void command_run_fini(struct command_run *run);

// ---- command_sweep.c

// From here on: whose children are those that we have? False: memory is out.
bool command_sweep_begin(struct command_run *run);
// Kills and reaps those that came since.
void command_sweep_end(struct command_run *run);

#endif
