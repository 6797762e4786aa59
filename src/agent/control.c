// SPDX-License-Identifier: BSD-3-Clause
//
// Encoding and decoding of control messages: see control.h. Texts that are not marked "owned" point into
// the message.
#include "config.h"

#include "agent/control.h"

enum { ADDRESSES_LIMIT = 64, NODES_LIMIT = 1 << 20, ARGS_LIMIT = 1 << 20 };

void control_setup_pack(struct pack *pack, const struct control_setup *setup)
{
    pack_u8(pack, setup->listen);
    pack_u8(pack, setup->local);
    pack_str(pack, setup->network);
    pack_str(pack, setup->gpus);
}

bool control_setup_unpack(struct unpack *unpack, struct control_setup *setup_out)
{
    setup_out->listen = unpack_u8(unpack);
    setup_out->local = unpack_u8(unpack);
    setup_out->network = unpack_str(unpack);
    setup_out->gpus = unpack_str(unpack);
    return unpack_done(unpack);
}

void control_ready_pack(struct pack *pack, const struct control_ready *ready)
{
    pack_u32(pack, ready->cores);
    pack_strv(pack, ready->addresses);
}

bool control_ready_unpack(struct unpack *unpack, struct control_ready *ready_out)
{
    struct control_ready ready = {.cores = unpack_u32(unpack)};
    ready.addresses = unpack_strv(unpack, ADDRESSES_LIMIT);
    if (!unpack_done(unpack) || ready.cores == 0) {
        strv_free(ready.addresses);
        return false;
    }
    *ready_out = ready;
    return true;
}

void control_start_pack(struct pack *pack, const struct control_start *start)
{
    pack_raw(pack, start->secret, sizeof start->secret);
    pack_str(pack, start->name);
    pack_str(pack, start->stem);
    pack_u32(pack, start->here);
    pack_u32(pack, start->count);
    pack_u32(pack, start->fanout);
    pack_u8(pack, start->goes_on);
    pack_u32(pack, start->share_index);
    pack_u32(pack, start->share_count);
    pack_u32(pack, start->up_timeout_ms);
    pack_u32(pack, start->node_timeout_ms);
    pack_u32(pack, start->grace_ms);
    pack_str(pack, start->gpus);
    pack_u64(pack, start->memory_bytes);
    pack_u64(pack, start->memory_total_bytes);
    pack_u64(pack, start->end_s);
    pack_i32(pack, start->head_group);
    pack_str(pack, start->cwd);
    pack_strv(pack, start->head);
    for (uint32_t i = 0; i < start->count; i++) {
        pack_str(pack, start->nodes[i].name);
        pack_str(pack, start->nodes[i].host_key);
        pack_strv(pack, start->nodes[i].addresses);
    }
}

void control_start_fini(struct control_start *start)
{
    for (uint32_t i = 0; start->nodes && i < start->count; i++)
        strv_free(start->nodes[i].addresses);
    free(start->nodes);
    strv_free(start->head);
    *start = (struct control_start){0};
}

static bool unpack_nodes(struct unpack *unpack, struct control_start *start)
{
    start->nodes = calloc(start->count, sizeof *start->nodes);
    for (uint32_t i = 0; start->nodes && i < start->count; i++) {
        struct control_node *node = &start->nodes[i];
        node->name = unpack_str(unpack);
        node->host_key = unpack_str(unpack);
        node->addresses = unpack_strv(unpack, ADDRESSES_LIMIT);
    }
    return start->nodes != NULL;
}

bool control_start_unpack(struct unpack *unpack, struct control_start *start_out)
{
    struct control_start start = {0};
    const void *secret = unpack_raw(unpack, sizeof start.secret);
    if (secret)
        memcpy(start.secret, secret, sizeof start.secret);
    start.name = unpack_str(unpack);
    start.stem = unpack_str(unpack);
    start.here = unpack_u32(unpack);
    start.count = unpack_u32(unpack);
    start.fanout = unpack_u32(unpack);
    start.goes_on = unpack_u8(unpack);
    start.share_index = unpack_u32(unpack);
    start.share_count = unpack_u32(unpack);
    start.up_timeout_ms = unpack_u32(unpack);
    start.node_timeout_ms = unpack_u32(unpack);
    start.grace_ms = unpack_u32(unpack);
    start.gpus = unpack_str(unpack);
    start.memory_bytes = unpack_u64(unpack);
    start.memory_total_bytes = unpack_u64(unpack);
    start.end_s = unpack_u64(unpack);
    start.head_group = unpack_i32(unpack);
    start.cwd = unpack_str(unpack);
    start.head = unpack_strv(unpack, ARGS_LIMIT);
    bool sane = !unpack->failed && start.count > 0 && start.count <= NODES_LIMIT &&
                start.here < start.count && start.fanout > 0 && start.share_count > 0 &&
                start.share_index < start.share_count;
    if (!sane || !unpack_nodes(unpack, &start) || !unpack_done(unpack)) {
        if (!sane)
            start.count = 0;
        control_start_fini(&start);
        return false;
    }
    *start_out = start;
    return true;
}
