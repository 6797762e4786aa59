// SPDX-License-Identifier: BSD-3-Clause
//
// The segments of this node: which there are, the blocks that are the keeper's own, and giving memory back. A segment
// that is wholly free is retired: its memory goes back to the system, its number and descriptor stay, so that what
// processes have mapped is never something else, and it is used again before a new one is made.
#include "config.h"

#include "keeper/internal.h"

#include <unistd.h>

// A node that makes and destroys the same thing over and over reserves its memory once a second at most.
enum { RETIRE_MS = 1000, SEGMENTS_LIMIT = UINT16_MAX };

static bool same_kind(struct segment_kind a, struct segment_kind b)
{
    return a.numa == b.numa && a.huge == b.huge;
}

// A mapping has to be for the system's NUMA node.
struct segment_kind keep_kind_of_system(const struct keeper *keeper, struct segment_kind kind)
{
    if (kind.numa != DRAGON_ANY_NUMA)
        kind.numa = (int16_t)keeper->options.numa[kind.numa];
    return kind;
}

bool keep_kind_valid(struct keeper *keeper, const struct keep_asker *asker, int32_t numa,
                     uint8_t huge, struct segment_kind *kind_out)
{
    if (numa < DRAGON_ANY_NUMA || numa >= (int64_t)keeper->options.numa_count) {
        keep_refuse(keeper, asker, DRAGON_ERR_INVAL, "%s has no NUMA node %d: it has %u",
                    keeper->host, numa, keeper->options.numa_count);
        return false;
    }
    if (huge > DRAGON_HUGE_REQUIRE) {
        keep_refuse(keeper, asker, DRAGON_ERR_INVAL, "%u is no kind of pages", huge);
        return false;
    }
    *kind_out = (struct segment_kind){.numa = (int16_t)numa, .huge = huge};
    return true;
}

struct heap *keep_heap(struct keeper *keeper, uint32_t number)
{
    return number >= 1 && number <= keeper->segment_count ? &keeper->segments[number - 1].heap
                                                          : NULL;
}

mem_ref keep_alloc(struct keeper *keeper, struct segment_kind kind, size_t bytes)
{
    for (uint32_t i = 0; i < keeper->segment_count; i++) {
        struct keep_segment *segment = &keeper->segments[i];
        if (segment->retired || !same_kind(segment->kind, kind))
            continue;
        uint64_t offset = heap_alloc(&segment->heap, bytes, SLOT_KEEPER);
        if (offset)
            return ref_make(i + 1, offset);
    }
    return 0;
}

void keep_free(struct keeper *keeper, mem_ref ref)
{
    struct heap *heap = keep_heap(keeper, ref_segment(ref));
    if (!heap || !heap_free(heap, ref_offset(ref), SLOT_KEEPER))
        log_debug("block %llx is not the keeper's any more", (unsigned long long)ref);
    keep_segments_retire_soon(keeper);
}

void *keep_at(struct keeper *keeper, mem_ref ref)
{
    return keep_heap(keeper, ref_segment(ref))->base + ref_offset(ref);
}

uint32_t keep_segment_add(struct keeper *keeper, const struct keep_segment *segment)
{
    if (keeper->segment_count == SEGMENTS_LIMIT)
        return 0;
    struct keep_segment *segments =
        realloc(keeper->segments, (keeper->segment_count + 1) * sizeof *segments);
    if (!segments)
        return 0;
    keeper->segments = segments;
    segments[keeper->segment_count++] = *segment;
    return keeper->segment_count;
}

void keep_segments_close(struct keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->segment_count; i++) {
        segment_unmap(keeper->segments[i].heap.base, keeper->segments[i].bytes);
        close(keeper->segments[i].fd);
    }
    free(keeper->segments);
    loop_timer_destroy(keeper->retire);
}

void keep_segments_recover(struct keeper *keeper, uint32_t dead)
{
    for (uint32_t i = 0; i < keeper->segment_count; i++)
        heap_recover(&keeper->segments[i].heap, dead);
    keep_segments_retire_soon(keeper);
}

// ---- giving memory back

static uint64_t can_give_back(const struct keep_segment *segment)
{
    return segment->bytes - segment->heap.first;
}

