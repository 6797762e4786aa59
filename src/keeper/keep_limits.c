// SPDX-License-Identifier: BSD-3-Clause
//
// How much shared memory there may be: what the node has and may have, which is known here, and what all nodes may have
// together, which node 0 counts. Each text says the figures, and what to try.
#include "config.h"

#include "keeper/internal.h"

dragon_err_t keep_limits_check(const struct keeper *keeper, struct segment_kind kind, uint64_t cost,
                               dragon_error_t *error)
{
    uint64_t limit = keeper->options.node_limit_bytes, used = keeper->reserved;
    if (limit && (used > limit || cost > limit - used))
        return err_set(
            error, DRAGON_ERR_FULL,
            "%s has no %s more of shared memory: %s of its %s are in use; free some, or start "
            "the runtime with a larger dragon-run --memory",
            keeper->host, keep_size(cost).text, keep_size(used).text, keep_size(limit).text);
    if (kind.huge == DRAGON_HUGE_REQUIRE)
        return DRAGON_OK; // what is reserved for these pages is not what is available
    uint64_t available = segment_available(keep_kind_of_system(keeper, kind).numa);
    if (cost > available)
        return err_set(
            error, DRAGON_ERR_FULL,
            "%s has no memory for %s more of shared memory: %s are left of it (of the host, or "
            "of a control group's limit), and %s are shared already",
            keeper->host, keep_size(cost).text, keep_size(available).text, keep_size(used).text);
    return DRAGON_OK;
}

void keep_limits_refused(const struct keeper *keeper, uint64_t cost, uint64_t used,
                         dragon_error_t *error)
{
    err_set(error, DRAGON_ERR_FULL,
            "the runtime has no %s more of shared memory for %s: %s of its %s are in use; free "
            "some, or start the runtime with a larger dragon-run --memory-total",
            keep_size(cost).text, keeper->host, keep_size(used).text,
            keep_size(keeper->options.runtime_limit_bytes).text);
}

// ---- the limit of all nodes, at node 0

void keep_return(struct keeper *keeper, uint64_t bytes)
{
    if (keeper->options.runtime_limit_bytes)
        keep_far_say(keeper, 0, KN_RETURN, bytes);
}

void keep_room_asked(struct keeper *keeper, uint32_t node, uint64_t bytes)
{
    uint64_t limit = keeper->options.runtime_limit_bytes;
    if (!keeper->granted)
        keeper->granted = calloc(keeper->nodes, sizeof *keeper->granted);
    bool granted =
        keeper->granted && keeper->granted_all <= limit && bytes <= limit - keeper->granted_all;
    if (granted) {
        keeper->granted[node] += bytes;
        keeper->granted_all += bytes;
    }
    struct pack body = PACK_EMPTY;
    pack_u8(&body, granted);
    pack_u64(&body, keeper->granted_all);
    tree_send(keeper->options.tree, node, KN_GRANTED, &body);
}

void keep_room_returned(struct keeper *keeper, uint32_t node, uint64_t bytes)
{
    if (!keeper->granted)
        return;
    if (bytes > keeper->granted[node])
        bytes = keeper->granted[node];
    keeper->granted[node] -= bytes;
    keeper->granted_all -= bytes;
}
