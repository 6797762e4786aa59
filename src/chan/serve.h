// SPDX-License-Identifier: BSD-3-Clause
//
// Serving the objects of this node to processes of others, over the network: everything, in dragon-transport; or the channels of
// which this process is the single receiver. What cannot be done at once is parked, with its connection, until the object
// changes, it is cancelled, or the connection is gone. Each request gets exactly one answer.
#ifndef CHAN_SERVE_H
#define CHAN_SERVE_H

#include "chan/local.h"
#include "chan/proto.h"
#include "chan/sync.h"
#include "net/data.h"

struct serve;

struct serve_options {
    struct waiter *waiter; // borrowed, with a space and a port
    bool all;              // every object of the node; else only those of serve_add
};
struct serve *serve_create(const struct serve_options *options);
void serve_destroy(struct serve *serve); // NULL is fine

// This process is the single receiver. NOMEM.
dragon_err_t serve_add(struct serve *serve, struct local_channel *channel, uint64_t object);
void serve_remove(struct serve *serve, uint64_t object);

// Parked requests: tries all that may go on. Call after data_port_progress, and when the bell has rung.
void serve_turn(struct serve *serve);
bool serve_parked(const struct serve *serve); // some wait for an object of this node
void serve_enter(struct serve *serve); // into the waitsets of what is waited for, before sleeping
void serve_leave(struct serve *serve);

// What the port of the process delivers for us; the process's own answers go to far_on_message.
bool serve_on_message(struct serve *serve, struct data_peer *peer, uint8_t type,
                      struct data_message *message);
void serve_on_lost(struct serve *serve, struct data_peer *peer);

#endif
