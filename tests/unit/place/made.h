// SPDX-License-Identifier: BSD-3-Clause
//
// Made-up nodes to plan on, and plans as text.
#ifndef TESTS_UNIT_PLACE_MADE_H
#define TESTS_UNIT_PLACE_MADE_H

#include "place/ledger.h"
#include "place/plan.h"

// Cores in a domain, 0: all of the node's. GPUs are spread evenly over the NUMA nodes.
struct made {
    uint32_t cores, l3, numa, socket;
    uint32_t gpus, tiles;
    uint8_t vendor;
};

struct machine made_machine(const struct made *made); // fini is the caller's
// Nodes "n0", "n1", ... of hosts "h0.site", ... unless the ledger is described by the caller.
struct ledger *made_ledger(const struct made *nodes, uint32_t count);
bool made_describe(struct ledger *ledger, uint32_t node, const char *name, const char *host,
                   const struct made *made);

// Every rank as NODE:CORES, with /GPUS when it has some, "-" when it is to see none, "*" when shared.
void made_text(const struct plan *plan, char *text, size_t room);
// The users of everything: "110 1" say, cores and then GPUs, of each node.
void made_users(const struct ledger *ledger, char *text, size_t room);

#endif
