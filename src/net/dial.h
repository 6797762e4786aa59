// SPDX-License-Identifier: BSD-3-Clause
//
// Connecting to another agent: tries its addresses one after another until one leads to somebody who
// knows the secret.
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/base.h"
#include "loop/loop.h"
#include "net/auth.h"

struct dial_options {
    char *const *addresses; // kept by the caller until done
    bool same_host;         // loopback addresses mean something, and come first
    const uint8_t *secret;
    const char *purpose;
    const uint8_t *hello;
    uint64_t timeout_ms; // for all of it
};

struct dial;

// Called once: the connected, proven socket; or -1 and what was tried, for people.
typedef void dial_done_fn(void *arg, int fd, const char *what_happened);

// NULL when memory is out. Frees itself after `done`, or by dial_cancel.
struct dial *dial_start(struct loop *loop, const struct dial_options *options, dial_done_fn *done,
                        void *arg);
void dial_cancel(struct dial *dial);

#endif
