// SPDX-License-Identifier: BSD-3-Clause
//
// The head program on node 0: started with the terminal's descriptors, in the directory and with the
// environment of the one who called dragon-run.
#ifndef AGENT_HEAD_H
#define AGENT_HEAD_H

#include "base/base.h"
#include "proc/children.h"

struct head_options {
    char *const *argv;
    const char *cwd;
    const char *socket_path;
    int stdio[3];
    pid_t process_group;         // the one to join; 0: its own
    const struct rlimit *nofile; // for it
};

struct head {
    pid_t pid;   // 0: not running
    bool joined; // it is in dragon-run's process group, so only it itself is signalled
    void (*on_exit)(void *arg, int status);
    void *arg;
};

// 0, or the exit code that stands for the failure (126, 127 or 125), with the reason in *error.
int head_start(struct head *head, struct children *children, const struct head_options *options,
               dragon_error_t *error);
void head_signal(const struct head *head, int signal);

#endif
