// SPDX-License-Identifier: BSD-3-Clause
//
// The standard input of rank 0: bytes from the client are written to its pipe as it takes them, and
// the client is told how much was taken, so that at most GROUP_INPUT_WINDOW bytes wait here.
#ifndef GROUP_INPUT_H
#define GROUP_INPUT_H

#include "base/base.h"
#include "loop/loop.h"

struct input {
    struct loop_watch *watch;
    struct pack waiting; // not yet written: from `start` on
    size_t start;
    int fd;             // owned; -1: closed, or not open yet
    bool opened, ended; // ended: close when all is written
    void (*on_taken)(void *arg, uint32_t bytes);
    void *arg;
};

void input_init(struct input *input, void (*on_taken)(void *arg, uint32_t bytes), void *arg);
void input_fini(struct input *input);

// Takes over the pipe's end. False: it could not be watched (fd is closed).
bool input_open(struct input *input, struct loop *loop, int fd);

// Adds bytes; none: the end. What comes when nobody reads any more is counted as taken and dropped.
void input_add(struct input *input, const void *data, size_t length);
void input_close(struct input *input); // the reader is gone

#endif