void keep_segment_revive(struct keeper *keeper, uint32_t number)
{
    struct keep_segment *segment = &keeper->segments[number - 1];
    heap_revive(&segment->heap);
    segment->retired = segment->reviving = false;
}

uint64_t keep_segments_retire(struct keeper *keeper)
{
    uint64_t given = 0;
    for (uint32_t i = 0; i < keeper->segment_count; i++) {
        struct keep_segment *segment = &keeper->segments[i];
        if (segment->retired || !heap_retire(&segment->heap))
            continue;
        segment->retired = true;
        segment_give_back(segment->fd, segment->heap.first, segment->bytes);
        given += can_give_back(segment);
    }
    keeper->reserved -= given;
    if (given > 0)
        keep_return(keeper, given);
    return given;
}

static void on_retire(void *arg)
{
    struct keeper *keeper = arg;
    keeper->retiring = false;
    keep_segments_retire(keeper);
}

void keep_segments_retire_soon(struct keeper *keeper)
{
    if (keeper->retiring || keeper->segment_count == 0)
        return;
    if (!keeper->retire)
        keeper->retire = loop_timer_create(keeper->options.loop, on_retire, keeper);
    if (!keeper->retire)
        return;
    keeper->retiring = true;
    loop_timer_start(keeper->retire, RETIRE_MS);
}

// ---- requests

bool keep_on_segment(struct keeper *keeper, struct keep_request *request)
{
    uint32_t number = unpack_u32(&request->body);
    if (!unpack_done(&request->body))
        return false;
    if (!keep_heap(keeper, number)) {
        keep_refuse(keeper, &request->asker, DRAGON_ERR_NOT_FOUND, "%s has no segment %u",
                    keeper->host, number);
        return true;
    }
    const struct keep_segment *segment = &keeper->segments[number - 1];
    struct pack body = PACK_EMPTY;
    pack_u64(&body, segment->bytes);
    pack_i32(&body, segment->kind.numa);
    pack_u8(&body, segment->kind.huge);
    keep_session_answer(request->session, request->asker.request, DRAGON_OK, "", &body,
                        &segment->fd, 1);
    return true;
}

bool keep_on_grow(struct keeper *keeper, struct keep_request *request)
{
    struct keep_wait wait = {.asker = request->asker, .bytes = unpack_u64(&request->body)};
    struct segment_kind kind;
    int32_t numa = unpack_i32(&request->body);
    uint8_t huge = unpack_u8(&request->body);
    if (!unpack_done(&request->body))
        return false;
    if (!keep_kind_valid(keeper, &request->asker, numa, huge, &kind))
        return true;
    // Others may have made room meanwhile; whether there is, only taking it tells.
    mem_ref room = wait.bytes > 0 ? keep_alloc(keeper, kind, wait.bytes) : 0;
    if (room) {
        struct pack body = PACK_EMPTY;
        keep_free(keeper, room);
        pack_u32(&body, ref_segment(room));
        keep_answer(keeper, &request->asker, DRAGON_OK, "", &body);
        return true;
    }
    keep_grow(keeper, kind, &wait);
    return true;
}

bool keep_on_memory(struct keeper *keeper, struct keep_request *request)
{
    struct memory_stat stat = {.limit_bytes = keeper->options.node_limit_bytes,
                               .reserved_bytes = keeper->reserved,
                               .processes = keeper->processes};
    if (!unpack_done(&request->body))
        return false;
    for (uint32_t i = 0; i < keeper->segment_count; i++) {
        struct heap_stats heap;
        if (keeper->segments[i].retired)
            continue;
        heap_stats(&keeper->segments[i].heap, &heap);
        stat.segments++;
        stat.used_bytes += heap.used_bytes;
        stat.free_bytes += heap.free_bytes;
        stat.blocks += heap.blocks;
        if (heap.largest_free_bytes > stat.largest_free_bytes)
            stat.largest_free_bytes = heap.largest_free_bytes;
    }
    struct pack body = PACK_EMPTY;
    memory_stat_pack(&body, &stat);
    keep_answer(keeper, &request->asker, DRAGON_OK, "", &body);
    return true;
}
