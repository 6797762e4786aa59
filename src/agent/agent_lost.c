// SPDX-License-Identifier: BSD-3-Clause
//
// Going on without a node that is lost, where dragon-run was told to. All nodes are children of node 0 there, so no
// node but that one carries the messages of others, and nothing has to be healed. A node is lost for good: one whose
// network comes back has ended by itself.
#include "config.h"

#include "agent/internal.h"

bool agent_goes_on(const struct agent *agent)
{
    return agent->start.goes_on && agent->phase == PHASE_UP;
}

static void lose(struct agent *agent, uint32_t node, const char *why)
{
    tree_lose(agent->tree, node);
    if (agent->groups)
        groups_node_lost(agent->groups, node, why);
    if (agent->keeper)
        keeper_node_lost(agent->keeper, node);
}

void agent_go_on_without(struct agent *agent, uint32_t node, const char *why)
{
    struct pack body = PACK_EMPTY;
    uint32_t left = 0;
    char reason[200]; // it may be in a message of the node, which goes with its link
    if (tree_is_lost(agent->tree, node))
        return;
    snprintf(reason, sizeof reason, "%s", why);
    lose(agent, node, reason);
    for (uint32_t i = 0; i < agent->start.count; i++)
        left += !tree_is_lost(agent->tree, i);
    log_warning("node %u (%s) is lost: %s; the runtime goes on with the %u node%s left", node,
                agent->nodes[node].name, reason, left, left == 1 ? "" : "s");
    pack_u32(&body, node);
    pack_str(&body, reason);
    tree_send(agent->tree, TREE_EVERYBODY, AGENT_LOST, &body);
}

bool agent_on_lost(struct agent *agent, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint32_t node = unpack_u32(&unpack);
    const char *why = unpack_str(&unpack);
    if (!unpack_done(&unpack) || message->source != 0 || node == 0 || node == agent->start.here ||
        node >= agent->start.count)
        return false;
    if (!agent_leads(agent) && agent->phase != PHASE_LEAVING)
        lose(agent, node, why);
    return true;
}
