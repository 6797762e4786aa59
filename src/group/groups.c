// SPDX-License-Identifier: BSD-3-Clause
//
// Dispatch: which part of group/ takes which message. Two tables, one for what comes from nodes, one
// for what comes from clients of this node.
#include "config.h"

#include "group/groups.h"

#include "group/exchange.h"
#include "group/host.h"
#include "group/leader.h"
#include "group/proto.h"

#include <signal.h>

struct groups {
    struct groups_options options;
    struct exchanges *exchanges;
    struct host *host;
    struct leader *leader; // on node 0
};

struct groups *groups_create(const struct groups_options *options)
{
    struct groups *groups = calloc(1, sizeof *groups);
    if (!groups)
        return NULL;
    bool leads = tree_here(options->tree) == 0;
    groups->options = *options;
    groups->exchanges = exchanges_create(options->tree);
    if (groups->exchanges && leads)
        groups->leader = leader_create(options, groups->exchanges);
    if (groups->exchanges)
        groups->host = host_create(options, groups->exchanges, leads ? leader_on_started : NULL,
                                   groups->leader);
    if (!groups->host || (leads && !groups->leader)) {
        groups_destroy(groups);
        return NULL;
    }
    return groups;
}

void groups_destroy(struct groups *groups)
{
    if (!groups)
        return;
    host_destroy(groups->host);
    leader_destroy(groups->leader);
    exchanges_destroy(groups->exchanges);
    free(groups);
}

static bool on_client_bound(struct groups *groups, const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    uint64_t session = unpack_u64(&unpack);
    uint16_t type = unpack_u16(&unpack);
    if (unpack.failed)
        return false;
    groups->options.to_client(groups->options.arg, session, type, unpack.at, unpack_left(&unpack));
    return true;
}

bool groups_describe(struct groups *groups, uint32_t node, const void *packed, size_t length)
{
    return groups->leader && leader_describe(groups->leader, node, packed, length);
}

// The leader first: what the others make of it is to come after the cause.
void groups_node_lost(struct groups *groups, uint32_t node, const char *why)
{
    if (groups->leader)
        leader_node_lost(groups->leader, node, why);
    exchanges_node_lost(groups->exchanges, node);
}

static bool to_leader(struct leader *leader, const struct link_message *message)
{
    switch (message->type) {
    case GN_SUBMIT:
        return leader_on_submit(leader, message);
    case GN_REPORTS:
        return leader_on_reports(leader, message);
    case GN_LAST_LINES:
        return leader_on_last_lines(leader, message);
    case GN_ABORT:
        return leader_on_abort(leader, message);
    case GN_BROKEN:
        return leader_on_broken(leader, message);
    case GN_FAMILY:
        return leader_on_family(leader, message);
    case GN_ASK:
        return leader_on_ask(leader, message);
    case GN_QUERY:
        return leader_on_query(leader, message);
    default:
        return leader_on_session_gone(leader, message);
    }
}

bool groups_on_node_message(struct groups *groups, const struct link_message *message)
{
    struct host *host = groups->host;
    switch (message->type) {
    case GN_SUBMIT:
    case GN_REPORTS:
    case GN_LAST_LINES:
    case GN_ABORT:
    case GN_BROKEN:
    case GN_FAMILY:
    case GN_ASK:
    case GN_QUERY:
    case GN_SESSION_GONE:
        return groups->leader && to_leader(groups->leader, message);
    case GN_SLICE:
        return host_on_slice(host, message);
    case GN_PREPARE:
        return host_on_prepare(host, message);
    case GN_SIGNAL:
        return host_on_signal(host, message);
    case GN_RANK:
        return host_on_rank(host, message);
    case GN_DISCARD:
        return host_on_discard(host, message);
    case GN_END:
        return host_on_end(host, message);
    case GN_CREDIT:
        return host_on_credit(host, message);
    case GN_INPUT:
        return host_on_input(host, message);
    case GN_MODEX:
    case GN_MODEX_GOT:
        return host_on_modex(host, message);
    case GN_GATHER:
    case GN_SPREAD:
        return exchanges_on_message(groups->exchanges, message);
    case GN_CLIENT:
        return on_client_bound(groups, message);
    default:
        return false;
    }
}

// ---- clients: their messages are checked where they are used, and only passed on here

