// SPDX-License-Identifier: BSD-3-Clause
//
// The part of process groups that runs on each node: prepares, starts the ranks of this node, passes
// their output on, and reports how each ended. It decides nothing; the leader does.
#ifndef GROUP_HOST_H
#define GROUP_HOST_H

#include "group/exchange.h"
#include "group/groups.h"

struct host;

// `on_started` (may be NULL) is told when the start exchange of a part of a group has come to this node.
struct host *host_create(const struct groups_options *options, struct exchanges *exchanges,
                         void (*on_started)(void *arg, uint64_t group, uint32_t part,
                                            const struct exchange_piece *pieces, size_t count),
                         void *arg);
void host_destroy(struct host *host); // NULL is fine

// Each takes the message of that name; false when it is not well-formed.
bool host_on_prepare(struct host *host, const struct link_message *message);
bool host_on_slice(struct host *host, const struct link_message *message);
bool host_on_signal(struct host *host, const struct link_message *message);
bool host_on_rank(struct host *host, const struct link_message *message);
bool host_on_discard(struct host *host, const struct link_message *message);
bool host_on_end(struct host *host, const struct link_message *message);
bool host_on_credit(struct host *host, const struct link_message *message);
bool host_on_input(struct host *host, const struct link_message *message);
bool host_on_modex(struct host *host, const struct link_message *message);

size_t host_signal_ranks(struct host *host, int signal); // how many are running
size_t host_running_ranks(const struct host *host);

#endif
