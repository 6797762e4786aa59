// SPDX-License-Identifier: BSD-3-Clause
//
// Accepts connections on a listening socket in a loop. When the system has no room for another it pauses a
// moment, instead of being told again at once that one waits.
#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H

#include "base/base.h"
#include "loop/loop.h"

struct acceptor;

// A Unix socket at `path` that listens, for this user alone: SOCK_STREAM or SOCK_SEQPACKET. -1 with errno.
int acceptor_listen(const char *path, int type);

// `fd` listens already, does not block, and is taken over, also on failure (NULL: out of memory or
// descriptors). `on_connection` owns the socket it is given, which is close-on-exec and does not block.
struct acceptor *acceptor_create(struct loop *loop, int fd,
                                 void (*on_connection)(void *arg, int fd), void *arg);
void acceptor_destroy(struct acceptor *acceptor); // NULL is fine
void acceptor_set(struct acceptor *acceptor, bool accepting);

#endif
