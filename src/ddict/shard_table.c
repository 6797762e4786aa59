// SPDX-License-Identifier: BSD-3-Clause
//
// The table of a bin, and the changes of it. Each change is one store, before which the bin says what is coming in and
// what goes out; after which nothing of that is needed any more.
#include "config.h"

#include "ddict/shard_parts.h"

// ---- looking

static size_t table_bytes(uint32_t places)
{
    return (size_t)places * sizeof(uint64_t);
}

struct table bin_table(struct shard_view *view, struct bin *bin)
{
    uint64_t word = atomic_load_explicit(&bin->table, memory_order_acquire);
    uint64_t offset = word & ~(uint64_t)(HEAP_ALIGN - 1);
    uint32_t logarithm = word & (HEAP_ALIGN - 1);
    if (logarithm > 31 || table_bytes(1u << logarithm) > block_room(view, offset))
        return (struct table){.places = 0};
    return (struct table){.place = (_Atomic uint64_t *)(void *)(view->heap.base + offset),
                          .places = 1u << logarithm,
                          .offset = offset};
}

static bool is_key(const struct found *found, const struct shard_key *key)
{
    return found->key_bytes == key->bytes && found->hash == key->hash &&
           (key->bytes == 0 || memcmp(entry_key(found->entry), key->data, key->bytes) == 0);
}

_Atomic uint64_t *bin_find(struct shard_view *view, struct bin *bin, const struct shard_key *key,
                           struct found *found)
{
    struct table table = bin_table(view, bin);
    uint32_t tag = hash_tag(key->hash);
    for (uint32_t i = 0, at = tag; i < table.places; i++, at++) {
        _Atomic uint64_t *place = &table.place[at & (table.places - 1)];
        uint64_t word = atomic_load_explicit(place, memory_order_acquire);
        if (word == PLACE_FREE)
            break;
        if (place_tag(word) == tag && entry_at(view, place_entry(word), found) &&
            is_key(found, key))
            return place;
    }
    return NULL;
}

// ---- changing

// Who reads without the lock looks at the version after what it has read: what becomes of the memory is seen only by who sees
// that the version grew, too.
static void say_changed(struct bin *bin)
{
    atomic_fetch_add(&bin->version, 1);
    atomic_thread_fence(memory_order_release);
}

// What was taken out is ours, unless it is pinned: then it is given back by who unpins it last.
static uint64_t retire(struct shard_view *view, struct bin *bin, uint64_t stale)
{
    struct found found;
    say_changed(bin);
    if (bin->pins && pin_is_on(view, stale)) {
        if (entry_at(view, stale, &found))
            atomic_store(&found.entry->out, 1);
        stale = 0;
    } else if (!heap_give(&view->heap, stale, SHARD_STORED, view->slot)) {
        stale = 0; // a damaged shard: the block is lost, nothing else
    }
    atomic_store_explicit(&bin->stale, 0, memory_order_release);
    return stale;
}

uint64_t bin_put(struct shard_view *view, struct bin *bin, _Atomic uint64_t *place, uint64_t hash,
                 uint64_t fresh)
{
    uint64_t word = atomic_load_explicit(place, memory_order_relaxed), stale = place_entry(word);
    atomic_store_explicit(&bin->fresh, fresh, memory_order_release);
    atomic_store_explicit(&bin->stale, stale, memory_order_release);
    heap_give(&view->heap, fresh, view->slot, SHARD_STORED);
    atomic_store(place, place_word(fresh, hash_tag(hash)));
    atomic_store_explicit(&bin->fresh, 0, memory_order_release);
    bin->keys += stale == 0;
    bin->used += word == PLACE_FREE;
    return stale ? retire(view, bin, stale) : 0;
}

uint64_t bin_take(struct shard_view *view, struct bin *bin, _Atomic uint64_t *place)
{
    uint64_t stale = place_entry(atomic_load_explicit(place, memory_order_relaxed));
    atomic_store_explicit(&bin->stale, stale, memory_order_release);
    atomic_store(place, PLACE_LEFT);
    bin->keys--;
    return retire(view, bin, stale);
}

