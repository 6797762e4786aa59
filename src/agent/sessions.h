// SPDX-License-Identifier: BSD-3-Clause
//
// The clients of this node: connections to the agent's Unix socket. Only processes of the agent's own
// user get in. A session's number is never used again.
#ifndef AGENT_SESSIONS_H
#define AGENT_SESSIONS_H

#include "base/base.h"
#include "loop/loop.h"
#include "net/link.h"

struct sessions;

struct sessions_handler {
    // False: not understood; the session is ended.
    bool (*on_message)(void *arg, uint64_t session, const struct link_message *message);
    void (*on_gone)(void *arg, uint64_t session);
};

struct sessions_options {
    const char *path; // of the socket, made here
    uint32_t node, nodes;
    const char *node_name;
    const char *runtime; // its name
    uint64_t end_s;      // of the allocation, since the epoch; 0: nobody said
};

struct sessions *sessions_create(struct loop *loop, const struct sessions_options *options,
                                 const struct sessions_handler *handler, void *arg,
                                 dragon_error_t *error);
void sessions_destroy(struct sessions *sessions); // NULL is fine; on_gone is not called

void sessions_send(struct sessions *sessions, uint64_t session, uint16_t type, const void *body,
                   size_t length); // to one that is gone: nothing

// The process that connected. 0: the session is gone, or the process is none that can be named here.
int sessions_pid(const struct sessions *sessions, uint64_t session);

#endif