static bool client_submit(struct groups *groups, uint64_t session, struct unpack *unpack)
{
    struct pack body = PACK_EMPTY;
    struct group_spec spec;
    uint32_t request = unpack_u32(unpack);
    uint8_t order = unpack_u8(unpack);
    uint64_t group = unpack_u64(unpack);
    if (unpack->failed || order >= GROUP_ORDERS || unpack_left(unpack) > GROUP_SPEC_LIMIT ||
        !group_spec_unpack(unpack, &spec))
        return false;
    bool good = unpack_done(unpack);
    if (good) {
        pack_u64(&body, session);
        pack_i32(&body, groups->options.client_pid(groups->options.arg, session));
        pack_u32(&body, request);
        pack_u8(&body, order);
        pack_u64(&body, group);
        group_spec_pack(&body, &spec);
        tree_send(groups->options.tree, 0, GN_SUBMIT, &body);
    }
    group_spec_fini(&spec);
    return good;
}

static bool client_ask(struct groups *groups, uint64_t session, struct unpack *unpack)
{
    struct pack body = PACK_EMPTY;
    uint64_t group = unpack_u64(unpack);
    int32_t rank = unpack_i32(unpack);
    uint32_t signal = unpack_u32(unpack);
    uint8_t ask = unpack_u8(unpack);
    if (!unpack_done(unpack) || signal >= NSIG || ask >= GROUP_ASKS)
        return false;
    pack_u64(&body, session);
    pack_u64(&body, group);
    pack_i32(&body, rank);
    pack_u32(&body, signal);
    pack_u8(&body, ask);
    tree_send(groups->options.tree, 0, GN_ASK, &body);
    return true;
}

static bool client_query(struct groups *groups, uint64_t session, struct unpack *unpack)
{
    struct pack body = PACK_EMPTY;
    uint32_t request = unpack_u32(unpack);
    uint8_t query = unpack_u8(unpack);
    uint64_t group = unpack_u64(unpack);
    if (!unpack_done(unpack) || query >= GROUP_QUERIES)
        return false;
    pack_u64(&body, session);
    pack_u32(&body, request);
    pack_u8(&body, query);
    pack_u64(&body, group);
    tree_send(groups->options.tree, 0, GN_QUERY, &body);
    return true;
}

static bool client_credit(struct groups *groups, struct unpack *unpack)
{
    struct pack body = PACK_EMPTY;
    uint64_t group = unpack_u64(unpack);
    uint32_t node = unpack_u32(unpack), bytes = unpack_u32(unpack);
    if (!unpack_done(unpack) || node >= tree_count(groups->options.tree))
        return false;
    pack_u64(&body, group);
    pack_u32(&body, bytes);
    tree_send(groups->options.tree, node, GN_CREDIT, &body);
    return true;
}

static bool client_input(struct groups *groups, struct unpack *unpack)
{
    struct pack body = PACK_EMPTY;
    size_t length;
    uint64_t group = unpack_u64(unpack);
    uint32_t node = unpack_u32(unpack);
    int32_t rank = unpack_i32(unpack);
    const void *data = unpack_bytes(unpack, &length);
    if (!unpack_done(unpack) || node >= tree_count(groups->options.tree) ||
        length > GROUP_INPUT_WINDOW || rank < GROUP_ALL_RANKS)
        return false;
    pack_u64(&body, group);
    pack_i32(&body, rank);
    pack_bytes(&body, data, length);
    tree_send(groups->options.tree, node, GN_INPUT, &body);
    return true;
}

bool groups_on_client_message(struct groups *groups, uint64_t session,
                              const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    switch (message->type) {
    case GC_SUBMIT:
        return client_submit(groups, session, &unpack);
    case GC_ASK:
        return client_ask(groups, session, &unpack);
    case GC_QUERY:
        return client_query(groups, session, &unpack);
    case GC_CREDIT:
        return client_credit(groups, &unpack);
    case GC_INPUT:
        return client_input(groups, &unpack);
    default:
        return false;
    }
}

void groups_session_gone(struct groups *groups, uint64_t session)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, session);
    tree_send(groups->options.tree, 0, GN_SESSION_GONE, &body);
}

size_t groups_signal_ranks(struct groups *groups, int signal)
{
    return host_signal_ranks(groups->host, signal);
}

size_t groups_running_ranks(const struct groups *groups)
{
    return host_running_ranks(groups->host);
}
