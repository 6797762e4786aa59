// SPDX-License-Identifier: BSD-3-Clause
//
// This process's own standard streams in its loop, without changing their flags for others that share
// them (a shell, say). A sink writes what it is given as fast as the descriptor takes it; a source
// reads as much as it is allowed to.
#ifndef CLIENT_STREAM_H
#define CLIENT_STREAM_H

#include "base/base.h"
#include "loop/loop.h"

struct sink {
    struct loop_watch *watch; // NULL: always ready, as a file is
    struct pack waiting;      // from `start` on
    size_t start;
    int fd;  // what is written to: the descriptor given, or `own`
    int own; // opened anew without blocking; -1: not
    bool socket;
    bool broken;            // nobody reads it any more: what is added is dropped
    uint64_t added, passed; // bytes ever given to it; those of them that were written or dropped
    void (*on_progress)(void *arg); // some was written, or it broke
    void *arg;
};

// `fd` stays the caller's. False when memory is out.
bool sink_init(struct sink *sink, struct loop *loop, int fd, void (*on_progress)(void *arg),
               void *arg);
void sink_fini(struct sink *sink);
void sink_add(struct sink *sink, const void *data, size_t length);
void sink_flush(struct sink *sink); // writes what can be written now
size_t sink_waiting(const struct sink *sink);

struct source {
    struct loop_watch *watch; // NULL: always ready
    struct loop_timer *next;  // reads an always-ready one piece after piece
    int fd, own;
    bool socket, ended;
    size_t allowed;                                              // bytes
    void (*on_data)(void *arg, const void *data, size_t length); // length 0: the end, once
    void *arg;
};

bool source_init(struct source *source, struct loop *loop, int fd,
                 void (*on_data)(void *arg, const void *data, size_t length), void *arg);
void source_fini(struct source *source);
void source_allow(struct source *source, size_t bytes); // so many more

#endif
