// SPDX-License-Identifier: BSD-3-Clause
//
// The standard input of a rank that gets one from the client: bytes are written to its pipe as it takes them,
// and how much was taken is told, so that at most GROUP_INPUT_WINDOW bytes wait here.
//
// What comes is the group's input, which each reader gets, or for this rank alone. A rank takes
// one of the two, whichever came first.
#ifndef GROUP_INPUT_H
#define GROUP_INPUT_H

#include "base/base.h"
#include "loop/loop.h"

enum input_source { INPUT_UNDECIDED, INPUT_OF_GROUP, INPUT_OF_RANK };

struct input {
    struct loop_watch *watch;
    struct pack waiting; // not yet written: from `start` on
    size_t start;
    uint64_t begin; // how much of the group's input had been given out before this one came
    uint64_t taken; // since then
    uint32_t rank;
    int fd;             // owned; -1: closed, or not open yet
    bool opened, ended; // ended: close when all is written
    uint8_t source;     // enum input_source
    // So many bytes were taken, or dropped; also with 0, when it is closed.
    void (*on_taken)(void *arg, struct input *input, uint32_t bytes);
    void *arg;
};

void input_init(struct input *input, uint32_t rank,
                void (*on_taken)(void *arg, struct input *input, uint32_t bytes), void *arg);
void input_fini(struct input *input);

// Takes over the pipe's end. False: it could not be watched (fd is closed).
bool input_open(struct input *input, struct loop *loop, int fd);

// Adds bytes; none: the end. What comes when nobody reads any more is counted as taken and dropped.
// False: more than the window is waiting, and nothing was added.
bool input_add(struct input *input, const void *data, size_t length);
void input_close(struct input *input); // the reader is gone, or will never be there

static inline bool input_is_closed(const struct input *input)
{
    return input->opened && input->fd < 0;
}

#endif
