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

bool shard_fits(uint64_t bytes, size_t key_bytes, uint64_t value_bytes)
{
    // One page is for the table that leads there.
    size_t most = bytes >= SHARD_LEAST ? heap_block_most(bytes - heap_from(bytes)) - HEAP_PAGE : 0;
    return value_bytes <= most && entry_value_at(key_bytes, value_bytes) <= most - value_bytes;
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
    struct heap heap;
    uint64_t own = shard->bytes;
    // Blocks are of whole pages.
    if (own < SHARD_LEAST || own > bytes || bytes - own >= HEAP_PAGE)
        return false;
    size_t from = heap_from(own);
    return shard->bins == bins_for(own) && heap_attach(&heap, (uint8_t *)shard + from, own - from);
}

bool shard_open(struct shard_view *view, struct shard *shard, struct space *space)
{
    uint64_t bytes = shard->bytes;
    size_t from = heap_from(bytes);
    *view = (struct shard_view){
        .shard = shard, .space = space, .slot = space->slot, .bins = bins_for(bytes)};
    return shard->bins == view->bins &&
           heap_attach(&view->heap, (uint8_t *)shard + from, bytes - from);
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
    for (uint32_t i = 0; i < view.bins; i++)
        bin_recover(&view, &shard->bin[i], dead);
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        waitset_leave(&shard->keys[i], dead);
    waitset_leave(&shard->space, dead);
    heap_recover(&view.heap, dead);
}

// Whoever is changing a bin finishes: afterwards nothing changes any more.
dragon_err_t shard_freeze(struct shard_view *view, bool frozen)
{
    dragon_err_t err = DRAGON_OK;
    atomic_store(&view->shard->frozen, frozen);
    for (uint32_t i = 0; frozen && err == DRAGON_OK && i < view->bins; i++) {
        struct bin *bin = &view->shard->bin[i];
        if (!atomic_load(&bin->lock))
            continue;
        err = bin_lock(view, bin);
        if (err == DRAGON_OK)
            bin_unlock(bin);
    }
    if (err != DRAGON_OK)
        atomic_store(&view->shard->frozen, false);
    return err;
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
    for (uint32_t i = 0; i < view->bins; i++)
        keys += atomic_load_explicit((_Atomic uint32_t *)&view->shard->bin[i].keys,
                                     memory_order_relaxed);
    return keys;
}

dragon_err_t shard_walk(struct shard_view *view, uint32_t number,
                        bool (*take)(void *arg, const void *key, size_t key_bytes,
                                     const void *value, size_t value_bytes),
                        void *arg)
{
    if (number >= view->bins)
        return DRAGON_ERR_NOT_FOUND;
    struct bin *bin = &view->shard->bin[number];
    dragon_err_t err = bin_lock(view, bin);
    if (err != DRAGON_OK)
        return err;
    struct table table = bin_table(view, bin);
    bool goes_on = true;
    for (uint32_t i = 0; goes_on && i < table.places; i++) {
        struct found found;
        if (entry_at(view, place_entry(atomic_load(&table.place[i])), &found))
            goes_on =
                take(arg, entry_key(found.entry), found.key_bytes, found.value, found.value_bytes);
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
