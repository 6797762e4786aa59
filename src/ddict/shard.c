// SPDX-License-Identifier: BSD-3-Clause
//
// The shard as a whole: its life, walking over it, and its figures.
#include "config.h"

#include "ddict/shard_parts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct shard_key shard_key(const void *data, size_t bytes)
{
    return (struct shard_key){
        .data = bytes ? data : "", .bytes = bytes, .hash = XXH3_64bits(data, bytes)};
}

// ---- life

static uint32_t bins_for(uint64_t bytes)
{
    uint32_t bins = SHARD_BINS_LEAST;
    while (bins < SHARD_BINS_MOST && (uint64_t)bins * SHARD_BYTES_A_BIN < bytes)
        bins *= 2;
    return bins;
}

static size_t heap_from(uint64_t bytes)
{
    size_t bins = sizeof(struct shard) + bins_for(bytes) * sizeof(struct bin);
    return (bins + HEAP_PAGE - 1) / HEAP_PAGE * HEAP_PAGE;
}

void shard_init(struct shard *shard, uint64_t id, uint64_t bytes)
{
    struct heap heap;
    size_t from = heap_from(bytes);
    shard->object.id = id;
    shard->object.kind = OBJECT_SHARD;
    shard->bytes = bytes;
    shard->bins = bins_for(bytes);
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        waitset_init(&shard->keys[i]);
    waitset_init(&shard->space);
    heap_init(&heap, (uint8_t *)shard + from, bytes - from);
    atomic_store(&shard->object.state, OBJECT_OPEN);
}

bool shard_check(const struct shard *shard, size_t bytes)
{
    return bytes >= SHARD_LEAST && shard->bytes == bytes && shard->bins == bins_for(bytes);
}

bool shard_open(struct shard_view *view, struct shard *shard, struct space *space)
{
    size_t from = heap_from(shard->bytes);
    *view = (struct shard_view){.shard = shard, .space = space, .slot = space->slot};
    return heap_attach(&view->heap, (uint8_t *)shard + from, shard->bytes - from);
}

void shard_destroy(struct shard *shard, struct space *space)
{
    atomic_store(&shard->object.state, OBJECT_DESTROYED);
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        space_wake_all(space, &shard->keys[i]);
    space_wake_all(space, &shard->space);
}

void shard_recover(struct shard *shard, uint32_t dead, struct space *space)
{
    struct shard_view view;
    if (!shard_open(&view, shard, space))
        return;
    pins_recover(&view, dead);
    for (uint32_t i = 0; i < shard->bins; i++)
        bin_recover(&view, &shard->bin[i], dead);
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        waitset_leave(&shard->keys[i], dead);
    waitset_leave(&shard->space, dead);
    heap_recover(&view.heap, dead);
}

// Whoever is changing a bin finishes: afterwards nothing changes any more.
void shard_freeze(struct shard_view *view, bool frozen)
{
    atomic_store(&view->shard->frozen, frozen);
    for (uint32_t i = 0; frozen && i < view->shard->bins; i++) {
        struct bin *bin = &view->shard->bin[i];
        if (atomic_load(&bin->lock) && bin_lock(view, bin) == DRAGON_OK)
            bin_unlock(bin);
    }
}

// ---- looking

void shard_counted(struct shard_view *view, enum shard_count what)
{
    struct counters *line = &view->shard->counters[view->slot % SHARD_COUNTERS];
    atomic_fetch_add_explicit(&line->counts[what], 1, memory_order_relaxed);
}

uint64_t shard_length(struct shard_view *view)
{
    uint64_t keys = 0;
    for (uint32_t i = 0; i < view->shard->bins; i++)
        keys += atomic_load_explicit((_Atomic uint32_t *)&view->shard->bin[i].keys,
                                     memory_order_relaxed);
    return keys;
}

dragon_err_t shard_walk(struct shard_view *view, uint32_t number,
                        bool (*take)(void *arg, const void *key, size_t key_bytes,
                                     const void *value, size_t value_bytes),
                        void *arg)
{
    if (number >= view->shard->bins)
        return DRAGON_ERR_NOT_FOUND;
    struct bin *bin = &view->shard->bin[number];
    dragon_err_t err = bin_lock(view, bin);
    if (err != DRAGON_OK)
        return err;
    struct table *table = bin_table(view, bin);
    bool goes_on = true;
    for (uint32_t i = 0; table && goes_on && i < table->places; i++) {
        uint64_t offset = atomic_load(&table->place[i].entry);
        if (offset == PLACE_FREE || offset == PLACE_LEFT)
            continue;
        struct entry *entry = entry_at(view, offset);
        goes_on = take(arg, entry_key(entry), entry->key_bytes, entry_value(entry),
                       atomic_load(&entry->value_bytes));
    }
    bin_unlock(bin);
    shard_counted(view, COUNT_SCAN);
    return DRAGON_OK;
}

void shard_stats(struct shard_view *view, struct shard_stats *stats_out)
{
    struct shard *shard = view->shard;
    *stats_out = (struct shard_stats){.keys = shard_length(view)};
    heap_stats(&view->heap, &stats_out->heap);
    for (uint32_t i = 0; i < SHARD_COUNTERS; i++)
        for (uint32_t k = 0; k < SHARD_COUNTS; k++)
            stats_out->counts[k] +=
                atomic_load_explicit(&shard->counters[i].counts[k], memory_order_relaxed);
    for (uint32_t i = 0; i < SHARD_PINS; i++)
        stats_out->pins += atomic_load(&shard->pins[i].slot) != SLOT_NONE;
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        stats_out->waiting += waitset_count(&shard->keys[i]);
    stats_out->waiting += waitset_count(&shard->space);
}
