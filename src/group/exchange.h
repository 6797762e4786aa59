// SPDX-License-Identifier: BSD-3-Clause
//
// The one collective operation between the agents of a group: every participating node gives some
// bytes, and each gets everybody's. Gathered up a tree over the participants, spread down the same
// tree. Starts, PMIx fences and PMI-1 barriers are all this.
//
// Participants may be far apart in time: what arrives for an exchange that this node has not joined
// yet waits for it.
#ifndef GROUP_EXCHANGE_H
#define GROUP_EXCHANGE_H

#include "base/base.h"
#include "net/tree.h"

// Which exchange: the same on all participants.
struct exchange_key {
    uint64_t group;
    uint64_t what; // EXCHANGE_*, or a hash that tells one set of ranks from another
    uint64_t turn; // counts the exchanges of the same `what`
};

enum { EXCHANGE_START = 1, EXCHANGE_PMI1 = 2, EXCHANGE_FIRST_HASH = 16 };

struct exchange_piece {
    uint32_t node;
    const void *data;
    size_t length;
};

// Called once for each join that succeeded. `err` is OK, and all pieces are there, in no particular
// order, valid until it returns; or CANCELED: the group has ended, or a node that takes part is lost.
typedef void exchange_done_fn(void *arg, dragon_err_t err, const struct exchange_piece *pieces,
                              size_t count);

struct exchanges;

struct exchanges *exchanges_create(struct tree *tree);
void exchanges_destroy(struct exchanges *exchanges); // NULL is fine; cancels what is open

// `nodes` are the participants in ascending order, this node among them. INVAL when they are not, or
// this node has joined already. PEER: one of them is lost.
dragon_err_t exchange_join(struct exchanges *exchanges, const struct exchange_key *key,
                           const uint32_t *nodes, size_t count, const void *data, size_t length,
                           exchange_done_fn *done, void *arg);

// A message GN_GATHER or GN_SPREAD. False when it is not well-formed.
bool exchanges_on_message(struct exchanges *exchanges, const struct link_message *message);

// The participants whose piece has not come to this node, for messages: "node 3, node 7". Made for
// the root, where all have to arrive.
void exchange_missing(struct exchanges *exchanges, const struct exchange_key *key, char *text,
                      size_t room);

// Cancels one, if it is open; what comes late for it is forgotten with its group.
void exchange_end(struct exchanges *exchanges, const struct exchange_key *key);

// Cancels all exchanges in which the node takes part.
void exchanges_node_lost(struct exchanges *exchanges, uint32_t node);

// Cancels all exchanges of a group and forgets what comes late for it.
void exchanges_end_group(struct exchanges *exchanges, uint64_t group);

#endif
