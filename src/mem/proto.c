// SPDX-License-Identifier: BSD-3-Clause
//
// Parts of the messages between a process and its keeper: see proto.h. A spec that does not make sense is refused
// here, so nobody behind it looks again.
#include "config.h"

#include "mem/proto.h"

#include <dragon/channel.h>

const char *const keeper_message_names[KC_ANSWER + 1] = {
#define KEEPER_MESSAGE_NAME(name, number, body) [number] = #name,
    KEEPER_MESSAGES(KEEPER_MESSAGE_NAME)
#undef KEEPER_MESSAGE_NAME
};

const char *const object_kind_names[OBJECT_KINDS] = {
    [OBJECT_NONE] = "none",  [OBJECT_CHANNEL] = "channel",     [OBJECT_QUEUE] = "queue",
    [OBJECT_LOCK] = "lock",  [OBJECT_SEMAPHORE] = "semaphore", [OBJECT_BARRIER] = "barrier",
    [OBJECT_FLAG] = "event", [OBJECT_VALUE] = "value",         [OBJECT_SHARD] = "shard",
};

static int64_t unpack_i64(struct unpack *unpack)
{
    return (int64_t)unpack_u64(unpack);
}

static void pack_i64(struct pack *pack, int64_t value)
{
    pack_u64(pack, (uint64_t)value);
}

void object_spec_pack(struct pack *pack, const struct object_spec *spec)
{
    pack_u8(pack, spec->kind);
    pack_u8(pack, spec->single);
    pack_u8(pack, spec->owned);
    pack_u8(pack, spec->huge);
    pack_i32(pack, spec->numa);
    pack_u32(pack, spec->capacity);
    pack_u32(pack, spec->inline_bytes);
    pack_i64(pack, spec->initial);
}

static bool spec_makes_sense(const struct object_spec *spec)
{
    if (spec->kind == OBJECT_NONE || spec->kind >= OBJECT_KINDS || spec->single > SINGLE_END ||
        spec->owned > OWNED_AT_FIRST || spec->huge > DRAGON_HUGE_REQUIRE ||
        spec->numa < DRAGON_ANY_NUMA || spec->numa > INT16_MAX)
        return false;
    // What was made is told as it was rounded up, to whole cache lines.
    bool ring = spec->kind == OBJECT_CHANNEL || spec->kind == OBJECT_QUEUE;
    return !ring || (spec->capacity <= DRAGON_CHANNEL_CAPACITY_MOST &&
                     spec->inline_bytes < DRAGON_CHANNEL_INLINE_MOST + 64);
}

bool object_spec_unpack(struct unpack *unpack, struct object_spec *spec_out)
{
    struct object_spec spec = {0};
    spec.kind = unpack_u8(unpack);
    spec.single = unpack_u8(unpack);
    spec.owned = unpack_u8(unpack);
    spec.huge = unpack_u8(unpack);
    spec.numa = unpack_i32(unpack);
    spec.capacity = unpack_u32(unpack);
    spec.inline_bytes = unpack_u32(unpack);
    spec.initial = unpack_i64(unpack);
    if (unpack->failed || !spec_makes_sense(&spec)) {
        unpack->failed = true;
        return false;
    }
    *spec_out = spec;
    return true;
}

void object_opened_pack(struct pack *pack, const struct object_opened *opened)
{
    pack_u64(pack, opened->block);
    object_spec_pack(pack, &opened->spec);
}

bool object_opened_unpack(struct unpack *unpack, struct object_opened *opened_out)
{
    struct object_opened opened = {.block = unpack_u64(unpack)};
    if (!object_spec_unpack(unpack, &opened.spec))
        return false;
    *opened_out = opened;
    return true;
}

void object_stat_pack(struct pack *pack, const struct object_stat *stat)
{
    object_spec_pack(pack, &stat->spec);
    pack_u64(pack, stat->sent);
    pack_u64(pack, stat->received);
    pack_u64(pack, stat->lost);
    pack_u32(pack, stat->waiting);
    pack_u32(pack, stat->processes);
    pack_u32(pack, stat->waiting_senders);
    pack_u32(pack, stat->waiting_receivers);
    pack_u8(pack, stat->closed);
}

bool object_stat_unpack(struct unpack *unpack, struct object_stat *stat_out)
{
    struct object_stat stat = {0};
    if (!object_spec_unpack(unpack, &stat.spec))
        return false;
    stat.sent = unpack_u64(unpack);
    stat.received = unpack_u64(unpack);
    stat.lost = unpack_u64(unpack);
    stat.waiting = unpack_u32(unpack);
    stat.processes = unpack_u32(unpack);
    stat.waiting_senders = unpack_u32(unpack);
    stat.waiting_receivers = unpack_u32(unpack);
    stat.closed = unpack_u8(unpack);
    if (unpack->failed || stat.closed > 1) {
        unpack->failed = true;
        return false;
    }
    *stat_out = stat;
    return true;
}

void memory_stat_pack(struct pack *pack, const struct memory_stat *stat)
{
    pack_u64(pack, stat->limit_bytes);
    pack_u64(pack, stat->reserved_bytes);
    pack_u64(pack, stat->used_bytes);
    pack_u64(pack, stat->free_bytes);
    pack_u64(pack, stat->largest_free_bytes);
    pack_u64(pack, stat->blocks);
    pack_u32(pack, stat->segments);
    pack_u32(pack, stat->processes);
}

bool memory_stat_unpack(struct unpack *unpack, struct memory_stat *stat_out)
{
    struct memory_stat stat = {0};
    stat.limit_bytes = unpack_u64(unpack);
    stat.reserved_bytes = unpack_u64(unpack);
    stat.used_bytes = unpack_u64(unpack);
    stat.free_bytes = unpack_u64(unpack);
    stat.largest_free_bytes = unpack_u64(unpack);
    stat.blocks = unpack_u64(unpack);
    stat.segments = unpack_u32(unpack);
    stat.processes = unpack_u32(unpack);
    if (unpack->failed)
        return false;
    *stat_out = stat;
    return true;
}
