// SPDX-License-Identifier: BSD-3-Clause
//
// The handshake of net/auth.h over a connected socket, in a loop: exchanges its three messages and
// hands the socket back. Nothing beyond their fixed sizes is read.
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include "loop/loop.h"
#include "net/auth.h"

struct handshake;

// Called once. On success `fd` is the caller's and `hello` is what the client sent (our own hello on
// the client's side). On failure fd is -1, the socket is closed and `reason` says why in a few words.
typedef void handshake_done_fn(void *arg, int fd, const uint8_t hello[AUTH_HELLO_BYTES],
                               const char *reason);

// Takes over `fd`, which is non-blocking. `hello` NULL: we are the server. NULL when memory is out
// (fd is closed then). The handshake frees itself after `done`, or by handshake_cancel.
struct handshake *handshake_start(struct loop *loop, int fd, const uint8_t *secret,
                                  const char *purpose, const uint8_t *hello, uint64_t timeout_ms,
                                  handshake_done_fn *done, void *arg);
void handshake_cancel(struct handshake *handshake); // closes the socket; `done` is not called

#endif