// NULL: there is none.
static _Atomic uint64_t *free_place(const struct table *table, uint32_t tag)
{
    for (uint32_t i = 0, at = tag; i < table->places; i++, at++) {
        _Atomic uint64_t *place = &table->place[at & (table->places - 1)];
        if (!place_entry(atomic_load_explicit(place, memory_order_relaxed)))
            return place;
    }
    return NULL;
}

static uint32_t count_entries(const struct table *table)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->places; i++)
        count += place_entry(atomic_load_explicit(&table->place[i], memory_order_relaxed)) != 0;
    return count;
}

static void fill_table(const struct table *table, const struct table *old)
{
    for (uint32_t i = 0; i < old->places; i++) {
        uint64_t word = atomic_load_explicit(&old->place[i], memory_order_relaxed);
        _Atomic uint64_t *place = place_entry(word) ? free_place(table, place_tag(word)) : NULL;
        if (place)
            atomic_store_explicit(place, word, memory_order_relaxed);
    }
}

// `fresh`, with the logarithm of its places, is ours; 0: there is no table any more.
static void swap_table(struct shard_view *view, struct bin *bin, uint64_t stale, uint64_t fresh,
                       uint32_t logarithm)
{
    atomic_store_explicit(&bin->fresh_table, fresh, memory_order_release);
    atomic_store_explicit(&bin->stale_table, stale, memory_order_release);
    if (fresh)
        heap_give(&view->heap, fresh, view->slot, SHARD_STORED);
    atomic_store(&bin->table, fresh | logarithm);
    bin->used = bin->keys;
    atomic_store_explicit(&bin->fresh_table, 0, memory_order_release);
    say_changed(bin);
    // Ours first: what is free may be somebody else's before we have said that it is no concern of this bin any more.
    bool is_ours = stale && heap_give(&view->heap, stale, SHARD_STORED, view->slot);
    atomic_store_explicit(&bin->stale_table, 0, memory_order_release);
    if (is_ours)
        shard_give_back(view, stale);
}

// Another table, with room for as many keys again.
static dragon_err_t replace_table(struct shard_view *view, struct bin *bin, const struct table *old)
{
    uint32_t places = TABLE_LEAST, keys = count_entries(old);
    while (places < (uint64_t)keys * 2 + 2)
        places *= 2;
    uint64_t fresh = heap_alloc(&view->heap, table_bytes(places), view->slot);
    if (!fresh)
        return DRAGON_ERR_FULL;
    struct table table = {.place = (_Atomic uint64_t *)(void *)(view->heap.base + fresh),
                          .places = places};
    atomic_thread_fence(memory_order_release); // see say_changed
    memset((void *)table.place, 0, table_bytes(places));
    fill_table(&table, old);
    bin->keys = keys;
    swap_table(view, bin, old->offset, fresh, (uint32_t)__builtin_ctz(places));
    return DRAGON_OK;
}

dragon_err_t bin_room(struct shard_view *view, struct bin *bin, uint64_t hash,
                      _Atomic uint64_t **place_out)
{
    struct table table = bin_table(view, bin);
    if (!table.places || bin->used >= table.places - table.places / 4) {
        dragon_err_t err = replace_table(view, bin, &table);
        if (err != DRAGON_OK)
            return err;
        table = bin_table(view, bin);
    }
    *place_out = free_place(&table, hash_tag(hash));
    return *place_out ? DRAGON_OK : DRAGON_ERR_FULL;
}

// When there is no room for a smaller one it stays; for none there is always room.
void bin_shrink(struct shard_view *view, struct bin *bin)
{
    struct table table = bin_table(view, bin);
    if (table.places <= TABLE_LEAST || bin->keys >= table.places / 8)
        return;
    if (bin->keys > 0)
        replace_table(view, bin, &table);
    else
        swap_table(view, bin, table.offset, 0, 0);
}
