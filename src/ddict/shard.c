// SPDX-License-Identifier: BSD-3-Clause
//
// The shard as a whole: its life, walking over it, and its figures.
#include "config.h"

#include "ddict/shard_parts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct shard_key shard_key(const void *data, size_t bytes)
{
    return (struct shard_key){.data = data, .bytes = bytes, .hash = XXH3_64bits(data, bytes)};
}

// ---- life

static uint32_t bins_for(uint64_t memory)
{
    uint32_t bins = SHARD_BINS_LEAST;
    while (bins < SHARD_BINS_MOST && (uint64_t)bins * SHARD_BYTES_A_BIN < memory)
        bins *= 2;
    return bins;
}

size_t shard_bytes(uint64_t memory)
{
    return sizeof(struct shard) + bins_for(memory) * sizeof(struct bin);
}

void shard_init(struct shard *shard, uint64_t id, uint64_t memory)
{
    shard->object.id = id;
    shard->bins = bins_for(memory);
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        waitset_init(&shard->keys[i]);
    waitset_init(&shard->space);
    atomic_store(&shard->object.state, OBJECT_OPEN);
}

bool shard_check(const struct shard *shard, size_t bytes)
{
    return bytes >= sizeof *shard && shard->bins >= SHARD_BINS_LEAST &&
           shard->bins <= SHARD_BINS_MOST && !(shard->bins & (shard->bins - 1)) &&
           bytes >= sizeof *shard + shard->bins * sizeof(struct bin);
}

void shard_recover(struct shard_view *view, uint32_t dead)
{
    pins_recover(view, dead);
    for (uint32_t i = 0; i < view->shard->bins; i++)
        bin_recover(view, &view->shard->bin[i], dead);
    for (uint32_t i = 0; i < SHARD_WAITSETS; i++)
        waitset_leave(&view->shard->keys[i], dead);
    waitset_leave(&view->shard->space, dead);
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
    heap_stats(view->heap, &stats_out->heap);
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
