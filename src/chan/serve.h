// SPDX-License-Identifier: BSD-3-Clause
//
// Serving the objects of this node to processes of others, over the network: everything, in dragon-transport; or the
// channels of which this process is the single receiver, or the shard of which it is the manager. What cannot be done at once is parked, with its connection,
// until the object changes, it is cancelled, or the connection is gone. Each request gets exactly one answer.
//
// What a sender was told to be on its way and is here in full is not dropped with its connection: it goes into its
// channel.
#ifndef CHAN_SERVE_H
#define CHAN_SERVE_H

#include "chan/local.h"
#include "chan/proto.h"
#include "chan/sync.h"
#include "ddict/shard.h"
#include "net/data.h"

struct serve;

struct serve_options {
    struct waiter *waiter; // borrowed, with a space and a port
    bool all;              // every object of the node; else only those of serve_add
};
struct serve *serve_create(const struct serve_options *options); // NULL: out of memory
void serve_destroy(struct serve *serve);                         // NULL is fine

// This process is the single receiver. Until it is removed the network counts in what the waiter waits for. NOMEM.
dragon_err_t serve_add(struct serve *serve, struct local_channel *channel, uint64_t object);
// This process is the manager of the shard. The view stays until `serve` is destroyed. Our bell rings when what is parked may go
// on: wait_for, with this serve's turn as its on_turn, is all that it takes. NOMEM.
dragon_err_t serve_add_shard(struct serve *serve, struct shard_view *view);
// Takes in what has come; senders are told to look for another way, and of what was not in the channel yet.
void serve_remove(struct serve *serve, uint64_t object);

// Parked requests: tries all that may go on. Call after data_port_progress, and when the bell has rung. Says whether
// anything was done.
bool serve_turn(struct serve *serve);
// The sooner senders in mode RECEIVED hear of it: when a message was received from a channel that we serve.
void serve_received(struct serve *serve);
bool serve_parked(const struct serve *serve); // some wait for an object of this node
void serve_enter(struct serve *serve); // into the waitsets of what is waited for, before sleeping
void serve_leave(struct serve *serve);
// Nanoseconds after which serve_turn is to be called in any case; -1: no need. Memory that was lacking does not tell.
int64_t serve_sleep_ns(const struct serve *serve);

// What the port of the process delivers from peers that connected to us.
void serve_on_message(struct serve *serve, struct data_peer *peer, uint8_t type,
                      struct data_message *message);
void serve_on_lost(struct serve *serve, struct data_peer *peer);

#endif
