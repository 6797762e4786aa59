// SPDX-License-Identifier: BSD-3-Clause
//
// Accepts connections of other agents. A connection becomes a peer only through the handshake; until
// then it costs a bounded amount, for a bounded time, and at most LISTENER_PENDING of them wait.
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "loop/loop.h"
#include "net/auth.h"

enum { LISTENER_PENDING = 64, LISTENER_TIMEOUT_MS = 5000 };

struct listener;

// `fd` listens already and is taken over. `on_peer` owns the socket it is given.
struct listener *listener_create(struct loop *loop, int fd, const uint8_t *secret,
                                 const char *purpose,
                                 void (*on_peer)(void *arg, int fd, const uint8_t *hello),
                                 void *arg);
void listener_destroy(struct listener *listener); // NULL is fine

#endif
