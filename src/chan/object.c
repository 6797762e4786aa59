// SPDX-License-Identifier: BSD-3-Clause
//
// What is the same for all objects; the rest is done by the ring, the shard or sync.
#include "config.h"

#include "chan/queue.h"
#include "chan/sync.h"
#include "ddict/shard.h"

static bool is_ring(uint32_t kind)
{
    return kind == OBJECT_CHANNEL || kind == OBJECT_QUEUE;
}

size_t object_bytes(const struct object_spec *spec)
{
    if (spec->kind == OBJECT_SHARD)
        return spec->initial >= SHARD_LEAST ? (size_t)spec->initial : 0;
    return is_ring(spec->kind) ? ring_bytes(spec) : sync_bytes(spec);
}

void object_init(struct object *object, uint64_t id, const struct object_spec *spec)
{
    if (is_ring(spec->kind))
        ring_init((struct ring *)object, id, spec);
    else if (spec->kind == OBJECT_SHARD)
        shard_init((struct shard *)object, id, (uint64_t)spec->initial);
    else
        sync_init(object, id, spec);
}

bool object_check(const struct object *object, uint64_t id, enum object_kind kind, size_t bytes)
{
    if (bytes < sizeof(*object) || object->id != id || object->kind != (uint32_t)kind)
        return false;
    if (kind == OBJECT_SHARD)
        return shard_check((const struct shard *)object, bytes);
    return is_ring(kind) ? ring_check((const struct ring *)object, bytes)
                         : sync_check(object, bytes);
}

void object_close(struct object *object, struct space *space)
{
    if (is_ring(object->kind))
        ring_close((struct ring *)object, space);
}

void object_destroy(struct object *object, struct space *space)
{
    if (is_ring(object->kind)) {
        ring_destroy((struct ring *)object, space);
        return;
    }
    if (object->kind == OBJECT_SHARD) {
        shard_destroy((struct shard *)object, space);
        return;
    }
    atomic_store(&object->state, OBJECT_DESTROYED);
    sync_wake(object, space);
}

void object_recover(struct object *object, uint32_t dead, struct space *space)
{
    if (is_ring(object->kind))
        ring_recover((struct ring *)object, dead, space);
    else if (object->kind == OBJECT_SHARD)
        shard_recover((struct shard *)object, dead, space);
    else
        sync_recover(object, dead);
}

void object_stat(struct object *object, struct object_stat *stat_out)
{
    *stat_out = (struct object_stat){.spec = {.kind = (uint8_t)object->kind}};
    stat_out->closed = object_state(object) != OBJECT_OPEN;
    if (!is_ring(object->kind))
        return;
    struct ring *ring = (struct ring *)object;
    stat_out->spec.single = ring->config.single;
    stat_out->spec.capacity = ring->config.capacity;
    stat_out->spec.inline_bytes = ring->config.inline_bytes;
    stat_out->lost = atomic_load(&ring->lost);
    stat_out->received = ring_received(ring);
    stat_out->sent = ring_sent(ring);
    stat_out->waiting = ring_waiting(ring);
    stat_out->waiting_senders = waitset_count(&ring->senders);
    stat_out->waiting_receivers = waitset_count(&ring->receivers);
}
