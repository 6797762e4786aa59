// SPDX-License-Identifier: BSD-3-Clause
//
// The segments that this process has mapped, and blocks in them. A segment is mapped when a reference into it is first
// used, or when the source names it as one with room. It stays mapped: its number means the same memory as long as the
// space lives.
#include "config.h"

#include "mem/space.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENTS = 1 << 16, // their numbers are below
    GROWS = 8,          // how often a block is looked for in what was added, and taken by others
};

// ---- life

struct space *space_create(struct board *board, uint32_t slot, int bell_fd,
                           const struct space_source *source, void *arg)
{
    struct space *space = calloc(1, sizeof *space);
    if (!space)
        return NULL;
    space->board = board;
    space->slot = slot;
    space->own = board_slot(board, slot);
    space->node = board->node;
    space->source = source;
    space->source_arg = arg;
    space->bell_fd = bell_fd;
    space->keeper_fd = -1;
    return space;
}

void space_detach(struct space *space)
{
    if (!space)
        return;
    for (uint32_t i = 0; i < space->segment_room; i++) {
        struct mapped *mapped = space->segments[i];
        if (mapped)
            segment_unmap(mapped->base, mapped->bytes);
        free(mapped);
    }
    free(space->segments);
    free(space->places);
    for (uint32_t i = 0; i < space->bell_count; i++)
        close(space->bells[i].fd);
    free(space->bells);
    if (space->keeper_fd >= 0)
        close(space->keeper_fd);
    if (space->bell_fd >= 0)
        close(space->bell_fd);
    if (space->board_mapped)
        munmap(space->board, space->board_mapped);
    free(space->runtime);
    free(space->packet);
    free(space);
}

// ---- mapping

static bool make_room(struct space *space, uint32_t number)
{
    if (number < space->segment_room)
        return true;
    uint32_t room = space->segment_room ? space->segment_room : 16;
    while (room <= number)
        room *= 2;
    struct mapped **segments = realloc(space->segments, room * sizeof(struct mapped *));
    if (!segments)
        return false;
    space->segments = segments;
    struct mapped **places = realloc(space->places, room * sizeof(struct mapped *));
    if (!places)
        return false;
    space->places = places;
    memset(segments + space->segment_room, 0,
           (room - space->segment_room) * sizeof(struct mapped *));
    space->segment_room = room;
    return true;
}

// The first of `places` that begins behind the address.
static uint32_t place_behind(const struct space *space, const uint8_t *address)
{
    uint32_t low = 0, high = space->place_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (space->places[middle]->base <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool add_mapped(struct space *space, struct mapped *mapped)
{
    if (!make_room(space, mapped->number))
        return false;
    space->segments[mapped->number] = mapped;
    uint32_t place = place_behind(space, mapped->base);
    memmove(space->places + place + 1, space->places + place,
            (space->place_count - place) * sizeof(struct mapped *));
    space->places[place] = mapped;
    space->place_count++;
    return true;
}

// What comes from the source is a heap of that size, all of it there.
static bool map_heap(struct mapped *mapped, int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) || stat.st_size < 0 || (uint64_t)stat.st_size < mapped->bytes)
        return false;
    mapped->base = segment_map(fd, mapped->bytes, mapped->kind);
    if (!mapped->base)
        return false;
    if (heap_attach(&mapped->heap, mapped->base, mapped->bytes))
        return true;
    segment_unmap(mapped->base, mapped->bytes);
    return false;
}

static dragon_err_t map_segment(struct space *space, uint32_t number, struct mapped **mapped_out,
                                dragon_error_t *error)
{
    if (number == 0 || number >= SEGMENTS)
        return err_set(error, DRAGON_ERR_NOT_FOUND, "there is no segment %u", number);
    struct mapped *mapped = calloc(1, sizeof *mapped);
    if (!mapped)
        return err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    mapped->number = number;
    int fd = -1;
    dragon_err_t code = space->source->segment(space->source_arg, number, &fd, &mapped->bytes,
                                               &mapped->kind, error);
    if (code) {
        free(mapped);
        return code;
    }
    bool good = map_heap(mapped, fd);
    close(fd);
    if (good && add_mapped(space, mapped)) {
        *mapped_out = mapped;
        return DRAGON_OK;
    }
    if (good)
        segment_unmap(mapped->base, mapped->bytes);
    free(mapped);
    return err_set(error, DRAGON_ERR_NOMEM,
                   "segment %u of shared memory cannot be mapped here (see ulimit -v)", number);
}

// NULL: there is no such segment.
static struct mapped *segment_of(struct space *space, uint32_t number)
{
    if (number < space->segment_room && space->segments[number])
        return space->segments[number];
    struct mapped *mapped = NULL;
    map_segment(space, number, &mapped, NULL);
    return mapped;
}

