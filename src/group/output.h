// SPDX-License-Identifier: BSD-3-Clause
//
// The output of a group's ranks on one node: pipes are read, cut into whole lines and sent to the
// client that owns the group. The client grants a window of bytes; when it is used up the pipes are
// left alone, and writers wait as they do for any full pipe. Nothing piles up anywhere.
#ifndef GROUP_OUTPUT_H
#define GROUP_OUTPUT_H

#include "group/proto.h"
#include "loop/loop.h"
#include "net/tree.h"

// One pipe. Embedded in its rank.
struct outlet {
    struct output *output; // borrowed
    struct loop_watch *watch;
    struct outlet *next_stalled;
    uint8_t *partial; // owned: the beginning of a line whose end has not come
    uint32_t partial_length, partial_room;
    uint32_t rank;
    int fd; // owned; -1: closed
    uint8_t stream;
    bool stalled;
    bool raw; // bytes are passed as they come
};

// All pipes of a group on this node. Embedded in its group.
struct output {
    struct loop *loop; // borrowed
    struct tree *tree; // borrowed
    uint64_t group, session;
    uint32_t owner_node;
    int64_t window;         // bytes that may still be sent
    struct outlet *stalled; // waiting for the window
    bool discard;           // nobody reads it any more
    bool by_line;           // false: bytes are passed as they come, there is nobody to mix with
    void (*on_end)(void *arg, uint32_t rank); // an outlet has reached its end and is closed
    void *arg;
};

void output_grant(struct output *output, uint32_t bytes);

// What is written from now on is read and dropped, so that nobody waits.
void output_discard(struct output *output);

// Takes over `fd`. False: it could not be watched (fd is closed).
bool outlet_open(struct outlet *outlet, struct output *output, int fd, uint32_t rank,
                 uint8_t stream);

// Reads what is there without waiting. True when the end was reached, or it was closed before.
bool outlet_drain(struct outlet *outlet);

// Sends a begun line, and closes. on_end is not called.
void outlet_close(struct outlet *outlet);

#endif
