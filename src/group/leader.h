// SPDX-License-Identifier: BSD-3-Clause
//
// The leader of all groups, on node 0: keeps the ledger of cores and GPUs, plans where ranks go, tells the nodes,
// collects how ranks end, decides when a group is to be stopped and a rank to be started again, and
// tells the clients what came of it.
#ifndef GROUP_LEADER_H
#define GROUP_LEADER_H

#include "group/exchange.h"
#include "group/groups.h"

struct leader;

struct leader *leader_create(const struct groups_options *options, struct exchanges *exchanges);
void leader_destroy(struct leader *leader); // NULL is fine

// What a node has, as machine_pack wrote it. False: not well-formed.
bool leader_describe(struct leader *leader, uint32_t node, const void *packed, size_t length);

// Each takes the message of that name; false when it is not well-formed.
bool leader_on_submit(struct leader *leader, const struct link_message *message);
bool leader_on_reports(struct leader *leader, const struct link_message *message);
bool leader_on_last_lines(struct leader *leader, const struct link_message *message);
bool leader_on_abort(struct leader *leader, const struct link_message *message);
bool leader_on_broken(struct leader *leader, const struct link_message *message);
bool leader_on_family(struct leader *leader, const struct link_message *message);
bool leader_on_ask(struct leader *leader, const struct link_message *message);
bool leader_on_query(struct leader *leader, const struct link_message *message);
bool leader_on_session_gone(struct leader *leader, const struct link_message *message);

// The runtime goes on without the node.
void leader_node_lost(struct leader *leader, uint32_t node, const char *why);

// The start exchange of a part of a group has come to node 0, where the host takes part in all of them.
// `arg` is the leader.
void leader_on_started(void *arg, uint64_t group, uint32_t part,
                       const struct exchange_piece *pieces, size_t count);

#endif