// ---- blocks

static bool same_kind(struct segment_kind a, struct segment_kind b)
{
    return a.numa == b.numa && a.huge == b.huge;
}

static bool alloc_in(struct space *space, struct mapped *mapped, size_t bytes, mem_ref *ref_out,
                     void **data_out)
{
    uint64_t offset = heap_alloc(&mapped->heap, bytes, space->slot);
    if (!offset)
        return false;
    space->recent = mapped->number;
    *ref_out = ref_make(mapped->number, offset);
    *data_out = mapped->base + offset;
    return true;
}

// Where there was room last, then in the others of the kind.
static bool alloc_mapped(struct space *space, size_t bytes, struct segment_kind kind,
                         mem_ref *ref_out, void **data_out)
{
    uint32_t recent = space->recent;
    if (recent) {
        struct mapped *mapped = space->segments[recent];
        if (same_kind(mapped->kind, kind) && alloc_in(space, mapped, bytes, ref_out, data_out))
            return true;
    }
    for (uint32_t i = 0; i < space->place_count; i++) {
        struct mapped *mapped = space->places[i];
        if (mapped->number != recent && same_kind(mapped->kind, kind) &&
            alloc_in(space, mapped, bytes, ref_out, data_out))
            return true;
    }
    return false;
}

dragon_err_t space_alloc(struct space *space, size_t bytes, struct segment_kind kind,
                         mem_ref *ref_out, void **data_out, dragon_error_t *error)
{
    if (bytes == 0)
        return err_set(error, DRAGON_ERR_INVAL, "a block has at least one byte");
    if (!heap_bytes_for(bytes))
        return err_set(error, DRAGON_ERR_TOO_BIG, "%zu bytes are more than a segment can have",
                       bytes);
    for (int grows = 0; !alloc_mapped(space, bytes, kind, ref_out, data_out); grows++) {
        if (grows == GROWS)
            return err_set(error, DRAGON_ERR_FULL,
                           "no room for a block of %zu bytes: others take what is added", bytes);
        uint32_t number = 0;
        dragon_err_t code = space->source->grow(space->source_arg, bytes, kind, &number, error);
        struct mapped *mapped = NULL;
        if (!code && (number >= space->segment_room || !space->segments[number]))
            code = map_segment(space, number, &mapped, error);
        if (code)
            return code;
        space->recent = number;
    }
    return DRAGON_OK;
}

dragon_err_t space_try_alloc(struct space *space, size_t bytes, mem_ref *ref_out, void **data_out)
{
    struct segment_kind any = {.numa = DRAGON_ANY_NUMA, .huge = DRAGON_HUGE_NO};
    return alloc_mapped(space, bytes, any, ref_out, data_out) ? DRAGON_OK : DRAGON_ERR_FULL;
}

bool space_free(struct space *space, mem_ref ref, uint32_t owner)
{
    struct mapped *mapped = segment_of(space, ref_segment(ref));
    return mapped && heap_free(&mapped->heap, ref_offset(ref), owner);
}

bool space_give(struct space *space, mem_ref ref, uint32_t from, uint32_t to)
{
    struct mapped *mapped = segment_of(space, ref_segment(ref));
    return mapped && heap_give(&mapped->heap, ref_offset(ref), from, to);
}

void *space_at(struct space *space, mem_ref ref, size_t bytes)
{
    struct mapped *mapped = segment_of(space, ref_segment(ref));
    uint64_t offset = ref_offset(ref);
    if (!mapped || offset < mapped->heap.first || offset > mapped->bytes ||
        bytes > mapped->bytes - offset)
        return NULL;
    return mapped->base + offset;
}

mem_ref space_ref(const struct space *space, const void *data)
{
    const uint8_t *address = data;
    uint32_t behind = place_behind(space, address);
    if (behind == 0)
        return 0;
    const struct mapped *mapped = space->places[behind - 1];
    uint64_t offset = (uint64_t)(address - mapped->base);
    if (offset < mapped->heap.first || offset >= mapped->bytes)
        return 0;
    return ref_make(mapped->number, offset);
}

size_t space_block_bytes(struct space *space, mem_ref ref)
{
    struct mapped *mapped = segment_of(space, ref_segment(ref));
    return mapped ? heap_block_bytes(&mapped->heap, ref_offset(ref)) : 0;
}

uint32_t space_owner(struct space *space, mem_ref ref)
{
    struct mapped *mapped = segment_of(space, ref_segment(ref));
    return mapped ? heap_owner(&mapped->heap, ref_offset(ref)) : SLOT_NONE;
}
